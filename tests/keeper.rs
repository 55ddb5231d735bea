//! podrt's own processes killed with SIGKILL, one or another, under load: the containers go on, their exit codes are true, their
//! output is complete and in order.

mod support;

use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};
use support::Test;
use support::processes::{kill, process, settled};

fn create(t: &Test, pod: &str, policy: &str, containers: &[(&str, &str)]) {
    let bundle = support::world::fixtures().join("bundles/shell");
    let mut text = format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {pod}\nspec:\n  terminationGracePeriodSeconds: 2\n");
    text += &format!("  restartPolicy: {policy}\n  containers:\n");
    for (name, script) in containers {
        let command = serde_json::to_string(&["/bin/sh", "-c", script]).unwrap();
        text += &format!("  - name: {name}\n    image: bundle:{}\n    command: {command}\n", bundle.display());
    }
    let file = t.write(&format!("{pod}.yaml"), text);
    t.podrt(["create", "-f", file.to_str().unwrap(), "--wait=started"]).run().ok();
}

fn get(t: &Test, pod: &str) -> Value {
    serde_json::from_str(&t.podrt(["get", "pod", pod, "-o", "json"]).run().ok().stdout).expect("get -o json prints JSON")
}

fn status_of(t: &Test, pod: &str, container: &str) -> Value {
    let pod = get(t, pod);
    let all = pod["status"]["containerStatuses"].as_array().expect("containerStatuses");
    all.iter().find(|c| c["name"] == container).unwrap_or_else(|| panic!("no status of {container}: {pod}")).clone()
}

fn wait_phase(t: &Test, pod: &str, want: &str) {
    t.eventually(&format!("{pod} is {want}"), 30, || (get(t, pod)["status"]["phase"] == want).then_some(()));
}

fn logs(t: &Test, pod: &str, container: &str) -> String {
    t.podrt(["logs", pod, "-c", container]).run().ok().stdout
}

fn delete(t: &Test, pod: &str) {
    t.podrt(["delete", "pod", pod, "--grace-period", "1"]).run().ok();
}

/// 1, 2, 3, ... up to `last`, one a line.
#[track_caller]
fn assert_counted(text: &str, last: Option<u64>) {
    let mut next = 1;
    for line in text.lines() {
        assert_eq!(line, next.to_string(), "after {} lines", next - 1);
        next += 1;
    }
    if let Some(last) = last {
        assert_eq!(next - 1, last, "the last line");
    }
}

/// Numbered lines as fast as the shell writes them.
fn counter(lines: u64, then: &str) -> String {
    format!("i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo $i; done; {then}")
}

fn a_killed_supervisor_comes_back_within_100_ms_and_the_containers_go_on(t: &Test) {
    create(t, "web", "Never", &[("app", "sleep 1000")]);
    let before = get(t, "web")["status"]["containerStatuses"][0].clone();
    let pause = process(t, "web", "pause");
    let (old, _) = process(t, "web", "supervisor");
    assert!(kill(t, "web", "supervisor"));
    let begun = Instant::now();
    while process(t, "web", "supervisor").0 == old {
        assert!(begun.elapsed() < Duration::from_millis(if support::world::in_vm() { 5000 } else { 500 }), "no supervisor came");
        std::thread::sleep(Duration::from_millis(1));
    }
    settled(t, "web");
    assert_eq!(get(t, "web")["status"]["phase"], "Running");
    assert_eq!(get(t, "web")["status"]["containerStatuses"][0], before);
    assert_eq!(process(t, "web", "pause"), pause);
    delete(t, "web");
}

fn an_exit_code_is_true_whoever_was_killed_before_or_meanwhile(t: &Test) {
    for (pod, victims) in
        [("a", &["supervisor"][..]), ("b", &["keeper"]), ("c", &["supervisor", "keeper"]), ("d", &["keeper", "supervisor"])]
    {
        create(t, pod, "Never", &[("app", "sleep 1; echo end; exit 7"), ("long", "sleep 2; exit 9")]);
        for victim in victims {
            settled(t, pod);
            assert!(kill(t, pod, victim), "{pod}: {victim}");
        }
        wait_phase(t, pod, "Failed");
        for (container, code) in [("app", 7), ("long", 9)] {
            let end = status_of(t, pod, container)["state"]["terminated"].clone();
            // Where the keeper died after the supervisor, the first of the host has reaped it: only Linux 6.15 still says how it ended.
            let unknown =
                victims == ["supervisor", "keeper"] && end["reason"] == "ContainerStatusUnknown" && end["exitCode"] == 137;
            assert!(end["exitCode"] == code || unknown, "{pod}/{container}: {end}");
        }
        assert_eq!(logs(t, pod, "app"), "end\n");
        delete(t, pod);
    }
}

fn a_container_that_ends_while_nobody_supervises_is_noted_by_the_next_one(t: &Test) {
    create(t, "gap", "Never", &[("app", "read x < /dev/null; sleep 0.5; echo last words; exit 5")]);
    // A stopped supervisor sees nothing; killed, it never did.
    let (pid, _) = process(t, "gap", "supervisor");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_millis(1000));
    assert!(kill(t, "gap", "supervisor"));
    wait_phase(t, "gap", "Failed");
    assert_eq!(status_of(t, "gap", "app")["state"]["terminated"]["exitCode"], 5);
    assert_eq!(logs(t, "gap", "app"), "last words\n");
    delete(t, "gap");
}

fn output_under_load_is_complete_and_in_order_however_often_the_supervisor_is_killed(t: &Test) {
    let lines = if support::world::in_vm() { 20_000 } else { 300_000 };
    create(t, "loud", "Never", &[("a", &counter(lines, "exit 3")), ("b", &counter(lines, "exit 4"))]);
    let mut kills = 0;
    let end = Instant::now() + Duration::from_secs(60);
    while get(t, "loud")["status"]["phase"] != "Failed" && Instant::now() < end {
        let victim = if kills % 4 == 3 { "keeper" } else { "supervisor" };
        kills += u32::from(kill(t, "loud", victim));
        std::thread::sleep(Duration::from_millis(30 + u64::from(kills * 37 % 50)));
        settled(t, "loud");
    }
    println!("{kills} kills");
    assert!(kills > 2, "too few kills: {kills}");
    wait_phase(t, "loud", "Failed");
    for (container, code) in [("a", 3), ("b", 4)] {
        assert_counted(&logs(t, "loud", container), Some(lines));
        let end = status_of(t, "loud", container)["state"]["terminated"].clone();
        assert!(end["exitCode"] == code || end["reason"] == "ContainerStatusUnknown" && end["exitCode"] == 137, "{end}");
    }
    delete(t, "loud");
}

fn restarts_go_on_after_the_supervisors_death_and_none_is_added(t: &Test) {
    create(t, "calm", "Always", &[("app", "sleep 1000"), ("crash", "exit 1")]);
    t.eventually("crash is in back-off", 10, || {
        (status_of(t, "calm", "crash")["state"]["waiting"]["reason"] == "CrashLoopBackOff").then_some(())
    });
    for _ in 0..5 {
        settled(t, "calm");
        kill(t, "calm", "supervisor");
        std::thread::sleep(Duration::from_millis(50));
    }
    settled(t, "calm");
    assert_eq!(status_of(t, "calm", "app")["restartCount"], 0);
    let before = status_of(t, "calm", "crash")["restartCount"].as_u64().unwrap();
    t.eventually("crash is started again when its back-off is over", 45, || {
        (status_of(t, "calm", "crash")["restartCount"].as_u64().unwrap() > before).then_some(())
    });
    delete(t, "calm");
}

fn a_killed_pause_is_a_new_sandbox_for_who_restarts_and_the_end_for_who_does_not(t: &Test) {
    for (pod, policy, phase) in [("again", "Always", "Running"), ("never", "Never", "Failed")] {
        create(t, pod, policy, &[("app", "trap 'exit 3' TERM; while :; do sleep 0.1; done")]);
        let before = process(t, pod, "pause");
        assert!(kill(t, pod, "pause"));
        t.eventually(&format!("{pod}: another sandbox or none"), 20, || (process(t, pod, "pause") != before).then_some(()));
        t.eventually(&format!("{pod} is {phase}"), 30, || {
            let now = get(t, pod);
            let again = now["status"]["containerStatuses"][0]["restartCount"] == 1;
            (now["status"]["phase"] == phase && (policy == "Never" || again)).then_some(())
        });
        delete(t, pod);
    }
}

fn a_pod_whose_processes_were_killed_in_any_order_is_deleted_whole(t: &Test) {
    let all = ["supervisor", "keeper", "pause"];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        create(t, "any", "Always", &[("app", "sleep 1000")]);
        for victim in order {
            kill(t, "any", all[victim]);
        }
        t.podrt(["delete", "pod", "any", "--grace-period", "1"]).run().ok();
        assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
    }
}

/// The supervisor is killed when the container has begun to run and nobody has noted it.
fn a_start_that_was_cut_off_is_not_done_twice(t: &Test) {
    t.requires(cfg!(feature = "fault"), "needs a build with the feature fault");
    let script = "echo once >> /v/n; cat /v/n; sleep 0.5; exit 5";
    let image = support::pod::image("shell");
    let container = serde_json::json!({"name": "app", "image": image, "command": ["/bin/sh", "-c", script], "volumeMounts": [{"name": "v", "mountPath": "/v"}]});
    let spec =
        serde_json::json!({"restartPolicy": "Never", "volumes": [{"name": "v", "emptyDir": {}}], "containers": [container]});
    let text = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "once"}, "spec": spec}).to_string();
    let file = t.write("once.yaml", text);
    t.podrt(["create", "-f", file.to_str().unwrap()]).env("PODRT_FAULT", "keep.birth:kill").run().ok();
    wait_phase(t, "once", "Failed");
    let status = status_of(t, "once", "app");
    assert_eq!((&status["state"]["terminated"]["exitCode"], &status["restartCount"]), (&5.into(), &0.into()), "{status}");
    assert_eq!(logs(t, "once", "app"), "once\n");
    delete(t, "once");
}

/// Kills keeper and supervisor, neither of whom gets to replace the other.
fn leave_alone(t: &Test, pod: &str) {
    let (supervisor, _) = process(t, pod, "supervisor");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(supervisor), nix::sys::signal::SIGSTOP).expect("stop the supervisor");
    assert!(kill(t, pod, "keeper") && kill(t, pod, "supervisor"));
    support::leaks::reap();
}

/// A child of this test that has exactly this pid; None where that cannot be had.
fn stranger(pid: i32) -> Option<std::process::Child> {
    for _ in 0..200 {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).ok()?;
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().ok()?;
        if child.id() as i32 == pid {
            return Some(child);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    None
}

/// All of the pod's processes are killed, and strangers get their numbers.
fn a_pid_that_a_stranger_has_taken_is_never_mistaken_for_its_owner(t: &Test) {
    let last = fs::read_to_string("/proc/sys/kernel/ns_last_pid").unwrap_or_default();
    t.requires(fs::write("/proc/sys/kernel/ns_last_pid", last).is_ok(), "needs CAP_CHECKPOINT_RESTORE, to choose pids");
    create(t, "web", "Never", &[("app", "sleep 1000")]);
    let app = status_of(t, "web", "app");
    let container = support::pod::first_pid(t, "web", "app");
    let pids: Vec<i32> =
        ["keeper", "supervisor", "pause"].iter().map(|who| process(t, "web", who).0).chain(std::iter::once(container)).collect();
    leave_alone(t, "web");
    for pid in &pids[2..] {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::SIGKILL);
    }
    t.eventually("their numbers are free", 10, || {
        support::leaks::reap();
        pids.iter().all(|p| support::processes::start_time(*p).is_none()).then_some(())
    });
    let mut strangers: Vec<_> = pids.iter().filter_map(|pid| stranger(*pid)).collect();
    assert_eq!(strangers.len(), pids.len(), "some other process of the host has a number of {pids:?} now: {app}");
    let now = get(t, "web")["status"].clone();
    assert_ne!(now["phase"], "Succeeded", "{now}");
    let out = t.podrt(["exec", "web", "--", "/bin/true"]).run();
    assert!(out.code() == 1 && out.stderr.contains("not running"), "{out}");
    t.podrt(["delete", "pod", "web", "--grace-period", "1"]).run().ok();
    for stranger in &mut strangers {
        assert!(stranger.try_wait().expect("wait").is_none(), "a stranger was killed");
        let _ = stranger.kill();
        let _ = stranger.wait();
    }
}

/// strace(1) sees each process wait, and nothing else.
fn an_idle_pod_makes_no_system_call(t: &Test) {
    t.requires_program("strace");
    create(t, "idle", "Always", &[("app", "exec sleep 1000"), ("log", "exec sleep 1000")]);
    std::thread::sleep(Duration::from_millis(500));
    let file = t.path("trace");
    let mut strace = std::process::Command::new("strace");
    strace.args(["-f", "-q", "-ttt", "-o"]).arg(&file);
    for who in ["keeper", "supervisor", "pause"] {
        strace.args(["-p", &process(t, "idle", who).0.to_string()]);
    }
    let mut strace = strace.spawn().expect("start strace");
    let seconds = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    // Being attached to interrupts whoever waits.
    std::thread::sleep(Duration::from_secs(1));
    let from = seconds();
    std::thread::sleep(Duration::from_secs(5));
    let to = seconds();
    assert!(strace.try_wait().expect("wait").is_none(), "strace has ended");
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(strace.id() as i32), nix::sys::signal::SIGINT);
    let _ = strace.wait();
    let text = fs::read_to_string(&file).expect("a trace");
    let at = |line: &str| line.split_whitespace().nth(1).and_then(|stamp| stamp.parse::<f64>().ok());
    assert!(text.lines().filter(|l| at(l).is_some_and(|s| s < from)).count() >= 3, "all three wait: {text}");
    let within: Vec<&str> = text.lines().filter(|l| at(l).is_some_and(|s| s > from && s < to)).collect();
    assert!(within.is_empty(), "not idle:\n{}", within.join("\n"));
    delete(t, "idle");
}

/// A file of the record is cut, gone, a folder or nonsense, and nobody of podrt lives to mend it.
fn a_record_that_is_damaged_hurts_no_other_pod_and_is_removed_by_force(t: &Test) {
    create(t, "other", "Never", &[("app", "sleep 1000")]);
    for name in ["intent.json", "pod.json", "state.json", "status.json"] {
        for damage in ["empty", "third", "half", "short", "gone", "folder", "garbage"] {
            create(t, "web", "Never", &[("app", "sleep 1000")]);
            let path = fs::canonicalize(t.run.join("names/default/web")).expect("a sandbox").join(name);
            leave_alone(t, "web");
            let text = fs::read(&path).expect("a record");
            let cut = |n: usize| fs::write(&path, &text[..n]).expect("write");
            match damage {
                "empty" => cut(0),
                "third" => cut(text.len() / 3),
                "half" => cut(text.len() / 2),
                "short" => cut(text.len() - 1),
                "garbage" => fs::write(&path, b"\xff{]").expect("write"),
                _ => fs::remove_file(&path).expect("remove"),
            }
            if damage == "folder" {
                fs::create_dir(&path).expect("mkdir");
            }
            let table = t.podrt(["get", "pods"]).run();
            assert!(table.stdout.lines().any(|l| l.starts_with("other ") && l.contains("Running")), "{name} {damage}: {table}");
            t.podrt(["delete", "pod", "web", "--force", "--ignore-not-found"]).run().ok();
            let group = t.cgroup_dir();
            let left =
                fs::read_dir(&group).expect("cgroups").flatten().filter(|e| e.file_name().to_string_lossy().starts_with("pod"));
            assert_eq!(left.count(), 1, "{name} {damage}: a cgroup is left");
        }
    }
    delete(t, "other");
}

/// A mount in the pod's files that is let go of late.
fn a_delete_waits_for_a_mount_that_is_in_its_way(t: &Test) {
    use nix::mount::{MsFlags, mount, umount};
    create(t, "held", "Never", &[("app", "sleep 1000")]);
    let sandbox = fs::canonicalize(t.run.join("names/default/held")).expect("a sandbox");
    let data = t.data.join("pods").join(sandbox.file_name().expect("an id")).join("held");
    fs::create_dir_all(&data).expect("mkdir");
    // Seen by the supervisor, which is in the test's mount namespace.
    mount(Some("none"), &data, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("mount");
    std::thread::scope(|s| {
        s.spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            umount(&data).expect("umount");
        });
        let begun = Instant::now();
        t.podrt(["delete", "pod", "held", "--grace-period", "1"]).run().ok();
        assert!(begun.elapsed() >= Duration::from_secs(2), "it has not waited");
    });
    assert!(!data.exists());
}

/// What a short container prints is there when it has ended, every time.
fn short_runs_lose_no_line(t: &Test) {
    let image = support::pod::image("shell");
    let container = serde_json::json!({"name": "app", "image": image, "command": ["/bin/sh", "-c", "echo 1; echo 2; echo 3"]});
    let spec = serde_json::json!({"restartPolicy": "Never", "containers": [container]});
    let runs = if support::world::in_vm() { 5 } else { 150 };
    for run in 0..runs {
        let name = format!("short{run}");
        let text = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}).to_string();
        let file = t.write("short.yaml", text);
        let out = t.podrt(["run", "-f", file.to_str().expect("UTF-8")]).run();
        assert_eq!((out.code(), out.stdout.as_str()), (0, "[app] 1\n[app] 2\n[app] 3\n"), "run {run}: {out}");
    }
    t.podrt(["delete", "pod", "--all", "--grace-period", "0"]).run().ok();
}

suite!(
    a_delete_waits_for_a_mount_that_is_in_its_way,
    short_runs_lose_no_line,
    a_pid_that_a_stranger_has_taken_is_never_mistaken_for_its_owner,
    an_idle_pod_makes_no_system_call,
    a_record_that_is_damaged_hurts_no_other_pod_and_is_removed_by_force,
    a_start_that_was_cut_off_is_not_done_twice,
    a_killed_supervisor_comes_back_within_100_ms_and_the_containers_go_on,
    an_exit_code_is_true_whoever_was_killed_before_or_meanwhile,
    a_container_that_ends_while_nobody_supervises_is_noted_by_the_next_one,
    output_under_load_is_complete_and_in_order_however_often_the_supervisor_is_killed,
    restarts_go_on_after_the_supervisors_death_and_none_is_added,
    a_killed_pause_is_a_new_sandbox_for_who_restarts_and_the_end_for_who_does_not,
    a_pod_whose_processes_were_killed_in_any_order_is_deleted_whole,
);
