//! Who comes back, and when ("Pod Lifecycle: Container restarts" and "How Pods handle problems with containers").

use super::clock::Now;
use super::event::StartFailure;
use super::state::{Setback, State};
use super::{Container, Machine, Step, Tuning};
use crate::pod::spec::RestartPolicy;
use crate::pod::status::{EventKind, Role};
use serde::{Deserialize, Serialize};

/// A ladder of delays: each pass doubles it, up to a maximum; a long good run takes it down again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Nanoseconds to wait the next time; 0 while there was no pass.
    pub delay: u64,
    /// Monotonic nanoseconds of the latest pass.
    pub passed_at: u64,
}

impl Backoff {
    /// How long to wait from `ended` on; None is not at all, as the first time or after a good run.
    pub fn wait(&mut self, ended: u64, tuning: &Tuning) -> Option<u64> {
        if self.delay != 0 && ended.saturating_sub(self.passed_at) > tuning.backoff_reset {
            self.delay = 0;
        }
        (self.delay != 0).then_some(self.delay)
    }

    /// It goes on now: the next wait is longer.
    pub fn pass(&mut self, now: u64, tuning: &Tuning) {
        self.delay = if self.delay == 0 { tuning.backoff_first } else { self.delay.saturating_mul(2) }.min(tuning.backoff_max);
        self.passed_at = now;
    }
}

impl Container {
    /// Whether its restart rules, and where none matches its restart policy, bring it back after this exit code. An init container
    /// that succeeded is done.
    pub fn comes_back(&self, code: i32) -> bool {
        if self.role == Role::Init && code == 0 {
            return false;
        }
        if self.rules.iter().any(|rule| rule.matches(code)) {
            return true;
        }
        match self.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => code != 0,
            RestartPolicy::Never => false,
        }
    }

    /// Some end of it is followed by another start.
    pub fn may_come_back(&self) -> bool {
        self.restart != RestartPolicy::Never
    }
}

impl Machine {
    /// An attempt that ended at `ended` is to come back: at once the first time, later after a wait counted from its end.
    pub(super) fn set_back(&mut self, index: usize, ended: Now, step: &mut Step) {
        let container = &mut self.containers[index];
        match container.crashes.wait(ended.mono, &self.tuning) {
            None => {
                container.crashes.pass(step.now.mono, &self.tuning);
                container.state = State::Waiting;
            }
            Some(delay) => {
                container.state = State::BackOff { until: ended.mono.saturating_add(delay), delay, why: Setback::Crashed };
                let message = format!("Back-off restarting failed container {} in pod {}", container.name, self.pod);
                self.record(EventKind::Warning, "BackOff", message, Some(index), step);
            }
        }
    }

    /// It could not be made: tried again after a wait, under every policy, for what never was has not failed.
    pub(super) fn not_made(&mut self, index: usize, reason: StartFailure, message: String, step: &mut Step) {
        let container = &mut self.containers[index];
        container.failures.pass(step.now.mono, &self.tuning);
        let delay = container.failures.delay;
        container.state =
            State::BackOff { until: step.now.mono.saturating_add(delay), delay, why: Setback::NotMade { reason, message } };
    }
}
