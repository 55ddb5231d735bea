//! The downward API: a pod's own fields and resources as texts.
//!
//! Source: Kubernetes, "Downward API" and "Expose Pod Information to Containers"; pkg/fieldpath, pkg/api/v1/resource.

use super::super::quantity::Quantity;
use super::super::resources::{all_containers, limits, requests};
use super::Host;
use crate::pod::spec::{LATE_POD_IP, LATE_POD_IPS};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceFieldSelector};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, UdpSocket};

/// What env alone may name.
pub const ENV_PATHS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels['KEY']",
    "metadata.annotations['KEY']",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

pub const VOLUME_PATHS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
    "metadata.labels['KEY']",
    "metadata.annotations['KEY']",
];

/// `metadata.labels['a.b/c']` to `metadata.labels['KEY']` and `a.b/c`; another path is itself, with no key.
pub fn split(path: &str) -> (String, Option<&str>) {
    match path.strip_suffix("']").and_then(|p| p.split_once("['")) {
        Some((start, key)) => (format!("{start}['KEY']"), Some(key)),
        None => (path.to_owned(), None),
    }
}

/// The text at `path`; what is not set is empty. A pod's addresses are not known yet: they are [`LATE_POD_IP`].
pub fn field(pod: &Pod, path: &str) -> String {
    let meta = &pod.metadata;
    let entry = |map: &Option<BTreeMap<String, String>>, key: Option<&str>| {
        key.and_then(|key| map.as_ref()?.get(key).cloned()).unwrap_or_default()
    };
    let spec = pod.spec.as_ref();
    let (shape, key) = split(path);
    match shape.as_str() {
        "metadata.name" => meta.name.clone().unwrap_or_default(),
        "metadata.namespace" => meta.namespace.clone().unwrap_or_default(),
        "metadata.uid" => meta.uid.clone().unwrap_or_default(),
        "metadata.labels" => lines(meta.labels.as_ref()),
        "metadata.annotations" => lines(meta.annotations.as_ref()),
        "metadata.labels['KEY']" => entry(&meta.labels, key),
        "metadata.annotations['KEY']" => entry(&meta.annotations, key),
        "spec.nodeName" => node_name(),
        "spec.serviceAccountName" => {
            let named = spec.and_then(|s| s.service_account_name.clone().or_else(|| s.service_account.clone()));
            named.filter(|n| !n.is_empty()).unwrap_or_else(|| "default".to_owned())
        }
        "status.podIP" if spec.is_some_and(|s| s.host_network == Some(true)) => host_ip(),
        "status.podIPs" if spec.is_some_and(|s| s.host_network == Some(true)) => all_host_ips(),
        "status.hostIP" => host_ip(),
        "status.hostIPs" => all_host_ips(),
        "status.podIP" => LATE_POD_IP.to_owned(),
        "status.podIPs" => LATE_POD_IPS.to_owned(),
        _ => String::new(),
    }
}

/// One `key="value"` a line, by key, quoted as Go quotes (%q).
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let mut out = String::new();
    for (key, value) in map.into_iter().flatten() {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = write!(out, "{key}=\"");
        for c in value.chars() {
            let _ = match c {
                '"' => write!(out, "\\\""),
                '\\' => write!(out, "\\\\"),
                '\n' => write!(out, "\\n"),
                '\r' => write!(out, "\\r"),
                '\t' => write!(out, "\\t"),
                c if c.is_control() && (c as u32) < 0x80 => write!(out, "\\x{:02x}", c as u32),
                c if c.is_control() => write!(out, "\\u{:04x}", c as u32),
                c => write!(out, "{c}"),
            };
        }
        out.push('"');
    }
    out
}

/// The one node's name: the host's, as a kubelet takes it.
pub fn node_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_lowercase()
}

/// The host's addresses towards the world, one of each family that has a route; no packet is sent. 127.0.0.1 where there is none.
#[allow(clippy::disallowed_methods)] // An address, no name.
pub fn host_ips() -> Vec<IpAddr> {
    // TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849): addresses that are nobody's.
    let local = |from: &str, to: &str| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    };
    let found: Vec<IpAddr> =
        [local("0.0.0.0:0", "192.0.2.1:9"), local("[::]:0", "[2001:db8::1]:9")].into_iter().flatten().collect();
    if found.is_empty() { vec![IpAddr::from([127, 0, 0, 1])] } else { found }
}

fn all_host_ips() -> String {
    host_ips().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn host_ip() -> String {
    host_ips()[0].to_string()
}

/// The container that a resourceFieldRef names, or `own`.
pub fn container<'p>(spec: &'p PodSpec, selector: &ResourceFieldSelector, own: Option<&'p Container>) -> Option<&'p Container> {
    match selector.container_name.as_deref().filter(|n| !n.is_empty()) {
        Some(name) => all_containers(spec).find(|c| c.name == name),
        None => own,
    }
}

/// limits.cpu and the like in units of the divisor, rounded up. A limit that is not set is the host's own amount.
pub fn resource(container: &Container, selector: &ResourceFieldSelector, host: &Host<'_>) -> String {
    let (side, name) = selector.resource.split_once('.').unwrap_or_default();
    let amounts = if side == "limits" { limits } else { requests }(container.resources.as_ref());
    let amount = amounts.get(name).copied().filter(|q| !q.is_zero()).unwrap_or_else(|| match (side, name) {
        ("limits", "cpu") => Quantity::whole(host_cpus()),
        ("limits", "memory") => Quantity::whole(i64::try_from(host.memory).unwrap_or(i64::MAX)),
        _ => Quantity::default(),
    });
    let divisor = selector.divisor.as_ref().and_then(|d| Quantity::parse(&d.0).ok()).filter(|d| !d.is_zero());
    amount.divided(divisor.unwrap_or_else(|| Quantity::whole(1))).to_string()
}

fn host_cpus() -> i64 {
    use nix::unistd::{SysconfVar, sysconf};
    sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_lines_of_quoted_values_by_key() {
        let map = [("b", "two \"2\""), ("a", "x\ny\\"), ("c", "\u{1}")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(lines(Some(&map)), "a=\"x\\ny\\\\\"\nb=\"two \\\"2\\\"\"\nc=\"\\x01\"");
        assert_eq!(lines(None), "");
    }

    #[test]
    fn a_path_may_end_in_a_key() {
        assert_eq!(split("metadata.labels['a.b/c']"), ("metadata.labels['KEY']".to_owned(), Some("a.b/c")));
        assert_eq!(split("metadata.name"), ("metadata.name".to_owned(), None));
    }
}
