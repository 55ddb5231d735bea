//! What the control socket asks: read here, answered at once or when what was asked for has come true. What changes the pod is
//! answered only when the change is on record.
//!
//! | file | verbs |
//! |---|---|
//! | `wait` | Wait, and everything else that is answered later |
//! | `watch` | Watch |
//! | `inspect` | Status, Pids, ContainerList |
//! | `exec` | Exec, ExecWait, ExecResize, ExecKill; Attach is `supervisor/attach` |
//! | `mechanism` | SandboxStatus, ContainerStatus, ContainerKill, ContainerPause, ContainerResume, ContainerUpdateResources, Stats, Socket |
//! | `external` | SandboxCreate, SandboxStop, SandboxUpdate, SandboxRemove, ContainerCreate, ContainerStart, ContainerStop, ContainerRemove |
//! | `tokens` | requests that are sent twice |

mod exec;
mod external;
mod inspect;
mod mechanism;
mod tokens;
pub(super) mod wait;
mod watch;

pub(super) use tokens::Tokens;
pub(super) use wait::Waiting;

use super::state::Supervisor;
use crate::pod::control::server::Call;
use crate::pod::control::{Outcome, Verb};
use crate::pod::error::{Code, Error};
use crate::pod::machine::Event;
use crate::sys::event;
use std::os::fd::OwnedFd;
use wait::Awaited;

/// Who asked, and until when the answer is of use.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub client: u64,
    pub request: u64,
    /// Monotonic nanoseconds.
    pub deadline: Option<u64>,
    pub token: Option<String>,
}

/// What becomes of a request.
enum Reply {
    Now(Outcome),
    With(Outcome, Vec<OwnedFd>),
    Later(Awaited),
    /// Its answers come by another way.
    Taken,
}

impl From<Result<Reply, Error>> for Reply {
    fn from(result: Result<Reply, Error>) -> Reply {
        result.unwrap_or_else(|e| Reply::Now(Outcome::Error(e)))
    }
}

impl Supervisor {
    /// Takes what clients have asked.
    pub fn serve(&mut self) {
        for Call { client, request, fds } in self.server.requests() {
            let deadline = request.deadline_ms.map(|ms| event::monotonic().saturating_add(ms.saturating_mul(1_000_000)));
            let caller = Caller { client, request: request.id, deadline, token: request.token.clone() };
            let verb = match request.parse() {
                Ok(verb) => verb,
                Err(e) => {
                    self.server.answer(client, request.id, Outcome::Error(e));
                    continue;
                }
            };
            if self.seen_before(&caller, &request) {
                continue;
            }
            match self.reply(&caller, verb, fds) {
                Reply::Now(outcome) => self.finish(&caller, outcome, Vec::new()),
                Reply::With(outcome, fds) => self.finish(&caller, outcome, fds),
                Reply::Later(what) => self.waiting.push(Waiting { caller, what }),
                Reply::Taken => {}
            }
        }
    }

    fn reply(&mut self, caller: &Caller, verb: Verb, fds: Vec<OwnedFd>) -> Reply {
        if !fds.is_empty() && !matches!(verb, Verb::Exec { .. }) {
            let e = Error::new(Code::InvalidArgument, format!("{} fds came, want none", fds.len())).in_field("fds");
            return Reply::Now(Outcome::Error(e));
        }
        match verb {
            Verb::Status {} => Reply::Now(Outcome::of(&self.machine.status())),
            Verb::Pids {} => Reply::Now(Outcome::of(&self.pids())),
            Verb::ContainerList {} => Reply::Now(Outcome::of(&self.containers())),
            Verb::Wait { until } => Reply::Later(Awaited::Stage(until)),
            Verb::DeletePod { grace, wait } => {
                self.keep_record = false;
                self.queue.push_back(Event::Delete { grace });
                Reply::Later(if wait { Awaited::Deleted } else { Awaited::Recorded })
            }
            Verb::Shutdown {} => {
                self.keep_record = true;
                self.queue.push_back(Event::Delete { grace: None });
                Reply::Later(Awaited::Deleted)
            }
            Verb::Watch { from } => {
                self.watch_from(caller.client, caller.request, from);
                Reply::Taken
            }
            Verb::Cancel { request } => Reply::Now(self.cancel(caller.client, request).into()),
            Verb::Exec { container, command, tty, size, capture, timeout_ms } => {
                self.exec(exec::Ask { container, command, tty, size, capture, timeout_ms }, fds).map(Reply::Later).into()
            }
            Verb::SandboxCreate {} => self.sandbox_create().map(Reply::Later).into(),
            Verb::SandboxStop { grace } => self.sandbox_stop(grace).map(Reply::Later).into(),
            Verb::SandboxUpdate { resources } => Reply::Now(self.sandbox_update(resources).into()),
            Verb::SandboxRemove { grace } => {
                self.keep_record = false;
                self.queue.push_back(Event::Delete { grace });
                Reply::Later(Awaited::Deleted)
            }
            Verb::ContainerCreate { container, spec } => self.container_create(&container, spec).map(Reply::Later).into(),
            Verb::ContainerStart { container } => self.container_start(&container).map(Reply::Later).into(),
            Verb::ContainerStop { container, grace } => self.container_stop(&container, grace).map(Reply::Later).into(),
            Verb::ContainerRemove { container } => self.container_remove(&container).map(Reply::Later).into(),
            Verb::SandboxStatus {} => Reply::Now(Outcome::of(&self.sandbox_status())),
            Verb::ContainerStatus { container } => Reply::Now(self.container_status(&container).into()),
            Verb::ContainerKill { container, signal } => Reply::Now(self.container_kill(&container, signal).into()),
            Verb::ContainerPause { container } => self.container_pause(&container).map(Reply::Later).into(),
            Verb::ContainerResume { container } => Reply::Now(self.container_resume(&container).into()),
            Verb::ContainerUpdateResources { container, resources } => {
                Reply::Now(self.update_resources(&container, resources).into())
            }
            Verb::Stats {} => Reply::Now(self.stats().into()),
            Verb::Socket { family, kind } => {
                self.pod_socket(&family, &kind).map(|fd| Reply::With(Outcome::of(&()), vec![fd])).into()
            }
            Verb::Attach { container, stdin, output } => self
                .slot_named(&container)
                .and_then(|slot| self.attach_client(slot, stdin, output))
                .map(|(streams, fds)| Reply::With(Outcome::of(&streams), fds))
                .into(),
            Verb::ExecWait { session } => self.exec_wait(session).map(Reply::Later).into(),
            Verb::ExecResize { session, rows, cols } => Reply::Now(self.exec_resize(session, rows, cols).into()),
            Verb::ExecKill { session, signal } => Reply::Now(self.exec_kill(session, signal).into()),
        }
    }
}
