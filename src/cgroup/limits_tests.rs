use super::*;

fn unified(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}

#[test]
fn every_field_becomes_its_file() {
    let io = |f: fn(&mut IoLimit)| {
        let mut io = IoLimit { major: 8, minor: 16, ..IoLimit::default() };
        f(&mut io);
        vec![io]
    };
    let d = Limits::default;
    for (limits, want) in [
        (d(), vec![]),
        (Limits { memory_max: Some(-1), ..d() }, vec![("memory.max", "max")]),
        (Limits { memory_max: Some(4096), swap_max: Some(0), ..d() }, vec![("memory.swap.max", "0"), ("memory.max", "4096")]),
        (Limits { oom_group: Some(true), ..d() }, vec![("memory.oom.group", "1")]),
        (Limits { cpu_max: Some((None, 100_000)), ..d() }, vec![("cpu.max", "max 100000")]),
        (
            Limits { cpu_max: Some((Some(50_000), 100_000)), cpu_burst: Some(9), ..d() },
            vec![("cpu.max", "50000 100000"), ("cpu.max.burst", "9")],
        ),
        (Limits { cpu_weight: Some(39), ..d() }, vec![("cpu.weight", "39")]),
        (Limits { cpu_weight: Some(39), cpu_idle: Some(true), ..d() }, vec![("cpu.idle", "1")]),
        (Limits { cpuset_cpus: Some("0-1".into()), ..d() }, vec![("cpuset.cpus", "0-1")]),
        (Limits { pids_max: Some(7), ..d() }, vec![("pids.max", "7")]),
        (
            Limits {
                io: io(|io| {
                    io.rbps = Some(u64::MAX);
                    io.wiops = Some(120)
                }),
                ..d()
            },
            vec![("io.max", "8:16 rbps=max wiops=120")],
        ),
        (Limits { io: io(|io| io.weight = Some(50)), ..d() }, vec![("io.weight", "8:16 50")]),
        (
            Limits { hugetlb: vec![("2MB".into(), 4 << 20)], ..d() },
            vec![("hugetlb.2MB.rsvd.max", "4194304"), ("hugetlb.2MB.max", "4194304")],
        ),
        (
            Limits { rdma: vec![RdmaLimit { device: "mlx4_0".into(), hca_handles: Some(2), hca_objects: None }], ..d() },
            vec![("rdma.max", "mlx4_0 hca_handle=2 hca_object=max")],
        ),
        (
            Limits { unified: unified(&[("io.max", "8:0 rbps=1\n8:16 wbps=2\n")]), ..d() },
            vec![("io.max", "8:0 rbps=1"), ("io.max", "8:16 wbps=2")],
        ),
        (Limits { memory_max: Some(1), unified: unified(&[("memory.max", "2")]), ..d() }, vec![("memory.max", "2")]),
    ] {
        let want: Vec<_> = want.into_iter().map(|(f, v)| (f.to_string(), v.to_string())).collect();
        assert_eq!(limits.files(), want, "{limits:?}");
    }
}

#[test]
fn the_manifest_wins_field_by_field_and_over_unified() {
    let base = Limits {
        memory_max: Some(1),
        pids_max: Some(5),
        io: vec![IoLimit { major: 8, rbps: Some(1), wbps: Some(2), ..IoLimit::default() }],
        hugetlb: vec![("2MB".into(), 1)],
        unified: unified(&[("memory.high", "3"), ("cpu.weight", "4")]),
        ..Limits::default()
    };
    let over = Limits {
        memory_max: Some(-1),
        memory_high: Some(9),
        io: vec![IoLimit { major: 8, rbps: Some(7), ..IoLimit::default() }, IoLimit { major: 9, ..IoLimit::default() }],
        hugetlb: vec![("2MB".into(), 8), ("1GB".into(), 0)],
        ..Limits::default()
    };
    let got = base.overlay(&over);
    let want = Limits {
        memory_max: Some(-1),
        memory_high: Some(9),
        pids_max: Some(5),
        io: vec![
            IoLimit { major: 8, rbps: Some(7), wbps: Some(2), ..IoLimit::default() },
            IoLimit { major: 9, ..IoLimit::default() },
        ],
        hugetlb: vec![("2MB".into(), 8), ("1GB".into(), 0)],
        unified: unified(&[("cpu.weight", "4")]),
        ..Limits::default()
    };
    assert_eq!(got, want);
    assert_eq!(base.overlay(&Limits::default()), base);
    assert_eq!(Limits::default().overlay(&over), over);
}

#[test]
fn controllers_are_those_of_the_files() {
    let limits = Limits {
        memory_max: Some(1),
        unified: unified(&[("hugetlb.2MB.max", "0"), ("cgroup.max.depth", "3")]),
        ..Limits::default()
    };
    assert_eq!(limits.controllers(), BTreeSet::from([Controller::Memory, Controller::Hugetlb]));
}

#[test]
fn unified_keys_cannot_leave_the_cgroup_or_drive_it() {
    for key in ["memory.high", "io.max", "hugetlb.1GB.max", "cgroup.max.depth", "cpu.max.burst", "newone.max"] {
        assert!(check_unified("u", key, "1").is_ok(), "{key}");
    }
    for key in [
        "",
        "memory",
        "../x",
        "../memory.max",
        "a/b.c",
        "..",
        ".",
        "memory..max",
        ".max",
        "memory.",
        "memory.max\n",
        "memory max.x",
        "cgroup.procs",
        "cgroup.threads",
        "cgroup.kill",
        "cgroup.type",
        "cgroup.freeze",
        "cgroup.subtree_control",
        "memory.pressure",
        "memory.m\0x",
    ] {
        let error = check_unified("linux.resources.unified", key, "1").unwrap_err().to_string();
        assert!(error.starts_with("linux.resources.unified["), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(check_unified("u", "memory.max", &"9".repeat(4097)).is_err());
}

#[test]
fn an_io_line_is_read_strictly() {
    let want = IoLimit { major: 8, minor: 16, rbps: Some(2_097_152), wiops: Some(u64::MAX), ..IoLimit::default() };
    assert_eq!(IoLimit::parse("8:16 rbps=2097152 wiops=max"), Ok(want));
    for line in
        ["", "8", "8:x rbps=1", "8:16 rbps", "8:16 rbps=-1", "8:16 rbps=0", "8:16 speed=1", "8:16 rbps=1e3", "+8:16 rbps=1"]
    {
        assert!(IoLimit::parse(line).is_err(), "{line}");
    }
}

#[test]
fn limits_survive_json_and_unknown_fields_of_a_newer_podrt() {
    let limits = Limits { memory_max: Some(5), cpu_max: Some((None, 7)), io: vec![IoLimit::default()], ..Limits::default() };
    let text = serde_json::to_string(&limits).unwrap();
    assert_eq!(serde_json::from_str::<Limits>(&text).unwrap(), limits);
    assert_eq!(serde_json::from_str::<Limits>(r#"{"memory_max":5,"later":1}"#).unwrap().memory_max, Some(5));
}
