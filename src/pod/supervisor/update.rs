//! A change of the living pod, carried out: checked whole, put on record, then done.

use super::container::Prepared;
use super::state::{Slot, Supervisor};
use crate::cgroup::{Cgroup, Limits};
use crate::pod::error::{Code, Error, Result};
use crate::pod::machine::{Event, Life};
use crate::pod::spec::{ContainerSpec, PodSpec};
use crate::pod::update::Plan;
use crate::pod::volume;
use crate::store::atomic;

impl Supervisor {
    /// Makes `new` the pod's spec, with its uid and its time of creation as they are.
    ///
    /// # Errors
    /// With nothing changed, FailedPrecondition: a field that cannot change, less memory than is in use, or the pod is ending. InvalidArgument: an image
    /// that cannot be read. A value that the kernel then refuses is said when the change is on record.
    pub fn update_pod(&mut self, mut new: PodSpec) -> Result<()> {
        self.must_live()?;
        (new.uid, new.created) = (self.spec.uid.clone(), self.spec.created.clone());
        new.ephemeral_containers = self.spec.ephemeral_containers.clone();
        let plan = Plan::new(&self.spec, &new)?;
        let mut prepared = Vec::new();
        for slot in plan.images.iter().chain(&plan.resized) {
            if let Some(container) = new.all_containers().nth(*slot) {
                prepared.push((*slot, Prepared::new(&self.intent.roots, &new, container)?));
            }
        }
        for (slot, ready) in prepared.iter().filter(|(slot, _)| plan.resized.contains(slot)) {
            if let Some(running) = self.slots.get(*slot).and_then(|s| s.running.as_ref()) {
                enough(&running.cgroup, &ready.config.limits, new.all_containers().nth(*slot).map_or("", |c| c.name.as_str()))?;
            }
        }
        let old = std::mem::replace(&mut self.spec, new);
        if let Err(e) = atomic::write_json(&self.sandbox.dir.join("pod.json"), &self.spec, atomic::Durable::Yes) {
            self.spec = old;
            return Err(e.into());
        }
        let resized = self.resize(&plan, &old, &prepared);
        let filled = self.pause.as_ref().map_or(Ok(()), |pause| volume::refresh(&old, &self.spec, pause));
        for (slot, ready) in prepared {
            self.slots[slot].prepared = Some(ready);
        }
        self.queue.push_back(Event::Update(plan.update));
        self.dirty = true;
        resized.and(filled)
    }

    /// One more container. It is started as soon as there is a sandbox.
    pub fn add_ephemeral(&mut self, container: ContainerSpec) -> Result<()> {
        self.must_live()?;
        if self.slot_of(&container.name).is_some() {
            let text = format!("container {}: there is one of that name in the pod", container.name);
            return Err(Error::new(Code::AlreadyExists, text));
        }
        let prepared = Prepared::new(&self.intent.roots, &self.spec, &container)?;
        self.spec.ephemeral_containers.push(container.clone());
        if let Err(e) = atomic::write_json(&self.sandbox.dir.join("pod.json"), &self.spec, atomic::Durable::Yes) {
            self.spec.ephemeral_containers.pop();
            return Err(e.into());
        }
        self.slots.push(Slot { prepared: Some(prepared), ..Slot::default() });
        self.queue.push_back(Event::AddEphemeral(Box::new(container)));
        Ok(())
    }

    fn must_live(&self) -> Result<()> {
        match self.machine.life() {
            Life::New | Life::Live => Ok(()),
            Life::Ending(_) | Life::Ended => Err(Error::new(Code::FailedPrecondition, "the pod is ending, or has ended")),
        }
    }

    /// The new values, where the old ones are in force. More for the pod comes before more for its containers, less after.
    fn resize(&mut self, plan: &Plan, old: &PodSpec, prepared: &[(usize, Prepared)]) -> Result<()> {
        let warn = self.spec.missing_controllers_warn;
        let write = |group: &Cgroup, limits: &Limits, soft: &Limits, before: &Limits| -> Result<()> {
            group.apply_soft(&lifted(soft, before))?;
            group.apply(&lifted(limits, before), warn)?;
            Ok(())
        };
        let shrinks = self.spec.limits.memory_max.unwrap_or(i64::MAX) < old.limits.memory_max.unwrap_or(i64::MAX);
        let pod = self.pod_cgroup.as_ref().filter(|_| plan.pod_resized);
        let of_pod = |group: &Cgroup| write(group, &self.spec.limits, &self.spec.soft_limits, &old.limits);
        if let Some(group) = pod.filter(|_| !shrinks) {
            of_pod(group)?;
        }
        for (slot, ready) in prepared.iter().filter(|(slot, _)| plan.resized.contains(slot)) {
            let (Some(running), Some(before)) = (&self.slots[*slot].running, old.all_containers().nth(*slot)) else { continue };
            write(&running.cgroup, &ready.config.limits, &ready.config.soft_limits, &before.limits)?;
        }
        if let Some(group) = pod.filter(|_| shrinks) {
            of_pod(group)?;
        }
        Ok(())
    }
}

/// With what was limited before and is no longer set back to the kernel's own.
fn lifted(new: &Limits, before: &Limits) -> Limits {
    let mut limits = new.clone();
    if before.memory_max.is_some() && new.memory_max.is_none() {
        limits.memory_max = Some(-1);
    }
    if before.cpu_max.is_some() && new.cpu_max.is_none() {
        limits.cpu_max = Some((None, 100_000));
    }
    limits
}

/// Less memory than is in use would end something.
fn enough(group: &Cgroup, limits: &Limits, name: &str) -> Result<()> {
    let (Some(max), Some(memory)) = (limits.memory_max, group.stat()?.memory) else { return Ok(()) };
    if max >= 0 && memory.current > max as u64 {
        let text = format!(
            "container {name}: attempting to set memory limit ({max}) below current usage ({}): cannot be resized now",
            memory.current
        );
        return Err(Error::new(Code::FailedPrecondition, text));
    }
    Ok(())
}
