//! What the host's own loopback has of a pod's host ports: a connection to 127.0.0.1 or ::1 is taken here and made once more to the
//! pod. A packet with such a source never leaves the host; the kernel's way around that (route_localnet) opens loopback to the
//! neighbours (CVE-2020-8558).
//!
//! It runs in a process of its own, with nothing but its sockets: whoever floods it floods no supervisor.

use super::Result;
use crate::sys::Errno;
use crate::sys::errno::Call;
use crate::sys::event::{EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, Epoll};
use crate::sys::socket as sys_socket;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

/// Connections at a time; more are closed at once.
const FLOWS: usize = 512;
/// Senders of datagrams that are remembered; the oldest gives way.
const SENDERS: usize = 256;
/// Bytes that a direction holds.
const CHUNK: usize = 32 << 10;
/// Chunks that a connection may pass on before others have their turn.
const TURN: usize = 16;

#[derive(Debug)]
enum Door {
    Stream(TcpListener),
    Datagram(UdpSocket),
}

/// Bound sockets, and where each leads.
#[derive(Debug, Default)]
pub struct Proxy(Vec<(Door, SocketAddr)>);

impl Proxy {
    /// Binds `at`. Errors: EADDRINUSE.
    pub fn stream(&mut self, at: SocketAddr, to: SocketAddr) -> Result<()> {
        let listener =
            TcpListener::bind(at).and_then(|l| l.set_nonblocking(true).map(|()| l)).call(|| format!("bind({at}/TCP)"))?;
        self.0.push((Door::Stream(listener), to));
        Ok(())
    }

    pub fn datagram(&mut self, at: SocketAddr, to: SocketAddr) -> Result<()> {
        let socket = UdpSocket::bind(at).and_then(|s| s.set_nonblocking(true).map(|()| s)).call(|| format!("bind({at}/UDP)"))?;
        self.0.push((Door::Datagram(socket), to));
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers of its sockets.
    pub fn fds(&self) -> Vec<i32> {
        let fd = |door: &Door| match door {
            Door::Stream(l) => l.as_raw_fd(),
            Door::Datagram(s) => s.as_raw_fd(),
        };
        self.0.iter().map(|(door, _)| fd(door)).collect()
    }

    /// Serves without end. Errors: no epoll.
    pub fn serve(&self) -> Result<()> {
        let epoll = Epoll::new()?;
        for (i, (door, _)) in self.0.iter().enumerate() {
            match door {
                Door::Stream(listener) => epoll.add(listener, EPOLLIN, i as u64)?,
                Door::Datagram(socket) => epoll.add(socket, EPOLLIN, i as u64)?,
            }
        }
        let mut server =
            Server { proxy: self, epoll, flows: HashMap::new(), senders: VecDeque::new(), next: self.0.len() as u64 };
        let mut ready = Vec::new();
        loop {
            ready.clear();
            server.epoll.wait(&mut ready, true)?;
            for (token, _) in &ready {
                server.turn(*token);
            }
        }
    }
}

/// One direction of a connection.
#[derive(Default)]
struct Half {
    held: Vec<u8>,
    sent: usize,
    ended: bool,
}

struct Flow {
    ends: [TcpStream; 2],
    halves: [Half; 2],
}

struct Sender {
    token: u64,
    from: SocketAddr,
    door: usize,
    socket: UdpSocket,
}

struct Server<'p> {
    proxy: &'p Proxy,
    epoll: Epoll,
    flows: HashMap<u64, Flow>,
    senders: VecDeque<Sender>,
    next: u64,
}

impl Server<'_> {
    fn turn(&mut self, token: u64) {
        match self.proxy.0.get(token as usize) {
            Some((Door::Stream(listener), to)) => {
                if let Ok((client, _)) = listener.accept() {
                    let _ = self.begin(client, *to);
                }
            }
            Some((Door::Datagram(socket), to)) => {
                let _ = self.pass_in(token as usize, socket, *to);
            }
            None if self.flows.contains_key(&token) => {
                let over = self.flows.get_mut(&token).is_none_or(|flow| match flow.pump() {
                    Ok(Some(over)) => over,
                    Ok(None) => {
                        // There is more: asking anew says so again, after the others.
                        flow.ends.iter().any(|end| self.epoll.modify(end, EDGES, token).is_err())
                    }
                    Err(_) => true,
                });
                if over {
                    self.flows.remove(&token);
                }
            }
            None => self.pass_back(token),
        }
    }

    fn begin(&mut self, client: TcpStream, to: SocketAddr) -> io::Result<()> {
        if self.flows.len() >= FLOWS {
            return Ok(());
        }
        client.set_nonblocking(true)?;
        // On its way: it can be written to when it stands, and tells by an error when it cannot.
        let pod = TcpStream::from(sys_socket::connect_to(to).map_err(|e| io::Error::from_raw_os_error(e.0))?);
        let token = self.next;
        self.next += 1;
        for end in [&client, &pod] {
            self.epoll.add(end, EDGES, token).map_err(|e| io::Error::from_raw_os_error(e.errno.0))?;
        }
        self.flows.insert(token, Flow { ends: [client, pod], halves: Default::default() });
        Ok(())
    }

    #[allow(clippy::disallowed_methods)] // An address, no name.
    fn pass_in(&mut self, door: usize, socket: &UdpSocket, to: SocketAddr) -> io::Result<()> {
        let mut datagram = [0; 65536];
        let (n, from) = socket.recv_from(&mut datagram)?;
        if let Some(known) = self.senders.iter().find(|s| s.from == from && s.door == door) {
            return known.socket.send(&datagram[..n]).map(drop);
        }
        let any: SocketAddr = if to.is_ipv4() { ([0u8; 4], 0).into() } else { ([0u16; 8], 0).into() };
        let own = UdpSocket::bind(any)?;
        own.connect(to)?;
        own.set_nonblocking(true)?;
        let token = self.next;
        self.next += 1;
        self.epoll.add(&own, EPOLLIN, token).map_err(|e| io::Error::from_raw_os_error(e.errno.0))?;
        if self.senders.len() >= SENDERS {
            self.senders.pop_front();
        }
        let sent = own.send(&datagram[..n]).map(drop);
        self.senders.push_back(Sender { token, from, door, socket: own });
        sent
    }

    fn pass_back(&mut self, token: u64) {
        let Some(sender) = self.senders.iter().find(|s| s.token == token) else { return };
        let mut datagram = [0; 65536];
        // An error is the pod's "nobody listens", and taken with this.
        if let (Ok(n), Some((Door::Datagram(socket), _))) = (sender.socket.recv(&mut datagram), self.proxy.0.get(sender.door)) {
            let _ = socket.send_to(&datagram[..n], sender.from);
        }
    }
}

const EDGES: i32 = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

impl Flow {
    /// Passes on what there is, in both directions: whether all is over; None where there may be more.
    fn pump(&mut self) -> io::Result<Option<bool>> {
        let [client, pod] = &self.ends;
        let [there, back] = &mut self.halves;
        let more = there.pump(client, pod)? | back.pump(pod, client)?;
        Ok((!more).then_some(there.is_over() && back.is_over()))
    }
}

impl Half {
    fn is_over(&self) -> bool {
        self.ended && self.held.is_empty()
    }

    /// True where its turn is over before all was passed on.
    fn pump(&mut self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<bool> {
        for _ in 0..TURN {
            while self.sent < self.held.len() {
                match to.write(&self.held[self.sent..]) {
                    Ok(n) => self.sent += n,
                    Err(e) if is_later(&e) => return Ok(false),
                    Err(e) => return Err(e),
                }
            }
            (self.held, self.sent) = (Vec::new(), 0);
            if self.ended {
                return Ok(false);
            }
            let mut chunk = vec![0; CHUNK];
            match from.read(&mut chunk) {
                Ok(0) => {
                    self.ended = true;
                    let _ = to.shutdown(Shutdown::Write);
                }
                Ok(n) => {
                    chunk.truncate(n);
                    self.held = chunk;
                }
                Err(e) if is_later(&e) => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

fn is_later(e: &io::Error) -> bool {
    // A connection that is not there yet.
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) || e.raw_os_error() == Some(Errno::EINTR.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn loopback() -> SocketAddr {
        ([127u8, 0, 0, 1], 0).into()
    }

    /// Megabytes one way while the other is still open, then back: nothing lost, and each end of a stream is passed on.
    #[test]
    fn streams_and_datagrams_pass_whole() {
        let pod = TcpListener::bind(loopback()).unwrap();
        let echo = UdpSocket::bind(loopback()).unwrap();
        let mut proxy = Proxy::default();
        proxy.stream(loopback(), pod.local_addr().unwrap()).unwrap();
        proxy.datagram(loopback(), echo.local_addr().unwrap()).unwrap();
        let Door::Stream(listener) = &proxy.0[0].0 else { panic!() };
        let Door::Datagram(socket) = &proxy.0[1].0 else { panic!() };
        let (at, udp) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
        std::thread::spawn(move || proxy.serve());
        let mut client = TcpStream::connect_timeout(&at, Duration::from_secs(5)).unwrap();
        let (mut server, _) = pod.accept().unwrap();
        let sent: Vec<u8> = (0..4_000_000u32).map(|i| (i % 251) as u8).collect();
        let copy = sent.clone();
        let writer = std::thread::spawn(move || {
            client.write_all(&copy).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            answer
        });
        let mut got = Vec::new();
        server.read_to_end(&mut got).unwrap();
        assert!(got == sent);
        server.write_all(b"thanks").unwrap();
        drop(server);
        assert_eq!(writer.join().unwrap(), "thanks");
        let client = UdpSocket::bind(loopback()).unwrap();
        let mut word = [0; 8];
        for text in [b"one", b"two"] {
            client.send_to(text, udp).unwrap();
            let (n, from) = echo.recv_from(&mut word).unwrap();
            echo.send_to(&word[..n], from).unwrap();
            assert_eq!(client.recv_from(&mut word).unwrap(), (3, udp));
            assert_eq!(&word[..3], text);
        }
        // Nobody is there: the client's connection ends.
        drop(pod);
        let mut refused = TcpStream::connect_timeout(&at, Duration::from_secs(5)).unwrap();
        assert!(matches!(refused.read(&mut word), Ok(0) | Err(_)));
    }
}
