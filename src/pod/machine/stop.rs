//! The end ("Pod Lifecycle: Termination of Pods", "Pod shutdown and sidecar containers"): preStop hooks, all of them at once;
//! the stop signal to all app containers, then to the sidecars in reverse order, each when its predecessor is gone; one grace
//! period for all; at its end SIGKILL for who had the signal, and the signal with a last short grace for who had not.

use super::handler::Purpose;
use super::state::{Ending, Life, Sandbox, Stage, State, Stop, Why};
use super::{Action, Machine, SECOND, Step};
use crate::pod::status::{Deletion, EventKind, Role};
use serde::{Deserialize, Serialize};

/// What is to become of a container that is being stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Back {
    /// As its restart policy says for the exit code.
    #[default]
    ByPolicy,
    /// It is replaced, whatever its exit code, unless its policy is Never.
    Wanted,
    /// It is replaced under every policy: its spec has changed.
    Always,
}

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
    fn shorten(&mut self, until: Option<u64>, step: &mut Step) {
        let end = until.unwrap_or(step.now.mono);
        for index in 0..self.containers.len() {
            if let State::Stopping(_, stop) = &mut self.containers[index].state {
                stop.until = stop.until.min(end);
                // No grace is none for hooks and last words either.
                if until.is_none() && stop.stage != Stage::Killed {
                    self.kill(index, step);
                }
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

    /// Stops whoever's turn it is. `until` is the end of the shared grace period; None kills all at once. A preStop hook waits
    /// for nobody's turn, the stop signal does.
    pub(super) fn stop_in_order(&mut self, until: Option<u64>, step: &mut Step) {
        let over = until.is_none_or(|at| at <= step.now.mono);
        let mut wait_for_others = self.containers.iter().any(|c| c.role != Role::Sidecar && c.state.is_alive());
        for index in (0..self.containers.len()).rev() {
            let container = &self.containers[index];
            let sidecar = container.role == Role::Sidecar;
            let alive = container.state.is_alive();
            let turn = over || !sidecar || !wait_for_others;
            if container.state.can_stop() && (turn || container.pre_stop) {
                let message = format!("Stopping container {}", container.name);
                self.begin_stop(index, until, Back::ByPolicy, message, step);
            }
            if turn && self.containers[index].state.is_held() {
                self.signal(index, step);
            }
            wait_for_others |= sidecar && alive;
        }
    }

    /// In a pod that goes on, a container that is stopped waits for nobody.
    pub(super) fn drive_stops(&mut self, step: &mut Step) {
        for index in 0..self.containers.len() {
            if self.containers[index].state.is_held() {
                self.signal(index, step);
            }
        }
    }

    /// Some running container has not been told to end, and waits for its turn.
    pub(super) fn someone_waits_to_stop(&self) -> bool {
        self.containers.iter().any(|c| c.state.can_stop())
    }

    /// Begins the end of a running container: its preStop hook, if it has one and time for it. Without one it is held until
    /// whoever drives it gives the signal. No `until` is no grace at all.
    pub(super) fn begin_stop(&mut self, index: usize, until: Option<u64>, back: Back, message: String, step: &mut Step) {
        let now = step.now.mono;
        let container = &mut self.containers[index];
        let State::Running(run) = &container.state else { return };
        let (run, left) = (run.clone(), until.map(|at| at.saturating_sub(now)));
        let hook = left.filter(|left| container.pre_stop && *left > 0);
        let stage = if hook.is_some() { Stage::Hook } else { Stage::Held };
        let (name, attempt) = (container.name.clone(), run.attempt);
        container.state = State::Stopping(run, Stop { stage, until: until.unwrap_or(now), back });
        step.changed = true;
        if hook.is_some() {
            step.actions.push(Action::RunHandler { name, attempt, purpose: Purpose::PreStop, timeout: hook });
        } else if until.is_none() {
            self.kill(index, step);
        }
        self.record(EventKind::Normal, "Killing", message, Some(index), step);
    }

    /// The stop signal, with what is left of the grace period and never less than the last short one.
    fn signal(&mut self, index: usize, step: &mut Step) {
        let now = step.now.mono;
        let container = &mut self.containers[index];
        let State::Stopping(run, stop) = &mut container.state else { return };
        stop.stage = Stage::Signalled;
        stop.until = stop.until.max(now.saturating_add(self.tuning.last_grace));
        step.changed = true;
        step.actions.push(Action::StopContainer {
            name: container.name.clone(),
            attempt: run.attempt,
            signal: container.stop_signal,
            grace: stop.until.saturating_sub(now),
        });
    }

    fn kill(&mut self, index: usize, step: &mut Step) {
        let container = &mut self.containers[index];
        let State::Stopping(run, stop) = &mut container.state else { return };
        stop.stage = Stage::Killed;
        step.changed = true;
        step.actions.push(Action::KillContainer { name: container.name.clone(), attempt: run.attempt });
    }

    /// For every container whose time to end by itself is up: SIGKILL, or first the signal that it has not had.
    pub(super) fn enforce_patience(&mut self, step: &mut Step) {
        for index in 0..self.containers.len() {
            let state = &self.containers[index].state;
            if state.patience().is_none_or(|until| until > step.now.mono) {
                continue;
            }
            let State::Stopping(_, stop) = state else { continue };
            match stop.stage {
                Stage::Hook => {
                    let message = "PreStopHook failed: not completed in the grace period".to_string();
                    self.record(EventKind::Warning, "FailedPreStopHook", message, Some(index), step);
                    self.signal(index, step);
                }
                Stage::Held => self.signal(index, step),
                Stage::Signalled | Stage::Killed => self.kill(index, step),
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
