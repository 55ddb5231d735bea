//! What containers print: from their pipes to their logs.

use super::container::Running;
use super::state::{SLOTS, Supervisor};
use crate::pod::logs::lines::{Clock, Lines};
use crate::sys::{Errno, event, raw};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What one read takes, bytes; and so what one turn takes of a stream, that none starves the others.
const CHUNK: usize = 16 << 10;
const TURN: usize = 4;

/// One stream of a container.
pub(super) struct Stream {
    pub fd: OwnedFd,
    lines: Lines,
}

impl Stream {
    pub fn new(fd: OwnedFd, name: &'static str) -> crate::sys::Result<Stream> {
        event::set_nonblocking(fd.as_fd())?;
        Ok(Stream { fd, lines: Lines::new(name) })
    }
}

/// Buffers that all streams share; they cost memory only as far as they are used.
#[derive(Default)]
pub(super) struct Scratch {
    clock: Clock,
    input: Vec<u8>,
    output: Vec<u8>,
}

enum More {
    Maybe,
    NotNow,
    Never,
}

/// Reads once, and writes what came to the log.
fn pass(scratch: &mut Scratch, stream: &mut Stream, log: &mut crate::pod::logs::file::Log) -> More {
    scratch.input.resize(CHUNK, 0);
    let n = match raw::read(stream.fd.as_raw_fd(), &mut scratch.input) {
        // A terminal whose last user has closed it says EIO.
        Ok(0) | Err(Errno::EIO) => return More::Never,
        Ok(n) => n,
        Err(Errno::EAGAIN) => return More::NotNow,
        Err(_) => return More::Never,
    };
    let stamp = scratch.clock.now();
    stream.lines.feed(&scratch.input[..n], &stamp, &mut scratch.output);
    log.write(&scratch.output, &stamp);
    scratch.output.clear();
    if n < CHUNK { More::NotNow } else { More::Maybe }
}

fn finish(scratch: &mut Scratch, stream: &mut Stream, log: &mut crate::pod::logs::file::Log) {
    let stamp = scratch.clock.now();
    stream.lines.finish(&stamp, &mut scratch.output);
    log.write(&scratch.output, &stamp);
    scratch.output.clear();
}

impl Supervisor {
    /// A stream is readable: `which` 0 is stdout, 1 stderr.
    pub fn output(&mut self, slot: usize, which: usize) {
        let Some(running) = self.slots.get_mut(slot).and_then(|s| s.running.as_mut()) else { return };
        let Some(stream) = running.streams.get_mut(which).and_then(Option::as_mut) else { return };
        for _ in 0..TURN {
            match pass(&mut self.scratch, stream, &mut running.log) {
                More::Maybe => {}
                More::NotNow => return,
                More::Never => {
                    finish(&mut self.scratch, stream, &mut running.log);
                    let _ = self.epoll.remove(&stream.fd);
                    running.streams[which] = None;
                    return;
                }
            }
        }
    }

    /// The container is gone: what is still in its pipes is written, and they are closed.
    pub fn drain(&mut self, _slot: usize, running: &mut Running) {
        for which in 0..running.streams.len() {
            let Some(mut stream) = running.streams[which].take() else { continue };
            let _ = self.epoll.remove(&stream.fd);
            // Bounded: somebody outside may hold the other end and go on writing.
            for _ in 0..4096 {
                match pass(&mut self.scratch, &mut stream, &mut running.log) {
                    More::Maybe => {}
                    // A short read of a pipe is no end: the next one says.
                    More::NotNow if matches!(event::poll_in(stream.fd.as_fd(), Some(0)), Ok(true)) => {}
                    _ => break,
                }
            }
            finish(&mut self.scratch, &mut stream, &mut running.log);
        }
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
