//! The namespaces of a birth, sorted by who makes or joins them.

use super::Error;
use super::namespaces::{CLONE_NEWTIME, Namespaces};
use super::plan::{Birth, Join, JoinFd, ProcessPlan};
use super::staged::{Privileged, Staged};
use crate::rootfs::plan::Base;
use crate::sys::errno::Call;
use crate::sys::userns::{self, Maps, Range};
use oci_spec::runtime::Spec;
use std::os::fd::{BorrowedFd, OwnedFd};

pub struct Space {
    pub base: Base,
    /// By clone3.
    pub clone_new: i32,
    /// By the child itself.
    pub unshare: i32,
    pub joins: Vec<JoinFd>,
    pub pid_join: Option<OwnedFd>,
    /// Those that are not the host's.
    pub owned: i32,
    /// Nobody else is in its PID namespace.
    pub alone: bool,
    /// The root replaces that of a mount namespace made for the container.
    pub own_mounts: bool,
    /// A user or time namespace is entered first, by an intermediate, which makes these of them.
    pub outer: Option<i32>,
    /// The user namespace's, new or joined.
    pub maps: Option<Maps>,
    pub offsets: Option<String>,
}

/// What an intermediate has to make or join.
const OUTER: i32 = libc::CLONE_NEWUSER | CLONE_NEWTIME;

impl Space {
    pub fn new(birth: &Birth) -> Result<Space, Error> {
        match &birth.join {
            Some(join) => Space::of_pod(birth.spec, join),
            None => Space::of_spec(birth.spec),
        }
    }

    /// One setns on pause's pidfd joins its namespaces and its pruned mount tree, of which the child takes a copy.
    fn of_pod(spec: &Spec, join: &Join) -> Result<Space, Error> {
        // Checked, not used: the pod's namespaces stand in for those that the bundle asks for. What it asks for in vain is said.
        let asked = Namespaces::parse(spec)?;
        if asked.has(OUTER) {
            let problem = "has a user or time namespace, which a container of a pod cannot have for itself";
            return Err(Error::invalid("linux.namespaces", problem));
        }
        let alone = !join.shared_pid && !join.host_pid;
        let flags = join.flags | libc::CLONE_NEWNS;
        Ok(Space {
            base: Base::Pod,
            clone_new: if alone { libc::CLONE_NEWPID } else { 0 },
            unshare: libc::CLONE_NEWNS | libc::CLONE_NEWCGROUP,
            joins: vec![JoinFd { fd: owned(join.pause)?, flags, words: "the pod's namespaces".into() }],
            pid_join: if join.shared_pid { Some(owned(join.pause)?) } else { None },
            owned: join.flags,
            alone,
            own_mounts: true,
            outer: None,
            maps: None,
            offsets: None,
        })
    }

    fn of_spec(spec: &Spec) -> Result<Space, Error> {
        let ns = Namespaces::parse(spec)?;
        let owned = [libc::CLONE_NEWIPC, libc::CLONE_NEWNET, libc::CLONE_NEWUTS].into_iter().filter(|f| ns.has(*f)).sum();
        let alone = ns.new & libc::CLONE_NEWPID != 0;
        let staged = ns.has(OUTER);
        let (mut joins, mut pid_join) = (Vec::new(), None);
        for join in ns.joins {
            // An intermediate joins it as the others: its children are born there.
            match join.flags == libc::CLONE_NEWPID && !staged {
                true => pid_join = Some(join.fd),
                false => joins.push(join),
            }
        }
        let unshare = ns.new & libc::CLONE_NEWCGROUP;
        Ok(Space {
            base: Base::Host,
            clone_new: ns.new & !unshare & !OUTER,
            unshare,
            joins,
            pid_join,
            owned,
            alone,
            own_mounts: ns.new & libc::CLONE_NEWNS != 0,
            outer: staged.then_some(ns.new & OUTER),
            maps: ns.maps,
            offsets: ns.offsets,
        })
    }

    /// What the intermediate takes over of the process's plan; None for a birth without one.
    pub fn staged(&self, process: &mut ProcessPlan) -> Option<Box<Staged>> {
        let outer = self.outer?;
        let mut staged = Staged { unshare: outer, offsets: self.offsets.clone(), ..Staged::default() };
        let Some(maps) = &self.maps else { return Some(Box::new(staged)) };
        let root = |map: &[Range]| if userns::outside(map, 0).is_some() { 0 } else { map.first().map_or(0, |r| r.inside) };
        staged.ids = Some((root(&maps.uids), root(&maps.gids)));
        staged.maps = Some(maps.clone()).filter(|_| outer & libc::CLONE_NEWUSER != 0);
        staged.oom_score_adj = process.identity.oom_score_adj.take();
        staged.privileged = Privileged::take(process);
        Some(Box::new(staged))
    }
}

pub(super) fn owned(fd: BorrowedFd) -> Result<OwnedFd, Error> {
    Ok(fd.try_clone_to_owned().call(|| "fcntl(F_DUPFD_CLOEXEC)".into())?)
}
