use super::*;

/// Runs a compiled program as the kernel would: (type, access, major, minor) -> allowed.
fn run(code: &[Insn], kind: i32, access: i32, major: u32, minor: u32) -> bool {
    let context = [(access as u32) << 16 | kind as u32, major, minor];
    let mut r = [0u64; 11];
    let mut at = 0usize;
    for _ in 0..100_000 {
        let i = code[at];
        let (d, s) = (usize::from(i.regs & 15), usize::from(i.regs >> 4));
        at += 1;
        match i.code {
            0x61 => r[d] = context[i.off as usize / 4].into(),
            0xbc => r[d] = u64::from(r[s] as u32),
            0xbf => r[d] = r[s],
            0x4f => r[d] |= r[s],
            0x67 => r[d] <<= i.imm,
            0x54 => r[d] = u64::from(r[d] as u32 & i.imm as u32),
            0x74 => r[d] = u64::from(r[d] as u32 >> i.imm),
            0x7c => r[d] = u64::from(r[d] as u32 >> (r[s] & 31)),
            0xb4 => r[d] = u64::from(i.imm as u32),
            0x16 if r[d] as u32 == i.imm as u32 => at += i.off as usize,
            0x26 if r[d] as u32 > i.imm as u32 => at += i.off as usize,
            0x56 if r[d] as u32 != i.imm as u32 => at += i.off as usize,
            0x55 if r[d] != i64::from(i.imm) as u64 => at += i.off as usize,
            0x16 | 0x26 | 0x56 | 0x55 => {}
            0x95 => return r[0] == 1,
            other => panic!("unknown instruction {other:#x}"),
        }
    }
    panic!("no end");
}

fn rules(json: &str) -> Vec<LinuxDeviceCgroup> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_later_rule_wins_for_each_kind_of_access() {
    let deny_all = r#"{"allow":false,"access":"rwm"}"#;
    for (name, json, kind, access, major, minor, want) in [
        ("no rules deny", "", CHAR, READ, 1, 3, false),
        ("deny all", deny_all, CHAR, READ, 1, 3, false),
        ("deny all without access", r#"{"allow":false}"#, BLOCK, WRITE, 8, 0, false),
        ("allow all", r#"{"allow":true,"access":"rwm"}"#, BLOCK, ALL, 8, 0, true),
        ("allow all without access", r#"{"allow":true}"#, BLOCK, ALL, 8, 0, true),
        ("one device", r#"{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"}"#, CHAR, READ | WRITE, 1, 3, true),
        ("another minor", r#"{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"}"#, CHAR, READ, 1, 5, false),
        ("another type", r#"{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"}"#, BLOCK, READ, 1, 3, false),
        ("more than was given", r#"{"allow":true,"type":"c","major":1,"minor":3,"access":"rw"}"#, CHAR, ALL, 1, 3, false),
        ("any minor", r#"{"allow":true,"type":"c","major":136,"access":"rwm"}"#, CHAR, ALL, 136, 77, true),
        ("-1 is any", r#"{"allow":true,"type":"c","major":136,"minor":-1,"access":"rwm"}"#, CHAR, ALL, 136, 77, true),
        ("no access given to one kind", r#"{"allow":true,"type":"c","major":1,"minor":3}"#, CHAR, READ, 1, 3, false),
        (
            "access adds up over rules",
            r#"{"allow":true,"type":"c","access":"r"},{"allow":true,"type":"c","major":1,"minor":3,"access":"w"}"#,
            CHAR,
            READ | WRITE,
            1,
            3,
            true,
        ),
        (
            "a hole in a wildcard",
            r#"{"allow":true,"type":"b","access":"rwm"},{"allow":false,"type":"b","major":8,"access":"w"}"#,
            BLOCK,
            READ | WRITE,
            8,
            1,
            false,
        ),
        (
            "beside the hole",
            r#"{"allow":true,"type":"b","access":"rwm"},{"allow":false,"type":"b","major":8,"access":"w"}"#,
            BLOCK,
            READ,
            8,
            1,
            true,
        ),
        (
            "denied and given again",
            r#"{"allow":false,"type":"c","major":1,"minor":3,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"r"}"#,
            CHAR,
            READ,
            1,
            3,
            true,
        ),
        (
            "deny all at the end",
            r#"{"allow":true,"type":"c","access":"rwm"},{"allow":false,"access":"rwm"}"#,
            CHAR,
            READ,
            1,
            3,
            false,
        ),
        ("allow all but one", r#"{"allow":true},{"allow":false,"type":"c","major":1,"minor":1}"#, CHAR, READ, 1, 1, false),
        ("allow all but one: others", r#"{"allow":true},{"allow":false,"type":"c","major":1,"minor":1}"#, CHAR, READ, 1, 2, true),
        (
            "a large number is not taken for a negative one",
            r#"{"allow":true,"type":"c","major":2147483647}"#,
            CHAR,
            READ,
            u32::MAX,
            0,
            false,
        ),
    ] {
        let code = compile(&rules(&format!("[{json}]"))).unwrap();
        assert_eq!(run(&code, kind, access, major, minor), want, "{name}");
    }
}

#[test]
fn the_default_list_gives_the_usual_devices_and_no_disk() {
    let code =
        compile(&rules_for(Some(&serde_json::from_str(r#"{"devices":[{"allow":false,"access":"rwm"}]}"#).unwrap()))).unwrap();
    for minor in [3, 5, 7, 8, 9] {
        assert!(run(&code, CHAR, READ | WRITE, 1, minor), "1:{minor}");
    }
    for (kind, access, major, minor, want) in [
        (CHAR, READ | WRITE, 5, 0, true),
        (CHAR, READ | WRITE, 5, 2, true),
        (CHAR, READ | WRITE, 136, 9, true),
        (BLOCK, MKNOD, 8, 0, true),
        (BLOCK, READ, 8, 0, false),
        (CHAR, READ, 1, 1, false),
        (CHAR, READ, 1, 2, false),
        (CHAR, READ, 10, 200, false),
        (CHAR, READ, 5, 1, false),
    ] {
        assert_eq!(run(&code, kind, access, major, minor), want, "{kind} {major}:{minor}");
    }
    assert_eq!(compile(&rules_for(None)).unwrap(), compile(&default_rules()).unwrap());
}

/// The same decision, straight from the sentence: for each kind of access the last rule that matches decides.
fn oracle(rules: &[Rule], kind: i32, access: i32, major: u32, minor: u32) -> bool {
    let any = |want: Option<i32>, got: i64| want.is_none_or(|w| i64::from(w) == got);
    [MKNOD, READ, WRITE].into_iter().filter(|bit| access & bit != 0).all(|bit| {
        let matches = |r: &&Rule| {
            r.access & bit != 0 && any(r.kind, kind.into()) && any(r.major, major.into()) && any(r.minor, minor.into())
        };
        rules.iter().rev().find(matches).is_some_and(|r| r.allow)
    })
}

#[test]
fn ten_thousand_random_rule_lists_agree_with_the_sentence() {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    for _ in 0..10_000 {
        let list: Vec<LinuxDeviceCgroup> = (0..random(6))
            .map(|_| {
                let mut rule = LinuxDeviceCgroup::default();
                let kinds = [None, Some(LinuxDeviceType::A), Some(LinuxDeviceType::B), Some(LinuxDeviceType::C)];
                let mut number = || [None, Some(0), Some(1)][random(3) as usize];
                rule.set_major(number()).set_minor(number());
                rule.set_allow(random(2) == 0).set_typ(kinds[random(4) as usize]);
                rule.set_access(Some("rwm".chars().filter(|_| random(3) > 0).collect()));
                rule
            })
            .collect();
        let read: Vec<_> = list.iter().enumerate().map(|(i, r)| Rule::read(i, r).unwrap()).collect();
        let code = compile(&list).unwrap();
        for kind in [BLOCK, CHAR] {
            for access in 1..=7 {
                for (major, minor) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)] {
                    let want = oracle(&read, kind, access, major, minor);
                    assert_eq!(run(&code, kind, access, major, minor), want, "{list:?} {kind} {access} {major}:{minor}");
                }
            }
        }
    }
}

#[test]
fn a_wrong_rule_is_named() {
    for (json, part) in [
        (r#"[{"allow":true},{"allow":true,"type":"p"}]"#, "devices[1].type"),
        (r#"[{"allow":true,"type":"c","access":"rx"}]"#, "devices[0].access"),
        (r#"[{"allow":true,"type":"c","major":-2}]"#, "devices[0].major"),
        (r#"[{"allow":true,"type":"c","minor":4294967296}]"#, "devices[0].minor"),
    ] {
        let error = compile(&rules(json)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("linux.resources.{part}: ")), "{error}");
    }
}

#[test]
fn allowing_everything_needs_no_program() {
    assert!(allows_all(&compile(&rules(r#"[{"allow":false},{"allow":true}]"#)).unwrap()));
    let privileged = serde_json::from_str(r#"{"devices":[{"allow":true,"access":"rwm"}]}"#).unwrap();
    assert!(allows_all(&compile(&rules_for(Some(&privileged))).unwrap()));
    assert!(!allows_all(&compile(&rules(r#"[{"allow":false}]"#)).unwrap()));
    assert!(!allows_all(&compile(&[]).unwrap()));
}

#[test]
fn permissions_of_neighbouring_numbers_are_those_of_each_by_itself() {
    let minors = [0, 3, 5, 31, 32, 200];
    for order in [minors.to_vec(), minors.iter().rev().copied().collect()] {
        let list: Vec<_> = order
            .iter()
            .map(|m| format!(r#"{{"allow":true,"type":"c","major":10,"minor":{m},"access":"rwm"}}"#))
            .chain([r#"{"allow":true,"type":"b","major":268435456,"minor":1,"access":"rwm"}"#.to_string()])
            .collect();
        let code = compile(&rules(&format!("[{}]", list.join(",")))).unwrap();
        for kind in [BLOCK, CHAR] {
            for major in [9, 10, 11, 10 << 2, 268_435_456, (1 << 30) + 10] {
                for minor in (0..70).chain([200, 201, 256, u32::MAX]) {
                    let want =
                        (kind, major) == (CHAR, 10) && minors.contains(&minor) || (kind, major, minor) == (BLOCK, 268_435_456, 1);
                    assert_eq!(run(&code, kind, READ | WRITE, major, minor), want, "{kind} {major}:{minor}");
                }
            }
        }
    }
}

#[test]
fn a_denial_between_two_permissions_of_one_major_still_holds() {
    let json = r#"[{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"},{"allow":false,"type":"c","major":1,"access":"w"},
                   {"allow":true,"type":"c","major":1,"minor":5,"access":"rwm"}]"#;
    let code = compile(&rules(json)).unwrap();
    for (minor, access, want) in [(3, WRITE, false), (3, READ, true), (5, WRITE, true), (7, READ, false)] {
        assert_eq!(run(&code, CHAR, access, 1, minor), want, "1:{minor}");
    }
}
