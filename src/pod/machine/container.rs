//! A container as the machine keeps it: its rules from the spec, its state, and how it ended before.

use super::Backoff;
use super::checks::Probes;
use super::state::State;
use crate::pod::spec::{ContainerSpec, RestartPolicy, RestartRule};
use crate::pod::status::{Role, Terminated};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub role: Role,
    /// Its own policy, else the pod's.
    pub restart: RestartPolicy,
    /// lifecycle.stopSignal; None is the bundle's own.
    pub stop_signal: Option<i32>,
    #[serde(default)]
    pub probes: Probes,
    /// It has such a hook.
    #[serde(default)]
    pub post_start: bool,
    #[serde(default)]
    pub pre_stop: bool,
    #[serde(default)]
    pub rules: Vec<RestartRule>,
    pub state: State,
    /// How many attempts were made; the number of the next one.
    pub made: u32,
    /// The runtime's id of the latest attempt.
    pub id: Option<String>,
    /// How the latest attempt that ended did so.
    pub last: Option<Terminated>,
    /// And the one before.
    pub before: Option<Terminated>,
    pub(super) crashes: Backoff,
    pub(super) failures: Backoff,
}

impl Container {
    pub(super) fn new(spec: &ContainerSpec, init: bool, policy: RestartPolicy) -> Container {
        let role = match (init, spec.restart_policy) {
            (true, Some(RestartPolicy::Always)) => Role::Sidecar,
            (true, _) => Role::Init,
            (false, _) => Role::App,
        };
        Container {
            name: spec.name.clone(),
            image: spec.image.clone(),
            role,
            restart: spec.restart_policy.unwrap_or(policy),
            stop_signal: spec.life.stop_signal,
            probes: Probes::of(&spec.life),
            post_start: spec.life.post_start.is_some(),
            pre_stop: spec.life.pre_stop.is_some(),
            rules: spec.life.restart_rules.clone(),
            state: State::Waiting,
            made: 0,
            id: None,
            last: None,
            before: None,
            crashes: Backoff::default(),
            failures: Backoff::default(),
        }
    }

    /// Started once, whatever becomes of it.
    pub(super) fn ephemeral(spec: &ContainerSpec) -> Container {
        Container { role: Role::Ephemeral, ..Container::new(spec, false, RestartPolicy::Never) }
    }

    /// status.restartCount: attempts after the first.
    pub fn restart_count(&self) -> u32 {
        self.made.saturating_sub(1)
    }

    /// It ran at least once, in this sandbox or an earlier one.
    pub(super) fn has_run(&self) -> bool {
        self.state.run().is_some() || self.last.is_some()
    }

    /// Ended for good, with success.
    pub(super) fn has_succeeded(&self) -> bool {
        self.state == State::Ended && self.last.as_ref().is_some_and(|end| end.exit_code == 0)
    }

    /// Ended for good, in failure.
    pub(super) fn has_failed(&self) -> bool {
        self.state == State::Ended && !self.has_succeeded()
    }

    /// Keeps how the attempt ended; the end before stays as lastState.
    pub(super) fn keep_end(&mut self, end: Terminated) {
        self.before = self.last.replace(end);
    }

    /// Nothing starts it any more: what ended stays so, what never ran keeps waiting.
    pub(super) fn settle(&mut self) {
        if !self.state.is_alive() {
            self.state = if self.last.is_some() { State::Ended } else { State::Waiting };
        }
    }
}
