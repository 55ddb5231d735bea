//! A container's final config.json: the bundle's, with the pod's rules and the manifest's wishes merged in (CONTRACT.md,
//! "Containers"). Pure: same input, same output; the bundle on disk is never written to.

use super::error::{Code, Error, Result};
use super::machine::StartFailure;
use super::spec::{ContainerSpec, LATE_POD_IP, LATE_POD_IPS, PodSpec, Propagation, Seccomp, SecuritySpec};
use crate::cgroup::Limits;
use crate::container::Bundle;
use crate::identity::users;
use oci_spec::runtime::{
    Capabilities, Capability, Linux, LinuxCapabilities, LinuxDeviceCgroup, LinuxSeccomp, Mount, MountBuilder, Process, Spec, User,
};
use std::os::fd::AsFd;
use std::path::Path;

/// What the container layer gets.
#[derive(Debug)]
pub struct Config {
    pub spec: Spec,
    /// The bundle's limits, overlaid by the manifest's.
    pub limits: Limits,
    /// What nobody asked for: applied first, where the controllers are.
    pub soft_limits: Limits,
    /// Device rules; None admits every device (privileged).
    pub devices: Option<Vec<LinuxDeviceCgroup>>,
    pub warnings: Vec<String>,
}

impl Config {
    /// Puts the pod's addresses where they are asked for; 127.0.0.1 while a pod has no network but its own loopback.
    pub fn late(&mut self, ips: &[String]) {
        let first = ips.first().map_or("127.0.0.1", String::as_str).to_owned();
        let all = if ips.is_empty() { first.clone() } else { ips.join(",") };
        let Some(process) = self.spec.process_mut() else { return };
        let fill = |list: &Option<Vec<String>>| -> Option<Vec<String>> {
            let list = list.as_ref().filter(|l| l.iter().any(|text| text.contains('\0')))?;
            Some(list.iter().map(|text| text.replace(LATE_POD_IPS, &all).replace(LATE_POD_IP, &first)).collect())
        };
        if let Some(env) = fill(process.env()) {
            process.set_env(Some(env));
        }
        if let Some(args) = fill(process.args()) {
            process.set_args(Some(args));
        }
    }
}

/// Why a config cannot be made; the pod's status says the reason.
fn wrong(container: &ContainerSpec, problem: impl std::fmt::Display) -> Error {
    let mut error = Error::new(Code::InvalidArgument, format!("container {}: {problem}", container.name));
    error.step = StartFailure::CreateContainerConfigError.as_str().into();
    error
}

/// Merges `bundle`'s config.json with `container` of `pod`.
pub fn merge(pod: &PodSpec, container: &ContainerSpec, bundle: &Bundle) -> Result<Config> {
    let mut spec = bundle.spec.clone();
    let resources = spec.linux().as_ref().and_then(|l| l.resources().clone());
    let own = match &resources {
        Some(resources) => Limits::from_oci(resources).map_err(|e| wrong(container, e))?,
        None => Limits::default(),
    };
    let limits = own.overlay(&container.limits);
    let mut soft_limits = container.soft_limits.clone();
    if limits.oom_group.is_none() && soft_limits.oom_group.is_none() {
        // As the kubelet does: one process's OOM ends the container.
        soft_limits.oom_group = Some(true);
    }
    let privileged = container.security.privileged;
    let devices = (!privileged).then(|| resources.and_then(|r| r.devices().clone()).unwrap_or_default());

    let mut process = spec.process().clone().unwrap_or_default();
    command(&mut process, container);
    environment(&mut process, pod, container);
    identity(&mut process, container, bundle)?;
    security(&mut process, container)?;
    process.set_terminal(Some(container.tty));
    // Never the supervisor's, which is far lower.
    process.set_oom_score_adj(Some(container.oom_score_adj.or(process.oom_score_adj()).unwrap_or(0)));
    let bounding = mask(process.capabilities().as_ref().and_then(|c| c.bounding().as_ref()));
    spec.set_process(Some(process));

    let mut root = spec.root().clone().unwrap_or_default();
    if let Some(read_only) = container.security.read_only_rootfs {
        root.set_readonly(Some(read_only));
    }
    spec.set_root(Some(root));
    // The pod's name, not the bundle's.
    spec.set_hostname(None);
    spec.set_domainname(None);
    let mut linux = spec.linux().clone().unwrap_or_default();
    linux.set_resources(None);
    linux.set_cgroups_path(None);
    if container.mounts.iter().any(|m| m.propagation == Propagation::Bidirectional) {
        // A propagation for the whole tree would undo the mount's own.
        linux.set_rootfs_propagation(None);
    }
    confinement(&mut linux, container, bounding)?;
    let mounts = mounts(spec.mounts().clone().unwrap_or_default(), privileged);
    spec.set_mounts(Some(mounts?));
    if privileged {
        linux.set_masked_paths(None);
        linux.set_readonly_paths(None);
    }
    spec.set_linux(Some(linux));
    Ok(Config { spec, limits, soft_limits, devices, warnings: bundle.warnings.clone() })
}

/// `command` replaces process.args, `args` follow it; without `command` they are appended to process.args.
fn command(process: &mut Process, container: &ContainerSpec) {
    let mut args = match &container.command {
        Some(command) => command.clone(),
        None => process.args().clone().unwrap_or_default(),
    };
    args.extend(container.args.iter().flatten().cloned());
    process.set_args(Some(args));
    if let Some(folder) = &container.working_dir {
        process.set_cwd(folder.into());
    }
}

/// A name of the manifest replaces the bundle's; what is new goes last. HOSTNAME is the pod's unless somebody says otherwise.
fn environment(process: &mut Process, pod: &PodSpec, container: &ContainerSpec) {
    let mut env = process.env().clone().unwrap_or_default();
    let name_of = |pair: &str| pair.split('=').next().unwrap_or_default().to_string();
    if !pod.sandbox.host_network && !env.iter().any(|pair| name_of(pair) == "HOSTNAME") {
        env.push(format!("HOSTNAME={}", pod.sandbox.hostname));
    }
    if container.tty && !env.iter().any(|pair| name_of(pair) == "TERM") {
        env.push("TERM=xterm".into());
    }
    for (name, value) in &container.env {
        let pair = format!("{name}={value}");
        match env.iter_mut().find(|old| name_of(old) == *name) {
            Some(old) => *old = pair,
            None => env.push(pair),
        }
    }
    process.set_env(Some(env));
}

/// User, group and supplementary groups. Source: Kubernetes, "Configure a Security Context for a Pod or Container".
fn identity(process: &mut Process, container: &ContainerSpec, bundle: &Bundle) -> Result<()> {
    let security = &container.security;
    let mut user: User = process.user().clone();
    let before = user.uid();
    let mut groups = user.additional_gids().clone().unwrap_or_default();
    if let Some(uid) = security.run_as_user.filter(|uid| *uid != before) {
        // The bundle's groups are those of the bundle's user; another user has what etc/passwd and etc/group say of it, and
        // group 0 where they say nothing.
        let known = image_user(bundle, uid).map_err(|e| wrong(container, e))?;
        user.set_uid(uid);
        user.set_gid(known.gid);
        user.set_username(None);
        groups = known.groups;
    }
    if let Some(gid) = security.run_as_group {
        user.set_gid(gid);
    }
    if security.strict_groups {
        groups.clear();
    }
    for group in security.supplemental_groups.iter().chain(&security.fs_group) {
        if !groups.contains(group) {
            groups.push(*group);
        }
    }
    user.set_additional_gids((!groups.is_empty()).then_some(groups));
    if security.run_as_non_root == Some(true) && user.uid() == 0 {
        return Err(wrong(container, "runAsNonRoot is true, but the container would run as root (uid 0); set runAsUser"));
    }
    process.set_user(user);
    Ok(())
}

/// `uid` as the bundle's root file system knows it.
fn image_user(bundle: &Bundle, uid: u32) -> std::result::Result<users::User, String> {
    let rootfs = bundle.rootfs().map_err(|e| e.to_string())?;
    let root = std::fs::File::open(&rootfs).map_err(|e| format!("{}: {e}", rootfs.display()))?;
    users::lookup(root.as_fd(), &uid.to_string()).map_err(|e| format!("user {uid}: {e}"))
}

fn security(process: &mut Process, container: &ContainerSpec) -> Result<()> {
    let security = &container.security;
    if let Some(allow) = security.allow_privilege_escalation {
        process.set_no_new_privileges(Some(!allow));
    }
    let before = process.capabilities().clone().unwrap_or_default();
    process.set_capabilities(Some(capabilities(before, security).map_err(|problem| wrong(container, problem))?));
    Ok(())
}

fn all() -> Capabilities {
    caps::all().into_iter().filter_map(|c| capability(&c.to_string()).ok()).collect()
}

fn mask(set: Option<&Capabilities>) -> u64 {
    let bit = |c: &Capability| c.to_string().parse::<caps::Capability>().map_or(0, |c| 1u64 << c.index());
    set.into_iter().flatten().fold(0, |mask, c| mask | bit(c))
}

fn capability(name: &str) -> Result<Capability, String> {
    let upper = name.to_ascii_uppercase();
    let full = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    serde_json::from_value(serde_json::Value::String(full)).map_err(|_| format!("unknown capability {name}"))
}

/// `drop` first, then `add`, as the kubelet's runtimes do: `drop: [ALL], add: [X]` leaves X.
fn capabilities(sets: LinuxCapabilities, security: &SecuritySpec) -> Result<LinuxCapabilities, String> {
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let list = |names: &[String]| -> Result<Capabilities, String> {
        if names.iter().any(is_all) { Ok(all()) } else { names.iter().map(|n| capability(n)).collect() }
    };
    let (add, drop) = (list(&security.add_capabilities)?, list(&security.drop_capabilities)?);
    let change = |set: &Option<Capabilities>, gains: bool| -> Option<Capabilities> {
        let mut set = set.clone().unwrap_or_default();
        if security.privileged && gains {
            return Some(all());
        }
        set.retain(|c| !drop.contains(c));
        if gains {
            set.extend(add.iter().copied());
        }
        Some(set)
    };
    let mut out = sets.clone();
    out.set_bounding(change(sets.bounding(), true));
    out.set_permitted(change(sets.permitted(), true));
    out.set_effective(change(sets.effective(), true));
    // What is inherited across exec is never widened (CVE-2022-24769).
    out.set_inheritable(change(sets.inheritable(), false));
    out.set_ambient(change(sets.ambient(), false));
    Ok(out)
}

/// `bounding`: the container's bounding set as a mask; the default profile admits more to who may do more.
fn confinement(linux: &mut Linux, container: &ContainerSpec, bounding: u64) -> Result<()> {
    let profile: Option<LinuxSeccomp> = match &container.security.seccomp {
        _ if container.security.privileged => None,
        None => return Ok(()),
        Some(Seccomp::Unconfined) => None,
        Some(Seccomp::RuntimeDefault) => Some(crate::seccomp::runtime_default_profile(bounding)),
        Some(Seccomp::Localhost(path)) => Some(localhost(path).map_err(|problem| wrong(container, problem))?),
    };
    linux.set_seccomp(profile);
    Ok(())
}

fn localhost(path: &Path) -> Result<LinuxSeccomp, String> {
    let text = crate::store::atomic::read(path).map_err(|e| format!("seccompProfile: {e}"))?;
    let text = text.ok_or_else(|| format!("seccompProfile: {}: no such file or directory", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| format!("seccompProfile: {}: {e}", path.display()))
}

/// The pod's /dev/shm and /dev/mqueue are there, whatever the bundle says; a privileged container may write to sysfs and cgroups.
fn mounts(mut mounts: Vec<Mount>, privileged: bool) -> Result<Vec<Mount>> {
    for (at, kind) in [("/dev/shm", "tmpfs"), ("/dev/mqueue", "mqueue")] {
        if !mounts.iter().any(|m| m.destination() == Path::new(at)) {
            let options = ["nosuid", "noexec", "nodev"].map(String::from).to_vec();
            let mount = MountBuilder::default().destination(at).typ(kind).source(kind).options(options).build();
            mounts.push(mount.map_err(|e| Error::internal(format!("mount {at}: {e}")))?);
        }
    }
    if privileged {
        for mount in &mut mounts {
            if matches!(mount.typ().as_deref(), Some("sysfs" | "cgroup" | "cgroup2")) {
                let mut options = mount.options().clone().unwrap_or_default();
                options.retain(|o| o != "ro");
                mount.set_options(Some(options));
            }
        }
    }
    Ok(mounts)
}
