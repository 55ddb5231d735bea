//! Seccomp programs: from an OCI profile, from the cache, or built in.
//!
//! What the kernel takes is a cBPF program. Three makers, the quickest that can say the same:
//!
//! 1. [`tree`]: podrt's own compiler, a range tree over syscall numbers; tens of microseconds, and the kernel's time to load the
//!    result goes by the length of a path through it. For profiles on the x86 interfaces whose rules have no order among them:
//!    nearly all, RuntimeDefault ([`default`]) included.
//! 2. [`cache`]: what the library made before, from a root-only folder.
//! 3. [`library`]: libseccomp, for whatever is left; milliseconds.
//!
//! As the field's runtimes have it, a profile whose default is an error number other than ENOSYS answers ENOSYS to syscalls
//! numbered above all that it names: a C library then falls back from what the profile's author could not know of.
#![forbid(unsafe_code)]

mod bpf;
mod cache;
pub mod default;
mod library;
mod profile;
mod table;
mod tree;
#[cfg(test)]
mod vm;

pub use default::{runtime_default, runtime_default_profile};

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompFilterFlag as Flag, LinuxSeccompOperator as Operator,
};
use std::path::{Path, PathBuf};

/// The most instructions that the kernel takes (`BPF_MAXINSNS`).
const MAX_INSTRUCTIONS: usize = 4096;

/// What seccomp(2) is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// `struct sock_filter[]`, 8 bytes each.
    pub filter: Vec<u8>,
    /// `SECCOMP_FILTER_FLAG_*`; `NEW_LISTENER` among them exactly if `listener` is there.
    pub flags: u32,
    /// Who is to be sent the listener's fd; only with rules that notify.
    pub listener: Option<Listener>,
    /// Syscalls that nobody knows, a cache that cannot be used: one line each.
    pub warnings: Vec<String>,
}

/// Where the notifications of `SCMP_ACT_NOTIFY` go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listener {
    /// A Unix socket of the host's.
    pub path: PathBuf,
    /// Opaque; passed to the other end.
    pub metadata: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `linux.seccomp.syscalls[3].args[0].index: out of range (got 6, want 0..=5)`
    #[error("{field}: {problem}")]
    Field { field: String, problem: String },
    #[error("linux.seccomp: {0}")]
    Library(String),
    #[error("linux.seccomp: the compiled program is too long (got {0} instructions, want at most {MAX_INSTRUCTIONS})")]
    TooLong(usize),
}

/// Compiles a profile, without the cache.
///
/// # Errors
/// A value that is invalid or unsupported, by its JSON path. Unknown syscall names are no error: profiles name what some kernel
/// has; they become a warning.
pub fn compile(profile: &LinuxSeccomp) -> Result<Program, Error> {
    load(profile, None)
}

/// Compiles a profile, or takes it from the folder `cache` if the library compiled it before. A folder that is not root's alone
/// is not used, and its Program says so.
///
/// # Errors
/// As [`compile`].
pub fn load(profile: &LinuxSeccomp, cache: Option<&Path>) -> Result<Program, Error> {
    let rules = profile::Rules::read(profile)?;
    let mut warnings = rules.warnings();
    let filter = match tree::compile(&rules) {
        Some(filter) => filter,
        None => {
            let (made, told) = cache::load(cache, profile, || library::compile(&rules))?;
            warnings.extend(told);
            warnings.extend(library::warning(&made.missing));
            made.filter
        }
    };
    if filter.len() / 8 > MAX_INSTRUCTIONS {
        return Err(Error::TooLong(filter.len() / 8));
    }
    Ok(Program { filter, flags: rules.flags, listener: rules.listener, warnings })
}

/// Every action, operator, architecture and flag that a container can have.
pub const ACTIONS: [Action; 9] = [
    Action::ScmpActKill,
    Action::ScmpActKillThread,
    Action::ScmpActKillProcess,
    Action::ScmpActTrap,
    Action::ScmpActErrno,
    Action::ScmpActTrace,
    Action::ScmpActAllow,
    Action::ScmpActLog,
    Action::ScmpActNotify,
];
pub const OPERATORS: [Operator; 7] = [
    Operator::ScmpCmpNe,
    Operator::ScmpCmpLt,
    Operator::ScmpCmpLe,
    Operator::ScmpCmpEq,
    Operator::ScmpCmpGe,
    Operator::ScmpCmpGt,
    Operator::ScmpCmpMaskedEq,
];
pub const ARCHES: [Arch; 3] = [Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32];
pub const FLAGS: [Flag; 4] = [
    Flag::SeccompFilterFlagTsync,
    Flag::SeccompFilterFlagLog,
    Flag::SeccompFilterFlagSpecAllow,
    Flag::SeccompFilterFlagWaitKillableRecv,
];

/// The version of libseccomp, which compiles what the range tree does not take.
pub fn library_version() -> String {
    library::version()
}
