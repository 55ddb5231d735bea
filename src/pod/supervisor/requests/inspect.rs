//! What only looks.

use crate::pod::control::{ContainerInfo, Pids};
use crate::pod::error::{Code, Error};
use crate::pod::supervisor::sandbox;
use crate::pod::supervisor::state::Supervisor;
use crate::sys::raw;

impl Supervisor {
    pub(super) fn pids(&self) -> Pids {
        let running = self.spec.all_containers().zip(&self.slots);
        Pids {
            supervisor: raw::getpid(),
            keeper: self.keeper.as_ref().map(|k| k.process.pid),
            pause: self.pause.as_ref().map(|p| p.process.pid),
            containers: running.filter_map(|(c, slot)| Some((c.name.clone(), slot.running.as_ref()?.pid))).collect(),
        }
    }

    pub(super) fn containers(&self) -> Vec<ContainerInfo> {
        let specs = self.spec.all_containers().zip(&self.slots);
        let info = |(spec, slot): (&crate::pod::spec::ContainerSpec, &crate::pod::supervisor::state::Slot)| {
            let (attempt, id) = slot.last.clone()?;
            let running = slot.running.as_ref();
            let cgroup = format!("{}/{}", self.intent.cgroup, sandbox::leaf_of(&spec.name));
            Some(ContainerInfo { name: spec.name.clone(), attempt, id, pid: running.map(|r| r.pid), cgroup })
        };
        specs.filter_map(info).collect()
    }

    /// The slot of a container as a request names it: empty is the pod's first. Errors: NotFound.
    pub(super) fn slot_named(&self, name: &str) -> Result<usize, Error> {
        let first = || self.spec.containers.first().map_or("", |c| c.name.as_str());
        let name = if name.is_empty() { first() } else { name };
        self.slot_of(name)
            .ok_or_else(|| Error::new(Code::NotFound, format!("the pod has no container {name:?}")).in_field("container"))
    }
}
