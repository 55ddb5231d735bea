//! The program that enters a container is not the host's file: it runs from a detached read-only mount of itself, so that
//! whoever opens /proc/PID/exe for writing gets EROFS (CVE-2019-5736). No copy is made (COSTS.md 4).

use crate::sys::errno::Call;
use crate::sys::mount::{self, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use crate::sys::raw::{self, MountAttr, Vector};
use crate::sys::{Errno, Error, Result, fs};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

/// podrt's own file on a mount that cannot be written through: a detached one, or the one that it runs from already.
pub fn read_only_self() -> Result<OwnedFd> {
    if is_read_only()? {
        return fs::open(c"/proc/self/exe", libc::O_PATH);
    }
    let path = std::fs::read_link("/proc/self/exe").call(|| "readlink(/proc/self/exe)".into())?;
    // By the link itself where the kernel allows (the same mount namespace); a replaced file's name would be another file.
    let fd = mount::clone_tree(c"/proc/self/exe", false).map_err(|e| Error {
        call: format!("{} of {} (podrt must be started in the mount namespace that it lies in)", e.call, path.display()),
        ..e
    })?;
    let attr = MountAttr { attr_set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, ..MountAttr::default() };
    mount::set_attr(fd.as_fd(), &attr, false)?;
    Ok(fd)
}

/// Whether this process's file lies on a read-only mount already. What may be written to does not: that is asked first, for
/// statfs(2) sums up a disk's counters.
pub fn is_read_only() -> Result<bool> {
    use nix::sys::statvfs::{FsFlags, statvfs};
    match raw::access_effective(raw::CWD, c"/proc/self/exe", libc::W_OK) {
        Ok(()) => return Ok(false),
        Err(Errno::EROFS) => return Ok(true),
        Err(_) => {}
    }
    let stat = statvfs("/proc/self/exe").call(|| "statvfs(/proc/self/exe)".into())?;
    Ok(stat.flags().contains(FsFlags::ST_RDONLY))
}

/// Whether `fd` is a file that enters containers safely: regular, on a read-only mount.
pub fn is_read_only_program(fd: BorrowedFd) -> Result<bool> {
    use nix::sys::statvfs::{FsFlags, fstatvfs};
    let stat = fstatvfs(fd).call(|| "fstatvfs(program)".into())?;
    let kind = raw::fstat(fd.as_raw_fd()).call(|| "fstat(program)".into())?.st_mode & libc::S_IFMT;
    Ok(stat.flags().contains(FsFlags::ST_RDONLY) && kind == libc::S_IFREG)
}

/// Starts this program again, with the same arguments and environment, from a detached read-only mount of its file; returns
/// when it already runs from one. To be called first in main by whatever enters containers.
pub fn ensure_read_only() -> Result<()> {
    if is_read_only()? {
        return Ok(());
    }
    let exe = read_only_self()?;
    let c = |s: std::ffi::OsString| CString::new(s.into_vec()).unwrap_or_default();
    let args = Vector::new(std::env::args_os().map(c).collect());
    let env = std::env::vars_os().map(|(k, v)| {
        let mut pair = k.into_vec();
        pair.push(b'=');
        pair.extend(v.into_vec());
        CString::new(pair).unwrap_or_default()
    });
    let env = Vector::new(env.collect());
    Err(raw::execve_fd(exe.as_raw_fd(), &args, &env)).call(|| "execveat(read-only mount of podrt itself)".into())
}
