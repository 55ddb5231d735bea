//! Volumes: what they are made of, and what becomes of them in a container.
//!
//! | kind | lies | gets into a container |
//! |---|---|---|
//! | emptyDir | a folder under the data root | as a detached clone, opened by the supervisor |
//! | hostPath | where it is | the same |
//! | emptyDir of Memory | a tmpfs in the pod's base mount namespace | cloned there by the container's first process |
//! | configMap, secret, downwardAPI, projected | one tmpfs of the pod's in that namespace | the same, read-only |
//!
//! What is kept in memory hangs on pause, which outlives every supervisor, and is never visible in the host's mount namespace.
//! A pod's tmpfs goes with its sandbox; files are written anew for the next one.

pub mod etc;
pub mod hostpath;
pub mod message;
pub mod payload;
pub mod subpath;

use super::error::{Code, Error, Result};
use super::sandbox::Pause;
use super::spec::{ContainerSpec, MountSpec, PodSpec, Propagation, VolumeSource};
use crate::rootfs::plan::{Added, Source};
use crate::rootfs::resolve::Kind;
use crate::store;
use crate::sys::errno::Call;
use crate::sys::mount::{self, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use crate::sys::raw::{self, MountAttr};
use crate::sys::{fs, process};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// In the sandbox's data folder; no container's name begins with a dot.
const FOLDER: &str = ".volumes";
/// In the base mount namespace: the pod's tmpfs, and the tmpfs of each emptyDir of Memory by its number.
const FILES: &str = "pod";
const MEMORY: &str = "memory";
/// On the pod's tmpfs, beside its volumes.
const ETC: &str = "etc";
const MESSAGES: &str = "message";

/// A detached mount that pause puts into its namespace.
#[derive(Debug)]
pub struct Tree {
    /// Below the namespace's root.
    pub path: String,
    pub mount: OwnedFd,
}

fn text(text: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(Code::InvalidArgument, "a path holds a NUL byte"))
}

/// Makes what a new sandbox needs: folders that are not there yet, and the mounts for pause. `data` is the sandbox's data folder.
pub fn prepare(pod: &PodSpec, data: &Path) -> Result<Vec<Tree>> {
    let mut trees = Vec::new();
    let files = tmpfs(Some(room(pod)), 0o700)?;
    for folder in [ETC, MESSAGES] {
        raw::mkdirat(files.as_raw_fd(), &text(folder)?, 0o755).call(|| format!("mkdirat({folder})"))?;
    }
    let folder = fs::open_at(files.as_fd(), &text(ETC)?, libc::O_RDONLY | libc::O_DIRECTORY, fs::RESOLVE_BENEATH)?;
    write_etc(folder.as_fd(), pod, &[])?;
    for (i, volume) in pod.volumes.iter().enumerate() {
        let made = || -> Result<()> {
            match &volume.source {
                VolumeSource::HostPath { .. } => {}
                VolumeSource::EmptyDir => empty_dir(&data.join(FOLDER), &volume.name, pod.fs_group)?,
                VolumeSource::Memory { size } => {
                    let mount = tmpfs(smaller(*size, pod.limits.memory_max), 0o777)?;
                    // A mount's fd is O_PATH.
                    let top = fs::open_at(mount.as_fd(), c".", libc::O_RDONLY | libc::O_DIRECTORY, fs::RESOLVE_BENEATH)?;
                    owned(top.as_fd(), pod.fs_group)?;
                    trees.push(Tree { path: format!("{MEMORY}/{i}"), mount });
                }
                VolumeSource::Files { files: list } => {
                    let name = text(i.to_string())?;
                    raw::mkdirat(files.as_raw_fd(), &name, 0o755).call(|| "mkdirat(volume)".into())?;
                    let dir = fs::open_at(files.as_fd(), &name, libc::O_RDONLY | libc::O_DIRECTORY, fs::RESOLVE_BENEATH)?;
                    payload::write(dir.as_fd(), list, pod.fs_group)?;
                }
            }
            Ok(())
        };
        let mut made = made;
        made().map_err(|e| e.context(format!("volume {}", volume.name)))?;
    }
    trees.push(Tree { path: FILES.into(), mount: files });
    Ok(trees)
}

/// Writes the pod's [`etc`] files, in place: containers have them mounted. `ips` as in [`etc::content`].
pub fn write_etc(folder: BorrowedFd, pod: &PodSpec, ips: &[String]) -> Result<()> {
    let host = etc::Host::read(pod.sandbox.host_network);
    for (name, content) in etc::NAMES.into_iter().zip(etc::content(&pod.sandbox, ips, &host)) {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_NOFOLLOW;
        let fd = raw::openat(folder.as_raw_fd(), &text(name)?, flags, 0o644).call(|| format!("openat({name})"))?;
        let written = raw::write(fd, content.as_bytes()).and_then(|_| raw::fchmod(fd, 0o644));
        raw::close(fd);
        written.call(|| format!("write({name})"))?;
    }
    Ok(())
}

/// What an ended container says of its end: its message, or, where that is empty, it failed and the log may stand in, the log's end.
pub fn termination_message(pod: &PodSpec, container: &ContainerSpec, pause: Option<&Pause>, failed: bool, log: &Path) -> String {
    let slot = pod.all_containers().position(|c| c.name == container.name).and_then(|i| text(i.to_string()).ok());
    let file = pause.and_then(|p| in_sandbox(p, &format!("{FILES}/{MESSAGES}")).ok());
    let message = file.zip(slot).and_then(|(folder, name)| message::read(folder.as_fd(), &name)).unwrap_or_default();
    match message.is_empty() && failed && container.message_from_log {
        true => message::from_log(log).unwrap_or_default(),
        false => message,
    }
}

/// Bytes for the files of all volumes, twice: an update is written beside what it replaces.
fn room(pod: &PodSpec) -> u64 {
    const PAGE: u64 = 4096;
    let files = pod.volumes.iter().filter_map(|v| match &v.source {
        VolumeSource::Files { files } => Some(files.iter().map(|f| f.content.bytes().len() as u64 / PAGE + 1).sum::<u64>()),
        _ => None,
    });
    2 * PAGE * files.sum::<u64>() + (256 << 10)
}

fn smaller(size: Option<u64>, memory: Option<i64>) -> Option<u64> {
    let memory = memory.and_then(|m| u64::try_from(m).ok());
    size.into_iter().chain(memory).min()
}

fn tmpfs(size: Option<u64>, mode: u32) -> Result<OwnedFd> {
    let mut options = vec![(text("mode")?, Some(text(format!("{mode:o}"))?))];
    if let Some(size) = size {
        options.push((text("size")?, Some(text(size.to_string())?)));
    }
    Ok(mount::new_fs(c"tmpfs", &options, (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV) as u32)?)
}

/// Kubernetes' emptyDir is everybody's; with fsGroup what is made in it is the group's as well.
fn owned(dir: BorrowedFd, group: Option<u32>) -> Result<()> {
    if let Some(group) = group {
        raw::fchown(dir.as_raw_fd(), u32::MAX, group).call(|| format!("fchown(volume, {group})"))?;
    }
    let mode = if group.is_some() { 0o2777 } else { 0o777 };
    Ok(raw::fchmod(dir.as_raw_fd(), mode).call(|| "fchmod(volume)".into())?)
}

/// New for each pod, kept over restarts of its containers and of its sandbox.
fn empty_dir(folder: &Path, name: &str, group: Option<u32>) -> Result<()> {
    store::make_folder(folder)?;
    let path = folder.join(name);
    match std::fs::create_dir(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        other => other.call(|| format!("mkdir({})", path.display()))?,
    }
    let dir = fs::open(&mount::c_path(&path)?, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW)?;
    owned(dir.as_fd(), group)
}

/// A container's volume mounts, opened, in the order in which they are made: what lies deeper comes later.
pub fn mounts(pod: &PodSpec, container: &ContainerSpec, data: &Path, pause: &Pause) -> Result<Vec<Added>> {
    let mut list: Vec<&MountSpec> = container.mounts.iter().collect();
    list.sort_by_key(|m| m.path.components().count());
    let each = |m: &MountSpec| one(pod, m, data, pause).map_err(|e| e.context(format!("volume {}", m.volume)));
    let mut out: Vec<Added> = list.into_iter().map(each).collect::<Result<_>>()?;
    // What the container mounts itself at such a place is its own wish.
    let mut file = |destination: PathBuf, path: String, read_only: bool| -> Result<()> {
        if !container.mounts.iter().any(|m| crate::rootfs::plan::clean(&m.path) == crate::rootfs::plan::clean(&destination)) {
            let attrs = MountAttr { attr_set: if read_only { MOUNT_ATTR_RDONLY } else { 0 }, ..MountAttr::default() };
            out.push(Added {
                words: format!("{} (the pod's)", destination.display()),
                destination,
                source: Source::Base { path: text(path)?, beneath: None, attrs },
                kind: Kind::File,
                propagation: Vec::new(),
                replaces_link: !container.rootfs_direct,
            });
        }
        Ok(())
    };
    let read_only = container.security.read_only_rootfs == Some(true);
    for name in etc::NAMES {
        file(Path::new("/etc").join(name), format!("{FILES}/{ETC}/{name}"), read_only)?;
    }
    let slot = pod.all_containers().position(|c| c.name == container.name).unwrap_or_default().to_string();
    if !container.termination_message_path.is_empty() {
        message::make(in_sandbox(pause, &format!("{FILES}/{MESSAGES}"))?.as_fd(), &text(slot.as_str())?)?;
        file(container.termination_message_path.clone().into(), format!("{FILES}/{MESSAGES}/{slot}"), false)?;
    }
    Ok(out)
}

fn one(pod: &PodSpec, m: &MountSpec, data: &Path, pause: &Pause) -> Result<Added> {
    let Some((i, volume)) = pod.volumes.iter().enumerate().find(|(_, v)| v.name == m.volume) else {
        return Err(Error::new(Code::InvalidArgument, "the pod has no such volume"));
    };
    let added = |source, kind, propagation| Added {
        destination: m.path.clone(),
        source,
        kind,
        propagation,
        replaces_link: false,
        words: format!("{} (volume {})", m.path.display(), m.volume),
    };
    let (path, writable) = match &volume.source {
        VolumeSource::EmptyDir | VolumeSource::HostPath { .. } => {
            let (source, kind) = tree(m, &volume.source, &data.join(FOLDER).join(&volume.name))?;
            let propagation = match m.propagation {
                Propagation::None => Vec::new(),
                Propagation::HostToContainer => vec![(libc::MS_SLAVE, true)],
                Propagation::Bidirectional => vec![(libc::MS_SHARED, true)],
            };
            return Ok(added(source, kind, propagation));
        }
        VolumeSource::Memory { .. } => (format!("{MEMORY}/{i}"), true),
        VolumeSource::Files { .. } => (format!("{FILES}/{i}"), false),
    };
    let (beneath, kind) = match &m.sub_path {
        None => (None, Kind::Dir),
        Some(sub) => {
            let top = in_sandbox(pause, &path)?;
            let found = subpath::open(top.as_fd(), sub, writable)?;
            (Some(text(sub.as_bytes())?), kind_of(found.as_fd())?)
        }
    };
    let read_only = m.read_only || !writable;
    let attrs = MountAttr { attr_set: if read_only { MOUNT_ATTR_RDONLY } else { 0 }, ..MountAttr::default() };
    Ok(added(Source::Base { path: text(path)?, beneath, attrs }, kind, Vec::new()))
}

/// A part of the host's tree, or of an emptyDir, detached and given its attributes before the container sees it.
fn tree(m: &MountSpec, source: &VolumeSource, folder: &Path) -> Result<(Source, Kind)> {
    let top = match source {
        VolumeSource::HostPath { path, kind } => hostpath::open(path, *kind)?,
        _ => fs::open(&mount::c_path(folder)?, libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW)?,
    };
    let found = match &m.sub_path {
        Some(sub) => subpath::open(top.as_fd(), sub, true)?,
        None => top,
    };
    let kind = kind_of(found.as_fd())?;
    let clone = mount::clone_tree_fd(found.as_fd(), true)?;
    let set = |attr: MountAttr, recursive| mount::set_attr(clone.as_fd(), &attr, recursive);
    match m.propagation {
        Propagation::None => set(MountAttr { propagation: libc::MS_PRIVATE, ..MountAttr::default() }, true)?,
        Propagation::HostToContainer => set(MountAttr { propagation: libc::MS_SLAVE, ..MountAttr::default() }, true)?,
        Propagation::Bidirectional => {}
    }
    if m.read_only {
        set(MountAttr { attr_set: MOUNT_ATTR_RDONLY, ..MountAttr::default() }, m.recursive_read_only)?;
    }
    Ok((Source::Tree(clone), kind))
}

fn kind_of(fd: BorrowedFd) -> Result<Kind> {
    let stat = raw::fstat(fd.as_raw_fd()).call(|| "fstat(volume)".into())?;
    Ok(if stat.st_mode & libc::S_IFMT == libc::S_IFDIR { Kind::Dir } else { Kind::File })
}

/// A folder of the base mount namespace, through its pause, which is looked at again once the folder is open.
pub fn in_sandbox(pause: &Pause, path: &str) -> Result<OwnedFd> {
    let whole = PathBuf::from(format!("/proc/{}/root", pause.process.pid)).join(path);
    let fd = fs::open(&mount::c_path(&whole)?, libc::O_RDONLY | libc::O_DIRECTORY)?;
    process::pidfd_signal(pause.pidfd.as_fd(), 0)?;
    Ok(fd)
}

#[cfg(test)]
mod tests;
