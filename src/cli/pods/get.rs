//! `podrt get pods`: from the pods' files, with no lock and no question to anybody.

use super::choice::{Changes, Choice};
use super::context::Context;
use super::jsonpath::{Path, compare};
use super::printer::{self, Format};
use super::table::Table;
use super::{Failure, Result, json, output};
use crate::pod::status::{ConditionKind, PodStatusModel, Stamp, column, duration};
use crate::pod::{self, PodRecord};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  podrt get pods                      those of namespace default
  podrt get pods -A -o wide           all, with their addresses
  podrt get pods -l app=web,tier!=db  by labels
  podrt get pods --field-selector status.phase=Running
  podrt get pods -w                   and a line for each change
  podrt get pod web -o yaml           everything about one: a v1 Pod
  podrt get pods -o json              a v1 PodList
  podrt get pods -o name --no-headers
  podrt get pod web -o jsonpath='{.status.podIP}'
  podrt get pods -o custom-columns=NAME:.metadata.name,UID:.metadata.uid --sort-by=.metadata.creationTimestamp";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// pods (or pod, po), and names; or pod/NAME
    #[arg(value_name = "pods [NAME...]", required = true)]
    what: Vec<String>,
    /// wide, yaml, json, name, jsonpath=TEMPLATE, jsonpath-file=FILE, custom-columns=NAME:PATH,... or custom-columns-file=FILE
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// By labels: KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY, !KEY; several with commas
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// By fields: status.phase=Running, metadata.name!=web; several with commas
    #[arg(long, value_name = "SELECTOR")]
    field_selector: Option<String>,
    /// In the order of this field: .metadata.creationTimestamp
    #[arg(long, value_name = "PATH", value_parser = Path::relaxed)]
    sort_by: Option<Path>,
    /// Go on: print each pod again when it changes
    #[arg(short, long)]
    watch: bool,
    /// Only what changes from now on
    #[arg(long)]
    watch_only: bool,
    /// With -w: what happened (ADDED, MODIFIED, DELETED) before each pod
    #[arg(long)]
    output_watch_events: bool,
    /// Without the line of column names
    #[arg(long)]
    no_headers: bool,
    /// With a column of labels
    #[arg(long)]
    show_labels: bool,
    /// Say nothing, and succeed, where a named pod is not there
    #[arg(long)]
    ignore_not_found: bool,
}

pub fn run(args: &Args, context: &Context) -> Result {
    let namespace = (!args.all_namespaces).then_some(args.namespace.as_str());
    let choice = Choice::new(&args.what, namespace, args.selector.as_deref(), args.field_selector.as_deref())?;
    context.require_root()?;
    if args.watch || args.watch_only {
        return watch(args, context, &choice);
    }
    let mut chosen = choice.look(context)?;
    if args.ignore_not_found {
        chosen.failures.retain(|_| choice.wanted.names.is_empty());
    }
    let data = args.output.as_ref().is_some_and(Format::is_data);
    if chosen.records.is_empty() && chosen.failures.is_empty() && !choice.single() && !data {
        output::complain(choice.nothing());
    }
    print(args, context, sorted(args, context, chosen.records)?, choice.single(), !args.no_headers)?;
    Failure::all(chosen.failures)
}

/// By `--sort-by`; what has no such field comes first.
fn sorted(args: &Args, context: &Context, records: Vec<PodRecord>) -> Result<Vec<PodRecord>> {
    let Some(path) = &args.sort_by else { return Ok(records) };
    let mut keyed = Vec::new();
    for record in records {
        let key = path.find(&json::pod(context, &record)?).first().map(|v| (*v).clone());
        keyed.push((key, record));
    }
    keyed.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) => compare(a, b).unwrap_or(Ordering::Equal),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    Ok(keyed.into_iter().map(|(_, record)| record).collect())
}

fn print(args: &Args, context: &Context, records: Vec<PodRecord>, single: bool, headers: bool) -> Result {
    let mut out = output::stdout();
    match &args.output {
        None | Some(Format::Wide) if records.is_empty() => {}
        None | Some(Format::Wide) => table(args, context, &records, headers)?.print("", &mut out)?,
        Some(_) if single && records.is_empty() => {}
        Some(format) => {
            let pods = records.iter().map(|r| json::pod(context, r)).collect::<Result<Vec<_>>>()?;
            format.print(&printer::objects(pods, single), headers, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

/// What a watcher knows of a pod.
struct Known {
    status: PodStatusModel,
    record: PodRecord,
}

/// Prints what there is, then each pod again when its status changes, and once more when it is gone.
fn watch(args: &Args, context: &Context, choice: &Choice) -> Result {
    if args.sort_by.is_some() {
        return Err(Failure::usage("--sort-by orders a list: it does not go with --watch"));
    }
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let mut shown = Shown { widths: Vec::new(), headers: !args.no_headers, objects: 0 };
    let mut changes = Changes::new();
    let mut first = true;
    loop {
        let chosen = choice.look(context)?;
        if first && !args.ignore_not_found {
            Failure::all(chosen.failures)?;
        }
        let quiet = first && args.watch_only;
        let gone: Vec<String> = known.keys().filter(|id| !chosen.records.iter().any(|r| r.id == **id)).cloned().collect();
        for id in gone {
            if let Some(last) = known.remove(&id) {
                shown.say(args, context, "DELETED", &last.record)?;
            }
        }
        for record in &chosen.records {
            let what = match known.get(&record.id) {
                None => "ADDED",
                Some(last) if last.status != record.status => "MODIFIED",
                Some(_) => continue,
            };
            known.insert(record.id.clone(), Known { status: record.status.clone(), record: record.clone() });
            if !quiet {
                shown.say(args, context, what, record)?;
            }
        }
        first = false;
        changes.wait(context, &chosen.records)?;
    }
}

/// What was printed so far.
struct Shown {
    widths: Vec<usize>,
    headers: bool,
    objects: usize,
}

impl Shown {
    fn say(&mut self, args: &Args, context: &Context, what: &str, record: &PodRecord) -> Result {
        let mut out = output::stdout();
        let headers = std::mem::take(&mut self.headers);
        let event = |pod: Value| if args.output_watch_events { serde_json::json!({"type": what, "object": pod}) } else { pod };
        match &args.output {
            None | Some(Format::Wide) => {
                let mut table = table(args, context, std::slice::from_ref(record), headers)?;
                if args.output_watch_events {
                    table.first_column("EVENT", what, headers);
                }
                table.print_on(&mut self.widths, &mut out)?;
            }
            Some(format) => {
                if *format == Format::Yaml && self.objects > 0 {
                    writeln!(out, "---")?;
                }
                self.objects += 1;
                format.print(&event(json::pod(context, record)?), headers, &mut out)?;
            }
        }
        Ok(out.flush()?)
    }
}

fn table(args: &Args, context: &Context, records: &[PodRecord], headers: bool) -> Result<Table> {
    let wide = args.output == Some(Format::Wide);
    let mut header = vec!["NAME", "READY", "STATUS", "RESTARTS", "AGE"];
    if args.all_namespaces {
        header.insert(0, "NAMESPACE");
    }
    if wide {
        header.extend(["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]);
    }
    if args.show_labels {
        header.push("LABELS");
    }
    let mut table = Table::new(headers.then_some(header.as_slice()));
    let now = pod::now().wall;
    let node = if wide { node() } else { String::new() };
    for record in records {
        let mut row = row(record, now);
        if args.all_namespaces {
            row.insert(0, record.spec.namespace.clone());
        }
        if wide {
            let ip = record.status.pod_ips.first().cloned();
            row.extend([ip.unwrap_or_else(none), node.clone(), none(), gates(record)]);
        }
        if args.show_labels {
            let labels = json::strings(&json::manifest(context, record)?, "labels");
            let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            row.push(if pairs.is_empty() { none() } else { pairs.join(",") });
        }
        table.row(row);
    }
    Ok(table)
}

pub fn none() -> String {
    "<none>".into()
}

fn row(record: &PodRecord, now: Stamp) -> Vec<String> {
    let column = column(&record.status, now);
    vec![record.spec.name.clone(), column.ready, column.status, column.restarts, age(record, now)]
}

fn age(record: &PodRecord, now: Stamp) -> String {
    match record.spec.created.parse::<jiff::Timestamp>() {
        Ok(created) => duration(now.seconds_since(Stamp::from_seconds(created.as_second()))),
        Err(_) => "<unknown>".into(),
    }
}

/// True gates of all.
fn gates(record: &PodRecord) -> String {
    let custom = record.status.conditions.iter().filter(|c| matches!(c.kind, ConditionKind::Custom(_)));
    let (total, met) = custom.fold((0, 0), |(n, t), c| (n + 1, t + u32::from(c.status == pod::status::Truth::True)));
    if total == 0 { none() } else { format!("{met}/{total}") }
}

/// This host, as a node's name.
pub fn node() -> String {
    nix::unistd::gethostname().map_or_else(|_| none(), |name| name.to_string_lossy().to_lowercase())
}
