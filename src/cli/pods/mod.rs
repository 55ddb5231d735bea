//! podrt's commands: pods in kubectl's spelling. One verb, one file; each parses nothing but its own arguments, makes one call
//! into the pod layer and prints. An error is printed here, once.

mod apply;
mod attach;
mod context;
mod create;
mod ctl;
mod delete;
mod describe;
mod exec;
mod explain;
mod failure;
mod generate;
mod get;
mod image;
mod interact;
mod json;
mod logs;
mod manifest;
mod output;
mod plan;
mod run;
mod selector;
mod signals;
mod table;
mod text;
mod tree;
mod version;
mod yaml;

pub use failure::{Failure, Kind, Result};

use crate::pod::supervisor;
use std::ffi::OsString;
use std::process::ExitCode;

/// The program: argv to exit code.
pub fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    if argv.get(1).is_some_and(|a| a == supervisor::ENTRY) {
        return ExitCode::from(supervisor::main(&argv, crate::manifest::write_status) as u8);
    }
    crate::sys::entry::populate_heap();
    let outcome = match super::lazy::parse::<tree::Cli>(argv.iter().cloned()) {
        Ok(cli) => cli.run(&argv),
        Err(e) => tree::refused(&e),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in &failure.lines {
                output::complain(line);
            }
            failure.exit_code()
        }
    }
}
