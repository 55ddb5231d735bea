//! Names of pods: links whose making is the claim.

use super::{Error, Result, Store, check_name};
use crate::sys::errno::Call;
use std::io::ErrorKind;
use std::path::PathBuf;

impl Store {
    fn name_path(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        check_name("namespace", namespace, 63)?;
        check_name("name", name, 253)?;
        Ok(self.roots.state.join("names").join(namespace).join(name))
    }

    /// Claims the name for sandbox `id`, in one step: of many callers one wins, the others get [`Error::Taken`].
    pub fn claim(&self, namespace: &str, name: &str, id: &str) -> Result<()> {
        let path = self.name_path(namespace, name)?;
        let folder = path.parent().unwrap_or(&self.roots.state);
        // Another's delete may remove the folder between the two calls.
        for _ in 0..100 {
            super::make_folder(folder)?;
            match std::os::unix::fs::symlink(format!("../../sandboxes/{id}"), &path) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) if e.kind() == ErrorKind::AlreadyExists => match self.resolve(namespace, name)? {
                    Some(holder) => {
                        return Err(Error::Taken { namespace: namespace.into(), name: name.into(), holder });
                    }
                    None => continue,
                },
                other => return Ok(other.call(|| format!("symlink({})", path.display()))?),
            }
        }
        Err(Error::Content { path, problem: "the folder keeps vanishing".into() })
    }

    /// The id that the name points to.
    pub fn resolve(&self, namespace: &str, name: &str) -> Result<Option<String>> {
        let path = self.name_path(namespace, name)?;
        let target = match std::fs::read_link(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.call(|| format!("readlink({})", path.display()))?,
        };
        let id = target.to_str().and_then(|t| t.strip_prefix("../../sandboxes/")).unwrap_or("");
        match check_name("sandbox", id, 100) {
            Ok(()) => Ok(Some(id.to_string())),
            Err(_) => Err(Error::Content { path, problem: format!("points to {}, want a sandbox", target.display()) }),
        }
    }

    /// Gives the name up, where `id` has it.
    pub fn release(&self, namespace: &str, name: &str, id: &str) -> Result<()> {
        if self.resolve(namespace, name)?.as_deref() != Some(id) {
            return Ok(());
        }
        let path = self.name_path(namespace, name)?;
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Ok(Err(e).call(|| format!("unlink({})", path.display()))?),
            _ => {}
        }
        if let Some(folder) = path.parent() {
            super::remove_empty(folder);
        }
        Ok(())
    }

    /// All names: (namespace, name, id), sorted. `only` one namespace, or all.
    pub fn names(&self, only: Option<&str>) -> Result<Vec<(String, String, String)>> {
        let mut found = Vec::new();
        for namespace in entries(&self.roots.state.join("names"))? {
            if only.is_some_and(|o| o != namespace) || check_name("namespace", &namespace, 63).is_err() {
                continue;
            }
            for name in entries(&self.roots.state.join("names").join(&namespace))? {
                if let Ok(Some(id)) = self.resolve(&namespace, &name) {
                    found.push((namespace.clone(), name, id));
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// The names in a folder; a folder that is gone is empty.
pub(super) fn entries(path: &std::path::Path) -> Result<Vec<String>> {
    let read = match std::fs::read_dir(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.call(|| format!("opendir({})", path.display()))?,
    };
    Ok(read.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
}
