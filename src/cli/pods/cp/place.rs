//! Where things are copied from and to: what the command line names, found without being led out of a container.

use super::walk::Node;
use crate::cli::pods::{Failure, Result};
use crate::sys::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// One of the two arguments.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// `-`
    Stream,
    Here(PathBuf),
    Pod {
        namespace: Option<String>,
        pod: String,
        path: PathBuf,
    },
}

impl Place {
    /// kubectl's rule: what has a colon before its first slash but one names a pod.
    pub fn parse(text: &str) -> Result<Place> {
        let usage = |problem: &str| Err(Failure::usage(format_args!("{text:?}: {problem}")));
        if text == "-" {
            return Ok(Place::Stream);
        }
        let Some((before, path)) = text.split_once(':').filter(|_| !text.starts_with(['/', '.'])) else {
            return if text.is_empty() { usage("an empty path") } else { Ok(Place::Here(text.into())) };
        };
        if path.is_empty() {
            return usage("filepath can not be empty");
        }
        let (namespace, pod) = match before.split_once('/') {
            Some((namespace, pod)) => (Some(namespace.to_owned()), pod),
            None => (None, before),
        };
        if pod.is_empty() || pod.contains('/') || namespace.as_deref() == Some("") {
            return usage("want [NAMESPACE/]POD:PATH, or ./ before a local path that holds a colon");
        }
        Ok(Place::Pod { namespace, pod: pod.into(), path: path.into() })
    }
}

/// The name of a path's last part; None for `/`, `.` and what ends in `..`.
pub fn last_name(path: &Path) -> Option<OsString> {
    let dot = path.as_os_str().as_encoded_bytes().ends_with(b"/.");
    path.file_name().filter(|_| !dot).map(OsStr::to_owned)
}

/// Whose files.
#[derive(Clone, Copy)]
pub enum Side<'a> {
    /// As this process sees them.
    Host,
    /// Below this root: absolute links and `..` stay inside (openat2(2), RESOLVE_IN_ROOT).
    Container(BorrowedFd<'a>),
}

/// A place to write at.
pub struct Spot {
    pub folder: OwnedFd,
    /// In `folder`; None is `folder` itself, or the file that it is.
    pub name: Option<OsString>,
}

impl Side<'_> {
    /// Follows links, also the last one.
    fn open(self, path: &Path) -> std::result::Result<OwnedFd, Errno> {
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
        let errno = |e: nix::errno::Errno| Errno(e as i32);
        match self {
            Side::Host => openat2(nix::fcntl::AT_FDCWD, path, how).map_err(errno),
            Side::Container(root) => {
                let how = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
                // EAGAIN: a rename raced with a `..` of the path; the kernel asks for another try.
                let mut tries = (0..128).map(|_| openat2(root, path, how).map_err(errno));
                tries.find(|r| !matches!(r, Err(Errno::EAGAIN))).unwrap_or(Err(Errno::EAGAIN))
            }
        }
    }

    /// None: there is nothing of that name.
    pub fn find(self, path: &Path) -> Result<Option<Node>> {
        match self.open(path) {
            Ok(fd) => Node::new(fd).map(Some).map_err(|e| super::refused(path, e)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(super::refused(path, e)),
        }
    }

    /// Where `path`, or with `name` an entry of the folder `path`, is to be. What is there already is found through its links; what
    /// is not is a new name in a folder that must be there.
    pub fn spot(self, path: &Path, name: Option<&OsStr>) -> Result<Spot> {
        if let Some(there) = self.find(path)? {
            return Ok(Spot { folder: there.into_fd(), name: name.map(OsStr::to_owned) });
        }
        let wanted = last_name(path).ok_or_else(|| super::refused(path, Errno::ENOENT))?;
        // Not Path::parent: `a/b/` is `b` in `a`, and so is `a/./b`.
        let parts: Vec<Component> = path.components().collect();
        let parent: PathBuf = parts[..parts.len() - 1].iter().collect();
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { &parent };
        let folder = self.open(parent).map_err(|e| super::refused(parent, e))?;
        Ok(Spot { folder, name: Some(wanted) })
    }
}

impl std::fmt::Debug for Side<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Side::Host => f.write_str("Host"),
            Side::Container(root) => write!(f, "Container({:?})", root.as_fd()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_what_stands_before_a_colon() {
        let pod = |namespace: Option<&str>, pod: &str, path: &str| Place::Pod {
            namespace: namespace.map(str::to_owned),
            pod: pod.into(),
            path: path.into(),
        };
        for (text, want) in [
            ("-", Place::Stream),
            ("file", Place::Here("file".into())),
            ("./a:b", Place::Here("./a:b".into())),
            ("/tmp/a:b", Place::Here("/tmp/a:b".into())),
            ("web:/etc", pod(None, "web", "/etc")),
            ("web:rel/x:y", pod(None, "web", "rel/x:y")),
            ("ns/web:/a", pod(Some("ns"), "web", "/a")),
        ] {
            assert_eq!(Place::parse(text).unwrap(), want, "{text}");
        }
        for text in ["", "web:", ":/x", "/:x:", "ns/:x", "a/b/c:x"] {
            assert!(Place::parse(text).is_err() || text.starts_with('/'), "{text}");
        }
    }

    #[test]
    fn the_last_part_names_the_copy_unless_it_is_the_folder_itself() {
        for (path, want) in [("/a/b", Some("b")), ("a/b/", Some("b")), ("/", None), (".", None), ("a/.", None), ("a/..", None)] {
            assert_eq!(last_name(Path::new(path)).as_deref(), want.map(OsStr::new), "{path}");
        }
    }
}
