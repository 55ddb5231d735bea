//! What outlives a process: bytes in memory files, fds in a socket's queue, a dead child's status.

use super::errno::{Call, Errno, Result};
use super::process::Exit;
use super::raw;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

fn owned(fd: i64) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: the kernel has just made this fd for us, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn count(n: isize) -> Result<usize, Errno> {
    if n < 0 { Err(Errno::last()) } else { Ok(n as usize) }
}

/// memfd_create(2), CLOEXEC.
pub fn memory_file(name: &CStr) -> Result<OwnedFd> {
    // SAFETY: the name lives for the call.
    owned(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) } as i64).call(|| "memfd_create".into())
}

/// A memory file that holds `program` and can be executed, but no longer be changed.
pub fn sealed_program(name: &CStr, program: &[u8]) -> Result<OwnedFd> {
    /// Linux 6.3; asked for where the host makes memory files not executable otherwise.
    const MFD_EXEC: u32 = 0x10;
    let make = |flags: u32| {
        // SAFETY: the name lives for the call.
        owned(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | flags) } as i64)
    };
    let fd = match make(MFD_EXEC) {
        Err(Errno(libc::EINVAL)) => make(0),
        other => other,
    }
    .call(|| "memfd_create(program)".into())?;
    match raw::write(fd.as_raw_fd(), program) {
        Ok(n) if n == program.len() => {}
        Ok(_) => return Err(Errno::ENOSPC).call(|| "write(program)".into()),
        Err(e) => return Err(e).call(|| "write(program)".into()),
    }
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    raw::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals as usize).call(|| "fcntl(F_ADD_SEALS)".into())?;
    Ok(fd)
}

/// splice(2) from a pipe to a file at its own position, which moves with the data in the same step: whoever is killed here has
/// moved both or neither. Never waits. 0: the pipe's end.
pub fn splice(pipe: BorrowedFd, file: BorrowedFd, max: usize) -> Result<usize, Errno> {
    loop {
        // SAFETY: no offsets are passed.
        let n = unsafe {
            libc::splice(
                pipe.as_raw_fd(),
                std::ptr::null_mut(),
                file.as_raw_fd(),
                std::ptr::null_mut(),
                max,
                libc::SPLICE_F_NONBLOCK,
            )
        };
        match count(n) {
            Err(Errno::EINTR) => continue,
            other => return other,
        }
    }
}

/// The file's position, or after the call `to`.
pub fn position(file: BorrowedFd, to: Option<u64>) -> Result<u64, Errno> {
    let (offset, whence) = to.map_or((0, libc::SEEK_CUR), |to| (to as i64, libc::SEEK_SET));
    // SAFETY: scalars.
    let at = unsafe { libc::lseek(file.as_raw_fd(), offset, whence) };
    if at < 0 { Err(Errno::last()) } else { Ok(at as u64) }
}

/// pread(2), once.
pub fn read_at(file: BorrowedFd, buf: &mut [u8], at: u64) -> Result<usize, Errno> {
    // SAFETY: the buffer is as long as said.
    count(unsafe { libc::pread(file.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), at as i64) })
}

/// pwrite(2), once.
pub fn write_at(file: BorrowedFd, data: &[u8], at: u64) -> Result<usize, Errno> {
    // SAFETY: the data is as long as said.
    count(unsafe { libc::pwrite(file.as_raw_fd(), data.as_ptr().cast(), data.len(), at as i64) })
}

/// fallocate(2) `PUNCH_HOLE`: gives whole pages of the range back.
pub fn punch(file: BorrowedFd, from: u64, to: u64) {
    // SAFETY: scalars.
    unsafe {
        libc::fallocate(
            file.as_raw_fd(),
            libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE,
            from as i64,
            to.saturating_sub(from) as i64,
        )
    };
}

/// Bytes that a pair's queue may hold.
const ROOM: i32 = 4 << 20;

/// socketpair(2) of sequenced packets, non-blocking and CLOEXEC.
pub fn packet_pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: two fds fit.
    let ret = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) };
    if ret < 0 {
        return Err(Errno::last()).call(|| "socketpair".into());
    }
    // SAFETY: the kernel has just made both.
    let (put, take) = unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) };
    // Room for some thousand packets; without the privilege the host's default stays.
    let room = ROOM;
    // SAFETY: the option's value lives for the call.
    unsafe {
        let size = std::mem::size_of_val(&room) as u32;
        libc::setsockopt(put.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, (&raw const room).cast(), size);
    }
    Ok((put, take))
}

/// Takes the next packet away; fds that came with it are closed.
pub fn drop_packet(socket: BorrowedFd) {
    let mut byte = 0u8;
    // SAFETY: one byte; a packet's rest is dropped by the kernel, and so is what the control buffer has no room for.
    unsafe { libc::recv(socket.as_raw_fd(), (&raw mut byte).cast(), 1, libc::MSG_DONTWAIT) };
}

/// How a child of this process has ended, as wait(2) tells it, without reaping it. None: it still runs.
pub fn peek_exit(pidfd: BorrowedFd) -> Result<Option<Exit>, Errno> {
    loop {
        // SAFETY: siginfo is plain data that the kernel fills; all-zero is a valid value.
        let (ret, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            (libc::waitid(libc::P_PIDFD, pidfd.as_raw_fd() as u32, &mut info, options), info)
        };
        if ret < 0 {
            match Errno::last() {
                Errno::EINTR => continue,
                errno => return Err(errno),
            }
        }
        // SAFETY: after a successful waitid the child fields are the ones in use.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        return Ok(match (pid, info.si_code) {
            (0, _) => None,
            (_, libc::CLD_EXITED) => Some(Exit::Code(status)),
            _ => Some(Exit::Signal(status)),
        });
    }
}

/// Reaps a child of this process if it has ended. True: it has, or is none.
pub fn reaped(pid: i32) -> bool {
    // SAFETY: no status is asked for.
    let ret = unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
    ret != 0
}

/// What a wait status says (wait(2)).
pub fn decode(status: i32) -> Exit {
    match status & 0x7f {
        0 => Exit::Code(status >> 8 & 0xff),
        signal => Exit::Signal(signal),
    }
}

/// `PIDFD_GET_INFO` (Linux 6.15): how a process ended that somebody else has reaped since. None: not known, or an older kernel.
pub fn reaped_exit(pidfd: BorrowedFd) -> Option<Exit> {
    const PIDFD_GET_INFO: u64 = 0xc040_ff0b;
    const PIDFD_INFO_EXIT: u64 = 1 << 3;
    // struct pidfd_info, its first 64 bytes: the mask, then 13 numbers of which the last is the wait status.
    let mut info = [0u64; 8];
    info[0] = PIDFD_INFO_EXIT;
    raw::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, info.as_mut_ptr() as usize).ok()?;
    (info[0] & PIDFD_INFO_EXIT != 0).then(|| decode((info[7] >> 32) as i32))
}

/// Sends `signal` with a number.
pub fn signal_value(pidfd: BorrowedFd, signal: i32, value: i32) -> Result<()> {
    // siginfo_t of a queued signal: si_signo, si_errno, si_code, (padding), si_pid, si_uid, si_value.
    let mut info = [0i32; 32];
    info[0] = signal;
    info[2] = libc::SI_QUEUE;
    info[4] = raw::getpid();
    info[6] = value;
    // SAFETY: the siginfo lives for the call and has its full 128 bytes.
    let ret = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info.as_ptr(), 0) };
    if ret < 0 { Err(Errno::last()).call(|| format!("pidfd_send_signal(signal {signal}, {value})")) } else { Ok(()) }
}

/// getppid(2).
pub fn parent() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::getppid() }
}
