//! Netlink sockets: netlink(7).

use super::errno::{Call, Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A socket of `protocol` (NETLINK_ROUTE, NETLINK_NETFILTER) in this process's network namespace, where it stays. `groups`: bits of
/// the first 32 multicast groups whose messages it gets.
pub fn open(protocol: i32, groups: u32) -> Result<OwnedFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(Errno::last()).call(|| format!("socket(AF_NETLINK, {protocol})"));
    }
    // SAFETY: just made.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
        let on: i32 = 1;
        // SAFETY: one int, as said. Without them an error has no words: not an error itself.
        unsafe {
            libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const on).cast(), size_of::<i32>() as u32);
        }
    }
    if groups != 0 {
        // SAFETY: an all-zero sockaddr_nl is valid.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = groups;
        // SAFETY: the address lives for the call.
        if unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_nl>() as u32) } < 0 {
            return Err(Errno::last()).call(|| format!("bind(AF_NETLINK, groups {groups:#x})"));
        }
    }
    Ok(fd)
}

/// Lets only datagrams through whose first message is of one of `kinds`: the others wake nobody.
pub fn only(fd: BorrowedFd, kinds: &[u16]) -> Result<()> {
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    // The type stands at byte 4, in the host's order; a filter loads in the network's.
    let mut program = vec![instruction(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, 4)];
    for (i, kind) in kinds.iter().enumerate() {
        let left = (kinds.len() - i) as u8;
        program.push(instruction(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            left,
            0,
            u16::from_be_bytes(kind.to_ne_bytes()).into(),
        ));
    }
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0));
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program is as long as said and lives for the call.
    let done = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as u32,
        )
    };
    if done < 0 { Err(Errno::last()).call(|| "setsockopt(SO_ATTACH_FILTER)".into()) } else { Ok(()) }
}

/// Sends one datagram to the kernel, which has done what it says when this returns.
pub fn send(fd: BorrowedFd, datagram: &[u8]) -> Result<(), Errno> {
    // SAFETY: the buffer is as long as said.
    let n = unsafe { libc::send(fd.as_raw_fd(), datagram.as_ptr().cast(), datagram.len(), 0) };
    if n < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Receives one datagram: its length; None where there is none now and `wait` is false. Errors: EMSGSIZE where it does not fit.
pub fn receive(fd: BorrowedFd, buffer: &mut [u8], wait: bool) -> Result<Option<usize>, Errno> {
    let flags = libc::MSG_TRUNC | if wait { 0 } else { libc::MSG_DONTWAIT };
    loop {
        // SAFETY: the buffer is as long as said.
        let n = unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags) };
        return match n {
            n if n as usize > buffer.len() && n > 0 => Err(Errno::EMSGSIZE),
            n if n >= 0 => Ok(Some(n as usize)),
            _ => match Errno::last() {
                Errno::EINTR => continue,
                Errno::EAGAIN => Ok(None),
                errno => Err(errno),
            },
        };
    }
}
