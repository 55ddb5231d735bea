//! Hooks of config.json: programs that run at points of a container's life (runtime-spec, config.md#posix-platform-hooks).
//!
//! | hook | when | namespaces, and whose file |
//! |---|---|---|
//! | prestart, createRuntime | the namespaces are there, the file tree is not | the runtime's |
//! | createContainer | the mounts are there, before the root is entered | the container's; a file of the host |
//! | startContainer | start has been called, before the command | the container's, confined as its command is; a file of its own |
//! | poststart | the command runs | the runtime's |
//! | poststop | the container's processes and cgroup are gone | the runtime's |
//!
//! Each gets the state on stdin. Its output is kept for the error that its failure becomes.

use super::exec::{self, Exec};
use super::init::{self, At, Fail};
use super::plan::{Stdio, c_string};
use super::{Error, Step, birth};
use crate::sys::clone::{self, Flags, Memory};
use crate::sys::errno::Call;
use crate::sys::raw::{self, Vector};
use crate::sys::{Errno, event, fs, process};
use nix::sys::memfd::{MFdFlags, memfd_create};
use oci_spec::runtime::{Hook, Process, Spec};
use std::ffi::CString;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// How much of a failed hook's output its error repeats, bytes.
const SAID: u64 = 1024;

/// Where a hook runs.
pub enum Place<'a> {
    /// Where podrt does, in the bundle's folder.
    Runtime(&'a Path),
    /// In the namespaces of the container's first process, at that process's root of now.
    Namespaces { pid: i32, pidfd: BorrowedFd<'a> },
    /// As a process of the container.
    Container { pid: i32, pidfd: BorrowedFd<'a>, spec: &'a Spec, cgroup: BorrowedFd<'a>, seccomp_cache: &'a Path },
}

/// Runs `hooks`, one after another, until one fails. `name` is the list's, for errors.
pub fn run(name: &str, hooks: &[Hook], state: &serde_json::Value, place: &Place) -> Result<(), Error> {
    for (i, hook) in hooks.iter().enumerate() {
        one(&format!("hooks.{name}[{i}]"), hook, state, place)?;
    }
    Ok(())
}

fn one(field: &str, hook: &Hook, state: &serde_json::Value, place: &Place) -> Result<(), Error> {
    let failed = |problem: String| Error::Hook { field: format!("{field} {}", hook.path().display()), problem };
    let mut output = output()?;
    let stdin = input(&state.to_string())?;
    let stdio = [stdin.as_fd(), output.as_fd(), output.as_fd()];
    let pidfd = match place {
        Place::Container { pid, pidfd, spec, cgroup, seccomp_cache } => {
            let process = confined(hook, spec);
            let exec = Exec {
                init_pid: *pid,
                init: *pidfd,
                spec,
                process: &process,
                cgroup: *cgroup,
                stdio: Stdio::Fds(stdio),
                seccomp_cache: Some(seccomp_cache),
                preserve_fds: 0,
                program: Some(hook.path()),
            };
            exec::start(&exec).map_err(|e| failed(e.to_string()))?.pidfd
        }
        _ => spawn(hook, place, stdio).map_err(|e| failed(e.to_string()))?,
    };
    drop(stdin);
    let millis = hook.timeout().and_then(|t| u64::try_from(t).ok()).map(|t| t.saturating_mul(1000));
    let ended = event::poll_in(pidfd.as_fd(), millis).map_err(|e| failed(format!("wait: {e}")))?;
    if !ended {
        // With all that it has started and left in its session.
        if let Ok(pid) = pid_of(pidfd.as_fd()) {
            let _ = raw::kill(-pid, libc::SIGKILL);
        }
        let _ = process::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
        let _ = process::wait_pidfd(pidfd.as_fd(), true);
        return Err(failed(format!("was still running after {} s (its timeout)", hook.timeout().unwrap_or(0))));
    }
    let how = match process::wait_pidfd(pidfd.as_fd(), true)? {
        Some(process::Exit::Code(0)) => return Ok(()),
        Some(process::Exit::Code(code)) => format!("exit code {code}"),
        Some(process::Exit::Signal(signal)) => format!("killed by signal {signal}"),
        None => "ended".into(),
    };
    let mut said = Vec::new();
    let _ = output.rewind();
    let _ = output.take(SAID).read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" ");
    Err(failed(if said.is_empty() { how } else { format!("{how}: {said}") }))
}

/// Its whole text fits into the pipe, so that writing never waits for a hook that does not read.
fn input(text: &str) -> Result<OwnedFd, Error> {
    let (read, write) = event::pipe()?;
    const F_SETPIPE_SZ: i32 = 1031;
    if text.len() > 60_000 {
        raw::fcntl(write.as_raw_fd(), F_SETPIPE_SZ, text.len() + 4096).call(|| format!("fcntl(F_SETPIPE_SZ, {})", text.len()))?;
    }
    let mut to = std::fs::File::from(write);
    to.write_all(text.as_bytes()).call(|| "write(hook's stdin)".into())?;
    Ok(read)
}

fn output() -> Result<std::fs::File, Error> {
    let fd = memfd_create(c"hook", MFdFlags::MFD_CLOEXEC).call(|| "memfd_create(hook)".into())?;
    Ok(fd.into())
}

/// The process of a hook in the container: who the command will be, with the hook's words.
fn confined(hook: &Hook, spec: &Spec) -> Process {
    let mut process = spec.process().clone().unwrap_or_default();
    process.set_args(Some(words(hook)));
    // Without an environment of its own it has the command's.
    if let Some(env) = hook.env() {
        process.set_env(Some(env.clone()));
    }
    process.set_terminal(Some(false)).set_cwd("/".into());
    process
}

/// What execv(3) gets: the path stands in where there are no arguments.
fn words(hook: &Hook) -> Vec<String> {
    match hook.args().as_ref().filter(|a| !a.is_empty()) {
        Some(args) => args.clone(),
        None => vec![hook.path().display().to_string()],
    }
}

/// From /proc: the hook's own number in this namespace.
fn pid_of(pidfd: BorrowedFd) -> Result<i32, Error> {
    let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
    let text = std::fs::read_to_string(&path).call(|| path)?;
    let pid = text.lines().find_map(|l| l.strip_prefix("Pid:")?.trim().parse().ok()).filter(|p: &i32| *p > 1);
    Ok(pid.ok_or(Errno::ESRCH).call(|| "the hook's pid".into())?)
}

struct Plan {
    /// Init's pidfd, the namespaces to join of it, and its root.
    inside: Option<(i32, i32, OwnedFd)>,
    folder: Option<CString>,
    path: CString,
    argv: Vector,
    envp: Vector,
    stdio: [raw::Fd; 3],
    report: raw::Fd,
}

fn spawn(hook: &Hook, place: &Place, stdio: [BorrowedFd; 3]) -> Result<OwnedFd, Error> {
    let list = |list: &[String]| -> Result<Vector, Error> {
        Ok(Vector::new(list.iter().map(|s| c_string("hooks", s.as_bytes())).collect::<Result<_, _>>()?))
    };
    let (inside, folder) = match place {
        Place::Runtime(bundle) => (None, Some(crate::sys::mount::c_path(bundle)?)),
        Place::Namespaces { pid, pidfd } | Place::Container { pid, pidfd, .. } => {
            let root = crate::sys::mount::c_path(format!("/proc/{pid}/root"))?;
            let root = fs::open(&root, libc::O_PATH | libc::O_DIRECTORY)?;
            process::pidfd_signal(*pidfd, 0)?;
            (Some((pidfd.as_raw_fd(), exec::differing(*pid)?, root)), None)
        }
    };
    let (report, write_end) = birth::pipe()?;
    // Above the numbers that they go to.
    let high = stdio.iter().map(|fd| event::duplicate_above(*fd, 3)).collect::<Result<Vec<_>, _>>()?;
    let plan = Plan {
        folder,
        path: crate::sys::mount::c_path(hook.path())?,
        argv: list(&words(hook))?,
        envp: list(hook.env().as_deref().unwrap_or_default())?,
        stdio: [high[0].as_raw_fd(), high[1].as_raw_fd(), high[2].as_raw_fd()],
        report: write_end.as_raw_fd(),
        inside,
    };
    let spawn = || birth::blocked(|| clone::spawn_scoped(Memory::Copied, Flags::default(), entry, &plan));
    let child = match &place {
        Place::Namespaces { pidfd, .. } if plan.inside.as_ref().is_some_and(|i| i.1 & libc::CLONE_NEWPID != 0) => {
            let own = std::fs::File::open("/proc/self/ns/pid").call(|| "open(/proc/self/ns/pid)".into())?;
            process::setns(*pidfd, libc::CLONE_NEWPID)?;
            let child = spawn();
            process::setns(own.as_fd(), libc::CLONE_NEWPID)?;
            child?
        }
        _ => spawn()?,
    };
    drop(write_end);
    birth::listen(report, false, &child, &mut |_| Ok(()), |step, _| match Step::from_number(step) {
        Some(Step::Exec) => (Step::Hook, "exec".into()),
        Some(Step::Join) => (Step::Hook, "join the container's namespaces".into()),
        _ => (Step::Hook, "start".into()),
    })?;
    Ok(child.pidfd)
}

extern "C" fn entry(plan: &Plan) -> i32 {
    init::finish(plan.report, enter(plan))
}

fn enter(plan: &Plan) -> Result<init::Never, Fail> {
    raw::close_range(3, u32::MAX, 4).at(Step::CloseRange, 0)?;
    raw::reset_signals();
    // A session of its own: at a timeout all of it is killed.
    raw::setsid().at(Step::Session, 0)?;
    if let Some((pidfd, flags, root)) = &plan.inside {
        let flags = flags & !libc::CLONE_NEWPID;
        raw::setns(*pidfd, flags).at(Step::Join, 0)?;
        if flags & libc::CLONE_NEWUSER != 0 {
            // The namespace's root, where it has one: else the program would start without capabilities there.
            let _ = raw::setresgid(0).and_then(|()| raw::setresuid(0));
        }
        raw::fchdir(root.as_raw_fd()).at(Step::Join, 1)?;
        raw::chroot(c".").at(Step::Join, 2)?;
    }
    for (to, from) in plan.stdio.iter().enumerate() {
        raw::dup3(*from, to as raw::Fd, 0).at(Step::Stdio, to)?;
    }
    if let Some(folder) = &plan.folder {
        raw::chdir(folder).at(Step::Cwd, 0)?;
    }
    let _ = raw::sigmask(0);
    Err((Step::Exec, 0, raw::execve(&plan.path, &plan.argv, &plan.envp)))
}
