//! Kubernetes documentation: "Pod Lifecycle: Pod phase, Container states, Pod conditions, Pod readiness"; "Debug Init
//! Containers: Understanding Pod status".

use super::*;
use crate::pod::status::{Condition, ConditionKind, ContainerState, column};
use RestartPolicy::{Always, Never, OnFailure};

fn condition(pod: &Pod, kind: ConditionKind) -> Condition {
    pod.machine.status().condition(&kind).cloned().expect("it is always there")
}

#[test]
fn the_conditions_come_true_one_after_another() {
    let mut pod = Pod::new(Always, "i1", "a");
    assert_eq!(pod.truths(), "PodScheduled");
    pod.wait(1).sandbox_up(0);
    assert_eq!(pod.truths(), "PodReadyToStartContainers PodScheduled");
    pod.wait(1).runs("i1", 0);
    assert_eq!(pod.truths(), "PodReadyToStartContainers Initialized PodScheduled");
    pod.wait(1).up("a");
    assert_eq!(pod.truths(), "PodReadyToStartContainers Initialized Ready ContainersReady PodScheduled");
    let start = pod.machine.status().start_time;
    for (kind, seconds) in [
        (ConditionKind::PodScheduled, 0),
        (ConditionKind::PodReadyToStartContainers, 1),
        (ConditionKind::Initialized, 2),
        (ConditionKind::ContainersReady, 3),
        (ConditionKind::Ready, 3),
    ] {
        assert_eq!(condition(&pod, kind.clone()).last_transition.seconds_since(start), seconds, "{kind:?}");
    }
}

#[test]
fn a_condition_that_is_false_says_why() {
    let mut pod = Pod::ready(OnFailure, "i1 i2", "a b");
    let initialized = condition(&pod, ConditionKind::Initialized);
    assert_eq!(
        (initialized.reason.as_str(), initialized.message.as_str()),
        ("ContainersNotInitialized", "containers with incomplete status: [i1 i2]")
    );
    pod.runs("i1", 0);
    assert_eq!(condition(&pod, ConditionKind::Initialized).message, "containers with incomplete status: [i2]");
    pod.runs("i2", 0).up("a");
    for kind in [ConditionKind::Ready, ConditionKind::ContainersReady] {
        let ready = condition(&pod, kind);
        assert_eq!(
            (ready.status.as_str(), ready.reason.as_str(), ready.message.as_str()),
            ("False", "ContainersNotReady", "containers with unready status: [b]")
        );
    }
}

#[test]
fn a_pod_that_is_over_is_not_ready_and_says_how_it_went() {
    for (code, reason, initialized) in [(0, "PodCompleted", "PodCompleted"), (1, "PodFailed", "")] {
        let mut pod = Pod::ready(Never, "", "a");
        pod.runs("a", code);
        let ready = condition(&pod, ConditionKind::Ready);
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", reason));
        let init = condition(&pod, ConditionKind::Initialized);
        assert_eq!((init.status.as_str(), init.reason.as_str()), ("True", initialized));
    }
}

#[test]
fn a_pod_that_is_being_ended_is_unready_first() {
    let mut pod = Pod::ready(Always, "s1", "a");
    pod.up("s1").up("a");
    assert!(pod.truths().contains("ContainersReady"));
    pod.tell(Event::Delete { grace: None });
    assert_eq!(pod.truths(), "PodReadyToStartContainers Initialized PodScheduled");
    assert_eq!(condition(&pod, ConditionKind::Ready).message, "containers with unready status: [s1 a]");
}

#[test]
fn the_end_of_a_container_is_told_with_its_reason() {
    for (exit, code, reason, signal) in [
        (Exit::with_code(0), 0, "Completed", None),
        (Exit::with_code(3), 3, "Error", None),
        (Exit::by_signal(15), 143, "Error", Some(15)),
        (Exit { oom_killed: true, ..Exit::by_signal(9) }, 137, "OOMKilled", Some(9)),
        (Exit { oom_killed: true, ..Exit::with_code(1) }, 1, "OOMKilled", None),
    ] {
        let mut pod = Pod::ready(Never, "", "a");
        pod.up("a").wait(7).ends("a", Exit { message: "x".repeat(5000), ..exit });
        let status = pod.machine.status();
        let ContainerState::Terminated(end) = &status.containers[0].state else { panic!("it has ended") };
        assert_eq!((end.exit_code, end.reason.as_str(), end.signal), (code, reason, signal));
        assert_eq!(end.finished_at.seconds_since(end.started_at.expect("it ran")), 7);
        assert_eq!((end.message.len(), end.container_id.as_deref()), (4096, Some("a-0")));
        assert_eq!(column(&status, pod.now.wall).status, reason);
    }
}

#[test]
fn the_state_before_is_kept_beside_the_state() {
    let mut pod = Pod::ready(Never, "", "a b");
    pod.machine = Machine::new(&spec(Always, "", "a"), Tuning::default(), pod.now);
    pod.tell(Event::Start).sandbox_up(0).runs("a", 1).up("a");
    let a = pod.machine.status().containers[0].clone();
    assert!(a.is_running() && a.ready && a.started == Some(true));
    assert_eq!((a.restart_count, a.last_state.map(|end| end.exit_code)), (1, Some(1)));
    pod.tell(Event::Delete { grace: None }).down("a", 2);
    let a = pod.machine.status().containers[0].clone();
    assert_eq!(a.last_end().map(|end| end.exit_code), Some(2));
    assert_eq!(a.last_state.map(|end| end.exit_code), Some(1));
}

#[test]
fn what_never_ran_in_a_pod_that_is_over_counts_as_lost() {
    for (inits, reason) in [("", "ContainerStatusUnknown"), ("i1", "PodInitializing")] {
        let mut pod = Pod::ready(Always, inits, "a");
        for name in [inits, "a"] {
            pod.fails(name, StartFailure::CreateContainerError);
        }
        pod.tell(Event::Delete { grace: None }).tell(Event::SandboxStopped { attempt: 0 });
        let status = pod.machine.status();
        let shown = match &status.containers[0].state {
            ContainerState::Terminated(end) => end.reason.clone(),
            ContainerState::Waiting { reason, .. } => reason.clone(),
            ContainerState::Running { .. } => panic!("it never ran"),
        };
        assert_eq!((shown.as_str(), status.phase.as_str()), (reason, "Failed"), "{inits:?}");
    }
}

#[test]
fn the_columns_are_kubectls() {
    let mut pod = Pod::ready(OnFailure, "s1", "a b");
    let columns = |pod: &Pod| {
        let c = column(&pod.machine.status(), pod.now.wall);
        format!("{} {} {}", c.ready, c.status, c.restarts)
    };
    assert_eq!(columns(&pod), "0/3 Init:0/1 0");
    pod.up("s1");
    assert_eq!(columns(&pod), "1/3 PodInitializing 0");
    pod.up("a");
    assert_eq!(columns(&pod), "2/3 PodInitializing 0");
    pod.up("b");
    assert_eq!(columns(&pod), "3/3 Running 0");
    pod.down("a", 0);
    assert_eq!(columns(&pod), "2/3 NotReady 0");
    pod.down("b", 1).up("b").wait(300);
    assert_eq!(columns(&pod), "2/3 NotReady 1 (5m ago)");
    pod.down("b", 1);
    assert_eq!(columns(&pod), "1/3 Completed 1 (0s ago)", "the first container that has something to say");
    pod.down("s1", 0).up("s1").tell(Event::Delete { grace: None });
    assert_eq!(columns(&pod), "0/3 Terminating 2 (0s ago)");
}

#[test]
fn the_phase_unknown_outshouts_everything() {
    let mut status = Pod::ready(Always, "", "a").up("a").machine.status();
    status.phase = crate::pod::status::Phase::Unknown;
    assert_eq!(column(&status, status.start_time).status, "Unknown");
}

#[test]
fn ages_are_written_as_kubectl_writes_them() {
    for (seconds, text) in [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (183_600, "2d3h"),
        (691_200, "8d"),
        (62_985_600, "729d"),
        (63_158_400, "2y1d"),
        (252_288_000, "8y"),
    ] {
        assert_eq!(crate::pod::status::duration(seconds), text, "{seconds}");
    }
}
