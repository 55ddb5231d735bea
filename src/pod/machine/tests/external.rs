//! Policy external: what is not asked for does not happen.

use super::super::{Action, Asked, Event, Exit, Life, Machine, Now, SECOND, Sandbox, Tuning};
use super::spec;
use crate::pod::spec::{Policy, RestartPolicy};
use crate::pod::status::Stamp;

fn at(second: u64) -> Now {
    Now { mono: (1_000 + second) * SECOND, wall: Stamp::from_seconds(1_769_847_330 + second as i64) }
}

fn machine() -> Machine {
    let mut spec = spec(RestartPolicy::Always, "", "");
    spec.policy = Policy::External;
    let mut machine = Machine::new(&spec, Tuning::default(), at(0));
    assert_eq!(acts(machine.handle(Event::Start, at(0))), ["CreateSandbox { attempt: 0 }"]);
    machine.handle(Event::SandboxReady { attempt: 0, ips: Vec::new() }, at(0));
    machine
}

fn acts(actions: Vec<Action>) -> Vec<String> {
    let effects = actions.into_iter().filter(|a| !matches!(a, Action::Event(_) | Action::StatusChanged | Action::SetTimer(_)));
    effects.map(|a| format!("{a:?}")).collect()
}

fn ask(machine: &mut Machine, asked: Asked, now: u64) -> Vec<String> {
    acts(machine.handle(Event::Asked(asked), at(now)))
}

fn with_container() -> Machine {
    let mut machine = machine();
    let container = spec(RestartPolicy::Never, "", "app").containers.remove(0);
    assert_eq!(ask(&mut machine, Asked::Add { spec: Box::new(container) }, 1), [""; 0]);
    assert_eq!(ask(&mut machine, Asked::Make { name: "app".into() }, 1), [r#"StartContainer { name: "app", attempt: 0 }"#]);
    machine
}

#[test]
fn a_container_runs_when_it_is_let_go_and_does_not_come_back_by_itself() {
    let mut machine = with_container();
    assert!(!machine.status().containers[0].is_running());
    let started = Event::ContainerStarted { name: "app".into(), attempt: 0, id: "x".into(), pid: 7 };
    assert_eq!(acts(machine.handle(started, at(2))), [""; 0]);
    assert!(machine.status().containers[0].is_running());
    let exited = Event::ContainerExited { name: "app".into(), attempt: 0, exit: Exit::with_code(3) };
    assert_eq!(acts(machine.handle(exited, at(3))), [""; 0]);
    assert_eq!(acts(machine.handle(Event::Timer, at(10_000))), [""; 0]);
    assert_eq!(machine.life(), Life::Live, "an external sandbox is not over when nothing runs in it");
    assert_eq!(ask(&mut machine, Asked::Make { name: "app".into() }, 4), [r#"StartContainer { name: "app", attempt: 1 }"#]);
}

#[test]
fn a_stopped_sandbox_ends_its_containers_first_and_comes_back_only_when_asked_for() {
    let mut machine = with_container();
    let started = Event::ContainerStarted { name: "app".into(), attempt: 0, id: "x".into(), pid: 7 };
    machine.handle(started, at(2));
    let stop = ask(&mut machine, Asked::StopSandbox { grace: Some(5) }, 3);
    assert!(stop.len() == 1 && stop[0].starts_with("StopContainer"), "{stop:?}");
    assert_eq!(acts(machine.handle(Event::Timer, at(9))), [r#"KillContainer { name: "app", attempt: 0 }"#]);
    let exited = Event::ContainerExited { name: "app".into(), attempt: 0, exit: Exit::by_signal(9) };
    assert_eq!(acts(machine.handle(exited, at(9))), ["StopSandbox { attempt: 0 }"]);
    assert_eq!(acts(machine.handle(Event::SandboxStopped { attempt: 0 }, at(9))), [""; 0]);
    assert_eq!(acts(machine.handle(Event::Timer, at(10_000))), [""; 0]);
    assert_eq!(ask(&mut machine, Asked::CreateSandbox, 10_000), ["CreateSandbox { attempt: 1 }"]);
    assert_eq!(machine.sandbox(), Sandbox::Making { attempt: 1 });
}

#[test]
fn a_removed_container_is_forgotten_and_one_that_runs_is_not() {
    let mut machine = with_container();
    ask(&mut machine, Asked::Remove { name: "app".into() }, 2);
    assert_eq!(machine.containers().len(), 1);
    let exited = Event::ContainerExited { name: "app".into(), attempt: 0, exit: Exit::by_signal(9) };
    machine.handle(exited, at(3));
    ask(&mut machine, Asked::Remove { name: "app".into() }, 4);
    assert!(machine.containers().is_empty());
}
