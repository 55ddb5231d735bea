//! Control groups, version 2: found, made, limited, ended.
//!
//! A birth costs here one mkdirat, one openat and one write a limit; the process is cloned into [`Cgroup::dir`]
//! (CLONE_INTO_CGROUP), since a write to cgroup.procs takes a thousand times as long. An end is one write to cgroup.kill, the
//! caller's wait for its pidfd, and one rmdir; the events files are watched, never polled first.
//!
//! | part | does |
//! |---|---|
//! | [`Hierarchy`] | finds the tree, also beside cgroup v1; makes the parent cgroup and has it hand down controllers |
//! | [`Limits`] | memory, cpu, pids, io ... as interface files; from config.json; the manifest's over those |
//! | [`Cgroup`] | one cgroup: sub-cgroups, limits, kill, freeze, events, usage, bounded removal |
//! | [`systemd`] | units that hold cgroups, where systemd owns the tree |
//! | [`devices`] | device rules as an eBPF program |
#![forbid(unsafe_code)]

mod controller;
pub mod devices;
mod error;
mod group;
mod hierarchy;
mod limits;
mod oci;
mod path;
mod removal;
mod stats;
pub mod systemd;
#[cfg(test)]
mod testing;

pub use controller::Controller;
pub use error::{Error, Result};
pub use group::Cgroup;
pub use hierarchy::{Hierarchy, default_parent};
pub use limits::{IoLimit, Limits, RdmaLimit, check_unified};
pub use oci::shares_to_weight;
pub use path::path_from_oci;
pub use stats::{CpuStats, IoStats, MemoryEvents, MemoryStats, Pressure, Pressures, Stall, Stats};
