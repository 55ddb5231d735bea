//! The streams of a running container: `attach`, stdin in its three kinds, `run -it`, through real pipes and terminals.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};
use support::control::Control;
use support::pod::*;
use support::terminal::Session;
use support::{Run, Test};

/// A pod of one container, `app`, that runs `command`.
fn pod(t: &Test, name: &str, command: &[&str], extra: &str) -> String {
    let mut text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: Never\n");
    text += "  terminationGracePeriodSeconds: 1\n  containers:\n";
    text += &format!("  - name: app\n    image: {}\n    command: {}\n", image("shell"), json!(command));
    text += &extra.lines().map(|l| format!("    {l}\n")).collect::<String>();
    t.write(&format!("{name}.yaml"), text).to_str().expect("UTF-8").to_owned()
}

fn up(t: &Test, name: &str, command: &[&str], extra: &str) {
    create(t, &pod(t, name, command, extra), "started").ok();
}

fn words(t: &Test, more: &[&str]) -> Vec<String> {
    t.podrt_words().into_iter().chain(more.iter().map(|w| w.to_string())).collect()
}

fn md5(text: impl Into<Vec<u8>>) -> String {
    Run::new("/usr/bin/md5sum").input(text).run().ok().stdout
}

const ECHO: &str = "while read line; do echo got $line; done; echo end";

fn stdin_once_ends_with_its_first_client_and_what_was_printed_is_in_the_log_too(t: &Test) {
    up(t, "once", &["sh", "-c", ECHO], "stdin: true\nstdinOnce: true");
    let out = t.podrt(["attach", "once", "-i"]).input("a\nb\n").run().ok();
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("got a\ngot b\nend\n", ""));
    wait_phase(t, "once", "Succeeded");
    assert_eq!(logs(t, "once", "app"), "got a\ngot b\nend\n");
    t.podrt(["attach", "once"]).run().exits(1).refuses(&["completed pod", "Succeeded"]);
    delete(t, "once");
}

fn stdin_stays_open_from_client_to_client(t: &Test) {
    up(t, "open", &["sh", "-c", ECHO], "stdin: true");
    for text in ["one", "two"] {
        let mut c = Control::connect(t, "open");
        let streams = c.get("Attach", json!({"stdin": true}));
        assert_eq!(streams, json!({"tty": false, "streams": ["stdin", "stdout", "stderr"]}));
        let (mut stdin, mut stdout) = (fs::File::from(c.fd()), fs::File::from(c.fd()));
        stdin.write_all(format!("{text}\n").as_bytes()).unwrap();
        let want = format!("got {text}\n");
        let mut got = vec![0; want.len()];
        stdout.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), want);
    }
    assert_eq!(phase(t, "open"), "Running");
    delete(t, "open");
}

fn without_stdin_a_container_reads_nothing_and_attach_says_so(t: &Test) {
    up(t, "none", &["sh", "-c", "cat; echo eof; sleep 100"], "");
    t.eventually("it has read the end", 5, || (logs(t, "none", "app") == "eof\n").then_some(()));
    let mut c = Control::connect(t, "none");
    assert_eq!(c.get("Attach", json!({"stdin": true}))["streams"], json!(["stdout", "stderr"]));
    let mut child = std::process::Command::new(&words(t, &[])[0])
        .args(&words(t, &["attach", "none", "-i"])[1..])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(fs::File::create(t.path("said")).unwrap())
        .spawn()
        .unwrap();
    t.eventually("a warning", 5, || t.read("said").contains("takes no input: stdin is not true").then_some(()));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(c.refused("Attach", json!({"container": "x"})), ("NotFound".into(), "container".into()));
    delete(t, "none");
}

fn four_megabytes_pasted_arrive_and_come_back_whole(t: &Test) {
    let text = "0123456789abcde\n".repeat(1 << 18);
    let want = md5(text.clone());
    up(t, "sum", &["md5sum"], "stdin: true\nstdinOnce: true");
    assert_eq!(t.podrt(["attach", "sum", "-i"]).input(text.clone()).run().ok().stdout, want);
    up(t, "back", &["cat"], "stdin: true\nstdinOnce: true");
    let out = t.podrt(["attach", "back", "-i"]).input(text).run().ok();
    assert_eq!(md5(out.stdout), want);
    assert_eq!(md5(logs(t, "back", "app")), want);
    delete_all(t);
}

fn four_megabytes_pasted_into_a_terminal_arrive_whole(t: &Test) {
    up(t, "paste", &["sleep", "1000"], "");
    let text = "0123456789abcde\n".repeat(1 << 18);
    let script = "stty raw -echo; echo ready; head -c 4194304 | md5sum";
    let mut session = Session::start(&words(t, &["exec", "-it", "paste", "--", "sh", "-c", script]), 24, 80);
    session.expect("ready\n");
    session.type_in(&text);
    session.expect(md5(text).trim_end());
    assert!(session.end().success(), "{}", session.text());
    delete(t, "paste");
}

fn a_terminal_is_attached_to_resized_left_and_taken_up_again(t: &Test) {
    up(t, "term", &["sh"], "stdin: true\ntty: true");
    let mut session = Session::start(&words(t, &["attach", "term", "-it"]), 33, 99);
    let before = session.modes();
    session.expect("If you don't see a command prompt, try pressing enter.");
    session.type_in("echo $((40+2)); stty size\n");
    session.expect("42\n33 99\n");
    session.resize(12, 34);
    session.type_in("sleep 0.2; stty size\n");
    session.expect("\n12 34\n");
    session.type_in("tty; cat /proc/self/stat | cut -d' ' -f7\n");
    session.expect("/dev/");
    // Ctrl-C is the container's.
    session.type_in("sleep 100\n");
    std::thread::sleep(Duration::from_millis(300));
    session.type_in("\u{3}");
    session.type_in("echo still $((1+1))\n");
    session.expect("still 2\n");
    session.type_in("\u{10}\u{11}");
    assert!(session.end().success(), "{}", session.text());
    assert!(before.contains("-echo") && session.modes().contains(" icanon "), "raw meanwhile, restored after it");
    assert_eq!(phase(t, "term"), "Running");
    let mut session = Session::start(&words(t, &["attach", "term", "-it", "-q"]), 24, 80);
    session.type_in("echo again $((2+2))\n");
    session.expect("again 4\n");
    session.type_in("exit 0\n");
    assert!(session.end().success(), "{}", session.text());
    wait_phase(t, "term", "Succeeded");
    assert!(logs(t, "term", "app").contains("still 2"));
    delete(t, "term");
}

fn what_was_printed_before_the_first_client_came_is_shown_to_it(t: &Test) {
    up(t, "head", &["sh", "-c", "printf 'name? '; read name; echo hello $name"], "stdin: true\nstdinOnce: true");
    std::thread::sleep(Duration::from_millis(300));
    let out = t.podrt(["attach", "head", "-i"]).input("you\n").run().ok();
    assert_eq!(out.stdout, "name? hello you\n");
    delete(t, "head");
}

fn a_slow_reader_slows_nobody_and_is_told_what_was_left_out(t: &Test) {
    // 12 MB: more than a reader's buffer, and less than the log keeps.
    let script = r#"read go; awk 'BEGIN { for (i = 1; i <= 12000; i++) printf "%d %0990d\n", i, 0 }'; echo done"#;
    up(t, "slow", &["sh", "-c", script], "stdin: true\nstdinOnce: true");
    let mut c = Control::connect(t, "slow");
    c.get("Attach", json!({"stdin": true}));
    let (mut stdin, mut stdout) = (fs::File::from(c.fd()), fs::File::from(c.fd()));
    drop(c.fd());
    stdin.write_all(b"go\n").unwrap();
    let end = c.ask("Wait", json!({"until": "finished"}));
    assert!(end.get("ok").is_some(), "{end}");
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    assert!(text.len() < 6 << 20, "{} bytes", text.len());
    assert!(text.starts_with("1 000") && text.contains("bytes left out, read too slowly"), "{}", &text[text.len() - 200..]);
    let log = logs(t, "slow", "app");
    let mut lines = log.lines();
    let number = |line: &str| line.split(' ').next().and_then(|n| n.parse::<u32>().ok());
    assert!((1..=12_000).all(|n| lines.next().and_then(number) == Some(n)), "{} lines", log.lines().count());
    assert_eq!(lines.next(), Some("done"));
    delete(t, "slow");
}

fn a_thousand_clients_come_and_go_and_leave_nothing(t: &Test) {
    up(t, "many", &["sh", "-c", ECHO], "stdin: true\ntty: true");
    let mut c = Control::connect(t, "many");
    let supervisor = c.get("Pids", json!({}))["supervisor"].clone();
    let fds = || fs::read_dir(format!("/proc/{supervisor}/fd")).unwrap().count();
    let memory = || -> u64 {
        let text = fs::read_to_string(format!("/proc/{supervisor}/smaps_rollup")).unwrap();
        text.lines().find_map(|l| l.strip_prefix("Anonymous:")?.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap()
    };
    let attach = |c: &mut Control| {
        assert_eq!(c.get("Attach", json!({"stdin": true}))["streams"], json!(["stdin", "stdout"]));
        drop((c.fd(), c.fd()));
    };
    attach(&mut c);
    t.eventually("the first is forgotten", 5, || (fds() <= 64).then_some(()));
    c.get("Status", json!({}));
    let (before, kb) = (fds(), memory());
    for _ in 0..if support::world::in_vm() { 50 } else { 1000 } {
        attach(&mut c);
    }
    t.eventually("fds as before", 5, || (fds() <= before).then_some(()));
    assert!(memory() <= kb + 128, "{} kB, then {} kB", kb, memory());
    assert_eq!(phase(t, "many"), "Running");
    delete(t, "many");
}

fn the_terminal_is_restored_after_sigkill(t: &Test) {
    up(t, "kill", &["sh"], "stdin: true\ntty: true");
    for command in [&["attach", "kill", "-it"][..], &["exec", "-it", "kill", "--", "sh"]] {
        let mut session = Session::start(&words(t, command), 24, 80);
        session.type_in("echo up $((1+1))\n");
        session.expect("up 2\n");
        assert!(session.modes().contains("-icanon"), "raw meanwhile");
        // setsid(1) has become the command.
        let pid = session.pid() as i32;
        assert!(fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains("podrt"));
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        assert_eq!(session.end().signal(), Some(9), "{}", session.text());
        t.eventually("restored", 5, || session.modes().contains(" icanon ").then_some(()));
        // What a killed exec had started is this test's to reap now: till then a PID namespace does not end.
        let app = cgroup(t, "kill").join("app");
        t.eventually("its shell has hung up", 5, || (value(&app, "cgroup.procs").lines().count() == 1).then_some(()));
        std::thread::sleep(Duration::from_millis(50));
        support::leaks::reap();
    }
    delete(t, "kill");
}

fn run_it_is_a_shell_in_a_pod_of_its_own(t: &Test) {
    let file = pod(t, "mine", &["sh"], "");
    let mut session = Session::start(&words(t, &["run", "--rm", "-it", "-f", &file]), 24, 80);
    session.type_in("echo $((40+2)) $(hostname)\n");
    session.expect("42 mine\n");
    let status = get(t, "mine");
    assert_eq!(status["spec"]["containers"][0]["tty"], Value::Bool(true));
    session.type_in("exit 7\n");
    assert_eq!(session.end().code(), Some(7), "{}", session.text());
    assert!(session.modes().contains(" icanon "));
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty(), "--rm removes it");
}

fn run_i_passes_input_on_and_the_code_back(t: &Test) {
    let file = pod(t, "pipe", &["sh", "-c", "cat; exit 5"], "");
    let out = t.podrt(["run", "--rm", "-i", "-f", &file]).input("some text\n").run().exits(5);
    assert_eq!(out.stdout, "some text\n");
    // Ended before anybody could attach.
    let start = Instant::now();
    let file = pod(t, "quick", &["echo", "hi"], "");
    assert_eq!(t.podrt(["run", "--rm", "-i", "-f", &file]).input("").run().ok().stdout, "hi\n");
    assert!(start.elapsed() < Duration::from_secs(9));
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
}

suite!(
    stdin_once_ends_with_its_first_client_and_what_was_printed_is_in_the_log_too,
    stdin_stays_open_from_client_to_client,
    without_stdin_a_container_reads_nothing_and_attach_says_so,
    four_megabytes_pasted_arrive_and_come_back_whole,
    four_megabytes_pasted_into_a_terminal_arrive_whole,
    a_terminal_is_attached_to_resized_left_and_taken_up_again,
    what_was_printed_before_the_first_client_came_is_shown_to_it,
    a_slow_reader_slows_nobody_and_is_told_what_was_left_out,
    a_thousand_clients_come_and_go_and_leave_nothing,
    the_terminal_is_restored_after_sigkill,
    run_it_is_a_shell_in_a_pod_of_its_own,
    run_i_passes_input_on_and_the_code_back,
);
