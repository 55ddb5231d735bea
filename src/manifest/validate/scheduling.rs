//! Scheduling against the one host there is: what it does not meet is a warning, since the pod runs here or nowhere.
//!
//! Source: Kubernetes, "Assigning Pods to Nodes"; "Well-Known Labels" for what a kubelet gives every node.

use super::super::error::quoted;
use super::super::lower::downward::node_name;
use super::Check;
use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm, PodSpec};
use std::collections::BTreeMap;

const MISMATCH: &str = "the pod runs here all the same";

/// The labels of this host: those of every node, and the caller's.
pub fn host_labels(more: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    // GOARCH's words.
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut labels = BTreeMap::new();
    for (key, value) in [("os", "linux"), ("arch", arch)] {
        labels.insert(format!("kubernetes.io/{key}"), value.to_owned());
        labels.insert(format!("beta.kubernetes.io/{key}"), value.to_owned());
    }
    labels.insert("kubernetes.io/hostname".to_owned(), node_name());
    labels.extend(more.clone());
    labels
}

pub fn check(check: &mut Check<'_, '_, '_>, spec: &PodSpec) {
    let name = node_name();
    if let Some(wanted) = spec.node_name.as_deref().filter(|n| !n.is_empty() && *n != name) {
        check.warn("spec.nodeName", format!("this host is {} (got {}): {MISMATCH}", quoted(&name), quoted(wanted)));
    }
    let labels = host_labels(&check.allow.node_labels);
    for (key, value) in spec.node_selector.iter().flatten() {
        if labels.get(key) != Some(value) {
            let has = labels.get(key).map_or("has no such label".to_owned(), |v| format!("has {}", quoted(v)));
            check.warn(&format!("spec.nodeSelector[{key}]"), format!("this host {has} (got {}): {MISMATCH}", quoted(value)));
        }
    }
    let affinity = spec.affinity.as_ref();
    let required = affinity.and_then(|a| a.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref());
    if let Some(selector) = required {
        let meets = |term: &NodeSelectorTerm| {
            let fields = BTreeMap::from([("metadata.name".to_owned(), name.clone())]);
            let by = |list: &Option<Vec<NodeSelectorRequirement>>, of: &BTreeMap<String, String>| {
                list.iter().flatten().all(|requirement| holds(requirement, of))
            };
            // A term without a requirement matches nothing.
            let some = [&term.match_expressions, &term.match_fields].iter().any(|l| l.as_ref().is_some_and(|l| !l.is_empty()));
            some && by(&term.match_expressions, &labels) && by(&term.match_fields, &fields)
        };
        if !selector.node_selector_terms.iter().any(meets) {
            let field = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
            check.warn(field, format!("this host meets no term of it: {MISMATCH}"));
        }
    }
    let neighbours = affinity.is_some_and(|a| a.pod_affinity.is_some() || a.pod_anti_affinity.is_some());
    if neighbours {
        check.warn("spec.affinity", "podAffinity and podAntiAffinity have no effect: all pods of this host are neighbours");
    }
}

fn holds(requirement: &NodeSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let values = requirement.values.as_deref().unwrap_or(&[]);
    let numbers = || Some((value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|v| values.contains(v)),
        "NotIn" => value.is_none_or(|v| !values.contains(v)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(has, wants)| has > wants),
        "Lt" => numbers().is_some_and(|(has, wants)| has < wants),
        _ => false,
    }
}
