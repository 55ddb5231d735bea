//! metadata: names, labels, annotations.

use super::super::annotations;
use super::super::error::{nearest, quoted};
use super::super::names;
use super::Check;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Bytes of all keys and values together.
const MAX_ANNOTATIONS: usize = 256 << 10;

pub fn check(check: &mut Check<'_, '_, '_>, meta: &ObjectMeta) {
    match (&meta.name, &meta.generate_name) {
        (Some(name), _) => check.text("metadata.name", "pod name", name, names::subdomain),
        (None, Some(start)) => check.text("metadata.generateName", "start of a pod name", start, names::subdomain_start),
        (None, None) => check.error("metadata.name", "missing (want a name, or metadata.generateName)"),
    }
    if let Some(namespace) = &meta.namespace {
        check.text("metadata.namespace", "namespace", namespace, names::label);
    }
    for (key, value) in meta.labels.iter().flatten() {
        let field = format!("metadata.labels[{}]", key.escape_debug());
        check.text(&field, "label key", key, names::qualified);
        check.text(&field, "label value", value, names::label_value);
    }
    let mut size = 0;
    for (key, value) in meta.annotations.iter().flatten() {
        size += key.len() + value.len();
        // Annotation keys alone are folded to lower case before they are checked.
        if let Err(want) = names::qualified(&key.to_lowercase()) {
            let field = format!("metadata.annotations[{}]", key.escape_debug());
            check.error(&field, format!("not a valid annotation key (got {}, want {want})", quoted(key)));
        }
        if key.starts_with(annotations::DOMAIN) {
            ours(check, key, value);
        }
    }
    if size > MAX_ANNOTATIONS {
        check.error("metadata.annotations", format!("too long (got {size} bytes, want at most {MAX_ANNOTATIONS})"));
    }
}

fn said(check: &mut Check<'_, '_, '_>, field: &str, value: &str, want: Option<&str>) {
    if let Some(want) = want {
        check.error(field, format!("not valid (got {}, want {want})", quoted(value)));
    }
}

/// podrt's own annotations are fields: an unknown one is a typing error.
fn ours(check: &mut Check<'_, '_, '_>, key: &str, value: &str) {
    let field = format!("metadata.annotations[{}]", key.escape_debug());
    match key {
        annotations::ROOTFS => {
            if !matches!(value, "overlay" | "direct") {
                check.error(&field, format!("unsupported value (got {}, want overlay or direct)", quoted(value)));
            }
        }
        annotations::IO_MAX => {
            if let Err(problem) = annotations::io_max(value) {
                check.error(&field, format!("not a list of io limits ({problem})"));
            }
        }
        annotations::NETWORK => {
            if !annotations::NETWORKS.contains(&value) && annotations::cni(value).is_none() {
                let want = annotations::NETWORKS.join(", ");
                check.error(&field, format!("unsupported value (got {}, want one of {want})", quoted(value)));
            }
        }
        annotations::IP => said(check, &field, value, annotations::ips(value).err()),
        annotations::MAC => said(check, &field, value, annotations::mac(value).err()),
        annotations::MTU => said(check, &field, value, annotations::mtu(value).err()),
        annotations::RESTART_PERIOD => {
            if annotations::restart_period(value).is_none() {
                check.error(&field, format!("not a time span (got {}, want 1s to 300s)", quoted(value)));
            }
        }
        _ => {
            let known = [
                annotations::ROOTFS,
                annotations::IO_MAX,
                annotations::NETWORK,
                annotations::IP,
                annotations::MAC,
                annotations::MTU,
                annotations::RESTART_PERIOD,
            ];
            let hint = nearest(key, known.into_iter()).map(|k| format!(" (did you mean \"{k}\"?)")).unwrap_or_default();
            check.error(&field, format!("unknown annotation of podrt's{hint}"));
        }
    }
}
