//! What waits for one reader: bytes, and fds that go with some of them.

use crate::sys::{Errno, socket};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// How many of them are sent.
    sent: usize,
    /// With the byte of which place they go.
    fds: VecDeque<(usize, Vec<OwnedFd>)>,
}

impl Outbox {
    pub fn push(&mut self, frame: &[u8], fds: Vec<OwnedFd>) {
        if !fds.is_empty() {
            self.fds.push_back((self.bytes.len(), fds));
        }
        self.bytes.extend_from_slice(frame);
    }

    /// Bytes that are not sent yet.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends what the socket takes now. An error is the reader's end.
    pub fn send(&mut self, to: BorrowedFd) -> Result<(), Errno> {
        while self.sent < self.bytes.len() {
            let due = self.fds.front().is_some_and(|(at, _)| *at == self.sent);
            let end = self.fds.get(usize::from(due)).map_or(self.bytes.len(), |(at, _)| *at);
            let fds: Vec<BorrowedFd> = match self.fds.front() {
                Some((_, fds)) if due => fds.iter().map(OwnedFd::as_fd).collect(),
                _ => Vec::new(),
            };
            match socket::send(to, &self.bytes[self.sent..end], &fds) {
                Ok(n) => self.sent += n,
                Err(Errno::EAGAIN) => return Ok(()),
                Err(e) => return Err(e),
            }
            if due {
                self.fds.pop_front();
            }
        }
        // What a burst has needed is given back.
        *self = Outbox::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn fds_travel_with_the_first_byte_of_their_frame_however_little_the_socket_takes() {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let mut out = Outbox::default();
        let fd = || vec![OwnedFd::from(std::fs::File::open("/dev/null").unwrap())];
        out.push(&vec![b'a'; 1 << 20], Vec::new());
        out.push(b"bb", fd());
        out.push(b"c", fd());
        let (mut text, mut came) = (Vec::new(), Vec::new());
        while text.len() < (1 << 20) + 3 {
            out.send(here.as_fd()).unwrap();
            let mut chunk = [0; 4096];
            let (n, fds) = socket::receive(there.as_fd(), &mut chunk).unwrap();
            text.extend_from_slice(&chunk[..n]);
            if !fds.is_empty() {
                came.push((text.len(), fds.len()));
            }
        }
        assert!(out.is_empty() && text.ends_with(b"abbc"));
        assert_eq!(came, [((1 << 20) + 2, 1), ((1 << 20) + 3, 1)]);
    }
}
