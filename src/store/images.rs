//! Names for bundles, until images come from elsewhere: `<data>/images/<name>`, one file each.
//!
//! A name is an image reference as Kubernetes has it (`busybox:1.28`), and is kept in full (`docker.io/library/busybox:1.28`), so
//! that all spellings of one reference are one name. In a file's name a `%` stands for each slash; no reference holds one.

use super::{Result, Roots, atomic, make_folder};
use crate::sys::errno::Call;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Bytes of a whole name: with its ending and atomic's own it is a file's name.
const MAX_NAME: usize = 240;

/// A name and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// In full.
    pub name: String,
    /// An OCI bundle's folder, absolute.
    pub bundle: PathBuf,
    /// Unix time, seconds.
    pub added: i64,
}

/// A reference in full: with its registry, its folder there, and a tag where it has no digest.
///
/// Source: the reference grammar of the distribution project; Kubernetes, "Images: Image names".
///
/// # Errors
/// What a reference must be.
pub fn normal(name: &str) -> std::result::Result<String, &'static str> {
    let (rest, digest) = match name.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (name, None),
    };
    // A colon in the last part begins a tag; before that it is a registry's port.
    let slash = rest.rfind('/').map_or(0, |i| i + 1);
    let (path, tag) = match rest[slash..].split_once(':') {
        Some((_, tag)) => (&rest[..rest.len() - tag.len() - 1], Some(tag)),
        None => (rest, None),
    };
    let (registry, path) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", path),
    };
    if !registry.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b':')) || registry.starts_with(['.', '-'])
    {
        return Err("a registry's host, letters, digits, \".\", \"-\" and a port");
    }
    if !path.split('/').all(is_part) {
        return Err("an image name such as busybox:1.28, lower case letters, digits and single \".\", \"_\", \"-\" between them");
    }
    let tag_char = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    if tag.is_some_and(|t| t.is_empty() || t.len() > 128 || !t.bytes().all(tag_char) || t.starts_with(['.', '-'])) {
        return Err("a tag of at most 128 letters, digits, \".\", \"_\" and \"-\"");
    }
    let is_digest = |d: &str| {
        let hex = d.split_once(':').map_or("", |(_, hex)| hex);
        d.bytes().all(|c| c.is_ascii_alphanumeric() || c == b':') && hex.len() >= 32 && hex.bytes().all(|c| c.is_ascii_hexdigit())
    };
    if digest.is_some_and(|d| !is_digest(d)) {
        return Err("a digest such as sha256: and 64 hexadecimal digits");
    }
    let library = if registry == "docker.io" && !path.contains('/') { "library/" } else { "" };
    let end = match (tag, digest) {
        (_, Some(digest)) => format!("@{digest}"),
        (Some(tag), None) => format!(":{tag}"),
        (None, None) => ":latest".to_owned(),
    };
    let whole = format!("{registry}/{library}{path}{end}");
    if whole.len() > MAX_NAME { Err("at most 240 characters in full") } else { Ok(whole) }
}

/// `[a-z0-9]+` with `.`, `_`, `__` or dashes between.
fn is_part(part: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = part.as_bytes();
    let fine = bytes.iter().all(|c| inner(*c) || matches!(c, b'.' | b'_' | b'-'));
    let ends = bytes.first().is_some_and(|c| inner(*c)) && bytes.last().is_some_and(|c| inner(*c));
    fine && ends && !["..", "._", "_.", ".-", "-.", "___", "_-", "-_"].iter().any(|pair| part.contains(pair))
}

fn folder(roots: &Roots) -> PathBuf {
    roots.data.join("images")
}

fn file(folder: &Path, full: &str) -> PathBuf {
    folder.join(format!("{}.json", full.replace('/', "%")))
}

/// What a name stands for; `full` is what [`normal`] made of it.
///
/// # Errors
/// Its file is there and cannot be read.
pub fn find(roots: &Roots, full: &str) -> Result<Option<Image>> {
    atomic::read_json(&file(&folder(roots), full))
}

/// All of them, by name.
///
/// # Errors
/// The folder or a file cannot be read.
pub fn list(roots: &Roots) -> Result<Vec<Image>> {
    let folder = folder(roots);
    let entries = match std::fs::read_dir(&folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.call(|| format!("open({})", folder.display()))?,
    };
    let mut images: Vec<Image> = Vec::new();
    for entry in entries {
        let path = entry.call(|| format!("readdir({})", folder.display()))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        // What a killed writer has left begins with a dot.
        if !name.starts_with('.') && name.ends_with(".json") {
            images.extend(atomic::read_json::<Image>(&path)?);
        }
    }
    images.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(images)
}

/// Gives the name to this bundle; whatever had it before loses it.
///
/// # Errors
/// The file cannot be written.
pub fn put(roots: &Roots, image: &Image) -> Result<()> {
    let folder = folder(roots);
    make_folder(&folder)?;
    atomic::write_json(&file(&folder, &image.name), image, atomic::Durable::Yes)
}

/// False where there was none of that name.
///
/// # Errors
/// The file cannot be removed.
pub fn remove(roots: &Roots, full: &str) -> Result<bool> {
    let path = file(&folder(roots), full);
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        other => {
            other.call(|| format!("unlink({})", path.display()))?;
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_reference_are_one_name() {
        let digest = "a".repeat(64);
        for (name, want) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.28", "docker.io/library/busybox:1.28"),
            ("docker.io/library/busybox:1.28", "docker.io/library/busybox:1.28"),
            ("example/web:0.2", "docker.io/example/web:0.2"),
            ("k8s.gcr.io/git-sync:v3.1.6", "k8s.gcr.io/git-sync:v3.1.6"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a/b__c:T", "localhost:5000/a/b__c:T"),
            (&format!("a@sha256:{digest}"), &format!("docker.io/library/a@sha256:{digest}")),
            (&format!("a:1@sha256:{digest}"), &format!("docker.io/library/a@sha256:{digest}")),
        ] {
            assert_eq!(normal(name).as_deref(), Ok(want), "{name}");
        }
    }

    #[test]
    fn what_is_no_reference_is_none_and_leads_nowhere() {
        let long = "a".repeat(300);
        let all = [
            "",
            "/",
            "a/",
            "/a",
            "A",
            "a:",
            "a: b",
            "a b",
            "a..b",
            "../a",
            "a/../b",
            "-a",
            "a-",
            "a%b",
            "a\n",
            "a:-x",
            "a@",
            "a@sha256:1",
            ".x/a",
            &long,
        ];
        for name in all {
            assert!(normal(name).is_err(), "{name:?}");
        }
    }
}
