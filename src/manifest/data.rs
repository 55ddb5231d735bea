//! ConfigMap and Secret documents: what pods of the same files refer to.

use super::base64;
use super::document::Kind;
use super::error::quoted;
use super::names;
use super::node::Node;
use super::walk::Findings;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Bytes of all values together (Kubernetes' bound for both kinds).
const MAX_BYTES: usize = 1 << 20;

/// The content of one ConfigMap or Secret.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Data {
    /// ConfigMap: data. Secret: data and stringData, decoded.
    pub values: BTreeMap<String, Vec<u8>>,
    /// ConfigMap: binaryData, which only volumes see.
    pub binary: BTreeMap<String, Vec<u8>>,
}

/// All ConfigMaps and Secrets of what was given.
#[derive(Debug, Default)]
pub struct Store {
    /// Secrets keep their keys and lengths alone: what is made of them is shown to somebody.
    redact: bool,
    found: BTreeMap<(IsSecret, String, String), (Data, String)>,
}

/// What is no text stays none, so that it is refused where a text is asked for.
fn redact(value: &mut Vec<u8>) {
    let is_text = std::str::from_utf8(value).is_ok_and(|text| !text.contains('\0'));
    *value = if is_text { format!("<redacted: {} bytes>", value.len()).into_bytes() } else { vec![0xff] };
}

/// The [`Kind`] of a document of data.
type IsSecret = bool;

impl Store {
    /// With `redact` a Secret's values are replaced by their lengths.
    pub fn new(redact: bool) -> Store {
        Store { redact, ..Store::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Data> {
        Some(&self.found.get(&(kind == Kind::Secret, namespace.to_owned(), name.to_owned()))?.0)
    }

    /// Takes a document in, checked: `json` is what the walk made of it, `namespace` its own or that of `-n`.
    pub fn add(&mut self, kind: Kind, json: &Json, namespace: String, node: &Node<'_>, findings: &mut Findings<'_>) {
        let name = json["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let mut wrong = |field: &str, problem: String| findings.error(node.locate(field), field, problem);
        if let Err(want) = names::subdomain(&name) {
            wrong("metadata.name", format!("not a valid name (got {}, want {want})", quoted(&name)));
        }
        let mut data = Data::default();
        for (field, encoded) in [("data", kind == Kind::Secret), ("binaryData", true), ("stringData", false)] {
            for (key, value) in json[field].as_object().into_iter().flatten() {
                let at = format!("{field}[{}]", key.escape_debug());
                let text = value.as_str().unwrap_or_default();
                if let Err(want) = names::data_key(key) {
                    wrong(&at, format!("not a valid key (got {}, want {want})", quoted(key)));
                }
                let bytes = match encoded {
                    false => Some(text.as_bytes().to_vec()),
                    true => base64::decode(text),
                };
                let Some(bytes) = bytes else {
                    // Never the value: it may be a secret that somebody forgot to encode.
                    let hint = if kind == Kind::Secret { "; plain text goes into stringData" } else { "" };
                    wrong(&at, format!("not base64 (want the value encoded{hint})"));
                    continue;
                };
                let into = if field == "binaryData" { &mut data.binary } else { &mut data.values };
                if field == "binaryData" && json["data"].get(key).is_some() {
                    wrong(&at, format!("stands in data as well (got {})", quoted(key)));
                }
                // stringData comes last: it wins over data.
                into.insert(key.clone(), bytes);
            }
        }
        let size: usize = data.values.values().chain(data.binary.values()).map(Vec::len).sum();
        if size > MAX_BYTES {
            wrong("data", format!("too long (got {size} bytes, want at most {MAX_BYTES})"));
        }
        if self.redact && kind == Kind::Secret {
            data.values.values_mut().for_each(redact);
        }
        let here = format!("{}:{}", findings.file, node.pos.line);
        let key = (kind == Kind::Secret, namespace, name);
        if let Some((_, first)) = self.found.get(&key) {
            let problem = format!("the {kind:?} {}/{} stands at {first} already", key.1, key.2);
            return findings.error(node.locate("metadata.name"), "metadata.name", problem);
        }
        self.found.insert(key, (data, here));
    }
}
