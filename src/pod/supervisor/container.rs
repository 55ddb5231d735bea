//! One attempt of a container: what it is made of, its birth, its end.

use super::keeper::Note;
use super::output::{Output, STREAMS, Stream};
use super::sandbox::leaf_of;
use super::state::{SLOTS, Supervisor};
use crate::cgroup::{Cgroup, devices};
use crate::container::{self, Birth, Bundle, ErrorKind, Extra, Gate, Join, Plan, Stdio};
use crate::pod::config::{self, Config};
use crate::pod::error::{Code, Error, Result};
use crate::pod::image;
use crate::pod::logs;
use crate::pod::logs::file::{Log, Rotation};
use crate::pod::logs::ring::{Entry, Ring};
use crate::pod::machine::{Event, Exit, StartFailure};
use crate::pod::spec::{ContainerSpec, PodSpec, Policy};
use crate::pod::volume;
use crate::rootfs::Root;
use crate::store::{self, Process, atomic};
use crate::sys::errno::Call;
use crate::sys::event::{self, EPOLLIN};
use crate::sys::tty::Size;
use crate::sys::{fault, keep, mount, process, raw};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// A bundle, read and merged.
pub(super) struct Prepared {
    pub config: Config,
    bundle: PathBuf,
    rootfs: PathBuf,
}

impl Prepared {
    pub fn new(roots: &store::Roots, pod: &PodSpec, spec: &ContainerSpec) -> Result<Prepared> {
        let wrong = |e: container::Error| {
            let mut error = Error::new(Code::InvalidArgument, format!("container {}: {e}", spec.name));
            error.field = "image".into();
            error
        };
        let bundle = Bundle::load(&image::bundle(roots, spec)?).map_err(wrong)?;
        let rootfs = bundle.rootfs().map_err(wrong)?;
        let config = config::merge(pod, spec, &bundle)?;
        Ok(Prepared { config, bundle: bundle.path, rootfs })
    }
}

/// An attempt that runs.
pub(super) struct Running {
    pub attempt: u32,
    pub id: String,
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// As in [`Process`].
    pub start: u64,
    pub cgroup: Cgroup,
    pub output: Output,
    /// Held open, so that the container's stdin does not end.
    pub stdin: Option<OwnedFd>,
    /// Policy external: what the birth waits for, all but its exec done.
    pub gate: Option<OwnedFd>,
    /// Under which the keeper keeps it.
    pub serial: u64,
    pub files: Option<Files>,
}

impl Running {
    fn note(&self, container: &str) -> Note {
        let (id, container) = (self.id.clone(), Some(container.to_string()));
        Note { serial: self.serial, container, attempt: self.attempt, id, pid: self.pid, start: self.start, fds: Vec::new() }
    }
}

/// The writable layer of one attempt.
pub(super) struct Files {
    pub folder: PathBuf,
    /// A tmpfs in place of the data root, which could not hold it.
    pub _memory: Option<OwnedFd>,
}

/// Why a start failed, in the machine's words.
pub(super) struct Failure(pub StartFailure, pub String);

impl From<Error> for Failure {
    fn from(e: Error) -> Failure {
        let reason = match StartFailure::named(&e.step) {
            Some(reason) => reason,
            None if e.field == "image" => StartFailure::CreateContainerConfigError,
            None => StartFailure::CreateContainerError,
        };
        Failure(reason, e.message)
    }
}

impl From<container::Error> for Failure {
    fn from(e: container::Error) -> Failure {
        let reason = match e.kind() {
            ErrorKind::Config => StartFailure::CreateContainerConfigError,
            ErrorKind::CommandNotFound | ErrorKind::CommandNotExecutable => StartFailure::RunContainerError,
            ErrorKind::MountSource | ErrorKind::System => StartFailure::CreateContainerError,
        };
        Failure(reason, e.to_string())
    }
}

macro_rules! into_failure {
    ($($error:ty)*) => {$(
        impl From<$error> for Failure {
            fn from(e: $error) -> Failure {
                Error::from(e).into()
            }
        }
    )*};
}
into_failure!(crate::cgroup::Error crate::sys::Error crate::store::Error);

impl Supervisor {
    pub fn start_container(&mut self, name: &str, attempt: u32) {
        let Some(slot) = self.slot_of(name) else { return };
        let Some(spec) = self.container(slot).cloned() else { return };
        let answer = match self.start(slot, &spec, attempt) {
            Ok(running) => {
                let (id, pid) = (running.id.clone(), running.pid);
                self.slots[slot].last = Some((attempt, id.clone()));
                let held = running.gate.is_some();
                self.slots[slot].running = Some(running);
                if held {
                    // It has not started before it is let go.
                    return;
                }
                Event::ContainerStarted { name: name.into(), attempt, id, pid }
            }
            Err(Failure(reason, message)) => {
                self.slots[slot].failure = Some(message.clone());
                Event::ContainerStartFailed { name: name.into(), attempt, reason, message }
            }
        };
        self.queue.push_back(answer);
    }

    fn start(&mut self, slot: usize, spec: &ContainerSpec, attempt: u32) -> Result<Running, Failure> {
        let mut prepared = match self.slots[slot].prepared.take() {
            Some(prepared) => prepared,
            None => Prepared::new(&self.intent.roots, &self.spec, spec)?,
        };
        prepared.config.late(&self.ips());
        let group = self.leaf(spec, &prepared)?;
        let serial = event::monotonic();
        let born = self.born((slot, serial), spec, attempt, &prepared, &group);
        match born {
            Ok((born, files, output, stdin, gate)) => {
                let _ = fault::point("keep.birth");
                let id = container_id(&self.spec, &spec.name, attempt);
                let pid = born.pid;
                let start = Process::of(pid).map_or(0, |p| p.start);
                let running =
                    Running { attempt, id, pid, pidfd: born.pidfd, start, cgroup: group, output, stdin, gate, serial, files };
                if spec.stdin || spec.tty {
                    self.scratch.attached.expect(slot);
                }
                self.keep_running(&spec.name, &running);
                self.watch(slot, &running)?;
                // For those who enter it later; not on the way of its start.
                let folder = self.sandbox.dir.join("containers").join(&spec.name);
                let _ = store::make_folder(&folder)
                    .and_then(|()| atomic::write_json(&folder.join("config.json"), &prepared.config.spec, atomic::Durable::No));
                Ok(running)
            }
            Err(failure) => {
                if let Some(keeper) = &self.keeper {
                    keeper.forget(&[serial]);
                }
                self.bury(group);
                Err(failure)
            }
        }
    }

    /// The container's cgroup, with limits and device rules in force before anybody is in it.
    fn leaf(&mut self, spec: &ContainerSpec, prepared: &Prepared) -> Result<Cgroup, Failure> {
        fault::point("start.cgroup")?;
        let Some(pod) = &self.pod_cgroup else {
            return Err(Failure(StartFailure::CreateContainerError, "the pod has no sandbox".into()));
        };
        let name = leaf_of(&spec.name);
        let group = match pod.child(&name) {
            Err(e) if e.is_taken() => {
                // The last attempt's, whose processes took their time.
                pod.existing(&name)?.remove(Duration::from_secs(2))?;
                pod.child(&name)?
            }
            other => other?,
        };
        let limited = || -> Result<Vec<String>, Failure> {
            fault::point("start.cgroup.limits")?;
            group.apply_soft(&prepared.config.soft_limits)?;
            let warnings = group.apply(&prepared.config.limits, self.spec.missing_controllers_warn)?;
            fault::point("start.cgroup.devices")?;
            if let Some(rules) = &prepared.config.devices {
                devices::install(&device_rules(rules), &group)?;
            }
            Ok(warnings)
        };
        match limited() {
            Ok(_) => Ok(group),
            Err(e) => {
                let _ = group.remove(Duration::from_secs(2));
                Err(e)
            }
        }
    }

    #[allow(clippy::type_complexity)]
    fn born(
        &mut self,
        (slot, serial): (usize, u64),
        spec: &ContainerSpec,
        attempt: u32,
        prepared: &Prepared,
        group: &Cgroup,
    ) -> Result<(container::Born, Option<Files>, Output, Option<OwnedFd>, Option<OwnedFd>), Failure> {
        let log = Log::new(logs::file(&self.intent.roots, &self.spec, &spec.name, attempt), Rotation::default());
        let (root, files) = self.root(spec, attempt, prepared)?;
        let birth = (|| {
            fault::point("start.pipes")?;
            let (stdin_read, stdin) = stdin(spec)?;
            let uid = prepared.config.spec.process().as_ref().map_or(0, |p| p.user().uid());
            let (out_read, out) = output(uid)?;
            let (err_read, err) = output(uid)?;
            let Some(pause) = &self.pause else {
                return Err(Failure(StartFailure::CreateContainerError, "the pod has no sandbox".into()));
            };
            let shared_pid = pause.joins & libc::CLONE_NEWPID != 0;
            let join = Join {
                pause: pause.pidfd.as_fd(),
                flags: pause.joins & !(libc::CLONE_NEWPID | libc::CLONE_NEWNS),
                shared_pid,
                host_pid: self.spec.sandbox.host_pid,
            };
            let cache = self.intent.roots.data.join("seccomp");
            let id = container_id(&self.spec, &spec.name, attempt);
            let stdio = match spec.tty {
                // As a terminal has it before anybody has said its own.
                true => Stdio::Terminal(Some(Size { rows: 24, cols: 80 })),
                false => Stdio::Fds([stdin_read.as_fd(), out.as_fd(), err.as_fd()]),
            };
            fault::point("start.volumes")?;
            let mounts = volume::mounts(&self.spec, spec, &self.intent.data, pause)?;
            let gate = (self.spec.policy == Policy::External).then(event::pipe).transpose()?;
            fault::point("start.plan")?;
            let plan = Plan::new(&Birth {
                extra: Extra::default(),
                id: &id,
                spec: &prepared.config.spec,
                bundle: &prepared.bundle,
                root,
                join: Some(join),
                cgroup: group.dir(),
                stdio,
                gate: gate.as_ref().map(|(read, _)| Gate { fd: read.as_fd(), parent_leaves: false }),
                mounts: &mounts,
                seccomp_cache: Some(&cache),
            })?;
            let written = Entry::default().to;
            let streams = match &plan.console {
                Some(console) => [Some(Stream::new(event::duplicate_above(console.as_fd(), 3)?, 0, written[0])?), None],
                None => [Some(Stream::new(out_read, 0, written[0])?), Some(Stream::new(err_read, 1, written[1])?)],
            };
            let rings = streams.iter().flatten().map(|_| Ring::new()).collect::<crate::sys::Result<Vec<_>>>()?;
            let output = Output { slot, log, streams, rings, written };
            // Before the birth: a start that is cut off after it is found by this, and not done twice.
            let note = Note { serial, container: Some(spec.name.clone()), attempt, id, pid: 0, start: 0, fds: Vec::new() };
            let gate = gate.map(|(_, write)| write);
            self.keep(&spec.name, None, note, &output, [stdin.as_ref(), gate.as_ref()]);
            fault::point("start.birth")?;
            Ok((container::start(plan)?, output, stdin, gate))
        })();
        match birth {
            Ok((born, output, stdin, gate)) => Ok((born, files, output, stdin, gate)),
            Err(failure) => {
                if let Some(files) = files {
                    self.discard(files.folder);
                }
                Err(failure)
            }
        }
    }

    /// The root file system: fresh for every attempt.
    fn root(&mut self, spec: &ContainerSpec, attempt: u32, prepared: &Prepared) -> Result<(Root, Option<Files>), Failure> {
        fault::point("start.overlay")?;
        if spec.rootfs_direct {
            return Ok((Root::Direct(prepared.rootfs.clone()), None));
        }
        let folder = self.intent.layer(&spec.name, attempt);
        // What a killed start of the same attempt left.
        store::remove_tree(&folder)?;
        let lower = prepared.rootfs.clone();
        let made = (|| {
            store::make_folder(&folder)?;
            store::make_folder(&folder.join("upper"))?;
            store::make_folder(&folder.join("work"))
        })();
        // An overlay's root has the mode and owner of its upper folder.
        if made.is_ok() && holds_upper(&folder) {
            like(&folder.join("upper"), &lower);
            let (upper, work) = (folder.join("upper"), folder.join("work"));
            return Ok((Root::Overlay { lower, upper, work }, Some(Files { folder, _memory: None })));
        }
        let memory = mount::new_fs(c"tmpfs", &[], (mount::MOUNT_ATTR_NOSUID | mount::MOUNT_ATTR_NODEV) as u32)?;
        for name in [c"upper", c"work", c"lower"] {
            raw::mkdirat(memory.as_raw_fd(), name, 0o700).call(|| "mkdirat(overlay tmpfs)".into())?;
        }
        self.warnings.push(format!(
            "container {}: {} cannot hold its changes; they are kept in memory",
            spec.name,
            folder.display()
        ));
        let base = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
        let state = self.sandbox.dir.join("containers").join(&spec.name).join(format!("files.{attempt}"));
        if !takes_detached(&base) && holds_upper(&self.sandbox.dir) {
            store::remove_tree(&state)?;
            let (upper, work) = (state.join("upper"), state.join("work"));
            store::make_folder(&upper)?;
            store::make_folder(&work)?;
            like(&upper, &lower);
            return Ok((Root::Overlay { lower, upper, work }, Some(Files { folder: state, _memory: None })));
        }
        like(&base.join("upper"), &lower);
        let root = Root::Overlay { lower, upper: base.join("upper"), work: base.join("work") };
        Ok((root, Some(Files { folder, _memory: Some(memory) })))
    }

    fn keep_running(&mut self, name: &str, running: &Running) {
        let ends = [running.stdin.as_ref(), running.gate.as_ref()];
        self.keep(name, Some(&running.pidfd), running.note(name), &running.output, ends);
    }

    /// Puts what the next supervisor would need into the keeper's keeping. `ends`: the writing ends of its stdin and its gate.
    fn keep(&mut self, name: &str, pidfd: Option<&OwnedFd>, mut note: Note, output: &Output, ends: [Option<&OwnedFd>; 2]) {
        let mut fds: Vec<_> = pidfd.iter().map(|fd| ("pidfd".to_string(), fd.as_fd())).collect();
        for (name, stream) in STREAMS.iter().zip(&output.streams) {
            fds.extend(stream.as_ref().map(|s| (name.to_string(), s.fd.as_fd())));
        }
        fds.extend(STREAMS.iter().zip(&output.rings).map(|(name, ring)| (format!("{name} ring"), ring.as_fd())));
        fds.extend(["stdin", "gate"].iter().zip(ends).filter_map(|(name, fd)| Some((name.to_string(), fd?.as_fd()))));
        let (names, fds): (Vec<_>, Vec<_>) = fds.into_iter().unzip();
        note.fds = names;
        if let Some(Err(e)) = self.keeper.as_ref().map(|k| k.put(&note, &fds)) {
            self.warnings.push(format!("container {name}: {e}: a supervisor started again will not know it"));
        }
    }

    /// Gives up the writing end of a container's stdin, here and in the keeper's keeping.
    pub fn drop_stdin(&mut self, slot: usize) {
        if let Some(running) = &mut self.slots[slot].running {
            running.stdin = None;
        }
        self.keep_anew(slot);
    }

    /// What the keeper has of a container is no longer what is there.
    pub fn keep_anew(&mut self, slot: usize) {
        let Some(name) = self.container(slot).map(|c| c.name.clone()) else { return };
        let Some(mut running) = self.slots[slot].running.take() else { return };
        let old = std::mem::replace(&mut running.serial, event::monotonic());
        self.keep_running(&name, &running);
        if let Some(keeper) = &self.keeper {
            keeper.forget(&[old]);
        }
        self.slots[slot].running = Some(running);
    }

    pub fn watch_adopted(&mut self, slot: usize, running: &Running) -> crate::sys::Result<()> {
        let base = SLOTS + 8 * slot as u64;
        self.epoll.add(&running.pidfd, EPOLLIN, base).and_then(|()| {
            for (i, stream) in running.output.streams.iter().enumerate() {
                if let Some(stream) = stream {
                    self.epoll.add(&stream.fd, EPOLLIN, base + 1 + i as u64)?;
                }
            }
            Ok(())
        })
    }

    fn watch(&mut self, slot: usize, running: &Running) -> Result<(), Failure> {
        let added = self.watch_adopted(slot, running);
        if added.is_err() {
            let _ = running.cgroup.kill();
            let _ = process::wait_pidfd(running.pidfd.as_fd(), true);
        }
        Ok(added?)
    }

    /// A container's pidfd is readable: count, drain, tell. It is reaped when that is on record.
    pub fn container_ended(&mut self, slot: usize) {
        let Some(running) = self.slots[slot].running.as_ref() else { return };
        let ended = match keep::peek_exit(running.pidfd.as_fd()) {
            Ok(Some(exit)) => Some(exit),
            Ok(None) => return,
            // An earlier supervisor's child.
            Err(_) if !matches!(event::poll_in(running.pidfd.as_fd(), Some(0)), Ok(true)) => return,
            Err(_) => Process { pid: running.pid, start: running.start }
                .status()
                .map(keep::decode)
                .or_else(|| keep::reaped_exit(running.pidfd.as_fd())),
        };
        let Some(mut running) = self.slots[slot].running.take() else { return };
        self.forget_handlers(slot);
        self.forget_sessions(slot);
        let _ = self.epoll.remove(&running.pidfd);
        // Before the rmdir: the counters go with the cgroup.
        let oom_killed =
            running.cgroup.memory_events().ok().flatten().is_some_and(|events| events.oom_kill > 0 || events.oom_group_kill > 0);
        // In its own PID namespace all have died with it; in a shared one they have not.
        let _ = running.cgroup.kill();
        self.drain(&mut running);
        if let Some(spec) = self.container(slot) {
            let (name, attempt) = (spec.name.clone(), running.attempt);
            self.queue.push_back(match ended {
                None => Event::ContainerLost { name, attempt },
                Some(ended) => {
                    let signal = match ended {
                        process::Exit::Signal(signal) => Some(signal),
                        process::Exit::Code(_) => None,
                    };
                    let log = logs::file(&self.intent.roots, &self.spec, &name, attempt);
                    let failed = ended.status() != 0;
                    let message = volume::termination_message(&self.spec, spec, self.pause.as_ref(), failed, &log);
                    Event::ContainerExited { name, attempt, exit: Exit { code: ended.status(), signal, oom_killed, message } }
                }
            });
        }
        self.ended.push(running);
    }

    /// What has ended, and is on record as that, goes.
    pub fn lay_to_rest(&mut self) {
        if self.ended.is_empty() || self.unsaved {
            return;
        }
        let ended = std::mem::take(&mut self.ended);
        for running in &ended {
            self.reap(running.pid, &running.pidfd);
        }
        if let Some(keeper) = &self.keeper {
            let serials: Vec<u64> = ended.iter().map(|r| r.serial).collect();
            keeper.forget(&serials);
        }
        for running in ended {
            self.bury(running.cgroup);
            if let Some(files) = running.files {
                self.discard(files.folder);
            }
        }
    }

    pub fn stop_container(&mut self, name: &str, attempt: u32, signal: Option<i32>) {
        if let Some(running) = self.running(name, attempt) {
            let _ = process::pidfd_signal(running.pidfd.as_fd(), signal.unwrap_or(libc::SIGTERM));
        }
    }

    pub fn kill_container(&mut self, name: &str, attempt: u32) {
        if let Some(running) = self.running(name, attempt)
            && running.cgroup.kill().is_err()
        {
            let _ = process::pidfd_signal(running.pidfd.as_fd(), libc::SIGKILL);
        }
    }

    fn running(&self, name: &str, attempt: u32) -> Option<&Running> {
        let slot = self.slot_of(name)?;
        self.slots[slot].running.as_ref().filter(|r| r.attempt == attempt)
    }

    /// Removes a cgroup, now or, where somebody in it takes his time to die, later.
    pub fn bury(&mut self, group: Cgroup) {
        match group.remove(Duration::from_millis(2)) {
            Err(e) if !e.is_not_found() => self.burials.push((group, event::monotonic() + 5_000_000_000)),
            _ => {}
        }
    }
}

/// The rules of config.json after the runtime-spec's defaults.
fn device_rules(rules: &[oci_spec::runtime::LinuxDeviceCgroup]) -> Vec<oci_spec::runtime::LinuxDeviceCgroup> {
    let resources = oci_spec::runtime::LinuxResourcesBuilder::default().devices(rules.to_vec()).build().ok();
    devices::rules_for(resources.as_ref())
}

pub(super) fn container_id(pod: &PodSpec, name: &str, attempt: u32) -> String {
    format!("{}-{name}-{attempt}", pod.uid)
}

/// stdin: /dev/null, or a pipe that nobody writes to yet and that stays open.
fn stdin(spec: &ContainerSpec) -> Result<(OwnedFd, Option<OwnedFd>), Failure> {
    if spec.stdin && !spec.tty {
        let (read, write) = event::pipe()?;
        return Ok((read, Some(write)));
    }
    Ok((File::open("/dev/null").call(|| "open(/dev/null)".into())?.into(), None))
}

/// A pipe whose write end is the container's user's, so that it may open /dev/stderr.
fn output(uid: u32) -> Result<(OwnedFd, OwnedFd), Failure> {
    let (read, write) = event::pipe()?;
    if uid != 0 {
        raw::fchown(write.as_raw_fd(), uid, u32::MAX).call(|| format!("fchown(pipe, {uid})"))?;
    }
    Ok((read, write))
}

/// Whether an overlay's upper folder may lie here: not on another overlay, not read-only.
fn holds_upper(folder: &std::path::Path) -> bool {
    const OVERLAYFS_SUPER_MAGIC: i64 = 0x794c_7630;
    File::open(folder).is_ok_and(|f| raw::fstatfs_type(f.as_raw_fd()).is_ok_and(|kind| kind != OVERLAYFS_SUPER_MAGIC))
}

/// Whether an overlay takes its folders from a mount that is attached nowhere: Linux 6.15 and newer. Before, it is the state folder
/// that keeps changes in memory.
fn takes_detached(base: &std::path::Path) -> bool {
    let option = |key: &std::ffi::CStr, name: &str| {
        let path = std::ffi::CString::new(base.join(name).into_os_string().into_encoded_bytes());
        path.ok().map(|value| (key.to_owned(), Some(value)))
    };
    let options = [(c"lowerdir", "lower"), (c"upperdir", "upper"), (c"workdir", "work")].map(|(key, name)| option(key, name));
    let options: Vec<_> = options.into_iter().flatten().collect();
    mount::new_fs(c"overlay", &options, 0).is_ok()
}

/// Gives the upper folder the lower one's mode and owner.
fn like(upper: &std::path::Path, lower: &std::path::Path) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if let Ok(meta) = std::fs::metadata(lower) {
        let _ = std::os::unix::fs::chown(upper, Some(meta.uid()), Some(meta.gid()));
        let _ = std::fs::set_permissions(upper, std::fs::Permissions::from_mode(meta.mode() & 0o7777));
    }
}
