//! What podrt reads from annotations; the list is complete.

use super::quantity::Quantity;
use crate::cgroup::IoLimit;
use std::net::IpAddr;

pub const DOMAIN: &str = "podrt.io/";
/// `overlay` (default) or `direct`: the bundle's rootfs itself, with nothing laid over it.
pub const ROOTFS: &str = "podrt.io/rootfs";
/// Lines of io.max for the pod's cgroup, `8:0 rbps=1048576 wiops=100`; between several a line end or `;`.
pub const IO_MAX: &str = "podrt.io/io.max";
/// The longest wait between two restarts of a container, `1s` to `300s`: the kubelet's crashLoopBackOff.maxContainerRestartPeriod.
pub const RESTART_PERIOD: &str = "podrt.io/max-container-restart-period";

/// Whole seconds.
pub fn restart_period(value: &str) -> Option<u64> {
    let digits = value.strip_suffix('s').filter(|d| d.bytes().all(|c| c.is_ascii_digit()))?;
    digits.parse().ok().filter(|n| (1..=300).contains(n))
}

/// podrt's own mark: the file that an applied pod came from. Taken from a dump without a word, and written anew.
pub const APPLIED_FROM: &str = "podrt.io/applied-from";
/// kubectl's mark: what was applied last, as JSON. Taken from a dump without a word, and written anew.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// `podrt0` (podrt's bridge, whatever its name), `none` (loopback alone), `cni` (a CNI network); `host` says what spec.hostNetwork has said.
pub const NETWORK: &str = "podrt.io/network";
pub const NETWORKS: &[&str] = &["podrt0", "none", "host", "cni", "cni/NAME"];

/// `cni` and `cni/NAME`: the network of a CNI folder, by its name or the first.
pub fn cni(value: &str) -> Option<Option<String>> {
    match value.strip_prefix("cni/") {
        None => (value == "cni").then_some(None),
        Some(name) => Some(Some(name.to_owned())),
    }
}
/// Addresses that the pod is to have, of the pods' subnets, with a comma between two.
pub const IP: &str = "podrt.io/ip";
/// The Ethernet address of its interface.
pub const MAC: &str = "podrt.io/mac";
/// Bytes of a packet on its interface.
pub const MTU: &str = "podrt.io/mtu";

/// # Errors
/// What was expected.
pub fn ips(value: &str) -> Result<Vec<IpAddr>, &'static str> {
    const WANT: &str = "one address of each family at most, with a comma between two";
    let list = value.split(',').map(|a| a.trim().parse::<IpAddr>()).collect::<Result<Vec<_>, _>>().map_err(|_| WANT)?;
    let of = |v4| list.iter().filter(|a| a.is_ipv4() == v4).count();
    if of(true) > 1 || of(false) > 1 { Err(WANT) } else { Ok(list) }
}

/// # Errors
/// What was expected.
pub fn mac(value: &str) -> Result<[u8; 6], &'static str> {
    const WANT: &str = "six bytes in hex such as 0a:58:0a:3d:00:4d, of a single host (the first byte even), not all zero";
    let byte = |part: &str| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok()).flatten();
    let bytes: Option<Vec<u8>> = value.split(':').map(byte).collect();
    let mac: [u8; 6] = bytes.and_then(|b| b.try_into().ok()).ok_or(WANT)?;
    if mac[0] & 1 == 1 || mac == [0; 6] { Err(WANT) } else { Ok(mac) }
}

/// Kubernetes' own: bits a second to the pod, and from it.
pub const INGRESS: &str = "kubernetes.io/ingress-bandwidth";
pub const EGRESS: &str = "kubernetes.io/egress-bandwidth";

/// # Errors
/// What was expected; the bounds are the kubelet's (pkg/util/bandwidth).
pub fn bandwidth(value: &str) -> Result<u64, &'static str> {
    let bits = Quantity::parse(value).ok().filter(|q| q.is_whole()).map(Quantity::value);
    bits.filter(|b| (1_000..=1_000_000_000_000_000).contains(b))
        .map(|b| b as u64)
        .ok_or("bits a second from 1k to 1P, such as 10M")
}

/// # Errors
/// What was expected. The bounds are IPv6's least and Ethernet's most.
pub fn mtu(value: &str) -> Result<u32, &'static str> {
    value.parse().ok().filter(|n| (1280..=65535).contains(n)).ok_or("a number from 1280 to 65535")
}

/// # Errors
/// What is wrong with the first line that is none.
pub fn io_max(value: &str) -> Result<Vec<IoLimit>, String> {
    let lines: Vec<&str> = value.split(['\n', ';']).map(str::trim).filter(|l| !l.is_empty()).collect();
    if lines.is_empty() {
        return Err("empty, want MAJOR:MINOR KEY=VALUE ...".to_owned());
    }
    lines.into_iter().map(IoLimit::parse).collect()
}
