//! Events with the kubelet's reasons: alike ones are counted, and the list is bounded.

use super::{Action, Machine, Step};
use crate::pod::status::{EventKind, EventRecord};

impl Machine {
    /// Notes that something happened, to the pod or to the container at `index`.
    pub(super) fn record(&mut self, kind: EventKind, reason: &str, message: String, index: Option<usize>, step: &mut Step) {
        let container = index.map(|i| (self.containers[i].role, self.containers[i].name.clone()));
        let alike = self
            .events
            .iter()
            .position(|e| e.kind == kind && e.reason == reason && e.container == container && e.message == message);
        let record = match alike {
            Some(at) => {
                let mut record = self.events.remove(at);
                record.count = record.count.saturating_add(1);
                record.last = step.now.wall;
                record
            }
            None => {
                let (first, last) = (step.now.wall, step.now.wall);
                EventRecord { kind, reason: reason.into(), message, container, count: 1, first, last }
            }
        };
        step.actions.push(Action::Event(record.clone()));
        self.events.push(record);
        let too_many = self.events.len().saturating_sub(self.tuning.events_max);
        self.events.drain(..too_many);
        step.changed = true;
    }
}
