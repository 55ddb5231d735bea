//! Values of unit properties, and those that come as text.

use super::super::error::{Error, Result};
use rustbus::signature::{Container, Type};
use rustbus::wire::errors::MarshalError;
use rustbus::wire::marshal::MarshalContext;
use rustbus::wire::marshal::traits::SignatureBuffer;
use rustbus::{Marshal, Signature};

/// A D-Bus variant, of the types that properties of units have.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    Text(String),
    /// `as`
    Texts(Vec<String>),
    /// `ay`
    Bytes(Vec<u8>),
    /// `au`
    Pids(Vec<u32>),
    /// `a(sasb)`: program, its arguments with its name, whether a failure is ignored.
    Commands(Vec<(String, Vec<String>, bool)>),
}

/// Name and value, as `a(sv)` has them.
pub type Property = (String, Value);

impl Signature for Value {
    fn signature() -> Type {
        Type::Container(Container::Variant)
    }

    fn alignment() -> usize {
        1
    }

    fn sig_str(buffer: &mut SignatureBuffer) {
        buffer.push_static("v");
    }

    fn has_sig(sig: &str) -> bool {
        sig.starts_with('v')
    }
}

impl Marshal for Value {
    fn marshal(&self, ctx: &mut MarshalContext) -> Result<(), MarshalError> {
        match self {
            Value::Bool(v) => v.marshal_as_variant(ctx),
            Value::I32(v) => v.marshal_as_variant(ctx),
            Value::U32(v) => v.marshal_as_variant(ctx),
            Value::I64(v) => v.marshal_as_variant(ctx),
            Value::U64(v) => v.marshal_as_variant(ctx),
            Value::Text(v) => v.marshal_as_variant(ctx),
            Value::Texts(v) => v.marshal_as_variant(ctx),
            Value::Bytes(v) => v.marshal_as_variant(ctx),
            Value::Pids(v) => v.marshal_as_variant(ctx),
            Value::Commands(v) => v.marshal_as_variant(ctx),
        }
    }
}

/// A value in GVariant's text format, as engines write it into annotations: `true`, `-5`, `uint64 7`, `'text'`,
/// `['a', 'b']`. A number without a type is an int32. No property of a unit is a fraction.
pub fn parse(field: &str, text: &str) -> Result<Value> {
    let wrong = || {
        let shown: String = text.chars().take(80).collect();
        Error::field(field, format!("`{}`, want a value such as true, uint64 5, 'text' or ['a', 'b']", shown.escape_debug()))
    };
    let text = text.trim();
    let typed = |text: &str, kind: &str| text.strip_prefix(kind)?.strip_prefix(' ').map(|t| t.trim().to_string());
    if let Some(n) = typed(text, "uint64") {
        return n.parse().map(Value::U64).map_err(|_| wrong());
    }
    if let Some(n) = typed(text, "int64") {
        return n.parse().map(Value::I64).map_err(|_| wrong());
    }
    if let Some(n) = typed(text, "uint32") {
        return n.parse().map(Value::U32).map_err(|_| wrong());
    }
    if let Some(n) = typed(text, "int32") {
        return n.parse().map(Value::I32).map_err(|_| wrong());
    }
    match text.as_bytes() {
        b"true" => Ok(Value::Bool(true)),
        b"false" => Ok(Value::Bool(false)),
        [b'[', .., b']'] => list(&text[1..text.len() - 1]).map(Value::Texts).ok_or_else(wrong),
        [b'\'' | b'"', ..] => match quoted(text) {
            Some((value, "")) => Ok(Value::Text(value)),
            _ => Err(wrong()),
        },
        _ => text.parse().map(Value::I32).map_err(|_| wrong()),
    }
}

fn list(mut text: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return (!all.is_empty()).then_some(all);
        }
        let (value, rest) = quoted(text)?;
        all.push(value);
        text = match rest.trim_start() {
            "" => "",
            rest => rest.strip_prefix(',').filter(|r| !r.trim().is_empty())?,
        };
    }
}

/// A string in quotes at the beginning, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                c @ ('\\' | '\'' | '"') => value.push(c),
                _ => return None,
            },
            c if c == quote => return Some((value, &text[at + 1..])),
            '\0' => return None,
            c => value.push(c),
        }
    }
    None
}
