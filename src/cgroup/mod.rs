//! Control groups, version 2: found, made, limited, ended.
#![forbid(unsafe_code)]

mod controller;
mod error;
mod limits;
mod oci;

pub use controller::Controller;
pub use error::{Error, Result};
pub use limits::{IoLimit, Limits, RdmaLimit, check_unified};
pub use oci::shares_to_weight;
