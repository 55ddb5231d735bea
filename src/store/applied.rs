//! What runs again after a reboot: `<data>/applied/<namespace>/<name>.json`. It outlives `<state>`, which lives as long as the boot.

use super::atomic::{self, Durable};
use super::{Error, Result, Roots, check_name, names};
use crate::sys::errno::Call;
use std::io::ErrorKind;
use std::path::PathBuf;

const SUFFIX: &str = ".json";

fn folder(roots: &Roots) -> PathBuf {
    roots.data.join("applied")
}

/// A pod's name may fill a whole folder entry: then it is cut, as a log folder's is, and its hash keeps it unique.
fn path(roots: &Roots, namespace: &str, name: &str) -> Result<PathBuf> {
    check_name("namespace", namespace, 63)?;
    check_name("name", name, 253)?;
    let room = 255 - SUFFIX.len() - ".new".len() - 1;
    let file = match name.get(..room - 17) {
        Some(start) if name.len() > room => format!("{start}-{:016x}", hash(name)),
        _ => name.to_string(),
    };
    Ok(folder(roots).join(namespace).join(file + SUFFIX))
}

/// FNV-1a, 64 bits.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Survives a loss of power from the moment that this returns.
pub fn write<T: serde::Serialize>(roots: &Roots, namespace: &str, name: &str, value: &T) -> Result<()> {
    let path = path(roots, namespace, name)?;
    super::make_folder(path.parent().unwrap_or(&roots.data))?;
    atomic::write_json(&path, value, Durable::Yes)
}

pub fn read<T: serde::de::DeserializeOwned>(roots: &Roots, namespace: &str, name: &str) -> Result<Option<T>> {
    atomic::read_json(&path(roots, namespace, name)?)
}

/// False where there was none.
pub fn remove(roots: &Roots, namespace: &str, name: &str) -> Result<bool> {
    let path = path(roots, namespace, name)?;
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        other => other.call(|| format!("unlink({})", path.display()))?,
    }
    if let Some(parent) = path.parent() {
        super::remove_empty(parent);
        super::remove_empty(&folder(roots));
    }
    Ok(true)
}

/// The files that there are, sorted.
pub fn files(roots: &Roots) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for namespace in names::entries(&folder(roots))? {
        if check_name("namespace", &namespace, 63).is_err() {
            continue;
        }
        let folder = folder(roots).join(&namespace);
        let names = names::entries(&folder)?;
        all.extend(names.iter().filter(|n| n.ends_with(SUFFIX) && !n.starts_with('.')).map(|n| folder.join(n)));
    }
    all.sort();
    Ok(all)
}

/// One of [`files`].
pub fn read_file<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Result<T> {
    atomic::read_json(path)?.ok_or_else(|| Error::Content { path: path.to_path_buf(), problem: "is gone".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_applied_is_found_by_name_and_in_the_list_until_it_is_removed() {
        let data = std::env::temp_dir().join(format!("podrt-applied-{}", std::process::id()));
        let roots = Roots { data: data.clone(), ..Roots::default() };
        let long = format!("{}.{}", "a".repeat(200), "b".repeat(52));
        let other = format!("{}.{}c", "a".repeat(200), "b".repeat(51));
        for (i, name) in ["web", &long, &other].iter().enumerate() {
            write(&roots, "default", name, &i).unwrap();
        }
        std::fs::write(data.join("applied/default/.web.json.new"), "half").unwrap();
        for (i, name) in ["web", &long, &other].iter().enumerate() {
            assert_eq!(read(&roots, "default", name).unwrap(), Some(i), "{name}");
        }
        let files = files(&roots).unwrap();
        assert_eq!(files.len(), 3);
        let mut all: Vec<usize> = files.iter().map(|f| read_file(f).unwrap()).collect();
        all.sort();
        assert_eq!(all, [0, 1, 2]);
        assert!(remove(&roots, "default", "web").unwrap() && !remove(&roots, "default", "web").unwrap());
        assert_eq!(read::<usize>(&roots, "default", "web").unwrap(), None);
        assert!(read::<usize>(&roots, "..", "web").is_err() && read::<usize>(&roots, "default", "../x").is_err());
        std::fs::remove_dir_all(data).unwrap();
    }
}
