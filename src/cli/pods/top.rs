//! `podrt top`: what pods and their containers use, from their cgroups; nothing of an image is run.

use super::choice::Choice;
use super::context::Context;
use super::get::none;
use super::printer::{Format, pretty};
use super::table::Table;
use super::{Failure, Kind, Result, output, signals, text, yaml};
use crate::cgroup::{Cgroup, Hierarchy, Stats};
use crate::pod::{self, PodRecord};
use crate::sys::event::{monotonic, poll_in};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt top pods                     of namespace default, over half a second
  podrt top containers web           each container of pod web
  podrt top pods --watch             again and again; Ctrl-C ends it
  podrt top pods --sort-by=memory -A
  podrt top pods -o json

CPU is in thousandths of a core. MEMORY is the working set: what cannot be given back. IO is bytes read and written a second.
PRESSURE is the share of the last ten seconds in which something waited for CPU, memory or IO. <none>: no controller for it here.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    #[value(alias = "pod", alias = "po")]
    Pods,
    #[value(alias = "container")]
    Containers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Key {
    Cpu,
    Memory,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[arg(value_name = "WHAT")]
    what: What,
    /// Pods; all where none is named
    #[arg(value_name = "POD")]
    names: Vec<String>,
    /// A line for each container
    #[arg(long)]
    containers: bool,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// By labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// The largest first
    #[arg(long, value_name = "KEY")]
    sort_by: Option<Key>,
    /// Without the line of column names
    #[arg(long)]
    no_headers: bool,
    /// json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    /// Again and again; with -o json an object a line
    #[arg(short, long)]
    watch: bool,
    /// Time between two looks [500ms; with --watch 2s]
    #[arg(long, value_name = "TIME", value_parser = text::duration)]
    interval: Option<Duration>,
}

/// A pod or a container of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    namespace: String,
    pod: String,
    /// None: the pod.
    container: Option<String>,
    /// Of another pod of that name another.
    cgroup: String,
}

struct Look {
    at: u64,
    stats: BTreeMap<Subject, Stats>,
}

/// What was used between two looks, and what is used now.
struct Usage<'a> {
    subject: &'a Subject,
    /// Thousandths of a core.
    cpu: Option<u64>,
    /// Bytes.
    memory: Option<u64>,
    /// Bytes a second, read and written.
    io: Option<(u64, u64)>,
    now: &'a Stats,
}

pub fn run(args: &Args, context: &Context) -> Result {
    if args.output.as_ref().is_some_and(|f| !matches!(f, Format::Json | Format::Yaml)) {
        return Err(Failure::usage("--output: want json or yaml"));
    }
    context.require_root()?;
    let mut what = vec!["pods".to_owned()];
    what.extend(args.names.iter().cloned());
    let namespace = (!args.all_namespaces).then_some(args.namespace.as_str());
    let choice = Choice::new(&what, namespace, args.selector.as_deref(), None)?;
    let hierarchy = Hierarchy::discover().map_err(|e| Failure::new(Kind::Host, e))?;
    let ending = signals::ending().map_err(|e| Failure::new(Kind::Host, e))?;
    let interval = args.interval.unwrap_or(Duration::from_millis(if args.watch { 2000 } else { 500 }));
    let millis = Some(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1));
    let mut before = look(args, context, &hierarchy, &choice)?;
    if before.stats.is_empty() && !args.watch {
        output::complain(choice.nothing());
        return Ok(());
    }
    let mut first = true;
    loop {
        if poll_in(ending.as_fd(), millis).map_err(|e| Failure::new(Kind::Host, e))? {
            return Ok(());
        }
        let now = look(args, context, &hierarchy, &choice)?;
        print(args, &usages(args, &before, &now), first)?;
        if !args.watch {
            return Ok(());
        }
        (before, first) = (now, false);
    }
}

fn look(args: &Args, context: &Context, hierarchy: &Hierarchy, choice: &Choice) -> Result<Look> {
    let chosen = choice.look(context)?;
    if !args.watch {
        Failure::all(chosen.failures)?;
    }
    let at = monotonic();
    let mut stats = BTreeMap::new();
    for record in &chosen.records {
        for subject in subjects(args, context, record) {
            // It may end at any moment.
            if let Ok(found) = Cgroup::open(hierarchy, &subject.cgroup).and_then(|group| group.stat()) {
                stats.insert(subject, found);
            }
        }
    }
    Ok(Look { at, stats })
}

fn subjects(args: &Args, context: &Context, record: &PodRecord) -> Vec<Subject> {
    let subject = |container: Option<&str>| Subject {
        namespace: record.spec.namespace.clone(),
        pod: record.spec.name.clone(),
        container: container.map(str::to_owned),
        cgroup: pod::cgroup(&context.roots, &record.spec, container),
    };
    match args.what == What::Containers || args.containers {
        true => record.status.all_containers().filter(|c| c.is_running()).map(|c| subject(Some(&c.name))).collect(),
        false => vec![subject(None)],
    }
}

fn usages<'a>(args: &Args, before: &Look, now: &'a Look) -> Vec<Usage<'a>> {
    // Nanoseconds; two looks are at least a millisecond apart.
    let between = (now.at - before.at).max(1);
    let rate = |n: u64| u64::try_from(u128::from(n) * 1_000_000_000 / u128::from(between)).unwrap_or(u64::MAX);
    let bytes = |s: &Stats| s.io.iter().fold((0, 0), |(r, w), io| (r + io.read_bytes, w + io.written_bytes));
    let mut all: Vec<Usage> = Vec::new();
    for (subject, stats) in &now.stats {
        let old = before.stats.get(subject);
        let cpu = stats.cpu.zip(old.and_then(|o| o.cpu)).map(|(n, o)| rate(n.usage.saturating_sub(o.usage)).div_ceil(1000));
        let memory = stats.memory.as_ref().map(|m| m.working_set());
        // Without the controller there is no line of any device either.
        let io = old.filter(|_| memory.is_some()).map(|old| {
            let ((r1, w1), (r0, w0)) = (bytes(stats), bytes(old));
            (rate(r1.saturating_sub(r0)), rate(w1.saturating_sub(w0)))
        });
        all.push(Usage { subject, cpu, memory, io, now: stats });
    }
    match args.sort_by {
        Some(Key::Cpu) => all.sort_by_key(|u| std::cmp::Reverse(u.cpu)),
        Some(Key::Memory) => all.sort_by_key(|u| std::cmp::Reverse(u.memory)),
        None => {}
    }
    all
}

fn print(args: &Args, all: &[Usage], first: bool) -> Result {
    let mut out = output::stdout();
    let items = || all.iter().map(Usage::json).collect::<Vec<Value>>();
    let list = || json!({"apiVersion": "podrt.io/v1", "kind": "UsageList", "items": items()});
    match &args.output {
        Some(Format::Json) if args.watch => writeln!(out, "{}", list())?,
        Some(Format::Json) => out.write_all(&pretty(&list())?)?,
        Some(_) => write!(out, "{}{}", if first { "" } else { "---\n" }, yaml::print(&list()))?,
        None => {
            if args.watch && std::io::stdout().is_terminal() {
                // To the upper left corner, and what is below goes: ECMA-48, CUP and ED.
                write!(out, "\x1b[H\x1b[J")?;
            } else if !first {
                writeln!(out)?;
            }
            table(args, all).print("", &mut out)?;
        }
    }
    Ok(out.flush()?)
}

fn table(args: &Args, all: &[Usage]) -> Table {
    let each = args.what == What::Containers || args.containers;
    let mut header = vec!["POD", "CPU(cores)", "MEMORY(bytes)", "IO(bytes/s)", "PIDS", "PRESSURE(cpu/mem/io %)"];
    if each {
        header.insert(1, "NAME");
    }
    if args.all_namespaces {
        header.insert(0, "NAMESPACE");
    }
    let mut table = Table::new((!args.no_headers).then_some(header.as_slice()));
    for usage in all {
        let mut row = vec![
            usage.subject.pod.clone(),
            usage.cpu.map_or_else(none, |m| format!("{m}m")),
            usage.memory.map_or_else(none, |b| format!("{}Mi", b.div_ceil(1 << 20))),
            usage.io.map_or_else(none, |(r, w)| format!("{}/{}", short(r), short(w))),
            usage.now.pids.map_or_else(none, |n| n.to_string()),
            usage.pressure(),
        ];
        if each {
            row.insert(1, usage.subject.container.clone().unwrap_or_default());
        }
        if args.all_namespaces {
            row.insert(0, usage.subject.namespace.clone());
        }
        table.row(row);
    }
    table
}

/// Bytes with a binary suffix, at most four digits.
fn short(bytes: u64) -> String {
    let (mut n, mut units) = (bytes, ["", "Ki", "Mi", "Gi", "Ti"].iter());
    let mut unit = units.next();
    while n >= 10_000 {
        let Some(next) = units.next() else { break };
        (n, unit) = (n.div_ceil(1024), Some(next));
    }
    format!("{n}{}", unit.unwrap_or(&""))
}

impl Usage<'_> {
    fn pressure(&self) -> String {
        let psi = &self.now.pressure;
        let one = |p: &Option<crate::cgroup::Pressure>| p.map_or_else(|| "-".into(), |p| format!("{:.0}", p.some.avg10));
        if psi.cpu.is_none() && psi.memory.is_none() && psi.io.is_none() {
            return none();
        }
        format!("{}/{}/{}", one(&psi.cpu), one(&psi.memory), one(&psi.io))
    }

    fn json(&self) -> Value {
        json!({
            "namespace": self.subject.namespace,
            "pod": self.subject.pod,
            "container": self.subject.container,
            "cpuMillicores": self.cpu,
            "memoryWorkingSetBytes": self.memory,
            "ioReadBytesPerSecond": self.io.map(|io| io.0),
            "ioWrittenBytesPerSecond": self.io.map(|io| io.1),
            "stats": self.now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_number_of_bytes_is_short() {
        for (bytes, text) in
            [(0, "0"), (9999, "9999"), (10_000, "10Ki"), (1 << 20, "1024Ki"), (20 << 20, "20Mi"), (u64::MAX, "16777216Ti")]
        {
            assert_eq!(short(bytes), text);
        }
    }
}
