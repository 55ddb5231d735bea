//! `podrt describe pod`: for a person; the layout is kubectl's, and no program should read it.

use super::context::{self, Context};
use super::failure::one_line;
use super::get::{node, none};
use super::table::Table;
use super::{Failure, Result, json, output};
use crate::pod::status::{ContainerState, ContainerStatus, EventRecord, Stamp, Terminated, duration};
use crate::pod::{self, PodRecord};
use serde_json::Value;
use std::fmt::Write;

const EXAMPLES: &str = "\
Examples:
  podrt describe pod web
  podrt describe pod/web -n team-a
  podrt describe pods                all of the namespace
  podrt describe pod web --security  rights and confinement, as the kernel has them";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// pods (or pod, po), and names; or pod/NAME
    #[arg(value_name = "pods [NAME...]", required = true)]
    what: Vec<String>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// What is in force for each container, read back from the kernel, beside what was asked for; fails where it differs
    #[arg(long)]
    security: bool,
}

pub fn run(args: &Args, context: &Context) -> Result {
    let wanted = context::wanted(&args.what)?;
    context.require_root()?;
    let (mut records, mut failures) = (Vec::new(), Vec::new());
    if wanted.names.is_empty() {
        records = pod::list(&context.roots, Some(&args.namespace))?;
    }
    for name in &wanted.names {
        match pod::get(&context.roots, &args.namespace, name)? {
            Some(record) => records.push(record),
            None => failures.push(Failure::not_found(name)),
        }
    }
    let mut texts = Vec::new();
    for record in &records {
        if args.security {
            let mut text = String::new();
            if !super::security::describe(context, record, &mut text)? {
                failures.push(super::security::failure());
            }
            texts.push(text);
            continue;
        }
        texts.push(describe(record, &json::pod(context, record)?, pod::now().wall)?);
    }
    if records.is_empty() && failures.is_empty() {
        output::complain(format_args!("No resources found in {} namespace.", args.namespace));
    } else if !texts.is_empty() {
        output::say(texts.join("\n\n").trim_end())?;
    }
    Failure::all(failures)
}

/// `Name:  value`, the values in one column.
struct Fields {
    indent: usize,
    width: usize,
    text: String,
}

impl Fields {
    fn add(&mut self, name: &str, value: impl std::fmt::Display) {
        let value = value.to_string();
        let mut lines = value.lines();
        let _ = writeln!(
            self.text,
            "{:indent$}{:width$}{}",
            "",
            format!("{name}:"),
            lines.next().unwrap_or_default(),
            indent = self.indent,
            width = self.width
        );
        for line in lines {
            let _ = writeln!(self.text, "{:pad$}{line}", "", pad = self.indent + self.width);
        }
    }
}

fn describe(record: &PodRecord, pod: &Value, now: Stamp) -> Result<String> {
    let (spec, status) = (&record.spec, &record.status);
    let mut top = Fields { indent: 0, width: 18, text: String::new() };
    top.add("Name", &spec.name);
    top.add("Namespace", &spec.namespace);
    top.add("UID", &spec.uid);
    top.add("Node", node());
    top.add("Start Time", status.start_time);
    top.add("Labels", pairs(json::strings(pod, "labels"), '='));
    top.add("Annotations", pairs(json::strings(pod, "annotations"), ':'));
    match &status.deletion {
        Some(deletion) => {
            top.add("Status", format_args!("Terminating (until {})", deletion.at));
            top.add("Termination Grace Period", format_args!("{}s", deletion.grace_seconds));
        }
        None => top.add("Status", status.phase.as_str()),
    }
    for (name, text) in [("Reason", &status.reason), ("Message", &status.message)] {
        if !text.is_empty() {
            top.add(name, text);
        }
    }
    top.add("IP", status.pod_ips.first().map_or("", String::as_str));
    top.add("QoS Class", format_args!("{:?}", status.qos));
    top.add("Restart Policy", format_args!("{:?}", spec.restart_policy));
    let mut text = top.text;
    for (title, statuses, field) in
        [("Init Containers", &status.init_containers, "initContainers"), ("Containers", &status.containers, "containers")]
    {
        if !statuses.is_empty() {
            let _ = writeln!(text, "{title}:");
        }
        for status in statuses {
            container(status, record, find(pod, field, &status.name), &mut text);
        }
    }
    let mut conditions = Table::new(Some(&["Type", "Status", "Reason", "Message"]));
    for c in &status.conditions {
        conditions.row(vec![c.kind.as_str().into(), c.status.as_str().into(), c.reason.clone(), c.message.clone()]);
    }
    text.push_str("Conditions:\n");
    text.push_str(&printed(&conditions));
    text.push_str(&events(&record.events, now));
    Ok(text)
}

fn printed(table: &Table) -> String {
    let mut bytes = Vec::new();
    let _ = table.print("  ", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn find<'a>(pod: &'a Value, list: &str, name: &str) -> &'a Value {
    let containers = pod.get("spec").and_then(|s| s.get(list)).and_then(Value::as_array);
    containers.into_iter().flatten().find(|c| c.get("name").and_then(Value::as_str) == Some(name)).unwrap_or(&Value::Null)
}

fn pairs(map: std::collections::BTreeMap<String, String>, sign: char) -> String {
    let gap = if sign == ':' { " " } else { "" };
    let lines: Vec<String> = map.iter().map(|(k, v)| format!("{k}{sign}{gap}{}", v.replace('\n', " "))).collect();
    if lines.is_empty() { none() } else { lines.join("\n") }
}

fn container(status: &ContainerStatus, record: &PodRecord, asked: &Value, out: &mut String) {
    let _ = writeln!(out, "  {}:", status.name);
    let mut fields = Fields { indent: 4, width: 17, text: String::new() };
    fields.add("Container ID", status.container_id.as_ref().map_or(String::new(), |id| format!("podrt://{id}")));
    fields.add("Image", &status.image);
    if let Some(spec) = record.spec.all_containers().find(|c| c.name == status.name) {
        fields.add("Bundle", spec.bundle.display());
        for (name, words) in [("Command", &spec.command), ("Args", &spec.args)] {
            if let Some(words) = words {
                fields.add(name, words.iter().map(|w| one_line(w)).collect::<Vec<_>>().join("\n"));
            }
        }
    }
    match &status.state {
        ContainerState::Waiting { reason, message } => {
            fields.add("State", "Waiting");
            fields.add("  Reason", reason);
            if !message.is_empty() {
                fields.add("  Message", message);
            }
        }
        ContainerState::Running { started_at } => {
            fields.add("State", "Running");
            fields.add("  Started", started_at);
        }
        ContainerState::Terminated(end) => terminated("State", end, &mut fields),
    }
    if let Some(end) = &status.last_state {
        terminated("Last State", end, &mut fields);
    }
    fields.add("Ready", if status.ready { "True" } else { "False" });
    fields.add("Restart Count", status.restart_count);
    for (title, list) in [("Limits", "limits"), ("Requests", "requests")] {
        let map = asked.get("resources").and_then(|r| r.get(list)).and_then(Value::as_object);
        let lines: Vec<String> = map.into_iter().flatten().map(|(k, v)| format!("{k}: {}", bare(v))).collect();
        if !lines.is_empty() {
            fields.add(title, lines.join("\n"));
        }
    }
    let env = asked.get("env").and_then(Value::as_array);
    let lines: Vec<String> = env
        .into_iter()
        .flatten()
        .map(|e| {
            format!("{}: {}", e.get("name").map_or(String::new(), bare), e.get("value").map_or("<from a reference>".into(), bare))
        })
        .collect();
    fields.add("Environment", if lines.is_empty() { none() } else { lines.join("\n") });
    out.push_str(&fields.text);
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |s| s.replace('\n', " "))
}

fn terminated(name: &str, end: &Terminated, fields: &mut Fields) {
    fields.add(name, "Terminated");
    fields.add("  Reason", &end.reason);
    if !end.message.is_empty() {
        fields.add("  Message", &end.message);
    }
    fields.add("  Exit Code", end.exit_code);
    if let Some(signal) = end.signal {
        fields.add("  Signal", signal);
    }
    fields.add("  Started", end.started_at.map_or(String::new(), |at| at.to_string()));
    fields.add("  Finished", end.finished_at);
}

fn events(events: &[EventRecord], now: Stamp) -> String {
    if events.is_empty() {
        return "Events:          <none>\n".into();
    }
    let mut table = Table::new(Some(&["Type", "Reason", "Age", "From", "Message"]));
    table.row(["----", "------", "----", "----", "-------"].map(String::from).to_vec());
    for event in events {
        let age = |at: Stamp| duration(now.seconds_since(at));
        let when = match event.count {
            0 | 1 => age(event.last),
            n => format!("{} (x{n} over {})", age(event.last), age(event.first)),
        };
        let message = event.message.trim_end().replace('\n', " ");
        table.row(vec![event.kind.as_str().into(), event.reason.clone(), when, "podrt".into(), message]);
    }
    format!("Events:\n{}", printed(&table))
}
