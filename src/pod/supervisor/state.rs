//! What a supervisor holds, and how it comes up.

use super::container::{Prepared, Running};
use super::output::Scratch;
use super::requests::Waiting;
use super::{StatusWriter, needed};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::pod::control::server::Server;
use crate::pod::error::{Code, Error, Result, Step};
use crate::pod::machine::{Event, Machine, Tuning};
use crate::pod::sandbox::Pause;
use crate::pod::spec::{ContainerSpec, PodSpec};
use crate::pod::status::EventRecord;
use crate::store::lock::{Lock, SUPERVISOR};
use crate::store::{Intent, Process, Sandbox, Store, atomic};
use crate::sys::event::{EPOLLIN, Epoll, Signals, Timer};
use crate::sys::fault;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// Epoll tokens: below [`SLOTS`] the few sources of the pod itself, from there eight for each container, from [`HELPERS`] the
/// helpers; the control socket's are its own.
pub(super) const TIMER: u64 = 1;
pub(super) const SIGNALS: u64 = 2;
pub(super) const PAUSE: u64 = 3;
pub(super) const SLOTS: u64 = 16;
pub(super) const HELPERS: u64 = 1 << 20;

/// How many past events a watcher can still get.
const HISTORY: usize = 64;

pub(super) struct Supervisor {
    pub store: Store,
    pub sandbox: Sandbox,
    pub intent: Intent,
    pub spec: PodSpec,
    pub writer: StatusWriter,
    /// Held for life.
    pub _lock: Lock,
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
    pub pod_cgroup: Option<Cgroup>,
    pub pause: Option<Pause>,
    /// One for each of [`PodSpec::all_containers`], in that order.
    pub slots: Vec<Slot>,
    /// Cgroups whose processes are on their way out, and until when that is waited for.
    pub burials: Vec<(Cgroup, u64)>,
    pub helpers: Vec<(u64, OwnedFd)>,
    pub scratch: Scratch,
    pub waiting: Vec<Waiting>,
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

#[derive(Default)]
pub(super) struct Slot {
    /// Read before anything was made; used up by the first start.
    pub prepared: Option<Prepared>,
    pub running: Option<Running>,
    /// The attempt and id that were last made.
    pub last: Option<(u32, String)>,
}

impl Supervisor {
    /// Takes the lock, reads the request, checks all that can be checked with nothing made.
    pub fn new(store: Store, id: &str, writer: StatusWriter) -> Result<Supervisor> {
        let sandbox = store.sandbox(id)?;
        let lock = Lock::open(&sandbox.dir)?;
        if !lock.take(SUPERVISOR)? {
            return Err(Error::new(Code::Aborted, format!("sandbox {id} has a supervisor")));
        }
        let mut intent: Intent = needed(&sandbox.dir, "intent.json")?;
        let spec: PodSpec = needed(&sandbox.dir, "pod.json")?;
        intent.supervisor = Some(Process::current());
        sandbox.write_intent(&intent).step("create.intent")?;
        fault::point("create.supervisor.up")?;
        let hierarchy = Hierarchy::discover().step("create.cgroup")?;
        let mut warnings = Vec::new();
        let slots = prepare(&spec, &hierarchy, &mut warnings)?;
        let epoll = Epoll::new()?;
        let timer = Timer::new()?;
        epoll.add(&timer, EPOLLIN, TIMER)?;
        let bit = |signal: i32| 1u64 << (signal - 1);
        let signals = Signals::new(bit(libc::SIGTERM) | bit(libc::SIGINT))?;
        epoll.add(&signals, EPOLLIN, SIGNALS)?;
        fault::point("create.control")?;
        let server = Server::new(&sandbox, intent.boot_id.clone(), &epoll).step("create.control")?;
        let machine = Machine::new(&spec, Tuning::default(), crate::pod::now());
        Ok(Supervisor {
            store,
            sandbox,
            intent,
            spec,
            writer,
            _lock: lock,
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
            pod_cgroup: None,
            pause: None,
            slots,
            burials: Vec::new(),
            helpers: Vec::new(),
            scratch: Scratch::default(),
            waiting: Vec::new(),
            watchers: Vec::new(),
            seq: 0,
            history: VecDeque::new(),
            warnings,
            keep_record: false,
            stands: false,
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

    /// Makes the state durable: `state.json` for podrt, `status.json` for everybody. Readers see the old or the new.
    pub fn persist(&mut self) {
        if !self.dirty {
            return;
        }
        let status = (self.writer)(&self.spec, &self.machine.status());
        let written = fault::point("create.status")
            .map_err(Error::from)
            .and_then(|()| Ok(atomic::write_json(&self.sandbox.dir.join("state.json"), &self.machine, atomic::Durable::No)?))
            .and_then(|()| Ok(atomic::replace(&self.sandbox.dir.join("status.json"), &status, atomic::Durable::No)?));
        // A full disk: what is known stays known here and is written with the next change or the next minute.
        self.dirty = written.is_err();
        self.tell(None);
    }
}

/// Reads every bundle and merges its config: what is wrong with the request or the host is said before anything is made.
fn prepare(spec: &PodSpec, hierarchy: &Hierarchy, warnings: &mut Vec<String>) -> Result<Vec<Slot>> {
    fault::point("create.check")?;
    let check = |limits: &crate::cgroup::Limits| match spec.missing_controllers_warn {
        true => Ok(()),
        false => hierarchy.check(limits),
    };
    check(&spec.limits).step("create.check")?;
    let mut slots = Vec::new();
    for container in spec.all_containers() {
        let mut prepared = None;
        match Prepared::new(spec, container) {
            Ok(ready) => {
                check(&ready.config.limits)
                    .map_err(|e| Error::from(e).context(format!("container {}", container.name)))
                    .step("create.check")?;
                warnings.extend(ready.config.warnings.iter().map(|w| format!("container {}: {w}", container.name)));
                prepared = Some(ready);
            }
            // A value that the container cannot start with is its status, not the pod's end (CreateContainerConfigError).
            Err(e) if e.step == crate::pod::machine::StartFailure::CreateContainerConfigError.as_str() => {}
            Err(e) => return Err(e.at("create.check")),
        }
        slots.push(Slot { prepared, ..Slot::default() });
    }
    Ok(slots)
}
