//! What is started, and in which order: the sandbox, the init containers one after another, then all app containers at once
//! ("Init Containers: Detailed behavior", "Sidecar Containers", "Pod Lifecycle").

use super::state::{Ending, Life, Sandbox, Setback, State, Why};
use super::{Action, Machine, SECOND, Step};
use crate::pod::status::{EventKind, Role};

impl Machine {
    /// Sandbox first: nothing starts without one, and a lost one is replaced once everything in it has ended.
    pub(super) fn drive_sandbox(&mut self, step: &mut Step) {
        match self.sandbox {
            Sandbox::None { attempt } => self.make_sandbox(attempt, step),
            Sandbox::BackOff { attempt, until } if until <= step.now.mono => self.make_sandbox(attempt, step),
            Sandbox::Lost { attempt, until } => {
                self.stop_in_order(Some(until), step);
                if !self.any_alive() && self.wants_a_sandbox() {
                    self.stop_sandbox(attempt, step);
                }
            }
            _ => {}
        }
    }

    pub(super) fn stop_sandbox(&mut self, attempt: u32, step: &mut Step) {
        self.sandbox = Sandbox::Stopping { attempt };
        step.changed = true;
        step.actions.push(Action::StopSandbox { attempt });
    }

    pub(super) fn make_sandbox(&mut self, attempt: u32, step: &mut Step) {
        self.sandbox = Sandbox::Making { attempt };
        step.changed = true;
        step.actions.push(Action::CreateSandbox { attempt });
    }

    /// Init containers in order, each to its success; a sidecar is behind us once it has started. A sidecar that ended is
    /// started again beside whatever runs by then, and holds nobody up.
    pub(super) fn drive_init(&mut self, step: &mut Step) {
        for index in 0..self.inits {
            if index > self.passed {
                return;
            }
            let container = &self.containers[index];
            let sidecar = container.role == Role::Sidecar;
            if (sidecar || index == self.passed) && container.state.can_start(step.now.mono) {
                self.start(index, step);
            }
            let container = &self.containers[index];
            let behind = if sidecar { container.state.is_started() } else { container.has_succeeded() };
            if index == self.passed && behind {
                self.passed += 1;
                step.changed = true;
            }
        }
    }

    /// All app containers together, once initialization is over.
    pub(super) fn drive_apps(&mut self, step: &mut Step) {
        for index in self.inits..self.containers.len() {
            if self.may_start(index) && self.containers[index].state.can_start(step.now.mono) {
                self.start(index, step);
            }
        }
    }

    /// Its turn has come, whatever its back-off says.
    pub(super) fn may_start(&self, index: usize) -> bool {
        if self.life != Life::Live || self.external || !self.sandbox.is_ready() {
            return false;
        }
        match self.containers[index].role {
            Role::Init => index == self.passed,
            Role::Sidecar => index <= self.passed,
            Role::App => self.passed == self.inits,
            // To look into a pod that does not come up, among others.
            Role::Ephemeral => true,
        }
    }

    /// When the sandbox has to be thought about again, in monotonic nanoseconds.
    pub(super) fn sandbox_due(&self) -> Option<u64> {
        match self.sandbox {
            // Nothing is tried again unasked.
            Sandbox::BackOff { .. } if self.external => None,
            Sandbox::BackOff { until, .. } => Some(until),
            Sandbox::Lost { until, .. } => self.someone_waits_to_stop().then_some(until),
            _ => None,
        }
    }

    pub(super) fn start(&mut self, index: usize, step: &mut Step) {
        let container = &mut self.containers[index];
        if matches!(container.state, State::BackOff { why: Setback::Crashed, .. }) {
            container.crashes.pass(step.now.mono, &self.tuning);
        }
        let attempt = container.made;
        container.state = State::Starting { attempt };
        step.changed = true;
        step.actions.push(Action::StartContainer { name: container.name.clone(), attempt });
    }

    /// Whether the pod's end has come by itself: its deadline, a failed initialization, or nothing left that will run.
    pub(super) fn check_end(&mut self, step: &mut Step) {
        if self.deadline.is_some_and(|at| at <= step.now.mono) {
            let message = "Pod was active on the node longer than the specified deadline";
            self.record(EventKind::Normal, "DeadlineExceeded", message.into(), None, step);
            self.begin_ending(Why::DeadlineExceeded, step);
        } else if !self.wants_a_sandbox() {
            self.begin_ending(Why::Completed, step);
        }
    }

    /// Something is still to be run: sidecars alone are no reason.
    fn wants_a_sandbox(&self) -> bool {
        let (inits, apps) = self.containers.split_at(self.inits);
        let init_failed = inits.iter().any(|c| c.role == Role::Init && c.has_failed());
        let apps_done = apps.iter().filter(|c| c.role == Role::App).all(|c| c.state == State::Ended);
        !init_failed && !apps_done
    }

    fn begin_ending(&mut self, why: Why, step: &mut Step) {
        let until = step.now.mono.saturating_add(self.grace_seconds.saturating_mul(SECOND));
        self.end(Ending { why, until: Some(until) }, step);
    }
}
