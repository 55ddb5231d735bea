//! An OCI bundle: a folder with config.json and, usually, a rootfs (runtime-spec, bundle.md).

use super::Error;
use oci_spec::runtime::Spec;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A config.json larger than this is refused unread.
const MAX_CONFIG: u64 = 16 << 20;

#[derive(Debug, Clone)]
pub struct Bundle {
    /// Absolute.
    pub path: PathBuf,
    pub spec: Spec,
    /// What was set right on the way, one line each: an unknown capability dropped.
    pub warnings: Vec<String>,
}

impl Bundle {
    /// Reads and checks `path`/config.json. Errors name the file and, where there is one, the JSON path.
    pub fn load(path: &Path) -> Result<Bundle, Error> {
        let path = std::path::absolute(path).map_err(|e| Error::bundle(path, e.to_string()))?;
        let file = path.join("config.json");
        let bytes = read(&file)?;
        let (spec, warnings) = parse(&bytes).map_err(|problem| Error::bundle(&file, problem))?;
        super::validate::spec(&spec).map_err(|e| Error::bundle(&file, e.to_string()))?;
        Ok(Bundle { path, spec, warnings })
    }

    /// The rootfs's folder, absolute: root.path, relative to the bundle.
    pub fn rootfs(&self) -> Result<PathBuf, Error> {
        let root = self.spec.root().as_ref().map(|r| r.path().as_path()).unwrap_or(Path::new(""));
        let path = self.path.join(root);
        match std::fs::metadata(&path) {
            Ok(m) if m.is_dir() => Ok(path),
            Ok(_) => Err(Error::bundle(&self.path.join("config.json"), format!("root.path: {} is not a folder", path.display()))),
            Err(e) => Err(Error::bundle(
                &self.path.join("config.json"),
                format!("root.path: {}: {}", path.display(), crate::sys::Errno::from(e)),
            )),
        }
    }
}

/// Opened without waiting, so that a FIFO does not hold the command; only a regular file of a sane size is read.
fn read(file: &Path) -> Result<Vec<u8>, Error> {
    let sys = |e: std::io::Error| Error::bundle(file, crate::sys::Errno::from(e).to_string());
    let f = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(file).map_err(sys)?;
    let meta = f.metadata().map_err(sys)?;
    if !meta.is_file() {
        return Err(Error::bundle(file, "is not a regular file"));
    }
    if meta.len() > MAX_CONFIG {
        return Err(Error::bundle(file, format!("is {} bytes long (want at most {MAX_CONFIG})", meta.len())));
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize + 1);
    f.take(MAX_CONFIG + 1).read_to_end(&mut bytes).map_err(sys)?;
    Ok(bytes)
}

/// One JSON document to a typed spec. Stricter than serde_json in one thing: a key that stands twice is refused, since readers
/// disagree on which counts. Laxer than the typed reader in one: an unknown capability warns and is dropped (runtime-spec MUST).
pub fn parse(bytes: &[u8]) -> Result<(Spec, Vec<String>), String> {
    let mut value = document(bytes)?;
    let warnings = drop_unknown_capabilities(value.pointer_mut("/process/capabilities"));
    Ok((typed(value, "config")?, warnings))
}

/// One JSON object.
fn document(bytes: &[u8]) -> Result<Value, String> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("starts with a byte order mark (want plain UTF-8)".into());
    }
    if let Err(e) = std::str::from_utf8(bytes) {
        return Err(format!("is not UTF-8 at byte {}", e.valid_up_to()));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("is empty".into());
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).and_then(|v| reader.end().map(|()| v)).map_err(|e| e.to_string())?;
    if !value.is_object() {
        return Err(format!("is {} (want an object)", kind(&value)));
    }
    Ok(value)
}

fn typed<T: serde::de::DeserializeOwned>(value: Value, whole: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|e| {
        let path = e.path().to_string();
        format!("{}: {}", if path == "." { whole } else { &path }, e.inner())
    })
}

/// Reads a file that holds one `process` object, as exec takes it; as strict as config.json's.
pub fn load_process(file: &Path) -> Result<oci_spec::runtime::Process, Error> {
    let bytes = read(file)?;
    let process = (|| {
        let mut value = document(&bytes)?;
        drop_unknown_capabilities(value.get_mut("capabilities"));
        typed(value, "process")
    })();
    process.map_err(|problem| Error::bundle(file, problem))
}

/// Reads a file that holds one linux.resources object; `-` is stdin.
pub fn load_resources(file: &Path) -> Result<Value, Error> {
    let bytes = match file == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().take(MAX_CONFIG + 1).read_to_end(&mut bytes);
            read.map_err(|e| Error::bundle(file, crate::sys::Errno::from(e).to_string()))?;
            bytes
        }
        false => read(file)?,
    };
    document(&bytes).map_err(|problem| Error::bundle(file, problem))
}

fn kind(v: &Value) -> &'static str {
    match v {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn drop_unknown_capabilities(sets: Option<&mut Value>) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(Value::Object(sets)) = sets else { return warnings };
    for (set, names) in sets {
        if let Value::Array(names) = names {
            names.retain(|name| {
                let known = name.as_str().is_none_or(|n| n.parse::<caps::Capability>().is_ok());
                if !known {
                    warnings.push(format!("process.capabilities.{set}: unknown capability {name} is dropped"));
                }
                known
            });
        }
    }
    warnings
}

/// Reads any JSON value, with duplicate keys an error.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(v) = seq.next_element_seed(Strict)? {
            list.push(v);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(Strict)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("key {key:?} stands twice")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_single_json_object_is_refused_with_its_reason() {
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        for (text, want) in [
            (&b""[..], "is empty"),
            (b" \n", "is empty"),
            (b"null", "is null"),
            (b"[]", "is a list"),
            (b"{\"a\":1", "EOF"),
            (b"{} x", "trailing"),
            (b"{}{}", "trailing"),
            (b"\xef\xbb\xbf{}", "byte order mark"),
            (b"{\"a\":\"\xff\"}", "not UTF-8 at byte 6"),
            (b"{\"a\":1,\"a\":2}", "key \"a\" stands twice"),
            (deep.as_bytes(), "recursion limit"),
        ] {
            let got = parse(text).unwrap_err();
            assert!(got.contains(want), "{:?}: {got}", String::from_utf8_lossy(&text[..text.len().min(20)]));
        }
    }

    #[test]
    fn a_wrong_type_is_named_by_its_json_path() {
        let got = parse(br#"{"ociVersion":"1.0.0","process":{"cwd":"/","user":{"uid":"1","gid":0}}}"#).unwrap_err();
        assert!(got.starts_with("process.user.uid: "), "{got}");
    }

    #[test]
    fn an_unknown_capability_warns_and_is_dropped_and_an_unknown_property_is_ignored() {
        let text = br#"{"ociVersion":"1.0.0","nonsense":1,"process":{"cwd":"/","user":{"uid":0,"gid":0},"capabilities":{"bounding":["CAP_KILL","CAP_NOPE"]}}}"#;
        let (spec, warnings) = parse(text).unwrap();
        assert_eq!(warnings, ["process.capabilities.bounding: unknown capability \"CAP_NOPE\" is dropped"]);
        let caps = spec.process().as_ref().unwrap().capabilities().as_ref().unwrap().bounding().as_ref().unwrap();
        assert_eq!(caps.len(), 1);
    }
}
