//! State -> [`PodStatusModel`]: what is shown of a container, and under which reason it waits.

use super::event::StartFailure;
use super::state::{Life, Setback, State};
use super::{Container, Machine, SECOND};
use crate::pod::status::{ContainerState, ContainerStatus, PodStatusModel, Role, Stamp, Terminated};

impl Machine {
    /// The status as it now is.
    pub fn status(&self) -> PodStatusModel {
        let of = |wanted: fn(Role) -> bool| -> Vec<ContainerStatus> {
            self.containers.iter().filter(|c| wanted(c.role)).map(|c| self.container_status(c)).collect()
        };
        PodStatusModel {
            phase: self.phase,
            reason: self.reason.clone(),
            message: self.message.clone(),
            qos: self.qos,
            start_time: self.began.wall,
            deletion: self.deletion,
            conditions: self.conditions.clone(),
            pod_ips: self.ips.clone(),
            sandbox_attempt: self.sandbox.attempt(),
            init_containers: of(|role| matches!(role, Role::Init | Role::Sidecar)),
            containers: of(|role| role == Role::App),
            ephemeral_containers: of(|role| role == Role::Ephemeral),
        }
    }

    fn container_status(&self, container: &Container) -> ContainerStatus {
        let (state, last_state) = self.shown(container);
        ContainerStatus {
            name: container.name.clone(),
            role: container.role,
            image: container.image.clone(),
            container_id: container.id.clone(),
            pid: container.state.run().map(|run| run.pid),
            state,
            last_state,
            ready: self.is_ready(container),
            started: Some(container.state.is_started()),
            restart_count: container.restart_count(),
        }
    }

    /// `state` and `lastState`.
    fn shown(&self, container: &Container) -> (ContainerState, Option<Terminated>) {
        let last = container.last.clone();
        match &container.state {
            // Not shown as running until its postStart hook has returned.
            State::Running(run) | State::Stopping(run, _) if !run.hooked => (self.waiting(), last),
            State::Running(run) | State::Stopping(run, _) => (ContainerState::Running { started_at: run.since.wall }, last),
            State::Ended => match last {
                Some(end) => (ContainerState::Terminated(end), container.before.clone()),
                None => (self.waiting(), None),
            },
            State::Waiting if self.life == Life::Ended && last.is_none() && self.should_have_run(container) => {
                (ContainerState::Terminated(never_located(self.began.wall)), None)
            }
            State::Waiting | State::Starting { .. } => (self.waiting(), last),
            State::BackOff { delay, why, .. } => {
                let (reason, message) = self.setback(container, *delay, why);
                (ContainerState::Waiting { reason: reason.into(), message }, last)
            }
        }
    }

    /// The waiting reason while there is nothing to say yet.
    fn waiting(&self) -> ContainerState {
        let reason = if self.inits > 0 { "PodInitializing" } else { "ContainerCreating" };
        ContainerState::Waiting { reason: reason.into(), message: String::new() }
    }

    fn setback(&self, container: &Container, delay: u64, why: &Setback) -> (&'static str, String) {
        match why {
            Setback::Crashed => {
                let delay = go_duration(delay);
                let message = format!("back-off {delay} restarting failed container={} pod={}", container.name, self.pod);
                ("CrashLoopBackOff", message)
            }
            Setback::NotMade { reason: StartFailure::ErrImagePull, message } => {
                let message = format!("Back-off pulling image \"{}\": ErrImagePull: {message}", container.image);
                ("ImagePullBackOff", message)
            }
            Setback::NotMade { reason, message } => (reason.as_str(), message.clone()),
        }
    }

    /// In a pod that is over, an app container that never ran counts as lost, unless initialization never got that far.
    fn should_have_run(&self, container: &Container) -> bool {
        container.role == Role::App && (self.inits == 0 || self.apps().any(Container::has_run) || self.passed == self.inits)
    }
}

fn never_located(at: Stamp) -> Terminated {
    Terminated {
        exit_code: 137,
        signal: None,
        reason: "ContainerStatusUnknown".into(),
        message: "The container could not be located when the pod was terminated".into(),
        started_at: None,
        finished_at: at,
        container_id: None,
    }
}

/// Whole seconds as the kubelet's messages write them: `10s`, `1m20s`, `5m0s`, `1h0m0s`; below a second `250ms`.
pub(super) fn go_duration(nanos: u64) -> String {
    let seconds = nanos / SECOND;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{}ms", nanos / 1_000_000),
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}
