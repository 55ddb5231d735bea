//! Pods through podrt's command line: what a person at a shell sees, and what the kernel then shows.

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use support::{Out, Run, Test};

/// One container: its name, what the payload is told, and more YAML at the container's level (flow style).
type Container<'a> = (&'a str, &'a [&'a str], &'a str);

/// A manifest with `more` at the level of the spec.
fn manifest(t: &Test, pod: &str, more: &str, containers: &[Container]) -> String {
    let mut text = format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {pod}\nspec:\n  terminationGracePeriodSeconds: 2\n");
    text += &more.lines().map(|l| format!("  {l}\n")).collect::<String>();
    text += "  containers:\n";
    for (name, args, extra) in containers {
        let bundle = support::world::fixtures().join("bundles/shell");
        let command: Vec<&str> = ["/bin/payload"].iter().chain(*args).copied().collect();
        text += &format!(
            "  - name: {name}\n    image: bundle:{}\n    command: {}\n",
            bundle.display(),
            serde_json::to_string(&command).unwrap()
        );
        text += &extra.lines().map(|l| format!("    {l}\n")).collect::<String>();
    }
    t.write(&format!("{pod}.yaml"), text).to_str().unwrap().to_owned()
}

const NEVER: &str = "restartPolicy: Never";

fn create(t: &Test, file: &str, wait: &str) -> Out {
    t.podrt(["create", "-f", file, &format!("--wait={wait}")]).run()
}

fn get(t: &Test, pod: &str) -> Value {
    serde_json::from_str(&t.podrt(["get", "pod", pod, "-o", "json"]).run().ok().stdout).expect("get -o json prints JSON")
}

fn phase(t: &Test, pod: &str) -> String {
    get(t, pod)["status"]["phase"].as_str().unwrap_or_default().to_owned()
}

fn wait_phase(t: &Test, pod: &str, want: &str) {
    t.eventually(&format!("{pod} is {want}"), 15, || (phase(t, pod) == want).then_some(()));
}

fn status_of<'a>(pod: &'a Value, container: &str) -> &'a Value {
    let all = pod["status"]["containerStatuses"].as_array().expect("containerStatuses");
    all.iter().find(|c| c["name"] == container).unwrap_or_else(|| panic!("no status of {container}: {pod}"))
}

fn logs(t: &Test, pod: &str, container: &str) -> String {
    t.podrt(["logs", pod, "-c", container]).run().ok().stdout
}

fn delete(t: &Test, pod: &str) {
    t.podrt(["delete", "pod", pod, "--grace-period", "1"]).run().ok();
}

fn pod_cgroup(t: &Test, pod: &str) -> std::path::PathBuf {
    let uid = get(t, pod)["metadata"]["uid"].as_str().expect("a uid").to_owned();
    t.cgroup_dir().join(format!("pod{uid}"))
}

fn first_pid(t: &Test, pod: &str, leaf: &str) -> i32 {
    let procs = fs::read_to_string(pod_cgroup(t, pod).join(leaf).join("cgroup.procs")).unwrap();
    procs.lines().next().unwrap_or_else(|| panic!("no process in {leaf}")).parse().unwrap()
}

fn namespace(pid: i32, kind: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().to_str().unwrap().to_owned()
}

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
    assert_eq!([&list["kind"], &list["items"][0]["metadata"]["name"]], ["List", "web"]);
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
    t.podrt(["delete", "pod", "--all", "--grace-period", "1"]).run().ok();
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

fn the_pods_cgroup_holds_no_process_and_pause_has_a_leaf(t: &Test) {
    let file = manifest(t, "cg", NEVER, &[("app", &["reap"], "")]);
    create(t, &file, "started").ok();
    let dir = pod_cgroup(t, "cg");
    assert_eq!(fs::read_to_string(dir.join("cgroup.procs")).unwrap(), "");
    assert!(first_pid(t, "cg", "pause") > 0);
    delete(t, "cg");
}

fn controllers_are_handed_down(t: &Test) {
    t.requires_controllers(&["cpu", "memory", "pids"]);
    let file = manifest(t, "cg", NEVER, &[("app", &["reap"], "resources: {limits: {cpu: 500m, memory: 64Mi}}")]);
    create(t, &file, "started").ok();
    let dir = pod_cgroup(t, "cg");
    let control = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap();
    for c in ["cpu", "memory", "pids"] {
        assert!(control.split_whitespace().any(|x| x == c), "{c} in {control}");
    }
    let value = |f: &str| fs::read_to_string(dir.join("app").join(f)).unwrap().trim().to_owned();
    assert_eq!([value("memory.max"), value("cpu.max"), value("memory.oom.group")], ["67108864", "50000 100000", "1"]);
    delete(t, "cg");
}

fn an_oom_kill_is_reported(t: &Test) {
    t.requires_controllers(&["memory"]);
    let file = manifest(t, "oom", NEVER, &[("app", &["eat", "200"], "resources: {limits: {memory: 32Mi}}")]);
    create(t, &file, "created").ok();
    wait_phase(t, "oom", "Failed");
    let pod = get(t, "oom");
    let ended = &status_of(&pod, "app")["state"]["terminated"];
    assert_eq!((ended["reason"].as_str(), ended["exitCode"].as_i64()), (Some("OOMKilled"), Some(137)), "{pod}");
    delete(t, "oom");
}

fn a_limit_without_its_controller_is_refused_by_name(t: &Test) {
    let there = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap();
    t.requires(!there.contains("memory"), "every controller is here");
    let file = manifest(t, "lim", NEVER, &[("app", &["reap"], "resources: {limits: {memory: 32Mi}}")]);
    let out = create(t, &file, "created");
    assert!(out.code() != 0 && out.stderr.contains("memory"), "{out}");
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

fn a_container_that_cannot_start_is_the_pods_status(t: &Test) {
    let bundle = support::world::fixtures().join("bundles/shell");
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: broken}}\nspec:\n  restartPolicy: Never\n  containers:\n  - {{name: app, image: 'bundle:{}', command: [/bin/nowhere]}}\n",
        bundle.display()
    );
    let file = t.write("broken.yaml", text);
    create(t, file.to_str().unwrap(), "created").ok();
    let pod = t.eventually("it is said", 10, || Some(get(t, "broken")).filter(|p| p.to_string().contains("nowhere")));
    assert!(["ContainerCannotRun", "RunContainerError", "StartError"].iter().any(|r| pod.to_string().contains(r)), "{pod}");
    delete(t, "broken");
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
    let podrt = env!("CARGO_BIN_EXE_podrt");
    let (root, state, log) = (t.root.to_str().unwrap(), t.state.to_str().unwrap(), t.logs.to_str().unwrap());
    let parent = t.cgroup_parent();
    let words = [podrt, "--root", root, "--state", state, "--log-root", log, "--cgroup-parent", &parent, "create", "-f", &file];
    Run::new("/bin/bash").args(["-c", script, "bash"]).args(words).run().ok();
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
    assert!(podrt.iter().all(|w| *w == "write=EROFS"), "{text}");
    delete(t, "exe");
}

fn a_stubborn_container_is_killed_after_its_grace_period(t: &Test) {
    create(t, &manifest(t, "stub", NEVER, &[("app", &["ignore-term"], "")]), "started").ok();
    let out = t.podrt(["delete", "pod", "stub", "--grace-period", "2"]).run().ok();
    assert!(out.took >= Duration::from_millis(1900), "{out}");
}

fn the_name_is_taken_once_and_free_again(t: &Test) {
    let file = manifest(t, "name", NEVER, &[("app", &["reap"], "")]);
    create(t, &file, "started").ok();
    let uid = get(t, "name")["metadata"]["uid"].clone();
    let out = create(t, &file, "created");
    assert!(out.code() == 1 && out.stderr.contains("already exists"), "{out}");
    assert_eq!(get(t, "name")["metadata"]["uid"], uid);
    delete(t, "name");
    create(t, &file, "started").ok();
    assert_ne!(get(t, "name")["metadata"]["uid"], uid);
    delete(t, "name");
}

fn bad_manifests_are_one_clear_error_and_make_nothing(t: &Test) {
    let pod = |spec: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: bad}}\nspec: {spec}\n");
    let cases = [
        ("empty", String::new()),
        ("not YAML", "a: [".into()),
        ("a tab", "a:\n\t- b".into()),
        ("another kind", "apiVersion: v1\nkind: Pot\nmetadata: {name: x}".into()),
        ("no containers", pod("{}")),
        ("an unknown field", pod("{contaners: []}")),
        ("a missing bundle", pod("{containers: [{name: a, image: 'bundle:/nowhere'}]}")),
        ("no source", pod("{containers: [{name: a}]}")),
        ("a bad name", pod("{containers: [{name: A_b, image: 'bundle:/nowhere'}]}")),
        ("a bad policy", pod("{restartPolicy: always, containers: [{name: a, image: 'bundle:/nowhere'}]}")),
    ];
    for (what, text) in cases {
        let file = t.write("bad.yaml", text);
        let out = create(t, file.to_str().unwrap(), "created");
        assert!(out.code() != 0 && out.code() != 101 && !out.stderr.is_empty(), "{what}: {out}");
        assert!(!out.stderr.contains("panicked"), "{what}: {out}");
        support::world::at_once(&out);
    }
    let missing = t.podrt(["create", "-f", "/nowhere.yaml"]).run();
    assert!(missing.code() != 0 && missing.stderr.contains("/nowhere.yaml"), "{missing}");
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
}

fn pods_one_after_another_leave_nothing(t: &Test) {
    let file = manifest(t, "row", NEVER, &[("app", &["exit", "0"], "")]);
    for _ in 0..if support::world::in_vm() { 5 } else { 50 } {
        create(t, &file, "started").ok();
        t.podrt(["delete", "pod", "row", "--now"]).run().ok();
    }
}

fn pods_created_at_once_all_run(t: &Test) {
    let count = if support::world::in_vm() { 4 } else { 20 };
    let files: Vec<String> = (0..count).map(|n| manifest(t, &format!("p{n}"), NEVER, &[("app", &["reap"], "")])).collect();
    std::thread::scope(|s| {
        files.iter().for_each(|f| {
            s.spawn(|| t.podrt(["create", "-f", f, "--wait=started"]).within(Duration::from_secs(60)).run().ok());
        });
    });
    let table = t.podrt(["get", "pods"]).run().ok().stdout;
    assert_eq!(table.matches("Running").count(), count, "{table}");
    t.podrt(["delete", "pod", "--all", "--grace-period", "1"]).within(Duration::from_secs(60)).run().ok();
}

suite!(
    a_pod_goes_up_is_seen_and_goes_down,
    two_containers_share_net_ipc_and_uts_and_nothing_else,
    containers_talk_over_localhost_and_shared_memory,
    the_pods_cgroup_holds_no_process_and_pause_has_a_leaf,
    controllers_are_handed_down,
    an_oom_kill_is_reported,
    a_limit_without_its_controller_is_refused_by_name,
    exit_codes_and_phases_are_the_containers,
    a_failing_container_is_started_again,
    init_containers_run_in_order_before_the_rest,
    a_container_that_cannot_start_is_the_pods_status,
    the_log_of_a_container_that_is_gone_is_complete_and_in_order,
    the_shell_of_the_caller_leaves_no_trace,
    a_user_may_write_to_its_standard_error_by_name,
    create_lets_go_of_its_callers_output,
    run_prints_the_containers_output_and_passes_on_their_code,
    exec_passes_on_input_output_and_code,
    no_program_of_podrts_that_enters_a_container_can_be_written_to,
    a_stubborn_container_is_killed_after_its_grace_period,
    the_name_is_taken_once_and_free_again,
    bad_manifests_are_one_clear_error_and_make_nothing,
    pods_one_after_another_leave_nothing,
    pods_created_at_once_all_run,
);
