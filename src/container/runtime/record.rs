use super::{Error, Result, Runtime};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::store::atomic::{self, Durable};
use crate::store::process::{self, Process};
use crate::sys::process::pidfd_open;
use oci_spec::runtime::{Hook, Hooks, Spec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// The JSON below; a later podrt reads an earlier one's.
const SCHEMA: u32 = 1;

/// What is known of a container, on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub schema: u32,
    pub id: String,
    pub oci_version: String,
    pub bundle: PathBuf,
    pub rootfs: PathBuf,
    /// RFC 3339, UTC.
    pub created: String,
    pub boot_id: String,
    /// Below the cgroup v2 mount; made after this record, removed before it.
    pub cgroup: String,
    /// The unit of systemd's that holds that cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Init; None while the container is being created.
    pub init: Option<Process>,
    pub annotations: BTreeMap<String, String>,
    /// Those that run after create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
}

/// runtime-spec, runtime.md#state; `paused` is the field's addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        })
    }
}

impl Record {
    pub(super) fn new(id: &str, bundle: &super::super::Bundle, rootfs: PathBuf, cgroup: String) -> Record {
        let annotations = bundle.spec.annotations().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        Record {
            schema: SCHEMA,
            id: id.into(),
            oci_version: bundle.spec.version().clone(),
            bundle: bundle.path.clone(),
            rootfs,
            created: now(),
            boot_id: process::boot_id().into(),
            cgroup,
            unit: None,
            init: None,
            annotations,
            hooks: bundle.spec.hooks().clone(),
        }
    }

    /// The container's cgroup, as it is now.
    pub fn cgroup(&self) -> Result<Cgroup> {
        Ok(Cgroup::open(&Hierarchy::discover()?, &self.cgroup)?)
    }

    /// Whether init is the process of this record: not another one with its number.
    pub fn init_lives(&self) -> bool {
        self.boot_id == process::boot_id() && self.init.as_ref().is_some_and(Process::lives)
    }

    /// A pidfd of init; the check comes after the open, so that a number that was taken meanwhile is noticed.
    pub fn pidfd(&self) -> Option<OwnedFd> {
        let init = self.init.as_ref()?;
        let fd = pidfd_open(init.pid).ok()?;
        self.init_lives().then_some(fd)
    }
}

impl Runtime {
    pub fn load(&self, id: &str) -> Result<Record> {
        let dir = self.dir(id)?;
        match atomic::read_json::<Record>(&dir.join("state.json")) {
            Ok(Some(record)) => Ok(record),
            Ok(None) => Err(Error::NotFound(id.into())),
            Err(e) => Err(e.into()),
        }
    }

    pub(super) fn save(&self, record: &Record) -> Result<()> {
        Ok(atomic::write_json(&self.dir(&record.id)?.join("state.json"), record, Durable::No)?)
    }

    pub fn status(&self, record: &Record) -> Result<Status> {
        if record.init.is_none() {
            return Ok(Status::Creating);
        }
        if !record.init_lives() {
            return Ok(Status::Stopped);
        }
        if self.dir(&record.id)?.join("exec.fifo").exists() {
            return Ok(Status::Created);
        }
        let frozen = record.cgroup().and_then(|c| Ok(c.is_frozen()?)).unwrap_or(false);
        Ok(if frozen { Status::Paused } else { Status::Running })
    }

    /// The final config.json of create.
    pub fn config(&self, id: &str) -> Result<Spec> {
        match atomic::read_json(&self.dir(id)?.join("config.json"))? {
            Some(spec) => Ok(spec),
            None => Err(Error::NotFound(id.into())),
        }
    }

    /// runtime-spec, runtime.md#state.
    pub fn state_json(&self, record: &Record) -> Result<serde_json::Value> {
        let status = self.status(record)?;
        let pid = if status == Status::Stopped { 0 } else { record.init.as_ref().map_or(0, |i| i.pid) };
        Ok(record.state(status, pid))
    }
}

impl Record {
    /// The list of hooks of that name.
    pub fn hooks(&self, name: &str) -> &[Hook] {
        self.hooks.as_ref().map_or(&[], |h| crate::container::hooks_named(h, name))
    }

    /// The state as JSON, as commands and hooks get it.
    pub fn state(&self, status: Status, pid: i32) -> serde_json::Value {
        let record = self;
        serde_json::json!({
            "ociVersion": record.oci_version,
            "id": record.id,
            "pid": pid,
            "status": status,
            "bundle": record.bundle,
            "rootfs": record.rootfs,
            "created": record.created,
            "annotations": record.annotations,
            "owner": "",
        })
    }
}

/// Now, RFC 3339 in UTC with nanoseconds.
pub fn now() -> String {
    let (seconds, nanos) = crate::sys::event::wall();
    let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (y, m, d) = civil(days);
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}.{nanos:09}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// Days since 1970-01-01 to year, month, day of the proleptic Gregorian calendar (eras of 400 years, years from March).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, want) in
            [(0, (1970, 1, 1)), (59, (1970, 3, 1)), (11_016, (2000, 2, 29)), (20_778, (2026, 11, 21)), (-1, (1969, 12, 31))]
        {
            assert_eq!(civil(days), want);
        }
    }
}
