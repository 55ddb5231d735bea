//! A validated Pod, defaults set, to the pod's own spec.

pub mod downward;
mod env;
mod life;
mod limits;
pub mod network;
mod security;
mod volumes;

use super::annotations;
use super::data::{Data, Store};
use super::document::Kind;
use super::error::quoted;
use super::expand::expand;
use super::resources::is_sidecar;
use super::sysctls::dotted;
use super::validate::BUNDLE;
use crate::pod::spec::{ContainerSpec, PodSpec, Policy, RestartPolicy, SCHEMA, SandboxSpec};
use k8s_openapi::api::core::v1::{self as k8s, Pod};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// What is not in the manifest.
pub struct Host<'h> {
    /// Where relative paths start, absolute.
    pub folder: &'h Path,
    /// Bytes of memory, for oom_score_adj.
    pub memory: u64,
    pub missing_controllers_warn: bool,
    pub network: &'h network::Network,
}

/// What a pod refers to, and what is wrong with it.
pub struct Refs<'r> {
    store: &'r Store,
    pub pod: &'r Pod,
    /// (field, problem)
    pub problems: Vec<(String, String)>,
}

impl<'r> Refs<'r> {
    pub fn new(store: &'r Store, pod: &'r Pod) -> Refs<'r> {
        Refs { store, pod, problems: Vec::new() }
    }

    fn problem(&mut self, field: String, problem: String) {
        self.problems.push((field, problem));
    }

    /// The ConfigMap or Secret of that name; one that is missing is a problem, unless it is optional.
    fn data(&mut self, kind: Kind, name: &str, optional: Option<bool>, field: &str) -> Option<&'r Data> {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        let found = self.store.get(kind, namespace, name);
        if found.is_none() && optional != Some(true) {
            let want = format!("want a {kind:?} document in this or another -f file");
            self.problem(field.to_owned(), format!("no {kind:?} {} in namespace {namespace} ({want})", quoted(name)));
        }
        found
    }

    /// A value for the environment.
    fn text(&mut self, value: &[u8], field: &str, key: &str) -> Option<String> {
        match std::str::from_utf8(value) {
            Ok(text) if !text.contains('\0') => Some(text.to_owned()),
            _ => {
                let problem = format!("the value of {} is not UTF-8 text without NUL: it cannot be a variable's", quoted(key));
                self.problem(field.to_owned(), problem);
                None
            }
        }
    }
}

/// Bytes; the kubelet's own for a sandbox.
const SHM_SIZE: u64 = 64 << 20;

pub fn pod(pod: &Pod, host: &Host<'_>, refs: &mut Refs<'_>) -> PodSpec {
    let spec = pod.spec.clone().unwrap_or_default();
    let meta = &pod.metadata;
    let name = meta.name.clone().unwrap_or_default();
    let plan = limits::Plan::of(pod, &spec, host.memory);
    let direct = annotation(pod, annotations::ROOTFS) == Some("direct");
    let mut lower = |list: &str, i: usize, c: &k8s::Container| {
        let at = format!("spec.{list}[{i}]");
        let env = env::lower(c, &spec, &at, host, refs);
        let mounts = volumes::mounts(c, &env, &at, refs);
        ContainerSpec { mounts, ..container(c, &spec, &plan, direct, host.folder, env) }
    };
    let init = spec.init_containers.iter().flatten().enumerate();
    let init_containers = init.map(|(i, c)| lower("initContainers", i, c)).collect();
    let containers = spec.containers.iter().enumerate().map(|(i, c)| lower("containers", i, c)).collect();
    let (limits, soft_limits) = plan.pod();
    let volumes = volumes::volumes(&spec, host, refs);
    PodSpec {
        schema: SCHEMA,
        volumes,
        fs_group: spec.security_context.as_ref().and_then(|c| c.fs_group).and_then(|g| g.try_into().ok()),
        namespace: meta.namespace.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        created: meta.creation_timestamp.as_ref().map(|t| t.0.to_string()).unwrap_or_default(),
        sandbox: sandbox(pod, &spec, &name, host.network),
        name,
        restart_policy: restart_policy(spec.restart_policy.as_deref()).unwrap_or(RestartPolicy::Always),
        grace_seconds: spec.termination_grace_period_seconds.and_then(|s| s.try_into().ok()).unwrap_or(30),
        active_deadline_seconds: spec.active_deadline_seconds.and_then(|s| s.try_into().ok()),
        qos: plan.qos,
        limits,
        soft_limits,
        init_containers,
        containers,
        ephemeral_containers: Vec::new(),
        readiness_gates: spec.readiness_gates.iter().flatten().map(|g| g.condition_type.clone()).collect(),
        missing_controllers_warn: host.missing_controllers_warn,
        policy: Policy::Pod,
    }
}

pub(super) fn annotation<'p>(pod: &'p Pod, key: &str) -> Option<&'p str> {
    pod.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

fn sandbox(pod: &Pod, spec: &k8s::PodSpec, name: &str, defaults: &network::Network) -> SandboxSpec {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let yes = |flag: Option<bool>| flag == Some(true);
    let sysctls = spec.security_context.iter().flat_map(|c| c.sysctls.iter().flatten());
    SandboxSpec {
        hostname: network::hostname(spec, name, namespace),
        domain: network::domain(spec, namespace),
        host_aliases: network::aliases(spec),
        dns: network::dns(spec),
        network: network::network(pod, spec, defaults),
        host_network: yes(spec.host_network),
        host_pid: yes(spec.host_pid),
        host_ipc: yes(spec.host_ipc),
        share_process_namespace: yes(spec.share_process_namespace),
        sysctls: sysctls.map(|s| (dotted(&s.name), s.value.clone())).collect(),
        shm_size: SHM_SIZE,
    }
}

fn restart_policy(word: Option<&str>) -> Option<RestartPolicy> {
    Some(match word? {
        "Always" => RestartPolicy::Always,
        "OnFailure" => RestartPolicy::OnFailure,
        "Never" => RestartPolicy::Never,
        _ => return None,
    })
}

fn container(
    c: &k8s::Container,
    spec: &k8s::PodSpec,
    plan: &limits::Plan,
    direct: bool,
    folder: &Path,
    env: Vec<(String, String)>,
) -> ContainerSpec {
    let (command, args) = {
        let values: HashMap<&str, &str> = env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let expanded = |list: &Option<Vec<String>>| {
            let list = list.as_ref().filter(|l| !l.is_empty())?;
            Some(list.iter().map(|text| expand(text, |name| values.get(name).copied())).collect())
        };
        (expanded(&c.command), expanded(&c.args))
    };
    let image = c.image.clone().unwrap_or_default();
    let (limits, soft_limits) = plan.container(c);
    ContainerSpec {
        name: c.name.clone(),
        bundle: image.strip_prefix(BUNDLE).map_or_else(PathBuf::new, |path| absolute(folder, path)),
        pull_never: c.image_pull_policy.as_deref() == Some("Never"),
        image,
        restart_policy: restart_policy(c.restart_policy.as_deref()),
        command,
        args,
        working_dir: c.working_dir.clone().filter(|d| !d.is_empty()),
        security: security::lower(c, spec, folder),
        limits,
        soft_limits,
        oom_score_adj: Some(
            plan.oom_score_adj(c, is_sidecar(c) && spec.init_containers.iter().flatten().any(|i| i.name == c.name)),
        ),
        stdin: c.stdin == Some(true),
        stdin_once: c.stdin_once == Some(true),
        tty: c.tty == Some(true),
        rootfs_direct: direct,
        mounts: Vec::new(),
        message_from_log: c.termination_message_policy.as_deref() == Some("FallbackToLogsOnError"),
        termination_message_path: c.termination_message_path.clone().unwrap_or_default(),
        life: life::lower(c, &env),
        env,
    }
}

/// The path without its `.` parts; `..` stays, since what lies before it may be a symlink.
pub(super) fn absolute(folder: &Path, path: &str) -> PathBuf {
    folder.join(path).components().filter(|c| *c != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_starts_at_the_manifest() {
        for (path, want) in [("./app", "/m/app"), ("app/", "/m/app"), ("../app", "/m/../app"), ("/a/./b", "/a/b"), (".", "/m")] {
            assert_eq!(absolute(Path::new("/m"), path), Path::new(want), "{path}");
        }
    }
}
