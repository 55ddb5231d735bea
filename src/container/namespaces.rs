//! linux.namespaces: which are new, which are joined by path (runtime-spec, config-linux.md#namespaces), and what a process
//! outside writes for the new ones: id maps, time offsets.

use super::Error;
use super::plan::JoinFd;
use crate::rootfs::idmap;
use crate::sys::userns::Maps;
use crate::sys::{errno::Call, process};
use oci_spec::runtime::{LinuxNamespaceType, Spec};
use std::fmt::Write;
use std::os::fd::{AsFd, OwnedFd};

/// time_namespaces(7), Linux 5.6.
pub const CLONE_NEWTIME: i32 = 0x80;

/// What a container may have of its own: the specification's type and clone(2)'s bit.
pub const KINDS: &[(LinuxNamespaceType, i32)] = &[
    (LinuxNamespaceType::Mount, libc::CLONE_NEWNS),
    (LinuxNamespaceType::Cgroup, libc::CLONE_NEWCGROUP),
    (LinuxNamespaceType::Uts, libc::CLONE_NEWUTS),
    (LinuxNamespaceType::Ipc, libc::CLONE_NEWIPC),
    (LinuxNamespaceType::Network, libc::CLONE_NEWNET),
    (LinuxNamespaceType::Pid, libc::CLONE_NEWPID),
    (LinuxNamespaceType::User, libc::CLONE_NEWUSER),
    (LinuxNamespaceType::Time, CLONE_NEWTIME),
];

/// clone(2)'s bits of new namespaces, and the joined ones as open fds.
#[derive(Debug, Default)]
pub struct Namespaces {
    pub new: i32,
    /// The mount namespace last but one and the user namespace last: a process may enter the others only with the privileges
    /// that it has outside.
    pub joins: Vec<JoinFd>,
    /// Of the user namespace, new or joined.
    pub maps: Option<Maps>,
    /// /proc/PID/timens_offsets of a new time namespace.
    pub offsets: Option<String>,
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
            let flag = KINDS.iter().find(|(kind, _)| *kind == ns.typ()).map_or(0, |(_, flag)| *flag);
            if out.has(flag) {
                return Err(Error::invalid(field, format!("namespace type {} stands twice", ns.typ())));
            }
            match ns.path().as_ref().filter(|p| !p.as_os_str().is_empty()) {
                None => out.new |= flag,
                Some(path) => {
                    let fd = opened(path, ns.typ(), flag).map_err(|problem| Error::invalid(format!("{field}.path"), problem))?;
                    out.joins.push(JoinFd { fd, flags: flag, words: format!("the {} namespace {}", ns.typ(), path.display()) });
                }
            }
        }
        out.joins.sort_by_key(|j| match j.flags {
            libc::CLONE_NEWUSER => 2,
            libc::CLONE_NEWNS => 1,
            _ => 0,
        });
        if !out.has(libc::CLONE_NEWNS) {
            return Err(Error::invalid("linux.namespaces", "no mount namespace is given (want one: the rootfs needs it)"));
        }
        out.maps = out.id_maps(spec)?;
        out.offsets = out.time_offsets(spec)?;
        Ok(out)
    }

    /// linux.uidMappings and gidMappings: for a new user namespace both are needed; a joined one has its own.
    fn id_maps(&self, spec: &Spec) -> Result<Option<Maps>, Error> {
        let linux = spec.linux().as_ref();
        let lists = [
            ("linux.uidMappings", linux.and_then(|l| l.uid_mappings().as_deref()).unwrap_or_default()),
            ("linux.gidMappings", linux.and_then(|l| l.gid_mappings().as_deref()).unwrap_or_default()),
        ];
        let asked = match lists.iter().find(|(_, list)| !list.is_empty()) {
            Some((field, _)) if !self.has(libc::CLONE_NEWUSER) => {
                return Err(Error::invalid(*field, "is given, but linux.namespaces has no user namespace"));
            }
            None if self.new & libc::CLONE_NEWUSER == 0 => None,
            _ => {
                let [uids, gids] = lists.map(|(field, list)| idmap::ranges(list, field));
                Some(Maps { uids: uids?, gids: gids? })
            }
        };
        let Some(join) = self.joins.iter().find(|j| j.flags & libc::CLONE_NEWUSER != 0) else { return Ok(asked) };
        let there = Maps::of(join.fd.as_fd())?;
        if asked.is_some_and(|asked| asked != there) {
            return Err(Error::invalid("linux.uidMappings, gidMappings", format!("differ from those of {}", join.words)));
        }
        Ok(Some(there))
    }

    /// linux.timeOffsets as the kernel reads them.
    fn time_offsets(&self, spec: &Spec) -> Result<Option<String>, Error> {
        let offsets = spec.linux().as_ref().and_then(|l| l.time_offsets().as_ref()).filter(|o| !o.is_empty());
        let Some(offsets) = offsets else { return Ok(None) };
        if self.new & CLONE_NEWTIME == 0 {
            return Err(Error::invalid("linux.timeOffsets", "is given, but linux.namespaces has no new time namespace"));
        }
        let mut text = String::new();
        let mut clocks: Vec<_> = offsets.iter().collect();
        clocks.sort_by_key(|(clock, _)| *clock);
        for (clock, offset) in clocks {
            let field = format!("linux.timeOffsets.{clock}");
            if !matches!(clock.as_str(), "monotonic" | "boottime") {
                return Err(Error::invalid(field, "no clock of a time namespace (want monotonic or boottime)"));
            }
            let nanos = offset.nanosecs().unwrap_or(0);
            if nanos >= 1_000_000_000 {
                return Err(Error::invalid(format!("{field}.nanosecs"), format!("{nanos} (want less than a second)")));
            }
            let _ = writeln!(text, "{clock} {} {nanos}", offset.secs().unwrap_or(0));
        }
        Ok(Some(text))
    }
}

/// The file, checked to be a namespace of the kind.
fn opened(path: &std::path::Path, kind: LinuxNamespaceType, flag: i32) -> Result<OwnedFd, String> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.call(|| path.display().to_string()).map_err(|e| e.to_string())?;
    let got = process::namespace_type(file.as_fd()).map_err(|_| format!("{} is no namespace", path.display()))?;
    if got != flag {
        return Err(format!("{} is no {kind} namespace", path.display()));
    }
    let id = |m: std::fs::Metadata| (m.dev(), m.ino());
    let is_own = |name: &str| {
        let own = std::fs::metadata(format!("/proc/self/ns/{name}")).map(id);
        own.is_ok_and(|own| file.metadata().map(id).is_ok_and(|there| there == own))
    };
    // The first would show the container's mounts on the host, the second cannot be entered by a process that is in it (setns(2)).
    match flag {
        libc::CLONE_NEWNS if is_own("mnt") => Err(format!("{} is the host's own mount namespace", path.display())),
        libc::CLONE_NEWUSER if is_own("user") => Err(format!("{} is podrt's own user namespace: leave it out", path.display())),
        _ => Ok(file.into()),
    }
}
