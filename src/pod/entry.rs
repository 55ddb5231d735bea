//! What a caller finds of a pod beside its status: the manifest as it was given, and the way into a running container.

use super::error::{Code, Error, Result};
use super::list::{PodRecord, config};
use super::supervisor::cgroup_of;
use crate::store::{Roots, Store, atomic};
use crate::sys::process;
use oci_spec::runtime::Spec;
use std::os::fd::{AsFd, OwnedFd};

/// The v1 Pod that was asked for, in the sandbox's folder; podrt itself reads nothing of it.
pub(super) const MANIFEST: &str = "manifest.json";

/// The v1 Pod that the pod was created from, with its defaults and without a status. None where its creator gave none.
pub fn manifest(roots: &Roots, record: &PodRecord) -> Result<Option<serde_json::Value>> {
    let Some(store) = Store::open_existing(roots)? else { return Ok(None) };
    Ok(atomic::read_json(&store.sandbox(&record.id)?.dir.join(MANIFEST))?)
}

/// A running container, for who enters it.
#[derive(Debug)]
pub struct Running {
    pub pid: i32,
    /// Of the same process as `pid`.
    pub pidfd: OwnedFd,
    /// Relative to the cgroup v2 mount.
    pub cgroup: String,
    /// The final config.json.
    pub spec: Spec,
}

/// The container's init process. None where it does not run.
///
/// The record's pid may by now be a stranger's: the process counts only if it is in the container's own cgroup, which nobody
/// else gets into, looked at after its pidfd was opened and before that says that it has ended.
pub fn running(roots: &Roots, record: &PodRecord, container: &str) -> Result<Option<Running>> {
    let Some(pid) = record.status.container(container).filter(|c| c.is_running()).and_then(|c| c.pid) else { return Ok(None) };
    let Ok(pidfd) = process::pidfd_open(pid) else { return Ok(None) };
    let cgroup = cgroup_of(roots, &record.spec, container);
    if !in_cgroup(pid, &cgroup) || process::pidfd_signal(pidfd.as_fd(), 0).is_err() {
        return Ok(None);
    }
    match config(roots, record, container)? {
        Some(spec) => Ok(Some(Running { pid, pidfd, cgroup, spec })),
        None => Err(Error::new(Code::Unavailable, format!("container {container}: its config.json is not recorded yet"))),
    }
}

/// proc(5), /proc/PID/cgroup: the line of the v2 tree begins with `0::`. What the container has made below its cgroup is its own.
pub(super) fn in_cgroup(pid: i32, cgroup: &str) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix("0::/")).any(|path| below(path, cgroup))
}

/// `path` is seen from this process's cgroup namespace, whose root may lie above or below the mount's.
fn below(path: &str, cgroup: &str) -> bool {
    let start = format!("/{path}/");
    start.contains(&format!("/{cgroup}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_own_cgroup_and_what_lies_below_it_counts() {
        for (path, want) in [
            ("podrt/podu/app", true),
            ("podrt/podu/app/inner", true),
            ("podrt/podu/app2", false),
            ("podrt/podu", false),
            ("xpodrt/podu/app", false),
            ("delegated/podrt/podu/app", true),
            ("", false),
        ] {
            assert_eq!(below(path, "podrt/podu/app"), want, "{path}");
        }
    }
}
