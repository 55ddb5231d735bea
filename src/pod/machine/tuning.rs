//! The numbers that Kubernetes' configuration or podrt's may turn.

use super::clock::SECOND;
use crate::pod::spec::PodSpec;
use serde::{Deserialize, Serialize};

/// All times in nanoseconds. The defaults are the kubelet's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tuning {
    /// The wait before the second restart; it doubles with every further one.
    pub backoff_first: u64,
    /// The longest wait (`crashLoopBackOff.maxContainerRestartPeriod`).
    pub backoff_max: u64,
    /// A container that ran for longer than this is forgiven what it did before.
    pub backoff_reset: u64,
    /// What a container still gets whose stop signal is due only when the pod's grace period is over already (a sidecar whose
    /// turn had not come).
    pub last_grace: u64,
    /// How many different events are kept; the oldest goes first.
    pub events_max: usize,
}

impl Tuning {
    /// With what the pod's own spec turns. A maximum below the first wait is the first wait as well, as in the kubelet.
    pub fn of(spec: &PodSpec) -> Tuning {
        let tuning = Tuning::default();
        let max = spec.max_restart_period.map_or(tuning.backoff_max, |seconds| seconds.saturating_mul(SECOND));
        Tuning { backoff_max: max, backoff_first: tuning.backoff_first.min(max), ..tuning }
    }
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            backoff_first: 10 * SECOND,
            backoff_max: 300 * SECOND,
            backoff_reset: 600 * SECOND,
            last_grace: 2 * SECOND,
            events_max: 100,
        }
    }
}
