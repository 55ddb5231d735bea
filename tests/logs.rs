//! `logs`: what a container printed, all of it and in order, with every flag.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::Test;
use support::pod::*;

fn logs(t: &Test, words: &[&str]) -> support::Out {
    t.podrt(["logs"].iter().chain(words).copied()).within(Duration::from_secs(60)).run()
}

/// A shell script as a container's command.
fn shell(t: &Test, pod: &str, more: &str, scripts: &[(&str, &str)]) -> String {
    let file = manifest(t, pod, more, &scripts.iter().map(|(name, _)| (*name, &["reap"][..], "")).collect::<Vec<_>>());
    let mut text = std::fs::read_to_string(&file).unwrap();
    for (_, script) in scripts {
        let command = serde_json::json!(["/bin/sh", "-c", script]).to_string();
        text = text.replacen("[\"/bin/payload\",\"reap\"]", &command, 1);
    }
    std::fs::write(&file, text).unwrap();
    file
}

fn a_part_of_a_log_is_chosen_by_lines_time_and_bytes(t: &Test) {
    create(t, &shell(t, "part", NEVER, &[("app", "echo one; echo two; sleep 2; echo three")]), "started").ok();
    wait_phase(t, "part", "Succeeded");
    let stamped = logs(t, &["part", "--timestamps"]).ok().stdout;
    let third = stamped.lines().nth(2).unwrap().split(' ').next().unwrap().to_owned();
    for (words, want) in [
        (&["part"][..], "one\ntwo\nthree\n"),
        (&["part", "--tail=2"], "two\nthree\n"),
        (&["part", "--tail", "0"], ""),
        (&["part", "--limit-bytes=5"], "one\nt"),
        (&["part", "--since-time", &third], "three\n"),
        (&["part", "--since-time=2100-01-01T00:00:00Z"], ""),
        (&["part", "--since=1h"], "one\ntwo\nthree\n"),
        (&["part", "-f"], "one\ntwo\nthree\n"),
        (&["part", "-f", "--limit-bytes=3"], "one"),
        (&["pod/part", "app", "--prefix", "--tail=1"], "[pod/part/app] three\n"),
    ] {
        assert_eq!(logs(t, words).ok().stdout, want, "{words:?}");
    }
    for (words, want) in [
        (&["part", "--since=1h", "--since-time=2100-01-01T00:00:00Z"][..], "cannot be used with"),
        (&["part", "--since-time=yesterday"], "2026-01-02T03:04:05Z"),
        (&["part", "-c", "nope"], "container nope is not valid for pod part"),
        (&["part", "-p"], "previous terminated container \"app\" in pod \"part\" not found"),
        (&["part", "--follow-restarts"], "--follow"),
        (&["nope"], "pods \"nope\" not found"),
    ] {
        logs(t, words).refuses(&[want]);
    }
    delete(t, "part");
}

fn several_containers_are_merged_by_time(t: &Test) {
    let script =
        |first: &str, second: &str| format!("for i in 1 2 3; do echo {first}$i; sleep 0.4; echo {second}$i; sleep 0.4; done");
    let (a, b) = (script("a", "A"), format!("sleep 0.2; {}", script("b", "B")));
    create(t, &shell(t, "two", NEVER, &[("left", &a), ("right", &b)]), "started").ok();
    wait_phase(t, "two", "Succeeded");
    let text = logs(t, &["two", "--all-containers", "--timestamps", "--prefix"]).ok().stdout;
    let stamps: Vec<&str> = text.lines().map(|l| l.split(' ').nth(1).unwrap()).collect();
    assert_eq!(stamps.len(), 12, "{text}");
    assert!(stamps.is_sorted(), "{text}");
    assert!(text.contains("[pod/two/left] ") && text.contains("[pod/two/right] "));
    // In turn, where the machine lets them.
    let order: String = text.lines().map(|l| if l.contains("/left]") { 'x' } else { 'y' }).collect();
    assert!(order.contains("xy") && order.contains("yx"), "{order}");
    delete(t, "two");
}

fn a_follower_ends_with_its_attempt_and_goes_on_over_restarts_when_asked(t: &Test) {
    // The first attempt fails at once and is restarted at once; the second goes on.
    let script = "if mkdir /dev/shm/once 2>/dev/null; then sleep 1; echo first; exit 1; fi; echo second; sleep 1; echo third";
    create(t, &shell(t, "again", "restartPolicy: OnFailure", &[("app", script)]), "started").ok();
    let own = t.podrt_words();
    let follow = |words: &[&str]| {
        let mut child = Command::new(&own[0])
            .args(&own[1..])
            .args(["logs", "again", "-f"])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(0));
            text
        })
    };
    let (one, all) = (follow(&[]), follow(&["--follow-restarts"]));
    assert_eq!(one.join().unwrap(), "first\n");
    assert_eq!(all.join().unwrap(), "first\nsecond\nthird\n");
    assert_eq!(logs(t, &["again", "-p"]).ok().stdout, "first\n");
    assert_eq!(logs(t, &["again"]).ok().stdout, "second\nthird\n");
    delete(t, "again");
}

fn pods_are_chosen_by_labels_and_no_more_are_followed_than_allowed(t: &Test) {
    for name in ["l1", "l2"] {
        let file = shell(t, name, NEVER, &[("app", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; done")]);
        let text = std::fs::read_to_string(&file).unwrap().replace("metadata:\n", "metadata:\n  labels: {app: l}\n");
        std::fs::write(&file, text).unwrap();
        create(t, &file, "started").ok();
        wait_phase(t, name, "Succeeded");
    }
    let text = logs(t, &["-l", "app=l", "--prefix"]).ok().stdout;
    assert_eq!(text.lines().count(), 20, "the last ten of each: {text}");
    assert!(text.contains("[pod/l1/app] 12\n") && text.contains("[pod/l2/app] 3\n"));
    logs(t, &["-l", "app=l", "-f", "--max-log-requests=1"]).refuses(&["2 log streams, but maximum allowed concurrency is 1"]);
    assert_eq!(logs(t, &["-l", "app=l", "-f", "--tail=1"]).ok().stdout, "12\n12\n");
    assert_eq!(logs(t, &["-l", "app=none"]).ok().stderr, "No resources found in default namespace.\n");
    delete_all(t);
}

fn a_flood_is_followed_across_rotation_without_loss_or_disorder(t: &Test) {
    // 600,000 lines of 100 bytes: several rotated files, some of which may go before they are read, unless the reader keeps up.
    let count = if support::world::in_vm() { 20_000 } else { 600_000 };
    let pad = "x".repeat(88);
    let script = format!("sleep 1; exec awk 'BEGIN {{ for (i = 0; i < {count}; i++) printf \"%09d %s\\n\", i, \"{pad}\" }}'");
    create(t, &shell(t, "flood", NEVER, &[("app", &script)]), "started").ok();
    let own = t.podrt_words();
    let mut child = Command::new(&own[0]).args(&own[1..]).args(["logs", "flood", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut next = 0;
    for line in BufReader::with_capacity(1 << 20, child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        assert_eq!(line.get(..9).and_then(|n| n.parse::<u64>().ok()), Some(next), "line {next} is {line:?}");
        assert_eq!(line.len(), 98);
        next += 1;
    }
    assert_eq!(next, count);
    assert!(child.wait().unwrap().success());
    delete(t, "flood");
}

suite!(
    a_part_of_a_log_is_chosen_by_lines_time_and_bytes,
    several_containers_are_merged_by_time,
    a_follower_ends_with_its_attempt_and_goes_on_over_restarts_when_asked,
    pods_are_chosen_by_labels_and_no_more_are_followed_than_allowed,
    a_flood_is_followed_across_rotation_without_loss_or_disorder,
);
