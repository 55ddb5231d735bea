//! `regex` as far as oci-spec's runtime part calls it.
#![forbid(unsafe_code)]

pub use regex_lite::*;
