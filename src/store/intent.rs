//! What was begun: written before the first effect, so that whoever comes later can take everything back.

use super::{Process, Roots};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `intent.json` of a sandbox. Every effect lies under a name that stands here before it is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    pub schema: u32,
    pub id: String,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub attempt: u32,
    /// Another boot: every process, mount and cgroup below is gone, and the pids are strangers'.
    pub boot_id: String,
    /// The command that asked.
    pub creator: Process,
    /// Inodes of the creator's mount, net and pid namespaces: the view that paths and pids here belong to.
    pub view: BTreeMap<String, u64>,
    pub roots: Roots,
    /// The pod's cgroup, relative to the cgroup v2 mount.
    pub cgroup: String,
    /// Upper folders and volumes.
    pub data: PathBuf,
    pub logs: PathBuf,
    /// None until it has taken the lock.
    pub supervisor: Option<Process>,
    /// The supervisor's parent; another one after its death.
    #[serde(default)]
    pub keeper: Option<Process>,
    /// None until it is born; it is in a leaf of `cgroup` from its first moment.
    pub pause: Option<Pause>,
    /// What a newer podrt has written and this one does not know: it stays.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, serde_json::Value>,
}

impl Intent {
    /// The folder of one attempt's writable layer. A container's name holds no dot.
    pub fn layer(&self, container: &str, attempt: u32) -> PathBuf {
        self.data.join(format!("{container}.{attempt}"))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    pub process: Process,
    /// Inodes of the namespaces that it holds, by the names of /proc/PID/ns.
    pub namespaces: BTreeMap<String, u64>,
}

pub const SCHEMA: u32 = 1;
