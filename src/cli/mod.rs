//! Floor 5: argv to one library call to an exit code.
#![forbid(unsafe_code)]

mod lazy;
pub mod oci;
#[cfg(feature = "pod")]
pub mod pods;
