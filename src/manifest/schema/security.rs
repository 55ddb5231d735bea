//! Security contexts, of the pod and of a container.

use super::Ty::{Any, Bool, I64, List, Obj, Str, Word};
use super::{Field, Type, field};

const WINDOWS: &str = "this is a Linux host";

const RUN_AS_USER: Field = field("runAsUser", I64, "The uid of the first process; the image's where nothing is said.");
const RUN_AS_GROUP: Field = field("runAsGroup", I64, "The gid of the first process; the image's where nothing is said.");
const NON_ROOT: Field = field("runAsNonRoot", Bool, "Refuse to run as uid 0.");
const SECCOMP_FIELD: Field =
    field("seccompProfile", Obj(SECCOMP), "Which system calls are allowed; the image's where nothing is said.");
const APPARMOR_FIELD: Field = field("appArmorProfile", Obj(APPARMOR), "The AppArmor profile.").not_yet();
const SELINUX_FIELD: Field = field("seLinuxOptions", Obj(SELINUX), "The SELinux label.").not_yet();
const WINDOWS_FIELD: Field = field("windowsOptions", Any, "Options of Windows containers.").never(WINDOWS);

pub(super) const POD_SECURITY: &Type = &Type {
    name: "PodSecurityContext",
    fields: &[
        RUN_AS_USER,
        RUN_AS_GROUP,
        NON_ROOT,
        field("supplementalGroups", List(&I64), "More groups of the first process."),
        field(
            "supplementalGroupsPolicy",
            Word(&["Merge", "Strict"]),
            "Whether groups that the image gives the user are added. Default Merge.",
        ),
        field("fsGroup", I64, "The group that volumes belong to; every process is in it."),
        // Volumes that take a group are new for every pod: there is nothing that a policy could leave alone.
        field("fsGroupChangePolicy", Word(&["OnRootMismatch", "Always"]), "When a volume's group is changed. Default Always."),
        SECCOMP_FIELD,
        field(
            "sysctls",
            List(&Obj(SYSCTL)),
            "Kernel parameters of the pod's namespaces; unsafe ones need --allowed-unsafe-sysctls.",
        ),
        APPARMOR_FIELD,
        SELINUX_FIELD,
        field("seLinuxChangePolicy", Word(&["MountOption", "Recursive"]), "How volumes are labelled.").not_yet(),
        WINDOWS_FIELD,
    ],
};

pub(super) const SECURITY: &Type = &Type {
    name: "SecurityContext",
    fields: &[
        RUN_AS_USER,
        RUN_AS_GROUP,
        NON_ROOT,
        field("capabilities", Obj(CAPABILITIES), "What is added to the image's capabilities, and dropped."),
        field("privileged", Bool, "All capabilities, all devices, nothing masked: root on the host. Default false."),
        field("allowPrivilegeEscalation", Bool, "False sets no_new_privs: no program gains rights by setuid."),
        field("readOnlyRootFilesystem", Bool, "Nothing can be written but volumes. Default false."),
        SECCOMP_FIELD,
        field("procMount", Word(&["Default", "Unmasked"]), "Which parts of /proc are masked.").not_yet().quiet(&["Default"]),
        APPARMOR_FIELD,
        SELINUX_FIELD,
        WINDOWS_FIELD,
    ],
};

const CAPABILITIES: &Type = &Type {
    name: "Capabilities",
    fields: &[
        field("add", List(&Str), "Names of capabilities(7) without CAP_; ALL is all. Added after drop."),
        field("drop", List(&Str), "Names of capabilities(7) without CAP_; ALL is all."),
    ],
};

const SECCOMP: &Type = &Type {
    name: "SeccompProfile",
    fields: &[
        field(
            "type",
            Word(&["RuntimeDefault", "Unconfined", "Localhost"]),
            "RuntimeDefault is the profile that is built in, Localhost a file.",
        )
        .required(),
        field("localhostProfile", Str, "The file, below the manifest's folder; with type Localhost alone."),
    ],
};

const APPARMOR: &Type = &Type {
    name: "AppArmorProfile",
    fields: &[
        field("type", Word(&["RuntimeDefault", "Unconfined", "Localhost"]), "Which profile.").required(),
        field("localhostProfile", Str, "The name of a loaded profile; with type Localhost alone."),
    ],
};

const SELINUX: &Type = &Type {
    name: "SELinuxOptions",
    fields: &[
        field("user", Str, "The user of the label."),
        field("role", Str, "The role of the label."),
        field("type", Str, "The type of the label."),
        field("level", Str, "The level of the label."),
    ],
};

const SYSCTL: &Type = &Type {
    name: "Sysctl",
    fields: &[
        field("name", Str, "Such as net.ipv4.ip_local_port_range.").required(),
        field("value", Str, "Its value.").required(),
    ],
};
