//! The verbs of podrt-oci beside a container's life: exec, ps, pause, update, events, list, features, spec. What engines parse
//! has the shape that runc gave it. `RUNTIME=crun` runs the same tests on another runtime.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::net::UnixListener;
use support::{Bundle, Out, Run, Test, command::value, console::Console};

/// A running container that sleeps.
fn up(t: &Test) -> String {
    up_with(t, |b| b)
}

fn up_with(t: &Test, change: impl FnOnce(Bundle) -> Bundle) -> String {
    let folder = change(Bundle::new(t, "c", &["/bin/payload", "sleep"])).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    t.oci(["start", &t.tag]).run().ok();
    t.tag.clone()
}

/// What was exec'd in detachment is this process's to wait for, before its PID namespace can end.
fn down(t: &Test) {
    support::leaks::reap();
    t.oci(["delete", "--force", &t.tag]).run().ok();
}

fn exec(t: &Test, args: &[&str]) -> Out {
    t.oci([&["exec"], args].concat()).run()
}

fn json_of(out: Out) -> Value {
    serde_json::from_str(&out.ok().stdout).expect("JSON")
}

fn exec_passes_on_output_exit_code_and_input(t: &Test) {
    let id = up(t);
    let out = exec(t, &[&id, "/bin/sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((out.code(), out.stdout.as_str(), out.stderr.as_str()), (7, "out\n", "err\n"), "{out}");
    let out = t.oci(["exec", &id, "/bin/payload", "echo"]).input("some\ntext").run().ok();
    assert_eq!(out.stdout, "some\ntexteof=9\n");
    exec(t, &[&id, "/bin/payload", "die", "11"]).exits(139);
    let out = exec(t, &[&id, "/bin/nothing"]);
    assert_eq!(out.code(), if support::world::foreign() { out.code() } else { 255 }, "{out}");
    assert!(out.stderr.to_lowercase().contains("no such file or directory"), "{out}");
    down(t);
    exec(t, &[&id, "/bin/true"]).refuses(&["does not exist"]);
}

fn exec_runs_as_whom_and_where_it_is_told(t: &Test) {
    let id = up(t);
    let out = exec(t, &["--user", "app", "--cwd", "/home/app", &id, "/bin/payload", "ids"]).ok();
    assert_eq!([out.value("uid"), out.value("gid"), out.value("cwd")], ["1000 1000 1000", "1000 1000 1000", "/home/app"]);
    t.requires_podrt();
    assert_eq!(out.value("Groups").trim(), "2000", "the groups that list the user");
    let out = exec(t, &["--user", "1:5", "-g", "7", "-e", "A=b", "-e", "C=", &id, "/bin/payload", "ids"]).ok();
    assert_eq!([out.value("uid"), out.value("gid"), out.value("Groups").trim()], ["1 1 1", "5 5 5", "7"]);
    let out = exec(t, &["-u", "app", "-e", "A=b c", &id, "/bin/sh", "-c", "echo $A-$HOME-$PATH"]).ok();
    assert!(out.stdout.starts_with("b c-"), "{out}");
    for user in ["1:", ":1", " 1", "0x0", "-1", "4294967295", "4294967296", "nobody-knows", "app:nogroup-knows"] {
        exec(t, &[&format!("--user={user}"), &id, "/bin/true"]).refuses(&["--user"]);
    }
    down(t);
}

fn exec_adds_a_capability_that_is_neither_inherited_nor_ambient(t: &Test) {
    let id = up(t);
    let plain = exec(t, &[&id, "/bin/payload", "caps"]).ok();
    assert_eq!(
        [plain.value("CapEff"), plain.value("CapAmb"), plain.value("NoNewPrivs")],
        ["00000000a80425fb", "0000000000000000", "1"]
    );
    let more = exec(t, &["--cap", "CAP_SYS_PTRACE", &id, "/bin/payload", "caps"]).ok();
    assert_eq!([more.value("CapEff"), more.value("CapInh")], ["00000000a80c25fb", "0000000000000000"]);
    exec(t, &["--cap", "CAP_NOPE", &id, "/bin/true"]).refuses(&["CAP_NOPE"]);
    down(t);
}

fn exec_takes_a_whole_process_from_a_file(t: &Test) {
    let id = up(t);
    let file = t.write(
        "process",
        json!({"user": {"uid": 3, "gid": 4}, "args": ["/bin/payload", "ids"], "cwd": "/tmp", "env": ["PATH=/bin"]}).to_string(),
    );
    let out = exec(t, &["--process", file.to_str().unwrap(), &id]).ok();
    assert_eq!([out.value("uid"), out.value("gid"), out.value("cwd")], ["3 3 3", "4 4 4", "/tmp"]);
    t.requires_podrt();
    for (text, want) in
        [("", "is empty"), ("[]", "is a list"), ("{\"cwd\":1}", "cwd"), ("{\"user\":{\"uid\":\"x\"},\"cwd\":\"/\"}", "user.uid")]
    {
        let file = t.write("process", text);
        exec(t, &["--process", file.to_str().unwrap(), &id]).refuses(&[want]);
    }
    exec(t, &[&id]).refuses(&["no command"]);
    down(t);
}

fn exec_detached_leaves_its_pid_and_is_no_child_of_the_command(t: &Test) {
    let id = up(t);
    let pid_file = t.path("pid");
    t.oci(["exec", "-d", "--pid-file", pid_file.to_str().unwrap(), &id, "/bin/sleep", "100"])
        .output_to(&t.path("out2"))
        .run()
        .ok();
    let pid: i32 = t.read("pid").trim().parse().unwrap();
    assert!(fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains("sleep"));
    let pids = json_of(t.oci(["ps", "-f", "json", &id]).run());
    assert!(pids.as_array().unwrap().contains(&json!(pid)), "{pids}");
    assert_eq!(pids.as_array().unwrap().len(), 2, "{pids}");
    let table = t.oci(["ps", &id]).run().ok();
    assert_eq!(table.stdout.lines().count(), 3, "{table}");
    let table = t.oci(["ps", &id, "-o", "pid,comm"]).run().ok();
    assert!(table.stdout.contains(&pid.to_string()) && table.stdout.contains("sleep"), "{table}");
    // This process is its parent now: a PID namespace ends when the last of its processes has been waited for.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
    down(t);
}

fn exec_has_its_terminal_over_the_console_socket(t: &Test) {
    let id = up(t);
    let console = Console::bind(&t.path("console"));
    let socket = t.path("console");
    t.oci(["exec", "-d", "-t", "--console-socket", socket.to_str().unwrap(), &id, "/bin/payload", "tty"]).run().ok();
    let text = console.receive().read_to_end();
    assert_eq!(["isatty0", "isatty1", "controlling"].map(|k| value(&text, k)), [Some("1"); 3], "{text}");
    exec(t, &["-d", "-t", &id, "/bin/true"]).refuses(&["--console-socket"]);
    down(t);
}

/// The caller opens 3 and 4; the command gets as many of them as it was told to, and no other.
fn preserved_fds_and_no_others_reach_the_command(t: &Test) {
    let folder = Bundle::new(t, "c", &["/bin/payload", "fds"]).write();
    let runtime = support::world::runtime();
    let (runtime, root) = (runtime.to_str().unwrap(), t.oci_root.to_str().unwrap());
    let bash = |script: &str| Run::new("/bin/bash").args(["-c", script, runtime, root, &folder, &t.tag]).run();
    let numbers = |out: &Out| out.stdout.lines().map(|l| l.split('=').next().unwrap().to_string()).collect::<Vec<_>>();
    let out = bash("exec 3</dev/null 4</dev/null 5</; \"$0\" --root \"$1\" run --preserve-fds 2 --bundle \"$2\" \"$3\"").ok();
    assert_eq!(numbers(&out), ["0", "1", "2", "3", "4"], "{out}");
    up(t);
    let out = bash("exec 3</dev/null 4</; \"$0\" --root \"$1\" exec --preserve-fds 1 \"$3\" /bin/payload fds").ok();
    assert_eq!(numbers(&out), ["0", "1", "2", "3"], "{out}");
    t.requires_podrt();
    bash("exec 3</dev/null 4<&-; \"$0\" --root \"$1\" exec --preserve-fds 2 \"$3\" /bin/true").refuses(&["4 is not open"]);
    down(t);
    let script = "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" --root \"$1\" run --bundle \"$2\" \"$3\"";
    let folder = Bundle::new(t, "c", &["/bin/sh", "-c", "echo $LISTEN_FDS $LISTEN_PID; payload fds"]).write();
    let out = Run::new("/bin/bash").args(["-c", script, runtime, root, &folder, &t.tag]).run().ok();
    assert!(out.stdout.starts_with("1 1\n") && out.stdout.contains("\n3="), "{out}");
}

fn a_pidfd_is_sent(t: &Test) {
    t.requires_podrt();
    let listener = UnixListener::bind(t.path("socket")).unwrap();
    let folder = Bundle::new(t, "c", &["/bin/payload", "sleep"]).write();
    t.oci(["create", "--bundle", &folder, "--pidfd-socket", t.path("socket").to_str().unwrap(), &t.tag])
        .output_to(&t.path("out"))
        .run()
        .ok();
    use std::io::Read;
    let mut word = String::new();
    listener.accept().unwrap().0.read_to_string(&mut word).unwrap();
    assert_eq!(word, "pidfd");
    down(t);
}

fn a_paused_container_stands_still_until_it_is_resumed(t: &Test) {
    let id = up(t);
    t.oci(["resume", &id]).run().refuses(&["not paused"]);
    t.oci(["pause", &id]).run().ok();
    let state = json_of(t.oci(["state", &id]).run());
    assert_eq!(state["status"], "paused");
    exec(t, &[&id, "/bin/true"]).refuses(&["paused"]);
    t.oci(["exec", "-d", "--ignore-paused", "--help"]).run().ok();
    t.oci(["resume", &id]).run().ok();
    assert_eq!(json_of(t.oci(["state", &id]).run())["status"], "running");
    exec(t, &[&id, "/bin/true"]).ok();
    t.oci(["pause", &id]).run().ok();
    down(t);
    t.oci(["pause", &id]).run().refuses(&["does not exist"]);
}

fn limits_are_updated_from_flags_and_from_a_file(t: &Test) {
    t.requires_controllers(&["memory", "pids", "cpu"]);
    let id = up_with(t, |b| b.set("/linux/resources/memory", json!({"limit": 64 << 20})));
    let at = |file: &str| fs::read_to_string(t.cgroup_dir().join(format!("{id}-c")).join(file)).unwrap().trim().to_string();
    assert_eq!(at("memory.max"), (64 << 20).to_string());
    t.oci(["update", "--memory", "128m", "--pids-limit", "99", &id]).run().ok();
    assert_eq!([at("memory.max"), at("pids.max")], [(128 << 20).to_string(), "99".into()]);
    t.oci(["update", "--cpu-quota", "20000", "--cpu-period", "50000", &id]).run().ok();
    assert_eq!([at("cpu.max"), at("memory.max")], ["20000 50000".to_string(), (128 << 20).to_string()]);
    t.oci(["update", "--cpu-quota", "-1", &id]).run().ok();
    assert_eq!(at("cpu.max"), "max 50000");
    let input = json!({"memory": {"limit": 256 << 20}, "cpu": {"shares": 2048}}).to_string();
    t.oci(["update", "-r", "-", &id]).input(input).run().ok();
    assert_eq!(at("memory.max"), (256 << 20).to_string());
    let stats = json_of(t.oci(["events", "--stats", &id]).run());
    assert_eq!(stats["data"]["memory"]["usage"]["limit"], 256 << 20);
    assert_eq!(stats["data"]["pids"]["current"], 1);
    down(t);
}

fn a_bad_update_changes_nothing_and_is_named(t: &Test) {
    let id = up(t);
    t.oci(["update", "--memory", "lots", &id]).run().refuses(&["--memory"]);
    t.requires_podrt();
    for (text, want) in
        [("{\"pids\":{\"limit\":\"x\"}}", "resources.pids.limit"), ("[]", "is a list"), ("{\"cpu\":{\"idle\":7}}", "cpu.idle")]
    {
        t.oci(["update", "-r", "-", &id]).input(text).run().refuses(&[want]);
    }
    down(t);
    t.oci(["update", "--pids-limit", "5", &id]).run().refuses(&["does not exist"]);
}

fn events_print_figures_and_end_with_the_container(t: &Test) {
    let id = up(t);
    let stats = json_of(t.oci(["events", "--stats", &id]).run());
    assert_eq!([&stats["type"], &stats["id"]], [&json!("stats"), &json!(id)]);
    assert!(stats["data"]["cpu"]["usage"]["total"].as_u64().is_some_and(|n| n > 0), "{stats}");
    let runtime = support::world::runtime();
    let script = "(sleep 0.5; \"$0\" --root \"$1\" kill \"$2\" KILL) & \"$0\" --root \"$1\" events --interval 100ms \"$2\"";
    let out = Run::new("/bin/sh").args(["-c", script, runtime.to_str().unwrap(), t.oci_root.to_str().unwrap(), &id]).run().ok();
    assert!(out.stdout.lines().count() >= 2 && out.stdout.lines().all(|l| l.starts_with('{')), "{out}");
    t.eventually("stopped", 5, || t.oci(["events", "--stats", &id]).run().stderr.contains("not running").then_some(()));
    for interval in ["0s", "x", "-1s"] {
        t.oci(["events", &format!("--interval={interval}"), &id]).run().refuses(&["interval"]);
    }
    down(t);
}

fn the_list_is_a_table_or_json(t: &Test) {
    assert_eq!(json_of(t.oci(["list", "--format", "json"]).run()).as_array().map_or(0, Vec::len), 0);
    let id = up(t);
    let all = json_of(t.oci(["list", "-f", "json"]).run());
    assert_eq!([&all[0]["id"], &all[0]["status"], &all[0]["owner"]], [&json!(id), &json!("running"), &json!("root")]);
    assert!(all[0]["pid"].as_i64().is_some_and(|p| p > 1) && all[0]["created"].is_string() && all[0]["bundle"].is_string());
    let table = t.oci(["list"]).run().ok();
    let header: Vec<&str> = table.stdout.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header[..5], ["ID", "PID", "STATUS", "BUNDLE", "CREATED"]);
    assert_eq!(t.oci(["list", "-q"]).run().ok().stdout, format!("{id}\n"));
    down(t);
}

fn features_name_what_is_there(t: &Test) {
    t.requires_podrt();
    let features = json_of(t.oci(["features"]).run());
    let has = |at: &str, word: &str| features.pointer(at).unwrap().as_array().unwrap().contains(&json!(word));
    assert!(has("/mountOptions", "rro") && has("/linux/namespaces", "pid") && has("/linux/capabilities", "CAP_KILL"));
    assert!(has("/linux/seccomp/actions", "SCMP_ACT_ERRNO") && has("/linux/seccomp/archs", "SCMP_ARCH_X86_64"));
    assert!(
        has("/linux/seccomp/actions", "SCMP_ACT_NOTIFY") && has("/linux/namespaces", "user") && has("/linux/namespaces", "time")
    );
    assert_eq!(features["linux"]["mountExtensions"]["idmap"]["enabled"], true);
    assert_eq!(features["linux"]["cgroup"]["v2"], true);
}

fn the_default_config_runs_and_is_never_written_over(t: &Test) {
    let folder = t.path("spec");
    fs::create_dir_all(&folder).unwrap();
    let dir = folder.to_str().unwrap();
    t.oci(["spec", "--bundle", dir]).run().ok();
    t.oci(["spec", "--bundle", dir]).run().refuses(&["exists"]);
    let mut config: Value = serde_json::from_str(&fs::read_to_string(folder.join("config.json")).unwrap()).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["sh", "-c", "echo $HOME"]);
    config["root"]["path"] = json!(support::world::fixtures().join("rootfs"));
    config["linux"]["cgroupsPath"] = json!(format!("/{}/spec", t.cgroup_parent()));
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    assert_eq!(t.oci(["run", "--bundle", dir, &t.tag]).run().ok().stdout, "/root\n", "HOME from the passwd file");
}

fn what_is_not_there_is_refused_in_words(t: &Test) {
    t.requires_podrt();
    t.oci(["checkpoint", "x"]).run().refuses(&["checkpoint is not supported"]);
    t.oci(["restore", "--bundle", "/x", "x"]).run().refuses(&["restore is not supported"]);
    t.oci(["--rootless=true", "list"]).run().refuses(&["--rootless is not supported"]);
    let log = t.path("log");
    t.oci(["--log", log.to_str().unwrap(), "--log-format", "json", "state", "x"]).run().refuses(&["does not exist"]);
    let line: Value = serde_json::from_str(t.read("log").lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "error");
    assert!(line["msg"].as_str().unwrap().contains("does not exist") && line["time"].as_str().unwrap().ends_with('Z'));
}

suite!(
    exec_passes_on_output_exit_code_and_input,
    exec_runs_as_whom_and_where_it_is_told,
    exec_adds_a_capability_that_is_neither_inherited_nor_ambient,
    exec_takes_a_whole_process_from_a_file,
    exec_detached_leaves_its_pid_and_is_no_child_of_the_command,
    exec_has_its_terminal_over_the_console_socket,
    preserved_fds_and_no_others_reach_the_command,
    a_pidfd_is_sent,
    a_paused_container_stands_still_until_it_is_resumed,
    limits_are_updated_from_flags_and_from_a_file,
    a_bad_update_changes_nothing_and_is_named,
    events_print_figures_and_end_with_the_container,
    the_list_is_a_table_or_json,
    features_name_what_is_there,
    the_default_config_runs_and_is_never_written_over,
    what_is_not_there_is_refused_in_words,
);
