//! The control protocol: `DESIGN.md`, "Control protocol"; for those who write a client, `docs/protocol.md`.
//!
//! ```text
//! client                                   supervisor
//!        ─── connect ───────────────────►
//!        ◄── Hello ─────────────────────        once, unasked
//!        ─── Request {id, verb, ...} ───►       any number; answers may overtake each other
//!        ◄── Answer {id, ok|error} ─────        one per request, but for Watch:
//!        ◄── Answer {id, event} ────────        any number, until the connection ends or the watch is cancelled
//! ```
//! A frame is a length (4 bytes, big-endian, at most [`frame::CAP`]) and that many bytes of JSON. Unknown fields are ignored, an
//! unknown verb is answered `Unimplemented`: an old supervisor under a new command still works. Fds (SCM_RIGHTS) travel with the
//! first byte of the frame that speaks of them, which says how many they are.

pub mod frame;
mod outbox;
pub(super) mod server;
mod verb;

pub use verb::{Stage, Verb};

use super::error::{Code, Error};
use super::status::{ContainerStatus, EventRecord, PodStatusModel};
use crate::cgroup::Stats;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Raised when an old side could misread a new one.
pub const PROTOCOL: u32 = 1;

/// The socket in the sandbox's folder.
pub const SOCKET: &str = "control.sock";

/// The longest idempotency token, bytes.
pub const TOKEN: usize = 128;

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
    /// A request that changes something is carried out once for each token, however often it is sent; the others get the same answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// How many fds come with it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fds: u32,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
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

/// The pod's processes, as the host numbers them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pids {
    pub supervisor: i32,
    pub keeper: Option<i32>,
    pub pause: Option<i32>,
    /// Each running container's first process.
    pub containers: BTreeMap<String, i32>,
}

/// A command that runs in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Counts up over the supervisor's life.
    pub session: u64,
    /// As the host sees it.
    pub pid: i32,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// 0..=255; 128 + n after signal n.
    pub exit_code: i32,
    pub signal: Option<i32>,
    /// It was ended because its time was up.
    pub timed_out: bool,
    /// What it printed, stdout and stderr as they came, up to `capture` bytes; what is not UTF-8 is replaced.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// There was more.
    #[serde(default)]
    pub truncated: bool,
}

/// The sandbox itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxDetail {
    pub id: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// How often it has been made anew.
    pub attempt: u32,
    pub ready: bool,
    pub ips: Vec<String>,
    /// Relative to the cgroup v2 mount.
    pub cgroup: String,
    /// Inodes of the namespaces that pause holds.
    pub namespaces: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerDetail {
    /// None before the first attempt was made.
    pub info: Option<ContainerInfo>,
    /// It is made, and its program does not run yet.
    pub held: bool,
    pub paused: bool,
    pub status: ContainerStatus,
}

/// What the cgroups have counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodStats {
    pub pod: Option<Stats>,
    /// Of each that runs.
    pub containers: BTreeMap<String, Stats>,
}

/// What a client is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedStreams {
    /// The container has a terminal: `stdin` is its master, and what it prints comes by `stdout` alone.
    pub tty: bool,
    /// What the fds are, in their order: `stdin`, `stdout`, `stderr`.
    pub streams: Vec<String>,
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
    /// The request's; 0 for what is said of the connection itself.
    pub id: u64,
    #[serde(flatten)]
    pub result: Outcome,
    /// How many fds come with it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fds: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok(serde_json::Value),
    Error(Error),
    Event(WatchEvent),
}

impl Outcome {
    pub fn of<T: Serialize>(value: &T) -> Outcome {
        match serde_json::to_value(value) {
            Ok(value) => Outcome::Ok(value),
            Err(e) => Outcome::Error(Error::internal(format!("encode: {e}"))),
        }
    }
}

impl<T: Serialize> From<Result<T, Error>> for Outcome {
    fn from(result: Result<T, Error>) -> Outcome {
        match result {
            Ok(value) => Outcome::of(&value),
            Err(e) => Outcome::Error(e),
        }
    }
}

impl Request {
    pub fn new(id: u64, verb: &Verb, deadline_ms: Option<u64>) -> Request {
        let mut value = serde_json::to_value(verb).unwrap_or_default();
        let args = value.get_mut("args").map(serde_json::Value::take).unwrap_or_default();
        let verb = value.get("verb").and_then(|v| v.as_str()).unwrap_or_default().to_string();
        Request { id, verb, args, deadline_ms, token: None, fds: 0 }
    }

    /// Errors: Unimplemented for a verb, InvalidArgument for arguments, that this build does not know.
    pub fn parse(&self) -> Result<Verb, Error> {
        if !Verb::NAMES.contains(&self.verb.as_str()) {
            return Err(Error::new(Code::Unimplemented, format!("verb {:?} is not known to this supervisor", self.verb)));
        }
        if self.token.as_ref().is_some_and(|t| t.is_empty() || t.len() > TOKEN) {
            return Err(Error::new(Code::InvalidArgument, format!("token: want 1 to {TOKEN} bytes")).in_field("token"));
        }
        let args = if self.args.is_null() { serde_json::json!({}) } else { self.args.clone() };
        serde_json::from_value(serde_json::json!({ "verb": self.verb, "args": args }))
            .map_err(|e| Error::new(Code::InvalidArgument, format!("{}: {e}", self.verb)).in_field("args"))
    }
}
