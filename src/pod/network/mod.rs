//! A pod's network on podrt's bridge: addresses, its interface, host ports. What it has stands in `network.json` of its sandbox
//! before it is made, but for the leases, which carry their owner's name themselves.

mod cni;

use super::error::{Code, Error, Result};
use super::sandbox::Pause;
use super::spec::{NetworkMode, NetworkSpec, PodSpec, PortSpec};
use crate::net::bridge::{self, Bridge};
use crate::net::lease::Leases;
use crate::net::nft::{self, HostPort};
use crate::net::port::{self, Port};
use crate::net::proxy::Proxy;
use crate::net::socket::Socket;
use crate::net::subnet::Subnet;
use crate::net::{link, sysctl};
use crate::store::{self, Intent, Sandbox, atomic};
use crate::sys::{Errno, fault};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

const FILE: &str = "network.json";

/// What a pod has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Also the name of the table of nftables.
    pub bridge: String,
    /// The folder of the leases.
    pub leases: PathBuf,
    /// In the order of status.podIPs; a CNI network's are known once it is made.
    pub addresses: Vec<IpAddr>,
    /// The interface in the host's namespace.
    pub port: String,
    pub host_ports: Vec<HostPort>,
    /// Of a CNI network, which has only the addresses beside it.
    #[serde(default)]
    pub cni: Option<cni::Made>,
}

impl Record {
    pub fn load(sandbox: &Sandbox) -> Result<Option<Record>> {
        Ok(atomic::read_json(&sandbox.dir.join(FILE))?)
    }

    fn save(&self, sandbox: &Sandbox) -> Result<()> {
        Ok(atomic::write_json(&sandbox.dir.join(FILE), self, atomic::Durable::No)?)
    }

    pub fn ips(&self) -> Vec<String> {
        self.addresses.iter().map(IpAddr::to_string).collect()
    }
}

/// Addresses that were taken, and what their interface is made on.
pub struct Lease {
    pub record: Record,
    /// None for a CNI network.
    on: Option<(Bridge, Socket)>,
}

/// Addresses for a pod, the same ones for each of its sandboxes; None where it has no network but its own loopback. The bridge is
/// there then.
pub fn take(spec: &PodSpec, sandbox: &Sandbox, intent: &Intent) -> Result<Option<Lease>> {
    let network = &spec.sandbox.network;
    if network.mode == NetworkMode::None || spec.sandbox.host_network {
        return match network.ports.first() {
            Some(port) if !spec.sandbox.host_network => {
                let problem = format!(
                    "hostPort {} needs a network, and this pod has none (podrt.io/network: podrt0 has one)",
                    port.host_port
                );
                Err(Error::new(Code::InvalidArgument, problem))
            }
            _ => Ok(None),
        };
    }
    fault::point("create.network")?;
    if network.mode == NetworkMode::Cni {
        return cni_network(spec, sandbox).map(Some);
    }
    let config = &network.config;
    let mut route = Socket::route()?;
    let bridge = bridge::ensure(&mut route, config, &intent.roots.state, &intent.boot_id)?;
    if let Some(record) = Record::load(sandbox)? {
        return Ok(Some(Lease { record, on: Some((bridge, route)) }));
    }
    if let Some(stranger) = network.addresses.iter().find(|a| !bridge.subnets.iter().any(|s| s.number(**a).is_some())) {
        let ranges: Vec<String> = bridge.subnets.iter().map(ToString::to_string).collect();
        let problem = format!("podrt.io/ip: {stranger} is no address for a pod here (want one of {})", ranges.join(", "));
        return Err(Error::new(Code::InvalidArgument, problem));
    }
    fault::point("create.network.lease")?;
    let addresses = bridge.leases.take(&bridge.subnets, &network.addresses, &sandbox.dir)?;
    let numbered = addresses.iter().find_map(|a| bridge.subnets.iter().find_map(|s| s.number(*a)));
    let record = Record {
        bridge: config.bridge.clone(),
        leases: bridge.leases.folder.clone(),
        port: port::name(&config.bridge, numbered.unwrap_or_default()),
        host_ports: host_ports(&network.ports, &addresses),
        addresses,
        cni: None,
    };
    fault::point("create.network.record")?;
    record.save(sandbox)?;
    Ok(Some(Lease { record, on: Some((bridge, route)) }))
}

fn cni_network(spec: &PodSpec, sandbox: &Sandbox) -> Result<Lease> {
    // An earlier sandbox's goes first, by the configuration that made it.
    if let Some(made) = Record::load(sandbox)?.and_then(|r| r.cni) {
        made.undo(None)?;
    }
    let record = Record { cni: Some(cni::plan(spec, &sandbox.id)?), ..Record::default() };
    fault::point("create.network.record")?;
    record.save(sandbox)?;
    Ok(Lease { record, on: None })
}

/// Each port for each of the pod's addresses that it is meant for. Loopback's are not nftables' business.
fn host_ports(ports: &[PortSpec], addresses: &[IpAddr]) -> Vec<HostPort> {
    let one = |port: &PortSpec, to: &IpAddr| {
        let host = port.host_ip.filter(|h| !h.is_unspecified());
        let meant = port.host_ip.is_none_or(|h| h.is_ipv4() == to.is_ipv4() && !h.is_loopback());
        meant.then_some(HostPort { host, protocol: port.protocol, port: port.host_port, to: *to, to_port: port.container_port })
    };
    ports.iter().flat_map(|p| addresses.iter().filter_map(move |a| one(p, a))).collect()
}

/// Makes the pod's interface, and its host ports. What could not be had, and need not be, is said in the warnings.
pub fn attach(lease: &mut Lease, spec: &NetworkSpec, sandbox: &Sandbox, pause: &Pause) -> Result<Vec<String>> {
    let Lease { record, on } = lease;
    if let Some(made) = &mut record.cni {
        made.add(pause)?;
        record.addresses = made.addresses();
        record.save(sandbox)?;
        return Ok(Vec::new());
    }
    let Some((bridge, route)) = on else { return Err(Error::internal("a network on no bridge")) };
    fault::point("create.network.table")?;
    let mut warnings = Vec::new();
    let mut filter = Socket::netfilter()?;
    if bridge.fresh || !nft::is_whole(&mut filter, &record.bridge, &bridge.subnets)? {
        nft::install(&mut filter, &record.bridge, &bridge.subnets)?;
        let has = |v4| bridge.subnets.iter().any(|s| s.is_v4() == v4);
        warnings.extend(sysctl::forward(has(true), has(false)));
    }
    fault::point("create.network.interface")?;
    // A number's last owner may have left it: its namespace dies late.
    link::delete(route, &record.port).ok();
    let port = Port {
        name: &record.port,
        addresses: &record.addresses,
        mac: spec.mac,
        mtu: spec.config.mtu,
        ingress: spec.ingress.map(|b| b / 8),
        egress: spec.egress.map(|b| b / 8),
    };
    port::attach(route, bridge, &port, pause.process.pid, pause.pidfd.as_fd())?;
    let ported = fault::point("create.network.ports").map_err(Error::from).and_then(|()| publish(&mut filter, record));
    if let Err(e) = ported {
        let _ = link::delete(route, &record.port);
        return Err(e);
    }
    Ok(warnings)
}

/// Errors: FailedPrecondition, and whose it is, where another pod has one.
fn publish(filter: &mut Socket, record: &Record) -> Result<()> {
    match nft::add(filter, &record.bridge, &record.host_ports) {
        Err(e) if e.errno() == Some(Errno::EEXIST) => {}
        other => return Ok(other?),
    }
    let leases = Leases { folder: record.leases.clone() };
    for port in &record.host_ports {
        let Some(to) = nft::holder(filter, &record.bridge, port)? else { continue };
        match leases.holder(to) {
            Some(owner) if owner.exists() && to != port.to => return Err(taken(port, &owner)),
            // Left by one that was killed.
            _ => nft::remove(filter, &record.bridge, &HostPort { to, ..port.clone() })?,
        }
    }
    Ok(nft::add(filter, &record.bridge, &record.host_ports)?)
}

/// Makes the table whole again, and the pod's host ports: somebody has flushed the firewall.
pub fn heal(record: &Record, spec: &NetworkSpec) -> Result<()> {
    if record.cni.is_some() {
        return Ok(());
    }
    let mut filter = Socket::netfilter()?;
    let has = |s: &&Subnet| record.addresses.iter().any(|a| s.contains(*a));
    let subnets: Vec<Subnet> = spec.config.subnets.iter().filter(has).copied().collect();
    if !nft::is_whole(&mut filter, &record.bridge, &subnets)? {
        nft::install(&mut filter, &record.bridge, &subnets)?;
    }
    for port in &record.host_ports {
        if nft::holder(&mut filter, &record.bridge, port)?.is_none() {
            nft::add(&mut filter, &record.bridge, std::slice::from_ref(port))?;
        }
    }
    Ok(())
}

/// The host ports of the host's own loopback, bound. Errors: FailedPrecondition, where somebody else listens there.
pub fn proxy(record: &Record, spec: &NetworkSpec) -> Result<Proxy> {
    let mut proxy = Proxy::default();
    // A plugin's ports are the plugin's business.
    let spec = if record.cni.is_some() { &NetworkSpec::default() } else { spec };
    for port in &spec.ports {
        for (at, to) in doors(port, &record.addresses) {
            let bound = match i32::from(port.protocol) {
                libc::IPPROTO_TCP => proxy.stream(at, to),
                libc::IPPROTO_UDP => proxy.datagram(at, to),
                // The protocol has no sockets on most hosts.
                _ => Ok(()),
            };
            bound.map_err(|e| match e.errno() {
                Some(Errno::EADDRINUSE) => {
                    let problem = format!("the host's port {at}/{} is in use by another program", word(port.protocol));
                    Error { field: "hostPort".into(), ..Error::new(Code::FailedPrecondition, problem) }
                }
                _ => e.into(),
            })?;
        }
    }
    Ok(proxy)
}

/// Where a host port is on loopback, and the pod's address that it leads to: of the same family, if the pod has one.
fn doors(port: &PortSpec, addresses: &[IpAddr]) -> Vec<(SocketAddr, SocketAddr)> {
    let loopbacks: Vec<IpAddr> = match port.host_ip {
        None => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Some(ip) if ip.is_loopback() => vec![ip],
        Some(ip) if ip.is_unspecified() && ip.is_ipv4() => vec![Ipv4Addr::LOCALHOST.into()],
        Some(ip) if ip.is_unspecified() => vec![Ipv6Addr::LOCALHOST.into()],
        Some(_) => Vec::new(),
    };
    let to = |at: &IpAddr| {
        let same = addresses.iter().find(|a| a.is_ipv4() == at.is_ipv4());
        // Nobody has asked for the other family by name.
        let to = if port.host_ip.is_some() { same.or(addresses.first()) } else { same };
        to.map(|to| (SocketAddr::new(*at, port.host_port), SocketAddr::new(*to, port.container_port)))
    };
    loopbacks.iter().filter_map(to).collect()
}

fn word(protocol: u8) -> &'static str {
    match i32::from(protocol) {
        libc::IPPROTO_TCP => "TCP",
        libc::IPPROTO_UDP => "UDP",
        _ => "SCTP",
    }
}

fn taken(port: &HostPort, owner: &Path) -> Error {
    let pod = atomic::read_json::<Intent>(&owner.join("intent.json")).ok().flatten();
    let pod = pod.map_or_else(|| owner.display().to_string(), |i| format!("pod {} of namespace {}", i.name, i.namespace));
    let protocol = word(port.protocol);
    let at = port.host.map_or(String::new(), |h| format!("{h}:"));
    let mut error =
        Error::new(Code::FailedPrecondition, format!("the host's port {at}{}/{protocol} is taken by {pod}", port.port));
    error.field = "hostPort".into();
    error
}

/// Takes the interface and the host ports away; the addresses stay. What is gone already is fine.
pub fn detach(record: &Record, pause: Option<i32>) -> Result<()> {
    if let Some(made) = &record.cni {
        return Ok(made.undo(pause)?);
    }
    if !record.host_ports.is_empty() {
        let mut filter = Socket::netfilter()?;
        for port in &record.host_ports {
            nft::remove(&mut filter, &record.bridge, port)?;
        }
    }
    Ok(link::delete(&mut Socket::route()?, &record.port)?)
}

/// Gives back the addresses of a sandbox, on whatever bridge they are: where its record cannot be read, or is of another boot. Its
/// interface went with its pause.
pub fn give_back(sandbox: &Sandbox, state: &Path) -> Result<()> {
    let folders = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).collect::<Vec<_>>();
    for folder in folders(&state.join("network")).iter().flat_map(|bridge| folders(bridge)).filter(|boot| boot.is_dir()) {
        Leases { folder }.give_back(&[], &sandbox.dir)?;
    }
    Ok(())
}

/// Takes all back that a sandbox has of the network.
pub fn undo(sandbox: &Sandbox, intent: &Intent) -> Result<()> {
    if intent.boot_id != store::process::boot_id() {
        return give_back(sandbox, &intent.roots.state);
    }
    // Interfaces and tables are those of the namespace that it was made in; from another one nothing of them is seen, and the
    // interface goes with the pod's.
    let here = store::process::namespace(store::Process::current().pid, "net") == intent.view.get("net").copied();
    let record = Record::load(sandbox).ok().flatten();
    if let Some(made) = record.as_ref().and_then(|r| r.cni.as_ref()) {
        if here {
            made.undo(None)?;
        }
        return Ok(());
    }
    if let Some(record) = &record {
        if here {
            detach(record, None)?;
        }
        return Ok(Leases { folder: record.leases.clone() }.give_back(&record.addresses, &sandbox.dir)?);
    }
    // Killed before it could say what it has: the leases themselves do.
    let spec = atomic::read_json::<PodSpec>(&sandbox.dir.join("pod.json")).ok().flatten();
    let network = spec.map(|s| s.sandbox.network).filter(|n| n.mode == NetworkMode::Bridge);
    if let Some(network) = network.filter(|_| here)
        && let Some(leases) = bridge::leases(&mut Socket::route()?, &network.config.bridge)?
    {
        leases.give_back(&[], &sandbox.dir)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_port_is_for_the_addresses_of_its_family() {
        let ips: Vec<IpAddr> = ["10.61.0.5", "fd70::5"].map(|a| a.parse().unwrap()).into();
        for (host, want) in [
            (None, vec![(None, 0), (None, 1)]),
            (Some("0.0.0.0"), vec![(None, 0)]),
            (Some("::"), vec![(None, 1)]),
            (Some("192.0.2.1"), vec![(Some("192.0.2.1"), 0)]),
            (Some("127.0.0.1"), vec![]),
            (Some("::1"), vec![]),
        ] {
            let port = PortSpec { host_ip: host.map(|h| h.parse().unwrap()), host_port: 80, container_port: 8080, protocol: 6 };
            let got: Vec<_> = host_ports(&[port], &ips).into_iter().map(|p| (p.host, p.to)).collect();
            let want: Vec<_> =
                want.into_iter().map(|(h, i): (Option<&str>, usize)| (h.map(|h| h.parse().unwrap()), ips[i])).collect();
            assert_eq!(got, want, "{host:?}");
        }
    }
}
