//! What the check and the lowering of probes and hooks share.

use k8s_openapi::api::core::v1::{ExecAction, GRPCAction, HTTPGetAction, LifecycleHandler, Probe, SleepAction, TCPSocketAction};

/// The handlers of a probe or a hook; exactly one is right.
pub struct Handlers<'h> {
    pub exec: Option<&'h ExecAction>,
    pub http: Option<&'h HTTPGetAction>,
    pub tcp: Option<&'h TCPSocketAction>,
    pub grpc: Option<&'h GRPCAction>,
    pub sleep: Option<&'h SleepAction>,
    hook: bool,
}

impl<'h> From<&'h Probe> for Handlers<'h> {
    fn from(p: &'h Probe) -> Self {
        let (exec, http) = (p.exec.as_ref(), p.http_get.as_ref());
        Handlers { exec, http, tcp: p.tcp_socket.as_ref(), grpc: p.grpc.as_ref(), sleep: None, hook: false }
    }
}

impl<'h> From<&'h LifecycleHandler> for Handlers<'h> {
    fn from(h: &'h LifecycleHandler) -> Self {
        let (exec, http) = (h.exec.as_ref(), h.http_get.as_ref());
        Handlers { exec, http, tcp: h.tcp_socket.as_ref(), grpc: None, sleep: h.sleep.as_ref(), hook: true }
    }
}

impl Handlers<'_> {
    /// Those that are there.
    pub fn names(&self) -> Vec<&'static str> {
        let there = [
            (self.exec.is_some(), "exec"),
            (self.http.is_some(), "httpGet"),
            (self.tcp.is_some(), "tcpSocket"),
            (self.grpc.is_some(), "grpc"),
            (self.sleep.is_some(), "sleep"),
        ];
        there.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect()
    }

    /// Those that may be.
    pub fn choice(&self) -> &'static str {
        if self.hook { "exec, httpGet, sleep" } else { "exec, httpGet, tcpSocket, grpc" }
    }
}

const SIGNALS: &[(&str, i32)] = &[
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGILL", 4),
    ("SIGTRAP", 5),
    ("SIGABRT", 6),
    ("SIGIOT", 6),
    ("SIGBUS", 7),
    ("SIGFPE", 8),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
    ("SIGSTKFLT", 16),
    ("SIGCHLD", 17),
    ("SIGCLD", 17),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
    ("SIGTSTP", 20),
    ("SIGTTIN", 21),
    ("SIGTTOU", 22),
    ("SIGURG", 23),
    ("SIGXCPU", 24),
    ("SIGXFSZ", 25),
    ("SIGVTALRM", 26),
    ("SIGPROF", 27),
    ("SIGWINCH", 28),
    ("SIGIO", 29),
    ("SIGPOLL", 29),
    ("SIGPWR", 30),
    ("SIGSYS", 31),
];

/// The first real-time signal that a C library leaves to programs, and the last one.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// A signal's number by the name that lifecycle.stopSignal has (Kubernetes API: Signal). The numbers are x86's and ARM's.
pub fn signal(name: &str) -> Option<i32> {
    if let Some((_, number)) = SIGNALS.iter().find(|(n, _)| *n == name) {
        return Some(*number);
    }
    let offset = |rest: &str, sign: char| match rest {
        "" => Some(0),
        _ => rest.strip_prefix(sign)?.parse::<i32>().ok().filter(|n| *n > 0),
    };
    let number = match (name.strip_prefix("SIGRTMIN"), name.strip_prefix("SIGRTMAX")) {
        (Some(rest), _) => RTMIN + offset(rest, '+')?,
        (_, Some(rest)) => RTMAX - offset(rest, '-')?,
        _ => return None,
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::signal;

    #[test]
    fn signals_are_known_by_the_names_of_the_api() {
        for (name, number) in [
            ("SIGTERM", Some(15)),
            ("SIGUSR1", Some(10)),
            ("SIGRTMIN", Some(34)),
            ("SIGRTMIN+15", Some(49)),
            ("SIGRTMAX", Some(64)),
            ("SIGRTMAX-14", Some(50)),
            ("SIGRTMIN+31", None),
            ("SIGRTMAX-31", None),
            ("SIGRTMIN+", None),
            ("SIGRTMIN+-1", None),
            ("TERM", None),
            ("15", None),
            ("", None),
        ] {
            assert_eq!(signal(name), number, "{name}");
        }
    }
}
