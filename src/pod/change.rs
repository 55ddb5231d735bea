//! A pod changed in place: its record alone (labels, annotations, tolerations), or by its supervisor what runs.

use super::client::Client;
use super::control::Verb;
use super::entry::MANIFEST;
use super::error::{Code, Error, Result};
use super::list::PodRecord;
use super::restore;
use super::spec::PodSpec;
use crate::store::lock::{CHANGER, Lock};
use crate::store::{Roots, Store, atomic};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long another command may take for its own change.
const PATIENCE: Duration = Duration::from_secs(5);

/// Puts `new` in the place of `old`, the v1 Pod that the caller has read and judged; with `live` its supervisor makes the pod run by
/// that spec, and nothing has changed where it cannot.
///
/// # Errors
/// Aborted: somebody else has changed it since, or does so for too long. NotFound: it is gone by now. FailedPrecondition: what runs
/// cannot follow. Unavailable: it has no supervisor.
pub fn change(roots: &Roots, record: &PodRecord, old: &Value, new: &Value, live: Option<&PodSpec>) -> Result<()> {
    let gone = || Error::new(Code::NotFound, format!("pods {:?} not found", record.spec.name));
    let store = Store::open_existing(roots)?.ok_or_else(gone)?;
    let sandbox = store.sandbox(&record.id)?;
    let dir = &sandbox.dir;
    if !dir.is_dir() {
        return Err(gone());
    }
    let lock = Lock::open(dir)?;
    let end = Instant::now() + PATIENCE;
    while !lock.take(CHANGER)? {
        if Instant::now() > end {
            return Err(Error::new(Code::Aborted, "another command has been changing this pod for seconds; try again"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let path = dir.join(MANIFEST);
    let now: Option<Value> = atomic::read_json(&path)?;
    if now.as_ref() != Some(old) {
        let problem = "the object has been modified; please apply your changes to the latest version and try again";
        return Err(Error::new(Code::Aborted, problem));
    }
    match live {
        None => atomic::write_json(&path, new, atomic::Durable::No)?,
        // The supervisor writes both, as one.
        Some(spec) => {
            let verb = Verb::Apply { spec: Box::new(spec.clone()), manifest: Some(new.clone()) };
            Client::connect(&sandbox)?.call(&verb, Some(PATIENCE))?;
        }
    }
    restore::renew(roots, &record.spec, live.unwrap_or(&record.spec), new)
}
