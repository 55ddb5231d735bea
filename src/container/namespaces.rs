//! linux.namespaces: which are new, which are joined by path (runtime-spec, config-linux.md#namespaces).

use super::Error;
use super::plan::JoinFd;
use crate::sys::{errno::Call, process};
use oci_spec::runtime::{LinuxNamespaceType, Spec};
use std::os::fd::{AsFd, OwnedFd};

/// What a container may have of its own: the specification's type and clone(2)'s bit.
pub const KINDS: &[(LinuxNamespaceType, i32)] = &[
    (LinuxNamespaceType::Mount, libc::CLONE_NEWNS),
    (LinuxNamespaceType::Cgroup, libc::CLONE_NEWCGROUP),
    (LinuxNamespaceType::Uts, libc::CLONE_NEWUTS),
    (LinuxNamespaceType::Ipc, libc::CLONE_NEWIPC),
    (LinuxNamespaceType::Network, libc::CLONE_NEWNET),
    (LinuxNamespaceType::Pid, libc::CLONE_NEWPID),
];

/// clone(2)'s bits of new namespaces, and the joined ones as open fds.
#[derive(Debug, Default)]
pub struct Namespaces {
    pub new: i32,
    pub joins: Vec<JoinFd>,
}

impl Namespaces {
    pub fn has(&self, flag: i32) -> bool {
        self.new & flag != 0 || self.joins.iter().any(|j| j.flags & flag != 0)
    }

    pub fn parse(spec: &Spec) -> Result<Namespaces, Error> {
        let mut out = Namespaces::default();
        let list = spec.linux().as_ref().and_then(|l| l.namespaces().as_ref());
        for (i, ns) in list.into_iter().flatten().enumerate() {
            let field = format!("linux.namespaces[{i}]");
            let Some(&(_, flag)) = KINDS.iter().find(|(kind, _)| *kind == ns.typ()) else {
                let problem = format!("namespace type {} is not supported yet by this version of podrt", ns.typ());
                return Err(Error::invalid(field, problem));
            };
            if out.has(flag) {
                return Err(Error::invalid(field, format!("namespace type {} stands twice", ns.typ())));
            }
            match ns.path().as_ref().filter(|p| !p.as_os_str().is_empty()) {
                None => out.new |= flag,
                Some(_) if flag == libc::CLONE_NEWNS => {
                    return Err(Error::invalid(field, "a mount namespace by path is not supported yet by this version of podrt"));
                }
                Some(path) => {
                    let fd = open(path).map_err(|problem| Error::invalid(format!("{field}.path"), problem))?;
                    let got = process::namespace_type(fd.as_fd())
                        .map_err(|_| Error::invalid(format!("{field}.path"), format!("{} is no namespace", path.display())))?;
                    if got != flag {
                        return Err(Error::invalid(
                            format!("{field}.path"),
                            format!("{} is no {} namespace", path.display(), ns.typ()),
                        ));
                    }
                    out.joins.push(JoinFd { fd, flags: flag, words: format!("the {} namespace {}", ns.typ(), path.display()) });
                }
            }
        }
        if out.new & libc::CLONE_NEWNS == 0 {
            return Err(Error::invalid("linux.namespaces", "no mount namespace is given (want one: the rootfs needs it)"));
        }
        Ok(out)
    }
}

fn open(path: &std::path::Path) -> Result<OwnedFd, String> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map(OwnedFd::from)
        .call(|| path.display().to_string())
        .map_err(|e| e.to_string())
}
