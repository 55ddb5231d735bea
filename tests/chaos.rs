//! Chaos: every 100 ms a random process of podrt's own is killed, while 20 pods of different policies run and others come and go. No
//! exit code is wrong, no log has a gap or a repeat, nothing is started that its policy did not ask for, nothing is left.
//!
//! A keeper and its supervisor stand in for each other, so the two of one pod are not killed at once: a victim is taken only where
//! both live.
//!
//! PODRT_CHAOS_SECONDS: how long (15, in the virtual machine 60).

mod support;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::processes::{self, start_time, zombie};
use support::{Test, pod, world};

const KINDS: [&str; 10] = ["steady", "done", "fails", "again", "init", "sidecar", "crash", "two", "pause", "partial"];
const PODS: usize = 20;

fn seconds() -> u64 {
    let asked = std::env::var("PODRT_CHAOS_SECONDS").ok().and_then(|s| s.parse().ok());
    asked.unwrap_or(if world::in_vm() { 60 } else { 15 })
}

/// Numbers, a few at once every `pause` seconds, for `rounds` rounds; 0 is for ever.
fn count(rounds: u64, then: &str) -> String {
    let end = if rounds == 0 { "true".to_string() } else { format!("[ $i -lt {} ]", rounds * 5) };
    format!("i=0; while {end}; do for k in 1 2 3 4 5; do i=$((i+1)); echo $i; done; sleep 0.1; done; {then}")
}

/// A pod of `kind` that ends, where it does, after about `seconds`.
fn manifest(t: &Test, name: &str, kind: &str, seconds: u64) -> String {
    let rounds = seconds * 8;
    let container = |name: &str, script: &str| json!({"name": name, "image": pod::image("shell"), "command": ["/bin/sh", "-c", script], "volumeMounts": [{"name": "v", "mountPath": "/v"}]});
    let once = "echo >> /v/n; [ $(wc -l < /v/n)";
    let mut init = Vec::new();
    let (policy, containers) = match kind {
        "steady" => ("Always", vec![container("app", &count(0, ""))]),
        "pause" => ("Always", vec![container("app", &count(0, ""))]),
        "done" => ("Never", vec![container("app", &count(rounds, "exit 0"))]),
        "fails" => ("Never", vec![container("app", &count(rounds, "exit 3"))]),
        "partial" => ("Never", vec![container("app", &count(rounds, "printf end; exit 4"))]),
        "two" => ("Never", vec![container("app", &count(rounds, "exit 0")), container("other", &count(rounds / 2, "exit 5"))]),
        "again" => ("OnFailure", vec![container("app", &format!("{once} = 2 ] && exit 0; {}", count(rounds / 2, "exit 1")))]),
        "crash" => ("Always", vec![container("app", "echo >> /v/n; wc -l < /v/n; exit 1")]),
        "init" => {
            init.push(container("first", "echo one >> /v/n; exit 0"));
            init.push(container("second", "sleep 0.3; echo two >> /v/n; exit 0"));
            ("Never", vec![container("app", &format!("cat /v/n; sleep {seconds}; exit 6"))])
        }
        _ => {
            let mut sidecar = container("side", &count(0, ""));
            sidecar["restartPolicy"] = json!("Always");
            init.push(sidecar);
            ("Never", vec![container("app", &count(rounds, "exit 0"))])
        }
    };
    let spec = json!({"terminationGracePeriodSeconds": 1, "restartPolicy": policy, "volumes": [{"name": "v", "emptyDir": {}}], "initContainers": init, "containers": containers});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec});
    t.write(&format!("{name}.yaml"), pod.to_string()).to_str().expect("UTF-8").to_owned()
}

/// A generator of the test's own: the seed is printed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[derive(Default)]
struct Kills {
    by_kind: BTreeMap<String, usize>,
    /// By pod.
    pauses: BTreeMap<String, usize>,
}

fn both_live(t: &Test, pod: &str) -> bool {
    ["keeper", "supervisor"].iter().all(|who| {
        let (pid, start) = processes::process(t, pod, who);
        pid > 1 && start_time(pid) == Some(start) && !zombie(pid)
    })
}

fn strike(t: &Test, pods: &[String], dice: &mut Dice, kills: &mut Kills) {
    let pod = &pods[dice.below(pods.len())];
    if !both_live(t, pod) {
        return;
    }
    let who = match (pod.starts_with("pause"), dice.below(3)) {
        (true, 0) => "pause",
        (_, 1) => "keeper",
        _ => "supervisor",
    };
    if processes::kill(t, pod, who) {
        *kills.by_kind.entry(who.into()).or_default() += 1;
        if who == "pause" {
            *kills.pauses.entry(pod.clone()).or_default() += 1;
        }
    }
}

/// What an attempt has printed, of all files of its log.
fn printed(t: &Test, pod: &str, container: &str, attempt: u64) -> String {
    let uid = pod::get(t, pod)["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let folder = t.logs.join(format!("pods/default_{pod}_{uid}/{container}"));
    let mut names: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
    names.retain(|n| n.to_str().is_some_and(|n| n.starts_with(&format!("{attempt}.log."))));
    names.sort();
    names.push(format!("{attempt}.log").into());
    let text: String = names.iter().map(|n| fs::read_to_string(folder.join(n)).unwrap_or_default()).collect();
    let mut out = String::new();
    for line in text.lines() {
        let mut parts = line.splitn(4, ' ').skip(2);
        let (tag, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        out += rest;
        if tag == "F" {
            out.push('\n');
        }
    }
    out
}

#[track_caller]
fn assert_counts(t: &Test, pod: &str, container: &str, attempt: u64, last: Option<u64>) {
    let text = printed(t, pod, container, attempt);
    let numbers: Vec<&str> = text.lines().collect();
    for (at, line) in numbers.iter().enumerate() {
        assert_eq!(*line, (at + 1).to_string(), "{pod}/{container}/{attempt}: after {at} lines");
    }
    match last {
        Some(last) => assert_eq!(numbers.len() as u64, last, "{pod}/{container}/{attempt}: its last line"),
        None => assert!(!numbers.is_empty(), "{pod}/{container}/{attempt} printed nothing"),
    }
}

#[track_caller]
fn assert_end(status: &Value, what: &str, code: i64, restarts: u64) {
    assert_eq!(status["state"]["terminated"]["exitCode"], code, "{what}: {status}");
    assert_eq!(status["restartCount"], restarts, "{what}: {status}");
}

/// How many restarts a container that fails at once has after `seconds`: the first at once, then 10, 20, 40 ... seconds later.
fn restarts_after(seconds: f64) -> (u64, u64) {
    let (mut at, mut wait, mut most, mut least) = (0.0, 10.0, 1, 1);
    loop {
        at += wait;
        if at > seconds {
            return (least, most);
        }
        most += 1;
        least += u64::from(at + 2.0 * most as f64 + 5.0 < seconds);
        wait = f64::min(wait * 2.0, 300.0);
    }
}

fn check(t: &Test, name: &str, kills: &Kills, ran: f64, asked: u64) {
    let rounds = asked * 8;
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let now = pod::get(t, name);
    let app = pod::status_of(&now, "app").clone();
    let phase = now["status"]["phase"].as_str().unwrap_or_default();
    let wanted = match kind {
        "steady" | "pause" | "crash" => "Running",
        "done" | "again" | "sidecar" => "Succeeded",
        _ => "Failed",
    };
    assert_eq!(phase, wanted, "{name}: {}", now["status"]);
    match kind {
        "steady" => {
            assert_eq!(app["restartCount"], 0, "{name}: {app}");
            assert_counts(t, name, "app", 0, None);
        }
        "pause" => {
            let restarts = app["restartCount"].as_u64().expect("a number");
            let most = kills.pauses.get(name).copied().unwrap_or(0) as u64;
            assert!(restarts <= most, "{name}: {restarts} restarts, {most} pauses killed");
            for attempt in 0..=restarts {
                assert_counts(t, name, "app", attempt, None);
            }
        }
        "done" => {
            assert_end(&app, name, 0, 0);
            assert_counts(t, name, "app", 0, Some(rounds * 5));
        }
        "fails" => {
            assert_end(&app, name, 3, 0);
            assert_counts(t, name, "app", 0, Some(rounds * 5));
        }
        "partial" => {
            assert_end(&app, name, 4, 0);
            let text = printed(t, name, "app", 0);
            assert!(text.ends_with(&format!("\n{}\nend", rounds * 5)), "{name}: {:?}", &text[text.len().saturating_sub(40)..]);
        }
        "two" => {
            assert_end(&app, name, 0, 0);
            assert_end(pod::status_of(&now, "other"), name, 5, 0);
            assert_counts(t, name, "app", 0, Some(rounds * 5));
            assert_counts(t, name, "other", 0, Some(rounds / 2 * 5));
        }
        "again" => {
            assert_end(&app, name, 0, 1);
            assert_counts(t, name, "app", 0, Some(rounds / 2 * 5));
        }
        "init" => {
            assert_end(&app, name, 6, 0);
            assert_eq!(printed(t, name, "app", 0), "one\ntwo\n", "{name}: what its init containers did");
        }
        "sidecar" => {
            assert_end(&app, name, 0, 0);
            let side = &now["status"]["initContainerStatuses"][0];
            assert_eq!(side["restartCount"], 0, "{name}: {side}");
            assert_counts(t, name, "app", 0, Some(rounds * 5));
            assert_counts(t, name, "side", 0, None);
        }
        _ => {
            let restarts = app["restartCount"].as_u64().expect("a number");
            let (least, most) = restarts_after(ran);
            assert!((least..=most).contains(&restarts), "{name}: {restarts} restarts in {ran:.0} s, want {least} to {most}");
            // Old attempts' logs may be gone; each that is there tells of exactly as many starts as its number says.
            for attempt in 0..=restarts {
                let text = printed(t, name, "app", attempt);
                assert!(text.is_empty() || text == format!("{}\n", attempt + 1), "{name}/{attempt}: {text:?}");
            }
        }
    }
}

/// Pods that come, fail and go meanwhile; theirs too are killed once they stand.
fn churn(t: &Test, pods: &Mutex<Vec<String>>, until: Instant) {
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        let name = format!("guest{number}");
        let script = "echo hello; sleep 0.3; echo bye; exit 7";
        let spec = json!({"restartPolicy": "Never", "containers": [{"name": "app", "image": pod::image("shell"), "command": ["/bin/sh", "-c", script]}]});
        let text = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}).to_string();
        let file = t.write(&format!("{name}.yaml"), text);
        t.podrt(["create", "-f", file.to_str().expect("UTF-8")]).run().ok();
        pods.lock().expect("no panic").push(name.clone());
        pod::wait_phase(t, &name, "Failed");
        let status = pod::get(t, &name);
        assert_end(pod::status_of(&status, "app"), &name, 7, 0);
        assert_eq!(printed(t, &name, "app", 0), "hello\nbye\n", "{name}");
        pods.lock().expect("no panic").retain(|p| *p != name);
        pod::delete(t, &name);
    }
    println!("{number} guests");
}

fn whoever_of_podrt_is_killed_nothing_of_a_pod_is_lost(t: &Test) {
    let seconds = seconds();
    // They end, where they do, some seconds before the killing does; what is still to come after that is waited for.
    let work = seconds.saturating_sub(5).max(5) * 2 / 3;
    let names: Vec<String> = (0..PODS).map(|n| format!("{}{}", KINDS[n % KINDS.len()], n / KINDS.len())).collect();
    let begun = Instant::now();
    for name in &names {
        let file = manifest(t, name, name.trim_end_matches(|c: char| c.is_ascii_digit()), work);
        t.podrt(["create", "-f", &file]).run().ok();
    }
    let seed = begun.elapsed().as_nanos() as u64 | 1;
    let until = Instant::now() + Duration::from_secs(seconds);
    let pods = Mutex::new(names.clone());
    let (mut dice, mut kills) = (Dice(seed), Kills::default());
    std::thread::scope(|s| {
        s.spawn(|| churn(t, &pods, until));
        while Instant::now() < until {
            // Held, so that no guest goes while it is looked at.
            let pods = pods.lock().expect("no panic");
            strike(t, &pods, &mut dice, &mut kills);
            drop(pods);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    println!("seed {seed}, killed: {:?}", kills.by_kind);
    let total: usize = kills.by_kind.values().sum();
    assert!(total as u64 >= seconds * 3, "only {total} were killed: {:?}", kills.by_kind);
    for name in names.iter().filter(|n| !["steady", "pause", "crash"].iter().any(|k| n.starts_with(k))) {
        t.eventually(&format!("{name} ends"), 60, || {
            ["Succeeded", "Failed"].contains(&pod::phase(t, name).as_str()).then_some(())
        });
    }
    for name in names.iter().filter(|n| n.starts_with("pause")) {
        // The last of its sandboxes may have gone a moment ago; its restart waits for its turn.
        t.eventually(&format!("{name} runs again"), 330, || {
            (pod::status_of(&pod::get(t, name), "app")["state"]["running"].is_object()).then_some(())
        });
    }
    let ran = begun.elapsed().as_secs_f64();
    for name in &names {
        check(t, name, &kills, ran, work);
    }
    pod::delete_all(t);
}

suite!(whoever_of_podrt_is_killed_nothing_of_a_pod_is_lost);
