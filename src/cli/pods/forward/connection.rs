//! One forwarded connection: two sockets, and what of each is on its way to the other.

use crate::sys::event::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

/// The side that came to the listener, and the one in the pod.
pub const LOCAL: usize = 0;
pub const REMOTE: usize = 1;

/// How often one source is read before others have their turn.
const TURNS: usize = 4;

#[derive(Debug)]
pub struct Connection {
    sides: [TcpStream; 2],
    /// What came from a side and the other has not taken yet.
    pending: [Vec<u8>; 2],
    /// Nothing more comes from this side.
    ended: [bool; 2],
    /// The other side was told so.
    told: [bool; 2],
    /// A side was reset: the other is closed once it has what came before.
    reset: bool,
    /// The pod's side is not connected yet.
    connecting: bool,
    /// What epoll watches now; 0: it does not know the socket.
    pub watched: [i32; 2],
}

/// What a connection has come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Goes,
    Done,
    /// The pod's side could not be connected.
    Refused(crate::sys::Errno),
}

impl Connection {
    pub fn new(local: TcpStream, remote: TcpStream) -> Connection {
        Connection {
            sides: [local, remote],
            pending: [Vec::new(), Vec::new()],
            ended: [false; 2],
            told: [false; 2],
            reset: false,
            connecting: true,
            watched: [0; 2],
        }
    }

    pub fn side(&self, side: usize) -> &TcpStream {
        &self.sides[side]
    }

    /// The pod's side is tried again at another address.
    pub fn retry(&mut self, remote: TcpStream) {
        self.sides[REMOTE] = remote;
        self.watched[REMOTE] = 0;
    }

    /// What is worth waiting for: nothing is read of a side while the other has not taken what came before.
    pub fn wanted(&self, side: usize) -> i32 {
        if self.connecting {
            return if side == REMOTE { EPOLLOUT } else { 0 };
        }
        let reads = !self.ended[side] && self.pending[side].is_empty();
        let writes = !self.pending[1 - side].is_empty();
        (if reads { EPOLLIN } else { 0 }) | (if writes { EPOLLOUT } else { 0 })
    }

    /// `side` is ready for `events`; `scratch` is anybody's.
    pub fn ready(&mut self, side: usize, events: i32, scratch: &mut [u8]) -> Fate {
        if self.connecting {
            match self.sides[REMOTE].take_error() {
                Ok(None) => self.connecting = false,
                Ok(Some(e)) | Err(e) => return Fate::Refused(crate::sys::Errno::from(e)),
            }
            return Fate::Goes;
        }
        if events & EPOLLOUT != 0 {
            self.flush(1 - side);
        }
        // Both directions of the socket are gone: what it still holds is read, then the error itself; but not before there is room.
        let broken = events & (EPOLLERR | EPOLLHUP) != 0;
        if events & EPOLLIN != 0 || broken && self.wanted(side) & EPOLLIN != 0 {
            self.pump(side, scratch);
        }
        self.fate()
    }

    fn fate(&self) -> Fate {
        let all_told = self.told == [true; 2];
        let delivered = self.pending.iter().all(Vec::is_empty);
        if all_told || (self.reset && delivered) { Fate::Done } else { Fate::Goes }
    }

    /// Reads from `side` and hands it on.
    fn pump(&mut self, from: usize, scratch: &mut [u8]) {
        for _ in 0..TURNS {
            if self.ended[from] || !self.pending[from].is_empty() {
                return;
            }
            match (&self.sides[from]).read(scratch) {
                Ok(0) => {
                    self.ended[from] = true;
                    self.flush(from);
                }
                Ok(n) => {
                    self.send(from, &scratch[..n]);
                    if n < scratch.len() {
                        return;
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.break_off(from),
            }
        }
    }

    /// Writes to the other side; what it does not take stays.
    fn send(&mut self, from: usize, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match (&self.sides[1 - from]).write(rest) {
                Ok(0) => break,
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.break_off(1 - from),
            }
        }
        self.pending[from].extend_from_slice(rest);
    }

    /// Hands on what was left of `from`, and its end.
    fn flush(&mut self, from: usize) {
        let rest = std::mem::take(&mut self.pending[from]);
        self.send(from, &rest);
        if self.ended[from] && self.pending[from].is_empty() && !self.told[from] {
            self.told[from] = true;
            let _ = self.sides[1 - from].shutdown(Shutdown::Write);
        }
    }

    /// `side` was reset: nothing can be given to it any more; what it had said is still delivered before the other is closed, so
    /// there is no reset for that: the kernel would take back what it has not sent.
    fn break_off(&mut self, side: usize) {
        self.reset = true;
        self.ended = [true; 2];
        self.pending[1 - side].clear();
    }
}
