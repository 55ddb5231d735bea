//! A container's state, the sandbox's and the pod's: three enums, with what may be done in each.
//!
//! ```text
//!                     a container                                        the sandbox                     the pod
//!
//!             StartContainer        ContainerStarted                      None ◄────────────┐             Live
//!   Waiting ───────────────► Starting ───────────► Running                 │ CreateSandbox  │              │ all ended, Delete,
//!      ▲                      ▲   │                 │    │                 ▼      Failed    │              │ deadline
//!      │ new sandbox          │   │ StartFailed     │    │ its end       Making ────────► BackOff         ▼
//!      │           time is up │   ▼                 │    │ is wanted       │ Ready                       Ending
//!      ├─────────────────── BackOff ◄───────────────┤    ▼                 ▼      Died                     │ no container,
//!      │                          ▲  Exited, and    │  Stopping          Ready ─────────► Lost             │ no sandbox left
//!      │                          │  comes back     │    │                 │ StopSandbox    │              ▼
//!      │                          └─────────────────│────┤                 ▼                │             Ended
//!    Ended ◄────────────────────────────────────────┴────┘              Stopping ◄──────────┘
//!                    Exited, and does not come back                        │ Stopped
//!                                                                          └──────► None
//! ```

use super::checks::Check;
use super::clock::Now;
use super::event::StartFailure;
use super::handler::Purpose;
use super::stop::Back;
use serde::{Deserialize, Serialize};

/// Where a container is. `attempt` is the number of the attempt that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum State {
    /// Its turn has not come, or comes with this very event.
    Waiting,
    /// `StartContainer` was asked for and is not answered.
    Starting {
        attempt: u32,
    },
    Running(Run),
    /// Still running, asked to end.
    Stopping(Run, Stop),
    /// Will be started when its time and its turn have come.
    BackOff {
        /// Monotonic nanoseconds.
        until: u64,
        /// Nanoseconds, as the message says it.
        delay: u64,
        why: Setback,
    },
    /// Ended, and will not come back in this sandbox.
    Ended,
}

/// An attempt that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub attempt: u32,
    /// The host's pid of the init process.
    pub pid: i32,
    pub since: Now,
    pub health: Health,
    /// postStart has returned, or there is none: until then it is not shown as running.
    #[serde(default = "hooked")]
    pub hooked: bool,
    /// Startup, readiness, liveness.
    #[serde(default)]
    pub checks: [Check; 3],
}

fn hooked() -> bool {
    true
}

impl Run {
    /// The probe of that kind.
    pub(super) fn check(&mut self, purpose: Purpose) -> &mut Check {
        match purpose {
            Purpose::Startup => &mut self.checks[0],
            Purpose::Readiness => &mut self.checks[1],
            _ => &mut self.checks[2],
        }
    }
}

/// How far a running container has come. Probes and hooks only move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// postStart has not returned, or the startup probe has not passed.
    Starting,
    /// Started; the readiness probe has not passed, or failed last.
    Unready,
    Ready,
}

/// The end of a running attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub stage: Stage,
    /// Monotonic nanoseconds: when patience ends.
    pub until: u64,
    #[serde(default)]
    pub back: Back,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// preStop runs; the stop signal comes when it has returned.
    Hook,
    /// Nothing but its turn keeps the stop signal back.
    Held,
    /// The stop signal was sent; SIGKILL comes at `until`.
    Signalled,
    /// SIGKILL was sent; nothing more can be done but wait.
    Killed,
}

/// Why a container waits in back-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setback {
    /// It ended and comes back: `CrashLoopBackOff`.
    Crashed,
    /// It could not be made; the reason is shown as it is.
    NotMade { reason: StartFailure, message: String },
}

impl State {
    /// Something of it runs or may run any moment; the sandbox must stay.
    pub fn is_alive(&self) -> bool {
        matches!(self, State::Starting { .. } | State::Running(_) | State::Stopping(..))
    }

    /// The attempt under way.
    pub fn attempt(&self) -> Option<u32> {
        match self {
            State::Starting { attempt } => Some(*attempt),
            State::Running(run) | State::Stopping(run, _) => Some(run.attempt),
            _ => None,
        }
    }

    pub fn run(&self) -> Option<&Run> {
        match self {
            State::Running(run) | State::Stopping(run, _) => Some(run),
            _ => None,
        }
    }

    /// May be started now, as far as it is up to itself.
    pub fn can_start(&self, now: u64) -> bool {
        match self {
            State::Waiting => true,
            State::BackOff { until, .. } => *until <= now,
            _ => false,
        }
    }

    /// May be told to end: runs, and was not told yet.
    pub fn can_stop(&self) -> bool {
        matches!(self, State::Running(_))
    }

    /// Is to have its stop signal when its turn has come.
    pub fn is_held(&self) -> bool {
        matches!(self, State::Stopping(_, Stop { stage: Stage::Held, .. }))
    }

    /// May be killed: runs, and was not killed yet.
    pub fn can_kill(&self) -> bool {
        match self {
            State::Running(_) => true,
            State::Stopping(_, stop) => stop.stage != Stage::Killed,
            _ => false,
        }
    }

    /// When a back-off ends, in monotonic nanoseconds.
    pub fn due(&self) -> Option<u64> {
        match self {
            State::BackOff { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// When its stage is over whatever it does, in monotonic nanoseconds: SIGKILL follows the stop signal, that a hook.
    pub fn patience(&self) -> Option<u64> {
        match self {
            State::Stopping(_, stop) if stop.stage != Stage::Killed => Some(stop.until),
            _ => None,
        }
    }

    /// Its startup is over (status.started).
    pub fn is_started(&self) -> bool {
        self.run().is_some_and(|run| run.health != Health::Starting)
    }
}

/// Where the sandbox is. `attempt` counts from 0 over the pod's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sandbox {
    /// There is none; `attempt` is the next one's.
    None {
        attempt: u32,
    },
    /// `CreateSandbox` was asked for and is not answered.
    Making {
        attempt: u32,
    },
    /// It could not be made, or did not last; tried again at `until` (monotonic nanoseconds).
    BackOff {
        attempt: u32,
        until: u64,
    },
    Ready {
        attempt: u32,
    },
    /// Pause is dead; the containers are being ended, with a grace period until `until` (monotonic nanoseconds).
    Lost {
        attempt: u32,
        until: u64,
    },
    /// `StopSandbox` was asked for and is not answered.
    Stopping {
        attempt: u32,
    },
}

impl Sandbox {
    pub fn attempt(self) -> u32 {
        match self {
            Sandbox::None { attempt }
            | Sandbox::Making { attempt }
            | Sandbox::BackOff { attempt, .. }
            | Sandbox::Ready { attempt }
            | Sandbox::Lost { attempt, .. }
            | Sandbox::Stopping { attempt } => attempt,
        }
    }

    pub fn is_ready(self) -> bool {
        matches!(self, Sandbox::Ready { .. })
    }

    /// Nothing of it exists.
    pub fn is_none(self) -> bool {
        matches!(self, Sandbox::None { .. } | Sandbox::BackOff { .. })
    }

    /// Something of it may exist that `StopSandbox` has to undo.
    pub fn can_stop(self) -> bool {
        matches!(self, Sandbox::Ready { .. } | Sandbox::Lost { .. })
    }
}

/// Where the pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// Made, and not begun.
    New,
    Live,
    /// Containers and sandbox are being ended, for good.
    Ending(Ending),
    /// Nothing is left but the record.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    pub why: Why,
    /// Monotonic nanoseconds: the end of the grace period, which all containers share. None is no grace: SIGKILL for all.
    pub until: Option<u64>,
}

/// Why a pod ends. What comes first decides the phase; a deletion may only shorten it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// Every app container ended, or an init container failed, with no restart to come.
    Completed,
    DeadlineExceeded,
    Deleted,
}
