//! What podrt needs of the host, and what it can do without.

use crate::cgroup::{Controller, Hierarchy, systemd};
use crate::store::Roots;
use crate::sys::host::kernel_release;
use serde::Serialize;
use std::fs;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// Something cannot be done here; all else can.
    Warn,
    /// No pod can run.
    Fail,
}

#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub check: &'static str,
    pub level: Level,
    /// What was found, and where it is not right the way out.
    pub detail: String,
}

/// The oldest kernel that podrt is written for: `docs/kernel-features.md`.
const OLDEST: (u32, u32) = (5, 14);

/// Every check, in the order of what depends on what.
pub fn checks(roots: &Roots) -> Vec<Check> {
    vec![
        kernel(&kernel_release()),
        cgroup_tree(),
        controllers(),
        capabilities(&read("/proc/self/status")),
        namespaces(),
        filesystem("overlay", "containers' writable layers", Level::Fail),
        filesystem("mqueue", "message queues", Level::Fail),
        security(),
        files(),
        folders(roots),
    ]
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn check(check: &'static str, level: Level, detail: impl Into<String>) -> Check {
    Check { check, level, detail: detail.into() }
}

fn kernel(release: &str) -> Check {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => check("kernel", Level::Ok, release),
        _ => check("kernel", Level::Fail, format!("{release}: Linux {}.{} or newer is needed", OLDEST.0, OLDEST.1)),
    }
}

fn cgroup_tree() -> Check {
    match Hierarchy::discover() {
        Err(e) => check("cgroup", Level::Fail, e.to_string()),
        Ok(h) => {
            let owner = if systemd::booted() { "systemd's: pods live in podrt.slice" } else { "podrt's own" };
            check("cgroup", Level::Ok, format!("version 2 at {}, {owner}", h.mountpoint().display()))
        }
    }
}

fn controllers() -> Check {
    let Ok(hierarchy) = Hierarchy::discover() else { return check("controllers", Level::Fail, "no cgroup v2 tree") };
    let needed = [Controller::Cpu, Controller::Memory, Controller::Pids, Controller::Io, Controller::Cpuset];
    let missing: Vec<&str> = needed.iter().filter(|c| !hierarchy.controllers().contains(c)).map(|c| c.as_str()).collect();
    let have: Vec<&str> = hierarchy.controllers().iter().map(|c| c.as_str()).collect();
    match missing.as_slice() {
        [] => check("controllers", Level::Ok, have.join(" ")),
        missing => check(
            "controllers",
            Level::Warn,
            format!(
                "{} missing: their limits are errors (or --missing-controllers=warn); boot with cgroup_no_v1=all, or systemd.unified_cgroup_hierarchy=1",
                missing.join(" ")
            ),
        ),
    }
}

/// capabilities(7): what root without them cannot do for a pod.
fn capabilities(status: &str) -> Check {
    let set = status.lines().find_map(|l| l.strip_prefix("CapEff:")).and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let lacks = |wanted: &[(&'static str, u32)]| -> Vec<&'static str> {
        wanted.iter().filter(|(_, bit)| set.is_none_or(|set| set & 1 << bit == 0)).map(|(name, _)| *name).collect()
    };
    let must = lacks(&[
        ("CAP_CHOWN", 0),
        ("CAP_KILL", 5),
        ("CAP_SETGID", 6),
        ("CAP_SETUID", 7),
        ("CAP_NET_ADMIN", 12),
        ("CAP_SYS_ADMIN", 21),
    ]);
    if !must.is_empty() {
        return check("capabilities", Level::Fail, format!("{} missing: run as root with all of them", must.join(" ")));
    }
    let may = lacks(&[("CAP_SYS_PTRACE", 19), ("CAP_SYS_RESOURCE", 24)]);
    match may.as_slice() {
        [] => check("capabilities", Level::Ok, "all that podrt uses"),
        may => check(
            "capabilities",
            Level::Warn,
            format!(
                "{} missing: oom_score_adj and rlimits are clamped, an exit status may be lost with two processes of podrt's",
                may.join(" ")
            ),
        ),
    }
}

fn namespaces() -> Check {
    let missing: Vec<&str> = ["net", "ipc", "uts", "mnt", "pid", "cgroup"]
        .into_iter()
        .filter(|n| !fs::exists(format!("/proc/self/ns/{n}")).unwrap_or(false))
        .collect();
    if !missing.is_empty() {
        return check("namespaces", Level::Fail, format!("{} missing: use a kernel that has them", missing.join(" ")));
    }
    let users = read("/proc/sys/user/max_user_namespaces").trim().parse::<u64>().unwrap_or(0);
    match users {
        0 => check("namespaces", Level::Warn, "no user namespaces (hostUsers: false): raise user.max_user_namespaces"),
        _ => check("namespaces", Level::Ok, "net ipc uts mnt pid cgroup user"),
    }
}

fn filesystem(name: &'static str, used_for: &str, level: Level) -> Check {
    let there = read("/proc/filesystems").lines().any(|l| l.split_whitespace().last() == Some(name));
    // A module is loaded when it is first mounted.
    let release = kernel_release();
    let module = read(&format!("/lib/modules/{release}/modules.dep"))
        .lines()
        .any(|l| l.split(':').next().is_some_and(|p| p.contains(&format!("/{name}.ko"))));
    match there || module {
        true => check(name, Level::Ok, used_for),
        false => check(name, level, format!("the kernel has no {name}, which is needed for {used_for}")),
    }
}

fn security() -> Check {
    let actions = read("/proc/sys/kernel/seccomp/actions_avail");
    if actions.is_empty() {
        return check("seccomp", Level::Warn, "the kernel has none: a pod that asks for a profile is refused");
    }
    let apparmor = read("/sys/module/apparmor/parameters/enabled").starts_with('Y');
    let selinux = fs::exists("/sys/fs/selinux/enforce").unwrap_or(false);
    let modules = match (apparmor, selinux) {
        (true, _) => ", AppArmor",
        (_, true) => ", SELinux",
        _ => ", neither AppArmor nor SELinux",
    };
    check("seccomp", Level::Ok, format!("{}{modules}", actions.trim()))
}

/// A pod takes some fds of the system's, an inotify instance where its logs are followed, and pids.
fn files() -> Check {
    let number = |path: &str| read(path).split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
    let (files, pids) = (number("/proc/sys/fs/file-max"), number("/proc/sys/kernel/pid_max"));
    let inotify = number("/proc/sys/fs/inotify/max_user_instances");
    let few = [("fs.file-max", files, 65_536), ("kernel.pid_max", pids, 4_096), ("fs.inotify.max_user_instances", inotify, 16)];
    let few: Vec<String> = few
        .into_iter()
        .filter_map(|(name, have, want)| have.filter(|h| *h < want).map(|h| format!("{name} is {h}, raise it to {want} or more")))
        .collect();
    match few.is_empty() {
        true => check("limits", Level::Ok, format!("kernel.pid_max {}, fs.file-max {}", pids.unwrap_or(0), files.unwrap_or(0))),
        false => check("limits", Level::Warn, few.join("; ")),
    }
}

/// What fills up or cannot be written to is seen here before a pod meets it.
fn folders(roots: &Roots) -> Check {
    let mut worst = Level::Ok;
    let mut said = Vec::new();
    for (what, path) in [("state", &roots.state), ("data", &roots.data), ("logs", &roots.log)] {
        let there = path.ancestors().find(|p| p.exists()).unwrap_or(path);
        match nix::sys::statvfs::statvfs(there) {
            Err(e) => {
                worst = Level::Fail;
                said.push(format!("{what} {}: {}", path.display(), crate::sys::Errno(e as i32)));
            }
            Ok(v) if v.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY) => {
                worst = Level::Fail;
                said.push(format!("{what} {}: the file system is read-only", path.display()));
            }
            Ok(v) if v.blocks() > 0 && v.blocks_available() < v.blocks() / 50 => {
                worst = if worst == Level::Fail { worst } else { Level::Warn };
                said.push(format!("{what} {}: less than 2 % of the file system is free", path.display()));
            }
            Ok(_) => {}
        }
    }
    match said.is_empty() {
        true => {
            check("folders", Level::Ok, format!("{}, {}, {}", roots.state.display(), roots.data.display(), roots.log.display()))
        }
        false => check("folders", worst, said.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_old_by_its_numbers_not_by_its_text() {
        for (release, want) in [
            ("5.14.0-1-amd64", Level::Ok),
            ("5.4.0", Level::Fail),
            ("6.1.0-28-amd64", Level::Ok),
            ("10.0", Level::Ok),
            ("nonsense", Level::Fail),
        ] {
            assert_eq!(kernel(release).level, want, "{release}");
        }
    }

    #[test]
    fn a_capability_that_is_missing_is_named() {
        assert_eq!(capabilities("CapEff:\t000001ffffffffff\n").level, Level::Ok);
        let clamped = capabilities("CapEff:\t000001fffeffffff\n");
        assert!(clamped.level == Level::Warn && clamped.detail.contains("CAP_SYS_RESOURCE"), "{clamped:?}");
        let none = capabilities("CapEff:\t0000000000000000\n");
        assert!(none.level == Level::Fail && none.detail.contains("CAP_SYS_ADMIN"), "{none:?}");
    }
}
