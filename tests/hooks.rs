//! postStart, preStop and the order of a container's end ("Container Lifecycle Hooks", "Pod Lifecycle: Termination of Pods";
//! Kubernetes' conformance cases of lifecycle_hook).

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::Test;
use support::network::{http, response};
use support::pod::*;

/// Says when its signal comes, and ends.
const LIVE: &str = "trap 'echo signal; exit 0' TERM; while :; do sleep 0.1; done";

const MOUNT: &str = "volumeMounts: [{name: v, mountPath: /v}]";

/// A folder of the host's as a volume, where what a container writes outlives the pod: its file is `shared/order`.
fn shared(t: &Test) -> String {
    let folder = t.path("shared");
    std::fs::create_dir_all(&folder).expect("a folder");
    format!("volumes: [{{name: v, hostPath: {{path: {}}}}}]", folder.display())
}

/// Writes a word when its signal comes, and ends.
fn writes(signal: &str, word: &str) -> String {
    format!("trap 'echo {word} >> /v/order; exit 0' {signal}; while :; do sleep 0.05; done")
}

fn a_container_runs_when_its_post_start_hook_has_returned(t: &Test) {
    let hook = "lifecycle: {postStart: {exec: {command: [sh, -c, \"sleep 1; echo done > /tmp/hook\"]}}}";
    create(t, &scripts(t, "post", "", &[("app", LIVE, hook)]), "created").ok();
    t.eventually("it waits", 5, || {
        let pod = get(t, "post");
        let waiting = &status_of(&pod, "app")["state"]["waiting"]["reason"];
        let up = cgroup(t, "post").join("app").exists();
        (waiting == "ContainerCreating" && up).then_some(())
    });
    assert_eq!(phase(t, "post"), "Pending");
    wait_phase(t, "post", "Running");
    assert_eq!(t.podrt(["exec", "post", "--", "cat", "/tmp/hook"]).run().ok().stdout, "done\n");
    delete(t, "post");
}

fn a_failed_post_start_hook_ends_the_container(t: &Test) {
    for (name, hook, why) in [
        ("exec", "exec: {command: [sh, -c, \"echo broken; exit 3\"]}", "broken"),
        ("http", "httpGet: {port: 9}", "connection refused"),
        ("tcp", "tcpSocket: {port: 9}", "invalid handler"),
    ] {
        let hook = format!("lifecycle: {{postStart: {{{hook}}}}}");
        // It may be told to end before its shell has a trap, and is then killed.
        let more = "restartPolicy: Never\nterminationGracePeriodSeconds: 1";
        create(t, &scripts(t, name, more, &[("app", LIVE, &hook)]), "created").ok();
        t.eventually("it has ended", 10, || ["Succeeded", "Failed"].contains(&phase(t, name).as_str()).then_some(()));
        let text = t.podrt(["describe", "pod", name]).run().ok().stdout;
        assert!(text.contains("FailedPostStartHook") && text.contains("PostStartHook failed") && text.contains(why), "{text}");
        assert_eq!(status_of(&get(t, name), "app")["restartCount"], 0);
        delete(t, name);
    }
}

fn pre_stop_comes_before_the_stop_signal(t: &Test) {
    let hook = format!("{MOUNT}\nlifecycle: {{preStop: {{exec: {{command: [sh, -c, \"echo hook >> /v/order; sleep 1\"]}}}}}}");
    create(t, &scripts(t, "pre", &shared(t), &[("app", &writes("TERM", "signal"), &hook)]), "started").ok();
    let out = t.podrt(["delete", "pod", "pre"]).run().ok();
    assert!(out.took >= Duration::from_millis(1000) && out.took < Duration::from_secs(10), "{out}");
    assert_eq!(t.read("shared/order"), "hook\nsignal\n");
}

fn pre_stop_by_http_reaches_the_pod(t: &Test) {
    let hook = "lifecycle: {preStop: {httpGet: {port: 8080, path: /bye}}}";
    create(t, &scripts(t, "bye", "", &[("app", LIVE, hook)]), "started").ok();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    http(t, "bye", 8080, move |head| {
        seen.lock().expect("one thread").push(head.lines().next().unwrap_or_default().to_string());
        response(500)
    });
    t.podrt(["delete", "pod", "bye"]).run().ok();
    assert_eq!(heads.lock().expect("one thread")[..], ["GET /bye HTTP/1.1"]);
}

fn pre_stop_by_sleep_is_counted_against_the_grace_period(t: &Test) {
    let hook = "lifecycle: {preStop: {sleep: {seconds: 1}}}";
    create(t, &scripts(t, "nap", "terminationGracePeriodSeconds: 5", &[("app", LIVE, hook)]), "started").ok();
    let out = t.podrt(["delete", "pod", "nap"]).run().ok();
    assert!(out.took >= Duration::from_millis(1000) && out.took < Duration::from_secs(4), "{out}");
}

fn a_pre_stop_hook_that_hangs_is_cut_off_and_two_seconds_are_left(t: &Test) {
    let hook = "lifecycle: {preStop: {exec: {command: [sleep, \"1000\"]}}}";
    let stubborn = "trap '' TERM; while :; do sleep 0.1; done";
    create(t, &scripts(t, "cut", "terminationGracePeriodSeconds: 1", &[("app", stubborn, hook)]), "started").ok();
    let start = Instant::now();
    t.podrt(["delete", "pod", "cut"]).run().ok();
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(2900) && took < Duration::from_secs(8), "{took:?}");
}

fn the_stop_signal_is_the_manifests(t: &Test) {
    let script = format!("trap '' TERM; {}", writes("USR1", "usr1"));
    let more = format!("os: {{name: linux}}\n{}", shared(t));
    let signal = format!("{MOUNT}\nlifecycle: {{stopSignal: SIGUSR1}}");
    create(t, &scripts(t, "sig", &more, &[("app", &script, &signal)]), "started").ok();
    // The shell has its traps when it has written nothing for a while; a signal before would end it by default.
    std::thread::sleep(Duration::from_millis(300));
    let out = t.podrt(["delete", "pod", "sig"]).run().ok();
    assert!(out.took < Duration::from_secs(10), "{out}");
    assert_eq!(t.read("shared/order"), "usr1\n");
}

fn sidecars_end_last_and_their_hooks_begin_at_once(t: &Test) {
    let hook = "lifecycle: {preStop: {exec: {command: [sh, -c, \"echo hook >> /v/order\"]}}}";
    let one = script(&("one", &writes("TERM", "one"), &format!("restartPolicy: Always\n{MOUNT}\n{hook}")));
    let two = script(&("two", &writes("TERM", "two"), &format!("restartPolicy: Always\n{MOUNT}")));
    let more = format!("{}\ninitContainers:\n{one}{two}", shared(t));
    let app = "trap 'sleep 1; echo app >> /v/order; exit 0' TERM; while :; do sleep 0.05; done";
    create(t, &scripts(t, "order", &more, &[("app", app, MOUNT)]), "started").ok();
    std::thread::sleep(Duration::from_millis(300));
    t.podrt(["delete", "pod", "order"]).run().ok();
    assert_eq!(t.read("shared/order"), "hook\napp\ntwo\none\n");
}

suite!(
    a_container_runs_when_its_post_start_hook_has_returned,
    a_failed_post_start_hook_ends_the_container,
    pre_stop_comes_before_the_stop_signal,
    pre_stop_by_http_reaches_the_pod,
    pre_stop_by_sleep_is_counted_against_the_grace_period,
    a_pre_stop_hook_that_hangs_is_cut_off_and_two_seconds_are_left,
    the_stop_signal_is_the_manifests,
    sidecars_end_last_and_their_hooks_begin_at_once,
);
