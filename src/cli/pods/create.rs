//! `podrt create`, and the half that `podrt apply` shares: everything is checked before anything is made.

use super::context::Context;
use super::manifest::Reading;
use super::{Failure, Kind, Result, json, output, yaml};
use crate::container::Bundle;
use crate::manifest::{Fresh, Manifest, Manifests, Update};
use crate::pod::control::Stage;
use crate::pod::spec::Policy;
use crate::pod::status::{ContainerState, PodStatusModel};
use crate::pod::{self, Code, CreateOptions, Created, DeleteOptions, PodRecord};
use clap::ValueEnum;
use serde_json::Value;
use std::io::Write;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  podrt create -f pod.yaml                         return as soon as the pod exists
  podrt create -f pod.yaml --wait=ready --timeout=30s
  podrt create -f pods/ -R                         every manifest of a folder and of those below it
  podrt create -f pod.yaml --dry-run -o yaml       what would be asked for, with all defaults
  podrt create --policy external -f pod.yaml       the sandbox alone; what runs in it is podrt ctl's
  generate | podrt create -f -                     from stdin

Prints pod/NAME created. Exit code 0; 1 name taken or pod not up; 3 wrong manifest; 4 the host cannot; 5 --timeout is over.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
// Apply flattens these into its own.
#[group(id = "creating")]
pub struct Args {
    #[command(flatten)]
    pub reading: Reading,
    #[command(flatten)]
    pub making: Making,
    /// Who decides what runs in it
    #[arg(long, value_name = "WHO", default_value = "pod")]
    policy: Who,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Its manifest
    Pod,
    /// The caller, by podrt ctl or the control socket: only the sandbox is made
    External,
}

/// How pods are made, and what is said of it.
#[derive(Debug, clap::Args)]
pub struct Making {
    /// How far the pods must have come before podrt returns
    #[arg(long, value_name = "STAGE", default_value = "created")]
    wait: Wait,
    /// How long to wait for that: 30s, 5m, 1h30m; 0 is without end
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = super::text::duration)]
    timeout: Duration,
    /// Delete a pod of the same name first
    #[arg(long)]
    pub replace: bool,
    /// Say what would be done, or with -o print the pods, and do nothing
    #[arg(long, value_name = "HOW", default_value = "none", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: DryRun,
    /// Print the pods as they are asked for, defaults included: yaml, json or name
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DryRun {
    None,
    /// There is no server: both are the same
    #[value(alias = "server")]
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Yaml,
    Json,
    Name,
}

impl Making {
    pub fn is_dry(&self) -> bool {
        self.dry_run != DryRun::None
    }

    /// What was done, or would be. A reader that is gone takes back nothing.
    fn tell(&self, context: &Context, tasks: &[Task]) -> Result {
        let dry = if self.dry_run == DryRun::None { "" } else { " (dry run)" };
        let Some(format) = self.output else {
            for task in tasks {
                output::say(format_args!("pod/{} {}{dry}", task.manifest.spec.name, task.done()))?;
            }
            return Ok(());
        };
        if format == Format::Name {
            for task in tasks {
                output::say(format_args!("pod/{}", task.manifest.spec.name))?;
            }
            return Ok(());
        }
        let mut pods = Vec::new();
        for task in tasks {
            let spec = &task.manifest.spec;
            match pod::get(&context.roots, &spec.namespace, &spec.name)? {
                Some(record) if self.dry_run == DryRun::None => pods.push(json::pod(context, &record)?),
                _ => pods.push(task.pod.clone()),
            }
        }
        let whole = if pods.len() == 1 { pods.remove(0) } else { json::list(pods) };
        let text = match format {
            Format::Yaml => yaml::print(&whole),
            _ => serde_json::to_string_pretty(&whole).map_err(Failure::failed)? + "\n",
        };
        let mut out = output::stdout();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
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
pub enum Step {
    Create,
    Replace,
    Keep,
    /// Its record alone changes.
    Update(Box<(PodRecord, Update)>),
}

/// A manifest, and what becomes of it.
pub struct Task<'m> {
    pub manifest: &'m Manifest,
    pub step: Step,
    /// The v1 Pod to be stored.
    pub pod: Value,
}

impl Task<'_> {
    /// As kubectl says it.
    fn done(&self) -> &'static str {
        match self.step {
            Step::Create | Step::Replace => "created",
            Step::Update(_) => "configured",
            Step::Keep => "unchanged",
        }
    }
}

pub fn create(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    let mut manifests = args.reading.load(Fresh::Random, context)?;
    if args.policy == Who::External {
        for manifest in &mut manifests.pods {
            manifest.spec.policy = Policy::External;
            // It bounds what runs by itself.
            manifest.spec.active_deadline_seconds = None;
        }
    }
    make(&args.making, context, &manifests)
}

/// Creates all of them, or none.
pub fn make(making: &Making, context: &Context, manifests: &Manifests) -> Result {
    act(making, context, manifests, |manifest| {
        let step = match pod::get(&context.roots, &manifest.spec.namespace, &manifest.spec.name)? {
            None => Step::Create,
            Some(_) if making.replace => Step::Replace,
            Some(_) => return Err(exists(manifest)),
        };
        Ok(Task { manifest, step, pod: manifest.pod_json() })
    })
}

/// Makes way for a pod and checks what can be checked, for a command that creates it next.
pub fn ready(context: &Context, manifest: &Manifest, replace: bool, pods: usize) -> Result {
    let (namespace, name) = (&manifest.spec.namespace, &manifest.spec.name);
    bundles(context, manifest, pods)?;
    if pod::get(&context.roots, namespace, name)?.is_none() {
        return Ok(());
    }
    if replace { remove(context, manifest) } else { Err(exists(manifest)) }
}

/// One that is gone by now is fine.
pub(super) fn remove(context: &Context, manifest: &Manifest) -> Result {
    match pod::delete(&context.roots, &manifest.spec.namespace, &manifest.spec.name, &DeleteOptions::default()) {
        Err(e) if e.code != Code::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

fn exists(manifest: &Manifest) -> Failure {
    let text = format!("error when creating \"{}\": pods \"{}\" already exists", manifest.file, manifest.spec.name);
    Failure::server("AlreadyExists", text)
}

/// Decides about all, then does it; what fails takes back what was made.
pub(super) fn act<'m>(
    args: &Making,
    context: &Context,
    manifests: &'m Manifests,
    decide: impl Fn(&'m Manifest) -> Result<Task<'m>>,
) -> Result {
    let began = Instant::now();
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for manifest in &manifests.pods {
        match decide(manifest).and_then(|task| bundles(context, manifest, manifests.pods.len()).map(|()| task)) {
            Ok(task) => tasks.push(task),
            Err(failure) => failures.push(failure),
        }
    }
    Failure::all(failures)?;
    let left = || (!args.timeout.is_zero()).then(|| args.timeout.saturating_sub(began.elapsed()));
    // Of one pod the word that is waited for comes on the way that its creation is told.
    if let [Task { manifest, step: step @ (Step::Create | Step::Replace), pod }] = tasks.as_slice()
        && args.dry_run == DryRun::None
        && args.output.is_none()
    {
        if let Step::Replace = step {
            remove(context, manifest)?;
        }
        return alone(context, manifest, pod.clone(), args.wait.stage(), left());
    }
    if args.dry_run == DryRun::None {
        perform(context, &tasks)?;
    }
    args.tell(context, &tasks)?;
    if args.wait == Wait::Created || args.dry_run != DryRun::None {
        return Ok(());
    }
    let made = tasks.iter().filter(|t| matches!(t.step, Step::Create | Step::Replace)).map(|t| t.manifest);
    Failure::all(made.filter_map(|m| wait(context, m, args.wait.stage(), left()).err()).collect())
}

fn perform(context: &Context, tasks: &[Task]) -> Result {
    let mut made: Vec<&Manifest> = Vec::new();
    for Task { manifest, step, pod } in tasks {
        let done = match step {
            Step::Keep => continue,
            Step::Update(both) => {
                let (record, update) = both.as_ref();
                pod::change(&context.roots, record, &update.before, pod)
                    .map_err(|e| Failure::from(e.context(format_args!("apply {}", manifest.spec.name))))
            }
            Step::Replace => remove(context, manifest).and_then(|()| one_as(context, manifest, pod.clone())),
            Step::Create => one_as(context, manifest, pod.clone()),
        };
        if let Err(failure) = done {
            return Err(undo(context, &made, failure));
        }
        if !matches!(step, Step::Update(_)) {
            made.push(manifest);
        }
    }
    Ok(())
}

/// Creates one pod; what was done otherwise than asked is printed. Errors: nothing is left of it.
pub fn one(context: &Context, manifest: &Manifest) -> Result {
    one_as(context, manifest, manifest.pod_json())
}

fn one_as(context: &Context, manifest: &Manifest, pod: Value) -> Result {
    let options = CreateOptions { manifest: Some(pod), ..CreateOptions::default() };
    let created = pod::create(&manifest.spec, &context.roots, &options).map_err(|e| not_made(manifest, e))?;
    warn(manifest, &created);
    Ok(())
}

fn not_made(manifest: &Manifest, e: pod::Error) -> Failure {
    match e.code {
        Code::AlreadyExists => exists(manifest),
        _ => Failure::from(e.context(format_args!("create {}", manifest.spec.name))),
    }
}

fn warn(manifest: &Manifest, created: &Created) {
    for warning in &created.warnings {
        output::complain(format_args!("Warning: pod/{}: {warning}", manifest.spec.name));
    }
}

/// Creates the only pod that is asked for, says so, and waits for its stage.
fn alone(context: &Context, manifest: &Manifest, pod: Value, stage: Stage, left: Option<Duration>) -> Result {
    let options = CreateOptions { manifest: Some(pod), wait: stage, deadline: left };
    let mut said = Ok(());
    let created = pod::create_telling(&manifest.spec, &context.roots, &options, &mut |created| {
        warn(manifest, created);
        said = output::say(format_args!("pod/{} created", manifest.spec.name));
    });
    let created = created.map_err(|e| not_made(manifest, e))?;
    // A reader that is gone takes back nothing.
    said?;
    match stage {
        Stage::Created => Ok(()),
        _ => outcome(context, manifest, stage, created.unreached.map_or(Ok(()), Err)),
    }
}

/// Of several pods none may start where one names a bundle that cannot be run; of one alone, its creation tells.
fn bundles(context: &Context, manifest: &Manifest, pods: usize) -> Result {
    if pods < 2 {
        return Ok(());
    }
    for container in manifest.spec.all_containers() {
        // A name that is nobody's yet is waited for.
        let Ok(path) = pod::image::bundle(&context.roots, container) else { continue };
        let bundle = Bundle::load(&path).and_then(|b| b.rootfs().map(drop));
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
    outcome(context, manifest, stage, waited)
}

/// What a wait came to, by what the pod's status says of its containers.
fn outcome(context: &Context, manifest: &Manifest, stage: Stage, waited: Result<(), pod::Error>) -> Result {
    let (namespace, name) = (&manifest.spec.namespace, &manifest.spec.name);
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
        ContainerState::Waiting { reason, message } if reason.ends_with("Error") || reason.contains("Image") => {
            Some(of(&c.name, reason, message))
        }
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
