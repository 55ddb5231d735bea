//! What is done to a pod that lives: conditions from outside, changes in place, ephemeral containers, restarts by rule; and that an
//! idle one does nothing.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use support::Test;
use support::pod::*;

const LIVE: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

fn condition(pod: &Value, kind: &str) -> Value {
    let list = pod["status"]["conditions"].as_array().expect("conditions");
    list.iter().find(|c| c["type"] == kind).cloned().unwrap_or_default()
}

/// The pod's own spec, as the supervisor keeps it.
fn own_spec(t: &Test, pod: &str) -> Value {
    let folders = fs::read_dir(t.run.join("sandboxes")).expect("the state folder");
    let specs = folders.flatten().filter_map(|f| fs::read(f.path().join("pod.json")).ok());
    let mut parsed = specs.filter_map(|text| serde_json::from_slice::<Value>(&text).ok());
    parsed.find(|spec| spec["name"] == pod).expect("the pod's spec")
}

fn ctl(t: &Test, pod: &str, verb: &str, args: &Value) -> support::Out {
    t.podrt(["ctl", pod, verb, &args.to_string(), "-o", "json", "--timeout", "10s"]).run()
}

fn supervisor(t: &Test, pod: &str) -> i64 {
    let pids: Value = serde_json::from_str(&ctl(t, pod, "Pids", &json!({})).ok().stdout).expect("JSON");
    pids["supervisor"].as_i64().expect("a pid")
}

fn a_readiness_gate_is_opened_from_outside(t: &Test) {
    let more = "readinessGates: [{conditionType: example.com/lb}]";
    create(t, &scripts(t, "gate", more, &[("app", LIVE, "")]), "started").ok();
    t.eventually("its containers are ready", 5, || {
        (condition(&get(t, "gate"), "ContainersReady")["status"] == "True").then_some(())
    });
    let ready = condition(&get(t, "gate"), "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("ReadinessGatesNotReady")), "{ready}");
    let set = |what: &str| t.podrt(["condition", "set", "gate", what, "--reason", "Registered"]).run();
    assert_eq!(set("example.com/lb=True").ok().stdout, "pod/gate condition example.com/lb=True\n");
    let pod = get(t, "gate");
    assert_eq!(
        (&condition(&pod, "Ready")["status"], &condition(&pod, "example.com/lb")["reason"]),
        (&json!("True"), &json!("Registered"))
    );
    set("example.com/lb=false").ok();
    assert!(condition(&get(t, "gate"), "Ready")["message"].as_str().expect("a message").contains("is not \"True\", but False"));
    set("Ready=True").refuses(&["condition Ready is the pod's own"]);
    set("example.com/lb=maybe").exits(2);
    delete(t, "gate");
}

fn a_restart_rule_brings_back_what_the_policy_would_not(t: &Test) {
    let rule = "restartPolicy: Never\nrestartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]\n\
        volumeMounts: [{name: v, mountPath: /v}]";
    let script = "if [ -e /v/again ]; then exit 1; fi; touch /v/again; exit 42";
    let more = "restartPolicy: Never\nvolumes: [{name: v, emptyDir: {}}]";
    create(t, &scripts(t, "rule", more, &[("app", script, rule)]), "created").ok();
    wait_phase(t, "rule", "Failed");
    let pod = get(t, "rule");
    let app = status_of(&pod, "app");
    assert_eq!((app["restartCount"].as_i64(), app["lastState"]["terminated"]["exitCode"].as_i64()), (Some(1), Some(42)), "{pod}");
    delete(t, "rule");
}

fn restarts_wait_no_longer_than_the_pod_says(t: &Test) {
    let file = scripts(t, "quick", "", &[("app", "exit 1", "")]);
    let text = fs::read_to_string(&file).expect("the manifest");
    let note = "metadata:\n  annotations: {podrt.io/max-container-restart-period: 1s}";
    fs::write(&file, text.replace("metadata:", note)).expect("written");
    create(t, &file, "created").ok();
    t.eventually("three restarts", 8, || (status_of(&get(t, "quick"), "app")["restartCount"].as_i64() >= Some(3)).then_some(()));
    assert!(has_event(t, "quick", "Back-off restarting failed container app"));
    delete(t, "quick");
}

fn a_new_image_replaces_one_container_and_keeps_the_rest(t: &Test) {
    let mount = "volumeMounts: [{name: v, mountPath: /v}]";
    let more = "restartPolicy: Never\nvolumes: [{name: v, emptyDir: {}}]";
    let app = format!("echo x >> /v/starts; {LIVE}");
    create(t, &scripts(t, "new", more, &[("app", &app, mount), ("other", LIVE, "")]), "started").ok();
    let (net, other) = (namespace(first_pid(t, "new", "other"), "net"), first_pid(t, "new", "other"));
    let mut spec = own_spec(t, "new");
    spec["containers"][0]["image"] = json!("bundle:another-name");
    ctl(t, "new", "Apply", &json!({"spec": spec})).ok();
    t.eventually("it is replaced", 10, || (status_of(&get(t, "new"), "app")["restartCount"] == 1).then_some(()));
    t.eventually("it runs", 5, || status_of(&get(t, "new"), "app")["state"]["running"].is_object().then_some(()));
    let pod = get(t, "new");
    assert_eq!(status_of(&pod, "app")["image"], "bundle:another-name");
    assert!(has_event(t, "new", "Container app definition changed, will be restarted"));
    assert_eq!((status_of(&pod, "other")["restartCount"].as_i64(), first_pid(t, "new", "other")), (Some(0), other));
    assert_eq!(namespace(first_pid(t, "new", "app"), "net"), net);
    t.eventually("the volume is the same", 5, || {
        (t.podrt(["exec", "new", "-c", "app", "--", "cat", "/v/starts"]).run().ok().stdout == "x\nx\n").then_some(())
    });
    let mut fixed = own_spec(t, "new");
    fixed["containers"][0]["command"] = json!(["/bin/true"]);
    ctl(t, "new", "Apply", &json!({"spec": fixed})).refuses(&["container app: command: cannot be changed in a pod that lives"]);
    assert_eq!(status_of(&get(t, "new"), "app")["restartCount"], 1);
    delete(t, "new");
}

fn a_deadline_that_is_set_later_ends_the_pod(t: &Test) {
    create(t, &scripts(t, "late", "", &[("app", LIVE, "")]), "started").ok();
    let mut spec = own_spec(t, "late");
    spec["active_deadline_seconds"] = json!(1);
    ctl(t, "late", "Apply", &json!({"spec": spec})).ok();
    wait_phase(t, "late", "Failed");
    assert_eq!(get(t, "late")["status"]["reason"], "DeadlineExceeded");
    delete(t, "late");
}

fn limits_change_in_place(t: &Test) {
    t.requires_controllers(&["memory", "cpu"]);
    let limits = "resources: {limits: {memory: 64Mi, cpu: 500m}}";
    create(t, &scripts(t, "grow", "", &[("app", LIVE, limits)]), "started").ok();
    let (pid, leaf) = (first_pid(t, "grow", "app"), cgroup(t, "grow").join("app"));
    assert_eq!(value(&leaf, "memory.max"), (64 << 20).to_string());
    let mut spec = own_spec(t, "grow");
    spec["limits"]["memory_max"] = json!(128 << 20);
    spec["containers"][0]["limits"]["memory_max"] = json!(128 << 20);
    ctl(t, "grow", "Apply", &json!({"spec": spec})).ok();
    assert_eq!(value(&leaf, "memory.max"), (128 << 20).to_string());
    assert_eq!((first_pid(t, "grow", "app"), status_of(&get(t, "grow"), "app")["restartCount"].as_i64()), (pid, Some(0)));
    spec["containers"][0]["limits"]["memory_max"] = json!(4096);
    ctl(t, "grow", "Apply", &json!({"spec": spec})).refuses(&["below current usage"]);
    delete(t, "grow");
}

fn an_ephemeral_container_looks_into_a_pod_that_does_not_come_up(t: &Test) {
    let init = script(&("wait", LIVE, ""));
    create(t, &scripts(t, "stuck", &format!("initContainers:\n{init}"), &[("app", LIVE, "")]), "created").ok();
    wait_phase(t, "stuck", "Pending");
    let mut spec = own_spec(t, "stuck")["containers"][0].clone();
    spec["name"] = json!("debug");
    spec["command"] = json!(["/bin/sh", "-c", format!("echo looking; {LIVE}")]);
    ctl(t, "stuck", "AddEphemeral", &json!({"spec": spec})).ok();
    ctl(t, "stuck", "AddEphemeral", &json!({"spec": spec})).refuses(&["there is one of that name"]);
    t.eventually("it runs", 5, || {
        get(t, "stuck")["status"]["ephemeralContainerStatuses"][0]["state"]["running"].is_object().then_some(())
    });
    assert_eq!(logs(t, "stuck", "debug"), "looking\n");
    let ours = namespace(first_pid(t, "stuck", "debug"), "net");
    assert_eq!(ours, namespace(first_pid(t, "stuck", "wait"), "net"));
    assert_eq!(phase(t, "stuck"), "Pending");
    delete(t, "stuck");
}

/// Voluntary context switches: each is a time that it went to sleep, and so one that it had woken up.
fn wake_ups(pid: i64) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the supervisor lives");
    let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:")).expect("a count");
    line.trim().parse().expect("a number")
}

fn an_idle_pod_wakes_nobody_also_after_its_timers_have_rung(t: &Test) {
    let probe = "startupProbe: {exec: {command: [\"true\"]}, initialDelaySeconds: 1}";
    create(t, &scripts(t, "idle", "", &[("app", "exec sleep 1000", probe), ("b", "exec sleep 1000", "")]), "ready").ok();
    std::thread::sleep(Duration::from_millis(500));
    let pid = supervisor(t, "idle");
    std::thread::sleep(Duration::from_millis(200));
    let before = wake_ups(pid);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(wake_ups(pid), before);
    t.podrt(["delete", "pod", "idle", "--now"]).run().ok();
}

suite!(
    a_readiness_gate_is_opened_from_outside,
    a_restart_rule_brings_back_what_the_policy_would_not,
    restarts_wait_no_longer_than_the_pod_says,
    a_new_image_replaces_one_container_and_keeps_the_rest,
    a_deadline_that_is_set_later_ends_the_pod,
    limits_change_in_place,
    an_ephemeral_container_looks_into_a_pod_that_does_not_come_up,
    an_idle_pod_wakes_nobody_also_after_its_timers_have_rung,
);
