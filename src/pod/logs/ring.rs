//! The way from a container's pipe to its log, on which a supervisor may be killed anywhere and no byte is lost or written twice.
//!
//! ```text
//!   pipe ──splice──► ring: a memory file ──lines──► log file
//!                    its position counts what has come,      its length tells whether the write that the
//!                    moved by the kernel with the bytes      journal announced has happened
//! ```
//! Ring, pipe and journal outlive the supervisor in the keeper's keeping. What of the ring is in the log is given back; a line whose
//! end has not come stays. The first page of a container's first ring is its journal.

use super::file::Spot;
use crate::sys::{Errno, keep, raw};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Where the bytes begin; below it is the journal's page.
const START: u64 = 4096;
/// What one move takes at most, bytes: a pipe's usual room.
pub const CHUNK: usize = 64 << 10;

/// One stream's bytes between its pipe and its log.
#[derive(Debug)]
pub struct Ring {
    file: OwnedFd,
    /// Behind the last byte that has come.
    end: u64,
    /// Up to where pages were given back.
    freed: u64,
}

impl Ring {
    pub fn new() -> crate::sys::Result<Ring> {
        let file = keep::memory_file(c"podrt-output")?;
        let _ = keep::position(file.as_fd(), Some(START));
        Ok(Ring { file, end: START, freed: START })
    }

    /// One that an earlier supervisor has filled.
    pub fn adopt(file: OwnedFd) -> Ring {
        let end = keep::position(file.as_fd(), None).unwrap_or(START).max(START);
        Ring { file, end, freed: START }
    }

    pub fn end(&self) -> u64 {
        self.end
    }

    /// Takes in what has come: the number of bytes; 0 at the stream's end.
    pub fn fill(&mut self, from: BorrowedFd, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
        let n = match keep::splice(from, self.file.as_fd(), CHUNK) {
            // A terminal is no pipe. What it says passes through this process: a kill between the two calls loses it.
            Err(Errno::EINVAL) => {
                buffer.resize(CHUNK, 0);
                let n = raw::read(from.as_raw_fd(), buffer)?;
                let mut rest = &buffer[..n];
                while let Ok(done @ 1..) = raw::write(self.file.as_raw_fd(), rest) {
                    rest = &rest[done..];
                }
                n
            }
            other => other?,
        };
        self.end += n as u64;
        Ok(n)
    }

    /// The bytes from `at` on, at most as many as `buffer` has room for.
    pub fn read(&self, at: u64, buffer: &mut [u8]) -> usize {
        let want = self.end.saturating_sub(at).min(buffer.len() as u64) as usize;
        keep::read_at(self.file.as_fd(), &mut buffer[..want], at).unwrap_or(0)
    }

    /// What lies before `upto` is in the log.
    pub fn free(&mut self, upto: u64) {
        let upto = upto & !(START - 1);
        if upto > self.freed {
            keep::punch(self.file.as_fd(), self.freed, upto);
            self.freed = upto;
        }
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// What is about to be written to a container's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The log as it is before; `length` bytes are about to be appended.
    pub spot: Spot,
    pub length: u64,
    /// How far each ring is in the log before, and after.
    pub from: [u64; 2],
    pub to: [u64; 2],
}

const WORDS: usize = 9;

impl Default for Entry {
    fn default() -> Entry {
        Entry { spot: Spot::default(), length: 0, from: [START; 2], to: [START; 2] }
    }
}

impl Entry {
    fn words(&self) -> [u64; WORDS] {
        let s = self.spot;
        [1, s.inode, s.length, s.lost, self.length, self.from[0], self.from[1], self.to[0], self.to[1]]
    }

    pub fn note(&self, journal: &Ring) {
        let mut bytes = [0; WORDS * 8];
        for (to, word) in bytes.chunks_exact_mut(8).zip(self.words()) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        let _ = keep::write_at(journal.file.as_fd(), &bytes, 0);
    }

    /// The last one noted; the beginning where there is none.
    pub fn last(journal: &Ring) -> Entry {
        let mut bytes = [0; WORDS * 8];
        if keep::read_at(journal.file.as_fd(), &mut bytes, 0) != Ok(bytes.len()) {
            return Entry::default();
        }
        let mut words = [0; WORDS];
        for (to, word) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *to = u64::from_ne_bytes(word.try_into().unwrap_or_default());
        }
        let [schema, inode, before, lost, length, f0, f1, t0, t1] = words;
        if schema != 1 {
            return Entry::default();
        }
        Entry { spot: Spot { inode, length: before, lost }, length, from: [f0, f1], to: [t0, t1] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::event;

    #[test]
    fn bytes_move_with_their_count_and_are_there_for_who_comes_after() {
        let (read, write) = event::pipe().unwrap();
        let mut ring = Ring::new().unwrap();
        let mut buffer = Vec::new();
        assert_eq!(ring.fill(read.as_fd(), &mut buffer), Err(Errno::EAGAIN));
        raw::write(write.as_raw_fd(), b"one two").unwrap();
        assert_eq!(ring.fill(read.as_fd(), &mut buffer), Ok(7));
        let entry = Entry { length: 3, to: [START + 3, START], ..Entry::default() };
        assert_eq!(Entry::last(&ring), Entry::default());
        entry.note(&ring);
        ring.free(START + 3);
        raw::write(write.as_raw_fd(), b" three").unwrap();
        let mut heir = Ring::adopt(event::duplicate_above(ring.as_fd(), 3).unwrap());
        assert_eq!(heir.fill(read.as_fd(), &mut buffer), Ok(6));
        assert_eq!(Entry::last(&heir), entry);
        let mut text = [0; 64];
        let n = heir.read(START + 3, &mut text);
        assert_eq!(&text[..n], b" two three");
        drop(write);
        assert_eq!(heir.fill(read.as_fd(), &mut buffer), Ok(0));
    }
}
