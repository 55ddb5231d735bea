//! Pods through podrt's command line: what a person at a shell sees, and what the kernel then shows.

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use support::pod::*;
use support::{Run, Test};

fn a_pod_goes_up_is_seen_and_goes_down(t: &Test) {
    let file = manifest(t, "web", NEVER, &[("app", &["reap"], "")]);
    assert_eq!(create(t, &file, "started").ok().stdout, "pod/web created\n");
    assert_eq!(phase(t, "web"), "Running");
    let table = t.podrt(["get", "pods"]).run().ok().stdout;
    let rows: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    assert_eq!(rows[1][..4], ["web", "1/1", "Running", "0"]);
    assert_eq!(t.podrt(["get", "pods", "-o", "name"]).run().ok().stdout, "pod/web\n");
    let list: Value = serde_json::from_str(&t.podrt(["get", "pods", "-o", "json"]).run().ok().stdout).unwrap();
    assert_eq!([&list["kind"], &list["items"][0]["metadata"]["name"]], ["PodList", "web"]);
    assert!(t.podrt(["describe", "pod", "web"]).run().ok().stdout.contains("app"));
    assert!(t.podrt(["delete", "pod", "web"]).run().ok().stdout.contains("deleted"));
    let none = t.podrt(["get", "pods"]).run().ok();
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "No resources found in default namespace.\n"));
    let missing = t.podrt(["get", "pod", "web"]).run().exits(1);
    assert_eq!(missing.stderr, "Error from server (NotFound): pods \"web\" not found\n");
}

fn two_containers_share_net_ipc_and_uts_and_nothing_else(t: &Test) {
    let file = manifest(t, "two", NEVER, &[("a", &["reap"], ""), ("b", &["reap"], "")]);
    create(t, &file, "started").ok();
    let other = manifest(t, "other", NEVER, &[("a", &["reap"], "")]);
    create(t, &other, "started").ok();
    let (a, b, c) = (first_pid(t, "two", "a"), first_pid(t, "two", "b"), first_pid(t, "other", "a"));
    for kind in ["net", "ipc", "uts"] {
        assert_eq!(namespace(a, kind), namespace(b, kind), "{kind}");
    }
    for kind in ["mnt", "pid", "cgroup"] {
        assert_ne!(namespace(a, kind), namespace(b, kind), "{kind}");
    }
    for kind in ["net", "ipc", "uts", "mnt", "pid", "cgroup"] {
        assert_ne!(namespace(a, kind), namespace(c, kind), "{kind} across pods");
        assert_ne!(
            namespace(a, kind),
            fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().to_str().unwrap(),
            "{kind} of the host"
        );
    }
    delete_all(t);
}

fn containers_talk_over_localhost_and_shared_memory(t: &Test) {
    let file = manifest(
        t,
        "talk",
        NEVER,
        &[
            ("server", &["serve", "8080", "a sentence"], ""),
            ("client", &["fetch", "127.0.0.1", "8080", "10"], ""),
            ("ids", &["ids"], ""),
            ("lo", &["ifaces"], ""),
        ],
    );
    create(t, &file, "started").ok();
    t.eventually("the client has fetched", 10, || (logs(t, "talk", "client") == "body=a sentence\n").then_some(()));
    t.eventually("the host name", 5, || logs(t, "talk", "ids").contains("hostname=talk\n").then_some(()));
    assert!(logs(t, "talk", "lo").contains("lo=up"));
    let exec = |args: &[&str]| t.podrt([&["exec", "talk", "-c", "server", "--", "payload"], args].concat()).run().ok().stdout;
    assert_eq!(exec(&["shm-write", "/x", "posix"]), "written=posix\n");
    assert_eq!(exec(&["sysv-write", "5", "system v"]), "written=system v\n");
    delete(t, "talk");
    let file = manifest(t, "next", NEVER, &[("app", &["reap"], "")]);
    create(t, &file, "started").ok();
    let out = t.podrt(["exec", "next", "--", "payload", "shm-read", "/x"]).run();
    assert_eq!((out.code(), out.stdout.trim()), (1, "error=shm_open ENOENT"), "IPC ends with the pod");
    delete(t, "next");
}

fn exit_codes_and_phases_are_the_containers(t: &Test) {
    create(t, &manifest(t, "good", NEVER, &[("a", &["exit", "0"], ""), ("b", &["exit", "0"], "")]), "created").ok();
    create(t, &manifest(t, "bad", NEVER, &[("a", &["exit", "0"], ""), ("b", &["exit", "9"], "")]), "created").ok();
    wait_phase(t, "good", "Succeeded");
    wait_phase(t, "bad", "Failed");
    let ended = &status_of(&get(t, "bad"), "b")["state"]["terminated"].clone();
    assert_eq!((ended["exitCode"].as_i64(), ended["reason"].as_str()), (Some(9), Some("Error")));
    t.podrt(["delete", "pod", "--all"]).run().ok();
}

fn a_failing_container_is_started_again(t: &Test) {
    create(t, &manifest(t, "again", "restartPolicy: Always", &[("a", &["exit", "1"], "")]), "created").ok();
    t.eventually("a restart", 10, || (status_of(&get(t, "again"), "a")["restartCount"].as_i64() >= Some(1)).then_some(()));
    delete(t, "again");
}

fn init_containers_run_in_order_before_the_rest(t: &Test) {
    let bundle = support::world::fixtures().join("bundles/shell");
    let init = |name: &str, script: &str| {
        format!("- name: {name}\n  image: bundle:{}\n  command: [/bin/sh, -c, '{script}']\n", bundle.display())
    };
    let more = format!(
        "{NEVER}\ninitContainers:\n{}{}",
        init("one", "sleep 0.5; echo one; date +%s%N"),
        init("two", "echo two; date +%s%N")
    );
    create(t, &manifest(t, "init", &more, &[("app", &["reap"], "")]), "started").ok();
    wait_phase(t, "init", "Running");
    assert!(logs(t, "init", "one").starts_with("one\n") && logs(t, "init", "two").starts_with("two\n"));
    let pod = get(t, "init");
    let inits = pod["status"]["initContainerStatuses"].as_array().unwrap();
    assert!(inits.iter().all(|c| c["state"]["terminated"]["reason"] == "Completed"), "{pod}");
    delete(t, "init");
}

fn the_log_of_a_container_that_is_gone_is_complete_and_in_order(t: &Test) {
    create(t, &manifest(t, "log", NEVER, &[("app", &["lines", "100000"], "")]), "created").ok();
    wait_phase(t, "log", "Succeeded");
    let text = logs(t, "log", "app");
    let mut lines = text.lines();
    assert!((1..=100_000u32).all(|n| lines.next() == Some(n.to_string().as_str())), "{} lines", text.lines().count());
    assert_eq!(lines.next(), None);
    delete(t, "log");
}

fn the_shell_of_the_caller_leaves_no_trace(t: &Test) {
    let file = manifest(
        t,
        "clean",
        NEVER,
        &[("signals", &["signals"], ""), ("fds", &["list", "/proc/self/fd"], ""), ("ids", &["ids"], "")],
    );
    // nohup ignores SIGHUP; a Rust program ignores SIGPIPE; the shell ignores the rest and leaves files open.
    let script = "trap '' HUP INT QUIT PIPE TERM; exec 9</ 17</; umask 077; exec \"$@\"";
    Run::new("/bin/bash").args(["-c", script, "bash"]).args(t.podrt_words()).args(["create", "-f", &file]).run().ok();
    wait_phase(t, "clean", "Succeeded");
    let signals = logs(t, "clean", "signals");
    for key in ["SigIgn", "SigBlk"] {
        assert_eq!(support::command::value(&signals, key), Some("0000000000000000"), "{signals}");
    }
    let fds = logs(t, "clean", "fds");
    // The listing's own descriptor is 3.
    assert_eq!(fds.lines().filter(|l| *l != "3").collect::<BTreeSet<_>>(), BTreeSet::from(["0", "1", "2"]), "{fds}");
    assert!(logs(t, "clean", "ids").contains("umask=0022"));
    delete(t, "clean");
}

fn a_user_may_write_to_its_standard_error_by_name(t: &Test) {
    let file = manifest(t, "user", NEVER, &[("app", &["write-stderr", "ok"], "securityContext: {runAsUser: 1000}")]);
    create(t, &file, "created").ok();
    wait_phase(t, "user", "Succeeded");
    assert_eq!(logs(t, "user", "app"), "ok\n");
    delete(t, "user");
}

/// With pipes that must close: `$(podrt create ...)`.
fn create_lets_go_of_its_callers_output(t: &Test) {
    let file = manifest(t, "pipe", NEVER, &[("app", &["reap"], "")]);
    let out = create(t, &file, "created").ok();
    assert_eq!(out.stdout, "pod/pipe created\n");
    delete(t, "pipe");
}

fn run_prints_the_containers_output_and_passes_on_their_code(t: &Test) {
    let file = manifest(t, "fore", NEVER, &[("a", &["lines", "3", "of a"], ""), ("b", &["exit", "6"], "")]);
    let out = t.podrt(["run", "-f", &file, "--rm"]).run().exits(6);
    for n in 1..=3 {
        assert!(out.stdout.lines().any(|l| l.ends_with(&format!("{n} of a"))), "{out}");
    }
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty(), "--rm removes it");
}

fn exec_passes_on_input_output_and_code(t: &Test) {
    create(t, &manifest(t, "ex", NEVER, &[("app", &["reap"], "")]), "started").ok();
    let out = t.podrt(["exec", "ex", "--", "sh", "-c", "echo out; echo err >&2; exit 5"]).run();
    assert_eq!((out.code(), out.stdout.as_str()), (5, "out\n"), "{out}");
    assert!(out.stderr.starts_with("err\n") && out.stderr.contains("command terminated with exit code 5"), "{out}");
    assert_eq!(t.podrt(["exec", "-i", "ex", "--", "payload", "echo"]).input("abc").run().ok().stdout, "abceof=3\n");
    let ns = t.podrt(["exec", "ex", "--", "payload", "ns"]).run().ok();
    assert_eq!(ns.value("mnt"), namespace(first_pid(t, "ex", "app"), "mnt"));
    let caps = t.podrt(["exec", "ex", "--", "payload", "caps"]).run().ok();
    assert_eq!((caps.value("CapInh"), caps.value("CapAmb")), ("0000000000000000", "0000000000000000"));
    delete(t, "ex");
}

/// A container with CAP_SYS_PTRACE watches what enters it, and reopens it for writing when it has ended.
fn no_program_of_podrts_that_enters_a_container_can_be_written_to(t: &Test) {
    let file = manifest(t, "exe", NEVER, &[("app", &["catch-exe", "4"], "securityContext: {capabilities: {add: [SYS_PTRACE]}}")]);
    create(t, &file, "started").ok();
    for _ in 0..20 {
        let _ = t.podrt(["exec", "exe", "--", "/proc/self/exe"]).run();
    }
    wait_phase(t, "exe", "Succeeded");
    let text = logs(t, "exe", "app");
    assert!(text.contains("done=1"), "{text}");
    assert!(!text.contains("write=0"), "{text}");
    let podrt = text.lines().zip(text.lines().skip(1)).filter(|(a, _)| a.contains("podrt")).map(|(_, b)| b).collect::<Vec<_>>();
    // Busy as long as anybody on the host runs the same file.
    assert!(podrt.iter().all(|w| ["write=EROFS", "write=ETXTBSY"].contains(w)), "{text}");
    delete(t, "exe");
}

fn a_stubborn_container_is_killed_after_its_grace_period(t: &Test) {
    create(t, &manifest(t, "stub", NEVER, &[("app", &["ignore-term"], "")]), "started").ok();
    let out = t.podrt(["delete", "pod", "stub", "--grace-period", "2"]).run().ok();
    assert!(out.took >= Duration::from_millis(1900), "{out}");
}

suite!(
    a_pod_goes_up_is_seen_and_goes_down,
    two_containers_share_net_ipc_and_uts_and_nothing_else,
    containers_talk_over_localhost_and_shared_memory,
    exit_codes_and_phases_are_the_containers,
    a_failing_container_is_started_again,
    init_containers_run_in_order_before_the_rest,
    the_log_of_a_container_that_is_gone_is_complete_and_in_order,
    the_shell_of_the_caller_leaves_no_trace,
    a_user_may_write_to_its_standard_error_by_name,
    create_lets_go_of_its_callers_output,
    run_prints_the_containers_output_and_passes_on_their_code,
    exec_passes_on_input_output_and_code,
    no_program_of_podrts_that_enters_a_container_can_be_written_to,
    a_stubborn_container_is_killed_after_its_grace_period,
);
