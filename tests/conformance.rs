//! What must hold of any pod, after Kubernetes' own conformance cases of a node (init_container, expansion, security_context, sysctl,
//! empty_dir, pods), where no other suite asks for it. Probes and hooks have suites of their own.

mod support;

use serde_json::Value;
use support::Test;
use support::pod::*;

const LIVE: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// The columns READY, STATUS and RESTARTS.
fn columns(t: &Test, pod: &str) -> Vec<String> {
    let table = t.podrt(["get", "pod", pod]).run().ok().stdout;
    let row = table.lines().nth(1).expect("a row").to_owned();
    row.split_whitespace().skip(1).take(3).map(String::from).collect()
}

fn condition(pod: &Value, kind: &str) -> Value {
    let list = pod["status"]["conditions"].as_array().expect("conditions");
    list.iter().find(|c| c["type"] == kind).cloned().unwrap_or_default()
}

/// Runs one container once; what it printed.
fn output(t: &Test, name: &str, more: &str, script: &str, extra: &str) -> String {
    let more = format!("restartPolicy: Never\n{more}");
    create(t, &scripts(t, name, &more, &[("app", script, extra)]), "created").ok();
    t.eventually(&format!("{name} has ended"), 10, || ["Succeeded", "Failed"].contains(&phase(t, name).as_str()).then_some(()));
    let text = logs(t, name, "app");
    delete(t, name);
    text
}

fn a_failed_init_container_fails_a_pod_that_restarts_nothing(t: &Test) {
    let inits = [script(&("one", "exit 0", "")), script(&("two", "exit 3", "")), script(&("three", "exit 0", ""))].concat();
    let more = format!("restartPolicy: Never\ninitContainers:\n{inits}");
    create(t, &scripts(t, "never", &more, &[("app", LIVE, "")]), "created").ok();
    wait_phase(t, "never", "Failed");
    assert_eq!(columns(t, "never"), ["0/1", "Init:Error", "0"]);
    let pod = get(t, "never");
    let states: Vec<&Value> = (0..3).map(|i| &pod["status"]["initContainerStatuses"][i]["state"]).collect();
    assert_eq!((&states[0]["terminated"]["exitCode"], &states[1]["terminated"]["exitCode"]), (&Value::from(0), &Value::from(3)));
    assert!(states[2]["waiting"].is_object() && status_of(&pod, "app")["state"]["waiting"].is_object(), "{pod}");
    let initialized = condition(&pod, "Initialized");
    assert_eq!(
        (&initialized["status"], &initialized["reason"]),
        (&Value::from("False"), &Value::from("ContainersNotInitialized"))
    );
    assert_eq!(initialized["message"], "containers with incomplete status: [two three]");
    delete(t, "never");
}

fn a_failed_init_container_is_tried_again_and_keeps_the_others_back(t: &Test) {
    for policy in ["Always", "OnFailure"] {
        let name = policy.to_lowercase();
        let more = format!("restartPolicy: {policy}\ninitContainers:\n{}", script(&("one", "exit 1", "")));
        create(t, &scripts(t, &name, &more, &[("app", LIVE, "")]), "created").ok();
        t.eventually("its second failure", 10, || {
            let pod = get(t, &name);
            let one = &pod["status"]["initContainerStatuses"][0];
            (one["restartCount"] == 1 && one["state"]["waiting"]["reason"] == "CrashLoopBackOff").then_some(())
        });
        assert_eq!(columns(t, &name)[..2], ["0/1", "Init:CrashLoopBackOff"]);
        let pod = get(t, &name);
        assert_eq!(
            (&pod["status"]["phase"], &status_of(&pod, "app")["restartCount"]),
            (&Value::from("Pending"), &Value::from(0))
        );
        assert_eq!(status_of(&pod, "app")["state"]["waiting"]["reason"], "PodInitializing");
        delete(t, &name);
    }
}

fn variables_are_expanded_in_commands_and_arguments(t: &Test) {
    let extra = "args: [\"$(A)\", \"$$(A)\", \"$(NONE)\", \"$(C)\"]\nenv: [{name: A, value: a}, {name: B, value: \"$(A)-b\"}, {name: C, value: \"$(B)-c\"}]";
    assert_eq!(output(t, "expand", "", "echo $0 $1 $2 $3", extra), "a $(A) $(NONE) a-b-c\n");
}

fn users_are_those_of_the_manifest(t: &Test) {
    let pod = "securityContext: {runAsUser: 1001, runAsGroup: 1002}";
    assert_eq!(output(t, "user", pod, "id -u; id -g", "securityContext: {runAsUser: 2001}"), "2001\n1002\n");
    let file = scripts(t, "root", "restartPolicy: Never", &[("app", "id", "securityContext: {runAsNonRoot: true}")]);
    create(t, &file, "created").ok();
    t.eventually("it is not started", 5, || {
        let reason = status_of(&get(t, "root"), "app")["state"]["waiting"]["reason"].clone();
        (reason == "CreateContainerConfigError").then_some(())
    });
    assert_eq!(columns(t, "root"), ["0/1", "CreateContainerConfigError", "0"]);
    delete(t, "root");
}

fn privileges_are_those_of_the_manifest(t: &Test) {
    let script = "grep -E 'NoNewPrivs|CapEff' /proc/self/status | tr -d '\\t'; touch /here 2>/dev/null && echo writable";
    let of = |name: &str, security: &str| output(t, name, "", script, &format!("securityContext: {{{security}}}"));
    let plain = of("plain", "allowPrivilegeEscalation: true, readOnlyRootFilesystem: false");
    assert!(plain.contains("NoNewPrivs:0") && plain.contains("writable"), "{plain}");
    let held = of("held", "allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}");
    assert!(held.contains("NoNewPrivs:1") && held.contains("CapEff:0000000000000000") && !held.contains("writable"), "{held}");
}

fn sysctls_are_set_and_unsafe_ones_refused(t: &Test) {
    let more = "securityContext: {sysctls: [{name: kernel.shm_rmid_forced, value: \"1\"}]}";
    assert_eq!(output(t, "sysctl", more, "cat /proc/sys/kernel/shm_rmid_forced", ""), "1\n");
    let more = "securityContext: {sysctls: [{name: kernel.msgmax, value: \"10000\"}, {name: foo-, value: bar}]}";
    let out = create(t, &scripts(t, "unsafe", more, &[("app", "true", "")]), "created");
    assert!(out.code() != 0 && out.stderr.contains("kernel.msgmax") && out.stderr.contains("foo-"), "{out}");
}

fn an_empty_dir_is_everybodys(t: &Test) {
    let script = "stat -c %a /d /m; stat -f -c %T /m; echo x > /d/f; cat /d/f";
    let more = "securityContext: {runAsUser: 1001}\nvolumes: [{name: d, emptyDir: {}}, {name: m, emptyDir: {medium: Memory}}]";
    let extra = "volumeMounts: [{name: d, mountPath: /d}, {name: m, mountPath: /m}]";
    assert_eq!(output(t, "empty", more, script, extra), "777\n777\ntmpfs\nx\n");
}

fn a_shared_process_namespace_shows_every_container(t: &Test) {
    let more = "shareProcessNamespace: true";
    create(t, &scripts(t, "pids", more, &[("app", "exec sleep 1000", ""), ("b", "exec sleep 2000", "")]), "started").ok();
    let ps = t.podrt(["exec", "pids", "-c", "app", "--", "ps", "-o", "pid,args"]).run().ok().stdout;
    assert!(ps.contains("sleep 1000") && ps.contains("sleep 2000"), "{ps}");
    assert!(!ps.lines().any(|l| l.trim_start().starts_with("1 sleep")), "pause is process 1: {ps}");
    t.podrt(["delete", "pod", "pids", "--now"]).run().ok();
}

fn a_pod_that_is_over_keeps_its_results_until_it_is_deleted(t: &Test) {
    create(t, &scripts(t, "done", "restartPolicy: OnFailure", &[("app", "echo ok; exit 0", "")]), "created").ok();
    wait_phase(t, "done", "Succeeded");
    assert_eq!(columns(t, "done"), ["0/1", "Completed", "0"]);
    let pod = get(t, "done");
    for kind in ["Ready", "ContainersReady"] {
        assert_eq!(
            (&condition(&pod, kind)["status"], &condition(&pod, kind)["reason"]),
            (&"False".into(), &"PodCompleted".into())
        );
    }
    assert_eq!((condition(&pod, "PodScheduled")["status"].as_str(), logs(t, "done", "app").as_str()), (Some("True"), "ok\n"));
    delete(t, "done");
}

suite!(
    a_failed_init_container_fails_a_pod_that_restarts_nothing,
    a_failed_init_container_is_tried_again_and_keeps_the_others_back,
    variables_are_expanded_in_commands_and_arguments,
    users_are_those_of_the_manifest,
    privileges_are_those_of_the_manifest,
    sysctls_are_set_and_unsafe_ones_refused,
    an_empty_dir_is_everybodys,
    a_shared_process_namespace_shows_every_container,
    a_pod_that_is_over_keeps_its_results_until_it_is_deleted,
);
