//! The pod's status as plain data: what the [machine](super::machine) says, what `manifest` writes as a v1 PodStatus, and
//! what [`column`](fn@column) prints as `kubectl get` does. No Kubernetes types here; the words are Kubernetes' own.
//!
//! Source: Kubernetes API v1.36, core/v1 PodStatus, ContainerStatus, PodCondition and Event; "Pod Lifecycle".

mod column;
mod stamp;

pub use column::{Column, column, duration};
pub use stamp::Stamp;

use super::spec::Qos;
use serde::{Deserialize, Serialize};

/// Everything about a pod that changes while it lives. The spec (image names, ports, resources) is joined in by the writer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodStatusModel {
    pub phase: Phase,
    /// status.reason: `DeadlineExceeded`; empty when there is nothing to say.
    pub reason: String,
    /// status.message, one sentence.
    pub message: String,
    pub qos: Qos,
    /// status.startTime: when the pod was taken on, before any container.
    pub start_time: Stamp,
    /// metadata.deletionTimestamp and deletionGracePeriodSeconds, once deletion was asked for. What `Terminating` is shown by.
    pub deletion: Option<Deletion>,
    /// In Kubernetes' order: PodReadyToStartContainers, Initialized, Ready, ContainersReady, PodScheduled.
    pub conditions: Vec<Condition>,
    /// status.podIPs, IPv4 first if there is one; empty while there is no sandbox.
    pub pod_ips: Vec<String>,
    /// The sandbox's attempt, from 0: how often it has been made anew.
    pub sandbox_attempt: u32,
    /// status.initContainerStatuses, sidecars included, in the spec's order.
    pub init_containers: Vec<ContainerStatus>,
    /// status.containerStatuses in the spec's order.
    pub containers: Vec<ContainerStatus>,
    /// status.ephemeralContainerStatuses; empty until something adds one.
    #[serde(default)]
    pub ephemeral_containers: Vec<ContainerStatus>,
}

/// status.phase ("Pod Lifecycle: Pod phase").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Taken on; something has not been started yet.
    Pending,
    /// All containers were started; at least one runs or is on its way back.
    Running,
    /// All containers ended with 0 and will not come back.
    Succeeded,
    /// All containers ended, one of them in failure, and will not come back.
    Failed,
    /// The supervisor is gone and the state cannot be proved. Never said by the machine: by the reader of its remains.
    Unknown,
}

impl Phase {
    /// A terminal phase is never left.
    pub fn is_terminal(self) -> bool {
        matches!(self, Phase::Succeeded | Phase::Failed)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
            Phase::Unknown => "Unknown",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// metadata.deletionTimestamp: when the grace period is over.
    pub at: Stamp,
    /// metadata.deletionGracePeriodSeconds.
    pub grace_seconds: u64,
}

/// One of status.conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub kind: ConditionKind,
    pub status: Truth,
    /// CamelCase, empty while the status is True (but for `PodCompleted`).
    pub reason: String,
    pub message: String,
    /// When `status` last changed its value; a new reason alone does not move it.
    pub last_transition: Stamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionKind {
    PodReadyToStartContainers,
    Initialized,
    Ready,
    ContainersReady,
    PodScheduled,
    /// A readiness gate's condition type.
    Custom(String),
}

impl ConditionKind {
    /// Those that the machine works out.
    pub const OWN: [ConditionKind; 5] = [
        ConditionKind::PodReadyToStartContainers,
        ConditionKind::Initialized,
        ConditionKind::Ready,
        ConditionKind::ContainersReady,
        ConditionKind::PodScheduled,
    ];

    /// The condition's `type`.
    pub fn as_str(&self) -> &str {
        match self {
            ConditionKind::PodReadyToStartContainers => "PodReadyToStartContainers",
            ConditionKind::Initialized => "Initialized",
            ConditionKind::Ready => "Ready",
            ConditionKind::ContainersReady => "ContainersReady",
            ConditionKind::PodScheduled => "PodScheduled",
            ConditionKind::Custom(kind) => kind,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    pub fn as_str(self) -> &'static str {
        match self {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}

/// What part a container plays in its pod; of the spec, not of the state, and here because what is shown depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Runs to success before what follows it.
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    App,
    Ephemeral,
}

/// One of status.containerStatuses, initContainerStatuses or ephemeralContainerStatuses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerStatus {
    pub name: String,
    pub role: Role,
    /// As the spec writes it.
    pub image: String,
    /// The runtime's id of the latest attempt that was made, without `podrt://`; None before the first.
    pub container_id: Option<String>,
    /// The host's pid of the init process, while it runs.
    pub pid: Option<i32>,
    pub state: ContainerState,
    /// lastState: how the attempt before this one ended.
    pub last_state: Option<Terminated>,
    pub ready: bool,
    /// Its startup is over: running, postStart done, the startup probe passed. The machine always says; None is the API's null.
    pub started: Option<bool>,
    /// How often it was made again; also the number of the current attempt and of its log file.
    pub restart_count: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ContainerState {
    Waiting {
        /// `ContainerCreating`, `PodInitializing`, `CrashLoopBackOff`, `CreateContainerConfigError`, ...
        reason: String,
        message: String,
    },
    Running {
        started_at: Stamp,
    },
    Terminated(Terminated),
}

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terminated {
    /// 0..=255; 128 + n for a signal.
    pub exit_code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`.
    pub reason: String,
    /// The termination message, or why the start failed; at most 4,096 bytes.
    pub message: String,
    /// None where the attempt never ran (`StartError`) or cannot be known.
    pub started_at: Option<Stamp>,
    pub finished_at: Stamp,
    pub container_id: Option<String>,
}

/// A record of something that happened, as `kubectl describe` and `kubectl get events` show it; alike ones are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    pub kind: EventKind,
    /// The kubelet's word: `Created`, `Started`, `Killing`, `BackOff`, `Failed`, ...
    pub reason: String,
    pub message: String,
    /// What it is about: a container's name, or None for the pod (involvedObject.fieldPath is built from name and role).
    pub container: Option<(Role, String)>,
    pub count: u32,
    pub first: Stamp,
    pub last: Stamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    Normal,
    Warning,
}

impl EventKind {
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Normal => "Normal",
            EventKind::Warning => "Warning",
        }
    }
}

impl EventRecord {
    /// involvedObject.fieldPath: `spec.containers{app}`; empty for the pod itself.
    pub fn field_path(&self) -> String {
        match &self.container {
            None => String::new(),
            Some((Role::App, name)) => format!("spec.containers{{{name}}}"),
            Some((Role::Ephemeral, name)) => format!("spec.ephemeralContainers{{{name}}}"),
            Some((_, name)) => format!("spec.initContainers{{{name}}}"),
        }
    }
}

impl PodStatusModel {
    /// Every container's status: init containers and sidecars, app containers, ephemeral ones.
    pub fn all_containers(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.init_containers.iter().chain(&self.containers).chain(&self.ephemeral_containers)
    }

    pub fn container(&self, name: &str) -> Option<&ContainerStatus> {
        self.all_containers().find(|c| c.name == name)
    }

    pub fn condition(&self, kind: &ConditionKind) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == *kind)
    }
}

impl ContainerStatus {
    /// The latest end: of the current attempt if it has ended, else of the one before.
    pub fn last_end(&self) -> Option<&Terminated> {
        match &self.state {
            ContainerState::Terminated(end) => Some(end),
            _ => self.last_state.as_ref(),
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self.state, ContainerState::Running { .. })
    }
}
