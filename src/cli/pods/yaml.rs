//! JSON values as YAML, in the block style that kubectl prints: keys sorted, lists not indented below their key.

use serde_json::Value;
use std::fmt::Write;

pub fn print(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => object(map, 0, &mut out),
        Value::Array(list) if !list.is_empty() => array(list, 0, &mut out),
        _ => scalar(value, 0, &mut out),
    }
    out
}

fn object(map: &serde_json::Map<String, Value>, indent: usize, out: &mut String) {
    for (i, (key, value)) in map.iter().enumerate() {
        if i > 0 {
            pad(indent, out);
        }
        out.push_str(&text(key));
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                pad(indent + 2, out);
                object(inner, indent + 2, out);
            }
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                pad(indent, out);
                array(inner, indent, out);
            }
            _ => {
                out.push(' ');
                scalar(value, indent + 2, out);
            }
        }
    }
}

fn array(list: &[Value], indent: usize, out: &mut String) {
    for (i, value) in list.iter().enumerate() {
        if i > 0 {
            pad(indent, out);
        }
        out.push_str("- ");
        match value {
            Value::Object(inner) if !inner.is_empty() => object(inner, indent + 2, out),
            Value::Array(inner) if !inner.is_empty() => array(inner, indent + 2, out),
            _ => scalar(value, indent + 2, out),
        }
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(s) if is_block(s) => block(s, indent, out),
        Value::String(s) => {
            out.push_str(&text(s));
            out.push('\n');
        }
        Value::Object(_) => out.push_str("{}\n"),
        Value::Array(_) => out.push_str("[]\n"),
        other => {
            let _ = writeln!(out, "{other}");
        }
    }
}

/// Lines that a literal block shows as they are.
fn is_block(s: &str) -> bool {
    let odd = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    s.trim_end_matches('\n').contains('\n') && !s.starts_with([' ', '\n']) && !s.contains(odd)
}

fn block(s: &str, indent: usize, out: &mut String) {
    let body = s.trim_end_matches('\n');
    out.push_str(match s.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    out.push('\n');
    for line in body.split('\n') {
        if !line.is_empty() {
            pad(indent, out);
            out.push_str(line);
        }
        out.push('\n');
    }
    out.extend(std::iter::repeat_n('\n', (s.len() - body.len()).saturating_sub(1)));
}

/// Plain where every YAML reader takes it for this same string, else double-quoted, as JSON has it.
fn text(s: &str) -> String {
    if is_plain(s) { s.to_owned() } else { Value::String(s.to_owned()).to_string() }
}

fn is_plain(s: &str) -> bool {
    let fine = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | ' ' | '+' | '(' | ')' | '=' | '$' | ',' | ';')
    };
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "~", ".inf", ".nan", "-.inf", "+.inf"];
    // Anything that starts like a number may be one to somebody: octal, base 60, a date.
    let starts = s.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_' || c == '$' || c == '(');
    starts
        && s.chars().all(fine)
        && !s.ends_with([' ', ':'])
        && !s.contains(": ")
        && !words.contains(&s.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_prints_as_kubectl_prints_it() {
        let value = json!({
            "apiVersion": "v1",
            "metadata": {"labels": {}, "name": "a"},
            "spec": {"containers": [{"args": ["sh", "-c", "a\nb"], "name": "x", "stdin": true}], "count": 3, "none": null},
            "tags": [],
        });
        let want = "\
apiVersion: v1
metadata:
  labels: {}
  name: a
spec:
  containers:
  - args:
    - sh
    - \"-c\"
    - |-
      a
      b
    name: x
    stdin: true
  count: 3
  none: null
tags: []
";
        assert_eq!(print(&value), want);
    }

    #[test]
    fn a_string_that_looks_like_something_else_is_quoted() {
        for (s, want) in [
            ("plain", "plain\n"),
            ("two words", "two words\n"),
            ("bundle:./app", "bundle:./app\n"),
            ("", "\"\"\n"),
            ("yes", "\"yes\"\n"),
            ("Null", "\"Null\"\n"),
            ("1", "\"1\"\n"),
            ("0x1F", "\"0x1F\"\n"),
            ("2026-01-02", "\"2026-01-02\"\n"),
            ("1:30", "\"1:30\"\n"),
            ("- a", "\"- a\"\n"),
            ("a: b", "\"a: b\"\n"),
            ("a #b", "\"a #b\"\n"),
            ("a:", "\"a:\"\n"),
            (" a", "\" a\"\n"),
            ("*x", "\"*x\"\n"),
            ("tab\there", "\"tab\\there\"\n"),
            ("one line\n", "\"one line\\n\"\n"),
            ("a\nb\n", "|\n  a\n  b\n"),
            ("a\n\nb\n\n", "|+\n  a\n\n  b\n\n"),
            ("é", "\"é\"\n"),
        ] {
            let mut out = String::new();
            scalar(&Value::String(s.into()), 2, &mut out);
            assert_eq!(out, want, "{s:?}");
        }
    }
}
