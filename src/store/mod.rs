//! Folders as a database: `DESIGN.md`, "On disk".
//!
//! ```text
//! <state>/sandboxes/<id>/{intent.json, pod.json, status.json, lock, control.sock, containers/}
//! <state>/names/<namespace>/<name>  -> ../../sandboxes/<id>
//! <data>/applied/<namespace>/<name>.json    what runs again after a reboot
//! <data>/pods/<id>/<container>.<attempt>/{upper,work}
//! <data>/images/<name>.json
//! <log>/pods/<namespace>_<name>_<uid>/<container>/<attempt>.log
//! ```
//!
//! A file is replaced by rename, a folder appears by rename and disappears by rename, so a reader takes no lock and never sees
//! half of anything. A sandbox exists where its name points to it; one that no name points to and nobody has locked is a
//! leftover of a killed command, and [`Store::sweep`] removes it.
#![forbid(unsafe_code)]

pub mod applied;
pub mod atomic;
#[cfg(feature = "pod")]
mod extras;
#[cfg(feature = "pod")]
pub mod images;
pub mod intent;
pub mod lock;
mod names;
pub mod process;
pub mod removal;
mod sandbox;

#[cfg(feature = "pod")]
pub use extras::Extras;
pub use intent::Intent;
pub use process::Process;
pub use sandbox::{Draft, Sandbox};

use crate::sys;
use crate::sys::errno::{Call, Errno};
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Sys(#[from] sys::Error),
    #[error("{what} {value:?}: {problem}")]
    Name { what: &'static str, value: String, problem: &'static str },
    #[error("state folder {}: {problem}", path.display())]
    Root { path: PathBuf, problem: String },
    #[error("{namespace}/{name}: the name is taken by sandbox {holder}")]
    Taken { namespace: String, name: String, holder: String },
    #[error("sandbox {0} exists already")]
    Exists(String),
    #[error("{}: {problem}", path.display())]
    Content { path: PathBuf, problem: String },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where everything lies; every root is movable, so that tests run beside each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    /// Lives as long as the boot: `/run/podrt`.
    pub state: PathBuf,
    /// Upper folders, volumes, caches: `/var/lib/podrt`.
    pub data: PathBuf,
    /// `/var/log/podrt`.
    pub log: PathBuf,
    /// Below the cgroup v2 mount, no leading slash: `podrt`.
    pub cgroup_parent: String,
}

impl Default for Roots {
    fn default() -> Roots {
        Roots {
            state: "/run/podrt".into(),
            data: "/var/lib/podrt".into(),
            log: "/var/log/podrt".into(),
            cgroup_parent: "podrt".into(),
        }
    }
}

impl Roots {
    /// The log folder of a pod. A folder's name ends at 255 bytes: the pod's name is cut to what is left, the uid keeps it unique.
    pub fn logs(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        let room = 255usize.saturating_sub(namespace.len() + uid.len() + 2);
        let cut = name.get(..room.min(name.len())).unwrap_or(name);
        self.log.join("pods").join(format!("{namespace}_{cut}_{uid}"))
    }

    /// The data folder of a sandbox.
    pub fn data_of(&self, id: &str) -> PathBuf {
        self.data.join("pods").join(id)
    }
}

/// The state root, checked.
#[derive(Debug, Clone)]
pub struct Store {
    roots: Roots,
}

impl Store {
    /// Makes the state root (0700) where it is missing, and refuses one that others could have prepared.
    ///
    /// Errors: not absolute, not a folder, a symbolic link, not owned by root, writable by group or others.
    pub fn open(roots: &Roots) -> Result<Store> {
        let store = Store { roots: roots.clone() };
        for root in [&roots.state, &roots.data, &roots.log] {
            if !root.is_absolute() {
                return Err(Error::Root { path: root.clone(), problem: "must be an absolute path".into() });
            }
        }
        make_folder(&roots.state)?;
        check_root(&roots.state)?;
        for name in ["sandboxes", "names"] {
            make_folder(&roots.state.join(name))?;
        }
        Ok(store)
    }

    /// For readers: None where nothing has been made yet.
    pub fn open_existing(roots: &Roots) -> Result<Option<Store>> {
        match std::fs::symlink_metadata(&roots.state) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => check_root(&roots.state).map(|()| Some(Store { roots: roots.clone() })),
        }
    }

    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    fn sandboxes(&self) -> PathBuf {
        self.roots.state.join("sandboxes")
    }
}

/// `mkdir -p`, new folders 0700.
pub fn make_folder(path: &Path) -> Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(std::fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(path)
            .call(|| format!("mkdir({})", path.display()))?),
        other => Ok(other.call(|| format!("mkdir({})", path.display()))?),
    }
}

fn check_root(path: &Path) -> Result<()> {
    let meta = std::fs::symlink_metadata(path).call(|| format!("lstat({})", path.display()))?;
    let problem = if meta.file_type().is_symlink() {
        "is a symbolic link; give the folder itself".to_string()
    } else if !meta.is_dir() {
        "is not a folder".to_string()
    } else if meta.uid() != 0 {
        format!("is owned by uid {}, want root", meta.uid())
    } else if meta.mode() & 0o022 != 0 {
        format!("is writable by others (mode {:04o}), want 0700", meta.mode() & 0o7777)
    } else {
        return Ok(());
    };
    Err(Error::Root { path: path.to_path_buf(), problem })
}

/// A name that becomes one component of a path: `[A-Za-z0-9]` first, then also `.`, `_`, `-`; 1 to `max` bytes; no `..`.
pub fn check_name(what: &'static str, value: &str, max: usize) -> Result<()> {
    let problem = if value.is_empty() {
        "is empty"
    } else if value.len() > max {
        "is too long"
    } else if !value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        "may hold letters, digits, '.', '_' and '-' only"
    } else if !value.as_bytes()[0].is_ascii_alphanumeric() {
        "must begin with a letter or digit"
    } else if value.contains("..") {
        "may not hold '..'"
    } else {
        return Ok(());
    };
    Err(Error::Name { what, value: value.chars().take(80).collect(), problem })
}

/// Removes a tree; what is not there is fine. Symbolic links are removed, never followed; a mount in it is left, and is an error.
pub fn remove_tree(path: &Path) -> Result<()> {
    let said = || format!("remove {}", path.display());
    let c = crate::sys::mount::c_path(path)?;
    match crate::sys::fs::open(&c, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW) {
        Err(e) if e.errno == Errno::ENOENT => return Ok(()),
        // A file, or a link.
        Err(e) if matches!(e.errno, Errno::ENOTDIR | Errno::ELOOP) => return Ok(std::fs::remove_file(path).call(said)?),
        Err(e) => return Err(e.into()),
        Ok(folder) => removal::empty(folder.as_fd()).call(said)?,
    }
    match std::fs::remove_dir(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => Ok(other.call(said)?),
    }
}

/// Removes an empty folder; one that is gone, or that another still uses, is fine.
pub fn remove_empty(path: &Path) {
    let _ = std::fs::remove_dir(path);
}

#[cfg(test)]
mod tests;
