//! The end of a cgroup: killed, waited for by pidfd, removed from the leaves up, within a bound.

use super::error::{Error, Result};
use super::group::{Cgroup, numbers, read_at};
use crate::sys::{Errno, dir, process, raw};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// A sub-folder of a folder, never a link and never out of it.
const FOLDER: i32 = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
/// Processes that one round waits for; the next round takes the rest.
const ROUND: usize = 64;
/// A round that long without an end kills again: something may have moved in.
const ROUND_TIME: Duration = Duration::from_millis(200);
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

impl Cgroup {
    /// Ends every process here and below, and removes this cgroup and all sub-cgroups, whoever made them. One rmdir where it
    /// is empty, as after a reap. One that is gone already is no error. What is left at the deadline is an [`Error::Busy`]
    /// that names the processes; calling again goes on.
    pub fn remove(&self, deadline: Duration) -> Result<()> {
        let Some((_, name)) = self.path().rsplit_once('/').filter(|(_, name)| !name.is_empty()) else {
            return Err(Error::field("cgroup path", "the root of the tree cannot be removed"));
        };
        let name = CString::new(name).map_err(|_| self.error("remove", Errno::EINVAL))?;
        // Cgroups cannot be renamed, so the folder above an open one is always its parent.
        let parent = dir::open(self.dir(), c"..", libc::O_PATH | libc::O_DIRECTORY, 0).map_err(|e| self.error("open ..", e))?;
        let start = Instant::now();
        let until = start + deadline;
        let mut pause = SHORTEST_PAUSE;
        loop {
            match raw::unlinkat(parent.as_raw_fd(), &name, libc::AT_REMOVEDIR) {
                Ok(()) | Err(Errno::ENOENT) => return Ok(()),
                Err(Errno::EBUSY) => {}
                Err(errno) => return Err(self.error("rmdir", errno)),
            }
            match self.kill() {
                Err(e) if e.is_not_found() => return Ok(()),
                other => other?,
            }
            let left = sweep(self.dir(), until).map_err(|errno| self.error("remove its sub-cgroups", errno))?;
            if Instant::now() >= until {
                let waited_ms = start.elapsed().as_millis() as u64;
                let left = if left.is_empty() { self.procs().unwrap_or_default() } else { left };
                return Err(Error::Busy { path: self.path().into(), waited_ms, what: describe(&left) });
            }
            if !wait_for(&left, until.min(Instant::now() + ROUND_TIME)) {
                // Nothing to wait for by pidfd: a dead task leaves its cgroup a moment after it is seen dead.
                std::thread::sleep(pause.min(until.saturating_duration_since(Instant::now())));
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

impl Cgroup {
    /// Processes of this cgroup and of all below it, in the order of their numbers.
    pub fn processes(&self) -> Result<Vec<i32>> {
        let mut found = self.procs()?;
        // One level at a time, each folder by its fd; a container may nest as it likes, 64 levels are looked at.
        let mut level = vec![dir::open(self.dir(), c".", FOLDER, 0).map_err(|e| self.error("open", e))?];
        for _ in 0..64 {
            let mut next = Vec::new();
            for folder in &level {
                for entry in dir::entries(folder.as_fd()).unwrap_or_default().iter().filter(|e| e.kind == libc::DT_DIR) {
                    if let Ok(below) = dir::open(folder.as_fd(), &entry.name, FOLDER, 0) {
                        found.extend(processes(&below));
                        next.push(below);
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// Removes all sub-cgroups that can be removed, from the leaves up. Returns processes that still live in what is left. Walks
/// with one fd however deep the tree is: a container may have made it as deep as it liked.
fn sweep(top: BorrowedFd, until: Instant) -> Result<Vec<i32>, Errno> {
    let mut living = Vec::new();
    // The names on the way down, and at each level those still to be visited.
    let mut way: Vec<(CString, Vec<CString>)> = Vec::new();
    let mut here: OwnedFd = dir::open(top, c".", FOLDER, 0)?;
    let mut rest = prune(&here)?;
    while Instant::now() < until {
        if let Some(name) = rest.pop() {
            match dir::open(here.as_fd(), &name, FOLDER, 0) {
                Ok(fd) => {
                    here = fd;
                    let below = prune(&here)?;
                    way.push((name, std::mem::replace(&mut rest, below)));
                }
                // It went by itself.
                Err(Errno::ENOENT | Errno::ENODEV) => {}
                Err(errno) => return Err(errno),
            }
            continue;
        }
        if living.len() < ROUND {
            living.extend(processes(&here));
        }
        let Some((name, siblings)) = way.pop() else { return Ok(living) };
        here = dir::open(here.as_fd(), c"..", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
        let _ = raw::unlinkat(here.as_raw_fd(), &name, libc::AT_REMOVEDIR);
        rest = siblings;
    }
    Ok(living)
}

/// Removes the empty sub-folders; returns the others.
fn prune(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let entries = match dir::entries(folder.as_fd()) {
        Err(Errno::ENOENT | Errno::ENODEV) => return Ok(Vec::new()),
        other => other?,
    };
    let busy = |name: &CString| raw::unlinkat(folder.as_raw_fd(), name, libc::AT_REMOVEDIR) == Err(Errno::EBUSY);
    Ok(entries.into_iter().filter(|e| e.kind == libc::DT_DIR).map(|e| e.name).filter(busy).collect())
}

fn processes(folder: &OwnedFd) -> Vec<i32> {
    let text = match read_at(folder.as_fd(), c"cgroup.procs") {
        // A threaded cgroup lists threads only.
        Err(Errno::EOPNOTSUPP) => read_at(folder.as_fd(), c"cgroup.threads"),
        other => other,
    };
    numbers(&text.unwrap_or_default())
}

/// Waits for the processes to end. False if there was none to wait for.
fn wait_for(pids: &[i32], until: Instant) -> bool {
    let mut waited = false;
    for pidfd in pids.iter().take(ROUND).filter_map(|&pid| process::pidfd_open(pid).ok()) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        waited |= !wait_fd(pidfd.as_fd(), false, Duration::ZERO);
        wait_fd(pidfd.as_fd(), false, left);
    }
    waited
}

/// Waits until the fd is readable, or (`priority`) has POLLPRI, for at most that long, rounded up to a millisecond. True if so.
pub(super) fn wait_fd(fd: BorrowedFd, priority: bool, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let ms = left.as_micros().div_ceil(1000).min(60_000) as u16;
        let mut fds = [PollFd::new(fd, if priority { PollFlags::POLLPRI } else { PollFlags::POLLIN })];
        match poll(&mut fds, PollTimeout::from(ms)) {
            Ok(n) if n > 0 => return true,
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
            Ok(_) => {}
        }
        if Instant::now() >= until {
            return false;
        }
    }
}

/// `process 12 (state D, sh), ...` of what did not die.
fn describe(pids: &[i32]) -> String {
    let one = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name is in parentheses and may hold anything, the state follows the last one.
        let name = stat.split_once('(').and_then(|(_, r)| r.rsplit_once(')')).map_or("?", |(name, _)| name);
        let state = stat.rsplit_once(") ").and_then(|(_, r)| r.split(' ').next()).unwrap_or("?");
        format!("process {pid} ({}, state {state})", name.escape_debug())
    };
    match pids.len() {
        0 => "sub-cgroups or threads are left in it".into(),
        n @ 1..=3 => pids[..n].iter().map(one).collect::<Vec<_>>().join(", "),
        n => format!("{}, and {} more", pids[..3].iter().map(one).collect::<Vec<_>>().join(", "), n - 3),
    }
}

#[cfg(test)]
#[path = "removal_tests.rs"]
mod tests;
