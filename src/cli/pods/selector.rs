//! Label selectors: `app=web,tier!=cache,env in (a, b),!old`.
//!
//! Source: Kubernetes "Labels and Selectors"; apimachinery/pkg/labels. All requirements must hold; `!=` and `notin` also hold
//! where the label is absent.

use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    /// An empty text selects everything. Errors: one sentence.
    pub fn parse(text: &str) -> Result<Selector, String> {
        let mut requirements = Vec::new();
        for part in split(text)? {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(format!(
                    "selector {text:?}: a requirement is empty (want KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY or !KEY)"
                ));
            }
            requirements.push(requirement(part).map_err(|problem| format!("selector {text:?}: {problem}"))?);
        }
        Ok(Selector(requirements))
    }

    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|r| {
            let value = labels.get(&r.key);
            match &r.rule {
                Rule::Exists => value.is_some(),
                Rule::Absent => value.is_none(),
                Rule::In(values) => value.is_some_and(|v| values.contains(v)),
                Rule::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
            }
        })
    }
}

/// At commas outside parentheses.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut open) = (Vec::new(), 0, false);
    for (i, c) in text.char_indices() {
        match c {
            '(' if !open => open = true,
            ')' if open => open = false,
            '(' | ')' => return Err(format!("selector {text:?}: unexpected '{c}'")),
            ',' if !open => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    if open {
        return Err(format!("selector {text:?}: ')' is missing"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    let new = |k: &str, rule| checked(k.trim()).map(|key| Requirement { key, rule });
    if let Some(open) = part.find('(') {
        let (head, list) = (part[..open].trim_end(), part[open + 1..].trim_end());
        let list = list.strip_suffix(')').ok_or("text after ')'")?;
        let values = list.split(',').map(|v| value(v.trim())).collect::<Result<Vec<_>, _>>()?;
        return match head.rsplit_once(char::is_whitespace) {
            Some((key, "in")) => new(key, Rule::In(values)),
            Some((key, "notin")) => new(key, Rule::NotIn(values)),
            _ => Err(format!("{head:?} before '(' (want KEY in or KEY notin)")),
        };
    }
    if let Some((key, v)) = part.split_once("!=") {
        return new(key, Rule::NotIn(vec![value(v.trim())?]));
    }
    if let Some((key, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return new(key, Rule::In(vec![value(v.trim())?]));
    }
    match part.strip_prefix('!') {
        Some(key) => new(key, Rule::Absent),
        None => new(part, Rule::Exists),
    }
}

fn is_part(text: &str) -> bool {
    let b = text.as_bytes();
    text.len() <= 63
        && matches!((b.first(), b.last()), (Some(f), Some(l)) if f.is_ascii_alphanumeric() && l.is_ascii_alphanumeric())
        && b.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

fn checked(key: &str) -> Result<String, String> {
    let (domain, name) = key.split_once('/').unwrap_or(("x", key));
    let domain_fine = domain.len() <= 253 && domain.split('.').all(is_part);
    if domain_fine && is_part(name) { Ok(key.to_string()) } else { Err(format!("{key:?} is not a label's key")) }
}

fn value(text: &str) -> Result<String, String> {
    if text.is_empty() || is_part(text) { Ok(text.to_string()) } else { Err(format!("{text:?} is not a label's value")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_selects_what_kubernetes_selects() {
        let labels: BTreeMap<String, String> =
            [("app", "web"), ("tier", "front"), ("example.com/x", "")].map(|(k, v)| (k.into(), v.into())).into();
        for (text, want) in [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app = web , tier=front", true),
            ("app=db", false),
            ("app!=db", true),
            ("gone!=db", true),
            ("app!=web", false),
            ("app in (web, db)", true),
            ("app in (db)", false),
            ("app notin (db,x)", true),
            ("gone notin (db)", true),
            ("gone in (db)", false),
            ("app", true),
            ("gone", false),
            ("!gone", true),
            ("!app", false),
            ("example.com/x=", true),
            ("app in (web),tier notin (back),!gone", true),
        ] {
            assert_eq!(Selector::parse(text).unwrap().matches(&labels), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "=x",
            "app=web,",
            ",",
            "app in web",
            "app in (web",
            "app)",
            "a b",
            "a=b=c",
            "app on (x)",
            "app in (x) y",
            "!",
            "a/b/c",
        ] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
