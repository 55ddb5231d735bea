//! /etc/hosts, /etc/hostname and /etc/resolv.conf: the pod's, not the bundle's. They lie on the pod's small tmpfs, so that a
//! container that writes to them without end fills that and nothing else (CVE-2020-8557).
//!
//! Source: Kubernetes, "Adding entries to Pod /etc/hosts with HostAliases", "DNS for Services and Pods".

use crate::pod::spec::{Dns, SandboxSpec};

pub const NAMES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// What the files are made of that is the host's.
#[derive(Debug, Default)]
pub struct Host {
    pub hosts: String,
    pub hostname: String,
    pub resolv: String,
}

impl Host {
    /// Of the host; a file that is not there is empty.
    pub fn read(host_network: bool) -> Host {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let mut resolv = read("/etc/resolv.conf");
        // The host's own stub listens on its loopback, where no pod with a network of its own gets to.
        if !host_network && resolv.lines().any(|l| l.split_whitespace().eq(["nameserver", "127.0.0.53"])) {
            resolv = read("/run/systemd/resolve/resolv.conf");
        }
        Host { hosts: read("/etc/hosts"), hostname: read("/proc/sys/kernel/hostname"), resolv }
    }
}

/// The content of [`NAMES`]. `ips`: the pod's addresses; none while it has only its loopback.
pub fn content(spec: &SandboxSpec, ips: &[String], host: &Host) -> [String; 3] {
    let name = if spec.host_network { host.hostname.trim() } else { &spec.hostname };
    [hosts(spec, ips, host), format!("{name}\n"), resolv(&spec.dns, &host.resolv)]
}

fn hosts(spec: &SandboxSpec, ips: &[String], host: &Host) -> String {
    let mut out = if spec.host_network {
        format!("# Kubernetes-managed hosts file (host network).\n{}", host.hosts)
    } else {
        let mut out = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
            fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
            .to_owned();
        let own = ["127.0.0.1".to_owned()];
        for ip in if ips.is_empty() { &own } else { ips } {
            let short = spec.hostname.strip_suffix(&format!(".{}", spec.domain)).unwrap_or(&spec.hostname);
            match spec.domain.as_str() {
                "" => out += &format!("{ip}\t{short}\n"),
                domain => out += &format!("{ip}\t{short}.{domain}\t{short}\n"),
            }
        }
        out
    };
    if !spec.host_aliases.is_empty() {
        out += "\n# Entries added by HostAliases.\n";
        for alias in &spec.host_aliases {
            out += &format!("{}\t{}\n", alias.ip, alias.names.join("\t"));
        }
    }
    out
}

/// The host's, with what the pod adds behind it; an option of the pod's replaces the host's of that name. With policy None the
/// pod's alone.
fn resolv(dns: &Dns, host: &str) -> String {
    let (mut servers, mut searches, mut options) = (Vec::new(), Vec::new(), Vec::<String>::new());
    for line in host.lines().filter(|_| !dns.own) {
        let mut words = line.split_whitespace().map(str::to_owned);
        match words.next().as_deref() {
            Some("nameserver") => servers.extend(words.next()),
            // The last one counts (resolv.conf(5)).
            Some("search" | "domain") => searches = words.collect(),
            Some("options") => options.extend(words),
            _ => {}
        }
    }
    let name = |option: &str| option.split(':').next().unwrap_or_default().to_owned();
    for option in &dns.options {
        options.retain(|o| name(o) != name(option));
        options.push(option.clone());
    }
    for (list, more) in [(&mut servers, &dns.nameservers), (&mut searches, &dns.searches)] {
        list.extend(more.iter().cloned());
        let mut seen = std::collections::HashSet::new();
        list.retain(|item| seen.insert(item.clone()));
    }
    // resolv.conf(5), MAXNS.
    let mut out: String = servers.iter().take(3).map(|s| format!("nameserver {s}\n")).collect();
    for (word, list) in [("search", searches), ("options", options)] {
        if !list.is_empty() {
            out += &format!("{word} {}\n", list.join(" "));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::spec::HostAlias;

    fn spec() -> SandboxSpec {
        SandboxSpec { hostname: "web".into(), ..SandboxSpec::default() }
    }

    /// "Adding entries to Pod /etc/hosts with HostAliases"; "Pod's hostname and subdomain fields".
    #[test]
    fn hosts_names_the_pod_and_its_aliases() {
        let last = |spec: &SandboxSpec, ips: &[&str]| {
            let ips: Vec<String> = ips.iter().map(|i| (*i).to_owned()).collect();
            let [hosts, ..] = content(spec, &ips, &Host { hosts: "10.0.0.1\tnode\n".into(), ..Host::default() });
            assert!(hosts.starts_with("# Kubernetes-managed hosts file"), "{hosts}");
            hosts.lines().last().unwrap_or_default().to_owned()
        };
        let domain = "sub.default.svc.cluster.local";
        assert_eq!(last(&spec(), &[]), "127.0.0.1\tweb");
        assert_eq!(last(&spec(), &["10.1.2.3"]), "10.1.2.3\tweb");
        let named = SandboxSpec { domain: domain.into(), ..spec() };
        assert_eq!(last(&named, &["10.1.2.3"]), format!("10.1.2.3\tweb.{domain}\tweb"));
        let full = SandboxSpec { hostname: format!("web.{domain}"), ..named };
        assert_eq!(last(&full, &["10.1.2.3"]), format!("10.1.2.3\tweb.{domain}\tweb"));
        assert_eq!(last(&SandboxSpec { host_network: true, ..spec() }, &[]), "10.0.0.1\tnode");
        let aliases = vec![HostAlias { ip: "1.2.3.4".into(), names: vec!["a".into(), "b".into()] }];
        assert_eq!(last(&SandboxSpec { host_aliases: aliases, ..spec() }, &[]), "1.2.3.4\ta\tb");
    }

    /// "DNS for Services and Pods": Pod's DNS policy, Pod's DNS config.
    #[test]
    fn resolv_conf_is_the_hosts_and_the_pods() {
        const HOST: &str = "# x\nnameserver 9.9.9.9\nsearch old\nsearch corp lan\noptions ndots:1 rotate\n";
        let dns = |own, servers: &[&str], searches: &[&str], options: &[&str]| {
            let list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
            Dns { own, nameservers: list(servers), searches: list(searches), options: list(options) }
        };
        for (dns, want) in [
            (dns(false, &[], &[], &[]), "nameserver 9.9.9.9\nsearch corp lan\noptions ndots:1 rotate\n"),
            (
                dns(false, &["1.1.1.1", "9.9.9.9"], &["a", "lan"], &["ndots:5", "edns0"]),
                "nameserver 9.9.9.9\nnameserver 1.1.1.1\nsearch corp lan a\noptions rotate ndots:5 edns0\n",
            ),
            (dns(true, &["1.1.1.1"], &["a"], &[]), "nameserver 1.1.1.1\nsearch a\n"),
        ] {
            assert_eq!(resolv(&dns, HOST), want, "{dns:?}");
        }
    }
}
