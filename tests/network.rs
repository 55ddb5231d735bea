//! Pods' networks: podrt's bridge, in network namespaces of the tests' own as host and as outside.

mod support;

use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use support::netns::LONG;
use support::netns::{Outside, inside, ip, listen, talk};
use support::pod::*;
use support::{Run, Test, leaks};

/// A pod that sleeps, with more lines of metadata and of the container.
fn sleeper(t: &Test, name: &str, annotations: &str, container: &str) -> String {
    let file = manifest(t, name, NEVER, &[("app", &["reap"], container)]);
    let text = fs::read_to_string(&file).expect("a manifest");
    fs::write(&file, text.replace("metadata:\n", &format!("metadata:\n  annotations: {{{annotations}}}\n"))).expect("a manifest");
    file
}

fn up(t: &Test, name: &str, annotations: &str, container: &str) {
    create(t, &sleeper(t, name, annotations, container), "started").ok();
}

/// The pause of a pod: the process that holds its network.
fn pause(t: &Test, pod: &str) -> i32 {
    first_pid(t, pod, "pause")
}

fn ips(pod: &Value) -> Vec<IpAddr> {
    let list = pod["status"]["podIPs"].as_array().into_iter().flatten();
    list.map(|p| p["ip"].as_str().expect("an address").parse().expect("an address")).collect()
}

fn at(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Issue: pod to pod, pod to host, host to pod, pod to outside, on both families, by TCP and UDP.
fn pods_the_host_and_the_outside_reach_each_other(t: &Test) {
    let outside = Outside::new();
    let me = std::process::id() as i32;
    up(t, "a", "", "");
    up(t, "b", "", "");
    let (a, b) = (pause(t, "a"), pause(t, "b"));
    let (ips_a, ips_b) = (ips(&get(t, "a")), ips(&get(t, "b")));
    assert_eq!((ips_a.len(), ips_b.len()), (2, 2));
    let in_b = listen(b, 7000);
    for (i, to) in ips_b.iter().enumerate() {
        assert_eq!(talk(a, at(*to, 7000), &in_b), [ips_a[i]; 2], "pod to pod, without translation");
        let gateway = address(["10.61.0.1", "fd70:6f64:7274:30::1"][i]);
        assert_eq!(talk(me, at(*to, 7000), &in_b), [gateway; 2], "host to pod");
        assert_eq!(talk(b, at(*to, 7000), &in_b), [*to; 2], "a pod to itself");
    }
    let on_host = listen(me, 7001);
    for (i, to) in ["10.61.0.1", "fd70:6f64:7274:30::1"].into_iter().enumerate() {
        assert_eq!(talk(a, at(address(to), 7001), &on_host), [ips_a[i]; 2], "pod to host, at {to}");
    }
    for (i, to) in ["192.0.2.1", "2001:db8::1"].into_iter().enumerate() {
        // By TCP: a datagram's answer comes from the address that is nearest to the pod.
        let open = inside(a, || TcpStream::connect_timeout(&at(address(to), 7001), LONG));
        let (_, from) = on_host.0.accept().expect("accept");
        assert!(open.is_ok() && from.ip().to_canonical() == ips_a[i], "pod to host, at {to}, from {from}");
    }
    let far = listen(outside.pid(), 7002);
    for (to, host) in [("192.0.2.2", "192.0.2.1"), ("2001:db8::2", "2001:db8::1")] {
        assert_eq!(talk(a, at(address(to), 7002), &far), [address(host); 2], "pod to outside, as the host");
    }
    // No router of the pods' is the host's (CVE-2020-10749), nor another pod's.
    let accepts = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{name}/accept_ra")).expect("a switch");
    assert_eq!(accepts("podrt0"), "0\n");
    delete_all(t);
}

fn a_thousand_connections_at_once_and_the_first_at_once(t: &Test) {
    let most = 4096;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, most, most).expect("open files");
    up(t, "a", "", "");
    up(t, "b", "", "");
    let (a, b) = (pause(t, "a"), pause(t, "b"));
    let listener = listen(b, 7000);
    let to = ips(&get(t, "b"));
    let begin = Instant::now();
    let first = inside(a, || TcpStream::connect_timeout(&at(to[0], 7000), LONG));
    // A packet that is lost is sent again after a second.
    let limit = if support::world::in_vm() { 10_000 } else { 500 };
    assert!(first.is_ok() && begin.elapsed() < Duration::from_millis(limit), "{first:?} after {:?}", begin.elapsed());
    let open: Vec<_> = (0..1000)
        .map(|i| {
            let client = inside(a, || TcpStream::connect_timeout(&at(to[i % 2], 7000), LONG)).expect("connect");
            (client, listener.0.accept().expect("accept"))
        })
        .collect();
    assert_eq!(open.len(), 1000);
    delete_all(t);
}

/// Status, files and variables say the same; the address stays with the pod and goes with it.
fn a_pods_addresses_are_its_own_from_birth_to_delete(t: &Test) {
    let env = "env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}, {name: IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}]";
    let file = sleeper(t, "web", "", env);
    create(t, &file, "started").ok();
    let pod = get(t, "web");
    let before = ips(&pod);
    assert_eq!(before, [address("10.61.0.2"), address("fd70:6f64:7274:30::2")]);
    assert_eq!(pod["status"]["podIP"], "10.61.0.2");
    assert!(pod["status"]["hostIP"].is_string() && pod["status"]["hostIPs"][0]["ip"] == pod["status"]["hostIP"], "{pod}");
    assert!(t.podrt(["get", "pods", "-o", "wide"]).run().ok().stdout.contains(" 10.61.0.2 "));
    let exec = |script: &str| t.podrt(["exec", "web", "--", "sh", "-c", script]).run().ok().stdout;
    assert_eq!(
        exec("echo $IP $IPS; grep -w web /etc/hosts"),
        "10.61.0.2 10.61.0.2,fd70:6f64:7274:30::2\n10.61.0.2\tweb\nfd70:6f64:7274:30::2\tweb\n"
    );
    let inside = exec("ip -o addr show eth0; ip route; ip -6 route");
    for want in ["10.61.0.2/16", "fd70:6f64:7274:30::2/64", "default via 10.61.0.1", "default via fd70:6f64:7274:30::1"] {
        assert!(inside.contains(want), "no {want}: {inside}");
    }
    assert!(!inside.contains("tentative"), "{inside}");
    // Another pod has another; one of the same name that comes later as well.
    up(t, "other", "", "");
    assert_eq!(ips(&get(t, "other"))[0], address("10.61.0.3"));
    t.podrt(["create", "-f", &file, "--replace", "--wait=started"]).run().ok();
    assert_eq!(ips(&get(t, "web"))[0], address("10.61.0.4"));
    let leases =
        fs::read_dir(t.run.join("network/podrt0")).expect("leases").flatten().find(|e| e.path().is_dir()).expect("a boot").path();
    assert!(leases.join("10.61.0.4").is_symlink() && !leases.join("10.61.0.2").is_symlink());
    delete_all(t);
    let left = fs::read_dir(&leases).expect("leases").flatten().filter(|e| e.file_name() != "last").count();
    assert_eq!(left, 0);
}

/// Pause dies: a new sandbox follows, with the same addresses.
fn a_new_sandbox_has_the_old_ones_addresses(t: &Test) {
    let file = manifest(t, "web", "restartPolicy: Always", &[("app", &["reap"], "")]);
    create(t, &file, "started").ok();
    let (first, before) = (pause(t, "web"), ips(&get(t, "web")));
    leaks::kill_one(first);
    t.eventually("a new sandbox", 15, || {
        let procs = fs::read_to_string(cgroup(t, "web").join("pause/cgroup.procs")).unwrap_or_default();
        procs.lines().next().and_then(|p| p.parse::<i32>().ok()).filter(|p| *p != first)
    });
    wait_phase(t, "web", "Running");
    assert_eq!(t.eventually("its addresses", 5, || Some(ips(&get(t, "web"))).filter(|l| !l.is_empty())), before);
    let listener = listen(pause(t, "web"), 7000);
    talk(std::process::id() as i32, at(before[0], 7000), &listener);
    delete_all(t);
}

fn many_pods_at_once_have_as_many_addresses(t: &Test) {
    let count = if support::world::in_vm() { 6 } else { 24 };
    let files: Vec<String> = (0..count).map(|i| sleeper(t, &format!("p{i}"), "", "")).collect();
    std::thread::scope(|scope| {
        for file in &files {
            scope.spawn(|| t.podrt(["create", "-f", file]).within(Duration::from_secs(60)).run().ok());
        }
    });
    let all: HashSet<IpAddr> = (0..count).flat_map(|i| ips(&get(t, &format!("p{i}")))).collect();
    assert_eq!(all.len(), 2 * count);
    delete_all(t);
}

/// podrt.io/network, ip, mac, mtu.
fn annotations_choose_the_network(t: &Test) {
    up(t, "none", "podrt.io/network: none", "");
    assert!(ips(&get(t, "none")).is_empty());
    let links = |pod: &str| t.podrt(["exec", pod, "--", "ip", "-o", "link"]).run().ok().stdout;
    assert_eq!(links("none").lines().count(), 1);
    assert!(leaks::links().iter().all(|l| l != "podrt0"), "nobody has asked for a bridge");
    let mine = "podrt.io/ip: \"10.61.7.7,fd70:6f64:7274:30::77\", podrt.io/mac: \"02:00:00:00:00:07\", podrt.io/mtu: \"1400\"";
    up(t, "mine", mine, "");
    assert_eq!(ips(&get(t, "mine")), [address("10.61.7.7"), address("fd70:6f64:7274:30::77")]);
    let link = links("mine");
    assert!(link.contains("02:00:00:00:00:07") && link.contains("mtu 1400"), "{link}");
    let refused = |name: &str, annotations: &str, words: &[&str]| {
        let file = sleeper(t, name, annotations, "");
        let out = create(t, &file, "created").refuses(words);
        assert!(!t.podrt(["get", "pods"]).run().ok().stdout.contains(name), "{out}");
    };
    refused("same", "podrt.io/ip: 10.61.7.7", &["the address 10.61.7.7 is in use by"]);
    refused("strange", "podrt.io/ip: 10.99.0.1", &["10.99.0.1 is no address for a pod here", "10.61.0.0/16"]);
    refused("word", "podrt.io/network: nowhere", &["podrt.io/network", "want one of podrt0, none, host, cni"]);
    refused("host", "podrt.io/network: host", &["host needs spec.hostNetwork: true"]);
    refused("both", "podrt.io/network: none, podrt.io/mtu: \"1400\"", &["podrt.io/mtu", "no interface"]);
    refused("mac", "podrt.io/mac: \"01:00:00:00:00:07\"", &["podrt.io/mac", "of a single host"]);
    delete_all(t);
    // The configuration's word is for those who say nothing.
    let file = sleeper(t, "quiet", "", "");
    t.podrt(["create", "-f", &file, "--network=none", "--wait=started"]).run().ok();
    assert!(ips(&get(t, "quiet")).is_empty());
    t.podrt(["create", "-f", &file, "--network=x"]).run().refuses(&["--network", "podrt0, none, cni"]);
    delete_all(t);
}

/// Ranges by configuration; what of the host's is in the way is said, with the way out, and nothing is left.
fn a_hosts_own_network_is_not_disturbed(t: &Test) {
    ip("link add lan type bridge");
    ip("addr add 10.61.5.1/24 dev lan");
    ip("link set lan up");
    let file = sleeper(t, "web", "", "");
    create(t, &file, "created").refuses(&[
        "10.61.0.0/16 overlap the host's route to 10.61.5.0/24 by lan",
        "--pod-subnets",
        "podrt.io/network: none",
    ]);
    assert!(leaks::links().iter().all(|l| l != "podrt0"));
    t.podrt(["create", "-f", &file, "--pod-subnets=10.99.0.0/24", "--wait=started"]).run().ok();
    assert_eq!(ips(&get(t, "web")), [address("10.99.0.2")]);
    let other = sleeper(t, "other", "", "");
    create(t, &other, "created")
        .refuses(&["the bridge podrt0 was made for 10.99.0.0/24, not for 10.61.0.0/16,fd70:6f64:7274:30::/64"]);
    delete_all(t);
    ip("link del podrt0");
    ip("link add podrt0 type bridge");
    create(t, &file, "created").refuses(&["the interface podrt0 is there and not podrt's", "--pod-bridge"]);
    let own = ["--pod-bridge=pods", "--pod-subnets=10.98.0.0/24"];
    t.podrt(["create", "-f", &file, "--wait=started", own[0], own[1]]).run().ok();
    assert_eq!(ips(&get(t, "web")), [address("10.98.0.2")]);
    delete_all(t);
    for link in ["lan", "podrt0", "pods"] {
        ip(&format!("link del {link}"));
    }
    for (flag, words) in [
        ("--pod-subnets=10.0.0.1/8", ["--pod-subnets", "bits below its prefix"]),
        ("--pod-subnets=10.0.0.0/8,10.1.0.0/16", ["--pod-subnets", "each family at most"]),
        ("--pod-bridge=a/b", ["--pod-bridge", "not a bridge's name"]),
    ] {
        t.podrt(["create", "-f", &file, flag]).run().refuses(&words);
    }
}

/// A host that has no IPv6, and one that lets nobody make interfaces.
fn a_host_that_cannot_is_no_riddle(t: &Test) {
    fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").expect("a switch");
    up(t, "web", "", "");
    assert_eq!(ips(&get(t, "web")), [address("10.61.0.2")]);
    delete_all(t);
    ip("link del podrt0");
    t.requires_program("setpriv");
    let file = sleeper(t, "web", "", "");
    let words = t.podrt_words();
    let out = Run::new("setpriv").args(["--bounding-set=-net_admin", "--"]).args(&words).args(["create", "-f", &file]).run();
    out.refuses(&["podrt0", "operation not permitted", "podrt.io/network: none"]);
}

/// hostPort and hostIP: from outside with the source that it has, for the host, for pods, and for nobody after the end.
fn a_host_port_is_the_pods_from_outside(t: &Test) {
    let outside = Outside::new();
    let me = std::process::id() as i32;
    let ports = "ports:\n- {containerPort: 7000, hostPort: 80}\n- {containerPort: 7000, hostPort: 80, protocol: UDP}\n\
        - {containerPort: 7000, hostPort: 81, hostIP: 192.0.2.1}\n- {containerPort: 7000, hostPort: 81, hostIP: 192.0.2.1, protocol: UDP}\n\
        - {containerPort: 7000, hostPort: 82, protocol: SCTP}\n- {containerPort: 7000, hostPort: 83, hostIP: 127.0.0.1}\n\
        - {containerPort: 7000, hostPort: 83, hostIP: 127.0.0.1, protocol: UDP}";
    up(t, "web", "", ports);
    up(t, "client", "", "");
    let own = ips(&get(t, "web"));
    let far = [address("192.0.2.2"), address("2001:db8::2")];
    let listener = listen(pause(t, "web"), 7000);
    for (i, host) in ["192.0.2.1", "2001:db8::1"].into_iter().enumerate() {
        assert_eq!(talk(outside.pid(), at(address(host), 80), &listener), [far[i]; 2], "the source is kept (CVE-2021-20199)");
        talk(me, at(address(host), 80), &listener);
        talk(pause(t, "client"), at(address(host), 80), &listener);
        talk(pause(t, "web"), at(address(host), 80), &listener);
    }
    assert_eq!(talk(outside.pid(), at(address("192.0.2.1"), 81), &listener), [far[0]; 2]);
    let closed = |to: SocketAddr| inside(outside.pid(), || TcpStream::connect_timeout(&to, Duration::from_secs(2)).is_err());
    assert!(closed(at(address("2001:db8::1"), 81)), "of one address alone");
    assert!(closed(at(own[0], 7000)), "the outside knows no way to a pod");
    // The host's own loopback, by the proxy.
    for (host, gateway) in [("127.0.0.1", "10.61.0.1"), ("::1", "fd70:6f64:7274:30::1")] {
        assert_eq!(talk(me, at(address(host), 80), &listener), [address(gateway); 2]);
    }
    talk(me, at(address("127.0.0.1"), 83), &listener);
    assert!(closed(at(address("192.0.2.1"), 83)), "of loopback alone (CVE-2020-8558)");
    let busy = std::net::TcpListener::bind("127.0.0.1:93").expect("listen");
    let fourth = sleeper(t, "fourth", "", "ports: [{containerPort: 1, hostPort: 93}]");
    create(t, &fourth, "created").refuses(&["the host's port 127.0.0.1:93/TCP is in use by another program"]);
    drop(busy);
    // Taken, and by whom; nothing is left of who came second.
    let links = leaks::links();
    let second = sleeper(t, "second", "", "ports: [{containerPort: 1, hostPort: 90}, {containerPort: 1, hostPort: 80}]");
    let out = create(t, &second, "created").refuses(&["the host's port 80/TCP is taken by pod web of namespace default"]);
    assert_eq!(leaks::links().len(), links.len(), "{out}");
    let third = sleeper(t, "third", "", "ports: [{containerPort: 1, hostPort: 90}]");
    create(t, &third, "started").ok();
    // With its pod it goes, and the next has it.
    delete(t, "web");
    assert!(closed(at(address("192.0.2.1"), 80)) && closed(at(address("192.0.2.1"), 81)));
    create(t, &second, "created").refuses(&["the host's port 90/TCP is taken by pod third"]);
    delete(t, "third");
    create(t, &second, "started").ok();
    let none = sleeper(t, "none", "podrt.io/network: none", "ports: [{containerPort: 1, hostPort: 91}]");
    create(t, &none, "created").refuses(&["hostPort 91 needs a network"]);
    delete_all(t);
}

/// A firewall that is flushed and a supervisor that dies: the way out and the host ports come back by themselves.
fn what_is_taken_from_the_network_comes_back(t: &Test) {
    let outside = Outside::new();
    let me = std::process::id() as i32;
    let ports = "ports:\n- {containerPort: 7000, hostPort: 80}\n- {containerPort: 7000, hostPort: 80, protocol: UDP}";
    up(t, "web", "", ports);
    let web = pause(t, "web");
    let (listener, far) = (listen(web, 7000), listen(outside.pid(), 7002));
    let works = |when: &str| {
        let open = || inside(outside.pid(), || TcpStream::connect_timeout(&at(address("192.0.2.1"), 80), Duration::from_secs(1)));
        let _ = t.eventually(&format!("the host port works {when}"), 10, || {
            let client = open().ok()?;
            listener.0.accept().ok().map(|server| (client, server))
        });
        talk(outside.pid(), at(address("192.0.2.1"), 80), &listener);
        talk(web, at(address("192.0.2.2"), 7002), &far);
        t.eventually(&format!("loopback works {when}"), 10, || {
            let client = TcpStream::connect_timeout(&at(address("127.0.0.1"), 80), LONG).ok()?;
            listener.0.accept().ok().map(|server| (client, server))
        });
        talk(me, at(address("127.0.0.1"), 80), &listener);
    };
    works("at first");
    let mut netfilter = podrt::net::socket::Socket::netfilter().expect("a socket");
    podrt::net::nft::delete(&mut netfilter, "podrt0").expect("delete the table");
    works("after a flush");
    let supervisor = t.cgroup_dir().join("supervisors");
    let procs = fs::read_to_string(supervisor.join("cgroup.procs")).expect("processes");
    // Its keeper, which starts another, has the same words behind a name of its own.
    let is_supervisor = |pid: &i32| {
        let words = leaks::command(*pid);
        words.contains("__supervisor") && !words.contains(" keeper ")
    };
    let old: Vec<i32> = procs.lines().filter_map(|p| p.parse().ok()).filter(is_supervisor).collect();
    assert!(!old.is_empty(), "{procs}");
    old.iter().for_each(|pid| leaks::kill_one(*pid));
    t.eventually("another supervisor", 10, || {
        let procs = fs::read_to_string(supervisor.join("cgroup.procs")).ok()?;
        procs.lines().filter_map(|p| p.parse().ok()).find(|p| is_supervisor(p) && !old.contains(p))
    });
    works("after the supervisor's death");
    assert_eq!(ips(&get(t, "web"))[0], address("10.61.0.2"));
    delete_all(t);
    let left: Vec<u16> =
        [80u16].into_iter().filter(|p| TcpStream::connect_timeout(&at(address("127.0.0.1"), *p), LONG).is_ok()).collect();
    assert!(left.is_empty(), "the proxy went with the pod");
}

/// The Container Network Interface, with Debian's plugins: ADD, and DEL whatever happens.
fn a_cni_network_is_what_its_plugins_make(t: &Test) {
    let plugins = std::path::Path::new("/usr/lib/cni/bridge");
    t.requires(plugins.exists(), "needs containernetworking-plugins");
    let ipam = |range: &str| {
        format!(
            "{{\"type\": \"host-local\", \"dataDir\": \"{}\", \"ranges\": [[{{\"subnet\": \"{range}\"}}]]}}",
            t.path("ipam").display()
        )
    };
    let list = |name: &str, range: &str, more: &str| {
        format!(
            "{{\"cniVersion\": \"1.0.0\", \"name\": \"{name}\", \"plugins\": [{{\"type\": \"bridge\", \"bridge\": \"cni-{name}\", \"isGateway\": true, \"ipam\": {}}}{more}]}}",
            ipam(range)
        )
    };
    t.write("net.d/20-second.conflist", list("second", "10.77.0.0/24", ""));
    t.write("net.d/10-first.conflist", list("first", "10.76.0.0/24", ", {\"type\": \"tuning\", \"mtu\": 1400}"));
    t.write(
        "net.d/30-broken.conflist",
        list("broken", "10.78.0.0/24", ", {\"type\": \"tuning\", \"sysctl\": {\"net.nonsense\": \"1\"}}"),
    );
    t.write("net.d/40-missing.conflist", list("missing", "10.79.0.0/24", ", {\"type\": \"no-such-plugin\"}"));
    let folder = format!("--cni-conf-dir={}", t.path("net.d").display());
    let make = |name: &str, network: &str| {
        let file = sleeper(t, name, &format!("podrt.io/network: {network}"), "");
        t.podrt(["create", "-f", &file, &folder, "--wait=started"]).run()
    };
    make("a", "cni").ok();
    make("b", "cni/second").ok();
    assert_eq!(ips(&get(t, "a")), [address("10.76.0.2")]);
    assert_eq!(ips(&get(t, "b")), [address("10.77.0.2")]);
    let exec = |pod: &str, script: &str| t.podrt(["exec", pod, "--", "sh", "-c", script]).run().ok().stdout;
    let inside = exec("a", "ip -o link show eth0; grep -w a /etc/hosts");
    assert!(inside.contains("mtu 1400") && inside.ends_with("10.76.0.2\ta\n"), "{inside}");
    let listener = listen(pause(t, "a"), 7000);
    talk(std::process::id() as i32, at(address("10.76.0.2"), 7000), &listener);
    let leases = |name: &str| {
        fs::read_dir(t.path("ipam").join(name))
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with("10."))
            .count()
    };
    assert_eq!((leases("first"), leases("second")), (1, 1));
    // A list whose second plugin fails: the first is asked to take its work back.
    make("c", "cni/broken").refuses(&["CNI tuning ADD"]);
    make("c", "cni/missing").refuses(&["CNI no-such-plugin: no such plugin in"]);
    if cfg!(feature = "fault") {
        let file = sleeper(t, "d", "podrt.io/network: cni/second", "");
        t.podrt(["create", "-f", &file, &folder]).env("PODRT_FAULT", "cni.add:error").run().refuses(&["fault point cni.add"]);
        t.podrt(["create", "-f", &file, &folder]).env("PODRT_FAULT", "cni.add:kill").run();
        t.podrt(["delete", "pod", "d", "--force", "--ignore-not-found"]).run().ok();
        assert_eq!(leases("second"), 1);
    }
    make("c", "cni/nowhere").refuses(&["no network \"nowhere\" is there"]);
    assert_eq!((leases("broken"), leases("missing")), (0, 0));
    let interfaces = leaks::links();
    assert_eq!(interfaces.iter().filter(|l| l.starts_with("veth")).count(), 2, "{interfaces:?}");
    // Deleted with and without a supervisor.
    delete(t, "a");
    fs::write(t.cgroup_dir().join("supervisors/cgroup.kill"), "1").expect("kill");
    t.podrt(["delete", "pod", "b", "--force"]).run().ok();
    assert_eq!((leases("first"), leases("second")), (0, 0));
    for bridge in ["first", "second", "broken", "missing"] {
        let _ = Run::new("ip").args(["link", "del", &format!("cni-{bridge}")]).run();
    }
    let _ = fs::remove_dir_all(t.path("ipam"));
}

/// kubernetes.io/ingress-bandwidth and egress-bandwidth: bits a second.
fn bandwidth_is_bounded_where_asked(t: &Test) {
    up(t, "slow", "kubernetes.io/ingress-bandwidth: 8M, kubernetes.io/egress-bandwidth: 16M", "");
    let (me, pod) = (std::process::id() as i32, pause(t, "slow"));
    let to = ips(&get(t, "slow"))[0];
    let host = listen(me, 7001);
    let inside_pod = listen(pod, 7000);
    // Seconds that so many bytes take, the first of which go at once.
    let took = |mut from: TcpStream, mut to: TcpStream, bytes: usize| {
        use std::io::{Read, Write};
        let writer = std::thread::spawn(move || from.write_all(&vec![0; bytes]).expect("write"));
        let begin = Instant::now();
        to.read_exact(&mut vec![0; bytes]).expect("read");
        writer.join().expect("the writer");
        begin.elapsed().as_secs_f64()
    };
    let client = TcpStream::connect_timeout(&at(to, 7000), LONG).expect("connect");
    let ingress = took(client, inside_pod.0.accept().expect("accept").0, 1_500_000);
    let client = inside(pod, || TcpStream::connect_timeout(&at(address("10.61.0.1"), 7001), LONG)).expect("connect");
    let egress = took(client, host.0.accept().expect("accept").0, 3_000_000);
    // 1 MB and 2 MB a second, less the first burst; a busy machine is slower, never faster.
    assert!(ingress > 1.1 && egress > 1.1, "{ingress} {egress}");
    let refused = sleeper(t, "bad", "kubernetes.io/ingress-bandwidth: fast", "");
    create(t, &refused, "created").refuses(&["kubernetes.io/ingress-bandwidth", "want bits a second from 1k to 1P"]);
    delete_all(t);
}

suite!(
    bandwidth_is_bounded_where_asked,
    a_cni_network_is_what_its_plugins_make,
    what_is_taken_from_the_network_comes_back,
    pods_the_host_and_the_outside_reach_each_other,
    a_thousand_connections_at_once_and_the_first_at_once,
    a_pods_addresses_are_its_own_from_birth_to_delete,
    a_new_sandbox_has_the_old_ones_addresses,
    many_pods_at_once_have_as_many_addresses,
    annotations_choose_the_network,
    a_hosts_own_network_is_not_disturbed,
    a_host_that_cannot_is_no_riddle,
    a_host_port_is_the_pods_from_outside,
);
