//! `-f`: what create, apply, run, plan and delete read manifests by.

use super::context::Context;
use super::{Failure, Kind, Result, output};
use crate::manifest::{self, Fresh, Manifests, Options, Source, Validate};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Files {
    /// A manifest (YAML or JSON, several documents allowed), or - for stdin; may be repeated
    #[arg(short, long, value_name = "FILE", required = true)]
    pub filename: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Reading {
    #[command(flatten)]
    pub files: Files,
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
        self.filename.iter().map(|f| Source::from_arg(f)).collect()
    }
}

impl Reading {
    /// Everything, checked; warnings are printed. Errors: one line for each problem of each file.
    pub fn load(&self, fresh: Fresh, context: &Context) -> Result<Manifests> {
        let options = Options {
            namespace: self.namespace.clone(),
            validate: match self.validate {
                How::Strict => Validate::Strict,
                How::Warn => Validate::Warn,
                How::Ignore => Validate::Ignore,
            },
            allowed_unsafe_sysctls: self.allowed_unsafe_sysctls.clone(),
            missing_controllers_warn: self.missing_controllers == Missing::Warn,
            fresh,
            network: context.network.clone(),
            ..Options::default()
        };
        let manifests = manifest::load(&self.files.sources(), &options).map_err(failure)?;
        for warning in &manifests.warnings {
            output::complain(format_args!("Warning: {warning}"));
        }
        Ok(manifests)
    }
}

pub fn failure(errors: manifest::Errors) -> Failure {
    Failure { kind: Kind::Input, lines: errors.0.iter().map(|p| format!("error: {p}")).collect() }
}
