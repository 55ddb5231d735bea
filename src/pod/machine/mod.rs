//! The pod's policy, pure: `(state, event, now) -> (state, actions)`. No syscalls, no clock, no logging; the supervisor brings
//! the events, carries out the actions and stores the state. Kubernetes' kubelet (v1.36) is the reference.
//!
//! The supervisor's side: [`Machine::new`], then [`Machine::handle`] with [`Event::Start`]; store the state, then carry out
//! the actions in order; every answer is an event. Started again: deserialize, look around, [`Event::Recovered`]; that repeats
//! what is due, so an action that was stored and not carried out is not lost, and all of them may safely come twice.
//!
//! Inside, an event only changes the state (`absorb`, `recover`); what follows from a state is decided in one place
//! (`reconcile`), whatever led to it. So a new kind of event, a probe's result or a hook's, has one function to write.
//!
//! | file | the rule |
//! |---|---|
//! | `state` | the three enums and their diagram |
//! | `absorb`, `recover` | event -> state |
//! | `external` | what a caller asks of a sandbox that decides nothing itself |
//! | `start` | sandbox, init sequence, app containers |
//! | `backoff` | who comes back, and when |
//! | `change` | updates in place, ephemeral containers |
//! | `checks` | probes: when they are due, what their results mean |
//! | `hooks` | postStart, preStop |
//! | `stop` | the end: order, grace, SIGKILL |
//! | `phase`, `conditions`, `view` | state -> status |
//! | `record` | events, counted and bounded |

mod absorb;
mod action;
mod backoff;
mod change;
mod checks;
mod clock;
mod conditions;
mod container;
mod event;
mod external;
mod handler;
mod hooks;
mod phase;
mod record;
mod recover;
mod start;
mod state;
mod stop;
#[cfg(test)]
mod tests;
mod tuning;
mod view;

pub use action::Action;
pub use backoff::Backoff;
pub use change::{ContainerUpdate, Update};
pub use checks::Check;
pub use clock::{Now, SECOND};
pub use container::Container;
pub use event::{Event, Exit, Found, SandboxFound, StartFailure};
pub use external::Asked;
pub use handler::{Outcome, Purpose, Verdict};
pub use state::{Ending, Health, Life, Run, Sandbox, Setback, Stage, State, Stop, Why};
pub use stop::Back;
pub use tuning::Tuning;

use crate::pod::spec::{PodSpec, Policy, Qos};
use crate::pod::status::{Condition, Deletion, EventRecord, Phase};
use serde::{Deserialize, Serialize};

/// Version of the stored form.
pub const SCHEMA: u32 = 1;

/// A pod's policy with all it knows. Serialized, it is the pod's durable state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    schema: u32,
    tuning: Tuning,
    /// `name_namespace(uid)`, as messages name the pod.
    pod: String,
    qos: Qos,
    grace_seconds: u64,
    /// status.startTime.
    began: Now,
    /// Monotonic nanoseconds: spec.activeDeadlineSeconds after `began`.
    deadline: Option<u64>,
    /// Policy external: only what is asked for is done.
    #[serde(default)]
    external: bool,
    /// It asks for a sandbox.
    #[serde(default)]
    wanted: bool,
    life: Life,
    sandbox: Sandbox,
    sandbox_backoff: Backoff,
    ips: Vec<String>,
    /// Init containers and sidecars in order, then app containers; ephemeral ones go last.
    containers: Vec<Container>,
    /// How many of them are init containers or sidecars.
    inits: usize,
    /// How many init containers this sandbox has behind it: succeeded, or a sidecar that has started once.
    passed: usize,
    phase: Phase,
    reason: String,
    message: String,
    deletion: Option<Deletion>,
    conditions: Vec<Condition>,
    /// spec.readinessGates.
    #[serde(default)]
    gates: Vec<String>,
    events: Vec<EventRecord>,
    /// What the last `SetTimer` said.
    timer: Option<u64>,
}

/// One call of [`Machine::handle`] under way.
struct Step {
    now: Now,
    actions: Vec<Action>,
    /// The state is not what it was.
    changed: bool,
}

impl Machine {
    /// The machine of a pod that nothing was done for yet. `now` becomes status.startTime.
    pub fn new(spec: &PodSpec, tuning: Tuning, now: Now) -> Machine {
        let inits = spec.init_containers.iter().map(|c| Container::new(c, true, spec.restart_policy));
        let apps = spec.containers.iter().map(|c| Container::new(c, false, spec.restart_policy));
        let mut machine = Machine {
            schema: SCHEMA,
            tuning,
            pod: format!("{}_{}({})", spec.name, spec.namespace, spec.uid),
            qos: spec.qos,
            grace_seconds: spec.grace_seconds,
            began: now,
            deadline: spec.active_deadline_seconds.map(|s| now.mono.saturating_add(s.saturating_mul(SECOND))),
            external: spec.policy == Policy::External,
            wanted: spec.policy == Policy::External,
            life: Life::New,
            sandbox: Sandbox::None { attempt: 0 },
            sandbox_backoff: Backoff::default(),
            ips: Vec::new(),
            containers: inits.chain(apps).collect(),
            inits: spec.init_containers.len(),
            passed: 0,
            phase: Phase::Pending,
            reason: String::new(),
            message: String::new(),
            deletion: None,
            conditions: Vec::new(),
            gates: spec.readiness_gates.clone(),
            events: Vec::new(),
            timer: None,
        };
        machine.refresh_conditions(now.wall);
        machine
    }

    /// Takes one event in, and says what to do. An event that means nothing here changes nothing and costs nothing.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        let mut step = Step { now, actions: Vec::new(), changed: false };
        let ended_before = self.life == Life::Ended;
        let asked_again = match event {
            Event::Recovered { sandbox, containers } => {
                self.recover(sandbox, containers, &mut step);
                true
            }
            Event::Delete { grace } => {
                self.delete(grace, &mut step);
                true
            }
            Event::Asked(asked) => {
                self.asked(asked, &mut step);
                false
            }
            other => {
                self.absorb(other, &mut step);
                false
            }
        };
        self.reconcile(&mut step);
        if step.changed {
            self.refresh(&mut step);
        }
        if self.life == Life::Ended && (!ended_before || asked_again) {
            step.actions.push(Action::Done { deleted: self.deletion.is_some() });
        }
        step.actions
    }

    /// The events so far, the latest last.
    pub fn events(&self) -> &[EventRecord] {
        &self.events
    }

    /// status.podIPs.
    pub fn ips(&self) -> &[String] {
        &self.ips
    }

    pub fn life(&self) -> Life {
        self.life
    }

    pub fn sandbox(&self) -> Sandbox {
        self.sandbox
    }

    /// Init containers and sidecars, then app containers: what a supervisor started again has to look for.
    pub fn containers(&self) -> &[Container] {
        &self.containers
    }

    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|c| c.name == name)
    }

    /// What follows from the state as it now is.
    fn reconcile(&mut self, step: &mut Step) {
        if self.life == Life::Live && self.external {
            self.drive_external(step);
        } else if self.life == Life::Live {
            self.drive_sandbox(step);
            if self.sandbox.is_ready() {
                self.drive_init(step);
                self.drive_apps(step);
                self.drive_stops(step);
                self.drive_probes(step);
            }
            self.check_end(step);
        }
        if matches!(self.life, Life::Ending(_)) {
            self.drive_end(step);
        }
        self.enforce_patience(step);
        self.arm(step);
    }

    /// Brings phase and conditions up to date.
    fn refresh(&mut self, step: &mut Step) {
        self.refresh_phase();
        self.refresh_conditions(step.now.wall);
        step.actions.push(Action::StatusChanged);
    }

    /// Sets the one timer to the earliest thing that only time can bring.
    fn arm(&mut self, step: &mut Step) {
        let next = self.due_times().min();
        if next != self.timer {
            // No change that is worth storing: recovery sets it anew.
            self.timer = next;
            step.actions.push(Action::SetTimer(next));
        }
    }

    /// Every instant at which `reconcile` would decide otherwise than now; none is past, for what is due has been decided.
    fn due_times(&self) -> impl Iterator<Item = u64> + '_ {
        let of_pod = match self.life {
            Life::Live => [self.deadline, self.sandbox_due()],
            Life::Ending(ending) => [ending.until.filter(|_| self.someone_waits_to_stop()), None],
            Life::New | Life::Ended => [None, None],
        };
        let starts = self.containers.iter().enumerate().filter(|(i, _)| self.may_start(*i)).filter_map(|(_, c)| c.state.due());
        let stops = self.containers.iter().filter_map(|c| c.state.patience());
        let probes = (self.life == Life::Live && self.sandbox.is_ready()).then(|| self.probes_due());
        of_pod.into_iter().flatten().chain(starts).chain(stops).chain(probes.into_iter().flatten())
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.containers.iter().position(|c| c.name == name)
    }

    fn any_alive(&self) -> bool {
        self.containers.iter().any(|c| c.state.is_alive())
    }
}
