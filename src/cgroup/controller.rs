//! The controllers of cgroup v2 that podrt hands out.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A resource controller, by the name that `cgroup.controllers` has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    Cpu,
    Cpuset,
    Io,
    Memory,
    Pids,
    Hugetlb,
    Rdma,
    Misc,
    Dmem,
}

impl Controller {
    pub const ALL: [Controller; 9] = [
        Controller::Cpu,
        Controller::Cpuset,
        Controller::Io,
        Controller::Memory,
        Controller::Pids,
        Controller::Hugetlb,
        Controller::Rdma,
        Controller::Misc,
        Controller::Dmem,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::Cpuset => "cpuset",
            Controller::Io => "io",
            Controller::Memory => "memory",
            Controller::Pids => "pids",
            Controller::Hugetlb => "hugetlb",
            Controller::Rdma => "rdma",
            Controller::Misc => "misc",
            Controller::Dmem => "dmem",
        }
    }

    /// `memory` of `memory`; None for a name that podrt does not know.
    pub fn parse(name: &str) -> Option<Controller> {
        Controller::ALL.into_iter().find(|c| c.as_str() == name)
    }

    /// The controller that owns an interface file: memory of `memory.max`. None for the core's own (`cgroup.procs`).
    pub fn of_file(file: &str) -> Option<Controller> {
        Controller::parse(file.split_once('.')?.0)
    }

    /// The words of `cgroup.controllers` or `cgroup.subtree_control`; unknown ones (a newer kernel's) are left out.
    pub fn set(text: &str) -> BTreeSet<Controller> {
        text.split_whitespace().filter_map(Controller::parse).collect()
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `cpu memory pids`, or `none`.
pub(super) fn words<'a>(set: impl IntoIterator<Item = &'a Controller>) -> String {
    let names: Vec<_> = set.into_iter().map(|c| c.as_str()).collect();
    if names.is_empty() { "none".into() } else { names.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_controller_before_its_first_dot() {
        for (file, want) in [
            ("memory.swap.max", Some(Controller::Memory)),
            ("hugetlb.2MB.rsvd.max", Some(Controller::Hugetlb)),
            ("cpuset.cpus", Some(Controller::Cpuset)),
            ("cgroup.procs", None),
            ("memory", None),
            ("net_cls.classid", None),
        ] {
            assert_eq!(Controller::of_file(file), want, "{file}");
        }
    }

    #[test]
    fn words_of_a_newer_kernel_are_left_out() {
        assert_eq!(words(&Controller::set("cpuset cpu io newone pids\n")), "cpu cpuset io pids");
        assert_eq!(words(&Controller::set("")), "none");
    }
}
