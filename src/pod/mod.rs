//! Floor 3: pods.
//!
//! What a command calls; everything below is blocking, takes no lock to read, and needs root:
//!
//! ```text
//! create(&PodSpec, &Roots, &CreateOptions)       -> Created          claim, supervisor, wait for a Stage; atomic
//! delete(&Roots, namespace, name, &DeleteOptions) -> ()              NotFound where there is none
//! list(&Roots, Option<namespace>)                -> Vec<PodRecord>   sorted by namespace, name
//! get(&Roots, namespace, name)                   -> Option<PodRecord>
//! restore(&Roots, &[(namespace, name)])         -> Vec<Restored>    what was applied and is to run, after a reboot
//! doctor::examine(&Roots, fix)                  -> Vec<Finding>     kernel objects and files against the records
//! connect(&Roots, namespace, name)               -> client::Client   status, containers (pids), wait, watch, delete
//! logs::file(&Roots, &PodSpec, container, attempt) -> PathBuf        CRI format
//! events(&Roots, &PodRecord)                     -> Vec<EventRecord> kept per pod
//! supervisor::main(argv, StatusWriter)           -> exit code        for argv[1] == supervisor::ENTRY, before any parsing
//! ```
//! `argv[1] == "__supervisor"` is the hidden entry by which podrt starts its own supervisor: the program's `main` looks for it
//! first and hands over `supervisor::main(&args, manifest's writer of a v1 PodStatus)`.
#![forbid(unsafe_code)]

mod change;
pub mod client;
pub mod config;
pub mod control;
mod create;
mod delete;
pub mod doctor;
mod entry;
pub mod error;
pub mod image;
mod list;
pub mod logs;
pub mod machine;
mod namespaces;
pub mod network;
pub mod pause;
pub mod probe;
mod restore;
pub mod sandbox;
pub mod spec;
pub mod status;
pub mod supervisor;
mod undo;
pub mod update;
mod upgrade;
pub mod volume;

pub use change::change;
pub use control::Stage;
pub use create::{CreateOptions, Created, create, create_telling};
pub use delete::{DeleteOptions, delete, sweep};
pub use entry::{Running, manifest, running};
pub use error::{Code, Error, Result};
pub use list::{PodRecord, config, connect, get, list, survey};
pub use namespaces::{Namespaces, cgroup, namespaces};
pub use restore::{Restored, restore};
pub use upgrade::{Upgrade, upgrade};

/// This instant, on both clocks of the machine.
pub fn now() -> machine::Now {
    let (second, nanos) = crate::sys::event::wall();
    let wall = status::Stamp(second.saturating_mul(1_000_000_000).saturating_add(i64::from(nanos)));
    machine::Now { mono: crate::sys::event::monotonic(), wall }
}
