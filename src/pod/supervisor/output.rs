//! What containers print: from their pipes to their logs, by way of rings that outlive this process (`logs::ring`).

use super::attach::Attached;
use super::container::Running;
use super::state::{SLOTS, Supervisor};
use crate::pod::logs::file::Log;
use crate::pod::logs::lines::{Clock, Lines};
use crate::pod::logs::ring::{CHUNK, Entry, Ring};
use crate::sys::{Errno, event};
use std::os::fd::{AsFd, OwnedFd};

/// How many moves one turn takes of a stream, that none starves the others.
const TURN: usize = 4;

/// One stream of a container, while it is open.
pub(super) struct Stream {
    pub fd: OwnedFd,
    lines: Lines,
    /// Up to where the ring's bytes went into `lines`.
    fed: u64,
}

pub(super) const STREAMS: [&str; 2] = ["stdout", "stderr"];

impl Stream {
    /// `which` of [`STREAMS`]; `from`: up to where its ring is in the log.
    pub fn new(fd: OwnedFd, which: usize, from: u64) -> crate::sys::Result<Stream> {
        event::set_nonblocking(fd.as_fd())?;
        Ok(Stream { fd, lines: Lines::new(STREAMS[which]), fed: from })
    }
}

/// The way of a container's output, from its pipes to its log.
pub(super) struct Output {
    /// The container's.
    pub slot: usize,
    pub log: Log,
    /// stdout and stderr; of a terminal the first alone.
    pub streams: [Option<Stream>; 2],
    /// One for each stream that there was; the first holds the journal.
    pub rings: Vec<Ring>,
    /// How far each ring is in the log.
    pub written: [u64; 2],
}

/// Buffers that all streams share; they cost memory only as far as they are used.
#[derive(Default)]
pub(super) struct Scratch {
    /// Those who read along.
    pub attached: Attached,
    clock: Clock,
    input: Vec<u8>,
    output: Vec<u8>,
}

#[derive(PartialEq)]
enum More {
    Maybe,
    NotNow,
    Never,
}

impl Output {
    /// Takes in what has come, and writes it to the log.
    fn pass(&mut self, scratch: &mut Scratch, which: usize) -> More {
        let (Some(stream), Some(ring)) = (&self.streams[which], self.rings.get_mut(which)) else { return More::Never };
        let more = match ring.fill(stream.fd.as_fd(), &mut scratch.input) {
            // A terminal whose last user has closed it says EIO.
            Ok(0) | Err(Errno::EIO) => More::Never,
            Ok(n) if n < CHUNK => More::NotNow,
            Ok(_) => More::Maybe,
            Err(Errno::EAGAIN) => return More::NotNow,
            Err(_) => More::Never,
        };
        self.feed(scratch, which, more == More::Never);
        more
    }

    /// Brings the log up to what is in the ring. At the end of the stream also what has no newline.
    pub fn feed(&mut self, scratch: &mut Scratch, which: usize, last: bool) {
        let Some(stream) = &mut self.streams[which] else { return };
        loop {
            scratch.input.resize(CHUNK, 0);
            let n = self.rings[which].read(stream.fed, &mut scratch.input);
            scratch.attached.feed(self.slot, which, &scratch.input[..n]);
            let stamp = scratch.clock.now();
            stream.lines.feed(&scratch.input[..n], &stamp, &mut scratch.output);
            stream.fed += n as u64;
            let over = n == 0 || stream.fed >= self.rings[which].end();
            if over && last {
                stream.lines.finish(&stamp, &mut scratch.output);
            }
            let from = self.written;
            let mut to = from;
            to[which] = stream.fed - stream.lines.waiting();
            if !scratch.output.is_empty() {
                let journal = &self.rings[0];
                self.log.write(&mut scratch.output, &stamp, |spot, length| Entry { spot, length, from, to }.note(journal));
                scratch.output.clear();
                self.written = to;
                self.rings[which].free(to[which]);
            }
            if over {
                return;
            }
        }
    }

    /// The container is gone: what is still in its pipes is written, and they are closed.
    fn drain(&mut self, scratch: &mut Scratch) {
        for which in 0..self.streams.len() {
            // Bounded: somebody outside may hold the other end and go on writing.
            for _ in 0..4096 {
                match self.pass(scratch, which) {
                    More::Maybe => {}
                    // A short read of a pipe is no end: the next one says.
                    More::NotNow if self.has_more(which) => {}
                    _ => break,
                }
            }
            self.feed(scratch, which, true);
            self.streams[which] = None;
        }
        scratch.attached.end(self.slot, None);
    }

    fn has_more(&self, which: usize) -> bool {
        self.streams[which].as_ref().is_some_and(|s| matches!(event::poll_in(s.fd.as_fd(), Some(0)), Ok(true)))
    }
}

impl Supervisor {
    /// A stream is readable: `which` 0 is stdout, 1 stderr.
    pub fn output(&mut self, slot: usize, which: usize) {
        let Some(running) = self.slots.get_mut(slot).and_then(|s| s.running.as_mut()) else { return };
        let output = &mut running.output;
        for _ in 0..TURN {
            match output.pass(&mut self.scratch, which) {
                More::Maybe => {}
                More::NotNow => return,
                More::Never => {
                    if let Some(stream) = output.streams.get_mut(which).and_then(Option::take) {
                        let _ = self.epoll.remove(&stream.fd);
                    }
                    self.scratch.attached.end(slot, Some(which));
                    return;
                }
            }
        }
    }

    pub fn drain(&mut self, running: &mut Running) {
        for stream in running.output.streams.iter().flatten() {
            let _ = self.epoll.remove(&stream.fd);
        }
        running.output.drain(&mut self.scratch);
    }

    /// Gives back what a burst has needed.
    pub fn calm_output(&mut self) {
        self.scratch.input = Vec::new();
        self.scratch.output = Vec::new();
    }
}

/// The slot and source of a token: 0 is the process, 1 and 2 its streams.
pub(super) fn slot_of(token: u64) -> (usize, usize) {
    let rest = token - SLOTS;
    ((rest / 8) as usize, (rest % 8) as usize)
}
