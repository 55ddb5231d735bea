//! v1 ConfigMap and Secret; references to their keys and to the pod's own fields.

use super::Ty::{Bool, Map, Obj, Quantity, Str};
use super::pod::META;
use super::{API_VERSION, Field, KIND, Type, field};

pub const CONFIG_MAP: &Type = &Type {
    name: "ConfigMap",
    fields: &[
        API_VERSION,
        KIND,
        field("metadata", Obj(META), "Name and namespace.").required(),
        field("data", Map(&Str), "Keys and texts."),
        field("binaryData", Map(&Str), "Keys and bytes in base64; volumes alone see them."),
        // Nothing changes a document that was read once: both values hold.
        field("immutable", Bool, "Whether it may change."),
    ],
};

pub const SECRET: &Type = &Type {
    name: "Secret",
    fields: &[
        API_VERSION,
        KIND,
        field("metadata", Obj(META), "Name and namespace.").required(),
        field("type", Str, "What it is for; not looked at."),
        field("data", Map(&Str), "Keys and bytes in base64."),
        field("stringData", Map(&Str), "Keys and texts as they are; over those of data."),
        field("immutable", Bool, "Whether it may change."),
    ],
};

const NAME: Field = field("name", Str, "The object's name, in the pod's namespace; a document of the same -f files.");
const OPTIONAL: Field = field("optional", Bool, "Whether it may be missing. Default false.");
const KEY: Field = field("key", Str, "The key in it.").required();

const CONFIG_MAP_KEY: &Type = &Type { name: "ConfigMapKeySelector", fields: &[NAME, KEY, OPTIONAL] };
const SECRET_KEY: &Type = &Type { name: "SecretKeySelector", fields: &[NAME, KEY, OPTIONAL] };

const FILE_KEY: &Type = &Type {
    name: "FileKeySelector",
    fields: &[
        field("volumeName", Str, "The volume that holds the file.").required(),
        field("path", Str, "The file's path in the volume.").required(),
        KEY,
        OPTIONAL,
    ],
};

pub(super) const FIELD_REF: &Type = &Type {
    name: "ObjectFieldSelector",
    fields: &[
        field("apiVersion", Str, "The schema that fieldPath is read by: v1."),
        field("fieldPath", Str, "Such as metadata.name, metadata.labels['KEY'] or status.podIP.").required(),
    ],
};

pub(super) const RESOURCE_REF: &Type = &Type {
    name: "ResourceFieldSelector",
    fields: &[
        field("containerName", Str, "The container; for volumes required, in env its own where nothing is said."),
        field("resource", Str, "Such as limits.cpu or requests.memory.").required(),
        field("divisor", Quantity, "The unit, such as 1m or 1Mi; rounded up. Default 1."),
    ],
};

pub(super) const VALUE_FROM: &Type = &Type {
    name: "EnvVarSource",
    fields: &[
        field("fieldRef", Obj(FIELD_REF), "A field of the pod."),
        field("resourceFieldRef", Obj(RESOURCE_REF), "A container's limit or request."),
        field("configMapKeyRef", Obj(CONFIG_MAP_KEY), "A key of a ConfigMap."),
        field("secretKeyRef", Obj(SECRET_KEY), "A key of a Secret."),
        field("fileKeyRef", Obj(FILE_KEY), "A key of a file that an init container wrote.").not_yet(),
    ],
};

const CONFIG_MAP_ENV: &Type = &Type { name: "ConfigMapEnvSource", fields: &[NAME, OPTIONAL] };
const SECRET_ENV: &Type = &Type { name: "SecretEnvSource", fields: &[NAME, OPTIONAL] };

pub(super) const ENV_FROM: &Type = &Type {
    name: "EnvFromSource",
    fields: &[
        field("prefix", Str, "Put before each key."),
        field("configMapRef", Obj(CONFIG_MAP_ENV), "All keys of a ConfigMap."),
        field("secretRef", Obj(SECRET_ENV), "All keys of a Secret."),
    ],
};
