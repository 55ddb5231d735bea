//! What is done to containers and sandbox apart from policy: looked at, counted, signalled, frozen, limited anew; and sockets that are
//! opened in the pod's network.

use super::wait::Awaited;
use crate::cgroup::{Cgroup, Limits, Stats};
use crate::pod::control::{ContainerDetail, PodStats, SandboxDetail};
use crate::pod::error::{Code, Error};
use crate::pod::supervisor::container::Running;
use crate::pod::supervisor::state::{CGROUPS, Supervisor};
use crate::sys::errno::Call;
use crate::sys::event::{EPOLLET, EPOLLPRI};
use crate::sys::{process, socket};
use oci_spec::runtime::LinuxResources;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

impl Supervisor {
    pub(super) fn sandbox_status(&self) -> SandboxDetail {
        let status = self.machine.status();
        SandboxDetail {
            id: self.sandbox.id.clone(),
            namespace: self.spec.namespace.clone(),
            name: self.spec.name.clone(),
            uid: self.spec.uid.clone(),
            attempt: status.sandbox_attempt,
            ready: self.pause.is_some(),
            ips: status.pod_ips,
            cgroup: self.intent.cgroup.clone(),
            namespaces: self.pause.as_ref().map(|p| p.namespaces.clone()).unwrap_or_default(),
        }
    }

    pub(super) fn container_status(&self, name: &str) -> Result<ContainerDetail, Error> {
        let slot = self.slot_named(name)?;
        let name = self.container(slot).map(|c| c.name.clone()).unwrap_or_default();
        let status = self.machine.status().container(&name).cloned();
        let status = status.ok_or_else(|| Error::internal(format!("container {name} has no status")))?;
        let held = self.slots[slot].running.as_ref().is_some_and(|r| r.gate.is_some());
        let paused = self.slots[slot].running.as_ref().is_some_and(|r| r.cgroup.is_frozen().unwrap_or(false));
        Ok(ContainerDetail { held, info: self.containers().into_iter().find(|c| c.name == name), paused, status })
    }

    pub(super) fn stats(&self) -> Result<PodStats, Error> {
        let pod = self.pod_cgroup.as_ref().map(Cgroup::stat).transpose()?;
        let running = self.spec.all_containers().zip(&self.slots).filter_map(|(c, s)| Some((c, s.running.as_ref()?)));
        let of = |(c, r): (&crate::pod::spec::ContainerSpec, &Running)| Ok((c.name.clone(), r.cgroup.stat()?));
        let containers = running.map(of).collect::<Result<std::collections::BTreeMap<String, Stats>, Error>>()?;
        Ok(PodStats { pod, containers })
    }

    fn running_of(&mut self, name: &str) -> Result<&mut Running, Error> {
        let slot = self.slot_named(name)?;
        let not_running = || Error::new(Code::FailedPrecondition, "the container is not running").in_field("container");
        self.slots[slot].running.as_mut().ok_or_else(not_running)
    }

    /// To its first process; None is SIGKILL for all of it. What follows is the policy's.
    pub(super) fn container_kill(&mut self, name: &str, signal: Option<i32>) -> Result<(), Error> {
        if signal.is_some_and(|s| !(1..=64).contains(&s)) {
            return Err(Error::new(Code::InvalidArgument, "want a signal's number, 1 to 64").in_field("signal"));
        }
        let running = self.running_of(name)?;
        match signal {
            Some(signal) => Ok(process::pidfd_signal(running.pidfd.as_fd(), signal)?),
            None => Ok(running.cgroup.kill()?),
        }
    }

    /// Stops all its processes, until [`Supervisor::container_resume`]. Asked here; that they stand, the cgroup says in its own time.
    pub(super) fn container_pause(&mut self, name: &str) -> Result<Awaited, Error> {
        let slot = self.slot_named(name)?;
        let running = self.running_of(name)?;
        let events = running.cgroup.watch("cgroup.events")?;
        running.cgroup.begin_freeze()?;
        // Each change once: what it has come to is looked up at the end of the turn.
        self.epoll.add(&events, EPOLLPRI | EPOLLET, CGROUPS)?;
        Ok(Awaited::Frozen { slot, _events: Rc::new(events) })
    }

    pub(super) fn container_resume(&mut self, name: &str) -> Result<(), Error> {
        Ok(self.running_of(name)?.cgroup.thaw()?)
    }

    /// The runtime-spec's linux.resources, of which only what is named changes; a container that is made again has its own.
    pub(super) fn update_resources(&mut self, name: &str, resources: serde_json::Value) -> Result<Vec<String>, Error> {
        let wrong = |e: &dyn std::fmt::Display| Error::new(Code::InvalidArgument, e.to_string()).in_field("resources");
        let resources: LinuxResources = serde_json::from_value(resources).map_err(|e| wrong(&e))?;
        let limits = Limits::from_oci(&resources).map_err(|e| wrong(&e))?;
        let warn = self.spec.missing_controllers_warn;
        Ok(self.running_of(name)?.cgroup.apply(&limits, warn)?)
    }

    /// A socket of the pod's network, not bound and not connected: a thread's sockets are of the network that it is in, wherever they go.
    pub(super) fn pod_socket(&mut self, family: &str, kind: &str) -> Result<OwnedFd, Error> {
        let wrong = |field: &str, want: &str| Error::new(Code::InvalidArgument, format!("want {want}")).in_field(field);
        let family = match family {
            "inet" => libc::AF_INET,
            "inet6" => libc::AF_INET6,
            _ => return Err(wrong("family", "inet or inet6")),
        };
        let kind = match kind {
            "stream" => libc::SOCK_STREAM,
            "dgram" => libc::SOCK_DGRAM,
            _ => return Err(wrong("kind", "stream or dgram")),
        };
        let gone = || Error::new(Code::FailedPrecondition, "the pod has no sandbox");
        let pause = self.pause.as_ref().ok_or_else(gone)?;
        if pause.joins & libc::CLONE_NEWNET == 0 {
            return Ok(socket::inet(family, kind)?);
        }
        let own = File::open("/proc/self/ns/net").call(|| "open(/proc/self/ns/net)".into())?;
        process::setns(pause.pidfd.as_fd(), libc::CLONE_NEWNET)?;
        let made = socket::inet(family, kind);
        if process::setns(own.as_fd(), libc::CLONE_NEWNET).is_err() {
            // In a pod's network for good, this process would be of no use; the next one adopts everything.
            std::process::abort();
        }
        Ok(made?)
    }
}
