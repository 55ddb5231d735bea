//! Processes by pidfd; namespaces.

use super::errno::Call;
use super::raw;
use super::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// How a process ended, as wait(2) tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

impl Exit {
    /// The shell's number: the code, or 128 + the signal.
    pub fn status(self) -> i32 {
        match self {
            Exit::Code(c) => c,
            Exit::Signal(s) => 128 + s,
        }
    }
}

/// pidfd_open(2).
pub fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: scalars only; the fd returned is new and ours.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        if fd < 0 { Err(Errno::last()).call(|| format!("pidfd_open({pid})")) } else { Ok(OwnedFd::from_raw_fd(fd as i32)) }
    }
}

/// pidfd_send_signal(2).
pub fn pidfd_signal(pidfd: BorrowedFd, signal: i32) -> Result<()> {
    // SAFETY: scalars and a null siginfo.
    let r = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<u8>(), 0) };
    if r < 0 { Err(Errno::last()).call(|| format!("pidfd_send_signal(signal {signal})")) } else { Ok(()) }
}

/// pidfd_getfd(2): a duplicate of another process's fd.
pub fn pidfd_getfd(pidfd: BorrowedFd, fd: raw::Fd) -> Result<OwnedFd> {
    // SAFETY: scalars only; the fd returned is new, close-on-exec and ours.
    unsafe {
        let got = libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0);
        if got < 0 { Err(Errno::last()).call(|| format!("pidfd_getfd({fd})")) } else { Ok(OwnedFd::from_raw_fd(got as i32)) }
    }
}

/// waitid(2) `P_PIDFD`, for a child of this process. `None`: still running and `block` is false.
pub fn wait_pidfd(pidfd: BorrowedFd, block: bool) -> Result<Option<Exit>> {
    let options = libc::WEXITED | if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: siginfo is plain data that the kernel fills; all-zero is a valid value.
        let (r, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as u32, &mut info, options), info)
        };
        if r < 0 {
            match Errno::last() {
                Errno::EINTR => continue,
                e => return Err(e).call(|| "waitid(pidfd)".into()),
            }
        }
        // SAFETY: after a successful waitid the child fields are the ones in use.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if pid == 0 {
            return Ok(None);
        }
        return Ok(Some(match info.si_code {
            libc::CLD_EXITED => Exit::Code(status),
            _ => Exit::Signal(status),
        }));
    }
}

/// setns(2) of this process; for `CLONE_NEWPID` only children are moved.
pub fn setns(fd: BorrowedFd, flags: i32) -> Result<()> {
    raw::setns(fd.as_raw_fd(), flags).call(|| format!("setns(flags {flags:#x})"))
}

/// The `CLONE_NEW*` type of an open namespace file (ioctl_ns(2) `NS_GET_NSTYPE`).
pub fn namespace_type(fd: BorrowedFd) -> Result<i32> {
    raw::ioctl(fd.as_raw_fd(), 0xb703, 0).map(|t| t as i32).call(|| "ioctl(NS_GET_NSTYPE)".into())
}

/// prctl(2) `PR_SET_DUMPABLE` 0: /proc/PID is root's alone, and only CAP_SYS_PTRACE of our own user namespace may trace.
pub fn undumpable() -> Result<()> {
    raw::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0).map(drop).call(|| "prctl(PR_SET_DUMPABLE, 0)".into())
}
