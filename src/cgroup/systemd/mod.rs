//! Cgroups that systemd makes: where it is pid 1 it owns the tree, and what it has not handed out it may undo.
//!
//! Asked over D-Bus, at systemd's own socket, which needs no message bus: one connection a request, no thread, a deadline each. The
//! messages are `rustbus`'s, for a third of the size of what the same crate's connections bring; the wire is a socket of std's.
//!
//! | part | does |
//! |---|---|
//! | `bus` | one connection: method calls, their answers, the ends of jobs |
//! | `value` | values of properties, and those that annotations give as text |
//! | `property` | limits as properties, so that systemd writes the same numbers that podrt does |
//! | `unit` | scopes: of a container, and of all pods |
//! | `holder` | the process that a scope is started around |
//!
//! Slices cannot be delegated (systemd.resource-control(5)): pods live in one delegated scope, `podrt.slice/podrt-pods.scope`, which
//! systemd is asked for when there is none, and each container of podrt-oci in one of its own, as the field's runtimes have it.
#![forbid(unsafe_code)]

mod bus;
mod holder;
mod property;
mod unit;
mod value;

pub use holder::Holder;
pub use property::{annotations, check};
pub use unit::{Scope, Tree, set_limits, stop};

/// Whether systemd owns this host's tree (sd_booted(3), and it is this namespace's pid 1): then cgroups outside a unit with
/// Delegate=yes are on sufferance.
pub fn booted() -> bool {
    std::fs::symlink_metadata("/run/systemd/system").is_ok_and(|m| m.is_dir())
        && std::fs::read_to_string("/proc/1/comm").is_ok_and(|comm| comm.trim_end() == "systemd")
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
