//! The sweep over fault points: at every step of create and delete that the sources name, the step fails or its process is killed.
//! After each, what is there can be listed, a forced delete leaves nothing, and the same pod starts again.
//!
//! Needs a build with the feature `fault`; the table is read from the sources, so that a new point is swept at once.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::leaks::Snapshot;
use support::pod::*;
use support::{Bundle, Out, Test, world};

/// Names of fault points in the Rust files below `folder` that begin with one of `kinds`.
fn points(folder: &str, kinds: &[&str]) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut queue = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src").join(folder)];
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            queue.extend(fs::read_dir(&path).unwrap().flatten().map(|e| e.path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            named(&path, &mut found);
        }
    }
    let all: Vec<String> = found.into_iter().filter(|p| kinds.iter().any(|k| p.starts_with(&format!("{k}.")))).collect();
    assert!(!all.is_empty(), "no fault points in src/{folder}");
    all
}

/// `fault::point("create.name")`, and `alive("create.name")` where a closure holds the point.
fn named(file: &Path, found: &mut BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap();
    for call in ["fault::point(\"", "alive(\""] {
        found.extend(text.split(call).skip(1).filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()));
    }
}

fn requires_fault_points(t: &Test) {
    t.requires(cfg!(feature = "fault"), "needs a build with the feature fault");
}

/// In the virtual machine the sweep takes long and finds nothing more: every third point, in turn.
fn sample(all: Vec<String>) -> Vec<String> {
    let step = if world::in_vm() { 3 } else { 1 };
    all.into_iter().step_by(step).collect()
}

#[track_caller]
fn nothing_is_left(t: &Test, before: &Snapshot, when: &str, out: &Out) {
    let left = before.left(t, Duration::from_secs(if world::in_vm() { 20 } else { 3 }));
    assert!(left.is_empty(), "{when}: left behind:\n  {}\nafter: {out}", left.join("\n  "));
}

fn force(t: &Test) -> Out {
    t.podrt(["delete", "pod", "web", "--force", "--ignore-not-found"]).run().ok()
}

/// The same pod comes up as if nothing had been, and goes.
fn starts_again(t: &Test, file: &str, before: &Snapshot, when: &str) {
    let up = create(t, file, "started");
    assert_eq!(up.code(), 0, "{when}: {up}");
    assert_eq!(phase(t, "web"), "Running", "{when}");
    let down = t.podrt(["delete", "pod", "web", "--grace-period", "0"]).run();
    assert_eq!(down.code(), 0, "{when}: {down}");
    nothing_is_left(t, before, when, &down);
}

fn web(t: &Test) -> String {
    manifest(t, "web", NEVER, &[("app", &["reap"], ""), ("log", &["reap"], "")])
}

/// One warm cycle, then the baseline.
fn warm(t: &Test, file: &str) -> Snapshot {
    create(t, file, "started").ok();
    t.podrt(["delete", "pod", "web", "--grace-period", "0"]).run().ok();
    Snapshot::take(t)
}

fn a_create_that_fails_at_any_step_leaves_nothing(t: &Test) {
    requires_fault_points(t);
    let file = web(t);
    let before = warm(t, &file);
    for point in sample(points("pod", &["create"])) {
        let when = format!("{point}:error");
        let out = t.podrt(["create", "-f", &file, "--wait=started"]).env("PODRT_FAULT", &when).run();
        assert!(out.code() == 1 || out.code() == 4, "{when} has no effect, or a strange one: {out}");
        assert_eq!(out.stderr.trim_end().lines().count(), 1, "{when}: one clear line: {out}");
        // Nothing: no delete is needed.
        nothing_is_left(t, &before, &when, &out);
        starts_again(t, &file, &before, &when);
    }
}

fn a_create_that_is_killed_at_any_step_is_swept_by_a_forced_delete(t: &Test) {
    requires_fault_points(t);
    let file = web(t);
    let before = warm(t, &file);
    for point in sample(points("pod", &["create", "start"])) {
        let when = format!("{point}:kill");
        let out = t.podrt(["create", "-f", &file, "--wait=started"]).env("PODRT_FAULT", &when).run();
        assert_ne!(out.code(), 0, "{when} has no effect: {out}");
        t.podrt(["get", "pods"]).run().ok();
        let out = force(t);
        nothing_is_left(t, &before, &when, &out);
        starts_again(t, &file, &before, &when);
    }
}

/// The pod exists, and says why its container does not run.
fn a_start_that_fails_at_any_step_is_the_pods_status(t: &Test) {
    requires_fault_points(t);
    let file = web(t);
    let before = warm(t, &file);
    for point in sample(points("pod", &["start"])) {
        let when = format!("{point}:error");
        let out = t.podrt(["create", "-f", &file, "--wait=started"]).env("PODRT_FAULT", &when).run();
        assert_eq!(out.code(), 1, "{when}: {out}");
        assert!(out.stderr.contains(&format!("fault point {point}")), "{when}: {out}");
        assert!(get(t, "web").to_string().contains("fault point"), "{when}");
        let out = t.podrt(["delete", "pod", "web", "--grace-period", "0"]).run();
        assert_eq!(out.code(), 0, "{when}: {out}");
        nothing_is_left(t, &before, &when, &out);
        starts_again(t, &file, &before, &when);
    }
}

/// The fault is the supervisor's: it got it at its birth.
fn a_delete_whose_supervisor_fails_at_any_step_ends_by_force(t: &Test) {
    requires_fault_points(t);
    let file = web(t);
    let before = warm(t, &file);
    for point in sample(points("pod", &["delete"])) {
        for how in ["error", "kill"] {
            let when = format!("{point}:{how}");
            t.podrt(["create", "-f", &file, "--wait=started"]).env("PODRT_FAULT", &when).run().ok();
            let first = t.podrt(["delete", "pod", "web", "--grace-period", "0", "--timeout=3s"]).run();
            assert!(!first.stderr.contains("panicked"), "{when}: {first}");
            t.podrt(["get", "pods"]).run().ok();
            let out = force(t);
            nothing_is_left(t, &before, &when, &out);
            starts_again(t, &file, &before, &when);
        }
    }
}

/// The supervisor is gone: the command itself takes the pod back by its record, and fails or dies over it.
fn a_clean_up_that_fails_at_any_step_is_repeated_with_success(t: &Test) {
    requires_fault_points(t);
    let file = web(t);
    let before = warm(t, &file);
    for point in sample(points("pod", &["delete"])) {
        for how in ["error", "kill"] {
            let when = format!("{point}:{how}");
            create(t, &file, "started").ok();
            let procs = fs::read_to_string(t.cgroup_dir().join("supervisors/cgroup.procs")).unwrap();
            procs.lines().for_each(|pid| support::leaks::kill_one(pid.parse().unwrap()));
            let first = t.podrt(["delete", "pod", "web", "--force"]).env("PODRT_FAULT", &when).run();
            assert!(!first.stderr.contains("panicked"), "{when}: {first}");
            let out = force(t);
            nothing_is_left(t, &before, &when, &out);
            starts_again(t, &file, &before, &when);
        }
    }
}

/// kill -9 of the supervisor, of pause, of both: no success is made up, and all can be removed.
fn what_is_killed_from_outside_can_be_listed_and_removed(t: &Test) {
    let file = manifest(t, "web", NEVER, &[("app", &["trap-term", "3"], "")]);
    let before = warm(t, &file);
    for (what, supervisor, pause) in [("the supervisor", true, false), ("pause", false, true), ("both", true, true)] {
        create(t, &file, "started").ok();
        t.eventually("its handler stands", 5, || logs(t, "web", "app").contains("ready").then_some(()));
        let mut victims = Vec::new();
        if supervisor {
            // With its keeper, or it would come back.
            victims.extend(value(&t.cgroup_dir().join("supervisors"), "cgroup.procs").lines().map(|p| p.parse::<i32>().unwrap()));
        }
        if pause {
            victims.push(first_pid(t, "web", "pause"));
        }
        victims.into_iter().for_each(support::leaks::kill_one);
        std::thread::sleep(Duration::from_millis(100));
        let pod = get(t, "web");
        let end = &status_of(&pod, "app")["state"]["terminated"];
        assert!(pod["status"]["phase"] != "Succeeded" && end["exitCode"] != 0, "{what}: {pod}");
        let out = force(t);
        nothing_is_left(t, &before, what, &out);
        starts_again(t, &file, &before, what);
    }
}

// podrt-oci.

fn bundle(t: &Test) -> String {
    Bundle::new(t, "c", &["/bin/payload", "sleep"]).write()
}

fn oci_create(t: &Test, bundle: &str, fault: &str) -> Out {
    t.oci(["create", "--bundle", bundle, &t.tag]).env("PODRT_FAULT", fault).output_to(&t.path("out")).run()
}

fn container_starts_again(t: &Test, bundle: &str, before: &Snapshot, when: &str) {
    let up = oci_create(t, bundle, "");
    assert_eq!(up.code(), 0, "{when}: {} {up}", t.read("out"));
    t.oci(["start", &t.tag]).run().ok();
    let down = t.oci(["delete", "-f", &t.tag]).run().ok();
    nothing_is_left(t, before, when, &down);
}

fn an_oci_create_that_fails_or_is_killed_at_any_step_is_removed(t: &Test) {
    requires_fault_points(t);
    t.requires_podrt();
    let bundle = bundle(t);
    let before = Snapshot::take(t);
    container_starts_again(t, &bundle, &before, "a clean run");
    for point in sample(points("container", &["create"])) {
        for how in ["error", "kill"] {
            let when = format!("{point}:{how}");
            let out = oci_create(t, &bundle, &when);
            assert_ne!(out.code(), 0, "{when} has no effect: {out}");
            if how == "error" {
                nothing_is_left(t, &before, &when, &out);
            }
            t.oci(["list"]).run().ok();
            // Twice: what is not there is fine.
            for _ in 0..2 {
                let out = t.oci(["delete", "-f", &t.tag]).run();
                assert_eq!(out.code(), 0, "{when}: {out}");
            }
            nothing_is_left(t, &before, &when, &out);
            container_starts_again(t, &bundle, &before, &when);
        }
    }
}

suite!(
    a_create_that_fails_at_any_step_leaves_nothing,
    a_create_that_is_killed_at_any_step_is_swept_by_a_forced_delete,
    a_start_that_fails_at_any_step_is_the_pods_status,
    a_delete_whose_supervisor_fails_at_any_step_ends_by_force,
    a_clean_up_that_fails_at_any_step_is_repeated_with_success,
    what_is_killed_from_outside_can_be_listed_and_removed,
    an_oci_create_that_fails_or_is_killed_at_any_step_is_removed,
);
