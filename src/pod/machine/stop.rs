//! The end ("Pod Lifecycle: Termination of Pods", "Pod shutdown and sidecar containers"): the stop signal to all app
//! containers at once, then to the sidecars in reverse order, each when its predecessor is gone; one grace period for all; at
//! its end SIGKILL for who had the signal, and the signal with a last short grace for who had not.

use super::state::{Ending, Life, Sandbox, Stage, State, Stop, Why};
use super::{Action, Machine, SECOND, Step};
use crate::pod::status::{Deletion, EventKind, Role};

impl Machine {
    /// Deletion is asked for, for the first time or again. A grace period once given can only become shorter.
    pub(super) fn delete(&mut self, grace: Option<u64>, step: &mut Step) {
        let seconds = grace.unwrap_or(self.grace_seconds);
        let nanos = seconds.saturating_mul(SECOND);
        let asked = Deletion { at: step.now.wall.after(nanos), grace_seconds: seconds };
        let until = (nanos != 0).then(|| step.now.mono.saturating_add(nanos));
        if self.deletion.is_none_or(|d| asked.at < d.at) {
            self.deletion = Some(asked);
            step.changed = true;
        }
        match self.life {
            // Nothing was ever made, not even asked for.
            Life::New => self.life = Life::Ended,
            Life::Live => self.end(Ending { why: Why::Deleted, until }, step),
            Life::Ending(ending) if shorter(until, ending.until) => {
                self.life = Life::Ending(Ending { until, ..ending });
                step.changed = true;
                self.shorten(until, step);
            }
            Life::Ending(_) | Life::Ended => {}
        }
    }

    /// From here on nothing starts, and everything ends.
    pub(super) fn end(&mut self, ending: Ending, step: &mut Step) {
        self.life = Life::Ending(ending);
        step.changed = true;
        self.containers.iter_mut().for_each(|c| c.settle());
        self.shorten(ending.until, step);
    }

    /// Containers that are being stopped already share in the pod's grace period if that ends sooner.
    fn shorten(&mut self, until: Option<u64>, step: &Step) {
        let end = until.unwrap_or(step.now.mono);
        for container in &mut self.containers {
            if let State::Stopping(_, stop) = &mut container.state {
                stop.until = stop.until.min(end);
            }
        }
    }

    /// Containers first, the sandbox when none is left, then the end.
    pub(super) fn drive_end(&mut self, step: &mut Step) {
        let Life::Ending(ending) = self.life else { return };
        self.stop_in_order(ending.until, step);
        if self.any_alive() {
            return;
        }
        match self.sandbox {
            Sandbox::Ready { attempt } | Sandbox::Lost { attempt, .. } => {
                self.sandbox = Sandbox::Stopping { attempt };
                step.changed = true;
                step.actions.push(Action::StopSandbox { attempt });
            }
            Sandbox::None { .. } | Sandbox::BackOff { .. } => {
                self.life = Life::Ended;
                step.changed = true;
            }
            Sandbox::Making { .. } | Sandbox::Stopping { .. } => {}
        }
    }

    /// Stops whoever's turn it is. `until` is the end of the shared grace period; None kills all at once.
    pub(super) fn stop_in_order(&mut self, until: Option<u64>, step: &mut Step) {
        let over = until.is_none_or(|at| at <= step.now.mono);
        let mut wait_for_others = self.containers.iter().any(|c| c.role != Role::Sidecar && c.state.is_alive());
        for index in (0..self.containers.len()).rev() {
            let container = &self.containers[index];
            let sidecar = container.role == Role::Sidecar;
            let alive = container.state.is_alive();
            if container.state.can_stop() && (over || !sidecar || !wait_for_others) {
                self.stop(index, until, step);
            }
            wait_for_others |= sidecar && alive;
        }
    }

    /// Some running container has not had its stop signal yet, and waits for its turn.
    pub(super) fn someone_waits_to_stop(&self) -> bool {
        self.containers.iter().any(|c| c.state.can_stop())
    }

    /// Asks a running container to end.
    fn stop(&mut self, index: usize, until: Option<u64>, step: &mut Step) {
        let now = step.now.mono;
        let container = &mut self.containers[index];
        let State::Running(run) = &container.state else { return };
        let run = run.clone();
        let (name, attempt, signal) = (container.name.clone(), run.attempt, container.stop_signal);
        let stopping = match until {
            None => Stop { stage: Stage::Killed, until: now },
            Some(at) if at <= now => Stop { stage: Stage::Signalled, until: now.saturating_add(self.tuning.last_grace) },
            Some(at) => Stop { stage: Stage::Signalled, until: at },
        };
        container.state = State::Stopping(run, stopping);
        step.changed = true;
        let message = format!("Stopping container {name}");
        step.actions.push(match stopping.stage {
            Stage::Killed => Action::KillContainer { name, attempt },
            _ => Action::StopContainer { name, attempt, signal, grace: stopping.until.saturating_sub(now) },
        });
        self.record(EventKind::Normal, "Killing", message, Some(index), step);
    }

    /// SIGKILL for every container whose time to end by itself is up.
    pub(super) fn enforce_patience(&mut self, step: &mut Step) {
        for container in &mut self.containers {
            if container.state.patience().is_some_and(|until| until <= step.now.mono)
                && let State::Stopping(run, stop) = &mut container.state
            {
                stop.stage = Stage::Killed;
                step.changed = true;
                step.actions.push(Action::KillContainer { name: container.name.clone(), attempt: run.attempt });
            }
        }
    }
}

/// Whether one end of a grace period comes before another; None is at once.
fn shorter(new: Option<u64>, old: Option<u64>) -> bool {
    match (new, old) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(new), Some(old)) => new < old,
    }
}
