//! Who a process is: ids, groups, capabilities, limits.
//!
//! Two halves. [`Identity::plan`] runs in the parent: it checks an OCI `process` and turns it into numbers; whatever can be wrong
//! with it is said there, with the field's name. The other methods of [`Identity`] run in the child, one step each, in the order
//! of the table in [`apply`]; they do not allocate and speak numbers ([`Failure`]), for which [`Step::words`] has the words.
//!
//! [`users`] turns names into ids by the `etc/passwd` and `etc/group` of a root file system, which are hostile input.
#![forbid(unsafe_code)]

pub mod apply;
pub mod caps;
pub mod limits;
mod plan;
pub mod users;

pub use apply::{Failure, Step};
pub use caps::CapSets;
pub use limits::Rlimit;

/// The largest user or group id. 2^32-1 is no id: the kernel's calls read it as "leave as it is".
pub const MAX_ID: u32 = u32::MAX - 1;

/// The most supplementary groups the kernel takes (`NGROUPS_MAX`).
pub const MAX_GROUPS: usize = 65536;

/// The umask where none is asked for, as the field's runtimes have it; the caller's own is never inherited.
pub const DEFAULT_UMASK: u32 = 0o022;

/// Who the process is to be, as numbers. Made by [`Identity::plan`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups: exactly these, none inherited.
    pub groups: Vec<u32>,
    /// 0..=0o777; None is [`DEFAULT_UMASK`].
    pub umask: Option<u32>,
    pub caps: CapSets,
    pub no_new_privs: bool,
    pub rlimits: Vec<Rlimit>,
    /// -1000..=1000; None leaves the inherited value.
    pub oom_score_adj: Option<i32>,
}

/// A field that cannot be had: `process.user.uid: no user id (got 4294967295, want 0..=4294967294)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Error {
    /// The JSON path, as `process.rlimits[1].soft`.
    pub field: String,
    pub problem: String,
}

impl Error {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Error {
        Error { field: field.into(), problem: problem.into() }
    }
}
