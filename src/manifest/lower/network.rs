//! The pod's names and where it asks for others'. Source: Kubernetes, "DNS for Services and Pods".

use crate::pod::spec::{Dns, HostAlias};
use k8s_openapi::api::core::v1::PodSpec;

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
