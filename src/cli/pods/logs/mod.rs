//! `podrt logs`: from the files, whether the pod lives or not.

pub mod cri;
pub mod follow;
pub mod tail;

use super::context::{self, Context};
use super::{Failure, Kind, Result, json, output};
use crate::pod::spec::{ContainerSpec, RestartPolicy};
use crate::pod::status::{ContainerState, ContainerStatus, Role};
use crate::pod::{self, PodRecord, logs};
use cri::{Stream, Style};
use follow::{Source, Watch};
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  podrt logs web                      of the pod's (first) container
  podrt logs web -c app --tail=20     the last 20 lines of container app
  podrt logs -f web                   go on as it prints more, over restarts and rotation
  podrt logs -p web                   of the attempt before the last restart
  podrt logs web --all-containers --prefix --timestamps";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// NAME or pod/NAME
    #[arg(value_name = "POD")]
    pod: String,
    /// The container; the pod's first where none is named
    #[arg(value_name = "CONTAINER", conflicts_with = "container", hide = true)]
    second: Option<String>,
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Go on until the container has ended and will not come back
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, hide_default_value = true, value_name = "BOOL")]
    follow: bool,
    /// Of the attempt before
    #[arg(short, long, conflicts_with = "follow")]
    previous: bool,
    /// The last N lines only; -1 is all
    #[arg(long, value_name = "N", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    tail: i64,
    /// With the time of each line
    #[arg(long)]
    timestamps: bool,
    /// Of every container, init containers first
    #[arg(long, conflicts_with_all = ["container", "second"])]
    all_containers: bool,
    /// With [pod/POD/CONTAINER] before each line
    #[arg(long)]
    prefix: bool,
}

pub fn run(args: &Args, context: &Context) -> Result {
    let pod = context.pod(&args.namespace, &args.pod)?;
    let names = containers(args, context, &pod)?;
    let mut sources = Vec::new();
    for name in &names {
        sources.push(source(args, context, &pod, name)?);
    }
    let mut out = output::stdout();
    let mut write = |_: Stream, bytes: &[u8]| out.write_all(bytes);
    if args.follow {
        return follow(context, &pod, &names, sources);
    }
    for source in &mut sources {
        source.pump(false, &mut write)?;
        source.finish(&mut write)?;
    }
    Ok(out.flush()?)
}

fn containers(args: &Args, context: &Context, pod: &PodRecord) -> Result<Vec<String>> {
    if args.all_containers {
        return Ok(pod.spec.all_containers().map(|c| c.name.clone()).collect());
    }
    match args.container.as_ref().or(args.second.as_ref()) {
        Some(name) => Ok(vec![context::container_named(pod, name)?.name.clone()]),
        None => {
            let annotations = json::strings(&json::manifest(context, pod)?, "annotations");
            let annotated = annotations.get("kubectl.kubernetes.io/default-container").map(String::as_str);
            Ok(vec![context::default_container(pod, annotated, false)?])
        }
    }
}

fn source(args: &Args, context: &Context, pod: &PodRecord, name: &str) -> Result<Source> {
    let folder = logs::folder(&context.roots, &pod.spec).join(name);
    let status = pod.status.container(name);
    let kept = tail::attempts(&folder);
    let attempt = if args.previous {
        let before = previous(status, &kept);
        Some(before.ok_or_else(|| {
            let text = format!("previous terminated container \"{name}\" in pod \"{}\" not found", pod.spec.name);
            Failure::server("BadRequest", text)
        })?)
    } else {
        kept.last().copied()
    };
    if attempt.is_none()
        && !args.follow
        && !args.all_containers
        && let Some(ContainerStatus { state: ContainerState::Waiting { reason, .. }, .. }) = status
    {
        let pod = &pod.spec.name;
        let text = format!("container \"{name}\" in pod \"{pod}\" is waiting to start: {reason}");
        return Err(Failure::server("BadRequest", text));
    }
    let prefix = if args.prefix { format!("[pod/{}/{name}] ", pod.spec.name) } else { String::new() };
    let style = Style { prefix, timestamps: args.timestamps, close_lines: args.prefix || args.all_containers };
    Source::new(folder.clone(), attempt, u64::try_from(args.tail).ok(), style).map_err(|e| {
        Failure::new(Kind::Host, format_args!("read the log in {}: {}", folder.display(), crate::sys::Errno::from(e)))
    })
}

/// The attempt whose end `lastState` tells of.
fn previous(status: Option<&ContainerStatus>, kept: &[u32]) -> Option<u32> {
    let status = status?;
    let wanted = match (&status.state, &status.last_state) {
        (_, None) => return None,
        // Between two attempts the latest one is the previous one.
        (ContainerState::Waiting { .. }, Some(_)) => status.restart_count,
        (_, Some(_)) => status.restart_count.checked_sub(1)?,
    };
    kept.iter().rev().find(|n| **n <= wanted).copied()
}

fn follow(context: &Context, pod: &PodRecord, names: &[String], sources: Vec<Source>) -> Result {
    let sandbox = context.roots.state.join("sandboxes").join(&pod.id);
    let folders = follow::folders(&logs::folder(&context.roots, &pod.spec), &sandbox, sources.iter().map(|s| s.folder.clone()));
    let mut watch = Watch::new(folders);
    let mut open: Vec<(&String, Source)> = names.iter().zip(sources).collect();
    let mut out = output::stdout();
    let mut write = |_: Stream, bytes: &[u8]| out.write_all(bytes);
    loop {
        // The status first: of a container that has ended by now, all is in the log by now.
        let now = pod::get(&context.roots, &pod.spec.namespace, &pod.spec.name)?.filter(|now| now.id == pod.id);
        let mut left = Vec::new();
        for (name, mut source) in open {
            source.pump(true, &mut write)?;
            if now.as_ref().is_none_or(|now| over(now, name)) {
                source.finish(&mut write)?;
            } else {
                left.push((name, source));
            }
        }
        open = left;
        let _ = &mut write;
        std::io::stdout().flush()?;
        if open.is_empty() {
            return Ok(());
        }
        if watch.wait(&[])?.closed {
            return Err(Failure::silent(Kind::ClosedPipe));
        }
    }
}

/// The container has ended, and nothing will start it again.
pub fn over(pod: &PodRecord, name: &str) -> bool {
    let (Some(status), Some(spec)) = (pod.status.container(name), pod.spec.all_containers().find(|c| c.name == name)) else {
        return true;
    };
    if pod.status.phase.is_terminal() || !pod.alive {
        return true;
    }
    match &status.state {
        ContainerState::Terminated(end) => {
            let policy = policy(pod, spec, status.role);
            pod.status.deletion.is_some()
                || match policy {
                    RestartPolicy::Always => false,
                    RestartPolicy::OnFailure => end.exit_code == 0,
                    RestartPolicy::Never => true,
                }
        }
        _ => false,
    }
}

/// Of init containers Always means: until success.
fn policy(pod: &PodRecord, spec: &ContainerSpec, role: Role) -> RestartPolicy {
    match (role, spec.restart_policy.unwrap_or(pod.spec.restart_policy)) {
        (Role::Init, RestartPolicy::Always) => RestartPolicy::OnFailure,
        (_, policy) => policy,
    }
}
