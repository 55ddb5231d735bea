//! One container.

use super::super::error::quoted;
use super::super::names;
use super::{Check, env, life, resources, security, volumes};
use crate::store::images;
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// What an image is written as that has no name.
pub const BUNDLE: &str = "bundle:";
/// What a later podrt reads images from.
const ARCHIVES: &[&str] = &["oci:", "oci-archive:", "docker-archive:"];

pub fn check(check: &mut Check<'_, '_, '_>, spec: &PodSpec, container: &Container, at: &str) {
    check.text(&format!("{at}.name"), "container name", &container.name, names::label);
    image(check, container.image.as_deref().unwrap_or_default(), &format!("{at}.image"));
    strings(check, container, at);
    env::check(check, spec, container, at);
    volumes::check_container(check, spec, container, at);
    ports(check, spec, container, at);
    if container.stdin_once == Some(true) && container.stdin != Some(true) {
        check.warn(&format!("{at}.stdinOnce"), "no effect: stdin is not true");
    }
    security::check_container(check, spec, container, at);
    resources::check_container(check, container, at);
    life::check(check, spec, container, at);
}

fn image(check: &mut Check<'_, '_, '_>, image: &str, field: &str) {
    let Some(path) = image.strip_prefix(BUNDLE) else {
        if let Some(kind) = ARCHIVES.iter().find(|kind| image.starts_with(**kind)) {
            let problem =
                format!("images of the kind {kind} are not supported yet (got {}, want bundle:PATH or a name)", quoted(image));
            return check.error(field, problem);
        }
        if let Err(want) = images::normal(image) {
            check.error(field, format!("not an image (got {}, want bundle:PATH, or {want})", quoted(image)));
        }
        return;
    };
    if path.is_empty() || path.len() > 4095 || path.chars().any(char::is_control) {
        check.error(field, format!("not a path (got {}, want bundle:PATH of an OCI bundle's folder)", quoted(image)));
    }
}

/// What ends up as C strings.
fn strings(check: &mut Check<'_, '_, '_>, container: &Container, at: &str) {
    for (name, list) in [("command", &container.command), ("args", &container.args)] {
        for (i, text) in list.iter().flatten().enumerate() {
            check.no_nul(&format!("{at}.{name}[{i}]"), text);
        }
    }
    if container.command.as_ref().and_then(|c| c.first()).is_some_and(String::is_empty) {
        check.error(&format!("{at}.command[0]"), "empty (want the program to run)");
    }
    let absolute = |check: &mut Check<'_, '_, '_>, name: &str, path: Option<&String>| {
        let Some(path) = path.filter(|p| !p.is_empty()) else { return };
        let field = format!("{at}.{name}");
        check.no_nul(&field, path);
        if !path.starts_with('/') {
            check.error(&field, format!("not an absolute path (got {})", quoted(path)));
        }
    };
    absolute(check, "workingDir", container.working_dir.as_ref());
    absolute(check, "terminationMessagePath", container.termination_message_path.as_ref());
}

fn ports(check: &mut Check<'_, '_, '_>, spec: &PodSpec, container: &Container, at: &str) {
    let host_network = spec.host_network == Some(true);
    let list = container.ports.as_deref().unwrap_or(&[]);
    check.unique(
        "port name",
        list.iter().enumerate().filter_map(|(i, p)| Some((format!("{at}.ports[{i}].name"), p.name.as_deref()?))),
    );
    for (i, port) in list.iter().enumerate() {
        let at = format!("{at}.ports[{i}]");
        check.range(&format!("{at}.containerPort"), port.container_port.into(), 1, 65535);
        if let Some(name) = &port.name {
            check.text(&format!("{at}.name"), "port name", name, names::port);
        }
        if let Some(host) = port.host_port.filter(|p| *p != 0) {
            let field = format!("{at}.hostPort");
            check.range(&field, host.into(), 1, 65535);
            if host_network && host != port.container_port {
                let want = port.container_port;
                check.error(&field, format!("must be the container's port in the host's network (got {host}, want {want})"));
            }
        }
        if let Some(ip) = port.host_ip.as_deref().filter(|ip| !ip.is_empty()) {
            let field = format!("{at}.hostIP");
            if ip.parse::<std::net::IpAddr>().is_err() {
                check.error(&field, format!("not an IP address (got {})", quoted(ip)));
            }
        }
    }
}
