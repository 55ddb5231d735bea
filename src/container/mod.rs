//! Floor 2: one OCI container; knows no pod and no Kubernetes.
#![forbid(unsafe_code)]
