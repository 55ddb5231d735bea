//! A pod as the API shows it: what was asked (with its defaults) and the status.

use super::context::Context;
use super::{Failure, Result};
use crate::pod::{self, PodRecord};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The v1 Pod that was asked for, without its status.
pub fn manifest(context: &Context, record: &PodRecord) -> Result<Value> {
    let stored = pod::manifest(&context.roots, record)?;
    Ok(stored.unwrap_or_else(|| {
        let meta = json!({"name": record.spec.name, "namespace": record.spec.namespace, "uid": record.spec.uid,
            "creationTimestamp": record.spec.created});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": []}})
    }))
}

/// The whole v1 Pod.
pub fn pod(context: &Context, record: &PodRecord) -> Result<Value> {
    let mut pod = manifest(context, record)?;
    let status = crate::manifest::status_json(&record.spec, &record.status);
    let object = pod.as_object_mut().ok_or_else(|| Failure::failed("the pod's record is not an object"))?;
    object.insert("apiVersion".into(), "v1".into());
    object.insert("kind".into(), "Pod".into());
    object.insert("status".into(), status);
    if let (Some(deletion), Some(meta)) = (&record.status.deletion, object.get_mut("metadata").and_then(Value::as_object_mut)) {
        meta.insert("deletionTimestamp".into(), deletion.at.to_string().into());
        meta.insert("deletionGracePeriodSeconds".into(), deletion.grace_seconds.into());
    }
    Ok(pod)
}

/// As `kubectl get -o json` has several.
pub fn list(pods: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": ""}, "items": pods})
}

/// metadata.labels or metadata.annotations.
pub fn strings(pod: &Value, field: &str) -> BTreeMap<String, String> {
    let map = pod.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_texts_by_key() {
        let pod = json!({"metadata": {"name": "a", "labels": {"x": "a"}}, "spec": {}});
        assert_eq!(strings(&pod, "labels"), [("x".to_string(), "a".to_string())].into());
        assert!(strings(&pod, "annotations").is_empty());
    }
}
