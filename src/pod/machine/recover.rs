//! A supervisor started again: what it found is brought together with what was stored, and what is still due is asked again.

use super::event::{Found, SandboxFound};
use super::handler::Purpose;
use super::state::{Life, Sandbox, Stage, State};
use super::{Action, Machine, Step};

impl Machine {
    /// Actions were stored before they were carried out, so each may have been, or not: all are safe to repeat.
    pub(super) fn recover(&mut self, sandbox: SandboxFound, found: Vec<(String, Found)>, step: &mut Step) {
        self.timer = None;
        step.changed = true;
        if self.life == Life::New {
            self.life = Life::Live;
        }
        if self.life == Life::Ended {
            return;
        }
        self.recover_sandbox(sandbox, step);
        let mut seen = vec![false; self.containers.len()];
        for (name, found) in found {
            if let Some(index) = self.index(&name) {
                seen[index] = true;
                self.recover_container(index, found, step);
            }
        }
        // What nobody speaks of is not there.
        for index in (0..seen.len()).filter(|i| !seen[*i]) {
            self.recover_container(index, Found::Gone { exit: None, at: None }, step);
        }
        self.ask_again(step);
    }

    fn recover_sandbox(&mut self, found: SandboxFound, step: &mut Step) {
        match (self.sandbox, found) {
            (Sandbox::Making { attempt } | Sandbox::Ready { attempt }, SandboxFound::Alive { ips }) => {
                self.sandbox = Sandbox::Ready { attempt };
                self.ips = ips;
            }
            (Sandbox::Making { attempt }, SandboxFound::Gone) => self.sandbox = Sandbox::None { attempt },
            (Sandbox::Ready { .. }, SandboxFound::Gone) => self.sandbox_lost(step),
            (Sandbox::Stopping { attempt }, _) => step.actions.push(Action::StopSandbox { attempt }),
            (Sandbox::None { .. } | Sandbox::BackOff { .. } | Sandbox::Lost { .. }, _) => {}
        }
    }

    fn recover_container(&mut self, index: usize, found: Found, step: &mut Step) {
        let container = &mut self.containers[index];
        let (starting, running) = (matches!(container.state, State::Starting { .. }), container.state.run().is_some());
        match found {
            Found::Alive { id, pid } => {
                if let State::Running(run) | State::Stopping(run, _) = &mut container.state {
                    run.pid = pid;
                    // Whatever was under way went with the supervisor that did it.
                    run.checks.iter_mut().for_each(|check| check.flying = false);
                    container.id = Some(id);
                } else {
                    // Asked for and begun; or, in any other state, running against all record: kept in sight rather than beside it.
                    if !starting {
                        container.state = State::Starting { attempt: container.made };
                    }
                    self.started(index, id, pid, step);
                }
            }
            // It ran. When nobody knows its end, that is an end all the same, and never a success.
            Found::Gone { exit, at } if running || (starting && exit.is_some()) => {
                self.exited(index, exit, at.unwrap_or(step.now), step);
            }
            // It is recorded as running, so it ran, and nobody saw the end.
            Found::NotStarted if running => self.exited(index, None, step.now, step),
            // Never executed, as far as anybody knows: its start is asked for again.
            Found::Gone { .. } | Found::NotStarted => {}
        }
    }

    fn ask_again(&mut self, step: &mut Step) {
        let now = step.now.mono;
        let ending = self.is_ending() || matches!(self.sandbox, Sandbox::Lost { .. });
        for container in &mut self.containers {
            let name = container.name.clone();
            match &container.state {
                // In a pod that ends the start is given up.
                State::Starting { .. } if ending => {
                    container.state = State::Waiting;
                    container.settle();
                }
                State::Starting { attempt } => step.actions.push(Action::StartContainer { name, attempt: *attempt }),
                // Hooks are delivered at least once.
                State::Running(run) if !run.hooked => {
                    let (attempt, purpose) = (run.attempt, Purpose::PostStart);
                    step.actions.push(Action::RunHandler { name, attempt, purpose, timeout: None });
                }
                State::Stopping(run, stop) => {
                    let (attempt, left) = (run.attempt, stop.until.saturating_sub(now));
                    step.actions.extend(match stop.stage {
                        Stage::Hook => Some(Action::RunHandler { name, attempt, purpose: Purpose::PreStop, timeout: Some(left) }),
                        Stage::Held => None,
                        Stage::Signalled => {
                            Some(Action::StopContainer { name, attempt, signal: container.stop_signal, grace: left })
                        }
                        Stage::Killed => Some(Action::KillContainer { name, attempt }),
                    });
                }
                _ => {}
            }
        }
    }
}
