//! Limits of a manifest: the values are read from the kernel, and the kernel enforces them. Where this host's cgroup v2 tree lacks
//! the controllers, these tests run in the virtual machine.

mod support;

use serde_json::Value;
use std::fs;
use support::Test;
use support::pod::*;

fn the_pods_cgroup_holds_no_process_and_pause_has_a_leaf(t: &Test) {
    create(t, &manifest(t, "cg", NEVER, &[("app", &["reap"], ""), ("pause", &["reap"], "")]), "started").ok();
    let dir = cgroup(t, "cg");
    assert_eq!(value(&dir, "cgroup.procs"), "");
    let pause = first_pid(t, "cg", "pause");
    assert_eq!(value(&dir.join("pause"), "cgroup.procs"), pause.to_string(), "pause is alone in its leaf");
    assert_eq!(fs::read_to_string(format!("/proc/{pause}/comm")).unwrap(), "pause\n");
    assert_eq!(value(&dir.join("app"), "cgroup.procs").lines().count(), 1);
    // A container may be called like it.
    let leaves: Vec<_> = fs::read_dir(&dir).unwrap().flatten().filter(|e| e.path().is_dir()).map(|e| e.file_name()).collect();
    assert_eq!(leaves.len(), 3, "{leaves:?}");
    delete(t, "cg");
}

fn controllers_are_handed_down_and_limits_are_in_the_kernel(t: &Test) {
    t.requires_controllers(&["cpu", "memory", "pids"]);
    let resources = "resources: {requests: {cpu: 250m, memory: 32Mi}, limits: {cpu: 500m, memory: 64Mi}}";
    create(t, &manifest(t, "cg", NEVER, &[("app", &["reap"], resources), ("free", &["reap"], "")]), "started").ok();
    let dir = cgroup(t, "cg");
    let control = value(&dir, "cgroup.subtree_control");
    for c in ["cpu", "memory", "pids"] {
        assert!(control.split_whitespace().any(|x| x == c), "{c} in {control}");
    }
    let app = dir.join("app");
    for (file, want) in [("memory.max", "67108864"), ("cpu.max", "50000 100000"), ("memory.oom.group", "1")] {
        assert_eq!(value(&app, file), want, "{file}");
    }
    // shares 256 of 1024, by runc's current formula.
    assert_ne!(value(&app, "cpu.weight"), "100");
    assert_eq!([value(&dir.join("free"), "memory.max"), value(&dir.join("free"), "cpu.max")], ["max", "max 100000"]);
    delete(t, "cg");
}

fn the_sum_of_all_limits_bounds_the_pod(t: &Test) {
    t.requires_controllers(&["cpu", "memory"]);
    let limits = |mb: u32| format!("resources: {{limits: {{cpu: 100m, memory: {mb}Mi}}}}");
    let file = manifest(t, "sum", NEVER, &[("a", &["reap"], &limits(32)), ("b", &["reap"], &limits(16))]);
    create(t, &file, "started").ok();
    let dir = cgroup(t, "sum");
    assert_eq!([value(&dir, "memory.max"), value(&dir, "cpu.max")], [(48 << 20).to_string(), "20000 100000".into()]);
    delete(t, "sum");
}

/// The pod's status as it stands when all containers have ended.
fn ended(t: &Test, pod: &str, container: &str) -> Value {
    wait_phase(t, pod, "Failed");
    status_of(&get(t, pod), container)["state"]["terminated"].clone()
}

fn an_oom_kill_is_reported(t: &Test) {
    t.requires_controllers(&["memory"]);
    let file =
        manifest(t, "oom", NEVER, &[("app", &["eat", "100"], "resources: {limits: {memory: 24Mi}}"), ("by", &["reap"], "")]);
    create(t, &file, "started").ok();
    let end = t.eventually("the container has ended", 15, || {
        Some(status_of(&get(t, "oom"), "app")["state"]["terminated"].clone()).filter(|s| s.is_object())
    });
    assert_eq!((end["reason"].as_str(), end["exitCode"].as_i64()), (Some("OOMKilled"), Some(137)), "{end}");
    assert!(status_of(&get(t, "oom"), "by")["state"]["running"].is_object(), "its neighbour lives");
    assert!(!logs(t, "oom", "app").contains("eaten"));
    assert!(t.podrt(["describe", "pod", "oom"]).run().ok().stdout.contains("OOMKilled"));
    delete(t, "oom");
}

/// memory.oom.group is 1 in pods: a child's OOM kill ends the container.
fn the_oom_kill_of_a_child_ends_its_container(t: &Test) {
    t.requires_controllers(&["memory"]);
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: child}}\nspec:\n  restartPolicy: Never\n  containers:\n  - name: app\n    image: {}\n    \
         command: [/bin/sh, -c, 'payload eat 100; echo survived; sleep 60']\n    resources: {{limits: {{memory: 24Mi}}}}\n",
        image("shell")
    );
    create(t, t.write("child.yaml", text).to_str().unwrap(), "created").ok();
    let end = ended(t, "child", "app");
    assert_eq!((end["reason"].as_str(), end["exitCode"].as_i64()), (Some("OOMKilled"), Some(137)), "{end}");
    assert_eq!(logs(t, "child", "app").matches("survived").count(), 0);
    delete(t, "child");
}

fn cpu_beyond_the_limit_is_throttled(t: &Test) {
    t.requires_controllers(&["cpu"]);
    let file = manifest(t, "cpu", NEVER, &[("app", &["spin", "60"], "resources: {limits: {cpu: 100m}}")]);
    create(t, &file, "started").ok();
    let stat = cgroup(t, "cpu").join("app/cpu.stat");
    let throttled = || -> u64 {
        let text = fs::read_to_string(&stat).unwrap();
        text.lines().find_map(|l| l.strip_prefix("nr_throttled ")).unwrap().parse().unwrap()
    };
    let first = t.eventually("it is throttled", 10, || Some(throttled()).filter(|n| *n > 0));
    t.eventually("and again", 10, || (throttled() > first + 2).then_some(()));
    delete(t, "cpu");
}

/// A pod has no field for it: the bundle's limit holds.
fn a_fork_beyond_the_bundles_limit_is_refused(t: &Test) {
    t.requires_controllers(&["pids"]);
    let mut bundle = support::Bundle::new(t, "bundle", &["/bin/payload", "fork", "20"]);
    bundle.config["linux"]["resources"]["pids"] = serde_json::json!({"limit": 10});
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: forks}}\nspec:\n  restartPolicy: Never\n  containers:\n  - {{name: app, image: 'bundle:{}'}}\n",
        bundle.write()
    );
    create(t, t.write("forks.yaml", text).to_str().unwrap(), "created").ok();
    wait_phase(t, "forks", "Succeeded");
    let text = logs(t, "forks", "app");
    assert!(text.contains("forked=9\n") && text.contains("EAGAIN"), "{text}");
    delete(t, "forks");
}

fn a_limit_without_its_controller_is_refused_by_name(t: &Test) {
    let there = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap();
    t.requires(!there.contains("memory"), "every controller is here");
    let file = manifest(t, "lim", NEVER, &[("app", &["reap"], "resources: {limits: {memory: 32Mi}}")]);
    create(t, &file, "created").exits(4).refuses(&["lim", "memory", "--missing-controllers=warn"]);
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
    let warned = t.podrt(["create", "-f", &file, "--missing-controllers=warn", "--wait=started"]).run().ok();
    assert!(warned.stderr.contains("memory"), "{warned}");
    delete(t, "lim");
}

suite!(
    the_pods_cgroup_holds_no_process_and_pause_has_a_leaf,
    controllers_are_handed_down_and_limits_are_in_the_kernel,
    the_sum_of_all_limits_bounds_the_pod,
    an_oom_kill_is_reported,
    the_oom_kill_of_a_child_ends_its_container,
    cpu_beyond_the_limit_is_throttled,
    a_fork_beyond_the_bundles_limit_is_refused,
    a_limit_without_its_controller_is_refused_by_name,
);
