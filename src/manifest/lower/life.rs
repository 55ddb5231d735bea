//! Probes, hooks and restart rules to the pod's own.

use super::super::expand::expand;
use super::super::life::{Handlers, signal};
use crate::pod::spec::{Handler, HttpGet, Lifecycle, Probe, ResizeRestarts, RestartRule, Timing};
use k8s_openapi::api::core::v1::{self as k8s, Container};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// `env` is the container's environment: commands of probes may name its variables, those of hooks may not (so the kubelet).
pub fn lower(c: &Container, env: &[(String, String)]) -> Lifecycle {
    let probe = |probe: &Option<k8s::Probe>| {
        let probe = probe.as_ref()?;
        let mut handler = handler(c, &Handlers::from(probe))?;
        if let Handler::Exec { command } = &mut handler {
            let value = |name: &str| env.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
            command.iter_mut().for_each(|text| *text = expand(text, value));
        }
        Some(Probe { handler, timing: timing(probe) })
    };
    let lifecycle = c.lifecycle.as_ref();
    let hook = |hook: Option<&k8s::LifecycleHandler>| handler(c, &Handlers::from(hook?));
    let policies = || c.resize_policy.iter().flatten();
    let restarts = |name: &str| policies().any(|p| p.resource_name == name && p.restart_policy == "RestartContainer");
    Lifecycle {
        startup: probe(&c.startup_probe),
        readiness: probe(&c.readiness_probe),
        liveness: probe(&c.liveness_probe),
        post_start: hook(lifecycle.and_then(|l| l.post_start.as_ref())),
        pre_stop: hook(lifecycle.and_then(|l| l.pre_stop.as_ref())),
        stop_signal: lifecycle.and_then(|l| l.stop_signal.as_deref()).and_then(signal),
        resize_restarts: ResizeRestarts { cpu: restarts("cpu"), memory: restarts("memory") },
        restart_rules: c.restart_policy_rules.iter().flatten().filter_map(rule).collect(),
    }
}

fn timing(probe: &k8s::Probe) -> Timing {
    let number = |n: Option<i32>, default: u32| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
    Timing {
        initial_delay: number(probe.initial_delay_seconds, 0),
        period: number(probe.period_seconds, 10),
        timeout: number(probe.timeout_seconds, 1),
        success: number(probe.success_threshold, 1),
        failure: number(probe.failure_threshold, 3),
        grace: probe.termination_grace_period_seconds.and_then(|s| s.try_into().ok()),
    }
}

fn handler(c: &Container, handlers: &Handlers<'_>) -> Option<Handler> {
    let host = |host: &Option<String>| host.clone().filter(|h| !h.is_empty());
    if let Some(exec) = handlers.exec {
        return Some(Handler::Exec { command: exec.command.clone().unwrap_or_default() });
    }
    if let Some(get) = handlers.http {
        let path = get.path.as_deref().unwrap_or_default();
        let headers = get.http_headers.iter().flatten();
        return Some(Handler::Http(HttpGet {
            https: get.scheme.as_deref() == Some("HTTPS"),
            host: host(&get.host),
            port: port(c, &get.port)?,
            path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
            headers: headers.map(|h| (h.name.clone(), h.value.clone())).collect(),
        }));
    }
    if let Some(tcp) = handlers.tcp {
        return Some(Handler::Tcp { host: host(&tcp.host), port: port(c, &tcp.port)? });
    }
    if let Some(grpc) = handlers.grpc {
        let service = grpc.service.clone().unwrap_or_default();
        return Some(Handler::Grpc { port: grpc.port.try_into().ok()?, service });
    }
    handlers.sleep.map(|sleep| Handler::Sleep { seconds: sleep.seconds.try_into().unwrap_or(0) })
}

/// A port's number, or that of the container's port of that name.
fn port(c: &Container, port: &IntOrString) -> Option<u16> {
    match port {
        IntOrString::Int(n) => (*n).try_into().ok(),
        IntOrString::String(name) => {
            let named = c.ports.iter().flatten().find(|p| p.name.as_ref() == Some(name))?;
            named.container_port.try_into().ok()
        }
    }
}

fn rule(rule: &k8s::ContainerRestartRule) -> Option<RestartRule> {
    let codes = rule.exit_codes.as_ref()?;
    Some(RestartRule { within: codes.operator == "In", codes: codes.values.clone().unwrap_or_default() })
}
