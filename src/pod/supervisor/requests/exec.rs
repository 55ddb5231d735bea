//! Exec sessions: started and ended here, carried by the fds that pass over the socket.

use super::wait::Awaited;
use crate::pod::control::{Outcome, Session, SessionEnd};
use crate::pod::error::{Code, Error};
use crate::pod::supervisor::session::{self, Ended, How, Io, Then};
use crate::pod::supervisor::state::Supervisor;
use crate::sys::event;
use crate::sys::process::Exit;
use crate::sys::tty::{self, Size};
use std::os::fd::OwnedFd;

/// The most that is kept of what a session prints, bytes: an answer's frame holds it, escaped.
const CAPTURE: u32 = 128 << 10;

pub(super) struct Ask {
    pub container: String,
    pub command: Vec<String>,
    pub tty: bool,
    pub size: Option<Size>,
    pub capture: u32,
    pub timeout_ms: Option<u64>,
}

impl Supervisor {
    pub(super) fn exec(&mut self, ask: Ask, fds: Vec<OwnedFd>) -> Result<Awaited, Error> {
        let slot = self.slot_named(&ask.container)?;
        let wrong = |field: &str, problem: &str| Err(Error::new(Code::InvalidArgument, problem).in_field(field));
        if ask.command.first().is_none_or(String::is_empty) {
            return wrong("command", "the command is empty");
        }
        if ask.capture > CAPTURE {
            return wrong("capture", &format!("at most {CAPTURE} bytes are kept"));
        }
        let io = match (<[OwnedFd; 3]>::try_from(fds), ask.tty, ask.capture) {
            (Ok(fds), false, 0) => Io::Fds(fds),
            (Err(none), true, 0) if none.is_empty() => Io::Terminal(ask.size),
            (Err(none), false, 0) if none.is_empty() => Io::Null,
            (Err(none), false, cap) if none.is_empty() => Io::Capture(cap as usize),
            (Err(some), ..) if !some.is_empty() => return wrong("fds", &format!("{} fds came, want 3 or none", some.len())),
            _ => return wrong("tty", "want one of three fds, a terminal, or a capture"),
        };
        let deadline = ask.timeout_ms.map(|ms| event::monotonic().saturating_add(ms.saturating_mul(1_000_000)));
        let id = self.run_session(session::Ask { slot, command: ask.command, io, deadline, then: Then::Keep })?;
        Ok(Awaited::SessionRuns(id))
    }

    pub(super) fn session_runs(&mut self, id: u64) -> Option<(Outcome, Vec<OwnedFd>)> {
        match (self.sessions.runs(id), self.sessions.ended(id)) {
            (Some((false, _)), _) => None,
            (Some((true, pid)), _) => {
                let fds = self.sessions.take_master(id).into_iter().collect();
                Some((Outcome::of(&Session { session: id, pid }), fds))
            }
            (None, Some(Ended { how: How::NotRun(e), .. })) => Some((Outcome::Error(e.clone()), Vec::new())),
            // So short a life that its end came in the same turn as its beginning.
            (None, Some(ended)) => {
                let answer = Outcome::of(&Session { session: id, pid: ended.pid });
                Some((answer, self.sessions.take_master(id).into_iter().collect()))
            }
            (None, None) => Some((Outcome::Error(unknown(id)), Vec::new())),
        }
    }

    pub(super) fn exec_wait(&mut self, id: u64) -> Result<Awaited, Error> {
        match (self.sessions.runs(id), self.sessions.ended(id)) {
            (None, None) => Err(unknown(id)),
            _ => Ok(Awaited::SessionEnds(id)),
        }
    }

    pub(super) fn session_ends(&self, id: u64) -> Option<Outcome> {
        if self.sessions.runs(id).is_some() {
            return None;
        }
        Some(match self.sessions.ended(id) {
            None => Outcome::Error(unknown(id)),
            Some(Ended { how: How::NotRun(e), .. }) => Outcome::Error(e.clone()),
            Some(Ended { how, output, truncated, .. }) => {
                let (exit, timed_out) = match how {
                    How::Exited(exit) => (*exit, false),
                    _ => (Exit::Signal(libc::SIGKILL), true),
                };
                let signal = if let Exit::Signal(signal) = exit { Some(signal) } else { None };
                let output = String::from_utf8_lossy(output).into_owned();
                Outcome::of(&SessionEnd { exit_code: exit.status(), signal, timed_out, output, truncated: *truncated })
            }
        })
    }

    pub(super) fn exec_resize(&mut self, id: u64, rows: u16, cols: u16) -> Result<(), Error> {
        self.sessions.runs(id).ok_or_else(|| unknown(id))?;
        let no_terminal = || Error::new(Code::FailedPrecondition, format!("session {id} has no terminal")).in_field("session");
        Ok(tty::set_size(self.sessions.terminal(id).ok_or_else(no_terminal)?, Size { rows, cols })?)
    }

    pub(super) fn exec_kill(&mut self, id: u64, signal: Option<i32>) -> Result<(), Error> {
        if signal.is_some_and(|s| !(1..=64).contains(&s)) {
            return Err(Error::new(Code::InvalidArgument, "want a signal's number, 1 to 64").in_field("signal"));
        }
        Ok(self.sessions.signal(id, signal).ok_or_else(|| unknown(id))??)
    }
}

fn unknown(id: u64) -> Error {
    Error::new(Code::NotFound, format!("no session {id}, or it ended long ago")).in_field("session")
}
