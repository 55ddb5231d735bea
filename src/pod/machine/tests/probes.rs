//! Kubernetes documentation: "Pod Lifecycle: Container probes"; "Configure Liveness, Readiness and Startup Probes: Configure
//! Probes, Probe-level terminationGracePeriodSeconds"; "Sidecar Containers: Sidecar containers and Pod lifecycle".

use super::*;
use crate::pod::spec::{Lifecycle, RestartRule};
use crate::pod::status::ConditionKind;
use Purpose::{Liveness, Readiness, Startup};
use RestartPolicy::{Always, Never, OnFailure};
use Verdict::{Failure, Success, Unknown, Warning};

/// One container `a` with these probes, in a pod whose sandbox stands.
fn probed(policy: RestartPolicy, life: Lifecycle) -> Pod {
    let mut spec = spec(policy, "", "a");
    spec.containers[0].life = life;
    let mut pod = Pod::of(&spec);
    pod.sandbox_up(0).forget();
    pod
}

fn is_ready(pod: &Pod) -> bool {
    pod.machine.status().containers[0].ready
}

#[test]
fn readiness_is_false_before_the_initial_delay_and_true_after_enough_successes() {
    let mut pod = probed(Always, Lifecycle { readiness: probe([5, 10, 2, 3]), ..Lifecycle::default() });
    pod.up("a").expect("timer 5s");
    assert!(!is_ready(&pod) && pod.machine.status().containers[0].started == Some(true));
    assert_eq!(pod.machine.status().condition(&ConditionKind::Ready).map(|c| c.reason.as_str()), Some("ContainersNotReady"));
    pod.pass(5).expect("readiness a 1s").says("a", Readiness, Success).expect("timer 10s");
    assert!(!is_ready(&pod), "one success is not two");
    pod.pass(10).says("a", Readiness, Success).expect("readiness a 1s, timer 10s");
    assert!(is_ready(&pod));
    assert!(pod.truths().contains("Ready ContainersReady"));
}

#[test]
fn readiness_is_lost_after_enough_failures_in_a_row_and_comes_back() {
    let mut pod = probed(Always, Lifecycle { readiness: probe([0, 10, 1, 3]), ..Lifecycle::default() });
    pod.up("a").expect("readiness a 1s").says("a", Readiness, Success);
    for (n, (verdict, ready)) in [
        (Failure, true),
        (Failure, true),
        (Success, true),
        (Failure, true),
        (Unknown, true),
        (Failure, true),
        (Failure, false),
        (Unknown, false),
        (Warning, true),
    ]
    .into_iter()
    .enumerate()
    {
        pod.pass(10).says("a", Readiness, verdict);
        assert_eq!(is_ready(&pod), ready, "{n}");
    }
    assert!(matches!(pod.state("a"), State::Running(_)), "an unready container is left alone");
    assert_eq!(pod.events(), "Created x1, Started x1, Unhealthy x5, Unhealthy x2, ProbeWarning x1");
    let said = |at: usize| pod.machine.events()[at].message.clone();
    assert_eq!(said(2), "Readiness probe failed: so it goes");
    assert_eq!(said(3), "Readiness probe errored and resulted in unknown state: so it goes");
    assert_eq!(said(4), "Readiness probe warning: so it goes");
}

#[test]
fn in_its_first_period_a_container_is_asked_again_soon_whether_it_is_ready() {
    let mut pod = probed(Always, Lifecycle { readiness: probe([2, 10, 1, 3]), ..Lifecycle::default() });
    pod.up("a").expect("timer 2s").pass(2).says("a", Readiness, Failure).expect("readiness a 1s, timer 1s");
    pod.pass(1).says("a", Readiness, Failure).forget();
    pod.pass(1).says("a", Readiness, Success).expect("readiness a 1s, timer 10s");
    pod.pass(10).says("a", Readiness, Failure).expect("readiness a 1s, timer 10s");
}

#[test]
fn a_container_that_fails_its_liveness_probe_is_ended_and_started_again() {
    for (policy, message, then) in [
        (Always, "Container a failed liveness probe, will be restarted", "start a 1"),
        (OnFailure, "Container a failed liveness probe, will be restarted", "start a 1"),
        (Never, "Container a failed liveness probe", "unsandbox 0"),
    ] {
        let mut pod = probed(policy, Lifecycle { liveness: probe([0, 10, 1, 2]), ..Lifecycle::default() });
        pod.up("a").expect("liveness a 1s");
        assert!(is_ready(&pod), "alive until the contrary is proved");
        pod.says("a", Liveness, Failure).expect("timer 10s").pass(10).forget();
        pod.says("a", Liveness, Failure).expect("stop a 30s, timer 30s");
        assert!(!is_ready(&pod), "unready from the first moment of its end");
        assert_eq!(pod.machine.events().last().map(|e| e.message.as_str()), Some(message));
        // It may end with 0, and is replaced all the same.
        pod.wait(1).down("a", 0);
        assert!(pod.said.iter().any(|s| s == then), "{policy:?} {:?}", pod.said);
    }
}

#[test]
fn a_container_that_ignores_its_signal_is_killed_in_the_probes_own_grace_period() {
    let mut life = Lifecycle { liveness: probe([0, 10, 1, 1]), ..Lifecycle::default() };
    life.liveness.as_mut().expect("a probe").timing.grace = Some(7);
    let mut pod = probed(Always, life);
    pod.up("a").forget();
    pod.says("a", Liveness, Failure).expect("stop a 7s, timer 7s").pass(7).expect("kill a");
    pod.ends("a", Exit::by_signal(9)).expect("start a 1");
    pod.up("a").expect("liveness a 1s").says("a", Liveness, Failure).forget();
    pod.ends("a", Exit::by_signal(9)).expect("timer 10s");
    assert_eq!(pod.shown(), "CrashLoopBackOff", "the back-off is the same as for a crash");
}

#[test]
fn nothing_else_is_probed_before_the_startup_probe_has_passed() {
    let life = Lifecycle {
        startup: probe([1, 2, 1, 30]),
        readiness: probe([0, 5, 1, 1]),
        liveness: probe([60, 5, 1, 1]),
        ..Lifecycle::default()
    };
    let mut pod = probed(Always, life);
    pod.up("a").expect("timer 1s");
    assert_eq!(pod.machine.status().containers[0].started, Some(false));
    pod.pass(1).expect("startup a 1s").says("a", Startup, Failure).expect("timer 2s");
    pod.pass(2).says("a", Startup, Unknown).forget();
    pod.pass(2).says("a", Startup, Success).expect("startup a 1s, readiness a 1s, timer 55s");
    assert_eq!(pod.machine.status().containers[0].started, Some(true));
    assert!(!is_ready(&pod));
    pod.says("a", Readiness, Success).expect("timer 5s");
    assert!(is_ready(&pod));
    pod.pass(55).expect("readiness a 1s, liveness a 1s");
}

#[test]
fn a_container_that_does_not_start_up_in_time_is_ended() {
    let mut pod = probed(Never, Lifecycle { startup: probe([0, 10, 1, 2]), ..Lifecycle::default() });
    pod.up("a").says("a", Startup, Failure).pass(10).forget();
    pod.says("a", Startup, Failure).expect("stop a 30s, timer 30s");
    assert_eq!(pod.machine.events().last().map(|e| e.message.as_str()), Some("Container a failed startup probe"));
    pod.down("a", 143);
    assert_eq!(pod.phase(), "Failed");
}

#[test]
fn a_probe_that_is_slower_than_its_period_does_not_pile_up() {
    let mut pod = probed(Always, Lifecycle { liveness: probe([0, 2, 1, 3]), ..Lifecycle::default() });
    pod.up("a").expect("liveness a 1s").pass(2).expect("").pass(9).expect("");
    // Of five that were missed one is made up for.
    pod.says("a", Liveness, Success).expect("liveness a 1s").says("a", Liveness, Success).expect("timer 1s");
}

#[test]
fn probes_begin_anew_with_every_attempt_and_with_a_supervisor_that_comes_back() {
    let mut pod = probed(Always, Lifecycle { readiness: probe([3, 10, 1, 3]), ..Lifecycle::default() });
    pod.up("a").pass(3).says("a", Readiness, Success);
    assert!(is_ready(&pod));
    pod.down("a", 1).up("a").forget();
    assert!(!is_ready(&pod));
    pod.says("a", Readiness, Success);
    assert!(!is_ready(&pod), "nobody has asked yet");
    pod.pass(3).expect("readiness a 1s");
    let found = crate::pod::machine::Found::Alive { id: "a-1".into(), pid: 9 };
    let sandbox = crate::pod::machine::SandboxFound::Alive { ips: Vec::new() };
    pod.wait(1).tell(Event::Recovered { sandbox, containers: vec![("a".into(), found)] }).expect("timer 9s");
    pod.pass(9).expect("readiness a 1s");
}

#[test]
fn the_next_init_container_waits_for_the_startup_probe_of_a_sidecar() {
    let mut spec = spec(Always, "s1 i1", "a");
    spec.init_containers[0].life =
        Lifecycle { startup: probe([0, 1, 1, 3]), readiness: probe([0, 1, 1, 1]), ..Lifecycle::default() };
    let mut pod = Pod::of(&spec);
    pod.sandbox_up(0).up("s1").forget();
    assert_eq!(pod.shown(), "Init:0/2");
    pod.says("s1", Startup, Success).expect("start i1 0, readiness s1 1s");
    pod.runs("i1", 0).up("a");
    assert!(!pod.truths().contains("Ready ContainersReady"), "a sidecar's readiness counts");
    pod.says("s1", Readiness, Success);
    assert!(pod.truths().contains("Ready ContainersReady"));
    pod.tell(Event::Delete { grace: None }).down("a", 0).forget();
    pod.pass(5).expect("timer 25s");
}

#[test]
fn a_probe_that_changes_nothing_writes_nothing() {
    let mut pod = probed(Always, Lifecycle { liveness: probe([0, 1, 1, 3]), ..Lifecycle::default() });
    pod.up("a").says("a", Liveness, Success);
    for _ in 0..3 {
        pod.wait(1);
        let mut said = pod.machine.handle(Event::Timer, pod.now);
        let outcome = Outcome::new(Success, "");
        said.extend(pod.machine.handle(Event::HandlerDone { name: "a".into(), attempt: 0, purpose: Liveness, outcome }, pod.now));
        assert!(!said.iter().any(|a| matches!(a, Action::StatusChanged | Action::Event(_))), "{said:?}");
    }
}

#[test]
fn restart_rules_come_before_the_restart_policy() {
    let rule = |within, codes: &[i32]| RestartRule { within, codes: codes.to_vec() };
    for (policy, rules, code, again) in [
        (Never, vec![rule(true, &[42, 43])], 42, true),
        (Never, vec![rule(true, &[42])], 1, false),
        (Never, vec![rule(false, &[1])], 2, true),
        (Never, vec![rule(false, &[1])], 1, false),
        (Never, vec![rule(true, &[1]), rule(true, &[2])], 2, true),
        (OnFailure, vec![rule(true, &[0])], 0, true),
        (Always, vec![rule(true, &[9])], 1, true),
    ] {
        let mut spec = spec(Never, "", "a");
        spec.containers[0].restart_policy = Some(policy);
        spec.containers[0].life.restart_rules = rules.clone();
        let mut pod = Pod::of(&spec);
        pod.sandbox_up(0).up("a").forget().down("a", code);
        assert_eq!(pod.said.iter().any(|s| s == "start a 1"), again, "{policy:?} {rules:?} {code}");
    }
}

#[test]
fn a_readiness_gate_is_somebody_elses_word() {
    use crate::pod::status::Truth;
    let mut spec = spec(Always, "", "a");
    spec.readiness_gates = vec!["example.com/lb".into(), "x".into()];
    let mut pod = Pod::of(&spec);
    pod.sandbox_up(0).up("a");
    let ready = |pod: &Pod| pod.machine.status().condition(&ConditionKind::Ready).cloned().expect("it is there");
    let set = |pod: &mut Pod, kind: &str, status| {
        pod.tell(Event::Condition { kind: kind.into(), status, reason: "R".into(), message: String::new() });
    };
    assert!(pod.truths().contains("ContainersReady") && ready(&pod).status == Truth::False);
    assert_eq!(ready(&pod).reason, "ReadinessGatesNotReady");
    assert!(ready(&pod).message.contains("corresponding condition of pod readiness gate \"x\" does not exist."));
    set(&mut pod, "x", Truth::True);
    set(&mut pod, "example.com/lb", Truth::False);
    assert_eq!(ready(&pod).message, "the status of pod readiness gate \"example.com/lb\" is not \"True\", but False");
    set(&mut pod, "example.com/lb", Truth::True);
    assert_eq!(ready(&pod).status, Truth::True);
    set(&mut pod, "Ready", Truth::False);
    assert_eq!(ready(&pod).status, Truth::True, "the machine's own are not to be set");
}
