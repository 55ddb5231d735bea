//! Floor 0: one syscall, one function, one error that prints its arguments.
//!
//! The only module with `unsafe`. Two families:
//! * [`raw`]: alloc-free, errno-free syscalls for the child between clone and exec, which may share its parent's memory and
//!   thread-local storage. They return [`Errno`] alone: the child speaks numbers.
//! * the rest: for the parent, returning [`Error`], which carries the call with its arguments.

pub mod bpf;
pub mod clone;
pub mod daemon;
pub mod dir;
pub mod entry;
pub mod errno;
pub mod event;
pub mod fault;
pub mod fs;
pub mod host;
pub mod keep;
pub mod link;
pub mod lock;
pub mod mount;
pub mod netlink;
pub mod policy;
pub mod process;
pub mod raw;
pub mod signal;
pub mod socket;
pub mod tcp;
pub mod tty;
pub mod userns;

pub use errno::{Errno, Error, Result};
