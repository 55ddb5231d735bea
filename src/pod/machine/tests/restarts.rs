//! Kubernetes documentation: "Pod Lifecycle: How Pods handle problems with containers, Container restart policy, Individual
//! container restart policy and rules, Reduced container restart delay".

use super::*;
use crate::pod::status::ContainerState;
use RestartPolicy::{Always, Never, OnFailure};

#[test]
fn the_restart_policy_and_the_exit_code_decide_who_comes_back() {
    for (policy, own, code, again) in [
        (Always, None, 0, true),
        (Always, None, 1, true),
        (OnFailure, None, 0, false),
        (OnFailure, None, 1, true),
        (Never, None, 0, false),
        (Never, None, 1, false),
        (Always, Some(Never), 1, false),
        (Always, Some(OnFailure), 0, false),
        (Never, Some(OnFailure), 1, true),
        (Never, Some(Always), 0, true),
    ] {
        let mut spec = spec(policy, "", "a b");
        spec.containers[0].restart_policy = own;
        let mut pod = Pod::of(&spec);
        pod.sandbox_up(0).up("a").up("b").forget();
        pod.down("a", code).expect(if again { "start a 1" } else { "" });
        assert_eq!(*pod.state("a") == State::Ended, !again, "{policy:?} {own:?} {code}");
    }
}

#[test]
fn the_first_restart_is_at_once_and_then_10_20_40_up_to_300_seconds_from_the_end() {
    let mut pod = Pod::ready(Always, "", "a");
    pod.forget().runs("a", 1).expect("start a 1");
    for (n, delay, text) in
        [(2, 10, "10s"), (3, 20, "20s"), (4, 40, "40s"), (5, 80, "1m20s"), (6, 160, "2m40s"), (7, 300, "5m0s"), (8, 300, "5m0s")]
    {
        pod.up("a").wait(5).down("a", 1).expect(&format!("timer {delay}s"));
        let status = pod.machine.status();
        let ContainerState::Waiting { reason, message } = &status.containers[0].state else { panic!("it waits") };
        assert_eq!(reason, "CrashLoopBackOff");
        assert_eq!(message, &format!("back-off {text} restarting failed container=a pod=web_default(u1)"));
        assert_eq!(status.containers[0].restart_count, n - 1);
        assert_eq!(status.phase.as_str(), "Running");
        pod.pass(delay - 1).expect("timer 1s").pass(1).expect(&format!("start a {n}"));
    }
}

#[test]
fn ten_minutes_of_running_are_forgiveness() {
    for (ran, then) in [(599, "timer 40s"), (600, "timer 40s"), (601, "start a 4")] {
        let mut pod = Pod::ready(Always, "", "a");
        pod.runs("a", 1).runs("a", 1).pass(10).runs("a", 1).pass(20).up("a").wait(ran).forget();
        pod.down("a", 1).expect(then);
    }
}

#[test]
fn the_back_off_is_tunable() {
    let tuning = Tuning { backoff_first: SECOND, backoff_max: 3 * SECOND, ..Tuning::default() };
    let mut pod = Pod::new(Always, "", "a");
    pod.machine = Machine::new(&spec(Always, "", "a"), tuning, pod.now);
    pod.tell(Event::Start).sandbox_up(0).runs("a", 1).forget();
    for delay in [1, 2, 3, 3] {
        pod.runs("a", 1).pass(delay);
    }
    pod.expect("timer 1s, start a 2, timer 2s, start a 3, timer 3s, start a 4, timer 3s, start a 5");
}

#[test]
fn the_longest_wait_is_the_pods_to_choose() {
    for (seconds, first, max) in [(None, 10, 300), (Some(300), 10, 300), (Some(15), 10, 15), (Some(1), 1, 1)] {
        let spec = PodSpec { max_restart_period: seconds, ..spec(Always, "", "a") };
        let tuning = Tuning::of(&spec);
        assert_eq!((tuning.backoff_first, tuning.backoff_max), (first * SECOND, max * SECOND), "{seconds:?}");
    }
}

#[test]
fn what_could_not_be_made_is_tried_again_under_every_policy_with_the_same_number() {
    for policy in [Always, OnFailure, Never] {
        for reason in [StartFailure::CreateContainerConfigError, StartFailure::CreateContainerError] {
            let mut pod = Pod::ready(policy, "", "a");
            pod.forget().fails("a", reason).expect("timer 10s");
            assert_eq!((pod.phase(), pod.shown().as_str()), ("Pending", reason.as_str()));
            pod.pass(10).expect("start a 0").fails("a", reason).expect("timer 20s");
            assert_eq!(pod.events(), "Failed x2");
            // Once it runs, all of that is forgotten.
            pod.pass(20).up("a").expect("start a 0");
            assert_eq!(pod.machine.status().containers[0].restart_count, 0);
        }
    }
}

#[test]
fn a_program_that_cannot_be_executed_is_an_attempt_that_ended_with_128() {
    for (policy, then, phase, shown) in [
        (Always, "start a 1", "Running", "ContainerCreating"),
        (OnFailure, "start a 1", "Running", "ContainerCreating"),
        (Never, "unsandbox 0", "Failed", "StartError"),
    ] {
        let mut pod = Pod::ready(policy, "", "a");
        pod.forget().fails("a", StartFailure::RunContainerError).expect(then);
        assert_eq!((pod.phase(), pod.shown().as_str()), (phase, shown), "{policy:?}");
        let status = pod.machine.status();
        let end = status.containers[0].last_end().expect("it has ended");
        assert_eq!((end.exit_code, end.reason.as_str(), end.message.as_str()), (128, "StartError", "no such file"));
        if policy != Never {
            pod.fails("a", StartFailure::RunContainerError).expect("timer 10s");
            assert_eq!(pod.shown(), "CrashLoopBackOff");
            assert_eq!(pod.machine.status().containers[0].restart_count, 1);
        }
    }
}

#[test]
fn an_image_that_cannot_be_had_is_backed_off() {
    let mut pod = Pod::ready(Always, "i", "a");
    pod.fails("i", StartFailure::ErrImagePull);
    assert_eq!(pod.shown(), "Init:ImagePullBackOff");
    let status = pod.machine.status();
    let ContainerState::Waiting { message, .. } = &status.init_containers[0].state else { panic!("it waits") };
    assert_eq!(message, "Back-off pulling image \"bundle:./i\": ErrImagePull: no such file");
}

#[test]
fn events_are_counted_and_bounded() {
    let mut pod = Pod::ready(Always, "", "a");
    pod.runs("a", 1).runs("a", 1).pass(10).runs("a", 1);
    assert_eq!(pod.events(), "Created x3, Started x3, BackOff x2");
    let back_off = &pod.machine.events()[2];
    assert_eq!(back_off.message, "Back-off restarting failed container a in pod web_default(u1)");
    assert_eq!(back_off.field_path(), "spec.containers{a}");
    assert_eq!(back_off.last.seconds_since(back_off.first), 10);

    let tuning = Tuning { events_max: 2, ..Tuning::default() };
    pod.machine = Machine::new(&spec(Always, "", "a b c"), tuning, pod.now);
    pod.tell(Event::Start).sandbox_up(0).up("a").up("b").up("c");
    assert_eq!(pod.machine.events().len(), 2);
}
