//! The one table of fields: what Kubernetes v1.36 has, what each field is, and what podrt makes of it.
//!
//! The walk reads types, requirements and support from here, and `podrt explain` prints it; nothing else in podrt lists fields.
//! A test walks the fields of the Kubernetes types themselves, and fails for one that the table does not have.

mod container;
mod data;
mod pod;
mod scheduling;
mod security;
#[cfg(test)]
mod tests;
mod volumes;

pub use data::{CONFIG_MAP, SECRET};
pub use pod::{META, POD};

/// What podrt makes of a field that Kubernetes knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Supported,
    /// The server's own: taken from a dump without a word, and dropped.
    Ignored,
    /// Accepted and without effect on one host; one warning, with the reason.
    Warned(&'static str),
    /// Refused until a later podrt has it.
    NotYet,
    /// Refused for good, with the reason.
    Never(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub enum Ty {
    Str,
    Bool,
    I32,
    I64,
    Quantity,
    /// A port: its number or its name.
    IntOrStr,
    /// A word out of these.
    Word(&'static [&'static str]),
    Obj(&'static Type),
    List(&'static Ty),
    /// Any keys, values of one type.
    Map(&'static Ty),
    /// Not looked into.
    Any,
}

/// A type of objects: Kubernetes' name for it, and its fields.
#[derive(Debug, Clone, Copy)]
pub struct Type {
    pub name: &'static str,
    pub fields: &'static [Field],
}

#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub ty: Ty,
    pub level: Level,
    pub required: bool,
    /// Values that are fine whatever the level: Kubernetes' defaults, and such as ask for nothing.
    pub quiet: &'static [&'static str],
    /// What it is, in a sentence.
    pub doc: &'static str,
}

/// A supported field; the methods below make it another.
const fn field(name: &'static str, ty: Ty, doc: &'static str) -> Field {
    Field { name, ty, level: Level::Supported, required: false, quiet: &[], doc }
}

/// A field that the API server sets.
const fn server(name: &'static str, ty: Ty, doc: &'static str) -> Field {
    Field { level: Level::Ignored, ..field(name, ty, doc) }
}

/// The first two fields of every document.
const API_VERSION: Field = server("apiVersion", Ty::Str, "Schema of this document: v1.");
const KIND: Field = server("kind", Ty::Str, "What this document is.");

impl Field {
    const fn required(mut self) -> Field {
        self.required = true;
        self
    }

    const fn warned(mut self, why: &'static str) -> Field {
        self.level = Level::Warned(why);
        self
    }

    const fn never(mut self, why: &'static str) -> Field {
        self.level = Level::Never(why);
        self
    }

    const fn not_yet(mut self) -> Field {
        self.level = Level::NotYet;
        self
    }

    const fn quiet(mut self, values: &'static [&'static str]) -> Field {
        self.quiet = values;
        self
    }
}

impl Ty {
    /// What an error asks for.
    pub fn want(&self) -> String {
        match self {
            Ty::Str => "a text".to_owned(),
            Ty::Bool => "true or false".to_owned(),
            Ty::I32 => "an integer of 32 bits".to_owned(),
            Ty::I64 => "an integer".to_owned(),
            Ty::Quantity => "a quantity such as 500m, 1.5 or 64Mi".to_owned(),
            Ty::IntOrStr => "a port's number or name".to_owned(),
            Ty::Word(words) => super::error::or_list(words),
            Ty::Obj(_) | Ty::Map(_) => "a mapping".to_owned(),
            Ty::List(_) => "a list".to_owned(),
            Ty::Any => "a value".to_owned(),
        }
    }

    /// As `kubectl explain` names it.
    pub fn name(&self) -> String {
        match self {
            Ty::Str | Ty::Word(_) => "string".to_owned(),
            Ty::Bool => "boolean".to_owned(),
            Ty::I32 | Ty::I64 => "integer".to_owned(),
            Ty::Quantity => "Quantity".to_owned(),
            Ty::IntOrStr => "IntOrString".to_owned(),
            Ty::Obj(object) => object.name.to_owned(),
            Ty::List(inner) => format!("[]{}", inner.name()),
            Ty::Map(inner) => format!("map[string]{}", inner.name()),
            Ty::Any => "Object".to_owned(),
        }
    }

    /// The objects in it: its own type, or that of its items or values.
    pub fn object(&self) -> Option<&'static Type> {
        match self {
            Ty::Obj(object) => Some(object),
            Ty::List(inner) | Ty::Map(inner) => inner.object(),
            _ => None,
        }
    }

    /// The words that it may be, or its items.
    pub fn words(&self) -> &'static [&'static str] {
        match self {
            Ty::Word(words) => words,
            Ty::List(inner) => inner.words(),
            _ => &[],
        }
    }
}
