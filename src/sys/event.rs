//! Waiting: epoll, timerfd, signalfd, pidfd. Everything is CLOEXEC and, where it is read from, non-blocking.

use super::errno::{Call, Errno, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

fn owned(fd: i32) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: the kernel has just made this fd for us, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn done(ret: i32) -> Result<(), Errno> {
    if ret < 0 { Err(Errno::last()) } else { Ok(()) }
}

pub use libc::{EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP};

/// epoll(7). A source is known by the number that it was added with.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> Result<Epoll> {
        // SAFETY: no pointers.
        owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Epoll).call(|| "epoll_create1".into())
    }

    fn ctl(&self, op: i32, fd: BorrowedFd, events: i32, token: u64) -> Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: `event` lives for the call.
        done(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd.as_raw_fd(), &mut event) })
            .call(|| format!("epoll_ctl(fd {})", fd.as_raw_fd()))
    }

    pub fn add(&self, fd: impl AsFd, events: i32, token: u64) -> Result<()> {
        self.ctl(libc::EPOLL_CTL_ADD, fd.as_fd(), events, token)
    }

    pub fn modify(&self, fd: impl AsFd, events: i32, token: u64) -> Result<()> {
        self.ctl(libc::EPOLL_CTL_MOD, fd.as_fd(), events, token)
    }

    pub fn remove(&self, fd: impl AsFd) -> Result<()> {
        self.ctl(libc::EPOLL_CTL_DEL, fd.as_fd(), 0, 0)
    }

    /// Appends (token, events) of what is ready, at most 16 at a time; with `block`, waits without end until something is.
    /// Interrupted: none.
    pub fn wait(&self, ready: &mut Vec<(u64, i32)>, block: bool) -> Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 16];
        // SAFETY: the array is as long as said.
        let n =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, if block { -1 } else { 0 }) };
        if n < 0 {
            return match Errno::last() {
                Errno::EINTR => Ok(()),
                errno => Err(errno).call(|| "epoll_wait".into()),
            };
        }
        ready.extend(events[..n as usize].iter().map(|e| (e.u64, e.events as i32)));
        Ok(())
    }
}

/// A timer on CLOCK_MONOTONIC.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    pub fn new() -> Result<Timer> {
        // SAFETY: no pointers.
        owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK) })
            .map(Timer)
            .call(|| "timerfd_create".into())
    }

    /// Fires once at `at` nanoseconds of [`monotonic`]; None disarms. A moment in the past fires at once.
    pub fn set(&self, at: Option<u64>) -> Result<()> {
        let at = at.map_or(0, |at| at.max(1));
        let value = libc::timespec { tv_sec: (at / 1_000_000_000) as i64, tv_nsec: (at % 1_000_000_000) as i64 };
        let spec = libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // SAFETY: `spec` lives for the call; the old value is not asked for.
        done(unsafe { libc::timerfd_settime(self.0.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &spec, std::ptr::null_mut()) })
            .call(|| "timerfd_settime".into())
    }

    /// Takes the expiry, so that the fd is no longer readable.
    pub fn take(&self) {
        let mut buf = [0u8; 8];
        let _ = super::raw::read(self.0.as_raw_fd(), &mut buf);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Signals as readable numbers. The caller blocks them first (`raw::sigmask`).
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// `mask`: bit n-1 is signal n, as in [`super::raw::sigmask`].
    pub fn new(mask: u64) -> Result<Signals> {
        // SAFETY: an all-zero sigset_t is the empty set; its first eight bytes are the kernel's mask.
        let set = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            (&raw mut set).cast::<u64>().write(mask);
            set
        };
        // SAFETY: `set` lives for the call.
        owned(unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }).map(Signals).call(|| "signalfd".into())
    }

    pub fn take(&self) -> Option<i32> {
        let mut info = [0u8; 128];
        match super::raw::read(self.0.as_raw_fd(), &mut info) {
            Ok(128) => Some(i32::from_ne_bytes([info[0], info[1], info[2], info[3]])),
            _ => None,
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until `fd` is readable or hung up: true; false after `millis`. None waits without end.
pub fn poll_in(fd: BorrowedFd, millis: Option<u64>) -> Result<bool, Errno> {
    let end = millis.map(|m| monotonic() + m.saturating_mul(1_000_000));
    loop {
        let left = match end {
            None => -1,
            Some(end) => end.saturating_sub(monotonic()).div_ceil(1_000_000).min(i32::MAX as u64) as i32,
        };
        let mut p = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, as said.
        match unsafe { libc::poll(&mut p, 1, left) } {
            0 => return Ok(false),
            n if n > 0 => return Ok(true),
            _ => match Errno::last() {
                Errno::EINTR => continue,
                errno => return Err(errno),
            },
        }
    }
}

/// Whether the other end of a pipe is gone (POLLERR).
pub fn has_error(fd: BorrowedFd) -> bool {
    let mut p = libc::pollfd { fd: fd.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one pollfd, as said.
    (unsafe { libc::poll(&mut p, 1, 0) }) > 0 && p.revents & libc::POLLERR != 0
}

fn clock(id: libc::clockid_t) -> libc::timespec {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` lives for the call; both clocks always exist.
    unsafe { libc::clock_gettime(id, &mut t) };
    t
}

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn monotonic() -> u64 {
    let t = clock(libc::CLOCK_MONOTONIC);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Seconds and nanoseconds since 1970, UTC.
pub fn wall() -> (i64, u32) {
    let t = clock(libc::CLOCK_REALTIME);
    (t.tv_sec, t.tv_nsec as u32)
}

/// pipe2(2): (read end, write end), CLOEXEC, blocking.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0i32; 2];
    // SAFETY: two fds fit.
    done(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) }).call(|| "pipe2".into())?;
    // SAFETY: the kernel has just made both.
    Ok(unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) })
}

/// Sets O_NONBLOCK on the open file description of `fd`.
pub fn set_nonblocking(fd: BorrowedFd) -> Result<()> {
    let fd = fd.as_raw_fd();
    super::raw::fcntl(fd, libc::F_GETFL, 0)
        .and_then(|flags| super::raw::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK as usize))
        .map(drop)
        .call(|| format!("fcntl(fd {fd}, O_NONBLOCK)"))
}

/// A duplicate, close-on-exec, with a number of at least `lowest`.
pub fn duplicate_above(fd: BorrowedFd, lowest: i32) -> Result<OwnedFd> {
    let new =
        super::raw::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, lowest as usize).call(|| "fcntl(F_DUPFD_CLOEXEC)".into())?;
    // SAFETY: just made.
    Ok(unsafe { OwnedFd::from_raw_fd(new as i32) })
}

/// Takes over an fd whose number was passed across exec. None where it is not open.
pub fn inherit(fd: i32) -> Option<OwnedFd> {
    super::raw::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC as usize).ok()?;
    // SAFETY: open, as fcntl has shown; the caller is the process's entry, where nobody else owns it yet.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}
