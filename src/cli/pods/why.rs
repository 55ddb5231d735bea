//! `podrt why`: what a pod waits for, since when, what the cause printed last; and how it came to that.

use super::context::Context;
use super::failure::one_line;
use super::logs::cri::Style;
use super::logs::follow::{Line, Part, Source};
use super::printer::{Format, pretty};
use super::{Failure, Result, output, yaml};
use crate::pod::status::{
    ConditionKind, ContainerState, ContainerStatus, EventKind, Phase, Role, Stamp, Truth, column, duration,
};
use crate::pod::{self, PodRecord, logs};
use serde_json::{Value, json};
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  podrt why web                 what it waits for, and how it came to that
  podrt why web -o json         the same for a program

The first cause stands first; what only waits for another is named behind it. Nothing is asked of the pod: it works while its
supervisor is busy, or gone.";

/// Of what the cause printed.
const LINES: u64 = 3;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// NAME or pod/NAME
    #[arg(value_name = "POD")]
    pod: String,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

/// Something that keeps the pod from being ready, or that ended it.
#[derive(Debug, PartialEq, Eq)]
struct Cause {
    /// None: the pod itself.
    container: Option<String>,
    reason: String,
    message: String,
    since: Option<Stamp>,
    /// How it ended last: words, and when.
    last_end: Option<(String, Stamp)>,
}

pub fn run(args: &Args, context: &Context) -> Result {
    if args.output.as_ref().is_some_and(|f| !matches!(f, Format::Json | Format::Yaml)) {
        return Err(Failure::usage("--output: want json or yaml"));
    }
    let record = context.pod(&args.namespace, &args.pod)?;
    let (causes, behind) = causes(&record);
    let printed: Vec<Vec<String>> = causes.iter().map(|c| last_lines(context, &record, c)).collect();
    let now = pod::now().wall;
    let mut out = output::stdout();
    match &args.output {
        None => text(&record, &causes, &behind, &printed, now, &mut out)?,
        Some(format) => {
            let value = object(&record, &causes, &behind, &printed, now);
            match format {
                Format::Yaml => write!(out, "{}", yaml::print(&value))?,
                _ => out.write_all(&pretty(&value)?)?,
            }
        }
    }
    Ok(out.flush()?)
}

/// What it waits for, in the order of cause and effect, and the containers that wait for that.
fn causes(record: &PodRecord) -> (Vec<Cause>, Vec<String>) {
    let status = &record.status;
    let ends = |c: &ContainerStatus| matches!(&c.state, ContainerState::Terminated(end) if end.exit_code != 0);
    match status.phase {
        Phase::Unknown => return (vec![of_pod(status.reason.clone(), status.message.clone(), None)], Vec::new()),
        Phase::Succeeded => return (Vec::new(), Vec::new()),
        Phase::Failed => {
            let mut causes: Vec<Cause> = Vec::new();
            if !status.reason.is_empty() {
                causes.push(of_pod(status.reason.clone(), status.message.clone(), None));
            }
            let mut failed: Vec<Cause> = status.all_containers().filter(|c| ends(c)).map(of_container).collect();
            failed.sort_by_key(|c| c.last_end.as_ref().map(|(_, at)| *at));
            causes.extend(failed);
            return (causes, Vec::new());
        }
        Phase::Pending | Phase::Running => {}
    }
    if let Some(deletion) = &status.deletion {
        let left: Vec<String> = status.all_containers().filter(|c| c.is_running()).map(|c| c.name.clone()).collect();
        let message = format!("its containers have until {} to end; still running: {}", deletion.at, listed(&left));
        return (vec![of_pod("Terminating".into(), message, None)], Vec::new());
    }
    let sandbox = status.condition(&ConditionKind::PodReadyToStartContainers);
    let mut waiting: Vec<&ContainerStatus> =
        status.all_containers().filter(|c| c.role != Role::Ephemeral && !is_done(c)).collect();
    if let Some(condition) = sandbox.filter(|c| c.status != Truth::True && !waiting.is_empty()) {
        let cause = of_pod(
            "SandboxNotReady".into(),
            or(&condition.message, "its sandbox is not made yet"),
            Some(condition.last_transition),
        );
        return (vec![cause], waiting.into_iter().map(|c| c.name.clone()).collect());
    }
    // Init containers one after another: all that comes later waits for the first.
    if let Some(at) = waiting
        .iter()
        .position(|c| matches!(c.role, Role::Init | Role::Sidecar) && !starts_later(status.init_containers.as_slice(), c))
    {
        let first = waiting.remove(at);
        let behind = waiting.into_iter().map(|c| c.name.clone()).collect();
        return (vec![unready(record, first)], behind);
    }
    let mut causes: Vec<Cause> = waiting.into_iter().map(|c| unready(record, c)).collect();
    let unmet = status.conditions.iter().filter(|c| matches!(c.kind, ConditionKind::Custom(_)) && c.status != Truth::True);
    for gate in unmet {
        let message = or(&gate.message, "a readiness gate that somebody has to set: podrt condition set");
        causes.push(of_pod(gate.kind.as_str().into(), message, Some(gate.last_transition)));
    }
    (causes, Vec::new())
}

/// A sidecar that came up is behind; of init containers the ended ones are.
fn is_done(c: &ContainerStatus) -> bool {
    match (&c.role, &c.state) {
        (Role::Init, ContainerState::Terminated(end)) => end.exit_code == 0,
        (Role::Sidecar, _) => c.started == Some(true) && c.is_running(),
        (_, ContainerState::Terminated(end)) if end.exit_code == 0 => true,
        _ => c.ready && c.is_running(),
    }
}

/// A sidecar that fell over after the init containers were done holds up nobody's start.
fn starts_later(inits: &[ContainerStatus], c: &ContainerStatus) -> bool {
    c.role == Role::Sidecar && inits.iter().skip_while(|other| other.name != c.name).skip(1).all(is_done) && c.restart_count > 0
}

fn of_pod(reason: String, message: String, since: Option<Stamp>) -> Cause {
    Cause { container: None, reason, message, since, last_end: None }
}

fn or(text: &str, other: &str) -> String {
    if text.is_empty() { other.to_owned() } else { text.to_owned() }
}

fn of_container(c: &ContainerStatus) -> Cause {
    let last_end = c.last_end().map(|end| {
        let ran = end.started_at.map_or(String::new(), |at| format!(", after {}", duration(end.finished_at.seconds_since(at))));
        let signal = end.signal.map_or(String::new(), |n| format!(", signal {n}"));
        (format!("{}: exit code {}{signal}{ran}", or(&end.reason, "Error"), end.exit_code), end.finished_at)
    });
    let (reason, message, since) = match &c.state {
        ContainerState::Waiting { reason, message } => (reason.clone(), message.clone(), c.last_end().map(|end| end.finished_at)),
        ContainerState::Terminated(end) => (or(&end.reason, "Error"), end.message.clone(), Some(end.finished_at)),
        ContainerState::Running { started_at } => ("NotReady".into(), String::new(), Some(*started_at)),
    };
    Cause { container: Some(c.name.clone()), reason, message, since, last_end }
}

/// With what its probes said last.
fn unready(record: &PodRecord, c: &ContainerStatus) -> Cause {
    let mut cause = of_container(c);
    if cause.message.is_empty() {
        let about = |e: &&pod::status::EventRecord| {
            e.kind == EventKind::Warning && e.container.as_ref().is_some_and(|(_, name)| *name == c.name)
        };
        if let Some(event) = record.events.iter().filter(about).max_by_key(|e| e.last) {
            cause.message = format!("{}: {}", event.reason, event.message.trim_end());
        } else if c.is_running() && c.started != Some(true) {
            cause.message = "it has not started up yet".into();
        }
    }
    cause
}

/// What the container printed last, of the attempt that is to blame.
fn last_lines(context: &Context, record: &PodRecord, cause: &Cause) -> Vec<String> {
    let Some(name) = &cause.container else { return Vec::new() };
    let folder = logs::folder(&context.roots, &record.spec).join(name);
    let attempt = super::logs::tail::attempts(&folder).last().copied();
    let part = Part { lines: Some(LINES), ..Part::default() };
    let mut lines = Vec::new();
    let mut take = |line: Line| {
        lines.push(one_line(String::from_utf8_lossy(line.bytes).trim_end()));
        Ok::<(), std::io::Error>(())
    };
    // A log that is not there, or cannot be read, tells nothing.
    if let Ok(mut source) = Source::new(folder, attempt, part, Style::default())
        && source.pump(false, &mut take).is_ok()
    {
        let _ = source.finish(&mut take);
    }
    lines
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn text(
    record: &PodRecord,
    causes: &[Cause],
    behind: &[String],
    printed: &[Vec<String>],
    now: Stamp,
    out: &mut dyn Write,
) -> Result {
    let ago = |at: Stamp| format!("{} ago", duration(now.seconds_since(at)));
    let shown = column(&record.status, now);
    let ready = record.status.condition(&ConditionKind::Ready);
    write!(out, "pod {}/{}: {}, {} ready", record.spec.namespace, record.spec.name, shown.status, shown.ready)?;
    match ready.filter(|c| c.status == Truth::True) {
        Some(condition) if causes.is_empty() => {
            writeln!(out, "; it waits for nothing, and is ready since {}", ago(condition.last_transition))?
        }
        _ if causes.is_empty() => writeln!(out, "; it waits for nothing")?,
        _ => writeln!(out)?,
    }
    for (cause, lines) in causes.iter().zip(printed) {
        let who = cause.container.as_ref().map_or("the pod".into(), |name| format!("container {name}"));
        let since = cause.since.map_or(String::new(), |at| format!(", since {}", ago(at)));
        let message = if cause.message.is_empty() { String::new() } else { format!(": {}", one_line(&cause.message)) };
        writeln!(out, "  because of {who}: {}{since}{message}", cause.reason)?;
        if let Some((words, at)) = &cause.last_end {
            writeln!(out, "    it ended last {}: {words}", ago(*at))?;
        }
        if !lines.is_empty() {
            writeln!(out, "    it printed last:")?;
        }
        for line in lines {
            writeln!(out, "      | {line}")?;
        }
    }
    if !behind.is_empty() {
        writeln!(out, "  behind that: {}", listed(behind))?;
    }
    if !record.events.is_empty() {
        writeln!(out, "how it came to that:")?;
    }
    let begun = record.status.start_time;
    for event in record.events.iter() {
        let times = if event.count > 1 { format!(" (x{}, first {})", event.count, ago(event.first)) } else { String::new() };
        let at = format!("+{}", duration(event.last.seconds_since(begun)));
        let who = event.container.as_ref().map_or(String::new(), |(_, name)| format!("{name}: "));
        writeln!(
            out,
            "  {at:>8}  {:<8} {} {who}{}{times}",
            event.kind.as_str(),
            event.reason,
            one_line(event.message.trim_end())
        )?;
    }
    Ok(())
}

fn object(record: &PodRecord, causes: &[Cause], behind: &[String], printed: &[Vec<String>], now: Stamp) -> Value {
    let stamp = |at: &Stamp| at.to_string();
    let cause = |(cause, lines): (&Cause, &Vec<String>)| {
        json!({"container": cause.container, "reason": cause.reason, "message": cause.message, "since": cause.since.as_ref().map(stamp),
            "lastEnd": cause.last_end.as_ref().map(|(words, at)| json!({"what": words, "at": stamp(at)})), "lastLines": lines})
    };
    let event = |e: &pod::status::EventRecord| {
        json!({"at": stamp(&e.last), "first": stamp(&e.first), "count": e.count, "type": e.kind.as_str(), "reason": e.reason,
            "container": e.container.as_ref().map(|(_, name)| name), "message": e.message})
    };
    let shown = column(&record.status, now);
    json!({
        "apiVersion": "podrt.io/v1",
        "kind": "Why",
        "namespace": record.spec.namespace,
        "pod": record.spec.name,
        "phase": record.status.phase.as_str(),
        "status": shown.status,
        "ready": shown.ready,
        "waitsFor": causes.iter().zip(printed).map(cause).collect::<Vec<_>>(),
        "behind": behind,
        "timeline": record.events.iter().map(event).collect::<Vec<_>>(),
    })
}
