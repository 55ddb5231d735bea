//! Where a probe connects to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Whose network a connection is made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The pod's: the kubelet's own view of it, without a detour through the host's routes.
    Pod,
    /// The host's: `host:` names something that the node reaches.
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub place: Place,
    pub addr: SocketAddr,
    /// As a URL writes the host, without brackets.
    pub host: String,
    pub tls: bool,
}

impl Target {
    /// Without a host the pod itself: its IP, or its loopback while it has none. None where the host is no address (the check of
    /// the manifest lets none pass).
    pub fn new(host: Option<&str>, port: u16, tls: bool, ip: Option<IpAddr>) -> Option<Target> {
        let (place, ip) = match host {
            None => (Place::Pod, ip.unwrap_or(Ipv4Addr::LOCALHOST.into())),
            Some("localhost") => (Place::Host, Ipv4Addr::LOCALHOST.into()),
            Some(host) => (Place::Host, host.parse().ok()?),
        };
        let host = host.map_or_else(|| ip.to_string(), str::to_string);
        Some(Target { place, addr: SocketAddr::new(ip, port), host, tls })
    }

    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// `host:port`, the port only where it is not the scheme's own: as a Host header has it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.addr.port(), self.tls) {
            (80, false) | (443, true) => host,
            (port, _) => format!("{host}:{port}"),
        }
    }

    /// `scheme://host:port`, the port always: as the kubelet builds its URLs.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.addr_text())
    }

    fn addr_text(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.addr.port())
    }
}
