//! The pod's names and where it asks for others'. Source: Kubernetes, "DNS for Services and Pods".

use super::super::annotations;
use super::{annotation, downward};
use crate::net::bridge;
use crate::pod::spec::{CniSpec, Dns, HostAlias, NetworkMode, NetworkSpec, PortSpec};
use k8s_openapi::api::core::v1::{ContainerPort, Pod, PodSpec};

/// What a pod gets whose manifest says nothing of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Network {
    pub mode: NetworkMode,
    pub config: bridge::Config,
    pub cni: CniSpec,
}

/// The pod's network, by its annotations and its containers' ports.
pub fn network(pod: &Pod, spec: &PodSpec, defaults: &Network) -> NetworkSpec {
    let host = spec.host_network == Some(true);
    let mode = match annotation(pod, annotations::NETWORK) {
        _ if host => NetworkMode::None,
        Some("none" | "host") => NetworkMode::None,
        Some(value) if annotations::cni(value).is_some() => NetworkMode::Cni,
        Some(_) => NetworkMode::Bridge,
        None => defaults.mode,
    };
    let mut config = defaults.config.clone();
    config.mtu = annotation(pod, annotations::MTU).and_then(|v| annotations::mtu(v).ok()).or(config.mtu);
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let ports = containers.flat_map(|c| c.ports.iter().flatten()).filter_map(port);
    let mut cni = defaults.cni.clone();
    if let Some(named) = annotation(pod, annotations::NETWORK).and_then(annotations::cni) {
        cni.network = named.or(cni.network);
    }
    NetworkSpec {
        mode,
        cni,
        config,
        host_ips: downward::host_ips().iter().map(ToString::to_string).collect(),
        addresses: annotation(pod, annotations::IP).and_then(|v| annotations::ips(v).ok()).unwrap_or_default(),
        mac: annotation(pod, annotations::MAC).and_then(|v| annotations::mac(v).ok()),
        ingress: annotation(pod, annotations::INGRESS).and_then(|v| annotations::bandwidth(v).ok()),
        egress: annotation(pod, annotations::EGRESS).and_then(|v| annotations::bandwidth(v).ok()),
        ports: if host { Vec::new() } else { ports.collect() },
    }
}

fn port(port: &ContainerPort) -> Option<PortSpec> {
    let protocol = match port.protocol.as_deref() {
        Some("UDP") => libc::IPPROTO_UDP,
        Some("SCTP") => libc::IPPROTO_SCTP,
        _ => libc::IPPROTO_TCP,
    };
    Some(PortSpec {
        host_ip: port.host_ip.as_deref().and_then(|ip| ip.parse().ok()),
        host_port: port.host_port.filter(|p| *p > 0)?.try_into().ok()?,
        container_port: port.container_port.try_into().ok()?,
        protocol: protocol as u8,
    })
}

/// A hostname longer than this is cut, as the kubelet cuts it.
const MAX_HOSTNAME: usize = 63;

/// spec.hostname, or the pod's name; with setHostnameAsFQDN the full name.
pub fn hostname(spec: &PodSpec, name: &str, namespace: &str) -> String {
    let hostname = spec.hostname.as_deref().filter(|h| !h.is_empty()).unwrap_or(name);
    let short = hostname.get(..MAX_HOSTNAME).unwrap_or(hostname).trim_end_matches(['-', '.']);
    match domain(spec, namespace) {
        domain if spec.set_hostname_as_fqdn == Some(true) && !domain.is_empty() => format!("{short}.{domain}"),
        _ => short.to_owned(),
    }
}

/// Empty without a subdomain: then the hostname is the full name.
pub fn domain(spec: &PodSpec, namespace: &str) -> String {
    let subdomain = spec.subdomain.as_deref().filter(|s| !s.is_empty());
    subdomain.map(|s| format!("{s}.{namespace}.svc.cluster.local")).unwrap_or_default()
}

pub fn aliases(spec: &PodSpec) -> Vec<HostAlias> {
    let alias = |a: &k8s_openapi::api::core::v1::HostAlias| HostAlias {
        ip: a.ip.clone(),
        names: a.hostnames.clone().unwrap_or_default(),
    };
    spec.host_aliases.iter().flatten().map(alias).collect()
}

/// There is no cluster's DNS: ClusterFirst is Default, as the kubelet has it then.
pub fn dns(spec: &PodSpec) -> Dns {
    let config = spec.dns_config.clone().unwrap_or_default();
    let option = |o: k8s_openapi::api::core::v1::PodDNSConfigOption| {
        let name = o.name.unwrap_or_default();
        match o.value.filter(|v| !v.is_empty()) {
            Some(value) => format!("{name}:{value}"),
            None => name,
        }
    };
    Dns {
        own: spec.dns_policy.as_deref() == Some("None"),
        nameservers: config.nameservers.unwrap_or_default(),
        searches: config.searches.unwrap_or_default(),
        options: config.options.into_iter().flatten().map(option).collect(),
    }
}
