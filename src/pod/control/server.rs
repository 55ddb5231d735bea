//! The supervisor's end of the control socket: connections, frames in, frames out. What a request means is the supervisor's.

use super::{Answer, Hello, Outcome, Request, SOCKET, frame};
use crate::pod::error::{Code, Error, Result};
use crate::store::Sandbox;
use crate::sys::event::{EPOLLIN, EPOLLOUT, EPOLLRDHUP, Epoll};
use crate::sys::{Errno, raw, socket};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What may wait for one reader, bytes; more drops the connection.
const QUEUE: usize = 4 << 20;
/// Connections at one time.
const CLIENTS: usize = 64;

/// Added to a client's number it is its epoll token; [`LISTENER`] is the socket's own.
pub const TOKENS: u64 = 1 << 32;
pub const LISTENER: u64 = TOKENS - 1;

#[derive(Debug)]
struct Connection {
    fd: OwnedFd,
    decoder: frame::Decoder,
    queue: Vec<u8>,
    /// Waits for EPOLLOUT.
    blocked: bool,
}

#[derive(Debug)]
pub struct Server {
    listener: OwnedFd,
    hello: Hello,
    connections: BTreeMap<u64, Connection>,
    next: u64,
}

impl Server {
    pub fn new(sandbox: &Sandbox, boot_id: String, epoll: &Epoll) -> Result<Server> {
        let dir = File::open(&sandbox.dir).map_err(|e| Error::internal(format!("open({}): {e}", sandbox.dir.display())))?;
        let listener = socket::listen(dir.as_fd(), SOCKET)?;
        epoll.add(&listener, EPOLLIN, LISTENER)?;
        let hello =
            Hello { protocol: super::PROTOCOL, build: env!("CARGO_PKG_VERSION").into(), sandbox: sandbox.id.clone(), boot_id };
        Ok(Server { listener, hello, connections: BTreeMap::new(), next: 0 })
    }

    /// Takes waiting callers on; whoever is not root is turned away unheard.
    pub fn accept(&mut self, epoll: &Epoll) {
        while let Ok(Some(fd)) = socket::accept(self.listener.as_fd()) {
            let root = socket::peer(fd.as_fd()).is_ok_and(|(_, uid, _)| uid == 0);
            if !root || self.connections.len() >= CLIENTS {
                continue;
            }
            let id = self.next;
            self.next += 1;
            if epoll.add(&fd, EPOLLIN | EPOLLRDHUP, TOKENS + id).is_err() {
                continue;
            }
            let connection = Connection { fd, decoder: frame::Decoder::default(), queue: Vec::new(), blocked: false };
            self.connections.insert(id, connection);
            if let Ok(hello) = frame::encode(&self.hello) {
                self.push(id, &hello);
            }
        }
    }

    /// What has come from a client. The second value is false when it is gone.
    pub fn read(&mut self, id: u64) -> (Vec<Request>, bool) {
        let mut requests = Vec::new();
        let Some(connection) = self.connections.get_mut(&id) else { return (requests, false) };
        let mut chunk = [0; 4096];
        let open = match raw::read(connection.fd.as_raw_fd(), &mut chunk) {
            Ok(0) => false,
            Ok(n) => {
                connection.decoder.feed(&chunk[..n]);
                true
            }
            Err(e) => e == Errno::EAGAIN,
        };
        loop {
            match connection.decoder.next_value::<Request>() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(e) => {
                    // Out of step: one last word, then the end.
                    self.answer(id, 0, Outcome::Error(e));
                    self.send_queued(id);
                    self.drop_client(id);
                    return (requests, false);
                }
            }
        }
        if !open {
            self.drop_client(id);
        }
        (requests, open)
    }

    pub fn answer(&mut self, client: u64, request: u64, result: Outcome) {
        let frame = frame::encode(&Answer { id: request, result })
            .or_else(|e| frame::encode(&Answer { id: request, result: Outcome::Error(e) }));
        if let Ok(frame) = frame {
            self.push(client, &frame);
        }
    }

    fn push(&mut self, client: u64, frame: &[u8]) {
        let Some(connection) = self.connections.get_mut(&client) else { return };
        if connection.queue.len() + frame.len() > QUEUE {
            // Too slow: the rest would only make it later. Where it was, it knows by the last number that it has.
            let lagged =
                Error::new(Code::ResourceExhausted, "lagged: too slow a reader; connect again and watch from the last event");
            if let Ok(last) = frame::encode(&Answer { id: 0, result: Outcome::Error(lagged) }) {
                connection.queue.extend_from_slice(&last);
            }
            self.send_queued(client);
            self.drop_client(client);
            return;
        }
        connection.queue.extend_from_slice(frame);
    }

    fn send_queued(&mut self, client: u64) -> bool {
        let Some(connection) = self.connections.get_mut(&client) else { return true };
        let mut done = 0;
        let gone = loop {
            if done == connection.queue.len() {
                break false;
            }
            match socket::send(connection.fd.as_fd(), &connection.queue[done..], &[]) {
                Ok(n) => done += n,
                Err(Errno::EAGAIN) => break false,
                Err(_) => break true,
            }
        };
        connection.queue.drain(..done);
        if connection.queue.is_empty() {
            connection.queue = Vec::new();
        }
        !gone
    }

    /// Sends what the readers take; asks for EPOLLOUT where they do not take all. To be called before each wait.
    pub fn flush(&mut self, epoll: &Epoll) {
        let waiting: Vec<u64> =
            self.connections.iter().filter(|(_, c)| !c.queue.is_empty() || c.blocked).map(|(id, _)| *id).collect();
        for id in waiting {
            if !self.send_queued(id) {
                self.drop_client(id);
                continue;
            }
            if let Some(connection) = self.connections.get_mut(&id)
                && connection.blocked == connection.queue.is_empty()
            {
                connection.blocked = !connection.queue.is_empty();
                let events = EPOLLIN | EPOLLRDHUP | if connection.blocked { EPOLLOUT } else { 0 };
                let _ = epoll.modify(&connection.fd, events, TOKENS + id);
            }
        }
    }

    fn drop_client(&mut self, id: u64) {
        // Closing takes it out of the epoll set: nobody else holds the open file.
        self.connections.remove(&id);
    }

    pub fn has(&self, id: u64) -> bool {
        self.connections.contains_key(&id)
    }
}
