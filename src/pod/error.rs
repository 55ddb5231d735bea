//! One error for callers, the ready pipe and the control socket alike.

use crate::{store, sys};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of failure it is; the names of the gRPC codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Code {
    /// The request is wrong: a bundle is missing, a value cannot be used.
    InvalidArgument,
    NotFound,
    AlreadyExists,
    /// Not root, or a file is not root's alone.
    PermissionDenied,
    /// The host cannot: a controller is missing, a folder is read-only.
    FailedPrecondition,
    DeadlineExceeded,
    /// The supervisor is not there (any more).
    Unavailable,
    /// The reader was too slow.
    ResourceExhausted,
    Unimplemented,
    Aborted,
    /// By its caller.
    Cancelled,
    Internal,
}

/// One line, lower case, outermost first, errno last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    pub code: Code,
    pub message: String,
    /// The field of the request that is wrong; empty when it is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// The same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// The kernel's number, where one is behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// The step that failed, as the fault points name it: `create.sandbox`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// The number of the last event that a reader who was too slow has been sent: it may watch from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<u64>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        let retryable = matches!(code, Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded);
        Error { code, message: message.into(), field: String::new(), retryable, errno: None, step: String::new(), resume: None }
    }

    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(Code::Internal, message)
    }

    /// Names the step that failed, unless an inner one was named.
    pub fn at(mut self, step: &str) -> Error {
        if self.step.is_empty() {
            self.step = step.to_string();
        }
        self
    }

    /// Names the field of the request that is wrong.
    pub fn in_field(mut self, field: &str) -> Error {
        self.field = field.to_string();
        self
    }

    /// Puts what was being done before the message.
    pub fn context(mut self, doing: impl fmt::Display) -> Error {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    pub fn with_errno(mut self, errno: Option<sys::Errno>) -> Error {
        self.errno = errno.map(|e| e.0);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<sys::Error> for Error {
    fn from(e: sys::Error) -> Error {
        use sys::Errno;
        let code = match e.errno {
            Errno::EACCES | Errno::EPERM => Code::PermissionDenied,
            Errno::EROFS | Errno::ENOSPC | Errno::EDQUOT => Code::FailedPrecondition,
            Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EAGAIN => Code::ResourceExhausted,
            _ => Code::Internal,
        };
        Error::new(code, e.to_string()).with_errno(Some(e.errno))
    }
}

impl From<store::Error> for Error {
    fn from(e: store::Error) -> Error {
        let code = match &e {
            store::Error::Sys(inner) => return inner.clone().into(),
            store::Error::Name { .. } => Code::InvalidArgument,
            store::Error::Root { .. } => Code::FailedPrecondition,
            store::Error::Taken { .. } | store::Error::Exists(_) => Code::AlreadyExists,
            store::Error::Content { .. } => Code::Internal,
        };
        Error::new(code, e.to_string())
    }
}

impl From<crate::net::Error> for Error {
    fn from(e: crate::net::Error) -> Error {
        let errno = e.errno();
        let message = match &e {
            crate::net::Error::Wrong(problem) => problem.clone(),
            // A kernel or a container host without bridges, pairs or nftables: the way out is one for every cause.
            other => format!("{other} (podrt.io/network: none does without a network)"),
        };
        Error::new(Code::FailedPrecondition, message).with_errno(errno)
    }
}

/// Gives an error the step that it came from.
pub trait Step<T> {
    fn step(self, step: &str) -> Result<T>;
}

impl<T, E: Into<Error>> Step<T> for std::result::Result<T, E> {
    fn step(self, step: &str) -> Result<T> {
        self.map_err(|e| e.into().at(step))
    }
}

impl From<crate::cgroup::Error> for Error {
    fn from(e: crate::cgroup::Error) -> Error {
        use crate::cgroup::Error as E;
        let code = match &e {
            E::Field { .. } => Code::InvalidArgument,
            E::Busy { .. } => Code::DeadlineExceeded,
            _ => Code::FailedPrecondition,
        };
        Error::new(code, e.to_string()).with_errno(e.errno())
    }
}
