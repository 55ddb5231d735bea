//! `podrt ctl`: one request of the control protocol, as it is. For debugging, and for scripts that no other command serves.

use super::context::Context;
use super::{Failure, Kind, Result, output, yaml};
use crate::pod::client::Client;
use crate::pod::control::{Request, Verb};
use crate::pod::{self, Error};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt ctl web status
  podrt ctl web pids -o json                 keeper, supervisor, pause and each container's first process
  podrt ctl web Wait '{\"until\": \"ready\"}' --timeout 30s
  podrt ctl web Watch '{\"from\": 12}' -o json   one line for each event, until Ctrl-C
  podrt ctl web Exec '{\"command\": [\"id\"], \"capture\": 4096}'

The verbs and their arguments are in docs/protocol.md; podrt ctl POD hello says whom one talks to. A refusal is one line on stderr;
with -o json it is the protocol's error object on stdout as well. Exit codes are those of all commands.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// NAME or pod/NAME
    #[arg(value_name = "POD")]
    pod: String,
    /// In any case: Status or status
    #[arg(value_name = "VERB")]
    verb: String,
    /// The verb's arguments, a JSON object
    #[arg(value_name = "JSON", default_value = "{}", hide_default_value = true)]
    args: String,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// How the answer is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Format,
    /// How long to wait for the answer: 30s, 5m; 0 is without end
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = super::text::duration)]
    timeout: Duration,
    /// The request is carried out once for each token
    #[arg(long, value_name = "TEXT")]
    token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    let arguments: Value =
        serde_json::from_str(&args.args).map_err(|e| Failure::usage(format_args!("arguments: {e} (want a JSON object)")))?;
    let name = super::context::pod_name(&args.pod)?;
    let mut client = pod::connect(&context.roots, &args.namespace, name).map_err(|e| match e.code {
        pod::Code::NotFound => Failure::not_found(name),
        _ => e.into(),
    })?;
    let verb = Verb::NAMES.iter().find(|v| v.eq_ignore_ascii_case(&args.verb)).map_or(args.verb.as_str(), |v| v);
    if verb.eq_ignore_ascii_case("hello") {
        return print(args.output, &json!(client.hello()));
    }
    let request = Request {
        id: 0,
        verb: verb.into(),
        args: arguments,
        deadline_ms: (!args.timeout.is_zero()).then_some(args.timeout.as_millis() as u64),
        token: args.token.clone(),
        fds: 0,
    };
    if verb == "Watch" {
        return watch(args.output, &mut client, request);
    }
    match client.ask(request, &[]) {
        // Fds are of no use to a command that ends; they close.
        Ok((value, _)) => print(args.output, &value),
        Err(e) => Err(refusal(args.output, e)),
    }
}

fn watch(format: Format, client: &mut Client, request: Request) -> Result {
    client.begin(request, &[]).map_err(|e| refusal(format, e))?;
    while let Some(event) = client.next_event(None).map_err(|e| refusal(format, e))? {
        print(format, &json!(event))?;
    }
    Ok(())
}

fn print(format: Format, value: &Value) -> Result {
    match format {
        Format::Yaml if value.is_object() || value.is_array() => output::say(yaml::print(value).trim_end())?,
        Format::Json | Format::Yaml => output::say(value)?,
    }
    Ok(())
}

fn refusal(format: Format, e: Error) -> Failure {
    if format == Format::Json
        && let Err(failure) = print(format, &json!({"error": e}))
    {
        return failure;
    }
    let mut failure = Failure::from(e);
    if failure.kind == Kind::Input {
        // Of the command line, not of a manifest.
        failure.kind = Kind::Usage;
    }
    failure
}
