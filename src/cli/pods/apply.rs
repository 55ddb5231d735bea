//! `podrt apply`: what is not there is created, what is as the manifest says is left alone, what may change is changed in place.

use super::context::Context;
use super::create::{self, Step, Task};
use super::selector::Selector;
use super::{Failure, Kind, Result, json, output};
use crate::manifest::{APPLIED_FROM, Fresh, LAST_APPLIED, Manifest, Manifests, remember, update};
use crate::pod::{self, Code, DeleteOptions, PodRecord};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  podrt apply -f pods/                             create what is missing, change what may change
  podrt apply -f pod.yaml --replace                where a field may not change: delete the pod and create it anew
  podrt apply -f pods/ --prune                     and delete those whose manifest is no longer in the folder
  podrt apply -f pods/ --prune -l app=web          of those applied before with this label
  podrt apply -f pod.yaml --dry-run                say what would be done

Prints pod/NAME created, configured, unchanged or pruned. Exit code 0; 1 a field may not change, or pod not up; 3 wrong manifest;
4 the host cannot; 5 --timeout is over.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    create: create::Args,
    /// Delete pods that were applied before and are not among these: those from the same files and folders, or with -l or --all of
    /// the namespace
    #[arg(long)]
    prune: bool,
    /// With --prune: of all pods that were ever applied
    #[arg(long, requires = "prune", conflicts_with = "selector")]
    all: bool,
    /// Only pods with these labels are applied, and pruned
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    let selector = args.selector.as_deref().map(Selector::parse).transpose().map_err(Failure::usage)?;
    let mut manifests = args.create.reading.load(Fresh::Random, context)?;
    if let Some(selector) = &selector {
        manifests.pods.retain(|m| selector.matches(&json::strings(&m.pod_json(), "labels")));
    }
    // Found before anything is done: a pod that is applied now is none of them.
    let pruned = if args.prune { pruned(args, context, &manifests, selector.as_ref())? } else { Vec::new() };
    create::act(&args.create.making, context, &manifests, |manifest| task(args, context, manifest))?;
    for PodRecord { spec, .. } in pruned {
        if args.create.making.is_dry() {
            output::say(format_args!("pod/{} pruned (dry run)", spec.name))?;
            continue;
        }
        match pod::delete(&context.roots, &spec.namespace, &spec.name, &DeleteOptions::default()) {
            Err(e) if e.code != Code::NotFound => return Err(e.into()),
            _ => output::say(format_args!("pod/{} pruned", spec.name))?,
        }
    }
    Ok(())
}

fn task<'m>(args: &Args, context: &Context, manifest: &'m Manifest) -> Result<Task<'m>> {
    let new = |step| {
        let mut pod = manifest.pod_json();
        remember(&mut pod, &manifest.asked);
        mark(&mut pod, manifest);
        Ok(Task { manifest, step, pod })
    };
    let Some(record) = pod::get(&context.roots, &manifest.spec.namespace, &manifest.spec.name)? else { return new(Step::Create) };
    let mut update = update(&json::manifest(context, &record)?, &record.spec, manifest);
    if update.changed.is_empty() && update.forbidden.is_empty() {
        return Ok(Task { manifest, step: Step::Keep, pod: update.before });
    }
    if args.create.making.replace && !update.forbidden.is_empty() {
        return new(Step::Replace);
    }
    let name = &manifest.spec.name;
    if !update.forbidden.is_empty() {
        let line =
            |text: &String| format!("error: The Pod \"{name}\" is invalid: {text}; --replace deletes it and creates it anew");
        return Err(Failure { kind: Kind::Failed, lines: update.forbidden.iter().map(line).collect() });
    }
    mark(&mut update.pod, manifest);
    let pod = update.pod.clone();
    Ok(Task { manifest, step: Step::Update(Box::new((record, update))), pod })
}

/// The file that the manifest came from, for a later --prune; what came from stdin has none.
fn mark(pod: &mut Value, manifest: &Manifest) {
    let Some(path) = origin(&manifest.file) else { return };
    let Some(meta) = pod.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let annotations = meta.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(APPLIED_FROM.to_owned(), path.to_string_lossy().into_owned().into());
    }
}

/// The file's one path, whatever it was called by. None for what is no file.
fn origin(file: &str) -> Option<PathBuf> {
    let path = std::fs::canonicalize(file).ok()?;
    path.is_file().then_some(path)
}

/// Pods that an apply has made, that these manifests do not name, and that --prune means.
fn pruned(args: &Args, context: &Context, manifests: &Manifests, selector: Option<&Selector>) -> Result<Vec<PodRecord>> {
    let named: BTreeSet<_> = manifests.pods.iter().map(|m| (m.spec.namespace.as_str(), m.spec.name.as_str())).collect();
    let reading = &args.create.reading;
    let by_place = !args.all && selector.is_none();
    let places: Vec<PathBuf> = reading.files.filename.iter().filter_map(|f| std::fs::canonicalize(f).ok()).collect();
    if by_place && places.is_empty() {
        return Err(Failure::usage("--prune without a file or folder to compare with needs -l or --all"));
    }
    // A pod without a namespace of its own goes where -n says.
    let namespaces: BTreeSet<&str> = manifests.pods.iter().map(|m| m.spec.namespace.as_str()).collect();
    let default = reading.checks.namespace.as_deref().unwrap_or("default");
    let mut found = Vec::new();
    for record in pod::list(&context.roots, None)? {
        let (namespace, name) = (record.spec.namespace.as_str(), record.spec.name.as_str());
        if named.contains(&(namespace, name)) {
            continue;
        }
        let pod = json::manifest(context, &record)?;
        let notes = json::strings(&pod, "annotations");
        let meant = match selector {
            Some(selector) => {
                (namespace == default || namespaces.contains(namespace)) && selector.matches(&json::strings(&pod, "labels"))
            }
            None if args.all => namespace == default || namespaces.contains(namespace),
            None => notes
                .get(APPLIED_FROM)
                .is_some_and(|file| places.iter().any(|place| covers(place, file, reading.files.recursive))),
        };
        if meant && notes.contains_key(LAST_APPLIED) {
            found.push(record);
        }
    }
    Ok(found)
}

/// Whether `-f place` reads `file`, or would if it were still there.
fn covers(place: &Path, file: &str, recursive: bool) -> bool {
    let file = Path::new(file);
    file == place || file.parent() == Some(place) || (recursive && file.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_covers_its_files_and_with_recursion_those_below() {
        for (place, file, recursive, want) in [
            ("/m", "/m/a.yaml", false, true),
            ("/m", "/m/b/a.yaml", false, false),
            ("/m", "/m/b/a.yaml", true, true),
            ("/m", "/mm/a.yaml", true, false),
            ("/m/a.yaml", "/m/a.yaml", false, true),
            ("/m/b.yaml", "/m/a.yaml", true, false),
        ] {
            assert_eq!(covers(Path::new(place), file, recursive), want, "{place} {file}");
        }
    }
}
