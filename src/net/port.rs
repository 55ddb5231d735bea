//! A pod's interface: a pair of which one end is a port of the bridge, and the other the pod's `eth0`.

use super::bridge::{self, Bridge};
use super::link::{self, Mac, Veth};
use super::socket::Socket;
use super::{Error, Result, sysctl};
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
    let configure = || {
        let gone = || Error::Wrong(format!("{INSIDE} is not there"));
        let index = link::find(&mut pod, INSIDE)?.ok_or_else(gone)?.index;
        let subnet = |a: &IpAddr| bridge.subnets.iter().find(|s| s.contains(*a));
        let pairs = || port.addresses.iter().filter_map(|a| Some((*a, subnet(a)?)));
        let mut requests = vec![link::up(index)];
        requests.extend(pairs().map(|(a, s)| link::address(index, a, s.prefix())));
        requests.extend(pairs().map(|(_, s)| link::default_route(index, s.gateway())));
        pod.ask_all(requests)
    };
    let mut configure = configure;
    configure().inspect_err(|_| {
        let _ = link::delete(host, port.name);
    })
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
