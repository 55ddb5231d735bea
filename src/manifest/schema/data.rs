//! v1 ConfigMap and Secret; references to their keys and to the pod's own fields.

use super::pod::META;
use super::{Field, Ty, field, server};

pub const CONFIG_MAP: &[Field] = &[
    server("apiVersion"),
    server("kind"),
    field("metadata", Ty::Obj(META)).required(),
    field("data", Ty::Map(&Ty::Str)),
    field("binaryData", Ty::Map(&Ty::Str)),
    // Nothing changes a document that was read once: both values hold.
    field("immutable", Ty::Bool),
];

pub const SECRET: &[Field] = &[
    server("apiVersion"),
    server("kind"),
    field("metadata", Ty::Obj(META)).required(),
    field("type", Ty::Str),
    field("data", Ty::Map(&Ty::Str)),
    field("stringData", Ty::Map(&Ty::Str)),
    field("immutable", Ty::Bool),
];

const KEY_REF: &[Field] = &[field("name", Ty::Str), field("key", Ty::Str).required(), field("optional", Ty::Bool)];

pub(super) const FIELD_REF: &[Field] = &[field("apiVersion", Ty::Str), field("fieldPath", Ty::Str).required()];

pub(super) const RESOURCE_REF: &[Field] =
    &[field("containerName", Ty::Str), field("resource", Ty::Str).required(), field("divisor", Ty::Quantity)];

pub(super) const VALUE_FROM: &[Field] = &[
    field("fieldRef", Ty::Obj(FIELD_REF)),
    field("resourceFieldRef", Ty::Obj(RESOURCE_REF)),
    field("configMapKeyRef", Ty::Obj(KEY_REF)),
    field("secretKeyRef", Ty::Obj(KEY_REF)),
    super::later("fileKeyRef"),
];

const OBJECT_REF: &[Field] = &[field("name", Ty::Str), field("optional", Ty::Bool)];

pub(super) const ENV_FROM: &[Field] =
    &[field("prefix", Ty::Str), field("configMapRef", Ty::Obj(OBJECT_REF)), field("secretRef", Ty::Obj(OBJECT_REF))];
