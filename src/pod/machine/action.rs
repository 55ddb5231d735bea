//! What the machine asks for.

use super::handler::Purpose;
use crate::pod::status::EventRecord;
use serde::{Deserialize, Serialize};

/// To be carried out in order. None of them blocks the supervisor: their results come back as events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Make pause and its namespaces, network and cgroup. Answer: `SandboxReady` or `SandboxFailed`.
    CreateSandbox { attempt: u32 },
    /// End pause and undo what the sandbox made. Asked only when no container lives. Answer: `SandboxStopped`, always.
    StopSandbox { attempt: u32 },
    /// Make and execute a container. `attempt` is its restart count and names its log file; it is the same again when the last
    /// one was never made. Answer: `ContainerStarted` or `ContainerStartFailed`.
    StartContainer { name: String, attempt: u32 },
    /// Run a probe's or a hook's handler, and end it when `timeout` (nanoseconds; None is no limit) is over. Answer: `HandlerDone`,
    /// unless the container ends meanwhile; a `StopContainer` or `KillContainer` gives up its hooks.
    RunHandler { name: String, attempt: u32, purpose: Purpose, timeout: Option<u64> },
    /// Send the stop signal to the init process. The machine keeps the time and sends `KillContainer` when it is up.
    StopContainer {
        name: String,
        attempt: u32,
        /// lifecycle.stopSignal; None is the bundle's own, else SIGTERM.
        signal: Option<i32>,
        /// Nanoseconds until `KillContainer` comes, if nothing shortens it: for people and hooks, not for a timer.
        grace: u64,
    },
    /// End everything in the container's cgroup, now. Answer, as for `StopContainer`: `ContainerExited`.
    KillContainer { name: String, attempt: u32 },
    /// The one timer: send `Event::Timer` when the monotonic clock reaches it (nanoseconds); None disarms. Only sent when it
    /// changes.
    SetTimer(Option<u64>),
    /// Something happened that a watcher may want to see; [`Machine::events`](super::Machine::events) has it, counted.
    Event(EventRecord),
    /// [`Machine::status`](super::Machine::status) or the state worth storing has changed; comes once, last but for `Done`.
    StatusChanged,
    /// Nothing of the pod is left running and nothing will start: the last action of the pod's life. `deleted`: its folder may go
    /// too; else it stays to be read, and a `Delete` that follows is answered with `Done { deleted: true }`.
    Done { deleted: bool },
}
