//! The pod's conditions ("Pod Lifecycle: Pod conditions"), with the kubelet's reasons and messages.

use super::state::Health;
use super::{Container, Life, Machine, Step};
use crate::pod::status::{Condition, ConditionKind, Phase, Role, Stamp, Truth};

/// A condition's status, reason and message.
type Verdict = (bool, &'static str, String);

const YES: Verdict = (true, "", String::new());

impl Machine {
    /// Works all of them out anew; the stamp of one moves only when its status does.
    pub(super) fn refresh_conditions(&mut self, now: Stamp) {
        let ready = self.containers_ready();
        self.set_condition(ConditionKind::PodReadyToStartContainers, (self.sandbox.is_ready(), "", String::new()), now);
        self.set_condition(ConditionKind::Initialized, self.initialized(), now);
        let gated = if ready.0 { self.gated() } else { ready.clone() };
        self.set_condition(ConditionKind::Ready, gated, now);
        self.set_condition(ConditionKind::ContainersReady, ready, now);
        self.set_condition(ConditionKind::PodScheduled, YES, now);
    }

    fn set_condition(&mut self, kind: ConditionKind, (status, reason, message): Verdict, now: Stamp) {
        let (status, reason) = (Truth::from(status), reason.to_string());
        match self.conditions.iter_mut().find(|c| c.kind == kind) {
            Some(condition) => {
                if condition.status != status {
                    condition.last_transition = now;
                }
                (condition.status, condition.reason, condition.message) = (status, reason, message);
            }
            None => self.conditions.push(Condition { kind, status, reason, message, last_transition: now }),
        }
    }

    /// What the readiness gates say of a pod whose containers are ready ("Pod Lifecycle: Pod readiness").
    fn gated(&self) -> Verdict {
        let mut messages = Vec::new();
        for gate in &self.gates {
            match self.conditions.iter().find(|c| c.kind.as_str() == gate) {
                None => messages.push(format!("corresponding condition of pod readiness gate \"{gate}\" does not exist.")),
                Some(condition) if condition.status != Truth::True => messages.push(format!(
                    "the status of pod readiness gate \"{gate}\" is not \"True\", but {}",
                    condition.status.as_str()
                )),
                Some(_) => {}
            }
        }
        if messages.is_empty() { YES } else { (false, "ReadinessGatesNotReady", messages.join(", ")) }
    }

    /// Somebody's own condition. Those that the machine works out itself are not to be set.
    pub(super) fn set_gate(&mut self, kind: String, status: Truth, reason: String, message: String, step: &mut Step) {
        let now = step.now.wall;
        let condition = Condition { kind: ConditionKind::Custom(kind), status, reason, message, last_transition: now };
        match self.conditions.iter_mut().find(|c| c.kind.as_str() == condition.kind.as_str()) {
            Some(own) if !matches!(own.kind, ConditionKind::Custom(_)) => return,
            Some(old) if old.status == status => {
                let last_transition = old.last_transition;
                *old = Condition { last_transition, ..condition };
            }
            Some(old) => *old = condition,
            None => self.conditions.push(condition),
        }
        step.changed = true;
    }

    fn initialized(&self) -> Verdict {
        if self.phase == Phase::Succeeded {
            return (true, "PodCompleted", String::new());
        }
        // A sidecar that is started again does not take back that initialization once was complete.
        if self.apps().any(Container::has_run) {
            return YES;
        }
        let incomplete = self.containers[..self.inits].iter().filter(|c| match c.role {
            Role::Sidecar => !c.state.is_started(),
            _ => !c.has_succeeded(),
        });
        unless_any("ContainersNotInitialized", "containers with incomplete status", incomplete)
    }

    fn containers_ready(&self) -> Verdict {
        match self.phase {
            Phase::Succeeded => (false, "PodCompleted", String::new()),
            Phase::Failed => (false, "PodFailed", String::new()),
            _ => {
                let unready = self.containers.iter().filter(|c| matches!(c.role, Role::Sidecar | Role::App) && !self.is_ready(c));
                unless_any("ContainersNotReady", "containers with unready status", unready)
            }
        }
    }

    /// status.containerStatuses[].ready. From the moment that the pod or the container is being ended it is not, so that nothing
    /// new is sent to it; an init container is, once it has succeeded.
    pub(super) fn is_ready(&self, container: &Container) -> bool {
        match container.role {
            Role::Init => container.has_succeeded(),
            _ => {
                self.life == Life::Live
                    && container.state.can_stop()
                    && container.state.run().is_some_and(|run| run.health == Health::Ready)
            }
        }
    }
}

fn unless_any<'a>(reason: &'static str, what: &str, culprits: impl Iterator<Item = &'a Container>) -> Verdict {
    let names: Vec<&str> = culprits.map(|c| c.name.as_str()).collect();
    if names.is_empty() { YES } else { (false, reason, format!("{what}: [{}]", names.join(" "))) }
}
