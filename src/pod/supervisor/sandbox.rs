//! The pod's cgroup and its pause.

use super::keeper::Note;
use super::state::{PAUSE, Supervisor};
use crate::cgroup::Cgroup;
use crate::pod::error::{Code, Error, Result, Step};
use crate::pod::machine::Event;
use crate::pod::{network, sandbox, volume};
use crate::store::intent;
use crate::sys::event::EPOLLIN;
use crate::sys::{event, fault, process};
use std::os::fd::AsFd;
use std::time::Duration;

/// Pause's leaf in the pod's cgroup. A container of that name gets another, which no container can have (a label holds no dot).
pub(super) const LEAF: &str = "pause";

pub(super) fn leaf_of(container: &str) -> String {
    if container == LEAF { "pause.container".into() } else { container.into() }
}

const BURIAL: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Addresses, cgroup, pause, its network; on failure nothing is left but the addresses, which are the pod's.
    pub fn make_sandbox(&mut self) -> Result<()> {
        let mut lease = network::take(&self.spec, &self.sandbox, &self.intent).step("create.network")?;
        self.network = lease.as_ref().map(|l| l.record.clone());
        fault::point("create.cgroup")?;
        let group = self.make_cgroup().step("create.cgroup")?;
        let made = self.make_pause(&group).and_then(|pause| match &mut lease {
            Some(lease) => self.attach(lease, pause),
            None => Ok(pause),
        });
        match made {
            Ok(pause) => {
                self.pod_cgroup = Some(group);
                self.pause = Some(pause);
                self.watch_network();
                Ok(())
            }
            Err(e) => {
                let left = group.remove(BURIAL);
                self.intent.pause = None;
                Err(match left {
                    Ok(()) => e,
                    Err(left) => Error { message: format!("{}; and {left}", e.message), ..e },
                })
            }
        }
    }

    fn make_cgroup(&mut self) -> Result<Cgroup> {
        let parent = Cgroup::open(&self.hierarchy, &self.intent.roots.cgroup_parent)?;
        let name = self.intent.cgroup.rsplit('/').next().unwrap_or_default().to_string();
        let group = parent.child(&name).map_err(|e| match e.is_taken() {
            true => {
                Error::new(Code::AlreadyExists, format!("cgroup {} exists already: a pod of this uid lives", self.intent.cgroup))
            }
            false => e.into(),
        })?;
        let limited = fault::point("create.cgroup.limits").map_err(Error::from).and_then(|()| {
            group.apply_soft(&self.spec.soft_limits)?;
            let warnings = group.apply(&self.spec.limits, self.spec.missing_controllers_warn)?;
            // Before the first process enters a leaf: what is handed down later costs a migration.
            group.enable(&group.controllers()?)?;
            Ok(warnings)
        });
        match limited {
            Ok(warnings) => {
                self.warnings.extend(warnings);
                Ok(group)
            }
            Err(e) => {
                let _ = group.remove(BURIAL);
                Err(e)
            }
        }
    }

    fn make_pause(&mut self, group: &Cgroup) -> Result<sandbox::Pause> {
        fault::point("create.pause.cgroup")?;
        let leaf = group.child(LEAF)?;
        fault::point("create.pause")?;
        let trees = volume::prepare(&self.spec, &self.intent.data, &self.ips()).step("create.volumes")?;
        let pause = sandbox::birth(&self.spec.sandbox, leaf.dir(), &trees).step("create.pause")?;
        self.intent.pause = Some(intent::Pause { process: pause.process.clone(), namespaces: pause.namespaces.clone() });
        let noted = fault::point("create.pause.intent")
            .map_err(Error::from)
            .and_then(|()| Ok(self.sandbox.write_intent(&self.intent)?))
            .and_then(|()| Ok(self.epoll.add(&pause.pidfd, EPOLLIN, PAUSE)?));
        match noted {
            Ok(()) => {
                self.keep_pause(&pause);
                Ok(pause)
            }
            Err(e) => {
                sandbox::end(pause.pidfd.as_fd());
                Err(e)
            }
        }
    }

    fn keep_pause(&mut self, pause: &sandbox::Pause) {
        let (pid, start) = (pause.process.pid, pause.process.start);
        let note = Note {
            serial: event::monotonic(),
            container: None,
            attempt: self.machine.sandbox().attempt(),
            id: String::new(),
            pid,
            start,
            fds: vec!["pidfd".into()],
        };
        if let Some(Err(e)) = self.keeper.as_ref().map(|k| k.put(&note, &[pause.pidfd.as_fd()])) {
            self.warnings.push(format!("pause: {e}"));
        }
    }

    /// Pause and the pod's cgroup; what is gone already is fine.
    pub fn stop_sandbox(&mut self) -> Result<()> {
        fault::point("delete.pause")?;
        // While the pod's namespace is there: plugins look into it.
        let detached = self.detach();
        if let Some(pause) = self.pause.take() {
            let _ = self.epoll.remove(&pause.pidfd);
            sandbox::end(pause.pidfd.as_fd());
            self.reap(pause.process.pid, &pause.pidfd);
        }
        detached?;
        self.burials.clear();
        if let Some(group) = self.pod_cgroup.take() {
            match group.remove(BURIAL) {
                Err(e) if !e.is_not_found() => return Err(e.into()),
                _ => {}
            }
        }
        self.intent.pause = None;
        Ok(self.sandbox.write_intent(&self.intent)?)
    }

    /// Pause's pidfd is readable.
    pub fn pause_ended(&mut self) {
        let ended = self.pause.as_ref().is_some_and(|p| !matches!(process::wait_pidfd(p.pidfd.as_fd(), false), Ok(None)));
        if ended && let Some(pause) = self.pause.take() {
            let _ = self.epoll.remove(&pause.pidfd);
            self.reap(pause.process.pid, &pause.pidfd);
            let attempt = self.machine.status().sandbox_attempt;
            self.queue.push_back(Event::SandboxDied { attempt });
        }
    }
}
