//! hostname, subdomain, hostAliases, dnsConfig: what becomes /etc/hosts and /etc/resolv.conf.

use super::super::annotations;
use super::super::error::quoted;
use super::super::lower::network;
use super::super::names;
use super::Check;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use std::net::IpAddr;

/// Kubernetes' bounds (MaxDNSNameservers, MaxDNSSearchPaths, MaxDNSSearchListChars).
const MAX_SERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_BYTES: usize = 2048;
/// sethostname(2).
const MAX_HOSTNAME: usize = 64;

pub fn check(check: &mut Check<'_, '_, '_>, spec: &PodSpec) {
    for (field, name) in [("spec.hostname", &spec.hostname), ("spec.subdomain", &spec.subdomain)] {
        if let Some(name) = name.as_deref().filter(|n| !n.is_empty()) {
            check.text(field, &field["spec.".len()..], name, names::label);
        }
    }
    // The name stands for one whose length is not known here; the longest part of it is the domain.
    let (name, namespace) =
        (check.root.get("metadata").and_then(|m| m.get("name")), check.root.get("metadata").and_then(|m| m.get("namespace")));
    let text = |n: Option<&super::Node<'_>>, or: &str| n.and_then(|n| n.as_str()).unwrap_or(or).to_owned();
    let full = network::hostname(spec, &text(name, "x"), &text(namespace, "default"));
    if full.len() > MAX_HOSTNAME {
        let problem = format!("the full name is too long (got {} characters, want at most {MAX_HOSTNAME})", full.len());
        check.error("spec.setHostnameAsFQDN", problem);
    }
    for (i, alias) in spec.host_aliases.iter().flatten().enumerate() {
        let at = format!("spec.hostAliases[{i}]");
        address(check, &alias.ip, &format!("{at}.ip"));
        for (j, name) in alias.hostnames.iter().flatten().enumerate() {
            check.text(&format!("{at}.hostnames[{j}]"), "hostname", name, names::subdomain);
        }
    }
    let config = spec.dns_config.clone().unwrap_or_default();
    let servers = config.nameservers.unwrap_or_default();
    const AT: &str = "spec.dnsConfig";
    if servers.len() > MAX_SERVERS {
        check.error(&format!("{AT}.nameservers"), format!("too many (got {}, want at most {MAX_SERVERS})", servers.len()));
    }
    if spec.dns_policy.as_deref() == Some("None") && servers.is_empty() {
        check.error("spec.dnsPolicy", "None needs at least one of spec.dnsConfig.nameservers");
    }
    for (i, server) in servers.iter().enumerate() {
        address(check, server, &format!("{AT}.nameservers[{i}]"));
    }
    let searches = config.searches.unwrap_or_default();
    if searches.len() > MAX_SEARCHES || searches.join(" ").len() > MAX_SEARCH_BYTES {
        let problem = format!("too many (got {}, want at most {MAX_SEARCHES} of {MAX_SEARCH_BYTES} characters)", searches.len());
        check.error(&format!("{AT}.searches"), problem);
    }
    for (i, search) in searches.iter().enumerate().filter(|(_, s)| *s != ".") {
        check.text(&format!("{AT}.searches[{i}]"), "search domain", search.strip_suffix('.').unwrap_or(search), names::subdomain);
    }
    for (i, option) in config.options.iter().flatten().enumerate() {
        for (field, text) in [("name", &option.name), ("value", &option.value)] {
            let text = text.as_deref().unwrap_or_default();
            if text.bytes().any(|c| !c.is_ascii_graphic()) {
                check.error(
                    &format!("{AT}.options[{i}].{field}"),
                    format!("not an option of resolv.conf(5) (got {})", quoted(text)),
                );
            }
        }
    }
}

/// The network that annotations ask for, and what cannot be with it.
pub fn check_mode(check: &mut Check<'_, '_, '_>, pod: &Pod, spec: &PodSpec) {
    let said = |key: &str| pod.metadata.annotations.as_ref().and_then(|a| a.get(key)).map(String::as_str);
    let field = |key: &str| format!("metadata.annotations[{}]", key.escape_debug());
    let host = spec.host_network == Some(true);
    let mode = said(annotations::NETWORK);
    match mode {
        Some("host") if !host => check.error(&field(annotations::NETWORK), "host needs spec.hostNetwork: true"),
        Some(other) if host && other != "host" => {
            check.error(&field(annotations::NETWORK), "cannot be together with spec.hostNetwork: true (want host, or nothing)");
        }
        _ => {}
    }
    for key in [annotations::INGRESS, annotations::EGRESS] {
        match said(key).map(|value| (value, annotations::bandwidth(value))) {
            Some((value, Err(want))) => check.error(&field(key), format!("not valid (got {}, want {want})", quoted(value))),
            Some(_) if host || mode == Some("none") => check.warn(&field(key), "no effect: the pod has no interface of its own"),
            _ => {}
        }
    }
    if host || mode == Some("none") {
        for key in [annotations::IP, annotations::MAC, annotations::MTU] {
            if said(key).is_some() {
                check.error(&field(key), "the pod has no interface of its own to give it to");
            }
        }
    }
}

fn address(check: &mut Check<'_, '_, '_>, text: &str, field: &str) {
    if text.parse::<IpAddr>().is_err() {
        check.error(field, format!("not an IP address (got {})", quoted(text)));
    }
}
