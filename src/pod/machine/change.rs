//! Changes of a living pod: an update in place, and ephemeral containers ("Pods: Pod update and replacement", "Ephemeral
//! Containers", "Resize CPU and Memory Resources assigned to Containers").

use super::state::{Life, State};
use super::stop::Back;
use super::{Container, Machine, SECOND, Step};
use crate::pod::spec::ContainerSpec;
use serde::{Deserialize, Serialize};

/// What of a new spec the machine has to know. What only the kernel has to know (cgroup values) is not here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Update {
    pub grace_seconds: u64,
    pub active_deadline_seconds: Option<u64>,
    pub containers: Vec<ContainerUpdate>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerUpdate {
    pub name: String,
    /// As the new spec writes it.
    pub image: String,
    /// Why an attempt that runs is replaced: `definition changed`, `resize requires restart`; None leaves it alone.
    pub replace: Option<String>,
}

impl Machine {
    /// Network, volumes and every other container stay as they are.
    pub(super) fn update(&mut self, update: Update, step: &mut Step) {
        step.changed = true;
        self.grace_seconds = update.grace_seconds;
        let after = |seconds: u64| self.began.mono.saturating_add(seconds.saturating_mul(SECOND));
        self.deadline = update.active_deadline_seconds.map(after);
        for new in update.containers {
            let Some(index) = self.index(&new.name) else { continue };
            self.containers[index].image = new.image;
            if let Some(why) = new.replace {
                self.replace(index, &why, step);
            }
        }
    }

    /// The next attempt is of the new spec, and has nothing to answer for what the old one did.
    fn replace(&mut self, index: usize, why: &str, step: &mut Step) {
        let until = step.now.mono.saturating_add(self.grace_seconds.saturating_mul(SECOND));
        let container = &mut self.containers[index];
        (container.crashes, container.failures) = Default::default();
        match &mut container.state {
            State::BackOff { .. } => container.state = State::Waiting,
            State::Stopping(_, stop) => stop.back = Back::Always,
            State::Running(_) => {
                let message = format!("Container {} {why}, will be restarted", container.name);
                self.begin_stop(index, Some(until), Back::Always, message, step);
            }
            State::Waiting | State::Starting { .. } | State::Ended => {}
        }
    }

    /// One more container, which is never started again and counts for nothing; it waits for nothing but the sandbox.
    pub(super) fn add_ephemeral(&mut self, spec: &ContainerSpec, step: &mut Step) {
        if self.index(&spec.name).is_none() && matches!(self.life, Life::New | Life::Live) {
            self.containers.push(Container::ephemeral(spec));
            step.changed = true;
        }
    }
}
