//! `podrt wait`: until pods are as asked for.

use super::choice::{Choice, folders};
use super::context::Context;
use super::jsonpath::{Path, shown};
use super::logs::follow::Watch;
use super::{Failure, Kind, Result, json, output, text};
use crate::pod::PodRecord;
use crate::sys::event::monotonic;
use serde_json::Value;
use std::str::FromStr;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt wait pod/web --for=condition=Ready --timeout=60s
  podrt wait pod/web --for=condition=Ready=false
  podrt wait pods -l app=web --for=jsonpath='{.status.phase}'=Running
  podrt wait pods --all --for=delete
  podrt wait pod/web --for=create

Over at once where the pods are so already. The exit code is 1 where a pod is not there, and 5 where the time is up.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// pod/NAME, or pods with names, -l or --all
    #[arg(value_name = "POD", required = true)]
    what: Vec<String>,
    /// condition=TYPE[=STATUS], jsonpath='{PATH}'[=VALUE], delete or create
    #[arg(long = "for", value_name = "WHAT")]
    until: Until,
    /// At most so long; 0 looks once [30s]
    #[arg(long, value_name = "TIME", value_parser = text::duration, default_value = "30s", hide_default_value = true)]
    timeout: Duration,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// By labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// By fields
    #[arg(long, value_name = "SELECTOR")]
    field_selector: Option<String>,
    /// Every pod that is there
    #[arg(long)]
    all: bool,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Until {
    /// Type and status, in lower case.
    Condition(String, String),
    /// None: the field is there.
    Field(Path, Option<String>),
    Delete,
    Create,
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Until, String> {
        match text.split_once('=') {
            _ if text.eq_ignore_ascii_case("delete") => Ok(Until::Delete),
            _ if text.eq_ignore_ascii_case("create") => Ok(Until::Create),
            Some(("condition", condition)) if !condition.is_empty() => {
                let (kind, status) = condition.split_once('=').unwrap_or((condition, "true"));
                Ok(Until::Condition(kind.to_lowercase(), status.to_lowercase()))
            }
            Some(("jsonpath", rest)) => {
                // The path may hold an '=' of its own, within its braces.
                let end = if rest.starts_with('{') {
                    rest.find('}').map_or(rest.len(), |at| at + 1)
                } else {
                    rest.find('=').unwrap_or(rest.len())
                };
                let (path, value) = rest.split_at(end);
                let value = match value.strip_prefix('=') {
                    Some("") => return Err("jsonpath wait value cannot be empty".into()),
                    Some(value) => Some(value.to_owned()),
                    None if value.is_empty() => None,
                    None => return Err(format!("{value:?} behind the path (want jsonpath='{{PATH}}'=VALUE)")),
                };
                Ok(Until::Field(Path::relaxed(path)?, value))
            }
            _ => Err("want condition=TYPE[=STATUS], jsonpath='{PATH}'[=VALUE], delete or create".into()),
        }
    }
}

impl Until {
    /// Of a v1 Pod that is there.
    fn met(&self, pod: &Value) -> bool {
        match self {
            Until::Condition(kind, status) => {
                let all = pod["status"]["conditions"].as_array();
                let same = |value: &Value, want: &str| value.as_str().is_some_and(|v| v.to_lowercase() == want);
                let found = all.into_iter().flatten().find(|c| same(&c["type"], kind));
                found.is_some_and(|c| same(&c["status"], status))
            }
            Until::Field(path, value) => {
                let found = path.find(pod);
                match value {
                    None => !found.is_empty(),
                    Some(value) => found.first().is_some_and(|v| shown(v) == *value),
                }
            }
            Until::Create => true,
            Until::Delete => false,
        }
    }
}

pub fn run(args: &Args, context: &Context) -> Result {
    let namespace = (!args.all_namespaces).then_some(args.namespace.as_str());
    let choice = Choice::new(&args.what, namespace, args.selector.as_deref(), args.field_selector.as_deref())?;
    let chosen_by = args.selector.is_some() || args.field_selector.is_some() || args.all;
    if choice.wanted.names.is_empty() && !chosen_by {
        return Err(Failure::usage("resource(s) were provided, but no name was specified: name pods, or use -l or --all"));
    }
    context.require_root()?;
    let end = monotonic().saturating_add(u64::try_from(args.timeout.as_nanos()).unwrap_or(u64::MAX));
    let mut wait = Waiting { args, context, choice, met: Vec::new(), begun: None };
    let mut watch: Option<(Vec<std::path::PathBuf>, Watch)> = None;
    loop {
        let (left, records) = wait.look()?;
        if left.is_empty() {
            return Ok(());
        }
        let now = monotonic();
        if now >= end {
            let late = left.iter().map(|name| Failure {
                kind: Kind::Timeout,
                lines: vec![format!("error: timed out waiting for the condition on pods/{name}")],
            });
            return Failure::all(late.collect());
        }
        let wanted = folders(context, &records);
        match &mut watch {
            Some((known, watch)) if *known == wanted => {
                if watch.wait_at_most(&[], Duration::from_nanos(end - now))?.closed {
                    return Err(Failure::silent(Kind::ClosedPipe));
                }
            }
            _ => watch = Some((wanted.clone(), Watch::new(wanted))),
        }
    }
}

struct Waiting<'a> {
    args: &'a Args,
    context: &'a Context,
    choice: Choice,
    /// Sandboxes that were as asked for, and names that were said.
    met: Vec<String>,
    /// Sandboxes that were there at the beginning, with their pods' names: those whose end is waited for.
    begun: Option<Vec<(String, String)>>,
}

impl Waiting<'_> {
    /// Says what has come true. The names of those that are still waited for, and all that is there.
    fn look(&mut self) -> Result<(Vec<String>, Vec<PodRecord>)> {
        let chosen = self.choice.look(self.context)?;
        let mut left = Vec::new();
        if self.args.until == Until::Delete {
            let now = |r: &PodRecord| (r.id.clone(), r.spec.name.clone());
            let begun = self.begun.get_or_insert_with(|| chosen.records.iter().map(now).collect()).clone();
            for (id, name) in begun {
                match chosen.records.iter().any(|r| r.id == id) {
                    true => left.push(name),
                    false => self.say(&id, &name)?,
                }
            }
            return Ok((left, chosen.records));
        }
        let creates = self.args.until == Until::Create;
        if !creates {
            Failure::all(chosen.failures)?;
        }
        if self.choice.wanted.names.is_empty() && chosen.records.is_empty() && !creates {
            return Err(Failure::failed("no matching resources found"));
        }
        for record in &chosen.records {
            match self.args.until.met(&json::pod(self.context, record)?) {
                true => self.say(&record.id, &record.spec.name)?,
                // Met once is met: a pod may go on to another state while others are waited for.
                false if self.met.contains(&record.id) => {}
                false => left.push(record.spec.name.clone()),
            }
        }
        if creates {
            let there = |name: &&String| chosen.records.iter().any(|r| r.spec.name == **name);
            left.extend(self.choice.wanted.names.iter().filter(|n| !there(n)).cloned());
            if self.choice.wanted.names.is_empty() && chosen.records.is_empty() {
                left.push("*".into());
            }
        }
        Ok((left, chosen.records))
    }

    fn say(&mut self, id: &str, name: &str) -> Result {
        if self.met.iter().any(|known| known == id) {
            return Ok(());
        }
        self.met.push(id.to_owned());
        if !self.args.quiet {
            output::say(format_args!("pod/{name} condition met"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_waited_for_is_written_as_in_kubectl() {
        let pod = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}, {"type": "my/gate", "status": "True"}]}});
        for (text, met) in [
            ("condition=Ready", false),
            ("condition=ready=False", true),
            ("condition=my/gate", true),
            ("condition=Absent", false),
            ("jsonpath={.status.phase}=Running", true),
            ("jsonpath={.status.phase}=Pending", false),
            ("jsonpath=.status.phase=Running", true),
            ("jsonpath={.status.phase}", true),
            ("jsonpath={.status.podIP}", false),
            ("jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=False", true),
            ("create", true),
            ("Delete", false),
        ] {
            assert_eq!(text.parse::<Until>().unwrap().met(&pod), met, "{text}");
        }
        for text in ["", "condition", "condition=", "jsonpath={.a", "jsonpath={.a}=", "jsonpath={.a}b", "soon"] {
            assert!(text.parse::<Until>().is_err(), "{text}");
        }
    }
}
