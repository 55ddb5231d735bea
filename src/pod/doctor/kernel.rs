//! What the kernel has of pods that no record names.

use super::{Round, uid_of};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::pod::create::SUPERVISORS;
use crate::pod::error::{Error, Result};
use crate::pod::supervisor;
use crate::store::{Process, Roots};
use crate::sys::process;
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

const BURIAL: Duration = Duration::from_secs(5);

pub(super) fn examine(round: &mut Round, roots: &Roots, known: &BTreeSet<String>) {
    if let Ok(hierarchy) = Hierarchy::discover()
        && let Ok(parent) = Cgroup::open(&hierarchy, &roots.cgroup_parent)
    {
        cgroups(round, roots, known, &parent);
    }
    mounts(round, roots);
}

/// Supervisors whose sandbox is gone (`/run` was wiped), then cgroups of pods that nobody has. Another podrt may share the parent: what
/// a supervisor of other folders works on is left alone.
fn cgroups(round: &mut Round, roots: &Roots, known: &BTreeSet<String>, parent: &Cgroup) {
    let mut elsewhere = BTreeSet::new();
    if let Ok(leaf) = parent.existing(SUPERVISORS) {
        for pid in leaf.procs().unwrap_or_default() {
            let Some((who, state, id)) = Process::of(pid).and_then(|p| attended(p.pid).map(|(state, id)| (p, state, id))) else {
                continue;
            };
            if Path::new(&state) != roots.state {
                elsewhere.insert(uid_of(&id).to_string());
            } else if !known.contains(&id) {
                let what = format!("{pid} of sandbox {id}");
                round.found("process", what, "the sandbox that it attends is gone", ("killed", || kill(&who)));
            }
        }
    }
    let uids: BTreeSet<&str> = known.iter().map(|id| uid_of(id)).collect();
    for name in parent.children().unwrap_or_default() {
        let Some(uid) = name.strip_prefix("pod").filter(|uid| uid.len() == 36) else { continue };
        if uids.contains(uid) || elsewhere.contains(uid) {
            continue;
        }
        let count = parent.existing(&name).and_then(|g| g.processes()).map_or(0, |p| p.len());
        let problem = format!("no sandbox has this uid; {count} processes are in it");
        let end = || match parent.existing(&name) {
            Err(e) if e.is_not_found() => Ok(()),
            other => Ok(other?.remove(BURIAL)?),
        };
        round.found("cgroup", format!("{}/{name}", parent.path()), problem, ("ended and removed", end));
    }
    // Whoever is born into a cgroup that was once killed as a whole may be killed himself (CLONE_INTO_CGROUP, seen on Linux 6.18): a
    // leaf that nobody is in goes, and the next pod makes it anew.
    if round.fix
        && let Ok(leaf) = parent.existing(SUPERVISORS)
    {
        let _ = leaf.remove_if_empty();
    }
}

/// Of a keeper or supervisor, whose command line says so: the state folder and the sandbox that it was started for.
fn attended(pid: i32) -> Option<(String, String)> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = line.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
    let at = words.iter().position(|w| w == supervisor::ENTRY).filter(|at| (1..=2).contains(at))?;
    Some((words.get(at + 1)?.clone(), words.get(at + 2)?.clone()))
}

fn kill(who: &Process) -> Result<()> {
    let Ok(pidfd) = process::pidfd_open(who.pid) else { return Ok(()) };
    if !who.lives() {
        return Ok(());
    }
    process::pidfd_signal(pidfd.as_fd(), libc::SIGKILL)?;
    match crate::sys::event::poll_in(pidfd.as_fd(), Some(5_000)) {
        Ok(true) => Ok(()),
        _ => Err(Error::internal(format!("process {} does not die", who.pid))),
    }
}

/// No mount of a pod's is ever in the host's tree: one below podrt's folders was left by a helper that was killed.
fn mounts(round: &mut Round, roots: &Roots) {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let folders = [roots.data.join("pods"), roots.state.join("sandboxes")];
    // Later mounts lie over earlier ones.
    for point in table.lines().rev().filter_map(|l| l.split(' ').nth(4)) {
        let path = Path::new(point);
        if folders.iter().any(|f| path.starts_with(f)) {
            let away = || {
                let gone = nix::mount::umount2(path, nix::mount::MntFlags::MNT_DETACH | nix::mount::MntFlags::UMOUNT_NOFOLLOW);
                gone.map_err(|e| Error::internal(format!("umount2({point}): {}", crate::sys::Errno(e as i32))))
            };
            round.found("mount", point, "lies in podrt's own folders", ("unmounted", away));
        }
    }
}
