//! `podrt explain`: a field's type, meaning and podrt's level of support, as kubectl explain prints it; offline, from the table
//! that manifests are checked by.

use super::{Failure, Result, output};
use crate::manifest::{Explained, explain};
use clap::ValueEnum;
use std::io::{self, Write};

const EXAMPLES: &str = "\
Examples:
  podrt explain pod.spec.restartPolicy
  podrt explain pod.spec.containers
  podrt explain pod --recursive                 every field
  podrt explain pod --recursive -o json | jq    for a program
  podrt explain configmap

-not yet-: refused by this version of podrt; -refused-: never; -no effect-: taken with a warning; -set by podrt-: not asked for.";

/// Columns of a description.
const WIDTH: usize = 78;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A kind, and fields below it: pod.spec.containers.image
    #[arg(value_name = "FIELD")]
    field: String,
    /// All that lies below it, without the descriptions
    #[arg(long)]
    recursive: bool,
    /// plaintext or json
    #[arg(short, long, value_name = "FORMAT", default_value = "plaintext")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Plaintext,
    Json,
}

pub fn run(args: &Args) -> Result {
    let (kind, told) = explain(&args.field, args.recursive).map_err(Failure::failed)?;
    let mut out = output::stdout();
    match args.output {
        Format::Json => {
            let json = serde_json::json!({"kind": kind, "version": "v1", "field": told});
            serde_json::to_writer_pretty(&mut out, &json).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Format::Plaintext => print(&mut out, kind, &told, args.recursive)?,
    }
    Ok(out.flush()?)
}

fn print(out: &mut impl Write, kind: &str, told: &Explained, recursive: bool) -> io::Result<()> {
    writeln!(out, "KIND:       {kind}\nVERSION:    v1\n")?;
    if told.name != kind {
        writeln!(out, "FIELD: {} <{}>{}", told.name, told.ty, marks(told))?;
        if !told.words.is_empty() {
            writeln!(out, "ENUM:\n    {}", told.words.join("\n    "))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "DESCRIPTION:")?;
    wrapped(out, told.description, 4)?;
    let why = if told.why.is_empty() { String::new() } else { format!(": {}", told.why) };
    writeln!(out, "\nSUPPORT:\n    {}{why}", told.support)?;
    if told.fields.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nFIELDS:")?;
    if recursive {
        return tree(out, &told.fields, 2);
    }
    for field in &told.fields {
        writeln!(out, "  {}\t<{}>{}", field.name, field.ty, marks(field))?;
        if !field.words.is_empty() {
            writeln!(out, "  enum: {}", field.words.join(", "))?;
        }
        wrapped(out, field.description, 4)?;
        writeln!(out)?;
    }
    Ok(())
}

fn tree(out: &mut impl Write, fields: &[Explained], indent: usize) -> io::Result<()> {
    for field in fields {
        writeln!(out, "{:indent$}{}\t<{}>{}", "", field.name, field.ty, marks(field))?;
        if !field.words.is_empty() {
            writeln!(out, "{:indent$}enum: {}", "", field.words.join(", "))?;
        }
        tree(out, &field.fields, indent + 2)?;
    }
    Ok(())
}

/// What is not as one expects of a field.
fn marks(field: &Explained) -> String {
    let required = if field.required { " -required-" } else { "" };
    let support = if field.support == "supported" { String::new() } else { format!(" -{}-", field.support) };
    format!("{required}{support}")
}

fn wrapped(out: &mut impl Write, text: &str, indent: usize) -> io::Result<()> {
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && indent + line.len() + 1 + word.len() > WIDTH {
            writeln!(out, "{:indent$}{line}", "")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(out, "{:indent$}{line}", "")
}
