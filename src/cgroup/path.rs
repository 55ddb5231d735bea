//! Paths of cgroups: checked, and as config.json gives them.

use super::error::{Error, Result};

/// The parts of a cgroup path. `..`, `.`, empty parts, control characters and names over 255 bytes are refused: a path comes
/// from config.json or a command line.
pub(super) fn components(path: &str) -> Result<Vec<&str>> {
    let wrong = |problem: &str| Err(Error::field("cgroup path", format!("`{}` {problem}", path.escape_debug())));
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if path.len() > 3072 {
        return Err(Error::field("cgroup path", format!("{} bytes, want at most 3072", path.len())));
    }
    if inner.is_empty() {
        return if path == "/" { Ok(Vec::new()) } else { wrong("names no cgroup") };
    }
    let parts: Vec<_> = inner.split('/').collect();
    for part in &parts {
        match *part {
            "" => return wrong("has an empty name in it"),
            "." | ".." => return wrong("must not hold . or .."),
            p if p.len() > 255 => return wrong("has a name of more than 255 bytes"),
            p if p.contains(char::is_control) => return wrong("holds a control character"),
            _ => {}
        }
    }
    Ok(parts)
}

/// linux.cgroupsPath as a path from the mount point. `/a/b` is itself; `a/b` lies under `parent`, the runtime's own place
/// (runtime-spec, config-linux.md); `SLICE:PREFIX:NAME`, as engines with systemd's cgroup driver write it, is where systemd
/// would put that unit. systemd itself is not asked.
pub fn path_from_oci(cgroups_path: &str, parent: &str) -> Result<String> {
    let wrong = |e: Error| match e {
        Error::Field { problem, .. } => Error::field("linux.cgroupsPath", problem),
        other => other,
    };
    let path = match cgroups_path.split(':').collect::<Vec<_>>().as_slice() {
        [slice, prefix, name] if !cgroups_path.contains('/') => {
            let unit = match (prefix.is_empty(), name.ends_with(".slice")) {
                (_, true) => name.to_string(),
                (true, _) => format!("{name}.scope"),
                (false, _) => format!("{prefix}-{name}.scope"),
            };
            let slice = if slice.is_empty() { "system.slice" } else { slice };
            format!("{}/{unit}", slice_path(slice)?)
        }
        // Empty, or the root of the tree, which is nobody's to limit, kill or remove.
        _ if cgroups_path.trim_matches('/').is_empty() => {
            return Err(Error::field("linux.cgroupsPath", format!("`{}` names no cgroup", cgroups_path.escape_debug())));
        }
        _ if cgroups_path.starts_with('/') => cgroups_path.to_string(),
        _ => format!("/{}/{cgroups_path}", parent.trim_matches('/')),
    };
    Ok(format!("/{}", components(&path).map_err(wrong)?.join("/")))
}

/// systemd.slice(5): `a-b.slice` lies in `a.slice`; `-.slice` is the root.
pub(super) fn slice_path(slice: &str) -> Result<String> {
    let wrong = || Error::field("linux.cgroupsPath", format!("`{}`, want a slice such as machine.slice", slice.escape_debug()));
    let stem = slice.strip_suffix(".slice").ok_or_else(wrong)?;
    if stem == "-" {
        return Ok(String::new());
    }
    let mut path = String::new();
    let mut name = String::new();
    for part in stem.split('-') {
        if part.is_empty() {
            return Err(wrong());
        }
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(part);
        path.push_str(&format!("/{name}.slice"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_or_refused() {
        for (path, want) in [("podrt", "podrt"), ("/a/b", "a b"), ("/a/", "a"), ("/", ""), ("/a.slice/b:c@d", "a.slice b:c@d")] {
            assert_eq!(components(path).unwrap().join(" "), want);
        }
        let long = "n".repeat(256);
        let deep = "n/".repeat(2000);
        for path in ["", "..", "a/../b", "./a", "a//b", "//", "a\nb", "a\0", &long, &deep] {
            let error = components(path).unwrap_err().to_string();
            assert!(error.starts_with("cgroup path: ") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_path_of_config_json_is_found_in_its_three_forms() {
        for (path, want) in [
            ("/a/b", "/a/b"),
            ("a/b", "/podrt/a/b"),
            ("machine.slice:libpod:12ab", "/machine.slice/libpod-12ab.scope"),
            (":cri:12ab", "/system.slice/cri-12ab.scope"),
            (
                "kubepods-burstable-pod1.slice:cri-containerd:x",
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-x.scope",
            ),
            ("-.slice::x", "/x.scope"),
            ("user.slice:a:b.slice", "/user.slice/b.slice"),
            ("/a:b:c", "/a:b:c"),
        ] {
            assert_eq!(path_from_oci(path, "podrt").unwrap(), want, "{path}");
        }
        for path in ["../x", "/a/../../b", "a//b", "", "/", "//", "x:a:b", "a--b.slice:c:d", ".slice:a:b", "/a\nb"] {
            let error = path_from_oci(path, "/podrt").unwrap_err().to_string();
            assert!(error.starts_with("linux.cgroupsPath: ") && !error.contains('\n'), "{path:?}: {error}");
        }
    }
}
