//! The container's file tree.
//!
//! [`plan`] is the parent's half: it reads config.json's mounts, opens every source on the host, and leaves a flat list of
//! operations. [`apply`] is the child's: it walks that list with fds and numbers, and trusts no path inside the rootfs.
#![forbid(unsafe_code)]

pub mod apply;
mod copy_up;
pub mod idmap;
pub mod options;
pub mod plan;
pub mod resolve;

pub use plan::{Added, Base, Plan, Root};

/// What cannot be planned: one line that names the field of config.json.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The value itself is wrong, whatever the host.
    #[error("{field}: {problem}")]
    Invalid { field: String, problem: String },
    /// A mount's source is not there, or cannot be opened.
    #[error("{field}: mount source {source_path}: {errno}")]
    Source { field: String, source_path: String, errno: crate::sys::Errno },
    #[error("{field}: {error}")]
    Sys { field: String, error: crate::sys::Error },
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Invalid { field: field.into(), problem: problem.into() }
    }

    pub(crate) fn sys(field: impl Into<String>) -> impl FnOnce(crate::sys::Error) -> Error {
        let field = field.into();
        move |error| Error::Sys { field, error }
    }
}
