//! The verbs, with their arguments. `docs/protocol.md` has a section for each; a test compares the two.

use crate::sys::tty::Size;
use serde::{Deserialize, Serialize};

/// How far a pod has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The sandbox stands, the request was fine.
    Created,
    /// Every app container was started once, or the pod waits for something that is its own (back-off, an init container that
    /// failed): what a start failure looks like is the pod's status.
    Started,
    /// Condition Ready, or the pod has succeeded.
    Ready,
    /// Phase Succeeded or Failed.
    Finished,
}

fn inet() -> String {
    "inet".into()
}

fn stream() -> String {
    "stream".into()
}

fn yes() -> bool {
    true
}

/// The enum and the list of its names, which are one.
macro_rules! verbs {
    ($($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $kind:ty),* $(,)? })*) => {
        /// A verb with its arguments; the JSON is `{"verb": NAME, "args": {...}}`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "verb", content = "args")]
        pub enum Verb {
            $($(#[$about])* $name { $($(#[$field_about])* $field: $kind),* },)*
        }

        impl Verb {
            /// Every verb that this build knows.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];
            /// Each one's arguments.
            #[cfg(test)]
            const ARGUMENTS: &[&[&str]] = &[$(&[$(stringify!($field)),*]),*];
        }
    };
}

verbs! {
    /// Answer: [`PodStatusModel`](crate::pod::status::PodStatusModel).
    Status {}
    /// Answer: [`Pids`](super::Pids).
    Pids {}
    /// Answer: a list of [`ContainerInfo`](super::ContainerInfo).
    ContainerList {}
    /// Answered when the stage is reached, or can no longer be reached (Aborted).
    Wait { until: Stage }
    /// Ends the pod. `grace` in seconds, None is the spec's. With `wait` the answer comes when nothing is left; else when it is on record.
    DeletePod {
        #[serde(default)]
        grace: Option<u64>,
        #[serde(default)]
        wait: bool,
    }
    /// Answer: an event for every numbered change after `from`, what is kept of the past first. ResourceExhausted: `from` is no
    /// longer kept.
    Watch {
        #[serde(default)]
        from: u64,
    }
    /// Gives up an unanswered request of this connection, which is then answered Cancelled. What it has begun goes on.
    Cancel { request: u64 }
    /// Ends the supervisor and the pod's processes, and keeps the pod's record.
    Shutdown {}
    /// Runs a command in a container. Three fds with the request are its stdin, stdout and stderr; with `tty` it has a terminal of its
    /// own instead, whose master comes with the answer; without either it has /dev/null, and `capture` bytes of what it prints are
    /// kept for ExecWait. Answered with [`Session`](super::Session) when the command runs.
    Exec {
        /// Empty: the pod's first.
        #[serde(default)]
        container: String,
        command: Vec<String>,
        #[serde(default)]
        tty: bool,
        #[serde(default)]
        size: Option<Size>,
        #[serde(default)]
        capture: u32,
        /// Then the whole session is killed.
        #[serde(default)]
        timeout_ms: Option<u64>,
    }
    /// Answered with [`SessionEnd`](super::SessionEnd) when the command has ended.
    ExecWait { session: u64 }
    /// Policy external: the sandbox again, after it was stopped or lost. Answer: [`SandboxDetail`](super::SandboxDetail).
    SandboxCreate {}
    /// Policy external: ends the containers, then the sandbox; the record stays. Answered when that is done.
    SandboxStop {
        #[serde(default)]
        grace: Option<u64>,
    }
    /// The runtime-spec's linux.resources, for the pod as a whole. Answer: warnings.
    SandboxUpdate { resources: serde_json::Value }
    /// DeletePod with `wait`.
    SandboxRemove {
        #[serde(default)]
        grace: Option<u64>,
    }
    /// Policy external: makes a container, and holds it before its program runs. Answer: [`ContainerInfo`](super::ContainerInfo).
    ContainerCreate {
        container: String,
        /// Of one that the sandbox does not have yet: as in pod.json.
        #[serde(default)]
        spec: Option<serde_json::Value>,
    }
    /// Policy external: its program runs.
    ContainerStart { container: String }
    /// Policy external: the stop signal, and SIGKILL after `grace` seconds. Answered with [`ContainerDetail`](super::ContainerDetail) when
    /// it has ended.
    ContainerStop {
        container: String,
        #[serde(default)]
        grace: Option<u64>,
    }
    /// Policy external: forgets one that has ended.
    ContainerRemove { container: String }
    /// Answer: [`SandboxDetail`](super::SandboxDetail).
    SandboxStatus {}
    /// Answer: [`ContainerDetail`](super::ContainerDetail).
    ContainerStatus {
        #[serde(default)]
        container: String,
    }
    /// `signal` to its first process; None is SIGKILL for all of it.
    ContainerKill {
        container: String,
        #[serde(default)]
        signal: Option<i32>,
    }
    /// Stops all its processes. Answered when they stand.
    ContainerPause { container: String }
    ContainerResume { container: String }
    /// The runtime-spec's linux.resources. Answer: warnings.
    ContainerUpdateResources { container: String, resources: serde_json::Value }
    /// Answer: [`PodStats`](super::PodStats).
    Stats {}
    /// A socket that is opened in the pod's network comes with the answer.
    Socket {
        /// `inet` or `inet6`.
        #[serde(default = "inet")]
        family: String,
        /// `stream` or `dgram`.
        #[serde(default = "stream")]
        kind: String,
    }
    /// Streams of a running container, whose ends come as fds with the answer, an [`AttachedStreams`](super::AttachedStreams).
    Attach {
        /// Empty: the pod's first.
        #[serde(default)]
        container: String,
        #[serde(default)]
        stdin: bool,
        #[serde(default = "yes")]
        output: bool,
    }
    /// The size of its terminal.
    ExecResize { session: u64, rows: u16, cols: u16 }
    /// `signal` to the command; None is SIGKILL for all that it has started.
    ExecKill {
        session: u64,
        #[serde(default)]
        signal: Option<i32>,
    }
}

#[cfg(test)]
mod tests {
    use super::Verb;

    #[test]
    fn the_protocols_page_has_every_verb_with_its_arguments_and_no_other() {
        let page = include_str!("../../../docs/protocol.md");
        let verbs = page.split("\n## Verbs\n").nth(1).expect("a chapter of verbs");
        let sections: Vec<(&str, &str)> =
            verbs.split("\n### ").skip(1).map(|s| s.split_once('\n').expect("a heading and more")).collect();
        let names: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
        let mut missing: Vec<_> = Verb::NAMES.iter().filter(|n| !names.contains(n)).collect();
        missing.extend(names.iter().filter(|n| !Verb::NAMES.contains(n)));
        assert!(missing.is_empty(), "in one of page and code only: {missing:?}");
        for (name, text) in sections {
            let at = Verb::NAMES.iter().position(|n| *n == name).unwrap();
            for argument in Verb::ARGUMENTS[at] {
                assert!(text.contains(&format!("`{argument}`")), "{name}: nothing about `{argument}`");
            }
        }
    }
}
