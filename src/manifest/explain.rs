//! The field table, told: what `podrt explain` prints.

use super::error::nearest;
use super::schema::{CONFIG_MAP, Field, Level, POD, SECRET, Type};
use serde::Serialize;

/// The kinds that podrt reads, as kubectl abbreviates them.
const KINDS: &[(&[&str], &Type, &str)] = &[
    (&["pod", "pods", "po"], POD, "A group of containers that share a network, IPC and a hostname, and live and end together."),
    (&["configmap", "configmaps", "cm"], CONFIG_MAP, "Texts that pods of the same files refer to: as environment or as files."),
    (&["secret", "secrets"], SECRET, "Bytes that pods of the same files refer to: as environment, or as files in memory."),
];

/// A field, or a whole kind, with what podrt makes of it.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Explained {
    /// Its last name; the kind's for a whole kind.
    pub name: String,
    #[serde(rename = "type")]
    pub ty: String,
    pub required: bool,
    /// `supported`, `no effect`, `not yet`, `refused`, or `set by podrt`.
    pub support: &'static str,
    /// Why it is not supported.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub why: &'static str,
    #[serde(rename = "enum", skip_serializing_if = "<[_]>::is_empty")]
    pub words: Vec<&'static str>,
    pub description: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Explained>,
}

/// `path` is a kind and fields, `pod.spec.containers.image`; `recursive` tells all that lies below it, else one level.
///
/// # Errors
/// Kubectl's words for a kind or a field that there is not.
pub fn explain(path: &str, recursive: bool) -> Result<(&'static str, Explained), String> {
    let mut steps = path.trim_end_matches('.').split('.');
    let kind = steps.next().unwrap_or_default().to_ascii_lowercase();
    let Some(&(_, mut object, description)) = KINDS.iter().find(|(names, ..)| names.contains(&kind.as_str())) else {
        return Err(format!("the server doesn't have a resource type {kind:?} (podrt has pods, configmaps and secrets)"));
    };
    let name = object.name;
    let mut at: Option<&Field> = None;
    for step in steps {
        // An item is of its list's type: containers[0] is asked for as containers.
        let step = step.split('[').next().unwrap_or_default();
        let below: &[Field] = match at {
            None => object.fields,
            Some(field) => field.ty.object().map_or(&[], |o| o.fields),
        };
        let Some(field) = below.iter().find(|f| f.name == step) else {
            let near = nearest(step, below.iter().map(|f| f.name));
            let hint = near.map(|n| format!(" (did you mean {n:?}?)")).unwrap_or_default();
            return Err(format!("field {step:?} does not exist{hint}"));
        };
        at = Some(field);
        object = field.ty.object().unwrap_or(object);
    }
    let depth = if recursive { usize::MAX } else { 1 };
    let told = match at {
        Some(field) => of(field, depth),
        None => Explained {
            name: name.to_owned(),
            ty: name.to_owned(),
            required: false,
            support: "supported",
            why: "",
            words: Vec::new(),
            description,
            fields: below(object, depth),
        },
    };
    Ok((name, told))
}

/// By name, as kubectl lists them.
fn below(object: &Type, depth: usize) -> Vec<Explained> {
    let mut fields: Vec<_> = object.fields.iter().map(|f| of(f, depth - 1)).collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    fields
}

fn of(field: &Field, depth: usize) -> Explained {
    let (support, why) = match field.level {
        Level::Supported => ("supported", ""),
        Level::Ignored => ("set by podrt", ""),
        Level::Warned(why) => ("no effect", why),
        Level::NotYet => ("not yet", ""),
        Level::Never(why) => ("refused", why),
    };
    let fields = if depth == 0 { Vec::new() } else { field.ty.object().map(|o| below(o, depth)).unwrap_or_default() };
    Explained {
        name: field.name.to_owned(),
        ty: field.ty.name(),
        required: field.required,
        support,
        why,
        words: field.ty.words().iter().copied().filter(|w| !w.is_empty()).collect(),
        description: field.doc,
        fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_path_and_a_wrong_one_has_a_hint() {
        let name = |path: &str| explain(path, false).map(|(kind, e)| format!("{kind} {} <{}>", e.name, e.ty));
        for (path, want) in [
            ("pod", Ok("Pod Pod <Pod>")),
            ("po.spec", Ok("Pod spec <PodSpec>")),
            ("pods.spec.containers", Ok("Pod containers <[]Container>")),
            ("pod.spec.containers[0].image", Ok("Pod image <string>")),
            ("pod.metadata.labels", Ok("Pod labels <map[string]string>")),
            ("cm.data", Ok("ConfigMap data <map[string]string>")),
            ("pod.spec.containres", Err("field \"containres\" does not exist (did you mean \"containers\"?)")),
            ("pod.spec.restartPolicy.x", Err("field \"x\" does not exist")),
            ("svc", Err("the server doesn't have a resource type \"svc\" (podrt has pods, configmaps and secrets)")),
        ] {
            assert_eq!(name(path).as_deref().map_err(String::as_str), want, "{path}");
        }
    }

    #[test]
    fn recursion_reaches_every_field_and_one_level_is_the_rule() {
        fn count(told: &Explained) -> usize {
            told.fields.iter().map(|f| 1 + count(f)).sum()
        }
        let (_, all) = explain("pod", true).unwrap_or_else(|e| panic!("{e}"));
        let (_, one) = explain("pod", false).unwrap_or_else(|e| panic!("{e}"));
        assert!(count(&all) > 500, "{}", count(&all));
        assert_eq!(count(&one), 5);
    }
}
