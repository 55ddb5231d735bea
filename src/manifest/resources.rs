//! requests and limits as numbers, and how a pod's are made of its containers'.
//!
//! Source: Kubernetes' component-helpers/resource (PodRequests, PodLimits) and the API's defaults.

use super::quantity::Quantity;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use std::collections::BTreeMap;

pub type Amounts = BTreeMap<String, Quantity>;

/// What the texts say; one that is no quantity was reported before and is left out.
pub fn amounts(texts: Option<&BTreeMap<String, Text>>) -> Amounts {
    let parse = |(name, text): (&String, &Text)| Some((name.clone(), Quantity::parse(&text.0).ok()?));
    texts.into_iter().flatten().filter_map(parse).collect()
}

pub fn requests(resources: Option<&ResourceRequirements>) -> Amounts {
    amounts(resources.and_then(|r| r.requests.as_ref()))
}

pub fn limits(resources: Option<&ResourceRequirements>) -> Amounts {
    amounts(resources.and_then(|r| r.limits.as_ref()))
}

/// An init container that lives with the pod.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Init containers, then the others, in the order of the manifest.
pub fn all_containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

/// What the containers need together: all that run at once, or the largest moment of the init phase, whichever is more. A
/// sidecar counts from its own start on.
pub fn aggregate(spec: &PodSpec, of: fn(Option<&ResourceRequirements>) -> Amounts) -> Amounts {
    let mut together = Amounts::new();
    for container in &spec.containers {
        add(&mut together, &of(container.resources.as_ref()));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in spec.init_containers.iter().flatten() {
        let mut moment = of(container.resources.as_ref());
        if is_sidecar(container) {
            add(&mut together, &moment);
            add(&mut sidecars, &moment);
            moment.clone_from(&sidecars);
        } else {
            add(&mut moment, &sidecars);
        }
        max(&mut peak, moment);
    }
    max(&mut together, peak);
    together
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let slot = sum.entry(name.clone()).or_default();
        *slot = slot.plus(*amount);
    }
}

fn max(sum: &mut Amounts, other: Amounts) {
    for (name, amount) in other {
        let slot = sum.entry(name).or_default();
        *slot = (*slot).max(amount);
    }
}

/// What the pod as a whole requests: its own resources where they are set, else the containers'.
pub fn pod_requests(spec: &PodSpec) -> Amounts {
    let mut all = aggregate(spec, requests);
    all.extend(requests(spec.resources.as_ref()));
    all
}

pub fn pod_limits(spec: &PodSpec) -> Amounts {
    let mut all = aggregate(spec, limits);
    all.extend(limits(spec.resources.as_ref()));
    all
}

/// A limit with no request is a request as well; then the pod's own are filled up from its containers' and its limits.
pub fn set_defaults(spec: &mut PodSpec) {
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        if let Some(resources) = &mut container.resources {
            fill(resources, |_| true);
        }
    }
    let aggregated = aggregate(spec, requests);
    let Some(resources) = spec.resources.as_mut().filter(|r| r.limits.as_ref().is_some_and(|l| !l.is_empty())) else {
        return;
    };
    let own = resources.requests.get_or_insert_default();
    for (name, amount) in aggregated.into_iter().filter(|(name, _)| is_pod_level(name) && !is_hugepages(name)) {
        own.entry(name).or_insert_with(|| Text(amount.to_string()));
    }
    fill(resources, is_pod_level);
}

fn fill(resources: &mut ResourceRequirements, wanted: fn(&str) -> bool) {
    for (name, limit) in resources.limits.iter().flatten().filter(|(name, _)| wanted(name)) {
        resources.requests.get_or_insert_default().entry(name.clone()).or_insert_with(|| limit.clone());
    }
}

/// What spec.resources may hold.
pub fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || is_hugepages(name)
}

pub fn is_hugepages(name: &str) -> bool {
    name.starts_with("hugepages-")
}
