//! Probes and hooks: the machine says which and when, here they are carried out, and none of them is waited for.
//!
//! A connection into the pod is opened from within its network namespace, entered for the one socket(2) and connect(2) and left
//! again; what follows is the loop's. It is closed with a reset, so that no probe leaves a TIME_WAIT behind.

use super::session::{Ask, Ended, How, Io, Then};
use super::state::{HANDLERS, Supervisor};
use crate::pod::error::Error;
use crate::pod::machine::{Event, Outcome, Purpose, Verdict};
use crate::pod::probe::{Place, Progress, Talk, Target};
use crate::pod::spec::{Handler, Lifecycle};
use crate::sys::event::{self, EPOLLET, EPOLLIN, EPOLLOUT};
use crate::sys::process::Exit;
use crate::sys::{Errno, tcp};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

/// What is kept of what a command prints, bytes (the kubelet's own bound for a probe).
const OUTPUT_MAX: usize = 10 << 10;

/// All that is under way, but for commands: those are sessions.
#[derive(Default)]
pub(super) struct Handlers {
    live: Vec<Live>,
    /// The next one's number.
    next: u64,
    /// The supervisor's own network namespace, once a probe has left it.
    own_network: Option<OwnedFd>,
}

struct Live {
    number: u64,
    slot: usize,
    attempt: u32,
    purpose: Purpose,
    /// Monotonic nanoseconds.
    deadline: Option<u64>,
    /// What the deadline was made of, nanoseconds.
    timeout: Option<u64>,
    what: What,
}

enum What {
    Talk(Box<Talk>),
    /// The deadline is its success; unless the hook's own time is up first.
    Sleep {
        enough: bool,
    },
}

impl Handlers {
    /// Monotonic nanoseconds: when the next one's time is up.
    pub fn deadline(&self) -> Option<u64> {
        self.live.iter().filter_map(|l| l.deadline).min()
    }
}

fn handler_of(life: &Lifecycle, purpose: Purpose) -> Option<&Handler> {
    match purpose {
        Purpose::Startup => life.startup.as_ref().map(|p| &p.handler),
        Purpose::Readiness => life.readiness.as_ref().map(|p| &p.handler),
        Purpose::Liveness => life.liveness.as_ref().map(|p| &p.handler),
        Purpose::PostStart => life.post_start.as_ref(),
        Purpose::PreStop => life.pre_stop.as_ref(),
    }
}

impl Supervisor {
    /// Begins a handler; what comes of it is an event.
    pub fn run_handler(&mut self, name: &str, attempt: u32, purpose: Purpose, timeout: Option<u64>) {
        let Some(slot) = self.slot_of(name) else { return };
        let Some(handler) = self.container(slot).and_then(|c| handler_of(&c.life, purpose)).cloned() else { return };
        if let Err(outcome) = self.begin_handler(slot, attempt, purpose, timeout, &handler) {
            self.answer_handler(slot, attempt, purpose, outcome);
        }
    }

    fn begin_handler(
        &mut self,
        slot: usize,
        attempt: u32,
        purpose: Purpose,
        timeout: Option<u64>,
        handler: &Handler,
    ) -> Result<(), Outcome> {
        let now = event::monotonic();
        let deadline = timeout.map(|t| now.saturating_add(t));
        let number = self.handlers.next;
        self.handlers.next = (number + 1) % HANDLERS;
        let mut live = Live { number, slot, attempt, purpose, deadline, timeout, what: What::Sleep { enough: false } };
        match handler {
            Handler::Sleep { seconds } => {
                let end = now.saturating_add(seconds.saturating_mul(1_000_000_000));
                let enough = deadline.is_none_or(|deadline| end <= deadline);
                live.deadline = Some(deadline.map_or(end, |deadline| deadline.min(end)));
                live.what = What::Sleep { enough };
            }
            // The API keeps the field, and no kubelet runs it.
            Handler::Tcp { .. } if purpose.is_hook() => {
                return Err(Outcome::new(Verdict::Failure, "invalid handler: tcpSocket is not supported as a lifecycle hook"));
            }
            Handler::Exec { command } => return self.exec_handler(slot, attempt, purpose, (timeout, deadline), command),
            handler => {
                let ip = self.machine.ips().first().and_then(|ip| ip.parse::<IpAddr>().ok());
                let unknown = || Outcome::new(Verdict::Unknown, "the handler has no address");
                let mut talk = Talk::new(handler, purpose, ip).ok_or_else(unknown)?;
                self.dial(&mut talk, number)?;
                live.what = What::Talk(Box::new(talk));
            }
        }
        self.handlers.live.push(live);
        Ok(())
    }

    /// A command in the container: a session of its own, which ends with all that it has started when its time is up.
    fn exec_handler(
        &mut self,
        slot: usize,
        attempt: u32,
        purpose: Purpose,
        (timeout, deadline): (Option<u64>, Option<u64>),
        command: &[String],
    ) -> Result<(), Outcome> {
        let name = self.container(slot).map(|c| c.name.clone()).unwrap_or_default();
        let words = command.join(" ");
        let told = move |ended: Ended| {
            let outcome = exec_outcome(&ended, &words, purpose, timeout);
            Event::HandlerDone { name, attempt, purpose, outcome }
        };
        let then = Then::Event(Box::new(told));
        let ask = Ask { slot, command: command.to_vec(), io: Io::Capture(OUTPUT_MAX), deadline, then };
        let verdict = if purpose.is_hook() { Verdict::Failure } else { Verdict::Unknown };
        self.run_session(ask).map(drop).map_err(|e| Outcome::new(verdict, e.message))
    }

    /// Opens the connection that the talk asks for.
    fn dial(&mut self, talk: &mut Talk, number: u64) -> Result<(), Outcome> {
        let fd = match self.open_connection(talk.target()) {
            Ok(Ok(fd)) => fd,
            Ok(Err(errno)) => return Err(talk.not_connected(&errno.to_string())),
            Err(e) => return Err(Outcome::new(Verdict::Unknown, e.message)),
        };
        talk.dialed(fd)?;
        let unknown = |e: crate::sys::Error| Outcome::new(Verdict::Unknown, e.to_string());
        match talk.fd() {
            Some(fd) => self.epoll.add(fd, EPOLLIN | EPOLLOUT | EPOLLET, HANDLERS + number).map_err(unknown),
            None => Ok(()),
        }
    }

    fn open_connection(&mut self, target: &Target) -> Result<Result<OwnedFd, Errno>, Error> {
        let pause = self.pause.as_ref().ok_or_else(|| Error::internal("the pod has no sandbox"))?;
        if target.place == Place::Host || pause.joins & libc::CLONE_NEWNET == 0 {
            return Ok(tcp::connect(target.addr));
        }
        let own = match self.handlers.own_network.take() {
            Some(own) => own,
            None => tcp::own_network()?,
        };
        let own = self.handlers.own_network.insert(own);
        Ok(tcp::in_network_of(pause.pidfd.as_fd(), own.as_fd(), || tcp::connect(target.addr))?)
    }

    /// A talk's connection is ready.
    pub fn handler_ready(&mut self, token: u64) {
        let number = token - HANDLERS;
        let Some(at) = self.handlers.live.iter().position(|l| l.number == number) else { return };
        let outcome = loop {
            let What::Talk(talk) = &mut self.handlers.live[at].what else { return };
            match talk.advance() {
                Progress::Pending => return,
                Progress::Done(outcome) => break outcome,
                Progress::Redial => {}
            }
            let mut live = self.handlers.live.swap_remove(at);
            let What::Talk(talk) = &mut live.what else { return };
            let dialed = self.dial(talk, number);
            self.handlers.live.push(live);
            let last = self.handlers.live.len() - 1;
            self.handlers.live.swap(at, last);
            if let Err(outcome) = dialed {
                break outcome;
            }
        };
        let live = self.handlers.live.swap_remove(at);
        self.answer_handler(live.slot, live.attempt, live.purpose, outcome);
    }

    /// Ends those whose time is up.
    pub fn expire_handlers(&mut self) {
        let now = event::monotonic();
        let mut at = 0;
        while at < self.handlers.live.len() {
            if self.handlers.live[at].deadline.is_none_or(|deadline| deadline > now) {
                at += 1;
                continue;
            }
            let live = self.handlers.live.swap_remove(at);
            let timeout = seconds(live.timeout.unwrap_or(0));
            let outcome = match &live.what {
                What::Talk(talk) => talk.late(&timeout),
                What::Sleep { enough: true } => Outcome::new(Verdict::Success, ""),
                What::Sleep { enough: false } => Outcome::new(Verdict::Failure, "the sleep is longer than the grace period"),
            };
            self.answer_handler(live.slot, live.attempt, live.purpose, outcome);
        }
    }

    fn answer_handler(&mut self, slot: usize, attempt: u32, purpose: Purpose, outcome: Outcome) {
        let Some(name) = self.container(slot).map(|c| c.name.clone()) else { return };
        self.queue.push_back(Event::HandlerDone { name, attempt, purpose, outcome });
    }

    /// The container has ended: nobody waits for its handlers any more.
    pub fn forget_handlers(&mut self, slot: usize) {
        self.handlers.live.retain(|l| l.slot != slot);
    }

    /// The container is told to end: what its hooks still do is of no interest, and its probes are over.
    pub fn give_up_handlers(&mut self, name: &str, attempt: u32) {
        let Some(slot) = self.slot_of(name) else { return };
        self.handlers.live.retain(|l| (l.slot, l.attempt) != (slot, attempt));
    }
}

/// A probe says what its command printed, a hook also how it ended.
fn exec_outcome(ended: &Ended, command: &str, purpose: Purpose, timeout: Option<u64>) -> Outcome {
    let text = String::from_utf8_lossy(&ended.output);
    let text = text.trim_end();
    match &ended.how {
        How::Exited(Exit::Code(0)) => Outcome::new(Verdict::Success, text),
        How::Exited(exit) if purpose.is_hook() => {
            Outcome::new(Verdict::Failure, format!("command '{command}' exited with {}: {text}", exit.status()))
        }
        How::Exited(_) => Outcome::new(Verdict::Failure, text),
        How::TimedOut => {
            let after = seconds(timeout.unwrap_or(0));
            Outcome::new(Verdict::Failure, format!("command timed out: {command:?} timed out after {after}"))
        }
        // It was not carried out, which says nothing about the container's health.
        How::NotRun(e) if purpose.is_hook() => Outcome::new(Verdict::Failure, e.message.as_str()),
        How::NotRun(e) => Outcome::new(Verdict::Unknown, e.message.as_str()),
    }
}

/// Nanoseconds as messages have them: `1s`, `1.5s`.
fn seconds(nanos: u64) -> String {
    format!("{}s", nanos as f64 / 1e9)
}
