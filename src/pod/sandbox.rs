//! A sandbox's birth: pause, with the pod's namespaces and its private mount namespace.
//!
//! The base mount namespace holds three mounts, all of the pod's own: `/` (a small read-only tmpfs with the pause program), the
//! shared `/shm` and the message queues of the pod's IPC namespace; and what the pod's volumes keep in memory. Containers are cloned from it, so their birth copies those
//! three and nothing of the host's tree.

use super::error::{Code, Error, Result};
use super::pause;
use super::spec::SandboxSpec;
use super::volume::Tree;
use crate::store::{self, Process};
use crate::sys::clone::{self, Memory};
use crate::sys::errno::{Call, Errno};
use crate::sys::raw::{self, Fd, MountAttr, Res};
use crate::sys::{event, fault, link, mount, process};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

/// The pod's /dev/shm in the base mount namespace.
pub const SHM: &CStr = c"/shm";
/// The pod's message queues in the base mount namespace.
pub const MQUEUE: &CStr = c"/mqueue";
const PROGRAM: &CStr = c"/pause";

/// Bytes of /dev/shm where the spec says none: the usual 64 MiB.
const SHM_SIZE: u64 = 64 << 20;

/// A living pause.
#[derive(Debug)]
pub struct Pause {
    pub process: Process,
    pub pidfd: OwnedFd,
    /// CLONE_NEW* bits of the namespaces that it holds and containers join, the mount namespace included.
    pub joins: i32,
    pub namespaces: BTreeMap<String, u64>,
}

/// The namespaces that a pod's containers share, of pause's own: CLONE_NEW* bits.
pub fn namespaces(spec: &SandboxSpec) -> i32 {
    let mut flags = libc::CLONE_NEWNS;
    if !spec.host_network {
        // A pod in the host's network has the host's name as well.
        flags |= libc::CLONE_NEWNET | libc::CLONE_NEWUTS;
    }
    if !spec.host_ipc {
        flags |= libc::CLONE_NEWIPC;
    }
    if spec.share_process_namespace && !spec.host_pid {
        flags |= libc::CLONE_NEWPID;
    }
    flags
}

/// Clones pause into `cgroup`, a leaf, with `trees` in its mount namespace. On failure nothing is left of it.
pub fn birth(spec: &SandboxSpec, cgroup: BorrowedFd, trees: &[Tree]) -> Result<Pause> {
    let joins = namespaces(spec);
    fault::point("create.sandbox.plan")?;
    let root = base(pause::ELF, trees)?;
    let place = |t: &Tree| Ok((t.mount.as_raw_fd(), c(format!("/{}", t.path))?));
    let shm = shm(spec)?;
    let (proc, sysctls) = sysctls(spec, joins)?;
    let plan = Plan {
        joins,
        root: root.as_raw_fd(),
        shm: shm.as_raw_fd(),
        proc: proc.as_ref().map_or(-1, |p| p.as_raw_fd()),
        hostname: spec.hostname.clone().into_bytes(),
        sysctls,
        trees: trees.iter().map(place).collect::<Result<_>>()?,
        argv: raw::Vector::new(vec![pause::PAUSE.to_owned()]),
        envp: raw::Vector::new(Vec::new()),
        step: AtomicUsize::new(0),
        item: AtomicUsize::new(0),
        errno: AtomicI32::new(0),
    };
    fault::point("create.sandbox.clone")?;
    // On borrowed memory: outside its own PID namespace only the host's root could trace it, who can reach podrt anyway.
    let flags = clone::Flags { namespaces: joins as u64, cgroup: Some(cgroup) };
    let child = clone::spawn_scoped(Memory::Borrowed, flags, enter, &plan)?;
    if let Some(error) = plan.failure() {
        let _ = process::wait_pidfd(child.pidfd.as_fd(), true);
        return Err(error);
    }
    let alive = |step: &str| -> Result<Pause> {
        fault::point(step)?;
        let kinds = ["net", "ipc", "uts", "mnt", "pid", "cgroup"];
        let namespaces = kinds.iter().filter_map(|k| Some((k.to_string(), store::process::namespace(child.pid, k)?))).collect();
        let process = Process::of(child.pid).ok_or_else(|| Error::internal("pause: ended at once"))?;
        Ok(Pause { process, pidfd: child.pidfd.try_clone().call(|| "dup(pidfd)".into())?, joins, namespaces })
    };
    alive("create.sandbox.born").inspect_err(|_| end(child.pidfd.as_fd()))
}

/// Kills pause and reaps it.
pub fn end(pidfd: BorrowedFd) {
    let _ = process::pidfd_signal(pidfd, libc::SIGKILL);
    let _ = event::poll_in(pidfd, Some(5_000));
    let _ = process::wait_pidfd(pidfd, false);
}

fn c(text: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(Code::InvalidArgument, "a value holds a NUL byte"))
}

/// The root of the base namespace: detached, filled, then read-only, so that nobody can write to pause through /proc/PID/exe.
fn base(program: &[u8], trees: &[Tree]) -> Result<OwnedFd> {
    let options = [(c("size")?, Some(c("64k")?)), (c("mode")?, Some(c("755")?))];
    let root = mount::new_fs(c"tmpfs", &options, (mount::MOUNT_ATTR_NOSUID | mount::MOUNT_ATTR_NODEV) as u32)?;
    let at = root.as_raw_fd();
    for folder in [SHM, MQUEUE] {
        raw::mkdirat(at, relative(folder), 0o755).call(|| format!("mkdirat(base, {})", folder.to_string_lossy()))?;
    }
    // The mount points of `a/b` are `a` and `a/b`.
    let parts = |path: &'_ str| path.match_indices('/').map(|(i, _)| i).chain([path.len()]).collect::<Vec<_>>();
    for (path, end) in trees.iter().flat_map(|t| parts(&t.path).into_iter().map(|end| (&t.path, end))) {
        match raw::mkdirat(at, &c(&path[..end])?, 0o755) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e).call(|| format!("mkdirat(base, {path})")).map_err(Into::into),
        }
    }
    let file = raw::openat(at, relative(PROGRAM), libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0o555)
        .call(|| "openat(base, pause)".into())?;
    let written = raw::write(file, program);
    raw::close(file);
    match written {
        Ok(n) if n == program.len() => {}
        Ok(_) => return Err(Error::internal("write(base, pause): short")),
        Err(e) => return Err(e).call(|| "write(base, pause)".into())?,
    }
    mount::set_attr(root.as_fd(), &MountAttr { attr_set: mount::MOUNT_ATTR_RDONLY, ..MountAttr::default() }, false)?;
    Ok(root)
}

fn relative(path: &CStr) -> &CStr {
    match path.to_bytes_with_nul() {
        [b'/', rest @ ..] => CStr::from_bytes_with_nul(rest).unwrap_or(path),
        _ => path,
    }
}

/// The pod's /dev/shm, detached; the host's own for a pod in the host's IPC namespace.
fn shm(spec: &SandboxSpec) -> Result<OwnedFd> {
    if spec.host_ipc {
        let shm = mount::clone_tree(c"/dev/shm", false)?;
        // No peer of the host's: what a container mounts below it stays with the container.
        mount::set_attr(shm.as_fd(), &MountAttr { propagation: libc::MS_PRIVATE, ..MountAttr::default() }, false)?;
        return Ok(shm);
    }
    let size = if spec.shm_size == 0 { SHM_SIZE } else { spec.shm_size };
    let options = [(c("size")?, Some(c(size.to_string())?)), (c("mode")?, Some(c("1777")?))];
    let attrs = mount::MOUNT_ATTR_NOSUID | mount::MOUNT_ATTR_NODEV | mount::MOUNT_ATTR_NOEXEC;
    Ok(mount::new_fs(c"tmpfs", &options, attrs as u32)?)
}

/// Where a dotted sysctl lies below /proc/sys, if it belongs to a namespace of `joins` (sysctl(8): a slash in place of a dot
/// keeps the dots of an interface's name).
fn sysctl_path(key: &str, joins: i32) -> Result<CString> {
    let wrong = |problem: &str| {
        let mut e = Error::new(Code::InvalidArgument, format!("sysctl {key:?}: {problem}"));
        e.field = "spec.securityContext.sysctls".into();
        e
    };
    let owner = match key {
        k if k.starts_with("net.") => libc::CLONE_NEWNET,
        "kernel.sem" => libc::CLONE_NEWIPC,
        k if k.starts_with("kernel.shm") || k.starts_with("kernel.msg") || k.starts_with("fs.mqueue.") => libc::CLONE_NEWIPC,
        _ => return Err(wrong("does not belong to a namespace of the pod")),
    };
    if joins & owner == 0 {
        return Err(wrong("would change the host: the pod does not have that namespace of its own"));
    }
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    if !key.bytes().all(safe) || key.split(['.', '/']).any(str::is_empty) {
        return Err(wrong("is not a dotted name"));
    }
    let path: String = key
        .chars()
        .map(|ch| {
            if ch == '.' {
                '/'
            } else if ch == '/' {
                '.'
            } else {
                ch
            }
        })
        .collect();
    c(format!("sys/{path}"))
}

type Sysctls = Vec<(CString, Vec<u8>)>;

/// A procfs of podrt's own, checked, and the paths below it: nothing that is mounted over /proc can be in the way.
fn sysctls(spec: &SandboxSpec, joins: i32) -> Result<(Option<OwnedFd>, Sysctls)> {
    if spec.sysctls.is_empty() {
        return Ok((None, Vec::new()));
    }
    let mut list = Vec::new();
    for (key, value) in &spec.sysctls {
        list.push((sysctl_path(key, joins)?, value.clone().into_bytes()));
    }
    let proc = mount::new_fs(c"proc", &[], 0)?;
    match raw::fstatfs_type(proc.as_raw_fd()) {
        Ok(mount::PROC_SUPER_MAGIC) => Ok((Some(proc), list)),
        _ => Err(Error::internal("fsmount(proc): not a procfs")),
    }
}

/// What the child needs, made before the clone.
struct Plan {
    joins: i32,
    root: Fd,
    shm: Fd,
    proc: Fd,
    hostname: Vec<u8>,
    sysctls: Sysctls,
    trees: Vec<(Fd, CString)>,
    argv: raw::Vector,
    envp: raw::Vector,
    // What failed, written by the child on this same memory before it ends.
    step: AtomicUsize,
    item: AtomicUsize,
    errno: AtomicI32,
}

/// The child's steps; the number is the index.
const STEPS: [&str; 13] = [
    "close_range(3, CLOEXEC)",
    "setsid",
    "mount(/, private)",
    "move_mount(base)",
    "pivot_root",
    "umount2(the host's tree)",
    "move_mount(/shm)",
    "mount(/mqueue)",
    "lo up",
    "sethostname",
    "sysctl",
    "execve(/pause)",
    "move_mount(volume)",
];

impl Plan {
    fn failure(&self) -> Option<Error> {
        let errno = Errno(self.errno.load(Relaxed));
        if errno.0 == 0 {
            return None;
        }
        let step = STEPS.get(self.step.load(Relaxed)).copied().unwrap_or("birth");
        let item = self.sysctls.get(self.item.load(Relaxed)).filter(|_| step == "sysctl");
        let words = match item {
            Some((path, value)) => {
                format!("sysctl {} = {:?}", path.to_string_lossy(), String::from_utf8_lossy(value))
            }
            None => step.to_string(),
        };
        let code = if item.is_some() { Code::InvalidArgument } else { Code::Internal };
        Some(Error::new(code, format!("pause: {words}: {errno}")).with_errno(Some(errno)))
    }
}

/// The child half. No allocation, no locks, no formatting: it runs on its parent's memory.
extern "C" fn enter(plan: &Plan) -> i32 {
    if let Err(errno) = walk(plan) {
        plan.errno.store(errno.0, Relaxed);
    }
    127
}

fn walk(plan: &Plan) -> Res {
    let at = |step: usize| plan.step.store(step, Relaxed);
    raw::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)?;
    at(1);
    raw::setsid()?;
    raw::reset_signals();
    raw::sigmask(0)?;
    at(2);
    raw::mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
    at(3);
    raw::move_mount(plan.root, c"", raw::CWD, c"/", mount::MOVE_MOUNT_F_EMPTY_PATH)?;
    at(4);
    // The new root lies over the old one; the old one then comes to lie over the new, from where it is taken away.
    raw::fchdir(plan.root)?;
    raw::pivot_root(c".", c".")?;
    at(5);
    raw::umount2(c".", libc::MNT_DETACH)?;
    raw::chdir(c"/")?;
    at(6);
    raw::move_mount(plan.shm, c"", raw::CWD, SHM, mount::MOVE_MOUNT_F_EMPTY_PATH)?;
    at(12);
    for (fd, path) in &plan.trees {
        raw::move_mount(*fd, c"", raw::CWD, path, mount::MOVE_MOUNT_F_EMPTY_PATH)?;
    }
    at(7);
    // Made here: a mount of mqueue belongs to the IPC namespace of its maker.
    let fs = raw::fsopen(c"mqueue")?;
    raw::fsconfig_create(fs)?;
    let attrs = mount::MOUNT_ATTR_NOSUID | mount::MOUNT_ATTR_NODEV | mount::MOUNT_ATTR_NOEXEC;
    let queues = raw::fsmount(fs, attrs as u32)?;
    raw::move_mount(queues, c"", raw::CWD, MQUEUE, mount::MOVE_MOUNT_F_EMPTY_PATH)?;
    if plan.joins & libc::CLONE_NEWNET != 0 {
        at(8);
        link::lo_up()?;
    }
    if plan.joins & libc::CLONE_NEWUTS != 0 {
        at(9);
        raw::sethostname(&plan.hostname)?;
    }
    at(10);
    for (i, (path, value)) in plan.sysctls.iter().enumerate() {
        plan.item.store(i, Relaxed);
        // RESOLVE_NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH of openat2(2).
        let fd = raw::openat2(plan.proc, path, libc::O_WRONLY, 0, 0x01 | 0x02 | 0x04 | 0x08)?;
        raw::write(fd, value)?;
        raw::close(fd);
    }
    at(11);
    // Not one fd: what holds a pod's namespaces holds nothing of the host's.
    raw::close_range(0, u32::MAX, 0)?;
    Err(raw::execve(PROGRAM, &plan.argv, &plan.envp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysctl_that_is_not_the_pods_own_is_refused() {
        let own = libc::CLONE_NEWNET | libc::CLONE_NEWIPC;
        for (key, joins) in [
            ("kernel.core_pattern", own),
            ("vm.swappiness", own),
            ("net..core_pattern", own),
            ("net./../kernel.x", own),
            ("net.ipv4.x y", own),
            ("net.core.somaxconn", libc::CLONE_NEWIPC),
            ("kernel.sem", libc::CLONE_NEWNET),
        ] {
            assert!(sysctl_path(key, joins).is_err(), "{key}");
        }
        assert_eq!(
            sysctl_path("net.ipv4.conf.eth0/1.forwarding", own).unwrap().as_c_str(),
            c"sys/net/ipv4/conf/eth0.1/forwarding"
        );
        assert_eq!(sysctl_path("kernel.sem", own).unwrap().as_c_str(), c"sys/kernel/sem");
    }
}
