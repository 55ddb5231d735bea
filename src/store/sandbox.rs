//! A sandbox's folder: drafted aside, published by rename, removed by rename.

use super::atomic::{self, Durable};
use super::lock::{CREATOR, Lock, SUPERVISOR};
use super::{Error, Intent, Process, Result, Store, check_name, names, remove_tree};
use crate::sys::errno::Call;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder's sticky bit: a mark that needs no room on a full file system.
const DOOMED: u32 = 0o1000;

/// A published sandbox.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pub id: String,
    pub dir: PathBuf,
}

/// One that only its creator sees yet: `sandboxes/.new.<pid>.<start>.<id>`.
#[derive(Debug)]
pub struct Draft {
    id: String,
    dir: PathBuf,
}

impl Store {
    /// A new sandbox, aside. Its files are written before anybody can see them.
    pub fn draft(&self, id: &str) -> Result<Draft> {
        check_name("sandbox", id, 100)?;
        let me = Process::current();
        let dir = self.sandboxes().join(format!(".new.{}.{}.{id}", me.pid, me.start));
        remove_tree(&dir)?;
        super::make_folder(&dir)?;
        Ok(Draft { id: id.to_string(), dir })
    }

    /// The draft becomes a sandbox, in one step. Errors: [`Error::Exists`].
    pub fn publish(&self, draft: &Draft) -> Result<Sandbox> {
        let dir = self.sandboxes().join(&draft.id);
        match std::fs::rename(&draft.dir, &dir) {
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => {
                Err(Error::Exists(draft.id.clone()))
            }
            other => {
                other.call(|| format!("rename({})", dir.display()))?;
                Ok(Sandbox { id: draft.id.clone(), dir })
            }
        }
    }

    pub fn sandbox(&self, id: &str) -> Result<Sandbox> {
        check_name("sandbox", id, 100)?;
        Ok(Sandbox { id: id.to_string(), dir: self.sandboxes().join(id) })
    }

    /// Forgets a sandbox: its name first, then its folder, which vanishes in one step. Everything else is gone before.
    pub fn forget(&self, sandbox: &Sandbox) -> Result<()> {
        if let Ok(Some(intent)) = sandbox.intent() {
            self.release(&intent.namespace, &intent.name, &sandbox.id)?;
        }
        let aside = self.sandboxes().join(format!(".gone.{}", sandbox.id));
        match std::fs::rename(&sandbox.dir, &aside) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            // Left by one who was killed here.
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => remove_tree(&sandbox.dir)?,
            other => other.call(|| format!("rename({})", aside.display()))?,
        }
        remove_tree(&aside)
    }

    /// The ids of all sandboxes, named or not, sorted; what is being made or removed is none.
    pub fn ids(&self) -> Result<Vec<String>> {
        let mut ids = names::entries(&self.sandboxes())?;
        ids.retain(|id| self.sandbox(id).is_ok());
        ids.sort();
        Ok(ids)
    }

    /// Folders of commands that were killed while they made or removed a sandbox.
    pub fn drafts(&self) -> Result<Vec<PathBuf>> {
        let entries = names::entries(&self.sandboxes())?;
        Ok(entries.iter().filter(|e| e.starts_with('.') && !in_the_making(e)).map(|e| self.sandboxes().join(e)).collect())
    }

    /// What killed commands left: drafts of dead processes, folders on their way out, and sandboxes that no name points to and
    /// nobody works on. Those are returned, since more than the folder may have to be undone; the others are removed.
    pub fn sweep(&self) -> Result<Vec<Sandbox>> {
        let mut orphans = Vec::new();
        for entry in names::entries(&self.sandboxes())? {
            let path = self.sandboxes().join(&entry);
            if entry.starts_with('.') {
                if !in_the_making(&entry) {
                    remove_tree(&path)?;
                }
            } else if let Ok(sandbox) = self.sandbox(&entry)
                && !sandbox.busy()?
                && self.unnamed(&sandbox)
            {
                orphans.push(sandbox);
            }
        }
        Ok(orphans)
    }

    fn unnamed(&self, sandbox: &Sandbox) -> bool {
        match sandbox.intent() {
            Ok(Some(intent)) => !matches!(self.resolve(&intent.namespace, &intent.name), Ok(Some(id)) if id == sandbox.id),
            // Unreadable: found by its name, if at all; `delete --force` takes it.
            Ok(None) | Err(_) => !matches!(self.names(None), Ok(all) if all.iter().any(|(_, _, id)| *id == sandbox.id)),
        }
    }
}

/// The folder of a draft whose maker lives.
fn in_the_making(entry: &str) -> bool {
    let Some(draft) = entry.strip_prefix(".new.") else { return false };
    let mut parts = draft.splitn(3, '.');
    let number = |p: Option<&str>| p.and_then(|p| p.parse::<u64>().ok());
    let (pid, start) = (number(parts.next()), number(parts.next()));
    matches!((pid, start), (Some(pid), Some(start)) if Process { pid: pid as i32, start }.lives())
}

impl Draft {
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn discard(self) {
        let _ = remove_tree(&self.dir);
    }
}

impl Sandbox {
    pub fn intent(&self) -> Result<Option<Intent>> {
        atomic::read_json(&self.dir.join("intent.json"))
    }

    pub fn write_intent(&self, intent: &Intent) -> Result<()> {
        atomic::write_json(&self.dir.join("intent.json"), intent, Durable::No)
    }

    /// Marks it: no supervisor goes on with it, and none is started for it again.
    pub fn doom(&self) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        match std::fs::set_permissions(&self.dir, std::fs::Permissions::from_mode(0o700 | DOOMED)) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            other => Ok(other.call(|| format!("chmod({})", self.dir.display()))?),
        }
    }

    pub fn is_doomed(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        std::fs::symlink_metadata(&self.dir).map_or(true, |m| m.mode() & DOOMED != 0)
    }

    /// Somebody creates it, runs it or cleans it up. Not for a process that holds one of its locks.
    pub fn busy(&self) -> Result<bool> {
        let Some(lock) = Lock::open_existing(&self.dir) else { return Ok(false) };
        Ok(lock.holder(SUPERVISOR)?.is_some() || lock.holder(CREATOR)?.is_some())
    }

    /// The pid of the live supervisor. Not for a process that holds one of its locks.
    pub fn supervisor(&self) -> Result<Option<i32>> {
        match Lock::open_existing(&self.dir) {
            Some(lock) => lock.holder(SUPERVISOR),
            None => Ok(None),
        }
    }
}
