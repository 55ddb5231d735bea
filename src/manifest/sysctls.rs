//! Which sysctls are a pod's to set.
//!
//! Source: "Using sysctls in a Kubernetes Cluster" (the safe set) and the kernel's namespaces.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Network,
    Ipc,
    /// In no namespace of a pod's.
    Host,
}

const SAFE: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

pub fn kind(name: &str) -> Kind {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|p| name.starts_with(p));
    if starts(&["net."]) {
        Kind::Network
    } else if starts(&["kernel.shm", "kernel.msg", "fs.mqueue."]) || name == "kernel.sem" {
        Kind::Ipc
    } else {
        Kind::Host
    }
}

pub fn is_safe(name: &str) -> bool {
    SAFE.contains(&name)
}

/// # Arguments
/// * `patterns` - names, or starts of names that end in `*`
pub fn is_allowed(name: &str, patterns: &[String]) -> bool {
    patterns.iter().map(|p| dotted(p)).any(|p| match p.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == p,
    })
}

/// `net/ipv4/conf/eth0.1/x` as `net.ipv4.conf.eth0/1.x`: sysctl(8)'s rule, the first separator decides.
pub fn dotted(name: &str) -> String {
    match name.find(['.', '/']) {
        Some(i) if name.as_bytes()[i] == b'/' => name
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysctls_belong_to_namespaces() {
        for (name, want) in [
            ("net.core.somaxconn", Kind::Network),
            ("kernel.shmmax", Kind::Ipc),
            ("kernel.msgmax", Kind::Ipc),
            ("fs.mqueue.msg_max", Kind::Ipc),
            ("kernel.sem", Kind::Ipc),
            ("kernel.core_pattern", Kind::Host),
            ("kernel.semx", Kind::Host),
            ("vm.swappiness", Kind::Host),
            ("fs.file-max", Kind::Host),
        ] {
            assert_eq!(kind(name), want, "{name}");
        }
    }

    #[test]
    fn patterns_end_in_a_star() {
        let patterns = ["net.core.*".to_owned(), "kernel/msgmax".to_owned()];
        for (name, want) in
            [("net.core.somaxconn", true), ("kernel.msgmax", true), ("kernel.msgmaxx", false), ("net.ipv4.x", false)]
        {
            assert_eq!(is_allowed(name, &patterns), want, "{name}");
        }
    }
}
