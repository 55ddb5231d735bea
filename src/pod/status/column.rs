//! The columns of `get pods`, as kubectl's printer works them out of a status.

use super::{ConditionKind, ContainerState, ContainerStatus, Phase, PodStatusModel, Role, Stamp, Terminated, Truth};

/// READY, STATUS and RESTARTS of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `1/2`: ready of all; sidecars count, init containers do not.
    pub ready: String,
    /// `Running`, `Init:0/1`, `CrashLoopBackOff`, `Terminating`, ...
    pub status: String,
    /// `0`, or `3 (5m ago)` with the time since the latest end.
    pub restarts: String,
}

/// What `get pods` shows; `now` only for the time since the latest restart.
pub fn column(pod: &PodStatusModel, now: Stamp) -> Column {
    let sidecars = || pod.init_containers.iter().filter(|c| c.role == Role::Sidecar);
    let total = sidecars().count() + pod.containers.len();
    let ready = sidecars().filter(|c| c.ready).count() + pod.containers.iter().filter(|c| c.ready && c.is_running()).count();
    let initializing = init_status(pod);
    let begun = initializing.is_none() || pod.condition(&ConditionKind::Initialized).is_some_and(|c| c.status == Truth::True);

    let (status, restarts) = match initializing {
        // Only those up to the one that is being waited for count.
        Some((index, waits)) if !begun => (Some(waits), restarts(pod.init_containers.iter().take(index + 1), now)),
        waits => (app_status(pod).or(waits.map(|(_, w)| w)), restarts(sidecars().chain(&pod.containers), now)),
    };
    let of_pod = if pod.reason.is_empty() { pod.phase.as_str() } else { pod.reason.as_str() };
    let status = match pod.phase {
        Phase::Unknown => "Unknown".into(),
        phase if pod.deletion.is_some() && !phase.is_terminal() => "Terminating".into(),
        _ => status.unwrap_or_else(|| of_pod.into()),
    };
    Column { ready: format!("{ready}/{total}"), status, restarts }
}

/// The first init container that is not done, and what it says; None when all are.
fn init_status(pod: &PodStatusModel) -> Option<(usize, String)> {
    let count = pod.init_containers.len();
    let done = |c: &ContainerStatus| match &c.state {
        ContainerState::Terminated(end) if end.exit_code == 0 => true,
        _ => c.role == Role::Sidecar && c.started == Some(true),
    };
    let (index, container) = pod.init_containers.iter().enumerate().find(|(_, c)| !done(c))?;
    let waits = match &container.state {
        ContainerState::Terminated(end) => format!("Init:{}", reason_of(end)),
        ContainerState::Waiting { reason, .. } if !reason.is_empty() && reason != "PodInitializing" => format!("Init:{reason}"),
        _ => format!("Init:{index}/{count}"),
    };
    Some((index, waits))
}

/// What the first app container with something to say says.
fn app_status(pod: &PodStatusModel) -> Option<String> {
    let status = pod.containers.iter().find_map(|c| match &c.state {
        ContainerState::Waiting { reason, .. } => (!reason.is_empty()).then(|| reason.clone()),
        ContainerState::Terminated(end) => Some(reason_of(end)),
        ContainerState::Running { .. } => None,
    })?;
    if status == "Completed" && pod.containers.iter().any(|c| c.ready && c.is_running()) {
        let ready = pod.condition(&ConditionKind::Ready).is_some_and(|c| c.status == Truth::True);
        return Some(if ready { "Running" } else { "NotReady" }.into());
    }
    Some(status)
}

fn reason_of(end: &Terminated) -> String {
    match (end.reason.as_str(), end.signal) {
        ("", Some(signal)) => format!("Signal:{signal}"),
        ("", None) => format!("ExitCode:{}", end.exit_code),
        (reason, _) => reason.into(),
    }
}

fn restarts<'a>(containers: impl Iterator<Item = &'a ContainerStatus>, now: Stamp) -> String {
    let (count, latest) = containers.fold((0, None), |(count, latest), c| {
        (count + u64::from(c.restart_count), latest.max(c.last_state.as_ref().map(|end| end.finished_at)))
    });
    match latest {
        Some(at) if count > 0 => format!("{count} ({} ago)", duration(now.seconds_since(at))),
        _ => count.to_string(),
    }
}

/// A time span as `AGE` shows it: at most two units, fewer the longer it is. `seconds` -> `119s`, `2m5s`, `15m`, `3h5m`, `2d3h`.
pub fn duration(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{small_unit}"),
    };
    match () {
        _ if seconds < 120 => format!("{seconds}s"),
        _ if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        _ if minutes < 180 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 192 => two(days, "d", hours % 24, "h"),
        _ if years < 2 => format!("{days}d"),
        _ if years < 8 => two(years, "y", days % 365, "d"),
        _ => format!("{years}y"),
    }
}
