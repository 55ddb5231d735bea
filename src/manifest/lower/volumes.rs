//! Volumes to their content, and mounts to what the container layer needs of them.
//!
//! Source: Kubernetes, "Volumes", "Projected Volumes", "Configure a Pod to Use a ConfigMap".

use super::super::document::Kind;
use super::super::error::quoted;
use super::super::expand::expand;
use super::super::names;
use super::super::quantity::Quantity;
use super::super::validate::volume_default_mode;
use super::{Data, Host, Refs, downward};
use crate::pod::spec::{Content, HostPathKind, MountSpec, Propagation, VolumeFile, VolumeSource, VolumeSpec};
use k8s_openapi::api::core::v1::{Container, DownwardAPIVolumeFile, KeyToPath, PodSpec, Volume};
use std::collections::HashMap;
use std::path::PathBuf;

pub fn volumes(spec: &PodSpec, host: &Host<'_>, refs: &mut Refs<'_>) -> Vec<VolumeSpec> {
    let each = |(i, v): (usize, &Volume)| {
        let source = source(v, spec, &format!("spec.volumes[{i}]"), host, refs);
        VolumeSpec { name: v.name.clone(), source }
    };
    spec.volumes.iter().flatten().enumerate().map(each).collect()
}

fn source(v: &Volume, spec: &PodSpec, at: &str, host: &Host<'_>, refs: &mut Refs<'_>) -> VolumeSource {
    if let Some(path) = &v.host_path {
        return VolumeSource::HostPath { path: PathBuf::from(&path.path), kind: kind(path.type_.as_deref()) };
    }
    let mut files = Files { list: Vec::new(), spec, host, refs, mode: 0o644 };
    if let Some(map) = &v.config_map {
        files.mode = volume_default_mode(map.default_mode);
        files.data(Kind::ConfigMap, &map.name, map.items.as_deref(), map.optional, &format!("{at}.configMap"), "name");
    } else if let Some(secret) = &v.secret {
        files.mode = volume_default_mode(secret.default_mode);
        let name = secret.secret_name.as_deref().unwrap_or_default();
        files.data(Kind::Secret, name, secret.items.as_deref(), secret.optional, &format!("{at}.secret"), "secretName");
    } else if let Some(down) = &v.downward_api {
        files.mode = volume_default_mode(down.default_mode);
        files.downward(down.items.as_deref(), &format!("{at}.downwardAPI"));
    } else if let Some(projected) = &v.projected {
        files.mode = volume_default_mode(projected.default_mode);
        for (i, source) in projected.sources.iter().flatten().enumerate() {
            let at = format!("{at}.projected.sources[{i}]");
            if let Some(s) = &source.secret {
                files.data(Kind::Secret, &s.name, s.items.as_deref(), s.optional, &format!("{at}.secret"), "name");
            } else if let Some(s) = &source.config_map {
                files.data(Kind::ConfigMap, &s.name, s.items.as_deref(), s.optional, &format!("{at}.configMap"), "name");
            } else if let Some(s) = &source.downward_api {
                files.downward(s.items.as_deref(), &format!("{at}.downwardAPI"));
            }
        }
    } else {
        let empty = v.empty_dir.clone().unwrap_or_default();
        let size = empty.size_limit.and_then(|l| Quantity::parse(&l.0).ok()).filter(|q| !q.is_zero());
        return match empty.medium.as_deref() {
            Some("Memory") => VolumeSource::Memory { size: size.and_then(|q| u64::try_from(q.value()).ok()) },
            _ => VolumeSource::EmptyDir,
        };
    }
    VolumeSource::Files { files: files.list }
}

fn kind(word: Option<&str>) -> HostPathKind {
    match word.unwrap_or_default() {
        "DirectoryOrCreate" => HostPathKind::DirectoryOrCreate,
        "Directory" => HostPathKind::Directory,
        "FileOrCreate" => HostPathKind::FileOrCreate,
        "File" => HostPathKind::File,
        "Socket" => HostPathKind::Socket,
        "CharDevice" => HostPathKind::CharDevice,
        "BlockDevice" => HostPathKind::BlockDevice,
        _ => HostPathKind::Any,
    }
}

struct Files<'f, 'r> {
    list: Vec<VolumeFile>,
    spec: &'f PodSpec,
    host: &'f Host<'f>,
    refs: &'f mut Refs<'r>,
    mode: u32,
}

impl Files<'_, '_> {
    fn push(&mut self, path: &str, mode: Option<i32>, content: Vec<u8>, field: &str) {
        // One path, or one below the other: a file cannot be a folder as well.
        let clash = |f: &VolumeFile| {
            let below = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            below(&f.path, path) || below(path, &f.path)
        };
        if self.list.iter().any(clash) {
            return self.refs.problem(field.to_owned(), format!("conflicting paths in the volume (got {})", quoted(path)));
        }
        let content = String::from_utf8(content).map_or_else(|e| Content::Bytes(e.into_bytes()), Content::Text);
        let mode = mode.and_then(|m| u32::try_from(m).ok()).unwrap_or(self.mode);
        self.list.push(VolumeFile { path: path.to_owned(), mode, content });
    }

    fn data(&mut self, kind: Kind, name: &str, items: Option<&[KeyToPath]>, optional: Option<bool>, at: &str, field: &str) {
        let Some(Data { values, binary }) = self.refs.data(kind, name, optional, &format!("{at}.{field}")) else { return };
        let Some(items) = items.filter(|i| !i.is_empty()) else {
            for (key, value) in values.iter().chain(binary) {
                self.push(key, None, value.clone(), at);
            }
            return;
        };
        for (i, item) in items.iter().enumerate() {
            let at = format!("{at}.items[{i}]");
            match values.get(&item.key).or_else(|| binary.get(&item.key)) {
                Some(value) => self.push(&item.path, item.mode, value.clone(), &format!("{at}.path")),
                None if optional == Some(true) => {}
                None => {
                    let problem = format!("no such key in {kind:?} {} (got {})", quoted(name), quoted(&item.key));
                    self.refs.problem(format!("{at}.key"), problem);
                }
            }
        }
    }

    fn downward(&mut self, items: Option<&[DownwardAPIVolumeFile]>, at: &str) {
        for (i, item) in items.unwrap_or(&[]).iter().enumerate() {
            let text = match (&item.field_ref, &item.resource_field_ref) {
                (Some(field), _) => downward::field(self.refs.pod, &field.field_path),
                (_, Some(selector)) => match downward::container(self.spec, selector, None) {
                    Some(container) => downward::resource(container, selector, self.host),
                    None => continue,
                },
                _ => continue,
            };
            self.push(&item.path, item.mode, text.into_bytes(), &format!("{at}.items[{i}].path"));
        }
    }
}

pub fn mounts(c: &Container, env: &[(String, String)], at: &str, refs: &mut Refs<'_>) -> Vec<MountSpec> {
    let values: HashMap<&str, &str> = env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut out = Vec::new();
    for (i, m) in c.volume_mounts.iter().flatten().enumerate() {
        let field = format!("{at}.volumeMounts[{i}].subPathExpr");
        let sub_path = match m.sub_path_expr.as_deref().filter(|e| !e.is_empty()) {
            None => m.sub_path.clone().filter(|s| !s.is_empty()),
            Some(text) => {
                let missing = std::cell::RefCell::new(None);
                let path = expand(text, |name| {
                    let value = values.get(name).copied();
                    if value.is_none() {
                        missing.replace(Some(name.to_owned()));
                    }
                    value
                });
                if let Some(name) = missing.take() {
                    refs.problem(field, format!("no value for $({name}) in this container's env (got {})", quoted(text)));
                    continue;
                }
                // Late values hold NUL, which no path may: the pod's address is not known when folders are chosen.
                if let Err(want) = names::sub_path(&path) {
                    refs.problem(
                        field,
                        format!("not a valid path in a volume once expanded (got {}, want {want})", quoted(&path)),
                    );
                    continue;
                }
                Some(path)
            }
        };
        let read_only = m.read_only == Some(true);
        out.push(MountSpec {
            volume: m.name.clone(),
            path: m.mount_path.clone().into(),
            read_only,
            recursive_read_only: read_only && matches!(m.recursive_read_only.as_deref(), Some("Enabled" | "IfPossible")),
            propagation: match m.mount_propagation.as_deref() {
                Some("HostToContainer") => Propagation::HostToContainer,
                Some("Bidirectional") => Propagation::Bidirectional,
                _ => Propagation::None,
            },
            sub_path,
        });
    }
    out
}
