use super::*;
use serde_json::{Value, json};

fn read(json: Value) -> Result<(u32, Option<Listener>, Vec<String>), Error> {
    let profile: LinuxSeccomp = serde_json::from_value(json).expect("a profile");
    Rules::read(&profile).map(|rules| (rules.flags, rules.listener.clone(), rules.warnings()))
}

fn with(rule: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}, rule]})
}

#[test]
fn bad_values_are_refused_with_their_field() {
    let trap = |extra: Value| {
        let mut rule = json!({"names": ["mount"], "action": "SCMP_ACT_TRAP"});
        rule.as_object_mut().into_iter().for_each(|r| r.extend(extra.as_object().cloned().unwrap_or_default()));
        with(rule)
    };
    let notify = |extra: Value| {
        let mut profile = with(json!({"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}));
        profile.as_object_mut().into_iter().for_each(|p| p.extend(extra.as_object().cloned().unwrap_or_default()));
        profile
    };
    let rows = [
        (
            trap(json!({"args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]})),
            "linux.seccomp.syscalls[1].args[0].index: out of range (got 6, want 0..=5)",
        ),
        (trap(json!({"errnoRet": 1})), "linux.seccomp.syscalls[1].errnoRet: SCMP_ACT_TRAP takes no error number"),
        (
            trap(json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 4096})),
            "linux.seccomp.syscalls[1].errnoRet: out of range (got 4096, want 0..=4095)",
        ),
        (
            trap(json!({"action": "SCMP_ACT_TRACE", "errnoRet": 65536})),
            "linux.seccomp.syscalls[1].errnoRet: out of range (got 65536, want 0..=65535)",
        ),
        (trap(json!({"names": []})), "linux.seccomp.syscalls[1].names: empty (want at least one name)"),
        (trap(json!({"names": ["mount", ""]})), "linux.seccomp.syscalls[1].names[1]: no name of a syscall (got \"\")"),
        (trap(json!({"names": ["a\u{0}b"]})), "linux.seccomp.syscalls[1].names[0]: no name of a syscall (got \"a\\0b\")"),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}),
            "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW takes no error number",
        ),
        (json!({"defaultAction": "SCMP_ACT_NOTIFY"}), "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default"),
        (notify(json!({})), "linux.seccomp.listenerPath: missing (SCMP_ACT_NOTIFY needs it)"),
        (
            notify(json!({"listenerPath": format!("/{}", "x".repeat(107))})),
            "linux.seccomp.listenerPath: too long for a socket (got 108 bytes, want at most 107)",
        ),
        (
            with(json!({"names": ["write"], "action": "SCMP_ACT_NOTIFY"})),
            "linux.seccomp.syscalls[1].action: SCMP_ACT_NOTIFY cannot be used for write: who asks would wait for itself",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}),
            "linux.seccomp.listenerMetadata: set without listenerPath",
        ),
    ];
    for (json, want) in rows {
        assert_eq!(read(json).expect_err(want).to_string(), want);
    }
}

#[test]
fn flags_become_the_kernels_and_those_that_make_no_sense_are_left_out() {
    let flags = |flags: Value, notifies: bool| {
        let mut profile = with(json!({"names": ["mount"], "action": if notifies { "SCMP_ACT_NOTIFY" } else { "SCMP_ACT_TRAP" }}));
        profile["flags"] = flags;
        profile["listenerPath"] = json!("/run/agent.sock");
        profile["listenerMetadata"] = json!("data");
        let (flags, listener, _) = read(profile).expect("rules");
        let want = Listener { path: "/run/agent.sock".into(), metadata: "data".into() };
        assert_eq!(listener, notifies.then_some(want));
        flags
    };
    let all = || {
        json!([
            "SECCOMP_FILTER_FLAG_TSYNC",
            "SECCOMP_FILTER_FLAG_LOG",
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
        ])
    };
    let rows = [
        (Value::Null, false, 4),
        (Value::Null, true, 4 | 8),
        (json!([]), false, 0),
        (json!([]), true, 8),
        (all(), false, 1 | 2 | 4),
        (all(), true, 2 | 4 | 8 | 32),
    ];
    for (list, notifies, want) in rows {
        assert_eq!(flags(list.clone(), notifies), want, "{list} {notifies}");
    }
    let unknown = json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_BOGUS"]});
    assert!(serde_json::from_value::<LinuxSeccomp>(unknown).is_err());
}

#[test]
fn unknown_syscalls_make_one_warning_that_says_what_comes_of_them() {
    let profile = |default: &str| {
        json!({"defaultAction": default, "syscalls": [
            {"names": ["read", "nosuch", "cacheflush"], "action": "SCMP_ACT_TRAP"}, {"names": ["bogus"], "action": "SCMP_ACT_TRAP"}]})
    };
    for (default, want) in [
        ("SCMP_ACT_ERRNO", "linux.seccomp.syscalls: unknown, so ignored: nosuch (syscalls[0]), bogus (syscalls[1])"),
        ("SCMP_ACT_ALLOW", "linux.seccomp.syscalls: unknown, so not restricted: nosuch (syscalls[0]), bogus (syscalls[1])"),
    ] {
        assert_eq!(read(profile(default)).expect("rules").2, [want]);
    }
    assert_eq!(read(with(json!({"names": ["s390_sthyi"], "action": "SCMP_ACT_TRAP"}))).expect("rules").2, Vec::<String>::new());
}
