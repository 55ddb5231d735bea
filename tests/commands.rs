//! The commands that look: `get` in every form, `wait`, `events`, `top`; in kubectl's words and codes.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use support::Test;
use support::pod::*;

fn labelled(t: &Test, name: &str, labels: &str) {
    let file = manifest(t, name, NEVER, &[("app", &["reap"], "")]);
    let text = std::fs::read_to_string(&file).unwrap().replace("metadata:\n", &format!("metadata:\n  labels: {labels}\n"));
    std::fs::write(&file, text).unwrap();
    create(t, &file, "started").ok();
}

/// A command that goes on; its lines as they come.
struct Streaming {
    child: Child,
    lines: Receiver<String>,
}

impl Streaming {
    fn start(t: &Test, words: &[&str]) -> Streaming {
        let own = t.podrt_words();
        let mut child = Command::new(&own[0]).args(&own[1..]).args(words).stdout(Stdio::piped()).spawn().expect("podrt");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines().map_while(Result::ok);
        let (to, receiver) = channel();
        std::thread::spawn(move || lines.for_each(|line| drop(to.send(line))));
        Streaming { child, lines: receiver }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(if support::world::in_vm() { 60 } else { 10 })).expect("a line in time")
    }

    #[track_caller]
    fn until(&self, words: &[&str]) -> String {
        loop {
            let line = self.next();
            if words.iter().all(|w| line.contains(w)) {
                return line;
            }
        }
    }

    fn end(mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).expect("signal");
        self.child.wait().expect("its end");
    }
}

fn pods_are_chosen_by_fields_sorted_and_printed_as_asked(t: &Test) {
    labelled(t, "b", "{app: web}");
    labelled(t, "a", "{app: db}");
    create(t, &manifest(t, "done", NEVER, &[("app", &["exit", "0"], "")]), "started").ok();
    wait_phase(t, "done", "Succeeded");
    let get = |words: &[&str]| t.podrt(["get", "pods"].iter().chain(words).copied()).run().ok();
    for (words, want) in [
        (&["-o", "name"][..], "pod/a\npod/b\npod/done\n"),
        (&["-o", "name", "-l", "app"], "pod/a\npod/b\n"),
        (&["-o", "name", "--field-selector", "status.phase!=Running"], "pod/done\n"),
        (&["-o", "name", "--field-selector", "metadata.name=a,status.phase=Running"], "pod/a\n"),
        (&["-o", "name", "--sort-by", ".status.phase"], "pod/a\npod/b\npod/done\n"),
        (&["-o", "name", "--sort-by=metadata.labels.app"], "pod/done\npod/a\npod/b\n"),
        (&["-o", "jsonpath={.items[*].metadata.name}"], "a b done"),
        (&["-o", "jsonpath={range .items[?(@.status.phase==\"Running\")]}{.metadata.name}{\"\\n\"}{end}"], "a\nb\n"),
        (&["b", "-o", "jsonpath={.metadata.labels.app}"], "web"),
        (
            &["-l", "app", "-o", "custom-columns=POD:.metadata.name,APP:.metadata.labels.app,NOPE:.nope"],
            "POD   APP   NOPE\na     db    <none>\nb     web   <none>\n",
        ),
        (&["-l", "app", "--no-headers", "-o", "custom-columns=POD:.metadata.name"], "a\nb\n"),
    ] {
        assert_eq!(get(words).stdout, want, "{words:?}");
    }
    let none = get(&["-l", "app=none"]);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "No resources found in default namespace.\n"));
    for (words, code, want) in [
        (&["get", "pods", "-o", "xml"][..], 2, "custom-columns"),
        (&["get", "pods", "-o", "jsonpath={.x"], 2, "jsonpath"),
        (&["get", "pods", "-o", "go-template={{.}}"], 2, "use jsonpath"),
        (&["get", "pods", "--field-selector", "spec.containers=x"], 2, "field label not supported: spec.containers"),
        (&["get", "pod", "a", "-l", "app"], 2, "name cannot be provided when a selector is specified"),
        (&["get", "pod", "nope"], 1, "Error from server (NotFound): pods \"nope\" not found"),
    ] {
        let out = t.podrt(words.iter().copied()).run().refuses(&[want]);
        assert_eq!(out.code(), code, "{out}");
    }
    delete_all(t);
}

fn a_watch_shows_a_pod_come_change_and_go(t: &Test) {
    create(t, &manifest(t, "first", NEVER, &[("app", &["reap"], "")]), "started").ok();
    let watch = Streaming::start(t, &["get", "pods", "-w"]);
    let events = Streaming::start(
        t,
        &[
            "get",
            "pods",
            "--watch-only",
            "--output-watch-events",
            "-o",
            "jsonpath={.type} {.object.metadata.name} {.object.status.phase}{\"\\n\"}",
        ],
    );
    assert!(watch.next().starts_with("NAME "), "a header, once");
    assert!(watch.next().starts_with("first "));
    // The watcher of changes only may still be on its way up.
    std::thread::sleep(Duration::from_millis(300));
    create(t, &manifest(t, "second", NEVER, &[("app", &["sleep", "1"], "")]), "started").ok();
    watch.until(&["second", "1/1", "Running"]);
    watch.until(&["second", "0/1", "Completed"]);
    delete(t, "second");
    let row = watch.until(&["second"]);
    assert!(row.split_whitespace().count() >= 5, "{row}");
    // Two changes between two looks are seen as one: which phase it came with is chance.
    for want in ["ADDED second", "MODIFIED second Succeeded", "DELETED second Succeeded"] {
        events.until(&[want]);
    }
    watch.end();
    events.end();
    delete(t, "first");
}

fn wait_ends_when_pods_are_as_asked_and_says_what_is_late(t: &Test) {
    let wait = |words: &[&str]| t.podrt(["wait"].iter().chain(words).copied()).run();
    let creation = Streaming::start(t, &["wait", "pod/late", "--for=create", "--timeout=10s"]);
    std::thread::sleep(Duration::from_millis(200));
    create(t, &manifest(t, "late", NEVER, &[("app", &["sleep", "2"], "")]), "created").ok();
    assert_eq!(creation.next(), "pod/late condition met");
    assert_eq!(wait(&["pod/late", "--for=condition=Ready"]).ok().stdout, "pod/late condition met\n");
    assert_eq!(wait(&["pods", "--all", "--for=jsonpath={.status.phase}=Running", "-q"]).ok().stdout, "");
    // It becomes true while it is waited for.
    assert_eq!(wait(&["pod", "late", "--for=jsonpath={.status.phase}=Succeeded"]).ok().stdout, "pod/late condition met\n");
    let out = wait(&["pod/late", "--for=condition=Ready", "--timeout=100ms"]).exits(5);
    assert_eq!(out.stderr, "error: timed out waiting for the condition on pods/late\n");
    let end = Streaming::start(t, &["wait", "pod/late", "--for=delete", "--timeout=10s"]);
    std::thread::sleep(Duration::from_millis(200));
    delete(t, "late");
    assert_eq!(end.next(), "pod/late condition met");
    assert_eq!(wait(&["pod/late", "--for=delete"]).ok().stdout, "", "gone already");
    for (words, code, want) in [
        (&["pod/late", "--for=condition=Ready"][..], 1, "pods \"late\" not found"),
        (&["pods", "--all", "--for=condition=Ready"], 1, "no matching resources found"),
        (&["pods", "--for=condition=Ready"], 2, "no name was specified"),
        (&["pod/late", "--for=soon"], 2, "condition=TYPE"),
    ] {
        let out = wait(words).refuses(&[want]);
        assert_eq!(out.code(), code, "{out}");
    }
    creation.end();
    end.end();
}

fn events_tell_what_has_happened_and_go_on(t: &Test) {
    let none = t.podrt(["events"]).run().ok();
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "No events found in default namespace.\n"));
    create(t, &manifest(t, "ev", NEVER, &[("app", &["sleep", "1"], "")]), "started").ok();
    let table = t.podrt(["events", "--for", "pod/ev"]).run().ok().stdout;
    assert!(table.starts_with("LAST SEEN   TYPE     REASON"), "{table}");
    assert!(table.contains("Started") && table.contains("Pod/ev"), "{table}");
    let list: Value = serde_json::from_str(&t.podrt(["events", "-o", "json"]).run().ok().stdout).unwrap();
    let started = list["items"].as_array().unwrap().iter().find(|e| e["reason"] == "Started").expect("Started");
    assert_eq!((&list["kind"], &started["involvedObject"]["name"]), (&"EventList".into(), &"ev".into()));
    assert_eq!(started["involvedObject"]["fieldPath"], "spec.containers{app}");
    let watch = Streaming::start(t, &["events", "-w", "-o", "json"]);
    assert!(watch.next().contains("\"reason\""));
    create(t, &manifest(t, "later", NEVER, &[("app", &["reap"], "")]), "started").ok();
    let line = watch.until(&["\"Started\"", "\"later\""]);
    assert_eq!(serde_json::from_str::<Value>(&line).expect("one object a line")["type"], "Normal");
    watch.end();
    t.podrt(["events", "--types=Bad"]).run().refuses(&["--types"]);
    delete_all(t);
}

fn top_shows_what_spins(t: &Test) {
    create(t, &manifest(t, "busy", NEVER, &[("spins", &["spin", "30"], ""), ("idle", &["reap"], "")]), "started").ok();
    let top = |words: &[&str]| t.podrt(["top"].iter().chain(words).copied()).run().ok().stdout;
    let pods = top(&["pods"]);
    assert!(pods.starts_with("POD    CPU(cores)   MEMORY(bytes)"), "{pods}");
    let list: Value = serde_json::from_str(&top(&["containers", "busy", "-o", "json", "--sort-by=cpu"])).unwrap();
    let all = list["items"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["container"], "spins", "the largest first");
    let cpu = |i: usize| all[i]["cpuMillicores"].as_u64().expect("cpu.stat is there without a controller");
    assert!(cpu(0) > 100 && cpu(0) > 10 * cpu(1), "{list}");
    let watch = Streaming::start(t, &["top", "pods", "--watch", "--interval=50ms", "-o", "json"]);
    for _ in 0..3 {
        assert!(serde_json::from_str::<Value>(&watch.next()).expect("an object a line")["items"][0]["pod"] == "busy");
    }
    watch.end();
    delete(t, "busy");
    assert_eq!(t.podrt(["top", "pods"]).run().ok().stderr, "No resources found in default namespace.\n");
    t.podrt(["top", "pods", "nope"]).run().refuses(&["pods \"nope\" not found"]);
}

fn why_names_the_cause_before_what_waits_for_it(t: &Test) {
    let file = manifest(t, "stuck", "restartPolicy: Always\ninitContainers: []", &[("app", &["reap"], "")]);
    let init =
        format!("initContainers: [{{name: setup, image: {}, command: [/bin/sh, -c, \"echo no disk; exit 3\"]}}]", image("shell"));
    let text = std::fs::read_to_string(&file).unwrap().replace("initContainers: []", &init);
    std::fs::write(&file, text).unwrap();
    create(t, &file, "started").ok();
    t.eventually("it backs off", 10, || t.podrt(["get", "pods"]).run().stdout.contains("CrashLoopBackOff").then_some(()));
    let text = t.podrt(["why", "stuck"]).run().ok().stdout;
    assert!(
        text.starts_with("pod default/stuck: Init:CrashLoopBackOff, 0/1 ready\n  because of container setup: CrashLoopBackOff"),
        "{text}"
    );
    for part in [
        "Error: exit code 3",
        "it printed last:\n      | no disk\n",
        "behind that: app\n",
        "how it came to that:\n",
        "Started setup: ",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let value: Value = serde_json::from_str(&t.podrt(["why", "stuck", "-o", "json"]).run().ok().stdout).unwrap();
    assert_eq!((&value["waitsFor"][0]["container"], &value["behind"][0]), (&"setup".into(), &"app".into()));
    delete(t, "stuck");
    create(t, &manifest(t, "well", NEVER, &[("app", &["reap"], "")]), "ready").ok();
    let text = t.podrt(["why", "well"]).run().ok().stdout;
    assert!(text.starts_with("pod default/well: Running, 1/1 ready; it waits for nothing, and is ready since "), "{text}");
    delete(t, "well");
    create(t, &manifest(t, "broke", NEVER, &[("app", &["exit", "4"], "")]), "started").ok();
    wait_phase(t, "broke", "Failed");
    let text = t.podrt(["why", "broke"]).run().ok().stdout;
    assert!(text.contains("because of container app: Error") && text.contains("exit code 4"), "{text}");
    delete(t, "broke");
    t.podrt(["why", "nope"]).run().refuses(&["pods \"nope\" not found"]);
}

fn security_is_read_back_from_the_kernel(t: &Test) {
    let strict = "securityContext: {runAsUser: 1000, runAsGroup: 2000, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}";
    create(t, &manifest(t, "sec", NEVER, &[("strict", &["reap"], strict), ("plain", &["reap"], "")]), "started").ok();
    let text = t.podrt(["describe", "pod", "sec", "--security"]).run().ok().stdout;
    let line = |container: &str, setting: &str| {
        let part = text.split(&format!("Container {container} ")).nth(1).unwrap_or_else(|| panic!("{container}: {text}"));
        let line = part.lines().find(|l| l.trim_start().starts_with(setting)).unwrap_or_else(|| panic!("{setting}: {text}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("strict", "uid"), "uid 1000 1000 as asked");
    assert_eq!(line("strict", "caps bounding"), "caps bounding none none as asked");
    assert_eq!(line("strict", "no_new_privs"), "no_new_privs on on as asked");
    assert!(line("strict", "seccomp").starts_with("seccomp on on (1 filters) as asked"));
    assert_eq!(line("strict", "root"), "root read-only read-only as asked");
    assert_eq!(line("plain", "root"), "root read-only read-only as asked", "as the bundle has it");
    assert!(!text.contains("DIFFERS"), "{text}");
    delete(t, "sec");
}

fn a_hundred_readers_at_once_see_whole_pods_while_others_come_and_go(t: &Test) {
    create(t, &manifest(t, "stays", NEVER, &[("app", &["reap"], "")]), "started").ok();
    let passing = manifest(t, "passing", NEVER, &[("app", &["lines", "3"], "")]);
    let rounds = if support::world::in_vm() { 2 } else { 5 };
    std::thread::scope(|scope| {
        for i in 0..20 {
            let passing = &passing;
            scope.spawn(move || {
                for _ in 0..rounds {
                    match i % 5 {
                        0 => drop(
                            serde_json::from_str::<Value>(&t.podrt(["get", "pods", "-o", "json"]).run().ok().stdout).unwrap(),
                        ),
                        1 => assert!(t.podrt(["get", "pod", "stays"]).run().ok().stdout.contains("1/1")),
                        2 => assert_eq!(t.podrt(["exec", "stays", "--", "echo", "hi"]).run().ok().stdout, "hi\n"),
                        3 => drop(t.podrt(["logs", "stays"]).run().ok()),
                        _ if i == 4 => {
                            create(t, passing, "started").ok();
                            delete(t, "passing");
                        }
                        _ => drop(t.podrt(["describe", "pod", "stays"]).run().ok()),
                    }
                }
            });
        }
    });
    delete(t, "stays");
}

suite!(
    pods_are_chosen_by_fields_sorted_and_printed_as_asked,
    a_watch_shows_a_pod_come_change_and_go,
    wait_ends_when_pods_are_as_asked_and_says_what_is_late,
    events_tell_what_has_happened_and_go_on,
    top_shows_what_spins,
    why_names_the_cause_before_what_waits_for_it,
    security_is_read_back_from_the_kernel,
    a_hundred_readers_at_once_see_whole_pods_while_others_come_and_go,
);
