//! Why a command failed, in kubectl's words, and the exit code that says so. `docs/exit-codes.md` lists the codes.

use std::fmt;
use std::process::ExitCode;

/// What the exit code tells a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Refused or failed: not found, name taken, the pod did not come up. kubectl's code for everything.
    Failed,
    /// The command line is wrong.
    Usage,
    /// A manifest, or a bundle that it names, is wrong or cannot be read.
    Input,
    /// The host cannot: not root, a controller is missing, a folder cannot be used, the disk is full.
    Host,
    /// `--timeout` is over.
    Timeout,
    /// The reader of stdout is gone.
    ClosedPipe,
    /// A code that is passed on: a container's, or a command's in it.
    Passed(u8),
}

impl Kind {
    pub fn code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Input => 3,
            Kind::Host => 4,
            Kind::Timeout => 5,
            Kind::ClosedPipe => 128 + libc::SIGPIPE as u8,
            Kind::Passed(code) => code,
        }
    }
}

/// Printed once, by `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    /// One line for each thing that is wrong; empty when all has been said.
    pub lines: Vec<String>,
}

pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// `error: text`.
    pub fn new(kind: Kind, text: impl fmt::Display) -> Failure {
        Failure { kind, lines: vec![format!("error: {}", one_line(&text.to_string()))] }
    }

    pub fn failed(text: impl fmt::Display) -> Failure {
        Failure::new(Kind::Failed, text)
    }

    pub fn usage(text: impl fmt::Display) -> Failure {
        Failure::new(Kind::Usage, text)
    }

    /// As an API server refuses: `Error from server (NotFound): ...`.
    pub fn server(reason: &str, text: impl fmt::Display) -> Failure {
        Failure { kind: Kind::Failed, lines: vec![format!("Error from server ({reason}): {}", one_line(&text.to_string()))] }
    }

    pub fn not_found(pod: &str) -> Failure {
        Failure::server("NotFound", format_args!("pods \"{pod}\" not found"))
    }

    /// Says nothing more.
    pub fn silent(kind: Kind) -> Failure {
        Failure { kind, lines: Vec::new() }
    }

    /// All of them: every line, and the first one's kind. None where there are none.
    pub fn all(failures: Vec<Failure>) -> Result {
        let Some(first) = failures.first() else { return Ok(()) };
        Err(Failure { kind: first.kind, lines: failures.into_iter().flat_map(|f| f.lines).collect() })
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }
}

/// A message that ends up in a terminal or a log holds no line end and no control character.
pub fn one_line(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() }).collect()
}

impl From<std::io::Error> for Failure {
    /// Of writing the output.
    fn from(e: std::io::Error) -> Failure {
        match e.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::silent(Kind::ClosedPipe),
            _ => Failure::new(Kind::Host, format_args!("write to stdout: {}", crate::sys::Errno::from(e))),
        }
    }
}

impl From<crate::pod::Error> for Failure {
    fn from(e: crate::pod::Error) -> Failure {
        use crate::pod::Code;
        let kind = match e.code {
            Code::NotFound
            | Code::AlreadyExists
            | Code::Aborted
            | Code::Cancelled
            | Code::Unavailable
            | Code::Unimplemented
            | Code::Internal => Kind::Failed,
            Code::InvalidArgument => Kind::Input,
            Code::PermissionDenied | Code::FailedPrecondition | Code::ResourceExhausted => Kind::Host,
            Code::DeadlineExceeded => Kind::Timeout,
        };
        Failure::new(kind, e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_one_line_whatever_a_name_holds() {
        let f = Failure::failed("pod \"a\nb\": x\u{1b}[31m");
        assert_eq!(f.lines, [r#"error: pod "a\nb": x\u{1b}[31m"#]);
    }

    #[test]
    fn several_failures_keep_their_lines_and_the_first_ones_code() {
        assert_eq!(Failure::all(Vec::new()), Ok(()));
        let all = Failure::all(vec![Failure::not_found("a"), Failure::usage("b")]).unwrap_err();
        assert_eq!(all.lines, ["Error from server (NotFound): pods \"a\" not found", "error: b"]);
        assert_eq!(all.kind.code(), 1);
    }
}
