//! Switches of the network below /proc/sys/net, which shows the network namespace of who looks.

use super::Result;
use crate::sys::errno::{Call, Errno};

fn write(path: &str, value: &str) -> Result<(), Errno> {
    use std::io::Write;
    std::fs::OpenOptions::new().write(true).open(path).and_then(|mut f| f.write_all(value.as_bytes())).map_err(Errno::from)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// IPv6 is there, and on for the interface (or `all`).
pub fn has_ipv6(interface: &str) -> bool {
    read(&format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6")) == "0"
}

/// No router of the containers' is the host's (CVE-2020-10749).
pub fn bridge(name: &str) -> Result<()> {
    for (key, value) in [("accept_ra", "0"), ("accept_dad", "0")] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/{key}");
        match write(&path, value) {
            // No IPv6, no routers.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(e) => return Err(e).call(|| format!("write({path}, {value})")).map_err(Into::into),
        }
    }
    Ok(())
}

/// In a pod's own namespace, before its interface comes: its link-local address is usable at once, and no other pod is its router.
pub fn pod() {
    // Where there is no IPv6 there is nothing to switch.
    let _ = write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
    let _ = write("/proc/sys/net/ipv6/conf/default/accept_ra", "0");
}

/// Lets packets pass between pods and the outside. What else listens to router advertisements goes on to do so (a router does not,
/// unless it is told). The problem, where the host does not allow it.
pub fn forward(v4: bool, v6: bool) -> Option<String> {
    let mut problem = None;
    let mut set = |path: &str, value: &str| {
        if read(path) != value
            && let Err(e) = write(path, value)
        {
            problem = Some(format!("pods reach nothing outside of this host: write({path}, {value}): {e}"));
        }
    };
    if v4 {
        set("/proc/sys/net/ipv4/ip_forward", "1");
    }
    const ALL: &str = "/proc/sys/net/ipv6/conf/all/forwarding";
    if v6 && read(ALL) != "1" {
        for entry in std::fs::read_dir("/proc/sys/net/ipv6/conf").into_iter().flatten().flatten() {
            let path = entry.path().join("accept_ra");
            if read(&path.to_string_lossy()) == "1" {
                set(&path.to_string_lossy(), "2");
            }
        }
        set(ALL, "1");
    }
    problem
}
