//! kubectl's JSONPath templates: `{range .items[*]}{.metadata.name}{"\n"}{end}`.
//!
//! Source: Kubernetes "JSONPath Support"; client-go/util/jsonpath. A key that is not there yields nothing, as in `kubectl get`.

mod parse;

use serde_json::Value;
use std::cmp::Ordering;

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Path(Path),
    Range(Path, Vec<Part>),
}

/// What a path starts at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// `.x`, `@.x`: the object, in a range or a filter the item.
    Here,
    /// `$.x`
    Root,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    start: Start,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    /// `[*]`, `.*`
    All,
    /// `[n]`: from the end where negative.
    Index(i64),
    /// `[from:to:by]`
    Slice(Option<i64>, Option<i64>, i64),
    /// `[a,b]`
    Union(Vec<Step>),
    /// `..`: the value itself and everything below it.
    Descend,
    Filter(Box<Filter>),
}

/// `[?(@.x == "y")]`; without an operator the left side must be there.
#[derive(Debug, Clone, PartialEq)]
struct Filter {
    left: Operand,
    test: Option<(Operator, Operand)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Path),
    Value(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Template {
    /// Errors: one sentence, with the place.
    pub fn parse(text: &str) -> Result<Template, String> {
        parse::template(text).map(Template)
    }

    pub fn render(&self, root: &Value) -> String {
        let mut out = String::new();
        render(&self.0, root, root, &mut out);
        out
    }
}

fn render(parts: &[Part], root: &Value, here: &Value, out: &mut String) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(path) => {
                let found: Vec<String> = path.find_from(root, here).into_iter().map(shown).collect();
                out.push_str(&found.join(" "));
            }
            Part::Range(path, body) => {
                for item in path.find_from(root, here) {
                    render(body, root, item, out);
                }
            }
        }
    }
}

/// Text as it is, all else as JSON.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Path {
    /// `{.a.b}`, `.a.b` or `a.b`: what columns, sort keys and `wait` take.
    pub fn relaxed(text: &str) -> Result<Path, String> {
        parse::relaxed(text)
    }

    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        self.find_from(root, root)
    }

    fn find_from<'a>(&self, root: &'a Value, here: &'a Value) -> Vec<&'a Value> {
        let start = if self.start == Start::Root { root } else { here };
        self.steps.iter().fold(vec![start], |found, step| {
            let mut next = Vec::new();
            for value in found {
                step.take(root, value, &mut next);
            }
            next
        })
    }
}

impl Step {
    fn take<'a>(&self, root: &'a Value, value: &'a Value, out: &mut Vec<&'a Value>) {
        match self {
            Step::Field(name) => out.extend(value.get(name)),
            Step::All => children(value, out),
            Step::Index(at) => {
                if let Value::Array(items) = value {
                    let at = if *at < 0 { at + items.len() as i64 } else { *at };
                    out.extend(usize::try_from(at).ok().and_then(|at| items.get(at)));
                }
            }
            Step::Slice(from, to, by) => {
                if let Value::Array(items) = value {
                    let length = items.len() as i64;
                    let bound = |n: i64| (if n < 0 { n + length } else { n }).clamp(0, length) as usize;
                    let (from, to) = (bound(from.unwrap_or(0)), bound(to.unwrap_or(length)));
                    out.extend(items.get(from..to.max(from)).into_iter().flatten().step_by(*by as usize));
                }
            }
            Step::Union(steps) => steps.iter().for_each(|step| step.take(root, value, out)),
            Step::Descend => descend(value, out),
            Step::Filter(filter) => {
                let mut items = Vec::new();
                children(value, &mut items);
                out.extend(items.into_iter().filter(|item| filter.holds(root, item)));
            }
        }
    }
}

fn children<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => out.extend(items),
        Value::Object(map) => out.extend(map.values()),
        _ => {}
    }
}

fn descend<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    out.push(value);
    let mut below = Vec::new();
    children(value, &mut below);
    below.into_iter().for_each(|value| descend(value, out));
}

impl Filter {
    fn holds(&self, root: &Value, item: &Value) -> bool {
        let left = self.left.values(root, item);
        let Some((operator, right)) = &self.test else { return !left.is_empty() };
        let right = right.values(root, item);
        let (Some(left), Some(right)) = (left.first(), right.first()) else { return false };
        match (operator, compare(left, right)) {
            (Operator::Equal, order) => order == Some(Ordering::Equal),
            (Operator::NotEqual, order) => order != Some(Ordering::Equal),
            (_, None) => false,
            (Operator::Less, Some(order)) => order.is_lt(),
            (Operator::LessOrEqual, Some(order)) => order.is_le(),
            (Operator::Greater, Some(order)) => order.is_gt(),
            (Operator::GreaterOrEqual, Some(order)) => order.is_ge(),
        }
    }
}

impl Operand {
    fn values<'a>(&'a self, root: &'a Value, item: &'a Value) -> Vec<&'a Value> {
        match self {
            Operand::Path(path) => path.find_from(root, item),
            Operand::Value(value) => vec![value],
        }
    }
}

/// None: not of one kind.
pub fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list() -> Value {
        json!({
            "kind": "List",
            "items": [
                {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "status": {"phase": "Running", "n": 3, "up": true},
                 "spec": {"containers": [{"name": "c1", "ports": [{"p": 80}, {"p": 443}]}, {"name": "c2"}]}},
                {"metadata": {"name": "b"}, "status": {"phase": "Pending", "n": 12},
                 "spec": {"containers": [{"name": "c3"}]}},
            ],
        })
    }

    /// The forms of "JSONPath Support", Functions.
    #[test]
    fn a_template_says_what_kubectl_says() {
        for (template, want) in [
            ("plain", "plain"),
            ("{.kind}", "List"),
            ("{$.kind}", "List"),
            ("{@.kind} is {.kind}", "List is List"),
            ("{['kind']}", "List"),
            ("{.items[*].metadata.name}", "a b"),
            ("{.items[0].metadata.name}", "a"),
            ("{.items[-1].metadata.name}", "b"),
            ("{.items[0:1].metadata.name}", "a"),
            ("{.items[:].metadata.name}", "a b"),
            ("{.items[-1:].metadata.name}", "b"),
            ("{.items[::2].metadata.name}", "a"),
            ("{.items[0,1].metadata.name}", "a b"),
            ("{.items[*]['metadata.name']}", ""),
            ("{.items[*]['metadata', 'status']['name', 'phase']}", "a Running b Pending"),
            ("{..name}", "a c1 c2 b c3"),
            ("{.items[*].spec.containers[*].name}", "c1 c2 c3"),
            ("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}", "x"),
            ("{.items[0].metadata.labels['app\\.kubernetes\\.io/name']}", "x"),
            ("{.items[?(@.status.phase==\"Running\")].metadata.name}", "a"),
            ("{.items[?(@.status.phase != 'Running')].metadata.name}", "b"),
            ("{.items[?(@.status.n > 5)].metadata.name}", "b"),
            ("{.items[?(@.status.n <= 3)].metadata.name}", "a"),
            ("{.items[?(@.status.up)].metadata.name}", "a"),
            ("{.items[?(@.status.up==true)].metadata.name}", "a"),
            ("{range .items[*]}{.metadata.name}={.status.n}{\"\\n\"}{end}", "a=3\nb=12\n"),
            ("{range .items[*]}[{range .spec.containers[*]}{.name},{end}]{end}", "[c1,c2,][c3,]"),
            ("{range .items[*]}{$.kind}{'\\t'}{end}", "List\tList\t"),
            ("{.items[0].status}", "{\"n\":3,\"phase\":\"Running\",\"up\":true}"),
            ("{.nope.deeper[3]}", ""),
            ("{.items.*.metadata.name}", "a b"),
        ] {
            match Template::parse(template) {
                Ok(parsed) => assert_eq!(parsed.render(&list()), want, "{template}"),
                Err(e) => panic!("{template}: {e}"),
            }
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "{",
            "{.a",
            "}{",
            "{.a[}",
            "{.a[x]}",
            "{.a[?(@.b]}",
            "{.a[?(@.b ~ 1)]}",
            "{range .a}",
            "{end}",
            "{.a[]}",
            "{.a['b}",
            "{\"x}",
            "{.a[1:2:0]}",
            "{nope}",
            "{.a b}",
            "{.a..}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_column_needs_no_braces() {
        for text in ["{.metadata.name}", ".metadata.name", "metadata.name", "{metadata.name}"] {
            assert_eq!(Path::relaxed(text).unwrap().find(&list()["items"][0]), [&json!("a")], "{text}");
        }
        for text in ["", "{.a}{.b}", "{.a", ".a}"] {
            assert!(Path::relaxed(text).is_err(), "{text}");
        }
    }
}
