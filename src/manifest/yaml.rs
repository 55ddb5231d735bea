//! YAML (and JSON, which it includes) to positioned trees, one for each document.
//!
//! Everything is bounded, since the text may be hostile: nodes, text and depth are counted after aliases are expanded, so an
//! alias bomb costs what it is refused at. Nothing recurses on the way.

use super::node::{Entry, Node, Pos, Value};
use super::scalar::{self, Tagged};
use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Keys and values of one file, those of anchors and aliases counted each time.
const MAX_NODES: usize = 100_000;
/// Bytes of scalars that anchors and aliases may stand for.
const MAX_ALIAS_BYTES: usize = 8 << 20;
/// Documents in error; what comes behind so many says nothing new.
const MAX_FAULTY: usize = 100;
/// No Kubernetes type is deeper than some twenty levels.
const MAX_DEPTH: usize = 64;

/// What a document cannot be read for.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub pos: Pos,
    pub problem: String,
}

impl Fault {
    fn at(mark: &Marker, problem: impl Into<String>) -> Self {
        Fault { pos: pos(mark), problem: problem.into() }
    }
}

/// Every document of a text; after a syntax error reading goes on with the next document. Empty documents are left out.
pub fn parse(text: &str) -> Vec<Result<Node<'_>, Vec<Fault>>> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    let mut reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        budget: Budget { nodes: MAX_NODES, alias_bytes: MAX_ALIAS_BYTES },
        first: true,
    };
    let mut documents = Vec::new();
    let mut faulty = 0;
    loop {
        let document = reader.document();
        faulty += usize::from(document.is_err());
        if faulty > MAX_FAULTY {
            return documents;
        }
        match document {
            Ok(Some(node)) if node.value == Value::Null => {}
            Ok(Some(node)) => documents.push(Ok(node)),
            Ok(None) => return documents,
            Err(Stop::Document(faults)) => documents.push(Err(faults)),
            Err(Stop::Text(fault)) => {
                documents.push(Err(vec![fault]));
                return documents;
            }
            Err(Stop::Syntax(faults)) => {
                documents.push(Err(faults));
                if !matches!(reader.parser.proceed_next_document(), Ok(true)) {
                    return documents;
                }
            }
        }
    }
}

/// How far an error reaches.
enum Stop {
    /// The document was read to its end.
    Document(Vec<Fault>),
    /// The parser stands somewhere inside the document.
    Syntax(Vec<Fault>),
    /// A budget of the whole text is used up.
    Text(Fault),
}

struct Budget {
    nodes: usize,
    alias_bytes: usize,
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    budget: Budget,
    /// No document was begun yet.
    first: bool,
}

/// A collection whose end has not come yet.
struct Open<'a> {
    pos: Pos,
    anchor: usize,
    /// Levels below this one so far.
    height: usize,
    kind: Collection<'a>,
}

enum Collection<'a> {
    Seq(Vec<Node<'a>>),
    Map { entries: Vec<Entry<'a>>, key: Option<(Cow<'a, str>, Pos, bool)>, merges: Vec<Node<'a>> },
}

/// A node that an alias may name, with what its expansion costs.
struct Anchored<'a> {
    node: Node<'a>,
    nodes: usize,
    bytes: usize,
    height: usize,
}

impl<'a> Reader<'a> {
    /// The next document; None after the last.
    fn document(&mut self) -> Result<Option<Node<'a>>, Stop> {
        let mut tree = Tree { stack: Vec::new(), anchors: HashMap::new(), faults: Vec::new(), root: None };
        loop {
            let (event, span) = match self.parser.next_event() {
                None => return Ok(None),
                Some(Ok(event)) => event,
                Some(Err(error)) => {
                    let mut faults = tree.faults;
                    faults.push(Fault::at(error.marker(), syntax(&error.info())));
                    return Err(Stop::Syntax(faults));
                }
            };
            match event {
                Event::DocumentEnd if tree.faults.is_empty() => {
                    let nothing = Node { pos: pos(&span.start), value: Value::Null };
                    return Ok(Some(tree.root.unwrap_or(nothing)));
                }
                Event::DocumentEnd => return Err(Stop::Document(tree.faults)),
                Event::StreamEnd => return Ok(None),
                Event::DocumentStart(false, _) if !std::mem::take(&mut self.first) => {
                    let problem =
                        "what follows a line of `...` is another document (start it with `---`, or put text in place of `...`)";
                    tree.faults.push(Fault::at(&span.start, problem));
                }
                Event::DocumentStart(..) => self.first = false,
                event => tree.take(event, &span, &mut self.budget).map_err(Stop::Text)?,
            }
        }
    }
}

struct Tree<'a> {
    stack: Vec<Open<'a>>,
    anchors: HashMap<usize, Anchored<'a>>,
    faults: Vec<Fault>,
    root: Option<Node<'a>>,
}

impl<'a> Tree<'a> {
    fn take(&mut self, event: Event<'a>, span: &Span, budget: &mut Budget) -> Result<(), Fault> {
        let at = pos(&span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                spend(1, budget, at)?;
                self.scalar(text, style, anchor, tag.as_deref(), at, budget)?;
            }
            Event::Alias(id) => self.alias(id, at, budget)?,
            Event::SequenceStart(_, anchor, tag) => {
                spend(1, budget, at)?;
                self.check_tag(tag.as_deref(), "seq", at);
                self.open(at, anchor, Collection::Seq(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                spend(1, budget, at)?;
                self.check_tag(tag.as_deref(), "map", at);
                self.open(at, anchor, Collection::Map { entries: Vec::new(), key: None, merges: Vec::new() })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(budget)?,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, at: Pos, anchor: usize, kind: Collection<'a>) -> Result<(), Fault> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Fault { pos: at, problem: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        self.stack.push(Open { pos: at, anchor, height: 0, kind });
        Ok(())
    }

    fn close(&mut self, budget: &mut Budget) -> Result<(), Fault> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let value = match open.kind {
            Collection::Seq(items) => Value::Seq(items),
            Collection::Map { mut entries, merges, .. } => {
                self.refuse_duplicates(&entries);
                self.merge(&mut entries, merges, budget)?;
                Value::Map(entries)
            }
        };
        self.remember(Node { pos: open.pos, value }, open.anchor, open.height + 1, false, budget)
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Pos,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        let plain = style == ScalarStyle::Plain;
        let merge = plain && tag.is_none() && text == "<<";
        let value = match tag.map(|tag| (tag, kind_of(tag))) {
            None if plain => scalar::resolve(text),
            None => Value::Str(text),
            // `!` alone: not resolved.
            Some((tag, None)) if tag.parts() == ("", "!") => Value::Str(text),
            Some((_, Some(kind))) => scalar::resolve_tagged(text.clone(), kind).unwrap_or_else(|| {
                let shown = super::error::quoted(&text);
                self.faults.push(Fault { pos: at, problem: format!("the tag does not fit the value (got {shown})") });
                Value::Null
            }),
            Some((tag, None)) => {
                self.faults.push(Fault { pos: at, problem: format!("the tag {} is not supported", tag.original()) });
                Value::Null
            }
        };
        self.remember(Node { pos: at, value }, anchor, 0, merge, budget)
    }

    fn check_tag(&mut self, tag: Option<&Tag>, want: &str, at: Pos) {
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema_tag(want)
            && tag.parts() != ("", "!")
        {
            self.faults.push(Fault { pos: at, problem: format!("the tag {} is not supported", tag.original()) });
        }
    }

    fn alias(&mut self, id: usize, at: Pos, budget: &mut Budget) -> Result<(), Fault> {
        let Some(anchored) = self.anchors.get(&id) else {
            return Err(Fault { pos: at, problem: "an alias inside the very value that it names".to_owned() });
        };
        let (nodes, bytes, height) = (anchored.nodes, anchored.bytes, anchored.height);
        if self.stack.len() + height > MAX_DEPTH {
            return Err(Fault { pos: at, problem: format!("nested deeper than {MAX_DEPTH} levels, aliases expanded") });
        }
        // The clone comes after both budgets.
        spend_bytes(bytes, budget, at)?;
        spend(nodes, budget, at)?;
        let node = Node { pos: at, value: anchored.node.value.clone() };
        self.add(node, height, false);
        Ok(())
    }

    /// Keeps a copy of a node with an anchor, and puts the node where it belongs.
    fn remember(&mut self, node: Node<'a>, anchor: usize, height: usize, merge: bool, budget: &mut Budget) -> Result<(), Fault> {
        if anchor > 0 {
            let (nodes, bytes) = weigh(&node);
            spend_bytes(bytes, budget, node.pos)?;
            spend(nodes, budget, node.pos)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, bytes, height });
        }
        self.add(node, height, merge);
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node<'a>, height: usize, merge: bool) {
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        open.height = open.height.max(height);
        match &mut open.kind {
            Collection::Seq(items) => items.push(node),
            Collection::Map { entries, key, merges } => match key.take() {
                None => {
                    let pos = node.pos;
                    let name = match key_text(node.value) {
                        Ok(name) => name,
                        Err(problem) => {
                            self.faults.push(Fault { pos, problem });
                            Cow::Borrowed("")
                        }
                    };
                    *key = Some((name, pos, merge));
                }
                Some((_, _, true)) => merges.push(node),
                Some((name, key_pos, false)) => entries.push(Entry { key: name, key_pos, value: node }),
            },
        }
    }

    fn refuse_duplicates(&mut self, entries: &[Entry<'a>]) {
        let mut found = Vec::new();
        if entries.len() <= 16 {
            for (i, entry) in entries.iter().enumerate() {
                found.extend(entries[..i].iter().any(|e| e.key == entry.key).then_some(i));
            }
        } else {
            let mut seen = HashSet::with_capacity(entries.len());
            found.extend((0..entries.len()).filter(|&i| !seen.insert(&entries[i].key)));
        }
        for i in found {
            let first = entries.iter().find(|e| e.key == entries[i].key).map_or(0, |e| e.key_pos.line);
            let key = super::error::quoted(&entries[i].key);
            self.faults.push(Fault { pos: entries[i].key_pos, problem: format!("duplicate key {key} (first in line {first})") });
        }
    }

    /// `<<: *base`, and lists of such: keys that are there already win.
    fn merge(&mut self, entries: &mut Vec<Entry<'a>>, merges: Vec<Node<'a>>, budget: &mut Budget) -> Result<(), Fault> {
        if merges.is_empty() {
            return Ok(());
        }
        let mut sources = Vec::new();
        for node in merges {
            match node.value {
                Value::Seq(items) => sources.extend(items),
                _ => sources.push(node),
            }
        }
        let mut present: HashSet<Cow<'a, str>> = entries.iter().map(|e| e.key.clone()).collect();
        for source in sources {
            let at = source.pos;
            let Value::Map(merged) = source.value else {
                self.faults.push(Fault { pos: at, problem: "`<<` merges a mapping or a list of mappings only".to_owned() });
                continue;
            };
            spend(merged.len(), budget, at)?;
            entries.extend(merged.into_iter().filter(|e| present.insert(e.key.clone())));
        }
        Ok(())
    }
}

fn spend(nodes: usize, budget: &mut Budget, at: Pos) -> Result<(), Fault> {
    match budget.nodes.checked_sub(nodes) {
        Some(left) => budget.nodes = left,
        None => {
            let problem = format!("too large: more than {MAX_NODES} keys and values, those of aliases counted each time");
            return Err(Fault { pos: at, problem });
        }
    }
    Ok(())
}

fn spend_bytes(bytes: usize, budget: &mut Budget, at: Pos) -> Result<(), Fault> {
    match budget.alias_bytes.checked_sub(bytes) {
        Some(left) => budget.alias_bytes = left,
        None => {
            return Err(Fault { pos: at, problem: format!("anchors and aliases stand for more than {MAX_ALIAS_BYTES} bytes") });
        }
    }
    Ok(())
}

/// A key as sigs.k8s.io/yaml makes it text; nothing and collections are none.
fn key_text(value: Value<'_>) -> Result<Cow<'_, str>, String> {
    Ok(match value {
        Value::Str(text) => text,
        Value::Bool(b, _) => Cow::Borrowed(if b { "true" } else { "false" }),
        Value::Num(super::node::Number::Int(n), _) => Cow::Owned(n.to_string()),
        Value::Num(_, raw) => raw,
        Value::Null => return Err("a key is missing before the colon".to_owned()),
        Value::Seq(_) | Value::Map(_) => {
            return Err("a list or mapping cannot be a key; quote text that starts with { or [".to_owned());
        }
    })
}

/// Nodes and bytes of a subtree; its depth is bounded by [`MAX_DEPTH`].
fn weigh(node: &Node<'_>) -> (usize, usize) {
    let add = |(n, b): (usize, usize), (m, c): (usize, usize)| (n + m, b + c);
    match &node.value {
        Value::Null | Value::Bool(..) => (1, 1),
        Value::Num(_, text) | Value::Str(text) => (1, text.len()),
        Value::Seq(items) => items.iter().map(weigh).fold((1, 0), add),
        Value::Map(entries) => entries.iter().map(|e| add(weigh(&e.value), (0, e.key.len()))).fold((1, 0), add),
    }
}

fn kind_of(tag: &Tag) -> Option<Tagged> {
    Some(match tag.core_suffix()? {
        "str" => Tagged::Str,
        "bool" => Tagged::Bool,
        "int" => Tagged::Int,
        "float" => Tagged::Float,
        "null" => Tagged::Null,
        _ => return None,
    })
}

fn pos(mark: &Marker) -> Pos {
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Pos { line: small(mark.line()), col: small(mark.col()).saturating_add(1) }
}

fn syntax(info: &str) -> String {
    if info.contains("recursion limit") {
        return format!("nested deeper than {MAX_DEPTH} levels");
    }
    let hints = [
        ("tab", "; indent with spaces"),
        ("expected '-' indicator", "; is the line indented as those above it are?"),
        ("did not find expected key", "; is the line indented as those above it are?"),
        ("invalid indentation", "; is the line indented as those above it are?"),
        ("mapping values are not allowed", "; quote a text that holds \": \""),
    ];
    let hint = hints.iter().find(|(part, _)| info.contains(part)).map_or("", |(_, hint)| hint);
    format!("not valid YAML: {info}{hint}")
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
