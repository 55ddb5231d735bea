//! The parent's half of a birth's end: clone, listen, give the words to the child's numbers.

use super::init::{self, Report};
use super::plan::PausePipe;
use super::{Error, Pause, Plan, Step};
use crate::sys::clone::{self, Child, Flags, Memory};
use crate::sys::errno::Call;
use crate::sys::{Errno, process, raw};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// A container whose command runs, or that waits at its gate.
#[derive(Debug)]
pub struct Born {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// The pty's master, when a terminal was asked for.
    pub console: Option<OwnedFd>,
    pub warnings: Vec<String>,
}

/// Executes the plan. On an error the child is gone and reaped; nothing of it is left but the cgroup, which is the caller's.
pub fn start(plan: Plan) -> Result<Born, Error> {
    start_with(plan, &mut |_, _| Ok(()))
}

/// As [`start`]; `act` is called where the plan pauses, with the child as it is then. Its error ends the birth.
pub fn start_with(mut plan: Plan, act: &mut dyn FnMut(Pause, &Child) -> Result<(), Error>) -> Result<Born, Error> {
    let (report, write_end) = pipe()?;
    plan.process.report = write_end.as_raw_fd();
    let console = plan.console.take();
    let warnings = std::mem::take(&mut plan.warnings);
    let gated = plan.gate.is_some();
    let child;
    let plan_ref: &Plan;
    let kept;
    if plan.memory == Memory::Shared {
        // The child reads it after this process has gone on; it ends with the process that called create.
        let leaked: &'static Plan = Box::leak(Box::new(plan));
        child = blocked(|| clone::spawn(leaked.memory, flags(leaked), init::entry, leaked))?;
        plan_ref = leaked;
    } else {
        kept = plan;
        if let Some(staged) = &kept.staged {
            child = super::staged::spawn(&kept, staged)?;
        } else {
            child = in_pid_namespace(&kept, || blocked(|| clone::spawn_scoped(kept.memory, flags(&kept), init::entry, &kept)))?;
        }
        plan_ref = &kept;
    }
    drop(write_end);
    let mut go_on = |pause| {
        act(pause, &child)?;
        plan_ref.pauses.as_ref().map_or(Ok(()), PausePipe::go_on)
    };
    listen(report, gated, &child, &mut go_on, |step, item| match Step::from_number(step) {
        Some(s) => (s, s.words(plan_ref, item)),
        None => (Step::Exec, format!("step {step}")),
    })?;
    Ok(Born { pid: child.pid, pidfd: child.pidfd, console, warnings })
}

fn flags(plan: &Plan) -> Flags<'_> {
    Flags { namespaces: plan.clone_new as u32 as u64, cgroup: Some(plan.cgroup.as_fd()) }
}

pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    let (r, w) = std::io::pipe().call(|| "pipe2".into())?;
    Ok((r.into(), w.into()))
}

/// Blocks every signal around the clone, so that none reaches the child while it wears its parent's handlers; the child opens
/// the mask right before exec.
pub(super) fn blocked<T>(f: impl FnOnce() -> T) -> T {
    let old = raw::sigmask(!0);
    let out = f();
    if let Ok(old) = old {
        let _ = raw::sigmask(old);
    }
    out
}

/// A birth into a PID namespace that exists: this process's children-to-be are moved there and back.
fn in_pid_namespace<T>(plan: &Plan, f: impl FnOnce() -> crate::sys::Result<T>) -> crate::sys::Result<T> {
    let Some(join) = &plan.pid_join else { return f() };
    let own = std::fs::File::open("/proc/self/ns/pid").call(|| "open(/proc/self/ns/pid)".into())?;
    process::setns(join.as_fd(), libc::CLONE_NEWPID)?;
    let out = f();
    process::setns(own.as_fd(), libc::CLONE_NEWPID)?;
    out
}

/// Reads the child's report; on a failure reaps it.
pub(super) fn listen(
    report: OwnedFd,
    gated: bool,
    child: &Child,
    paused: &mut dyn FnMut(Pause) -> Result<(), Error>,
    words: impl FnOnce(u8, u16) -> (Step, String),
) -> Result<(), Error> {
    let mut pipe = std::fs::File::from(report);
    let (bytes, got) = loop {
        let (bytes, got) = read_report(&mut pipe)?;
        match Report::decode(bytes) {
            Report::Paused(pause) if got == Report::SIZE => {
                if let Err(e) = paused(pause) {
                    let _ = process::pidfd_signal(child.pidfd.as_fd(), libc::SIGKILL);
                    let _ = process::wait_pidfd(child.pidfd.as_fd(), true);
                    return Err(e);
                }
            }
            _ => break (bytes, got),
        }
    };
    match (got, Report::decode(bytes)) {
        (0, _) if !gated => Ok(()),
        (Report::SIZE, Report::Ready) if gated => Ok(()),
        (Report::SIZE, Report::Failed { step, item, errno }) => {
            let _ = process::wait_pidfd(child.pidfd.as_fd(), true);
            let (step, words) = words(step, item);
            Err(Error::Birth { step, words, errno: Errno(errno) })
        }
        _ => Err(Error::Died(match process::wait_pidfd(child.pidfd.as_fd(), true)? {
            Some(process::Exit::Signal(s)) => format!("was killed by signal {s}"),
            _ => "ended".into(),
        })),
    }
}

/// A whole report, or as much of it as there is before the end of the file.
pub(super) fn read_report(pipe: &mut std::fs::File) -> Result<([u8; Report::SIZE], usize), Error> {
    let mut bytes = [0u8; Report::SIZE];
    let mut got = 0;
    while got < bytes.len() {
        match pipe.read(&mut bytes[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e).call(|| "read(birth report)".into()).map_err(Error::Sys),
        }
    }
    Ok((bytes, got))
}
