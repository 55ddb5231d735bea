//! Volumes and their mounts.

use super::data::{FIELD_REF, RESOURCE_REF};
use super::{Field, Ty, field, later};

const REMOTE: &str = "podrt mounts nothing from other machines; mount it on the host and name it by hostPath";
const NO_API: &str = "there is no API server that signs it";

const ITEMS: Ty =
    Ty::List(&Ty::Obj(&[field("key", Ty::Str).required(), field("path", Ty::Str).required(), field("mode", Ty::I32)]));

const DOWNWARD_ITEMS: Ty = Ty::List(&Ty::Obj(&[
    field("path", Ty::Str).required(),
    field("fieldRef", Ty::Obj(FIELD_REF)),
    field("resourceFieldRef", Ty::Obj(RESOURCE_REF)),
    field("mode", Ty::I32),
]));

const PROJECTION: &[Field] = &[
    field("secret", Ty::Obj(&[field("name", Ty::Str), field("items", ITEMS), field("optional", Ty::Bool)])),
    field("configMap", Ty::Obj(&[field("name", Ty::Str), field("items", ITEMS), field("optional", Ty::Bool)])),
    field("downwardAPI", Ty::Obj(&[field("items", DOWNWARD_ITEMS)])),
    field("serviceAccountToken", Ty::Any).never(NO_API),
    field("clusterTrustBundle", Ty::Any).never(NO_API),
    field("podCertificate", Ty::Any).never(NO_API),
];

pub(super) const VOLUME: &[Field] = &[
    field("name", Ty::Str).required(),
    field("emptyDir", Ty::Obj(&[field("medium", Ty::Word(&["", "Memory"])), field("sizeLimit", Ty::Quantity)])),
    field("hostPath", Ty::Obj(&[field("path", Ty::Str).required(), field("type", Ty::Word(HOST_PATH_TYPES))])),
    field(
        "configMap",
        Ty::Obj(&[field("name", Ty::Str), field("items", ITEMS), field("defaultMode", Ty::I32), field("optional", Ty::Bool)]),
    ),
    field(
        "secret",
        Ty::Obj(&[
            field("secretName", Ty::Str),
            field("items", ITEMS),
            field("defaultMode", Ty::I32),
            field("optional", Ty::Bool),
        ]),
    ),
    field("downwardAPI", Ty::Obj(&[field("items", DOWNWARD_ITEMS), field("defaultMode", Ty::I32)])),
    field("projected", Ty::Obj(&[field("sources", Ty::List(&Ty::Obj(PROJECTION))), field("defaultMode", Ty::I32)])),
    later("image"),
    later("persistentVolumeClaim"),
    later("ephemeral"),
    field("awsElasticBlockStore", Ty::Any).never(REMOTE),
    field("azureDisk", Ty::Any).never(REMOTE),
    field("azureFile", Ty::Any).never(REMOTE),
    field("cephfs", Ty::Any).never(REMOTE),
    field("cinder", Ty::Any).never(REMOTE),
    field("csi", Ty::Any).never(REMOTE),
    field("fc", Ty::Any).never(REMOTE),
    field("flexVolume", Ty::Any).never(REMOTE),
    field("flocker", Ty::Any).never(REMOTE),
    field("gcePersistentDisk", Ty::Any).never(REMOTE),
    field("gitRepo", Ty::Any).never("Kubernetes has taken it away; use an init container"),
    field("glusterfs", Ty::Any).never(REMOTE),
    field("iscsi", Ty::Any).never(REMOTE),
    field("nfs", Ty::Any).never(REMOTE),
    field("photonPersistentDisk", Ty::Any).never(REMOTE),
    field("portworxVolume", Ty::Any).never(REMOTE),
    field("quobyte", Ty::Any).never(REMOTE),
    field("rbd", Ty::Any).never(REMOTE),
    field("scaleIO", Ty::Any).never(REMOTE),
    field("storageos", Ty::Any).never(REMOTE),
    field("vsphereVolume", Ty::Any).never(REMOTE),
];

const HOST_PATH_TYPES: &[&str] =
    &["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"];

pub(super) const MOUNT: &[Field] = &[
    field("name", Ty::Str).required(),
    field("mountPath", Ty::Str).required(),
    field("readOnly", Ty::Bool),
    field("recursiveReadOnly", Ty::Word(&["Disabled", "IfPossible", "Enabled"])),
    field("mountPropagation", Ty::Word(&["None", "HostToContainer", "Bidirectional"])),
    field("subPath", Ty::Str),
    field("subPathExpr", Ty::Str),
];
