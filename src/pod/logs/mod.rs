//! Containers' output on disk, in the CRI log format:
//! `2026-01-02T03:04:05.123456789Z stdout F line`, with `P` for a piece of a line that is not its end.

pub(super) mod file;
pub(super) mod lines;
pub(super) mod ring;

use super::spec::PodSpec;
use crate::store::Roots;
use std::path::PathBuf;

/// A line longer than this, bytes, is written in pieces.
pub const LINE: usize = 16 << 10;

/// The folder with all logs of a pod; one folder per container in it.
pub fn folder(roots: &Roots, spec: &PodSpec) -> PathBuf {
    roots.logs(&spec.namespace, &spec.name, &spec.uid)
}

/// The log of one attempt of a container; `attempt` is its restart count.
pub fn file(roots: &Roots, spec: &PodSpec, container: &str, attempt: u32) -> PathBuf {
    folder(roots, spec).join(container).join(format!("{attempt}.log"))
}
