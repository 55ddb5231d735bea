//! Interfaces, addresses and routes: rtnetlink(7).

use super::socket::{ACK, CREATE, DUMP, EXCL, REQUEST, Socket};
use super::subnet::{Subnet, octets};
use super::wire::{self, Message};
use super::{Error, Result};
use crate::sys::Errno;
use std::net::IpAddr;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_PID: u16 = 19;
const IFLA_IFALIAS: u16 = 20;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_MODE: u16 = 4;
const VETH_INFO_PEER: u16 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u32 = 0x02;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;

const UP: u32 = libc::IFF_UP as u32;

/// Six bytes of an Ethernet address.
pub type Mac = [u8; 6];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub up: bool,
    pub mtu: u32,
    pub kind: String,
    pub alias: String,
}

/// struct ifinfomsg.
fn ifinfo(index: u32, up: bool) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    if up {
        bytes[8..12].copy_from_slice(&UP.to_ne_bytes());
        bytes[12..16].copy_from_slice(&UP.to_ne_bytes());
    }
    bytes
}

fn family(address: IpAddr) -> u8 {
    (if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}

/// The interface of this name; None where there is none.
pub fn find(socket: &mut Socket, name: &str) -> Result<Option<Link>> {
    let request = Message::new(RTM_GETLINK, REQUEST, &ifinfo(0, false)).text(IFLA_IFNAME, name);
    let mut found = None;
    let asked = socket.get(request, &format!("look for the interface {name}"), |reply| found = link(reply.body));
    match asked {
        Err(Error::Refused { errno: Errno::ENODEV, .. }) => Ok(None),
        Err(e) => Err(e),
        Ok(()) => Ok(found),
    }
}

/// All of this network namespace.
pub fn all(socket: &mut Socket) -> Result<Vec<Link>> {
    let mut list = Vec::new();
    let request = Message::new(RTM_GETLINK, REQUEST | DUMP, &ifinfo(0, false));
    socket.get(request, "list the interfaces", |reply| list.extend(link(reply.body)))?;
    Ok(list)
}

fn link(body: &[u8]) -> Option<Link> {
    let list = body.get(16..)?;
    let text = |kind| wire::attribute(list, kind).map(wire::text).unwrap_or_default();
    Some(Link {
        index: wire::u32_at(body, 4)?,
        name: text(IFLA_IFNAME),
        up: wire::u32_at(body, 8)? & UP != 0,
        mtu: wire::attribute(list, IFLA_MTU).and_then(|d| wire::u32_at(d, 0)).unwrap_or_default(),
        kind: wire::attribute(list, IFLA_LINKINFO)
            .and_then(|info| wire::attribute(info, IFLA_INFO_KIND))
            .map(wire::text)
            .unwrap_or_default(),
        alias: text(IFLA_IFALIAS),
    })
}

/// A bridge, down, with an address of its own (it would take its ports' and change with them), an alias that says whose it is, and
/// its IP addresses: one datagram, and by an index that nobody else has, so that there is none without, and no other gets them.
pub fn new_bridge(socket: &mut Socket, name: &str, mac: Mac, alias: &str, subnets: &[Subnet]) -> Result<u32> {
    let (_, nanos) = crate::sys::event::wall();
    let index = (1 << 20) + ((nanos ^ std::process::id().rotate_left(12)) & 0xf_ffff);
    let words = format!("make the bridge {name}");
    let make = Message::new(RTM_NEWLINK, REQUEST | ACK | CREATE | EXCL, &ifinfo(index, false))
        .text(IFLA_IFNAME, name)
        .put(IFLA_ADDRESS, &mac);
    let make = make.nest(IFLA_LINKINFO, |m| m.put(IFLA_INFO_KIND, b"bridge"));
    let set = Message::new(RTM_SETLINK, REQUEST | ACK, &ifinfo(index, false)).put(IFLA_IFALIAS, alias.as_bytes());
    let mut requests = vec![(make, words.clone()), (set, words)];
    requests.extend(subnets.iter().map(|s| address(index, s.gateway(), s.prefix())));
    socket.ask_all(requests).map(|()| index)
}

pub fn set_up(socket: &mut Socket, index: u32) -> Result<()> {
    socket.ask_all(vec![up(index)])
}

pub fn up(index: u32) -> (Message, String) {
    (Message::new(RTM_SETLINK, REQUEST | ACK, &ifinfo(index, true)), format!("set interface {index} up"))
}

/// What is gone already is fine.
pub fn delete(socket: &mut Socket, name: &str) -> Result<()> {
    let request = Message::new(RTM_DELLINK, REQUEST | ACK, &ifinfo(0, false)).text(IFLA_IFNAME, name);
    match socket.ask_all(vec![(request, format!("remove the interface {name}"))]) {
        Err(Error::Refused { errno: Errno::ENODEV, .. }) => Ok(()),
        other => other,
    }
}

/// A pair of which one end is a port of a bridge and the other another network namespace's.
#[derive(Debug, Clone)]
pub struct Veth<'a> {
    pub name: &'a str,
    pub bridge: u32,
    pub peer: &'a str,
    /// A process of the peer's namespace.
    pub pid: i32,
    pub mac: Mac,
    pub mtu: Option<u32>,
}

/// Makes the pair in one request, this end up; the peer is born where it belongs, and down, since it has no other end yet.
pub fn new_veth(socket: &mut Socket, veth: &Veth) -> Result<()> {
    let mtu = |m: Message| match veth.mtu {
        Some(mtu) => m.u32(IFLA_MTU, mtu),
        None => m,
    };
    let peer = |m: Message| {
        mtu(m
            .raw(&ifinfo(0, false))
            .text(IFLA_IFNAME, veth.peer)
            .put(IFLA_ADDRESS, &veth.mac)
            .u32(IFLA_NET_NS_PID, veth.pid as u32))
    };
    let request = Message::new(RTM_NEWLINK, REQUEST | ACK | CREATE | EXCL, &ifinfo(0, true))
        .text(IFLA_IFNAME, veth.name)
        .u32(IFLA_MASTER, veth.bridge);
    let request = mtu(request)
        .nest(IFLA_LINKINFO, |m| m.put(IFLA_INFO_KIND, b"veth").nest(IFLA_INFO_DATA, |m| m.nest(VETH_INFO_PEER, peer)));
    // A pod that asks for itself by a host port: where the bridge hands its frames to the firewall (br_netfilter) they leave by the
    // port that they came in by.
    let hairpin =
        Message::new(RTM_NEWLINK, REQUEST | ACK, &ifinfo(0, false)).text(IFLA_IFNAME, veth.name).nest(IFLA_LINKINFO, |m| {
            m.put(IFLA_INFO_SLAVE_KIND, b"bridge").nest(IFLA_INFO_SLAVE_DATA, |m| m.put(IFLA_BRPORT_MODE, &[1]))
        });
    let words = format!("make the interface {}", veth.name);
    socket.ask_all(vec![(request, words.clone()), (hairpin, words)])
}

/// An address of an interface, usable at once: nobody else can have it, so nobody is asked (RFC 4862, 5.4, is for others).
pub fn address(index: u32, address: IpAddr, prefix: u8) -> (Message, String) {
    let mut header = [0; 8];
    header[0] = family(address);
    header[1] = prefix;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    let bytes = octets(address);
    let mut message = Message::new(RTM_NEWADDR, REQUEST | ACK | CREATE | EXCL, &header);
    if address.is_ipv4() {
        message = message.put(IFA_LOCAL, &bytes);
    } else {
        message = message.u32(IFA_FLAGS, IFA_F_NODAD);
    }
    (message.put(IFA_ADDRESS, &bytes), format!("give interface {index} the address {address}/{prefix}"))
}

/// The way to everywhere else.
pub fn default_route(index: u32, gateway: IpAddr) -> (Message, String) {
    let mut header = [0; 12];
    header[0] = family(gateway);
    (header[4], header[5], header[7]) = (RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST);
    let message =
        Message::new(RTM_NEWROUTE, REQUEST | ACK | CREATE | EXCL, &header).u32(RTA_OIF, index).put(RTA_GATEWAY, &octets(gateway));
    (message, format!("route by {gateway}"))
}

/// A unicast route of the main table, but for default routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub to: Subnet,
    pub interface: u32,
}

pub fn routes(socket: &mut Socket, v4: bool) -> Result<Vec<Route>> {
    let mut header = [0; 12];
    header[0] = (if v4 { libc::AF_INET } else { libc::AF_INET6 }) as u8;
    let mut list = Vec::new();
    socket.get(Message::new(RTM_GETROUTE, REQUEST | DUMP, &header), "list the routes", |reply| list.extend(route(reply.body)))?;
    Ok(list)
}

fn route(body: &[u8]) -> Option<Route> {
    let (&prefix, &table, &kind) = (body.get(1)?, body.get(4)?, body.get(7)?);
    let list = body.get(12..)?;
    let to = wire::attribute(list, RTA_DST)?;
    if table != RT_TABLE_MAIN || kind != RTN_UNICAST || prefix == 0 {
        return None;
    }
    let address: IpAddr = match to.len() {
        4 => <[u8; 4]>::try_from(to).ok()?.into(),
        _ => <[u8; 16]>::try_from(to).ok()?.into(),
    };
    let interface = wire::attribute(list, RTA_OIF).and_then(|d| wire::u32_at(d, 0)).unwrap_or_default();
    Some(Route { to: Subnet::new(address, prefix).ok()?, interface })
}
