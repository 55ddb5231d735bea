//! podrt's table of nftables, named as its bridge: pods reach the outside under the host's address, and host ports reach pods.
//! Source: linux/netfilter/nf_tables.h; nft(8) for what the rules mean.
//!
//! ```text
//! table inet podrt0 {
//!     map any4 { PROTOCOL . PORT : ADDRESS . PORT }            host ports on every address of the host's
//!     map at4 { ADDRESS . PROTOCOL . PORT : ADDRESS . PORT }   those of one address; any6 and at6 for IPv6
//!     chain prerouting { type nat hook prerouting priority dstnat
//!         fib daddr type local dnat ip to meta l4proto . th dport map @any4
//!         dnat ip to ip daddr . meta l4proto . th dport map @at4 ... }
//!     chain output { the same for the host's own connections, but for those to its loopback }
//!     chain postrouting { type nat hook postrouting priority srcnat
//!         ip saddr PODS ip daddr != PODS masquerade
//!         ip saddr PODS ip daddr PODS ct status dnat masquerade   a pod that asks for itself or another by a host port }
//! }
//! ```
//! A host port is an element of a map: added or refused, and taken away, by its key alone.

use super::socket::{ACK, APPEND, CREATE, DUMP, EXCL, REQUEST, Socket};
use super::subnet::{Subnet, octets};
use super::wire::{self, Message};
use super::{Error, Result};
use crate::sys::{Errno, netlink};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// NFNL_SUBSYS_NFTABLES in the upper byte.
const NFT: u16 = 10 << 8;
const NEW_TABLE: u16 = NFT;
const DEL_TABLE: u16 = NFT | 2;
const NEW_CHAIN: u16 = NFT | 3;
const DEL_CHAIN: u16 = NFT | 5;
const NEW_RULE: u16 = NFT | 6;
const GET_RULE: u16 = NFT | 7;
const DEL_RULE: u16 = NFT | 8;
const NEW_SET: u16 = NFT | 9;
const NEW_ELEMENT: u16 = NFT | 12;
const GET_ELEMENT: u16 = NFT | 13;
const DEL_ELEMENT: u16 = NFT | 14;

const INET: u8 = 1;
const V4: u8 = 2;
const V6: u8 = 10;
const MAP: u32 = 0x8;
/// NFTA_LIST_ELEM.
const ELEMENT: u16 = 1;
/// NFTA_DATA_VALUE.
const VALUE: u16 = 1;
/// NFT_REG32_00 and its followers, four bytes each.
const REGISTER: u32 = 8;

const HOOK_PREROUTING: u32 = 0;
const HOOK_OUTPUT: u32 = 3;
const HOOK_POSTROUTING: u32 = 4;
/// NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC.
const DSTNAT: i32 = -100;
const SRCNAT: i32 = 100;
/// IPS_DST_NAT.
const STATUS_DNAT: u32 = 1 << 5;
/// RTN_LOCAL.
const LOCAL: u32 = 2;

/// A port of the host's that is a pod's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort {
    /// None is every address of the host's of the family of `to`.
    pub host: Option<IpAddr>,
    /// IPPROTO_*.
    pub protocol: u8,
    pub port: u16,
    pub to: IpAddr,
    pub to_port: u16,
}

fn message(kind: u16, flags: u16, family: u8) -> Message {
    Message::new(kind, REQUEST | flags, &[family, 0, 0, 0])
}

/// Between the messages that begin and end a batch.
fn batch(mut messages: Vec<Message>) -> Vec<Message> {
    let edge = |kind| Message::new(kind, REQUEST, &[0, 0, 0, 10]);
    messages.insert(0, edge(BATCH_BEGIN));
    messages.push(edge(BATCH_END));
    messages
}

/// One expression of a rule.
fn expression(m: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    m.nest(ELEMENT, |m| m.text(1, name).nest(2, data))
}

fn meta(m: Message, key: u32, register: u32) -> Message {
    expression(m, "meta", |m| m.be32(1, register).be32(2, key))
}

fn equals(m: Message, register: u32, not: bool, value: &[u8]) -> Message {
    expression(m, "cmp", |m| m.be32(1, register).be32(2, not.into()).nest(3, |m| m.put(VALUE, value)))
}

/// `base` 1 is the network header, 2 the transport's; bytes.
fn payload(m: Message, base: u32, offset: u32, length: u32, register: u32) -> Message {
    expression(m, "payload", |m| m.be32(1, register).be32(2, base).be32(3, offset).be32(4, length))
}

fn masked(m: Message, register: u32, mask: &[u8]) -> Message {
    let length = mask.len() as u32;
    let zero = vec![0; mask.len()];
    expression(m, "bitwise", |m| {
        m.be32(1, register).be32(2, register).be32(3, length).nest(4, |m| m.put(VALUE, mask)).nest(5, |m| m.put(VALUE, &zero))
    })
}

/// NFT_META_NFPROTO.
fn family_is(m: Message, family: u8) -> Message {
    equals(meta(m, 15, REGISTER), REGISTER, false, &[family])
}

fn family_of(v4: bool) -> u8 {
    if v4 { V4 } else { V6 }
}

/// Offset of (source, destination) in the network header, and their length.
fn places(v4: bool) -> (u32, u32, u32) {
    if v4 { (12, 16, 4) } else { (8, 24, 16) }
}

fn in_subnet(m: Message, subnet: &Subnet, source: bool, not: bool) -> Message {
    let (from, to, length) = places(subnet.is_v4());
    let m = payload(m, 1, if source { from } else { to }, length, REGISTER);
    equals(masked(m, REGISTER, &subnet.mask()), REGISTER, not, &octets(subnet.base()))
}

/// A chain, and the expressions of a rule in it.
type Rule<'s> = (&'static str, Box<dyn Fn(Message) -> Message + 's>);

fn rules(subnets: &[Subnet]) -> Vec<Rule<'_>> {
    let mut list: Vec<Rule> = Vec::new();
    for subnet in subnets {
        let v4 = subnet.is_v4();
        let pods = move |m, not| in_subnet(in_subnet(family_is(m, family_of(v4)), subnet, true, false), subnet, false, not);
        let masquerade = |m| expression(m, "masq", |m| m);
        list.push(("postrouting", Box::new(move |m| masquerade(pods(m, true)))));
        list.push((
            "postrouting",
            Box::new(move |m| {
                // NFT_CT_STATUS.
                let m = expression(pods(m, false), "ct", |m| m.be32(1, REGISTER).be32(2, 2));
                masquerade(equals(masked(m, REGISTER, &STATUS_DNAT.to_ne_bytes()), REGISTER, true, &[0; 4]))
            }),
        ));
        for chain in ["prerouting", "output"] {
            for one_address in [false, true] {
                list.push((chain, Box::new(move |m| to_pod(m, v4, chain == "output", one_address))));
            }
        }
    }
    list
}

/// dnat by one of the maps.
fn to_pod(m: Message, v4: bool, own: bool, one_address: bool) -> Message {
    let (_, to, length) = places(v4);
    let mut m = family_is(m, family_of(v4));
    if own {
        // Loopback's addresses are the proxy's: a packet from there would leave the host with a source that nobody answers.
        let (mask, loopback): (Vec<u8>, Vec<u8>) = match v4 {
            true => (vec![255, 0, 0, 0], vec![127, 0, 0, 0]),
            false => (vec![255; 16], [vec![0; 15], vec![1]].concat()),
        };
        m = equals(masked(payload(m, 1, to, length, REGISTER), REGISTER, &mask), REGISTER, true, &loopback);
    }
    let mut at = REGISTER;
    if one_address {
        m = payload(m, 1, to, length, at);
        at += length / 4;
    } else {
        // NFT_FIB_RESULT_ADDRTYPE of NFTA_FIB_F_DADDR.
        m = expression(m, "fib", |m| m.be32(1, REGISTER).be32(2, 3).be32(3, 2));
        m = equals(m, REGISTER, false, &LOCAL.to_ne_bytes());
    }
    // NFT_META_L4PROTO; the destination port is the second of TCP's, UDP's and SCTP's header.
    m = payload(meta(m, 16, at), 2, 2, 2, at + 1);
    let map = map_name(v4, one_address);
    m = expression(m, "lookup", |m| m.text(1, map).be32(2, REGISTER).be32(3, REGISTER));
    expression(m, "nat", |m| m.be32(1, 1).be32(2, family_of(v4).into()).be32(3, REGISTER).be32(5, REGISTER + length / 4))
}

fn map_name(v4: bool, one_address: bool) -> &'static str {
    match (v4, one_address) {
        (true, false) => "any4",
        (false, false) => "any6",
        (true, true) => "at4",
        (false, true) => "at6",
    }
}

/// Installs the table, or makes it whole: what is in its maps stays.
pub fn install(socket: &mut Socket, table: &str, subnets: &[Subnet]) -> Result<()> {
    let mut list = vec![message(NEW_TABLE, CREATE, INET).text(1, table)];
    for (id, (v4, one)) in [(true, false), (true, true), (false, false), (false, true)].into_iter().enumerate() {
        let address = if v4 { 4 } else { 16 };
        let key = 8 + if one { address } else { 0 };
        list.push(
            message(NEW_SET, CREATE, INET)
                .text(1, table)
                .text(2, map_name(v4, one))
                .be32(3, MAP)
                // Types are for people's tools alone; lengths are what counts.
                .be32(4, 0)
                .be32(5, key)
                .be32(6, 0)
                .be32(7, address + 4)
                .be32(10, id as u32 + 1),
        );
    }
    for (name, hook, priority) in
        [("prerouting", HOOK_PREROUTING, DSTNAT), ("output", HOOK_OUTPUT, DSTNAT), ("postrouting", HOOK_POSTROUTING, SRCNAT)]
    {
        let hooked = |m: Message| m.be32(1, hook).be32(2, priority as u32);
        list.push(message(NEW_CHAIN, CREATE, INET).text(1, table).text(3, name).nest(4, hooked).text(7, "nat"));
        list.push(message(DEL_RULE, 0, INET).text(1, table).text(2, name));
    }
    let rules = rules(subnets);
    for (i, (chain, rule)) in rules.iter().enumerate() {
        let ack = if i + 1 == rules.len() { ACK } else { 0 };
        list.push(message(NEW_RULE, CREATE | APPEND | ack, INET).text(1, table).text(2, chain).nest(4, rule));
    }
    socket.batch(batch(list), &format!("make the nftables table {table}"))
}

/// All rules are there; a flushed firewall has none.
pub fn is_whole(socket: &mut Socket, table: &str, subnets: &[Subnet]) -> Result<bool> {
    let mut count = 0;
    let request = message(GET_RULE, DUMP, INET).text(1, table);
    match socket.get(request, "list the rules of nftables", |_| count += 1) {
        Err(Error::Refused { errno: Errno::ENOENT, .. }) => Ok(false),
        Err(e) => Err(e),
        Ok(()) => Ok(count == rules(subnets).len()),
    }
}

/// A socket that is readable when rules, chains or tables were taken away, whose ever: a firewall that is flushed takes podrt's too.
pub fn watch() -> Result<OwnedFd> {
    const NFNLGRP_NFTABLES: u32 = 7;
    let fd = netlink::open(libc::NETLINK_NETFILTER, 1 << (NFNLGRP_NFTABLES - 1))?;
    netlink::only(fd.as_fd(), &[DEL_TABLE, DEL_CHAIN, DEL_RULE])?;
    Ok(fd)
}

/// Takes what was said, so that the socket is no longer readable.
pub fn drain(watch: BorrowedFd) {
    let mut buffer = vec![0; 32 << 10];
    // What did not fit was said all the same.
    while !matches!(netlink::receive(watch, &mut buffer, false), Ok(None)) {}
}

/// What is gone already is fine.
pub fn delete(socket: &mut Socket, table: &str) -> Result<()> {
    let request = message(DEL_TABLE, ACK, INET).text(1, table);
    match socket.batch(batch(vec![request]), &format!("remove the nftables table {table}")) {
        Err(Error::Refused { errno: Errno::ENOENT, .. }) => Ok(()),
        other => other,
    }
}

fn key(port: &HostPort) -> Vec<u8> {
    let address = port.host.map(octets).unwrap_or_default();
    [address, vec![port.protocol, 0, 0, 0], port.port.to_be_bytes().to_vec(), vec![0, 0]].concat()
}

fn elements(kind: u16, flags: u16, table: &str, port: &HostPort, with_data: bool) -> Message {
    let value = [octets(port.to), port.to_port.to_be_bytes().to_vec(), vec![0, 0]].concat();
    message(kind, flags, INET).text(1, table).text(2, map_name(port.to.is_ipv4(), port.host.is_some())).nest(3, |m| {
        m.nest(ELEMENT, |m| {
            let m = m.nest(1, |m| m.put(VALUE, &key(port)));
            if with_data { m.nest(2, |m| m.put(VALUE, &value)) } else { m }
        })
    })
}

/// Adds host ports, all or none. Errors: [`Errno::EEXIST`] where one is taken.
pub fn add(socket: &mut Socket, table: &str, ports: &[HostPort]) -> Result<()> {
    let last = ports.len().saturating_sub(1);
    let one = |(i, p): (usize, &HostPort)| elements(NEW_ELEMENT, CREATE | EXCL | if i == last { ACK } else { 0 }, table, p, true);
    match ports.is_empty() {
        true => Ok(()),
        false => socket.batch(batch(ports.iter().enumerate().map(one).collect()), "add the host ports"),
    }
}

/// Takes a host port away, if it is the one of this pod. What is gone already is fine.
pub fn remove(socket: &mut Socket, table: &str, port: &HostPort) -> Result<()> {
    if holder(socket, table, port)?.is_none_or(|to| to != port.to) {
        return Ok(());
    }
    match socket.batch(batch(vec![elements(DEL_ELEMENT, ACK, table, port, false)]), "remove a host port") {
        Err(Error::Refused { errno: Errno::ENOENT, .. }) => Ok(()),
        other => other,
    }
}

/// The address of the pod that has a host port.
pub fn holder(socket: &mut Socket, table: &str, port: &HostPort) -> Result<Option<IpAddr>> {
    let mut found = None;
    let request = elements(GET_ELEMENT, 0, table, port, false);
    let asked = socket.get(request, "look for a host port", |reply| {
        let list = reply.body.get(4..).and_then(|b| wire::attribute(b, 3)).unwrap_or_default();
        let data = wire::attribute(list, ELEMENT).and_then(|e| wire::attribute(e, 2)).and_then(|d| wire::attribute(d, VALUE));
        found = data.and_then(|d| match port.to {
            IpAddr::V4(_) => <[u8; 4]>::try_from(d.get(..4)?).ok().map(IpAddr::from),
            IpAddr::V6(_) => <[u8; 16]>::try_from(d.get(..16)?).ok().map(IpAddr::from),
        });
    });
    match asked {
        Err(Error::Refused { errno: Errno::ENOENT, .. }) => Ok(None),
        Err(e) => Err(e),
        Ok(()) => Ok(found),
    }
}
