//! What is done to a container while it lives: probes, hooks, its stop signal and its own restart rules.

use serde::{Deserialize, Serialize};

/// livenessProbe, readinessProbe, startupProbe, lifecycle and restartPolicyRules of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifecycle {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_start: Option<Handler>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_stop: Option<Handler>,
    /// lifecycle.stopSignal, a number of signal(7); None is the bundle's own, else SIGTERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<i32>,
    /// The first that matches an exit code decides; without one the restart policy does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restart_rules: Vec<RestartRule>,
    #[serde(skip_serializing_if = "ResizeRestarts::none")]
    pub resize_restarts: ResizeRestarts,
}

/// resizePolicy RestartContainer, by resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResizeRestarts {
    pub cpu: bool,
    pub memory: bool,
}

impl ResizeRestarts {
    fn none(&self) -> bool {
        !self.cpu && !self.memory
    }
}

/// One probe: what is done, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub handler: Handler,
    pub timing: Timing,
}

/// The numbers of a probe, defaulted; all but `success` and `failure`, which are counts, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    pub initial_delay: u32,
    pub period: u32,
    pub timeout: u32,
    pub success: u32,
    pub failure: u32,
    /// The probe's own terminationGracePeriodSeconds; None is the pod's.
    pub grace: Option<u64>,
}

/// What a probe or a hook does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handler {
    /// A command in the container; not run by a shell.
    Exec {
        command: Vec<String>,
    },
    Http(HttpGet),
    /// As a hook it is deprecated, and fails whenever it is run.
    Tcp {
        host: Option<String>,
        port: u16,
    },
    /// grpc.health.v1 Check; probes only.
    Grpc {
        port: u16,
        service: String,
    },
    /// Hooks only.
    Sleep {
        seconds: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpGet {
    pub https: bool,
    /// An IP address or `localhost`, reached from the host's network; None is the pod itself, in its own.
    pub host: Option<String>,
    pub port: u16,
    /// Begins with `/`; with its query.
    pub path: String,
    /// In the order of the manifest; checked to be tokens and printable text.
    pub headers: Vec<(String, String)>,
}

/// One of restartPolicyRules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartRule {
    /// operator In: one of `codes`; else NotIn: none of them.
    pub within: bool,
    pub codes: Vec<i32>,
}

impl RestartRule {
    /// Whether a container that ended with `code` is restarted by this rule.
    pub fn matches(&self, code: i32) -> bool {
        self.codes.contains(&code) == self.within
    }
}
