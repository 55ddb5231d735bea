//! Other network namespaces: a pod's, or one that plays the outside.

use super::Run;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command};
use std::time::Duration;

pub const LONG: Duration = Duration::from_secs(10);

/// Calls `f` in the network namespace of a process; sockets that it makes stay there.
pub fn inside<T: Send>(pid: i32, f: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let namespace = File::open(format!("/proc/{pid}/ns/net")).expect("a network namespace");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("setns");
            f()
        });
        thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e))
    })
}

/// Runs `ip` with a line of words.
#[track_caller]
pub fn ip(line: &str) -> String {
    Run::new("ip").args(line.split_whitespace()).run().ok().stdout
}

/// A second namespace beside the test's, which is the host: joined by a cable of 192.0.2.0/24 and 2001:db8::/64, the host's end
/// `.1`, the other's `.2`; it knows no way to any pod.
pub struct Outside(Child);

impl Outside {
    pub fn new() -> Outside {
        let child = Command::new("unshare").args(["-n", "sleep", "1000"]).spawn().expect("unshare");
        let outside = Outside(child);
        let own = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
        while std::fs::read_link(format!("/proc/{}/ns/net", outside.pid())).is_ok_and(|l| l == own) {
            std::thread::sleep(Duration::from_millis(1));
        }
        ip(&format!("link add cable type veth peer name cable netns {}", outside.pid()));
        let end = |n: u8| {
            ip(&format!("addr add 192.0.2.{n}/24 dev cable"));
            ip(&format!("-6 addr add 2001:db8::{n}/64 dev cable nodad"));
            ip("link set cable up");
        };
        end(1);
        inside(outside.pid(), || end(2));
        ip("route add default via 192.0.2.2");
        ip("-6 route add default via 2001:db8::2");
        outside
    }

    pub fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = Command::new("ip").args(["link", "del", "cable"]).status();
    }
}

/// A listener and a datagram socket on one port in the namespace of `pid`.
pub fn listen(pid: i32, port: u16) -> (TcpListener, UdpSocket) {
    inside(pid, || {
        let at = SocketAddr::new("::".parse().expect("an address"), port);
        let udp = UdpSocket::bind(at).expect("bind");
        udp.set_read_timeout(Some(LONG)).expect("a timeout");
        (TcpListener::bind(at).expect("listen"), udp)
    })
}

/// One word there and back by TCP and by UDP; the addresses that the listener saw it come from.
#[track_caller]
pub fn talk(from: i32, to: SocketAddr, at: &(TcpListener, UdpSocket)) -> [IpAddr; 2] {
    let client = inside(from, || TcpStream::connect_timeout(&to, LONG));
    let mut client = client.unwrap_or_else(|e| panic!("connect to {to}: {e}"));
    let (mut server, tcp) = at.0.accept().expect("accept");
    client.write_all(b"ping").expect("write");
    server.set_read_timeout(Some(LONG)).expect("a timeout");
    let mut word = [0; 4];
    server.read_exact(&mut word).expect("read");
    server.write_all(&word).expect("write");
    client.set_read_timeout(Some(LONG)).expect("a timeout");
    client.read_exact(&mut word).expect("read");
    assert_eq!(&word, b"ping");
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let client = inside(from, || UdpSocket::bind(any)).expect("a socket");
    client.set_read_timeout(Some(LONG)).expect("a timeout");
    client.send_to(b"ping", to).expect("send");
    let mut word = [0; 4];
    let (_, udp) = at.1.recv_from(&mut word).unwrap_or_else(|e| panic!("nothing came to {to}: {e}"));
    at.1.send_to(&word, udp).expect("send");
    client.recv_from(&mut word).unwrap_or_else(|e| panic!("no answer from {to}: {e}"));
    [tcp.ip().to_canonical(), udp.ip().to_canonical()]
}
