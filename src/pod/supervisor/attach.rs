//! Those who read along: clients that are attached to a container's streams. Input goes from the client straight into the container's
//! stdin, by the fd that it was handed. Output passes through here on its way to the log, and a copy goes to each client's own pipe;
//! what a client does not read waits in a bounded buffer of his own, and what does not fit there is left out for him alone, with a
//! word about it. The log and the container never wait for anybody.

use super::state::{ATTACHES, Supervisor};
use crate::pod::control::AttachedStreams;
use crate::pod::error::{Code, Error};
use crate::pod::spec::ContainerSpec;
use crate::sys::errno::Call;
use crate::sys::event::{self, EPOLLOUT, Epoll};
use crate::sys::{Errno, raw};
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What may wait for one reader of one stream, bytes, beside what its pipe holds.
const BUFFER: usize = 4 << 20;
/// What the pipe itself holds where the host allows it.
const PIPE: usize = 256 << 10;
/// What is kept of an interactive container's output until its first client has come: a prompt, say. Bytes.
const HEAD: usize = 16 << 10;
/// Clients of one pod at one time.
const MOST: usize = 64;

/// A copy of one stream for one client.
struct Copy {
    slot: usize,
    /// 0 is stdout, 1 stderr.
    which: usize,
    pipe: OwnedFd,
    waiting: VecDeque<u8>,
    /// Bytes that were left out since the reader was last told.
    lost: u64,
    /// EPOLLOUT is asked for.
    armed: bool,
    /// Nothing more comes; closed when it is empty.
    over: bool,
}

/// What an interactive container has printed while nobody was attached.
struct Head {
    slot: usize,
    kept: [VecDeque<u8>; 2],
}

#[derive(Default)]
pub(super) struct Attached {
    copies: Vec<(u64, Copy)>,
    heads: Vec<Head>,
    next: u64,
}

impl Copy {
    /// Writes what the pipe takes. False when the reader is gone.
    fn write(&mut self) -> bool {
        loop {
            if self.waiting.is_empty() && self.lost > 0 {
                let word = format!("\r\n[podrt: {} bytes left out, read too slowly; podrt logs has them]\r\n", self.lost);
                self.waiting.extend(word.as_bytes());
                self.lost = 0;
            }
            let (front, _) = self.waiting.as_slices();
            if front.is_empty() {
                self.waiting = VecDeque::new();
                return true;
            }
            match raw::write(self.pipe.as_raw_fd(), front) {
                Ok(n) => drop(self.waiting.drain(..n)),
                Err(Errno::EAGAIN) => return true,
                Err(_) => return false,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = if self.lost > 0 { 0 } else { BUFFER.saturating_sub(self.waiting.len()) };
        self.waiting.extend(&bytes[..bytes.len().min(room)]);
        self.lost += bytes.len().saturating_sub(room) as u64;
    }
}

impl Attached {
    /// An interactive container has started: what it prints first is kept for its first client.
    pub fn expect(&mut self, slot: usize) {
        self.heads.retain(|h| h.slot != slot);
        self.heads.push(Head { slot, kept: Default::default() });
    }

    /// What a container has printed.
    pub fn feed(&mut self, slot: usize, which: usize, bytes: &[u8]) {
        if self.copies.is_empty() && self.heads.is_empty() {
            return;
        }
        if let Some(head) = self.heads.iter_mut().find(|h| h.slot == slot) {
            let kept = &mut head.kept[which];
            kept.extend(bytes);
            let over = kept.len().saturating_sub(HEAD);
            kept.drain(..over);
        }
        self.copies.retain_mut(|(_, copy)| {
            if (copy.slot, copy.which) != (slot, which) {
                return true;
            }
            copy.take(bytes);
            copy.write()
        });
    }

    /// A stream has ended, or the container has: its readers see the end when they have read what waits for them.
    pub fn end(&mut self, slot: usize, which: Option<usize>) {
        if which.is_none() {
            self.heads.retain(|h| h.slot != slot);
        }
        for (_, copy) in self.copies.iter_mut().filter(|(_, c)| c.slot == slot && which.is_none_or(|w| w == c.which)) {
            copy.over = true;
        }
    }

    /// A reader takes more, or is gone.
    pub fn ready(&mut self, token: u64) {
        let id = token - ATTACHES;
        self.copies.retain_mut(|(i, copy)| *i != id || (!hung_up(copy) && copy.write()));
    }

    /// Sees to what each is woken for. To be called before each wait.
    pub fn settle(&mut self, epoll: &Epoll) {
        self.copies.retain_mut(|(id, copy)| {
            if copy.over && copy.waiting.is_empty() && copy.lost == 0 {
                return false;
            }
            let wanted = !copy.waiting.is_empty();
            if wanted != copy.armed && epoll.modify(&copy.pipe, if wanted { EPOLLOUT } else { 0 }, ATTACHES + *id).is_ok() {
                copy.armed = wanted;
            }
            true
        });
    }

    /// A client's end of a new copy.
    fn add(&mut self, slot: usize, which: usize, epoll: &Epoll) -> crate::sys::Result<OwnedFd> {
        let (read, write) = event::pipe()?;
        event::set_nonblocking(write.as_fd())?;
        let _ = raw::fcntl(write.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE);
        let id = self.next;
        // With no event asked for, the end of the reader is told all the same.
        epoll.add(&write, 0, ATTACHES + id)?;
        self.next = (self.next + 1) % (1 << 30);
        let kept = self.heads.iter_mut().find(|h| h.slot == slot).map(|h| std::mem::take(&mut h.kept[which]));
        let copy = Copy { slot, which, pipe: write, waiting: kept.unwrap_or_default(), lost: 0, armed: false, over: false };
        self.copies.push((id, copy));
        if let Some((_, copy)) = self.copies.last_mut() {
            copy.write();
        }
        Ok(read)
    }
}

/// Nobody has the other end of its pipe open.
fn hung_up(copy: &Copy) -> bool {
    event::has_error(copy.pipe.as_fd())
}

impl Supervisor {
    /// Attaches a client: `stdin` is handed out where the container has one that is still open. Of a terminal it is the pty's master,
    /// by which the client also sets the size.
    pub fn attach_client(&mut self, slot: usize, stdin: bool, output: bool) -> Result<(AttachedStreams, Vec<OwnedFd>), Error> {
        let asked = |f: fn(&ContainerSpec) -> bool| self.container(slot).is_some_and(f);
        let (tty, interactive, once) = (asked(|c| c.tty), asked(|c| c.stdin), asked(|c| c.stdin_once));
        let not_running = || Error::new(Code::FailedPrecondition, "the container is not running").in_field("container");
        if self.scratch.attached.copies.len() >= 2 * MOST {
            return Err(Error::new(Code::ResourceExhausted, format!("{MOST} clients are attached to the pod's containers")));
        }
        let running = self.slots.get_mut(slot).and_then(|s| s.running.as_mut()).ok_or_else(not_running)?;
        let (mut streams, mut fds) = (AttachedStreams { tty, streams: Vec::new() }, Vec::new());
        let copy = |fd: &OwnedFd| fd.try_clone().call(|| "dup".into());
        if stdin && interactive {
            let own = match tty {
                true => running.output.streams[0].as_ref().map(|s| &s.fd),
                false => running.stdin.as_ref(),
            };
            if let Some(fd) = own {
                fds.push(copy(fd)?);
                streams.streams.push("stdin".into());
            }
        }
        let handed_over = once && !tty && !fds.is_empty();
        if output {
            for (which, name) in super::output::STREAMS.iter().enumerate() {
                if running.output.streams[which].is_some() {
                    fds.push(self.scratch.attached.add(slot, which, &self.epoll)?);
                    streams.streams.push((*name).into());
                }
            }
            self.scratch.attached.heads.retain(|h| h.slot != slot);
        }
        if handed_over {
            // stdinOnce: the client has the only writing end; when it goes, the container reads the end of its input.
            self.drop_stdin(slot);
        }
        Ok((streams, fds))
    }
}
