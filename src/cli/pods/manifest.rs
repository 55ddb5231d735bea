//! `-f`: what create, apply, run, plan and delete read manifests by.

use super::context::Context;
use super::{Failure, Kind, Result, output};
use crate::manifest::{self, Fresh, Manifests, Options, Source, Validate};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Files {
    /// A manifest (YAML or JSON, several documents allowed), a folder of them, or - for stdin; may be repeated
    #[arg(short, long, value_name = "FILE", required = true)]
    pub filename: Vec<PathBuf>,
    /// Also the folders below a folder
    #[arg(short = 'R', long)]
    pub recursive: bool,
}

#[derive(Debug, Args)]
pub struct Reading {
    #[command(flatten)]
    pub files: Files,
    #[command(flatten)]
    pub checks: Checks,
}

/// How manifests are read, wherever they come from.
#[derive(Debug, Args)]
pub struct Checks {
    /// The namespace of pods that name none
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// What to do about a field that podrt does not know
    #[arg(long, value_name = "HOW", default_value = "strict", num_args = 0..=1, require_equals = true, default_missing_value = "strict")]
    validate: How,
    /// What to do about a limit whose cgroup controller this host does not offer
    #[arg(long, value_name = "HOW", default_value = "error")]
    missing_controllers: Missing,
    /// Sysctls beyond the safe ones that a pod may set; NAME or START*
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    allowed_unsafe_sysctls: Vec<String>,
    /// A label of this host beyond its name, os and arch, for nodeSelector and affinity; may be repeated
    #[arg(long = "node-label", value_name = "KEY=VALUE")]
    node_labels: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    /// An error
    #[value(alias = "true")]
    Strict,
    /// A warning
    Warn,
    /// Nothing
    #[value(alias = "false")]
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Missing {
    Error,
    Warn,
}

impl Files {
    pub fn sources(&self) -> Vec<Source> {
        let source = |path: &PathBuf| match Source::from_arg(path) {
            Source::File(path) if self.recursive => Source::Tree(path),
            source => source,
        };
        self.filename.iter().map(source).collect()
    }
}

impl Reading {
    /// Everything, checked; warnings are printed. Errors: one line for each problem of each file.
    pub fn load(&self, fresh: Fresh, context: &Context) -> Result<Manifests> {
        self.checks.load(&self.files.sources(), Options { fresh, ..Options::default() }, context)
    }
}

impl Checks {
    /// From any sources, for any purpose. Errors: one line for each problem of each file.
    pub fn load(&self, sources: &[Source], base: Options, context: &Context) -> Result<Manifests> {
        let options = Options {
            namespace: self.namespace.clone(),
            validate: match self.validate {
                How::Strict => Validate::Strict,
                How::Warn => Validate::Warn,
                How::Ignore => Validate::Ignore,
            },
            node_labels: self.node_labels.iter().map(|text| label(text)).collect::<Result<_>>()?,
            allowed_unsafe_sysctls: self.allowed_unsafe_sysctls.clone(),
            missing_controllers_warn: self.missing_controllers == Missing::Warn,
            network: context.network.clone(),
            ..base
        };
        let manifests = manifest::load(sources, &options).map_err(failure)?;
        for warning in &manifests.warnings {
            output::complain(format_args!("Warning: {warning}"));
        }
        Ok(manifests)
    }
}

fn label(text: &str) -> Result<(String, String)> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| Failure::usage(format_args!("--node-label: want KEY=VALUE (got {text:?})")))?;
    Ok((key.to_owned(), value.to_owned()))
}

pub fn failure(errors: manifest::Errors) -> Failure {
    Failure { kind: Kind::Input, lines: errors.0.iter().map(|p| format!("error: {p}")).collect() }
}
