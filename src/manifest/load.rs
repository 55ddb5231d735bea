//! The way through: sources in, pods out, or everything that is wrong.

use super::annotations::{APPLIED_FROM, LAST_APPLIED};
use super::data::Store;
use super::document::Kind;
use super::error::{Errors, Problem};
use super::fresh::Fresh;
use super::input::Source;
use super::lower::network::Network;
use super::lower::{self, Host};
use super::node::{Node, Pos};
use super::schema::{CONFIG_MAP, META, POD, SECRET};
use super::validate::{self, Allow};
use super::walk::{Findings, Validate, walk};
use super::{defaults, document, input, yaml};
use crate::pod::spec::PodSpec;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Bytes of all files together: what they become is some ten times as large.
const MAX_TEXT: usize = 20_000_000;
/// Errors of all that was given; nobody reads more.
const MOST: usize = 1000;

/// How manifests are read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `-n`: where the manifest says nothing; another one in the manifest is an error. None is `default`.
    pub namespace: Option<String>,
    pub validate: Validate,
    /// `--allowed-unsafe-sysctls`: names, or starts of names that end in `*`.
    pub allowed_unsafe_sysctls: Vec<String>,
    pub missing_controllers_warn: bool,
    /// `--node-label`: what this host has beyond its name, os and arch.
    pub node_labels: BTreeMap<String, String>,
    /// Bytes of the host's memory, for oom_score_adj; None reads /proc/meminfo.
    pub host_memory: Option<u64>,
    pub fresh: Fresh,
    /// The values of Secrets are left out: for what is printed.
    pub redact: bool,
    pub network: Network,
}

/// One pod of what was given.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub spec: PodSpec,
    /// The v1 Pod with defaults, uid and creationTimestamp, no status: what the store keeps and `get -o yaml` shows.
    pub pod: Pod,
    /// What was asked, without defaults and without what a server adds: what an apply remembers.
    pub asked: serde_json::Value,
    pub file: String,
    pub line: u32,
}

impl Manifest {
    /// The v1 Pod as JSON.
    pub fn pod_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.pod).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Default)]
pub struct Manifests {
    /// In the order of files and documents; at least one.
    pub pods: Vec<Manifest>,
    pub warnings: Vec<Problem>,
}

/// A pod that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub namespace: String,
    pub name: String,
}

/// Reads, checks and lowers everything.
///
/// # Errors
/// All problems of all sources; then there is no pod.
pub fn load(sources: &[Source], options: &Options) -> Result<Manifests, Errors> {
    let memory = options.host_memory.unwrap_or_else(host_memory);
    let allow = Allow { unsafe_sysctls: options.allowed_unsafe_sysctls.clone(), node_labels: options.node_labels.clone() };
    let mut pods = Vec::new();
    let mut data = Store::new(options.redact);
    let warnings = each_object(sources, |kind, node, folder, findings| {
        if kind != Kind::Pod {
            let fields = if kind == Kind::ConfigMap { CONFIG_MAP } else { SECRET };
            let json = walk(node, fields, options.validate, findings);
            let own = json["metadata"]["namespace"].as_str().map(str::to_owned);
            let namespace = namespace_of(own, node, options, findings);
            return data.add(kind, &json, namespace, node, findings);
        }
        let mut json = walk(node, POD, options.validate, findings);
        if validate::too_many_containers(&json, node, findings) {
            return;
        }
        without_marks(&mut json);
        let mut asked = json.clone();
        let Some(mut pod) = typed(json, node, findings) else { return };
        namespace(&mut pod, node, options, findings);
        asked["apiVersion"] = "v1".into();
        asked["kind"] = "Pod".into();
        asked["metadata"]["namespace"] = pod.metadata.namespace.clone().into();
        defaults::set(&mut pod);
        validate::check(&pod, node, &allow, findings);
        if !findings.errors.is_empty() {
            return;
        }
        if let Err(e) = freshen(&mut pod, options.fresh) {
            return findings.error(node.pos, "metadata", format!("no random numbers: /dev/urandom: {e}"));
        }
        let host = Host { folder, memory, missing_controllers_warn: options.missing_controllers_warn, network: &options.network };
        let mut refs = lower::Refs::new(&data, &pod);
        let spec = lower::pod(&pod, &host, &mut refs);
        for (field, problem) in refs.problems {
            findings.error(node.locate(&field), &field, problem);
        }
        pods.push(Manifest { spec, pod, asked, file: findings.file.to_owned(), line: node.pos.line });
    })?;
    if pods.is_empty() && !data.is_empty() {
        let file = sources.first().map(Source::name).unwrap_or_default();
        let problem = "there is no Pod (ConfigMaps and Secrets alone make nothing)".to_owned();
        return Err(Errors(vec![Problem { file, line: 0, col: 0, field: String::new(), problem }]));
    }
    let names = pods.iter().map(|p| (&p.spec.namespace, &p.spec.name, p.file.as_str(), p.line));
    refuse_twice(names)?;
    Ok(Manifests { pods, warnings })
}

/// The names alone, for `delete -f`: a manifest that this podrt cannot run can still be deleted.
///
/// # Errors
/// All problems of all sources with syntax, kind and metadata.
pub fn load_names(sources: &[Source], options: &Options) -> Result<Vec<Name>, Errors> {
    let mut names = Vec::new();
    each_object(sources, |kind, node, _, findings| {
        // Data has no life of its own here: there is nothing of it to delete.
        if kind != Kind::Pod {
            return;
        }
        let Some(meta) = node.get("metadata") else {
            return findings.error(node.pos, "metadata", "missing (want a mapping)");
        };
        // The walk's fields start at metadata, and so do its findings.
        let below = format!("{}metadata.", findings.prefix);
        let prefix = std::mem::replace(&mut findings.prefix, below);
        let json = walk(meta, META, Validate::Ignore, findings);
        findings.prefix = prefix;
        let Some(mut pod) = typed(serde_json::json!({ "metadata": json }), node, findings) else { return };
        namespace(&mut pod, node, options, findings);
        validate::check_metadata(&pod, node, findings);
        match pod.metadata.name {
            Some(name) => names.push(Name { namespace: pod.metadata.namespace.unwrap_or_default(), name }),
            None if findings.errors.is_empty() => {
                findings.error(meta.pos, "metadata.name", "missing (a generated name names no pod)")
            }
            None => {}
        }
    })?;
    Ok(names)
}

/// Calls `read` for every object of every source with its node and its source's folder: first the data, then the pods, which
/// may refer to data that stands behind them.
fn each_object(
    sources: &[Source],
    mut read: impl FnMut(Kind, &Node<'_>, &Path, &mut Findings<'_>),
) -> Result<Vec<Problem>, Errors> {
    let mut texts = Vec::new();
    let (sources, mut errors) = input::expand(sources);
    let mut room = MAX_TEXT;
    for source in &sources {
        let whole = |problem: String| Problem { file: source.name(), line: 0, col: 0, field: String::new(), problem };
        match (source.read(), source.folder()) {
            (Ok(text), Ok(folder)) => {
                let Some(left) = room.checked_sub(text.len()) else {
                    return Err(Errors(vec![whole(format!(
                        "too large with the files before it (want at most {MAX_TEXT} bytes in all)"
                    ))]));
                };
                room = left;
                texts.push((source.name(), Ok((text, folder))));
            }
            (Err(problem), _) => texts.push((source.name(), Err(problem))),
            (_, Err(e)) => texts.push((source.name(), Err(whole(format!("no working folder: {e}"))))),
        }
    }
    let mut documents = Vec::new();
    for (file, text) in &texts {
        let whole =
            |problem: &str| Problem { file: file.clone(), line: 0, col: 0, field: String::new(), problem: problem.into() };
        let (text, folder) = match text {
            Ok((text, folder)) => (text, folder.as_path()),
            Err(problem) => {
                errors.push(problem.clone());
                continue;
            }
        };
        let parsed = yaml::parse(text);
        if parsed.is_empty() {
            errors.push(whole("empty (want a Pod)"));
        }
        for document in parsed {
            if errors.len() >= MOST {
                errors.push(whole("there are more problems than these"));
                return Err(Errors(errors));
            }
            match document {
                Ok(root) => documents.push((file, folder, root)),
                Err(faults) => {
                    let mut found = Findings::new(file, String::new());
                    faults.into_iter().for_each(|fault| found.error(fault.pos, "", fault.problem));
                    errors.extend(found.errors);
                }
            }
        }
    }
    let mut warnings = Vec::new();
    let mut rest = Vec::new();
    // Every document's data, before the first pod.
    for (file, folder, root) in &documents {
        let mut found = Findings::new(file, String::new());
        let mut pods = Vec::new();
        for object in document::objects(root, &mut found) {
            if object.kind == Kind::Pod {
                pods.push(object);
                continue;
            }
            let mut findings = Findings::new(file, object.prefix);
            read(object.kind, object.node, folder, &mut findings);
            found.absorb(findings);
        }
        rest.push((file, folder, found, pods));
    }
    for (file, folder, mut found, pods) in rest {
        if errors.len() >= MOST {
            let problem = "there are more problems than these".to_owned();
            errors.push(Problem { file: (*file).clone(), line: 0, col: 0, field: String::new(), problem });
            return Err(Errors(errors));
        }
        for object in pods {
            let mut findings = Findings::new(file, object.prefix);
            read(object.kind, object.node, folder, &mut findings);
            found.absorb(findings);
        }
        errors.extend(found.errors);
        warnings.extend(found.warnings);
    }
    // As they were given: by file, then by line.
    let place = |p: &Problem| texts.iter().position(|(file, _)| *file == p.file).unwrap_or(usize::MAX);
    errors.sort_by_key(|p| (place(p), p.line, p.col));
    if errors.is_empty() { Ok(warnings) } else { Err(Errors(errors)) }
}

/// What an apply has written into a pod that was printed and comes back.
fn without_marks(json: &mut serde_json::Value) {
    let annotations = json.pointer_mut("/metadata/annotations").and_then(serde_json::Value::as_object_mut);
    if let Some(annotations) = annotations {
        annotations.retain(|key, _| key != LAST_APPLIED && key != APPLIED_FROM);
    }
}

fn typed(json: serde_json::Value, node: &Node<'_>, findings: &mut Findings<'_>) -> Option<Pod> {
    // The library insists on these two; the document's own were checked.
    let mut json = json;
    if let Some(object) = json.as_object_mut() {
        object.insert("apiVersion".to_owned(), "v1".into());
        object.insert("kind".to_owned(), "Pod".into());
    }
    match serde_json::from_value(json) {
        Ok(pod) => Some(pod),
        Err(e) => {
            if findings.errors.is_empty() {
                findings.error(node.pos, "", format!("not a Pod: {e}"));
            }
            None
        }
    }
}

fn namespace(pod: &mut Pod, node: &Node<'_>, options: &Options, findings: &mut Findings<'_>) {
    let own = pod.metadata.namespace.take();
    pod.metadata.namespace = Some(namespace_of(own, node, options, findings));
}

fn namespace_of(own: Option<String>, node: &Node<'_>, options: &Options, findings: &mut Findings<'_>) -> String {
    let own = own.filter(|n| !n.is_empty());
    if let (Some(own), Some(asked)) = (&own, &options.namespace)
        && own != asked
    {
        let problem =
            format!("the namespace is not that of -n (got {}, want {})", super::error::quoted(own), super::error::quoted(asked));
        findings.error(node.locate("metadata.namespace"), "metadata.namespace", problem);
    }
    own.or_else(|| options.namespace.clone()).unwrap_or_else(|| "default".to_owned())
}

/// What an API server adds at creation.
fn freshen(pod: &mut Pod, fresh: Fresh) -> std::io::Result<()> {
    let meta = &mut pod.metadata;
    if meta.name.is_none() {
        meta.name = Some(fresh.name(meta.generate_name.as_deref().unwrap_or_default())?);
    }
    meta.uid = Some(fresh.uid()?);
    // metav1.Time has whole seconds; the same text stands in the pod and in its spec.
    let now = jiff::Timestamp::from_second(fresh.now().as_second()).unwrap_or_default();
    meta.creation_timestamp = Some(Time(now));
    meta.generation = Some(1);
    Ok(())
}

/// One name given twice would fail halfway.
fn refuse_twice<'p>(names: impl Iterator<Item = (&'p String, &'p String, &'p str, u32)>) -> Result<(), Errors> {
    let mut seen = HashMap::new();
    let mut errors = Vec::new();
    for (namespace, name, file, line) in names {
        if let Some((first, at)) = seen.get(&(namespace, name)) {
            let problem = format!("the pod {namespace}/{name} stands at {first}:{at} already");
            let pos = Pos { line, col: 1 };
            errors.push(Problem {
                file: file.to_owned(),
                line: pos.line,
                col: pos.col,
                field: "metadata.name".to_owned(),
                problem,
            });
        } else {
            seen.insert((namespace, name), (file, line));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Errors(errors)) }
}

/// Bytes; where /proc/meminfo cannot be read every share of it is nothing.
fn host_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    total.map_or(u64::MAX, |kb| kb.saturating_mul(1024))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
