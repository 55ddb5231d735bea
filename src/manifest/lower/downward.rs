//! The downward API: a pod's own fields and resources as texts.
//!
//! Source: Kubernetes, "Downward API" and "Expose Pod Information to Containers"; pkg/fieldpath, pkg/api/v1/resource.

use super::super::quantity::Quantity;
use super::super::resources::{all_containers, limits, requests};
use super::Host;
use crate::pod::spec::{LATE_POD_IP, LATE_POD_IPS};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceFieldSelector};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, UdpSocket};

/// What env alone may name.
pub const ENV_PATHS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels['KEY']",
    "metadata.annotations['KEY']",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
