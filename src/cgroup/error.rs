//! What can go wrong with control groups, each with its way out.

use super::controller::Controller;
use crate::sys::Errno;

/// One line, outermost first; paths are relative to the hierarchy's mount point and begin with `/`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(
        "no cgroup v2 tree is mounted here: mount one (mount -t cgroup2 none /sys/fs/cgroup), or boot with systemd.unified_cgroup_hierarchy=1"
    )]
    NoHierarchy,

    /// A value of the request: names the field as config.json or the manifest has it.
    #[error("{field}: {problem}")]
    Field { field: String, problem: String },

    /// A limit whose controller this hierarchy, or the parent cgroup, does not give.
    #[error("cgroup {path}: {file} cannot be set: controller {controller} {why}")]
    MissingController { path: String, file: String, controller: Controller, why: String },

    /// The interface file is not there although its controller is: an older kernel.
    #[error("cgroup {path}: {file}: this kernel has no such file; leave the limit out, or use a newer kernel")]
    NoSuchFile { path: String, file: String },

    /// Controllers can be handed out only by a cgroup without processes of its own (cgroups(7), "no internal processes").
    #[error(
        "cgroup {path}: controllers ({controllers}) cannot be handed out, since {count} processes sit in it: move them to a sub-cgroup, or choose another parent with --cgroup-parent"
    )]
    HoldsProcesses { path: String, controllers: String, count: usize },

    /// What did not die or leave before the deadline.
    #[error("cgroup {path}: still busy after {waited_ms} ms: {what}")]
    Busy { path: String, waited_ms: u64, what: String },

    /// systemd, which owns this host's tree, cannot or will not.
    #[error("systemd: {what}: {problem}")]
    Systemd { what: String, problem: String },

    #[error("cgroup {path}: {what}: {errno}")]
    Call { path: String, what: String, errno: Errno },
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(super) fn field(field: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Field { field: field.into(), problem: problem.into() }
    }

    /// The kernel's error number, where there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Call { errno, .. } => Some(*errno),
            Error::Busy { .. } => Some(Errno::EBUSY),
            _ => None,
        }
    }

    /// The cgroup is not there (any more).
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno(), Some(Errno::ENOENT | Errno::ENODEV))
    }

    /// The name is taken: another cgroup of that name is there.
    pub fn is_taken(&self) -> bool {
        self.errno() == Some(Errno::EEXIST)
    }
}
