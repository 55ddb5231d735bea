//! Floor 4: Kubernetes manifests.
//!
//! ```text
//! text -> yaml (positioned tree) -> walk (the field table: unknown, missing, type, not supported)
//!      -> Kubernetes' own types, defaults set -> validate -> lower -> pod::spec::PodSpec
//! ```
//! Every problem of every file is found before anything is said, and nothing starts while there is one.
#![forbid(unsafe_code)]

mod annotations;
mod base64;
mod data;
mod defaults;
mod document;
mod error;
mod expand;
mod explain;
mod fresh;
mod input;
mod life;
mod load;
mod lower;
mod names;
mod node;
mod quantity;
mod resources;
mod scalar;
mod schema;
mod status;
mod sysctls;
mod update;
mod validate;
mod walk;
mod yaml;

pub use annotations::{APPLIED_FROM, LAST_APPLIED};
pub use error::{Errors, Problem};
pub use explain::{Explained, explain};
pub use fresh::Fresh;
pub use input::{MAX_BYTES, Source};
pub use load::{Manifest, Manifests, Name, Options, load, load_names};
pub use lower::network::Network;
pub use status::{status_json, write_status};
pub use update::{Update, remember, update};
pub use walk::Validate;
