//! The rules as tables, on a clock of their own. Each file names the section of the Kubernetes documentation that it holds to.

mod change;
mod external;
mod hooks;
mod probes;
mod recovery;
mod restarts;
mod sandbox;
mod sequence;
mod status;
mod storm;
mod termination;

use super::{Action, Event, Exit, Machine, Now, Outcome, Purpose, SECOND, StartFailure, State, Tuning, Verdict};
use crate::pod::spec::{
    ContainerSpec, Handler, Lifecycle, PodSpec, Probe, Qos, RestartPolicy, SandboxSpec, SecuritySpec, Timing,
};
use crate::pod::status::{Stamp, Truth};
use std::path::PathBuf;

pub(super) fn container(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.into(),
        pull_never: false,
        image: format!("bundle:./{name}"),
        bundle: PathBuf::from("/b").join(name),
        restart_policy: None,
        command: None,
        args: None,
        working_dir: None,
        env: Vec::new(),
        security: SecuritySpec::default(),
        limits: Default::default(),
        soft_limits: Default::default(),
        oom_score_adj: None,
        stdin: false,
        stdin_once: false,
        tty: false,
        rootfs_direct: false,
        mounts: Vec::new(),
        termination_message_path: "/dev/termination-log".into(),
        message_from_log: false,
        life: Lifecycle::default(),
    }
}

/// A probe with these numbers: initial delay, period, success and failure threshold; a timeout of 1 s.
pub(super) fn probe(numbers: [u32; 4]) -> Option<Probe> {
    let [initial_delay, period, success, failure] = numbers;
    let timing = Timing { initial_delay, period, timeout: 1, success, failure, grace: None };
    Some(Probe { handler: Handler::Tcp { host: None, port: 80 }, timing })
}

fn sidecar(name: &str) -> ContainerSpec {
    ContainerSpec { restart_policy: Some(RestartPolicy::Always), ..container(name) }
}

/// A pod whose init containers are written `i1 s2`: names that begin with `s` are sidecars.
pub(super) fn spec(policy: RestartPolicy, inits: &str, apps: &str) -> PodSpec {
    let init = |name: &str| if name.starts_with('s') { sidecar(name) } else { container(name) };
    PodSpec {
        schema: 1,
        namespace: "default".into(),
        name: "web".into(),
        uid: "u1".into(),
        created: "2026-01-31T08:15:30Z".into(),
        sandbox: SandboxSpec::default(),
        restart_policy: policy,
        grace_seconds: 30,
        active_deadline_seconds: None,
        qos: Qos::BestEffort,
        limits: Default::default(),
        soft_limits: Default::default(),
        init_containers: inits.split_whitespace().map(init).collect(),
        containers: apps.split_whitespace().map(container).collect(),
        ephemeral_containers: Vec::new(),
        missing_controllers_warn: false,
        policy: Default::default(),
        volumes: Vec::new(),
        fs_group: None,
        readiness_gates: Vec::new(),
    }
}

/// A machine with its clock; what it asks for is kept in words.
pub(super) struct Pod {
    pub machine: Machine,
    pub now: Now,
    /// Since the last look, in a few words each: `start app 0`, `stop app 30s`, `kill app`, `timer 10s`, `sandbox 0`, `done`.
    pub said: Vec<String>,
    pids: i32,
}

impl Pod {
    pub fn of(spec: &PodSpec) -> Pod {
        let now = Now { mono: 1_000 * SECOND, wall: Stamp::from_seconds(1_769_847_330) };
        let mut pod = Pod { machine: Machine::new(spec, Tuning::default(), now), now, said: Vec::new(), pids: 100 };
        pod.tell(Event::Start);
        pod
    }

    pub fn new(policy: RestartPolicy, inits: &str, apps: &str) -> Pod {
        Pod::of(&spec(policy, inits, apps))
    }

    /// With its sandbox ready, and nothing else done.
    pub fn ready(policy: RestartPolicy, inits: &str, apps: &str) -> Pod {
        let mut pod = Pod::new(policy, inits, apps);
        pod.sandbox_up(0);
        pod
    }

    pub fn tell(&mut self, event: Event) -> &mut Pod {
        // What is stored and read back is the same machine, after every event.
        let stored = serde_json::to_string(&self.machine).expect("the state is serializable");
        self.machine = serde_json::from_str(&stored).expect("and readable");
        for action in self.machine.handle(event, self.now) {
            self.note(action);
        }
        self
    }

    fn note(&mut self, action: Action) {
        let seconds = |nanos: u64| nanos / SECOND;
        self.said.push(match action {
            Action::CreateSandbox { attempt } => format!("sandbox {attempt}"),
            Action::StopSandbox { attempt } => format!("unsandbox {attempt}"),
            Action::StartContainer { name, attempt } => format!("start {name} {attempt}"),
            Action::StopContainer { name, grace, .. } => format!("stop {name} {}s", seconds(grace)),
            Action::KillContainer { name, .. } => format!("kill {name}"),
            Action::RunHandler { name, purpose, timeout, .. } => match timeout {
                Some(nanos) => format!("{} {name} {}s", purpose.as_str().to_lowercase(), seconds(nanos)),
                None => format!("{} {name}", purpose.as_str().to_lowercase()),
            },
            Action::SetTimer(Some(at)) => format!("timer {}s", seconds(at - self.now.mono)),
            Action::SetTimer(None) => "no timer".into(),
            Action::Done { deleted } => if deleted { "gone" } else { "done" }.into(),
            Action::Event(_) | Action::StatusChanged => return,
        });
    }

    /// What was asked for since the last look.
    #[track_caller]
    pub fn expect(&mut self, said: &str) -> &mut Pod {
        assert_eq!(self.said.join(", "), said);
        self.said.clear();
        self
    }

    pub fn forget(&mut self) -> &mut Pod {
        self.said.clear();
        self
    }

    pub fn wait(&mut self, seconds: u64) -> &mut Pod {
        self.now = self.now.after(seconds * SECOND);
        self
    }

    /// Time passes, and the timer rings if it was set for then.
    pub fn pass(&mut self, seconds: u64) -> &mut Pod {
        self.wait(seconds).tell(Event::Timer)
    }

    pub fn sandbox_up(&mut self, attempt: u32) -> &mut Pod {
        self.tell(Event::SandboxReady { attempt, ips: vec!["10.0.0.2".into()] })
    }

    fn attempt(&self, name: &str) -> u32 {
        self.machine.container(name).and_then(|c| c.state.attempt()).unwrap_or(u32::MAX)
    }

    pub fn up(&mut self, name: &str) -> &mut Pod {
        self.pids += 1;
        let (attempt, pid) = (self.attempt(name), self.pids);
        self.tell(Event::ContainerStarted { name: name.into(), attempt, id: format!("{name}-{attempt}"), pid })
    }

    pub fn down(&mut self, name: &str, code: i32) -> &mut Pod {
        self.ends(name, Exit::with_code(code))
    }

    pub fn ends(&mut self, name: &str, exit: Exit) -> &mut Pod {
        let attempt = self.attempt(name);
        self.tell(Event::ContainerExited { name: name.into(), attempt, exit })
    }

    pub fn fails(&mut self, name: &str, reason: StartFailure) -> &mut Pod {
        let attempt = self.attempt(name);
        self.tell(Event::ContainerStartFailed { name: name.into(), attempt, reason, message: "no such file".into() })
    }

    /// A probe or a hook comes back.
    pub fn says(&mut self, name: &str, purpose: Purpose, verdict: Verdict) -> &mut Pod {
        let (attempt, outcome) = (self.attempt(name), Outcome::new(verdict, "so it goes"));
        self.tell(Event::HandlerDone { name: name.into(), attempt, purpose, outcome })
    }

    /// Starts and ends in one.
    pub fn runs(&mut self, name: &str, code: i32) -> &mut Pod {
        self.up(name).down(name, code)
    }

    pub fn phase(&self) -> &'static str {
        self.machine.status().phase.as_str()
    }

    pub fn shown(&self) -> String {
        crate::pod::status::column(&self.machine.status(), self.now.wall).status
    }

    /// The names of the conditions that are True.
    pub fn truths(&self) -> String {
        let status = self.machine.status();
        let truths: Vec<&str> = status.conditions.iter().filter(|c| c.status == Truth::True).map(|c| c.kind.as_str()).collect();
        truths.join(" ")
    }

    /// `Created x2, BackOff x1`: the events' reasons and counts.
    pub fn events(&self) -> String {
        let events: Vec<String> = self.machine.events().iter().map(|e| format!("{} x{}", e.reason, e.count)).collect();
        events.join(", ")
    }

    pub fn state(&self, name: &str) -> &State {
        &self.machine.container(name).expect("a container of that name").state
    }
}
