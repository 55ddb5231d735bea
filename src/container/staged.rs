//! A birth in two steps, where a user or time namespace is the container's: an intermediate enters or makes those first and
//! clones the child from there, with this process as its parent (`CLONE_PARENT`).
//!
//! The file systems of a container in a user namespace can only be made in mount, PID, network and IPC namespaces that belong to
//! that user namespace, so it comes first; namespaces of others can only be entered before it. And a new time namespace takes its
//! offsets only while no process is in it.
//!
//! | the parent reads | meaning |
//! |---|---|
//! | `Paused(Outside)` | the new namespaces wait for what only a process outside may write: id maps, offsets |
//! | `Born(pid)` | the child is there, a child of the parent's; the intermediate ends |
//! | `Failed{step, item, errno}` | as in [`super::init`] |

use super::birth::{blocked, pipe, read_report};
use super::init::{self, At, Fail, Of, Report};
use super::plan::{Pause, Plan, ProcessPlan};
use super::policy::Policy;
use super::{Error, Step};
use crate::identity::{self, Rlimit};
use crate::sys::clone::{self, Child, Flags, Memory};
use crate::sys::errno::Call;
use crate::sys::raw::{self, Fd};
use crate::sys::userns::Maps;
use crate::sys::{Errno, process};
use std::os::fd::{AsFd, AsRawFd};

/// What the intermediate does, and what is written for it.
#[derive(Debug, Default)]
pub struct Staged {
    /// `CLONE_NEWUSER`, `CLONE_NEWTIME`.
    pub unshare: i32,
    /// For a new user namespace.
    pub maps: Option<Maps>,
    /// Who it becomes in the user namespace: root, or whom the map has.
    pub ids: Option<(u32, u32)>,
    /// For a new time namespace.
    pub offsets: Option<String>,
    /// Written by the parent: inside, /proc/self belongs to the host's root until exec.
    pub oom_score_adj: Option<i32>,
    pub privileged: Privileged,
}

/// What needs privileges that no process of a user namespace has: done before it is entered, and kept over fork(2).
#[derive(Debug, Default)]
pub struct Privileged {
    policy: Option<Box<Policy>>,
    /// Hard limits that are to rise, by their place in the plan's list.
    raise: Vec<(u8, Rlimit)>,
}

impl Privileged {
    /// Taken out of the plan of a process that will be in a user namespace.
    pub fn take(process: &mut ProcessPlan) -> Privileged {
        let limits = process.identity.rlimits.iter().enumerate();
        let raise = limits.filter_map(|(i, limit)| Some((i as u8, limit.raised()?))).collect();
        Privileged { policy: process.policy.as_mut().and_then(|p| p.take_privileged()), raise }
    }

    /// In the child.
    pub(super) fn apply(&self) -> Result<(), Fail> {
        for (i, limit) in &self.raise {
            raw::setrlimit(limit.resource, limit.soft, limit.hard).map_err(|e| (*i, e)).of(identity::Step::Limits)?;
        }
        self.policy.as_ref().map_or(Ok(()), |policy| policy.apply())
    }
}

impl Staged {
    fn waits(&self) -> bool {
        self.maps.is_some() || self.offsets.is_some() || self.oom_score_adj.is_some()
    }

    /// In the parent, for the intermediate `pid`.
    fn write(&self, pid: i32) -> Result<(), Error> {
        if let Some(maps) = &self.maps {
            maps.write(pid)?;
        }
        let file = |name: &str, text: &str| {
            let path = format!("/proc/{pid}/{name}");
            std::fs::write(&path, text).call(|| format!("write({path}, {:?})", text.trim_end())).map_err(Error::Sys)
        };
        if let Some(offsets) = &self.offsets {
            file("timens_offsets", offsets)?;
        }
        if let Some(adj) = self.oom_score_adj {
            file("oom_score_adj", &adj.to_string())?;
        }
        Ok(())
    }
}

struct Stage<'a> {
    plan: &'a Plan,
    staged: &'a Staged,
    report: Fd,
    go: Fd,
    /// The parent's ends, of which the intermediate closes its copies.
    others: [Fd; 2],
}

/// The child, which then goes its way as any other's.
pub fn spawn(plan: &Plan, staged: &Staged) -> Result<Child, Error> {
    let (mut told, report) = pipe().map(|(r, w)| (std::fs::File::from(r), w))?;
    let (go, go_on) = pipe()?;
    let stage =
        Stage { plan, staged, report: report.as_raw_fd(), go: go.as_raw_fd(), others: [told.as_raw_fd(), go_on.as_raw_fd()] };
    let flags = Flags { namespaces: 0, cgroup: Some(plan.cgroup.as_fd()) };
    let middle = blocked(|| clone::spawn_scoped(Memory::Copied, flags, entry, &stage))?;
    drop((report, go));
    let result = loop {
        match read_report(&mut told).map(|(bytes, got)| (got, Report::decode(bytes))) {
            Ok((Report::SIZE, Report::Paused(Pause::Outside))) => match staged.write(middle.pid) {
                Ok(()) => raw::write(go_on.as_raw_fd(), b"0").map(drop).call(|| "write(stage)".into())?,
                Err(e) => break Err(e),
            },
            // It is this process's own child: its number is not given to another before it has been waited for.
            Ok((Report::SIZE, Report::Born(pid))) => {
                break process::pidfd_open(pid).map(|pidfd| Child { pid, pidfd }).map_err(Error::Sys);
            }
            Ok((Report::SIZE, Report::Failed { step, item, errno })) => {
                let step = Step::from_number(step).unwrap_or(Step::Unshare);
                break Err(Error::Birth { step, words: step.words(plan, item), errno: Errno(errno) });
            }
            Ok(_) => break Err(Error::Died("ended".into())),
            Err(e) => break Err(e),
        }
    };
    if result.is_err() {
        let _ = process::pidfd_signal(middle.pidfd.as_fd(), libc::SIGKILL);
    }
    process::wait_pidfd(middle.pidfd.as_fd(), true)?;
    result
}

extern "C" fn entry(stage: &Stage) -> i32 {
    match intermediate(stage) {
        Ok(()) => 0,
        Err((step, item, errno)) => init::fail(stage.report, (step, item, errno)),
    }
}

fn intermediate(stage: &Stage) -> Result<(), Fail> {
    let (plan, staged) = (stage.plan, stage.staged);
    stage.others.iter().for_each(|fd| raw::close(*fd));
    staged.privileged.apply()?;
    for (i, join) in plan.joins.iter().enumerate() {
        raw::setns(join.fd.as_raw_fd(), join.flags).at(Step::Join, i)?;
    }
    if staged.unshare != 0 {
        raw::unshare(staged.unshare).at(Step::Unshare, 0)?;
    }
    if staged.waits() {
        raw::write(stage.report, &Report::Paused(Pause::Outside).encode()).at(Step::Unshare, 1)?;
        let mut byte = [0u8; 1];
        match raw::read(stage.go, &mut byte) {
            Ok(1) => {}
            Ok(_) => return Err((Step::Unshare, 2, Errno::EPIPE)),
            Err(e) => return Err((Step::Unshare, 2, e)),
        }
    }
    if let Some((uid, gid)) = staged.ids {
        // What is made from here on belongs to the container's root, not to an id that has no name inside.
        let _ = raw::setgroups(&[]);
        raw::setresgid(gid).at(Step::Unshare, 3)?;
        raw::setresuid(uid).at(Step::Unshare, 3)?;
    }
    let flags = Flags { namespaces: (plan.clone_new | libc::CLONE_PARENT) as u32 as u64, cgroup: None };
    // Copied memory: others may live in the namespaces that it is born into.
    let child = clone::spawn_scoped(Memory::Copied, flags, init::entry, plan).map_err(|e| (Step::Unshare, 4, e.errno))?;
    raw::write(stage.report, &Report::Born(child.pid).encode()).map(drop).at(Step::Unshare, 5)
}
