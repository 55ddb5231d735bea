//! What the machine is told.

use super::change::Update;
use super::clock::Now;
use super::handler::{Outcome, Purpose};
use crate::pod::spec::ContainerSpec;
use crate::pod::status::Truth;
use serde::{Deserialize, Serialize};

/// One thing that happened. Names are the spec's; an attempt that is not the container's current one makes the event stale,
/// and it is dropped. Events about containers or sandboxes that the machine does not know are dropped as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Begin: the first event of a new machine. Repeated, it does nothing.
    Start,
    /// The pause process lives and the network is set up. Answers `CreateSandbox`.
    SandboxReady { attempt: u32, ips: Vec<String> },
    /// The sandbox could not be made; nothing of it is left. Answers `CreateSandbox`, and is tried again with back-off.
    SandboxFailed { attempt: u32, message: String },
    /// The pause process ended unasked.
    SandboxDied { attempt: u32 },
    /// Pause, network and namespaces are gone. Answers `StopSandbox`; also what is left after `SandboxDied` counts as stopped.
    SandboxStopped { attempt: u32 },
    /// The container's program was executed. Answers `StartContainer`.
    ContainerStarted { name: String, attempt: u32, id: String, pid: i32 },
    /// It was not; nothing of it runs. Answers `StartContainer`.
    ContainerStartFailed { name: String, attempt: u32, reason: StartFailure, message: String },
    /// The init process ended, and with it everything in its PID namespace.
    ContainerExited { name: String, attempt: u32, exit: Exit },
    /// It ended as well, and nobody can say how: ContainerStatusUnknown, 137.
    ContainerLost { name: String, attempt: u32 },
    /// A probe or a hook has come back, or its time was up. Answers `RunHandler`.
    HandlerDone { name: String, attempt: u32, purpose: Purpose, outcome: Outcome },
    /// Somebody sets a condition of his own (a readiness gate, as a rule): a type that is none of Kubernetes' own.
    Condition { kind: String, status: Truth, reason: String, message: String },
    /// The pod's spec has changed, and the supervisor has it: what starts from now on is of the new one.
    Update(Update),
    /// One more container: an ephemeral one.
    AddEphemeral(Box<ContainerSpec>),
    /// The time of the last `SetTimer` has come. Harmless when early or unasked.
    Timer,
    /// The pod is to be deleted. `grace` in seconds: None is the spec's, 0 kills at once. A later one with a shorter grace shortens.
    Delete { grace: Option<u64> },
    /// Policy external: what the caller wants done.
    Asked(super::Asked),
    /// A supervisor started again (not the first time) has looked around. Comes once, before any other event, with one entry
    /// for every container and for the sandbox; the answer repeats every action that is still due, the timer included.
    Recovered { sandbox: SandboxFound, containers: Vec<(String, Found)> },
}

/// How an init process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// wait status: 0..=255 by exit, 128 + n by signal n.
    pub code: i32,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// memory.events counted an oom_kill in the container's cgroup (read before its rmdir).
    pub oom_killed: bool,
    /// What the container left at terminationMessagePath; at most 4,096 bytes.
    pub message: String,
}

impl Exit {
    pub fn with_code(code: i32) -> Exit {
        Exit { code, ..Exit::default() }
    }

    pub fn by_signal(signal: i32) -> Exit {
        Exit { code: 128 + signal, signal: Some(signal), ..Exit::default() }
    }
}

/// Why a container's start failed; the kubelet's waiting reasons, and which half of the birth it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFailure {
    /// The configuration cannot be computed: a reference is missing, runAsNonRoot with uid 0, no command.
    CreateContainerConfigError,
    /// The container could not be made: a mount source is missing, a cgroup or overlay failed.
    CreateContainerError,
    /// The container was made, its program could not be executed: not found, not executable. Counts as an attempt that ended
    /// with 128 (`StartError`).
    RunContainerError,
    /// The image could not be had. `ImagePullBackOff` between tries.
    ErrImagePull,
    /// The image is not there and must not be fetched.
    ErrImageNeverPull,
    InvalidImageName,
}

impl StartFailure {
    pub fn as_str(self) -> &'static str {
        match self {
            StartFailure::CreateContainerConfigError => "CreateContainerConfigError",
            StartFailure::CreateContainerError => "CreateContainerError",
            StartFailure::RunContainerError => "RunContainerError",
            StartFailure::ErrImagePull => "ErrImagePull",
            StartFailure::ErrImageNeverPull => "ErrImageNeverPull",
            StartFailure::InvalidImageName => "InvalidImageName",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<StartFailure> {
        [
            StartFailure::CreateContainerConfigError,
            StartFailure::CreateContainerError,
            StartFailure::RunContainerError,
            StartFailure::ErrImagePull,
            StartFailure::ErrImageNeverPull,
            StartFailure::InvalidImageName,
        ]
        .into_iter()
        .find(|reason| reason.as_str() == name)
    }

    /// The attempt existed, so it has an exit code, uses up its number and obeys the restart policy. What was never made is
    /// tried again under every policy, `Never` too.
    pub fn was_made(self) -> bool {
        matches!(self, StartFailure::RunContainerError)
    }
}

/// What a supervisor started again found of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxFound {
    /// Pause lives, and the network is set up.
    Alive { ips: Vec<String> },
    /// It ended, or its making was cut off; what was left of it has been removed.
    Gone,
}

/// What a supervisor started again found of a container's current attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Found {
    /// It runs, and is ours by pidfd or start time.
    Alive { id: String, pid: i32 },
    /// It ran and ended; `exit` as the keeper kept it, `at` when if that is known. No exit means that nobody knows:
    /// ContainerStatusUnknown, 137.
    Gone { exit: Option<Exit>, at: Option<Now> },
    /// It was never executed: its start was not begun, or was cut off and undone.
    NotStarted,
}
