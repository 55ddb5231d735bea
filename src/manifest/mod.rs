//! Floor 4: Kubernetes manifests.
#![forbid(unsafe_code)]
