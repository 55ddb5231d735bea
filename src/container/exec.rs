//! A further process in a running container: all its namespaces are joined, its cgroup, and the same confinement as init's.

use super::init::{self, At, Fail, Of, Report};
use super::namespaces::CLONE_NEWTIME;
use super::plan::{Entering, Pause, PausePipe, ProcessPlan, Stdio, outside_uid};
use super::staged::Privileged;
use super::{Born, Error, Step, birth};
use crate::seccomp::Listener;
use crate::sys::clone::{self, Child, Flags, Memory};
use crate::sys::errno::Call;
use crate::sys::tty;
use crate::sys::userns::Maps;
use crate::sys::{fs, policy, process, raw};
use oci_spec::runtime::{Process, Spec};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What an exec is asked for.
pub struct Exec<'a> {
    /// The container's init, by number and by pidfd. The caller has checked that they are one.
    pub init_pid: i32,
    pub init: BorrowedFd<'a>,
    /// The container's final config.json: seccomp comes from it.
    pub spec: &'a Spec,
    pub process: &'a Process,
    pub cgroup: BorrowedFd<'a>,
    pub stdio: Stdio<'a>,
    pub seccomp_cache: Option<&'a Path>,
    /// How many of the caller's fds, from 3 on, the command gets.
    pub preserve_fds: u32,
    /// The file to run, where it is not what the first argument names.
    pub program: Option<&'a Path>,
}

const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

/// Every namespace kind that a container may have of its own. The PID namespace is joined by the parent.
const KINDS: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | CLONE_NEWTIME;

/// The container's root folder, as a path fd that nothing inside can lead out of.
pub fn root_of(init_pid: i32, init: BorrowedFd) -> Result<OwnedFd, Error> {
    let path = crate::sys::mount::c_path(format!("/proc/{init_pid}/root"))?;
    let fd = fs::open(&path, libc::O_PATH | libc::O_DIRECTORY)?;
    // The number may have gone to a stranger meanwhile; the pidfd has not.
    process::pidfd_signal(init, 0)?;
    Ok(fd)
}

/// Starts `process` in the container, and waits until its command runs.
pub fn start(exec: &Exec) -> Result<Born, Error> {
    start_with(exec, &mut |_, _, _| Ok(()))
}

/// Passes on the listener of a seccomp filter.
pub type PassOn<'a> = dyn FnMut(Pause, &Child, Option<&Listener>) -> Result<(), Error> + 'a;

/// As [`start`]; the error of `pass_on` ends the process.
pub fn start_with(exec: &Exec, pass_on: &mut PassOn) -> Result<Born, Error> {
    let (slave, console) = match &exec.stdio {
        Stdio::Terminal(size) => {
            let size = size.or_else(|| super::plan::console_size(exec.process));
            let (slave, master) = terminal((exec.init_pid, exec.init), exec.process.user().uid(), size)?;
            (Some(slave), Some(master))
        }
        _ => (None, None),
    };
    let fds = match (&exec.stdio, &slave) {
        (Stdio::Fds(fds), _) => fds.to_vec(),
        (_, Some(slave)) => vec![slave.as_fd(); 3],
        _ => Vec::new(),
    };
    let (mut template, warnings) = Template::new(exec.init_pid, exec.spec, exec.process, slave.is_some(), exec.seccomp_cache)?;
    template.process.preserve_fds = exec.preserve_fds;
    if let Some(program) = exec.program {
        template.process.candidates = vec![crate::sys::mount::c_path(program)?];
    }
    let pauses = PausePipe::new(false, false, template.process.listens())?;
    template.process.listener = pauses.as_ref().map(|p| p.read.as_raw_fd());
    let (child, report) = template.spawn(exec.init, exec.cgroup, &fds)?;
    let mut paused = |pause| {
        pass_on(pause, &child, template.process.seccomp.as_ref().and_then(|s| s.listener.as_ref()))?;
        pauses.as_ref().map_or(Ok(()), PausePipe::go_on)
    };
    birth::listen(report, false, &child, &mut paused, |step, item| template.words(step, item))?;
    Ok(Born { pid: child.pid, pidfd: child.pidfd, console, warnings })
}

/// What does not change from one command in a container to the next, ready for the kernel: one plan serves any number of them.
#[derive(Debug)]
pub struct Template {
    process: ProcessPlan,
    joins: i32,
    privileged: Privileged,
    /// Where it runs until the container's own CPUs are set; bit n is CPU n.
    cpus: Option<Vec<u64>>,
    /// A procfs that shows this process and its children-to-be.
    proc: OwnedFd,
}

impl Template {
    /// For commands that run as `process` says, whose args are the first command. `terminal`: stdin becomes the session's terminal.
    pub fn new(
        init_pid: i32,
        spec: &Spec,
        process: &Process,
        terminal: bool,
        seccomp_cache: Option<&Path>,
    ) -> Result<(Template, Vec<String>), Error> {
        let joins = differing(init_pid)?;
        let entering = Entering { joining: true, user_namespace: joins & libc::CLONE_NEWUSER != 0 };
        let cpus = super::policy::initial_cpus(process)?;
        let (mut process, warnings) = ProcessPlan::new(spec, process, Vec::new(), terminal, entering, seccomp_cache)?;
        let privileged = if entering.user_namespace { Privileged::take(&mut process) } else { Privileged::default() };
        let proc = fs::open(c"/proc", libc::O_PATH | libc::O_DIRECTORY)?;
        Ok((Template { process, joins, privileged, cpus, proc }, warnings))
    }

    /// The next command.
    pub fn command(&mut self, args: &[String]) -> Result<(), Error> {
        self.process.set_command(args)
    }

    /// Clones the child into `cgroup`. It is on its way to its exec when this returns; what becomes of that is read from the second
    /// value, a pipe: nothing until its end is success, else [`failure`] has the words. `stdio`: empty is podrt's own.
    pub fn spawn(&mut self, init: BorrowedFd, cgroup: BorrowedFd, stdio: &[BorrowedFd]) -> Result<(Child, OwnedFd), Error> {
        let owned = stdio.iter().map(|fd| fd.try_clone_to_owned().call(|| "fcntl(F_DUPFD_CLOEXEC)".into()));
        self.process.set_stdio(owned.collect::<Result<Vec<_>, _>>()?);
        let (report, write_end) = birth::pipe()?;
        self.process.report = write_end.as_raw_fd();
        let plan = Plan {
            init: init.as_raw_fd(),
            joins: self.joins & !libc::CLONE_NEWPID,
            process: &self.process,
            privileged: &self.privileged,
            cpus: self.cpus.as_deref(),
            proc: self.proc.as_raw_fd(),
            report: write_end.as_raw_fd(),
        };
        // A copy of this process's memory: others live in that PID namespace, and one that may trace would reach a shared one.
        let spawn = || {
            birth::blocked(|| clone::spawn_scoped(Memory::Copied, Flags { namespaces: 0, cgroup: Some(cgroup) }, entry, &plan))
        };
        let child = if self.joins & libc::CLONE_NEWPID != 0 {
            let own = std::fs::File::open("/proc/self/ns/pid").call(|| "open(/proc/self/ns/pid)".into())?;
            process::setns(init, libc::CLONE_NEWPID)?;
            let child = spawn();
            process::setns(own.as_fd(), libc::CLONE_NEWPID)?;
            child
        } else {
            spawn()
        };
        // The child has copies of its own.
        self.process.set_stdio(Vec::new());
        Ok((child?, report))
    }

    fn words(&self, step: u8, item: u16) -> (Step, String) {
        match Step::from_number(step) {
            Some(s) => (s, words(s, &self.process, item)),
            None => (Step::Exec, format!("step {step}")),
        }
    }
}

/// Why `command` did not come to its exec: what was read from the pipe of [`Template::spawn`]. None where it did. `template`: the
/// one that it was spawned by, for its words, where it is still there.
pub fn failure(template: Option<&Template>, report: &[u8], command: &str) -> Option<Error> {
    let Report::Failed { step, item, errno } = Report::decode(*report.first_chunk()?) else { return None };
    let (step, words) = match (Step::from_number(step), template) {
        (Some(Step::Exec), _) => (Step::Exec, format!("exec {command}")),
        (_, Some(template)) => template.words(step, item),
        (Some(other), None) => (other, format!("exec {command}: {other:?}")),
        (None, None) => (Step::Exec, format!("exec {command}: step {step}")),
    };
    Some(Error::Birth { step, words, errno: crate::sys::Errno(errno) })
}

/// What the child reads.
struct Plan<'a> {
    init: raw::Fd,
    joins: i32,
    process: &'a ProcessPlan,
    privileged: &'a Privileged,
    cpus: Option<&'a [u64]>,
    proc: raw::Fd,
    report: raw::Fd,
}

/// Which of the container's namespaces are to be joined: all, for joining one's own changes nothing; but for the mount namespace,
/// whose join is a change of the root as well, and the user and time namespaces, which need not be there.
pub(super) fn differing(pid: i32) -> Result<i32, Error> {
    use std::os::unix::fs::MetadataExt;
    let inode = |pid: &str, kind: &str| {
        let path = format!("/proc/{pid}/ns/{kind}");
        std::fs::metadata(&path).map(|m| (m.dev(), m.ino())).call(|| path)
    };
    let mut flags = KINDS;
    for (kind, flag) in [("mnt", libc::CLONE_NEWNS), ("user", libc::CLONE_NEWUSER), ("time", CLONE_NEWTIME)] {
        let same = match inode("self", kind) {
            // A kernel without that kind.
            Err(e) if e.errno == crate::sys::Errno::ENOENT => true,
            own => own? == inode(&pid.to_string(), kind)?,
        };
        flags &= if same { !flag } else { !0 };
    }
    Ok(flags)
}

/// A pty of the container's own devpts: (slave, master). `init`: its first process, by number and by pidfd.
pub fn terminal(init: (i32, BorrowedFd), uid: u32, size: Option<tty::Size>) -> Result<(OwnedFd, OwnedFd), Error> {
    let root = root_of(init.0, init.1)?;
    let resolve = fs::RESOLVE_IN_ROOT | fs::RESOLVE_NO_SYMLINKS;
    let devpts = fs::open_at(root.as_fd(), c"dev/pts", libc::O_PATH | libc::O_DIRECTORY, resolve)?;
    if raw::fstatfs_type(devpts.as_raw_fd()) != Ok(DEVPTS_SUPER_MAGIC) {
        return Err(Error::invalid("process.terminal", "the container has no devpts at /dev/pts"));
    }
    let (master, slave) = tty::open_pty(devpts.as_fd())?;
    let same = std::fs::read_link("/proc/self/ns/user").ok() == std::fs::read_link(format!("/proc/{}/ns/user", init.0)).ok();
    let maps = if same { None } else { Some(Maps::read(init.0)?) };
    let uid = outside_uid(uid, maps.as_ref())?;
    raw::fchown(slave.as_raw_fd(), uid, u32::MAX).call(|| "fchown(pty)".into())?;
    if let Some(size) = size {
        tty::set_size(master.as_fd(), size)?;
    }
    Ok((slave, master))
}

fn words(step: Step, process: &ProcessPlan, item: u16) -> String {
    match step {
        Step::Identity(s) => s.words(item as u8, &process.identity),
        Step::Join => "join the container's namespaces".into(),
        Step::Cwd => format!("change to process.cwd {}", process.cwd.to_string_lossy()),
        Step::Exec => {
            format!("exec {}", process.argv.strings().first().map_or("".into(), |a| a.to_string_lossy().into_owned()))
        }
        Step::Session => "start a session".into(),
        Step::Policy => super::policy::words(item),
        Step::Seccomp => "load the seccomp filter".into(),
        Step::Terminal => "set the controlling terminal".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

extern "C" fn entry(plan: &Plan<'_>) -> i32 {
    init::finish(plan.report, enter(plan))
}

fn enter(plan: &Plan) -> Result<init::Never, Fail> {
    init::close_on_exec(plan.process).at(Step::CloseRange, 0)?;
    // Until exec nothing inside may look into this process: its /proc/PID is root's, and tracing needs the host's CAP_SYS_PTRACE
    // (CVE-2016-9962).
    raw::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0).map(drop).at(Step::CloseRange, 1)?;
    if let Some(mask) = plan.cpus {
        policy::sched_setaffinity(mask).at(Step::Policy, 3)?;
    }
    raw::reset_signals();
    raw::setsid().at(Step::Session, 0)?;
    // Before the joins, while the path leads to this process: whoever starts it may be far better protected than the container.
    plan.process.identity.apply_oom_score_adj(plan.proc).of(crate::identity::Step::OomScoreAdj)?;
    plan.privileged.apply()?;
    raw::setns(plan.init, plan.joins).at(Step::Join, 0)?;
    init::stdio(plan.process)?;
    init::confine(plan.process, || Ok(()))
}
