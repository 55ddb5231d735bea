//! A further process in a container of the command line's.

use super::create::SECCOMP_CACHE;
use super::{Error, Record, Result, Runtime, Status, listener};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::container::exec::{self, Exec};
use crate::container::{Born, Stdio, bundle};
use crate::identity::users;
use crate::sys::Errno;
use crate::sys::tty::Size;
use oci_spec::runtime::{Capability, Process, Spec};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// What an exec is asked for.
#[derive(Debug, Default)]
pub struct ExecOptions<'a> {
    /// A file with a whole `process` object; without it, the container's own with the changes below.
    pub process: Option<&'a Path>,
    pub args: &'a [String],
    pub env: &'a [String],
    pub cwd: Option<&'a Path>,
    /// `USER[:GROUP]`, names or numbers.
    pub user: Option<&'a str>,
    pub groups: &'a [u32],
    /// Capabilities beside the container's, by name.
    pub caps: &'a [String],
    pub no_new_privs: bool,
    pub apparmor: Option<&'a str>,
    pub selinux: Option<&'a str>,
    pub terminal: bool,
    pub size: Option<Size>,
    /// Below the container's cgroup.
    pub cgroup: Option<&'a str>,
    pub preserve_fds: u32,
    /// Also where the container is paused; the process then waits until it is resumed.
    pub ignore_paused: bool,
}

/// The process, and whether it has a terminal.
#[derive(Debug)]
pub struct Entered {
    pub born: Born,
    pub terminal: bool,
}

/// What an exec will run, checked against the container; nothing is started yet.
pub struct Entry<'a> {
    id: &'a str,
    options: ExecOptions<'a>,
    record: Record,
    spec: Spec,
    pub process: Process,
}

impl<'a> Entry<'a> {
    pub fn new(runtime: &'a Runtime, id: &'a str, options: ExecOptions<'a>) -> Result<Entry<'a>> {
        let record = runtime.load(id)?;
        let status = runtime.status(&record)?;
        match status {
            Status::Paused if !options.ignore_paused => {
                let problem = "cannot exec in a paused container (use --ignore-paused to override)";
                return Err(Error::State { id: id.into(), status, problem });
            }
            Status::Created | Status::Running | Status::Paused => {}
            _ => return Err(Error::State { id: id.into(), status, problem: "cannot exec in a container that is not running" }),
        }
        let spec = runtime.config(id)?;
        let gone = || Error::State { id: id.into(), status: Status::Stopped, problem: "container not running" };
        let mut process = match options.process {
            Some(file) => bundle::load_process(file)?,
            None => derived(&spec, &options)?,
        };
        if let Some(user) = options.user.filter(|_| options.process.is_none()) {
            let pidfd = record.pidfd().ok_or_else(gone)?;
            let root = exec::root_of(record.init.as_ref().map_or(0, |i| i.pid), pidfd.as_fd())?;
            let bad = |e: users::Error| Error::Container(crate::container::Error::invalid("--user", e.to_string()));
            let found = users::lookup(root.as_fd(), user).map_err(bad)?;
            let groups = found.groups.iter().chain(options.groups).copied().collect();
            process.user_mut().set_uid(found.uid).set_gid(found.gid).set_additional_gids(Some(groups));
        }
        Ok(Entry { id, options, record, spec, process })
    }

    /// Starts it.
    pub fn start(mut self) -> Result<Entered> {
        let gone = || Error::State { id: self.id.into(), status: Status::Stopped, problem: "container not running" };
        let record = &self.record;
        let init = record.pidfd().ok_or_else(gone)?;
        let pid = record.init.as_ref().map_or(0, |i| i.pid);
        if !has_home(&self.process) {
            let root = exec::root_of(pid, init.as_fd())?;
            set_home(&mut self.process, root.as_fd());
        }
        let terminal = self.process.terminal().unwrap_or(false);
        let own = record.cgroup()?;
        let cgroup = match self.options.cgroup.map(|p| p.trim_matches('/')).filter(|p| !p.is_empty()) {
            None => own,
            Some(below) => Cgroup::open(&Hierarchy::discover()?, &format!("{}/{below}", own.path()))?,
        };
        let size = self.process.console_size().map(|b| Size { rows: b.height() as u16, cols: b.width() as u16 });
        let exec = |cgroup: &Cgroup| {
            let exec = Exec {
                init_pid: pid,
                init: init.as_fd(),
                spec: &self.spec,
                process: &self.process,
                cgroup: cgroup.dir(),
                stdio: if terminal { Stdio::Terminal(self.options.size.or(size)) } else { Stdio::Inherit },
                seccomp_cache: Some(Path::new(SECCOMP_CACHE)),
                preserve_fds: self.options.preserve_fds,
                program: None,
            };
            exec::start_with(&exec, &mut |pause, child, listener| {
                listener::pass_on(listener, pause, child, record.state(Status::Running, pid))
            })
        };
        let born = match exec(&cgroup) {
            // The container has made sub-cgroups and hands controllers to them: its own cgroup then holds no processes, and init
            // sits in one of those.
            Err(crate::container::Error::Sys(e)) if e.errno == Errno::EBUSY && self.options.cgroup.is_none() => {
                exec(&of_process(pid)?)?
            }
            other => other?,
        };
        Ok(Entered { born, terminal })
    }
}

/// The cgroup that a process is in.
fn of_process(pid: i32) -> Result<Cgroup> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let path = text.lines().find_map(|l| l.strip_prefix("0::")).unwrap_or("/");
    Ok(Cgroup::open(&Hierarchy::discover()?, path)?)
}

/// The container's process with the command line's changes.
fn derived(spec: &Spec, options: &ExecOptions) -> Result<Process> {
    let invalid = |field: &str, problem: String| Error::Container(crate::container::Error::invalid(field, problem));
    let mut process = spec.process().clone().unwrap_or_default();
    process.set_args(Some(options.args.to_vec())).set_terminal(Some(options.terminal)).set_console_size(None);
    let mut env = process.env().clone().unwrap_or_default();
    env.extend_from_slice(options.env);
    process.set_env(Some(env));
    if let Some(cwd) = options.cwd {
        process.set_cwd(PathBuf::from(cwd));
    }
    if !options.groups.is_empty() {
        let groups = process.user().additional_gids().iter().flatten().chain(options.groups).copied().collect();
        process.user_mut().set_additional_gids(Some(groups));
    }
    if options.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    for (label, set) in [
        (options.apparmor, Process::set_apparmor_profile as fn(&mut Process, Option<String>) -> &mut Process),
        (options.selinux, Process::set_selinux_label),
    ] {
        if let Some(label) = label {
            set(&mut process, Some(label.into()));
        }
    }
    if !options.caps.is_empty() {
        let mut caps = process.capabilities().clone().unwrap_or_default();
        if process.capabilities().is_none() {
            caps.set_bounding(None).set_effective(None).set_permitted(None).set_inheritable(None).set_ambient(None);
        }
        let mut asked = Vec::new();
        for name in options.caps {
            let name = name.to_ascii_uppercase();
            let known: Result<Capability, _> = serde_json::from_value(serde_json::json!(name));
            asked.push(known.map_err(|_| invalid("--cap", format!("unknown capability {name:?}")))?);
        }
        // Never inheritable or ambient: a program of another user would keep them (CVE-2022-29162).
        let with =
            |set: &Option<std::collections::HashSet<Capability>>| Some(set.iter().flatten().chain(&asked).copied().collect());
        let (bounding, effective, permitted) = (with(caps.bounding()), with(caps.effective()), with(caps.permitted()));
        caps.set_bounding(bounding).set_effective(effective).set_permitted(permitted);
        process.set_capabilities(Some(caps));
    }
    Ok(process)
}

pub(super) fn has_home(process: &Process) -> bool {
    process.env().iter().flatten().any(|e| e.starts_with("HOME="))
}

/// HOME, where nobody gave one: the home of the user's passwd row, else the root. As the field's runtimes have it.
pub(super) fn set_home(process: &mut Process, root: std::os::fd::BorrowedFd) {
    let home = users::home_of(root, process.user().uid()).ok().flatten().unwrap_or_else(|| "/".into());
    let mut env = process.env().clone().unwrap_or_default();
    env.push(format!("HOME={home}"));
    process.set_env(Some(env));
}
