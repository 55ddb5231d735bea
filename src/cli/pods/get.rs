//! `podrt get pods`: from the pods' files, with no lock and no question to anybody.

use super::context::{self, Context};
use super::selector::Selector;
use super::table::Table;
use super::{Failure, Result, json, output, yaml};
use crate::pod::status::{ConditionKind, Stamp, column, duration};
use crate::pod::{self, PodRecord};
use clap::ValueEnum;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  podrt get pods                      those of namespace default
  podrt get pods -A -o wide           all, with their addresses
  podrt get pods -l app=web,tier!=db  by labels
  podrt get pod web -o yaml           everything about one: a v1 Pod
  podrt get pods -o json              a v1 PodList
  podrt get pods -o name --no-headers";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// pods (or pod, po), and names; or pod/NAME
    #[arg(value_name = "pods [NAME...]", required = true)]
    what: Vec<String>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Wide,
    Yaml,
    Json,
    Name,
}

pub fn run(args: &Args, context: &Context) -> Result {
    let wanted = context::wanted(&args.what)?;
    let selector = args.selector.as_deref().map(Selector::parse).transpose().map_err(Failure::usage)?;
    if !wanted.names.is_empty() && selector.is_some() {
        return Err(Failure::usage("name cannot be provided when a selector is specified"));
    }
    if !wanted.names.is_empty() && args.all_namespaces {
        return Err(Failure::usage("a resource cannot be retrieved by name across all namespaces"));
    }
    context.require_root()?;
    let (mut records, mut failures) = (Vec::new(), Vec::new());
    if wanted.names.is_empty() {
        let (found, broken) = pod::survey(&context.roots, (!args.all_namespaces).then_some(args.namespace.as_str()))?;
        records = found;
        failures.extend(broken.iter().map(|(_, name, e)| {
            Failure::failed(format_args!("pod/{name}: its record cannot be read: {e} (podrt delete pod {name} --force)"))
        }));
        if let Some(selector) = selector {
            let mut kept = Vec::new();
            for record in records {
                if selector.matches(&json::strings(&json::manifest(context, &record)?, "labels")) {
                    kept.push(record);
                }
            }
            records = kept;
        }
    }
    for name in &wanted.names {
        match pod::get(&context.roots, &args.namespace, name)? {
            Some(record) => records.push(record),
            None if args.ignore_not_found => {}
            None => failures.push(Failure::not_found(name)),
        }
    }
    let single = wanted.names.len() == 1;
    print(args, context, &records, single)?;
    if records.is_empty() && failures.is_empty() && !single && !matches!(args.output, Some(Format::Json | Format::Yaml)) {
        output::complain(match args.all_namespaces {
            true => "No resources found".to_string(),
            false => format!("No resources found in {} namespace.", args.namespace),
        });
    }
    Failure::all(failures)
}

fn print(args: &Args, context: &Context, records: &[PodRecord], single: bool) -> Result {
    let mut out = output::stdout();
    match args.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            let mut pods = records.iter().map(|r| json::pod(context, r)).collect::<Result<Vec<_>>>()?;
            if single && pods.is_empty() {
                return Ok(());
            }
            let value = if single { pods.remove(0) } else { json::list(pods) };
            match format {
                Format::Yaml => write!(out, "{}", yaml::print(&value))?,
                _ => {
                    let mut text = Vec::new();
                    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
                    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
                    serde::Serialize::serialize(&value, &mut serializer).map_err(Failure::failed)?;
                    text.push(b'\n');
                    out.write_all(&text)?;
                }
            }
        }
        Some(Format::Name) => {
            for record in records {
                writeln!(out, "pod/{}", record.spec.name)?;
            }
        }
        None | Some(Format::Wide) if records.is_empty() => {}
        None | Some(Format::Wide) => table(args, context, records)?.print("", &mut out)?,
    }
    Ok(out.flush()?)
}

fn table(args: &Args, context: &Context, records: &[PodRecord]) -> Result<Table> {
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
    let mut table = Table::new((!args.no_headers).then_some(header.as_slice()));
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
