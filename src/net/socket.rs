//! Asking the kernel: one datagram of requests, then its answers.

use super::wire::{self, Message, Reply};
use super::{Error, Result};
use crate::sys::errno::{Call, Errno};
use crate::sys::netlink;
use std::os::fd::{AsFd, OwnedFd};

pub const REQUEST: u16 = 0x1;
pub const ACK: u16 = 0x4;
pub const DUMP: u16 = 0x300;
pub const EXCL: u16 = 0x200;
pub const CREATE: u16 = 0x400;
pub const APPEND: u16 = 0x800;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
/// Bytes; the kernel's dumps come in parts of at most this.
const BUFFER: usize = 32 << 10;

#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    seq: u32,
}

impl Socket {
    /// rtnetlink(7), of this process's network namespace.
    pub fn route() -> Result<Socket> {
        Ok(Socket { fd: netlink::open(libc::NETLINK_ROUTE, 0)?, seq: 0 })
    }

    pub fn netfilter() -> Result<Socket> {
        Ok(Socket { fd: netlink::open(libc::NETLINK_NETFILTER, 0)?, seq: 0 })
    }

    /// Sends the requests in one datagram; each has [`ACK`] set. One result for each, in order, with the words of `what`.
    pub fn ask(&mut self, requests: Vec<(Message, String)>) -> Result<Vec<Result<()>>> {
        let first = self.send(requests.iter().map(|(m, _)| m.clone()).collect())?;
        let mut results: Vec<Option<Result<()>>> = requests.iter().map(|_| None).collect();
        self.read(|reply| {
            let at = reply.seq.wrapping_sub(first) as usize;
            if let (NLMSG_ERROR, Some(result)) = (reply.kind, results.get_mut(at)) {
                *result = Some(outcome(reply).map_err(|e| Error::refused(&requests[at].1, e)));
            }
            results.iter().any(Option::is_none)
        })?;
        Ok(results.into_iter().flatten().collect())
    }

    /// [`Socket::ask`] where the first refusal is the answer.
    pub fn ask_all(&mut self, requests: Vec<(Message, String)>) -> Result<()> {
        self.ask(requests)?.into_iter().collect()
    }

    /// What answers one question, or, with [`DUMP`], all that there is. Errors: the kernel's.
    pub fn get(&mut self, request: Message, words: &str, mut each: impl FnMut(&Reply)) -> Result<()> {
        // Without an end of its own a single answer is ended by the acknowledgement.
        let request = if request.flags() & DUMP == DUMP { request } else { request.with(ACK) };
        let seq = self.send(vec![request])?;
        let mut failed = None;
        self.read(|reply| {
            if reply.seq != seq {
                return true;
            }
            match reply.kind {
                NLMSG_DONE => false,
                NLMSG_ERROR => {
                    failed = outcome(reply).err();
                    false
                }
                _ => {
                    each(reply);
                    true
                }
            }
        })?;
        failed.map_or(Ok(()), |e| Err(Error::refused(words, e)))
    }

    /// A batch of nftables: all or nothing. The last of `messages` has [`ACK`] set.
    pub fn batch(&mut self, messages: Vec<Message>, words: &str) -> Result<()> {
        self.send(messages)?;
        let mut result = Ok(());
        let mut buffer = vec![0; BUFFER];
        // All is done and said when send returns; the first error is the cause.
        while let Some(n) = netlink::receive(self.fd.as_fd(), &mut buffer, false).call(|| "recv(netlink)".into())? {
            for reply in wire::messages(&buffer[..n]) {
                if reply.kind == NLMSG_ERROR && result.is_ok() {
                    result = outcome(&reply).map_err(|e| Error::refused(words, e));
                }
            }
        }
        result
    }

    /// The number of the first message.
    fn send(&mut self, messages: Vec<Message>) -> Result<u32> {
        let first = self.seq + 1;
        let mut datagram = Vec::new();
        for mut message in messages {
            self.seq += 1;
            datagram.extend_from_slice(message.numbered(self.seq));
        }
        netlink::send(self.fd.as_fd(), &datagram).call(|| "send(netlink)".into())?;
        Ok(first)
    }

    /// Reads until `each` says that it is enough.
    fn read(&mut self, mut each: impl FnMut(&Reply) -> bool) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let n = netlink::receive(self.fd.as_fd(), &mut buffer, true).call(|| "recv(netlink)".into())?;
            for reply in wire::messages(&buffer[..n.unwrap_or_default()]) {
                if !each(&reply) {
                    return Ok(());
                }
            }
        }
    }
}

/// An acknowledgement, or the kernel's error with its words, where it has some.
fn outcome(reply: &Reply) -> Result<(), (Errno, String)> {
    let errno = wire::u32_at(reply.body, 0).map_or(-libc::EIO, |e| e as i32);
    if errno == 0 {
        return Ok(());
    }
    // The request's header, or with its data, comes back behind the number.
    let asked = match reply.flags & NLM_F_CAPPED {
        0 => wire::u32_at(reply.body, 4).unwrap_or(16) as usize,
        _ => 16,
    };
    let said = (reply.flags & NLM_F_ACK_TLVS != 0)
        .then(|| wire::attribute(reply.body.get(4 + asked.next_multiple_of(4)..)?, NLMSGERR_ATTR_MSG).map(wire::text));
    Err((Errno(-errno), said.flatten().unwrap_or_default()))
}
