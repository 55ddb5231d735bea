//! Probes, hooks, stop signals and restart rules: what is refused, and what is made of the rest.
//!
//! Source: Kubernetes API, Probe, Lifecycle, ContainerRestartRule; "Configure Liveness, Readiness and Startup Probes".

use super::*;
use crate::pod::spec::{Handler, HttpGet, Probe, RestartRule, Timing};

/// Refused once, with that in it.
fn refused(spec: &str, container: &str, want: &str) {
    let got = problems(&pod(spec, container));
    assert!(got.len() == 1 && got[0].contains(want), "{container}: {want}\n{got:#?}");
}

#[test]
fn a_probe_has_one_handler_and_numbers_that_make_sense() {
    for (probe, want) in [
        ("livenessProbe: {periodSeconds: 5}", "livenessProbe: no handler (want one of exec, httpGet, tcpSocket, grpc)"),
        (
            "readinessProbe: {exec: {command: [a]}, tcpSocket: {port: 80}}",
            "readinessProbe: more than one handler (got exec and tcpSocket, want one)",
        ),
        ("livenessProbe: {exec: {command: []}}", "livenessProbe.exec.command: empty"),
        ("livenessProbe: {exec: {command: [\"\"]}}", "livenessProbe.exec.command: empty"),
        ("livenessProbe: {tcpSocket: {port: web}}", "tcpSocket.port: no such port (got \"web\""),
        ("livenessProbe: {tcpSocket: {port: 0}}", "tcpSocket.port: out of range (got 0, want 1 to 65535)"),
        ("livenessProbe: {tcpSocket: {port: 65536}}", "tcpSocket.port: out of range"),
        ("livenessProbe: {tcpSocket: {port: \"80\"}}", "tcpSocket.port: not a valid port name (got \"80\""),
        ("livenessProbe: {tcpSocket: {}}", "tcpSocket.port: missing (want a port's number or name)"),
        ("livenessProbe: {tcpSocket: {port: [1]}}", "tcpSocket.port: wrong type"),
        ("livenessProbe: {tcpSocket: {port: 1.5}}", "tcpSocket.port: not an integer"),
        ("livenessProbe: {grpc: {port: web}}", "grpc.port: wrong type"),
        ("livenessProbe: {httpGet: {port: 80, scheme: http}}", "httpGet.scheme: unsupported value (got \"http\""),
        ("livenessProbe: {httpGet: {port: 80, path: /a b}}", "httpGet.path: holds a blank"),
        ("livenessProbe: {httpGet: {port: 80, host: example.com}}", "httpGet.host: not an IP address (got \"example.com\""),
        (
            "livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: \"a b\", value: c}]}}",
            "httpHeaders[0].name: not a header's name",
        ),
        (
            "livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: a, value: \"b\\r\\nc: d\"}]}}",
            "httpHeaders[0].value: holds a control",
        ),
        ("livenessProbe: {tcpSocket: {port: 80}, timeoutSeconds: 0}", "timeoutSeconds: out of range (got 0, want 1 to"),
        ("livenessProbe: {tcpSocket: {port: 80}, periodSeconds: -1}", "periodSeconds: out of range (got -1"),
        ("livenessProbe: {tcpSocket: {port: 80}, initialDelaySeconds: -1}", "initialDelaySeconds: out of range (got -1"),
        ("livenessProbe: {tcpSocket: {port: 80}, failureThreshold: 0}", "failureThreshold: out of range (got 0"),
        (
            "livenessProbe: {tcpSocket: {port: 80}, successThreshold: 2}",
            "successThreshold: must be 1 for livenessProbe (got 2, want 1)",
        ),
        ("startupProbe: {tcpSocket: {port: 80}, successThreshold: 2}", "successThreshold: must be 1 for startupProbe"),
        (
            "livenessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 0}",
            "terminationGracePeriodSeconds: out of range",
        ),
        (
            "readinessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 5}",
            "terminationGracePeriodSeconds: may not be set",
        ),
    ] {
        refused("", probe, want);
    }
    let unknown = problems(&pod("", "livenessProbe: {tcpSockets: {port: 80}}"));
    assert!(unknown[1].contains("livenessProbe.tcpSockets: unknown field (did you mean \"tcpSocket\"?)"), "{unknown:#?}");
}

#[test]
fn hooks_signals_and_rules_are_checked() {
    for (spec, container, want) in [
        ("", "lifecycle: {preStop: {}}", "preStop: no handler (want one of exec, httpGet, sleep)"),
        ("", "lifecycle: {preStop: {sleep: {seconds: 31}}}", "sleep.seconds: out of range (got 31, want 0 to the pod's"),
        ("", "lifecycle: {postStart: {sleep: {seconds: -1}}}", "sleep.seconds: out of range (got -1"),
        ("", "lifecycle: {postStart: {exec: {command: [a]}, sleep: {seconds: 1}}}", "more than one handler"),
        ("", "lifecycle: {stopSignal: SIGTERM}", "stopSignal: needs spec.os.name"),
        ("os: {name: linux}", "lifecycle: {stopSignal: TERM}", "stopSignal: not a signal (got \"TERM\""),
        ("", "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]", "restartPolicy: missing"),
        ("", "restartPolicy: Never\nrestartPolicyRules: [{action: Restart}]", "exitCodes: missing"),
        (
            "",
            "restartPolicy: Never\nrestartPolicyRules: [{action: Stop, exitCodes: {operator: In, values: [1]}}]",
            "action: unsupported",
        ),
        (
            "",
            "restartPolicy: Never\nrestartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [256]}}]",
            "values[0]: out of range (got 256, want 0 to 255)",
        ),
        ("readinessGates: [{conditionType: \"a b\"}]", "", "readinessGates[0].conditionType: not a valid condition type"),
        (
            "initContainers: [{name: i, image: \"bundle:b\", livenessProbe: {tcpSocket: {port: 1}}}]",
            "",
            "initContainers[0].livenessProbe: may not be set for an init container",
        ),
    ] {
        refused(spec, container, want);
    }
    let tcp = loaded(&pod("", "lifecycle: {postStart: {tcpSocket: {port: 80}}}"));
    assert!(tcp.warnings[0].to_string().contains("it fails whenever it is run, as in Kubernetes"), "{:?}", tcp.warnings);
}

#[test]
fn what_is_right_is_lowered_with_kubernetes_defaults() {
    let text = pod(
        "os: {name: linux}\nreadinessGates: [{conditionType: example.com/lb}]",
        "ports: [{name: web, containerPort: 8080}]\nenv: [{name: P, value: /x}]\nrestartPolicy: Never\n\
         restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [1, 2]}}]\n\
         livenessProbe: {httpGet: {port: web, path: healthz, httpHeaders: [{name: A, value: b}]}}\n\
         readinessProbe: {exec: {command: [cat, $(P)]}, initialDelaySeconds: 1, timeoutSeconds: 2, periodSeconds: 3, \
         successThreshold: 4, failureThreshold: 5}\n\
         startupProbe: {grpc: {port: 9090, service: db}, terminationGracePeriodSeconds: 6}\n\
         lifecycle: {stopSignal: SIGUSR1, postStart: {sleep: {seconds: 3}}, preStop: {exec: {command: [echo, $(P)]}}}",
    );
    let spec = one(&text);
    let life = &spec.containers[0].life;
    let timing = Timing { initial_delay: 0, period: 10, timeout: 1, success: 1, failure: 3, grace: None };
    let get = HttpGet { https: false, host: None, port: 8080, path: "/healthz".into(), headers: vec![("A".into(), "b".into())] };
    assert_eq!(life.liveness, Some(Probe { handler: Handler::Http(get), timing }));
    assert_eq!(
        life.readiness,
        Some(Probe {
            handler: Handler::Exec { command: vec!["cat".into(), "/x".into()] },
            timing: Timing { initial_delay: 1, period: 3, timeout: 2, success: 4, failure: 5, grace: None }
        })
    );
    let startup = Handler::Grpc { port: 9090, service: "db".into() };
    assert_eq!(life.startup, Some(Probe { handler: startup, timing: Timing { grace: Some(6), ..timing } }));
    assert_eq!(life.post_start, Some(Handler::Sleep { seconds: 3 }));
    let pre_stop = Handler::Exec { command: vec!["echo".into(), "$(P)".into()] };
    assert_eq!(life.pre_stop, Some(pre_stop), "a hook's command is not expanded, so the kubelet");
    assert_eq!(life.stop_signal, Some(10));
    assert_eq!(life.restart_rules, [RestartRule { within: false, codes: vec![1, 2] }]);
    assert_eq!(spec.readiness_gates, ["example.com/lb"]);
}
