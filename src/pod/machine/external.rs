//! A sandbox whose caller decides (policy `external`): nothing is started, restarted or ended here but what was asked for. States,
//! statuses, the grace periods of what is stopped and the end of it all are those of every pod.

use super::state::{Sandbox, State};
use super::stop::Back;
use super::{Container, Machine, SECOND, Step};
use crate::pod::spec::{ContainerSpec, RestartPolicy};
use serde::{Deserialize, Serialize};

/// What the caller asks. What makes no sense in the state as it is does nothing: the supervisor has looked before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Asked {
    /// The sandbox again, where there is none any more.
    CreateSandbox,
    /// Containers and sandbox end, the record stays. `grace` in seconds; None is the spec's.
    StopSandbox { grace: Option<u64> },
    /// There is one more container; it is not made yet.
    Add { spec: Box<ContainerSpec> },
    /// It is made, and held before its program runs: `ContainerStarted` comes when it is let go.
    Make { name: String },
    /// `grace` as above.
    Stop { name: String, grace: Option<u64> },
    /// An ended container is forgotten.
    Remove { name: String },
}

impl Machine {
    pub(super) fn asked(&mut self, asked: Asked, step: &mut Step) {
        if !self.external || self.is_ending() {
            return;
        }
        let until =
            |grace: Option<u64>, of_pod: u64| step.now.mono.saturating_add(grace.unwrap_or(of_pod).saturating_mul(SECOND));
        match asked {
            Asked::CreateSandbox => self.wanted = true,
            Asked::StopSandbox { grace } => {
                self.wanted = false;
                if let Sandbox::Ready { attempt } = self.sandbox {
                    self.sandbox = Sandbox::Lost { attempt, until: until(grace, self.grace_seconds) };
                    self.ips.clear();
                }
            }
            Asked::Add { spec } => {
                if self.index(&spec.name).is_none() {
                    self.containers.push(Container::new(&spec, false, RestartPolicy::Never));
                }
            }
            Asked::Make { name } => {
                let index = self.index(&name).filter(|i| !self.containers[*i].state.is_alive());
                if let Some(index) = index.filter(|_| self.sandbox.is_ready()) {
                    self.start(index, step);
                }
            }
            Asked::Stop { name, grace } => {
                let until = (grace != Some(0)).then(|| until(grace, self.grace_seconds));
                if let Some(index) = self.index(&name).filter(|i| self.containers[*i].state.can_stop()) {
                    let message = format!("Stopping container {name}");
                    self.begin_stop(index, until, Back::ByPolicy, message, step);
                }
            }
            Asked::Remove { name } => self.containers.retain(|c| c.name != name || c.state.is_alive()),
        }
        step.changed = true;
    }

    /// The sandbox is made when it is asked for, and what is lost or stopped is ended.
    pub(super) fn drive_external(&mut self, step: &mut Step) {
        match self.sandbox {
            Sandbox::None { attempt } | Sandbox::BackOff { attempt, .. } if self.wanted => {
                self.wanted = false;
                self.make_sandbox(attempt, step);
            }
            Sandbox::Lost { attempt, until } => {
                self.stop_in_order(Some(until), step);
                if !self.any_alive() {
                    self.stop_sandbox(attempt, step);
                }
            }
            _ => {}
        }
        self.drive_stops(step);
    }

    /// Of a container that could not be made: whoever asked is told, and nothing is tried again.
    pub(super) fn not_made_for_the_caller(&mut self, index: usize) {
        self.containers[index].state = State::Waiting;
    }
}
