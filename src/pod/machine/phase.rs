//! The pod's phase ("Pod Lifecycle: Pod phase").

use super::state::{Life, State, Why};
use super::{Container, Machine};
use crate::pod::status::{Phase, Role};

/// A container as the phase sees it.
enum Seen {
    Waiting,
    Running,
    /// It ended, for good or to come back.
    Stopped {
        code: i32,
        for_good: bool,
    },
}

impl Container {
    fn seen(&self) -> Seen {
        let stopped = |for_good| match &self.last {
            Some(end) => Seen::Stopped { code: end.exit_code, for_good },
            None => Seen::Waiting,
        };
        match &self.state {
            State::Running(run) | State::Stopping(run, _) if !run.hooked => stopped(false),
            State::Running(_) | State::Stopping(..) => Seen::Running,
            State::Ended => stopped(true),
            State::Waiting | State::Starting { .. } | State::BackOff { .. } => stopped(false),
        }
    }
}

impl Machine {
    /// A terminal phase waits until no container is left, and is never taken back.
    pub(super) fn refresh_phase(&mut self) {
        if self.phase.is_terminal() {
            return;
        }
        self.phase = match self.life {
            Life::New | Life::Live if self.external => {
                if self.sandbox.is_ready() {
                    Phase::Running
                } else {
                    Phase::Pending
                }
            }
            Life::New | Life::Live => self.live_phase(),
            // It stays what it was until nothing runs any more.
            Life::Ending(_) if self.any_alive() => self.live_phase(),
            Life::Ending(ending) if ending.why == Why::DeadlineExceeded => {
                self.reason = "DeadlineExceeded".into();
                self.message = "Pod was active on the node longer than the specified deadline".into();
                Phase::Failed
            }
            Life::Ending(_) => self.last_phase(),
            Life::Ended => Phase::Failed,
        };
    }

    /// The app containers have started in this sandbox, whatever became of them.
    pub(super) fn is_initialized(&self) -> bool {
        self.passed == self.inits && self.apps().any(Container::has_run)
    }

    pub(super) fn apps(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|c| c.role == Role::App)
    }

    fn live_phase(&self) -> Phase {
        let (inits, _) = self.containers.split_at(self.inits);
        let waiting_inits = inits.iter().any(|c| match (c.role, c.seen()) {
            (Role::Init, Seen::Stopped { .. }) => false,
            (Role::Init, _) => true,
            (_, Seen::Waiting) => true,
            (_, Seen::Running) => !c.state.is_started() && !self.is_initialized(),
            (_, Seen::Stopped { .. }) => false,
        });
        if waiting_inits || self.apps().any(|c| matches!(c.seen(), Seen::Waiting)) {
            return Phase::Pending;
        }
        // Everything was started once: some runs, or is on its way back, or is about to be counted out.
        Phase::Running
    }

    /// Nothing runs, and nothing will.
    fn last_phase(&self) -> Phase {
        let (inits, _) = self.containers.split_at(self.inits);
        let init_failed = inits.iter().any(|c| c.role == Role::Init && c.has_failed());
        let succeeded = self.apps().all(|c| matches!(c.seen(), Seen::Stopped { code: 0, for_good: true }));
        if succeeded && !init_failed { Phase::Succeeded } else { Phase::Failed }
    }
}
