//! The child's half of a birth, between clone and exec: some 30 steps, in the order that the kernel and the field's history
//! ask for. It may run on its parent's memory, so it allocates nothing, takes no lock and never unwinds.
//!
//! Its parent learns of it by [`Report`]s on a close-on-exec pipe:
//!
//! | the parent reads | meaning |
//! |---|---|
//! | `Paused(where)` | it waits for a byte on its pipe, where the plan has one: hooks run now, or the listener is passed on |
//! | `Failed{step, item, errno}` | that step failed; the child has exited |
//! | `Ready` | all but exec is done; it waits at the gate |
//! | end of file | exec succeeded (or, before any report, the child was killed) |

use super::plan::{Pause, Plan, ProcessPlan};
use super::step::Step;
use crate::identity;
use crate::rootfs::apply;
use crate::sys::mount::PROC_SUPER_MAGIC;
use crate::sys::raw::{self, Fd, Res};
use crate::sys::{Errno, link};
use std::os::fd::AsRawFd;

/// What a failed child exits with; nobody is told but by the report.
const EXIT_FAILED: i32 = 127;

/// Eight bytes on the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    Ready,
    Paused(Pause),
    /// From the intermediate of a staged birth: the child's number.
    Born(i32),
    Failed {
        step: u8,
        item: u16,
        errno: i32,
    },
}

impl Report {
    pub const SIZE: usize = 8;

    pub fn encode(self) -> [u8; Self::SIZE] {
        let mut b = [0u8; Self::SIZE];
        match self {
            Report::Ready => {}
            Report::Paused(Pause::Namespaces) => b[0] = 2,
            Report::Paused(Pause::Mounts) => b[0] = 3,
            Report::Paused(Pause::Outside) => b[0] = 4,
            Report::Born(pid) => {
                b[0] = 5;
                b[4..8].copy_from_slice(&pid.to_le_bytes());
            }
            Report::Paused(Pause::Listener(fd)) => {
                b[0] = 6;
                b[4..8].copy_from_slice(&fd.to_le_bytes());
            }
            Report::Failed { step, item, errno } => {
                b[0] = 1;
                b[1] = step;
                b[2..4].copy_from_slice(&item.to_le_bytes());
                b[4..8].copy_from_slice(&errno.to_le_bytes());
            }
        }
        b
    }

    pub fn decode(b: [u8; Self::SIZE]) -> Report {
        let number = i32::from_le_bytes([b[4], b[5], b[6], b[7]]);
        match b[0] {
            0 => Report::Ready,
            2 => Report::Paused(Pause::Namespaces),
            3 => Report::Paused(Pause::Mounts),
            4 => Report::Paused(Pause::Outside),
            5 => Report::Born(number),
            6 => Report::Paused(Pause::Listener(number)),
            _ => Report::Failed { step: b[1], item: u16::from_le_bytes([b[2], b[3]]), errno: number },
        }
    }
}

/// (step, item, errno).
pub type Fail = (Step, u16, Errno);

pub(super) trait At<T> {
    fn at(self, step: Step, item: usize) -> Result<T, Fail>;
}

impl<T> At<T> for Res<T> {
    fn at(self, step: Step, item: usize) -> Result<T, Fail> {
        self.map_err(|e| (step, item as u16, e))
    }
}

pub(super) trait Of {
    fn of(self, step: identity::Step) -> Result<(), Fail>;
}

impl Of for Result<(), identity::Failure> {
    fn of(self, step: identity::Step) -> Result<(), Fail> {
        self.map_err(|(item, e)| (Step::Identity(step), item as u16, e))
    }
}

/// clone3's entry.
pub extern "C" fn entry(plan: &Plan) -> i32 {
    finish(plan.process.report, birth(plan))
}

/// A child's end when it did not come to its exec: the report, and the code to exit with.
pub(super) fn finish(report: Fd, result: Result<Never, Fail>) -> i32 {
    match result {
        Ok(never) => match never {},
        Err(failure) => fail(report, failure),
    }
}

/// The same, with the failure alone.
pub(super) fn fail(report: Fd, (step, item, errno): Fail) -> i32 {
    let failed = Report::Failed { step: step.number(), item, errno: errno.0 };
    let _ = raw::write(report, &failed.encode());
    EXIT_FAILED
}

pub(super) enum Never {}

fn birth(plan: &Plan) -> Result<Never, Fail> {
    // First: nothing that the caller left open may live past exec (CVE-2024-21626). Marked, not closed: the plan's fds are needed.
    close_on_exec(&plan.process).at(Step::CloseRange, 0)?;
    // Signals are all blocked by the parent until exec; their dispositions go back to the default, which nohup and Rust changed.
    raw::reset_signals();
    raw::setsid().at(Step::Session, 0)?;
    // Named by id and fresh: the caller's keys stay with the caller. A kernel without keyrings, or a full quota, is no reason to fail.
    if let Some(name) = &plan.keyring {
        let _ = raw::join_session_keyring(name);
    }

    // An intermediate has been there before.
    if plan.staged.is_none() {
        for (i, join) in plan.joins.iter().enumerate() {
            raw::setns(join.fd.as_raw_fd(), join.flags).at(Step::Join, i)?;
        }
    }
    // After the joins: a copy is made of the mount namespace just joined, and a cgroup namespace is rooted at the cgroup of now.
    if plan.unshare != 0 {
        raw::unshare(plan.unshare).at(Step::Unshare, 0)?;
    }
    if plan.loopback {
        link::lo_up().at(Step::Loopback, 0)?;
    }
    if let Some(name) = &plan.hostname {
        raw::sethostname(name).at(Step::Hostname, 0)?;
    }
    if let Some(name) = &plan.domainname {
        raw::setdomainname(name).at(Step::Domainname, 0)?;
    }
    let proc = own_proc(plan)?;

    if let Some(pauses) = &plan.pauses {
        raw::close(pauses.write.as_raw_fd());
        if pauses.at_namespaces {
            pause(plan, Pause::Namespaces)?;
        }
    }
    let slave = plan.slave.as_ref().map(AsRawFd::as_raw_fd);
    let mut paused = Ok(());
    let built = apply::build(&plan.rootfs, slave, proc, || {
        if plan.pauses.as_ref().is_some_and(|p| p.at_mounts) {
            paused = pause(plan, Pause::Mounts);
        }
        paused.is_ok()
    });
    paused?;
    built.map_err(|(step, item, errno)| (Step::Root(step), item, errno))?;

    stdio(&plan.process)?;
    confine(&plan.process, || {
        let Some(gate) = &plan.gate else { return Ok(()) };
        // Said before the wait: `create` is told here that the command is there and may be run.
        raw::write(plan.process.report, &Report::Ready.encode()).at(Step::Gate, 0)?;
        await_byte(gate.as_raw_fd(), Step::Gate)
    })
}

/// The end of the file is the end of whoever was to write.
pub(super) fn await_byte(from: Fd, step: Step) -> Result<(), Fail> {
    let mut byte = [0u8; 1];
    match raw::read(from, &mut byte) {
        Ok(1) => Ok(()),
        Ok(_) => Err((step, 0, Errno::EPIPE)),
        Err(e) => Err((step, 0, e)),
    }
}

/// Tells the parent, and waits until it lets the birth go on; its end, or that of its patience, is the birth's.
fn pause(plan: &Plan, at: Pause) -> Result<(), Fail> {
    let Some(pipe) = &plan.pauses else { return Ok(()) };
    raw::write(plan.process.report, &Report::Paused(at).encode()).at(Step::Hook, 0)?;
    await_byte(pipe.read.as_raw_fd(), Step::Hook)
}

/// Every fd from 3, or above those that the caller passes on, is marked close-on-exec.
pub(super) fn close_on_exec(process: &ProcessPlan) -> Res {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    raw::close_range(3 + process.preserve_fds, u32::MAX, CLOSE_RANGE_CLOEXEC)
}

/// What is written through procfs goes through one of its own, never through the container's tree (CVE-2025-52881).
/// Given back for the container's own /proc, which it may become.
fn own_proc(plan: &Plan) -> Result<Option<Fd>, Fail> {
    if plan.sysctls.is_empty() && plan.process.identity.oom_score_adj.is_none() {
        return Ok(None);
    }
    let proc = apply::new_fs(c"proc", &[], apply::PROC_ATTRS).at(Step::OwnProc, 0)?;
    if raw::fstatfs_type(proc).at(Step::OwnProc, 0)? != PROC_SUPER_MAGIC {
        return Err((Step::OwnProc, 0, Errno::EINVAL));
    }
    for (i, sysctl) in plan.sysctls.iter().enumerate() {
        const BENEATH_STRICT: u64 = 0x08 | 0x04 | 0x02 | 0x01; // beneath, no symlinks, no magic links, no other mount
        let fd = raw::openat2(proc, &sysctl.path, libc::O_WRONLY, 0, BENEATH_STRICT).at(Step::Sysctl, i)?;
        let written = raw::write(fd, &sysctl.value).at(Step::Sysctl, i);
        raw::close(fd);
        written?;
    }
    // While /proc/self is still root's to write.
    plan.process.identity.apply_oom_score_adj(proc).of(identity::Step::OomScoreAdj)?;
    Ok(Some(proc))
}

/// Places 0, 1, 2; a terminal becomes the session's.
pub(super) fn stdio(process: &ProcessPlan) -> Result<(), Fail> {
    for (to, from) in process.stdio.iter().enumerate() {
        if *from != to as Fd {
            raw::dup3(*from, to as Fd, 0).at(Step::Stdio, to)?;
        }
        // So that its user may open /dev/stdout: a pipe is nobody else's. Where it may not be given away, it may still be written to.
        let uid = process.identity.uid;
        if uid != 0 && raw::fstat(to as Fd).is_ok_and(|st| st.st_mode & libc::S_IFMT == libc::S_IFIFO && st.st_uid != uid) {
            let _ = raw::fchown(to as Fd, uid, u32::MAX);
        }
    }
    if process.terminal {
        raw::set_controlling_terminal(0).at(Step::Terminal, 0)?;
    }
    Ok(())
}

/// From root with everything to who the container's process is, and into its command: the one path for init and exec.
pub(super) fn confine(process: &ProcessPlan, gate: impl FnOnce() -> Result<(), Fail>) -> Result<Never, Fail> {
    let identity = &process.identity;
    // Scheduler, I/O class and labels need capabilities that go below; few containers have any.
    if let Some(policy) = &process.policy {
        policy.apply()?;
    }
    identity.apply_limits().of(identity::Step::Limits)?;
    // CAP_SETPCAP is still there.
    identity.drop_bounding().of(identity::Step::Bounding)?;
    // Without no_new_privs a filter needs CAP_SYS_ADMIN, so it comes before the capabilities go; it then sees the steps below.
    if !identity.no_new_privs {
        load_seccomp(process)?;
    }
    // Before the ids change for a folder that only root may enter; again after, for one that only the user may (NFS, mode 0700).
    let early = raw::chdir(&process.cwd);
    identity.apply_ids().of(identity::Step::Ids)?;
    identity.apply_caps().of(identity::Step::Caps)?;
    identity.raise_ambient().of(identity::Step::Ambient)?;
    if early.is_err() {
        raw::chdir(&process.cwd).at(Step::Cwd, 0)?;
    }
    // A folder outside the root, as an fd's /proc/self/fd/N leads to, has no path: the kernel says so (CVE-2024-21626).
    let mut path = [0u8; libc::PATH_MAX as usize];
    let n = raw::getcwd(&mut path).at(Step::Cwd, 0)?;
    if n == 0 || path[0] != b'/' {
        return Err((Step::Cwd, 0, Errno::ENOENT));
    }
    identity.apply_umask();
    identity.set_no_new_privs().of(identity::Step::NoNewPrivs)?;
    executable(process)?;
    // What was opened since the first time, this time right before the filter that might forbid it.
    close_on_exec(process).at(Step::CloseRange, 1)?;
    // A filter with a listener is loaded while there is a parent that passes it on; then the gate is one of the filter's calls.
    if identity.no_new_privs && process.listener.is_some() {
        load_seccomp(process)?;
    }
    gate()?;
    if identity.no_new_privs && process.listener.is_none() {
        load_seccomp(process)?;
    }
    let _ = raw::sigmask(0);
    Err(exec(process))
}

fn load_seccomp(process: &ProcessPlan) -> Result<(), Fail> {
    let Some(program) = &process.seccomp else { return Ok(()) };
    let fd = raw::seccomp_set_filter(program.flags, &program.filter).at(Step::Seccomp, 0)?;
    let Some(go) = process.listener else { return Ok(()) };
    // From here on each call may be one that waits for whoever listens; writing is not (the plan has seen to that).
    raw::write(process.report, &Report::Paused(Pause::Listener(fd as Fd)).encode()).at(Step::Seccomp, 1)?;
    await_byte(go, Step::Seccomp)?;
    // Only the listener's own copy counts: when it closes that, calls fail instead of waiting.
    raw::close(fd as Fd);
    Ok(())
}

/// Whether a command is there at all, said before the gate: after it nobody may be listening.
fn executable(process: &ProcessPlan) -> Result<(), Fail> {
    let mut worst = Errno::ENOENT;
    for path in &process.candidates {
        match raw::access_effective(raw::CWD, path, libc::X_OK) {
            Ok(()) => match raw::fstatat(raw::CWD, path, 0) {
                Ok(st) if st.st_mode & libc::S_IFMT == libc::S_IFDIR => worst = Errno::EISDIR,
                _ => return Ok(()),
            },
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(e) => worst = e,
        }
    }
    Err((Step::Exec, 0, worst))
}

/// execvp(3)'s rule: what is not there is passed over, what may not be run is remembered.
fn exec(process: &ProcessPlan) -> Fail {
    let mut worst = Errno::ENOENT;
    for path in &process.candidates {
        match raw::execve(path, &process.argv, &process.envp) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => {
                let dir = raw::fstatat(raw::CWD, path, 0).is_ok_and(|st| st.st_mode & libc::S_IFMT == libc::S_IFDIR);
                worst = if dir { Errno::EISDIR } else { Errno::EACCES };
            }
            e => return (Step::Exec, 0, e),
        }
    }
    (Step::Exec, 0, worst)
}
