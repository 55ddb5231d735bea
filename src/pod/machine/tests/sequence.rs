//! Kubernetes documentation: "Init Containers: Understanding init containers, Detailed behavior"; "Sidecar Containers: Sidecar
//! containers and Pod lifecycle".

use super::*;
use RestartPolicy::{Always, Never, OnFailure};

#[test]
fn the_sandbox_comes_first_and_then_all_app_containers_at_once() {
    let mut pod = Pod::new(Always, "", "a b");
    pod.expect("sandbox 0").sandbox_up(0).expect("start a 0, start b 0");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Pending", "ContainerCreating"));
    pod.up("a");
    assert_eq!(pod.phase(), "Pending", "one of two runs");
    pod.up("b").expect("");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Running", "Running"));
}

#[test]
fn init_containers_run_one_after_another_each_to_success() {
    let mut pod = Pod::ready(Always, "i1 i2", "a b");
    pod.expect("sandbox 0, start i1 0").up("i1").expect("");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Pending", "Init:0/2"));
    pod.down("i1", 0).expect("start i2 0");
    assert_eq!(pod.shown(), "Init:1/2");
    pod.up("i2").down("i2", 0).expect("start a 0, start b 0");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Pending", "PodInitializing"));
    pod.up("a").up("b").expect("");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Running", "Running"));
}

#[test]
fn an_init_container_that_fails_is_tried_again_or_fails_the_pod() {
    for (policy, then, phase, shown) in [
        (Always, "start i1 1", "Pending", "Init:0/2"),
        (OnFailure, "start i1 1", "Pending", "Init:0/2"),
        (Never, "unsandbox 0", "Failed", "Init:Error"),
    ] {
        let mut pod = Pod::ready(policy, "i1 i2", "a");
        pod.forget().runs("i1", 3).expect(then);
        assert_eq!((pod.phase(), pod.shown().as_str()), (phase, shown), "{policy:?}");
    }
}

#[test]
fn an_init_container_in_back_off_says_so() {
    let mut pod = Pod::ready(Always, "i1", "a");
    pod.forget().runs("i1", 1).expect("start i1 1").runs("i1", 1).expect("timer 10s");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Pending", "Init:CrashLoopBackOff"));
    pod.pass(10).expect("start i1 2").runs("i1", 0).expect("start a 0");
}

#[test]
fn a_sidecar_is_behind_us_once_it_runs_and_does_not_have_to_end() {
    let mut pod = Pod::ready(Always, "i1 s1 i2", "a");
    pod.expect("sandbox 0, start i1 0").runs("i1", 0).expect("start s1 0");
    assert_eq!(pod.shown(), "Init:1/3");
    pod.up("s1").expect("start i2 0");
    assert_eq!(pod.shown(), "Init:2/3");
    pod.runs("i2", 0).expect("start a 0").up("a").expect("");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Running", "Running"));
}

#[test]
fn a_sidecar_that_ends_comes_back_under_every_policy_and_whatever_its_exit_code() {
    for policy in [Always, OnFailure, Never] {
        for code in [0, 1] {
            let mut pod = Pod::ready(policy, "s1 i2", "a");
            pod.up("s1").up("i2").forget();
            pod.down("s1", code).expect("start s1 1");
            assert_eq!(pod.phase(), "Pending");
            // The init container beside it is not held up.
            pod.down("i2", 0).expect("start a 0").up("a").up("s1").expect("");
            pod.down("s1", code).expect("timer 10s");
            assert_eq!(pod.phase(), "Running", "{policy:?}: initialization is not taken back");
            pod.pass(10).expect("start s1 2");
        }
    }
}

#[test]
fn a_sidecar_does_not_keep_a_pod_from_its_end() {
    for (policy, code, phase, shown) in
        [(OnFailure, 0, "Succeeded", "Completed"), (Never, 0, "Succeeded", "Completed"), (Never, 2, "Failed", "Error")]
    {
        let mut pod = Pod::ready(policy, "s1 s2", "a");
        pod.up("s1").up("s2").up("a").forget();
        pod.down("a", code).expect("stop s2 30s, timer 30s");
        assert_eq!(pod.phase(), "Running", "sidecars still run");
        pod.down("s2", 0).expect("stop s1 30s");
        pod.down("s1", 143).expect("unsandbox 0, no timer");
        assert_eq!((pod.phase(), pod.shown().as_str()), (phase, shown), "{policy:?} {code}: the sidecars' codes do not count");
        pod.tell(Event::SandboxStopped { attempt: 0 }).expect("done");
    }
}

#[test]
fn answers_to_an_earlier_attempt_are_stale() {
    let mut pod = Pod::ready(Always, "", "a");
    pod.runs("a", 1).up("a").forget();
    let before = pod.machine.clone();
    for event in [
        Event::ContainerExited { name: "a".into(), attempt: 0, exit: Exit::with_code(0) },
        Event::ContainerStarted { name: "a".into(), attempt: 1, id: "x".into(), pid: 7 },
        Event::ContainerStartFailed {
            name: "a".into(),
            attempt: 1,
            reason: StartFailure::CreateContainerError,
            message: "x".into(),
        },
        Event::ContainerExited { name: "nobody".into(), attempt: 0, exit: Exit::with_code(0) },
        Event::SandboxDied { attempt: 7 },
        Event::SandboxStopped { attempt: 0 },
        Event::Timer,
        Event::Start,
    ] {
        assert_eq!(pod.machine.handle(event.clone(), pod.now), [], "{event:?}");
        assert_eq!(pod.machine, before, "{event:?}");
    }
}
