//! Sandboxes, names, drafts.

use super::Round;
use crate::pod::error::Result;
use crate::pod::restore::Applied;
use crate::pod::status::Phase;
use crate::pod::{list, undo};
use crate::store::{Roots, Sandbox, Store, applied as kept, process};

pub(super) fn examine(round: &mut Round, store: &Store) -> Result<()> {
    for draft in store.drafts()? {
        round.found(
            "draft",
            draft.display().to_string(),
            "a command was killed while it made or removed a sandbox",
            ("removed", || Ok(crate::store::remove_tree(&draft)?)),
        );
    }
    for id in store.ids()? {
        let sandbox = store.sandbox(&id)?;
        if let Some(problem) = problem(store, &sandbox) {
            round.found("sandbox", id, problem, ("ended and removed", || undo::everything(store, &sandbox, undo::By::Cleaner)));
        }
    }
    // After the sandboxes, whose removal takes their names along.
    for (namespace, name, id) in store.names(None)? {
        if !store.sandbox(&id)?.dir.exists() {
            let what = format!("{namespace}/{name}");
            let release = || Ok(store.release(&namespace, &name, &id)?);
            round.found("name", what, format!("points to sandbox {id}, which is not there"), ("released", release));
        }
    }
    Ok(())
}

/// Why nobody can go on with it; None for one that lives, is being made, or has finished in order.
fn problem(store: &Store, sandbox: &Sandbox) -> Option<String> {
    let keeper = || sandbox.intent().ok().flatten().and_then(|i| i.keeper).is_some_and(|k| k.lives());
    let boot = process::boot_id();
    let intent = match sandbox.intent() {
        Ok(Some(intent)) if intent.boot_id != boot && !boot.is_empty() => return Some("is of an earlier boot".into()),
        // Somebody works on it, or a keeper is between two supervisors.
        _ if sandbox.busy().unwrap_or(false) || keeper() => return None,
        Err(e) => return Some(format!("its record cannot be read: {e}")),
        Ok(None) => return Some("it holds no record".into()),
        Ok(Some(intent)) => intent,
    };
    if sandbox.is_doomed() {
        return Some("its removal was not finished".into());
    }
    if !matches!(store.resolve(&intent.namespace, &intent.name), Ok(Some(id)) if id == sandbox.id) {
        return Some("no name points to it: its creation or removal was not finished".into());
    }
    match list::get(store.roots(), &intent.namespace, &intent.name) {
        Err(e) => Some(format!("its record cannot be read: {e}")),
        Ok(None) => Some("it holds no pod".into()),
        Ok(Some(record)) if record.status.phase == Phase::Unknown => Some("its supervisor is gone".into()),
        Ok(Some(_)) => None,
    }
}

/// What is kept for a restore, and cannot be restored.
pub(super) fn applied(round: &mut Round, roots: &Roots) -> Result<()> {
    for file in kept::files(roots)? {
        if let Err(e) = kept::read_file::<Applied>(&file) {
            round.said("applied", file.display().to_string(), format!("cannot be restored: {e}"));
        }
    }
    Ok(())
}
