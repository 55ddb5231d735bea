//! `podrt doctor`: what is left of pods that are gone, and whether the host is fit for pods.

use super::context::Context;
use super::{Failure, Kind, Result, output};
use crate::pod::doctor::host::{self, Level};
use crate::pod::doctor::{self, Finding};
use clap::ValueEnum;
use serde_json::json;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  podrt doctor               says what it finds, and changes nothing
  podrt doctor --fix         also ends and removes what belongs to no living pod
  podrt doctor -o json       for a program

A pod whose supervisor is gone is removed by --fix; where it was applied, podrt restore makes it anew. Exit code 0: nothing is
wrong, or all of it was fixed; 1: something is left; 4: the host cannot run pods.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// End and remove what belongs to no living pod
    #[arg(long)]
    fix: bool,
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    let findings = doctor::examine(&context.roots, args.fix)?;
    let host = host::checks(&context.roots);
    let mut out = output::stdout();
    match args.output {
        Some(Format::Json) => writeln!(out, "{}", json!({"host": host, "findings": findings}))?,
        None => {
            for c in &host {
                let mark = match c.level {
                    Level::Ok => "ok",
                    Level::Warn => "warning",
                    Level::Fail => "FAILED",
                };
                writeln!(out, "{mark:8} {:13} {}", c.check, c.detail)?;
            }
            for finding in &findings {
                writeln!(out, "{}", line(finding))?;
            }
            if findings.is_empty() {
                writeln!(out, "{:8} nothing is left of pods that are gone", "ok")?;
            }
        }
    }
    out.flush()?;
    if host.iter().any(|c| c.level == Level::Fail) {
        return Err(Failure::silent(Kind::Host));
    }
    match findings.iter().all(|f| f.fixed == Some(true)) {
        true => Ok(()),
        false => Err(Failure::silent(Kind::Failed)),
    }
}

fn line(f: &Finding) -> String {
    let (mark, end) = match (f.fixed, &f.error, f.remedy) {
        (Some(true), _, Some(remedy)) => ("fixed", format!(": {remedy}")),
        (Some(false), Some(error), _) => ("FAILED", format!(": {error}")),
        (_, _, Some(_)) => ("found", " (podrt doctor --fix)".into()),
        _ => ("found", String::new()),
    };
    super::failure::one_line(&format!("{mark:8} {:13} {}: {}{end}", f.kind, f.what, f.problem))
}
