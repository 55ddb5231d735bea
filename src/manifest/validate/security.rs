//! Security contexts and sysctls: what cannot be enforced is an error, never a warning.

use super::super::error::{nearest, quoted};
use super::super::names;
use super::super::sysctls::{self, Kind};
use super::Check;
use k8s_openapi::api::core::v1::{Container, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext};
use std::str::FromStr;

/// Kubernetes' bound for ids.
const MAX_ID: i64 = i32::MAX as i64;
/// A group may be named by number; the kernel takes this many.
const MAX_GROUPS: usize = 65536;

pub fn check_pod(check: &mut Check<'_, '_, '_>, spec: &PodSpec) {
    let Some(context) = &spec.security_context else { return };
    const AT: &str = "spec.securityContext";
    ids(check, AT, context.run_as_user, context.run_as_group);
    if let Some(group) = context.fs_group {
        check.range(&format!("{AT}.fsGroup"), group, 0, MAX_ID);
    }
    let groups = context.supplemental_groups.as_deref().unwrap_or(&[]);
    if groups.len() > MAX_GROUPS {
        check.error(
            &format!("{AT}.supplementalGroups"),
            format!("too many groups (got {}, want at most {MAX_GROUPS})", groups.len()),
        );
    }
    for (i, group) in groups.iter().enumerate() {
        check.range(&format!("{AT}.supplementalGroups[{i}]"), *group, 0, MAX_ID);
    }
    if let Some(profile) = &context.seccomp_profile {
        seccomp(check, &format!("{AT}.seccompProfile"), profile);
    }
    sysctls(check, spec, context);
}

pub fn check_container(check: &mut Check<'_, '_, '_>, spec: &PodSpec, container: &Container, at: &str) {
    let pod = spec.security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let at = format!("{at}.securityContext");
    ids(check, &at, own.run_as_user, own.run_as_group);
    non_root(check, &pod, &own, &at);
    privilege(check, &own, &at);
    if let Some(profile) = &own.seccomp_profile {
        seccomp(check, &format!("{at}.seccompProfile"), profile);
    }
    let capabilities = own.capabilities.unwrap_or_default();
    for (what, list) in [("add", capabilities.add), ("drop", capabilities.drop)] {
        for (i, name) in list.iter().flatten().enumerate() {
            if capability(name).is_none() {
                capability_error(check, &format!("{at}.capabilities.{what}[{i}]"), name);
            }
        }
    }
}

fn ids(check: &mut Check<'_, '_, '_>, at: &str, user: Option<i64>, group: Option<i64>) {
    for (name, id) in [("runAsUser", user), ("runAsGroup", group)] {
        if let Some(id) = id {
            check.range(&format!("{at}.{name}"), id, 0, MAX_ID);
        }
    }
}

/// Known before anything starts, so said before; the image's own user is looked at when the container is made.
fn non_root(check: &mut Check<'_, '_, '_>, pod: &PodSecurityContext, own: &SecurityContext, at: &str) {
    let required = own.run_as_non_root.or(pod.run_as_non_root) == Some(true);
    if required && own.run_as_user.or(pod.run_as_user) == Some(0) {
        let field =
            if own.run_as_user.is_some() { format!("{at}.runAsUser") } else { "spec.securityContext.runAsUser".to_owned() };
        check.error(&field, "runAsNonRoot is true (got 0, want another user)");
    }
}

fn privilege(check: &mut Check<'_, '_, '_>, own: &SecurityContext, at: &str) {
    if own.allow_privilege_escalation != Some(false) {
        return;
    }
    let field = format!("{at}.allowPrivilegeEscalation");
    if own.privileged == Some(true) {
        check.error(&field, "cannot be false while privileged is true");
    }
    let added = own.capabilities.as_ref().and_then(|c| c.add.as_ref());
    if added.into_iter().flatten().any(|c| matches!(capability(c).as_deref(), Some("SYS_ADMIN"))) {
        check.error(&field, "cannot be false while capabilities.add has SYS_ADMIN");
    }
}

/// `NET_ADMIN` of `NET_ADMIN`, `net_admin` and `CAP_NET_ADMIN`; `ALL` is all. None for what Linux does not have.
pub fn capability(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    (bare == "ALL" || caps::Capability::from_str(&format!("CAP_{bare}")).is_ok()).then(|| bare.to_owned())
}

fn capability_error(check: &mut Check<'_, '_, '_>, field: &str, name: &str) {
    let all: Vec<String> = caps::all().iter().map(|c| c.to_string()["CAP_".len()..].to_owned()).collect();
    let near = nearest(name.trim_start_matches("CAP_"), all.iter().map(String::as_str));
    let hint = near.map(|n| format!("; did you mean {n}?")).unwrap_or_default();
    check.error(field, format!("unknown capability (got {}, want one of capabilities(7) without CAP_{hint})", quoted(name)));
}

fn seccomp(check: &mut Check<'_, '_, '_>, at: &str, profile: &SeccompProfile) {
    let field = format!("{at}.localhostProfile");
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        ("Localhost", None | Some("")) => check.error(&field, "missing (want the profile's path, since type is Localhost)"),
        ("Localhost", Some(path)) => {
            check.no_nul(&field, path);
            if path.starts_with('/') || path.split('/').any(|part| part == "..") {
                let problem = format!("leaves the manifest's folder (got {}, want a path below it without \"..\")", quoted(path));
                check.error(&field, problem);
            }
        }
        (other, Some(_)) => check.error(&field, format!("only with type Localhost (got type {other})")),
        (_, None) => {}
    }
}

fn sysctls(check: &mut Check<'_, '_, '_>, spec: &PodSpec, context: &PodSecurityContext) {
    let list = context.sysctls.as_deref().unwrap_or(&[]);
    let at = |i: usize, name: &str| format!("spec.securityContext.sysctls[{i}].{name}");
    let dotted: Vec<String> = list.iter().map(|s| sysctls::dotted(&s.name)).collect();
    check.unique("sysctl", dotted.iter().enumerate().map(|(i, name)| (at(i, "name"), name.as_str())));
    for (i, sysctl) in list.iter().enumerate() {
        let (name, field) = (&dotted[i], at(i, "name"));
        check.text(&field, "sysctl name", &sysctl.name, names::sysctl);
        match sysctls::kind(name) {
            Kind::Host => check.error(&field, format!("belongs to the whole host, not to a pod (got {})", quoted(name))),
            Kind::Network if spec.host_network == Some(true) => check.error(&field, "not allowed in the host's network"),
            Kind::Ipc if spec.host_ipc == Some(true) => check.error(&field, "not allowed in the host's IPC namespace"),
            Kind::Network | Kind::Ipc => {
                if !sysctls::is_safe(name) && !sysctls::is_allowed(name, &check.allow.unsafe_sysctls) {
                    let problem = format!("unsafe sysctl (got {}, want a safe one, or --allowed-unsafe-sysctls)", quoted(name));
                    check.error(&field, problem);
                }
            }
        }
        // A value is numbers; `1+kernel.core_pattern=|/x` was once split into two settings by a runtime.
        if !sysctl.value.bytes().all(|c| c.is_ascii_alphanumeric() || b" \t,.-_".contains(&c)) {
            check.error(&at(i, "value"), format!("not a sysctl's value (got {}, want numbers or a word)", quoted(&sysctl.value)));
        }
    }
}
