//! What the machine and the supervisor call a probe or a hook that is under way.

use serde::{Deserialize, Serialize};

/// What a handler is run for. At most one of each is under way for one attempt of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Purpose {
    Startup,
    Readiness,
    Liveness,
    PostStart,
    PreStop,
}

impl Purpose {
    pub const PROBES: [Purpose; 3] = [Purpose::Startup, Purpose::Readiness, Purpose::Liveness];

    /// As the kubelet's events begin.
    pub fn as_str(self) -> &'static str {
        match self {
            Purpose::Startup => "Startup",
            Purpose::Readiness => "Readiness",
            Purpose::Liveness => "Liveness",
            Purpose::PostStart => "PostStart",
            Purpose::PreStop => "PreStop",
        }
    }

    pub fn is_hook(self) -> bool {
        matches!(self, Purpose::PostStart | Purpose::PreStop)
    }
}

/// What came of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    Success,
    /// Counts as a success, and is said (an httpGet probe that was redirected to another host).
    Warning,
    Failure,
    /// It could not be carried out at all: changes nothing.
    Unknown,
}

impl Verdict {
    pub fn is_good(self) -> bool {
        matches!(self, Verdict::Success | Verdict::Warning)
    }
}

/// The verdict, with what the handler said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub verdict: Verdict,
    /// One text for people: the error, or the command's output; bounded by the supervisor.
    pub output: String,
}

impl Outcome {
    pub fn new(verdict: Verdict, output: impl Into<String>) -> Outcome {
        Outcome { verdict, output: output.into() }
    }
}
