//! TCP connections that are begun without waiting, in this process's network namespace or in another.

use super::errno::{Call, Errno, Result};
use super::process;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A non-blocking socket whose connect(2) is under way: writable when it is over, and then [`outcome`] says how. It is closed with
/// a reset and leaves no TIME_WAIT behind.
pub fn connect(to: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: just made.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: `linger` is as long as said.
    let ret = unsafe {
        let (value, len) = ((&raw const linger).cast(), std::mem::size_of_val(&linger) as u32);
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, len)
    };
    if ret < 0 {
        return Err(Errno::last());
    }
    let ret = match to {
        SocketAddr::V4(to) => {
            let addr = libc::sockaddr_in {
                sin_family: libc::AF_INET as u16,
                sin_port: to.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(to.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: the address lives for the call.
            unsafe { libc::connect(fd.as_raw_fd(), (&raw const addr).cast(), std::mem::size_of_val(&addr) as u32) }
        }
        SocketAddr::V6(to) => {
            let addr = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as u16,
                sin6_port: to.port().to_be(),
                sin6_flowinfo: to.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: to.ip().octets() },
                sin6_scope_id: to.scope_id(),
            };
            // SAFETY: the address lives for the call.
            unsafe { libc::connect(fd.as_raw_fd(), (&raw const addr).cast(), std::mem::size_of_val(&addr) as u32) }
        }
    };
    match ret {
        0 => Ok(fd),
        _ => match Errno::last() {
            Errno(libc::EINPROGRESS) => Ok(fd),
            errno => Err(errno),
        },
    }
}

/// How a connect(2) that was under way has ended (SO_ERROR).
pub fn outcome(fd: BorrowedFd) -> Result<(), Errno> {
    let mut errno = 0i32;
    let mut len = std::mem::size_of_val(&errno) as u32;
    // SAFETY: `errno` is as long as said.
    let ret = unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut errno).cast(), &mut len) };
    match (ret, errno) {
        (0, 0) => Ok(()),
        (0, errno) => Err(Errno(errno)),
        _ => Err(Errno::last()),
    }
}

/// Runs `make` in the network namespace of `process` (a pidfd), and comes back to that of `own`. Only for a process of one
/// thread; one that cannot come back ends, for it would do all the rest in a network that is not its own.
pub fn in_network_of<T>(process: BorrowedFd, own: BorrowedFd, make: impl FnOnce() -> T) -> Result<T> {
    process::setns(process, libc::CLONE_NEWNET)?;
    let made = make();
    if process::setns(own, libc::CLONE_NEWNET).is_err() {
        std::process::abort();
    }
    Ok(made)
}

/// This process's network namespace.
pub fn own_network() -> Result<OwnedFd> {
    std::fs::File::open("/proc/self/ns/net").map(OwnedFd::from).call(|| "open(/proc/self/ns/net)".into())
}
