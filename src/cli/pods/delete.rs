//! `podrt delete`: ends pods, and removes what is left of them.

use super::context::{self, Context};
use super::selector::Selector;
use super::{Failure, Kind, Result, json, manifest, output};
use crate::manifest::{Name, Options, Source, load_names};
use crate::pod::{self, Code, DeleteOptions};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt delete pod web                  asks its processes to end; kills what is left after the grace period
  podrt delete pod web --now            gives them one second
  podrt delete pod web --grace-period=5
  podrt delete pod web --force          kills at once, also where its supervisor does not answer
  podrt delete -f pod.yaml --ignore-not-found
  podrt delete pods --all --wait=false  does not wait for their end";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// pods (or pod, po), and names; or pod/NAME
    #[arg(value_name = "pods [NAME...]", required_unless_present = "filename")]
    what: Vec<String>,
    /// The pods of a manifest; - is stdin; may be repeated
    #[arg(short, long, value_name = "FILE", conflicts_with = "what")]
    filename: Vec<PathBuf>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Of all namespaces; with --all or -l
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// All pods of the namespace
    #[arg(long)]
    all: bool,
    /// By labels, as with get
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Seconds that processes get to end; negative is the pod's own
    #[arg(long, value_name = "SECONDS", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    grace_period: i64,
    /// As --grace-period=1
    #[arg(long)]
    now: bool,
    /// Kill at once, and go on whatever does not answer
    #[arg(long)]
    force: bool,
    /// Return when nothing is left [true]
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, hide_default_value = true)]
    wait: bool,
    /// How long to wait: 30s, 5m; 0 is without end
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = super::text::duration)]
    timeout: Duration,
    /// Succeed where a pod is not there
    #[arg(long, value_name = "BOOL", default_value_t = false, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, hide_default_value = true)]
    ignore_not_found: bool,
    #[arg(short, long, value_name = "FORMAT", hide = true)]
    output: Option<String>,
}

pub fn run(args: &Args, context: &Context) -> Result {
    let grace = grace(args)?;
    let names = names(args, context)?;
    let options =
        DeleteOptions { grace, wait: args.wait, force: args.force, deadline: (!args.timeout.is_zero()).then_some(args.timeout) };
    if names.is_empty() {
        output::say("No resources found")?;
        return Ok(());
    }
    if args.force {
        output::complain(
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated.",
        );
    }
    // All of them end at the same time; they are reported in the order of the command line.
    let one = |name: &Name| pod::delete(&context.roots, &name.namespace, &name.name, &options);
    let results: Vec<_> = match names.as_slice() {
        [name] => vec![one(name)],
        _ => std::thread::scope(|scope| {
            let threads: Vec<_> = names.iter().map(|name| scope.spawn(|| one(name))).collect();
            let lost = || pod::Error::internal("the deleting thread has ended");
            threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(lost()))).collect()
        }),
    };
    let mut failures = Vec::new();
    for (name, result) in names.iter().zip(results) {
        match result {
            Ok(()) => output::say(format_args!("pod/{} deleted", name.name))?,
            // --all and -l: somebody else was quicker.
            Err(e) if e.code == Code::NotFound && (args.ignore_not_found || args.all || args.selector.is_some()) => {}
            Err(e) if e.code == Code::NotFound => failures.push(Failure::not_found(&name.name)),
            Err(e) if e.code == Code::DeadlineExceeded => {
                let text = format_args!("timed out waiting for pod/{} to end: {e}", name.name).to_string();
                failures.push(Failure::new(Kind::Timeout, text));
            }
            Err(e) => failures.push(Failure::from(e.context(format_args!("delete {}", name.name)))),
        }
    }
    Failure::all(failures)
}

/// None: the pod's own.
fn grace(args: &Args) -> Result<Option<u64>> {
    let asked = u64::try_from(args.grace_period).ok();
    if args.now && asked.is_some() {
        return Err(Failure::usage("--now and --grace-period cannot be specified together"));
    }
    if args.force && asked.is_some_and(|s| s > 0) {
        return Err(Failure::usage("--force and --grace-period greater than 0 cannot be specified together"));
    }
    Ok(match (args.force, args.now) {
        (true, _) => Some(0),
        (_, true) => Some(1),
        _ => asked,
    })
}

fn names(args: &Args, context: &Context) -> Result<Vec<Name>> {
    let many = args.all || args.selector.is_some();
    let selector = args.selector.as_deref().map(Selector::parse).transpose().map_err(Failure::usage)?;
    if !args.filename.is_empty() {
        if many {
            return Err(Failure::usage("-f cannot be combined with --all or -l"));
        }
        context.require_root()?;
        let sources: Vec<Source> = args.filename.iter().map(|f| Source::from_arg(f)).collect();
        let options = Options { namespace: args.namespace.clone(), ..Options::default() };
        return load_names(&sources, &options).map_err(manifest::failure);
    }
    let namespace = args.namespace.as_deref().unwrap_or("default");
    let wanted = context::wanted(&args.what)?;
    if !wanted.names.is_empty() {
        if many {
            return Err(Failure::usage("name cannot be provided when a selector or --all is specified"));
        }
        if args.all_namespaces {
            return Err(Failure::usage("a resource cannot be deleted by name across all namespaces"));
        }
        context.require_root()?;
        return Ok(wanted.names.into_iter().map(|name| Name { namespace: namespace.into(), name }).collect());
    }
    if !many {
        return Err(Failure::usage("resource(s) were provided, but no name was specified (want NAME..., -l or --all)"));
    }
    context.require_root()?;
    let mut names = Vec::new();
    let only = (!args.all_namespaces).then_some(namespace);
    let (found, broken) = pod::survey(&context.roots, only)?;
    for record in found {
        let taken = match &selector {
            Some(s) => s.matches(&json::strings(&json::manifest(context, &record)?, "labels")),
            None => true,
        };
        if taken {
            names.push(Name { namespace: record.spec.namespace, name: record.spec.name });
        }
    }
    if args.all && selector.is_none() {
        // Those whose record is broken are pods as well.
        names.extend(broken.into_iter().map(|(namespace, name, _)| Name { namespace, name }));
    }
    Ok(names)
}
