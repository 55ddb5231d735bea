//! The control protocol: `DESIGN.md`, "Control protocol".
//!
//! ```text
//! client                                   supervisor
//!        ─── connect ───────────────────►
//!        ◄── Hello ─────────────────────        once, unasked
//!        ─── Request {id, verb, ...} ───►       any number; answers may overtake each other
//!        ◄── Answer {id, ok|error} ─────        one per request, but for Watch:
//!        ◄── Answer {id, event} ────────        any number, until the connection ends
//! ```
//! A frame is a length (4 bytes, big-endian, at most [`frame::CAP`]) and that many bytes of JSON. Unknown fields are ignored, an
//! unknown verb is answered `Unimplemented`: an old supervisor under a new command still works.

pub mod frame;
pub(super) mod server;

use super::error::Error;
use super::status::{EventRecord, PodStatusModel};
use serde::{Deserialize, Serialize};

/// Raised when an old side could misread a new one.
pub const PROTOCOL: u32 = 1;

/// The socket in the sandbox's folder.
pub const SOCKET: &str = "control.sock";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    /// podrt's version that runs the supervisor.
    pub build: String,
    pub sandbox: String,
    pub boot_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The caller's number; not one that is still unanswered.
    pub id: u64,
    /// A [`Verb`]'s name.
    pub verb: String,
    #[serde(default)]
    pub args: serde_json::Value,
    /// Milliseconds, for what waits; None waits without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// A verb with its arguments; the JSON is `{"verb": NAME, "args": {...}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", content = "args")]
pub enum Verb {
    /// Answer: [`PodStatusModel`].
    Status {},
    /// Answer: a list of [`ContainerInfo`].
    ContainerList {},
    /// Answered when the stage is reached, or can no longer be reached (Aborted).
    Wait { until: Stage },
    /// Ends the pod. `grace` in seconds, None is the spec's. With `wait` the answer comes when nothing is left; else at once.
    DeletePod { grace: Option<u64>, wait: bool },
    /// Answer: an event for every numbered change after `from`, what is kept of the past first. ResourceExhausted: `from` is no
    /// longer kept.
    Watch { from: u64 },
    /// Ends the supervisor and the pod's processes, and keeps the pod's record.
    Shutdown {},
}

/// How far a pod has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The sandbox stands, the request was fine.
    Created,
    /// Every app container was started once, or the pod waits for something that is its own (back-off, an init container that
    /// failed): what a start failure looks like is the pod's status.
    Started,
    /// Condition Ready, or the pod has succeeded.
    Ready,
    /// Phase Succeeded or Failed.
    Finished,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerInfo {
    pub name: String,
    pub attempt: u32,
    /// The container layer's id.
    pub id: String,
    /// The init process as the host sees it, while it runs.
    pub pid: Option<i32>,
    /// The container's cgroup, relative to the cgroup v2 mount.
    pub cgroup: String,
}

/// What a watcher is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchEvent {
    /// Counts up by one over the sandbox's life, from 1.
    pub seq: u64,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The status as it is after the change.
    Status(Box<PodStatusModel>),
    /// An event record, as `describe` shows it.
    Event(EventRecord),
    /// The pod is gone.
    Deleted,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub id: u64,
    #[serde(flatten)]
    pub result: Outcome,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok(serde_json::Value),
    Error(Error),
    Event(WatchEvent),
}

impl Request {
    pub fn new(id: u64, verb: &Verb, deadline_ms: Option<u64>) -> Request {
        let mut value = serde_json::to_value(verb).unwrap_or_default();
        let args = value.get_mut("args").map(serde_json::Value::take).unwrap_or_default();
        let verb = value.get("verb").and_then(|v| v.as_str()).unwrap_or_default().to_string();
        Request { id, verb, args, deadline_ms }
    }

    /// Errors: Unimplemented for a verb, InvalidArgument for arguments, that this build does not know.
    pub fn parse(&self) -> Result<Verb, Error> {
        use super::error::Code;
        const KNOWN: [&str; 6] = ["Status", "ContainerList", "Wait", "DeletePod", "Watch", "Shutdown"];
        if !KNOWN.contains(&self.verb.as_str()) {
            return Err(Error::new(Code::Unimplemented, format!("verb {:?} is not known to this supervisor", self.verb)));
        }
        let args = if self.args.is_null() { serde_json::json!({}) } else { self.args.clone() };
        serde_json::from_value(serde_json::json!({ "verb": self.verb, "args": args }))
            .map_err(|e| Error::new(Code::InvalidArgument, format!("{}: {e}", self.verb)))
    }
}
