//! Kubernetes documentation: "Container Lifecycle Hooks"; "Attach Handlers to Container Lifecycle Events"; "Pod Lifecycle:
//! Termination of Pods" for the order: preStop, stop signal, SIGKILL.

use super::*;
use Purpose::{PostStart, PreStop};
use RestartPolicy::{Always, Never, OnFailure};
use Verdict::{Failure, Success};

const HOOK: Option<Handler> = Some(Handler::Sleep { seconds: 1 });

/// `p` stands for postStart and `q` for preStop: the containers whose names end so have it.
fn hooked(policy: RestartPolicy, inits: &str, apps: &str) -> Pod {
    let mut spec = spec(policy, inits, apps);
    for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
        container.life.post_start = HOOK.filter(|_| container.name.contains('p'));
        container.life.pre_stop = HOOK.filter(|_| container.name.contains('q'));
    }
    let mut pod = Pod::of(&spec);
    pod.sandbox_up(0).forget();
    pod
}

#[test]
fn a_container_is_not_shown_as_running_until_post_start_has_returned() {
    let mut pod = hooked(Always, "", "ap");
    pod.up("ap").expect("poststart ap");
    let status = pod.machine.status();
    assert!(!status.containers[0].is_running() && status.containers[0].started == Some(false));
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Pending", "ContainerCreating"));
    pod.says("ap", PostStart, Success).expect("");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Running", "Running"));
    assert!(pod.machine.status().containers[0].ready);
}

#[test]
fn a_failed_post_start_hook_ends_the_container_and_the_policy_decides() {
    for (policy, code, then) in [(Always, 0, "start ap 1"), (OnFailure, 137, "start ap 1"), (OnFailure, 0, ""), (Never, 137, "")]
    {
        let mut pod = hooked(policy, "", "ap b");
        pod.up("ap").up("b").forget();
        pod.says("ap", PostStart, Failure).expect("stop ap 30s, timer 30s");
        let messages: Vec<_> =
            pod.machine.events().iter().rev().take(2).map(|e| (e.reason.as_str(), e.message.as_str())).collect();
        assert_eq!(messages, [("Killing", "FailedPostStartHook"), ("FailedPostStartHook", "PostStartHook failed: so it goes")]);
        pod.down("ap", code);
        let said: Vec<_> = pod.said.iter().filter(|s| *s != "no timer").cloned().collect();
        assert_eq!(said.join(" "), then, "{policy:?} {code}");
    }
}

#[test]
fn a_sidecar_with_a_post_start_hook_is_waited_for() {
    let mut pod = hooked(Always, "s1p", "a");
    pod.up("s1p").expect("poststart s1p").says("s1p", PostStart, Success).expect("start a 0");
}

#[test]
fn pre_stop_comes_before_the_signal_and_is_paid_from_the_grace_period() {
    let mut pod = hooked(Always, "", "aq b");
    pod.up("aq").up("b").forget();
    pod.tell(Event::Delete { grace: None }).expect("stop b 30s, prestop aq 30s, timer 30s");
    pod.wait(10).says("aq", PreStop, Success).expect("stop aq 20s").pass(20).expect("kill aq, kill b");
}

#[test]
fn after_a_long_pre_stop_hook_two_seconds_are_left_at_least() {
    let mut pod = hooked(Always, "", "aq");
    pod.up("aq").tell(Event::Delete { grace: Some(10) }).forget();
    pod.wait(9).says("aq", PreStop, Failure).expect("stop aq 2s, timer 2s");
    assert!(pod.events().contains("FailedPreStopHook x1"));
    pod.pass(2).expect("kill aq");
}

#[test]
fn a_pre_stop_hook_that_does_not_return_is_given_up_with_the_grace_period() {
    let mut pod = hooked(Always, "", "aq");
    pod.up("aq").tell(Event::Delete { grace: Some(10) }).expect("prestop aq 10s, timer 10s");
    pod.pass(10).expect("stop aq 2s, timer 2s");
    assert!(pod.machine.events().iter().any(|e| e.message.starts_with("PreStopHook failed: not completed")));
    pod.says("aq", PreStop, Success).expect("").pass(2).expect("kill aq").ends("aq", Exit::by_signal(9)).expect("unsandbox 0");
}

#[test]
fn without_grace_there_is_no_pre_stop() {
    let mut pod = hooked(Always, "s1q", "aq");
    pod.up("s1q").up("aq").forget();
    pod.tell(Event::Delete { grace: Some(0) }).expect("kill aq, kill s1q");
    let mut pod = hooked(Always, "", "aq");
    pod.up("aq").tell(Event::Delete { grace: None }).forget();
    pod.tell(Event::Delete { grace: Some(0) }).expect("kill aq, no timer");
}

#[test]
fn pre_stop_of_a_sidecar_runs_at_once_and_its_signal_waits_for_its_turn() {
    let mut pod = hooked(Always, "s1q s2", "a");
    pod.up("s1q").up("s2").up("a").forget();
    pod.tell(Event::Delete { grace: Some(20) }).expect("stop a 20s, prestop s1q 20s, timer 20s");
    pod.wait(1).says("s1q", PreStop, Success).expect("");
    pod.wait(1).down("a", 0).expect("stop s2 18s").wait(1).down("s2", 0).expect("stop s1q 17s");
    pod.down("s1q", 0).expect("unsandbox 0, no timer");
}

#[test]
fn a_container_that_ends_by_itself_has_no_pre_stop() {
    let mut pod = hooked(Never, "", "aq");
    pod.up("aq").down("aq", 0).expect("unsandbox 0");
}

#[test]
fn a_container_that_ends_during_its_pre_stop_is_not_waited_for() {
    let mut pod = hooked(Always, "", "aq");
    pod.up("aq").tell(Event::Delete { grace: None }).down("aq", 0).expect("prestop aq 30s, timer 30s, unsandbox 0, no timer");
}

#[test]
fn a_container_that_fails_its_liveness_probe_has_its_pre_stop_too() {
    let mut spec = spec(Always, "s1", "a");
    spec.containers[0].life.liveness = probe([0, 1, 1, 1]);
    spec.containers[0].life.pre_stop = HOOK;
    let mut pod = Pod::of(&spec);
    pod.sandbox_up(0).up("s1").up("a").forget();
    pod.says("a", Purpose::Liveness, Failure).expect("prestop a 30s, timer 30s");
    pod.wait(3).says("a", PreStop, Success).expect("stop a 27s").down("a", 0).expect("start a 1, no timer");
}

#[test]
fn hooks_are_delivered_at_least_once_across_a_supervisors_death() {
    use crate::pod::machine::{Found, SandboxFound};
    let back = |pod: &mut Pod| {
        let sandbox = SandboxFound::Alive { ips: Vec::new() };
        let containers = vec![("apq".into(), Found::Alive { id: "x".into(), pid: 1 })];
        pod.forget().tell(Event::Recovered { sandbox, containers });
    };
    let mut pod = hooked(Always, "", "apq");
    pod.up("apq");
    back(&mut pod);
    pod.expect("poststart apq").says("apq", PostStart, Success).tell(Event::Delete { grace: None }).wait(4);
    back(&mut pod);
    pod.expect("prestop apq 26s, timer 26s").says("apq", PreStop, Success).expect("stop apq 26s");
}
