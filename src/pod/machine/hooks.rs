//! postStart and preStop ("Container Lifecycle Hooks"). postStart holds back the container's Running; failed, it ends the
//! container. preStop comes before the stop signal and is paid from the grace period; what comes of it changes nothing.

use super::handler::{Outcome, Purpose};
use super::state::{Stage, State};
use super::stop::Back;
use super::{Action, Machine, SECOND, Step};
use crate::pod::status::EventKind;

impl Machine {
    /// The program runs: its postStart hook, or straight on.
    pub(super) fn begin_hooks(&mut self, index: usize, step: &mut Step) {
        let container = &self.containers[index];
        let Some(run) = container.state.run() else { return };
        if container.post_start {
            let (name, attempt) = (container.name.clone(), run.attempt);
            step.actions.push(Action::RunHandler { name, attempt, purpose: Purpose::PostStart, timeout: None });
        } else {
            self.hooked(index, step);
        }
    }

    pub(super) fn hook_done(&mut self, index: usize, purpose: Purpose, outcome: Outcome, step: &mut Step) {
        let good = outcome.verdict.is_good();
        let message = format!("{}Hook failed: {}", purpose.as_str(), outcome.output);
        match (&mut self.containers[index].state, purpose) {
            (State::Running(run), Purpose::PostStart) if !run.hooked => {
                if good {
                    return self.hooked(index, step);
                }
                self.record(EventKind::Warning, "FailedPostStartHook", message, Some(index), step);
                let until = step.now.mono.saturating_add(self.grace_seconds.saturating_mul(SECOND));
                self.begin_stop(index, Some(until), Back::ByPolicy, "FailedPostStartHook".into(), step);
            }
            (State::Stopping(_, stop), Purpose::PreStop) if stop.stage == Stage::Hook => {
                stop.stage = Stage::Held;
                step.changed = true;
                if !good {
                    self.record(EventKind::Warning, "FailedPreStopHook", message, Some(index), step);
                }
            }
            _ => {}
        }
    }
}
