//! Volumes and their mounts.

use super::Ty::{self, Any, Bool, I32, List, Map, Obj, Quantity, Str, Word};
use super::data::{FIELD_REF, RESOURCE_REF};
use super::pod::META;
use super::scheduling::LABEL_SELECTOR;
use super::{Field, Type, field};

const REMOTE: &str = "podrt mounts nothing from other machines; mount it on the host and name it by hostPath";
const NO_API: &str = "there is no API server that signs it";

/// A volume on another machine.
const fn remote(name: &'static str) -> Field {
    field(name, Any, "A volume on another machine.").never(REMOTE)
}

pub(super) const VOLUME: &Type = &Type {
    name: "Volume",
    fields: &[
        field("name", Str, "A DNS label; volumeMounts name it.").required(),
        field("emptyDir", Obj(EMPTY_DIR), "An empty folder that lives as long as the pod."),
        field("hostPath", Obj(HOST_PATH), "A file or folder of the host."),
        field("configMap", Obj(CONFIG_MAP), "The keys of a ConfigMap as files."),
        field("secret", Obj(SECRET), "The keys of a Secret as files, in memory."),
        field("downwardAPI", Obj(DOWNWARD), "Fields of the pod as files."),
        field("projected", Obj(PROJECTED), "Several of the last three in one folder."),
        field("image", Obj(IMAGE), "The files of an image, read-only.").not_yet(),
        field("persistentVolumeClaim", Obj(CLAIM), "A claim on a volume that outlives the pod.").not_yet(),
        field("ephemeral", Obj(EPHEMERAL), "A claim that is made for this pod.").not_yet(),
        field("gitRepo", Any, "A git repository.").never("Kubernetes has taken it away; use an init container"),
        remote("awsElasticBlockStore"),
        remote("azureDisk"),
        remote("azureFile"),
        remote("cephfs"),
        remote("cinder"),
        remote("csi"),
        remote("fc"),
        remote("flexVolume"),
        remote("flocker"),
        remote("gcePersistentDisk"),
        remote("glusterfs"),
        remote("iscsi"),
        remote("nfs"),
        remote("photonPersistentDisk"),
        remote("portworxVolume"),
        remote("quobyte"),
        remote("rbd"),
        remote("scaleIO"),
        remote("storageos"),
        remote("vsphereVolume"),
    ],
};

const EMPTY_DIR: &Type = &Type {
    name: "EmptyDirVolumeSource",
    fields: &[
        field(
            "medium",
            Word(&["", "Memory"]),
            "Memory is a tmpfs, whose pages count as the containers' memory. Default is disk.",
        ),
        field("sizeLimit", Quantity, "The most that it may hold; with medium Memory alone in this version."),
    ],
};

const HOST_PATH: &Type = &Type {
    name: "HostPathVolumeSource",
    fields: &[
        field("path", Str, "An absolute path of the host, without \"..\".").required(),
        field("type", Word(HOST_PATH_TYPES), "What must be there, or is made where nothing is. Default: not looked at."),
    ],
};

const HOST_PATH_TYPES: &[&str] =
    &["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"];

const NAME: Field = field("name", Str, "The object's name, in the pod's namespace; a document of the same -f files.");
const OPTIONAL: Field = field("optional", Bool, "Whether it may be missing, or a key of items. Default false.");
const MODE: Field = field("defaultMode", I32, "Permission bits of files that name none. Default 0644.");
const ITEMS_FIELD: Field = field("items", ITEMS, "Which keys, and at which paths; all where nothing is said.");

const ITEMS: Ty = List(&Obj(&Type {
    name: "KeyToPath",
    fields: &[
        field("key", Str, "The key.").required(),
        field("path", Str, "The file's path in the volume, relative and without \"..\".").required(),
        field("mode", I32, "The file's permission bits."),
    ],
}));

const CONFIG_MAP: &Type = &Type { name: "ConfigMapVolumeSource", fields: &[NAME, ITEMS_FIELD, MODE, OPTIONAL] };

const SECRET: &Type = &Type {
    name: "SecretVolumeSource",
    fields: &[
        field("secretName", Str, "The Secret's name, in the pod's namespace; a document of the same -f files."),
        ITEMS_FIELD,
        MODE,
        OPTIONAL,
    ],
};

const DOWNWARD_ITEMS: Field = field(
    "items",
    List(&Obj(&Type {
        name: "DownwardAPIVolumeFile",
        fields: &[
            field("path", Str, "The file's path in the volume, relative and without \"..\".").required(),
            field("fieldRef", Obj(FIELD_REF), "A field of the pod's metadata."),
            field("resourceFieldRef", Obj(RESOURCE_REF), "A container's limit or request."),
            field("mode", I32, "The file's permission bits."),
        ],
    })),
    "The files.",
);

const DOWNWARD: &Type = &Type { name: "DownwardAPIVolumeSource", fields: &[DOWNWARD_ITEMS, MODE] };

const PROJECTED: &Type = &Type {
    name: "ProjectedVolumeSource",
    fields: &[field("sources", List(&Obj(PROJECTION)), "What is put together; no two may claim one path."), MODE],
};

const PROJECTION: &Type = &Type {
    name: "VolumeProjection",
    fields: &[
        field(
            "secret",
            Obj(&Type { name: "SecretProjection", fields: &[NAME, ITEMS_FIELD, OPTIONAL] }),
            "The keys of a Secret as files.",
        ),
        field(
            "configMap",
            Obj(&Type { name: "ConfigMapProjection", fields: &[NAME, ITEMS_FIELD, OPTIONAL] }),
            "The keys of a ConfigMap as files.",
        ),
        field(
            "downwardAPI",
            Obj(&Type { name: "DownwardAPIProjection", fields: &[DOWNWARD_ITEMS] }),
            "Fields of the pod as files.",
        ),
        field("serviceAccountToken", Any, "A token for the API server.").never(NO_API),
        field("clusterTrustBundle", Any, "Certificates of the cluster.").never(NO_API),
        field("podCertificate", Any, "A certificate for the pod.").never(NO_API),
    ],
};

const IMAGE: &Type = &Type {
    name: "ImageVolumeSource",
    fields: &[
        field("reference", Str, "The image's name."),
        field("pullPolicy", Word(&["Always", "IfNotPresent", "Never"]), "What becomes of an image that is not here."),
    ],
};

const CLAIM: &Type = &Type {
    name: "PersistentVolumeClaimVolumeSource",
    fields: &[
        field("claimName", Str, "The claim's name.").required(),
        field("readOnly", Bool, "Mount it read-only everywhere. Default false."),
    ],
};

const EPHEMERAL: &Type = &Type {
    name: "EphemeralVolumeSource",
    fields: &[field("volumeClaimTemplate", Obj(TEMPLATE), "What the claim is made from.")],
};

const TEMPLATE: &Type = &Type {
    name: "PersistentVolumeClaimTemplate",
    fields: &[
        field("metadata", Obj(META), "Labels and annotations of the claim."),
        field("spec", Obj(CLAIM_SPEC), "What is claimed.").required(),
    ],
};

const CLAIM_SPEC: &Type = &Type {
    name: "PersistentVolumeClaimSpec",
    fields: &[
        field("accessModes", List(&Str), "Who may use it at once."),
        field("dataSource", Obj(TYPED_LOCAL), "What it is filled from."),
        field("dataSourceRef", Obj(TYPED), "What it is filled from, in any namespace."),
        field(
            "resources",
            Obj(&Type {
                name: "VolumeResourceRequirements",
                fields: &[
                    field("limits", Map(&Quantity), "The most."),
                    field("requests", Map(&Quantity), "The least, such as storage."),
                ],
            }),
            "Its size.",
        ),
        field("selector", LABEL_SELECTOR, "Labels of the volume."),
        field("storageClassName", Str, "The class of storage."),
        field("volumeAttributesClassName", Str, "The class of attributes."),
        field("volumeMode", Str, "Filesystem or Block."),
        field("volumeName", Str, "The volume itself."),
    ],
};

const TYPED_LOCAL: &Type = &Type {
    name: "TypedLocalObjectReference",
    fields: &[
        field("apiGroup", Str, "The group of the object's kind."),
        field("kind", Str, "The object's kind.").required(),
        field("name", Str, "The object's name.").required(),
    ],
};

const TYPED: &Type = &Type {
    name: "TypedObjectReference",
    fields: &[
        field("apiGroup", Str, "The group of the object's kind."),
        field("kind", Str, "The object's kind.").required(),
        field("name", Str, "The object's name.").required(),
        field("namespace", Str, "The object's namespace."),
    ],
};

pub(super) const MOUNT: &Type = &Type {
    name: "VolumeMount",
    fields: &[
        field("name", Str, "A volume of this pod.").required(),
        field("mountPath", Str, "Where in the container, absolute, without \":\" and \"..\".").required(),
        field("readOnly", Bool, "Default false."),
        field("recursiveReadOnly", Word(&["Disabled", "IfPossible", "Enabled"]), "Whether mounts below it are read-only too."),
        field(
            "mountPropagation",
            Word(&["None", "HostToContainer", "Bidirectional"]),
            "Whether mounts made later on one side are seen on the other. Default None.",
        ),
        field("subPath", Str, "A file or folder in the volume, in place of its root."),
        field("subPathExpr", Str, "The same with $(VAR) expanded from this container's env."),
    ],
};

pub(super) const DEVICE: &Type = &Type {
    name: "VolumeDevice",
    fields: &[
        field("name", Str, "A claim among the pod's volumes.").required(),
        field("devicePath", Str, "Where in the container.").required(),
    ],
};
