//! Floor 5: argv to one library call to an exit code.
#![forbid(unsafe_code)]

pub mod oci;
#[cfg(feature = "pod")]
pub mod pods;
