//! What is answered later: when it has come true, too late, or not at all.

use super::Caller;
use crate::pod::control::{ContainerInfo, Outcome, Stage};
use crate::pod::error::{Code, Error};
use crate::pod::machine::Sandbox;
use crate::pod::status::{ConditionKind, ContainerState, Phase, PodStatusModel, Truth};
use crate::pod::supervisor::state::Supervisor;
use crate::sys::event;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// A request whose answer is still to come.
pub(in crate::pod::supervisor) struct Waiting {
    pub caller: Caller,
    pub what: Awaited,
}

#[derive(Debug, Clone)]
pub(in crate::pod::supervisor) enum Awaited {
    Stage(Stage),
    /// Nothing is left of the pod.
    Deleted,
    /// What the request has changed is on record: in this very turn, unless the disk is full.
    Recorded,
    /// The session's command runs.
    SessionRuns(u64),
    SessionEnds(u64),
    /// The container in that slot is made, and held.
    Made(usize),
    /// It has ended.
    Stopped(usize),
    SandboxUp,
    SandboxGone,
    /// All processes of the container in that slot stand; the cgroup's word wakes the loop.
    Frozen {
        slot: usize,
        _events: Rc<OwnedFd>,
    },
    /// Another request's answer: it has the same token.
    Same {
        client: u64,
        request: u64,
    },
}

/// Waiting reasons that say nothing is wrong: the container's turn has not come or it is being made.
const UNDER_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// None: not yet; else whether the stage is reached or cannot be any more.
pub(in crate::pod::supervisor) fn reached(stage: Stage, status: &PodStatusModel) -> Option<Result<(), Error>> {
    let never = |what: &str| Some(Err(Error::new(Code::Aborted, format!("the pod has {what}"))));
    let stuck = status
        .all_containers()
        .any(|c| matches!(&c.state, ContainerState::Waiting { reason, .. } if !UNDER_WAY.contains(&reason.as_str())));
    let started = status.containers.iter().all(|c| c.started == Some(true) || c.last_end().is_some());
    let done = match stage {
        Stage::Created => true,
        Stage::Started => started || stuck || status.phase.is_terminal(),
        Stage::Ready if status.phase == Phase::Failed => return never("failed"),
        Stage::Ready => {
            status.phase == Phase::Succeeded || status.condition(&ConditionKind::Ready).is_some_and(|c| c.status == Truth::True)
        }
        Stage::Finished => status.phase.is_terminal(),
    };
    if done {
        return Some(Ok(()));
    }
    if status.deletion.is_some() && stage != Stage::Finished { never("been deleted") } else { None }
}

/// An answer with its fds.
type Full = (Outcome, Vec<OwnedFd>);

impl Supervisor {
    /// Answers what has come true, or too late.
    pub fn answer_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let stages = self.waiting.iter().any(|w| matches!(w.what, Awaited::Stage(_)));
        let (status, now) = (stages.then(|| self.machine.status()), event::monotonic());
        let mut at = 0;
        while let Some(waiting) = self.waiting.get(at) {
            let (client, what) = (waiting.caller.client, waiting.what.clone());
            let late = waiting.caller.deadline.is_some_and(|d| d <= now);
            if !self.server.has(client) && waiting.caller.token.is_none() {
                self.waiting.remove(at);
                continue;
            }
            let (outcome, fds) = match self.come_true(&what, status.as_ref()) {
                Some(full) => full,
                None if late => {
                    let e = Error::new(Code::DeadlineExceeded, "not in time; what was asked for goes on");
                    (Outcome::Error(e), Vec::new())
                }
                None => {
                    at += 1;
                    continue;
                }
            };
            let waiting = self.waiting.remove(at);
            self.finish(&waiting.caller, outcome, fds);
            // With it those may have gone that asked the same.
            at = 0;
        }
    }

    /// None: not yet.
    fn frozen(&self, slot: usize) -> Option<Result<(), Error>> {
        let Some(running) = self.slots.get(slot).and_then(|s| s.running.as_ref()) else {
            return Some(Err(Error::new(Code::Aborted, "the container has ended")));
        };
        match running.cgroup.stands() {
            Ok(true) => Some(Ok(())),
            Ok(false) if running.cgroup.is_frozen().is_ok_and(|asked| !asked) => {
                Some(Err(Error::new(Code::Aborted, "the container was resumed")))
            }
            Ok(false) => None,
            Err(e) => Some(Err(e.into())),
        }
    }

    fn made(&mut self, slot: usize) -> Result<ContainerInfo, Error> {
        if let Some(failure) = self.slots.get_mut(slot).and_then(|s| s.failure.take()) {
            return Err(Error::new(Code::FailedPrecondition, failure).at("start"));
        }
        let name = self.container(slot).map(|c| c.name.clone()).unwrap_or_default();
        let info = self.containers().into_iter().find(|c| c.name == name && c.pid.is_some());
        info.ok_or_else(|| Error::new(Code::Aborted, format!("container {name} was not made")))
    }

    fn come_true(&mut self, what: &Awaited, status: Option<&PodStatusModel>) -> Option<Full> {
        let plain = |outcome| Some((outcome, Vec::new()));
        match what {
            Awaited::Stage(stage) => plain(reached(*stage, status?)?.into()),
            Awaited::Deleted | Awaited::Same { .. } => None,
            Awaited::Recorded if self.dirty => {
                let e =
                    Error::new(Code::ResourceExhausted, "done, but it could not be recorded: the state folder cannot be written");
                plain(Outcome::Error(e))
            }
            Awaited::Recorded => plain(Outcome::of(&())),
            Awaited::Frozen { slot, .. } => plain(self.frozen(*slot)?.into()),
            Awaited::Made(slot) => plain(self.made(*slot).into()),
            Awaited::Stopped(slot) if self.slots.get(*slot).is_some_and(|s| s.running.is_some()) => None,
            Awaited::Stopped(slot) => {
                let name = self.container(*slot).map(|c| c.name.clone()).unwrap_or_default();
                plain(self.container_status(&name).into())
            }
            Awaited::SandboxUp => match self.machine.sandbox() {
                Sandbox::Ready { .. } => plain(Outcome::of(&self.sandbox_status())),
                Sandbox::BackOff { .. } => {
                    plain(Outcome::Error(Error::new(Code::Internal, "the sandbox could not be made; its events say why")))
                }
                _ => None,
            },
            Awaited::SandboxGone => self.machine.sandbox().is_none().then(|| (Outcome::of(&()), Vec::new())),
            Awaited::SessionRuns(session) => self.session_runs(*session),
            Awaited::SessionEnds(session) => plain(self.session_ends(*session)?),
        }
    }

    /// The answer to a request, and to all that were sent with the same token.
    pub(super) fn finish(&mut self, caller: &Caller, outcome: Outcome, fds: Vec<OwnedFd>) {
        let twins = match caller.token {
            Some(_) => self.note_answer(caller, &outcome),
            None => Vec::new(),
        };
        for twin in &twins {
            self.server.answer(twin.client, twin.request, outcome.clone());
        }
        self.server.answer_with(caller.client, caller.request, outcome, fds);
    }

    /// Cancel: of this client's requests, one that is unanswered. Errors: NotFound.
    pub(super) fn cancel(&mut self, client: u64, request: u64) -> Result<(), Error> {
        let cancelled = || Outcome::Error(Error::new(Code::Cancelled, "as its caller asked; what it has begun goes on"));
        let fits = |c: u64, r: u64| (c, r) == (client, request);
        if let Some(at) = self.watchers.iter().position(|(c, r)| fits(*c, *r)) {
            self.watchers.remove(at);
            self.server.answer(client, request, cancelled());
            return Ok(());
        }
        match self.waiting.iter().position(|w| fits(w.caller.client, w.caller.request)) {
            Some(at) => {
                let waiting = self.waiting.remove(at);
                self.finish(&waiting.caller, cancelled(), Vec::new());
                Ok(())
            }
            None => Err(Error::new(Code::NotFound, format!("no unanswered request {request}")).in_field("request")),
        }
    }

    /// The pod is gone, or could not be removed: those who wait for it are told.
    pub fn answer_deleted(&mut self, result: Result<(), Error>) {
        for waiting in std::mem::take(&mut self.waiting) {
            let outcome = match (&waiting.what, &result) {
                (Awaited::Deleted | Awaited::Same { .. }, result) => result.clone().into(),
                (Awaited::Recorded, Ok(())) => Outcome::of(&()),
                (_, Ok(())) => Outcome::Error(Error::new(Code::Aborted, "the pod was deleted")),
                (_, Err(_)) => {
                    self.waiting.push(waiting);
                    continue;
                }
            };
            self.server.answer(waiting.caller.client, waiting.caller.request, outcome);
        }
        if result.is_ok() {
            self.tell_deleted();
        }
    }
}
