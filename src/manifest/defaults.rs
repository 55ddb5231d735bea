//! What an API server fills in, so that what podrt shows of a pod is what a cluster would show.

use super::resources;
use super::validate::BUNDLE;
use crate::store::images;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Pod, PodSecurityContext, PodSpec, Probe, Toleration};

/// Source: Kubernetes' pkg/apis/core/v1/defaults.go, SetDefaults_Pod and what it calls.
pub fn set(pod: &mut Pod) {
    let Some(spec) = &mut pod.spec else { return };
    resources::set_defaults(spec);
    text(&mut spec.restart_policy, "Always");
    text(&mut spec.dns_policy, "ClusterFirst");
    text(&mut spec.scheduler_name, "default-scheduler");
    spec.termination_grace_period_seconds.get_or_insert(30);
    spec.enable_service_links.get_or_insert(true);
    spec.security_context.get_or_insert_with(PodSecurityContext::default);
    if spec.host_network == Some(true) {
        host_ports(spec);
    }
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        set_container(container);
    }
    for Toleration { operator, .. } in spec.tolerations.iter_mut().flatten() {
        text(operator, "Equal");
    }
}

fn set_container(container: &mut Container) {
    text(&mut container.termination_message_path, "/dev/termination-log");
    text(&mut container.termination_message_policy, "File");
    text(&mut container.image_pull_policy, pull_policy(container.image.as_deref().unwrap_or_default()));
    container.resources.get_or_insert_default();
    for port in container.ports.iter_mut().flatten() {
        text(&mut port.protocol, "TCP");
    }
    let probes = [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe];
    probes.into_iter().flatten().for_each(set_probe);
    if let Some(lifecycle) = &mut container.lifecycle {
        let hooks = [&mut lifecycle.post_start, &mut lifecycle.pre_stop];
        hooks.into_iter().flatten().filter_map(|hook| hook.http_get.as_mut()).for_each(set_http);
    }
}

fn set_probe(probe: &mut Probe) {
    probe.timeout_seconds.get_or_insert(1);
    probe.period_seconds.get_or_insert(10);
    probe.success_threshold.get_or_insert(1);
    probe.failure_threshold.get_or_insert(3);
    probe.http_get.iter_mut().for_each(set_http);
    if let Some(grpc) = &mut probe.grpc {
        grpc.service.get_or_insert_default();
    }
}

fn set_http(get: &mut HTTPGetAction) {
    text(&mut get.path, "/");
    text(&mut get.scheme, "HTTP");
}

/// Always for the tag latest. Source: SetDefaults_Container; a bundle has no tag, and is here.
fn pull_policy(image: &str) -> &'static str {
    let latest = !image.starts_with(BUNDLE) && images::normal(image).is_ok_and(|full| full.ends_with(":latest"));
    if latest { "Always" } else { "IfNotPresent" }
}

/// In the host's network a container's port is the host's.
fn host_ports(spec: &mut PodSpec) {
    let containers = spec.init_containers.iter_mut().flatten().chain(&mut spec.containers);
    for port in containers.flat_map(|c| c.ports.iter_mut().flatten()) {
        if port.host_port.unwrap_or(0) == 0 {
            port.host_port = Some(port.container_port);
        }
    }
}

fn text(slot: &mut Option<String>, value: &str) {
    if slot.as_deref().is_none_or(str::is_empty) {
        *slot = Some(value.to_owned());
    }
}
