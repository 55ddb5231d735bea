//! The pod's and the container's security contexts, merged.

use super::super::validate::capability;
use super::absolute;
use crate::pod::spec::{Seccomp, SecuritySpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, SeccompProfile};
use std::path::Path;

/// The container's own field wins, then the pod's.
pub fn lower(container: &Container, spec: &PodSpec, folder: &Path) -> SecuritySpec {
    let pod = spec.security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let id = |id: Option<i64>| id.and_then(|n| u32::try_from(n).ok());
    let capabilities = own.capabilities.unwrap_or_default();
    let names = |list: Option<Vec<String>>| list.into_iter().flatten().filter_map(|c| capability(&c)).collect();
    SecuritySpec {
        run_as_user: id(own.run_as_user.or(pod.run_as_user)),
        run_as_group: id(own.run_as_group.or(pod.run_as_group)),
        run_as_non_root: own.run_as_non_root.or(pod.run_as_non_root),
        strict_groups: pod.supplemental_groups_policy.as_deref() == Some("Strict"),
        fs_group: id(pod.fs_group),
        supplemental_groups: pod.supplemental_groups.into_iter().flatten().filter_map(|g| id(Some(g))).collect(),
        add_capabilities: names(capabilities.add),
        drop_capabilities: names(capabilities.drop),
        privileged: own.privileged == Some(true),
        allow_privilege_escalation: own.allow_privilege_escalation,
        read_only_rootfs: own.read_only_root_filesystem,
        seccomp: own.seccomp_profile.or(pod.seccomp_profile).and_then(|p| seccomp(&p, folder)),
    }
}

fn seccomp(profile: &SeccompProfile, folder: &Path) -> Option<Seccomp> {
    Some(match profile.type_.as_str() {
        "RuntimeDefault" => Seccomp::RuntimeDefault,
        "Unconfined" => Seccomp::Unconfined,
        "Localhost" => Seccomp::Localhost(absolute(folder, profile.localhost_profile.as_deref()?)),
        _ => return None,
    })
}
