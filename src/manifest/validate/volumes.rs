//! Volumes and their mounts. Source: Kubernetes' ValidateVolumes and ValidateVolumeMounts; where they take what a host cannot
//! mean (a relative mountPath), podrt does not.

use super::super::error::quoted;
use super::super::lower::downward::VOLUME_PATHS;
use super::super::names;
use super::super::quantity::Quantity;
use super::{Check, env};
use k8s_openapi::api::core::v1::{Container, DownwardAPIVolumeFile, KeyToPath, PodSpec, Volume};

pub fn check_pod(check: &mut Check<'_, '_, '_>, spec: &PodSpec) {
    let volumes = spec.volumes.as_deref().unwrap_or(&[]);
    let name = |i: usize| format!("spec.volumes[{i}].name");
    check.unique("volume name", volumes.iter().enumerate().map(|(i, v)| (name(i), v.name.as_str())).filter(|v| !v.1.is_empty()));
    for (i, volume) in volumes.iter().enumerate() {
        check.text(&name(i), "volume name", &volume.name, names::label);
        self::volume(check, spec, volume, &format!("spec.volumes[{i}]"));
    }
}

fn volume(check: &mut Check<'_, '_, '_>, spec: &PodSpec, v: &Volume, at: &str) {
    let sources = [
        ("emptyDir", v.empty_dir.is_some()),
        ("hostPath", v.host_path.is_some()),
        ("configMap", v.config_map.is_some()),
        ("secret", v.secret.is_some()),
        ("downwardAPI", v.downward_api.is_some()),
        ("projected", v.projected.is_some()),
    ];
    // A source of the table that is refused was said already.
    let said = |check: &Check<'_, '_, '_>| {
        check
            .findings
            .errors
            .iter()
            .any(|e| e.field.strip_prefix(&check.findings.prefix).unwrap_or(&e.field).starts_with(&format!("{at}.")))
    };
    // As Kubernetes' own default: a volume that names no source is an emptyDir.
    if sources.iter().any(|s| s.1) && !said(check) {
        env::one_of(check, at, &sources);
    }
    if let Some(empty) = &v.empty_dir
        && let Some(limit) = &empty.size_limit
    {
        let field = format!("{at}.emptyDir.sizeLimit");
        match Quantity::parse(&limit.0) {
            Err(bad) => check.error(&field, format!("{bad} (got {}, want such as 64Mi)", quoted(&limit.0))),
            Ok(q) if q.is_negative() => check.error(&field, format!("must not be negative (got {})", quoted(&limit.0))),
            Ok(q) if !q.is_whole() => check.error(&field, format!("not a whole number of bytes (got {})", quoted(&limit.0))),
            Ok(q) if !q.is_zero() && empty.medium.as_deref() != Some("Memory") => {
                let problem = "cannot be enforced on disk by this version of podrt (want medium: Memory, or no limit)";
                check.error(&field, problem);
            }
            Ok(_) => {}
        }
    }
    if let Some(host) = &v.host_path {
        let field = format!("{at}.hostPath.path");
        check.no_nul(&field, &host.path);
        if !host.path.starts_with('/') || host.path.split('/').any(|part| part == "..") {
            check.error(
                &field,
                format!("not a path of the host (got {}, want an absolute one without \"..\")", quoted(&host.path)),
            );
        }
    }
    if let Some(map) = &v.config_map {
        let at = format!("{at}.configMap");
        check.text(&format!("{at}.name"), "name", &map.name, names::subdomain);
        items(check, map.items.as_deref(), &at);
        mode(check, map.default_mode, &format!("{at}.defaultMode"));
    }
    if let Some(secret) = &v.secret {
        let at = format!("{at}.secret");
        check.text(&format!("{at}.secretName"), "name", secret.secret_name.as_deref().unwrap_or_default(), names::subdomain);
        items(check, secret.items.as_deref(), &at);
        mode(check, secret.default_mode, &format!("{at}.defaultMode"));
    }
    if let Some(down) = &v.downward_api {
        let at = format!("{at}.downwardAPI");
        downward(check, spec, down.items.as_deref(), &at);
        mode(check, down.default_mode, &format!("{at}.defaultMode"));
    }
    let Some(projected) = &v.projected else { return };
    let at = format!("{at}.projected");
    mode(check, projected.default_mode, &format!("{at}.defaultMode"));
    for (i, source) in projected.sources.iter().flatten().enumerate() {
        let at = format!("{at}.sources[{i}]");
        let refs = [
            ("secret", source.secret.as_ref().map(|s| (&s.name, &s.items))),
            ("configMap", source.config_map.as_ref().map(|s| (&s.name, &s.items))),
        ];
        let mut there = refs.map(|(n, r)| (n, r.is_some())).to_vec();
        there.push(("downwardAPI", source.downward_api.is_some()));
        env::one_of(check, &at, &there);
        for (field, (name, list)) in refs.into_iter().filter_map(|(f, r)| Some((f, r?))) {
            let at = format!("{at}.{field}");
            check.text(&format!("{at}.name"), "name", name, names::subdomain);
            items(check, list.as_deref(), &at);
        }
        if let Some(down) = &source.downward_api {
            downward(check, spec, down.items.as_deref(), &format!("{at}.downwardAPI"));
        }
    }
}

fn items(check: &mut Check<'_, '_, '_>, list: Option<&[KeyToPath]>, at: &str) {
    for (i, item) in list.unwrap_or(&[]).iter().enumerate() {
        let at = format!("{at}.items[{i}]");
        check.text(&format!("{at}.key"), "key", &item.key, names::data_key);
        check.text(&format!("{at}.path"), "path", &item.path, names::volume_path);
        mode(check, item.mode, &format!("{at}.mode"));
    }
}

fn downward(check: &mut Check<'_, '_, '_>, spec: &PodSpec, list: Option<&[DownwardAPIVolumeFile]>, at: &str) {
    for (i, item) in list.unwrap_or(&[]).iter().enumerate() {
        let at = format!("{at}.items[{i}]");
        check.text(&format!("{at}.path"), "path", &item.path, names::volume_path);
        mode(check, item.mode, &format!("{at}.mode"));
        env::one_of(
            check,
            &at,
            &[("fieldRef", item.field_ref.is_some()), ("resourceFieldRef", item.resource_field_ref.is_some())],
        );
        if let Some(field) = &item.field_ref {
            env::field_ref(check, field, VOLUME_PATHS, &format!("{at}.fieldRef"));
        }
        if let Some(resource) = &item.resource_field_ref {
            env::resource_ref(check, spec, resource, None, &format!("{at}.resourceFieldRef"));
        }
    }
}

fn mode(check: &mut Check<'_, '_, '_>, mode: Option<i32>, field: &str) {
    if let Some(mode) = mode.filter(|m| !(0..=0o777).contains(m)) {
        check.error(field, format!("not a mode (got {mode}, want 0 to 0777, in decimal 0 to 511)"));
    }
}

pub fn check_container(check: &mut Check<'_, '_, '_>, spec: &PodSpec, container: &Container, at: &str) {
    let mounts = container.volume_mounts.as_deref().unwrap_or(&[]);
    let path = |i: usize| format!("{at}.volumeMounts[{i}].mountPath");
    check.unique("mountPath", mounts.iter().enumerate().map(|(i, m)| (path(i), m.mount_path.as_str())));
    for (i, mount) in mounts.iter().enumerate() {
        let at = format!("{at}.volumeMounts[{i}]");
        if !spec.volumes.iter().flatten().any(|v| v.name == mount.name) {
            check.error(&format!("{at}.name"), format!("not a volume of this pod (got {})", quoted(&mount.name)));
        }
        let (here, to) = (path(i), &mount.mount_path);
        check.no_nul(&here, to);
        let parts: Vec<&str> = to.split('/').filter(|p| !matches!(*p, "" | ".")).collect();
        if !to.starts_with('/') || to.contains(':') || parts.contains(&"..") {
            check.error(&here, format!("not a mount path (got {}, want an absolute path without \":\" and \"..\")", quoted(to)));
        } else if parts.is_empty() {
            check.error(&here, "is the root itself (want a folder or a file below it)");
        } else if parts[0] == "proc" {
            check.error(&here, format!("is in /proc, where no volume may be (got {})", quoted(to)));
        }
        let set = |text: &Option<String>| text.as_ref().is_some_and(|t| !t.is_empty());
        if set(&mount.sub_path) && set(&mount.sub_path_expr) {
            check.error(&format!("{at}.subPathExpr"), "may not stand beside subPath");
        }
        for (name, sub) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
            if let Some(sub) = sub.as_deref().filter(|s| !s.is_empty()) {
                check.text(&format!("{at}.{name}"), "path in a volume", sub, names::sub_path);
            }
        }
        let recursive = mount.recursive_read_only.as_deref().filter(|w| *w != "Disabled");
        if recursive.is_some() {
            let field = format!("{at}.recursiveReadOnly");
            if mount.read_only != Some(true) {
                check.error(&field, "needs readOnly: true");
            } else if mount.mount_propagation.as_deref().is_some_and(|p| p != "None") {
                check.error(&field, "needs mountPropagation None");
            }
        }
        let privileged = container.security_context.as_ref().is_some_and(|s| s.privileged == Some(true));
        if mount.mount_propagation.as_deref() == Some("Bidirectional") && !privileged {
            check.error(&format!("{at}.mountPropagation"), "Bidirectional is for privileged containers only");
        }
    }
}
