//! What a probe or a hook says over the network: tcpSocket, httpGet and grpc as talks that an epoll loop carries on. None of them
//! blocks, and none needs anything in the container.
//!
//! | file | what |
//! |---|---|
//! | `target` | where to: the pod's own network, or the host's |
//! | `wire` | the connection: TCP, TLS on top of it |
//! | `http` | one GET, its redirects |
//! | `grpc` | one grpc.health.v1 Check, over HTTP/2 |
//!
//! Words and rules are the kubelet's (Kubernetes v1.36, pkg/probe).

mod grpc;
mod http;
mod target;
mod wire;

pub use target::{Place, Target};

use crate::pod::machine::{Outcome, Purpose, Verdict};
use crate::pod::spec::Handler;
use crate::sys::tcp;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::{Moved, Wire};

/// What is read at a time, and how often in one turn of the loop.
const CHUNK: usize = 4096;
const TURN: usize = 64;

/// One handler under way.
pub struct Talk {
    target: Target,
    said: Said,
    wire: Option<Wire>,
    connected: bool,
    /// What is still to be sent.
    out: Vec<u8>,
}

enum Said {
    Tcp,
    Http(http::Exchange),
    Grpc(grpc::Exchange),
}

/// What a talk waits for, or what it came to.
pub enum Progress {
    /// Until its connection is ready again: edge-triggered, for all that could be read or sent has been.
    Pending,
    /// A new connection, to where [`Talk::target`] now says.
    Redial,
    Done(Outcome),
}

/// What an exchange makes of bytes.
enum Heard {
    More,
    Done(Outcome),
    Elsewhere(Target),
}

impl Talk {
    /// None where the handler is no talk over the network. `ip` is the pod's, if it has one.
    pub fn new(handler: &Handler, purpose: Purpose, ip: Option<IpAddr>) -> Option<Talk> {
        let (target, said) = match handler {
            Handler::Tcp { host, port } => (Target::new(host.as_deref(), *port, false, ip)?, Said::Tcp),
            Handler::Http(get) => {
                let target = Target::new(get.host.as_deref(), get.port, get.https, ip)?;
                let exchange = http::Exchange::new(get, &target, purpose.is_hook());
                (target, Said::Http(exchange))
            }
            Handler::Grpc { port, service } => {
                let target = Target::new(None, *port, false, ip)?;
                (target, Said::Grpc(grpc::Exchange::new(service)))
            }
            Handler::Exec { .. } | Handler::Sleep { .. } => return None,
        };
        Some(Talk { target, said, wire: None, connected: false, out: Vec::new() })
    }

    /// Where a connection is to be made next.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The connection, under way.
    pub fn dialed(&mut self, fd: OwnedFd) -> Result<(), Outcome> {
        let wire = Wire::new(fd, self.target.tls, self.target.addr.ip()).map_err(|e| self.failed(&e))?;
        self.wire = Some(wire);
        self.connected = false;
        self.out = match &self.said {
            Said::Tcp => Vec::new(),
            Said::Http(exchange) => exchange.request(&self.target),
            Said::Grpc(exchange) => exchange.request(&self.target),
        };
        Ok(())
    }

    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.wire.as_ref().map(|w| w.as_fd())
    }

    /// Goes on as far as the connection lets it.
    pub fn advance(&mut self) -> Progress {
        let Some(wire) = &mut self.wire else { return Progress::Redial };
        if !self.connected {
            if let Err(errno) = tcp::outcome(wire.as_fd()) {
                return Progress::Done(self.not_connected(&errno.to_string()));
            }
            self.connected = true;
            if matches!(self.said, Said::Tcp) {
                return Progress::Done(Outcome::new(Verdict::Success, ""));
            }
        }
        let mut buffer = [0; CHUNK];
        for _ in 0..TURN {
            match wire.send(&mut self.out) {
                Ok(Moved::Blocked) => return Progress::Pending,
                Ok(_) => {}
                Err(e) => return Progress::Done(self.failed(&e)),
            }
            let read = match wire.receive(&mut buffer) {
                Ok(Moved::Blocked) => return Progress::Pending,
                Ok(Moved::Some(n)) => n,
                Ok(Moved::End) => 0,
                Err(e) => return Progress::Done(self.failed(&e)),
            };
            let heard = match &mut self.said {
                Said::Tcp => Heard::More,
                Said::Http(exchange) => exchange.hear(&buffer[..read], &self.target),
                Said::Grpc(exchange) => exchange.hear(&buffer[..read], &mut self.out),
            };
            match heard {
                Heard::More => {}
                Heard::Done(outcome) => return Progress::Done(outcome),
                Heard::Elsewhere(target) => {
                    (self.target, self.wire) = (target, None);
                    return Progress::Redial;
                }
            }
        }
        // Whoever sends that much without an end to it talks no protocol of ours.
        Progress::Done(self.failed("the answer is too long"))
    }

    /// No connection could be made.
    pub fn not_connected(&self, why: &str) -> Outcome {
        let addr = self.target.addr;
        let dial = format!("dial tcp {addr}: connect: {why}");
        Outcome::new(
            Verdict::Failure,
            match &self.said {
                Said::Tcp => dial,
                Said::Http(exchange) => exchange.failure(&dial),
                Said::Grpc(_) => format!("error: failed to connect service at \"{addr}\": {dial}"),
            },
        )
    }

    fn failed(&self, why: &str) -> Outcome {
        Outcome::new(
            Verdict::Failure,
            match &self.said {
                Said::Tcp => why.to_string(),
                Said::Http(exchange) => exchange.failure(why),
                Said::Grpc(_) => format!("error: health rpc probe failed: {why}"),
            },
        )
    }

    /// Its time is up; `timeout` is what it had.
    pub fn late(&self, timeout: &str) -> Outcome {
        let addr = self.target.addr;
        Outcome::new(
            Verdict::Failure,
            match (&self.said, self.connected) {
                (Said::Tcp, _) => format!("dial tcp {addr}: i/o timeout"),
                (Said::Http(exchange), _) => {
                    exchange.failure("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
                }
                (Said::Grpc(_), false) => {
                    format!("timeout: failed to connect service \"{addr}\" within {timeout}: context deadline exceeded")
                }
                (Said::Grpc(_), true) => format!("timeout: health rpc did not complete within {timeout}"),
            },
        )
    }
}
