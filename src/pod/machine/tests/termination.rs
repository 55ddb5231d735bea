//! Kubernetes documentation: "Pod Lifecycle: Termination of Pods, Forced Pod termination, Pod shutdown and sidecar containers";
//! "Init Containers" and "Jobs: Job termination and cleanup" for activeDeadlineSeconds.

use super::*;
use RestartPolicy::{Always, Never, OnFailure};

fn running(inits: &str, apps: &str) -> Pod {
    let mut pod = Pod::ready(Always, inits, apps);
    for name in inits.split_whitespace().chain(apps.split_whitespace()) {
        pod.up(name);
    }
    pod.forget();
    pod
}

#[test]
fn deletion_signals_all_app_containers_and_kills_at_the_end_of_the_grace_period() {
    let mut pod = running("", "a b");
    pod.tell(Event::Delete { grace: None }).expect("stop b 30s, stop a 30s, timer 30s");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Running", "Terminating"));
    let deletion = pod.machine.status().deletion.expect("it is being deleted");
    assert_eq!((deletion.at, deletion.grace_seconds), (pod.now.wall.after(30 * SECOND), 30));
    pod.wait(5).down("a", 0).expect("").pass(24).expect("timer 1s").pass(1).expect("kill b");
    pod.ends("b", Exit::by_signal(9)).expect("unsandbox 0");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Failed", "Completed"), "a ended with 0, b with 137");
    pod.tell(Event::SandboxStopped { attempt: 0 }).expect("gone");
    assert_eq!(pod.events(), "Created x1, Started x1, Created x1, Started x1, Killing x1, Killing x1");
}

#[test]
fn sidecars_end_last_in_reverse_order_and_share_the_grace_period() {
    let mut pod = running("s1 s2", "a");
    pod.tell(Event::Delete { grace: Some(20) }).expect("stop a 20s, timer 20s");
    pod.wait(5).down("a", 0).expect("stop s2 15s").wait(5).down("s2", 0).expect("stop s1 10s");
    pod.pass(10).expect("kill s1").ends("s1", Exit::by_signal(9)).expect("unsandbox 0");
    assert_eq!(pod.phase(), "Succeeded", "sidecars do not count");
}

#[test]
fn at_the_end_of_the_grace_period_the_sidecars_that_waited_have_a_last_short_one() {
    let mut pod = running("s1 s2", "a");
    pod.tell(Event::Delete { grace: Some(20) }).forget();
    pod.pass(20).expect("stop s2 2s, stop s1 2s, kill a, timer 2s");
    pod.ends("a", Exit::by_signal(9)).pass(2).expect("kill s1, kill s2");
}

#[test]
fn a_second_deletion_can_only_shorten() {
    for (second, then) in [(Some(100), ""), (None, ""), (Some(5), "timer 5s"), (Some(0), "kill a, no timer")] {
        let mut pod = running("", "a");
        pod.tell(Event::Delete { grace: None }).wait(10).forget();
        pod.tell(Event::Delete { grace: second }).expect(then);
        let left = second.unwrap_or(30).min(20);
        assert_eq!(pod.machine.status().deletion.map(|d| d.at), Some(pod.now.wall.after(left * SECOND)), "{second:?}");
    }
}

#[test]
fn a_longer_second_grace_period_gives_a_waiting_sidecar_no_more() {
    let mut pod = running("s1", "a");
    pod.tell(Event::Delete { grace: Some(20) }).wait(5).forget();
    pod.tell(Event::Delete { grace: Some(100) }).expect("").down("a", 0).expect("stop s1 15s");
}

#[test]
fn no_grace_kills_everything_at_once() {
    let mut pod = running("s1", "a");
    pod.tell(Event::Delete { grace: Some(0) }).expect("kill a, kill s1");
    pod.ends("s1", Exit::by_signal(9)).ends("a", Exit::by_signal(9)).expect("unsandbox 0");
    assert_eq!(pod.phase(), "Failed");
}

#[test]
fn nothing_is_restarted_in_a_pod_that_ends() {
    let mut pod = Pod::ready(Always, "s1", "a b");
    pod.up("s1").up("a").up("b").runs("a", 1).down("a", 1).down("s1", 1).forget();
    pod.tell(Event::Delete { grace: None }).forget();
    pod.down("b", 1).pass(10).pass(300);
    assert!(!pod.said.iter().any(|s| s.starts_with("start")), "{:?}", pod.said);
}

#[test]
fn a_container_that_comes_up_in_a_pod_that_ends_is_stopped() {
    let mut pod = Pod::ready(Always, "", "a b c");
    pod.forget().tell(Event::Delete { grace: None }).expect("");
    pod.wait(3).up("a").expect("stop a 27s, timer 27s");
    pod.fails("b", StartFailure::CreateContainerError).expect("");
    pod.fails("c", StartFailure::RunContainerError).expect("");
    pod.down("a", 0).expect("unsandbox 0, no timer");
    assert_eq!(pod.phase(), "Failed");
}

#[test]
fn deletion_waits_for_a_sandbox_that_is_being_made() {
    for ready in [true, false] {
        let mut pod = Pod::new(Always, "", "a");
        pod.forget().tell(Event::Delete { grace: None }).expect("");
        if ready {
            pod.sandbox_up(0).expect("unsandbox 0").tell(Event::SandboxStopped { attempt: 0 }).expect("gone");
        } else {
            pod.tell(Event::SandboxFailed { attempt: 0, message: "no".into() }).expect("gone");
        }
        assert_eq!(pod.phase(), "Failed");
    }
}

#[test]
fn a_pod_that_is_over_stays_to_be_read_until_it_is_deleted() {
    let mut pod = Pod::ready(Never, "", "a");
    pod.runs("a", 0).forget().tell(Event::SandboxStopped { attempt: 0 }).expect("done");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Succeeded", "Completed"));
    pod.tell(Event::Delete { grace: None }).expect("gone");
    assert_eq!(pod.shown(), "Completed", "a terminal pod is not terminating");
}

#[test]
fn a_pod_that_was_never_begun_is_gone_at_once() {
    let now = Now { mono: 5, wall: Stamp(5) };
    let mut machine = Machine::new(&spec(Always, "", "a"), Tuning::default(), now);
    assert_eq!(machine.handle(Event::Delete { grace: None }, now).last(), Some(&Action::Done { deleted: true }));
}

#[test]
fn the_deadline_fails_the_pod_whatever_its_containers_say() {
    for policy in [Always, OnFailure, Never] {
        let mut spec = spec(policy, "i", "a");
        spec.active_deadline_seconds = Some(60);
        let mut pod = Pod::of(&spec);
        pod.expect("sandbox 0, timer 60s").sandbox_up(0).runs("i", 0).up("a").wait(20).forget();
        pod.pass(39).expect("timer 1s").pass(1).expect("stop a 30s, timer 30s");
        assert_eq!(pod.phase(), "Running", "until nothing runs any more");
        pod.down("a", 0).expect("unsandbox 0, no timer").tell(Event::SandboxStopped { attempt: 0 }).expect("done");
        let status = pod.machine.status();
        assert_eq!((status.phase.as_str(), status.reason.as_str()), ("Failed", "DeadlineExceeded"));
        assert_eq!(status.message, "Pod was active on the node longer than the specified deadline");
        assert!(pod.events().contains("DeadlineExceeded x1"), "{}", pod.events());
    }
}

#[test]
fn the_deadline_counts_while_the_pod_has_not_come_up_too() {
    let mut spec = spec(Always, "", "a");
    spec.active_deadline_seconds = Some(15);
    let mut pod = Pod::of(&spec);
    pod.sandbox_up(0).fails("a", StartFailure::CreateContainerConfigError).forget();
    pod.pass(10).fails("a", StartFailure::CreateContainerConfigError).forget();
    pod.pass(5).expect("unsandbox 0");
    assert_eq!(pod.phase(), "Failed");
    pod.tell(Event::SandboxStopped { attempt: 0 }).expect("done");
    assert_eq!(pod.shown(), "ContainerStatusUnknown");
}
