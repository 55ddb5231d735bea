//! env, envFrom and the references in them.

use super::super::error::{or_list, quoted};
use super::super::lower::downward::{self, ENV_PATHS};
use super::super::names;
use super::super::quantity::Quantity;
use super::Check;
use k8s_openapi::api::core::v1::{Container, ObjectFieldSelector, PodSpec, ResourceFieldSelector};

pub fn check(check: &mut Check<'_, '_, '_>, spec: &PodSpec, container: &Container, at: &str) {
    for (i, from) in container.env_from.iter().flatten().enumerate() {
        let at = format!("{at}.envFrom[{i}]");
        if let Some(prefix) = from.prefix.as_deref().filter(|p| !p.is_empty()) {
            check.text(&format!("{at}.prefix"), "variable name", prefix, names::variable);
        }
        let refs = [
            ("configMapRef", from.config_map_ref.as_ref().map(|r| &r.name)),
            ("secretRef", from.secret_ref.as_ref().map(|r| &r.name)),
        ];
        one_of(check, &at, &refs.map(|(n, r)| (n, r.is_some())));
        for (field, name) in refs.into_iter().filter_map(|(f, n)| Some((f, n?))) {
            check.text(&format!("{at}.{field}.name"), "name", name, names::subdomain);
        }
    }
    for (i, var) in container.env.iter().flatten().enumerate() {
        let at = format!("{at}.env[{i}]");
        check.text(&format!("{at}.name"), "variable name", &var.name, names::variable);
        if let Some(value) = &var.value {
            check.no_nul(&format!("{at}.value"), value);
        }
        let Some(source) = &var.value_from else { continue };
        let at = format!("{at}.valueFrom");
        if var.value.as_ref().is_some_and(|v| !v.is_empty()) {
            check.error(&at, "may not stand beside a value");
        }
        let refs = [
            ("configMapKeyRef", source.config_map_key_ref.as_ref().map(|r| (&r.name, &r.key))),
            ("secretKeyRef", source.secret_key_ref.as_ref().map(|r| (&r.name, &r.key))),
        ];
        let mut there = refs.map(|(n, r)| (n, r.is_some())).to_vec();
        there.extend([("fieldRef", source.field_ref.is_some()), ("resourceFieldRef", source.resource_field_ref.is_some())]);
        one_of(check, &at, &there);
        for (field, (name, key)) in refs.into_iter().filter_map(|(f, r)| Some((f, r?))) {
            check.text(&format!("{at}.{field}.name"), "name", name, names::subdomain);
            check.text(&format!("{at}.{field}.key"), "key", key, names::data_key);
        }
        if let Some(field) = &source.field_ref {
            field_ref(check, field, ENV_PATHS, &format!("{at}.fieldRef"));
        }
        if let Some(resource) = &source.resource_field_ref {
            resource_ref(check, spec, resource, Some(container), &format!("{at}.resourceFieldRef"));
        }
    }
}

/// Exactly one of the fields is there.
pub fn one_of(check: &mut Check<'_, '_, '_>, at: &str, fields: &[(&str, bool)]) {
    let names: Vec<&str> = fields.iter().map(|f| f.0).collect();
    let there: Vec<&str> = fields.iter().filter(|f| f.1).map(|f| f.0).collect();
    match there.as_slice() {
        [_] => {}
        [] => check.error(at, format!("names no source (want one of {})", or_list(&names))),
        more => check.error(at, format!("names more than one source (got {}, want one)", more.join(" and "))),
    }
}

pub fn field_ref(check: &mut Check<'_, '_, '_>, field: &ObjectFieldSelector, paths: &[&str], at: &str) {
    if let Some(version) = field.api_version.as_deref().filter(|v| !v.is_empty() && *v != "v1") {
        check.error(&format!("{at}.apiVersion"), format!("unsupported (got {}, want v1)", quoted(version)));
    }
    let here = format!("{at}.fieldPath");
    let (shape, key) = downward::split(&field.field_path);
    if !paths.contains(&shape.as_str()) {
        let problem = format!("not a field that can be had here (got {}, want {})", quoted(&field.field_path), or_list(paths));
        return check.error(&here, problem);
    }
    if let Some(key) = key {
        let folded = if shape.starts_with("metadata.annotations") { key.to_lowercase() } else { key.to_owned() };
        check.text(&here, "key", &folded, names::qualified);
    }
}

/// `own`: the container whose variable this is; a volume has none and must name one.
pub fn resource_ref(
    check: &mut Check<'_, '_, '_>,
    spec: &PodSpec,
    selector: &ResourceFieldSelector,
    own: Option<&Container>,
    at: &str,
) {
    if downward::container(spec, selector, own).is_none() {
        let got = selector.container_name.as_deref().unwrap_or_default();
        check.error(&format!("{at}.containerName"), format!("not a container of this pod (got {})", quoted(got)));
    }
    let here = format!("{at}.resource");
    let (side, name) = selector.resource.split_once('.').unwrap_or_default();
    let known = matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
    if !matches!(side, "limits" | "requests") || !known {
        let got = quoted(&selector.resource);
        return check.error(
            &here,
            format!(
                "not a resource (got {got}, want limits. or requests. with cpu, memory, ephemeral-storage or hugepages-SIZE)"
            ),
        );
    }
    let Some(divisor) = &selector.divisor else { return };
    let allowed: &[&str] = match name {
        "cpu" => &["1m", "1"],
        _ => &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"],
    };
    // Nothing, or 0, is 1.
    let got = Quantity::parse(&divisor.0);
    if !got.is_ok_and(|q| q.is_zero() || allowed.iter().any(|a| Quantity::parse(a) == Ok(q))) {
        check.error(
            &format!("{at}.divisor"),
            format!("not a unit of {name} (got {}, want {})", quoted(&divisor.0), or_list(allowed)),
        );
    }
}
