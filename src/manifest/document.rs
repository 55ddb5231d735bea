//! A document to the objects in it: kinds, and lists of objects.

use super::error::{nearest, or_list, quoted};
use super::node::{Node, Value};
use super::walk::Findings;

/// Kinds that Kubernetes has and podrt will: said to be later's, not unknown.
const LATER: &[&str] = &[
    "Service",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "Deployment",
    "ReplicaSet",
    "DaemonSet",
    "StatefulSet",
    "Job",
    "CronJob",
    "Namespace",
    "NetworkPolicy",
    "ServiceAccount",
    "Ingress",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pod,
    ConfigMap,
    Secret,
}

/// An object of a document, with the start of its fields' names.
pub struct Object<'t, 'n> {
    pub kind: Kind,
    pub node: &'t Node<'n>,
    pub prefix: String,
}

/// The objects of a document: itself, or the items of a List. What is neither is a finding.
pub fn objects<'t, 'n>(root: &'t Node<'n>, findings: &mut Findings<'_>) -> Vec<Object<'t, 'n>> {
    if !matches!(root.value, Value::Map(_)) {
        findings.error(root.pos, "", format!("not an object (got {}, want a mapping with apiVersion and kind)", root.describe()));
        return Vec::new();
    }
    if !matches!(root.get("kind").and_then(Node::as_str), Some("List" | "PodList" | "ConfigMapList" | "SecretList")) {
        let object = |kind| Object { kind, node: root, prefix: String::new() };
        return kind(root, "", findings).map(object).into_iter().collect();
    }
    api_version(root, "", findings);
    let Some(Value::Seq(items)) = root.get("items").map(|n| &n.value) else {
        findings.error(root.locate("items"), "items", "missing (want a list of objects)");
        return Vec::new();
    };
    let mut objects = Vec::new();
    for (i, node) in items.iter().enumerate() {
        let prefix = format!("items[{i}].");
        if let Some(kind) = kind(node, &prefix, findings) {
            objects.push(Object { kind, node, prefix });
        }
    }
    objects
}

fn api_version(node: &Node<'_>, prefix: &str, findings: &mut Findings<'_>) {
    let field = format!("{prefix}apiVersion");
    match node.get("apiVersion") {
        None => findings.error(node.pos, &field, "missing (want v1)"),
        Some(value) if value.as_str() == Some("v1") => {}
        Some(value) => findings.error(value.pos, &field, format!("unsupported (got {}, want v1)", value.describe())),
    }
}

fn kind(node: &Node<'_>, prefix: &str, findings: &mut Findings<'_>) -> Option<Kind> {
    let field = format!("{prefix}kind");
    let Some(kind) = node.get("kind") else {
        findings.error(node.pos, &field, "missing (want Pod; is this a part of a manifest?)");
        return None;
    };
    let found = match kind.as_str() {
        Some("Pod") => Kind::Pod,
        Some("ConfigMap") => Kind::ConfigMap,
        Some("Secret") => Kind::Secret,
        Some(word) if LATER.contains(&word) => {
            findings.error(kind.pos, &field, format!("not supported yet by this version of podrt (got {word}, want Pod)"));
            return None;
        }
        _ => {
            let known = ["Pod", "ConfigMap", "Secret", "List", "PodList"];
            let near = kind.as_str().and_then(|w| nearest(w, known.into_iter().chain(LATER.iter().copied())));
            let hint = near.map(|w| format!("; did you mean {w}?")).unwrap_or_default();
            let got = kind.as_str().map_or_else(|| kind.describe(), quoted);
            findings.error(kind.pos, &field, format!("unknown kind (got {got}, want {}{hint})", or_list(&known)));
            return None;
        }
    };
    api_version(node, prefix, findings);
    Some(found)
}
