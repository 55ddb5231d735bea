//! The parent's half: an OCI `process` to numbers, every field checked.

use super::caps::{self, CapSets, Held};
use super::{Error, Identity, MAX_GROUPS, MAX_ID, Rlimit, limits};
use oci_spec::runtime::{Capabilities, LinuxCapabilities, PosixRlimit, Process};

impl Identity {
    /// Checks `process` and turns it into numbers. The strings are warnings: capabilities that cannot be granted are dropped, as
    /// the runtime-spec asks (config.md, process.capabilities).
    ///
    /// # Errors
    /// The first field that is out of range, given twice or not supported yet, by its JSON path.
    pub fn plan(process: &Process) -> Result<(Identity, Vec<String>), Error> {
        Identity::plan_with(process, Held::by_this_process())
    }

    /// [`plan`](Identity::plan) for a process that can be given what `held` says.
    pub fn plan_with(process: &Process, held: Held) -> Result<(Identity, Vec<String>), Error> {
        let user = process.user();
        let groups = user.additional_gids().as_deref().unwrap_or_default();
        if groups.len() > MAX_GROUPS {
            let problem = format!("too many groups (got {}, want at most {MAX_GROUPS})", groups.len());
            return Err(Error::new("process.user.additionalGids", problem));
        }
        for (i, gid) in groups.iter().enumerate() {
            id(*gid, "group", || format!("process.user.additionalGids[{i}]"))?;
        }
        let umask = user.umask();
        if let Some(umask) = umask.filter(|m| *m > 0o777) {
            return Err(Error::new("process.user.umask", format!("no umask (got {umask}, want 0..=511, octal 777)")));
        }
        let oom_score_adj = process.oom_score_adj();
        if let Some(adj) = oom_score_adj.filter(|adj| !(-1000..=1000).contains(adj)) {
            return Err(Error::new("process.oomScoreAdj", format!("out of range (got {adj}, want -1000..=1000)")));
        }
        let (caps, warnings) = match process.capabilities() {
            Some(asked) => grantable(sets(asked), held),
            None => (CapSets::default(), Vec::new()),
        };
        let identity = Identity {
            uid: id(user.uid(), "user", || "process.user.uid".into())?,
            gid: id(user.gid(), "group", || "process.user.gid".into())?,
            groups: groups.to_vec(),
            umask,
            caps,
            no_new_privs: process.no_new_privileges().unwrap_or(false),
            rlimits: rlimits(process.rlimits().as_deref().unwrap_or_default())?,
            oom_score_adj,
        };
        Ok((identity, warnings))
    }
}

fn id(id: u32, kind: &str, field: impl FnOnce() -> String) -> Result<u32, Error> {
    if id > MAX_ID {
        return Err(Error::new(field(), format!("no {kind} id (got {id}, want 0..={MAX_ID})")));
    }
    Ok(id)
}

fn rlimits(asked: &[PosixRlimit]) -> Result<Vec<Rlimit>, Error> {
    let mut limits: Vec<Rlimit> = Vec::with_capacity(asked.len());
    for (i, limit) in asked.iter().enumerate() {
        let name = limit.typ().to_string();
        let Some(resource) = limits::number(&name) else {
            return Err(Error::new(format!("process.rlimits[{i}].type"), format!("unknown resource (got {name})")));
        };
        if let Some(first) = limits.iter().position(|l| l.resource == resource) {
            let problem = format!("{name} is given twice (first in process.rlimits[{first}])");
            return Err(Error::new(format!("process.rlimits[{i}].type"), problem));
        }
        let (soft, hard) = (limit.soft(), limit.hard());
        if soft > hard {
            let problem = format!("{name}: the soft limit is above the hard one (got {soft}, want at most {hard})");
            return Err(Error::new(format!("process.rlimits[{i}].soft"), problem));
        }
        limits.push(Rlimit { resource, soft, hard });
    }
    Ok(limits)
}

fn sets(asked: &LinuxCapabilities) -> CapSets {
    // The type holds only names that the tables know, so nothing is lost here; unknown ones are the loader's to warn about.
    let mask = |set: &Option<Capabilities>| caps::mask(set.iter().flatten().map(|cap| cap.to_string())).0;
    CapSets {
        effective: mask(asked.effective()),
        permitted: mask(asked.permitted()),
        inheritable: mask(asked.inheritable()),
        bounding: mask(asked.bounding()),
        ambient: mask(asked.ambient()),
    }
}

/// What of `asked` the kernel will grant, with a warning for each reason something was dropped: capset(2) and prctl(2) refuse a
/// whole call for one bit too many, and "runtimes SHOULD NOT fail" for what cannot be granted.
fn grantable(asked: CapSets, held: Held) -> (CapSets, Vec<String>) {
    let mut caps = asked;
    let mut warnings = Vec::new();
    let mut warn = |dropped: u64, reason: &str| {
        if dropped != 0 {
            warnings.push(format!("process.capabilities: dropped {}: {reason}", caps::names(dropped).join(", ")));
        }
    };
    let mut keep = |keep: u64, reason: &str, sets: &mut [&mut u64]| {
        let dropped = sets.iter().fold(0, |dropped, set| dropped | **set & !keep);
        sets.iter_mut().for_each(|set| **set &= keep);
        warn(dropped, reason);
    };
    let CapSets { effective, permitted, inheritable, bounding, ambient } = &mut caps;
    keep(held.kernel, "unknown to this kernel", &mut [effective, permitted, inheritable, bounding, ambient]);
    keep(held.permitted, "not held by podrt itself", &mut [effective, permitted, inheritable, bounding, ambient]);
    keep(*permitted, "effective but not permitted", &mut [effective]);
    keep(*bounding, "inheritable but not in the bounding set", &mut [inheritable]);
    keep(*permitted & *inheritable, "ambient but not both permitted and inheritable", &mut [ambient]);
    (caps, warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ALL: u64 = (1 << 41) - 1;
    const FULL: Held = Held { kernel: ALL, permitted: ALL };

    fn plan(extra: Value) -> Result<(Identity, Vec<String>), Error> {
        plan_with(extra, FULL)
    }

    fn plan_with(extra: Value, held: Held) -> Result<(Identity, Vec<String>), Error> {
        let mut process = json!({"cwd": "/", "user": {"uid": 0, "gid": 0}});
        if let (Value::Object(process), Value::Object(extra)) = (&mut process, extra) {
            process.extend(extra);
        }
        Identity::plan_with(&serde_json::from_value(process).expect("a process"), held)
    }

    #[test]
    fn every_field_becomes_a_number() {
        let (identity, warnings) = plan(json!({
            "user": {"uid": 1000, "gid": 4294967294u32, "additionalGids": [5, 7, 5], "umask": 0o27},
            "noNewPrivileges": true,
            "oomScoreAdj": -1000,
            "capabilities": {"bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}, {"type": "RLIMIT_CORE", "soft": 0, "hard": u64::MAX}],
        }))
        .expect("a plan");
        assert_eq!(warnings, Vec::<String>::new());
        let caps = CapSets { bounding: 1 | 1 << 5, permitted: 1 << 5, effective: 1 << 5, ..Default::default() };
        let want = Identity {
            uid: 1000,
            gid: 4294967294,
            groups: vec![5, 7, 5],
            umask: Some(0o27),
            caps,
            no_new_privs: true,
            rlimits: vec![Rlimit { resource: 7, soft: 10, hard: 20 }, Rlimit { resource: 4, soft: 0, hard: u64::MAX }],
            oom_score_adj: Some(-1000),
        };
        assert_eq!(identity, want);
    }

    #[test]
    fn a_process_that_asks_for_nothing_has_no_capability_and_no_group() {
        let (identity, warnings) = plan(json!({})).expect("a plan");
        assert_eq!((identity, warnings), (Identity::default(), vec![]));
    }

    #[test]
    fn bad_values_are_refused_with_their_field() {
        let nofile = json!({"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1});
        let rows = [
            (json!({"user": {"uid": u32::MAX, "gid": 0}}), "process.user.uid: no user id (got 4294967295, want 0..=4294967294)"),
            (json!({"user": {"uid": 0, "gid": u32::MAX}}), "process.user.gid: no group id (got 4294967295, want 0..=4294967294)"),
            (
                json!({"user": {"uid": 0, "gid": 0, "additionalGids": [1, u32::MAX]}}),
                "process.user.additionalGids[1]: no group id (got 4294967295, want 0..=4294967294)",
            ),
            (
                json!({"user": {"uid": 0, "gid": 0, "additionalGids": vec![1; 70000]}}),
                "process.user.additionalGids: too many groups (got 70000, want at most 65536)",
            ),
            (
                json!({"user": {"uid": 0, "gid": 0, "umask": 0o1000}}),
                "process.user.umask: no umask (got 512, want 0..=511, octal 777)",
            ),
            (json!({"oomScoreAdj": 5000}), "process.oomScoreAdj: out of range (got 5000, want -1000..=1000)"),
            (json!({"oomScoreAdj": -1001}), "process.oomScoreAdj: out of range (got -1001, want -1000..=1000)"),
            (
                json!({"rlimits": [{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]}),
                "process.rlimits[0].soft: RLIMIT_CORE: the soft limit is above the hard one (got 2, want at most 1)",
            ),
            (
                json!({"rlimits": [nofile, nofile]}),
                "process.rlimits[1].type: RLIMIT_NOFILE is given twice (first in process.rlimits[0])",
            ),
        ];
        for (extra, want) in rows {
            assert_eq!(plan(extra).expect_err(want).to_string(), want);
        }
    }

    #[test]
    fn every_resource_of_the_spec_has_a_number() {
        let all: Vec<Value> = limits::NAMES.iter().map(|name| json!({"type": name, "soft": 1, "hard": 1})).collect();
        let (identity, _) = plan(json!({"rlimits": all})).expect("a plan");
        assert_eq!(identity.rlimits.iter().map(|l| l.resource).collect::<Vec<_>>(), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_granted_is_dropped_with_one_warning_for_each_reason() {
        let everywhere = |names: &[&str]| {
            json!({"capabilities": {"bounding": names, "permitted": names, "effective": names,
                "inheritable": names, "ambient": names}})
        };
        let same = |mask| CapSets { effective: mask, permitted: mask, inheritable: mask, bounding: mask, ambient: mask };
        let without_24 = Held { kernel: ALL, permitted: ALL & !(1 << 24) };
        let old = Held { kernel: ALL >> 3, permitted: ALL >> 3 };
        let rows = [
            (everywhere(&["CAP_CHOWN"]), FULL, same(1), vec![]),
            (
                everywhere(&["CAP_CHOWN", "CAP_SYS_RESOURCE"]),
                without_24,
                same(1),
                vec!["process.capabilities: dropped CAP_SYS_RESOURCE: not held by podrt itself"],
            ),
            (
                everywhere(&["CAP_CHOWN", "CAP_BPF", "CAP_PERFMON"]),
                old,
                same(1),
                vec!["process.capabilities: dropped CAP_PERFMON, CAP_BPF: unknown to this kernel"],
            ),
            (
                json!({"capabilities": {"effective": ["CAP_CHOWN"], "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]}}),
                FULL,
                same(0),
                vec![
                    "process.capabilities: dropped CAP_CHOWN: effective but not permitted",
                    "process.capabilities: dropped CAP_KILL: inheritable but not in the bounding set",
                    "process.capabilities: dropped CAP_KILL: ambient but not both permitted and inheritable",
                ],
            ),
        ];
        for (extra, held, want, warnings) in rows {
            let (identity, got) = plan_with(extra, held).expect("a plan");
            assert_eq!((identity.caps, got), (want, warnings.into_iter().map(String::from).collect()));
        }
    }
}
