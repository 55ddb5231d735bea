//! Kubernetes documentation: "Pod Lifecycle: Pod network readiness (PodReadyToStartContainers)"; "Init Containers: Pod restart
//! reasons" (the pod infrastructure container is restarted, and with it everything).

use super::*;
use RestartPolicy::{Always, Never, OnFailure};

fn running(policy: RestartPolicy, inits: &str, apps: &str) -> Pod {
    let mut pod = Pod::ready(policy, inits, apps);
    for name in inits.split_whitespace() {
        pod.up(name);
        if name.starts_with('i') {
            pod.down(name, 0);
        }
    }
    for name in apps.split_whitespace() {
        pod.up(name);
    }
    pod.forget();
    pod
}

#[test]
fn a_sandbox_that_cannot_be_made_is_tried_again_with_back_off() {
    let mut pod = Pod::new(Always, "", "a");
    pod.forget();
    for delay in [10, 20, 40, 80, 160, 300, 300] {
        pod.tell(Event::SandboxFailed { attempt: 0, message: "no address left".into() }).expect(&format!("timer {delay}s"));
        assert_eq!((pod.phase(), pod.shown().as_str()), ("Pending", "ContainerCreating"));
        pod.pass(delay).expect("sandbox 0");
    }
    assert_eq!(pod.events(), "FailedCreatePodSandBox x7");
    assert_eq!(pod.machine.events()[0].message, "Failed to create pod sandbox: no address left");
}

#[test]
fn when_pause_dies_all_containers_end_and_everything_begins_again() {
    let mut pod = running(Always, "i1 s1", "a b");
    pod.tell(Event::SandboxDied { attempt: 0 }).expect("stop b 30s, stop a 30s, timer 30s");
    assert_eq!(pod.truths(), "Initialized PodScheduled");
    pod.down("a", 143).expect("").ends("b", Exit::by_signal(15)).expect("stop s1 30s");
    pod.down("s1", 0).expect("unsandbox 0, no timer");
    pod.tell(Event::SandboxStopped { attempt: 0 }).expect("sandbox 1").sandbox_up(1).expect("start i1 1");
    assert_eq!(pod.machine.status().sandbox_attempt, 1);
    pod.runs("i1", 0).expect("start s1 1").up("s1").expect("start a 1, start b 1").up("a").up("b").expect("");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Running", "Running"));
    assert!(pod.events().contains("SandboxChanged x1"), "{}", pod.events());
}

#[test]
fn after_a_lost_sandbox_the_restart_policy_decides() {
    for (policy, done, then) in [
        (Always, false, "unsandbox 0, no timer | sandbox 1"),
        (OnFailure, false, "unsandbox 0, no timer | sandbox 1"),
        (Never, false, "unsandbox 0, no timer | done"),
        // One of the two was done before, which alone does not bring it back.
        (OnFailure, true, "unsandbox 0, no timer | sandbox 1"),
    ] {
        let mut pod = running(policy, "", "a b");
        if done {
            pod.down("b", 0);
        }
        pod.tell(Event::SandboxDied { attempt: 0 }).forget();
        // Asked to end, both say 0: that is not a success of their own.
        pod.down("a", 0).down("b", 0);
        let end = std::mem::take(&mut pod.said).join(", ");
        pod.tell(Event::SandboxStopped { attempt: 0 });
        assert_eq!(format!("{end} | {}", pod.said.join(", ")), then, "{policy:?} {done}");
        if policy == OnFailure {
            pod.forget().sandbox_up(1).expect(if done { "start a 1" } else { "start a 1, start b 1" });
        }
    }
}

#[test]
fn a_sandbox_that_keeps_dying_is_backed_off() {
    let mut pod = running(Always, "", "a");
    pod.tell(Event::SandboxDied { attempt: 0 }).down("a", 1).tell(Event::SandboxStopped { attempt: 0 }).sandbox_up(1).up("a");
    pod.forget().tell(Event::SandboxDied { attempt: 1 }).down("a", 1).forget();
    pod.tell(Event::SandboxStopped { attempt: 1 }).expect("timer 10s").pass(10).expect("sandbox 2");
}

#[test]
fn containers_that_outlive_their_pause_are_killed_after_the_grace_period() {
    let mut pod = running(Always, "", "a");
    pod.tell(Event::SandboxDied { attempt: 0 }).expect("stop a 30s, timer 30s").pass(30).expect("kill a");
    pod.ends("a", Exit::by_signal(9)).expect("unsandbox 0");
}

#[test]
fn deletion_during_the_change_of_a_sandbox_ends_the_pod() {
    let mut pod = running(Always, "", "a");
    pod.tell(Event::SandboxDied { attempt: 0 }).forget();
    pod.tell(Event::Delete { grace: Some(0) }).expect("kill a, no timer").ends("a", Exit::by_signal(9)).expect("unsandbox 0");
    pod.tell(Event::SandboxStopped { attempt: 0 }).expect("gone");
}
