//! What the control socket asks, and what of it is answered later.

use super::state::Supervisor;
use crate::pod::control::{ContainerInfo, Outcome, Request, Stage, Verb, WatchEvent, What};
use crate::pod::error::{Code, Error};
use crate::pod::machine::Event;
use crate::pod::status::{ConditionKind, ContainerState, Phase, PodStatusModel, Truth};
use crate::sys::event;

/// A request whose answer is still to come.
pub(super) struct Waiting {
    pub client: u64,
    pub request: u64,
    pub what: Awaited,
    /// Monotonic nanoseconds.
    pub deadline: Option<u64>,
}

pub(super) enum Awaited {
    Stage(Stage),
    Deleted,
}

/// Waiting reasons that say nothing is wrong: the container's turn has not come or it is being made.
const UNDER_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// None: not yet; else whether the stage is reached or cannot be any more.
pub(super) fn reached(stage: Stage, status: &PodStatusModel) -> Option<Result<(), Error>> {
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

impl Supervisor {
    pub fn request(&mut self, client: u64, request: &Request) {
        let deadline = request.deadline_ms.map(|ms| event::monotonic().saturating_add(ms.saturating_mul(1_000_000)));
        let later = |what| Waiting { client, request: request.id, what, deadline };
        let answer = match request.parse() {
            Err(e) => Outcome::Error(e),
            Ok(Verb::Status {}) => json(&self.machine.status()),
            Ok(Verb::ContainerList {}) => json(&self.containers()),
            Ok(Verb::Wait { until }) => {
                self.waiting.push(later(Awaited::Stage(until)));
                return;
            }
            Ok(Verb::DeletePod { grace, wait }) => {
                self.keep_record = false;
                self.queue.push_back(Event::Delete { grace });
                if wait {
                    self.waiting.push(later(Awaited::Deleted));
                    return;
                }
                json(&())
            }
            Ok(Verb::Shutdown {}) => {
                self.keep_record = true;
                self.queue.push_back(Event::Delete { grace: None });
                self.waiting.push(later(Awaited::Deleted));
                return;
            }
            Ok(Verb::Watch { from }) => {
                self.watch_from(client, request.id, from);
                return;
            }
        };
        self.server.answer(client, request.id, answer);
    }

    fn containers(&self) -> Vec<ContainerInfo> {
        let specs = self.spec.all_containers().zip(&self.slots);
        let info = |(spec, slot): (&crate::pod::spec::ContainerSpec, &super::state::Slot)| {
            let (attempt, id) = slot.last.clone()?;
            let running = slot.running.as_ref();
            let cgroup = format!("{}/{}", self.intent.cgroup, super::sandbox::leaf_of(&spec.name));
            Some(ContainerInfo { name: spec.name.clone(), attempt, id, pid: running.map(|r| r.pid), cgroup })
        };
        specs.filter_map(info).collect()
    }

    fn watch_from(&mut self, client: u64, request: u64, from: u64) {
        let oldest = self.history.front().map_or(self.seq + 1, |(seq, _)| *seq);
        if from > 0 && from + 1 < oldest {
            let lagged = format!("events up to {} are no longer kept", oldest - 1);
            self.server.answer(client, request, Outcome::Error(Error::new(Code::ResourceExhausted, lagged)));
            return;
        }
        self.watchers.push((client, request));
        let missed: Vec<u64> = self.history.iter().map(|(seq, _)| *seq).filter(|seq| *seq > from).collect();
        for seq in missed {
            self.tell_one(client, request, seq);
        }
    }

    pub fn tell_watchers(&mut self, seq: u64) {
        let server = &self.server;
        self.watchers.retain(|(client, _)| server.has(*client));
        for (client, request) in self.watchers.clone() {
            self.tell_one(client, request, seq);
        }
    }

    fn tell_one(&mut self, client: u64, request: u64, seq: u64) {
        let Some((_, kept)) = self.history.iter().find(|(s, _)| *s == seq) else { return };
        let what = match kept {
            Some(record) => What::Event(record.clone()),
            // An old change is told by what it has come to.
            None => What::Status(Box::new(self.machine.status())),
        };
        self.server.answer(client, request, Outcome::Event(WatchEvent { seq, what }));
    }

    /// Answers what has come true, or too late.
    pub fn answer_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let (status, now) = (self.machine.status(), event::monotonic());
        for waiting in std::mem::take(&mut self.waiting) {
            let outcome = match &waiting.what {
                Awaited::Stage(stage) => reached(*stage, &status),
                Awaited::Deleted => None,
            };
            let late = waiting.deadline.is_some_and(|d| d <= now);
            match outcome {
                _ if !self.server.has(waiting.client) => {}
                Some(Ok(())) => self.server.answer(waiting.client, waiting.request, json(&())),
                Some(Err(e)) => self.server.answer(waiting.client, waiting.request, Outcome::Error(e)),
                None if late => {
                    let e = Error::new(Code::DeadlineExceeded, "not in time; what was asked for goes on");
                    self.server.answer(waiting.client, waiting.request, Outcome::Error(e));
                }
                None => self.waiting.push(waiting),
            }
        }
    }

    /// The pod is gone, or could not be removed: those who wait for it are told.
    pub fn answer_deleted(&mut self, result: Result<(), Error>) {
        for waiting in std::mem::take(&mut self.waiting) {
            let outcome = match (&waiting.what, &result) {
                (Awaited::Deleted, Ok(())) => json(&()),
                (Awaited::Deleted, Err(e)) => Outcome::Error(e.clone()),
                (Awaited::Stage(_), Ok(())) => Outcome::Error(Error::new(Code::Aborted, "the pod was deleted")),
                (Awaited::Stage(_), Err(_)) => {
                    self.waiting.push(waiting);
                    continue;
                }
            };
            self.server.answer(waiting.client, waiting.request, outcome);
        }
        if result.is_ok() {
            self.seq += 1;
            let event = WatchEvent { seq: self.seq, what: What::Deleted };
            for (client, request) in std::mem::take(&mut self.watchers) {
                self.server.answer(client, request, Outcome::Event(event.clone()));
            }
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> Outcome {
    match serde_json::to_value(value) {
        Ok(value) => Outcome::Ok(value),
        Err(e) => Outcome::Error(Error::internal(format!("encode: {e}"))),
    }
}
