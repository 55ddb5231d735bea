//! Floor 2: one OCI container; knows no pod and no Kubernetes.
//!
//! A birth has two halves. [`plan::Plan`] is what the parent compiles: every host path opened, every number computed, every
//! string ready for the kernel. [`init`] is what the child executes between clone and exec: it allocates nothing and says only
//! (step, item, errno). [`birth::start`] joins them.
#![forbid(unsafe_code)]

pub mod birth;
pub mod bundle;

pub mod exe;
pub mod exec;
pub mod features;
pub mod hooks;
pub mod init;
pub mod json;
pub mod namespaces;
pub mod plan;
pub mod policy;
pub mod runtime;
mod space;
pub mod staged;
pub mod step;
pub mod sysctl;
pub mod validate;

pub use birth::{Born, start};
pub use bundle::Bundle;
pub use plan::{Birth, Extra, Gate, Join, Pause, Plan, Stdio};
pub use step::Step;

use crate::sys::Errno;
use std::path::Path;

/// The hooks of config.json (runtime-spec, config.md#posix-platform-hooks), in the order in which they run.
pub const HOOKS: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// One of [`HOOKS`]' lists.
pub fn hooks_named<'a>(hooks: &'a oci_spec::runtime::Hooks, name: &str) -> &'a [oci_spec::runtime::Hook] {
    #[allow(deprecated)]
    let list = match name {
        "prestart" => hooks.prestart(),
        "createRuntime" => hooks.create_runtime(),
        "createContainer" => hooks.create_container(),
        "startContainer" => hooks.start_container(),
        "poststart" => hooks.poststart(),
        _ => hooks.poststop(),
    };
    list.as_deref().unwrap_or_default()
}

/// Why a container could not be planned or born: one line, outermost first.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{file}: {problem}")]
    Bundle { file: String, problem: String },
    #[error("{0}")]
    Rootfs(#[from] crate::rootfs::Error),
    #[error("{0}")]
    Identity(#[from] crate::identity::Error),
    #[error("{0}")]
    Seccomp(#[from] crate::seccomp::Error),
    #[error("{field}: {problem}")]
    Invalid { field: String, problem: String },
    #[error("{0}")]
    Sys(#[from] crate::sys::Error),
    /// A hook that failed, could not run, or took too long.
    #[error("{field}: {problem}")]
    Hook { field: String, problem: String },
    #[error("cgroup {0}")]
    Cgroup(String),
    /// The child's report, in the parent's words.
    #[error("{words}: {errno}")]
    Birth { step: Step, words: String, errno: Errno },
    /// The child died without a word: killed, or out of memory.
    #[error("the container's first process {0} before it could run its command")]
    Died(String),
}

/// What kind of failure it is, for exit codes and a pod's status reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bundle or its config.json is wrong.
    Config,
    /// A host path that a mount names is not there.
    MountSource,
    /// The command is not in the container.
    CommandNotFound,
    /// The command is a folder, or not executable.
    CommandNotExecutable,
    /// Anything else that the host refused.
    System,
}

impl Error {
    pub(crate) fn bundle(file: &Path, problem: impl Into<String>) -> Error {
        Error::Bundle { file: file.display().to_string(), problem: problem.into() }
    }

    pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Invalid { field: field.into(), problem: problem.into() }
    }

    pub fn kind(&self) -> ErrorKind {
        use crate::rootfs::Error as R;
        match self {
            Error::Bundle { .. } | Error::Identity(_) | Error::Seccomp(_) | Error::Invalid { .. } => ErrorKind::Config,
            Error::Rootfs(R::Source { .. }) => ErrorKind::MountSource,
            Error::Rootfs(R::Invalid { .. }) => ErrorKind::Config,
            Error::Birth { step: Step::Exec, errno, .. } => match *errno {
                Errno::ENOENT | Errno::ENOTDIR => ErrorKind::CommandNotFound,
                Errno::EACCES | Errno::EISDIR | Errno::ENOEXEC | Errno::EPERM => ErrorKind::CommandNotExecutable,
                _ => ErrorKind::System,
            },
            _ => ErrorKind::System,
        }
    }
}
