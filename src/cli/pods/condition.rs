//! `podrt condition set`: a condition of the pod's that somebody else answers for, such as a readiness gate waits for.

use super::context::{self, Context};
use super::{Failure, Result, output};
use crate::pod::control::Verb as Ask;
use crate::pod::status::Truth;
use crate::pod::{self, Code};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt condition set web example.com/ready=True
  podrt condition set web example.com/lb=False --reason Draining --message 'taken out for an update'

A pod with spec.readinessGates is Ready when its containers are and every gate's condition is True. The conditions that the pod works
out itself (Ready, Initialized, ...) cannot be set.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Set conditions of a pod
    Set(Set),
}

#[derive(Debug, clap::Args)]
struct Set {
    /// NAME or pod/NAME
    #[arg(value_name = "POD")]
    pod: String,
    /// A condition's type and its status: True, False or Unknown
    #[arg(value_name = "TYPE=STATUS", required = true)]
    conditions: Vec<String>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// A word that says why, in CamelCase
    #[arg(long, value_name = "WORD", default_value = "")]
    reason: String,
    /// A sentence that says why
    #[arg(long, value_name = "TEXT", default_value = "")]
    message: String,
}

pub fn run(args: &Args, context: &Context) -> Result {
    let Verb::Set(args) = &args.verb;
    context.require_root()?;
    let wanted = args.conditions.iter().map(|text| parse(text)).collect::<Result<Vec<_>>>()?;
    let name = context::pod_name(&args.pod)?;
    let mut client = pod::connect(&context.roots, &args.namespace, name).map_err(|e| match e.code {
        Code::NotFound => Failure::not_found(name),
        _ => e.into(),
    })?;
    for (kind, status) in wanted {
        let ask = Ask::Condition { kind: kind.into(), status, reason: args.reason.clone(), message: args.message.clone() };
        client.call(&ask, Some(Duration::from_secs(10)))?;
        output::say(format_args!("pod/{name} condition {kind}={}", status.as_str()))?;
    }
    Ok(())
}

fn parse(text: &str) -> Result<(&str, Truth)> {
    let status = |word: &str| match word.to_ascii_lowercase().as_str() {
        "true" => Some(Truth::True),
        "false" => Some(Truth::False),
        "unknown" => Some(Truth::Unknown),
        _ => None,
    };
    let parsed = text.rsplit_once('=').and_then(|(kind, word)| Some((kind, status(word)?)));
    parsed.ok_or_else(|| Failure::usage(format_args!("condition {text:?}: want TYPE=True, TYPE=False or TYPE=Unknown")))
}
