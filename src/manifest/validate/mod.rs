//! What a pod means: the rules of Kubernetes' API validation that types alone do not hold, in its order.
//!
//! Every rule is checked whatever the others find; each finding stands at the line of its field.

mod container;
mod env;
mod life;
mod meta;
mod network;
mod resources;
mod scheduling;
mod security;
mod spec;
mod volumes;

pub use container::BUNDLE;
pub use security::capability;
pub use spec::too_many_containers;

use super::error::quoted;
use super::node::Node;
use super::walk::Findings;
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;

/// A volume's defaultMode: 0644 where there is none.
pub fn volume_default_mode(mode: Option<i32>) -> u32 {
    mode.and_then(|m| u32::try_from(m).ok()).unwrap_or(0o644)
}

/// What the caller allows beyond Kubernetes' defaults.
#[derive(Debug, Clone, Default)]
pub struct Allow {
    /// `--allowed-unsafe-sysctls`: names, or starts of names that end in `*`.
    pub unsafe_sysctls: Vec<String>,
    /// `--node-label`: labels of this host beyond those of every node.
    pub node_labels: BTreeMap<String, String>,
}

/// Checks the pod, defaults set; the findings go where the walk's went.
pub fn check(pod: &Pod, root: &Node<'_>, allow: &Allow, findings: &mut Findings<'_>) {
    let mut check = Check { root, allow, findings };
    meta::check(&mut check, &pod.metadata);
    if let Some(spec) = &pod.spec {
        spec::check(&mut check, spec);
        scheduling::check(&mut check, spec);
        network::check_mode(&mut check, pod, spec);
    }
}

/// metadata alone: what `delete -f` needs of a manifest.
pub fn check_metadata(pod: &Pod, root: &Node<'_>, findings: &mut Findings<'_>) {
    let allow = Allow::default();
    meta::check(&mut Check { root, allow: &allow, findings }, &pod.metadata);
}

struct Check<'c, 'n, 'f> {
    root: &'c Node<'n>,
    allow: &'c Allow,
    findings: &'c mut Findings<'f>,
}

impl Check<'_, '_, '_> {
    /// Reports a field, unless something is wrong with it or above it already.
    fn error(&mut self, field: &str, problem: impl Into<String>) {
        if !self.findings.has_error_at(field) {
            let pos = self.root.locate(field);
            self.findings.error(pos, field, problem);
        }
    }

    fn warn(&mut self, field: &str, problem: impl Into<String>) {
        let pos = self.root.locate(field);
        self.findings.warn(pos, field, problem);
    }

    /// Reports a text that breaks a rule of [`super::names`].
    fn text(&mut self, field: &str, what: &str, text: &str, rule: fn(&str) -> Result<(), &'static str>) {
        if let Err(want) = rule(text) {
            self.error(field, format!("not a valid {what} (got {}, want {want})", quoted(text)));
        }
    }

    /// Reports a text that cannot be handed to the kernel.
    fn no_nul(&mut self, field: &str, text: &str) {
        if text.contains('\0') {
            self.error(field, format!("holds a NUL character (got {}, want none)", quoted(text)));
        }
    }

    fn range(&mut self, field: &str, got: i64, from: i64, to: i64) {
        if !(from..=to).contains(&got) {
            self.error(field, format!("out of range (got {got}, want {from} to {to})"));
        }
    }

    /// Reports every text that was there before.
    fn unique<'t>(&mut self, what: &str, texts: impl Iterator<Item = (String, &'t str)>) {
        let mut seen = std::collections::HashMap::new();
        for (field, text) in texts {
            if let Some(first) = seen.get(text) {
                self.error(&field, format!("duplicate {what} (got {}, as {first})", quoted(text)));
            } else {
                seen.insert(text, field);
            }
        }
    }
}
