//! The files of a configMap, secret, downwardAPI or projected volume, replaced all at once.
//!
//! ```text
//! ..1763694945.123456789/   a folder for each version
//! ..data -> ..1763694945.123456789
//! key    -> ..data/key       one link for each name at the top
//! ```
//! An update writes a new folder and renames a new `..data` over the old one: a reader sees the old files or the new. Everything is
//! done by fd; what `..data` names is used only if it is a folder of such a name (CVE-2017-1002102).

use crate::pod::error::Result;
use crate::pod::spec::VolumeFile;
use crate::store::removal;
use crate::sys::errno::{Call, Errno};
use crate::sys::{dir, event, fs, raw};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const DATA: &CStr = c"..data";
const NEXT: &CStr = c"..data_tmp";

/// Makes `files` the content of `volume`. With `group` (fsGroup) the files are the group's, who may read them.
pub fn write(volume: BorrowedFd, files: &[VolumeFile], group: Option<u32>) -> Result<()> {
    let at = volume.as_raw_fd();
    let old = current(volume);
    let (second, nanos) = event::wall();
    let version = name(&format!("..{second}.{nanos:09}"))?;
    raw::mkdirat(at, &version, 0o755).call(|| format!("mkdirat({})", version.to_string_lossy()))?;
    let folder = enter(volume, &version)?;
    mine(folder.as_fd(), 0o755, group)?;
    if let Err(e) = files.iter().try_for_each(|file| put(folder.as_fd(), file, group).map_err(|e| e.context(&file.path))) {
        // Nobody has seen the new version.
        let _ = removal::empty(folder.as_fd());
        let _ = raw::unlinkat(at, &version, libc::AT_REMOVEDIR);
        return Err(e);
    }
    let top = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = files.iter().map(|f| top(&f.path)).collect();
    let _ = raw::unlinkat(at, NEXT, 0);
    raw::symlinkat(&version, at, NEXT).call(|| "symlinkat(..data_tmp)".into())?;
    rename(volume, NEXT, DATA)?;
    for file in &names {
        match raw::symlinkat(&name(&format!("..data/{file}"))?, at, &name(file)?) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e).call(|| format!("symlinkat({file})")).map_err(Into::into),
        }
    }
    // Links to what is no longer there, and the version before.
    for entry in dir::entries(volume).call(|| "getdents64(volume)".into())? {
        let text = entry.name.to_string_lossy();
        if !text.starts_with("..") && !names.contains(text.as_ref()) {
            let _ = raw::unlinkat(at, &entry.name, 0);
        }
    }
    if let Some(old) = old.filter(|old| *old != version)
        && let Ok(folder) = enter(volume, &old)
    {
        removal::empty(folder.as_fd()).call(|| "remove the old version".into())?;
        let _ = raw::unlinkat(at, &old, libc::AT_REMOVEDIR);
    }
    Ok(())
}

/// The folder that `..data` names, if it is one of ours.
fn current(volume: BorrowedFd) -> Option<CString> {
    let mut buf = [0u8; 64];
    let text = raw::readlinkat(volume.as_raw_fd(), DATA, &mut buf).ok()?;
    let ours = text.strip_prefix(b"..").is_some_and(|t| !t.is_empty() && t.iter().all(|b| b.is_ascii_digit() || *b == b'.'));
    if ours && text.len() > 4 { CString::new(text).ok() } else { None }
}

fn name(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| crate::pod::error::Error::internal("a name holds a NUL byte"))
}

fn enter(folder: BorrowedFd, name: &CStr) -> Result<OwnedFd> {
    let resolve = fs::RESOLVE_BENEATH | fs::RESOLVE_NO_SYMLINKS | fs::RESOLVE_NO_XDEV;
    Ok(fs::open_at(folder, name, libc::O_RDONLY | libc::O_DIRECTORY, resolve)?)
}

fn rename(folder: BorrowedFd, from: &CStr, to: &CStr) -> Result<()> {
    let renamed = nix::fcntl::renameat(folder, from, folder, to).map_err(|e| Errno(e as i32));
    Ok(renamed.call(|| format!("renameat({})", to.to_string_lossy()))?)
}

/// Mode and group, whatever the umask is.
fn mine(fd: BorrowedFd, mode: u32, group: Option<u32>) -> Result<()> {
    if let Some(group) = group {
        raw::fchown(fd.as_raw_fd(), u32::MAX, group).call(|| format!("fchown({group})"))?;
    }
    Ok(raw::fchmod(fd.as_raw_fd(), mode).call(|| format!("fchmod({mode:o})"))?)
}

fn put(folder: BorrowedFd, file: &VolumeFile, group: Option<u32>) -> Result<()> {
    let mut here = folder.try_clone_to_owned().call(|| "dup".into())?;
    let mut parts: Vec<&str> = file.path.split('/').filter(|p| !matches!(*p, "" | ".")).collect();
    let Some(last) = parts.pop() else { return Ok(()) };
    for part in parts {
        let part = name(part)?;
        match raw::mkdirat(here.as_raw_fd(), &part, 0o755) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e).call(|| format!("mkdirat({})", part.to_string_lossy())).map_err(Into::into),
        }
        here = enter(here.as_fd(), &part)?;
        mine(here.as_fd(), 0o755, group)?;
    }
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let fd = nix::fcntl::openat(
        &here,
        last,
        nix::fcntl::OFlag::from_bits_retain(flags | libc::O_CLOEXEC),
        nix::sys::stat::Mode::empty(),
    )
    .map_err(|e| Errno(e as i32))
    .call(|| format!("openat({last})"))?;
    let mut rest = file.content.bytes();
    while !rest.is_empty() {
        match raw::write(fd.as_raw_fd(), rest).call(|| format!("write({last})"))? {
            0 => return Err(crate::pod::error::Error::internal("write: nothing was taken")),
            n => rest = &rest[n..],
        }
    }
    // As the kubelet: with fsGroup the group may read, whatever the mode says.
    mine(fd.as_fd(), if group.is_some() { file.mode | 0o440 } else { file.mode }, group)
}
