//! Commands in running containers, started by the supervisor: for exec sessions of the control socket, for probes and for hooks.
//! Nothing here waits: a child's way to its exec, its output and its end are sources of the loop.
//!
//! ```text
//! run_session ── clone ──► Starting ── end of its report ──► Running ── its end, or its time is up ──► ended: `then`
//!                              └── a report, or a failed clone ────────────────────────────────────────┘
//! ```
//! Each session has a cgroup of its own below the container's, so that one that is out of time ends with everything it has started,
//! daemons included. The container's cgroup hands no controller down to it, so processes may sit in both (cgroup v2's rule is about
//! cgroups that do); where a container has delegated its own cgroup further, the leaf is the only place that still takes a process.
//! A leaf that is empty at a session's end serves the next: a probe costs no mkdir.

use super::state::{ATTACHES, SESSIONS, Supervisor};
use crate::cgroup::Cgroup;
use crate::container::exec::{self, Template};
use crate::container::{self, ErrorKind};
use crate::pod::error::{Code, Error};
use crate::pod::machine::Event;
use crate::store::atomic;
use crate::sys::errno::Call;
use crate::sys::event::{self, EPOLLIN};
use crate::sys::process::{self, Exit};
use crate::sys::tty::Size;
use crate::sys::{Errno, raw};
use oci_spec::runtime::Spec;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// How many ended sessions can still be asked for.
const KEPT: usize = 64;
/// Sessions of one pod at one time.
const MOST: usize = 256;
/// What one read takes, bytes, and how often one turn reads: none starves the loop.
const CHUNK: usize = 16 << 10;
const TURN: usize = 4;
/// What a pipe may hold that is still read when the command has ended.
const PIPE: usize = 64 << 10;

/// What a command is given.
pub(super) enum Io {
    /// /dev/null for all.
    Null,
    /// No input; so many bytes of what it prints are kept. The rest is read and dropped: it never waits for a reader.
    Capture(usize),
    Fds([OwnedFd; 3]),
    /// A terminal of its own.
    Terminal(Option<Size>),
}

pub(super) struct Ask {
    pub slot: usize,
    pub command: Vec<String>,
    pub io: Io,
    /// Monotonic nanoseconds.
    pub deadline: Option<u64>,
    pub then: Then,
}

/// Who wants to know how it ended.
pub(super) enum Then {
    /// Whoever asks for it: the last ones are kept.
    Keep,
    /// The machine: what probes and hooks come to.
    #[allow(dead_code)]
    Event(Box<dyn FnOnce(Ended) -> Event>),
}

/// How a session ended, and what it printed.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub pid: i32,
    pub how: How,
    pub output: Vec<u8>,
    pub truncated: bool,
}

#[derive(Debug, Clone)]
pub(super) enum How {
    Exited(Exit),
    /// Its time was up; everything in its cgroup has been killed.
    TimedOut,
    /// It did not come to its exec. With the field `command` the fault is the command's own: NotFound is a shell's 127,
    /// PermissionDenied its 126; with the field `container` that one has ended.
    NotRun(Error),
}

struct Session {
    slot: usize,
    pid: i32,
    pidfd: OwnedFd,
    /// None: the container's cgroup takes no leaf.
    leaf: Option<Cgroup>,
    /// Read to its end, the command runs.
    report: Option<OwnedFd>,
    command: String,
    output: Option<OwnedFd>,
    captured: Vec<u8>,
    cap: usize,
    truncated: bool,
    /// The terminal's two ends: the master until it is handed out, the slave until the command has ended.
    master: Option<OwnedFd>,
    slave: Option<OwnedFd>,
    deadline: Option<u64>,
    /// Everything in its leaf is on its way out.
    killed: bool,
    /// None when it has been told.
    then: Option<Then>,
}

/// What a container's commands have in common, ready for the kernel.
struct Ready {
    slot: usize,
    attempt: u32,
    template: Template,
}

#[derive(Default)]
pub(super) struct Sessions {
    live: BTreeMap<u64, Session>,
    ended: VecDeque<(u64, Ended)>,
    /// Of commands that ended before anybody could be given the other end of their terminal.
    masters: Vec<(u64, OwnedFd)>,
    ready: Vec<Ready>,
    /// Empty leaves, by slot and attempt.
    leaves: Vec<(usize, u32, Cgroup)>,
    next: u64,
}

/// Which of a session's fds is ready: its token's last two bits.
const PROCESS: u64 = 0;
const REPORT: u64 = 1;
const OUTPUT: u64 = 2;

impl Sessions {
    /// Monotonic nanoseconds: when the next one's time is up.
    pub fn deadline(&self) -> Option<u64> {
        self.live.values().filter(|s| s.then.is_some()).filter_map(|s| s.deadline).min()
    }

    /// Whether it runs by now; None for one that does not live (any more).
    pub fn runs(&self, id: u64) -> Option<(bool, i32)> {
        self.live.get(&id).filter(|s| s.then.is_some()).map(|s| (s.report.is_none(), s.pid))
    }

    pub fn ended(&self, id: u64) -> Option<&Ended> {
        self.ended.iter().find(|(i, _)| *i == id).map(|(_, e)| e)
    }

    pub fn take_master(&mut self, id: u64) -> Option<OwnedFd> {
        if let Some(session) = self.live.get_mut(&id) {
            return session.master.take();
        }
        let at = self.masters.iter().position(|(i, _)| *i == id)?;
        Some(self.masters.swap_remove(at).1)
    }

    /// Any end of its terminal, to set its size.
    pub fn terminal(&self, id: u64) -> Option<BorrowedFd<'_>> {
        self.live.get(&id)?.slave.as_ref().map(AsFd::as_fd)
    }

    /// Errors: it does not live (any more).
    pub fn signal(&mut self, id: u64, signal: Option<i32>) -> Option<crate::sys::Result<()>> {
        let session = self.live.get_mut(&id).filter(|s| s.then.is_some())?;
        Some(match signal {
            Some(signal) => process::pidfd_signal(session.pidfd.as_fd(), signal),
            None => session.kill(),
        })
    }
}

impl Session {
    /// All that it has started, by its cgroup.
    fn kill(&mut self) -> crate::sys::Result<()> {
        self.killed = true;
        match &self.leaf {
            Some(leaf) if leaf.kill().is_ok() => Ok(()),
            _ => process::pidfd_signal(self.pidfd.as_fd(), libc::SIGKILL),
        }
    }

    /// Reads what has come, at most `most` bytes. False when nobody can write any more.
    fn read(&mut self, most: usize) -> bool {
        let Some(output) = &self.output else { return false };
        let (mut chunk, mut read) = ([0; CHUNK], 0);
        while read < most {
            match raw::read(output.as_raw_fd(), &mut chunk) {
                Ok(0) => return false,
                Ok(n) => {
                    read += n;
                    let room = self.cap - self.captured.len();
                    self.captured.extend_from_slice(&chunk[..n.min(room)]);
                    self.truncated |= n > room;
                }
                Err(Errno::EAGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }
}

impl Supervisor {
    /// Starts a command in a container. Its number; what becomes of it is told by [`Ask::then`]. Errors: it was not begun, and
    /// `then` is not told: FailedPrecondition where the container does not run, ResourceExhausted at the bound.
    pub fn run_session(&mut self, ask: Ask) -> Result<u64, Error> {
        if self.sessions.live.len() >= MOST {
            return Err(Error::new(Code::ResourceExhausted, format!("{MOST} commands run in the pod's containers already")));
        }
        let id = self.sessions.next;
        let mut session = self.begin(ask)?;
        // Numbers and tokens come round together, after a thousand million sessions.
        self.sessions.next = (id + 1) % ((ATTACHES - SESSIONS) / 4);
        let base = SESSIONS + 4 * id;
        let sources = [
            Some((session.pidfd.as_fd(), base + PROCESS)),
            session.report.as_ref().map(|fd| (fd.as_fd(), base + REPORT)),
            session.output.as_ref().map(|fd| (fd.as_fd(), base + OUTPUT)),
        ];
        let added = sources.into_iter().flatten().try_for_each(|(fd, token)| self.epoll.add(fd, EPOLLIN, token));
        if let Err(e) = added {
            let _ = session.kill();
            let _ = process::wait_pidfd(session.pidfd.as_fd(), true);
            return Err(e.into());
        }
        self.sessions.live.insert(id, session);
        Ok(id)
    }

    fn begin(&mut self, ask: Ask) -> Result<Session, Error> {
        let running = self.slots.get(ask.slot).and_then(|s| s.running.as_ref()).ok_or_else(not_running)?;
        let (pid, attempt) = (running.pid, running.attempt);
        let init = running.pidfd.try_clone().call(|| "dup(pidfd)".into())?;
        let terminal = matches!(ask.io, Io::Terminal(_));
        let mut ready = self.template(ask.slot, attempt, pid, terminal)?;
        ready.template.command(&ask.command).map_err(|e| not_made(&e).in_field("command"))?;
        let streams = Streams::new(&ask.io, (pid, init.as_fd()), || self.user_of(ask.slot))?;
        let mut leaf = self.session_leaf(ask.slot, attempt);
        let place = |leaf: &Option<Cgroup>, own: &Cgroup| leaf.as_ref().map_or(own.dir(), Cgroup::dir).try_clone_to_owned();
        let own = self.slots.get(ask.slot).and_then(|s| s.running.as_ref()).ok_or_else(not_running)?;
        let mut cgroup = place(&leaf, &own.cgroup).call(|| "dup(cgroup)".into())?;
        let mut spawned = ready.template.spawn(init.as_fd(), cgroup.as_fd(), &streams.of_child());
        if spawned.is_err() && leaf.is_some() {
            // A container may have made its cgroup threaded, or removed the leaf: then it shares the container's own.
            leaf = None;
            cgroup = place(&leaf, &own.cgroup).call(|| "dup(cgroup)".into())?;
            spawned = ready.template.spawn(init.as_fd(), cgroup.as_fd(), &streams.of_child());
        }
        // A PID namespace whose init is on its way out takes nobody any more, and says so by ENOMEM (clone(2)).
        let ended = |e: &container::Error| {
            matches!(event::poll_in(init.as_fd(), Some(0)), Ok(true)) || errno_of(e) == Some(Errno::ENOMEM)
        };
        let spawned = spawned.map_err(|e| if ended(&e) { not_running() } else { not_made(&e) });
        if !terminal {
            self.sessions.ready.push(ready);
        }
        let (child, report) = spawned?;
        event::set_nonblocking(report.as_fd())?;
        Ok(Session {
            slot: ask.slot,
            pid: child.pid,
            pidfd: child.pidfd,
            leaf,
            report: Some(report),
            command: ask.command.first().cloned().unwrap_or_default(),
            output: streams.output,
            captured: Vec::new(),
            cap: if let Io::Capture(cap) = ask.io { cap } else { 0 },
            truncated: false,
            master: streams.master,
            slave: streams.slave,
            deadline: ask.deadline,
            killed: false,
            then: Some(ask.then),
        })
    }

    /// The compiled plan of a container's commands: made with the first one, kept while the attempt runs. One for a terminal differs,
    /// and is made each time.
    fn template(&mut self, slot: usize, attempt: u32, pid: i32, terminal: bool) -> Result<Ready, Error> {
        let kept = &mut self.sessions.ready;
        if let Some(at) = kept.iter().position(|r| !terminal && (r.slot, r.attempt) == (slot, attempt)) {
            return Ok(kept.swap_remove(at));
        }
        let spec = self.config_of(slot)?;
        let missing = || Error::internal("the container's config.json has no process");
        let mut process = spec.process().clone().ok_or_else(missing)?;
        if terminal {
            process.set_terminal(Some(true));
            let mut env = process.env().clone().unwrap_or_default();
            if !env.iter().any(|pair| pair.starts_with("TERM=")) {
                env.push("TERM=xterm".into());
            }
            process.set_env(Some(env));
        }
        let cache = self.intent.roots.data.join("seccomp");
        let (template, _) = Template::new(pid, &spec, &process, terminal, Some(&cache)).map_err(|e| not_made(&e))?;
        Ok(Ready { slot, attempt, template })
    }

    fn config_of(&self, slot: usize) -> Result<Spec, Error> {
        let name = self.container(slot).map_or("", |c| c.name.as_str());
        let path = self.sandbox.dir.join("containers").join(name).join("config.json");
        atomic::read_json(&path)?.ok_or_else(|| Error::new(Code::Unavailable, format!("{}: not there yet", path.display())))
    }

    fn user_of(&self, slot: usize) -> u32 {
        let spec = self.config_of(slot).ok();
        spec.and_then(|s| s.process().as_ref().map(|p| p.user().uid())).unwrap_or(0)
    }

    /// An empty cgroup below the container's.
    fn session_leaf(&mut self, slot: usize, attempt: u32) -> Option<Cgroup> {
        let leaves = &mut self.sessions.leaves;
        if let Some(at) = leaves.iter().position(|(s, a, _)| (*s, *a) == (slot, attempt)) {
            return Some(leaves.swap_remove(at).2);
        }
        let own = &self.slots.get(slot)?.running.as_ref()?.cgroup;
        own.child(&format!("podrt.exec.{}", event::monotonic())).ok()
    }

    /// A fd of a session is ready.
    pub fn session_ready(&mut self, token: u64) {
        let (id, which) = ((token - SESSIONS) / 4, (token - SESSIONS) % 4);
        match which {
            PROCESS => self.session_ended(id),
            REPORT => self.session_reported(id),
            _ => {
                let Some(session) = self.sessions.live.get_mut(&id) else { return };
                if !session.read(TURN * CHUNK)
                    && let Some(output) = session.output.take()
                {
                    let _ = self.epoll.remove(&output);
                }
            }
        }
    }

    /// The end of the report is the exec's success; anything else is why it failed.
    fn session_reported(&mut self, id: u64) {
        let Some(session) = self.sessions.live.get_mut(&id) else { return };
        let Some(report) = session.report.take() else { return };
        let _ = self.epoll.remove(&report);
        let mut bytes = [0; 8];
        let Ok(n @ 1..) = raw::read(report.as_raw_fd(), &mut bytes) else { return };
        let template = self.sessions.ready.iter().find(|r| r.slot == session.slot).map(|r| &r.template);
        let failure = exec::failure(template, &bytes[..n], &session.command);
        if let Some(e) = failure {
            self.tell_session(id, How::NotRun(not_made(&e)));
        }
    }

    fn session_ended(&mut self, id: u64) {
        let Some(session) = self.sessions.live.get_mut(&id) else { return };
        let exit = match process::wait_pidfd(session.pidfd.as_fd(), false) {
            Ok(Some(exit)) => exit,
            Ok(None) => return,
            Err(_) => Exit::Signal(libc::SIGKILL),
        };
        // What it wrote is in the pipe; who else holds the other end is not waited for.
        session.read(PIPE);
        // A report that came with the end is read first: why it did not run says more than the code of its child.
        self.session_reported(id);
        self.tell_session(id, How::Exited(exit));
        let Some(mut session) = self.sessions.live.remove(&id) else { return };
        let ran = self.sessions.ended(id).is_some_and(|e| !matches!(e.how, How::NotRun(_)));
        self.sessions.masters.extend(session.master.take().filter(|_| ran).map(|master| (id, master)));
        let attempt = self.slots.get(session.slot).and_then(|s| s.running.as_ref()).map(|r| r.attempt);
        if let (Some(leaf), Some(attempt)) = (session.leaf, attempt) {
            let taken = self.sessions.leaves.iter().any(|(s, _, _)| *s == session.slot);
            match leaf.populated() {
                _ if session.killed => self.bury(leaf),
                Ok(false) if !taken => self.sessions.leaves.push((session.slot, attempt, leaf)),
                // What it has left running lives on in it, as in any container; the leaf goes with the container.
                Ok(true) => {}
                _ => drop(leaf.remove_if_empty()),
            }
        }
    }

    /// Once.
    fn tell_session(&mut self, id: u64, how: How) {
        let Some(session) = self.sessions.live.get_mut(&id) else { return };
        let Some(then) = session.then.take() else { return };
        let output = std::mem::take(&mut session.captured);
        let ended = Ended { pid: session.pid, how, output, truncated: session.truncated };
        // From here on what it prints is nobody's; a terminal's other end sees that it is over.
        session.cap = 0;
        session.slave = None;
        match then {
            Then::Event(event) => self.queue.push_back(event(ended)),
            Then::Keep => {
                self.sessions.ended.push_back((id, ended));
                if self.sessions.ended.len() > KEPT
                    && let Some((oldest, _)) = self.sessions.ended.pop_front()
                {
                    self.sessions.masters.retain(|(id, _)| *id != oldest);
                }
            }
        }
    }

    /// Ends those whose time is up: at once for whoever asked, however long the kernel takes.
    pub fn expire_sessions(&mut self) {
        let Some(first) = self.sessions.deadline() else { return };
        let now = event::monotonic();
        if first > now {
            return;
        }
        let late = self.sessions.live.iter().filter(|(_, s)| s.then.is_some() && s.deadline.is_some_and(|d| d <= now));
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(session) = self.sessions.live.get_mut(&id) {
                let _ = session.kill();
                session.read(PIPE);
            }
            self.tell_session(id, How::TimedOut);
        }
    }

    /// A container has ended: what was kept for its commands goes.
    pub fn forget_sessions(&mut self, slot: usize) {
        self.sessions.ready.retain(|r| r.slot != slot);
        self.sessions.leaves.retain(|(s, _, leaf)| {
            if *s == slot {
                let _ = leaf.remove_if_empty();
            }
            *s != slot
        });
    }
}

fn not_running() -> Error {
    Error::new(Code::FailedPrecondition, "the container is not running").in_field("container")
}

fn errno_of(e: &container::Error) -> Option<Errno> {
    match e {
        container::Error::Sys(e) => Some(e.errno),
        container::Error::Birth { errno, step, .. } if *step != container::Step::Exec => Some(*errno),
        _ => None,
    }
}

/// The container layer's words, with whose fault it is.
fn not_made(e: &container::Error) -> Error {
    let of = |code, field| Error::new(code, e.to_string()).in_field(field);
    match e.kind() {
        // Its namespaces go before it does.
        _ if errno_of(e) == Some(Errno::ESRCH) => return not_running(),
        ErrorKind::CommandNotFound => of(Code::NotFound, "command"),
        ErrorKind::CommandNotExecutable => of(Code::PermissionDenied, "command"),
        ErrorKind::Config => of(Code::InvalidArgument, ""),
        _ => of(Code::Internal, ""),
    }
    .with_errno(errno_of(e))
    .at("exec")
}

/// The ends of a command's streams.
#[derive(Default)]
struct Streams {
    child: Vec<OwnedFd>,
    output: Option<OwnedFd>,
    master: Option<OwnedFd>,
    slave: Option<OwnedFd>,
}

impl Streams {
    fn new(io: &Io, init: (i32, BorrowedFd), user: impl FnOnce() -> u32) -> Result<Streams, Error> {
        let null = || File::options().read(true).write(true).open("/dev/null").call(|| "open(/dev/null)".into());
        let copy = |fd: &OwnedFd| fd.try_clone().call(|| "dup".into());
        Ok(match io {
            Io::Null => Streams { child: vec![null()?.into()], ..Streams::default() },
            Io::Fds(fds) => Streams { child: fds.iter().map(copy).collect::<crate::sys::Result<_>>()?, ..Streams::default() },
            Io::Capture(_) => {
                let (read, write) = event::pipe()?;
                event::set_nonblocking(read.as_fd())?;
                let user = user();
                if user != 0 {
                    raw::fchown(write.as_raw_fd(), user, u32::MAX).call(|| format!("fchown(pipe, {user})"))?;
                }
                Streams { child: vec![null()?.into(), write], output: Some(read), ..Streams::default() }
            }
            Io::Terminal(size) => {
                let (slave, master) = exec::terminal(init, user(), *size).map_err(|e| not_made(&e).in_field("tty"))?;
                Streams { child: vec![copy(&slave)?], master: Some(master), slave: Some(slave), ..Streams::default() }
            }
        })
    }

    /// What becomes 0, 1, 2.
    fn of_child(&self) -> [BorrowedFd<'_>; 3] {
        let at = |i: usize| self.child[i.min(self.child.len() - 1)].as_fd();
        [at(0), at(1), at(2)]
    }
}
