//! The supervisor's end of the control socket: connections, frames in, frames out. What a request means is the supervisor's.
//!
//! Nobody can hold the loop up: a turn reads once from a client that is ready and takes a few of its requests; from who does not read
//! his answers no further request is taken; and a watcher that is too slow is told from where to watch again, and dropped.

use super::outbox::Outbox;
use super::{Answer, Hello, Outcome, Request, SOCKET, frame};
use crate::pod::error::{Code, Error, Result};
use crate::store::Sandbox;
use crate::sys::event::{EPOLLIN, EPOLLOUT, Epoll};
use crate::sys::{Errno, socket};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// What may wait for one reader, bytes; an event on top of it drops the connection. An answer alone may be larger.
const QUEUE: usize = 256 << 10;
/// With so much unread no further request of a client is taken, bytes.
const HOLD: usize = 32 << 10;
/// What all clients together may have sent of unfinished frames, and what may wait for all, bytes.
const TOTAL: usize = 8 << 20;
/// Connections at one time.
const CLIENTS: usize = 256;
/// Requests of one client in one turn.
const TURN: usize = 4;
/// What one read takes, bytes.
const CHUNK: usize = 16 << 10;

/// Added to a client's number it is its epoll token; [`LISTENER`] is the socket's own.
pub const TOKENS: u64 = 1 << 32;
pub const LISTENER: u64 = TOKENS - 1;

#[derive(Debug)]
struct Connection {
    fd: OwnedFd,
    decoder: frame::Decoder,
    /// Those that came, in their order; each request says how many are its own.
    fds: VecDeque<OwnedFd>,
    out: Outbox,
    /// As the epoll set has it.
    interest: i32,
    /// It has asked something.
    known: bool,
    /// The number of the last event that it was sent.
    seq: u64,
    /// Nothing more comes from it.
    gone: bool,
    /// Nothing more reaches it; what it has asked before it closed still counts.
    deaf: bool,
    /// Closed when what waits for it is sent; nothing more is taken from it.
    closing: bool,
}

impl Connection {
    fn hears(&self) -> bool {
        !self.closing && !self.gone && !self.deaf
    }

    fn send(&mut self) {
        if self.out.send(self.fd.as_fd()).is_err() {
            self.deaf = true;
            self.out = Outbox::default();
        }
    }

    /// A request of it can be taken now.
    fn ready(&self) -> bool {
        !self.closing && self.out.len() <= HOLD && self.decoder.has_frame()
    }

    /// No more is read before what was read is dealt with.
    fn interest(&self) -> i32 {
        let reads = !self.closing && !self.gone && self.out.len() <= HOLD && !self.decoder.has_frame();
        (if reads { EPOLLIN } else { 0 }) | (if self.out.is_empty() { 0 } else { EPOLLOUT })
    }
}

/// A request with the fds that came with it.
#[derive(Debug)]
pub struct Call {
    pub client: u64,
    pub request: Request,
    pub fds: Vec<OwnedFd>,
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
            if !root || !self.make_room(&fd) {
                continue;
            }
            let id = self.next;
            self.next += 1;
            if epoll.add(&fd, EPOLLIN, TOKENS + id).is_err() {
                continue;
            }
            let connection = Connection {
                fd,
                decoder: frame::Decoder::default(),
                fds: VecDeque::new(),
                out: Outbox::default(),
                interest: EPOLLIN,
                known: false,
                seq: 0,
                gone: false,
                deaf: false,
                closing: false,
            };
            self.connections.insert(id, connection);
            if let Ok(hello) = frame::encode(&self.hello) {
                self.push(id, &hello, Vec::new());
            }
        }
    }

    /// At the bound the oldest connection goes that never asked anything, or one that was dropped and does not read why.
    fn make_room(&mut self, newcomer: &OwnedFd) -> bool {
        if self.connections.len() < CLIENTS {
            return true;
        }
        let idle = self.connections.iter().find(|(_, c)| c.closing || !c.known).map(|(id, _)| *id);
        if let Some(id) = idle {
            self.connections.remove(&id);
            return true;
        }
        let full = Error::new(Code::ResourceExhausted, format!("{CLIENTS} clients are connected; try again later"));
        let frames = [frame::encode(&self.hello), frame::encode(&Answer { id: 0, result: Outcome::Error(full), fds: 0 })];
        for frame in frames.into_iter().flatten() {
            let _ = socket::send(newcomer.as_fd(), &frame, &[]);
        }
        false
    }

    /// A client's socket is ready: reads once.
    pub fn read(&mut self, id: u64, epoll: &Epoll) {
        let held: usize = self.connections.values().map(|c| c.decoder.held()).sum();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.interest & EPOLLIN == 0 {
            // Ready to be written to, which `flush` does; or hung up, which only a read tells from that.
            connection.send();
            return;
        }
        let mut chunk = [0; CHUNK];
        match socket::receive(connection.fd.as_fd(), &mut chunk) {
            Ok((0, _)) => connection.gone = true,
            Ok((n, fds)) => {
                connection.decoder.feed(&chunk[..n]);
                connection.fds.extend(fds);
            }
            Err(Errno::EAGAIN) => {}
            Err(_) => connection.gone = true,
        }
        if connection.gone {
            // Its last requests are still carried out; the set would report it for ever.
            let _ = epoll.remove(&connection.fd);
        }
        let problem = match () {
            () if connection.fds.len() > socket::MAX_FDS => "more fds than a message carries",
            () if held > TOTAL && connection.decoder.held() > CHUNK => "too much of unfinished frames",
            () => return,
        };
        self.refuse(id, Error::new(Code::ResourceExhausted, problem));
    }

    /// What clients have asked, a few requests of each; those who are gone and have been heard are forgotten.
    pub fn requests(&mut self) -> Vec<Call> {
        let mut calls = Vec::new();
        let ready: Vec<u64> = self.connections.iter().filter(|(_, c)| c.ready()).map(|(id, _)| *id).collect();
        for id in ready {
            for _ in 0..TURN {
                let Some(connection) = self.connections.get_mut(&id) else { break };
                match connection.decoder.next_value::<Request>() {
                    Ok(Some(request)) => {
                        connection.known = true;
                        let wanted = request.fds as usize;
                        if wanted > connection.fds.len() {
                            self.refuse(id, Error::new(Code::InvalidArgument, format!("{wanted} fds were said, fewer came")));
                            break;
                        }
                        let fds = connection.fds.drain(..wanted).collect();
                        calls.push(Call { client: id, request, fds });
                    }
                    Ok(None) => break,
                    Err(e) => {
                        self.refuse(id, e);
                        break;
                    }
                }
            }
        }
        self.connections.retain(|_, c| !c.gone || c.ready());
        for connection in self.connections.values_mut().filter(|c| c.decoder.held() == 0) {
            // Fds that no request spoke of.
            connection.fds.clear();
        }
        calls
    }

    /// Requests are left that this turn has not taken.
    pub fn is_busy(&self) -> bool {
        self.connections.values().any(Connection::ready)
    }

    /// One last word, and the end: the stream is out of step, or its reader far behind.
    fn refuse(&mut self, id: u64, e: Error) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.closing = true;
        if let Ok(frame) = frame::encode(&Answer { id: 0, result: Outcome::Error(e), fds: 0 }) {
            connection.out.push(&frame, Vec::new());
        }
    }

    pub fn answer(&mut self, client: u64, request: u64, result: Outcome) {
        self.answer_with(client, request, result, Vec::new());
    }

    /// With fds.
    pub fn answer_with(&mut self, client: u64, request: u64, result: Outcome, fds: Vec<OwnedFd>) {
        let answer = |result, fds| frame::encode(&Answer { id: request, result, fds });
        match answer(result, fds.len() as u32) {
            Ok(frame) => self.push(client, &frame, fds),
            Err(e) => {
                if let Ok(frame) = answer(Outcome::Error(e), 0) {
                    self.push(client, &frame, Vec::new());
                }
            }
        }
    }

    fn push(&mut self, client: u64, frame: &[u8], fds: Vec<OwnedFd>) {
        if let Some(connection) = self.connections.get_mut(&client).filter(|c| c.hears()) {
            connection.out.push(frame, fds);
        }
    }

    /// Event number `seq`, JSON already, to a watcher. False when it is one no more.
    pub fn tell(&mut self, client: u64, request: u64, seq: u64, event: &str) -> bool {
        let waiting: usize = self.connections.values().map(|c| c.out.len()).sum();
        let Some(connection) = self.connections.get_mut(&client).filter(|c| c.hears()) else { return false };
        let own = connection.out.len();
        if own > 0 && (own + event.len() > QUEUE || waiting + event.len() > TOTAL) {
            let mut lagged =
                Error::new(Code::ResourceExhausted, format!("lagged: too slow a reader; resume from {}", connection.seq));
            lagged.resume = Some(connection.seq);
            self.refuse(client, lagged);
            return false;
        }
        let body = format!("{{\"id\":{request},\"event\":{event}}}");
        if body.len() > frame::CAP {
            return true;
        }
        let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(body.as_bytes());
        connection.out.push(&bytes, Vec::new());
        connection.seq = seq;
        true
    }

    /// Sends what the readers take, and sees to what each is to be woken for. To be called before each wait.
    pub fn flush(&mut self, epoll: &Epoll) {
        self.connections.retain(|id, c| {
            c.send();
            if c.closing && c.out.is_empty() {
                return false;
            }
            let wanted = c.interest();
            if !c.gone && wanted != c.interest && epoll.modify(&c.fd, wanted, TOKENS + id).is_ok() {
                c.interest = wanted;
            }
            true
        });
    }

    pub fn has(&self, id: u64) -> bool {
        self.connections.get(&id).is_some_and(Connection::hears)
    }
}
