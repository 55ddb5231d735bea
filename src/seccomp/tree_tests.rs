use super::*;
use crate::seccomp::bpf::{Insn, instructions};
use crate::seccomp::profile::{RET_ALLOW, RET_ERRNO};
use crate::seccomp::vm::{Call, run};
use crate::seccomp::{library, table};
use oci_spec::runtime::LinuxSeccomp;
use serde_json::{Value, json};

fn profile(json: Value) -> LinuxSeccomp {
    serde_json::from_value(json).expect("a profile")
}

/// What a decision can depend on: every number, and arguments around every value of the profile.
fn calls(rules: &Rules) -> Vec<Call> {
    let conditions: Vec<Condition> = rules.entries.iter().flat_map(|e| e.any.iter().flatten().copied()).collect();
    let mut values = vec![0, 1, u64::MAX, u32::MAX.into(), 1 << 32];
    for c in &conditions {
        for v in [c.value, c.two] {
            values.extend([v.wrapping_sub(1), v, v.wrapping_add(1), v ^ 1 << 32, v | 1 << 63, v & u64::from(u32::MAX), !v]);
        }
    }
    values.sort_unstable();
    values.dedup();
    let mut seed = 7u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    let mut samples: Vec<[u64; 6]> = values.iter().map(|v| [*v; 6]).collect();
    samples.extend((0..200).map(|_| [0; 6].map(|_: u64| values[random() % values.len()])));

    let edges = [X32_BIT - 1, X32_BIT, X32_BIT | 599, X32_BIT | 0x3fff_fffe, 0x8000_0000, u32::MAX - 1, u32::MAX];
    let numbers: Vec<u32> = (0..600).chain((0..600).map(|n| n | X32_BIT)).chain(edges).collect();
    let mut conditional: Vec<u32> = vec![102, 117];
    for row in rules.entries.iter().filter(|e| e.any.iter().any(|c| !c.is_empty())).flat_map(|e| &e.syscalls) {
        conditional.extend([Abi::X86_64, Abi::I386, Abi::X32].into_iter().filter_map(|abi| row.number(abi)));
    }
    let mut calls = Vec::new();
    for arch in [AUDIT_X86_64, AUDIT_I386, 0xc000_00b7] {
        for nr in &numbers {
            let few = if conditional.contains(nr) { samples.len() } else { 3 };
            calls.extend(samples.iter().take(few).map(|args| Call { arch, nr: *nr, args: *args }));
        }
    }
    calls
}

/// The tree and the library decide alike about everything in `calls`; the tree's program is given back.
///
/// The library is asked for one interface at a time: its version 2.5.4 shares code between interfaces that it should not share
/// (with i386 beside it, x86_64's `socket` is refused to what a rule on two arguments allows).
fn alike(name: &str, profile: &LinuxSeccomp) -> Vec<Insn> {
    let mut rules = Rules::read(profile).expect(name);
    // What this version of the library does not know cannot be compared.
    for entry in &mut rules.entries {
        entry.syscalls.retain(|row| libseccomp::ScmpSyscall::from_name(row.name).is_ok());
    }
    let tree = instructions(&compile(&rules).expect(name));
    let calls = calls(&rules);
    let all = rules.arches;
    let alone: [(Abi, &[Arch]); 3] = [(Abi::X86_64, &[]), (Abi::I386, &[Arch::ScmpArchX86]), (Abi::X32, &[Arch::ScmpArchX32])];
    for (abi, arch) in alone {
        rules.arches = if arch.iter().all(|arch| all.contains(arch)) { arch } else { &[] };
        let library = instructions(&library::compile(&rules).expect(name).filter);
        for call in calls.iter().filter(|call| interface(call) == abi) {
            let (ours, theirs) = (run(&tree, call).0, run(&library, call).0);
            assert_eq!(format!("{ours:#x}"), format!("{theirs:#x}"), "{name}: {call:x?}");
        }
    }
    tree
}

/// Whose call it is; a foreign one is compared with x86_64's.
fn interface(call: &Call) -> Abi {
    match call.arch {
        AUDIT_I386 => Abi::I386,
        AUDIT_X86_64 if call.nr >= X32_BIT => Abi::X32,
        _ => Abi::X86_64,
    }
}

const X86: [&str; 3] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];

#[test]
fn the_numbers_of_the_table_are_the_librarys() {
    use libseccomp::{ScmpArch, ScmpSyscall};
    assert!(table::all().is_sorted_by(|a, b| a.name < b.name));
    let mut compared = 0;
    for row in table::all() {
        for (abi, arch) in [(Abi::X86_64, ScmpArch::X8664), (Abi::I386, ScmpArch::X86), (Abi::X32, ScmpArch::X32)] {
            // Negative: known, but not there.
            let Ok(theirs) = ScmpSyscall::from_name_by_arch(row.name, arch).map(i32::from) else { continue };
            // What is behind a multiplexer too has a negative name, whether or not it has a number as well.
            if abi == Abi::I386 && multiplexed(row).is_some() && theirs < 0 {
                continue;
            }
            assert_eq!(row.number(abi), u32::try_from(theirs).ok(), "{} {abi:?}", row.name);
            compared += 1;
        }
    }
    assert!(compared > 1400, "{compared}");
}

#[test]
fn simple_profiles_are_decided_as_the_library_does() {
    let allow = |names: &[&str]| json!({"names": names, "action": "SCMP_ACT_ALLOW"});
    let errno = |names: &[&str], errno: u32| json!({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno});
    let compared = |name: &str, op: &str, value: u64, two: u64| {
        let args = json!([{"index": 1, "value": value, "valueTwo": two, "op": op}]);
        json!({"names": [name], "action": "SCMP_ACT_ALLOW", "args": args})
    };
    let one = |default: &str, arches: Value, syscalls: Value| json!({"defaultAction": default, "architectures": arches, "syscalls": syscalls});
    let rows = [
        ("nothing", one("SCMP_ACT_ALLOW", json!([]), json!([]))),
        ("nothing at all", one("SCMP_ACT_KILL_PROCESS", json!(X86), json!([]))),
        ("a few allowed", one("SCMP_ACT_ERRNO", json!([]), json!([allow(&["read", "write", "exit_group", "fstat"])]))),
        ("x32 alone beside native", one("SCMP_ACT_ERRNO", json!(["SCMP_ARCH_X32"]), json!([allow(&["read", "readv", "ioctl"])]))),
        ("i386 alone beside native", one("SCMP_ACT_KILL", json!(["SCMP_ARCH_X86"]), json!([allow(&["read", "_llseek"])]))),
        ("denied ones", one("SCMP_ACT_ALLOW", json!(X86), json!([errno(&["mount", "bpf"], 1), errno(&["clone3"], 38)]))),
        (
            "every other action",
            one(
                "SCMP_ACT_LOG",
                json!(X86),
                json!([
                    {"names": ["mount"], "action": "SCMP_ACT_KILL_PROCESS"},
                    {"names": ["bpf"], "action": "SCMP_ACT_KILL_THREAD"},
                    {"names": ["reboot"], "action": "SCMP_ACT_TRAP"},
                    {"names": ["acct"], "action": "SCMP_ACT_TRACE", "errnoRet": 77},
                ]),
            ),
        ),
        ("no rule for the default", one("SCMP_ACT_ERRNO", json!(X86), json!([errno(&["mount"], 1), allow(&["read"])]))),
        (
            "without conditions wins, before",
            one("SCMP_ACT_ERRNO", json!(X86), json!([allow(&["read"]), compared("read", "SCMP_CMP_EQ", 5, 0)])),
        ),
        (
            "without conditions wins, after",
            one("SCMP_ACT_ERRNO", json!(X86), json!([compared("read", "SCMP_CMP_EQ", 5, 0), allow(&["read"])])),
        ),
        (
            "System V and sockets on i386",
            one("SCMP_ACT_ERRNO", json!(X86), json!([allow(&["socket", "accept", "semop", "shmget", "recv", "msgctl"])])),
        ),
        (
            "sockets with their multiplexer",
            one(
                "SCMP_ACT_ERRNO",
                json!(X86),
                json!([allow(&["socketcall", "ipc"]), compared("sendto", "SCMP_CMP_EQ", 5, 0), allow(&["shmat"])]),
            ),
        ),
        (
            "sockets with a condition",
            one(
                "SCMP_ACT_ERRNO",
                json!(X86),
                json!([compared("socket", "SCMP_CMP_EQ", 5, 0), compared("semget", "SCMP_CMP_NE", 5, 0)]),
            ),
        ),
        (
            "conditions that exclude one another",
            one(
                "SCMP_ACT_ERRNO",
                json!(X86),
                json!([
                    {"names": ["fcntl", "ioctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "args": [
                        {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 9, "op": "SCMP_CMP_EQ"}]},
                    {"names": ["fcntl", "ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 2, "value": 9, "op": "SCMP_CMP_NE"}]},
                    {"names": ["fcntl", "ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_NE"}]},
                    allow(&["socketcall"]),
                ]),
            ),
        ),
        (
            "an argument compared twice",
            one(
                "SCMP_ACT_ERRNO",
                json!(X86),
                json!([{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 1, "value": 5, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 7, "op": "SCMP_CMP_EQ"}]}]),
            ),
        ),
        (
            "notify",
            json!({
                "defaultAction": "SCMP_ACT_ALLOW", "architectures": X86, "listenerPath": "/run/agent.sock",
                "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}],
            }),
        ),
    ];
    for (name, json) in rows {
        alike(name, &profile(json));
    }
}

#[test]
fn every_operator_is_decided_as_the_library_does() {
    let ops = ["SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT"];
    let values = [0, 1, 5, 0x7fff_ffff, 0xffff_ffff, 1 << 32, (5 << 32) | 7, u64::MAX - 1, u64::MAX];
    for default in ["SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"] {
        let action = if default == "SCMP_ACT_ALLOW" { "SCMP_ACT_TRAP" } else { "SCMP_ACT_ALLOW" };
        let check = |name: String, arg: Value| {
            let rule = json!({"names": ["ioctl", "fcntl64"], "action": action, "args": [arg]});
            alike(&name, &profile(json!({"defaultAction": default, "architectures": X86, "syscalls": [rule]})));
        };
        for op in ops {
            for value in values {
                check(format!("{op} {value:#x}, default {default}"), json!({"index": 3, "value": value, "op": op}));
            }
        }
        for (mask, two) in [(0x7e02_0000u64, 0u64), (1 << 40, 1 << 40), (0xff, 0x0f), (u64::MAX, 5), (0xf0, 0x1f0), (0, 0)] {
            check(
                format!("{mask:#x} masked {two:#x}, default {default}"),
                json!({"index": 5, "value": mask, "valueTwo": two, "op": "SCMP_CMP_MASKED_EQ"}),
            );
        }
    }
}

#[test]
fn what_depends_on_an_order_is_left_to_the_library() {
    let rule = |action: &str, op: &str, value: u64| json!({"names": ["ioctl"], "action": action, "args": [{"index": 1, "value": value, "op": op}]});
    let rows = [
        json!([rule("SCMP_ACT_ALLOW", "SCMP_CMP_GT", 4), rule("SCMP_ACT_TRAP", "SCMP_CMP_LT", 9)]),
        json!([rule("SCMP_ACT_ALLOW", "SCMP_CMP_NE", 4), rule("SCMP_ACT_TRAP", "SCMP_CMP_NE", 9)]),
        json!([rule("SCMP_ACT_ALLOW", "SCMP_CMP_MASKED_EQ", 4), rule("SCMP_ACT_TRAP", "SCMP_CMP_GE", 9)]),
    ];
    for syscalls in rows {
        let profile = profile(json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": syscalls}));
        assert_eq!(compile(&Rules::read(&profile).expect("rules")), None, "{syscalls}");
    }
    let arm = profile(json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_ARM"]}));
    assert_eq!(compile(&Rules::read(&arm).expect("rules")), None);
}

#[test]
fn newer_syscalls_than_any_that_is_named_are_unknown_rather_than_forbidden() {
    let decide = |json: Value, nr: u32| {
        let profile = profile(json);
        let rules = Rules::read(&profile).expect("rules");
        let tree = run(&instructions(&compile(&rules).expect("a tree")), &Call { arch: AUDIT_X86_64, nr, args: [0; 6] }).0;
        let library = instructions(&library::compile(&rules).expect("a program").filter);
        assert_eq!(run(&library, &Call { arch: AUDIT_X86_64, nr, args: [0; 6] }).0, tree);
        tree
    };
    let named = |default: Value| {
        let mut profile = json!({"syscalls": [{"names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW"}]});
        profile.as_object_mut().into_iter().for_each(|p| p.extend(default.as_object().cloned().unwrap_or_default()));
        profile
    };
    let (eperm, enosys) = (RET_ERRNO | 1, RET_ERRNO | 38);
    let errno = named(json!({"defaultAction": "SCMP_ACT_ERRNO"}));
    assert_eq!([0, 436, 437, 438, 5000].map(|nr| decide(errno.clone(), nr)), [RET_ALLOW, eperm, RET_ALLOW, enosys, enosys]);
    let other = named(json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13}));
    assert_eq!([436, 438].map(|nr| decide(other.clone(), nr)), [RET_ERRNO | 13, enosys]);
    for default in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_TRACE"] {
        let profile = named(json!({"defaultAction": default}));
        assert_eq!(decide(profile.clone(), 438), decide(profile, 436), "{default}");
    }
}

/// The profile of this machine's engines, if there is one, as they hand it to a runtime.
#[test]
fn an_engines_own_default_profile_is_decided_as_the_library_does() {
    let Ok(text) = std::fs::read("/usr/share/containers/seccomp.json") else {
        eprintln!("skipped: no /usr/share/containers/seccomp.json");
        return;
    };
    let file: Value = serde_json::from_slice(&text).expect("JSON");
    for caps in [vec![], vec!["CAP_AUDIT_WRITE"], vec!["CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE"]] {
        let listed = |rule: &Value, clause: &str, list: &str, ours: &[&str]| {
            let wanted = rule[clause][list].as_array().cloned().unwrap_or_default();
            (!wanted.is_empty()).then(|| wanted.iter().any(|name| ours.contains(&name.as_str().unwrap_or_default())))
        };
        let applies = |rule: &&Value| {
            listed(rule, "includes", "caps", &caps) != Some(false)
                && listed(rule, "includes", "arches", &["amd64"]) != Some(false)
                && listed(rule, "excludes", "caps", &caps) != Some(true)
        };
        let clean = |rule: &Value| {
            let mut rule = rule.clone();
            if rule["args"].is_null() {
                rule["args"] = json!([]);
            }
            rule
        };
        let syscalls: Vec<Value> = file["syscalls"].as_array().expect("rules").iter().filter(applies).map(clean).collect();
        let profile = profile(json!({"defaultAction": file["defaultAction"], "defaultErrnoRet": file["defaultErrnoRet"],
            "architectures": X86, "syscalls": syscalls}));
        let tree = alike("the engine's", &profile);
        assert!(tree.len() < 600, "{} instructions", tree.len());
    }
}
