//! What an applied manifest changes of a pod that is there: the merge, and Kubernetes' rules of what may change.
//!
//! Source: kubectl apply's three-way merge (what was applied last, what is there, what is applied now) for labels and annotations;
//! ValidatePodUpdate and ValidatePodResize of pkg/apis/core/validation for the spec.

use super::annotations::LAST_APPLIED;
use super::load::Manifest;
use crate::pod::spec::{ContainerSpec, PodSpec};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What an API server says of every other field.
const ONLY: &str = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Annotations at most, bytes; with what was applied among them.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// A pod that is there, and what applying a manifest makes of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update {
    /// Paths of fields that change, in their order; nothing here: the pod is as the manifest says.
    pub changed: Vec<String>,
    /// What may not change, in Kubernetes' own words, `spec: Forbidden: ...`; then nothing is done.
    pub forbidden: Vec<String>,
    /// Something changes that runs: images, resources, the deadline, the content of volumes. Else the record alone does.
    pub live: bool,
    /// The v1 Pod as it was, and as it is then.
    pub before: Value,
    pub pod: Value,
}

/// `old` is the v1 Pod that is there and `spec` what it runs by.
pub fn update(old: &Value, spec: &PodSpec, new: &Manifest) -> Update {
    let mut found = Update { before: old.clone(), pod: old.clone(), ..Update::default() };
    let last: Option<Value> = old
        .pointer("/metadata/annotations")
        .and_then(|a| a.get(LAST_APPLIED))
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str(text).ok());
    let mut wanted = new.pod_json();
    for field in ["labels", "annotations"] {
        let at = format!("/metadata/{field}");
        let strings =
            |pod: Option<&Value>| pod.and_then(|p| p.pointer(&at)).and_then(Value::as_object).cloned().unwrap_or_default();
        let merged = merge(&strings(Some(old)), &strings(last.as_ref()), &strings(Some(&wanted)));
        for key in differing(&strings(Some(old)), &merged) {
            if key != LAST_APPLIED {
                found.changed.push(format!("metadata.{field}[{key}]"));
            }
        }
        if let Some(meta) = found.pod.get_mut("metadata").and_then(Value::as_object_mut) {
            if merged.is_empty() {
                meta.remove(field)
            } else {
                meta.insert(field.to_owned(), Value::Object(merged))
            };
        }
    }
    let old_spec = old.get("spec").cloned().unwrap_or_default();
    let mut new_spec = wanted.get_mut("spec").map(Value::take).unwrap_or_default();
    keep_defaults(&old_spec, &mut new_spec, &new.asked);
    compare(&old_spec, &new_spec, &mut found);
    resized(spec, new, &mut found);
    content(spec, &new.spec, &mut found);
    if found.forbidden.is_empty() {
        if found.changed.iter().any(|path| path.starts_with("spec") && !path.starts_with("spec.volumes")) {
            let generation = old.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(1);
            found.pod["metadata"]["generation"] = (generation + 1).into();
        }
        found.pod["spec"] = new_spec;
        remember(&mut found.pod, &new.asked);
    }
    found
}

/// Writes what was applied into the pod's annotations, as kubectl does, so that the next apply knows what to take away.
pub fn remember(pod: &mut Value, asked: &Value) {
    let Ok(text) = serde_json::to_string(asked) else { return };
    let Some(meta) = pod.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let annotations = meta.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    let Some(annotations) = annotations.as_object_mut() else { return };
    annotations.remove(LAST_APPLIED);
    let size: usize = annotations.iter().map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if size + LAST_APPLIED.len() + text.len() < MAX_ANNOTATIONS {
        annotations.insert(LAST_APPLIED.to_owned(), format!("{text}\n").into());
    }
    if annotations.is_empty() {
        meta.remove("annotations");
    }
}

/// What is there, without what was applied before and is not any more, with what is applied now.
fn merge(live: &Map<String, Value>, last: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = live.clone();
    merged.retain(|key, _| new.contains_key(key) || !last.contains_key(key));
    merged.extend(new.clone());
    merged
}

fn differing(a: &Map<String, Value>, b: &Map<String, Value>) -> BTreeSet<String> {
    a.keys().chain(b.keys()).filter(|key| a.get(*key) != b.get(*key)).cloned().collect()
}

/// A default that hangs on another field (imagePullPolicy on the image's tag) is set once, at creation.
fn keep_defaults(old: &Value, new: &mut Value, asked: &Value) {
    for list in ["containers", "initContainers"] {
        for i in 0..new.get(list).and_then(Value::as_array).map_or(0, Vec::len) {
            let at = format!("/{list}/{i}/imagePullPolicy");
            let said = asked.pointer(&format!("/spec{at}")).is_some();
            if let (false, Some(policy), Some(slot)) = (said, old.pointer(&at).cloned(), new.pointer_mut(&at)) {
                *slot = policy;
            }
        }
    }
}

/// Each field of the spec by its own rule; what has none may not change.
fn compare(old: &Value, new: &Value, found: &mut Update) {
    let mut others = Vec::new();
    let (empty_old, empty_new) = (Map::new(), Map::new());
    let (old, new) = (old.as_object().unwrap_or(&empty_old), new.as_object().unwrap_or(&empty_new));
    for key in differing(old, new) {
        let at = format!("spec.{key}");
        let (was, is) = (old.get(&key), new.get(&key));
        match key.as_str() {
            "containers" | "initContainers" => containers(&at, was, is, found, &mut others),
            "activeDeadlineSeconds" => deadline(&at, was, is, found),
            "tolerations" => tolerations(&at, was, is, found),
            "resources" => {
                found.changed.push(at);
                found.live = true;
            }
            _ => differences(&at, was.unwrap_or(&Value::Null), is.unwrap_or(&Value::Null), &mut others),
        }
    }
    if !others.is_empty() {
        found.forbidden.push(format!("spec: {ONLY} (changed: {})", others.join(", ")));
    }
}

fn containers(at: &str, was: Option<&Value>, is: Option<&Value>, found: &mut Update, others: &mut Vec<String>) {
    let list = |v: Option<&Value>| v.and_then(Value::as_array).cloned().unwrap_or_default();
    let (was, is) = (list(was), list(is));
    if was.len() != is.len() {
        return found.forbidden.push(format!("{at}: Forbidden: pod updates may not add or remove containers"));
    }
    for (i, (was, is)) in was.iter().zip(&is).enumerate() {
        let (Some(was), Some(is)) = (was.as_object(), is.as_object()) else { continue };
        for key in differing(was, is) {
            let at = format!("{at}[{i}].{key}");
            match key.as_str() {
                "image" | "resources" => {
                    found.changed.push(at);
                    found.live = true;
                }
                _ => differences(&at, was.get(&key).unwrap_or(&Value::Null), is.get(&key).unwrap_or(&Value::Null), others),
            }
        }
    }
}

fn deadline(at: &str, was: Option<&Value>, is: Option<&Value>, found: &mut Update) {
    let seconds = |v: Option<&Value>| v.and_then(Value::as_i64);
    match (seconds(was), seconds(is)) {
        (Some(_), None) => {
            found.forbidden.push(format!("{at}: Invalid value: null: must not update from a positive integer to nil value"));
        }
        (Some(was), Some(is)) if is > was => {
            found.forbidden.push(format!("{at}: Invalid value: {is}: must be less than or equal to previous value"));
        }
        _ => {
            found.changed.push(at.to_owned());
            found.live = true;
        }
    }
}

/// New ones may come; of those that are there tolerationSeconds alone may change.
fn tolerations(at: &str, was: Option<&Value>, is: Option<&Value>, found: &mut Update) {
    let bare = |v: &Value| {
        let mut toleration = v.clone();
        toleration.as_object_mut().map(|t| t.remove("tolerationSeconds"));
        toleration
    };
    let list = |v: Option<&Value>| v.and_then(Value::as_array).into_iter().flatten().map(bare).collect::<Vec<_>>();
    let (was, is) = (list(was), list(is));
    if was.iter().all(|toleration| is.contains(toleration)) {
        found.changed.push(at.to_owned());
    } else {
        let problem = "Forbidden: existing toleration can not be modified except its tolerationSeconds";
        found.forbidden.push(format!("{at}: {problem}"));
    }
}

/// The paths of what differs, as deep as both are of one kind.
fn differences(at: &str, was: &Value, is: &Value, out: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            for key in differing(a, b) {
                let (was, is) = (a.get(&key).unwrap_or(&Value::Null), b.get(&key).unwrap_or(&Value::Null));
                differences(&format!("{at}.{key}"), was, is, out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (was, is)) in a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b) {
                differences(&format!("{at}[{i}]"), was, is, out);
            }
        }
        _ => out.push(at.to_owned()),
    }
}

/// Resources may change in place, but not the pod's class, and only cpu and memory.
fn resized(old: &PodSpec, new: &Manifest, found: &mut Update) {
    if !found.changed.iter().any(|path| path.ends_with("resources")) {
        return;
    }
    if old.qos != new.spec.qos {
        let qos = format!("{:?}", new.spec.qos);
        found.forbidden.push(format!("metadata: Invalid value: {qos:?}: Pod QOS Class may not change as a result of resizing"));
    }
    let huge = |c: &ContainerSpec| c.limits.hugetlb.clone();
    let (before, after) = (old.all_containers().map(huge), new.spec.all_containers().map(huge));
    if !before.eq(after) {
        found.forbidden.push("spec: Forbidden: only cpu and memory resources are mutable".to_owned());
    }
}

/// What the manifest's own text does not show: a bundle of the same words elsewhere, ConfigMaps and Secrets in volumes. A variable
/// keeps its value until its container starts again, as the kubelet has it, and is no change.
fn content(old: &PodSpec, new: &PodSpec, found: &mut Update) {
    for (list, was, is) in
        [("initContainers", &old.init_containers, &new.init_containers), ("containers", &old.containers, &new.containers)]
    {
        for (i, (was, is)) in was.iter().zip(is).enumerate() {
            let at = format!("spec.{list}[{i}].image");
            if was.bundle != is.bundle && !found.changed.contains(&at) {
                found.changed.push(at);
                found.live = true;
            }
        }
    }
    for (i, (was, is)) in old.volumes.iter().zip(&new.volumes).enumerate() {
        if was.name == is.name && was != is {
            found.changed.push(format!("spec.volumes[{i}]"));
            found.live = true;
        }
    }
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
