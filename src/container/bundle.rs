//! An OCI bundle: a folder with config.json and, usually, a rootfs (runtime-spec, bundle.md).

use super::{Error, json};
use oci_spec::runtime::Spec;
use serde_json::Value;
use std::borrow::Cow;
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
        Bundle::load_with(path, |_| ())
    }

    /// [`load`](Bundle::load); `keep` is shown the document that the spec was read from.
    pub fn load_with(path: &Path, keep: impl FnOnce(Cow<[u8]>)) -> Result<Bundle, Error> {
        let path = std::path::absolute(path).map_err(|e| Error::bundle(path, e.to_string()))?;
        let file = path.join("config.json");
        let bytes = read(&file)?;
        let (spec, text, warnings) = parse(&bytes).map_err(|problem| Error::bundle(&file, problem))?;
        super::validate::spec(&spec).map_err(|e| Error::bundle(&file, e.to_string()))?;
        keep(text);
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

/// The spec, the document that it was read from, and what was set right.
pub type Parsed<'a> = (Spec, Cow<'a, [u8]>, Vec<String>);

/// One JSON document to a typed spec, and the document that it was read from: `bytes`, or what stays of it. Stricter than
/// serde_json in one thing: a key that stands twice is refused. Laxer than the typed reader in one: an unknown capability warns
/// and is dropped (runtime-spec MUST).
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, String> {
    json::check(bytes)?;
    match json::typed(bytes, "config") {
        Ok(spec) => Ok((spec, Cow::Borrowed(bytes), Vec::new())),
        Err(_) => {
            let (text, warnings) = without_unknown_capabilities(bytes, "/process/capabilities")?;
            Ok((json::typed(&text, "config")?, Cow::Owned(text), warnings))
        }
    }
}

/// The document with only capabilities that there are; said of each that is dropped.
fn without_unknown_capabilities(bytes: &[u8], pointer: &str) -> Result<(Vec<u8>, Vec<String>), String> {
    let mut value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let warnings = drop_unknown_capabilities(value.pointer_mut(pointer));
    Ok((serde_json::to_vec(&value).map_err(|e| e.to_string())?, warnings))
}

/// Reads a file that holds one `process` object, as exec takes it; as strict as config.json's.
pub fn load_process(file: &Path) -> Result<oci_spec::runtime::Process, Error> {
    let bytes = read(file)?;
    let process = json::check(&bytes)
        .and_then(|()| without_unknown_capabilities(&bytes, "/capabilities"))
        .and_then(|(text, _)| json::typed(&text, "process"));
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
    let value = json::check(&bytes).and_then(|()| serde_json::from_slice(&bytes).map_err(|e| e.to_string()));
    value.map_err(|problem| Error::bundle(file, problem))
}

fn drop_unknown_capabilities(sets: Option<&mut Value>) -> Vec<String> {
    let mut unknown = std::collections::BTreeSet::new();
    let Some(Value::Object(sets)) = sets else { return Vec::new() };
    for names in sets.values_mut().filter_map(Value::as_array_mut) {
        names.retain(|name| {
            let known = name.as_str().is_none_or(|n| n.parse::<caps::Capability>().is_ok());
            if !known {
                unknown.extend(name.as_str().map(String::from));
            }
            known
        });
    }
    let names = unknown.into_iter().collect::<Vec<_>>().join(" ");
    // In the words that others look for.
    let line = || format!("process.capabilities: ignoring unknown or unavailable capabilities: [{names}]");
    (!names.is_empty()).then(line).into_iter().collect()
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
        let (spec, _, warnings) = parse(text).unwrap();
        assert_eq!(warnings, ["process.capabilities: ignoring unknown or unavailable capabilities: [CAP_NOPE]"]);
        let caps = spec.process().as_ref().unwrap().capabilities().as_ref().unwrap().bounding().as_ref().unwrap();
        assert_eq!(caps.len(), 1);
    }
}
