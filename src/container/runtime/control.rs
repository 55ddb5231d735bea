//! What is done to a container that is there: paused, resumed, limited anew, counted.

use super::{Error, Result, Runtime, Status};
use crate::cgroup::{Limits, systemd};
use crate::container::json;
use crate::store::atomic::{self, Durable};
use oci_spec::runtime::{Linux, LinuxResources};
use serde_json::Value;
use std::time::Duration;

/// How long `pause` waits for all processes to stop.
const FREEZE: Duration = Duration::from_secs(10);

/// Stops every process of the container, until [`resume`].
pub fn pause(runtime: &Runtime, id: &str) -> Result<()> {
    let record = runtime.load(id)?;
    match runtime.status(&record)? {
        Status::Created | Status::Running => Ok(record.cgroup()?.freeze(FREEZE)?),
        status => Err(Error::State { id: id.into(), status, problem: "container not running" }),
    }
}

pub fn resume(runtime: &Runtime, id: &str) -> Result<()> {
    let record = runtime.load(id)?;
    // A container that was paused before it was started counts as created: what is frozen is thawed.
    let frozen = record.init_lives() && record.cgroup()?.is_frozen()?;
    match runtime.status(&record)? {
        _ if frozen => Ok(record.cgroup()?.thaw()?),
        status => Err(Error::State { id: id.into(), status, problem: "container not paused" }),
    }
}

/// Every process of the container, sub-cgroups included, in the order of their numbers.
pub fn processes(runtime: &Runtime, id: &str) -> Result<Vec<i32>> {
    let record = runtime.load(id)?;
    match runtime.status(&record)? {
        Status::Stopped | Status::Creating => Ok(Vec::new()),
        _ => Ok(record.cgroup()?.processes()?),
    }
}

/// Lays `change`, a linux.resources object, over the container's own, field by field, and applies the outcome. What the
/// container was created with otherwise stays.
pub fn update(runtime: &Runtime, id: &str, change: &Value) -> Result<Vec<String>> {
    let record = runtime.load(id)?;
    match runtime.status(&record)? {
        Status::Stopped | Status::Creating => {
            let status = runtime.status(&record)?;
            return Err(Error::State { id: id.into(), status, problem: "container not running" });
        }
        _ => {}
    }
    let mut spec = runtime.config(id)?;
    let linux = spec.linux().clone().unwrap_or_else(|| {
        let mut linux = Linux::default();
        linux.set_namespaces(None).set_masked_paths(None).set_readonly_paths(None);
        linux
    });
    let resources = merged(linux.resources().as_ref(), change)?;
    let limits = Limits::from_oci(&resources)?;
    let warnings = record.cgroup()?.apply(&limits, false)?;
    // Or it would write its old ones again when it next looks at the unit.
    if let Some(unit) = &record.unit {
        systemd::set_limits(unit, &limits)?;
    }
    let mut linux = linux;
    linux.set_resources(Some(resources));
    spec.set_linux(Some(linux));
    // After the kernel has taken it: the file says what is in force.
    atomic::write_json(&runtime.dir(id)?.join("config.json"), &spec, Durable::No)?;
    Ok(warnings)
}

fn merged(old: Option<&LinuxResources>, change: &Value) -> Result<LinuxResources> {
    let bad = |problem: String| Error::Container(crate::container::Error::invalid("resources", problem));
    // By way of the text: one reader and one writer of these types in the program are enough.
    let text = serde_json::to_vec(&old).map_err(|e| bad(e.to_string()))?;
    let mut value = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
    let mut change = change.clone();
    // Device rules are fixed at create, as in the field's other runtimes.
    if let Some(map) = change.as_object_mut() {
        map.remove("devices");
    }
    overlay(&mut value, &change);
    let text = serde_json::to_vec(&value).map_err(|e| bad(e.to_string()))?;
    json::typed(&text, "").map_err(|e| {
        let (path, problem) = e.split_once(": ").unwrap_or(("", &e));
        let field = if path.is_empty() { "resources".to_string() } else { format!("resources.{path}") };
        Error::Container(crate::container::Error::invalid(field, problem))
    })
}

/// Objects are merged; anything else, lists included, is replaced; null leaves.
fn overlay(old: &mut Value, new: &Value) {
    match (old, new) {
        (_, Value::Null) => {}
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                match old.get_mut(key) {
                    Some(there) => overlay(there, value),
                    None if value.is_null() => {}
                    None => drop(old.insert(key.clone(), value.clone())),
                }
            }
        }
        (old, new) => *old = new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_of_limits_leaves_what_it_does_not_name() {
        let old: LinuxResources =
            serde_json::from_value(json!({"cpu": {"quota": 1000, "period": 2000}, "pids": {"limit": 5}})).unwrap();
        let got = merged(Some(&old), &json!({"cpu": {"quota": 7, "shares": null}, "memory": {"limit": 9}})).unwrap();
        assert_eq!((got.cpu().as_ref().unwrap().quota(), got.cpu().as_ref().unwrap().period()), (Some(7), Some(2000)));
        assert_eq!(got.memory().as_ref().unwrap().limit(), Some(9));
        assert_eq!(got.pids().as_ref().unwrap().limit(), 5);
        let none = merged(None, &json!({"pids": {"limit": 3}})).unwrap();
        assert_eq!(none.pids().as_ref().unwrap().limit(), 3);
    }

    #[test]
    fn a_wrong_type_in_a_change_is_named() {
        let got = merged(None, &json!({"pids": {"limit": "many"}})).unwrap_err().to_string();
        assert!(got.starts_with("resources.pids.limit: "), "{got}");
    }
}
