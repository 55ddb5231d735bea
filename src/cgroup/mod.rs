//! Control groups, version 2: found, made, limited, ended.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// Resource limits in the kernel's units; the fields come with the module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {}
