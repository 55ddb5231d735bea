//! Rarer parts of config.json, each seen from inside the container.

mod support;

use serde_json::json;
use support::{Bundle, Out, Test};

fn run(t: &Test, bundle: &Bundle) -> Out {
    t.oci(["run", "--bundle", &bundle.write(), &t.tag]).run()
}

fn shell(t: &Test, script: &str) -> Bundle {
    Bundle::new(t, "c", &["/bin/sh", "-c", script])
}

fn the_personality_is_what_uname_says(t: &Test) {
    assert_eq!(run(t, &shell(t, "uname -m")).ok().stdout, "x86_64\n");
    let old = shell(t, "uname -m; cat /proc/self/personality").set("/linux/personality", json!({"domain": "LINUX32"}));
    assert_eq!(run(t, &old).ok().stdout, "i686\n00000008\n");
}

/// Fields of /proc/PID/stat: 19 nice, 40 real-time priority, 41 policy.
fn scheduler_and_io_class_are_set(t: &Test) {
    t.requires_podrt();
    let script = "set -- $(cat /proc/self/stat); shift 18; echo nice=$1; shift 21; echo priority=$1 policy=$2; ionice -p $$";
    let b = shell(t, script)
        .set("/process/scheduler", json!({"policy": "SCHED_BATCH", "nice": 5}))
        .set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 6}));
    let out = run(t, &b).ok();
    assert!(out.stdout.starts_with("nice=5\npriority=0 policy=3\n"), "{out}");
    assert!(out.stdout.contains("best-effort: prio 6"), "{out}");
    let bad = shell(t, "true").set("/process/scheduler", json!({"policy": "SCHED_FIFO"}));
    run(t, &bad).refuses(&["process.scheduler.priority"]);
    let bad = shell(t, "true").set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 9}));
    run(t, &bad).refuses(&["process.ioPriority.priority"]);
}

fn an_exec_runs_on_the_cpus_it_is_given(t: &Test) {
    t.requires_podrt();
    let folder = Bundle::new(t, "c", &["/bin/payload", "sleep"])
        .set("/process/execCPUAffinity", json!({"initial": "0", "final": "0"}))
        .write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    t.oci(["start", &t.tag]).run().ok();
    let out = t.oci(["exec", &t.tag, "/bin/grep", "Cpus_allowed_list", "/proc/self/status"]).run().ok();
    assert_eq!(out.stdout.split_whitespace().last(), Some("0"), "{out}");
    t.oci(["delete", "-f", &t.tag]).run().ok();
}

fn of_a_variable_that_stands_twice_the_last_counts(t: &Test) {
    t.requires_podrt();
    let env = json!(["PATH=/bin", "ONE=first", "TWO=2", "ONE=last"]);
    assert_eq!(
        run(t, &Bundle::new(t, "c", &["/bin/env"]).set("/process/env", env)).ok().stdout,
        "PATH=/bin\nTWO=2\nONE=last\nHOME=/root\n"
    );
}

fn another_user_may_open_its_own_output(t: &Test) {
    t.requires_podrt();
    let b = shell(t, "echo out > /dev/stdout; echo err > /dev/stderr").set("/process/user", json!({"uid": 1000, "gid": 1000}));
    let out = run(t, &b).ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("out\n", "err\n"), "{out}");
}

fn unknown_capabilities_are_named_once_and_relative_paths_are_meant_from_the_root(t: &Test) {
    t.requires_podrt();
    let caps = json!({"bounding": ["CAP_NOPE", "CAP_KILL"], "effective": ["CAP_NOPE"]});
    let b = shell(t, "echo x > /dev/shm/f && echo made; ls /sys/firmware /proc/acpi 2>&1 | grep -c .")
        .set("/process/capabilities", caps)
        .set("/linux/readonlyPaths", json!(["dev/shm", "nowhere"]));
    let out = run(t, &b).ok();
    assert!(!out.stdout.contains("made") && out.stderr.contains("Read-only file system"), "{out}");
    let warnings: Vec<&str> = out.stderr.lines().filter(|l| l.contains("warning")).collect();
    assert!(warnings.len() == 1 && warnings[0].ends_with("ignoring unknown or unavailable capabilities: [CAP_NOPE]"), "{out}");
}

fn a_label_of_a_security_module_that_is_not_there_is_an_error(t: &Test) {
    t.requires_podrt();
    let enabled = std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|b| b.starts_with(b"Y"));
    t.requires(!enabled, "needs a host without AppArmor");
    run(t, &shell(t, "true").set("/process/apparmorProfile", json!("x"))).refuses(&["process.apparmorProfile", "not enabled"]);
    run(t, &shell(t, "true").set("/process/selinuxLabel", json!("x"))).refuses(&["process.selinuxLabel", "not enabled"]);
}

fn a_tmpfs_may_begin_with_what_the_image_has_there(t: &Test) {
    let mount = json!({"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "mode=755"]});
    let b = Bundle::new(
        t,
        "own",
        &["/bin/sh", "-c", "cat /etc/issue /etc/sub/file; ls -l /etc/link; payload stat /etc/sub/file; echo new > /etc/issue"],
    );
    let b = b.with_own_root().set("/mounts/-", mount);
    let etc = b.path.join("rootfs/etc");
    std::fs::create_dir(etc.join("sub")).unwrap();
    std::fs::write(etc.join("sub/file"), "below\n").unwrap();
    std::os::unix::fs::chown(etc.join("sub/file"), Some(7), Some(8)).unwrap();
    std::os::unix::fs::symlink("/sentinel", etc.join("link")).unwrap();
    let out = run(t, &b).ok();
    assert!(out.stdout.starts_with("podrt test root\nbelow\n") && out.stdout.contains("-> /sentinel"), "{out}");
    assert!(out.value("/etc/sub/file").contains(" 7 8 "), "{out}");
    assert_eq!(std::fs::read_to_string(etc.join("issue")).unwrap(), "podrt test root\n", "the image is as it was");
}

fn what_is_not_carried_out_yet_is_refused_by_name(t: &Test) {
    t.requires_podrt();
    for (at, value) in [("/linux/intelRdt", json!({"closID": "x"})), ("/linux/netDevices", json!({"eth9": {"name": "eth0"}}))] {
        run(t, &shell(t, "true").set(at, value)).refuses(&[&at[1..].replace('/', ".")]);
    }
}

suite!(
    the_personality_is_what_uname_says,
    scheduler_and_io_class_are_set,
    an_exec_runs_on_the_cpus_it_is_given,
    of_a_variable_that_stands_twice_the_last_counts,
    another_user_may_open_its_own_output,
    unknown_capabilities_are_named_once_and_relative_paths_are_meant_from_the_root,
    a_label_of_a_security_module_that_is_not_there_is_an_error,
    a_tmpfs_may_begin_with_what_the_image_has_there,
    what_is_not_carried_out_yet_is_refused_by_name,
);
