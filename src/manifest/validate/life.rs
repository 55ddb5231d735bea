//! Probes, hooks, the stop signal and restart rules.
//!
//! Source: Kubernetes' pkg/apis/core/validation, validateProbe, validateHandler, validateLifecycle; the API's minimum values.

use super::super::error::quoted;
use super::super::life::{Handlers, signal};
use super::super::names;
use super::super::resources::is_sidecar;
use super::Check;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, HTTPHeader, PodSpec, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

const MOST: i64 = i32::MAX as i64;
/// Rules of a container and codes of a rule (Kubernetes API: restartPolicyRules).
const MAX_RULES: usize = 20;
const MAX_CODES: usize = 255;

pub fn check(check: &mut Check<'_, '_, '_>, spec: &PodSpec, container: &Container, at: &str) {
    let plain_init = at.starts_with("spec.initContainers") && !is_sidecar(container);
    let probes = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    for (name, probe) in probes {
        let (Some(probe), field) = (probe, format!("{at}.{name}")) else { continue };
        if plain_init {
            check.error(&field, "may not be set for an init container without restartPolicy Always");
        } else {
            self::probe(check, container, probe, name, &field);
        }
    }
    if let Some(lifecycle) = &container.lifecycle {
        let field = format!("{at}.lifecycle");
        let hooks = [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)];
        for (name, hook) in hooks {
            let (Some(hook), field) = (hook, format!("{field}.{name}")) else { continue };
            if plain_init {
                check.error(&field, "may not be set for an init container without restartPolicy Always");
                continue;
            }
            handlers(check, container, &Handlers::from(hook), &field);
            if let Some(sleep) = &hook.sleep {
                let most = spec.termination_grace_period_seconds.unwrap_or(30);
                if !(0..=most).contains(&sleep.seconds) {
                    let want = format!("0 to the pod's terminationGracePeriodSeconds, {most}");
                    check.error(&format!("{field}.sleep.seconds"), format!("out of range (got {}, want {want})", sleep.seconds));
                }
            }
        }
        if let Some(name) = &lifecycle.stop_signal {
            stop_signal(check, spec, name, &format!("{field}.stopSignal"));
        }
    }
    rules(check, container, at);
    resize(check, spec, container, at);
}

fn resize(check: &mut Check<'_, '_, '_>, spec: &PodSpec, container: &Container, at: &str) {
    let policies = container.resize_policy.as_deref().unwrap_or(&[]);
    let named = |i: usize, field: &str| format!("{at}.resizePolicy[{i}].{field}");
    check.unique("resource", policies.iter().enumerate().map(|(i, p)| (named(i, "resourceName"), p.resource_name.as_str())));
    for (i, _) in policies.iter().enumerate().filter(|(_, p)| p.restart_policy == "RestartContainer") {
        if spec.restart_policy.as_deref() == Some("Never") {
            check.error(&named(i, "restartPolicy"), "must be NotRequired where the pod's restartPolicy is Never");
        }
    }
}

fn probe(check: &mut Check<'_, '_, '_>, container: &Container, probe: &Probe, name: &str, at: &str) {
    handlers(check, container, &Handlers::from(probe), at);
    if let Some(n) = probe.initial_delay_seconds {
        check.range(&format!("{at}.initialDelaySeconds"), n.into(), 0, MOST);
    }
    for (field, number) in [
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        if let Some(n) = number {
            check.range(&format!("{at}.{field}"), n.into(), 1, MOST);
        }
    }
    let readiness = name == "readinessProbe";
    if !readiness && probe.success_threshold.is_some_and(|n| n > 1) {
        let got = probe.success_threshold.unwrap_or_default();
        check.error(&format!("{at}.successThreshold"), format!("must be 1 for {name} (got {got}, want 1)"));
    }
    if let Some(seconds) = probe.termination_grace_period_seconds {
        let field = format!("{at}.terminationGracePeriodSeconds");
        match readiness {
            true => check.error(&field, "may not be set for a readinessProbe: it ends nothing"),
            false => check.range(&field, seconds, 1, MOST),
        }
    }
}

/// Exactly one, and that one right.
fn handlers(check: &mut Check<'_, '_, '_>, container: &Container, handlers: &Handlers<'_>, at: &str) {
    let names = handlers.names();
    match names[..] {
        [] => check.error(at, format!("no handler (want one of {})", handlers.choice())),
        [_] => {}
        _ => check.error(at, format!("more than one handler (got {}, want one)", names.join(" and "))),
    }
    if let Some(exec) = handlers.exec {
        let command = exec.command.as_deref().unwrap_or(&[]);
        if command.first().is_none_or(String::is_empty) {
            check.error(&format!("{at}.exec.command"), "empty (want the program to run)");
        }
        for (i, text) in command.iter().enumerate() {
            check.no_nul(&format!("{at}.exec.command[{i}]"), text);
        }
    }
    if let Some(get) = handlers.http {
        http(check, container, get, &format!("{at}.httpGet"));
    }
    if let Some(tcp) = handlers.tcp {
        port(check, container, &tcp.port, &format!("{at}.tcpSocket.port"));
        host(check, tcp.host.as_deref(), &format!("{at}.tcpSocket.host"));
    }
    if let Some(grpc) = handlers.grpc {
        check.range(&format!("{at}.grpc.port"), grpc.port.into(), 1, 65535);
    }
}

fn http(check: &mut Check<'_, '_, '_>, container: &Container, get: &HTTPGetAction, at: &str) {
    port(check, container, &get.port, &format!("{at}.port"));
    host(check, get.host.as_deref(), &format!("{at}.host"));
    if get.path.as_deref().is_some_and(|p| p.chars().any(|c| c.is_control() || c == ' ')) {
        check.error(&format!("{at}.path"), "holds a blank or a control character (want a URL's path, such as /healthz?a=b)");
    }
    for (i, HTTPHeader { name, value }) in get.http_headers.iter().flatten().enumerate() {
        let token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
        if name.is_empty() || !name.bytes().all(token) {
            check.error(&format!("{at}.httpHeaders[{i}].name"), format!("not a header's name (got {})", quoted(name)));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            check.error(&format!("{at}.httpHeaders[{i}].value"), "holds a control character");
        }
    }
}

fn port(check: &mut Check<'_, '_, '_>, container: &Container, port: &IntOrString, field: &str) {
    match port {
        IntOrString::Int(n) => check.range(field, (*n).into(), 1, 65535),
        IntOrString::String(name) => {
            check.text(field, "port name", name, names::port);
            if !container.ports.iter().flatten().any(|p| p.name.as_ref() == Some(name)) {
                check.error(field, format!("no such port (got {}, want one of the container's ports by name)", quoted(name)));
            }
        }
    }
}

/// Names are not looked up: there is no resolver that a probe may wait for.
fn host(check: &mut Check<'_, '_, '_>, host: Option<&str>, field: &str) {
    if let Some(host) = host.filter(|h| !h.is_empty() && *h != "localhost" && h.parse::<std::net::IpAddr>().is_err()) {
        check.error(field, format!("not an IP address (got {}, want one, or localhost: the host's own)", quoted(host)));
    }
}

fn stop_signal(check: &mut Check<'_, '_, '_>, spec: &PodSpec, name: &str, field: &str) {
    if spec.os.is_none() {
        check.error(field, "needs spec.os.name, which says whose signals are meant (want spec.os: {name: linux})");
    } else if signal(name).is_none() {
        check.error(field, format!("not a signal (got {}, want a name such as SIGTERM or SIGRTMIN+1)", quoted(name)));
    }
}

fn rules(check: &mut Check<'_, '_, '_>, container: &Container, at: &str) {
    let Some(rules) = container.restart_policy_rules.as_ref().filter(|r| !r.is_empty()) else { return };
    let field = format!("{at}.restartPolicyRules");
    if container.restart_policy.is_none() {
        check.error(&format!("{at}.restartPolicy"), "missing (want one where there are restartPolicyRules)");
    }
    if rules.len() > MAX_RULES {
        check.error(&field, format!("too many rules (got {}, want at most {MAX_RULES})", rules.len()));
    }
    for (i, rule) in rules.iter().enumerate() {
        if rule.action != "Restart" {
            check.error(
                &format!("{field}[{i}].action"),
                format!("not supported yet (got {}, want Restart)", quoted(&rule.action)),
            );
        }
        let Some(codes) = &rule.exit_codes else {
            check.error(&format!("{field}[{i}].exitCodes"), "missing (want the codes that it fits)");
            continue;
        };
        let values = codes.values.as_deref().unwrap_or(&[]);
        let field = format!("{field}[{i}].exitCodes.values");
        if values.is_empty() || values.len() > MAX_CODES {
            check.error(&field, format!("too few or too many codes (got {}, want 1 to {MAX_CODES})", values.len()));
        }
        for (j, code) in values.iter().enumerate() {
            check.range(&format!("{field}[{j}]"), (*code).into(), 0, 255);
        }
    }
}
