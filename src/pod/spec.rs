//! The pod's own specification: what `manifest` lowers a Kubernetes Pod to, and all that the supervisor knows of it.
//!
//! Values are validated and defaulted: quantities are numbers, references are resolved, names obey DNS-1123. It is stored as
//! JSON in the sandbox's folder, so that a later podrt (or a supervisor started again) reads what an earlier one wrote.

mod life;

pub use life::{Handler, HttpGet, Lifecycle, Probe, RestartRule, Timing};

use crate::cgroup::Limits;
use crate::net::bridge;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

/// Version of the JSON below; unknown fields of a newer one are kept out of harm, an older one is read.
pub const SCHEMA: u32 = 1;

/// Stands in env, command and args for status.podIP, which is known only once the sandbox stands. No value of a manifest holds NUL.
pub const LATE_POD_IP: &str = "\0status.podIP\0";
/// The same for status.podIPs: all of them, with commas.
pub const LATE_POD_IPS: &str = "\0status.podIPs\0";

/// Who decides what runs in a sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// The pod's spec, as Kubernetes has it.
    #[default]
    Pod,
    /// Whoever made it, by the control socket.
    External,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodSpec {
    pub schema: u32,
    pub namespace: String,
    pub name: String,
    /// RFC 4122 text form; also the name of the pod's cgroup and, with the attempt, of its sandbox.
    pub uid: String,
    /// RFC 3339, UTC: metadata.creationTimestamp.
    pub created: String,
    pub sandbox: SandboxSpec,
    pub restart_policy: RestartPolicy,
    /// Seconds, spec.terminationGracePeriodSeconds; 30 by default.
    pub grace_seconds: u64,
    /// Seconds, spec.activeDeadlineSeconds.
    pub active_deadline_seconds: Option<u64>,
    /// Guaranteed, Burstable or BestEffort.
    pub qos: Qos,
    /// What the pod's cgroup, the parent of its containers', gets.
    pub limits: Limits,
    /// What follows from Kubernetes' defaults and nobody asked for (the weight of a pod that requests no cpu): applied where the
    /// controllers are, left out where they are not. Shares no field with `limits`.
    #[serde(default)]
    pub soft_limits: Limits,
    pub init_containers: Vec<ContainerSpec>,
    pub containers: Vec<ContainerSpec>,
    /// Added while the pod lives.
    #[serde(default)]
    pub ephemeral_containers: Vec<ContainerSpec>,
    #[serde(default)]
    pub volumes: Vec<VolumeSpec>,
    /// spec.securityContext.fsGroup: the group of the volumes that podrt makes.
    #[serde(default)]
    pub fs_group: Option<u32>,
    /// spec.readinessGates: condition types that have to be True before the pod is ready.
    #[serde(default)]
    pub readiness_gates: Vec<String>,
    /// `--missing-controllers=warn`: a limit whose controller is missing warns, and does not fail.
    pub missing_controllers_warn: bool,
    #[serde(default)]
    pub policy: Policy,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// At most 64 bytes; the pod's name cut to 63 unless spec.hostname says otherwise.
    pub hostname: String,
    pub host_network: bool,
    pub host_pid: bool,
    pub host_ipc: bool,
    pub share_process_namespace: bool,
    /// spec.securityContext.sysctls, dotted keys (a dot of an interface's name is a slash); only such as belong to a namespace
    /// of the pod's own.
    pub sysctls: Vec<(String, String)>,
    /// Bytes; the size of the shared /dev/shm.
    pub shm_size: u64,
    /// What follows the hostname in the pod's full name: `sub.default.svc.cluster.local`; empty without spec.subdomain.
    #[serde(default)]
    pub domain: String,
    #[serde(default)]
    pub host_aliases: Vec<HostAlias>,
    #[serde(default)]
    pub dns: Dns,
    #[serde(default)]
    pub network: NetworkSpec,
}

/// The network of a pod that is not in the host's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    pub mode: NetworkMode,
    pub config: bridge::Config,
    #[serde(default)]
    pub cni: CniSpec,
    /// This host's own addresses towards the world, at most one of each family: status.hostIPs.
    pub host_ips: Vec<String>,
    /// Addresses that the pod is to have, at most one of each family; empty takes what is free.
    pub addresses: Vec<IpAddr>,
    /// Of the pod's interface; None is one made of its address.
    pub mac: Option<[u8; 6]>,
    pub ports: Vec<PortSpec>,
    /// Bits a second that come to the pod, and that go from it; None is without bound.
    #[serde(default)]
    pub ingress: Option<u64>,
    #[serde(default)]
    pub egress: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkMode {
    /// Loopback alone.
    #[default]
    None,
    /// An interface on podrt's bridge.
    Bridge,
    /// What the plugins of a CNI network make.
    Cni,
}

/// Where CNI networks and plugins lie, and which network it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CniSpec {
    pub folder: PathBuf,
    pub programs: Vec<PathBuf>,
    /// None is the first of the folder.
    pub network: Option<String>,
}

/// A container's port that is the host's as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// None and an unspecified address are every address of the host's.
    pub host_ip: Option<IpAddr>,
    pub host_port: u16,
    pub container_port: u16,
    /// IPPROTO_*.
    pub protocol: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostAlias {
    pub ip: String,
    pub names: Vec<String>,
}

/// What goes into resolv.conf beside the host's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Dns {
    /// dnsPolicy None: nothing of the host's.
    pub own: bool,
    pub nameservers: Vec<String>,
    pub searches: Vec<String>,
    /// `name` or `name:value`.
    pub options: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub name: String,
    /// As written: `bundle:./app`.
    pub image: String,
    /// imagePullPolicy Never: an image whose name is not known here fails, instead of being waited for.
    #[serde(default)]
    pub pull_never: bool,
    /// The OCI bundle's folder, absolute; empty where `image` is a name, which is looked up when the container is made.
    pub bundle: PathBuf,
    /// An init container with `restartPolicy: Always` is a sidecar; None follows the pod's policy.
    pub restart_policy: Option<RestartPolicy>,
    /// Replaces process.args of config.json; with `args` appended.
    pub command: Option<Vec<String>>,
    /// Without `command`: appended to config.json's process.args.
    pub args: Option<Vec<String>>,
    pub working_dir: Option<String>,
    /// Added to config.json's env; a same name replaces. `$(VAR)` is expanded already.
    pub env: Vec<(String, String)>,
    pub security: SecuritySpec,
    /// Asked for: without its controller the container fails.
    pub limits: Limits,
    /// As the pod's: applied where the controllers are.
    #[serde(default)]
    pub soft_limits: Limits,
    pub oom_score_adj: Option<i32>,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    /// Annotation `podrt.io/rootfs: direct`: the bundle's rootfs itself, with no overlay.
    pub rootfs_direct: bool,
    #[serde(default)]
    pub mounts: Vec<MountSpec>,
    pub termination_message_path: String,
    /// terminationMessagePolicy FallbackToLogsOnError.
    #[serde(default)]
    pub message_from_log: bool,
    #[serde(default)]
    pub life: Lifecycle,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeSpec {
    pub name: String,
    pub source: VolumeSource,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum VolumeSource {
    /// A folder under the data root, new for each pod.
    EmptyDir,
    /// A tmpfs of `size` bytes; None is the kernel's default, half of the memory.
    Memory {
        size: Option<u64>,
    },
    HostPath {
        path: PathBuf,
        kind: HostPathKind,
    },
    /// configMap, secret, downwardAPI, projected: files on a tmpfs of the pod's.
    Files {
        files: Vec<VolumeFile>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostPathKind {
    Any,
    DirectoryOrCreate,
    Directory,
    FileOrCreate,
    File,
    Socket,
    CharDevice,
    BlockDevice,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeFile {
    /// Relative, without `..` parts, not beginning with `..`.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    pub content: Content,
}

/// A file's bytes; as text where they are UTF-8, which JSON keeps shorter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

impl Content {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Content::Text(text) => text.as_bytes(),
            Content::Bytes(bytes) => bytes,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MountSpec {
    /// The volume's name.
    pub volume: String,
    /// In the container, absolute.
    pub path: PathBuf,
    pub read_only: bool,
    pub recursive_read_only: bool,
    pub propagation: Propagation,
    /// Relative, without `..` parts; expanded.
    pub sub_path: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    None,
    HostToContainer,
    Bidirectional,
}

/// spec.securityContext and containers[].securityContext, merged; None leaves config.json's value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SecuritySpec {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: Option<bool>,
    pub supplemental_groups: Vec<u32>,
    /// supplementalGroupsPolicy Strict: no group of the image's joins them.
    #[serde(default)]
    pub strict_groups: bool,
    /// A supplementary group of every process, and the group of the pod's volumes.
    #[serde(default)]
    pub fs_group: Option<u32>,
    /// Upper case without `CAP_`, all of them known to Linux; `ALL` is all.
    pub add_capabilities: Vec<String>,
    pub drop_capabilities: Vec<String>,
    pub privileged: bool,
    pub allow_privilege_escalation: Option<bool>,
    pub read_only_rootfs: Option<bool>,
    pub seccomp: Option<Seccomp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    RuntimeDefault,
    Unconfined,
    /// An absolute path of a JSON profile.
    Localhost(PathBuf),
}

impl PodSpec {
    /// Init containers in order, then the app containers, then the ephemeral ones.
    pub fn all_containers(&self) -> impl Iterator<Item = &ContainerSpec> {
        self.init_containers.iter().chain(&self.containers).chain(&self.ephemeral_containers)
    }
}
