//! A pod's interface: a pair of which one end is a port of the bridge, and the other the pod's `eth0`.

use super::bridge::{self, Bridge};
use super::link::{self, Mac, Veth};
use super::socket::Socket;
use super::{Error, Result, shape, sysctl};
use crate::sys::{fs, process};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

/// The pod's interface, in the pod.
pub const INSIDE: &str = "eth0";

#[derive(Debug)]
pub struct Port<'a> {
    /// In the host's namespace.
    pub name: &'a str,
    pub addresses: &'a [IpAddr],
    pub mac: Option<Mac>,
    pub mtu: Option<u32>,
    /// Bytes a second that come to the pod, and that go from it.
    pub ingress: Option<u64>,
    pub egress: Option<u64>,
}

/// The name of the port of an address: unique on its bridge, as the address is.
pub fn name(bridge: &str, number: u128) -> String {
    format!("{bridge}.{number:x}")
}

/// Makes the pair for the namespace that `pid`, a process by its pidfd, is in; all of the pod's own is set up when it returns.
pub fn attach(host: &mut Socket, bridge: &Bridge, port: &Port, pid: i32, pidfd: BorrowedFd) -> Result<()> {
    let own = match port.mac {
        Some(mac) => mac,
        None => port.addresses.first().map_or([0x0a, 0x58, 0, 0, 0, 0], |a| bridge::mac(*a)),
    };
    let mut pod = inside(pidfd, || {
        sysctl::pod();
        Socket::route()
    })??;
    let veth = Veth { name: port.name, bridge: bridge.index, peer: INSIDE, pid, mac: own, mtu: port.mtu };
    link::new_veth(host, &veth)?;
    configure(host, &mut pod, bridge, port).inspect_err(|_| {
        let _ = link::delete(host, port.name);
    })
}

/// The pod's end: up, with addresses, ways and bounds.
fn configure(host: &mut Socket, pod: &mut Socket, bridge: &Bridge, port: &Port) -> Result<()> {
    let gone = || Error::Wrong(format!("the interface {} is gone already", port.name));
    let index = link::find(pod, INSIDE)?.ok_or_else(gone)?.index;
    let subnet = |a: &IpAddr| bridge.subnets.iter().find(|s| s.contains(*a));
    let pairs = || port.addresses.iter().filter_map(|a| Some((*a, subnet(a)?)));
    let mut requests = vec![link::up(index)];
    requests.extend(pairs().map(|(a, s)| link::address(index, a, s.prefix())));
    requests.extend(pairs().map(|(_, s)| link::default_route(index, s.gateway())));
    requests.extend(port.egress.map(|rate| shape::limit(index, rate)));
    pod.ask_all(requests)?;
    if let Some(rate) = port.ingress {
        let outside = link::find(host, port.name)?.ok_or_else(gone)?.index;
        host.ask_all(vec![shape::limit(outside, rate)])?;
    }
    Ok(())
}

/// Calls `f` in the network namespace of a process, and comes back. Errors: it is gone; there is no way back, which ends this process.
pub fn inside<T>(pidfd: BorrowedFd, f: impl FnOnce() -> T) -> Result<T> {
    let home = fs::open(c"/proc/self/ns/net", libc::O_RDONLY)?;
    process::setns(pidfd, libc::CLONE_NEWNET)?;
    let result = f();
    if process::setns(home.as_fd(), libc::CLONE_NEWNET).is_err() {
        // Whatever it did next would be done to the pod instead of the host.
        std::process::abort();
    }
    Ok(result)
}
