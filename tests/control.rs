//! The control protocol, asked by a client that is not podrt's own.

mod support;

use nix::unistd::{Uid, seteuid};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};
use support::Test;
use support::control::{Control, folder, frame, socket};
use support::pod::*;

fn up(t: &Test, pod: &str) -> Control {
    create(t, &manifest(t, pod, NEVER, &[("app", &["reap"], "")]), "started").ok();
    Control::connect(t, pod)
}

fn kernel_fds(pid: i64) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn children(pid: i64) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn it_says_who_it_is_and_what_is_wrong_with_a_request(t: &Test) {
    let mut c = up(t, "web");
    assert_eq!((&c.hello["protocol"], c.hello["sandbox"].as_str().unwrap().ends_with(".0")), (&json!(1), true), "{}", c.hello);
    assert_eq!(c.hello["boot_id"].as_str(), Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim()));
    assert_eq!(c.get("Status", json!({}))["phase"], "Running");
    for (verb, args, code, field) in [
        ("Fly", json!({}), "Unimplemented", ""),
        ("Wait", json!({"until": "never"}), "InvalidArgument", "args"),
        ("Wait", json!([]), "InvalidArgument", "args"),
        ("Exec", json!({"command": []}), "InvalidArgument", "command"),
        ("Exec", json!({"command": ["x"], "container": "none"}), "NotFound", "container"),
        ("Exec", json!({"command": ["x"], "tty": true, "capture": 5}), "InvalidArgument", "tty"),
        ("Exec", json!({"command": ["x"], "capture": 1 << 30}), "InvalidArgument", "capture"),
        ("Exec", json!({"command": ["/none"]}), "NotFound", "command"),
        ("Exec", json!({"command": ["/etc"]}), "PermissionDenied", "command"),
        ("ExecWait", json!({"session": 77}), "NotFound", "session"),
        ("ExecKill", json!({"session": 77}), "NotFound", "session"),
        ("ExecResize", json!({"session": 77, "rows": 1, "cols": 1}), "NotFound", "session"),
        ("Cancel", json!({"request": 77}), "NotFound", "request"),
    ] {
        assert_eq!(c.refused(verb, args.clone()), (code.into(), field.into()), "{verb} {args}");
    }
    // What it does not know of a request it does not mind.
    let id = c.send("Status", Value::Null, json!({"news": [1, 2]}));
    assert_eq!(c.answer(id)["ok"]["phase"], "Running");
    delete(t, "web");
}

fn ctl_asks_from_the_command_line(t: &Test) {
    create(t, &manifest(t, "web", NEVER, &[("app", &["reap"], ""), ("log", &["reap"], "")]), "started").ok();
    let ctl = |words: &[&str]| t.podrt([&["ctl", "web"], words].concat()).run();
    let pids: Value = serde_json::from_str(&ctl(&["pids", "-o", "json"]).ok().stdout).unwrap();
    for name in ["app", "log"] {
        assert_eq!(pids["containers"][name], first_pid(t, "web", name));
    }
    assert_eq!(pids["pause"], first_pid(t, "web", "pause"));
    let words = fs::read_to_string(format!("/proc/{}/cmdline", pids["supervisor"])).unwrap();
    assert!(words.contains("__supervisor"), "{words:?}");
    assert!(ctl(&["status"]).ok().stdout.contains("\nphase: Running\n"));
    let out = ctl(&["Exec", r#"{"command": ["echo", "hi"], "capture": 9}"#, "-o", "json"]).ok();
    let session: Value = serde_json::from_str(&out.stdout).unwrap();
    let out = ctl(&["execwait", &json!({"session": session["session"]}).to_string(), "-o", "json"]).ok();
    assert_eq!(serde_json::from_str::<Value>(&out.stdout).unwrap()["output"], "hi\n");
    ctl(&["Fly"]).exits(1).refuses(&["Fly"]);
    ctl(&["Wait", "{"]).exits(2).refuses(&["JSON"]);
    ctl(&["Wait", r#"{"until": "finished"}"#, "--timeout", "200ms"]).exits(5);
    let refused: Value = serde_json::from_str(&ctl(&["Fly", "-o", "json"]).exits(1).stdout).unwrap();
    assert_eq!(refused["error"]["code"], "Unimplemented");
    t.podrt(["ctl", "none", "status"]).run().exits(1).refuses(&["pods \"none\" not found"]);
    delete(t, "web");
}

/// SO_PEERCRED alone: the permissions that stand before it are taken away.
fn another_user_is_turned_away_unheard(t: &Test) {
    drop(up(t, "web"));
    assert_eq!(fs::metadata(socket(t, "web")).unwrap().permissions().mode() & 0o777, 0o600);
    let folder = folder(t, "web");
    for dir in folder.ancestors().take_while(|d| d.starts_with(&t.dir)) {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(socket(t, "web"), fs::Permissions::from_mode(0o666)).unwrap();
    let path = socket(t, "web");
    seteuid(Uid::from_raw(1000)).unwrap();
    let stream = UnixStream::connect(path);
    seteuid(Uid::from_raw(0)).unwrap();
    let mut stream = stream.expect("the socket's mode admits everybody now");
    let _ = stream.write_all(&frame(&json!({"id": 1, "verb": "DeletePod", "args": {"grace": 0}})));
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    assert_eq!(String::from_utf8_lossy(&text), "", "not one word");
    assert_eq!(Control::connect(t, "web").get("Status", json!({}))["deletion"], Value::Null);
    delete(t, "web");
}

fn a_hundred_clients_slow_silent_malformed_and_huge_hold_nobody_up(t: &Test) {
    drop(up(t, "web"));
    let path = socket(t, "web");
    let connect = || UnixStream::connect(&path).expect("connect");
    let supervisor = Control::connect(t, "web").get("Pids", json!({}))["supervisor"].as_i64().unwrap();
    let before = kernel_fds(supervisor);
    let silent: Vec<UnixStream> = (0..25).map(|_| connect()).collect();
    // Each frame of 1 MiB but for its last byte, or ever more requests whose answers nobody reads.
    let mut huge: Vec<UnixStream> = (0..25).map(|_| connect()).collect();
    let mut greedy: Vec<UnixStream> = (0..25).map(|_| connect()).collect();
    let status = frame(&json!({"id": 1, "verb": "Status"}));
    for stream in huge.iter_mut().chain(&mut greedy) {
        stream.set_nonblocking(true).unwrap();
    }
    let body = [&(1u32 << 20).to_be_bytes()[..], &vec![b' '; (1 << 20) - 1]].concat();
    let mut sent = vec![0; huge.len()];
    let mut slow: Vec<UnixStream> = (0..25).map(|_| connect()).collect();
    let mut client = Control::connect(t, "web");
    let mut took = Vec::new();
    let long = Duration::from_millis(if support::world::in_vm() { 20_000 } else { 2_000 });
    let start = Instant::now();
    for turn in 0.. {
        for (stream, sent) in huge.iter_mut().zip(&mut sent) {
            *sent += stream.write(&body[*sent..(*sent + 65_536).min(body.len())]).unwrap_or(0);
        }
        for stream in &mut greedy {
            let _ = stream.write(&status);
        }
        for stream in &mut slow {
            // A frame of one request, a byte at a time, again and again.
            stream.write_all(&status[turn % status.len()..][..1]).unwrap();
        }
        let mut bad = connect();
        let _ = bad.write_all([&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02{{", b"\0\0\0\x04nope", b"GET / HTTP/1.1\r\n"][turn % 4]);
        let asked = Instant::now();
        assert_eq!(client.get("Status", json!({}))["phase"], "Running");
        took.push(asked.elapsed());
        if start.elapsed() > long {
            break;
        }
    }
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!("measured: Status among 100 clients: p50 {:?}, p99 {:?}, max {:?} of {}", at(50), at(99), at(100), took.len());
    assert!(at(100) < Duration::from_secs(5), "the loop has stalled");
    // An answer came to who was slow, and a word to who was wrong.
    slow[0].set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut some = [0; 4096];
    assert!(slow[0].read(&mut some).unwrap() > 0);
    drop((silent, huge, greedy, slow));
    t.eventually("its fds are closed", 5, || (kernel_fds(supervisor) <= before).then_some(()));
    delete(t, "web");
}

fn a_malformed_frame_is_answered_once_and_ends_the_connection(t: &Test) {
    drop(up(t, "web"));
    for bytes in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02{{", b"\0\0\0\x02[]", b"\0\0\0\x00", b"GET / HTTP/1.1\r\n"] {
        let mut c = Control::connect(t, "web");
        c.stream.write_all(bytes).unwrap();
        let answer = c.receive().expect("one last word");
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(0), &json!("InvalidArgument")), "{answer}");
        assert_eq!(c.receive(), None);
    }
    delete(t, "web");
}

fn more_clients_than_are_served_do_not_lock_out_those_who_ask(t: &Test) {
    let mut known = up(t, "web");
    known.get("Status", json!({}));
    let silent: Vec<UnixStream> = (0..300).map(|_| UnixStream::connect(socket(t, "web")).expect("connect")).collect();
    assert_eq!(Control::connect(t, "web").get("Status", json!({}))["phase"], "Running");
    assert_eq!(known.get("Status", json!({}))["phase"], "Running");
    drop(silent);
    delete(t, "web");
}

fn a_request_of_who_hangs_up_at_once_is_still_carried_out(t: &Test) {
    drop(up(t, "web"));
    for _ in 0..20 {
        let mut stream = UnixStream::connect(socket(t, "web")).unwrap();
        stream.write_all(&frame(&json!({"id": 1, "verb": "Exec", "args": {"command": ["touch", "/dev/shm/heard"]}}))).unwrap();
    }
    let heard = || t.podrt(["exec", "web", "--", "test", "-e", "/dev/shm/heard"]).run().status.success().then_some(());
    t.eventually("it was heard", 5, heard);
    let mut stream = UnixStream::connect(socket(t, "web")).unwrap();
    stream.write_all(&frame(&json!({"id": 1, "verb": "DeletePod", "args": {"grace": 0}}))).unwrap();
    drop(stream);
    t.eventually("the pod is gone", 5, || t.podrt(["get", "pods"]).run().stdout.is_empty().then_some(()));
}

fn a_watcher_that_is_too_slow_is_dropped_and_resumes_without_a_gap(t: &Test) {
    create(t, &manifest(t, "web", NEVER, &[("app", &["ignore-term"], "")]), "started").ok();
    let (mut slow, mut quick) = (Control::connect(t, "web"), Control::connect(t, "web"));
    slow.send("Watch", json!({"from": 0}), Value::Null);
    // Each shortens the grace period, which is a change of the status.
    let mut asked = 0;
    let mut change = |quick: &mut Control| {
        asked += 1;
        assert_eq!(quick.get("DeletePod", json!({"grace": 100_000 - asked})), Value::Null);
    };
    for _ in 0..400 {
        change(&mut quick);
    }
    let mut seqs = Vec::new();
    let lagged = loop {
        let answer = slow.receive().expect("a last word");
        match answer["event"]["seq"].as_u64() {
            Some(seq) => seqs.push(seq),
            None => break answer,
        }
    };
    assert_eq!((&lagged["error"]["code"], slow.receive()), (&json!("ResourceExhausted"), None), "{lagged}");
    let resume = lagged["error"]["resume"].as_u64().unwrap();
    assert_eq!(seqs.last(), Some(&resume));
    let mut again = Control::connect(t, "web");
    again.send("Watch", json!({"from": resume}), Value::Null);
    for _ in 0..20 {
        seqs.push(again.receive().unwrap()["event"]["seq"].as_u64().unwrap());
    }
    assert!(seqs.windows(2).all(|w| w[1] == w[0] + 1), "{seqs:?}");
    let gone = again.ask("Watch", json!({"from": 1}));
    assert_eq!(gone["error"]["code"], "ResourceExhausted", "{gone}");
    assert_eq!(quick.get("DeletePod", json!({"grace": 0, "wait": true})), Value::Null);
    let mut last = Value::Null;
    while let Some(answer) = again.receive() {
        last = answer;
    }
    assert!(last["event"].get("deleted").is_some(), "{last}");
}

fn what_waits_has_a_deadline_and_can_be_cancelled(t: &Test) {
    let mut c = up(t, "web");
    let start = Instant::now();
    let id = c.send("Wait", json!({"until": "finished"}), json!({"deadline_ms": 150}));
    assert_eq!(c.answer(id)["error"]["code"], "DeadlineExceeded");
    assert!((Duration::from_millis(150)..Duration::from_secs(5)).contains(&start.elapsed()));
    let wait = c.send("Wait", json!({"until": "finished"}), Value::Null);
    let watch = c.send("Watch", json!({"from": 1_000_000}), Value::Null);
    for id in [wait, watch] {
        let cancel = c.send("Cancel", json!({"request": id}), Value::Null);
        assert_eq!(c.answer(id)["error"]["code"], "Cancelled");
        assert!(c.answer(cancel).get("ok").is_some());
        assert_eq!(c.refused("Cancel", json!({"request": id})).0, "NotFound");
    }
    // Another's request is not one's own to cancel.
    let id = c.send("Wait", json!({"until": "finished"}), Value::Null);
    assert_eq!(Control::connect(t, "web").refused("Cancel", json!({"request": id})).0, "NotFound");
    delete(t, "web");
}

fn a_request_is_carried_out_once_for_each_token(t: &Test) {
    let mut c = up(t, "web");
    let command = json!({"command": ["sh", "-c", "echo x >> /dev/shm/count; sleep 0.2; wc -l < /dev/shm/count"], "capture": 99});
    let ids: Vec<u64> = (0..3).map(|_| c.send("Exec", command.clone(), json!({"token": "t-1"}))).collect();
    let sessions: Vec<Value> = ids.iter().map(|id| c.answer(*id)["ok"]["session"].clone()).collect();
    assert!(sessions[0].is_u64() && sessions.iter().all(|s| *s == sessions[0]), "{sessions:?}");
    let mut other = Control::connect(t, "web");
    let id = other.send("Exec", command.clone(), json!({"token": "t-1"}));
    assert_eq!(other.answer(id)["ok"]["session"], sessions[0]);
    assert_eq!(other.get("ExecWait", json!({"session": sessions[0]}))["output"], "1\n");
    let id = other.send("Exec", json!({"command": ["true"]}), json!({"token": "t-1"}));
    assert_eq!(other.answer(id)["error"]["field"], "token");
    // What failed was not carried out.
    for _ in 0..2 {
        let id = other.send("Exec", json!({"command": ["/none"]}), json!({"token": "t-2"}));
        assert_eq!(other.answer(id)["error"]["code"], "NotFound");
    }
    delete(t, "web");
}

fn pipe() -> (fs::File, fs::File) {
    let (r, w) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("pipe");
    (r.into(), w.into())
}

fn text_of(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).expect("UTF-8");
    text
}

fn a_command_has_the_streams_that_come_with_the_request(t: &Test) {
    let mut c = up(t, "web");
    let ((stdin, mut to), (from, stdout), (errors, stderr)) = (pipe(), pipe(), pipe());
    let args = json!({"command": ["sh", "-c", "cat; echo bad >&2; exit 3"]});
    let id = c.send_with("Exec", args, &[stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]);
    drop((stdin, stdout, stderr));
    let session = c.answer(id)["ok"].clone();
    let ns = |pid: &Value| fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
    assert_eq!(ns(&session["pid"]), ns(&json!(first_pid(t, "web", "app"))));
    let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", session["pid"])).unwrap();
    assert!(cgroup.trim_end().rsplit('/').next().unwrap().starts_with("podrt.exec."), "{cgroup}");
    to.write_all(b"some text\n").unwrap();
    drop(to);
    assert_eq!((text_of(from).as_str(), text_of(errors).as_str()), ("some text\n", "bad\n"));
    let end = c.get("ExecWait", json!({"session": session["session"]}));
    assert_eq!((&end["exit_code"], &end["signal"], &end["timed_out"]), (&json!(3), &Value::Null, &json!(false)));
    // Too few fds, and some that no verb takes.
    let (null, _other) = pipe();
    let id = c.send_with("Exec", json!({"command": ["true"]}), &[null.as_fd()]);
    assert_eq!(c.answer(id)["error"]["field"], "fds");
    let id = c.send_with("Status", json!({}), &[null.as_fd()]);
    assert_eq!(c.answer(id)["error"]["field"], "fds");
    delete(t, "web");
}

fn a_command_has_a_terminal_whose_other_end_comes_with_the_answer(t: &Test) {
    let mut c = up(t, "web");
    let size = json!({"rows": 31, "cols": 77});
    let session = c.get("Exec", json!({"command": ["payload", "tty", "watch"], "tty": true, "size": size}))["session"].clone();
    let mut master = fs::File::from(c.fd());
    let shown = Shown::of(master.try_clone().unwrap());
    t.eventually("its size", 5, || shown.has("rows=31 cols=77"));
    t.eventually("its session", 5, || shown.has("controlling=1"));
    // Again and again: the signal may come before the program waits for it.
    t.eventually("its new size", 10, || {
        for rows in [13, 12] {
            c.get("ExecResize", json!({"session": session, "rows": rows, "cols": 34}));
        }
        shown.has("rows=12 cols=34")
    });
    master.write_all(b"\x04").unwrap();
    assert_eq!(c.get("ExecWait", json!({"session": session}))["exit_code"], 0);
    // Gone before anybody could look: what it printed is still in the terminal.
    for _ in 0..20 {
        let session = c.get("Exec", json!({"command": ["echo", "hi"], "tty": true}))["session"].clone();
        let shown = Shown::of(c.fd().into());
        t.eventually("its output", 5, || shown.has("hi"));
        assert_eq!(c.get("ExecWait", json!({"session": session}))["exit_code"], 0);
    }
    // Whoever hangs the terminal up ends what runs on it.
    let session = c.get("Exec", json!({"command": ["sleep", "100"], "tty": true}))["session"].clone();
    drop(c.fd());
    assert_eq!(c.get("ExecWait", json!({"session": session}))["signal"], 1);
    delete(t, "web");
}

/// What is read from a terminal, in a thread of its own.
struct Shown(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Shown {
    fn of(mut from: fs::File) -> Shown {
        let text = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let to = text.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut chunk) {
                to.lock().unwrap().extend_from_slice(&chunk[..n]);
            }
        });
        Shown(text)
    }

    fn has(&self, what: &str) -> Option<()> {
        String::from_utf8_lossy(&self.0.lock().unwrap()).contains(what).then_some(())
    }
}

/// The classic ways out of a time-out: other sessions, other parents, and somebody who keeps the output open.
fn a_time_out_ends_all_that_a_command_has_started(t: &Test) {
    let mut c = up(t, "web");
    let app = cgroup(t, "web").join("app");
    let count = || {
        let procs = |dir: &std::path::Path| fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default().lines().count();
        let leaves = fs::read_dir(&app).unwrap().flatten().map(|e| e.path()).filter(|p| p.is_dir());
        procs(&app) + leaves.map(|l| procs(&l)).sum::<usize>()
    };
    let before = count();
    let escape = "for i in 1 2 3; do setsid sh -c '(sleep 1000 &) ; sleep 1000' & done; trap '' TERM HUP INT; sleep 1000";
    for _ in 0..30 {
        let args = json!({"command": ["sh", "-c", escape], "capture": 10, "timeout_ms": 30});
        let session = c.get("Exec", args)["session"].clone();
        let start = Instant::now();
        let end = c.get("ExecWait", json!({"session": session}));
        assert_eq!((&end["timed_out"], &end["exit_code"]), (&json!(true), &json!(137)), "{end}");
        assert!(start.elapsed() < Duration::from_secs(if support::world::in_vm() { 20 } else { 2 }));
    }
    t.eventually("the process count is flat", 5, || (count() == before).then_some(()));
    t.eventually("no leaf is left but one for the next", 5, || {
        (fs::read_dir(&app).unwrap().flatten().filter(|e| e.path().is_dir()).count() <= 1).then_some(())
    });
    delete(t, "web");
}

fn an_exec_whose_grandchild_holds_the_pipe_returns_on_time(t: &Test) {
    let mut c = up(t, "web");
    let args = json!({"command": ["sh", "-c", "echo out; (sleep 1000 &) ; exit 4"], "capture": 100, "timeout_ms": 60_000});
    let start = Instant::now();
    let session = c.get("Exec", args)["session"].clone();
    let end = c.get("ExecWait", json!({"session": session}));
    assert_eq!((&end["exit_code"], &end["output"], &end["truncated"]), (&json!(4), &json!("out\n"), &json!(false)));
    assert!(start.elapsed() < Duration::from_secs(20));
    delete(t, "web");
}

fn a_command_that_prints_without_end_costs_no_memory_and_waits_for_nobody(t: &Test) {
    let mut c = up(t, "web");
    let supervisor = c.get("Pids", json!({}))["supervisor"].clone();
    let session = c.get("Exec", json!({"command": ["yes"], "capture": 1000, "timeout_ms": 700}))["session"].clone();
    assert_eq!(c.get("Status", json!({}))["phase"], "Running", "the loop goes on");
    let end = c.get("ExecWait", json!({"session": session}));
    assert_eq!((&end["timed_out"], &end["truncated"], end["output"].as_str().unwrap().len()), (&json!(true), &json!(true), 1000));
    let status = fs::read_to_string(format!("/proc/{supervisor}/status")).unwrap();
    let peak: u64 =
        status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap();
    assert!(peak < 64 << 10, "{peak} kB");
    delete(t, "web");
}

fn a_thousand_execs_leave_nothing(t: &Test) {
    let mut c = up(t, "web");
    let supervisor = c.get("Pids", json!({}))["supervisor"].as_i64().unwrap();
    let run = |c: &mut Control, args: Value| {
        let answer = c.ask("Exec", args);
        if let Some(session) = answer["ok"]["session"].as_u64() {
            c.get("ExecWait", json!({"session": session}));
        }
    };
    run(&mut c, json!({"command": ["true"]}));
    let (fds, kin) = (kernel_fds(supervisor), children(supervisor));
    let times = if support::world::in_vm() { 50 } else { 1000 };
    let start = Instant::now();
    for _ in 0..times {
        run(&mut c, json!({"command": ["/bin/true"]}));
    }
    println!("measured: an exec and its wait: {:?}", start.elapsed() / times);
    // Failed ones with a terminal as well (CVE-2022-23471).
    for _ in 0..times {
        run(&mut c, json!({"command": ["/none"], "tty": true}));
    }
    t.eventually("fds as before", 5, || (kernel_fds(supervisor) <= fds).then_some(()));
    assert_eq!(children(supervisor), kin, "no zombie");
    let leaves = fs::read_dir(cgroup(t, "web").join("app")).unwrap().flatten().filter(|e| e.path().is_dir());
    assert!(leaves.count() <= 1);
    delete(t, "web");
}

fn an_exec_into_a_container_that_ends_is_answered(t: &Test) {
    let file = manifest(t, "web", "restartPolicy: Always", &[("app", &["reap"], "")]);
    create(t, &file, "started").ok();
    let mut c = Control::connect(t, "web");
    let args = json!({"command": ["sleep", "1000"]});
    let sessions: Vec<Value> = (0..5).map(|_| c.get("Exec", args.clone())["session"].clone()).collect();
    let init = first_pid(t, "web", "app");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(init), nix::sys::signal::Signal::SIGKILL).unwrap();
    for session in sessions {
        assert_eq!(c.get("ExecWait", json!({"session": session}))["signal"], 9);
    }
    // In a loop, while it ends and comes back (FAULTS.md, F14).
    for _ in 0..50 {
        let answer = c.ask("Exec", json!({"command": ["true"], "timeout_ms": 5000}));
        if let Some(session) = answer["ok"]["session"].as_u64() {
            c.get("ExecWait", json!({"session": session}));
        } else {
            assert_eq!(answer["error"]["field"], "container", "{answer}");
        }
        let _ = Command::new("kill").args(["-9", &first_pid_or(t, "web", "app")]).output();
    }
    delete(t, "web");
}

fn first_pid_or(t: &Test, pod: &str, leaf: &str) -> String {
    let procs = fs::read_to_string(cgroup(t, pod).join(leaf).join("cgroup.procs")).unwrap_or_default();
    procs.lines().next().unwrap_or("999999999").to_owned()
}

/// cgroup v2's rule: a cgroup that hands controllers down takes no process itself.
fn a_container_that_has_delegated_its_cgroup_can_still_be_entered(t: &Test) {
    t.requires_controllers(&["pids"]);
    let mut c = up(t, "web");
    let app = cgroup(t, "web").join("app");
    let inner = app.join("inner");
    fs::create_dir(&inner).unwrap();
    for pid in value(&app, "cgroup.procs").lines() {
        fs::write(inner.join("cgroup.procs"), pid).unwrap();
    }
    fs::write(app.join("cgroup.subtree_control"), "+pids").unwrap();
    assert_eq!(t.podrt(["exec", "web", "--", "echo", "in"]).run().ok().stdout, "in\n");
    assert_eq!(fs::read_dir(&app).unwrap().flatten().filter(|e| e.path().is_dir()).count(), 1, "its leaf is gone");
    let session = c.get("Exec", json!({"command": ["echo", "in"], "capture": 9}))["session"].clone();
    assert_eq!(c.get("ExecWait", json!({"session": session}))["output"], "in\n");
    delete(t, "web");
}

fn http_body(fd: std::os::fd::OwnedFd, port: u16) -> String {
    use nix::libc::{AF_INET, connect, in_addr, sockaddr_in};
    use std::os::fd::AsRawFd;
    let loopback = in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) };
    let addr = sockaddr_in { sin_family: AF_INET as u16, sin_port: port.to_be(), sin_addr: loopback, sin_zero: [0; 8] };
    // SAFETY: the address lives for the call, and is as long as said.
    let connected = unsafe { connect(fd.as_raw_fd(), (&raw const addr).cast(), std::mem::size_of_val(&addr) as u32) };
    assert_eq!(connected, 0, "the pod's loopback");
    let mut stream = std::net::TcpStream::from(fd);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    text_of(stream)
}

fn the_mechanism_looks_counts_pauses_signals_and_lends_sockets(t: &Test) {
    create(t, &manifest(t, "web", NEVER, &[("app", &["serve", "8080", "a sentence"], "")]), "started").ok();
    let mut c = Control::connect(t, "web");
    let sandbox = c.get("SandboxStatus", json!({}));
    let pids = c.get("Pids", json!({}));
    assert_eq!((&sandbox["ready"], &sandbox["name"], &sandbox["attempt"]), (&json!(true), &json!("web"), &json!(0)));
    let net = format!("net:[{}]", sandbox["namespaces"]["net"]);
    assert_eq!(net, namespace(pids["pause"].as_i64().unwrap() as i32, "net"));
    let detail = c.get("ContainerStatus", json!({}));
    assert_eq!((&detail["info"]["pid"], &detail["paused"]), (&pids["containers"]["app"], &json!(false)), "{detail}");
    assert!(c.get("Stats", json!({}))["containers"]["app"]["pressure"].is_object());
    // From the host's network into the pod's.
    let body = t.eventually("an answer", 5, || {
        c.get("Socket", json!({}));
        let fd = c.fd();
        std::panic::catch_unwind(|| http_body(fd, 8080)).ok()
    });
    assert!(body.contains("a sentence"), "{body}");
    assert_eq!(c.refused("Socket", json!({"family": "unix"})), ("InvalidArgument".into(), "family".into()));
    // A paused container answers nothing, and holds nobody up.
    assert_eq!(c.get("ContainerPause", json!({"container": "app"})), Value::Null);
    let app = cgroup(t, "web").join("app");
    assert!(value(&app, "cgroup.events").contains("frozen 1"));
    assert_eq!(c.get("ContainerStatus", json!({}))["paused"], true);
    let session = c.get("Exec", json!({"command": ["true"], "timeout_ms": 300}))["session"].clone();
    assert_eq!(c.get("ExecWait", json!({"session": session}))["timed_out"], true);
    c.get("ContainerResume", json!({"container": "app"}));
    assert!(value(&app, "cgroup.events").contains("frozen 0"));
    // Without the controllers the kernel has nothing to change, and the error says so; with them it is done.
    let update = c.ask("ContainerUpdateResources", json!({"container": "app", "resources": {"pids": {"limit": 77}}}));
    match app.join("pids.max").exists() {
        true => assert_eq!((&update["ok"], value(&app, "pids.max").as_str()), (&json!([]), "77"), "{update}"),
        false => assert_eq!(update["error"]["code"], "FailedPrecondition", "{update}"),
    }
    let wrong = json!({"container": "app", "resources": {"pids": 5}});
    assert_eq!(c.refused("ContainerUpdateResources", wrong), ("InvalidArgument".into(), "resources".into()));
    c.get("ContainerKill", json!({"container": "app", "signal": 9}));
    assert_eq!(c.ask("Wait", json!({"until": "finished"})).get("error"), None);
    assert_eq!(status_of(&get(t, "web"), "app")["state"]["terminated"]["exitCode"], 137);
    for (verb, args) in [
        ("ContainerCreate", json!({"container": "app"})),
        ("ContainerStart", json!({"container": "app"})),
        ("ContainerStop", json!({"container": "app"})),
        ("ContainerRemove", json!({"container": "app"})),
        ("SandboxStop", json!({})),
        ("SandboxCreate", json!({})),
    ] {
        assert_eq!(c.refused(verb, args).0, "FailedPrecondition", "{verb}: the pod's policy decides");
    }
    delete(t, "web");
}

fn external(t: &Test, pod: &str, containers: &[Container]) -> Control {
    let file = manifest(t, pod, NEVER, containers);
    t.podrt(["create", "--policy", "external", "-f", &file]).run().ok();
    Control::connect(t, pod)
}

fn with_policy_external_nothing_runs_but_what_the_caller_starts(t: &Test) {
    let mut c = external(t, "ext", &[("app", &["lines", "3"], ""), ("bad", &["reap"], "")]);
    assert_eq!(c.get("SandboxStatus", json!({}))["ready"], true);
    assert_eq!(c.get("Pids", json!({}))["containers"], json!({}));
    assert_eq!(c.refused("ContainerStart", json!({"container": "app"})), ("FailedPrecondition".into(), "container".into()));
    let made = c.get("ContainerCreate", json!({"container": "app"}));
    assert_eq!(made["pid"], first_pid(t, "ext", "app"));
    let program = fs::read_to_string(format!("/proc/{}/cmdline", made["pid"])).unwrap();
    assert!(!program.contains("payload"), "held before its exec: {program:?}");
    assert_eq!(c.get("ContainerStatus", json!({"container": "app"}))["held"], true);
    assert_eq!(c.refused("ContainerCreate", json!({"container": "app"})).0, "AlreadyExists");
    // Attached before it starts, one misses nothing.
    assert_eq!(c.get("Attach", json!({"container": "app"}))["streams"], json!(["stdout", "stderr"]));
    let (stdout, _stderr) = (fs::File::from(c.fd()), c.fd());
    c.get("ContainerStart", json!({"container": "app"}));
    assert_eq!(text_of(stdout), "1\n2\n3\n");
    t.eventually("it has ended", 5, || {
        let status = c.get("ContainerStatus", json!({"container": "app"}))["status"].clone();
        (status["state"]["Terminated"]["exit_code"] == 0).then_some(())
    });
    assert_eq!(c.get("Status", json!({}))["phase"], "Running", "the sandbox is the caller's to end");
    // Again, as another attempt; removed, and made anew.
    assert_eq!(c.get("ContainerCreate", json!({"container": "app"}))["attempt"], 1);
    assert_eq!(c.refused("ContainerRemove", json!({"container": "app"})).0, "FailedPrecondition");
    assert_eq!(c.get("ContainerStop", json!({"container": "app"}))["held"], false);
    c.get("ContainerRemove", json!({"container": "app"}));
    assert!(c.get("ContainerList", json!({})).as_array().unwrap().is_empty());
    delete(t, "ext");
}

fn with_policy_external_containers_come_and_go_with_the_sandbox(t: &Test) {
    let mut c = external(t, "ext", &[("app", &["ignore-term"], "")]);
    let bundle = support::world::fixtures().join("bundles/shell");
    let spec = json!({"bundle": bundle, "command": ["sh", "-c", "echo $WHO; exec sleep 1000"], "env": [["WHO", "new"]]});
    let made = c.get("ContainerCreate", json!({"container": "more", "spec": spec}));
    assert_eq!(made["name"], "more");
    c.get("ContainerStart", json!({"container": "more"}));
    t.eventually("its output", 5, || (logs(t, "ext", "more") == "new\n").then_some(()));
    let session = c.get("Exec", json!({"container": "more", "command": ["echo", "in"], "capture": 9}))["session"].clone();
    assert_eq!(c.get("ExecWait", json!({"session": session}))["output"], "in\n");
    let bad = json!({"bundle": bundle, "command": ["/none"]});
    let refused = c.ask("ContainerCreate", json!({"container": "bad", "spec": bad}));
    assert!(refused["error"]["message"].as_str().unwrap().contains("/none"), "{refused}");
    assert_eq!(
        c.refused("ContainerCreate", json!({"container": "x", "spec": {"bundle": "b"}})),
        ("InvalidArgument".into(), "spec".into())
    );
    assert_eq!(c.refused("ContainerCreate", json!({"container": "../x", "spec": {}})).1, "container");
    // The stop signal, then SIGKILL.
    c.get("ContainerCreate", json!({"container": "app"}));
    c.get("ContainerStart", json!({"container": "app"}));
    let start = Instant::now();
    let stopped = c.get("ContainerStop", json!({"container": "app", "grace": 1}));
    assert_eq!(stopped["status"]["state"]["Terminated"]["signal"], 9, "{stopped}");
    assert!(start.elapsed() >= Duration::from_millis(900));
    // With one that is held, and one that runs.
    c.get("ContainerCreate", json!({"container": "app"}));
    c.get("SandboxStop", json!({"grace": 1}));
    let pids = c.get("Pids", json!({}));
    assert_eq!((&pids["pause"], &pids["containers"]), (&Value::Null, &json!({})));
    assert_eq!(c.refused("ContainerCreate", json!({"container": "app"})).0, "FailedPrecondition");
    assert_eq!(c.get("SandboxCreate", json!({}))["attempt"], 1);
    assert_eq!(c.refused("SandboxCreate", json!({})).0, "AlreadyExists");
    c.get("ContainerCreate", json!({"container": "more"}));
    c.get("SandboxRemove", json!({"grace": 0}));
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
}

fn a_held_container_is_held_again_when_the_supervisor_is_killed(t: &Test) {
    let mut c = external(t, "ext", &[("app", &["lines", "2"], "")]);
    c.get("ContainerCreate", json!({"container": "app"}));
    let supervisor = c.get("Pids", json!({}))["supervisor"].as_i64().unwrap() as i32;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(supervisor), nix::sys::signal::Signal::SIGKILL).unwrap();
    let mut c = t.eventually("the next one", 10, || {
        let connect = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Control::connect(t, "ext")));
        UnixStream::connect(socket(t, "ext")).ok().and_then(|_| connect().ok())
    });
    t.eventually("held again", 10, || (c.get("ContainerStatus", json!({"container": "app"}))["held"] == true).then_some(()));
    c.get("ContainerStart", json!({"container": "app"}));
    t.eventually("it ran", 5, || (logs(t, "ext", "app") == "1\n2\n").then_some(()));
    delete(t, "ext");
}

suite!(
    it_says_who_it_is_and_what_is_wrong_with_a_request,
    ctl_asks_from_the_command_line,
    another_user_is_turned_away_unheard,
    a_hundred_clients_slow_silent_malformed_and_huge_hold_nobody_up,
    a_malformed_frame_is_answered_once_and_ends_the_connection,
    more_clients_than_are_served_do_not_lock_out_those_who_ask,
    a_request_of_who_hangs_up_at_once_is_still_carried_out,
    a_watcher_that_is_too_slow_is_dropped_and_resumes_without_a_gap,
    what_waits_has_a_deadline_and_can_be_cancelled,
    a_request_is_carried_out_once_for_each_token,
    a_command_has_the_streams_that_come_with_the_request,
    a_command_has_a_terminal_whose_other_end_comes_with_the_answer,
    a_time_out_ends_all_that_a_command_has_started,
    an_exec_whose_grandchild_holds_the_pipe_returns_on_time,
    a_command_that_prints_without_end_costs_no_memory_and_waits_for_nobody,
    a_thousand_execs_leave_nothing,
    an_exec_into_a_container_that_ends_is_answered,
    a_container_that_has_delegated_its_cgroup_can_still_be_entered,
    the_mechanism_looks_counts_pauses_signals_and_lends_sockets,
    with_policy_external_nothing_runs_but_what_the_caller_starts,
    with_policy_external_containers_come_and_go_with_the_sandbox,
    a_held_container_is_held_again_when_the_supervisor_is_killed,
);
