//! The foreground of a container's process: signals go to it, and between the caller's terminal and its pty bytes go both ways.

use super::RawMode;
use crate::sys::event::{self, Signals};
use crate::sys::process::{self, Exit};
use crate::sys::{Errno, Result, raw, tty};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What passes between the caller and the process.
#[derive(Default)]
pub struct Relay<'a> {
    /// The pty's master, where there is one.
    pub master: Option<OwnedFd>,
    /// The caller's end: read until end of file, None for no input.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Where the pty's output goes.
    pub stdout: Option<BorrowedFd<'a>>,
}

/// What is kept of input that the process has not read yet, bytes; more is not read from the caller until there is room.
const PENDING: usize = 64 * 1024;

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The signals that [`supervise`] reads, as a mask to block before the birth, so that none is lost between it and the wait.
pub fn forwarded_signals() -> u64 {
    let signals = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2, libc::SIGCONT];
    signals.iter().fold(bit(libc::SIGWINCH), |m, s| m | bit(*s))
}

/// Waits for the process behind `pidfd`, a child of this one; meanwhile relays. Signals that end a program by default are sent
/// on to it, SIGWINCH resizes its pty. Returns how it ended, once its output has been written.
pub fn supervise(pidfd: BorrowedFd, relay: Relay) -> Result<Exit> {
    let mask = forwarded_signals();
    let _ = raw::sigmask(mask);
    let signals = Signals::new(mask)?;
    let Relay { master, stdin, stdout } = relay;
    let _raw = match (&master, stdin) {
        (Some(_), Some(stdin)) => RawMode::enter(stdin),
        _ => None,
    };
    if let Some(master) = &master {
        event::set_nonblocking(master.as_fd())?;
        resize(stdin, master.as_fd());
    }
    let mut io = Io { master, stdin, stdout, pending: Vec::new() };
    loop {
        let flags = io.wants();
        let mut fds = vec![PollFd::new(pidfd, PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let (mut master_at, mut stdin_at) = (None, None);
        if let Some(m) = &io.master {
            master_at = Some(fds.len());
            fds.push(PollFd::new(m.as_fd(), flags));
        }
        if let Some(s) = io.stdin.filter(|_| io.master.is_some() && io.pending.len() < PENDING) {
            stdin_at = Some(fds.len());
            fds.push(PollFd::new(s, PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(crate::sys::Error { call: "poll".into(), errno: e.into() }),
        }
        let ready = |i: Option<usize>| i.and_then(|i| fds[i].revents()).unwrap_or(PollFlags::empty());
        let (exited, master_ready, stdin_ready) = (!ready(Some(0)).is_empty(), ready(master_at), ready(stdin_at));
        drop(fds);
        while let Some(signal) = signals.take() {
            match (signal, &io.master) {
                (libc::SIGWINCH, Some(m)) => resize(stdin, m.as_fd()),
                (libc::SIGWINCH, None) => {}
                _ => drop(process::pidfd_signal(pidfd, signal)),
            }
        }
        if !stdin_ready.is_empty() {
            io.read_stdin();
        }
        if master_ready.contains(PollFlags::POLLOUT) {
            io.write_master();
        }
        if master_ready.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            io.read_master();
        }
        if exited && let Some(exit) = process::wait_pidfd(pidfd, false)? {
            // What the process wrote before it ended is still in the pty.
            while io.read_master() {}
            return Ok(exit);
        }
    }
}

/// The caller's own end may be non-blocking too, when something else set its terminal so.
pub(super) fn wait_writable(fd: BorrowedFd) {
    let _ = poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE);
}

pub(super) fn resize(from: Option<BorrowedFd>, master: BorrowedFd) {
    if let Some(size) = from.and_then(|f| tty::size(f).ok()) {
        let _ = tty::set_size(master, size);
    }
}

struct Io<'a> {
    master: Option<OwnedFd>,
    stdin: Option<BorrowedFd<'a>>,
    stdout: Option<BorrowedFd<'a>>,
    pending: Vec<u8>,
}

impl Io<'_> {
    fn wants(&self) -> PollFlags {
        if self.pending.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT }
    }

    /// At its end the terminal's own end-of-file character is sent, once: a pty has no half-close.
    fn read_stdin(&mut self) {
        let Some(stdin) = self.stdin else { return };
        let mut buf = [0u8; 16 * 1024];
        match raw::read(stdin.as_raw_fd(), &mut buf) {
            Ok(0) | Err(Errno::EIO) => {
                self.stdin = None;
                self.pending.push(0x04);
            }
            Ok(n) => self.pending.extend_from_slice(&buf[..n]),
            Err(Errno::EAGAIN) => {}
            Err(_) => self.stdin = None,
        }
    }

    fn write_master(&mut self) {
        let Some(master) = &self.master else { return };
        if let Ok(n) = raw::write(master.as_raw_fd(), &self.pending) {
            self.pending.drain(..n);
        }
    }

    /// Whether there may be more.
    fn read_master(&mut self) -> bool {
        let Some(master) = &self.master else { return false };
        let mut buf = [0u8; 16 * 1024];
        match raw::read(master.as_raw_fd(), &mut buf) {
            Ok(n) if n > 0 => {
                let mut rest = &buf[..n];
                while let (Some(out), false) = (self.stdout, rest.is_empty()) {
                    match raw::write(out.as_raw_fd(), rest) {
                        Ok(n) => rest = &rest[n..],
                        Err(Errno::EAGAIN) => wait_writable(out),
                        Err(_) => self.stdout = None,
                    }
                }
                true
            }
            Err(Errno::EAGAIN) => false,
            // EIO: the last slave has been closed.
            _ => {
                self.master = None;
                false
            }
        }
    }
}
