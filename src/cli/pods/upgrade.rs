//! `podrt upgrade`: running pods go over to this podrt, and no container notices.

use super::context::{self, Context};
use super::{Failure, Result, output};
use crate::pod::{self, Code, Upgrade};

const EXAMPLES: &str = "\
Examples:
  podrt upgrade web              its supervisor goes on as this program
  podrt upgrade web db -n shop
  podrt upgrade --all            every pod of every namespace

The containers run on: they keep their processes, streams, timers and restarts. A program that does not come up is followed by the one
before, and that is said. Commands of a newer podrt work with older supervisors too; one that lacks something says so.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// NAME or pod/NAME
    #[arg(value_name = "POD", required_unless_present = "all")]
    pods: Vec<String>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Every pod of every namespace
    #[arg(long, conflicts_with = "pods")]
    all: bool,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    let names: Vec<(String, String)> = match args.all {
        true => pod::list(&context.roots, None)?.into_iter().map(|p| (p.spec.namespace, p.spec.name)).collect(),
        false => {
            let name = |p: &String| Ok((args.namespace.clone(), context::pod_name(p)?.to_string()));
            args.pods.iter().map(name).collect::<Result<_>>()?
        }
    };
    if names.is_empty() {
        output::say("No resources found")?;
        return Ok(());
    }
    let mut failures = Vec::new();
    for (namespace, name) in &names {
        match pod::upgrade(&context.roots, namespace, name) {
            Ok(Upgrade::Done) => output::say(format_args!("pod/{name} upgraded"))?,
            Ok(Upgrade::Unchanged) => output::say(format_args!("pod/{name} unchanged"))?,
            Err(e) if e.code == Code::NotFound => failures.push(Failure::not_found(name)),
            Err(e) => failures.push(Failure::failed(format_args!("upgrade {name}: {e}"))),
        }
    }
    Failure::all(failures)
}
