//! `podrt plan`: what would be made of a manifest, and nothing is made. The same input gives the same output.

use super::context::Context;
use super::manifest::Reading;
use super::{Failure, Kind, Result, output, yaml};
use crate::cgroup::Limits;
use crate::container::Bundle;
use crate::manifest::{Fresh, Manifest, Options};
use crate::pod::spec::ContainerSpec;
use crate::pod::{config, image};
use crate::rootfs;
use serde_json::{Value, json};
use std::ffi::CString;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  podrt plan -f pod.yaml              the pod, its cgroups' files, each container's mounts and final config.json
  podrt plan -f pod.yaml | diff before.yaml -

Prints one YAML document for each pod. uid and creation time, which are new for every pod, are shown as zeros; values of
Secrets are not shown.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    reading: Reading,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    // What is printed ends up in logs and reviews.
    let options = Options { fresh: Fresh::Fixed, redact: true, ..Options::default() };
    let manifests = args.reading.checks.load(&args.reading.files.sources(), options, context)?;
    let mut out = output::stdout();
    for manifest in &manifests.pods {
        let plan = plan(context, manifest)?;
        write!(out, "---\n{}", yaml::print(&plan))?;
    }
    Ok(out.flush()?)
}

fn plan(context: &Context, manifest: &Manifest) -> Result<Value> {
    let spec = &manifest.spec;
    let folder = format!("{}/pod{}", context.roots.cgroup_parent, spec.uid);
    let mut cgroups = serde_json::Map::new();
    cgroups.insert(folder.clone(), files(&spec.limits, &spec.soft_limits));
    let mut containers = Vec::new();
    for container in spec.all_containers() {
        let wrong = |e: &dyn std::fmt::Display| {
            Failure::new(Kind::Input, format_args!("plan {}: container {}: {e}", spec.name, container.name))
        };
        let path = image::bundle(&context.roots, container).map_err(|e| wrong(&e.message))?;
        let bundle = Bundle::load(&path).map_err(|e| wrong(&e))?;
        let config = config::merge(spec, container, &bundle).map_err(|e| wrong(&e))?;
        cgroups.insert(format!("{folder}/{}", container.name), files(&config.limits, &container.soft_limits));
        for warning in &config.warnings {
            output::complain(format_args!("Warning: {}: container {}: {warning}", spec.name, container.name));
        }
        let root = bundle.rootfs().map_err(|e| wrong(&e))?;
        let tree = tree(&config.spec, &bundle, container, root.clone()).map_err(|e| wrong(&e))?;
        containers.push(json!({
            "name": container.name,
            "bundle": bundle.path,
            "rootfs": if container.rootfs_direct { json!({"direct": root}) } else { json!({"overlay": {"lower": root}}) },
            "steps": tree,
            "devices": config.devices,
            "config": ordered(&config.spec)?,
        }));
    }
    let spec = serde_json::to_value(spec).map_err(Failure::failed)?;
    Ok(json!({"pod": spec, "cgroups": cgroups, "containers": containers}))
}

/// Capabilities are sets without an order; all else has its own.
fn ordered(config: &oci_spec::runtime::Spec) -> Result<Value> {
    let mut config = serde_json::to_value(config).map_err(Failure::failed)?;
    let sets = config.pointer_mut("/process/capabilities").and_then(Value::as_object_mut);
    for set in sets.into_iter().flat_map(|s| s.values_mut()) {
        if let Value::Array(names) = set {
            names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        }
    }
    Ok(config)
}

/// Interface file -> what is written to it.
fn files(limits: &Limits, soft: &Limits) -> Value {
    let files = soft.files().into_iter().chain(limits.files());
    Value::Object(files.map(|(file, value)| (file, Value::String(value))).collect())
}

/// What the container's first process does to its file tree before it runs its command, in order.
fn tree(
    config: &oci_spec::runtime::Spec,
    bundle: &Bundle,
    container: &ContainerSpec,
    root: std::path::PathBuf,
) -> std::result::Result<Vec<String>, rootfs::Error> {
    // The writable layer does not exist yet; what is mounted is the same on the lower one.
    let plan = rootfs::Plan::new(config, &bundle.path, &rootfs::plan::Root::Direct(root), rootfs::plan::Base::Pod, &[], None)?;
    let mut steps = vec![match container.rootfs_direct {
        true => "root: the bundle's rootfs".to_string(),
        false => "root: an overlay, new for each attempt, on the bundle's rootfs".to_string(),
    }];
    let path = |p: &CString| format!("/{}", p.to_string_lossy());
    steps.extend(plan.mounts.iter().map(|m| format!("mount {}", m.words)));
    steps.extend(container.mounts.iter().map(|m| format!("mount {} (volume {})", m.path.display(), m.volume)));
    steps.extend(plan.nodes.iter().map(|n| {
        let (major, minor) = (libc::major(n.dev), libc::minor(n.dev));
        format!("node {} ({major}:{minor}, mode {:04o}, owner {}:{})", path(&n.path), n.mode & 0o7777, n.uid, n.gid)
    }));
    steps.extend(plan.links.iter().map(|(text, at)| format!("link {} -> {}", path(at), text.to_string_lossy())));
    steps.extend(plan.masked.iter().map(|p| format!("mask {}", path(p))));
    steps.extend(plan.readonly.iter().map(|p| format!("read-only {}", path(p))));
    if plan.root_readonly {
        steps.push("read-only /".into());
    }
    Ok(steps)
}
