//! v1 Pod: metadata, spec, containers.

use super::data::{ENV_FROM, VALUE_FROM};
use super::scheduling::{AFFINITY, TOLERATION, TOPOLOGY_SPREAD};
use super::volumes::{MOUNT, VOLUME};
use super::{Field, Ty, field, later, server};

const TEXTS: Ty = Ty::Map(&Ty::Str);
const ONE_HOST: &str = "there is one host and no scheduler";
const NO_API: &str = "there is no API server to authenticate to";
const WINDOWS: &str = "this is a Linux host";

pub const POD: &[Field] = &[
    // Both were looked at before the document was taken for a Pod.
    server("apiVersion"),
    server("kind"),
    field("metadata", Ty::Obj(META)).required(),
    field("spec", Ty::Obj(POD_SPEC)).required(),
    server("status"),
];

pub const META: &[Field] = &[
    field("name", Ty::Str),
    field("generateName", Ty::Str),
    field("namespace", Ty::Str),
    field("labels", TEXTS),
    field("annotations", TEXTS),
    field("finalizers", Ty::List(&Ty::Str)).warned("deletion waits for no controller"),
    field("ownerReferences", Ty::List(&Ty::Obj(OWNER))).warned("there are no controllers here"),
    server("uid"),
    server("resourceVersion"),
    server("generation"),
    server("creationTimestamp"),
    server("deletionTimestamp"),
    server("deletionGracePeriodSeconds"),
    server("selfLink"),
    server("managedFields"),
];

const OWNER: &[Field] = &[
    field("apiVersion", Ty::Str).required(),
    field("kind", Ty::Str).required(),
    field("name", Ty::Str).required(),
    field("uid", Ty::Str).required(),
    field("controller", Ty::Bool),
    field("blockOwnerDeletion", Ty::Bool),
];

pub(super) const POD_SPEC: &[Field] = &[
    field("containers", Ty::List(&Ty::Obj(CONTAINER))).required(),
    field("initContainers", Ty::List(&Ty::Obj(CONTAINER))),
    later("ephemeralContainers"),
    field("restartPolicy", Ty::Word(&["Always", "OnFailure", "Never"])),
    field("terminationGracePeriodSeconds", Ty::I64),
    field("activeDeadlineSeconds", Ty::I64),
    field("hostNetwork", Ty::Bool),
    field("hostPID", Ty::Bool),
    field("hostIPC", Ty::Bool),
    field("hostUsers", Ty::Bool).not_yet().quiet(&["true"]),
    field("hostname", Ty::Str),
    later("hostnameOverride"),
    field("subdomain", Ty::Str),
    field("setHostnameAsFQDN", Ty::Bool),
    field("shareProcessNamespace", Ty::Bool),
    field("securityContext", Ty::Obj(POD_SECURITY)),
    field("resources", Ty::Obj(RESOURCES)),
    field("volumes", Ty::List(&Ty::Obj(VOLUME))),
    field("hostAliases", Ty::List(&Ty::Obj(&[field("ip", Ty::Str).required(), field("hostnames", Ty::List(&Ty::Str))]))),
    field("dnsConfig", Ty::Obj(DNS)),
    field("dnsPolicy", Ty::Word(&["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])),
    later("readinessGates"),
    later("resourceClaims"),
    field("os", Ty::Obj(&[field("name", Ty::Word(&["linux", "windows"])).required()])),
    field("imagePullSecrets", Ty::List(&Ty::Obj(&[field("name", Ty::Str)]))).warned("no image comes from a registry"),
    field("serviceAccountName", Ty::Str).warned(NO_API).quiet(&["default", ""]),
    field("serviceAccount", Ty::Str).warned(NO_API).quiet(&["default", ""]),
    field("automountServiceAccountToken", Ty::Bool).warned(NO_API).quiet(&["false"]),
    // With no Services there are no links to make: both values hold.
    field("enableServiceLinks", Ty::Bool),
    field("nodeName", Ty::Str).warned(ONE_HOST),
    field("nodeSelector", TEXTS).warned(ONE_HOST),
    field("affinity", Ty::Obj(AFFINITY)).warned(ONE_HOST),
    field("tolerations", Ty::List(&Ty::Obj(TOLERATION))).warned(ONE_HOST),
    field("topologySpreadConstraints", Ty::List(&Ty::Obj(TOPOLOGY_SPREAD))).warned(ONE_HOST),
    field("priority", Ty::I32).warned(ONE_HOST).quiet(&["0"]),
    field("priorityClassName", Ty::Str).warned(ONE_HOST).quiet(&[""]),
    field("preemptionPolicy", Ty::Word(&["PreemptLowerPriority", "Never"])).warned(ONE_HOST).quiet(&["PreemptLowerPriority"]),
    field("schedulerName", Ty::Str).warned(ONE_HOST).quiet(&["default-scheduler"]),
    later("schedulingGates"),
    field("schedulingGroup", Ty::Obj(&[field("podGroupName", Ty::Str)])).warned(ONE_HOST),
    field("runtimeClassName", Ty::Str).never("podrt is the only runtime of this pod").quiet(&[""]),
    field("overhead", Ty::Map(&Ty::Quantity)).never("it comes from a runtime class, and there are none"),
];

const DNS: &[Field] = &[
    field("nameservers", Ty::List(&Ty::Str)),
    field("searches", Ty::List(&Ty::Str)),
    field("options", Ty::List(&Ty::Obj(&[field("name", Ty::Str).required(), field("value", Ty::Str)]))),
];

pub(super) const CONTAINER: &[Field] = &[
    field("name", Ty::Str).required(),
    field("image", Ty::Str).required(),
    field("imagePullPolicy", Ty::Word(&["Always", "IfNotPresent", "Never"])),
    field("command", Ty::List(&Ty::Str)),
    field("args", Ty::List(&Ty::Str)),
    field("workingDir", Ty::Str),
    field("env", Ty::List(&Ty::Obj(ENV))),
    field("envFrom", Ty::List(&Ty::Obj(ENV_FROM))),
    field("ports", Ty::List(&Ty::Obj(PORT))),
    field("resources", Ty::Obj(RESOURCES)),
    field("resizePolicy", Ty::List(&Ty::Obj(RESIZE))).warned("containers are not resized in place yet"),
    field("restartPolicy", Ty::Word(&["Always", "OnFailure", "Never"])),
    later("restartPolicyRules"),
    field("volumeMounts", Ty::List(&Ty::Obj(MOUNT))),
    later("volumeDevices"),
    later("livenessProbe"),
    later("readinessProbe"),
    later("startupProbe"),
    later("lifecycle"),
    field("terminationMessagePath", Ty::Str),
    field("terminationMessagePolicy", Ty::Word(&["File", "FallbackToLogsOnError"])),
    field("securityContext", Ty::Obj(SECURITY)),
    field("stdin", Ty::Bool),
    field("stdinOnce", Ty::Bool),
    field("tty", Ty::Bool),
];

const RESIZE: &[Field] = &[
    field("resourceName", Ty::Str).required(),
    field("restartPolicy", Ty::Word(&["NotRequired", "RestartContainer"])).required(),
];

const ENV: &[Field] = &[field("name", Ty::Str).required(), field("value", Ty::Str), field("valueFrom", Ty::Obj(VALUE_FROM))];

const PORT: &[Field] = &[
    field("containerPort", Ty::I32).required(),
    field("name", Ty::Str),
    field("protocol", Ty::Word(&["TCP", "UDP", "SCTP"])),
    field("hostPort", Ty::I32),
    field("hostIP", Ty::Str),
];

const RESOURCES: &[Field] =
    &[field("limits", Ty::Map(&Ty::Quantity)), field("requests", Ty::Map(&Ty::Quantity)), later("claims")];

const SECCOMP: &[Field] =
    &[field("type", Ty::Word(&["RuntimeDefault", "Unconfined", "Localhost"])).required(), field("localhostProfile", Ty::Str)];

pub(super) const POD_SECURITY: &[Field] = &[
    field("runAsUser", Ty::I64),
    field("runAsGroup", Ty::I64),
    field("runAsNonRoot", Ty::Bool),
    field("supplementalGroups", Ty::List(&Ty::I64)),
    field("supplementalGroupsPolicy", Ty::Word(&["Merge", "Strict"])),
    field("fsGroup", Ty::I64),
    // Volumes that take a group are new for every pod: there is nothing that a policy could leave alone.
    field("fsGroupChangePolicy", Ty::Word(&["OnRootMismatch", "Always"])),
    field("seccompProfile", Ty::Obj(SECCOMP)),
    field("sysctls", Ty::List(&Ty::Obj(&[field("name", Ty::Str).required(), field("value", Ty::Str).required()]))),
    later("appArmorProfile"),
    later("seLinuxOptions"),
    later("seLinuxChangePolicy"),
    field("windowsOptions", Ty::Any).never(WINDOWS),
];

pub(super) const SECURITY: &[Field] = &[
    field("runAsUser", Ty::I64),
    field("runAsGroup", Ty::I64),
    field("runAsNonRoot", Ty::Bool),
    field("capabilities", Ty::Obj(&[field("add", Ty::List(&Ty::Str)), field("drop", Ty::List(&Ty::Str))])),
    field("privileged", Ty::Bool),
    field("allowPrivilegeEscalation", Ty::Bool),
    field("readOnlyRootFilesystem", Ty::Bool),
    field("seccompProfile", Ty::Obj(SECCOMP)),
    field("procMount", Ty::Str).not_yet().quiet(&["Default"]),
    later("appArmorProfile"),
    later("seLinuxOptions"),
    field("windowsOptions", Ty::Any).never(WINDOWS),
];
