//! Policy external: the caller decides what runs, and when (a CRI, a test). Each verb is one step of the mechanism that policy `pod` uses
//! by itself. In a pod whose policy decides they are refused.

use super::wait::Awaited;
use crate::cgroup::Limits;
use crate::container::Bundle;
use crate::pod::error::{Code, Error};
use crate::pod::machine::{Asked, Event};
use crate::pod::spec::{ContainerSpec, Policy};
use crate::pod::supervisor::state::{Slot, Supervisor};
use crate::store::{atomic, check_name};
use crate::sys::raw;
use oci_spec::runtime::LinuxResources;
use serde_json::Value;
use std::os::fd::AsRawFd;

fn precondition(problem: impl Into<String>) -> Error {
    Error::new(Code::FailedPrecondition, problem)
}

impl Supervisor {
    fn external(&self) -> Result<(), Error> {
        match self.spec.policy {
            Policy::External => Ok(()),
            Policy::Pod => {
                Err(precondition("the pod's own policy decides what runs in it (policy external is asked for at its creation)"))
            }
        }
    }

    /// The sandbox again, after it was stopped or lost.
    pub(super) fn sandbox_create(&mut self) -> Result<Awaited, Error> {
        self.external()?;
        if !self.machine.sandbox().is_none() {
            return Err(Error::new(Code::AlreadyExists, "the sandbox stands"));
        }
        self.queue.push_back(Event::Asked(Asked::CreateSandbox));
        Ok(Awaited::SandboxUp)
    }

    pub(super) fn sandbox_stop(&mut self, grace: Option<u64>) -> Result<Awaited, Error> {
        self.external()?;
        self.queue.push_back(Event::Asked(Asked::StopSandbox { grace }));
        Ok(Awaited::SandboxGone)
    }

    /// The pod's own limits; under any policy.
    pub(super) fn sandbox_update(&mut self, resources: Value) -> Result<Vec<String>, Error> {
        let wrong = |e: &dyn std::fmt::Display| Error::new(Code::InvalidArgument, e.to_string()).in_field("resources");
        let resources: LinuxResources = serde_json::from_value(resources).map_err(|e| wrong(&e))?;
        let limits = Limits::from_oci(&resources).map_err(|e| wrong(&e))?;
        let group = self.pod_cgroup.as_ref().ok_or_else(|| precondition("the pod has no sandbox"))?;
        Ok(group.apply(&limits, self.spec.missing_controllers_warn)?)
    }

    /// Makes a container, up to the moment before its program runs. `spec`: of one that the sandbox does not have yet.
    pub(super) fn container_create(&mut self, name: &str, spec: Option<Value>) -> Result<Awaited, Error> {
        self.external()?;
        if !self.machine.sandbox().is_ready() {
            return Err(precondition("the sandbox does not stand"));
        }
        check_name("container", name, 63).map_err(|e| Error::from(e).in_field("container"))?;
        let known = self.machine.container(name).map(|c| c.state.is_alive());
        let taken = |problem: &str| Error::new(Code::AlreadyExists, format!("container {name} {problem}")).in_field("container");
        match (known, &spec) {
            (Some(true), _) => return Err(taken("runs, or is held")),
            (Some(false), Some(_)) => return Err(taken("is there; remove it first")),
            _ => {}
        }
        let slot = match spec {
            Some(spec) => self.add_container(container_spec(name, spec)?)?,
            None => self.slot_named(name)?,
        };
        if known.is_none() {
            let spec = self.container(slot).cloned().ok_or_else(|| Error::internal("a slot without a container"))?;
            self.queue.push_back(Event::Asked(Asked::Add { spec: Box::new(spec) }));
        }
        self.slots[slot].failure = None;
        self.queue.push_back(Event::Asked(Asked::Make { name: name.into() }));
        Ok(Awaited::Made(slot))
    }

    /// On record before anything is made of it. A slot keeps its place for ever: sources of the loop are known by it.
    fn add_container(&mut self, spec: ContainerSpec) -> Result<usize, Error> {
        let mut pod = self.spec.clone();
        let slot = match self.slot_of(&spec.name) {
            Some(slot) => {
                let old = pod.init_containers.iter_mut().chain(&mut pod.containers).nth(slot);
                *old.ok_or_else(|| Error::internal("a slot without a container"))? = spec;
                slot
            }
            None => {
                pod.containers.push(spec);
                self.slots.len()
            }
        };
        atomic::write_json(&self.sandbox.dir.join("pod.json"), &pod, atomic::Durable::No)?;
        self.spec = pod;
        match self.slots.get_mut(slot) {
            Some(old) => *old = Slot::default(),
            None => self.slots.push(Slot::default()),
        }
        Ok(slot)
    }

    /// Lets a container go that is held: its program runs.
    pub(super) fn container_start(&mut self, name: &str) -> Result<Awaited, Error> {
        self.external()?;
        let slot = self.slot_named(name)?;
        let running = self.slots[slot].running.as_mut();
        let Some((running, gate)) = running.and_then(|r| r.gate.take().map(|gate| (r, gate))) else {
            return Err(precondition(format!("container {name} is not held: create it first")).in_field("container"));
        };
        let (attempt, id, pid) = (running.attempt, running.id.clone(), running.pid);
        raw::write(gate.as_raw_fd(), b"0").map_err(|e| Error::internal(format!("write(gate): {e}")).with_errno(Some(e)))?;
        self.keep_anew(slot);
        self.queue.push_back(Event::ContainerStarted { name: name.into(), attempt, id, pid });
        Ok(Awaited::Recorded)
    }

    /// Answered when it has ended.
    pub(super) fn container_stop(&mut self, name: &str, grace: Option<u64>) -> Result<Awaited, Error> {
        self.external()?;
        let slot = self.slot_named(name)?;
        if self.slots[slot].running.as_ref().is_some_and(|r| r.gate.is_some()) {
            self.end_held(slot);
        } else {
            self.queue.push_back(Event::Asked(Asked::Stop { name: name.into(), grace }));
        }
        Ok(Awaited::Stopped(slot))
    }

    pub(super) fn container_remove(&mut self, name: &str) -> Result<Awaited, Error> {
        self.external()?;
        let slot = self.slot_named(name)?;
        if self.slots[slot].running.is_some() {
            return Err(precondition(format!("container {name} runs, or is held: stop it first")).in_field("container"));
        }
        self.slots[slot].last = None;
        self.queue.push_back(Event::Asked(Asked::Remove { name: name.into() }));
        Ok(Awaited::Recorded)
    }

    /// One that is held has nothing to be asked to end: it goes.
    fn end_held(&mut self, slot: usize) {
        if let Some(running) = self.slots[slot].running.as_mut()
            && running.gate.take().is_some()
        {
            let _ = running.cgroup.kill();
        }
    }

    /// Where everything ends, those that are held end too.
    pub fn end_all_held(&mut self) {
        use crate::pod::machine::{Life, Sandbox};
        let ends = matches!(self.machine.life(), Life::Ending(_)) || matches!(self.machine.sandbox(), Sandbox::Lost { .. });
        if ends && self.spec.policy == Policy::External {
            (0..self.slots.len()).for_each(|slot| self.end_held(slot));
        }
    }
}

/// A container as `pod.json` has it, of which only `bundle` must be said.
fn container_spec(name: &str, spec: Value) -> Result<ContainerSpec, Error> {
    let wrong = |problem: String| Error::new(Code::InvalidArgument, format!("container {name}: {problem}")).in_field("spec");
    let Value::Object(said) = spec else { return Err(wrong("want an object".into())) };
    let mut all = serde_json::json!({
        "image": "", "restart_policy": null, "command": null, "args": null, "working_dir": null, "env": [],
        "security": crate::pod::spec::SecuritySpec::default(), "limits": Limits::default(), "oom_score_adj": null,
        "stdin": false, "stdin_once": false, "tty": false, "rootfs_direct": false, "mounts": [],
        "termination_message_path": "/dev/termination-log",
    });
    for (key, value) in said {
        all[key] = value;
    }
    all["name"] = name.into();
    let mut spec: ContainerSpec = serde_json::from_value(all).map_err(|e| wrong(e.to_string()))?;
    if !spec.bundle.is_absolute() {
        return Err(wrong(format!("bundle: want an absolute path (got {})", spec.bundle.display())));
    }
    if spec.image.is_empty() {
        spec.image = format!("bundle:{}", spec.bundle.display());
    }
    Bundle::load(&spec.bundle).map_err(|e| wrong(e.to_string()))?;
    Ok(spec)
}
