//! Where cgroup v2 is mounted, what it can do, and the parent cgroup under which podrt works.

use super::controller::Controller;
use super::error::{Error, Result};
use super::group::Cgroup;
use super::limits::Limits;
use super::path::components;
use super::systemd::{self, Holder, Tree};
use crate::sys::{Errno, raw};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// CGROUP2_SUPER_MAGIC of magic.h.
const MAGIC: i64 = 0x6367_7270;
const USUAL: &str = "/sys/fs/cgroup";
/// Where the processes of a cgroup namespace's root go, so that the root can hand out controllers.
const LEAF: &str = "podrt.init";
/// Tries, 20 ms apart, to find or start the tree of pods.
const PATIENCE: u32 = 500;

/// The cgroup v2 tree as this process sees it. All paths of [`Cgroup`]s begin at its mount point.
#[derive(Debug)]
pub struct Hierarchy {
    mountpoint: PathBuf,
    root: OwnedFd,
    /// Read when first asked for: whoever enters or ends a cgroup needs none.
    controllers: OnceCell<BTreeSet<Controller>>,
}

impl Hierarchy {
    /// Finds the tree: the usual place if the kernel says that cgroup v2 is there, else the best one of /proc/self/mountinfo,
    /// as on hybrid hosts, where v2 lies beside v1 and some or all controllers are v1's.
    pub fn discover() -> Result<Hierarchy> {
        if let Some(found) = Hierarchy::at(Path::new(USUAL)) {
            return Ok(found);
        }
        let text = std::fs::read_to_string("/proc/self/mountinfo").map_err(|e| Error::Call {
            path: "/".into(),
            what: "read /proc/self/mountinfo".into(),
            errno: e.into(),
        })?;
        candidates(&text).iter().find_map(|path| Hierarchy::at(path)).ok_or(Error::NoHierarchy)
    }

    /// The tree mounted at that path; None if it is not there or something else covers it.
    fn at(path: &Path) -> Option<Hierarchy> {
        let root: OwnedFd = std::fs::File::open(path).ok()?.into();
        if raw::fstatfs_type(root.as_raw_fd()).ok()? != MAGIC {
            return None;
        }
        Some(Hierarchy { mountpoint: path.into(), root, controllers: OnceCell::new() })
    }

    /// What the tree's root can hand out. Without `cgroup_no_v1` a hybrid host's v1 hierarchies hold the rest.
    pub fn controllers(&self) -> &BTreeSet<Controller> {
        let read = || super::group::read_at(self.root.as_fd(), c"cgroup.controllers").unwrap_or_default();
        self.controllers.get_or_init(|| Controller::set(&read()))
    }

    /// Controllers that the limits need and this tree lacks.
    pub fn missing(&self, limits: &Limits) -> Vec<Controller> {
        limits.controllers().difference(self.controllers()).copied().collect()
    }

    /// [`Hierarchy::missing`] as the error that says what to do about the first of them, before anything is made.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        let missing = self.missing(limits);
        let Some(&controller) = missing.first() else { return Ok(()) };
        let files = limits.files();
        let file = files.iter().map(|(f, _)| f).find(|f| Controller::of_file(f) == Some(controller));
        let file = file.cloned().unwrap_or_else(|| controller.to_string());
        Err(Error::MissingController { path: "/".into(), file, controller, why: why_missing(controller) })
    }

    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Makes the parent cgroup (`podrt`, or `a/b`) and has every cgroup from the root to it hand down all controllers there
    /// are. Costs two reads when all that is done already.
    ///
    /// The root of a cgroup namespace, in a privileged container, may hold processes and then cannot hand out anything: they
    /// are moved to the sub-cgroup `podrt.init`. Processes in a cgroup further down are the caller's choice of a parent, and
    /// an error.
    pub fn prepare(&self, parent: &str) -> Result<Cgroup> {
        let parts = components(parent)?;
        match Cgroup::open(self, parent) {
            Ok(group) if handed_down(&group)?.is_superset(self.controllers()) => return Ok(group),
            Err(e) if !e.is_not_found() => return Err(e),
            _ => {}
        }
        let mut group = Cgroup::open(self, "/")?;
        self.hand_down(&group)?;
        for part in parts {
            group = group.child_or_existing(part)?;
            self.hand_down(&group)?;
        }
        Ok(group)
    }

    /// As [`Hierarchy::prepare`], for the parent of pods: a [`Tree`] of systemd's is asked for where it is not there, and what is
    /// above it is systemd's to set up. The holder keeps it there, until the caller's first process is in it.
    pub fn prepare_pods(&self, parent: &str) -> Result<(Cgroup, Option<Holder>)> {
        let Some(tree) = Tree::of_path(parent).filter(|_| systemd::booted()) else {
            return self.prepare(parent).map(|group| (group, None));
        };
        let mut holder = None;
        for _ in 0..PATIENCE {
            match Cgroup::open(self, parent) {
                Ok(group) => match self.hand_down_tree(&group) {
                    Ok(()) => return Ok((group, holder)),
                    // The last pod's end has taken it away meanwhile.
                    Err(e) if e.is_not_found() => {}
                    Err(e) => return Err(e),
                },
                Err(e) if !e.is_not_found() => return Err(e),
                Err(_) => {
                    let first = holder.insert(
                        Holder::new().map_err(|e| Error::Systemd { what: "start a process".into(), problem: e.to_string() })?,
                    );
                    if tree.start(first.pid())? {
                        continue;
                    }
                    // Somebody else is at it, or at its end.
                    holder = None;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error::Systemd { what: format!("start {}", tree.unit), problem: "it comes and goes".into() })
    }

    /// systemd has put the holder into the tree's root, which can hand down only without it.
    fn hand_down_tree(&self, group: &Cgroup) -> Result<()> {
        match self.hand_down(group) {
            Err(Error::HoldsProcesses { .. }) => {
                clear_out(group)?;
                self.hand_down(group)
            }
            other => other,
        }
    }

    fn hand_down(&self, group: &Cgroup) -> Result<()> {
        let have = group.controllers()?;
        let lacking: BTreeSet<_> = have.difference(&handed_down(group)?).copied().collect();
        match group.enable(&lacking) {
            Err(Error::HoldsProcesses { .. }) if group.path() == "/" => {
                clear_out(group)?;
                group.enable(&lacking)
            }
            // One that the kernel refuses (cpu, while realtime processes run) must not cost the others: a limit that needs it
            // will say so.
            Err(Error::Call { .. }) if lacking.len() > 1 => {
                for one in lacking {
                    let _ = group.enable(&BTreeSet::from([one]));
                }
                Ok(())
            }
            other => other,
        }
    }
}

/// Where pods' cgroups are if nobody says otherwise: below systemd's own tree where that owns the host's.
pub fn default_parent() -> String {
    match Tree::of_slice("podrt.slice").filter(|_| systemd::booted()) {
        Some(tree) => tree.path(),
        None => "podrt".into(),
    }
}

fn handed_down(group: &Cgroup) -> Result<BTreeSet<Controller>> {
    let text = group.get("cgroup.subtree_control").map_err(|e| group.error("read cgroup.subtree_control", e))?;
    Ok(Controller::set(&text))
}

/// Moves all processes of a namespace's root to a leaf. Bounded: what forks faster is left, and said by the next enable.
fn clear_out(root: &Cgroup) -> Result<()> {
    let leaf = root.child_or_existing(LEAF)?;
    for _ in 0..10 {
        let pids = root.procs()?;
        if pids.is_empty() {
            break;
        }
        for pid in pids {
            match leaf.put("cgroup.procs", &pid.to_string()) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(leaf.error(format!("move process {pid} here"), errno)),
            }
        }
    }
    Ok(())
}

/// Mount points of cgroup v2 in /proc/self/mountinfo (proc(5)), best first: whole trees before parts of one, then the later
/// mount, which covers an earlier one.
fn candidates(mountinfo: &str) -> Vec<PathBuf> {
    let mut found: Vec<(bool, PathBuf)> = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let fields: Vec<_> = left.split(' ').collect();
        if let ([_, _, _, root, point, ..], Some("cgroup2")) = (fields.as_slice(), right.split(' ').next()) {
            found.push((*root == "/", unescape(point)));
        }
    }
    found.reverse();
    // Stable: keeps the order within each kind.
    found.sort_by_key(|(whole, _)| !whole);
    found.into_iter().map(|(_, path)| path).collect()
}

/// mountinfo writes space, tab, newline and backslash as `\040` and so on.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal = |d: &&[u8]| d.iter().all(|b| (b'0'..=b'7').contains(b)) && d[0] <= b'3';
        match tail.get(..3).filter(octal) {
            Some(d) if first == b'\\' => {
                bytes.push((d[0] - b'0') << 6 | (d[1] - b'0') << 3 | (d[2] - b'0'));
                rest = &tail[3..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsStr::from_bytes(&bytes))
}

/// Why the tree lacks a controller, and the way out.
pub(super) fn why_missing(controller: Controller) -> String {
    let table = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
    format!("{}, or run with --missing-controllers=warn", reason(controller, &table))
}

/// From /proc/cgroups: name, v1 hierarchy (0: none), number of cgroups, enabled.
fn reason(controller: Controller, table: &str) -> String {
    let name = if controller == Controller::Io { "blkio" } else { controller.as_str() };
    let row = table.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        (fields.len() == 4 && fields[0] == name).then(|| (fields[1] != "0", fields[3] == "0"))
    });
    match row {
        Some((_, true)) => format!("is switched off: take cgroup_disable={name} from the kernel's command line"),
        Some((true, _)) => {
            format!("is in use by cgroup v1: boot with cgroup_no_v1={name} (or systemd.unified_cgroup_hierarchy=1)")
        }
        _ => "is not in this cgroup tree: use a kernel that has it, or have the cgroup above hand it down".into(),
    }
}

#[cfg(test)]
#[path = "hierarchy_tests.rs"]
mod tests;
