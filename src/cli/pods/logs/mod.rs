//! `podrt logs`: from the files, whether the pod lives or not.

pub mod cri;
pub mod follow;
mod merge;
pub mod tail;

use super::choice::Choice;
use super::context::{self, Context};
use super::{Failure, Kind, Result, json, output, text};
use crate::pod::spec::{ContainerSpec, RestartPolicy};
use crate::pod::status::{ContainerState, ContainerStatus, Role};
use crate::pod::{self, PodRecord, logs};
use cri::Style;
use follow::{Line, Part, Source, Watch};
use std::io::Write;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt logs web                      of the pod's (first) container
  podrt logs web -c app --tail=20     the last 20 lines of container app
  podrt logs web --since=10m          of the last ten minutes
  podrt logs -f web                   go on as it prints more, over rotation, until it ends
  podrt logs -f --follow-restarts web go on with what starts in its place
  podrt logs -p web                   of the attempt before the last restart
  podrt logs web --all-containers --prefix --timestamps   merged by time
  podrt logs -l app=web --prefix      of several pods, the last 10 lines of each";

/// As kubectl's, for pods chosen by labels.
const TAIL_OF_MANY: i64 = 10;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// NAME or pod/NAME
    #[arg(value_name = "POD", required_unless_present = "selector")]
    pod: Option<String>,
    /// The container; the pod's first where none is named
    #[arg(value_name = "CONTAINER", conflicts_with = "container", hide = true)]
    second: Option<String>,
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Of the pods with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with_all = ["pod", "second"])]
    selector: Option<String>,
    /// Go on until the container has ended
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, hide_default_value = true, value_name = "BOOL")]
    follow: bool,
    /// With -f: go on with the container's next attempts, until it will not come back
    #[arg(long, requires = "follow")]
    follow_restarts: bool,
    /// Of the attempt before
    #[arg(short, long, conflicts_with = "follow")]
    previous: bool,
    /// The last N lines only; -1 is all [-1, with -l 10]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    tail: Option<i64>,
    /// What was printed in the last TIME only: 5s, 2m, 3h
    #[arg(long, value_name = "TIME", value_parser = text::duration, conflicts_with = "since_time")]
    since: Option<Duration>,
    /// What was printed since this time only: 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since_time: Option<String>,
    /// At most so many bytes of each container
    #[arg(long, value_name = "N")]
    limit_bytes: Option<u64>,
    /// With the time of each line
    #[arg(long)]
    timestamps: bool,
    /// Of every container, merged by time
    #[arg(long, conflicts_with_all = ["container", "second"])]
    all_containers: bool,
    /// With [pod/POD/CONTAINER] before each line
    #[arg(long)]
    prefix: bool,
    /// How many logs may be followed at once with -l [5]
    #[arg(long, value_name = "N", default_value_t = 5, hide_default_value = true)]
    max_log_requests: usize,
    /// Say what is wrong with a container's log, and go on with the others
    #[arg(long)]
    ignore_errors: bool,
}

/// A container whose log is shown.
struct Shown {
    pod: PodRecord,
    name: String,
    source: Source,
}

pub fn run(args: &Args, context: &Context) -> Result {
    let pods = pods(args, context)?;
    let mut all = Vec::new();
    for pod in &pods {
        for name in containers(args, context, pod)? {
            match source(args, context, pod, &name) {
                Ok(source) => all.push(Shown { pod: pod.clone(), name, source }),
                Err(failure) if args.ignore_errors => failure.lines.iter().for_each(output::complain),
                Err(failure) => return Err(failure),
            }
        }
    }
    if args.follow {
        let (n, most) = (all.len(), args.max_log_requests);
        if args.selector.is_some() && n > most {
            return Err(Failure::failed(format_args!(
                "you are attempting to follow {n} log streams, but maximum allowed concurrency is {most}, use --max-log-requests to increase the limit"
            )));
        }
        return follow(args, context, all);
    }
    let mut out = output::stdout();
    match all.len() {
        1 => {
            let mut write = |line: Line| out.write_all(line.bytes);
            let source = &mut all[0].source;
            source.pump(false, &mut write)?;
            source.finish(&mut write)?;
        }
        _ => merge::print(all.into_iter().map(|s| s.source).collect(), &mut out)?,
    }
    Ok(out.flush()?)
}

fn pods(args: &Args, context: &Context) -> Result<Vec<PodRecord>> {
    let Some(pod) = &args.pod else {
        let choice = Choice::new(&["pods".into()], Some(&args.namespace), args.selector.as_deref(), None)?;
        context.require_root()?;
        let chosen = choice.look(context)?;
        Failure::all(chosen.failures)?;
        if chosen.records.is_empty() {
            output::complain(choice.nothing());
        }
        return Ok(chosen.records);
    };
    Ok(vec![context.pod(&args.namespace, pod)?])
}

/// An RFC 3339 time as logs have it: in UTC, with nine digits of fraction.
fn moment(text: &str) -> std::result::Result<String, String> {
    let at: jiff::Timestamp = text.parse().map_err(|_| "want a time like 2026-01-02T03:04:05Z".to_owned())?;
    Ok(as_logged(at))
}

fn as_logged(at: jiff::Timestamp) -> String {
    format!("{at:.9}")
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
            Ok(vec![context::default_container(pod, annotated, args.selector.is_some())?])
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
    let close_lines = args.prefix || args.all_containers || args.selector.is_some();
    let style = Style { prefix, timestamps: args.timestamps, close_lines };
    let tail = args.tail.unwrap_or(if args.selector.is_some() { TAIL_OF_MANY } else { -1 });
    let ago = |span: Duration| {
        let now = pod::now().wall.timestamp();
        as_logged(now.checked_sub(span).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    };
    let since = args.since_time.clone().or_else(|| args.since.map(ago));
    let part = Part { lines: u64::try_from(tail).ok(), since, bytes: args.limit_bytes };
    Source::new(folder.clone(), attempt, part, style).map_err(|e| {
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

fn follow(args: &Args, context: &Context, mut open: Vec<Shown>) -> Result {
    let places = open.iter().flat_map(|shown| {
        let sandbox = context.roots.state.join("sandboxes").join(&shown.pod.id);
        follow::folders(&logs::folder(&context.roots, &shown.pod.spec), &sandbox, std::iter::once(shown.source.folder.clone()))
    });
    let mut watch = Watch::new(places.collect::<std::collections::BTreeSet<_>>());
    let mut out = output::stdout();
    loop {
        let mut left = Vec::new();
        let mut write = |line: Line| out.write_all(line.bytes);
        for mut shown in open {
            // The status first: of a container that has ended by now, all is in the log by now.
            let (namespace, name) = (&shown.pod.spec.namespace, &shown.pod.spec.name);
            let now = pod::get(&context.roots, namespace, name)?.filter(|now| now.id == shown.pod.id);
            let attempt = shown.source.attempt();
            shown.source.pump(args.follow_restarts, &mut write)?;
            let ended = |now: &PodRecord| {
                over(now, &shown.name) || !args.follow_restarts && attempt.is_some_and(|n| has_ended(now, &shown.name, n))
            };
            if now.as_ref().is_none_or(ended) || shown.source.is_full() {
                shown.source.finish(&mut write)?;
            } else {
                left.push(shown);
            }
        }
        open = left;
        out.flush()?;
        if open.is_empty() {
            return Ok(());
        }
        if watch.wait(&[])?.closed {
            return Err(Failure::silent(Kind::ClosedPipe));
        }
    }
}

/// That attempt runs no more.
fn has_ended(pod: &PodRecord, name: &str, attempt: u32) -> bool {
    pod.status.container(name).is_none_or(|status| {
        status.restart_count > attempt || status.restart_count == attempt && !status.is_running() && status.last_end().is_some()
    })
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
