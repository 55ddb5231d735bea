//! Floor 3: pods.
#![forbid(unsafe_code)]

pub mod spec;
