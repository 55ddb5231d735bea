//! The caller's end of the control protocol: blocking, one thing at a time.

use super::control::{Answer, ContainerInfo, Hello, Outcome, Pids, Request, SOCKET, Stage, Verb, WatchEvent, frame};
use super::error::{Code, Error, Result};
use super::status::PodStatusModel;
use crate::store::Sandbox;
use crate::sys::{Errno, event, socket};
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

#[derive(Debug)]
pub struct Client {
    sandbox: Sandbox,
    fd: OwnedFd,
    decoder: frame::Decoder,
    /// Those that came; each answer says how many are its own.
    fds: VecDeque<OwnedFd>,
    hello: Hello,
    next: u64,
}

impl Client {
    /// Errors: Unavailable where no supervisor listens, and none is about to.
    pub fn connect(sandbox: &Sandbox) -> Result<Client> {
        let end = event::monotonic() + BETWEEN;
        loop {
            match Client::connect_once(sandbox) {
                Err(e) if e.code == Code::Unavailable && event::monotonic() < end && has_keeper(sandbox) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }

    fn connect_once(sandbox: &Sandbox) -> Result<Client> {
        let gone = || Error::new(Code::Unavailable, format!("sandbox {}: its supervisor is gone", sandbox.id));
        let dir = File::open(&sandbox.dir).map_err(|_| gone())?;
        let fd = match socket::connect(dir.as_fd(), SOCKET) {
            Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ECONNREFUSED) => return Err(gone()),
            other => other?,
        };
        let mut client = Client {
            sandbox: sandbox.clone(),
            fd,
            decoder: frame::Decoder::default(),
            fds: VecDeque::new(),
            hello: Hello { protocol: 0, build: String::new(), sandbox: String::new(), boot_id: String::new() },
            next: 1,
        };
        client.hello = client.read(Some(Duration::from_secs(10)))?;
        Ok(client)
    }

    /// Whom one talks to.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// For poll(2): readable when an event of a watch has come.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub fn status(&mut self) -> Result<PodStatusModel> {
        decode(self.call(&Verb::Status {}, Some(Duration::from_secs(10)))?)
    }

    pub fn containers(&mut self) -> Result<Vec<ContainerInfo>> {
        decode(self.call(&Verb::ContainerList {}, Some(Duration::from_secs(10)))?)
    }

    pub fn pids(&mut self) -> Result<Pids> {
        decode(self.call(&Verb::Pids {}, Some(Duration::from_secs(10)))?)
    }

    /// Waits until the pod has come so far. Errors: DeadlineExceeded; Aborted when it can no longer come there.
    pub fn wait(&mut self, until: Stage, deadline: Option<Duration>) -> Result<()> {
        self.call(&Verb::Wait { until }, deadline).map(drop)
    }

    /// `grace` in seconds, None is the spec's. With `wait`, returns when nothing is left of the pod.
    pub fn delete(&mut self, grace: Option<u64>, wait: bool, deadline: Option<Duration>) -> Result<()> {
        self.call(&Verb::DeletePod { grace, wait }, deadline).map(drop)
    }

    pub fn shutdown(&mut self, deadline: Option<Duration>) -> Result<()> {
        self.call(&Verb::Shutdown {}, deadline).map(drop)
    }

    /// From here on the connection carries the events after `from`: take them with [`Client::next_event`].
    pub fn watch(&mut self, from: u64) -> Result<()> {
        self.begin(Request::new(0, &Verb::Watch { from }, None), &[]).map(drop)
    }

    /// The next event of the watch; None when the supervisor has closed (the pod is gone, or it died).
    pub fn next_event(&mut self, deadline: Option<Duration>) -> Result<Option<WatchEvent>> {
        match self.read::<Answer>(deadline) {
            Ok(Answer { result: Outcome::Event(event), .. }) => Ok(Some(event)),
            Ok(Answer { result: Outcome::Error(e), .. }) => Err(e),
            Ok(Answer { result: Outcome::Ok(_), .. }) => Err(Error::internal("an answer instead of an event")),
            Err(e) if e.code == Code::Unavailable => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// One request and its answer. Where the supervisor dies meanwhile, the next one is asked again: every verb that is asked so may come twice.
    pub fn call(&mut self, verb: &Verb, deadline: Option<Duration>) -> Result<serde_json::Value> {
        let end = deadline.map(|d| event::monotonic().saturating_add(d.as_nanos() as u64));
        loop {
            let left = end.map(|e| Duration::from_nanos(e.saturating_sub(event::monotonic())));
            match self.call_with(verb, &[], left) {
                Err(e) if e.code == Code::Unavailable && left.is_none_or(|l| !l.is_zero()) && has_keeper(&self.sandbox) => {
                    *self = Client::connect(&self.sandbox).map_err(|_| e)?;
                }
                other => return other.map(|(value, _)| value),
            }
        }
    }

    /// With fds, both ways; asked once.
    pub fn call_with(
        &mut self,
        verb: &Verb,
        fds: &[BorrowedFd],
        deadline: Option<Duration>,
    ) -> Result<(serde_json::Value, Vec<OwnedFd>)> {
        let millis = deadline.map(|d| d.as_millis().min(u64::MAX as u128) as u64);
        self.ask(Request::new(0, verb, millis), fds)
    }

    /// Any request, also of a verb that this build does not know. Its id is overwritten.
    pub fn ask(&mut self, request: Request, fds: &[BorrowedFd]) -> Result<(serde_json::Value, Vec<OwnedFd>)> {
        // The supervisor keeps the deadline; a little more for its answer to come.
        let patience = request.deadline_ms.map(|ms| Duration::from_millis(ms.saturating_add(2_000)));
        let id = self.begin(request, fds)?;
        self.answer(id, patience)
    }

    /// Sends a request; its answer is taken with [`Client::answer`]. Returns its id.
    pub fn begin(&mut self, mut request: Request, fds: &[BorrowedFd]) -> Result<u64> {
        request.id = self.next;
        request.fds = fds.len() as u32;
        self.next += 1;
        let frame = frame::encode(&request)?;
        let (mut rest, mut fds) = (frame.as_slice(), fds);
        while !rest.is_empty() {
            match socket::send(self.fd.as_fd(), rest, fds) {
                Ok(n) => (rest, fds) = (&rest[n..], &[]),
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(self.lost()),
                Err(e) => return Err(Error::internal(format!("send: {e}")).with_errno(Some(e))),
            }
        }
        Ok(request.id)
    }

    /// The answer to request `id`; what comes before it of others is dropped.
    pub fn answer(&mut self, id: u64, deadline: Option<Duration>) -> Result<(serde_json::Value, Vec<OwnedFd>)> {
        let end = deadline.map(|p| event::monotonic().saturating_add(p.as_nanos() as u64));
        loop {
            let left = end.map(|e| Duration::from_nanos(e.saturating_sub(event::monotonic())));
            let answer = self.read::<Answer>(left)?;
            let fds = self.fds.drain(..(answer.fds as usize).min(self.fds.len())).collect();
            match answer.result {
                Outcome::Ok(value) if answer.id == id => return Ok((value, fds)),
                // 0: of the connection itself.
                Outcome::Error(e) if answer.id == id || answer.id == 0 => return Err(e),
                _ => continue,
            }
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self, deadline: Option<Duration>) -> Result<T> {
        let end = deadline.map(|d| event::monotonic().saturating_add(d.as_nanos() as u64));
        loop {
            if let Some(value) = self.decoder.next_value()? {
                return Ok(value);
            }
            let left = end.map(|e| e.saturating_sub(event::monotonic()).div_ceil(1_000_000));
            if !event::poll_in(self.fd.as_fd(), left).map_err(|e| Error::internal(format!("poll: {e}")))? {
                return Err(Error::new(Code::DeadlineExceeded, "no answer from the supervisor in time"));
            }
            let mut chunk = [0; 16 << 10];
            match socket::receive(self.fd.as_fd(), &mut chunk) {
                Ok((0, _)) | Err(Errno::ECONNRESET) => return Err(self.lost()),
                Ok((n, fds)) => {
                    self.decoder.feed(&chunk[..n]);
                    self.fds.extend(fds);
                }
                Err(e) => return Err(Error::internal(format!("read: {e}")).with_errno(Some(e))),
            }
        }
    }

    fn lost(&self) -> Error {
        Error::new(Code::Unavailable, format!("sandbox {}: its supervisor has closed the connection", self.hello.sandbox))
    }
}

/// How long a supervisor that was killed may take to come back, nanoseconds.
const BETWEEN: u64 = 5_000_000_000;

/// Somebody starts a supervisor again.
fn has_keeper(sandbox: &Sandbox) -> bool {
    !sandbox.is_doomed() && sandbox.intent().ok().flatten().and_then(|i| i.keeper).is_some_and(|k| k.lives())
}

fn decode<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value).map_err(|e| Error::internal(format!("an answer that cannot be read: {e}")))
}
