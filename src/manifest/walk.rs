//! A document against the field table: every unknown, missing, mistyped and unsupported field, each at its place, in one pass
//! that also makes the JSON which the Kubernetes types are read from.

use super::error::{Problem, nearest, quoted};
use super::node::{Entry, Node, Number, Pos, Value};
use super::schema::{Field, Level, Ty, Type};
use serde_json::Value as Json;
use std::fmt::Write;

/// `--validate`: what becomes of unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Validate {
    /// An unknown field is an error.
    #[default]
    Strict,
    /// An unknown field is a warning.
    Warn,
    /// An unknown field is dropped in silence.
    Ignore,
}

/// Errors, and warnings, of one document; what is more says nothing new.
const MOST: usize = 100;

/// Collects what is found in one document.
pub struct Findings<'a> {
    pub file: &'a str,
    /// In front of every field: `items[2].` in a List, else nothing.
    pub prefix: String,
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub fn new(file: &'a str, prefix: String) -> Self {
        Findings { file, prefix, errors: Vec::new(), warnings: Vec::new() }
    }

    pub fn absorb(&mut self, other: Findings<'_>) {
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }

    fn problem(&self, pos: Pos, field: &str, problem: String) -> Problem {
        Problem { file: self.file.to_owned(), line: pos.line, col: pos.col, field: format!("{}{field}", self.prefix), problem }
    }

    pub fn error(&mut self, pos: Pos, field: &str, problem: impl Into<String>) {
        if self.errors.len() < MOST {
            let problem = self.problem(pos, field, problem.into());
            self.errors.push(problem);
        }
    }

    /// Something is wrong with the field, with one above it, or with too many others.
    pub fn has_error_at(&self, field: &str) -> bool {
        self.errors.len() >= MOST
            || self.errors.iter().any(|e| {
                let above = e.field.strip_prefix(&self.prefix).unwrap_or_default();
                let rest = field.strip_prefix(above);
                !above.is_empty() && rest.is_some_and(|r| r.is_empty() || r.starts_with(['.', '[']))
            })
    }

    pub fn warn(&mut self, pos: Pos, field: &str, problem: impl Into<String>) {
        if self.warnings.len() < MOST {
            let problem = self.problem(pos, field, problem.into());
            self.warnings.push(problem);
        }
    }
}

/// The document as JSON of the table's types; where something was wrong, `findings` says so and the value is left out.
pub fn walk(root: &Node<'_>, object: &Type, validate: Validate, findings: &mut Findings<'_>) -> Json {
    let mut walk = Walk { validate, findings };
    walk.object(root, object, &Path::Root).unwrap_or(Json::Null)
}

/// Where the walk stands; made into text only for a finding.
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
    Key(&'p Path<'p>, &'p str),
}

impl Path<'_> {
    fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Path::Root => {}
            Path::Field(up, name) => {
                up.write(out);
                if !out.is_empty() {
                    out.push('.');
                }
                out.extend(name.escape_debug());
            }
            Path::Index(up, i) => {
                up.write(out);
                let _ = write!(out, "[{i}]");
            }
            Path::Key(up, key) => {
                up.write(out);
                let _ = write!(out, "[{}]", key.escape_debug());
            }
        }
    }
}

struct Walk<'w, 'a> {
    validate: Validate,
    findings: &'w mut Findings<'a>,
}

impl Walk<'_, '_> {
    fn value(&mut self, node: &Node<'_>, ty: &Ty, path: &Path<'_>) -> Option<Json> {
        match (ty, &node.value) {
            (Ty::Str, Value::Str(s)) => Some(Json::String(s.to_string())),
            (Ty::Bool, Value::Bool(b, _)) => Some(Json::Bool(*b)),
            (Ty::I32 | Ty::I64, Value::Num(n, raw)) => self.integer(node, ty, *n, raw, path),
            (Ty::Quantity, Value::Str(s)) => Some(Json::String(s.to_string())),
            (Ty::Quantity, Value::Num(n, raw)) => self.quantity(node, *n, raw, path),
            (Ty::Word(words), Value::Str(s)) => self.word(node, words, s, path),
            (Ty::Obj(object), Value::Map(_)) => self.object(node, object, path),
            (Ty::IntOrStr, Value::Str(s)) => Some(Json::String(s.to_string())),
            (Ty::IntOrStr, Value::Num(n, raw)) => self.integer(node, &Ty::I32, *n, raw, path),
            (Ty::List(inner), Value::Seq(items)) => {
                // An item that was refused keeps its place, so that those behind it keep their numbers.
                let item = |(i, item)| self.value(item, inner, &Path::Index(path, i)).unwrap_or_else(|| blank(inner));
                Some(Json::Array(items.iter().enumerate().map(item).collect()))
            }
            (Ty::Map(inner), Value::Map(entries)) => {
                let mut map = serde_json::Map::new();
                for entry in entries {
                    // A nothing among labels is an empty text, as an API server reads it.
                    let value = match (&entry.value.value, inner) {
                        (Value::Null, Ty::Str) => Some(Json::String(String::new())),
                        _ => self.value(&entry.value, inner, &Path::Key(path, &entry.key)),
                    };
                    map.extend(value.map(|v| (entry.key.to_string(), v)));
                }
                Some(Json::Object(map))
            }
            (Ty::Any, _) => Some(plain(node)),
            _ => {
                self.mistyped(node, ty, path);
                None
            }
        }
    }

    fn mistyped(&mut self, node: &Node<'_>, ty: &Ty, path: &Path<'_>) {
        let hint = match (ty, &node.value) {
            (_, Value::Str(s)) if is_placeholder(s) => PLACEHOLDER,
            (Ty::Str | Ty::Word(_), Value::Bool(..) | Value::Num(..)) => "; quote it",
            (Ty::I32 | Ty::I64, Value::Str(s)) if s.parse::<i64>().is_ok() => "; without quotes",
            (Ty::Bool, Value::Str(s)) if s.parse::<bool>().is_ok() => "; without quotes",
            (Ty::List(_), Value::Map(_)) => "; each item starts with \"- \"",
            _ => "",
        };
        let problem = format!("wrong type (got {}, want {}{hint})", node.describe(), ty.want());
        self.findings.error(node.pos, &path.text(), problem);
    }

    fn integer(&mut self, node: &Node<'_>, ty: &Ty, n: Number, raw: &str, path: &Path<'_>) -> Option<Json> {
        // JSON has one kind of number: 80.0 and 8e1 are integers to Kubernetes.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let n = match n {
            Number::Int(n) => Some(n),
            Number::Float(f) if f.fract() == 0.0 && f.abs() <= EXACT => Some(f as i64),
            Number::Float(_) => None,
        };
        match n {
            Some(n) if matches!(ty, Ty::I64) || i32::try_from(n).is_ok() => Some(Json::from(n)),
            Some(_) => {
                self.findings.error(node.pos, &path.text(), format!("out of range (got {raw}, want {})", ty.want()));
                None
            }
            None => {
                let shown = quoted(raw);
                let problem = format!("not an integer of 64 bits (got {}, want {})", shown.trim_matches('"'), ty.want());
                self.findings.error(node.pos, &path.text(), problem);
                None
            }
        }
    }

    fn quantity(&mut self, node: &Node<'_>, n: Number, raw: &str, path: &Path<'_>) -> Option<Json> {
        let text = raw.replace('_', "");
        let digits = text.trim_start_matches(['-', '+']);
        // 0x10 would be 16 and 0644 would be 420: nobody means that here.
        let radix = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.") && matches!(n, Number::Int(_));
        let finite = !matches!(n, Number::Float(f) if f.is_nan() || text.to_ascii_lowercase().contains("inf"));
        if radix || !finite {
            let problem = format!("not a quantity (got {}, want decimal digits such as 500m, 1.5 or 64Mi)", quoted(raw));
            self.findings.error(node.pos, &path.text(), problem);
            return None;
        }
        Some(Json::String(text))
    }

    fn word(&mut self, node: &Node<'_>, words: &[&str], got: &str, path: &Path<'_>) -> Option<Json> {
        if words.contains(&got) {
            return Some(Json::String(got.to_owned()));
        }
        let near = || nearest(got, words.iter().copied()).map(|w| format!("; did you mean {w}?")).unwrap_or_default();
        let hint = if is_placeholder(got) { PLACEHOLDER.to_owned() } else { near() };
        let problem = format!("unsupported value (got {}, want {}{hint})", quoted(got), super::error::or_list(words));
        self.findings.error(node.pos, &path.text(), problem);
        None
    }

    fn object(&mut self, node: &Node<'_>, object: &Type, path: &Path<'_>) -> Option<Json> {
        let Value::Map(entries) = &node.value else {
            self.mistyped(node, &Ty::Map(&Ty::Any), path);
            return None;
        };
        let fields = object.fields;
        let mut map = serde_json::Map::new();
        for entry in entries {
            match fields.iter().find(|f| f.name == entry.key) {
                Some(field) => map.extend(self.field(entry, field, path).map(|v| (field.name.to_owned(), v))),
                None => self.unknown(entry, fields, path),
            }
        }
        for field in fields.iter().filter(|f| f.required) {
            if node.get(field.name).is_none_or(Node::is_empty) {
                let at = Path::Field(path, field.name).text();
                self.findings.error(node.pos, &at, format!("missing (want {})", field.ty.want()));
            }
        }
        Some(Json::Object(map))
    }

    fn field(&mut self, entry: &Entry<'_>, field: &Field, path: &Path<'_>) -> Option<Json> {
        // What is empty asks for nothing, whatever podrt thinks of the field; its type is still checked where it has one.
        if entry.value.value == Value::Null || field.level == Level::Ignored {
            return None;
        }
        let here = Path::Field(path, field.name);
        let asks = !entry.value.is_empty() && !is_quiet(&entry.value, field.quiet);
        match field.level {
            Level::NotYet if asks => {
                self.findings.error(entry.key_pos, &here.text(), "not supported yet by this version of podrt");
                None
            }
            Level::Never(why) if asks => {
                self.findings.error(entry.key_pos, &here.text(), format!("not supported: {why}"));
                None
            }
            Level::Warned(why) if asks => {
                self.findings.warn(entry.key_pos, &here.text(), format!("no effect: {why}"));
                self.value(&entry.value, &field.ty, &here)
            }
            Level::NotYet if entry.value.is_empty() => None,
            _ => self.value(&entry.value, &field.ty, &here),
        }
    }

    fn unknown(&mut self, entry: &Entry<'_>, fields: &[Field], path: &Path<'_>) {
        // The nearest name is dear to find, for findings that nobody will see.
        let full = match self.validate {
            Validate::Strict => self.findings.errors.len() >= MOST,
            Validate::Warn => self.findings.warnings.len() >= MOST,
            Validate::Ignore => true,
        };
        if full {
            return;
        }
        let names = fields.iter().map(|f| f.name);
        let hint = nearest(&entry.key, names).map(|n| format!(" (did you mean \"{n}\"?)")).unwrap_or_default();
        let at = Path::Field(path, &entry.key).text();
        match self.validate {
            Validate::Strict => self.findings.error(entry.key_pos, &at, format!("unknown field{hint}")),
            Validate::Warn => self.findings.warn(entry.key_pos, &at, format!("unknown field, ignored{hint}")),
            Validate::Ignore => {}
        }
    }
}

/// A value of the type with nothing in it.
fn blank(ty: &Ty) -> Json {
    match ty {
        Ty::Str | Ty::Word(_) | Ty::Quantity => Json::String(String::new()),
        Ty::Bool => Json::Bool(false),
        Ty::I32 | Ty::I64 | Ty::IntOrStr => Json::from(0),
        Ty::Obj(_) | Ty::Map(_) => Json::Object(serde_json::Map::new()),
        Ty::List(_) => Json::Array(Vec::new()),
        Ty::Any => Json::Null,
    }
}

fn is_quiet(node: &Node<'_>, quiet: &[&str]) -> bool {
    match &node.value {
        Value::Bool(b, _) => quiet.contains(&if *b { "true" } else { "false" }),
        Value::Num(_, s) | Value::Str(s) => quiet.contains(&s.as_ref()),
        _ => false,
    }
}

const PLACEHOLDER: &str = "; put a value in place of the placeholder";

/// `<integer>`, `...`: left over from documentation.
fn is_placeholder(text: &str) -> bool {
    text == "..." || (text.starts_with('<') && text.ends_with('>'))
}

/// A value that no table describes. Its depth is bounded by the reader.
fn plain(node: &Node<'_>) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(b, _) => Json::Bool(*b),
        Value::Num(Number::Int(n), _) => Json::from(*n),
        Value::Num(Number::Float(f), _) => Json::from(*f),
        Value::Str(s) => Json::String(s.to_string()),
        Value::Seq(items) => Json::Array(items.iter().map(plain).collect()),
        Value::Map(entries) => Json::Object(entries.iter().map(|e| (e.key.to_string(), plain(&e.value))).collect()),
    }
}
