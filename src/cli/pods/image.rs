//! `podrt image`: names for bundles.

use super::context::Context;
use super::table::Table;
use super::{Failure, Kind, Result, output};
use crate::image;
use crate::pod::status::{Stamp, duration};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::io::{self, Write};

const EXAMPLES: &str = "\
Examples:
  podrt image add busybox:1.28 bundle:./busybox     manifests may now say image: busybox:1.28
  podrt image ls
  podrt image rm busybox:1.28

A name without a tag is that of latest, one without a registry that of docker.io, as everywhere. A pod whose image has no name yet
waits (ErrImagePull, ImagePullBackOff; with imagePullPolicy Never ErrImageNeverPull) and starts when it has.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Give a name to a bundle; one that is taken is moved
    #[command(after_help = EXAMPLES)]
    Add {
        #[arg(value_name = "NAME")]
        name: String,
        /// A folder with config.json and a rootfs, relative to this one
        #[arg(value_name = "bundle:PATH")]
        source: String,
    },
    /// List the names
    #[command(after_help = EXAMPLES, alias = "list")]
    Ls {
        #[arg(short, long, value_name = "FORMAT")]
        output: Option<Format>,
    },
    /// Take names away; pods that run are not touched
    #[command(after_help = EXAMPLES, alias = "remove")]
    Rm {
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// A name that is nobody's is fine
        #[arg(long)]
        ignore_not_found: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Json,
    Name,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    match &args.verb {
        Verb::Add { name, source } => {
            let full = image::add(&context.roots, name, source)?;
            Ok(output::say(format_args!("image/{full} added"))?)
        }
        Verb::Ls { output } => list(context, *output),
        Verb::Rm { names, ignore_not_found } => {
            let mut failures = Vec::new();
            for name in names {
                match image::remove(&context.roots, name) {
                    Ok(true) => output::say(format_args!("image/{name} removed"))?,
                    Ok(false) if *ignore_not_found => {}
                    Ok(false) => failures.push(Failure::server("NotFound", format_args!("images \"{name}\" not found"))),
                    Err(e) => failures.push(e.into()),
                }
            }
            Failure::all(failures)
        }
    }
}

fn list(context: &Context, format: Option<Format>) -> Result {
    let images = image::list(&context.roots)?;
    let mut out = output::stdout();
    match format {
        Some(Format::Json) => {
            let items: Vec<_> = images.iter().map(|i| json!({"name": i.name, "bundle": i.bundle, "added": i.added})).collect();
            serde_json::to_writer_pretty(&mut out, &json!({"items": items})).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Some(Format::Name) => {
            for image in &images {
                writeln!(out, "image/{}", image.name)?;
            }
        }
        None if images.is_empty() => output::complain("No images found."),
        None => {
            let now = crate::pod::now().wall;
            let mut table = Table::new(Some(&["NAME", "BUNDLE", "AGE"]));
            for image in &images {
                let age = duration(now.seconds_since(Stamp::from_seconds(image.added)));
                table.row(vec![image.name.clone(), image.bundle.display().to_string(), age]);
            }
            table.print("", &mut out)?;
        }
    }
    Ok(out.flush()?)
}

impl From<image::Error> for Failure {
    fn from(e: image::Error) -> Failure {
        let kind = match e {
            image::Error::Name { .. } | image::Error::Kind(_) | image::Error::Bundle(_) => Kind::Input,
            image::Error::Store(_) => Kind::Host,
        };
        Failure::new(kind, e)
    }
}
