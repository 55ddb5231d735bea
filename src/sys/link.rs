//! Network interfaces by ioctl, for the child that is born into a new network namespace.

use super::Errno;
use super::raw::{self, Res};

/// Sets `lo` up in this thread's network namespace. Allocates nothing. netdevice(7), SIOCSIFFLAGS.
pub fn lo_up() -> Res {
    // struct ifreq: 16 bytes of name, then a union of 24 that begins with the flags.
    #[repr(C)]
    struct Ifreq {
        name: [u8; 16],
        flags: i16,
        rest: [u8; 22],
    }
    let mut name = [0u8; 16];
    name[..2].copy_from_slice(b"lo");
    let request = Ifreq { name, flags: (libc::IFF_UP | libc::IFF_RUNNING) as i16, rest: [0; 22] };
    // SAFETY: no pointers.
    let fd = unsafe {
        raw::syscall6(libc::SYS_socket, libc::AF_INET as usize, (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as usize, 0, 0, 0, 0)
    };
    let fd = match fd {
        // A kernel with IPv4 switched off: any other family's socket takes interface requests as well.
        Err(Errno(libc::EAFNOSUPPORT)) => {
            // SAFETY: no pointers.
            unsafe {
                raw::syscall6(
                    libc::SYS_socket,
                    libc::AF_UNIX as usize,
                    (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as usize,
                    0,
                    0,
                    0,
                    0,
                )
            }?
        }
        other => other?,
    };
    let done = raw::ioctl(fd as i32, libc::SIOCSIFFLAGS, (&raw const request) as usize);
    raw::close(fd as i32);
    done.map(drop)
}
