//! env and envFrom, resolved.
//!
//! Source: Kubernetes, "Define Environment Variables for a Container" and kubelet's makeEnvironmentVariables: envFrom first, in
//! order; env over it, each value with those before it expanded; a repeated name takes the place of the first.

use super::super::document::Kind;
use super::super::error::quoted;
use super::super::expand::expand;
use super::{Host, Refs, downward};
use k8s_openapi::api::core::v1::{Container, EnvVarSource, PodSpec};
use std::collections::HashMap;

type Env = Vec<(String, String)>;

#[derive(Default)]
struct Building {
    env: Env,
    places: HashMap<String, usize>,
}

impl Building {
    fn set(&mut self, name: &str, value: String) {
        match self.places.get(name) {
            Some(i) => self.env[*i].1 = value,
            None => {
                self.places.insert(name.to_owned(), self.env.len());
                self.env.push((name.to_owned(), value));
            }
        }
    }
}

/// The container's environment; what cannot be resolved is a problem of `refs`.
pub fn lower(c: &Container, spec: &PodSpec, at: &str, host: &Host<'_>, refs: &mut Refs<'_>) -> Env {
    let mut out = Building::default();
    for (i, from) in c.env_from.iter().flatten().enumerate() {
        let at = format!("{at}.envFrom[{i}]");
        let (kind, field, name, optional) = match (&from.config_map_ref, &from.secret_ref) {
            (Some(r), _) => (Kind::ConfigMap, "configMapRef", &r.name, r.optional),
            (_, Some(r)) => (Kind::Secret, "secretRef", &r.name, r.optional),
            _ => continue,
        };
        let Some(data) = refs.data(kind, name, optional, &format!("{at}.{field}.name")) else { continue };
        let prefix = from.prefix.as_deref().unwrap_or_default();
        for (key, value) in &data.values {
            if let Some(text) = refs.text(value, &format!("{at}.{field}"), key) {
                out.set(&format!("{prefix}{key}"), text);
            }
        }
    }
    for (i, var) in c.env.iter().flatten().enumerate() {
        let at = format!("{at}.env[{i}].valueFrom");
        let value = match &var.value_from {
            Some(source) => match from(source, c, spec, &at, host, refs) {
                Some(value) => value,
                None => continue,
            },
            None => {
                let known = |name: &str| out.places.get(name).map(|i| out.env[*i].1.as_str());
                expand(var.value.as_deref().unwrap_or_default(), known)
            }
        };
        out.set(&var.name, value);
    }
    out.env
}

/// None where there is no value: the variable is left out (an optional key that is missing), or there is a problem.
fn from(source: &EnvVarSource, c: &Container, spec: &PodSpec, at: &str, host: &Host<'_>, refs: &mut Refs<'_>) -> Option<String> {
    if let Some(field) = &source.field_ref {
        return Some(downward::field(refs.pod, &field.field_path));
    }
    if let Some(selector) = &source.resource_field_ref {
        return Some(downward::resource(downward::container(spec, selector, Some(c))?, selector, host));
    }
    let (kind, field, name, key, optional) = match (&source.config_map_key_ref, &source.secret_key_ref) {
        (Some(r), _) => (Kind::ConfigMap, "configMapKeyRef", &r.name, &r.key, r.optional),
        (_, Some(r)) => (Kind::Secret, "secretKeyRef", &r.name, &r.key, r.optional),
        _ => return None,
    };
    let at = format!("{at}.{field}");
    let data = refs.data(kind, name, optional, &format!("{at}.name"))?;
    match data.values.get(key) {
        Some(value) => refs.text(value, &format!("{at}.key"), key),
        None if optional == Some(true) => None,
        None => {
            let hint = if data.binary.contains_key(key) { "; binaryData is for volumes" } else { "" };
            refs.problem(format!("{at}.key"), format!("no such key in {kind:?} {} (got {}{hint})", quoted(name), quoted(key)));
            None
        }
    }
}
