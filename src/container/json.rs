//! JSON documents of others, read once: plainly where they are right, with more care only where they are not.
//!
//! A reader that keeps the path of every value costs a second copy of all readers in the program and most of their time, for
//! errors that few documents have. Here the path is found afterwards, from where in the text the reader stopped.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// `bytes` as a `T`. An error begins with the JSON path of what is wrong, or with `whole` for the document itself.
pub fn typed<T: DeserializeOwned>(bytes: &[u8], whole: &str) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|e| {
        let path = path_at(bytes, offset(bytes, e.line(), e.column()));
        format!("{}: {}", if path.is_empty() { whole } else { &path }, words(&e))
    })
}

/// The error without its place, which stands before it as a path.
fn words(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let place = format!(" at line {} column {}", e.line(), e.column());
    text.strip_suffix(&place).unwrap_or(&text).to_string()
}

/// How much of the text had been read: serde_json counts lines from 1 and, within one, the bytes read.
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let start = match line {
        0 | 1 => 0,
        _ => bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(line - 2).map_or(bytes.len(), |(i, _)| i + 1),
    };
    (start + column).min(bytes.len())
}

enum Step {
    /// An object, and the key whose value is being read.
    Key(Option<String>),
    Index(usize),
}

/// The path of the value that a reader was in, or had just ended, after `end` bytes of a well-formed document.
fn path_at(bytes: &[u8], end: usize) -> String {
    let mut steps: Vec<Step> = Vec::new();
    let mut i = 0;
    while i < end {
        match bytes[i] {
            b'{' => steps.push(Step::Key(None)),
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => drop(steps.pop()),
            b',' => match steps.last_mut() {
                Some(Step::Index(n)) => *n += 1,
                Some(Step::Key(key)) => *key = None,
                None => {}
            },
            b'"' => {
                let close = string_end(bytes, i);
                if let Some(Step::Key(key @ None)) = steps.last_mut() {
                    *key = serde_json::from_slice(&bytes[i..close]).ok();
                }
                i = close - 1;
            }
            _ => {}
        }
        i += 1;
    }
    let mut path = String::new();
    for step in &steps {
        match step {
            Step::Index(n) => path += &format!("[{n}]"),
            Step::Key(Some(key)) if path.is_empty() => path += key,
            Step::Key(Some(key)) => path = path + "." + key,
            Step::Key(None) => {}
        }
    }
    path
}

/// The end of the string whose opening quote is at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'"' => return i + 1,
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
    bytes.len()
}

/// One JSON object, with no key twice in any: readers disagree on which counts.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("starts with a byte order mark (want plain UTF-8)".into());
    }
    if let Err(e) = std::str::from_utf8(bytes) {
        return Err(format!("is not UTF-8 at byte {}", e.valid_up_to()));
    }
    let Some(first) = bytes.iter().find(|b| !b.is_ascii_whitespace()) else { return Err("is empty".into()) };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Unique.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|e| e.to_string())?;
    let kind = match first {
        b'{' => return Ok(()),
        b'[' => "a list",
        b'"' => "a string",
        b't' | b'f' => "a bool",
        b'n' => "null",
        _ => "a number",
    };
    Err(format!("is {kind} (want an object)"))
}

/// Reads any JSON value and keeps nothing of it; a key that stands twice in an object is an error.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Unique)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys: Vec<Cow<'de, str>> = Vec::new();
        while let Some(key) = map.next_key_seed(Key)? {
            keys.push(key);
            map.next_value_seed(Unique)?;
        }
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(A::Error::custom(format!("key {:?} stands twice", pair[0]))),
            None => Ok(()),
        }
    }
}

/// A key as it stands in the text, where it holds no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::Spec;

    #[test]
    fn what_is_wrong_is_named_by_its_path_wherever_the_reader_stopped() {
        for (text, want) in [
            (
                r#"{"ociVersion":"1.0.0","process":{"cwd":"/","user":{"uid":"1","gid":0}}}"#,
                "process.user.uid: invalid type: string",
            ),
            (
                r#"{"ociVersion":"1.0.0","hooks":{"prestart":[{"path":"/a"}, {"args":[]}]}}"#,
                "hooks.prestart[1]: missing field `path`",
            ),
            (r#"{"ociVersion":"1.0.0","process":{"cwd": 5,"user":{}}}"#, "process.cwd: invalid type: integer `5`"),
            (r#"{"ociVersion":"1.0.0","hostname": {}}"#, "hostname: invalid type: map"),
            (r#"{"ociVersion":"1.0.0","hostname":true}"#, "hostname: invalid type: boolean"),
            (
                "{\"ociVersion\":\"1.0.0\",\n \"mounts\":[{\"destination\":\"/a\"},\n {\"destination\":[]}]}",
                "mounts[1].destination: ",
            ),
            (r#"{"ociVersion":"1.0.0","mounts":[{"destination":"/a"}, 7]}"#, "mounts[1]: invalid type: integer"),
            (
                r#"{"ociVersion":"1.0.0","linux":{"namespaces":[{"type":"pid"},{"type":"x"}]}}"#,
                "linux.namespaces[1].type: unknown variant",
            ),
            (r#"{"annotations":{"a":"a \" , } [ "},"hostname":[]}"#, "hostname: invalid type: sequence"),
            ("7", "config: invalid type: integer"),
            (r#"{"ociVersion":"1.0.0","linux":{"sysctl":{"a\u002eb":"1","c":2}}}"#, "linux.sysctl.c: invalid type: integer"),
        ] {
            let got = typed::<Spec>(text.as_bytes(), "config").unwrap_err();
            assert!(got.starts_with(want), "{text}: {got}");
            assert!(!got.contains(" at line"), "{got}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_found_in_every_object_and_behind_escapes() {
        for text in [r#"{"a":1,"b":2,"a":3}"#, r#"{"x":[{"a":1,"\u0061":3}]}"#] {
            assert!(check(text.as_bytes()).unwrap_err().contains("key \"a\" stands twice"), "{text}");
        }
        assert_eq!(check(br#"{"a":{"a":1},"b":[{"a":1},{"a":1}],"c":[1.5,-1,null,true,"\n"]}"#), Ok(()));
    }
}
