//! linux.sysctl: only keys of namespaces that are the container's own or its pod's (CVE-2022-0532, CVE-2022-0811).

use super::Error;
use std::ffi::CString;

/// One key, as a path below a procfs, and its value.
#[derive(Debug)]
pub struct Sysctl {
    pub key: String,
    pub path: CString,
    pub value: Vec<u8>,
}

const IPC: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.auto_msgmni",
    "kernel.msg_next_id",
    "kernel.sem_next_id",
    "kernel.shm_next_id",
];

/// Which of `CLONE_NEWIPC`, `CLONE_NEWNET`, `CLONE_NEWUTS` must not be the host's for `key`; None: no namespace holds it.
fn namespace(key: &str) -> Option<i32> {
    if IPC.contains(&key) || key.starts_with("fs.mqueue.") {
        Some(libc::CLONE_NEWIPC)
    } else if key.starts_with("net.") {
        Some(libc::CLONE_NEWNET)
    } else if key == "kernel.domainname" || key == "kernel.hostname" {
        Some(libc::CLONE_NEWUTS)
    } else {
        None
    }
}

/// `key` in dots or slashes, checked against `owned`: the namespaces that are not the host's.
pub fn plan(key: &str, value: &str, owned: i32) -> Result<Sysctl, Error> {
    let field = || format!("linux.sysctl[{key:?}]");
    // As sysctl(8): the first separator decides; with slashes, dots belong to names (an interface's).
    let slashes = key.find(['.', '/']).is_some_and(|i| key.as_bytes()[i] == b'/');
    let path = if slashes { key.to_string() } else { key.replace('.', "/") };
    let dotted = if slashes { key.replace('/', ".") } else { key.to_string() };
    let parts_ok = path.split('/').all(|p| !p.is_empty() && p != "." && p != "..");
    if !parts_ok || key.bytes().any(|b| b.is_ascii_control() || b == b'+' || b == b' ') {
        return Err(Error::invalid(field(), "is no sysctl key"));
    }
    if value.bytes().any(|b| b == b'\n' || b == 0) {
        return Err(Error::invalid(field(), format!("value {value:?} holds a newline or NUL byte")));
    }
    match namespace(&dotted) {
        Some(ns) if owned & ns != 0 => {}
        Some(_) => {
            return Err(Error::invalid(field(), "belongs to a namespace of the host (want a namespace of the container's own)"));
        }
        None => return Err(Error::invalid(field(), "is the host's: it belongs to no namespace")),
    }
    let path = CString::new(format!("sys/{path}")).map_err(|_| Error::invalid(field(), "holds a NUL byte"))?;
    Ok(Sysctl { key: dotted, path, value: value.as_bytes().to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_owned_namespaces_pass() {
        let all = libc::CLONE_NEWIPC | libc::CLONE_NEWNET | libc::CLONE_NEWUTS;
        for (key, owned, want) in [
            ("net.ipv4.ip_forward", all, Ok("sys/net/ipv4/ip_forward")),
            ("net/ipv4/conf/eth0.1/forwarding", all, Ok("sys/net/ipv4/conf/eth0.1/forwarding")),
            ("kernel.shmmax", all, Ok("sys/kernel/shmmax")),
            ("kernel.shmmax", libc::CLONE_NEWNET, Err("of the host")),
            ("net.ipv4.ip_forward", 0, Err("of the host")),
            ("kernel.core_pattern", all, Err("is the host's")),
            ("kernel/core_pattern", all, Err("is the host's")),
            ("net.ipv4/../../kernel/core_pattern", all, Err("is no sysctl key")),
            ("net/../kernel/core_pattern", all, Err("is no sysctl key")),
            ("1+kernel.core_pattern", all, Err("is no sysctl key")),
            ("net..x", all, Err("is no sysctl key")),
        ] {
            match (plan(key, "1", owned), want) {
                (Ok(s), Ok(path)) => assert_eq!(s.path.to_str().unwrap(), path),
                (Err(e), Err(text)) => assert!(e.to_string().contains(text), "{key}: {e}"),
                (got, _) => panic!("{key}: {got:?}"),
            }
        }
        assert!(plan("kernel.shmmax", "1\nkernel.core_pattern=|/x", all).is_err());
    }
}
