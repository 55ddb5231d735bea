//! The birth of keeper and supervisor, from their caller's side: two clones away from the caller, in a session and a cgroup of
//! their own, with nothing open but /dev/null, the ready pipe, a read-only mount of podrt's own file, and the keeper's queue.

use super::keeper::{EXE_FD, PUT_FD, TAKE_FD};
use super::{ENTRY, READY_FD};
use crate::container::exe;
use crate::pod::control::Stage;
use crate::pod::error::{Error, Result};
use crate::pod::pause;
use crate::store::{Roots, Sandbox};
use crate::sys::clone::{self, Flags, Memory};
use crate::sys::errno::{Call, Errno};
use crate::sys::raw::{self, Res};
use crate::sys::{event, fault, keep, process};
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// Starts the keeper of `sandbox`, and by it the supervisor, in the cgroup `leaf`. Returns the read end of its ready pipe.
pub fn spawn(sandbox: &Sandbox, roots: &Roots, wait: Stage, leaf: BorrowedFd) -> Result<OwnedFd> {
    fault::point("create.supervisor")?;
    let exe = exe::read_only_self()?;
    let null = File::options().read(true).write(true).open("/dev/null").call(|| "open(/dev/null)".into())?;
    let (ready, write_end) = event::pipe()?;
    let stage = serde_json::to_string(&wait).map_err(|e| Error::internal(e.to_string()))?;
    let program = keep::sealed_program(pause::KEEPER, pause::ELF)?;
    let (put, take) = keep::packet_pair()?;
    let arguments: [&[u8]; 6] = [
        pause::KEEPER.to_bytes(),
        b"podrt",
        ENTRY.as_bytes(),
        roots.state.as_os_str().as_bytes(),
        sandbox.id.as_bytes(),
        stage.as_bytes(),
    ];
    let strings = arguments.into_iter().map(|a| CString::new(a).map_err(|_| Error::internal("an argument holds a NUL byte")));
    let plan = Plan {
        leaf: above(leaf)?,
        program: above(program.as_fd())?,
        exe: above(exe.as_fd())?,
        put: above(put.as_fd())?,
        take: above(take.as_fd())?,
        null: above(null.as_fd())?,
        ready: above(write_end.as_fd())?,
        argv: raw::Vector::new(strings.collect::<Result<_>>()?),
        envp: raw::Vector::new(environment()),
        errno: AtomicI32::new(0),
    };
    let middle = clone::spawn_scoped(Memory::Borrowed, Flags::default(), middle, &plan)?;
    process::wait_pidfd(middle.pidfd.as_fd(), true)?;
    match plan.errno.load(Relaxed) {
        0 => Ok(ready),
        errno => Err(Errno(errno)).call(|| "start the supervisor".into())?,
    }
}

/// Empty, but for fault points in builds that have them.
pub(super) fn environment() -> Vec<CString> {
    let mut list = Vec::new();
    if cfg!(feature = "fault")
        && let Ok(value) = std::env::var(fault::VARIABLE)
    {
        list.extend(CString::new(format!("{}={value}", fault::VARIABLE)));
    }
    list
}

/// A duplicate above the numbers that the child puts its own fds at.
fn above(fd: BorrowedFd) -> Result<OwnedFd> {
    Ok(event::duplicate_above(fd, 10)?)
}

struct Plan {
    leaf: OwnedFd,
    program: OwnedFd,
    exe: OwnedFd,
    put: OwnedFd,
    take: OwnedFd,
    null: OwnedFd,
    ready: OwnedFd,
    argv: raw::Vector,
    envp: raw::Vector,
    errno: AtomicI32,
}

/// The first child: leads the new session, and ends, so that the supervisor never leads one (a terminal that it opened could
/// become its own) and is nobody's child who does not wait for it.
extern "C" fn middle(plan: &Plan) -> i32 {
    let _ = raw::setsid();
    // The caller of this function is on borrowed memory, and so is its child: each waits for the next one's exec or end.
    let flags = Flags { namespaces: 0, cgroup: Some(plan.leaf.as_fd()) };
    match clone::spawn_scoped(Memory::Borrowed, flags, last, plan) {
        Ok(_) => 0,
        Err(e) => {
            plan.errno.store(e.errno.0, Relaxed);
            1
        }
    }
}

extern "C" fn last(plan: &Plan) -> i32 {
    if let Err(errno) = enter(plan) {
        plan.errno.store(errno.0, Relaxed);
    }
    127
}

fn enter(plan: &Plan) -> Res {
    raw::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)?;
    for number in 0..3 {
        raw::dup3(plan.null.as_raw_fd(), number, 0)?;
    }
    for (fd, number) in [(&plan.ready, READY_FD), (&plan.exe, EXE_FD), (&plan.put, PUT_FD), (&plan.take, TAKE_FD)] {
        raw::dup3(fd.as_raw_fd(), number, 0)?;
    }
    raw::chdir(c"/")?;
    raw::umask(0o022);
    raw::reset_signals();
    raw::sigmask(0)?;
    Err(raw::execve_fd(plan.program.as_raw_fd(), &plan.argv, &plan.envp))
}
