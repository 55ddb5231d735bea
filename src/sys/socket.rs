//! Unix stream sockets, bound and reached by the fd of their folder (a socket's path ends at 107 bytes), with SO_PEERCRED and
//! SCM_RIGHTS.

use super::errno::{Call, Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The most fds that one message carries here.
pub const MAX_FDS: usize = 16;

fn address(dir: BorrowedFd, name: &str) -> Result<(libc::sockaddr_un, u32), Errno> {
    // SAFETY: an all-zero sockaddr_un is valid.
    let mut addr: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    addr.sun_family = libc::AF_UNIX as u16;
    let path = format!("/proc/self/fd/{}/{name}", dir.as_raw_fd());
    if path.len() >= addr.sun_path.len() || name.contains(['/', '\0']) {
        return Err(Errno::ENAMETOOLONG);
    }
    for (to, from) in addr.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    Ok((addr, (std::mem::size_of::<u16>() + path.len() + 1) as u32))
}

fn socket(flags: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | flags, 0) };
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: just made.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A non-blocking TCP socket whose connection is on its way, or stands already.
pub fn connect_to(to: std::net::SocketAddr) -> Result<OwnedFd, Errno> {
    use std::net::SocketAddr;
    let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: just made.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let connect = |address: *const libc::sockaddr, length: usize| {
        // SAFETY: both callers' addresses are as long as said, and live for the call.
        unsafe { libc::connect(fd.as_raw_fd(), address, length as u32) }
    };
    let done = match to {
        SocketAddr::V4(to) => {
            // SAFETY: an all-zero sockaddr_in is valid.
            let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
            address.sin_family = family as u16;
            address.sin_port = to.port().to_be();
            address.sin_addr.s_addr = u32::from_ne_bytes(to.ip().octets());
            connect((&raw const address).cast(), size_of::<libc::sockaddr_in>())
        }
        SocketAddr::V6(to) => {
            // SAFETY: an all-zero sockaddr_in6 is valid.
            let mut address: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
            address.sin6_family = family as u16;
            address.sin6_port = to.port().to_be();
            address.sin6_addr.s6_addr = to.ip().octets();
            connect((&raw const address).cast(), size_of::<libc::sockaddr_in6>())
        }
    };
    match Errno::last() {
        _ if done == 0 => Ok(fd),
        Errno(libc::EINPROGRESS) => Ok(fd),
        errno => Err(errno),
    }
}

/// A socket of the network that this thread is in, blocking. `family`: AF_INET or AF_INET6.
pub fn inet(family: i32, kind: i32) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(Errno::last()).call(|| format!("socket(family {family}, type {kind})"));
    }
    // SAFETY: just made.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A listening, non-blocking socket `name` in the folder `dir`, mode 0600 from its first moment.
pub fn listen(dir: BorrowedFd, name: &str) -> Result<OwnedFd> {
    let bind = || {
        let fd = socket(libc::SOCK_NONBLOCK)?;
        let (addr, len) = address(dir, name)?;
        // The mode of the socket's inode on the file system is that of its open file, cut by the umask.
        super::raw::fchmod(fd.as_raw_fd(), 0o600)?;
        // SAFETY: the address lives for the call.
        if unsafe { libc::bind(fd.as_raw_fd(), (&raw const addr).cast(), len) } < 0 {
            return Err(Errno::last());
        }
        // SAFETY: no pointers.
        if unsafe { libc::listen(fd.as_raw_fd(), 64) } < 0 {
            return Err(Errno::last());
        }
        Ok(fd)
    };
    bind().call(|| format!("bind({name})"))
}

/// A connected, blocking socket. ECONNREFUSED: nobody listens there any more.
pub fn connect(dir: BorrowedFd, name: &str) -> Result<OwnedFd> {
    let connect = || {
        let fd = socket(0)?;
        let (addr, len) = address(dir, name)?;
        // SAFETY: the address lives for the call.
        if unsafe { libc::connect(fd.as_raw_fd(), (&raw const addr).cast(), len) } < 0 {
            return Err(Errno::last());
        }
        Ok(fd)
    };
    connect().call(|| format!("connect({name})"))
}

/// The next caller, non-blocking; None where none waits.
pub fn accept(listener: BorrowedFd) -> Result<Option<OwnedFd>> {
    // SAFETY: the address is not asked for.
    let fd = unsafe {
        libc::accept4(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)
    };
    if fd < 0 {
        return match Errno::last() {
            Errno::EAGAIN | Errno::EINTR | Errno(libc::ECONNABORTED) => Ok(None),
            errno => Err(errno).call(|| "accept4".into()),
        };
    }
    // SAFETY: just made.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// (pid, uid, gid) of the process that connected, as of its connect(2).
pub fn peer(fd: BorrowedFd) -> Result<(i32, u32, u32)> {
    let mut cred = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut len = std::mem::size_of_val(&cred) as u32;
    // SAFETY: `cred` is as long as said.
    let ret = unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut cred).cast(), &mut len) };
    if ret < 0 { Err(Errno::last()).call(|| "getsockopt(SO_PEERCRED)".into()) } else { Ok((cred.pid, cred.uid, cred.gid)) }
}

#[repr(C, align(8))]
struct Control([u8; 128]);

/// sendmsg(2) of `data`, with `fds` on its first byte. Returns the bytes taken; a gone reader is EPIPE, never a signal.
pub fn send(fd: BorrowedFd, data: &[u8], fds: &[BorrowedFd]) -> Result<usize, Errno> {
    if fds.len() > MAX_FDS {
        return Err(Errno::EINVAL);
    }
    let mut iov = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let mut control = Control([0; 128]);
    // SAFETY: an all-zero msghdr is valid.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = &mut iov;
    msg.msg_iovlen = 1;
    if !fds.is_empty() {
        let bytes = std::mem::size_of_val(fds) as u32;
        msg.msg_control = control.0.as_mut_ptr().cast();
        // SAFETY: 16 fds and a header fit in 128 bytes; CMSG_* stay inside the buffer.
        unsafe {
            msg.msg_controllen = libc::CMSG_SPACE(bytes) as usize;
            let c = libc::CMSG_FIRSTHDR(&msg);
            (*c).cmsg_level = libc::SOL_SOCKET;
            (*c).cmsg_type = libc::SCM_RIGHTS;
            (*c).cmsg_len = libc::CMSG_LEN(bytes) as usize;
            let data = libc::CMSG_DATA(c).cast::<i32>();
            for (i, fd) in fds.iter().enumerate() {
                data.add(i).write_unaligned(fd.as_raw_fd());
            }
        }
    }
    loop {
        // SAFETY: all that `msg` points at lives for the call.
        let n = unsafe { libc::sendmsg(fd.as_raw_fd(), &msg, libc::MSG_NOSIGNAL) };
        match n {
            n if n >= 0 => return Ok(n as usize),
            _ => match Errno::last() {
                Errno::EINTR => continue,
                errno => return Err(errno),
            },
        }
    }
}

/// recvmsg(2): bytes read (0: the peer has closed), and the fds that came along, CLOEXEC.
pub fn receive(fd: BorrowedFd, data: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), Errno> {
    receive_with(fd, data, 0)
}

/// [`receive`], but what was read stays to be read again; the fds are duplicates.
pub fn peek(fd: BorrowedFd, data: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), Errno> {
    receive_with(fd, data, libc::MSG_PEEK | libc::MSG_DONTWAIT)
}

fn receive_with(fd: BorrowedFd, data: &mut [u8], flags: i32) -> Result<(usize, Vec<OwnedFd>), Errno> {
    let mut iov = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    let mut control = Control([0; 128]);
    // SAFETY: an all-zero msghdr is valid.
    let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
    msg.msg_iov = &mut iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.0.as_mut_ptr().cast();
    msg.msg_controllen = control.0.len();
    let n = loop {
        // SAFETY: all that `msg` points at lives for the call.
        let n = unsafe { libc::recvmsg(fd.as_raw_fd(), &mut msg, libc::MSG_CMSG_CLOEXEC | flags) };
        match n {
            n if n >= 0 => break n as usize,
            _ => match Errno::last() {
                Errno::EINTR => continue,
                errno => return Err(errno),
            },
        }
    };
    let mut fds = Vec::new();
    // SAFETY: the kernel filled the control buffer; CMSG_* stay inside msg_controllen, and each fd in it is new and ours.
    unsafe {
        let mut c = libc::CMSG_FIRSTHDR(&msg);
        while !c.is_null() {
            if (*c).cmsg_level == libc::SOL_SOCKET && (*c).cmsg_type == libc::SCM_RIGHTS {
                let count = ((*c).cmsg_len - libc::CMSG_LEN(0) as usize) / std::mem::size_of::<i32>();
                let data = libc::CMSG_DATA(c).cast::<i32>();
                fds.extend((0..count).map(|i| OwnedFd::from_raw_fd(data.add(i).read_unaligned())));
            }
            c = libc::CMSG_NXTHDR(&msg, c);
        }
    }
    Ok((n, fds))
}
