//! The machine's status as a v1 PodStatus: what every Kubernetes client reads.
//!
//! Source: Kubernetes API v1.36, core/v1 PodStatus. What podrt does not know (an image's id) is left out or
//! empty, as the API has it; nothing is made up.

use crate::pod::spec::{PodSpec, Qos};
use crate::pod::status::{self as model, PodStatusModel, Role, Stamp};
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The scheme of a container's id, as `containerd://` is another's.
const SCHEME: &str = "podrt://";

/// The v1 PodStatus as JSON.
pub fn status_json(spec: &PodSpec, status: &PodStatusModel) -> serde_json::Value {
    serde_json::to_value(pod_status(spec, status)).unwrap_or_default()
}

/// The v1 PodStatus as the text of `status.json`.
pub fn write_status(spec: &PodSpec, status: &PodStatusModel) -> Vec<u8> {
    serde_json::to_vec(&pod_status(spec, status)).unwrap_or_default()
}

fn pod_status(spec: &PodSpec, status: &PodStatusModel) -> k8s::PodStatus {
    let ips = || status.pod_ips.iter().cloned();
    let host_ips = &spec.sandbox.network.host_ips;
    let list = |containers: &[model::ContainerStatus]| {
        let list: Vec<_> = containers.iter().map(|c| container(spec, c)).collect();
        (!list.is_empty()).then_some(list)
    };
    k8s::PodStatus {
        phase: Some(status.phase.as_str().to_owned()),
        reason: said(&status.reason),
        message: said(&status.message),
        observed_generation: Some(1),
        qos_class: Some(qos(status.qos).to_owned()),
        start_time: Some(time(status.start_time)),
        conditions: (!status.conditions.is_empty()).then(|| status.conditions.iter().map(condition).collect()),
        host_ip: host_ips.first().cloned(),
        host_ips: (!host_ips.is_empty()).then(|| host_ips.iter().map(|ip| k8s::HostIP { ip: ip.clone() }).collect()),
        pod_ip: ips().next(),
        pod_ips: (!status.pod_ips.is_empty()).then(|| ips().map(|ip| k8s::PodIP { ip }).collect()),
        init_container_statuses: list(&status.init_containers),
        container_statuses: list(&status.containers),
        ephemeral_container_statuses: list(&status.ephemeral_containers),
        ..k8s::PodStatus::default()
    }
}

fn condition(condition: &model::Condition) -> k8s::PodCondition {
    k8s::PodCondition {
        type_: condition.kind.as_str().to_owned(),
        status: condition.status.as_str().to_owned(),
        reason: said(&condition.reason),
        message: said(&condition.message),
        last_transition_time: Some(time(condition.last_transition)),
        observed_generation: Some(1),
        ..k8s::PodCondition::default()
    }
}

fn container(spec: &PodSpec, status: &model::ContainerStatus) -> k8s::ContainerStatus {
    k8s::ContainerStatus {
        name: status.name.clone(),
        image: status.image.clone(),
        container_id: status.container_id.as_deref().map(id),
        state: Some(state(&status.state)),
        last_state: Some(k8s::ContainerState { terminated: status.last_state.as_ref().map(terminated), ..Default::default() }),
        ready: status.ready,
        started: status.started,
        restart_count: i32::try_from(status.restart_count).unwrap_or(i32::MAX),
        user: user(spec, status),
        ..k8s::ContainerStatus::default()
    }
}

/// The identity that the first process starts with, where the manifest says all of it; the image's is the container's to know.
fn user(spec: &PodSpec, status: &model::ContainerStatus) -> Option<k8s::ContainerUser> {
    let security = &spec.all_containers().find(|c| c.name == status.name && status.role != Role::Ephemeral)?.security;
    let (uid, gid) = (security.run_as_user?, security.run_as_group?);
    let groups: Vec<i64> = security.supplemental_groups.iter().map(|g| i64::from(*g)).collect();
    Some(k8s::ContainerUser {
        linux: Some(k8s::LinuxContainerUser {
            uid: uid.into(),
            gid: gid.into(),
            supplemental_groups: (!groups.is_empty()).then_some(groups),
        }),
    })
}

fn state(state: &model::ContainerState) -> k8s::ContainerState {
    let mut out = k8s::ContainerState::default();
    match state {
        model::ContainerState::Waiting { reason, message } => {
            out.waiting = Some(k8s::ContainerStateWaiting { reason: said(reason), message: said(message) });
        }
        model::ContainerState::Running { started_at } => {
            out.running = Some(k8s::ContainerStateRunning { started_at: Some(time(*started_at)) });
        }
        model::ContainerState::Terminated(end) => out.terminated = Some(terminated(end)),
    }
    out
}

fn terminated(end: &model::Terminated) -> k8s::ContainerStateTerminated {
    k8s::ContainerStateTerminated {
        exit_code: end.exit_code,
        signal: end.signal,
        reason: said(&end.reason),
        message: said(&end.message),
        started_at: end.started_at.map(time),
        finished_at: Some(time(end.finished_at)),
        container_id: end.container_id.as_deref().map(id),
    }
}

fn id(id: &str) -> String {
    format!("{SCHEME}{id}")
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn time(stamp: Stamp) -> Time {
    Time(stamp.timestamp())
}

fn qos(qos: Qos) -> &'static str {
    match qos {
        Qos::Guaranteed => "Guaranteed",
        Qos::Burstable => "Burstable",
        Qos::BestEffort => "BestEffort",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Fresh, Options, Source, load};
    use crate::pod::status::{Condition, ConditionKind, ContainerState, ContainerStatus, Phase, Terminated, Truth};
    use serde_json::json;

    const MANIFEST: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: app\n    \
        image: bundle:./b\n    securityContext: {runAsUser: 1000, runAsGroup: 7}\n";

    fn spec() -> PodSpec {
        let source = Source::Text { name: "p".to_owned(), text: MANIFEST.to_owned(), folder: "/m".into() };
        let options = Options { fresh: Fresh::Fixed, ..Options::default() };
        let mut spec = load(&[source], &options).unwrap_or_else(|e| panic!("{e}")).pods.remove(0).spec;
        spec.sandbox.network.host_ips = vec!["192.0.2.9".to_owned(), "2001:db8::9".to_owned()];
        spec
    }

    fn container(state: ContainerState, last_state: Option<Terminated>) -> ContainerStatus {
        ContainerStatus {
            name: "app".to_owned(),
            role: Role::App,
            image: "bundle:./b".to_owned(),
            container_id: Some("abc".to_owned()),
            pid: Some(7),
            state,
            last_state,
            ready: true,
            started: Some(true),
            restart_count: 2,
        }
    }

    fn status(container: ContainerStatus) -> PodStatusModel {
        PodStatusModel {
            phase: Phase::Running,
            reason: String::new(),
            message: String::new(),
            qos: Qos::BestEffort,
            start_time: Stamp::from_seconds(0),
            deletion: None,
            conditions: vec![Condition {
                kind: ConditionKind::Ready,
                status: Truth::False,
                reason: "ContainersNotReady".to_owned(),
                message: "containers with unready status: [app]".to_owned(),
                last_transition: Stamp(1_500_000_000),
            }],
            pod_ips: vec!["10.0.0.2".to_owned(), "fd00::2".to_owned()],
            sandbox_attempt: 0,
            init_containers: Vec::new(),
            containers: vec![container],
            ephemeral_containers: Vec::new(),
        }
    }

    fn oom() -> Terminated {
        Terminated {
            exit_code: 137,
            signal: Some(9),
            reason: "OOMKilled".to_owned(),
            message: String::new(),
            started_at: Some(Stamp::from_seconds(10)),
            finished_at: Stamp::from_seconds(20),
            container_id: Some("old".to_owned()),
        }
    }

    #[test]
    fn a_status_is_what_kubectl_reads() {
        let model = status(container(ContainerState::Running { started_at: Stamp::from_seconds(30) }, Some(oom())));
        assert_eq!(
            status_json(&spec(), &model),
            json!({
                "phase": "Running",
                "observedGeneration": 1,
                "qosClass": "BestEffort",
                "startTime": "1970-01-01T00:00:00Z",
                "hostIP": "192.0.2.9",
                "hostIPs": [{"ip": "192.0.2.9"}, {"ip": "2001:db8::9"}],
                "podIP": "10.0.0.2",
                "podIPs": [{"ip": "10.0.0.2"}, {"ip": "fd00::2"}],
                "conditions": [{
                    "type": "Ready", "status": "False", "reason": "ContainersNotReady", "observedGeneration": 1,
                    "message": "containers with unready status: [app]", "lastTransitionTime": "1970-01-01T00:00:01Z",
                }],
                "containerStatuses": [{
                    "name": "app", "image": "bundle:./b", "imageID": "", "containerID": "podrt://abc",
                    "ready": true, "started": true, "restartCount": 2,
                    "state": {"running": {"startedAt": "1970-01-01T00:00:30Z"}},
                    "lastState": {"terminated": {
                        "exitCode": 137, "signal": 9, "reason": "OOMKilled", "containerID": "podrt://old",
                        "startedAt": "1970-01-01T00:00:10Z", "finishedAt": "1970-01-01T00:00:20Z",
                    }},
                    "user": {"linux": {"uid": 1000, "gid": 7}},
                }],
            })
        );
    }

    #[test]
    fn a_container_that_never_ran_has_no_start() {
        let waiting = ContainerState::Waiting { reason: "ContainerCreating".to_owned(), message: String::new() };
        let mut never = container(waiting, None);
        (never.container_id, never.started, never.ready) = (None, None, false);
        let json = status_json(&spec(), &status(never));
        let container = &json["containerStatuses"][0];
        assert_eq!(container["state"], json!({"waiting": {"reason": "ContainerCreating"}}));
        assert_eq!(container["lastState"], json!({}));
        assert!(container.get("started").is_none() && container.get("containerID").is_none());

        let failed = Terminated { started_at: None, reason: "StartError".to_owned(), ..oom() };
        let json = status_json(&spec(), &status(self::container(ContainerState::Terminated(failed), None)));
        assert!(json["containerStatuses"][0]["state"]["terminated"].get("startedAt").is_none());
    }

    #[test]
    fn the_text_and_the_value_are_one() {
        let model = status(container(ContainerState::Terminated(oom()), None));
        let text = write_status(&spec(), &model);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).ok(), Some(status_json(&spec(), &model)));
        assert!(serde_json::from_slice::<k8s::PodStatus>(&text).is_ok());
    }
}
