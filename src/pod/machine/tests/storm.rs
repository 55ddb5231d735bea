//! What holds after any sequence of events: checked over some thousands of them, drawn by a fixed generator.

use super::*;
use crate::pod::machine::{Found, Life, Sandbox, SandboxFound};
use std::collections::BTreeMap;

/// xorshift: the same sequence every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// A host that does what it is asked, late, badly or not at all.
struct Host {
    now: Now,
    machine: Machine,
    timer: Option<u64>,
    sandbox: Option<(u32, bool)>,
    /// Attempt, and whether it runs.
    containers: BTreeMap<String, (u32, bool)>,
    /// Probes and hooks under way.
    handlers: Vec<(String, u32, Purpose)>,
    done: bool,
}

impl Host {
    fn tell(&mut self, event: Event) {
        let said = self.machine.handle(event.clone(), self.now);
        for action in said {
            match action {
                Action::CreateSandbox { attempt } => {
                    assert!(self.containers.is_empty(), "containers outlive their sandbox: {event:?}");
                    self.sandbox = Some((attempt, false));
                }
                Action::StopSandbox { .. } => assert!(self.containers.is_empty(), "the sandbox goes first: {event:?}"),
                Action::StartContainer { name, attempt } => {
                    assert!(matches!(self.sandbox, Some((_, true))), "started without a sandbox: {event:?}");
                    let before = self.containers.insert(name, (attempt, false));
                    assert!(before.is_none_or(|(old, runs)| old == attempt && !runs), "started twice: {event:?}");
                }
                Action::StopContainer { name, .. } | Action::KillContainer { name, .. } => {
                    self.handlers.retain(|h| h.0 != name);
                    assert!(self.containers.contains_key(&name), "stopped without running: {event:?}");
                }
                Action::RunHandler { name, attempt, purpose, .. } => {
                    assert!(self.containers.get(&name) == Some(&(attempt, true)), "asked of one that does not run: {event:?}");
                    self.handlers.push((name, attempt, purpose));
                    let alike = self.handlers.iter().filter(|h| **h == *self.handlers.last().expect("it is there"));
                    assert_eq!(alike.count(), 1, "two at once: {event:?}");
                }
                Action::SetTimer(at) => {
                    assert!(at.is_none_or(|at| at > self.now.mono), "a timer in the past: {event:?}");
                    self.timer = at;
                }
                Action::Done { .. } => {
                    assert!(self.containers.is_empty() && self.sandbox.is_none(), "done too early: {event:?}");
                    self.done = true;
                }
                Action::Event(_) | Action::StatusChanged => {}
            }
        }
    }

    fn ring(&mut self) {
        if let Some(at) = self.timer {
            self.now = self.now.after(at.saturating_sub(self.now.mono));
            self.timer = None;
        }
        self.tell(Event::Timer);
    }

    /// Some container, and what is going on with it.
    fn pick(&self, dice: &mut Dice) -> Option<(String, u32, bool)> {
        let index = dice.roll(self.containers.len().max(1) as u64) as usize;
        self.containers.iter().nth(index).map(|(name, (attempt, runs))| (name.clone(), *attempt, *runs))
    }

    fn answer(&mut self, dice: &mut Dice) {
        let Some((name, attempt, runs)) = self.pick(dice) else { return };
        let busy = self.handlers.iter().position(|h| (&h.0, h.1) == (&name, attempt));
        if let Some(at) = busy.filter(|_| dice.roll(3) > 0) {
            let (name, attempt, purpose) = self.handlers.swap_remove(at);
            let verdicts = [Verdict::Success, Verdict::Warning, Verdict::Failure, Verdict::Unknown];
            let outcome = Outcome::new(verdicts[dice.roll(4) as usize], "");
            self.tell(Event::HandlerDone { name, attempt, purpose, outcome });
        } else if runs {
            self.containers.remove(&name);
            self.handlers.retain(|h| h.0 != name);
            self.tell(Event::ContainerExited { name, attempt, exit: Exit::with_code(dice.roll(2) as i32) });
        } else if dice.roll(4) > 0 {
            self.containers.insert(name.clone(), (attempt, true));
            self.tell(Event::ContainerStarted { name, attempt, id: "x".into(), pid: 1 });
        } else {
            self.containers.remove(&name);
            let reason = if dice.roll(2) == 0 { StartFailure::RunContainerError } else { StartFailure::CreateContainerError };
            self.tell(Event::ContainerStartFailed { name, attempt, reason, message: String::new() });
        }
    }

    fn sandbox_answer(&mut self, dice: &mut Dice) {
        match (self.machine.sandbox(), self.sandbox) {
            (Sandbox::Making { attempt }, _) if dice.roll(4) > 0 => {
                self.sandbox = Some((attempt, true));
                self.tell(Event::SandboxReady { attempt, ips: Vec::new() });
            }
            (Sandbox::Making { attempt }, _) => {
                self.sandbox = None;
                self.tell(Event::SandboxFailed { attempt, message: String::new() });
            }
            (Sandbox::Stopping { attempt }, _) => {
                self.sandbox = None;
                self.tell(Event::SandboxStopped { attempt });
            }
            _ => {}
        }
    }

    /// The supervisor dies and comes back; some containers have ended meanwhile.
    fn restart(&mut self, dice: &mut Dice) {
        self.timer = None;
        self.handlers.clear();
        let mut found = Vec::new();
        self.containers.retain(|name, (_, runs)| {
            let (state, stays) = match (*runs, dice.roll(3)) {
                (true, 0) => (Found::Gone { exit: None, at: None }, false),
                (true, 1) => (Found::Gone { exit: Some(Exit::with_code(1)), at: None }, false),
                (true, _) => (Found::Alive { id: "y".into(), pid: 2 }, true),
                (false, _) => (Found::NotStarted, false),
            };
            found.push((name.clone(), state));
            stays
        });
        let making = matches!(self.machine.sandbox(), Sandbox::Making { .. });
        let gone = self.sandbox.is_none() || making && dice.roll(2) == 0;
        let sandbox = if gone { SandboxFound::Gone } else { SandboxFound::Alive { ips: Vec::new() } };
        self.sandbox = match (making, gone, self.sandbox) {
            (true, false, Some((attempt, _))) => Some((attempt, true)),
            (true, true, _) => None,
            (_, _, kept) => kept,
        };
        self.tell(Event::Recovered { sandbox, containers: found });
    }
}

#[test]
fn no_storm_of_events_breaks_the_rules_or_keeps_a_pod_from_its_end() {
    for seed in 1..400u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let policy = [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never][dice.roll(3) as usize];
        let inits = ["", "i1", "s1", "i1 s1 i2 s2"][dice.roll(4) as usize];
        let now = Now { mono: 1_000 * SECOND, wall: Stamp(0) };
        let mut spec = spec(policy, inits, "a b");
        for container in spec.init_containers.iter_mut().chain(&mut spec.containers).filter(|c| !c.name.starts_with('i')) {
            let life = &mut container.life;
            let mut probe = || (dice.roll(2) == 0).then(|| probe([dice.roll(9) as u32, 1 + dice.roll(9) as u32, 1, 2])).flatten();
            (life.startup, life.readiness, life.liveness) = (probe(), probe(), probe());
            life.post_start = (dice.roll(3) == 0).then_some(Handler::Sleep { seconds: 1 });
            life.pre_stop = (dice.roll(3) == 0).then_some(Handler::Sleep { seconds: 1 });
        }
        spec.active_deadline_seconds = (dice.roll(4) == 0).then_some(500);
        let machine = Machine::new(&spec, Tuning::default(), now);
        let mut host =
            Host { now, machine, timer: None, sandbox: None, containers: BTreeMap::new(), handlers: Vec::new(), done: false };
        host.tell(Event::Start);
        for _ in 0..120 {
            host.now = host.now.after(dice.roll(20) * SECOND);
            match dice.roll(24) {
                0 => host.restart(&mut dice),
                1 if host.machine.sandbox().is_ready() => {
                    let attempt = host.machine.sandbox().attempt();
                    host.tell(Event::SandboxDied { attempt });
                }
                2..5 => host.ring(),
                5..10 => host.sandbox_answer(&mut dice),
                _ => host.answer(&mut dice),
            }
        }
        host.tell(Event::Delete { grace: (dice.roll(2) == 0).then_some(dice.roll(3)) });
        for _ in 0..200 {
            if host.machine.life() == Life::Ended {
                break;
            }
            match dice.roll(3) {
                0 => host.ring(),
                1 => host.sandbox_answer(&mut dice),
                _ => host.answer(&mut dice),
            }
        }
        assert!(host.done, "seed {seed}: {:?}", host.machine);
        assert!(host.machine.status().phase.is_terminal(), "seed {seed}");
        assert_eq!(host.timer, None, "seed {seed}");
    }
}
