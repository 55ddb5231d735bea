//! v1 Pod: metadata and spec.

use super::Ty::{Any, Bool, I32, I64, List, Map, Obj, Quantity, Str, Word};
use super::container::{CONTAINER, EPHEMERAL, RESOURCES};
use super::scheduling::{AFFINITY, TOLERATION, TOPOLOGY_SPREAD};
use super::security::POD_SECURITY;
use super::volumes::VOLUME;
use super::{API_VERSION, KIND, Type, field, server};

const ONE_HOST: &str = "there is one host and no scheduler";
const NO_API: &str = "there is no API server to authenticate to";

pub const POD: &Type = &Type {
    name: "Pod",
    fields: &[
        // Both were looked at before the document was taken for a Pod.
        API_VERSION,
        KIND,
        field("metadata", Obj(META), "Name, namespace, labels and annotations.").required(),
        field("spec", Obj(POD_SPEC), "What is asked for.").required(),
        server("status", Any, "What was found: podrt's to write."),
    ],
};

pub const META: &Type = &Type {
    name: "ObjectMeta",
    fields: &[
        field(
            "name",
            Str,
            "A DNS subdomain of at most 253 characters, unique in its namespace; the pod's hostname is cut from it.",
        ),
        field("generateName", Str, "The start of a name, when name is not set; five random characters follow it."),
        field("namespace", Str, "A prefix of the name, not a boundary between pods; \"default\" where nothing is said."),
        field("labels", Map(&Str), "Keys and values to select pods by (-l)."),
        field("annotations", Map(&Str), "Notes for people and tools; podrt reads those that begin with podrt.io/ alone."),
        field("finalizers", List(&Str), "Controllers that deletion waits for.").warned("deletion waits for no controller"),
        field("ownerReferences", List(&Obj(OWNER)), "Objects that own this one.").warned("there are no controllers here"),
        server("uid", Str, "Unique over time: a pod that is created anew has another one."),
        server("resourceVersion", Str, "A counter of changes."),
        server("generation", I64, "A counter of changes to the spec."),
        server("creationTimestamp", Str, "When it was created."),
        server("deletionTimestamp", Str, "When it will have been ended, if its deletion was asked for."),
        server("deletionGracePeriodSeconds", I64, "Seconds that its end may take."),
        server("selfLink", Str, "Deprecated; nothing sets it."),
        server("managedFields", Any, "Who has set which field: a server's bookkeeping."),
    ],
};

const OWNER: &Type = &Type {
    name: "OwnerReference",
    fields: &[
        field("apiVersion", Str, "The owner's API version.").required(),
        field("kind", Str, "The owner's kind.").required(),
        field("name", Str, "The owner's name.").required(),
        field("uid", Str, "The owner's uid.").required(),
        field("controller", Bool, "Whether the owner manages this object."),
        field("blockOwnerDeletion", Bool, "Whether the owner's deletion waits for this object."),
    ],
};

const POD_SPEC: &Type = &Type {
    name: "PodSpec",
    fields: &[
        field("containers", List(&Obj(CONTAINER)), "The containers, which start together; at least one.").required(),
        field(
            "initContainers",
            List(&Obj(CONTAINER)),
            "Run before the containers, one after another, each to success; one with restartPolicy Always is a sidecar, which goes \
             on beside those that follow and ends last.",
        ),
        field("ephemeralContainers", List(&Obj(EPHEMERAL)), "Added to a running pod for a look inside; never at its creation.")
            .not_yet(),
        field(
            "restartPolicy",
            Word(&["Always", "OnFailure", "Never"]),
            "Whether containers that end are started again: at once the first time, then after 10, 20, 40 ... 300 seconds. Default \
             Always.",
        ),
        field("terminationGracePeriodSeconds", I64, "Seconds between the stop signal (and preStop) and SIGKILL. Default 30."),
        field("activeDeadlineSeconds", I64, "Seconds after its start at which the pod is ended and has Failed."),
        field("hostNetwork", Bool, "Use the host's network instead of one of the pod's own."),
        field("hostPID", Bool, "Use the host's PID namespace."),
        field("hostIPC", Bool, "Use the host's IPC namespace."),
        field("hostUsers", Bool, "False gives the pod a user namespace: its root is nobody on the host. Default true.")
            .not_yet()
            .quiet(&["true"]),
        field("hostname", Str, "The hostname; the pod's name where nothing is said."),
        field("hostnameOverride", Str, "The hostname as it is, which makes no name in the cluster's domain.").not_yet(),
        field("subdomain", Str, "With it the full name is HOSTNAME.SUBDOMAIN.NAMESPACE.svc.DOMAIN."),
        field("setHostnameAsFQDN", Bool, "The full name is the kernel's hostname as well."),
        field("shareProcessNamespace", Bool, "One PID namespace for all containers; pause is its first process. Default false."),
        field("securityContext", Obj(POD_SECURITY), "Identity and confinement of all containers, which may say otherwise."),
        field("resources", Obj(RESOURCES), "Limits and requests of the pod as a whole: the values of its own cgroup."),
        field("volumes", List(&Obj(VOLUME)), "What containers can mount."),
        field("hostAliases", List(&Obj(HOST_ALIAS)), "More lines in the pod's /etc/hosts."),
        field("dnsConfig", Obj(DNS_CONFIG), "Added to what dnsPolicy brings, in the pod's /etc/resolv.conf."),
        field(
            "dnsPolicy",
            Word(&["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
            "Where /etc/resolv.conf comes from: the host's, or with None from dnsConfig alone. Default ClusterFirst.",
        ),
        field("readinessGates", List(&Obj(GATE)), "Conditions that somebody else must set before the pod is Ready."),
        field("resourceClaims", List(&Obj(POD_CLAIM)), "Devices that are allocated dynamically.").not_yet(),
        field("os", Obj(OS), "The system that the pod is for."),
        field("imagePullSecrets", List(&Obj(LOCAL_REF)), "Credentials for registries.").warned("no image comes from a registry"),
        field("serviceAccountName", Str, "The identity towards the API server.").warned(NO_API).quiet(&["default", ""]),
        field("serviceAccount", Str, "Deprecated: serviceAccountName.").warned(NO_API).quiet(&["default", ""]),
        field("automountServiceAccountToken", Bool, "Whether the identity's token is mounted.").warned(NO_API).quiet(&["false"]),
        // With no Services there are no links to make: both values hold.
        field("enableServiceLinks", Bool, "Whether Services are in the environment. Default true; there are no Services."),
        field("nodeName", Str, "The node that the pod is for; another than this host is a warning."),
        field("nodeSelector", Map(&Str), "Labels that the node must have; one that this host does not have is a warning."),
        field("affinity", Obj(AFFINITY), "Which nodes and neighbours the pod wants; what this host does not meet is a warning."),
        field("tolerations", List(&Obj(TOLERATION)), "Taints of the node that the pod endures.").warned(ONE_HOST),
        field("topologySpreadConstraints", List(&Obj(TOPOLOGY_SPREAD)), "How pods are spread over nodes.").warned(ONE_HOST),
        field("priority", I32, "Who goes first, as a number.").warned(ONE_HOST).quiet(&["0"]),
        field("priorityClassName", Str, "Who goes first, as a class.").warned(ONE_HOST).quiet(&[""]),
        field("preemptionPolicy", Word(&["PreemptLowerPriority", "Never"]), "Whether it takes the place of lesser pods.")
            .warned(ONE_HOST)
            .quiet(&["PreemptLowerPriority"]),
        field("schedulerName", Str, "The scheduler that looks for a node.").warned(ONE_HOST).quiet(&["default-scheduler"]),
        field("schedulingGates", List(&Obj(NAMED_GATE)), "What must be removed before the pod is scheduled.").not_yet(),
        field("schedulingGroup", Obj(GROUP), "The group that is scheduled as one.").warned(ONE_HOST),
        field("runtimeClassName", Str, "The runtime to run it with.").never("podrt is the only runtime of this pod").quiet(&[""]),
        field("overhead", Map(&Quantity), "What the runtime itself needs.")
            .never("it comes from a runtime class, and there are none"),
    ],
};

const HOST_ALIAS: &Type = &Type {
    name: "HostAlias",
    fields: &[
        field("ip", Str, "The address of the line.").required(),
        field("hostnames", List(&Str), "The names of that address."),
    ],
};

const DNS_CONFIG: &Type = &Type {
    name: "PodDNSConfig",
    fields: &[
        field("nameservers", List(&Str), "Addresses of resolvers; at most 3 in all."),
        field("searches", List(&Str), "Domains that short names are tried in."),
        field("options", List(&Obj(DNS_OPTION)), "Options of resolv.conf(5)."),
    ],
};

const DNS_OPTION: &Type = &Type {
    name: "PodDNSConfigOption",
    fields: &[field("name", Str, "Such as ndots.").required(), field("value", Str, "Its value, where it has one.")],
};

const GATE: &Type = &Type {
    name: "PodReadinessGate",
    fields: &[field("conditionType", Str, "The type of a condition in the pod's status.").required()],
};

const NAMED_GATE: &Type =
    &Type { name: "PodSchedulingGate", fields: &[field("name", Str, "The gate's name, unique in the pod.").required()] };

const POD_CLAIM: &Type = &Type {
    name: "PodResourceClaim",
    fields: &[
        field("name", Str, "What containers call it by.").required(),
        field("resourceClaimName", Str, "A ResourceClaim that exists."),
        field("resourceClaimTemplateName", Str, "A template that one is made from."),
    ],
};

const OS: &Type = &Type {
    name: "PodOS",
    fields: &[field("name", Word(&["linux", "windows"]), "linux; with it lifecycle.stopSignal may be set.").required()],
};

pub(super) const LOCAL_REF: &Type = &Type { name: "LocalObjectReference", fields: &[field("name", Str, "The object's name.")] };

const GROUP: &Type = &Type { name: "PodSchedulingGroup", fields: &[field("podGroupName", Str, "The PodGroup's name.")] };
