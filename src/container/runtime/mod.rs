//! Containers of a command line with no supervisor: the runtime-spec's operations on a folder of records.
//!
//! ```text
//! <root>/<id>/state.json   the record: written before anything is made, replaced as the container comes to be
//!             config.json  the bundle's, as it was at create: exec and update go by it
//!             exec.fifo    there while the container waits to be started
//! ```
//!
//! | status | proof |
//! |---|---|
//! | creating | the record has no process yet |
//! | created | init lives, exec.fifo is there |
//! | running | init lives, exec.fifo is gone |
//! | paused | running, and the cgroup is frozen |
//! | stopped | init is gone: another start time or boot is another process |

mod control;
mod create;
mod end;
mod enter;
mod listener;
mod record;
mod scope;

pub use control::{pause, processes, resume, update};
pub use create::{CreateOptions, Created, Terminal, create, run, start};
pub use end::{delete, kill};
pub use enter::{Entered, Entry, ExecOptions};
pub use record::{Record, Status, now};

use crate::store;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Container(#[from] super::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Cgroup(#[from] crate::cgroup::Error),
    #[error(transparent)]
    Sys(#[from] crate::sys::Error),
    #[error("container id {0:?}: {1}")]
    Id(String, &'static str),
    #[error("container {0} exists already")]
    Exists(String),
    #[error("container {0} does not exist")]
    NotFound(String),
    #[error("container {id} is {status}: {problem}")]
    State { id: String, status: Status, problem: &'static str },
    #[error("state folder {}: {problem}", path.display())]
    Root { path: PathBuf, problem: String },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The folder of records.
#[derive(Debug, Clone)]
pub struct Runtime {
    root: PathBuf,
    /// Containers get scopes of systemd's, not cgroups of podrt's own making.
    systemd: bool,
}

impl Runtime {
    /// `root` is made on first use (0700). It must be a real folder of root's that nobody else may write to.
    pub fn new(root: &Path) -> Runtime {
        Runtime { root: root.to_path_buf(), systemd: false }
    }

    /// New containers' cgroups are asked of systemd (`--systemd-cgroup`).
    pub fn with_systemd(self, systemd: bool) -> Runtime {
        Runtime { systemd, ..self }
    }

    fn dir(&self, id: &str) -> Result<PathBuf> {
        check_id(id)?;
        Ok(self.root.join(id))
    }

    fn prepare(&self) -> Result<()> {
        let problem = |problem: String| Error::Root { path: self.root.clone(), problem };
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
        made.map_err(|e| problem(crate::sys::Errno::from(e).to_string()))?;
        let meta = std::fs::symlink_metadata(&self.root).map_err(|e| problem(e.to_string()))?;
        if !meta.is_dir() {
            return Err(problem("is not a real folder (a symlink?)".into()));
        }
        if meta.uid() != 0 || meta.mode() & 0o022 != 0 {
            return Err(problem(format!(
                "is writable by others than root (mode {:o}, owner {})",
                meta.mode() & 0o7777,
                meta.uid()
            )));
        }
        Ok(())
    }

    /// The ids that have a folder here, in order.
    pub fn ids(&self) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let entries = match std::fs::read_dir(&self.root) {
            Ok(e) => e,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(ids),
            Err(e) => return Err(Error::Root { path: self.root.clone(), problem: crate::sys::Errno::from(e).to_string() }),
        };
        for entry in entries.flatten() {
            if let Some(id) = entry.file_name().to_str().filter(|id| check_id(id).is_ok()) {
                ids.push(id.to_string());
            }
        }
        ids.sort();
        Ok(ids)
    }
}

/// As engines and runc have it: letters, digits, `_`, `+`, `-`, `.`; it becomes a folder's name and a cgroup's.
fn check_id(id: &str) -> Result<()> {
    let bad = |why| Err(Error::Id(id.chars().take(80).collect(), why));
    match id {
        "" => bad("is empty"),
        "." | ".." => bad("is a folder's own name"),
        _ if id.len() > 255 => bad("is longer than 255 bytes"),
        _ if id.starts_with('-') => bad("starts with '-'"),
        _ if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-.".contains(&b)) => {
            bad("holds other characters than letters, digits, '_', '+', '-' and '.'")
        }
        _ => Ok(()),
    }
}
