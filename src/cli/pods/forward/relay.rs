//! The loop of `port-forward`: listeners of the host's, connections into the pod's network, all of one thread.

use super::connection::{Connection, Fate, LOCAL, REMOTE};
use super::ports::Listening;
use crate::sys::event::{EPOLLIN, Epoll, Signals};
use crate::sys::{self, Errno};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, connect, socket};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const SIGNALS: u64 = 0;
const PAUSE: u64 = 1;
const LISTENERS: u64 = 16;
/// Two tokens a connection, after those of at most this many listeners.
const CONNECTIONS: u64 = 1 << 20;

/// As many as are accepted before others have their turn.
const ACCEPTS: usize = 64;

/// One read at the most: larger ones gain nothing.
const SCRATCH: usize = 128 << 10;

/// Why the loop ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Signal(i32),
    /// The pod's network is gone.
    Lost,
}

/// What is worth saying.
pub enum News {
    Accepted { local: u16 },
    Refused { remote: u16, errno: Errno },
}

pub struct Relay<'a> {
    epoll: Epoll,
    listeners: &'a [Listening],
    /// None: the slot is free.
    connections: Vec<Option<(Connection, Remote)>>,
    free: Vec<usize>,
    /// No fd is left: nothing is accepted until a connection has ended.
    full: bool,
    scratch: Vec<u8>,
}

/// Where in the pod a connection goes: its loopback addresses in turn.
struct Remote {
    port: u16,
    next: usize,
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

impl Remote {
    /// Starts to connect at the next address.
    fn connect(&mut self) -> Result<TcpStream, Errno> {
        let mut last = Errno::ECONNREFUSED;
        while let Some(ip) = LOOPBACK.get(self.next) {
            self.next += 1;
            match begin(SocketAddr::new(*ip, self.port)) {
                Ok(stream) => return Ok(stream),
                Err(e) => last = e,
            }
        }
        Err(last)
    }
}

fn begin(to: SocketAddr) -> Result<TcpStream, Errno> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd: OwnedFd = socket(family, SockType::Stream, flags, None).map_err(|e| Errno(e as i32))?;
    let started = match to {
        SocketAddr::V4(to) => connect(fd.as_raw_fd(), &SockaddrIn::from(to)),
        SocketAddr::V6(to) => connect(fd.as_raw_fd(), &SockaddrIn6::from(to)),
    };
    match started {
        Ok(()) | Err(nix::errno::Errno::EINPROGRESS) => Ok(TcpStream::from(fd)),
        Err(e) => Err(Errno(e as i32)),
    }
}

impl<'a> Relay<'a> {
    pub fn new(listeners: &'a [Listening]) -> sys::Result<Relay<'a>> {
        let epoll = Epoll::new()?;
        for (i, listening) in listeners.iter().enumerate() {
            epoll.add(&listening.socket, EPOLLIN, LISTENERS + i as u64)?;
        }
        Ok(Relay { epoll, listeners, connections: Vec::new(), free: Vec::new(), full: false, scratch: vec![0; SCRATCH] })
    }

    /// Runs until a signal comes or `pause` ends. The calling thread is in the pod's network namespace: new connections are made
    /// there, whereas the listeners stay in the one that they were made in.
    pub fn run(&mut self, signals: &Signals, pause: BorrowedFd, tell: &mut dyn FnMut(News)) -> sys::Result<End> {
        self.epoll.add(signals, EPOLLIN, SIGNALS)?;
        self.epoll.add(pause, EPOLLIN, PAUSE)?;
        let mut ready = Vec::new();
        loop {
            ready.clear();
            self.epoll.wait(&mut ready, true)?;
            for &(token, events) in &ready {
                match token {
                    SIGNALS => {
                        if let Some(signal) = signals.take() {
                            return Ok(End::Signal(signal));
                        }
                    }
                    PAUSE => return Ok(End::Lost),
                    CONNECTIONS.. => self.carry(token, events, tell)?,
                    _ => self.accept((token - LISTENERS) as usize, tell)?,
                }
            }
        }
    }

    fn accept(&mut self, index: usize, tell: &mut dyn FnMut(News)) -> sys::Result<()> {
        let listening = &self.listeners[index];
        for _ in 0..ACCEPTS {
            match listening.socket.accept() {
                Ok((local, _)) => {
                    tell(News::Accepted { local: listening.local.port() });
                    self.open(local, listening.remote, tell)?;
                }
                Err(e) if matches!(e.raw_os_error(), Some(nix::libc::EMFILE | nix::libc::ENFILE)) => {
                    return self.pause_listening();
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock) => return Ok(()),
                // A client that has gone meanwhile (accept(2), error handling): the next one.
                Err(_) => {}
            }
            if self.full {
                return Ok(());
            }
        }
        Ok(())
    }

    fn open(&mut self, local: TcpStream, port: u16, tell: &mut dyn FnMut(News)) -> sys::Result<()> {
        // Small messages are not held back; where it cannot be said, they are.
        let _ = local.set_nodelay(true);
        let mut remote = Remote { port, next: 0 };
        let stream = match local.set_nonblocking(true).map_err(Errno::from).and_then(|()| remote.connect()) {
            Ok(stream) => stream,
            Err(errno) => {
                tell(News::Refused { remote: port, errno });
                return if errno == Errno::EMFILE { self.pause_listening() } else { Ok(()) };
            }
        };
        let _ = stream.set_nodelay(true);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        self.connections[slot] = Some((Connection::new(local, stream), remote));
        self.watch(slot)
    }

    /// Tells epoll what the connection waits for now.
    fn watch(&mut self, slot: usize) -> sys::Result<()> {
        let Some((connection, _)) = &mut self.connections[slot] else { return Ok(()) };
        for side in [LOCAL, REMOTE] {
            let (wanted, token) = (connection.wanted(side), CONNECTIONS + 2 * slot as u64 + side as u64);
            let watched = std::mem::replace(&mut connection.watched[side], wanted);
            match (watched, wanted) {
                (before, now) if before == now => {}
                (0, _) => self.epoll.add(connection.side(side), wanted, token)?,
                // Taken out: a socket whose both directions are shut would wake the loop without end, whatever is asked of it.
                (_, 0) => self.epoll.remove(connection.side(side))?,
                _ => self.epoll.modify(connection.side(side), wanted, token)?,
            }
        }
        Ok(())
    }

    fn carry(&mut self, token: u64, events: i32, tell: &mut dyn FnMut(News)) -> sys::Result<()> {
        let (slot, side) = (((token - CONNECTIONS) / 2) as usize, ((token - CONNECTIONS) % 2) as usize);
        // An event of a connection that another event of the same round has ended.
        let Some((connection, remote)) = self.connections.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        match connection.ready(side, events, &mut self.scratch) {
            Fate::Goes => self.watch(slot),
            Fate::Done => self.close(slot),
            Fate::Refused(errno) => match remote.connect() {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    connection.retry(stream);
                    self.watch(slot)
                }
                Err(_) => {
                    tell(News::Refused { remote: remote.port, errno });
                    self.close(slot)
                }
            },
        }
    }

    /// Closing takes both sockets out of epoll.
    fn close(&mut self, slot: usize) -> sys::Result<()> {
        self.connections[slot] = None;
        self.free.push(slot);
        if !std::mem::take(&mut self.full) {
            return Ok(());
        }
        for (i, listening) in self.listeners.iter().enumerate() {
            self.epoll.modify(&listening.socket, EPOLLIN, LISTENERS + i as u64)?;
        }
        Ok(())
    }

    /// Clients wait in the listeners' backlogs.
    fn pause_listening(&mut self) -> sys::Result<()> {
        // With no connection there is none whose end would free an fd.
        if self.connections.iter().any(Option::is_some) {
            self.full = true;
            for (i, listening) in self.listeners.iter().enumerate() {
                self.epoll.modify(&listening.socket, 0, LISTENERS + i as u64)?;
            }
        }
        Ok(())
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
