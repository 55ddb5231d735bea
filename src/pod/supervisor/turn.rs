//! The loop. One turn: what is ready becomes events; the machine answers with actions; what they come to is made durable, and only
//! then told to anybody.

use super::requests::wait::reached;
use super::state::{ATTACHES, HANDLERS, HELPERS, KEEPER, NETWORK, PAUSE, SESSIONS, SIGNALS, SLOTS, Supervisor, TIMER};
use super::{ReadyPipe, output};
use crate::pod::control::Stage;
use crate::pod::control::server::{LISTENER, TOKENS};
use crate::pod::create::Ready;
use crate::pod::error::Error;
use crate::pod::machine::{Action, Event};
use crate::pod::undo;
use crate::sys::{daemon, event, fault};
use std::time::Duration;

/// How often a cgroup is looked at whose processes do not die.
const BURIAL_RETRY: u64 = 10_000_000;

impl Supervisor {
    /// Until the pod is gone. `ready` is told when the sandbox stands, and when `wait` is reached.
    pub fn run(&mut self, mut ready: ReadyPipe, wait: Stage) -> i32 {
        if self.stands && self.keeper.is_none() {
            // It has died in between: before anything else another, in whose keeping everything is still found.
            return self.replace_keeper();
        }
        match ready.is_open() {
            true => self.queue.push_back(Event::Start),
            false => self.recover(),
        }
        let mut sources = Vec::new();
        loop {
            if let Some(code) = self.settle(&mut ready, wait) {
                return code;
            }
            sources.clear();
            // With requests left from the last turn, what is ready is looked at, and not waited for.
            if self.epoll.wait(&mut sources, !self.server.is_busy()).is_err() {
                return 70;
            }
            for (token, _) in &sources {
                self.dispatch(*token);
            }
            self.serve();
        }
    }

    fn dispatch(&mut self, token: u64) {
        match token {
            TIMER => {
                self.timer.take();
                self.armed = None;
                // Spent; the machine sets another where it wants one.
                let now = event::monotonic();
                self.alarm = self.alarm.filter(|at| *at > now);
                self.expire_handlers();
                self.queue.push_back(Event::Timer);
            }
            SIGNALS => {
                while let Some(signal) = self.signals.take() {
                    if signal == libc::SIGUSR1 {
                        self.reap_left();
                        continue;
                    }
                    // The host goes down, or somebody ends the pod by its supervisor: all is ended, the record stays.
                    self.keep_record = true;
                    self.queue.push_back(Event::Delete { grace: None });
                }
            }
            PAUSE => self.pause_ended(),
            NETWORK => self.network_changed(),
            KEEPER => self.keeper_ended(),
            LISTENER => self.server.accept(&self.epoll),
            TOKENS.. => self.server.read(token - TOKENS, &self.epoll),
            ATTACHES.. => self.scratch.attached.ready(token),
            SESSIONS.. => self.session_ready(token),
            HANDLERS.. => self.handler_ready(token),
            HELPERS.. => self.helper_ended(token),
            SLOTS.. => match output::slot_of(token) {
                (slot, 0) => self.container_ended(slot),
                (slot, which) => self.output(slot, which - 1),
            },
            _ => {}
        }
    }

    /// Everything that follows, until nothing does. The exit code, when it is over.
    fn settle(&mut self, ready: &mut ReadyPipe, wait: Stage) -> Option<i32> {
        self.expire_sessions();
        let busy = !self.queue.is_empty();
        while let Some(event) = self.queue.pop_front() {
            let actions = self.machine.handle(event, crate::pod::now());
            self.unsaved = true;
            // What is begun must be on record, or the next supervisor would not know of it.
            if actions.iter().any(has_effect) {
                let _ = self.save();
                self.lay_to_rest();
            }
            for action in actions {
                if let Err(e) = self.act(action, ready) {
                    ready.say(&Ready::Failed(e));
                    return Some(1);
                }
            }
        }
        self.end_all_held();
        self.persist();
        self.lay_to_rest();
        if self.finished.is_none() && ready.is_open() && self.stands {
            match reached(wait, &self.machine.status()) {
                _ if wait == Stage::Created => ready.close(),
                Some(Ok(())) => {
                    ready.say(&Ready::Reached);
                    ready.close();
                }
                Some(Err(e)) => {
                    ready.say(&Ready::Unreached(e));
                    ready.close();
                }
                None => {}
            }
        }
        self.retry_burials();
        self.answer_waiting();
        self.scratch.attached.settle(&self.epoll);
        self.server.flush(&self.epoll);
        if self.finished.is_some() {
            return self.finished;
        }
        if self.keeper.is_none() {
            return Some(self.replace_keeper());
        }
        self.set_timer();
        if busy {
            self.calm_output();
            daemon::trim_heap();
        }
        None
    }

    /// Errors only where the pod is not yet created, and what was made for it is undone.
    fn act(&mut self, action: Action, ready: &mut ReadyPipe) -> Result<(), Error> {
        match action {
            Action::CreateSandbox { attempt } => match self.make_sandbox() {
                Ok(()) => {
                    if attempt == 0 {
                        self.created(ready)?;
                    }
                    self.queue.push_back(Event::SandboxReady { attempt, ips: self.ips() });
                }
                Err(e) if attempt == 0 => return Err(e),
                Err(e) => self.queue.push_back(Event::SandboxFailed { attempt, message: e.message }),
            },
            Action::StopSandbox { attempt } => {
                if let Err(e) = self.stop_sandbox() {
                    self.warnings.push(e.message);
                }
                self.queue.push_back(Event::SandboxStopped { attempt });
            }
            Action::StartContainer { name, attempt } => self.start_container(&name, attempt),
            Action::RunHandler { name, attempt, purpose, timeout } => self.run_handler(&name, attempt, purpose, timeout),
            Action::StopContainer { name, attempt, signal, .. } => {
                self.give_up_handlers(&name, attempt);
                self.stop_container(&name, attempt, signal);
            }
            Action::KillContainer { name, attempt } => {
                self.give_up_handlers(&name, attempt);
                self.kill_container(&name, attempt);
            }
            Action::SetTimer(at) => self.alarm = at,
            Action::Event(record) => self.tell(Some(record)),
            Action::StatusChanged => self.dirty = true,
            Action::Done { deleted: true } => self.delete(),
            Action::Done { deleted: false } => {}
        }
        Ok(())
    }

    /// The sandbox stands: from here on there is a pod.
    fn created(&mut self, ready: &mut ReadyPipe) -> Result<(), Error> {
        self.dirty = true;
        self.persist();
        let noted = match self.dirty {
            true => Err(Error::internal("status.json could not be written").at("create.status")),
            false => fault::point("create.ready").map_err(Error::from),
        };
        if let Err(e) = noted {
            let _ = self.stop_sandbox();
            return Err(e);
        }
        self.stands = true;
        if let Some(keeper) = &self.keeper {
            keeper.stands();
        }
        ready.say(&Ready::Created { warnings: std::mem::take(&mut self.warnings) });
        Ok(())
    }

    /// Nothing runs any more: what is left of the pod is removed.
    fn delete(&mut self) {
        self.end_helpers();
        if self.dirty && !self.keep_record {
            // How its containers ended is no file's any more, but still a watcher's.
            self.tell(None);
        }
        let result = match self.keep_record {
            false => undo::everything(&self.store, &self.sandbox, undo::By::Supervisor),
            true => {
                self.dirty = true;
                self.persist();
                crate::store::remove_tree(&self.intent.data).map_err(Error::from)
            }
        };
        // What cannot be removed is tried again with the next request; the supervisor stays for it.
        self.dirty = false;
        if result.is_ok() {
            self.finished = Some(0);
        }
        self.answer_deleted(result);
    }

    fn retry_burials(&mut self) {
        let now = event::monotonic();
        for (group, until) in std::mem::take(&mut self.burials) {
            match group.remove(Duration::ZERO) {
                Err(e) if !e.is_not_found() && now < until => self.burials.push((group, until)),
                Err(e) if !e.is_not_found() => self.warnings.push(e.to_string()),
                _ => {}
            }
        }
    }

    /// One timer for the machine's alarm, the burials and the requests' deadlines.
    fn set_timer(&mut self) {
        let burial = (!self.burials.is_empty()).then(|| event::monotonic() + BURIAL_RETRY);
        let deadlines = self.waiting.iter().filter_map(|w| w.caller.deadline);
        let running = self.handlers.deadline().into_iter().chain(self.sessions.deadline());
        let next = self.alarm.into_iter().chain(burial).chain(deadlines).chain(running).min();
        if next != self.armed && self.timer.set(next).is_ok() {
            self.armed = next;
        }
    }
}

/// Something comes to be or ends by it.
fn has_effect(action: &Action) -> bool {
    match action {
        Action::CreateSandbox { .. }
        | Action::StopSandbox { .. }
        | Action::StartContainer { .. }
        | Action::StopContainer { .. }
        | Action::KillContainer { .. }
        | Action::Done { .. } => true,
        // A probe that is lost with the supervisor is made again.
        Action::RunHandler { purpose, .. } => purpose.is_hook(),
        Action::SetTimer(_) | Action::Event(_) | Action::StatusChanged => false,
    }
}
