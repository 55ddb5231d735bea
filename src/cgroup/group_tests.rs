use super::*;
use crate::cgroup::testing::{run_in, scratch};
use crate::cgroup::{Controller, Limits, devices};
use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

#[test]
fn io_weight_is_scaled_for_bfq() {
    for (value, want) in [("default 1", "default 10"), ("default 10000", "default 1000"), ("8:16 100", "8:16 19")] {
        assert_eq!(bfq_weight(value).as_deref(), Some(want));
    }
    assert_eq!(bfq_weight("max"), None);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let Some(s) = scratch(&[]) else { return };
    for name in ["..", ".", "", "/", "a/b", "../x", "a\nb", "a\0b", "/a", "a/"] {
        assert!(matches!(s.group.child(name), Err(Error::Field { .. })), "{name:?}");
        assert!(matches!(s.group.existing(name), Err(Error::Field { .. })), "{name:?}");
    }
    for path in ["../x", "a/../../b", "a//b", ""] {
        assert!(matches!(Cgroup::open(&s.hierarchy, path), Err(Error::Field { .. })), "{path:?}");
    }
}

#[test]
fn a_child_is_made_once_and_found_again() {
    let Some(s) = scratch(&[]) else { return };
    assert!(s.group.existing("a").unwrap_err().is_not_found());
    let a = s.group.child("a").unwrap();
    assert_eq!(a.path(), format!("{}/a", s.group.path()));
    assert!(s.group.child("a").unwrap_err().is_taken());
    assert_eq!(s.group.child_or_existing("a").unwrap().path(), a.path());
    assert_eq!(Cgroup::open(&s.hierarchy, a.path()).unwrap().path(), a.path());
    assert!(!a.populated().unwrap());
    a.remove(Duration::from_secs(1)).unwrap();
    assert!(Cgroup::open(&s.hierarchy, a.path()).unwrap_err().is_not_found());
}

#[test]
fn a_kill_ends_frozen_processes_too() {
    let Some(s) = scratch(&[]) else { return };
    let mut child = run_in(&s.group, "sleep 20 & exec sleep 20");
    while s.group.procs().unwrap().len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(s.group.procs().unwrap().contains(&(child.id() as i32)));
    assert!(s.group.populated().unwrap());
    s.group.freeze(Duration::from_secs(5)).unwrap();
    assert!(s.group.is_frozen().unwrap());
    s.group.thaw().unwrap();
    assert!(!s.group.is_frozen().unwrap());
    s.group.freeze(Duration::from_secs(5)).unwrap();
    s.group.kill().unwrap();
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
}

#[test]
fn limits_are_written_as_asked() {
    use Controller::{Cpu, Memory, Pids};
    let Some(s) = scratch(&[Cpu, Memory, Pids]) else { return };
    let leaf = s.group.child("leaf").unwrap();
    let limits = Limits {
        memory_max: Some(64 << 20),
        memory_high: Some(-1),
        memory_low: Some(1 << 20),
        memory_min: Some(1 << 20),
        oom_group: Some(true),
        cpu_weight: Some(39),
        cpu_max: Some((Some(50_000), 100_000)),
        cpu_burst: Some(10_000),
        pids_max: Some(7),
        unified: BTreeMap::from([("memory.high".into(), "33554432".into())]),
        ..Limits::default()
    };
    assert_eq!(leaf.apply(&limits, false).unwrap(), Vec::<String>::new());
    for (file, want) in [
        ("memory.max", "67108864"),
        ("memory.high", "33554432"),
        ("memory.low", "1048576"),
        ("memory.min", "1048576"),
        ("memory.oom.group", "1"),
        ("cpu.weight", "39"),
        ("cpu.max", "50000 100000"),
        ("cpu.max.burst", "10000"),
        ("pids.max", "7"),
    ] {
        assert_eq!(leaf.get(file).unwrap().trim(), want, "{file}");
    }
    let idle = Limits { cpu_idle: Some(true), cpu_weight: Some(5), ..Limits::default() };
    leaf.apply(&idle, false).unwrap();
    assert_eq!(leaf.get("cpu.idle").unwrap().trim(), "1");
    let error = leaf.apply(&Limits { cpu_max: Some((Some(1), 100_000)), ..Limits::default() }, false).unwrap_err().to_string();
    assert_eq!(error, format!("cgroup {}: write `1 100000` to cpu.max: invalid argument", leaf.path()));
}

#[test]
fn rarer_limits_are_written_where_the_kernel_has_them() {
    use Controller::{Cpuset, Hugetlb, Io, Memory};
    let Some(s) = scratch(&[Cpuset, Hugetlb, Io, Memory]) else { return };
    let leaf = s.group.child("leaf").unwrap();
    let limits = Limits {
        swap_max: Some(0),
        cpuset_cpus: Some("0".into()),
        cpuset_mems: Some("0".into()),
        hugetlb: vec![("2MB".into(), 4 << 20)],
        unified: BTreeMap::from([("cgroup.max.depth".into(), "3".into())]),
        ..Limits::default()
    };
    assert_eq!(leaf.apply(&limits, false).unwrap(), Vec::<String>::new());
    assert_eq!(leaf.get("cpuset.cpus").unwrap().trim(), "0");
    assert_eq!(leaf.get("hugetlb.2MB.max").unwrap().trim(), "4194304");
    assert_eq!(leaf.get("hugetlb.2MB.rsvd.max").unwrap().trim(), "4194304");
    assert_eq!(leaf.get("cgroup.max.depth").unwrap().trim(), "3");
    match leaf.apply(&Limits { io_weight: Some(200), ..Limits::default() }, false) {
        Ok(_) => assert_eq!(leaf.get("io.weight").unwrap().lines().next(), Some("default 200")),
        Err(e) => assert!(matches!(e, Error::NoSuchFile { .. }), "{e}"),
    }
    let io = vec![crate::cgroup::IoLimit::parse("4095:7 rbps=1048576").unwrap()];
    let error = leaf.apply(&Limits { io, ..Limits::default() }, false).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ENODEV), "{error}");
    let odd = Limits { unified: BTreeMap::from([("memory.nothing".into(), "1".into())]), ..Limits::default() };
    assert!(matches!(leaf.apply(&odd, false), Err(Error::NoSuchFile { .. })));
}

#[test]
fn a_limit_without_its_controller_names_it_or_warns_once() {
    let Some(s) = scratch(&[]) else { return };
    // A sub-cgroup of a leaf gets no controllers, whatever the host has.
    let below = s.group.child("a").unwrap().child("b").unwrap();
    let limits = Limits { memory_max: Some(1 << 20), oom_group: Some(true), pids_max: Some(5), ..Limits::default() };
    let error = below.apply(&limits, false).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cgroup {}: pids.max cannot be set: controller pids is ", below.path())), "{error}");
    assert!(!error.contains('\n'), "{error}");
    let warnings = below.apply(&limits, true).unwrap();
    assert_eq!(warnings.len(), 2, "one for each controller: {warnings:?}");
    assert!(warnings[1].contains("controller memory"), "{warnings:?}");
    let error = below.enable(&BTreeSet::from([Controller::Memory])).unwrap_err();
    assert!(matches!(error, Error::MissingController { controller: Controller::Memory, .. }), "{error}");
}

#[test]
fn a_cgroup_with_processes_cannot_hand_down_and_says_so() {
    let Some(s) = scratch(&[Controller::Memory]) else { return };
    let leaf = s.group.child("leaf").unwrap();
    let mut child = run_in(&leaf, "exec sleep 20");
    let error = leaf.enable(&BTreeSet::from([Controller::Memory])).unwrap_err();
    assert!(matches!(error, Error::HoldsProcesses { .. }), "{error}");
    leaf.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_oom_kill_is_counted_and_usage_is_read() {
    let Some(s) = scratch(&[Controller::Memory, Controller::Pids]) else { return };
    let leaf = s.group.child("leaf").unwrap();
    let limits = Limits { memory_max: Some(16 << 20), swap_max: Some(0), oom_group: Some(true), ..Limits::default() };
    leaf.apply(&limits, false).unwrap();
    assert_eq!(leaf.memory_events().unwrap().unwrap().oom_kill, 0);
    let mut child = run_in(&leaf, "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done");
    child.wait().unwrap();
    let events = leaf.memory_events().unwrap().unwrap();
    assert!(events.oom_kill >= 1, "{events:?}");
    let stats = leaf.stat().unwrap();
    let memory = stats.memory.unwrap();
    assert_eq!(memory.limit, Some(16 << 20));
    assert!(stats.cpu.unwrap().usage > 0);
    assert_eq!(stats.pids, Some(0));
    assert!(memory.working_set() <= memory.current);
}

#[test]
fn pids_max_refuses_a_fork() {
    let Some(s) = scratch(&[Controller::Pids]) else { return };
    let leaf = s.group.child("leaf").unwrap();
    leaf.apply(&Limits { pids_max: Some(1), ..Limits::default() }, false).unwrap();
    let child = run_in(&leaf, "/bin/true; echo forked");
    let output = child.wait_with_output().unwrap();
    assert_ne!(String::from_utf8_lossy(&output.stdout), "forked\n", "a shell that cannot fork ends");
}

#[test]
fn device_rules_hold_in_the_kernel() {
    let Some(s) = scratch(&[]) else { return };
    let rules = |json: &str| devices::rules_for(Some(&serde_json::from_str(json).unwrap()));
    let deny_all = rules(r#"{"devices":[{"allow":false,"access":"rwm"}]}"#);
    if let Err(e) = devices::install(&deny_all, &s.group) {
        eprintln!("skipped: {e}");
        return;
    }
    let probe = |group: &Cgroup| {
        let script = "for d in null zero tty kmsg; do : < /dev/$d; echo $d $?; done; : <> /dev/null; echo both $?";
        // A failed redirection of the special built-in `:` would end the shell; in a subshell it ends that.
        let script = script.replace(": <", "(: <").replace("; echo", "); echo");
        let mut text = String::new();
        let mut child = run_in(group, &script);
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        text
    };
    let denied = |text: &str, device: &str| !text.lines().any(|l| l == format!("{device} 0"));
    let text = probe(&s.group);
    assert!(!denied(&text, "null") && !denied(&text, "zero") && !denied(&text, "both"), "{text}");
    assert!(denied(&text, "kmsg"), "{text}");
    // The same list again is the same program; a child's rules cannot give what the parent's deny.
    let again = devices::compile(&deny_all).unwrap();
    assert!(std::sync::Arc::ptr_eq(&devices::load_program(&again).unwrap(), &devices::load_program(&again).unwrap()));
    let child = s.group.child("child").unwrap();
    let more = rules(r#"{"devices":[{"allow":false},{"allow":true,"type":"c","major":1,"minor":11,"access":"rwm"}]}"#);
    devices::install(&more, &child).unwrap();
    assert_eq!(crate::sys::bpf::count_device_programs(child.dir()), Ok(1));
    assert!(denied(&probe(&child), "kmsg"));
    // With kmsg given and nothing above, it opens: the denial came from the program.
    let other = scratch(&[]).unwrap();
    devices::install(&more, &other.group).unwrap();
    assert!(!denied(&probe(&other.group), "kmsg") || !std::path::Path::new("/dev/kmsg").exists());
    // Privileged: nothing is attached.
    let open = scratch(&[]).unwrap();
    devices::install(&rules(r#"{"devices":[{"allow":true,"access":"rwm"}]}"#), &open.group).unwrap();
    assert_eq!(crate::sys::bpf::count_device_programs(open.group.dir()), Ok(0));
}
