use super::scope::Scope;
use super::{Error, Record, Result, Runtime, Status, enter, listener};
use crate::cgroup::{Cgroup, Hierarchy, Limits, devices};
use crate::container::hooks::{self, Place};
use crate::container::{Birth, Born, Bundle, Extra, Gate, Pause, Plan, Stdio, birth};
use crate::rootfs::Root;
use crate::store::atomic::{self, Durable};
use crate::store::process::Process;
use crate::sys::errno::Call;
use crate::sys::tty::Size;
use crate::sys::{fault, raw};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a create or run is asked for.
pub struct CreateOptions<'a> {
    pub id: &'a str,
    pub bundle: &'a Path,
    pub terminal: Terminal,
    pub extra: Extra,
    /// Fds that the caller was given by socket activation: the first of `extra.preserve_fds`.
    pub listen_fds: u32,
}

/// What becomes of the terminal's master, for a bundle with process.terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// The caller relays it; the size to begin with.
    Foreground(Option<Size>),
    /// The caller sends it away (`--console-socket`).
    Sent,
    /// Nobody takes it: a bundle that wants a terminal is refused.
    None,
}

/// A container that waits to be started, or runs.
#[derive(Debug)]
pub struct Created {
    pub record: Record,
    pub born: Born,
    pub warnings: Vec<String>,
}

/// runtime-spec, runtime.md#create: everything but the command is in place; the container waits for [`start`].
pub fn create(runtime: &Runtime, options: CreateOptions) -> Result<Created> {
    Creation::begin(runtime, &options)?.finish(options, true)
}

/// Create and start in one: with no gate, so that no process waits on another.
pub fn run(runtime: &Runtime, options: CreateOptions) -> Result<Created> {
    let creation = Creation::begin(runtime, &options)?;
    let (id, hooked) = (options.id, !creation.record.hooks("startContainer").is_empty());
    // These run between the two: then there are two.
    let created = creation.finish(options, hooked)?;
    if hooked {
        start(runtime, id).inspect_err(|_| drop(super::delete(runtime, id, true)))?;
    } else if let Err(e) = poststart(&created.record) {
        let _ = super::delete(runtime, id, true);
        return Err(e);
    }
    Ok(created)
}

/// runtime-spec, runtime.md#start: opens the gate. A reader is there as long as init lives, so the open never waits.
pub fn start(runtime: &Runtime, id: &str) -> Result<()> {
    let record = runtime.load(id)?;
    let status = runtime.status(&record)?;
    if status != Status::Created {
        return Err(Error::State { id: id.into(), status, problem: "only a created container can be started" });
    }
    if !record.hooks("startContainer").is_empty()
        && let Err(e) = start_container(runtime, &record)
    {
        // runtime-spec, runtime.md#lifecycle: an error, and the container is stopped.
        let _ = super::kill(runtime, id, libc::SIGKILL, false);
        return Err(e);
    }
    let fifo = runtime.dir(id)?.join("exec.fifo");
    use std::os::unix::fs::OpenOptionsExt;
    let gate = std::fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(&fifo);
    let gate = match gate.call(|| format!("open({})", fifo.display())) {
        Ok(gate) => gate,
        // No reader: init ended meanwhile. No file: somebody else started it.
        Err(_) => {
            return Err(Error::State {
                id: id.into(),
                status: runtime.status(&record)?,
                problem: "it cannot be started any more",
            });
        }
    };
    // Whoever removes the name is the one who starts it: of two at once exactly one does.
    std::fs::remove_file(&fifo).call(|| format!("unlink({})", fifo.display()))?;
    raw::write(gate.as_raw_fd(), b"0").call(|| "write(exec.fifo)".into())?;
    poststart(&record).inspect_err(|_| drop(super::kill(runtime, id, libc::SIGKILL, false)))
}

fn poststart(record: &Record) -> Result<()> {
    let list = record.hooks("poststart");
    if list.is_empty() {
        return Ok(());
    }
    let state = record.state(Status::Running, record.init.as_ref().map_or(0, |i| i.pid));
    Ok(hooks::run("poststart", list, &state, &Place::Runtime(&record.bundle))?)
}

fn start_container(runtime: &Runtime, record: &Record) -> Result<()> {
    let gone = || Error::State { id: record.id.clone(), status: Status::Stopped, problem: "container not running" };
    let pidfd = record.pidfd().ok_or_else(gone)?;
    let pid = record.init.as_ref().map_or(0, |i| i.pid);
    let (spec, cgroup) = (runtime.config(&record.id)?, record.cgroup()?);
    let seccomp_cache = Path::new(SECCOMP_CACHE);
    let place = Place::Container { pid, pidfd: pidfd.as_fd(), spec: &spec, cgroup: cgroup.dir(), seccomp_cache };
    Ok(hooks::run("startContainer", record.hooks("startContainer"), &record.state(Status::Created, pid), &place)?)
}

/// A create under way: dropped before its end it undoes what it has made, in reverse.
struct Creation<'a> {
    runtime: &'a Runtime,
    bundle: Bundle,
    /// The bundle's config.json, as it was read.
    config: Vec<u8>,
    record: Record,
    dir: PathBuf,
    cgroup: Option<Cgroup>,
    scope: Option<Scope>,
    done: bool,
}

impl<'a> Creation<'a> {
    fn begin(runtime: &'a Runtime, options: &CreateOptions) -> Result<Creation<'a>> {
        let dir = runtime.dir(options.id)?;
        let mut config = Vec::new();
        let bundle = Bundle::load_with(options.bundle, |text| config = text.into_owned())?;
        let rootfs = bundle.rootfs()?;
        let wanted = bundle.spec.process().as_ref().and_then(|p| p.terminal()).unwrap_or(false);
        let problem = match (wanted, options.terminal) {
            (true, Terminal::None) => {
                Some("is true, but nobody takes the terminal (want --console-socket, or run without --detach)")
            }
            (false, Terminal::Sent) => Some("is not true, but --console-socket is given"),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(Error::Container(crate::container::Error::invalid("process.terminal", problem)));
        }
        let scope = if runtime.systemd { Some(Scope::plan(options.id, &bundle)?) } else { None };
        let cgroup = match &scope {
            Some(scope) => scope.path()?,
            None => cgroup_path(options.id, &bundle)?,
        };
        runtime.prepare()?;
        // The claim: one mkdir, that exactly one caller wins.
        match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Err(Error::Exists(options.id.into())),
            Err(e) => return Err(e).call(|| format!("mkdir({})", dir.display())).map_err(Error::Sys),
        }
        let mut record = Record::new(options.id, &bundle, rootfs, cgroup);
        record.unit = scope.as_ref().map(|s| s.unit().to_string());
        Ok(Creation { runtime, bundle, config, record, dir, cgroup: None, scope, done: false })
    }

    fn finish(mut self, options: CreateOptions, gated: bool) -> Result<Created> {
        fault::point("create.claimed")?;
        // The intent: what is about to be made, for whoever has to clean up after a kill.
        self.runtime.save(&self.record)?;
        atomic::replace(&self.dir.join("config.json"), &std::mem::take(&mut self.config), Durable::No)?;
        fault::point("create.recorded")?;
        let mut warnings = std::mem::take(&mut self.bundle.warnings);
        warnings.extend(self.make_cgroup()?);
        fault::point("create.cgroup")?;
        let fifo = if gated { Some(self.make_fifo()?) } else { None };
        fault::point("create.fifo")?;
        let mut born = self.bear(options, fifo.as_ref())?;
        fault::point("create.born")
            .inspect_err(|_| drop(crate::sys::process::pidfd_signal(born.pidfd.as_fd(), libc::SIGKILL)))?;
        if let (Some(scope), Some(cgroup)) = (self.scope.take(), &self.cgroup) {
            scope.populated(cgroup)?;
        }
        warnings.append(&mut born.warnings);
        self.record.init = Process::of(born.pid);
        self.runtime.save(&self.record)?;
        self.done = true;
        Ok(Created { record: self.record.clone(), born, warnings })
    }

    fn make_cgroup(&mut self) -> Result<Vec<String>> {
        let hierarchy = Hierarchy::discover()?;
        let (parent, name) = self.record.cgroup.rsplit_once('/').unwrap_or(("", &self.record.cgroup));
        let resources = self.bundle.spec.linux().as_ref().and_then(|l| l.resources().as_ref());
        let limits = resources.map(Limits::from_oci).transpose()?.unwrap_or_default();
        let (cgroup, applied) = match &mut self.scope {
            Some(scope) => (scope.start(&hierarchy, &limits)?, scope.room_for_holder(&limits)),
            None => (hierarchy.prepare(parent)?.child(name)?, limits),
        };
        let cgroup = self.cgroup.insert(cgroup);
        let warnings = cgroup.apply(&applied, false)?;
        devices::install(&devices::rules_for(resources), cgroup)?;
        Ok(warnings)
    }

    /// Opened for both directions: the child's read waits for a byte, not for a writer, and a writer always finds a reader.
    fn make_fifo(&self) -> Result<OwnedFd> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.dir.join("exec.fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600))
            .call(|| format!("mkfifo({})", path.display()))?;
        let open = std::fs::OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(&path);
        Ok(open.call(|| format!("open({})", path.display()))?.into())
    }

    /// What the record's config.json does not say: HOME of the user, and the sockets passed on.
    fn complete(&mut self, options: &CreateOptions) {
        let Some(process) = self.bundle.spec.process_mut().as_mut() else { return };
        if !enter::has_home(process)
            && let Ok(root) = std::fs::File::open(&self.record.rootfs)
        {
            enter::set_home(process, root.as_fd());
        }
        if options.listen_fds > 0 {
            let mut env = process.env().clone().unwrap_or_default();
            // sd_listen_fds(3); the command is pid 1 of its namespace.
            env.extend([format!("LISTEN_FDS={}", options.listen_fds), "LISTEN_PID=1".into()]);
            process.set_env(Some(env));
        }
    }

    fn bear(&mut self, options: CreateOptions, fifo: Option<&OwnedFd>) -> Result<Born> {
        self.complete(&options);
        let cgroup = self.cgroup.as_ref().ok_or_else(|| Error::NotFound(self.record.cgroup.clone()))?;
        let wanted = self.bundle.spec.process().as_ref().and_then(|p| p.terminal()).unwrap_or(false);
        let asked = self.bundle.spec.process().as_ref().and_then(|p| p.console_size());
        let asked = asked.map(|b| Size { rows: b.height() as u16, cols: b.width() as u16 });
        let stdio = match options.terminal {
            Terminal::Foreground(size) if wanted => Stdio::Terminal(size.or(asked)),
            Terminal::Sent => Stdio::Terminal(asked),
            _ => Stdio::Inherit,
        };
        let record = &self.record;
        let plan = Plan::new(&Birth {
            mounts: &[],
            id: options.id,
            spec: &self.bundle.spec,
            bundle: &self.bundle.path,
            root: Root::Direct(self.record.rootfs.clone()),
            join: None,
            cgroup: cgroup.dir(),
            stdio,
            gate: fifo.map(|f| Gate { fd: f.as_fd(), parent_leaves: true }),
            seccomp_cache: Some(Path::new(SECCOMP_CACHE)),
            extra: Extra {
                pause_namespaces: !record.hooks("prestart").is_empty() || !record.hooks("createRuntime").is_empty(),
                pause_mounts: !record.hooks("createContainer").is_empty(),
                serves_listener: true,
                ..options.extra
            },
        })?;
        let notified = plan.process.seccomp.as_ref().and_then(|s| s.listener.clone());
        let hooked = &mut |pause, child: &crate::sys::clone::Child| {
            let state = record.state(Status::Creating, child.pid);
            match pause {
                Pause::Namespaces => {
                    let place = Place::Runtime(&record.bundle);
                    hooks::run("prestart", record.hooks("prestart"), &state, &place)?;
                    hooks::run("createRuntime", record.hooks("createRuntime"), &state, &place)
                }
                Pause::Mounts => {
                    let place = Place::Namespaces { pid: child.pid, pidfd: child.pidfd.as_fd() };
                    hooks::run("createContainer", record.hooks("createContainer"), &state, &place)
                }
                _ => listener::pass_on(notified.as_ref(), pause, child, state),
            }
        };
        Ok(birth::start_with(plan, hooked)?)
    }
}

/// Compiled seccomp programs; root-only.
pub(super) const SECCOMP_CACHE: &str = "/var/lib/podrt/seccomp";

impl Drop for Creation<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.kill();
            let _ = cgroup.remove(Duration::from_secs(5));
        }
        if let Some(unit) = self.record.unit.as_ref().filter(|_| self.scope.as_ref().is_none_or(Scope::begun)) {
            let _ = crate::cgroup::systemd::stop(unit);
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// linux.cgroupsPath, in any of its forms; without it, a folder of podrt's.
fn cgroup_path(id: &str, bundle: &Bundle) -> Result<String> {
    let asked = bundle.spec.linux().as_ref().and_then(|l| l.cgroups_path().as_ref());
    let Some(path) = asked.filter(|p| !p.as_os_str().is_empty()) else { return Ok(format!("podrt-oci/{id}")) };
    let bad =
        |problem: &str| Error::Container(crate::container::Error::invalid("linux.cgroupsPath", format!("{path:?} {problem}")));
    let text = path.to_str().ok_or_else(|| bad("is not UTF-8"))?;
    if text.split('/').any(|p| p == "..") {
        return Err(bad("leads upwards"));
    }
    let parts: Vec<&str> = text.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    let tidy = format!("{}{}", if text.starts_with('/') { "/" } else { "" }, parts.join("/"));
    Ok(crate::cgroup::path_from_oci(&tidy, "")?.trim_start_matches('/').to_string())
}
