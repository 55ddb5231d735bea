//! `podrt events`: what has happened to pods, as long as they are there.

use super::choice::{Changes, Choice};
use super::context::{self, Context};
use super::printer::{Format, pretty};
use super::table::Table;
use super::{Failure, Result, output, yaml};
use crate::pod::status::{EventRecord, duration};
use crate::pod::{self, PodRecord};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  podrt events                          of all pods of namespace default
  podrt events --for pod/web -w         of one, and go on
  podrt events --types=Warning -A
  podrt events -o json                  a v1 EventList; with -w an object a line

Kept per pod: they go with it.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Of this pod only: NAME or pod/NAME
    #[arg(long = "for", value_name = "POD")]
    of: Option<String>,
    /// json, yaml or name
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    /// Of these types only: Normal, Warning
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
    /// Go on: print what happens
    #[arg(short, long)]
    watch: bool,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Without the line of column names
    #[arg(long)]
    no_headers: bool,
}

pub fn run(args: &Args, context: &Context) -> Result {
    if let Some(wrong) = args.types.iter().find(|t| !["normal", "warning"].contains(&t.to_lowercase().as_str())) {
        return Err(Failure::usage(format_args!("--types: {wrong:?} is not Normal or Warning")));
    }
    if args.output.as_ref().is_some_and(|f| !matches!(f, Format::Json | Format::Yaml | Format::Name)) {
        return Err(Failure::usage("--output: want json, yaml or name"));
    }
    context.require_root()?;
    let mut what = vec!["pods".to_owned()];
    if let Some(pod) = &args.of {
        what.push(context::pod_name(pod)?.to_owned());
    }
    let namespace = (!args.all_namespaces).then_some(args.namespace.as_str());
    let choice = Choice::new(&what, namespace, None, None)?;
    let mut printed = Printed { widths: Vec::new(), headers: !args.no_headers, known: BTreeMap::new() };
    let mut changes = Changes::new();
    let mut first = true;
    loop {
        let chosen = choice.look(context)?;
        if first {
            Failure::all(chosen.failures)?;
        }
        let found = printed.news(args, &chosen.records);
        if found.is_empty() && !args.watch && !matches!(args.output, Some(Format::Json | Format::Yaml)) {
            output::complain(choice.nothing().replace("resources", "events"));
            return Ok(());
        }
        printed.print(args, &found, first)?;
        if !args.watch {
            return Ok(());
        }
        first = false;
        changes.wait(context, &chosen.records)?;
    }
}

/// One event, and whose it is.
type Found<'a> = (&'a PodRecord, usize, &'a EventRecord);

struct Printed {
    widths: Vec<usize>,
    headers: bool,
    /// How often an event, known by its sandbox and its number there, had happened when it was last printed.
    known: BTreeMap<(String, usize), u32>,
}

impl Printed {
    /// What was not printed yet, or has happened again; in the order in which it last happened.
    fn news<'a>(&mut self, args: &Args, records: &'a [PodRecord]) -> Vec<Found<'a>> {
        let mut found: Vec<Found> = Vec::new();
        for record in records {
            for (i, event) in record.events.iter().enumerate() {
                let wanted = args.types.is_empty() || args.types.iter().any(|t| t.eq_ignore_ascii_case(event.kind.as_str()));
                if wanted && self.known.insert((record.id.clone(), i), event.count) != Some(event.count) {
                    found.push((record, i, event));
                }
            }
        }
        found.sort_by_key(|(_, _, event)| event.last);
        found
    }

    fn print(&mut self, args: &Args, found: &[Found], first: bool) -> Result {
        let mut out = output::stdout();
        match &args.output {
            Some(Format::Name) => {
                for (record, i, _) in found {
                    writeln!(out, "event/{}", name(record, *i))?;
                }
            }
            // A stream of objects, each a line: what a program reads as it comes.
            Some(Format::Json) if args.watch => {
                for found in found {
                    writeln!(out, "{}", object(found))?;
                }
            }
            Some(format @ (Format::Json | Format::Yaml)) => {
                let list = json!({"apiVersion": "v1", "kind": "EventList", "metadata": {"resourceVersion": ""},
                    "items": found.iter().map(object).collect::<Vec<Value>>()});
                match format {
                    Format::Json => out.write_all(&pretty(&list)?)?,
                    _ => write!(out, "{}{}", if first { "" } else { "---\n" }, yaml::print(&list))?,
                }
            }
            _ if found.is_empty() => {}
            _ => self.table(args, found).print_on(&mut self.widths, &mut out)?,
        }
        Ok(out.flush()?)
    }

    fn table(&mut self, args: &Args, found: &[Found]) -> Table {
        let mut header = vec!["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
        if args.all_namespaces {
            header.insert(0, "NAMESPACE");
        }
        let mut table = Table::new(std::mem::take(&mut self.headers).then_some(header.as_slice()));
        let now = pod::now().wall;
        for (record, _, event) in found {
            let ago = |at| duration(now.seconds_since(at));
            let seen = match event.count {
                0 | 1 => ago(event.last),
                n => format!("{} (x{n} over {})", ago(event.last), ago(event.first)),
            };
            let message = super::failure::one_line(event.message.trim_end());
            let mut row =
                vec![seen, event.kind.as_str().into(), event.reason.clone(), format!("Pod/{}", record.spec.name), message];
            if args.all_namespaces {
                row.insert(0, record.spec.namespace.clone());
            }
            table.row(row);
        }
        table
    }
}

/// Unique among the events of all pods, and the same each time it is printed.
fn name(record: &PodRecord, i: usize) -> String {
    format!("{}.{}.{i}", record.spec.name, record.spec.uid)
}

/// A core/v1 Event.
fn object((record, i, event): &Found) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name(record, *i), "namespace": record.spec.namespace, "creationTimestamp": event.first.to_string()},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": record.spec.name, "namespace": record.spec.namespace,
            "uid": record.spec.uid, "fieldPath": event.field_path()},
        "type": event.kind.as_str(),
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
        "firstTimestamp": event.first.to_string(),
        "lastTimestamp": event.last.to_string(),
        "source": {"component": "podrt", "host": super::get::node()},
        "reportingComponent": "podrt",
    })
}
