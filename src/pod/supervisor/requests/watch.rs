//! Watch: every numbered event, from where the watcher says.

use crate::pod::control::{Outcome, WatchEvent, What};
use crate::pod::error::{Code, Error};
use crate::pod::supervisor::state::Supervisor;

impl Supervisor {
    pub(super) fn watch_from(&mut self, client: u64, request: u64, from: u64) {
        let oldest = self.history.front().map_or(self.seq + 1, |(seq, _)| *seq);
        if from > 0 && from + 1 < oldest {
            let mut lost = Error::new(Code::ResourceExhausted, format!("events up to {} are no longer kept", oldest - 1));
            lost.resume = Some(oldest - 1);
            self.server.answer(client, request, Outcome::Error(lost));
            return;
        }
        let missed: Vec<u64> = self.history.iter().map(|(seq, _)| *seq).filter(|seq| *seq > from).collect();
        for seq in missed {
            if let Some(event) = self.event(seq)
                && !self.server.tell(client, request, seq, &event)
            {
                return;
            }
        }
        self.watchers.push((client, request));
    }

    pub fn tell_watchers(&mut self, seq: u64) {
        if self.watchers.is_empty() {
            return;
        }
        let Some(event) = self.event(seq) else { return };
        let server = &mut self.server;
        self.watchers.retain(|(client, request)| server.tell(*client, *request, seq, &event));
    }

    /// An event as JSON: written once, however many watch.
    fn event(&self, seq: u64) -> Option<String> {
        let (_, kept) = self.history.iter().find(|(s, _)| *s == seq)?;
        let what = match kept {
            Some(record) => What::Event(record.clone()),
            // An old change is told by what it has come to.
            None => What::Status(Box::new(self.machine.status())),
        };
        serde_json::to_string(&WatchEvent { seq, what }).ok()
    }

    /// The last event of all.
    pub(super) fn tell_deleted(&mut self) {
        self.seq += 1;
        let (seq, last) = (self.seq, WatchEvent { seq: self.seq, what: What::Deleted });
        let Ok(event) = serde_json::to_string(&last) else { return };
        for (client, request) in std::mem::take(&mut self.watchers) {
            self.server.tell(client, request, seq, &event);
        }
    }
}
