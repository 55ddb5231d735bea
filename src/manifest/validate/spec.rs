//! spec: what concerns the pod as a whole.

use super::super::names;
use super::super::node::Node;
use super::super::resources::all_containers;
use super::super::walk::Findings;
use super::{Check, container, network, resources, security, volumes};
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// Containers of one pod, of both kinds. Kubernetes has no bound but the size of an object; a host has.
const MAX_CONTAINERS: usize = 1000;

/// Said before anything is made of them: what is far too much is refused at once.
pub fn too_many_containers(json: &serde_json::Value, root: &Node<'_>, findings: &mut Findings<'_>) -> bool {
    let count = |list: &str| json["spec"][list].as_array().map_or(0, Vec::len);
    let total = count("initContainers") + count("containers");
    if total > MAX_CONTAINERS {
        let problem = format!("too many containers (got {total}, want at most {MAX_CONTAINERS})");
        findings.error(root.locate("spec.containers"), "spec.containers", problem);
    }
    total > MAX_CONTAINERS
}

pub fn check(check: &mut Check<'_, '_, '_>, spec: &PodSpec) {
    let init = spec.init_containers.as_deref().unwrap_or(&[]);
    let named = |(list, i): (&str, usize)| format!("spec.{list}[{i}].name");
    check.unique(
        "container name",
        all_containers(spec)
            .enumerate()
            .map(|(i, c)| {
                let at = if i < init.len() { ("initContainers", i) } else { ("containers", i - init.len()) };
                (named(at), c.name.as_str())
            })
            .filter(|(_, name)| !name.is_empty()),
    );
    for (i, c) in init.iter().enumerate() {
        container::check(check, spec, c, &format!("spec.initContainers[{i}]"));
    }
    for (i, c) in spec.containers.iter().enumerate() {
        container::check(check, spec, c, &format!("spec.containers[{i}]"));
    }
    ports(check, init, "initContainers");
    ports(check, &spec.containers, "containers");
    numbers(check, spec);
    sharing(check, spec);
    network::check(check, spec);
    volumes::check_pod(check, spec);
    security::check_pod(check, spec);
    resources::check_pod(check, spec);
}

fn numbers(check: &mut Check<'_, '_, '_>, spec: &PodSpec) {
    const LONGEST: i64 = i32::MAX as i64;
    if let Some(seconds) = spec.termination_grace_period_seconds {
        check.range("spec.terminationGracePeriodSeconds", seconds, 0, LONGEST);
    }
    if let Some(seconds) = spec.active_deadline_seconds {
        check.range("spec.activeDeadlineSeconds", seconds, 1, LONGEST);
    }
    for (i, gate) in spec.readiness_gates.iter().flatten().enumerate() {
        let field = format!("spec.readinessGates[{i}].conditionType");
        check.text(&field, "condition type", &gate.condition_type, names::qualified);
    }
}

fn sharing(check: &mut Check<'_, '_, '_>, spec: &PodSpec) {
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
        check.error("spec.shareProcessNamespace", "cannot be true together with spec.hostPID");
    }
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        check.error("spec.os.name", "this is a Linux host (got windows, want linux)");
    }
}

/// Names are unique in a container, host ports in the pod; a container port named twice is only odd.
fn ports(check: &mut Check<'_, '_, '_>, containers: &[Container], list: &str) {
    let mut taken = std::collections::HashMap::new();
    let mut open = std::collections::HashMap::new();
    for (i, container) in containers.iter().enumerate() {
        for (j, port) in container.ports.iter().flatten().enumerate() {
            let at = format!("spec.{list}[{i}].ports[{j}]");
            let protocol = port.protocol.clone().unwrap_or_default();
            let host_ip = port.host_ip.clone().unwrap_or_default();
            if let Some(number) = port.host_port.filter(|p| *p > 0) {
                let field = if check.root.locate(&format!("{at}.hostPort")) == check.root.locate(&at) {
                    "containerPort"
                } else {
                    "hostPort"
                };
                let key = (number, protocol.clone(), host_ip);
                if let Some(first) = taken.get(&key) {
                    check.error(&format!("{at}.{field}"), format!("the host's port {number}/{protocol} is taken by {first}"));
                } else {
                    taken.insert(key, at.clone());
                }
            } else if let Some(first) = open.get(&(port.container_port, protocol.clone())) {
                check.warn(
                    &at,
                    format!(
                        "port {}/{protocol} stands at {first} already; containers of a pod share one network",
                        port.container_port
                    ),
                );
            } else {
                open.insert((port.container_port, protocol), at.clone());
            }
        }
    }
}
