//! Floor 3: pods.
//!
//! What a command calls; everything below is blocking, takes no lock to read, and needs root:
//!
//! ```text
//! create(&PodSpec, &Roots, &CreateOptions)       -> Created          claim, supervisor, wait for a Stage; atomic
//! delete(&Roots, namespace, name, &DeleteOptions) -> ()              NotFound where there is none
//! list(&Roots, Option<namespace>)                -> Vec<PodRecord>   sorted by namespace, name
//! get(&Roots, namespace, name)                   -> Option<PodRecord>
//! connect(&Roots, namespace, name)               -> client::Client   status, containers (pids), wait, watch, delete
//! logs::file(&Roots, &PodSpec, container, attempt) -> PathBuf        CRI format
//! events(&Roots, &PodRecord)                     -> Vec<EventRecord> kept per pod
//! supervisor::main(argv, StatusWriter)           -> exit code        for argv[1] == supervisor::ENTRY, before any parsing
//! ```
//! `argv[1] == "__supervisor"` is the hidden entry by which podrt starts its own supervisor: the program's `main` looks for it
//! first and hands over `supervisor::main(&args, manifest's writer of a v1 PodStatus)`.
#![forbid(unsafe_code)]

pub mod client;
pub mod control;
pub mod error;
pub mod machine;
pub mod pause;
pub mod sandbox;
pub mod spec;
pub mod status;

pub use error::{Code, Error, Result};
