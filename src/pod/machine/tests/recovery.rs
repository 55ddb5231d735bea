//! A supervisor started again. Kubernetes documentation: "Pod Lifecycle: Pod phase" (Unknown is not invented), "Container states";
//! the kubelet's ContainerStatusUnknown, 137: never an exit code 0 that nobody saw.

use super::*;
use crate::pod::machine::{Found, SandboxFound};
use RestartPolicy::{Always, Never};

fn alive(pid: i32) -> Found {
    Found::Alive { id: "found".into(), pid }
}

fn here() -> SandboxFound {
    SandboxFound::Alive { ips: vec!["10.0.0.2".into()] }
}

impl Pod {
    fn recover(&mut self, sandbox: SandboxFound, found: &[(&str, Found)]) -> &mut Pod {
        let containers = found.iter().map(|(name, found)| (name.to_string(), found.clone())).collect();
        self.tell(Event::Recovered { sandbox, containers })
    }
}

#[test]
fn what_runs_is_adopted_and_nothing_is_asked() {
    let mut pod = Pod::ready(Always, "i1", "a");
    pod.runs("i1", 0).up("a").wait(5).forget();
    pod.recover(here(), &[("i1", Found::NotStarted), ("a", alive(7))]).expect("");
    let a = pod.machine.status().containers[0].clone();
    assert_eq!((a.pid, a.restart_count, a.is_running()), (Some(7), 0, true));
}

#[test]
fn an_end_that_nobody_saw_is_unknown_and_an_end_that_was_kept_is_told() {
    let kept = |code| Found::Gone { exit: Some(Exit::with_code(code)), at: None };
    for (found, code, reason) in [
        (Found::Gone { exit: None, at: None }, 137, "ContainerStatusUnknown"),
        (Found::NotStarted, 137, "ContainerStatusUnknown"),
        (kept(0), 0, "Completed"),
        (kept(4), 4, "Error"),
    ] {
        let mut pod = Pod::ready(Never, "", "a b");
        pod.up("a").up("b").forget();
        pod.recover(here(), &[("a", found), ("b", alive(8))]).expect("");
        let a = pod.machine.status().containers[0].clone();
        let end = a.last_end().expect("it has ended");
        assert_eq!((end.exit_code, end.reason.as_str()), (code, reason));
    }
    // Nor is silence a sign of life.
    let mut pod = Pod::ready(Always, "", "a");
    pod.up("a").forget().recover(here(), &[]).expect("start a 1");
}

#[test]
fn the_back_off_counts_from_the_end_as_it_was_kept() {
    let mut pod = Pod::ready(Always, "", "a");
    pod.runs("a", 1).up("a").wait(3).forget();
    let at = Some(pod.now);
    pod.wait(4).recover(here(), &[("a", Found::Gone { exit: Some(Exit::with_code(1)), at })]).expect("timer 6s");
}

#[test]
fn a_start_that_was_cut_off_is_asked_again_with_the_same_number() {
    for (found, then) in [
        (Found::NotStarted, "start a 0"),
        (Found::Gone { exit: None, at: None }, "start a 0"),
        (alive(9), ""),
        (Found::Gone { exit: Some(Exit::with_code(0)), at: None }, "start a 1"),
    ] {
        let mut pod = Pod::ready(Always, "", "a");
        pod.forget().recover(here(), &[("a", found.clone())]).expect(then);
        assert!(pod.state("a").is_alive(), "{found:?}");
    }
}

#[test]
fn a_sandbox_is_found_or_made_again() {
    let mut pod = Pod::new(Always, "", "a");
    pod.forget().recover(here(), &[("a", Found::NotStarted)]).expect("start a 0");
    let mut pod = Pod::new(Always, "", "a");
    pod.forget().recover(SandboxFound::Gone, &[("a", Found::NotStarted)]).expect("sandbox 0");
    let mut pod = Pod::ready(Always, "", "a");
    pod.up("a").forget().recover(SandboxFound::Gone, &[("a", Found::Gone { exit: None, at: None })]);
    pod.expect("unsandbox 0").tell(Event::SandboxStopped { attempt: 0 }).expect("sandbox 1");
}

#[test]
fn what_was_being_ended_goes_on_to_end() {
    let mut pod = Pod::ready(Always, "", "a b");
    pod.up("a").tell(Event::Delete { grace: None }).wait(10).forget();
    // The start of b, if it ever was begun, is given up.
    pod.recover(here(), &[("a", alive(7)), ("b", Found::NotStarted)]).expect("stop a 20s, timer 20s");
    pod.pass(20).forget().recover(here(), &[("a", alive(7))]).expect("kill a");
    pod.ends("a", Exit::by_signal(9)).forget();
    pod.recover(here(), &[]).expect("unsandbox 0").tell(Event::SandboxStopped { attempt: 0 }).forget();
    pod.recover(SandboxFound::Gone, &[]).expect("gone");
}

#[test]
fn timers_are_set_again() {
    let mut pod = Pod::ready(Always, "", "a");
    pod.runs("a", 1).runs("a", 1).wait(4).forget();
    pod.recover(here(), &[("a", Found::NotStarted)]).expect("timer 6s");
    // Even one that passed meanwhile.
    pod.wait(60).recover(here(), &[("a", Found::NotStarted)]).expect("start a 2");
}

#[test]
fn a_pod_that_was_stored_and_not_begun_is_begun() {
    let mut pod = Pod::new(Always, "", "a");
    pod.machine = Machine::new(&spec(Always, "", "a"), Tuning::default(), pod.now);
    pod.forget().recover(SandboxFound::Gone, &[]).expect("sandbox 0");
}
