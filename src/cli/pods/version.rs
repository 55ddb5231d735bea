//! `podrt version`.

use super::{Result, output};
use clap::ValueEnum;

const EXAMPLES: &str = "\
Examples:
  podrt version
  podrt version -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
}

pub fn run(args: &Args) -> Result {
    let version = env!("CARGO_PKG_VERSION");
    let protocol = crate::pod::control::PROTOCOL;
    match args.output {
        None => output::say(format_args!("podrt {version}\nKubernetes API v1.36 (core/v1 Pod), control protocol {protocol}"))?,
        Some(Format::Json) => output::say(serde_json::json!({
            "version": version, "kubernetes": "v1.36", "protocol": protocol, "arch": std::env::consts::ARCH,
        }))?,
    }
    Ok(())
}
