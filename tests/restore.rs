//! A reboot: nothing of the state folder is left, or all of it is an earlier boot's; what was applied and should run comes back.

mod support;

use serde_json::Value;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::leaks::Snapshot;
use support::pod::*;
use support::{Run, Test};

const ALWAYS: &str = "restartPolicy: Always";
const ON_FAILURE: &str = "restartPolicy: OnFailure";

/// As a reboot leaves it: no process, no cgroup, no state; data and logs are there.
fn reboot(t: &Test) {
    fs::write(t.cgroup_dir().join("cgroup.kill"), "1").expect("cgroup.kill");
    t.eventually("all are dead", 5, || {
        support::leaks::reap();
        fs::read_to_string(t.cgroup_dir().join("cgroup.events")).unwrap().contains("populated 0").then_some(())
    });
    support::leaks::remove_cgroups(t);
    fs::remove_dir_all(&t.run).expect("the state folder");
}

fn applied(t: &Test) -> Vec<String> {
    let entries = fs::read_dir(t.data.join("applied/default")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn sleeper(t: &Test, name: &str, policy: &str) -> String {
    manifest(t, name, policy, &[("app", &["reap"], "")])
}

fn what_should_run_comes_back_and_nothing_else(t: &Test) {
    let before = Snapshot::take(t);
    create(t, &sleeper(t, "always", ALWAYS), "started").ok();
    create(t, &sleeper(t, "unfinished", ON_FAILURE), "started").ok();
    create(t, &sleeper(t, "never", NEVER), "started").ok();
    create(t, &manifest(t, "finished", ON_FAILURE, &[("app", &["exit", "0"], "")]), "created").ok();
    wait_phase(t, "finished", "Succeeded");
    create(t, &sleeper(t, "deleted", ALWAYS), "started").ok();
    delete(t, "deleted");
    assert_eq!(applied(t), ["always.json", "unfinished.json"]);
    let uid = get(t, "always")["metadata"]["uid"].clone();
    reboot(t);
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
    assert_eq!(t.podrt(["restore"]).run().ok().stdout, "pod/always restored\npod/unfinished restored\n");
    for pod in ["always", "unfinished"] {
        wait_phase(t, pod, "Running");
    }
    assert_eq!(get(t, "always")["metadata"]["uid"], uid, "it is the same pod");
    assert_eq!(t.podrt(["restore"]).run().ok().stdout, "pod/always unchanged\npod/unfinished unchanged\n");
    assert_eq!(t.podrt(["restore", "always"]).run().ok().stdout, "pod/always unchanged\n");
    t.podrt(["restore", "never"]).run().refuses(&["NotFound", "never"]);
    delete_all(t);
    assert_eq!(applied(t), [""; 0]);
    assert!(t.podrt(["restore"]).run().ok().stdout.is_empty());
    // What the others had on disk is nobody's by now.
    t.podrt(["doctor", "--fix"]).run().ok();
    let left = before.left(t, Duration::from_secs(4));
    assert!(left.is_empty(), "{left:?}");
}

fn a_pod_can_be_deleted_or_applied_before_it_was_restored(t: &Test) {
    let file = sleeper(t, "web", ALWAYS);
    create(t, &file, "started").ok();
    reboot(t);
    assert_eq!(t.podrt(["delete", "pod", "web"]).run().ok().stdout, "pod/web deleted\n");
    t.podrt(["delete", "pod", "web"]).run().refuses(&["NotFound"]);
    create(t, &file, "started").ok();
    reboot(t);
    // Applied anew it is another pod, and the one that is kept.
    t.podrt(["apply", "-f", &file, "--wait=started"]).run().ok();
    let uid = get(t, "web")["metadata"]["uid"].clone();
    reboot(t);
    t.podrt(["restore"]).run().ok();
    assert_eq!(get(t, "web")["metadata"]["uid"], uid);
    delete(t, "web");
    t.podrt(["doctor", "--fix"]).run().ok();
}

/// The state folder on a disk: everything in it is an earlier boot's, and its pids are strangers'.
fn what_was_changed_in_place_comes_back_as_it_was_changed(t: &Test) {
    let file = sleeper(t, "web", ALWAYS);
    let text = fs::read_to_string(&file).unwrap();
    t.podrt(["apply", "-f", &file, "--wait=started"]).run().ok();
    let uid = get(t, "web")["metadata"]["uid"].clone();
    // The record alone, then what its supervisor carries out.
    let labelled = text.replace("metadata:\n", "metadata:\n  labels: {v: two}\n");
    let deadline = labelled.replace("spec:\n", "spec:\n  activeDeadlineSeconds: 3600\n");
    for changed in [&labelled, &deadline] {
        fs::write(&file, changed).unwrap();
        assert_eq!(t.podrt(["apply", "-f", &file]).run().ok().stdout, "pod/web configured\n");
    }
    reboot(t);
    assert_eq!(t.podrt(["restore"]).run().ok().stdout, "pod/web restored\n");
    let pod = get(t, "web");
    assert_eq!((&pod["metadata"]["uid"], &pod["metadata"]["labels"]["v"]), (&uid, &"two".into()));
    assert_eq!(pod["spec"]["activeDeadlineSeconds"], 3600);
    assert_eq!(t.podrt(["apply", "-f", &file]).run().ok().stdout, "pod/web unchanged\n");
    delete(t, "web");
}

fn a_record_of_an_earlier_boot_is_in_nobodys_way(t: &Test) {
    create(t, &sleeper(t, "web", ALWAYS), "started").ok();
    create(t, &sleeper(t, "once", NEVER), "started").ok();
    let state = t.path("state-of-old");
    Run::new("cp").args(["-a", t.run.to_str().unwrap(), state.to_str().unwrap()]).run().ok();
    reboot(t);
    Run::new("cp").args(["-a", state.to_str().unwrap(), t.run.to_str().unwrap()]).run().ok();
    for sandbox in fs::read_dir(t.run.join("sandboxes")).unwrap().flatten() {
        let path = sandbox.path().join("intent.json");
        let mut intent: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        intent["boot_id"] = "11111111-2222-3333-4444-555555555555".into();
        // A process that lives, and has nothing to do with it.
        intent["supervisor"] = serde_json::json!({"pid": std::process::id(), "start": 1});
        fs::write(&path, intent.to_string()).unwrap();
    }
    assert_eq!(phase(t, "once"), "Unknown");
    assert_eq!(t.podrt(["restore"]).run().ok().stdout, "pod/web restored\n");
    wait_phase(t, "web", "Running");
    t.podrt(["delete", "pod", "once"]).run().ok();
    delete(t, "web");
}

fn one_that_cannot_be_restored_does_not_hold_up_the_others(t: &Test) {
    create(t, &sleeper(t, "a", ALWAYS), "started").ok();
    create(t, &sleeper(t, "z", ALWAYS), "started").ok();
    reboot(t);
    fs::write(t.data.join("applied/default/a.json"), "{\"schema\": 1, \"spec\": {").unwrap();
    let out = t.podrt(["restore"]).run().exits(1);
    assert_eq!(out.stdout, "pod/z restored\n");
    assert!(out.stderr.starts_with("error: restore default/a: ") && out.stderr.lines().count() == 1, "{out}");
    let found = t.podrt(["doctor"]).run().exits(1).stdout;
    assert!(found.contains("a.json") && found.contains("cannot be restored"), "{found}");
    delete(t, "z");
    t.podrt(["delete", "pod", "a"]).run().ok();
    t.podrt(["doctor", "--fix"]).run().ok();
}

/// `run` is the foreground's, and a pod that could not be made is none.
fn a_pod_of_run_and_one_that_was_not_made_are_not_kept(t: &Test) {
    let file = manifest(t, "fg", ON_FAILURE, &[("app", &["exit", "0"], "")]);
    t.podrt(["run", "-f", &file, "--rm"]).run().ok();
    let missing = t.write(
        "no.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: no}\nspec:\n  containers:\n  - {name: a, image: 'bundle:/no/such'}\n",
    );
    let out = t.podrt(["create", "-f", missing.to_str().unwrap()]).run();
    if out.code() == 0 {
        delete(t, "no");
    }
    create(t, &sleeper(t, "there", ALWAYS), "started").ok();
    t.podrt(["create", "-f", &sleeper(t, "there", ALWAYS)]).run().refuses(&["AlreadyExists"]);
    assert_eq!(applied(t), ["there.json"], "the failed one's name is the first one's");
    delete(t, "there");
    assert_eq!(applied(t), [""; 0]);
}

fn units_are_what_systemd_reads(t: &Test) {
    create(t, &sleeper(t, "web", ALWAYS), "started").ok();
    let all = t.podrt(["unit"]).run().ok().stdout;
    let one = t.podrt(["unit", "web"]).run().ok().stdout;
    assert!(all.contains(&format!(" --data {}/lib ", t.dir.display())) && all.contains(" restore\n"), "{all}");
    assert!(one.contains("Type=notify") && one.contains("restore --namespace default web --notify"), "{one}");
    t.podrt(["unit", "none"]).run().refuses(&["NotFound"]);
    if std::path::Path::new("/usr/bin/systemd-analyze").exists() {
        for (name, text) in [("podrt-restore.service", &all), ("podrt-pod-web.service", &one)] {
            let path = t.write(name, text);
            let out = Run::new("systemd-analyze")
                .args(["verify", "--man=no", path.to_str().unwrap()])
                .within(Duration::from_secs(60))
                .run();
            assert!(!out.stderr.contains(name), "{out}");
        }
    }
    delete(t, "web");
}

/// What `podrt unit POD` has systemd run.
fn a_service_is_ready_when_its_pod_is_and_ends_it_when_told(t: &Test) {
    let probe = "readinessProbe: {tcpSocket: {port: 7777}, periodSeconds: 1}";
    create(
        t,
        &manifest(t, "web", ALWAYS, &[("app", &["reap"], ""), ("srv", &["serve", "7777", "hello", "0.0.0.0"], probe)]),
        "started",
    )
    .ok();
    reboot(t);
    let socket = t.path("notify");
    let told = UnixDatagram::bind(&socket).unwrap();
    told.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let [program, own @ ..] = t.podrt_words();
    let mut service = Command::new(program)
        .args(own)
        .args(["restore", "web", "--notify"])
        .env("NOTIFY_SOCKET", &socket)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let receive = || {
        let mut text = [0; 100];
        let n = told.recv(&mut text).expect("a word from the service");
        String::from_utf8_lossy(&text[..n]).into_owned()
    };
    assert_eq!(receive(), "READY=1");
    let ready = get(t, "web");
    let conditions = ready["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"), "{ready}");
    assert!(service.try_wait().unwrap().is_none(), "it stays");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(service.id() as i32), nix::sys::signal::Signal::SIGTERM).unwrap();
    let code = t.eventually("it ends", 10, || service.try_wait().unwrap());
    assert!(code.success(), "{code}");
    assert_eq!(receive(), "STOPPING=1");
    // Its end was the service's, not the pod's: it is started again.
    assert_eq!(applied(t), ["web.json"]);
    assert_eq!(t.podrt(["restore", "web"]).run().ok().stdout, "pod/web restored\n");
    wait_phase(t, "web", "Running");
    delete(t, "web");
}

suite!(
    what_should_run_comes_back_and_nothing_else,
    a_pod_can_be_deleted_or_applied_before_it_was_restored,
    what_was_changed_in_place_comes_back_as_it_was_changed,
    a_record_of_an_earlier_boot_is_in_nobodys_way,
    one_that_cannot_be_restored_does_not_hold_up_the_others,
    a_pod_of_run_and_one_that_was_not_made_are_not_kept,
    units_are_what_systemd_reads,
    a_service_is_ready_when_its_pod_is_and_ends_it_when_told,
);
