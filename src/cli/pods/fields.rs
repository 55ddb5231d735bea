//! `--field-selector`: the fields of pods that an API server selects by.
//!
//! Source: Kubernetes "Field Selectors"; pkg/registry/core/pod/strategy.go, ToSelectableFields.

use serde_json::Value;

/// What there is to select by, and where it is.
const FIELDS: [(&str, &str); 9] = [
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    ("spec.nodeName", "/spec/nodeName"),
    ("spec.restartPolicy", "/spec/restartPolicy"),
    ("spec.schedulerName", "/spec/schedulerName"),
    ("spec.serviceAccountName", "/spec/serviceAccountName"),
    ("spec.hostNetwork", "/spec/hostNetwork"),
    ("status.phase", "/status/phase"),
    ("status.podIP", "/status/podIP"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields(Vec<(&'static str, bool, String)>);

impl Fields {
    /// `status.phase=Running,metadata.name!=web`. Errors: one sentence.
    pub fn parse(text: &str) -> Result<Fields, String> {
        let one = |part: &str| {
            let (field, equal, value) = match (part.split_once("!="), part.split_once("==").or_else(|| part.split_once('='))) {
                (Some((field, value)), _) => (field, false, value),
                (None, Some((field, value))) => (field, true, value),
                _ => return Err(format!("field selector {text:?}: {part:?} is not FIELD=VALUE or FIELD!=VALUE")),
            };
            let known = FIELDS.iter().find(|(name, _)| *name == field.trim());
            let Some((_, pointer)) = known else {
                let all: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
                return Err(format!("field label not supported: {field} (want one of {})", all.join(", ")));
            };
            Ok((*pointer, equal, value.trim().to_owned()))
        };
        text.split(',').filter(|part| !part.trim().is_empty()).map(one).collect::<Result<_, _>>().map(Fields)
    }

    /// Of a whole v1 Pod. A field that is not there is empty, or false.
    pub fn matches(&self, pod: &Value) -> bool {
        self.0.iter().all(|(pointer, equal, wanted)| {
            let found = match pod.pointer(pointer) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None if *pointer == "/spec/hostNetwork" => "false".into(),
                None => String::new(),
            };
            (found == *wanted) == *equal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_select_as_an_api_server_does() {
        let pod =
            json!({"metadata": {"name": "a", "namespace": "d"}, "spec": {"hostNetwork": true}, "status": {"phase": "Running"}});
        for (text, want) in [
            ("status.phase=Running", true),
            ("status.phase==Running,metadata.name=a", true),
            ("status.phase!=Running", false),
            ("metadata.name!=b", true),
            ("status.podIP=", true),
            ("spec.hostNetwork=true", true),
            ("", true),
        ] {
            assert_eq!(Fields::parse(text).unwrap().matches(&pod), want, "{text}");
        }
        for text in ["spec.containers=x", "status.phase", "x=y"] {
            assert!(Fields::parse(text).is_err(), "{text}");
        }
    }
}
