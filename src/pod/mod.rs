//! Floor 3: pods.
#![forbid(unsafe_code)]

pub mod machine;
pub mod spec;
pub mod status;
