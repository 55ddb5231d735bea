//! Scheduling: type-checked, since a manifest that a cluster would refuse is wrong here too.

use super::Ty::{self, I32, I64, List, Map, Obj, Str, Word};
use super::{Type, field};

const NODE_REQUIREMENT: &Type = &Type {
    name: "NodeSelectorRequirement",
    fields: &[
        field("key", Str, "The label's key.").required(),
        field("operator", Word(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]), "How it relates to values.").required(),
        field("values", List(&Str), "The values."),
    ],
};

const LABEL_REQUIREMENT: &Type = &Type {
    name: "LabelSelectorRequirement",
    fields: &[
        field("key", Str, "The label's key.").required(),
        field("operator", Word(&["In", "NotIn", "Exists", "DoesNotExist"]), "How it relates to values.").required(),
        field("values", List(&Str), "The values."),
    ],
};

pub(super) const LABEL_SELECTOR: Ty = Obj(&Type {
    name: "LabelSelector",
    fields: &[
        field("matchLabels", Map(&Str), "Labels that must be there."),
        field("matchExpressions", List(&Obj(LABEL_REQUIREMENT)), "Expressions that must all hold."),
    ],
});

const NODE_TERM: Ty = Obj(&Type {
    name: "NodeSelectorTerm",
    fields: &[
        field("matchExpressions", List(&Obj(NODE_REQUIREMENT)), "By the node's labels; all must hold."),
        field("matchFields", List(&Obj(NODE_REQUIREMENT)), "By the node's fields, of which there is metadata.name."),
    ],
});

const NODE_SELECTOR: Ty = Obj(&Type {
    name: "NodeSelector",
    fields: &[field("nodeSelectorTerms", List(&NODE_TERM), "Terms, one of which must hold.").required()],
});

const PREFERRED_NODE: Ty = Obj(&Type {
    name: "PreferredSchedulingTerm",
    fields: &[field("weight", I32, "1 to 100.").required(), field("preference", NODE_TERM, "The term.").required()],
});

const NODE_AFFINITY: &Type = &Type {
    name: "NodeAffinity",
    fields: &[
        field("requiredDuringSchedulingIgnoredDuringExecution", NODE_SELECTOR, "What the node must be."),
        field("preferredDuringSchedulingIgnoredDuringExecution", List(&PREFERRED_NODE), "What the node should be."),
    ],
};

const POD_TERM: Ty = Obj(&Type {
    name: "PodAffinityTerm",
    fields: &[
        field("labelSelector", LABEL_SELECTOR, "The other pods' labels."),
        field("namespaces", List(&Str), "The other pods' namespaces."),
        field("topologyKey", Str, "The node's label by which nodes are one place.").required(),
        field("namespaceSelector", LABEL_SELECTOR, "The labels of the other pods' namespaces."),
        field("matchLabelKeys", List(&Str), "Keys whose values this pod shares with the others."),
        field("mismatchLabelKeys", List(&Str), "Keys whose values this pod does not share."),
    ],
});

const PREFERRED_POD: Ty = Obj(&Type {
    name: "WeightedPodAffinityTerm",
    fields: &[field("weight", I32, "1 to 100.").required(), field("podAffinityTerm", POD_TERM, "The term.").required()],
});

const POD_AFFINITY: &Type = &Type {
    name: "PodAffinity",
    fields: &[
        field("requiredDuringSchedulingIgnoredDuringExecution", List(&POD_TERM), "Pods that must be there."),
        field("preferredDuringSchedulingIgnoredDuringExecution", List(&PREFERRED_POD), "Pods that should be there."),
    ],
};

const POD_ANTI_AFFINITY: &Type = &Type {
    name: "PodAntiAffinity",
    fields: &[
        field("requiredDuringSchedulingIgnoredDuringExecution", List(&POD_TERM), "Pods that must not be there."),
        field("preferredDuringSchedulingIgnoredDuringExecution", List(&PREFERRED_POD), "Pods that should not be there."),
    ],
};

pub(super) const AFFINITY: &Type = &Type {
    name: "Affinity",
    fields: &[
        field("nodeAffinity", Obj(NODE_AFFINITY), "Which nodes."),
        field("podAffinity", Obj(POD_AFFINITY), "Which neighbours."),
        field("podAntiAffinity", Obj(POD_ANTI_AFFINITY), "Which neighbours not."),
    ],
};

pub(super) const TOLERATION: &Type = &Type {
    name: "Toleration",
    fields: &[
        field("key", Str, "The taint's key; all where nothing is said."),
        field("operator", Word(&["Exists", "Equal", "Lt", "Gt"]), "How it relates to value. Default Equal."),
        field("value", Str, "The taint's value."),
        field("effect", Word(&["NoSchedule", "PreferNoSchedule", "NoExecute"]), "The taint's effect; all where nothing is said."),
        field("tolerationSeconds", I64, "How long a NoExecute taint is endured."),
    ],
};

pub(super) const TOPOLOGY_SPREAD: &Type = &Type {
    name: "TopologySpreadConstraint",
    fields: &[
        field("maxSkew", I32, "How uneven it may be.").required(),
        field("topologyKey", Str, "The node's label by which nodes are one place.").required(),
        field("whenUnsatisfiable", Word(&["DoNotSchedule", "ScheduleAnyway"]), "What if it cannot hold.").required(),
        field("labelSelector", LABEL_SELECTOR, "The pods that are counted."),
        field("minDomains", I32, "How many places there must be."),
        field("nodeAffinityPolicy", Word(&["Honor", "Ignore"]), "Whether nodes that affinity excludes are counted."),
        field("nodeTaintsPolicy", Word(&["Honor", "Ignore"]), "Whether tainted nodes are counted."),
        field("matchLabelKeys", List(&Str), "Keys whose values this pod shares with those that are counted."),
    ],
};
