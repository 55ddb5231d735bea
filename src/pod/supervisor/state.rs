//! What a supervisor holds, and how it comes up.

use super::container::{Prepared, Running};
use super::keeper::{Heirlooms, Keeper};
use super::network::Watched;
use super::output::Scratch;
use super::probe::Handlers;
use super::requests::{Tokens, Waiting};
use super::session::Sessions;
use super::{StatusWriter, needed};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::pod::control::server::Server;
use crate::pod::error::{Code, Error, Result, Step};
use crate::pod::machine::{Event, Machine, StartFailure, Tuning};
use crate::pod::network;
use crate::pod::sandbox::Pause;
use crate::pod::spec::{ContainerSpec, PodSpec};
use crate::pod::status::EventRecord;
use crate::store::lock::{Lock, SUPERVISOR};
use crate::store::{Intent, Process, Roots, Sandbox, Store, atomic};
use crate::sys::event::{EPOLLIN, Epoll, Signals, Timer};
use crate::sys::fault;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// Epoll tokens: below [`SLOTS`] the few sources of the pod itself, from there eight for each container, from [`HELPERS`] the
/// helpers; the control socket's are its own.
pub(super) const TIMER: u64 = 1;
pub(super) const SIGNALS: u64 = 2;
pub(super) const PAUSE: u64 = 3;
pub(super) const KEEPER: u64 = 4;
pub(super) const NETWORK: u64 = 5;
/// What it says is looked up by whoever waits for it.
pub(super) const CGROUPS: u64 = 6;
pub(super) const SLOTS: u64 = 16;
pub(super) const HELPERS: u64 = 1 << 20;
/// Probes and hooks, by their number; a helper's is below 2^23.
pub(super) const HANDLERS: u64 = 1 << 23;
/// Four for each session.
pub(super) const SESSIONS: u64 = 1 << 30;
/// One for each copy of a stream; up to the control socket's.
pub(super) const ATTACHES: u64 = 1 << 31;

/// How many past events a watcher can still get.
const HISTORY: usize = 256;

pub(super) struct Supervisor {
    pub store: Store,
    pub sandbox: Sandbox,
    pub intent: Intent,
    pub spec: PodSpec,
    pub writer: StatusWriter,
    /// Held for life.
    pub _lock: Lock,
    /// None: it is dead, and this supervisor takes its place.
    pub keeper: Option<Keeper>,
    pub heirlooms: Heirlooms,
    /// This process's own, for who is started in its place.
    pub arguments: Vec<CString>,
    pub epoll: Epoll,
    pub timer: Timer,
    pub signals: Signals,
    pub server: Server,
    pub hierarchy: Hierarchy,
    pub machine: Machine,
    pub queue: VecDeque<Event>,
    /// The machine's timer, monotonic nanoseconds.
    pub alarm: Option<u64>,
    /// What the timerfd is set to.
    pub armed: Option<u64>,
    pub dirty: bool,
    /// The machine has moved since `state.json` was written.
    pub unsaved: bool,
    /// Ended attempts whose ends are not yet on record: till then they stay in the process table.
    pub ended: Vec<Running>,
    pub pod_cgroup: Option<Cgroup>,
    pub pause: Option<Pause>,
    /// None in the host's network, and with loopback alone.
    pub network: Option<network::Record>,
    pub watched: Watched,
    /// One for each of [`PodSpec::all_containers`], in that order.
    pub slots: Vec<Slot>,
    /// Cgroups whose processes are on their way out, and until when that is waited for.
    pub burials: Vec<(Cgroup, u64)>,
    pub helpers: Vec<(u64, OwnedFd)>,
    pub handlers: Handlers,
    pub scratch: Scratch,
    pub sessions: Sessions,
    pub waiting: Vec<Waiting>,
    pub tokens: Tokens,
    /// (client, request) of watchers.
    pub watchers: Vec<(u64, u64)>,
    /// Number of the last event.
    pub seq: u64,
    /// None: a change of the status.
    pub history: VecDeque<(u64, Option<EventRecord>)>,
    pub warnings: Vec<String>,
    /// The pod was ended by a signal: its record stays.
    pub keep_record: bool,
    /// The sandbox stood once: there is a pod, and its creator was told.
    pub stands: bool,
    pub finished: Option<i32>,
}

/// What `state.json` holds: the machine, and beside it what is the supervisor's own.
#[derive(Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    machine: &'a Machine,
    #[serde(flatten)]
    beside: Beside,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Beside {
    seq: u64,
    keep_record: bool,
}

#[derive(Default)]
pub(super) struct Slot {
    /// Read before anything was made; used up by the first start.
    pub prepared: Option<Prepared>,
    pub running: Option<Running>,
    /// Why the last one was not made, for who has asked for it.
    pub failure: Option<String>,
    /// The attempt and id that were last made.
    pub last: Option<(u32, String)>,
}

impl Supervisor {
    /// Takes the lock, reads the request, checks all that can be checked with nothing made.
    ///
    /// `again`: an earlier supervisor of the sandbox has died; its state is read, and nothing is refused any more.
    pub fn new(store: Store, id: &str, writer: StatusWriter, again: bool) -> Result<Supervisor> {
        let (keeper, heirlooms) = Keeper::inherit()?;
        let sandbox = store.sandbox(id)?;
        if again && sandbox.is_doomed() {
            return Err(Error::new(Code::Aborted, format!("sandbox {id} is being removed")));
        }
        let lock = Lock::open(&sandbox.dir)?;
        if !lock.take(SUPERVISOR)? {
            return Err(Error::new(Code::Aborted, format!("sandbox {id} has a supervisor")));
        }
        let mut intent: Intent = needed(&sandbox.dir, "intent.json")?;
        let spec: PodSpec = needed(&sandbox.dir, "pod.json")?;
        intent.supervisor = Some(Process::current());
        intent.keeper = keeper.as_ref().map(|k| k.process.clone());
        sandbox.write_intent(&intent).step("create.intent")?;
        fault::point("create.supervisor.up")?;
        let hierarchy = Hierarchy::discover().step("create.cgroup")?;
        let mut warnings = Vec::new();
        let slots = match again {
            false => prepare(&intent.roots, &spec, &hierarchy, &mut warnings)?,
            true => spec.all_containers().map(|_| Slot::default()).collect(),
        };
        let epoll = Epoll::new()?;
        let timer = Timer::new()?;
        epoll.add(&timer, EPOLLIN, TIMER)?;
        let bit = |signal: i32| 1u64 << (signal - 1);
        let signals = Signals::new(bit(libc::SIGTERM) | bit(libc::SIGINT) | bit(libc::SIGUSR1))?;
        epoll.add(&signals, EPOLLIN, SIGNALS)?;
        if let Some(keeper) = &keeper {
            epoll.add(&keeper.pidfd, EPOLLIN, KEEPER)?;
        }
        fault::point("create.control")?;
        if again {
            let _ = std::fs::remove_file(sandbox.dir.join(crate::pod::control::SOCKET));
        }
        let server = Server::new(&sandbox, intent.boot_id.clone(), &epoll).step("create.control")?;
        let mut machine = Machine::new(&spec, Tuning::default(), crate::pod::now());
        let mut beside = Beside::default();
        let path = sandbox.dir.join("state.json");
        if let Some(stored) = atomic::read_json(&path)?.filter(|_| again) {
            machine = stored;
            beside = atomic::read_json(&path)?.unwrap_or_default();
            // What was told after that state was written had these numbers.
            beside.seq += HISTORY as u64;
        }
        let network = network::Record::load(&sandbox)?;
        Ok(Supervisor {
            store,
            sandbox,
            intent,
            spec,
            writer,
            _lock: lock,
            keeper,
            heirlooms,
            arguments: Vec::new(),
            epoll,
            timer,
            signals,
            server,
            hierarchy,
            machine,
            queue: VecDeque::new(),
            alarm: None,
            armed: None,
            dirty: true,
            unsaved: true,
            ended: Vec::new(),
            pod_cgroup: None,
            pause: None,
            network,
            watched: Watched::default(),
            slots,
            burials: Vec::new(),
            helpers: Vec::new(),
            handlers: Handlers::default(),
            scratch: Scratch::default(),
            sessions: Sessions::default(),
            waiting: Vec::new(),
            tokens: Tokens::default(),
            watchers: Vec::new(),
            seq: beside.seq,
            history: VecDeque::new(),
            warnings,
            keep_record: beside.keep_record,
            stands: again,
            finished: None,
        })
    }

    pub fn container(&self, slot: usize) -> Option<&ContainerSpec> {
        self.spec.all_containers().nth(slot)
    }

    pub fn slot_of(&self, name: &str) -> Option<usize> {
        self.spec.all_containers().position(|c| c.name == name)
    }

    /// Numbers an event and tells the watchers; None is a change of the status.
    pub fn tell(&mut self, what: Option<EventRecord>) {
        self.seq += 1;
        self.history.push_back((self.seq, what));
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        self.tell_watchers(self.seq);
    }

    /// Writes `state.json`, for the next supervisor: before anything is done that follows from it.
    pub fn save(&mut self) -> Result<()> {
        if !self.unsaved {
            return Ok(());
        }
        let stored = Stored { machine: &self.machine, beside: Beside { seq: self.seq, keep_record: self.keep_record } };
        atomic::write_json(&self.sandbox.dir.join("state.json"), &stored, atomic::Durable::No)?;
        self.unsaved = false;
        Ok(())
    }

    /// Makes the state durable: `state.json` for podrt, `status.json` for everybody. Readers see the old or the new.
    pub fn persist(&mut self) {
        if !self.dirty {
            return;
        }
        let status = (self.writer)(&self.spec, &self.machine.status());
        let written = fault::point("create.status")
            .map_err(Error::from)
            .and_then(|()| self.save())
            .and_then(|()| Ok(atomic::replace(&self.sandbox.dir.join("status.json"), &status, atomic::Durable::No)?));
        // A full disk: what is known stays known here and is written with the next change or the next minute.
        self.dirty = written.is_err();
        self.tell(None);
    }
}

/// Reads every bundle and merges its config: what is wrong with the request or the host is said before anything is made.
fn prepare(roots: &Roots, spec: &PodSpec, hierarchy: &Hierarchy, warnings: &mut Vec<String>) -> Result<Vec<Slot>> {
    fault::point("create.check")?;
    let check = |limits: &crate::cgroup::Limits| match spec.missing_controllers_warn {
        true => Ok(()),
        false => hierarchy.check(limits),
    };
    check(&spec.limits).step("create.check")?;
    let mut slots = Vec::new();
    for container in spec.all_containers() {
        let mut prepared = None;
        match Prepared::new(roots, spec, container) {
            Ok(ready) => {
                check(&ready.config.limits)
                    .map_err(|e| Error::from(e).context(format!("container {}", container.name)))
                    .step("create.check")?;
                warnings.extend(ready.config.warnings.iter().map(|w| format!("container {}: {w}", container.name)));
                prepared = Some(ready);
            }
            // A value that the container cannot start with is its status, not the pod's end (CreateContainerConfigError), and so
            // is an image whose name nobody has (ErrImagePull): it may come.
            Err(e) if StartFailure::named(&e.step).is_some() => {}
            Err(e) => return Err(e.at("create.check")),
        }
        slots.push(Slot { prepared, ..Slot::default() });
    }
    Ok(slots)
}
