//! `podrt create` and `podrt apply`: everything is checked before anything is made.

use super::context::Context;
use super::manifest::Reading;
use super::{Failure, Kind, Result, output};
use crate::container::Bundle;
use crate::manifest::{Fresh, Manifest};
use crate::pod::control::Stage;
use crate::pod::status::{ContainerState, PodStatusModel};
use crate::pod::{self, Code, CreateOptions, DeleteOptions};
use clap::ValueEnum;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  podrt create -f pod.yaml                         return as soon as the pod exists
  podrt create -f pod.yaml --wait=ready --timeout=30s
  podrt apply -f pods/a.yaml -f pods/b.yaml        fine where they run already
  podrt apply -f pod.yaml --replace                delete a differing one and create it anew
  generate | podrt create -f -                     from stdin

Prints pod/NAME created (apply: or unchanged). Exit code 0; 1 name taken or pod not up; 3 wrong manifest; 4 the host cannot;
5 --timeout is over.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    reading: Reading,
    /// How far the pods must have come before podrt returns
    #[arg(long, value_name = "STAGE", default_value = "created")]
    wait: Wait,
    /// How long to wait for that: 30s, 5m, 1h30m; 0 is without end
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = super::text::duration)]
    timeout: Duration,
    /// Delete a pod of the same name first
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wait {
    /// The pod exists
    Created,
    /// Every container was started once
    Started,
    /// The pod is Ready, or has succeeded
    Ready,
}

impl Wait {
    fn stage(self) -> Stage {
        match self {
            Wait::Created => Stage::Created,
            Wait::Started => Stage::Started,
            Wait::Ready => Stage::Ready,
        }
    }
}

/// What is to be done about one manifest.
enum Step {
    Create,
    Replace,
    Keep,
}

pub fn create(args: &Args, context: &Context) -> Result {
    act(args, context, |manifest| match pod::get(&context.roots, &manifest.spec.namespace, &manifest.spec.name)? {
        None => Ok(Step::Create),
        Some(_) if args.replace => Ok(Step::Replace),
        Some(_) => Err(exists(manifest)),
    })
}

pub fn apply(args: &Args, context: &Context) -> Result {
    act(args, context, |manifest| {
        let Some(old) = pod::get(&context.roots, &manifest.spec.namespace, &manifest.spec.name)? else { return Ok(Step::Create) };
        if super::json::same_request(&super::json::manifest(context, &old)?, &manifest.pod_json()) {
            Ok(Step::Keep)
        } else if args.replace {
            Ok(Step::Replace)
        } else {
            Err(Failure {
                kind: Kind::Failed,
                lines: vec![format!(
                    "error: The Pod \"{}\" is invalid: spec: Forbidden: pod updates may not change a pod in place yet (--replace deletes it and creates it anew)",
                    manifest.spec.name
                )],
            })
        }
    })
}

/// Makes way for a pod and checks what can be checked, for a command that creates it next.
pub fn ready(context: &Context, manifest: &Manifest, replace: bool, pods: usize) -> Result {
    let (namespace, name) = (&manifest.spec.namespace, &manifest.spec.name);
    bundles(manifest, pods)?;
    if pod::get(&context.roots, namespace, name)?.is_none() {
        return Ok(());
    }
    if replace { remove(context, manifest) } else { Err(exists(manifest)) }
}

/// One that is gone by now is fine.
fn remove(context: &Context, manifest: &Manifest) -> Result {
    match pod::delete(&context.roots, &manifest.spec.namespace, &manifest.spec.name, &DeleteOptions::default()) {
        Err(e) if e.code != Code::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

fn exists(manifest: &Manifest) -> Failure {
    let text = format!("error when creating \"{}\": pods \"{}\" already exists", manifest.file, manifest.spec.name);
    Failure::server("AlreadyExists", text)
}

fn act(args: &Args, context: &Context, decide: impl Fn(&Manifest) -> Result<Step>) -> Result {
    context.require_root()?;
    let began = Instant::now();
    let manifests = args.reading.load(Fresh::Random, context)?;
    let (mut steps, mut failures) = (Vec::new(), Vec::new());
    for manifest in &manifests.pods {
        match decide(manifest).and_then(|step| bundles(manifest, manifests.pods.len()).map(|()| step)) {
            Ok(step) => steps.push((manifest, step)),
            Err(failure) => failures.push(failure),
        }
    }
    Failure::all(failures)?;
    let mut made: Vec<&Manifest> = Vec::new();
    for (manifest, step) in steps {
        match step {
            Step::Keep => {
                output::say(format_args!("pod/{} unchanged", manifest.spec.name))?;
                continue;
            }
            Step::Replace => {
                if let Err(failure) = remove(context, manifest) {
                    return Err(undo(context, &made, failure));
                }
            }
            Step::Create => {}
        }
        if let Err(failure) = one(context, manifest) {
            return Err(undo(context, &made, failure));
        }
        made.push(manifest);
    }
    // A reader that is gone takes back nothing.
    for manifest in &made {
        output::say(format_args!("pod/{} created", manifest.spec.name))?;
    }
    if args.wait == Wait::Created {
        return Ok(());
    }
    let left = || (!args.timeout.is_zero()).then(|| args.timeout.saturating_sub(began.elapsed()));
    Failure::all(made.iter().filter_map(|m| wait(context, m, args.wait.stage(), left()).err()).collect())
}

/// Creates one pod; what was done otherwise than asked is printed. Errors: nothing is left of it.
pub fn one(context: &Context, manifest: &Manifest) -> Result {
    let options = CreateOptions { manifest: Some(manifest.pod_json()), ..CreateOptions::default() };
    let created = pod::create(&manifest.spec, &context.roots, &options).map_err(|e| match e.code {
        Code::AlreadyExists => exists(manifest),
        _ => Failure::from(e.context(format_args!("create {}", manifest.spec.name))),
    })?;
    for warning in &created.warnings {
        output::complain(format_args!("Warning: pod/{}: {warning}", manifest.spec.name));
    }
    Ok(())
}

/// Of several pods none may start where one names a bundle that cannot be run; of one alone, its creation tells.
fn bundles(manifest: &Manifest, pods: usize) -> Result {
    if pods < 2 {
        return Ok(());
    }
    for container in manifest.spec.all_containers() {
        let bundle = Bundle::load(&container.bundle).and_then(|b| b.rootfs().map(drop));
        bundle.map_err(|e| {
            let (name, container) = (&manifest.spec.name, &container.name);
            Failure::new(Kind::Input, format_args!("create {name}: container {container}: {e}"))
        })?;
    }
    Ok(())
}

/// Takes back, last first, what this command has made.
pub fn undo(context: &Context, made: &[&Manifest], failure: Failure) -> Failure {
    let mut failure = failure;
    let options = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
    for manifest in made.iter().rev() {
        if let Err(e) = pod::delete(&context.roots, &manifest.spec.namespace, &manifest.spec.name, &options)
            && e.code != Code::NotFound
        {
            failure.lines.push(format!("error: and pod/{} could not be taken back: {e}", manifest.spec.name));
        }
    }
    failure
}

fn wait(context: &Context, manifest: &Manifest, stage: Stage, left: Option<Duration>) -> Result {
    let (namespace, name) = (&manifest.spec.namespace, &manifest.spec.name);
    let waited = pod::connect(&context.roots, namespace, name).and_then(|mut client| client.wait(stage, left));
    let Some(record) = pod::get(&context.roots, namespace, name)? else { return Err(Failure::not_found(name)) };
    let problems = start_failures(&record.status);
    match waited {
        Ok(()) if problems.is_empty() => Ok(()),
        Err(e) if e.code == Code::DeadlineExceeded => {
            let mut lines =
                vec![format!("error: timed out waiting for pod/{name} to be {}", format!("{stage:?}").to_lowercase())];
            lines.extend(problems.iter().map(|p| format!("error: pod/{name}: {p}")));
            Err(Failure { kind: Kind::Timeout, lines })
        }
        // It has ended with all done before anybody could ask.
        Err(e) if e.code == Code::Unavailable && record.status.phase == pod::status::Phase::Succeeded => Ok(()),
        Err(e) if problems.is_empty() => Err(Failure::failed(format_args!("pod/{name}: {e}"))),
        _ => Err(Failure { kind: Kind::Failed, lines: problems.iter().map(|p| format!("error: pod/{name}: {p}")).collect() }),
    }
}

/// What keeps containers from running, of their own making: one line each.
pub fn start_failures(status: &PodStatusModel) -> Vec<String> {
    let of = |name: &str, reason: &str, message: &str| {
        let message = message.trim_end();
        format!("container {name}: {reason}{}{message}", if message.is_empty() { "" } else { ": " })
    };
    let containers = status.all_containers().filter_map(|c| match &c.state {
        ContainerState::Waiting { reason, message } if reason.ends_with("Error") => Some(of(&c.name, reason, message)),
        ContainerState::Terminated(end) if end.reason == "StartError" || end.reason == "ContainerCannotRun" => {
            Some(of(&c.name, &end.reason, &end.message))
        }
        ContainerState::Waiting { .. } => {
            let end = c.last_state.as_ref().filter(|end| end.reason == "StartError" || end.reason == "ContainerCannotRun")?;
            Some(of(&c.name, &end.reason, &end.message))
        }
        _ => None,
    });
    containers.collect()
}
