//! Another program takes over a running pod, usually a newer podrt: this process executes it in place. Containers stay its children,
//! what the keeper keeps is found there, and no container notices. Only when the new one has come up does the keeper take it for the
//! one to start again (`turn`); one that does not come up is followed by the old one.
//!
//! Sessions of `Exec` go on running, but whoever waits for them over the socket loses sight of them.

use super::state::Supervisor;
use crate::container::exe;
use crate::pod::error::{Code, Error, Result};
use crate::pod::machine::SCHEMA;
use std::os::fd::{AsFd, OwnedFd};

impl Supervisor {
    /// Takes `fds`, the one program, for the next turn's end. `schema`: what state it can read.
    pub fn reexec(&mut self, schema: u32, fds: Vec<OwnedFd>) -> Result<()> {
        if schema < SCHEMA {
            let text = format!("the new program reads states of schema {schema}, this pod's is {SCHEMA}");
            return Err(Error::new(Code::FailedPrecondition, text));
        }
        let [program] = <[OwnedFd; 1]>::try_from(fds)
            .map_err(|fds| Error::new(Code::InvalidArgument, format!("{} fds came, want the program alone", fds.len())))?;
        if !exe::is_read_only_program(program.as_fd())? {
            let text = "the program is no regular file on a read-only mount";
            return Err(Error::new(Code::InvalidArgument, text));
        }
        self.successor = Some(program);
        Ok(())
    }

    /// Returns only where it fails: then this program goes on.
    pub fn hand_over(&mut self) {
        let Some(program) = self.successor.take() else { return };
        let error = self.heirlooms.become_supervisor(&program, &self.arguments);
        self.warnings.push(error.message);
    }
}
