//! A container's scope of systemd's: started around a holder, which leaves when the container has been born in there.

use super::{Error, Result};
use crate::cgroup::{Cgroup, Hierarchy, Limits, systemd};
use crate::container::Bundle;
use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Scope {
    scope: systemd::Scope,
    annotations: BTreeMap<String, String>,
    holder: Option<systemd::Holder>,
    /// To be written when the holder, which counts, has left.
    pids_max: Option<i64>,
}

impl Scope {
    /// Errors: a path or an annotation that makes no unit.
    pub fn plan(id: &str, bundle: &Bundle) -> Result<Scope> {
        let path = bundle.spec.linux().as_ref().and_then(|l| l.cgroups_path().as_ref());
        let text = match path.map(|p| (p, p.to_str())) {
            None => "",
            Some((_, Some(text))) => text,
            Some((path, None)) => {
                let problem = format!("{path:?} is not UTF-8");
                return Err(Error::Container(crate::container::Error::invalid("linux.cgroupsPath", problem)));
            }
        };
        let scope = systemd::Scope::parse(text, id)?;
        let annotations: BTreeMap<_, _> =
            bundle.spec.annotations().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        systemd::check(&annotations)?;
        Ok(Scope { scope, annotations, holder: None, pids_max: None })
    }

    pub fn unit(&self) -> &str {
        &self.scope.unit
    }

    /// Where its cgroup will be, below the cgroup v2 mount.
    pub fn path(&self) -> Result<String> {
        Ok(self.scope.path()?.trim_start_matches('/').to_string())
    }

    /// Whether systemd may know of it.
    pub fn begun(&self) -> bool {
        self.holder.is_some()
    }

    /// Asks systemd for it. Its cgroup then holds the holder.
    pub fn start(&mut self, hierarchy: &Hierarchy, limits: &Limits) -> Result<Cgroup> {
        let holder = self.holder.insert(systemd::Holder::new()?);
        self.scope.start(holder.pid(), limits, systemd::annotations(&self.annotations)?)?;
        let path = self.scope.path()?;
        let cgroup = Cgroup::open(hierarchy, &path)?;
        // What systemd does not know (hugetlb, rdma) it does not hand down.
        if !limits.controllers().is_subset(&cgroup.controllers()?) {
            hierarchy.prepare(path.rsplit_once('/').map_or("/", |(parent, _)| parent))?;
        }
        Ok(cgroup)
    }

    /// The limits with room for the holder, until [`Scope::populated`].
    pub fn room_for_holder(&mut self, limits: &Limits) -> Limits {
        let mut limits = limits.clone();
        self.pids_max = limits.pids_max.filter(|n| *n > 0 && !limits.unified.contains_key("pids.max"));
        limits.pids_max = self.pids_max.map(|n| n + 1).or(limits.pids_max);
        limits
    }

    /// The container is in there: the holder leaves.
    pub fn populated(self, cgroup: &Cgroup) -> Result<()> {
        drop(self.holder);
        let limits = Limits { pids_max: self.pids_max, ..Limits::default() };
        cgroup.apply(&limits, false)?;
        Ok(())
    }
}
