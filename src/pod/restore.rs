//! What was applied and runs again after a reboot, when nothing of `/run` is left.

use super::create::{CreateOptions, create, find};
use super::error::Result;
use super::list;
use super::spec::{PodSpec, RestartPolicy};
use super::undo;
use crate::store::{self, Roots, Store, applied};
use serde::{Deserialize, Serialize};

/// What is kept of an applied pod, on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Applied {
    pub schema: u32,
    pub spec: PodSpec,
    /// The v1 Pod, for those who show it.
    pub manifest: Option<serde_json::Value>,
}

const SCHEMA: u32 = 1;

/// What became of one.
#[derive(Debug)]
pub struct Restored {
    pub namespace: String,
    pub name: String,
    /// True: it was made again, with these warnings; false: it is there.
    pub outcome: Result<(bool, Vec<String>)>,
}

/// A pod that would be started again when its containers end would be so after a reboot.
fn runs_again(spec: &PodSpec) -> bool {
    spec.restart_policy != RestartPolicy::Never
}

/// Keeps it for [`restore`], if it is one that runs again.
pub(super) fn keep(roots: &Roots, spec: &PodSpec, manifest: Option<&serde_json::Value>) -> Result<()> {
    if !runs_again(spec) {
        return Ok(());
    }
    let kept = Applied { schema: SCHEMA, spec: spec.clone(), manifest: manifest.cloned() };
    Ok(applied::write(roots, &spec.namespace, &spec.name, &kept)?)
}

/// What is kept of a pod follows a change in place: `old` is what it was, and its uid stays. What is not kept is not kept by this.
pub(super) fn renew(roots: &Roots, old: &PodSpec, new: &PodSpec, manifest: &serde_json::Value) -> Result<()> {
    let kept = applied::read::<Applied>(roots, &old.namespace, &old.name).ok().flatten();
    if kept.is_none_or(|kept| kept.spec.uid != old.uid) {
        return Ok(());
    }
    let spec = PodSpec { uid: old.uid.clone(), created: old.created.clone(), ..new.clone() };
    keep(roots, &spec, Some(manifest))
}

/// The pod has finished, or could not be made: another of its name that was applied since is left. Nothing is said where that fails:
/// a restore runs it once more.
pub(super) fn forget(roots: &Roots, spec: &PodSpec) {
    if let Ok(Some(kept)) = applied::read::<Applied>(roots, &spec.namespace, &spec.name)
        && kept.spec.uid == spec.uid
    {
        let _ = applied::remove(roots, &spec.namespace, &spec.name);
    }
}

/// It is deleted. True where it had been applied; what a boot before this one has left of it on disk goes as well.
pub(super) fn remove(roots: &Roots, namespace: &str, name: &str) -> Result<bool> {
    // Unreadable, its name is still known.
    let kept = applied::read::<Applied>(roots, namespace, name).ok().flatten();
    let there = applied::remove(roots, namespace, name)?;
    if let Some(kept) = kept {
        leftovers(roots, &kept.spec, true)?;
    }
    Ok(there)
}

/// Of a pod whose sandbox is gone: volumes and writable layers, and its logs.
fn leftovers(roots: &Roots, spec: &PodSpec, logs: bool) -> Result<()> {
    let id = format!("{}.0", spec.uid);
    store::check_name("metadata.uid", &spec.uid, 64)?;
    let lives = Store::open_existing(roots)?.is_some_and(|s| s.sandbox(&id).is_ok_and(|s| s.dir.exists()));
    if lives {
        return Ok(());
    }
    store::remove_tree(&roots.data_of(&id))?;
    if logs {
        store::remove_tree(&roots.logs(&spec.namespace, &spec.name, &spec.uid))?;
    }
    Ok(())
}

/// All that was applied, or the pods of these names, in the order of their names. Errors: the list cannot be read.
pub fn restore(roots: &Roots, only: &[(String, String)]) -> Result<Vec<Restored>> {
    let mut all = Vec::new();
    for file in applied::files(roots)? {
        let stem = |p: &std::path::Path| p.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let namespace = file.parent().and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let (namespace, name, outcome) = match applied::read_file::<Applied>(&file) {
            Err(e) => (namespace, stem(&file), Err(e.into())),
            Ok(kept) => {
                let spec = &kept.spec;
                let wanted = |(namespace, name): &(String, String)| *namespace == spec.namespace && *name == spec.name;
                if !only.is_empty() && !only.iter().any(wanted) {
                    continue;
                }
                (spec.namespace.clone(), spec.name.clone(), one(roots, &kept))
            }
        };
        if only.is_empty() || only.iter().any(|(ns, n)| *ns == namespace && *n == name) {
            all.push(Restored { namespace, name, outcome });
        }
    }
    Ok(all)
}

fn one(roots: &Roots, kept: &Applied) -> Result<(bool, Vec<String>)> {
    let spec = &kept.spec;
    let store = Store::open(roots)?;
    if let Some(sandbox) = find(&store, &spec.namespace, &spec.name)? {
        // A record that cannot be read is nobody's who lives.
        let lives = list::get(roots, &spec.namespace, &spec.name).ok().flatten().is_some_and(|r| r.alive);
        if lives {
            return Ok((false, Vec::new()));
        }
        undo::everything(&store, &sandbox, undo::By::Cleaner)?;
    }
    leftovers(roots, spec, false)?;
    let options = CreateOptions { manifest: kept.manifest.clone(), applied: true, ..CreateOptions::default() };
    create(spec, roots, &options).map(|created| (true, created.warnings))
}
