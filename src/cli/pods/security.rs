//! `podrt describe --security`: what the kernel says is in force for a container's first process, beside what was asked for.
//!
//! A process may give rights up after its start, never gain them: less than what was asked is fine and is said; more is not, and the
//! command fails. Source: proc(5), /proc/PID/status, /proc/PID/mountinfo, /proc/PID/ns; runtime-spec config-linux.

use super::context::Context;
use super::table::Table;
use super::{Failure, Result};
use crate::identity::caps;
use crate::pod::{self, PodRecord, Running};
use crate::store::process::namespace;
use oci_spec::runtime::{LinuxNamespaceType, Spec};
use std::collections::BTreeSet;

/// One line of the comparison.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    what: &'static str,
    asked: String,
    found: String,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    /// It has given something up.
    Less,
    /// Something that was not asked for.
    More,
}

impl Verdict {
    fn words(self) -> &'static str {
        match self {
            Verdict::Same => "as asked",
            Verdict::Less => "stricter than asked",
            Verdict::More => "DIFFERS",
        }
    }
}

/// The table of every running container of the pod. Whether all is as asked, or less.
pub fn describe(context: &Context, record: &PodRecord, out: &mut String) -> Result<bool> {
    let mut fine = true;
    *out += &format!("Pod:  {}/{}\n", record.spec.namespace, record.spec.name);
    for status in record.status.all_containers().filter(|c| c.is_running()) {
        let Some(running) = pod::running(&context.roots, record, &status.name)? else { continue };
        let Some(lines) = compare(&running) else { continue };
        fine &= lines.iter().all(|l| l.verdict != Verdict::More);
        *out += &format!("Container {} (pid {}):\n", status.name, running.pid);
        let mut table = Table::new(Some(&["SETTING", "ASKED", "IN FORCE", ""]));
        for line in lines {
            table.row(vec![line.what.into(), line.asked, line.found, line.verdict.words().into()]);
        }
        let mut text = Vec::new();
        table.print("  ", &mut text)?;
        *out += &String::from_utf8_lossy(&text);
    }
    Ok(fine)
}

pub fn failure() -> Failure {
    Failure::failed("something is in force that was not asked for: see the lines that say DIFFERS")
}

/// None: it ended while it was looked at.
fn compare(running: &Running) -> Option<Vec<Line>> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", running.pid)).ok();
    let (status, mounts) = (Status(read("status")?), read("mountinfo")?);
    let spec = &running.spec;
    let mut lines = identity(spec, &status);
    lines.extend(capabilities(spec, &status));
    lines.extend(confinement(spec, &status, read("attr/current").unwrap_or_default().trim_matches(['\0', '\n'])));
    lines.push(root(spec, &mounts));
    lines.push(masks(spec, &mounts));
    lines.push(namespaces(spec, running.pid));
    // The number may have gone to a stranger meanwhile; the pidfd has not.
    crate::sys::process::pidfd_signal(std::os::fd::AsFd::as_fd(&running.pidfd), 0).ok()?;
    Some(lines)
}

/// /proc/PID/status.
struct Status(String);

impl Status {
    fn get(&self, key: &str) -> &str {
        let line = self.0.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
        line.map_or("", str::trim)
    }

    fn mask(&self, key: &str) -> u64 {
        u64::from_str_radix(self.get(key), 16).unwrap_or(u64::MAX)
    }
}

fn line(what: &'static str, asked: String, found: String, verdict: Verdict) -> Line {
    Line { what, asked, found, verdict }
}

fn exact(what: &'static str, asked: String, found: String) -> Line {
    let verdict = if asked == found { Verdict::Same } else { Verdict::More };
    line(what, asked, found, verdict)
}

fn identity(spec: &Spec, status: &Status) -> Vec<Line> {
    let user = spec.process().as_ref().map(|p| p.user().clone()).unwrap_or_default();
    let number = |what, key: &str, asked: u32| {
        // Real, effective, saved and of the file system: all four.
        let found: BTreeSet<&str> = status.get(key).split_whitespace().collect();
        let shown = found.iter().copied().collect::<Vec<_>>().join(",");
        let verdict = match () {
            _ if shown == asked.to_string() => Verdict::Same,
            // From root to somebody else.
            _ if asked == 0 && !found.contains("0") => Verdict::Less,
            _ => Verdict::More,
        };
        line(what, asked.to_string(), shown, verdict)
    };
    let asked: BTreeSet<u32> = user.additional_gids().iter().flatten().copied().collect();
    let found: BTreeSet<u32> = status.get("Groups").split_whitespace().filter_map(|g| g.parse().ok()).collect();
    // Whether a set holds the group of the process itself means nothing.
    let own = BTreeSet::from([user.gid()]);
    let (a, f) = (&asked - &own, &found - &own);
    let verdict = if a == f {
        Verdict::Same
    } else if f.is_subset(&a) {
        Verdict::Less
    } else {
        Verdict::More
    };
    let shown = |set: &BTreeSet<u32>| match set.is_empty() {
        true => "none".into(),
        false => set.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
    };
    vec![number("uid", "Uid", user.uid()), number("gid", "Gid", user.gid()), line("groups", shown(&a), shown(&f), verdict)]
}

fn capabilities(spec: &Spec, status: &Status) -> Vec<Line> {
    let asked = spec.process().as_ref().and_then(|p| p.capabilities().clone()).unwrap_or_default();
    let sets = [
        ("caps bounding", "CapBnd", asked.bounding()),
        ("caps effective", "CapEff", asked.effective()),
        ("caps permitted", "CapPrm", asked.permitted()),
        ("caps inheritable", "CapInh", asked.inheritable()),
        ("caps ambient", "CapAmb", asked.ambient()),
    ];
    let user = spec.process().as_ref().map_or(0, |p| p.user().uid());
    sets.into_iter()
        .map(|(what, key, set)| {
            let names = set.iter().flatten().map(|c| format!("CAP_{c}"));
            let (mut mask, _) = caps::mask(names.map(|n| n.replace("CAP_CAP_", "CAP_")));
            // capabilities(7), "Effect of user ID changes": a user that is not root keeps only what is ambient.
            if user != 0 && matches!(key, "CapEff" | "CapPrm") {
                mask &= caps::mask(asked.ambient().iter().flatten().map(|c| format!("CAP_{c}").replace("CAP_CAP_", "CAP_"))).0;
            }
            let found = status.mask(key);
            let verdict = match found {
                _ if found == mask => Verdict::Same,
                _ if found & !mask == 0 => Verdict::Less,
                _ => Verdict::More,
            };
            line(what, shown(mask), shown(found), verdict)
        })
        .collect()
}

fn shown(mask: u64) -> String {
    match mask {
        0 => "none".into(),
        mask if mask & caps::all() == caps::all() => "all".into(),
        mask => format!("{} ({mask:#x})", mask.count_ones()),
    }
}

fn confinement(spec: &Spec, status: &Status, label: &str) -> Vec<Line> {
    let process = spec.process().as_ref();
    let asked_nnp = process.and_then(|p| p.no_new_privileges()).unwrap_or(false);
    let word = |on: bool| if on { "on".to_owned() } else { "off".to_owned() };
    let nnp = status.get("NoNewPrivs") == "1";
    let seccomp = spec.linux().as_ref().is_some_and(|l| l.seccomp().is_some());
    let filtered = status.get("Seccomp") == "2";
    // Stricter than asked is what a process may make of itself.
    let strict = |asked: bool, found: bool| match (asked, found) {
        (true, false) => Verdict::More,
        (false, true) => Verdict::Less,
        _ => Verdict::Same,
    };
    let filters = if filtered { format!("on ({} filters)", status.get("Seccomp_filters")) } else { word(false) };
    let mut lines = vec![
        line("no_new_privs", word(asked_nnp), word(nnp), strict(asked_nnp, nnp)),
        line("seccomp", word(seccomp), filters, strict(seccomp, filtered)),
    ];
    if let Some(profile) = process.and_then(|p| p.apparmor_profile().clone()).filter(|p| !p.is_empty()) {
        lines.push(exact("apparmor", profile, label.split(" (").next().unwrap_or_default().to_owned()));
    }
    if let Some(asked) = process.and_then(|p| p.selinux_label().clone()).filter(|l| !l.is_empty()) {
        lines.push(exact("selinux", asked, label.to_owned()));
    }
    lines
}

/// Fields 5, 6 of mountinfo, proc(5): where, and how; the last one that lies there counts.
fn mount<'a>(mounts: &'a str, at: &str) -> Option<(&'a str, &'a str)> {
    let fields = |l: &'a str| {
        let mut fields = l.split(' ').skip(4);
        let (place, options) = (fields.next()?, fields.next()?);
        let kind = l.split(" - ").nth(1)?.split(' ').next()?;
        (place == at).then_some((options, kind))
    };
    mounts.lines().rev().find_map(fields)
}

fn root(spec: &Spec, mounts: &str) -> Line {
    let asked = spec.root().as_ref().and_then(|r| r.readonly()).unwrap_or(false);
    let found = mount(mounts, "/").is_some_and(|(options, _)| options.split(',').any(|o| o == "ro"));
    let word = |ro: bool| if ro { "read-only".to_owned() } else { "writable".to_owned() };
    let verdict = match (asked, found) {
        (true, false) => Verdict::More,
        (false, true) => Verdict::Less,
        _ => Verdict::Same,
    };
    line("root", word(asked), word(found), verdict)
}

/// linux.maskedPaths and readonlyPaths. What is not there cannot be hidden, so only those that are mounted over are told from those
/// that are not by whether the path could be there at all.
fn masks(spec: &Spec, mounts: &str) -> Line {
    let linux = spec.linux().as_ref();
    let masked: Vec<&String> = linux.and_then(|l| l.masked_paths().as_ref()).into_iter().flatten().collect();
    let read_only: Vec<&String> = linux.and_then(|l| l.readonly_paths().as_ref()).into_iter().flatten().collect();
    let there = |path: &str| std::path::Path::new(path).exists();
    let hidden = masked.iter().filter(|p| mount(mounts, p).is_some()).count();
    let held = read_only.iter().filter(|p| mount(mounts, p).is_some_and(|(o, _)| o.split(',').any(|o| o == "ro"))).count();
    let open = masked.iter().chain(&read_only).filter(|p| mount(mounts, p).is_none() && there(p)).count();
    let asked = format!("{} masked, {} read-only", masked.len(), read_only.len());
    let found = format!("{hidden} masked, {held} read-only, {} not there", masked.len() + read_only.len() - hidden - held - open);
    line("paths", asked, found, if open == 0 { Verdict::Same } else { Verdict::More })
}

fn namespaces(spec: &Spec, pid: i32) -> Line {
    let kinds = [
        (LinuxNamespaceType::Mount, "mnt"),
        (LinuxNamespaceType::Pid, "pid"),
        (LinuxNamespaceType::Network, "net"),
        (LinuxNamespaceType::Ipc, "ipc"),
        (LinuxNamespaceType::Uts, "uts"),
        (LinuxNamespaceType::Cgroup, "cgroup"),
        (LinuxNamespaceType::User, "user"),
    ];
    let asked: BTreeSet<&str> = spec
        .linux()
        .iter()
        .flat_map(|l| l.namespaces().iter().flatten())
        .filter_map(|n| kinds.iter().find(|(kind, _)| *kind == n.typ()).map(|(_, name)| *name))
        .collect();
    let me = std::process::id() as i32;
    let own: BTreeSet<&str> =
        kinds.iter().map(|(_, name)| *name).filter(|kind| namespace(pid, kind) != namespace(me, kind)).collect();
    let verdict = match () {
        _ if own == asked => Verdict::Same,
        _ if own.is_superset(&asked) => Verdict::Less,
        _ => Verdict::More,
    };
    let words = |set: &BTreeSet<&str>| {
        if set.is_empty() { "the host's".to_owned() } else { set.iter().copied().collect::<Vec<_>>().join(",") }
    };
    line("own namespaces", words(&asked), words(&own), verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: serde_json::Value) -> Spec {
        serde_json::from_value(json).unwrap()
    }

    const STATUS: &str = "Name:\tx\nUid:\t1000\t1000\t1000\t1000\nGid:\t5\t5\t5\t5\nGroups:\t5 7 \nNoNewPrivs:\t1\nSeccomp:\t2\n\
        Seccomp_filters:\t1\nCapInh:\t0\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000400\nCapBnd:\t0000000000000401\nCapAmb:\t0000000000000400\n";

    #[test]
    fn more_than_asked_differs_and_less_does_not() {
        let status = Status(STATUS.into());
        let asked = |uid: u32, groups: &[u32], bounding: &[&str], ambient: &[&str]| {
            let spec = spec(
                serde_json::json!({"ociVersion": "1.0.2", "process": {"cwd": "/", "args": ["x"], "noNewPrivileges": false,
                "user": {"uid": uid, "gid": 5, "additionalGids": groups},
                "capabilities": {"bounding": bounding, "effective": ambient, "permitted": ambient, "ambient": ambient, "inheritable": []}}}),
            );
            let mut lines = identity(&spec, &status);
            lines.extend(capabilities(&spec, &status));
            lines.extend(confinement(&spec, &status, ""));
            let differs = lines.iter().filter(|l| l.verdict == Verdict::More).map(|l| l.what);
            differs.collect::<Vec<_>>().join(",")
        };
        let net = "CAP_NET_BIND_SERVICE";
        assert_eq!(asked(1000, &[7], &["CAP_CHOWN", net], &[net]), "");
        assert_eq!(asked(0, &[5, 7, 9], &["CAP_CHOWN", "CAP_KILL", net], &[net]), "");
        assert_eq!(asked(1001, &[], &["CAP_CHOWN"], &[]), "uid,groups,caps bounding,caps effective,caps permitted,caps ambient");
    }

    #[test]
    fn a_filter_that_is_missing_and_a_writable_root_differ() {
        let status = Status(STATUS.replace("Seccomp:\t2", "Seccomp:\t0").replace("NoNewPrivs:\t1", "NoNewPrivs:\t0"));
        let spec = spec(serde_json::json!({"ociVersion": "1.0.2", "root": {"path": "rootfs", "readonly": true},
            "process": {"cwd": "/", "args": ["x"], "noNewPrivileges": true, "user": {"uid": 0, "gid": 0}},
            "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}}));
        assert!(confinement(&spec, &status, "").iter().all(|l| l.verdict == Verdict::More));
        let mounts = |options: &str| format!("1 0 0:1 / / {options} - overlay none rw\n");
        assert_eq!(root(&spec, &mounts("rw,relatime")).verdict, Verdict::More);
        assert_eq!(root(&spec, &mounts("ro,relatime")).verdict, Verdict::Same);
    }
}
