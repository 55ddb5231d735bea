//! Mounts, for the parent: detached trees and new file systems as fds.

use super::errno::Call;
use super::raw::{self, MountAttr};
use super::{Errno, Result};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub const OPEN_TREE_CLONE: u32 = 1;
pub const AT_RECURSIVE: u32 = 0x8000;
pub const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH as u32;
pub const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;
pub const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;

pub const MOUNT_ATTR_RDONLY: u64 = 1;
pub const MOUNT_ATTR_NOSUID: u64 = 2;
pub const MOUNT_ATTR_NODEV: u64 = 4;
pub const MOUNT_ATTR_NOEXEC: u64 = 8;
pub const MOUNT_ATTR__ATIME: u64 = 0x70;
pub const MOUNT_ATTR_NOATIME: u64 = 0x10;
pub const MOUNT_ATTR_STRICTATIME: u64 = 0x20;
pub const MOUNT_ATTR_NODIRATIME: u64 = 0x80;
pub const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
pub const MOUNT_ATTR_NOSYMFOLLOW: u64 = 0x0020_0000;

pub const PROC_SUPER_MAGIC: i64 = 0x9fa0;

/// A path as the kernel takes it; a NUL inside is EINVAL.
pub fn c_path(path: impl AsRef<std::path::Path>) -> Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_ref().as_os_str().as_bytes();
    CString::new(bytes).map_err(|_| Errno::EINVAL).call(|| format!("path {:?} holds a NUL byte", path.as_ref()))
}

fn owned(fd: raw::Fd) -> OwnedFd {
    // SAFETY: only called on an fd that the kernel has just made for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A detached clone of the mount at `path` (open_tree(2) with `OPEN_TREE_CLONE`), with those below it when `recursive`.
pub fn clone_tree(path: &CStr, recursive: bool) -> Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | if recursive { AT_RECURSIVE } else { 0 };
    raw::open_tree(raw::CWD, path, flags).map(owned).call(|| format!("open_tree({})", path.to_string_lossy()))
}

/// As [`clone_tree`], of an open file.
pub fn clone_tree_fd(fd: BorrowedFd, recursive: bool) -> Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    raw::open_tree(fd.as_raw_fd(), c"", flags).map(owned).call(|| "open_tree(fd)".into())
}

/// mount_setattr(2) on an open mount.
pub fn set_attr(mount: BorrowedFd, attr: &MountAttr, recursive: bool) -> Result<()> {
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    raw::mount_setattr(mount.as_raw_fd(), c"", flags, attr).call(|| {
        format!("mount_setattr(set {:#x}, clear {:#x}, propagation {:#x})", attr.attr_set, attr.attr_clr, attr.propagation)
    })
}

/// A new file system as a detached mount: fsopen, fsconfig for each option, fsmount with MOUNT_ATTR_* bits.
pub fn new_fs(fstype: &CStr, options: &[(CString, Option<CString>)], attrs: u32) -> Result<OwnedFd> {
    let name = || fstype.to_string_lossy().into_owned();
    let fs = raw::fsopen(fstype).map(owned).call(|| format!("fsopen({})", name()))?;
    for (key, value) in options {
        raw::fsconfig(fs.as_raw_fd(), key, value.as_deref()).call(|| match value {
            Some(v) => format!("fsconfig({}, {}={})", name(), key.to_string_lossy(), v.to_string_lossy()),
            None => format!("fsconfig({}, {})", name(), key.to_string_lossy()),
        })?;
    }
    raw::fsconfig_create(fs.as_raw_fd()).call(|| format!("fsconfig({}, create)", name()))?;
    raw::fsmount(fs.as_raw_fd(), attrs).map(owned).call(|| format!("fsmount({})", name()))
}
