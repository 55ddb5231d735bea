//! The supervisor: one per pod, one thread, one epoll loop. It gives events to the machine and carries out its actions; idle, it
//! wakes up never.
//!
//! | file | does |
//! |---|---|
//! | `birth` | starts keeper and supervisor, in the caller's process |
//! | `keeper` | the supervisor's parent: what it keeps, and how it is replaced |
//! | `recover` | what a supervisor does that was started again |
//! | `state` | what it holds, and how it comes up |
//! | `turn` | the loop: what is ready, what follows from it, what is written and answered |
//! | `sandbox` | the pod's cgroup and pause |
//! | `container` | one attempt: cgroup, overlay, pipes, birth; its end |
//! | `attach` | those who read what containers print as it comes, and write to their stdin |
//! | `output` | what containers print, to their logs |
//! | `probe` | probes and hooks |
//! | `requests` | what the control socket asks: a file for each group of verbs |
//! | `session` | commands in running containers |
//! | `network` | the pod's interface, the proxy for the host's loopback, a flushed firewall |
//! | `helper` | what may take long, in a process of its own |

mod attach;
pub(super) mod birth;
mod container;
mod helper;
mod keeper;
mod network;
mod output;
mod probe;
mod recover;
mod requests;
mod sandbox;
pub(super) mod session;
mod state;
mod turn;

use super::control::Stage;
use super::control::frame;
use super::create::Ready;
use super::error::{Code, Error, Result};
use super::spec::PodSpec;
use super::status::PodStatusModel;
use crate::store::{Roots, Store, atomic};
use crate::sys::{daemon, event, raw};
use state::Supervisor;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// A container's cgroup, relative to the cgroup v2 mount.
pub(super) fn cgroup_of(roots: &Roots, spec: &PodSpec, container: &str) -> String {
    format!("{}/pod{}/{}", roots.cgroup_parent, spec.uid, sandbox::leaf_of(container))
}

/// argv[1] of a supervisor's process; not for people.
pub const ENTRY: &str = "__supervisor";

/// The ready pipe's number in a new supervisor.
const READY_FD: i32 = 3;

/// An exit code that the keeper answers with another supervisor.
const RETRY: i32 = 75;

/// Writes a v1 PodStatus: what `status.json` holds.
pub type StatusWriter = fn(&PodSpec, &PodStatusModel) -> Vec<u8>;

/// The whole life of a supervisor. `arguments` are the process's, from argv[0]. Returns the exit code; nobody reads what it could
/// print.
pub fn main(arguments: &[std::ffi::OsString], writer: StatusWriter) -> i32 {
    // Without it this is not the pod's first supervisor: it takes over what there is.
    let mut ready = ReadyPipe(event::inherit(READY_FD));
    let again = !ready.is_open();
    let _ = daemon::block_signals();
    raw::remember_signals();
    let privileged = daemon::shed_caller();
    // The last to be killed when memory is short: without it nobody ends or restarts anything.
    daemon::set_oom_score_adj(-998);
    let supervisor = Asked::parse(arguments).and_then(|asked| {
        let store = Store::open(&asked.roots)?;
        Ok((Supervisor::new(store, &asked.id, writer, again)?, asked.wait))
    });
    match supervisor {
        Ok((mut supervisor, wait)) => {
            if !privileged {
                supervisor.warnings.push("no_new_privs is set in the caller, and so in every container".into());
            }
            supervisor.arguments = arguments.iter().filter_map(|a| CString::new(a.as_bytes()).ok()).collect();
            supervisor.run(ready, wait)
        }
        // Another cleans the sandbox up, or has: nothing is left to do.
        Err(e) if again && matches!(e.code, Code::Aborted | Code::NotFound) => 0,
        Err(_) if again => RETRY,
        Err(e) => {
            ready.say(&Ready::Failed(e));
            1
        }
    }
}

struct Asked {
    roots: Roots,
    id: String,
    wait: Stage,
}

impl Asked {
    fn parse(arguments: &[std::ffi::OsString]) -> Result<Asked> {
        let [_, _, state, id, wait] = arguments else {
            return Err(Error::internal("the supervisor takes three arguments"));
        };
        let text =
            |a: &std::ffi::OsString| a.to_str().map(String::from).ok_or_else(|| Error::internal("an argument is not UTF-8"));
        let id = text(id)?;
        let here = Roots { state: state.into(), ..Roots::default() };
        let intent = Store::open(&here)?.sandbox(&id)?.intent()?;
        let missing = || Error::new(Code::NotFound, format!("sandbox {id} holds no intent.json"));
        let roots = intent.ok_or_else(missing)?.roots;
        let wait = serde_json::from_str(&text(wait)?).map_err(|e| Error::internal(format!("stage: {e}")))?;
        Ok(Asked { roots, id, wait })
    }
}

/// The pipe to the command that created the pod; it may be gone.
struct ReadyPipe(Option<OwnedFd>);

impl ReadyPipe {
    fn say(&mut self, what: &Ready) {
        let Some(fd) = &self.0 else { return };
        if let Ok(frame) = frame::encode(what) {
            // A pipe takes 4 KiB in one piece; a longer one is read by a caller that waits for it.
            let mut rest = frame.as_slice();
            while let Ok(n @ 1..) = raw::write(fd.as_raw_fd(), rest) {
                rest = &rest[n..];
            }
        }
    }

    fn close(&mut self) {
        self.0 = None;
    }

    fn is_open(&self) -> bool {
        self.0.is_some()
    }
}

/// Reads a file of the sandbox that must be there.
fn needed<T: serde::de::DeserializeOwned>(dir: &std::path::Path, name: &str) -> Result<T> {
    atomic::read_json(&dir.join(name))?.ok_or_else(|| Error::internal(format!("{}: no such file", dir.join(name).display())))
}
