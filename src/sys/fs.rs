//! Files and folders by fd, for the parent.

use super::Result;
use super::errno::Call;
use super::raw;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub const RESOLVE_NO_XDEV: u64 = 0x01;
pub const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
pub const RESOLVE_NO_SYMLINKS: u64 = 0x04;
pub const RESOLVE_BENEATH: u64 = 0x08;
pub const RESOLVE_IN_ROOT: u64 = 0x10;

fn owned(fd: raw::Fd) -> OwnedFd {
    // SAFETY: only called on an fd that the kernel has just made for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// openat(2) of a path of the host, close-on-exec.
pub fn open(path: &CStr, flags: i32) -> Result<OwnedFd> {
    raw::openat(raw::CWD, path, flags, 0).map(owned).call(|| format!("open({})", path.to_string_lossy()))
}

/// openat2(2) of `path` below `dir`, with `resolve` = RESOLVE_* bits.
pub fn open_at(dir: BorrowedFd, path: &CStr, flags: i32, resolve: u64) -> Result<OwnedFd> {
    raw::openat2(dir.as_raw_fd(), path, flags, 0, resolve)
        .map(owned)
        .call(|| format!("openat2({}, resolve {resolve:#x})", path.to_string_lossy()))
}
