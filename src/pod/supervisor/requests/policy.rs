//! What changes a pod that lives.

use super::wait::Awaited;
use super::{Reply, Supervisor};
use crate::pod::entry;
use crate::pod::error::{Code, Error};
use crate::pod::machine::Event;
use crate::pod::spec::PodSpec;
use crate::pod::status::{ConditionKind, Truth};
use crate::store::atomic;

impl Supervisor {
    pub(super) fn set_condition(&mut self, kind: String, status: Truth, reason: String, message: String) -> Result<Reply, Error> {
        let refused = |text: String| Err(Error::new(Code::InvalidArgument, text).in_field("kind"));
        if kind.is_empty() {
            return refused("a condition's type is empty".into());
        }
        if ConditionKind::OWN.iter().any(|own| own.as_str() == kind) {
            return refused(format!("condition {kind} is the pod's own, and not to be set"));
        }
        self.queue.push_back(Event::Condition { kind, status, reason, message });
        self.dirty = true;
        Ok(Reply::Later(Awaited::Recorded))
    }

    pub(super) fn apply(&mut self, spec: PodSpec, manifest: Option<serde_json::Value>) -> Result<Reply, Error> {
        self.update_pod(spec)?;
        if let Some(manifest) = manifest {
            atomic::write_json(&self.sandbox.dir.join(entry::MANIFEST), &manifest, atomic::Durable::No)?;
        }
        Ok(Reply::Later(Awaited::Recorded))
    }
}
