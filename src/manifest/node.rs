//! The positioned tree that a document becomes: what was written, and where.

use std::borrow::Cow;

/// Both from 1; columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pos {
    pub line: u32,
    pub col: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node<'a> {
    pub pos: Pos,
    pub value: Value<'a>,
}

/// A scalar is resolved by the rules of [`super::scalar`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    /// The boolean with its word as written: `n` is one as well.
    Bool(bool, Cow<'a, str>),
    /// The number with its text as written.
    Num(Number, Cow<'a, str>),
    Str(Cow<'a, str>),
    Seq(Vec<Node<'a>>),
    Map(Vec<Entry<'a>>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Int(i64),
    /// Fractions, exponents, and integers beyond 64 bits.
    Float(f64),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    pub key: Cow<'a, str>,
    pub key_pos: Pos,
    pub value: Node<'a>,
}

impl<'a> Node<'a> {
    /// The value of a key; None where this is no mapping or has no such key.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Str(s) => Some(s),
            _ => None,
        }
    }

    /// Null, or nothing in it: what Kubernetes takes for a field that is not there.
    pub fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Seq(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// What this is, for an error: `the number 5`, `the text "x"`, `a list`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(_, word) => format!("the boolean {word}"),
            Value::Num(_, raw) => format!("the number {}", super::error::quoted(raw).trim_matches('"')),
            Value::Str(s) => format!("the text {}", super::error::quoted(s)),
            Value::Seq(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The position of the field at `path` (`spec.containers[0].image`, `metadata.labels[a.b/c]`), or of the nearest one
    /// above it that was written.
    pub fn locate(&self, path: &str) -> Pos {
        let mut node = self;
        let mut rest = path;
        while !rest.is_empty() {
            let (step, after) = first_step(rest);
            rest = after;
            let next = match &node.value {
                Value::Seq(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => node.get(step),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.pos
    }
}

/// Splits `a.b[0]` into `a` and `b[0]`, `[k.x].y` into `k.x` and `y`.
fn first_step(path: &str) -> (&str, &str) {
    if let Some(inner) = path.strip_prefix('[') {
        return match inner.split_once(']') {
            Some((step, rest)) => (step, rest.strip_prefix('.').unwrap_or(rest)),
            None => (inner, ""),
        };
    }
    match path.find(['.', '[']) {
        Some(i) if path.as_bytes()[i] == b'.' => (&path[..i], &path[i + 1..]),
        Some(i) => path.split_at(i),
        None => (path, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_at_dots_and_brackets() {
        for (path, want) in [
            ("spec", ("spec", "")),
            ("spec.containers[0].image", ("spec", "containers[0].image")),
            ("containers[0].image", ("containers", "[0].image")),
            ("[0].image", ("0", "image")),
            ("[a.b/c]", ("a.b/c", "")),
            ("[0][1]", ("0", "[1]")),
        ] {
            assert_eq!(first_step(path), want, "{path}");
        }
    }
}
