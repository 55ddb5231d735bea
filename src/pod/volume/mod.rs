//! Volumes: what they are made of, and what becomes of them in a container.
//!
//! | kind | lies | gets into a container |
//! |---|---|---|
//! | emptyDir | a folder under the data root | as a detached clone, opened by the supervisor |
//! | hostPath | where it is | the same |
//! | emptyDir of Memory | a tmpfs in the pod's base mount namespace | cloned there by the container's first process |
//! | configMap, secret, downwardAPI, projected | one tmpfs of the pod's in that namespace | the same, read-only |
//! | the pod's /etc files, termination messages | a small tmpfs of their own in that namespace | the same |
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
use crate::rootfs::plan::{Absent, Added, Source, clean};
use crate::rootfs::resolve::Kind;
use crate::store;
use crate::sys::errno::{Call, Errno};
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
/// A tmpfs apart from the volumes', since every container has files of it writable: who may open by handle (CAP_DAC_READ_SEARCH)
/// reaches what shares a file system with them, and that is no secret. It holds the [`etc`] files, and one message per container.
const OWN: &str = "own";

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

/// Makes what a new sandbox needs: folders that are not there yet, and the mounts for pause. `data` is the sandbox's data folder,
/// `ips` are the pod's addresses.
pub fn prepare(pod: &PodSpec, data: &Path, ips: &[String]) -> Result<Vec<Tree>> {
    let mut trees = vec![Tree { path: OWN.into(), mount: own_files(pod, ips)? }];
    let mut files = None;
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
                    let mount = match &mut files {
                        Some(mount) => mount,
                        empty => empty.insert(tmpfs(Some(room(pod)), 0o700)?),
                    };
                    let name = text(i.to_string())?;
                    raw::mkdirat(mount.as_raw_fd(), &name, 0o755).call(|| "mkdirat(volume)".into())?;
                    let dir = fs::open_at(mount.as_fd(), &name, libc::O_RDONLY | libc::O_DIRECTORY, fs::RESOLVE_BENEATH)?;
                    payload::write(dir.as_fd(), list, pod.fs_group)?;
                }
            }
            Ok(())
        };
        let mut made = made;
        made().map_err(|e| e.context(format!("volume {}", volume.name)))?;
    }
    trees.extend(files.map(|mount| Tree { path: FILES.into(), mount }));
    Ok(trees)
}

/// The tmpfs at [`OWN`] with the [`etc`] files; its size bounds what containers write to them without end (CVE-2020-8557).
fn own_files(pod: &PodSpec, ips: &[String]) -> Result<OwnedFd> {
    let contents = etc::content(&pod.sandbox, ips, &etc::Host::read(pod.sandbox.host_network));
    let size =
        contents.iter().map(|c| c.len() as u64).sum::<u64>() + (64 << 10) + (8 << 10) * pod.all_containers().count() as u64;
    let own = tmpfs(Some(size), 0o700)?;
    for (name, content) in etc::NAMES.into_iter().zip(contents) {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
        let fd = raw::openat(own.as_raw_fd(), &text(name)?, flags, 0o644).call(|| format!("openat({name})"))?;
        let written = raw::write(fd, content.as_bytes()).and_then(|n| match n == content.len() {
            true => raw::fchmod(fd, 0o644),
            false => Err(Errno::ENOSPC),
        });
        raw::close(fd);
        written.call(|| format!("write({name})"))?;
    }
    Ok(own)
}

/// Writes the hosts file again, in place, before any container has it: with the pod's addresses, which are known late.
pub fn write_hosts(pod: &PodSpec, ips: &[String], pause: &Pause) -> Result<()> {
    let own = in_sandbox(pause, OWN)?;
    let [hosts, ..] = etc::content(&pod.sandbox, ips, &etc::Host::read(pod.sandbox.host_network));
    let flags = libc::O_WRONLY | libc::O_TRUNC | libc::O_NOFOLLOW;
    let fd = fs::open_at(own.as_fd(), c"hosts", flags, fs::RESOLVE_BENEATH | fs::RESOLVE_NO_SYMLINKS)?;
    let written = raw::write(fd.as_raw_fd(), hosts.as_bytes()).call(|| "write(hosts)".into())?;
    if written == hosts.len() { Ok(()) } else { Err(Errno::ENOSPC).call(|| "write(hosts)".into()).map_err(Into::into) }
}

/// Replaces the files of those volumes whose content is another in `new`; who reads them sees the old ones or the new.
///
/// # Errors
/// There is no room: that of a pod's files is twice what they were when its sandbox was made. A volume that failed is as it was.
pub fn refresh(old: &PodSpec, new: &PodSpec, pause: &Pause) -> Result<()> {
    for (i, (was, is)) in old.volumes.iter().zip(&new.volumes).enumerate() {
        let VolumeSource::Files { files } = &is.source else { continue };
        if was.source == is.source {
            continue;
        }
        let write = || -> Result<()> {
            let folder = in_sandbox(pause, FILES)?;
            let flags = libc::O_RDONLY | libc::O_DIRECTORY;
            let dir = fs::open_at(folder.as_fd(), &text(i.to_string())?, flags, fs::RESOLVE_BENEATH | fs::RESOLVE_NO_SYMLINKS)?;
            payload::write(dir.as_fd(), files, new.fs_group)
        };
        write().map_err(|e| e.context(format!("volume {}", is.name)))?;
    }
    Ok(())
}

/// What an ended container says of its end: its message, or, where that is empty, it failed and the log may stand in, the log's end.
pub fn termination_message(pod: &PodSpec, container: &ContainerSpec, pause: Option<&Pause>, failed: bool, log: &Path) -> String {
    let folder = pause.and_then(|p| in_sandbox(p, OWN).ok());
    let name = text(slot(pod, container)).ok();
    let message = folder.zip(name).and_then(|(folder, name)| message::read(folder.as_fd(), &name)).unwrap_or_default();
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
    2 * PAGE * files.sum::<u64>() + (64 << 10)
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
    let read_only = container.security.read_only_rootfs == Some(true);
    for name in etc::NAMES {
        // A bundle's rootfs that is used in place is not written to.
        let absent = if container.rootfs_direct { Absent::Skip } else { Absent::MakeOverLink };
        out.extend(own_file(pod, container, Path::new("/etc").join(name), name, read_only, absent)?);
    }
    if !container.termination_message_path.is_empty() {
        let name = slot(pod, container);
        message::make(in_sandbox(pause, OWN)?.as_fd(), &text(name.as_str())?)?;
        let absent = if container.rootfs_direct { Absent::Make } else { Absent::MakeOverLink };
        out.extend(own_file(pod, container, container.termination_message_path.clone().into(), &name, false, absent)?);
    }
    Ok(out)
}

/// A file of [`OWN`] at `at`; None where the container mounts something itself there, or above it for reading only.
fn own_file(
    pod: &PodSpec,
    container: &ContainerSpec,
    at: PathBuf,
    name: &str,
    ro: bool,
    absent: Absent,
) -> Result<Option<Added>> {
    let is_files =
        |m: &MountSpec| pod.volumes.iter().any(|v| v.name == m.volume && matches!(v.source, VolumeSource::Files { .. }));
    let place = clean(&at);
    let covers = |m: &MountSpec| {
        let path = clean(&m.path);
        path == place || (place.starts_with(&path) && (m.read_only || is_files(m)))
    };
    if container.mounts.iter().any(covers) {
        return Ok(None);
    }
    let attrs = MountAttr { attr_set: if ro { MOUNT_ATTR_RDONLY } else { 0 }, ..MountAttr::default() };
    Ok(Some(Added {
        words: format!("{} (the pod's)", at.display()),
        destination: at,
        source: Source::Base { path: text(format!("{OWN}/{name}"))?, beneath: None, attrs },
        kind: Kind::File,
        propagation: Vec::new(),
        absent,
    }))
}

/// The name of a container's message on [`OWN`].
fn slot(pod: &PodSpec, container: &ContainerSpec) -> String {
    format!("message.{}", pod.all_containers().position(|c| c.name == container.name).unwrap_or_default())
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
        absent: Absent::Make,
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
