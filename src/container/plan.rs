//! The flat plan of a birth: what the parent compiles from config.json and the child executes.

use super::policy::Policy;
use super::space::{Space, owned};
use super::staged::Staged;
use super::sysctl::{self, Sysctl};
use super::{Error, validate};
use crate::identity::Identity;
use crate::identity::caps::Held;
use crate::rootfs::plan::{Root, Source};
use crate::seccomp;
use crate::sys::clone::Memory;
use crate::sys::errno::Call;
use crate::sys::raw::{Fd, Vector};
use crate::sys::tty::{self, Size};
use crate::sys::userns::{self, Maps};
use crate::{rootfs, sys};
use oci_spec::runtime::{Process, Spec};
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What a birth is asked for.
pub struct Birth<'a> {
    pub id: &'a str,
    /// The final config.json: manifest and runtime defaults are merged in.
    pub spec: &'a Spec,
    /// The bundle's folder, to which relative mount sources belong.
    pub bundle: &'a Path,
    pub root: Root,
    /// The pod to join; None takes the namespaces from `spec`.
    pub join: Option<Join<'a>>,
    /// The cgroup that the container is born into, limits and device rules in force already.
    pub cgroup: BorrowedFd<'a>,
    pub stdio: Stdio<'a>,
    pub gate: Option<Gate<'a>>,
    /// Mounts beside config.json's: a pod's volumes and files.
    pub mounts: &'a [rootfs::Added],
    /// Where compiled seccomp programs are kept.
    pub seccomp_cache: Option<&'a Path>,
    pub extra: Extra,
}

/// What a command line may ask for beside config.json.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extra {
    /// How many of the caller's fds, from 3 on, the command gets.
    pub preserve_fds: u32,
    /// The root is entered by chroot, where pivot_root(2) is impossible (a root on the initial ramdisk). What lies below it
    /// stays mounted: no boundary for a container that may unmount.
    pub no_pivot: bool,
    /// The container shares the caller's session keyring.
    pub no_new_keyring: bool,
    /// The birth stops with its namespaces made, and nothing of the file tree, until its parent has done something.
    pub pause_namespaces: bool,
    /// It stops with all mounts in place, before it enters the root.
    pub pause_mounts: bool,
    /// Its parent passes on the listener of a seccomp filter that notifies.
    pub serves_listener: bool,
}

/// Where a birth that is asked to stops, and its parent acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    Namespaces,
    Mounts,
    /// Of an intermediate: see [`super::staged`].
    Outside,
    /// The seccomp filter is loaded; its listener is this fd of the child's.
    Listener(Fd),
}

/// The pipe on which a stopped birth is told to go on.
#[derive(Debug)]
pub struct PausePipe {
    pub read: OwnedFd,
    /// The child closes its copy: when the parent is gone it reads the end of the file.
    pub write: OwnedFd,
    pub at_namespaces: bool,
    pub at_mounts: bool,
}

impl PausePipe {
    /// None where nothing is to be waited for.
    pub fn new(at_namespaces: bool, at_mounts: bool, listens: bool) -> Result<Option<PausePipe>, Error> {
        if !(at_namespaces || at_mounts || listens) {
            return Ok(None);
        }
        let (read, write) = sys::event::pipe()?;
        Ok(Some(PausePipe { read, write, at_namespaces, at_mounts }))
    }

    /// Lets the child go on.
    pub fn go_on(&self) -> Result<(), Error> {
        sys::raw::write(self.write.as_raw_fd(), b"0").map(drop).call(|| "write(pause)".into()).map_err(Error::Sys)
    }
}

/// A pod's pause process, which holds its namespaces.
#[derive(Clone, Copy)]
pub struct Join<'a> {
    /// Its pidfd.
    pub pause: BorrowedFd<'a>,
    /// `CLONE_NEWNET`, `CLONE_NEWIPC`, `CLONE_NEWUTS`: those that pause holds and the host does not share.
    pub flags: i32,
    /// Pause is pid 1 of a PID namespace that all containers share.
    pub shared_pid: bool,
    /// The pod is in the host's PID namespace.
    pub host_pid: bool,
}

pub enum Stdio<'a> {
    /// podrt's own stdin, stdout, stderr.
    Inherit,
    Fds([BorrowedFd<'a>; 3]),
    /// A new pty of the container's devpts; its master comes back in [`super::Born`].
    Terminal(Option<Size>),
}

/// The child waits here, all but exec'd, until a byte can be read.
pub struct Gate<'a> {
    pub fd: BorrowedFd<'a>,
    /// The parent ends before the gate opens: the child may stay on its memory ([`Memory::Shared`]).
    pub parent_leaves: bool,
}

/// An open namespace, or a pidfd with the namespaces to join of it.
#[derive(Debug)]
pub struct JoinFd {
    pub fd: OwnedFd,
    pub flags: i32,
    pub words: String,
}

/// What init and exec have in common: one confinement path for every process that enters a container.
#[derive(Debug)]
pub struct ProcessPlan {
    pub identity: Identity,
    pub seccomp: Option<seccomp::Program>,
    pub argv: Vector,
    pub envp: Vector,
    /// The command as execve(2) takes it: itself when it holds a slash, else in each folder of PATH.
    pub candidates: Vec<CString>,
    pub cwd: CString,
    /// What becomes 0, 1, 2.
    pub stdio: [Fd; 3],
    /// Keeps `stdio` open.
    pub stdio_owned: Vec<OwnedFd>,
    /// stdin is a terminal that becomes the session's.
    pub terminal: bool,
    pub policy: Option<Box<Policy>>,
    /// Fds 3 to this many above stay open over exec.
    pub preserve_fds: u32,
    /// The write end of the child's report.
    pub report: Fd,
    /// With a filter that notifies: where the child reads that its listener has been passed on.
    pub listener: Option<Fd>,
}

#[derive(Debug)]
pub struct Plan {
    pub id: String,
    pub memory: Memory,
    /// Namespaces that clone3 makes.
    pub clone_new: i32,
    /// Namespaces that the child makes once it is in its cgroup and the joined ones: a cgroup namespace's root is the cgroup of
    /// the process at that moment, which clone3 takes from the parent.
    pub unshare: i32,
    pub joins: Vec<JoinFd>,
    /// A PID namespace to be born into, by pidfd or namespace fd.
    pub pid_join: Option<OwnedFd>,
    pub cgroup: OwnedFd,
    pub loopback: bool,
    pub hostname: Option<Vec<u8>>,
    pub domainname: Option<Vec<u8>>,
    pub sysctls: Vec<Sysctl>,
    pub rootfs: rootfs::Plan,
    pub process: ProcessPlan,
    /// The name of a session keyring of its own.
    pub keyring: Option<CString>,
    pub slave: Option<OwnedFd>,
    pub console: Option<OwnedFd>,
    pub gate: Option<OwnedFd>,
    /// None for a birth that goes through.
    pub pauses: Option<PausePipe>,
    /// For a user or time namespace of the container's own.
    pub staged: Option<Box<Staged>>,
    pub warnings: Vec<String>,
}

impl Plan {
    /// Everything that can fail on bad input fails here, with nothing made.
    pub fn new(birth: &Birth) -> Result<Plan, Error> {
        let spec = birth.spec;
        validate::spec(spec)?;
        let process = spec.process().as_ref().ok_or_else(|| Error::invalid("process", "is missing"))?;
        let mut warnings = Vec::new();
        if birth.join.is_some()
            && spec.hooks().as_ref().is_some_and(|h| super::HOOKS.iter().any(|n| !super::hooks_named(h, n).is_empty()))
        {
            return Err(Error::invalid("hooks", "are not supported in pods yet"));
        }
        let ns = Space::new(birth)?;
        let mut rootfs = rootfs::Plan::new(spec, birth.bundle, &birth.root, ns.base, birth.mounts, ns.maps.as_ref())?;
        warnings.append(&mut rootfs.warnings);
        let (slave, console) = match &birth.stdio {
            Stdio::Terminal(size) => {
                let (slave, master) =
                    terminal(&mut rootfs, size.or_else(|| console_size(process)), process.user().uid(), ns.maps.as_ref())?;
                (Some(slave), Some(master))
            }
            _ => (None, None),
        };
        rootfs.console = slave.is_some();
        // A mount namespace of others stays as it is below the root.
        rootfs.pivot = rootfs.pivot && ns.own_mounts && !birth.extra.no_pivot;
        let stdio = stdio(&birth.stdio, slave.as_ref())?;
        let entering = Entering { joining: false, user_namespace: ns.maps.is_some() };
        let (mut process, more) = ProcessPlan::new(spec, process, stdio, slave.is_some(), entering, birth.seccomp_cache)?;
        process.preserve_fds = birth.extra.preserve_fds;
        warnings.extend(more);
        let listens = process.listens();
        if listens && !birth.extra.serves_listener {
            return Err(Error::invalid("linux.seccomp.listenerPath", "is not supported in pods yet"));
        }
        let staged = ns.staged(&mut process);
        let pauses = PausePipe::new(birth.extra.pause_namespaces, birth.extra.pause_mounts, listens)?;
        process.listener = pauses.as_ref().filter(|_| listens).map(|p| p.read.as_raw_fd());
        let mut sysctls = Vec::new();
        let mut pairs: Vec<_> = spec.linux().iter().flat_map(|l| l.sysctl().iter().flatten()).collect();
        pairs.sort();
        for (key, value) in pairs {
            sysctls.push(sysctl::plan(key, value, ns.owned)?);
        }
        let text =
            |s: &Option<String>| s.as_ref().filter(|s| !s.is_empty() && birth.join.is_none()).map(|s| s.clone().into_bytes());
        Ok(Plan {
            id: birth.id.to_string(),
            memory: match (&birth.gate, ns.alone) {
                // A parent that waits in clone cannot act meanwhile; an intermediate copies its memory.
                _ if pauses.is_some() || staged.is_some() => Memory::Copied,
                (Some(g), true) if g.parent_leaves => Memory::Shared,
                (None, true) => Memory::Borrowed,
                _ => Memory::Copied,
            },
            clone_new: ns.clone_new,
            unshare: ns.unshare,
            joins: ns.joins,
            pid_join: ns.pid_join,
            cgroup: owned(birth.cgroup)?,
            staged,
            loopback: birth.join.is_none() && ns.clone_new & libc::CLONE_NEWNET != 0,
            hostname: text(spec.hostname()),
            domainname: text(spec.domainname()),
            sysctls,
            rootfs,
            process,
            keyring: match birth.extra.no_new_keyring {
                true => None,
                false => Some(c_string("id", format!("_ses.{}", birth.id))?),
            },
            slave,
            console,
            gate: birth.gate.as_ref().map(|g| owned(g.fd)).transpose()?,
            pauses,
            warnings,
        })
    }
}

/// process.consoleSize, for a terminal whose caller has no size of its own.
pub(super) fn console_size(process: &Process) -> Option<Size> {
    let size = process.console_size()?;
    let side = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    Some(Size { rows: side(size.height()), cols: side(size.width()) })
}

/// The container's devpts is made here, by the parent, so that the master never has to be sent back: the child mounts it.
fn terminal(rootfs: &mut rootfs::Plan, size: Option<Size>, uid: u32, maps: Option<&Maps>) -> Result<(OwnedFd, OwnedFd), Error> {
    let devpts =
        rootfs.mounts.iter_mut().find(|m| matches!(&m.source, Source::New { fstype, .. } if fstype.as_c_str() == c"devpts"));
    let Some(op) = devpts else {
        return Err(Error::invalid("process.terminal", "is true, but mounts has no devpts (want one at /dev/pts)"));
    };
    if let Source::New { fstype, options, attrs } = &op.source {
        let mount = sys::mount::new_fs(fstype, &rootfs::plan::outside(options, maps, &op.words)?, *attrs)?;
        let (master, slave) = tty::open_pty(mount.as_fd())?;
        let uid = outside_uid(uid, maps)?;
        sys::raw::fchown(slave.as_raw_fd(), uid, u32::MAX).call(|| format!("fchown(pty, {uid})"))?;
        if let Some(size) = size {
            tty::set_size(master.as_fd(), size)?;
        }
        op.source = Source::Tree(mount);
        return Ok((slave, master));
    }
    Err(Error::invalid("process.terminal", "the devpts is no new one"))
}

/// The host's number of a uid of the container's.
pub(super) fn outside_uid(uid: u32, maps: Option<&Maps>) -> Result<u32, Error> {
    let Some(maps) = maps else { return Ok(uid) };
    userns::outside(&maps.uids, uid)
        .ok_or_else(|| Error::invalid("process.user.uid", format!("{uid} is not in linux.uidMappings")))
}

/// Duplicates to numbers of 3 and above, so that placing one at 0, 1, 2 never covers another.
fn stdio(stdio: &Stdio, slave: Option<&OwnedFd>) -> Result<Vec<OwnedFd>, Error> {
    let fds = match (stdio, slave) {
        (Stdio::Fds(fds), _) => fds.to_vec(),
        (_, Some(slave)) => vec![slave.as_fd(); 3],
        _ => return Ok(Vec::new()),
    };
    fds.into_iter().map(owned).collect()
}

pub(super) fn c_string(field: &str, text: impl Into<Vec<u8>>) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::invalid(field, "holds a NUL byte"))
}

/// What execvp(3) searches when the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a process comes into its container.
#[derive(Debug, Clone, Copy)]
pub struct Entering {
    /// An exec, not a birth.
    pub joining: bool,
    /// It gets all capabilities of a user namespace, whatever podrt itself has.
    pub user_namespace: bool,
}

impl ProcessPlan {
    /// `stdio` empty: podrt's own 0, 1, 2.
    pub fn new(
        spec: &Spec,
        process: &Process,
        stdio: Vec<OwnedFd>,
        terminal: bool,
        entering: Entering,
        seccomp_cache: Option<&Path>,
    ) -> Result<(ProcessPlan, Vec<String>), Error> {
        validate::process(process)?;
        let (mut identity, mut warnings) = match entering.user_namespace {
            true => Identity::plan_with(process, Held::in_user_namespace())?,
            false => Identity::plan(process)?,
        };
        clamp_oom(&mut identity, &mut warnings);
        let profile = spec.linux().as_ref().and_then(|l| l.seccomp().as_ref());
        let seccomp = profile.map(|profile| seccomp::load(profile, seccomp_cache)).transpose()?;
        warnings.extend(seccomp.iter().flat_map(|program| program.warnings.iter().cloned()));
        let args = process.args().as_deref().unwrap_or_default();
        let env = &last_of_each(process.env().as_deref().unwrap_or_default());
        let vector = |field: &str, list: &[String]| -> Result<Vector, Error> {
            let strings = list.iter().enumerate().map(|(i, s)| c_string(&format!("{field}[{i}]"), s.as_bytes()));
            Ok(Vector::new(strings.collect::<Result<_, _>>()?))
        };
        let plan = ProcessPlan {
            identity,
            seccomp,
            argv: vector("process.args", args)?,
            envp: vector("process.env", env)?,
            candidates: candidates(
                args.first().map_or("", String::as_str),
                env.iter().rev().find_map(|e| e.strip_prefix("PATH=")),
            )?,
            cwd: sys::mount::c_path(process.cwd())?,
            stdio: numbers(&stdio),
            stdio_owned: stdio,
            terminal,
            policy: Policy::plan(spec, process, entering.joining)?,
            preserve_fds: 0,
            report: -1,
            listener: None,
        };
        Ok((plan, warnings))
    }

    /// Another command with the same environment.
    pub fn set_command(&mut self, args: &[String]) -> Result<(), Error> {
        let first = args.first().filter(|a| !a.is_empty());
        let first = first.ok_or_else(|| Error::invalid("process.args", "is empty; want a command"))?;
        let strings = args.iter().enumerate().map(|(i, s)| c_string(&format!("process.args[{i}]"), s.as_bytes()));
        let argv = strings.collect::<Result<Vec<_>, _>>()?;
        let path = self.envp.strings().iter().rev().find_map(|e| e.to_str().ok()?.strip_prefix("PATH="));
        self.candidates = candidates(first, path)?;
        self.argv = Vector::new(argv);
        Ok(())
    }

    /// What becomes 0, 1, 2; empty is podrt's own.
    pub fn set_stdio(&mut self, stdio: Vec<OwnedFd>) {
        self.stdio = numbers(&stdio);
        self.stdio_owned = stdio;
    }

    /// Its seccomp filter has a listener.
    pub fn listens(&self) -> bool {
        self.seccomp.as_ref().is_some_and(|program| program.listener.is_some())
    }
}

/// Of a name that stands twice the last counts, and is alone: programs differ in which they take.
fn last_of_each(env: &[String]) -> Vec<String> {
    let name = |e: &str| e.split_once('=').map_or(e.to_string(), |(name, _)| name.to_string());
    let mut seen = std::collections::HashSet::new();
    let mut out: Vec<String> = env.iter().rev().filter(|e| seen.insert(name(e))).cloned().collect();
    out.reverse();
    out
}

fn numbers(stdio: &[OwnedFd]) -> [Fd; 3] {
    match stdio {
        [a, b, c] => [a.as_raw_fd(), b.as_raw_fd(), c.as_raw_fd()],
        _ => [0, 1, 2],
    }
}

/// execvp(3)'s search, done ahead: the child only tries. `path`: the environment's PATH.
fn candidates(command: &str, path: Option<&str>) -> Result<Vec<CString>, Error> {
    let c = |p: &OsStr| {
        use std::os::unix::ffi::OsStrExt;
        c_string("process.args[0]", p.as_bytes())
    };
    if command.contains('/') {
        return Ok(vec![c(OsStr::new(command))?]);
    }
    let path = path.filter(|p| !p.is_empty()).unwrap_or(DEFAULT_PATH);
    path.split(':').map(|dir| c(Path::new(if dir.is_empty() { "." } else { dir }).join(command).as_os_str())).collect()
}

/// oom_score_adj may not go below where this process stands without CAP_SYS_RESOURCE (proc(5)): then that value, and a warning.
fn clamp_oom(identity: &mut Identity, warnings: &mut Vec<String>) {
    let Some(asked) = identity.oom_score_adj else { return };
    let own: Option<i32> = std::fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|t| t.trim().parse().ok());
    let may = caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_SYS_RESOURCE).unwrap_or(false);
    if let Some(own) = own.filter(|own| asked < *own && !may) {
        warnings.push(format!("process.oomScoreAdj: {asked} may not be set without CAP_SYS_RESOURCE; {own} is used"));
        identity.oom_score_adj = Some(own);
    }
}
