//! Scheduling: type-checked, since a manifest that a cluster would refuse is wrong here too.

use super::{Field, Ty, field};

const TEXTS: Ty = Ty::Map(&Ty::Str);

const REQUIREMENT: &[Field] = &[
    field("key", Ty::Str).required(),
    field("operator", Ty::Word(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"])).required(),
    field("values", Ty::List(&Ty::Str)),
];

const LABEL_SELECTOR: Ty = Ty::Obj(&[field("matchLabels", TEXTS), field("matchExpressions", Ty::List(&Ty::Obj(REQUIREMENT)))]);

const NODE_TERM: Ty =
    Ty::Obj(&[field("matchExpressions", Ty::List(&Ty::Obj(REQUIREMENT))), field("matchFields", Ty::List(&Ty::Obj(REQUIREMENT)))]);

const NODE_AFFINITY: &[Field] = &[
    field(
        "requiredDuringSchedulingIgnoredDuringExecution",
        Ty::Obj(&[field("nodeSelectorTerms", Ty::List(&NODE_TERM)).required()]),
    ),
    field(
        "preferredDuringSchedulingIgnoredDuringExecution",
        Ty::List(&Ty::Obj(&[field("weight", Ty::I32).required(), field("preference", NODE_TERM).required()])),
    ),
];

const POD_TERM: Ty = Ty::Obj(&[
    field("labelSelector", LABEL_SELECTOR),
    field("namespaces", Ty::List(&Ty::Str)),
    field("topologyKey", Ty::Str).required(),
    field("namespaceSelector", LABEL_SELECTOR),
    field("matchLabelKeys", Ty::List(&Ty::Str)),
    field("mismatchLabelKeys", Ty::List(&Ty::Str)),
]);

const POD_AFFINITY: &[Field] = &[
    field("requiredDuringSchedulingIgnoredDuringExecution", Ty::List(&POD_TERM)),
    field(
        "preferredDuringSchedulingIgnoredDuringExecution",
        Ty::List(&Ty::Obj(&[field("weight", Ty::I32).required(), field("podAffinityTerm", POD_TERM).required()])),
    ),
];

pub(super) const AFFINITY: &[Field] = &[
    field("nodeAffinity", Ty::Obj(NODE_AFFINITY)),
    field("podAffinity", Ty::Obj(POD_AFFINITY)),
    field("podAntiAffinity", Ty::Obj(POD_AFFINITY)),
];

pub(super) const TOLERATION: &[Field] = &[
    field("key", Ty::Str),
    field("operator", Ty::Word(&["Exists", "Equal", "Lt", "Gt"])),
    field("value", Ty::Str),
    field("effect", Ty::Word(&["NoSchedule", "PreferNoSchedule", "NoExecute"])),
    field("tolerationSeconds", Ty::I64),
];

pub(super) const TOPOLOGY_SPREAD: &[Field] = &[
    field("maxSkew", Ty::I32).required(),
    field("topologyKey", Ty::Str).required(),
    field("whenUnsatisfiable", Ty::Word(&["DoNotSchedule", "ScheduleAnyway"])).required(),
    field("labelSelector", LABEL_SELECTOR),
    field("minDomains", Ty::I32),
    field("nodeAffinityPolicy", Ty::Word(&["Honor", "Ignore"])),
    field("nodeTaintsPolicy", Ty::Word(&["Honor", "Ignore"])),
    field("matchLabelKeys", Ty::List(&Ty::Str)),
];
