//! Events that report what happened: event -> state. Nothing is decided here beyond a container's own fate.

use super::clock::Now;
use super::state::{Health, Life, Run, Sandbox, State};
use super::stop::Back;
use super::{Event, Exit, Machine, SECOND, StartFailure, Step};
use crate::pod::spec::RestartPolicy;
use crate::pod::status::{EventKind, Terminated};

/// The longest termination message (Kubernetes API: terminationMessagePath).
const MESSAGE_MAX: usize = 4096;

impl Machine {
    pub(super) fn absorb(&mut self, event: Event, step: &mut Step) {
        match event {
            Event::Start => {
                if self.life == Life::New {
                    self.life = Life::Live;
                    step.changed = true;
                }
            }
            Event::SandboxReady { attempt, ips } => {
                if self.sandbox == (Sandbox::Making { attempt }) {
                    self.sandbox = Sandbox::Ready { attempt };
                    self.ips = ips;
                    step.changed = true;
                }
            }
            Event::SandboxFailed { attempt, message } => self.sandbox_failed(attempt, &message, step),
            Event::SandboxDied { attempt } => {
                if self.sandbox == (Sandbox::Ready { attempt }) {
                    self.sandbox_lost(step);
                }
            }
            Event::SandboxStopped { attempt } => {
                if self.sandbox == (Sandbox::Stopping { attempt }) {
                    self.sandbox_stopped(attempt, step);
                }
            }
            Event::ContainerStarted { name, attempt, id, pid } => {
                if let Some(index) = self.index_of_attempt(&name, attempt) {
                    self.started(index, id, pid, step);
                }
            }
            Event::ContainerStartFailed { name, attempt, reason, message } => {
                if let Some(index) = self.index_of_attempt(&name, attempt) {
                    self.start_failed(index, reason, message, step);
                }
            }
            Event::ContainerExited { name, attempt, exit } => {
                if let Some(index) = self.index_of_attempt(&name, attempt) {
                    self.exited(index, Some(exit), step.now, step);
                }
            }
            Event::ContainerLost { name, attempt } => {
                if let Some(index) = self.index_of_attempt(&name, attempt) {
                    self.exited(index, None, step.now, step);
                }
            }
            Event::HandlerDone { name, attempt, purpose, outcome } => {
                if let Some(index) = self.index_of_attempt(&name, attempt) {
                    match purpose.is_hook() {
                        true => self.hook_done(index, purpose, outcome, step),
                        false => self.probed(index, purpose, outcome, step),
                    }
                }
            }
            Event::Update(update) => self.update(update, step),
            Event::AddEphemeral(spec) => self.add_ephemeral(&spec, step),
            Event::Condition { kind, status, reason, message } => self.set_gate(kind, status, reason, message, step),
            // It is spent, and also if it rang early: whatever is still due sets it anew.
            Event::Timer => self.timer = None,
            Event::Delete { .. } | Event::Recovered { .. } | Event::Asked(_) => {}
        }
    }

    /// The container of that name, if that attempt of it is under way.
    fn index_of_attempt(&self, name: &str, attempt: u32) -> Option<usize> {
        self.index(name).filter(|i| self.containers[*i].state.attempt() == Some(attempt))
    }

    /// Its program runs. Only a start that was asked for can be answered so.
    pub(super) fn started(&mut self, index: usize, id: String, pid: i32, step: &mut Step) {
        let container = &mut self.containers[index];
        let State::Starting { attempt } = container.state else { return };
        container.made = attempt.saturating_add(1);
        container.id = Some(id);
        container.failures = Default::default();
        let (since, health) = (step.now, Health::Starting);
        container.state = State::Running(Run { attempt, pid, since, health, hooked: false, checks: Default::default() });
        step.changed = true;
        self.record(EventKind::Normal, "Created", "Container created".into(), Some(index), step);
        self.record(EventKind::Normal, "Started", "Container started".into(), Some(index), step);
        self.begin_hooks(index, step);
    }

    fn start_failed(&mut self, index: usize, reason: StartFailure, message: String, step: &mut Step) {
        let State::Starting { attempt } = self.containers[index].state else { return };
        step.changed = true;
        if reason.was_made() {
            self.record(EventKind::Normal, "Created", "Container created".into(), Some(index), step);
        }
        self.record(EventKind::Warning, "Failed", format!("Error: {message}"), Some(index), step);
        if reason.was_made() {
            let container = &mut self.containers[index];
            container.made = attempt.saturating_add(1);
            container.failures = Default::default();
            container.keep_end(Terminated {
                exit_code: 128,
                signal: None,
                reason: "StartError".into(),
                message: clipped(message),
                started_at: None,
                finished_at: step.now.wall,
                container_id: None,
            });
            self.follow_end(index, 128, step.now, step);
        } else {
            self.not_made(index, reason, message, step);
            if self.external {
                self.not_made_for_the_caller(index);
            }
            if self.is_ending() {
                self.containers[index].settle();
            }
        }
    }

    /// Its init process ended at `at`; no exit is an end that nobody saw.
    pub(super) fn exited(&mut self, index: usize, exit: Option<Exit>, at: Now, step: &mut Step) {
        let container = &mut self.containers[index];
        let Some(attempt) = container.state.attempt() else { return };
        container.made = container.made.max(attempt.saturating_add(1));
        let started_at = container.state.run().map(|run| run.since.wall);
        let unknown = exit.is_none();
        let exit = exit.unwrap_or(Exit { code: 137, message: "The container could not be located".into(), ..Exit::default() });
        let reason = match (unknown, exit.oom_killed, exit.code) {
            (true, ..) => "ContainerStatusUnknown",
            (_, true, _) => "OOMKilled",
            (_, _, 0) => "Completed",
            _ => "Error",
        };
        container.keep_end(Terminated {
            exit_code: exit.code,
            signal: exit.signal,
            reason: reason.into(),
            message: clipped(exit.message),
            started_at,
            finished_at: at.wall,
            container_id: container.id.clone(),
        });
        step.changed = true;
        self.follow_end(index, exit.code, at, step);
    }

    /// What comes after an attempt that ended with `code` at `at`.
    fn follow_end(&mut self, index: usize, code: i32, at: Now, step: &mut Step) {
        let container = &mut self.containers[index];
        let replaced = match &container.state {
            State::Stopping(_, stop) => match stop.back {
                Back::ByPolicy => false,
                Back::Wanted => container.may_come_back(),
                Back::Always => true,
            },
            _ => false,
        };
        // What was ended with its sandbox has not ended by itself: its exit code, 0 as well, says nothing about it.
        let taken_down = matches!(self.sandbox, Sandbox::Lost { .. }) && container.restart != RestartPolicy::Never;
        let comes_back = container.comes_back(code) || taken_down || replaced;
        if self.is_ending() || self.external || !comes_back {
            self.containers[index].state = State::Ended;
        } else {
            self.set_back(index, at, step);
        }
    }

    fn sandbox_failed(&mut self, attempt: u32, message: &str, step: &mut Step) {
        if self.sandbox != (Sandbox::Making { attempt }) {
            return;
        }
        self.sandbox_backoff.pass(step.now.mono, &self.tuning);
        let until = step.now.mono.saturating_add(self.sandbox_backoff.delay);
        self.sandbox = Sandbox::BackOff { attempt, until };
        step.changed = true;
        let message = format!("Failed to create pod sandbox: {message}");
        self.record(EventKind::Warning, "FailedCreatePodSandBox", message, None, step);
    }

    /// Pause is dead: the containers go too, in the pod's own grace period.
    pub(super) fn sandbox_lost(&mut self, step: &mut Step) {
        let until = step.now.mono.saturating_add(self.grace_seconds.saturating_mul(SECOND));
        self.sandbox = Sandbox::Lost { attempt: self.sandbox.attempt(), until };
        self.ips.clear();
        step.changed = true;
        if self.life == Life::Live {
            let message = "Pod sandbox changed, it will be killed and re-created.".to_string();
            self.record(EventKind::Normal, "SandboxChanged", message, None, step);
        }
    }

    /// Nothing is left of it. A next one begins from the first init container.
    fn sandbox_stopped(&mut self, attempt: u32, step: &mut Step) {
        let attempt = attempt.saturating_add(1);
        self.ips.clear();
        self.passed = 0;
        step.changed = true;
        if self.is_ending() {
            self.sandbox = Sandbox::None { attempt };
            return;
        }
        for container in &mut self.containers[..self.inits] {
            if container.state == State::Ended {
                container.state = State::Waiting;
            }
        }
        self.sandbox = match self.sandbox_backoff.wait(step.now.mono, &self.tuning) {
            None => {
                self.sandbox_backoff.pass(step.now.mono, &self.tuning);
                Sandbox::None { attempt }
            }
            Some(delay) => {
                let until = step.now.mono.saturating_add(delay);
                self.sandbox_backoff.pass(step.now.mono, &self.tuning);
                Sandbox::BackOff { attempt, until }
            }
        };
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.life, Life::Ending(_) | Life::Ended)
    }
}

/// At most 4,096 bytes, cut between characters.
fn clipped(mut message: String) -> String {
    if message.len() > MESSAGE_MAX {
        let end = (0..=MESSAGE_MAX).rev().find(|i| message.is_char_boundary(*i)).unwrap_or(0);
        message.truncate(end);
    }
    message
}
