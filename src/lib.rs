//! podrt: pods on one Linux host, with no daemon.
//!
//! Imports go strictly down these floors; `tests/layers.rs` fails the build on an upward one, and on `unsafe` outside [`sys`].
//!
//! | floor | modules |
//! |---|---|
//! | 0 | [`sys`]: one syscall, one function, one error that prints its arguments |
//! | 1 | [`store`], [`cgroup`], [`rootfs`], [`identity`], [`seccomp`], [`console`], `net`: each its own trade |
//! | 2 | [`container`]: OCI only; knows no pod and no Kubernetes |
//! | 3 | `pod`: sandbox, machine, supervisor; knows no command line and no YAML |
//! | 4 | `manifest`: Kubernetes types to the pod's own spec; the status writer; `image`: names for bundles |
//! | 5 | [`cli`]: argv to one library call to an exit code |

pub mod sys;

pub mod cgroup;
pub mod console;
pub mod identity;
#[cfg(feature = "pod")]
pub mod net;
pub mod rootfs;
pub mod seccomp;
pub mod store;

pub mod container;

#[cfg(feature = "pod")]
pub mod image;
#[cfg(feature = "pod")]
pub mod manifest;
#[cfg(feature = "pod")]
pub mod pod;

pub mod cli;
