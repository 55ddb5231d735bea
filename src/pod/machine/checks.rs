//! Probes: when each is due, what their results count for, and what follows ("Pod Lifecycle: Container probes", "Configure
//! Liveness, Readiness and Startup Probes").
//!
//! One probe of a kind runs at a time. They are due at the container's start plus initialDelaySeconds, and from there every
//! periodSeconds; one that took longer than that is followed at once by one other, not by all that were missed. As in the kubelet
//! a result counts when it was the same `failureThreshold` or `successThreshold` times in a row. In the first period a readiness probe
//! that failed is made again after a second: the API lets it run at other times than periodSeconds while the container is not ready.

use super::handler::{Outcome, Purpose, Verdict};
use super::state::{Health, State};
use super::stop::Back;
use super::{Action, Machine, SECOND, Step};
use crate::pod::spec::{Lifecycle, Timing};
use crate::pod::status::EventKind;
use serde::{Deserialize, Serialize};

/// The longest text of an event's message, bytes.
const MESSAGE_MAX: usize = 1024;

/// The numbers of a container's probes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probes {
    #[serde(skip_serializing_if = "Option::is_none")]
    startup: Option<Timing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readiness: Option<Timing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    liveness: Option<Timing>,
}

impl Probes {
    pub(super) fn of(life: &Lifecycle) -> Probes {
        let timing = |probe: &Option<crate::pod::spec::Probe>| probe.as_ref().map(|p| p.timing);
        Probes { startup: timing(&life.startup), readiness: timing(&life.readiness), liveness: timing(&life.liveness) }
    }

    pub(super) fn get(&self, purpose: Purpose) -> Option<&Timing> {
        match purpose {
            Purpose::Startup => self.startup.as_ref(),
            Purpose::Readiness => self.readiness.as_ref(),
            Purpose::Liveness => self.liveness.as_ref(),
            Purpose::PostStart | Purpose::PreStop => None,
        }
    }
}

/// How far the probe of one kind is in a running attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Monotonic nanoseconds of the next probe; None: not probed, not yet or not any more.
    pub due: Option<u64>,
    /// One is under way.
    pub flying: bool,
    /// The latest result, and how often it came in a row.
    pub good: bool,
    pub row: u32,
}

impl Check {
    /// When it has to be thought of: not while one is under way.
    pub(super) fn next(&self) -> Option<u64> {
        self.due.filter(|_| !self.flying)
    }
}

impl Machine {
    /// postStart is behind the container at `index`, or there was none.
    pub(super) fn hooked(&mut self, index: usize, step: &mut Step) {
        let container = &mut self.containers[index];
        let startup = container.probes.startup;
        let State::Running(run) = &mut container.state else { return };
        run.hooked = true;
        step.changed = true;
        match startup {
            Some(timing) => run.check(Purpose::Startup).due = Some(first(run.since.mono, &timing, step.now.mono)),
            None => self.started_up(index, step),
        }
    }

    /// Its startup is over: the other probes begin.
    fn started_up(&mut self, index: usize, step: &mut Step) {
        let container = &mut self.containers[index];
        let probes = container.probes;
        let State::Running(run) = &mut container.state else { return };
        run.health = if probes.readiness.is_some() { Health::Unready } else { Health::Ready };
        step.changed = true;
        for purpose in [Purpose::Readiness, Purpose::Liveness] {
            if let Some(timing) = probes.get(purpose) {
                run.check(purpose).due = Some(first(run.since.mono, timing, step.now.mono));
            }
        }
    }

    /// Begins what is due.
    pub(super) fn drive_probes(&mut self, step: &mut Step) {
        let now = step.now.mono;
        for container in &mut self.containers {
            let State::Running(run) = &mut container.state else { continue };
            for purpose in Purpose::PROBES {
                let (attempt, check) = (run.attempt, run.check(purpose));
                let (Some(timing), Some(due)) = (container.probes.get(purpose), check.next().filter(|due| *due <= now)) else {
                    continue;
                };
                // Of what was missed in between one is made up for, as a ticker does.
                let period = seconds(timing.period).max(1);
                let missed = (now - due) / period;
                check.due = Some(due.saturating_add(period.saturating_mul(missed.saturating_add(1))));
                check.flying = true;
                let timeout = seconds(timing.timeout);
                step.actions.push(Action::RunHandler { name: container.name.clone(), attempt, purpose, timeout: Some(timeout) });
            }
        }
    }

    /// The next instants at which a probe is due.
    pub(super) fn probes_due(&self) -> impl Iterator<Item = u64> + '_ {
        let running = self.containers.iter().filter_map(|c| match &c.state {
            State::Running(run) => Some(run),
            _ => None,
        });
        running.flat_map(|run| run.checks.iter().filter_map(Check::next))
    }

    /// A probe has come back.
    pub(super) fn probed(&mut self, index: usize, purpose: Purpose, outcome: Outcome, step: &mut Step) {
        let container = &mut self.containers[index];
        let Some(timing) = container.probes.get(purpose).copied() else { return };
        // One that ends keeps what it was, and is told nothing more about.
        let State::Running(run) = &mut container.state else { return };
        let beginning = first(run.since.mono, &timing, run.since.mono).saturating_add(seconds(timing.period));
        let check = run.check(purpose);
        if !std::mem::take(&mut check.flying) || check.due.is_none() {
            return;
        }
        let good = outcome.verdict.is_good();
        if purpose == Purpose::Readiness && !good {
            // A server that comes up a moment after its container is not kept unready for a whole period.
            if step.now.mono < beginning {
                check.due = check.due.map(|due| due.min(step.now.mono.saturating_add(SECOND)));
            }
        }
        let counts = match outcome.verdict {
            Verdict::Unknown => false,
            _ if check.row > 0 && check.good == good => {
                check.row = check.row.saturating_add(1);
                check.row >= if good { timing.success } else { timing.failure }
            }
            _ => {
                (check.good, check.row) = (good, 1);
                1 >= if good { timing.success } else { timing.failure }
            }
        };
        self.say(index, purpose, &outcome, step);
        if counts {
            self.judged(index, purpose, good, step);
        }
    }

    fn say(&mut self, index: usize, purpose: Purpose, outcome: &Outcome, step: &mut Step) {
        let (reason, what) = match outcome.verdict {
            Verdict::Success => return,
            Verdict::Warning => ("ProbeWarning", "warning"),
            Verdict::Failure => ("Unhealthy", "failed"),
            Verdict::Unknown => ("Unhealthy", "errored and resulted in unknown state"),
        };
        let mut message = format!("{} probe {what}: {}", purpose.as_str(), outcome.output);
        let end = (0..=MESSAGE_MAX.min(message.len())).rev().find(|i| message.is_char_boundary(*i)).unwrap_or(0);
        message.truncate(end);
        self.record(EventKind::Warning, reason, message, Some(index), step);
    }

    /// A probe's result has come often enough.
    fn judged(&mut self, index: usize, purpose: Purpose, good: bool, step: &mut Step) {
        let container = &mut self.containers[index];
        let timing = container.probes.get(purpose).copied();
        let State::Running(run) = &mut container.state else { return };
        match (purpose, good) {
            (Purpose::Readiness, _) => {
                let health = if good { Health::Ready } else { Health::Unready };
                step.changed |= run.health != health;
                run.health = health;
            }
            (Purpose::Startup, true) => {
                run.check(purpose).due = None;
                self.started_up(index, step);
            }
            (Purpose::Startup | Purpose::Liveness, false) => {
                run.checks.iter_mut().for_each(|check| check.due = None);
                let grace = timing.and_then(|t| t.grace).unwrap_or(self.grace_seconds);
                self.unhealthy(index, purpose, grace, step);
            }
            _ => {}
        }
    }

    /// It is ended for its probe's sake, and comes back unless its policy is Never.
    fn unhealthy(&mut self, index: usize, purpose: Purpose, grace: u64, step: &mut Step) {
        let container = &self.containers[index];
        let kind = if purpose == Purpose::Startup { "startup" } else { "liveness" };
        let mut message = format!("Container {} failed {kind} probe", container.name);
        if container.may_come_back() {
            message.push_str(", will be restarted");
        }
        let until = step.now.mono.saturating_add(grace.saturating_mul(SECOND));
        self.begin_stop(index, Some(until), Back::Wanted, message, step);
    }
}

fn seconds(seconds: u32) -> u64 {
    u64::from(seconds) * SECOND
}

/// The first probe: `initialDelaySeconds` after the start, and not before now.
fn first(start: u64, timing: &Timing, now: u64) -> u64 {
    start.saturating_add(seconds(timing.initial_delay)).max(now)
}
