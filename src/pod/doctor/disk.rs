//! Folders of pods that are gone.

use super::{Round, uid_of};
use crate::pod::error::Result;
use crate::pod::restore::Applied;
use crate::store::{Roots, applied, remove_tree};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) fn examine(round: &mut Round, roots: &Roots, known: &BTreeSet<String>) -> Result<()> {
    // What waits for a restore is nobody's leftover.
    let kept: Vec<Applied> = applied::files(roots)?.iter().filter_map(|f| applied::read_file(f).ok()).collect();
    let mut uids: BTreeSet<&str> = known.iter().map(|id| uid_of(id)).collect();
    uids.extend(kept.iter().map(|k| k.spec.uid.as_str()));
    let data = roots.data.join("pods");
    for name in folders(&data) {
        if !uids.contains(uid_of(&name)) && !known.contains(&name) {
            let path = data.join(&name);
            let remove = || Ok(remove_tree(&path)?);
            round.found(
                "data",
                path.display().to_string(),
                "writable layers or volumes of a pod that is gone",
                ("removed", remove),
            );
        }
    }
    let logs = roots.log.join("pods");
    for name in folders(&logs) {
        let uid = name.rsplit_once('_').map_or("", |(_, uid)| uid);
        if uid.len() == 36 && !uids.contains(uid) {
            let path = logs.join(&name);
            let remove = || Ok(remove_tree(&path)?);
            round.found("logs", path.display().to_string(), "logs of a pod that is gone", ("removed", remove));
        }
    }
    Ok(())
}

fn folders(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut all: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    all.sort();
    all
}
