//! One cgroup: its folder held open, its files written and read relative to that.

use super::controller::{Controller, words};
use super::error::{Error, Result};
use super::hierarchy::Hierarchy;
use super::limits::Limits;
use super::path::components;
use crate::sys::{Errno, dir, process, raw};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Openat2's RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS: cgroupfs has no links, so one that shows up is a trap.
const BENEATH: u64 = 0x08 | 0x04;
const FOLDER: i32 = libc::O_RDONLY | libc::O_DIRECTORY;
/// Longest file that is read whole; cgroup.procs of a fork bomb is longer, and a part of it is as good.
const READ_CAP: usize = 1 << 20;

/// A handle on one cgroup. The folder's fd is close-on-exec and fit for CLONE_INTO_CGROUP. Dropping it removes nothing.
#[derive(Debug)]
pub struct Cgroup {
    path: String,
    dir: OwnedFd,
}

impl Cgroup {
    /// The cgroup of that path, from the hierarchy's mount point (`/podrt/pod1`, or without the leading slash). Not made: an
    /// absent one is an error for which [`Error::is_not_found`] holds.
    pub fn open(hierarchy: &Hierarchy, path: &str) -> Result<Cgroup> {
        let parts = components(path)?;
        let path = format!("/{}", parts.join("/"));
        let relative = c_string(if parts.is_empty() { "." } else { &path[1..] })?;
        match dir::open(hierarchy.root(), &relative, FOLDER, BENEATH) {
            Ok(dir) => Ok(Cgroup { path, dir }),
            Err(errno) => Err(Error::Call { path, what: "open".into(), errno }),
        }
    }

    /// Makes the sub-cgroup: mkdirat and openat, no more. A name that is taken is an error for which [`Error::is_taken`] holds,
    /// since what sits there has limits and perhaps processes that the caller does not know.
    pub fn child(&self, name: &str) -> Result<Cgroup> {
        let name = self.name(name)?;
        raw::mkdirat(self.dir.as_raw_fd(), &name, 0o755)
            .map_err(|errno| self.error(format!("make {}", name.to_string_lossy()), errno))?;
        self.enter(&name)
    }

    /// The sub-cgroup that is there already.
    pub fn existing(&self, name: &str) -> Result<Cgroup> {
        self.enter(&self.name(name)?)
    }

    /// The sub-cgroup, made if it is not there.
    pub fn child_or_existing(&self, name: &str) -> Result<Cgroup> {
        match self.child(name) {
            Err(e) if e.is_taken() => self.existing(name),
            other => other,
        }
    }

    /// Gives the folder up, where nobody is in it or below it.
    pub fn remove_if_empty(&self) -> Result<()> {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let name = c_string(&format!("../{name}"))?;
        raw::unlinkat(self.dir.as_raw_fd(), &name, libc::AT_REMOVEDIR).map_err(|errno| self.error("remove", errno))
    }

    fn name(&self, name: &str) -> Result<CString> {
        match components(name)?.as_slice() {
            [one] if *one == name => c_string(one),
            _ => Err(Error::field("cgroup name", format!("`{}`, want one name without slashes", name.escape_debug()))),
        }
    }

    fn enter(&self, name: &CString) -> Result<Cgroup> {
        let text = name.to_string_lossy();
        let path = format!("{}/{text}", self.path.trim_end_matches('/'));
        match dir::open(self.dir.as_fd(), name, FOLDER, BENEATH) {
            Ok(dir) => Ok(Cgroup { path, dir }),
            Err(errno) => Err(Error::Call { path, what: "open".into(), errno }),
        }
    }

    /// For CLONE_INTO_CGROUP and BPF_PROG_ATTACH.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// From the hierarchy's mount point, with a leading slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn error(&self, what: impl Into<String>, errno: Errno) -> Error {
        Error::Call { path: self.path.clone(), what: what.into(), errno }
    }

    /// One open, one write, one close. The file is named by podrt or has passed the check of `unified` keys.
    pub(super) fn put(&self, file: &str, value: &str) -> Result<(), Errno> {
        let name = CString::new(file).map_err(|_| Errno::EINVAL)?;
        let fd = dir::open(self.dir.as_fd(), &name, libc::O_WRONLY, BENEATH)?;
        raw::write(fd.as_raw_fd(), value.as_bytes()).map(drop)
    }

    /// The file's content, up to 1 MiB of it.
    pub(super) fn get(&self, file: &str) -> Result<String, Errno> {
        let name = CString::new(file).map_err(|_| Errno::EINVAL)?;
        read_at(self.dir.as_fd(), &name)
    }

    /// Opens an interface file for reading, to be watched: EPOLLPRI says that memory.events or cgroup.events has changed.
    pub fn watch(&self, file: &str) -> Result<OwnedFd> {
        let name = self.name(file)?;
        dir::open(self.dir.as_fd(), &name, libc::O_RDONLY, BENEATH).map_err(|errno| self.error(format!("open {file}"), errno))
    }

    /// What the parent hands down to this cgroup.
    pub fn controllers(&self) -> Result<BTreeSet<Controller>> {
        self.get("cgroup.controllers").map(|t| Controller::set(&t)).map_err(|e| self.error("read cgroup.controllers", e))
    }

    /// Hands controllers down to the sub-cgroups: one write. To be called before anything enters a sub-cgroup, and only for a
    /// cgroup that no process sits in.
    pub fn enable(&self, set: &BTreeSet<Controller>) -> Result<()> {
        if set.is_empty() {
            return Ok(());
        }
        let value = set.iter().map(|c| format!("+{c}")).collect::<Vec<_>>().join(" ");
        match self.put("cgroup.subtree_control", &value) {
            Ok(()) => Ok(()),
            Err(Errno::EBUSY) => {
                let count = self.procs().map_or(0, |p| p.len());
                Err(Error::HoldsProcesses { path: self.path.clone(), controllers: words(set), count })
            }
            Err(errno) => {
                let have = self.controllers()?;
                match set.difference(&have).next() {
                    Some(&lacking) => Err(self.missing("cgroup.subtree_control", lacking)),
                    None => Err(self.error(format!("write `{value}` to cgroup.subtree_control"), errno)),
                }
            }
        }
    }

    fn missing(&self, file: &str, controller: Controller) -> Error {
        let above = read_at(self.dir.as_fd(), c"../cgroup.controllers").map(|t| Controller::set(&t)).unwrap_or_default();
        let why = if above.contains(&controller) {
            "is not handed down by the cgroup above it: add it to that one's cgroup.subtree_control".to_string()
        } else {
            super::hierarchy::why_missing(controller)
        };
        Error::MissingController { path: self.path.clone(), file: file.into(), controller, why }
    }

    /// Writes the limits, one write a file. With `skip_missing` a limit whose controller is not there becomes a warning, which
    /// is returned; else it is an error. The first error ends it: what has been written stays.
    pub fn apply(&self, limits: &Limits, skip_missing: bool) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        let mut gone = BTreeSet::new();
        for (file, value) in limits.files() {
            let controller = Controller::of_file(&file);
            if controller.is_some_and(|c| gone.contains(&c)) {
                continue;
            }
            match self.put(&file, &value) {
                Ok(()) => {}
                Err(Errno::ENOENT) => match self.absent(&file, &value, controller) {
                    Ok(()) => {}
                    Err(error @ Error::MissingController { .. }) if skip_missing => {
                        gone.extend(controller);
                        warnings.push(error.to_string());
                    }
                    Err(error) => return Err(error),
                },
                Err(errno) => return Err(self.error(format!("write `{value}` to {file}"), errno)),
            }
        }
        Ok(warnings)
    }

    /// Writes what nobody asked for, where its controller is there. Why one is not is nobody's question: no words are made.
    pub fn apply_soft(&self, limits: &Limits) -> Result<()> {
        let mut have: Option<BTreeSet<Controller>> = None;
        for (file, value) in limits.files() {
            let controller = Controller::of_file(&file);
            if controller.is_some_and(|c| have.as_ref().is_some_and(|have| !have.contains(&c))) {
                continue;
            }
            match self.put(&file, &value) {
                Ok(()) => {}
                Err(Errno::ENOENT) => {
                    let have = have.insert(self.controllers()?);
                    if controller.is_none_or(|c| have.contains(&c)) {
                        self.absent(&file, &value, controller)?;
                    }
                }
                Err(errno) => return Err(self.error(format!("write `{value}` to {file}"), errno)),
            }
        }
        Ok(())
    }

    /// The file is not there: another one may serve, or there may be nothing to limit; else the reason.
    fn absent(&self, file: &str, value: &str, controller: Option<Controller>) -> Result<()> {
        let have = self.controllers()?;
        match controller {
            Some(c) if !have.contains(&c) => return Err(self.missing(file, c)),
            _ => {}
        }
        // The file comes with swap accounting, which may be off; without swap there is nothing to account.
        let swapless = || std::fs::read_to_string("/proc/swaps").is_ok_and(|t| t.lines().count() <= 1);
        if file == "memory.swap.max" && (value == "max" || swapless()) {
            return Ok(());
        }
        // Without the iocost policy weights are the BFQ scheduler's.
        if file == "io.weight"
            && let Some(value) = bfq_weight(value)
        {
            match self.put("io.bfq.weight", &value) {
                Err(Errno::ENOENT) => {}
                other => return other.map_err(|errno| self.error(format!("write `{value}` to io.bfq.weight"), errno)),
            }
        }
        Err(Error::NoSuchFile { path: self.path.clone(), file: file.into() })
    }

    /// SIGKILL to every process here and below, frozen ones included, in one step that no fork outruns (cgroup.kill).
    pub fn kill(&self) -> Result<()> {
        match self.put("cgroup.kill", "1") {
            // A container with a writable tree has made itself threaded, where processes can only be ended one by one.
            Err(Errno::EOPNOTSUPP) => self.kill_each(),
            other => other.map_err(|errno| self.error("write cgroup.kill", errno)),
        }
    }

    /// For a threaded cgroup, which lists threads. What forks meanwhile is left to the caller's next try.
    fn kill_each(&self) -> Result<()> {
        for tid in self.numbers("cgroup.threads").map_err(|e| self.error("read cgroup.threads", e))? {
            // A pidfd is for a whole process: the thread's status names it.
            let Ok(status) = std::fs::read_to_string(format!("/proc/{tid}/status")) else { continue };
            let pid = status.lines().find_map(|l| l.strip_prefix("Tgid:")?.trim().parse::<i32>().ok()).unwrap_or(tid);
            let Ok(pidfd) = process::pidfd_open(pid) else { continue };
            // The number may have been taken by a stranger between the two; now that the process is held, look again.
            if self.numbers("cgroup.threads").is_ok_and(|now| now.contains(&tid)) {
                let _ = process::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
            }
        }
        Ok(())
    }

    /// Asks that every process here and below stops; [`Cgroup::stands`] says when they have.
    pub fn begin_freeze(&self) -> Result<()> {
        self.put("cgroup.freeze", "1").map_err(|errno| self.error("write cgroup.freeze", errno))
    }

    /// Whether all have stopped.
    pub fn stands(&self) -> Result<bool> {
        self.event("frozen")
    }

    /// Stops every process here and below, and waits until all have stopped; gives up, and thaws, at the deadline.
    pub fn freeze(&self, deadline: Duration) -> Result<()> {
        let until = Instant::now() + deadline;
        let events = self.watch("cgroup.events")?;
        self.begin_freeze()?;
        loop {
            if self.stands()? {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let _ = self.thaw();
                let what = "not all processes could be frozen, all are thawed".into();
                return Err(Error::Busy { path: self.path.clone(), waited_ms: deadline.as_millis() as u64, what });
            }
            super::removal::wait_fd(events.as_fd(), true, left);
        }
    }

    pub fn thaw(&self) -> Result<()> {
        self.put("cgroup.freeze", "0").map_err(|errno| self.error("write cgroup.freeze", errno))
    }

    /// Whether [`Cgroup::freeze`] has been asked for here (a frozen ancestor does not count).
    pub fn is_frozen(&self) -> Result<bool> {
        self.get("cgroup.freeze").map(|t| t.trim() == "1").map_err(|e| self.error("read cgroup.freeze", e))
    }

    /// Whether any process lives here or below.
    pub fn populated(&self) -> Result<bool> {
        self.event("populated")
    }

    fn event(&self, key: &str) -> Result<bool> {
        let text = self.get("cgroup.events").map_err(|e| self.error("read cgroup.events", e))?;
        Ok(super::stats::value(&text, key) == Some(1))
    }

    /// Processes of this very cgroup, as the caller's PID namespace numbers them; those of others are left out. In a threaded
    /// cgroup: its threads.
    pub fn procs(&self) -> Result<Vec<i32>> {
        let procs = match self.numbers("cgroup.procs") {
            Err(Errno::EOPNOTSUPP) => self.numbers("cgroup.threads"),
            other => other,
        };
        procs.map_err(|e| self.error("read cgroup.procs", e))
    }

    fn numbers(&self, file: &str) -> Result<Vec<i32>, Errno> {
        self.get(file).map(|t| numbers(&t))
    }
}

pub(super) fn numbers(text: &str) -> Vec<i32> {
    text.lines().filter_map(|l| l.parse().ok()).filter(|&pid| pid > 0).collect()
}

pub(super) fn read_at(at: BorrowedFd, name: &std::ffi::CStr) -> Result<String, Errno> {
    let fd = dir::open(at, name, libc::O_RDONLY, 0x04)?;
    let mut text = vec![0u8; 4096];
    let mut length = 0;
    loop {
        match raw::read(fd.as_raw_fd(), &mut text[length..])? {
            0 => break,
            n => length += n,
        }
        if length >= READ_CAP {
            break;
        }
        if length == text.len() {
            text.resize(length * 4, 0);
        }
    }
    text.truncate(length);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::field("cgroup path", format!("`{}` holds a NUL", text.escape_debug())))
}

/// `default 5050` of io.weight (1..=10000) as io.bfq.weight's (1..=1000, 100 by default in both).
fn bfq_weight(value: &str) -> Option<String> {
    let (device, weight) = value.rsplit_once(' ')?;
    let weight: u64 = weight.parse().ok()?;
    Some(format!("{device} {}", (10 + weight.saturating_sub(1) * 990 / 9999).min(1000)))
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
