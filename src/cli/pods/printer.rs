//! `-o`: how objects are printed, for every command that prints pods.

use super::jsonpath::{Path, Template, shown};
use super::table::Table;
use super::{Failure, Kind, Result, json, yaml};
use serde_json::Value;
use std::io::Write;
use std::str::FromStr;

/// The value of `-o`.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    Wide,
    Yaml,
    Json,
    Name,
    JsonPath(Template),
    /// Column names, and where their values are.
    Columns(Vec<(String, Path)>),
}

pub const FORMATS: &str =
    "wide, yaml, json, name, jsonpath=..., jsonpath-file=..., custom-columns=... or custom-columns-file=...";

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        let (kind, argument) = text.split_once('=').map_or((text, None), |(kind, argument)| (kind, Some(argument)));
        match (kind, argument) {
            ("wide", None) => Ok(Format::Wide),
            ("yaml", None) => Ok(Format::Yaml),
            ("json", None) => Ok(Format::Json),
            ("name", None) => Ok(Format::Name),
            ("jsonpath", Some(template)) => Template::parse(template).map(Format::JsonPath),
            ("jsonpath-file", Some(file)) => Template::parse(read(file)?.trim_end()).map(Format::JsonPath),
            ("custom-columns", Some(columns)) => self::columns(columns).map(Format::Columns),
            ("custom-columns-file", Some(file)) => columns_file(&read(file)?).map(Format::Columns),
            ("jsonpath" | "jsonpath-file" | "custom-columns" | "custom-columns-file", None) => {
                Err(format!("{kind} wants a value: {kind}=..."))
            }
            ("go-template" | "go-template-file" | "template", _) => {
                Err(format!("{kind} is not supported: use jsonpath=... (want {FORMATS})"))
            }
            _ => Err(format!("unknown format (want {FORMATS})")),
        }
    }
}

fn read(file: &str) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("{file}: {}", crate::sys::Errno::from(e)))
}

/// `NAME:.metadata.name,PHASE:.status.phase`
fn columns(text: &str) -> Result<Vec<(String, Path)>, String> {
    let column = |part: &str| match part.split_once(':') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), Path::relaxed(path)?)),
        _ => Err(format!("custom-columns: {part:?} is not NAME:PATH")),
    };
    split(text).into_iter().map(column).collect()
}

/// At commas outside brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (i, c) in text.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// A line of names, and below it a line of paths.
fn columns_file(text: &str) -> Result<Vec<(String, Path)>, String> {
    let mut lines = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>()).filter(|l| !l.is_empty());
    let (Some(names), Some(paths), None) = (lines.next(), lines.next(), lines.next()) else {
        return Err("custom-columns-file: want a line of names and a line of paths".into());
    };
    if names.len() != paths.len() {
        return Err(format!("custom-columns-file: {} names, {} paths", names.len(), paths.len()));
    }
    names.iter().zip(paths).map(|(name, path)| Ok(((*name).to_owned(), Path::relaxed(path)?))).collect()
}

impl Format {
    /// What is printed the same way for one object and for many, without a table of podrt's own.
    pub fn is_data(&self) -> bool {
        matches!(self, Format::Json | Format::Yaml | Format::JsonPath(_))
    }

    /// `value`: an object, or a list of them.
    pub fn print(&self, value: &Value, headers: bool, out: &mut dyn Write) -> Result {
        match self {
            Format::Yaml => write!(out, "{}", yaml::print(value))?,
            Format::Json => out.write_all(&pretty(value)?)?,
            Format::JsonPath(template) => out.write_all(template.render(value).as_bytes())?,
            Format::Columns(columns) => table(columns, items(value), headers).print("", out)?,
            Format::Name => {
                for item in items(value) {
                    writeln!(out, "pod/{}", item["metadata"]["name"].as_str().unwrap_or_default())?;
                }
            }
            // The caller's own table.
            Format::Wide => return Err(Failure::new(Kind::Failed, "wide is a table of pods")),
        }
        Ok(())
    }
}

fn items(value: &Value) -> Vec<&Value> {
    value.get("items").and_then(Value::as_array).map_or_else(|| vec![value], |items| items.iter().collect())
}

fn table(columns: &[(String, Path)], items: Vec<&Value>, headers: bool) -> Table {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut table = Table::new(headers.then_some(names.as_slice()));
    for item in items {
        let cell = |(_, path): &(String, Path)| {
            let found: Vec<String> = path.find(item).into_iter().map(shown).collect();
            if found.is_empty() { super::get::none() } else { found.join(",") }
        };
        table.row(columns.iter().map(cell).collect());
    }
    table
}

/// Indented by four, as kubectl does.
pub fn pretty(value: &Value) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(value, &mut serializer).map_err(Failure::failed)?;
    text.push(b'\n');
    Ok(text)
}

/// A v1 PodList, or the one pod.
pub fn objects(mut pods: Vec<Value>, single: bool) -> Value {
    if single && pods.len() == 1 { pods.remove(0) } else { json::list(pods) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(format: &str, value: &Value) -> String {
        let mut out = Vec::new();
        format.parse::<Format>().unwrap().print(value, true, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_object_and_a_list_are_printed_as_asked() {
        let pod = |name: &str| json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "x"}, {"name": "y"}]}});
        let both = json::list(vec![pod("a"), pod("b")]);
        for (format, value, want) in [
            ("name", &both, "pod/a\npod/b\n"),
            ("name", &pod("a"), "pod/a\n"),
            ("jsonpath={.items[*].metadata.name}", &both, "a b"),
            (
                "custom-columns=NAME:.metadata.name,C:.spec.containers[*].name,IP:.status.podIP",
                &both,
                "NAME   C     IP\na      x,y   <none>\nb      x,y   <none>\n",
            ),
            ("custom-columns=F:spec.containers[0,1].name", &pod("a"), "F\nx,y\n"),
        ] {
            assert_eq!(printed(format, value), want, "{format}");
        }
        assert_eq!(columns_file("NAME  C\nmetadata.name  .spec\n").unwrap().len(), 2);
    }

    #[test]
    fn a_format_that_is_none_says_which_there_are() {
        for text in [
            "",
            "xml",
            "json=x",
            "jsonpath",
            "jsonpath={",
            "custom-columns=A",
            "custom-columns=A:",
            "go-template={{.}}",
            "jsonpath-file=/nope",
        ] {
            assert!(text.parse::<Format>().is_err(), "{text}");
        }
        assert!("go-template=x".parse::<Format>().unwrap_err().contains("use jsonpath"));
    }
}
