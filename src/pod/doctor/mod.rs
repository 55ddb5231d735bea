//! The kernel's objects and the files held against the intent records: what is there and belongs to nobody, what is on record and
//! lives no more. Nothing is changed without `fix`.
//!
//! | file | looks at |
//! |---|---|
//! | `records` | sandboxes, their names, drafts of killed commands, what is kept for a restore |
//! | `kernel` | cgroups, supervisors without a sandbox, mounts |
//! | `disk` | writable layers, volumes and logs of pods that are gone |
//! | `host` | what podrt needs of the host |
//!
//! The order is that of a removal: records first, which take their cgroups and folders with them, then what no record names.

mod disk;
pub mod host;
mod kernel;
mod records;

use super::error::Result;
use crate::store::{Roots, Store};
use serde::Serialize;
use std::collections::BTreeSet;

/// One thing that is not as it should be.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// `sandbox`, `name`, `draft`, `applied`, `cgroup`, `process`, `mount`, `data`, `logs`.
    pub kind: &'static str,
    pub what: String,
    pub problem: String,
    /// What `fix` does about it; None: nothing is podrt's to do.
    pub remedy: Option<&'static str>,
    /// Only with `fix`.
    pub fixed: Option<bool>,
    /// Why it could not be fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The examination under way.
struct Round {
    fix: bool,
    findings: Vec<Finding>,
}

impl Round {
    /// Notes it, and with `fix` does `remedy`.
    fn found(
        &mut self,
        kind: &'static str,
        what: impl Into<String>,
        problem: impl Into<String>,
        remedy: (&'static str, impl FnOnce() -> Result<()>),
    ) {
        let done = self.fix.then(remedy.1);
        let (fixed, error) = match done {
            None => (None, None),
            Some(Ok(())) => (Some(true), None),
            Some(Err(e)) => (Some(false), Some(e.to_string())),
        };
        let (what, problem) = (what.into(), problem.into());
        self.findings.push(Finding { kind, what, problem, remedy: Some(remedy.0), fixed, error });
    }

    fn said(&mut self, kind: &'static str, what: impl Into<String>, problem: impl Into<String>) {
        self.findings.push(Finding { kind, what: what.into(), problem: problem.into(), remedy: None, fixed: None, error: None });
    }
}

/// Examines everything below `roots`. Errors: the state folder is not one that podrt may trust.
pub fn examine(roots: &Roots, fix: bool) -> Result<Vec<Finding>> {
    let mut round = Round { fix, findings: Vec::new() };
    let store = Store::open_existing(roots)?;
    if let Some(store) = &store {
        records::examine(&mut round, store)?;
    }
    records::applied(&mut round, roots)?;
    let known = known(store.as_ref())?;
    kernel::examine(&mut round, roots, &known);
    disk::examine(&mut round, roots, &known)?;
    Ok(round.findings)
}

/// Ids of the sandboxes that there are, whoever works on them.
fn known(store: Option<&Store>) -> Result<BTreeSet<String>> {
    Ok(match store {
        Some(store) => store.ids()?.into_iter().collect(),
        None => BTreeSet::new(),
    })
}

/// `<uid>.<attempt>` to the uid.
fn uid_of(id: &str) -> &str {
    id.rsplit_once('.').map_or(id, |(uid, _)| uid)
}
