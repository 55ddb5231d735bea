//! Kubernetes documentation: "Pods: Pod update and replacement"; "Ephemeral Containers"; "Pod Lifecycle: Container restart
//! policy" for the back-off that a changed container starts without.

use super::*;
use crate::pod::machine::{ContainerUpdate, Update};
use RestartPolicy::{Always, Never};

fn update(name: &str, image: &str, why: Option<&str>) -> Event {
    let container = ContainerUpdate { name: name.into(), image: image.into(), replace: why.map(str::to_string) };
    Event::Update(Update { grace_seconds: 10, active_deadline_seconds: None, containers: vec![container] })
}

#[test]
fn a_new_image_replaces_one_container_and_nothing_else() {
    for policy in [Always, Never] {
        let mut pod = Pod::ready(policy, "s1", "a b");
        pod.up("s1").up("a").up("b").forget();
        pod.tell(update("a", "new", Some("definition changed"))).expect("stop a 10s, timer 10s");
        assert_eq!(
            pod.machine.events().last().map(|e| e.message.as_str()),
            Some("Container a definition changed, will be restarted")
        );
        pod.down("a", 0).expect("start a 1, no timer").up("a").expect("");
        let status = pod.machine.status();
        assert_eq!((status.containers[0].image.as_str(), status.containers[0].restart_count), ("new", 1));
        assert_eq!((status.containers[1].restart_count, status.sandbox_attempt, status.phase.as_str()), (0, 0, "Running"));
    }
}

#[test]
fn a_container_in_back_off_is_started_at_once_when_it_has_changed() {
    let mut pod = Pod::ready(Always, "", "a");
    pod.runs("a", 1).runs("a", 1).forget();
    pod.tell(update("a", "new", Some("definition changed"))).expect("start a 2, no timer");
    pod.runs("a", 1).expect("start a 3");
    assert_eq!(pod.events(), "BackOff x1, Created x3, Started x3", "its first restart is at once again");
}

#[test]
fn what_has_ended_for_good_is_not_started_again() {
    let mut pod = Pod::ready(Never, "i1", "a b");
    pod.runs("i1", 0).up("b").runs("a", 0).forget();
    pod.tell(update("a", "new", Some("definition changed"))).expect("");
    pod.tell(update("i1", "new", Some("definition changed"))).expect("");
}

#[test]
fn a_change_that_concerns_no_process_restarts_none() {
    let mut pod = Pod::ready(Always, "", "a");
    pod.up("a").wait(20).forget();
    pod.tell(update("a", "same", None)).expect("");
    pod.tell(Event::Update(Update { grace_seconds: 7, active_deadline_seconds: Some(50), containers: Vec::new() }));
    pod.expect("timer 30s").tell(Event::Delete { grace: None }).expect("stop a 7s, timer 7s");
}

#[test]
fn an_ephemeral_container_runs_once_and_counts_for_nothing() {
    let mut pod = Pod::ready(Always, "i1", "a");
    pod.forget().tell(Event::AddEphemeral(Box::new(container("debug")))).expect("start debug 0");
    pod.up("debug").tell(Event::AddEphemeral(Box::new(container("debug")))).expect("");
    assert_eq!((pod.phase(), pod.shown().as_str()), ("Pending", "Init:0/1"));
    pod.runs("i1", 0).up("a").forget();
    assert!(pod.truths().contains("Ready ContainersReady"));
    pod.down("debug", 3).expect("");
    let status = pod.machine.status();
    assert_eq!(status.ephemeral_containers[0].last_end().map(|end| end.exit_code), Some(3));
    assert!(pod.truths().contains("Ready ContainersReady") && status.phase.as_str() == "Running");
    pod.tell(Event::AddEphemeral(Box::new(container("other")))).expect("start other 0").up("other");
    pod.tell(Event::Delete { grace: None }).expect("stop other 30s, stop a 30s, timer 30s");
}
