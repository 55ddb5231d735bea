//! A supervisor started again: what lives is adopted, what was cut off is undone, and the machine is told what was found. And the
//! deaths beside its own: the keeper's, and of children that an earlier supervisor left to the keeper.

use super::container::{Files, Running};
use super::keeper::Note;
use super::output::{Output, STREAMS, Stream};
use super::state::{PAUSE, Supervisor};
use crate::cgroup::Cgroup;
use crate::pod::logs;
use crate::pod::logs::file::{Log, Rotation};
use crate::pod::logs::ring::{Entry, Ring};
use crate::pod::machine::{Event, Found, Life, SandboxFound, State};
use crate::pod::sandbox::{self, Pause};
use crate::store::Process;
use crate::sys::event::EPOLLIN;
use crate::sys::process;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

type Kept = (Note, Vec<(String, OwnedFd)>);

impl Supervisor {
    /// Looks around and queues what the machine is to know.
    pub fn recover(&mut self) {
        let mut kept: Vec<Kept> = Vec::new();
        if let Some(keeper) = &self.keeper {
            let _ = keeper.turn_over(|note, fds| {
                let named = note.fds.iter().cloned().zip(fds).collect();
                kept.push((note, named));
                true
            });
            keeper.stands();
        }
        if self.machine.life() == Life::New {
            // Killed before anything was begun.
            self.queue.push_back(Event::Start);
            return;
        }
        self.pod_cgroup = Cgroup::open(&self.hierarchy, &self.intent.cgroup).ok();
        let sandbox = self.recover_sandbox(&kept);
        let mut found = Vec::new();
        let mut adopted = Vec::new();
        let containers: Vec<(String, State, u32)> =
            self.machine.containers().iter().map(|c| (c.name.clone(), c.state.clone(), c.made)).collect();
        for (name, state, _) in containers {
            let mine = state.attempt().and_then(|attempt| {
                let of_it = |note: &Note| note.container.as_deref() == Some(&name) && note.attempt == attempt;
                let (at, _) =
                    kept.iter().enumerate().filter(|(_, (n, _))| of_it(n)).max_by_key(|(_, (n, _))| (n.pid, n.serial))?;
                Some(kept.swap_remove(at))
            });
            let serial = mine.as_ref().map(|(note, _)| note.serial);
            let mine =
                mine.and_then(|(note, fds)| if note.pid == 0 { self.cut_off(&name, note, fds) } else { Some((note, fds)) });
            found.push(match mine.and_then(|mine| self.adopt(&name, mine)) {
                Some(alive) => {
                    adopted.extend(serial);
                    (name, alive)
                }
                None => {
                    self.sweep(&name);
                    let starting = matches!(state, State::Starting { .. });
                    (name, if starting { Found::NotStarted } else { Found::Gone { exit: None, at: None } })
                }
            });
        }
        // Ended and on record already, or of a sandbox that is gone.
        let pause = self.pause.as_ref().map(|p| p.process.pid);
        let stale: Vec<u64> = kept
            .iter()
            .filter(|(n, _)| !(adopted.contains(&n.serial) || n.container.is_none() && Some(n.pid) == pause))
            .map(|(n, _)| n.serial)
            .collect();
        if let Some(keeper) = self.keeper.as_ref().filter(|_| !stale.is_empty()) {
            keeper.forget(&stale);
        }
        self.reap_left();
        self.queue.push_back(Event::Recovered { sandbox, containers: found });
    }

    fn recover_sandbox(&mut self, kept: &[Kept]) -> SandboxFound {
        use crate::pod::machine::Sandbox;
        let attempt = self.machine.sandbox().attempt();
        let note = kept.iter().rev().find(|(n, _)| n.container.is_none() && n.attempt == attempt);
        let process = note.map(|(n, _)| Process { pid: n.pid, start: n.start });
        // Cut off between pause's birth and its note, it is in the intent; or nowhere but in its cgroup.
        let recorded = self.intent.pause.as_ref().map(|p| p.process.clone());
        // A pause whose interface may be half made is not taken over, but made anew.
        let whole = self.network.is_none() || !matches!(self.machine.sandbox(), Sandbox::Making { .. });
        let process = process.or(recorded).filter(Process::lives).filter(|_| whole);
        let pause = process.and_then(|process| {
            let pidfd = process::pidfd_open(process.pid).ok()?;
            let namespaces = self.intent.pause.as_ref().map(|p| p.namespaces.clone()).unwrap_or_default();
            let same = |(kind, inode): (&String, &u64)| crate::store::process::namespace(process.pid, kind) == Some(*inode);
            let joins = sandbox::namespaces(&self.spec.sandbox);
            (process.lives() && namespaces.iter().all(same)).then_some(Pause { process, pidfd, joins, namespaces })
        });
        match pause {
            Some(pause) if self.pod_cgroup.is_some() && self.epoll.add(&pause.pidfd, EPOLLIN, PAUSE).is_ok() => {
                self.pause = Some(pause);
                self.recover_network();
                SandboxFound::Alive { ips: self.ips() }
            }
            _ => {
                // Its making was cut off: nothing runs in it but what is half made.
                if matches!(self.machine.sandbox(), Sandbox::Making { .. } | Sandbox::None { .. } | Sandbox::BackOff { .. })
                    && let Some(group) = self.pod_cgroup.take()
                {
                    let _ = group.remove(Duration::from_secs(5));
                }
                SandboxFound::Gone
            }
        }
    }

    /// A start that was cut off between birth and note: its process is a child of the keeper by now, in the container's cgroup, into
    /// which nobody else is born. Noted again, now whole.
    fn cut_off(&mut self, name: &str, mut note: Note, mut fds: Vec<(String, OwnedFd)>) -> Option<Kept> {
        let keeper = self.keeper.as_ref()?;
        let cgroup = format!("{}/{}", self.intent.cgroup, super::sandbox::leaf_of(name));
        let pid = keeper.children().into_iter().rfind(|pid| crate::pod::entry::in_cgroup(*pid, &cgroup))?;
        let pidfd = process::pidfd_open(pid).ok()?;
        let found = Process::of(pid)?;
        (note.pid, note.start) = (pid, found.start);
        fds.insert(0, ("pidfd".into(), pidfd));
        note.fds = fds.iter().map(|(name, _)| name.clone()).collect();
        let borrowed: Vec<_> = fds.iter().map(|(_, fd)| fd.as_fd()).collect();
        let _ = keeper.put(&note, &borrowed);
        Some((note, fds))
    }

    /// Takes a container over as the last supervisor had it. One that has ended meanwhile too: its end is seen as any other.
    fn adopt(&mut self, name: &str, (note, fds): Kept) -> Option<Found> {
        let slot = self.slot_of(name)?;
        let cgroup = self.pod_cgroup.as_ref()?.existing(&super::sandbox::leaf_of(name)).ok()?;
        let mut fds: Vec<_> = fds.into_iter().map(|(name, fd)| (name, Some(fd))).collect();
        let mut take = |name: &str| fds.iter_mut().find(|(n, _)| n == name).and_then(|(_, fd)| fd.take());
        let pidfd = take("pidfd")?;
        if take("gate").is_some() {
            // Held before its exec: what has asked for that asks again, and it is made anew.
            return None;
        }
        let rings: Vec<Ring> = STREAMS.iter().filter_map(|s| take(&format!("{s} ring"))).map(Ring::adopt).collect();
        let entry = rings.first().map(Entry::last)?;
        let path = logs::file(&self.intent.roots, &self.spec, name, note.attempt);
        let (log, done) = Log::resume(path, Rotation::default(), &entry);
        let written = if done { entry.to } else { entry.from };
        let mut streams = [None, None];
        for (which, stream) in streams.iter_mut().enumerate() {
            *stream = take(STREAMS[which]).and_then(|fd| Stream::new(fd, which, written[which]).ok());
        }
        let folder = self.intent.layer(name, note.attempt);
        let mut running = Running {
            attempt: note.attempt,
            id: note.id.clone(),
            pid: note.pid,
            pidfd,
            start: note.start,
            cgroup,
            output: Output { slot, log, streams, rings, written },
            stdin: take("stdin"),
            gate: None,
            serial: note.serial,
            files: folder.exists().then_some(Files { folder, _memory: None }),
        };
        for which in 0..running.output.rings.len() {
            running.output.feed(&mut self.scratch, which, false);
        }
        if self.watch_adopted(slot, &running).is_err() {
            return None;
        }
        self.slots[slot].last = Some((note.attempt, note.id.clone()));
        self.slots[slot].running = Some(running);
        Some(Found::Alive { id: note.id, pid: note.pid })
    }

    /// Ends what may be left of a container that is not taken over.
    fn sweep(&mut self, name: &str) {
        let group = self.pod_cgroup.as_ref().and_then(|pod| pod.existing(&super::sandbox::leaf_of(name)).ok());
        if let Some(group) = group {
            let _ = group.kill();
            self.bury(group);
        }
        let folder = self.intent.data.join(name);
        if folder.exists() {
            self.discard(folder);
        }
    }

    /// Reaps a child of this process or, if it is an earlier supervisor's, has the keeper do it.
    pub fn reap(&self, pid: i32, pidfd: &OwnedFd) {
        if process::wait_pidfd(pidfd.as_fd(), false).is_err()
            && let Some(keeper) = &self.keeper
        {
            keeper.reap(pid);
        }
    }

    /// A child of the keeper has ended: if it is none whose end is still to be noted, it goes.
    pub fn reap_left(&self) {
        let Some(keeper) = &self.keeper else { return };
        let containers = self.slots.iter().filter_map(|s| s.running.as_ref()).chain(&self.ended).map(|r| r.pid);
        let noted: Vec<i32> = containers.chain(self.pause.as_ref().map(|p| p.process.pid)).collect();
        for pid in keeper.zombies().into_iter().filter(|pid| !noted.contains(pid)) {
            keeper.reap(pid);
        }
    }

    pub fn keeper_ended(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            let _ = self.epoll.remove(&keeper.pidfd);
        }
    }

    /// The keeper is dead. This process, whose children the containers are, becomes the keeper, and starts a supervisor that adopts
    /// them. Returns the exit code only where it cannot.
    pub fn replace_keeper(&mut self) -> i32 {
        if !self.stands {
            // Its creator sees the end of the ready pipe, and takes everything back.
            return 1;
        }
        let error = self.heirlooms.become_keeper(&self.arguments);
        self.warnings.push(error.message);
        super::RETRY
    }
}
