//! The foreground of a container's streams: between them and the caller's, bytes go both ways until the container's end, the caller's,
//! or his detach keys.

use super::RawMode;
use super::relay::{forwarded_signals, resize, wait_writable};
use crate::sys::event::{self, Signals};
use crate::sys::{Errno, Result, raw};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What is carried.
#[derive(Default)]
pub struct Streams<'a> {
    /// The container's stdin, or the master of its terminal.
    pub input: Option<OwnedFd>,
    /// What the container prints, and where it goes.
    pub output: Vec<(OwnedFd, BorrowedFd<'a>)>,
    /// The caller's input.
    pub stdin: Option<BorrowedFd<'a>>,
    /// `input` is a terminal, and the caller's stdin is to be one end of it: raw, and with its size.
    pub terminal: bool,
}

/// Why it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The container's output has ended.
    Ended,
    /// ctrl-p, ctrl-q.
    Detached,
    /// The caller was told to end.
    Signal(i32),
    /// Nobody reads the caller's output any more.
    Closed,
}

/// What is kept of input that the container has not read yet, bytes; more is not read from the caller until there is room.
const PENDING: usize = 64 * 1024;
/// What one read takes, bytes.
const CHUNK: usize = 16 * 1024;

/// The keys that leave the container alone: ctrl-p, ctrl-q. A ctrl-p is held back until the next key says what it was.
#[derive(Default)]
struct Keys {
    held: bool,
}

const CTRL_P: u8 = 0x10;
const CTRL_Q: u8 = 0x11;

impl Keys {
    /// Passes `typed` on to `to`. True when the keys are among it; what follows them is dropped.
    fn pass(&mut self, typed: &[u8], to: &mut Vec<u8>) -> bool {
        for &key in typed {
            match (std::mem::take(&mut self.held), key) {
                (true, CTRL_Q) => return true,
                (held, CTRL_P) => {
                    if held {
                        to.push(CTRL_P);
                    }
                    self.held = true;
                }
                (held, key) => {
                    if held {
                        to.push(CTRL_P);
                    }
                    to.push(key);
                }
            }
        }
        false
    }
}

struct Carry<'a> {
    streams: Streams<'a>,
    pending: Vec<u8>,
    keys: Keys,
}

/// Carries until the end. The caller's terminal is given back in any case.
pub fn attach(streams: Streams) -> Result<End> {
    let mask = forwarded_signals();
    let _ = raw::sigmask(mask);
    let signals = Signals::new(mask)?;
    let _raw = match (streams.terminal, streams.stdin) {
        (true, Some(stdin)) => RawMode::enter(stdin),
        _ => None,
    };
    if let Some(input) = &streams.input {
        event::set_nonblocking(input.as_fd())?;
        if streams.terminal {
            resize(streams.stdin, input.as_fd());
        }
    }
    let mut carry = Carry { streams, pending: Vec::new(), keys: Keys::default() };
    loop {
        if carry.streams.output.is_empty() {
            return Ok(End::Ended);
        }
        let ready = carry.wait(&signals)?;
        while let Some(signal) = signals.take() {
            match signal {
                libc::SIGWINCH => {
                    if let Some(input) = carry.streams.input.as_ref().filter(|_| carry.streams.terminal) {
                        resize(carry.streams.stdin, input.as_fd());
                    }
                }
                libc::SIGCONT | libc::SIGUSR1 | libc::SIGUSR2 => {}
                signal => return Ok(End::Signal(signal)),
            }
        }
        if ready.stdin && carry.read_stdin() {
            return Ok(End::Detached);
        }
        carry.write_input();
        if !carry.read_output(&ready.output) {
            return Ok(End::Closed);
        }
    }
}

struct Ready {
    stdin: bool,
    output: Vec<bool>,
}

impl Carry<'_> {
    fn wait(&self, signals: &Signals) -> Result<Ready> {
        let streams = &self.streams;
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(streams.output.iter().map(|(from, _)| PollFd::new(from.as_fd(), PollFlags::POLLIN)));
        if let Some(input) = streams.input.as_ref().filter(|_| !self.pending.is_empty()) {
            fds.push(PollFd::new(input.as_fd(), PollFlags::POLLOUT));
        }
        let reads = streams.stdin.filter(|_| streams.input.is_some() && self.pending.len() < PENDING);
        if let Some(stdin) = reads {
            fds.push(PollFd::new(stdin, PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(crate::sys::Error { call: "poll".into(), errno: e.into() }),
        }
        let ready = |fd: &PollFd| fd.revents().is_some_and(|r| !r.is_empty());
        let stdin = reads.is_some() && fds.last().is_some_and(ready);
        Ok(Ready { stdin, output: fds[1..=streams.output.len()].iter().map(ready).collect() })
    }

    /// True for the detach keys. The end of the caller's input is the end of the container's, where that is no terminal.
    fn read_stdin(&mut self) -> bool {
        let Some(stdin) = self.streams.stdin else { return false };
        let mut buf = [0u8; CHUNK];
        match raw::read(stdin.as_raw_fd(), &mut buf) {
            Err(Errno::EAGAIN) => {}
            Ok(n @ 1..) if self.streams.terminal => return self.keys.pass(&buf[..n], &mut self.pending),
            Ok(n @ 1..) => self.pending.extend_from_slice(&buf[..n]),
            _ => self.streams.stdin = None,
        }
        false
    }

    fn write_input(&mut self) {
        let Some(input) = &self.streams.input else { return };
        if !self.pending.is_empty() {
            match raw::write(input.as_raw_fd(), &self.pending) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(Errno::EAGAIN) => return,
                // It reads no more.
                Err(_) => self.pending.clear(),
            }
        }
        if self.pending.is_empty() && self.streams.stdin.is_none() && !self.streams.terminal {
            self.streams.input = None;
        }
    }

    /// False when the caller's own output is closed.
    fn read_output(&mut self, ready: &[bool]) -> bool {
        let (mut at, mut open) = (0, true);
        self.streams.output.retain(|(from, to)| {
            at += 1;
            if !ready[at - 1] {
                return true;
            }
            let mut buf = [0u8; CHUNK];
            match raw::read(from.as_raw_fd(), &mut buf) {
                Ok(n @ 1..) => {
                    open &= write_all(*to, &buf[..n]);
                    true
                }
                Err(Errno::EAGAIN) => true,
                _ => false,
            }
        });
        open
    }
}

fn write_all(to: BorrowedFd, mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        match raw::write(to.as_raw_fd(), rest) {
            Ok(n) => rest = &rest[n..],
            Err(Errno::EAGAIN) => wait_writable(to),
            Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detach_keys_are_found_wherever_the_reads_part_them_and_all_else_is_passed_on() {
        for (typed, passed, detached) in [
            (&[&b"ab"[..]][..], &b"ab"[..], false),
            (&[b"a\x10\x11b"], b"a", true),
            (&[b"a\x10", b"\x11b"], b"a", true),
            (&[b"a\x10", b"b\x11"], b"a\x10b\x11", false),
            (&[b"\x10\x10\x11"], b"\x10", true),
            (&[b"\x11\x10", b"\x10", b"x"], b"\x11\x10\x10x", false),
        ] {
            let (mut keys, mut to) = (Keys::default(), Vec::new());
            let got = typed.iter().any(|part| keys.pass(part, &mut to));
            assert_eq!((to.as_slice(), got), (passed, detached), "{typed:?}");
        }
    }
}
