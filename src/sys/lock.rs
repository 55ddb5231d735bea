//! POSIX record locks, one byte each: not inherited by a child, dropped when the process ends **or closes any fd of the file**,
//! so a holder opens its lock file once.

use super::errno::{Call, Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd};

fn flock(byte: i64) -> libc::flock {
    // SAFETY: an all-zero flock is valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as i16;
    lock.l_whence = libc::SEEK_SET as i16;
    lock.l_start = byte;
    lock.l_len = 1;
    lock
}

fn fcntl(fd: BorrowedFd, cmd: i32, lock: &mut libc::flock) -> Result<(), Errno> {
    // SAFETY: `lock` lives for the call.
    if unsafe { libc::fcntl(fd.as_raw_fd(), cmd, lock) } < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Takes the write lock on `byte`: true, or false where another process has it.
pub fn try_lock(fd: BorrowedFd, byte: i64) -> Result<bool> {
    match fcntl(fd, libc::F_SETLK, &mut flock(byte)) {
        Ok(()) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno).call(|| format!("fcntl(fd {}, F_SETLK, {byte})", fd.as_raw_fd())),
    }
}

/// Gives `byte` up.
pub fn unlock(fd: BorrowedFd, byte: i64) -> Result<()> {
    let mut lock = flock(byte);
    lock.l_type = libc::F_UNLCK as i16;
    fcntl(fd, libc::F_SETLK, &mut lock).call(|| format!("fcntl(fd {}, F_UNLCK, {byte})", fd.as_raw_fd()))
}

/// The process that holds `byte`, as this PID namespace sees it (0: one of another namespace); None where it is free.
pub fn holder(fd: BorrowedFd, byte: i64) -> Result<Option<i32>> {
    let mut lock = flock(byte);
    fcntl(fd, libc::F_GETLK, &mut lock).call(|| format!("fcntl(fd {}, F_GETLK, {byte})", fd.as_raw_fd()))?;
    Ok(if lock.l_type == libc::F_UNLCK as i16 { None } else { Some(lock.l_pid) })
}
