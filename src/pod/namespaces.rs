//! The way into a pod's own namespaces, for a command that acts in them without being a container.

use super::error::Result;
use super::list::PodRecord;
use super::spec::PodSpec;
use super::supervisor::cgroup_of;
use crate::store::process::{boot_id, namespace};
use crate::store::{Roots, Store};
use crate::sys::process;
use std::os::fd::{AsFd, OwnedFd};

/// What pause holds, as long as it lives.
#[derive(Debug)]
pub struct Namespaces {
    /// Readable when pause has ended, and with it the sandbox.
    pub pause: OwnedFd,
    /// The network namespace is the pod's own, not the host's.
    pub own_network: bool,
}

/// The living sandbox of a pod. None where there is none: it ended, its sandbox is being remade, or the host was booted since.
///
/// The record's pid may by now be a stranger's: it counts only with the start time and the network namespace that were recorded at
/// pause's birth, looked at after its pidfd was opened and before that says that it has ended.
pub fn namespaces(roots: &Roots, record: &PodRecord) -> Result<Option<Namespaces>> {
    let Some(store) = Store::open_existing(roots)? else { return Ok(None) };
    let Some(intent) = store.sandbox(&record.id)?.intent()? else { return Ok(None) };
    let Some(pause) = intent.pause.filter(|_| intent.boot_id == boot_id()) else { return Ok(None) };
    let Ok(pidfd) = process::pidfd_open(pause.process.pid) else { return Ok(None) };
    let same = pause.process.lives() && namespace(pause.process.pid, "net") == pause.namespaces.get("net").copied();
    if !same || process::pidfd_signal(pidfd.as_fd(), 0).is_err() {
        return Ok(None);
    }
    Ok(Some(Namespaces { pause: pidfd, own_network: !record.spec.sandbox.host_network }))
}

/// The cgroup of a container, or with None of the pod, relative to the cgroup v2 mount.
pub fn cgroup(roots: &Roots, spec: &PodSpec, container: Option<&str>) -> String {
    match container {
        Some(name) => cgroup_of(roots, spec, name),
        None => format!("{}/pod{}", roots.cgroup_parent, spec.uid),
    }
}
