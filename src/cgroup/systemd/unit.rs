//! The units that podrt asks for: a scope for a container, and the service below which all pods are.

use super::super::error::{Error, Result};
use super::super::limits::Limits;
use super::super::path::slice_path;
use super::bus::{Bus, Refusal, SOCKET};
use super::property;
use super::value::{Property, Value};
use rustbus::message_builder::MarshalledMessageBody;
use rustbus::wire::errors::MarshalError;
use std::path::Path;

/// A unit's name ends at 255 bytes (systemd.unit(5)).
const NAME_MAX: usize = 255;

/// A container's scope: linux.cgroupsPath as `SLICE:PREFIX:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub slice: String,
    pub unit: String,
}

impl Scope {
    /// Empty: the field's default, in system.slice. Errors name linux.cgroupsPath.
    pub fn parse(cgroups_path: &str, id: &str) -> Result<Scope> {
        let wrong = |problem: String| Err(Error::field("linux.cgroupsPath", problem));
        let shown = cgroups_path.escape_debug();
        let (slice, prefix, name) = match cgroups_path.split(':').collect::<Vec<_>>().as_slice() {
            [""] => ("", "podrt", id),
            [slice, prefix, name] if !cgroups_path.contains('/') => (*slice, *prefix, *name),
            _ => return wrong(format!("`{shown}`, want SLICE:PREFIX:NAME with --systemd-cgroup")),
        };
        if name.ends_with(".slice") {
            return wrong(format!("`{shown}` names a slice, which cannot hold a container: want a name without .slice"));
        }
        let slice = if slice.is_empty() { "system.slice" } else { slice };
        slice_path(slice)?;
        let unit = if prefix.is_empty() { format!("{name}.scope") } else { format!("{prefix}-{name}.scope") };
        // systemd.unit(5) on names; a `\` begins an escape of systemd's.
        let fine = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b);
        if name.is_empty() || unit.len() > NAME_MAX || !unit.bytes().all(fine) {
            return wrong(format!("`{shown}` does not make a unit's name: letters, digits, and :-_.\\@, at most {NAME_MAX}"));
        }
        Ok(Scope { slice: slice.into(), unit })
    }

    /// Where systemd puts it, from the hierarchy's mount point.
    pub fn path(&self) -> Result<String> {
        Ok(format!("{}/{}", slice_path(&self.slice)?, self.unit))
    }

    /// Starts it around `pid`, which must stay until another process is in there: a scope that empties ends.
    pub fn start(&self, pid: i32, limits: &Limits, more: Vec<Property>) -> Result<()> {
        self.start_at(Path::new(SOCKET), pid, limits, more)
    }

    pub(super) fn start_at(&self, socket: &Path, pid: i32, limits: &Limits, more: Vec<Property>) -> Result<()> {
        let text = |name: &str, value: &str| (name.to_string(), Value::Text(value.into()));
        let mut properties = vec![
            text("Description", &format!("container {}", self.unit)),
            text("Slice", &self.slice),
            ("PIDs".into(), Value::Pids(vec![pid as u32])),
            ("DefaultDependencies".into(), Value::Bool(false)),
            // Failed or not, nothing of it stays.
            text("CollectMode", "inactive-or-failed"),
        ];
        properties.extend(delegated());
        properties.extend(property::of(limits));
        // What the container's maker says wins.
        properties.retain(|(name, _)| !more.iter().any(|(over, _)| over == name));
        properties.extend(more);
        let mut bus = Bus::connect(socket)?;
        let start = |bus: &mut Bus| bus.job("StartTransientUnit", &self.unit, |body| start(body, &self.unit, &properties));
        let mut outcome = start(&mut bus)?;
        if outcome.as_ref().is_err_and(|r| r.is("UnitExists")) {
            // One that has failed is kept by some settings of the host's; it is in nobody's way.
            let _ = bus.call("ResetFailedUnit", |body| body.push_param(self.unit.as_str()))?;
            outcome = start(&mut bus)?;
        }
        outcome.map_err(|r| r.error(&format!("start {}", self.unit)))
    }
}

/// Accounting makes systemd hand down the controllers; Delegate=yes has it leave what lies below alone.
fn delegated() -> Vec<Property> {
    let mut all: Vec<Property> = ["Delegate", "MemoryAccounting", "CPUAccounting", "IOAccounting", "TasksAccounting"]
        .map(|name| (name.to_string(), Value::Bool(true)))
        .into();
    // Else the host's default, a share of all its tasks.
    all.push(("TasksMax".into(), Value::U64(u64::MAX)));
    all
}

fn start(body: &mut MarshalledMessageBody, unit: &str, properties: &[Property]) -> Result<(), MarshalError> {
    body.push_param2(unit, "fail")?;
    body.push_param(deduplicated(properties))?;
    // Units that come with it: none.
    body.push_param(Vec::<(String, Vec<(String, Value)>)>::new())
}

/// Of two of a name the later one; the order is kept.
fn deduplicated(properties: &[Property]) -> Vec<Property> {
    let last = |i: usize, name: &str| !properties[i + 1..].iter().any(|(n, _)| n == name);
    properties.iter().enumerate().filter(|(i, (name, _))| last(*i, name)).map(|(_, p)| p.clone()).collect()
}

/// New limits of a unit that runs, until it ends.
pub fn set_limits(unit: &str, limits: &Limits) -> Result<()> {
    set_limits_at(Path::new(SOCKET), unit, limits)
}

pub(super) fn set_limits_at(socket: &Path, unit: &str, limits: &Limits) -> Result<()> {
    let properties = deduplicated(&property::of(limits));
    if properties.is_empty() {
        return Ok(());
    }
    let done = Bus::connect(socket)?.call("SetUnitProperties", |body| {
        body.push_param2(unit, true)?;
        body.push_param(properties)
    })?;
    done.map(drop).map_err(|r| r.error(&format!("set properties of {unit}")))
}

/// Ends a unit, with all of its processes, and forgets it. One that is gone is fine.
pub fn stop(unit: &str) -> Result<()> {
    stop_at(Path::new(SOCKET), unit)
}

pub(super) fn stop_at(socket: &Path, unit: &str) -> Result<()> {
    let gone = |r: &Refusal| r.is("NoSuchUnit");
    let mut bus = Bus::connect(socket)?;
    match bus.job("StopUnit", unit, |body| body.push_param2(unit, "replace"))? {
        Err(r) if !gone(&r) => return Err(r.error(&format!("stop {unit}"))),
        _ => {}
    }
    match bus.call("ResetFailedUnit", |body| body.push_param(unit))? {
        Err(r) if !gone(&r) => Err(r.error(&format!("reset {unit}"))),
        _ => Ok(()),
    }
}

/// The delegated tree of pods: a scope in a slice of its own, from the first pod to the last one's end.
///
/// A slice itself cannot be delegated (systemd.resource-control(5)), and a service without a process has no cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub slice: String,
    pub unit: String,
}

impl Tree {
    /// `podrt.slice` is `podrt.slice/podrt-pods.scope`. None for what is no slice's name.
    pub fn of_slice(slice: &str) -> Option<Tree> {
        let stem = slice.strip_suffix(".slice").filter(|s| *s != "-" && !s.contains('/'))?;
        slice_path(slice).ok()?;
        let unit = format!("{stem}-pods.scope");
        (unit.len() <= NAME_MAX).then(|| Tree { slice: slice.into(), unit })
    }

    /// The tree that a path leads to: what [`Tree::path`] has written.
    pub fn of_path(path: &str) -> Option<Tree> {
        let path = path.trim_matches('/');
        let mut parts = path.rsplit('/');
        let (unit, slice) = (parts.next()?, parts.next()?);
        let tree = Tree::of_slice(slice).filter(|t| t.unit == unit)?;
        (tree.path() == path).then_some(tree)
    }

    /// From the hierarchy's mount point, no leading slash.
    pub fn path(&self) -> String {
        let slice = slice_path(&self.slice).unwrap_or_default();
        format!("{}/{}", slice.trim_matches('/'), self.unit)
    }

    /// Starts it around `pid`. False where it is there already, or somebody else is starting it.
    pub fn start(&self, pid: i32) -> Result<bool> {
        self.start_at(Path::new(SOCKET), pid)
    }

    pub(super) fn start_at(&self, socket: &Path, pid: i32) -> Result<bool> {
        let text = |name: &str, value: &str| (name.to_string(), Value::Text(value.into()));
        let mut properties = vec![
            text("Description", "Pods of podrt"),
            text("Slice", &self.slice),
            ("PIDs".into(), Value::Pids(vec![pid as u32])),
            // The usual grace period of pods: at shutdown the rest is killed.
            ("TimeoutStopUSec".into(), Value::U64(30_000_000)),
            text("CollectMode", "inactive-or-failed"),
        ];
        properties.extend(delegated());
        let mut bus = Bus::connect(socket)?;
        match bus.job("StartTransientUnit", &self.unit, |body| start(body, &self.unit, &properties))? {
            Ok(()) => Ok(true),
            Err(r) if r.is("UnitExists") => Ok(false),
            Err(r) => Err(r.error(&format!("start {}", self.unit))),
        }
    }
}
