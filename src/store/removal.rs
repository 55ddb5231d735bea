//! Removing trees that containers have filled: by fd, following no link and crossing into no other mount, with a bounded number of
//! fds and no recursion however deep a tree is.

use crate::sys::errno::Errno;
use crate::sys::{dir, fs, raw};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Removes everything in `top`. A mount in it is left, and is EXDEV or EBUSY.
///
/// A folder in a folder is moved up to `top` and emptied in its turn, so that no path ever grows.
pub fn empty(top: BorrowedFd) -> Result<(), Errno> {
    let mut moved = 0u64;
    loop {
        let entries = dir::entries(top)?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            if unlink(top, &entry.name)? {
                continue;
            }
            let resolve = fs::RESOLVE_BENEATH | fs::RESOLVE_NO_SYMLINKS | fs::RESOLVE_NO_XDEV;
            let folder = match dir::open(top, &entry.name, libc::O_RDONLY | libc::O_DIRECTORY, resolve) {
                // Gone, or no folder any more: the next round sees what it is.
                Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => continue,
                other => other?,
            };
            for inner in dir::entries(folder.as_fd())? {
                if !unlink(folder.as_fd(), &inner.name)? {
                    lift(folder.as_fd(), &inner.name, top, &mut moved)?;
                }
            }
            match raw::unlinkat(top.as_raw_fd(), &entry.name, libc::AT_REMOVEDIR) {
                // Somebody still writes to it.
                Ok(()) | Err(Errno::ENOENT | Errno::ENOTEMPTY) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// False for a folder with something in it.
fn unlink(folder: BorrowedFd, name: &CStr) -> Result<bool, Errno> {
    match raw::unlinkat(folder.as_raw_fd(), name, 0) {
        Ok(()) | Err(Errno::ENOENT) => Ok(true),
        // POSIX lets a folder be either.
        Err(Errno::EISDIR | Errno::EPERM) => match raw::unlinkat(folder.as_raw_fd(), name, libc::AT_REMOVEDIR) {
            Ok(()) | Err(Errno::ENOENT) => Ok(true),
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => Ok(false),
            Err(Errno::ENOTDIR) => Err(Errno::EPERM),
            Err(e) => Err(e),
        },
        Err(e) => Err(e),
    }
}

fn lift(from: BorrowedFd, name: &CStr, top: BorrowedFd, moved: &mut u64) -> Result<(), Errno> {
    for _ in 0..1000 {
        *moved += 1;
        let Ok(to) = CString::new(format!(".removed-{moved}")) else { return Err(Errno::EINVAL) };
        match nix::fcntl::renameat(from, name, top, to.as_c_str()).map_err(|e| Errno(e as i32)) {
            Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
            Err(Errno::ENOENT) => return Ok(()),
            other => return other,
        }
    }
    Err(Errno::EEXIST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// CVE-2017-1002102 and its like: what lies behind a link is nobody's to remove.
    #[test]
    fn a_tree_is_removed_whatever_its_depth_and_links_are_not_followed() {
        let base = std::env::temp_dir().join(format!("podrt-removal-{}", std::process::id()));
        let (tree, outside) = (base.join("tree"), base.join("outside"));
        std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        std::fs::write(tree.join("a/b/file"), "").unwrap();
        symlink(&outside, tree.join("link")).unwrap();
        symlink(&outside, tree.join("a/b/c/link")).unwrap();
        symlink("nowhere", tree.join("a/dangling")).unwrap();
        std::fs::create_dir_all(tree.join(".removed-1/x/y")).unwrap();
        // Deeper than a path may be long.
        let mut here = std::fs::File::open(&tree).unwrap();
        for _ in 0..3000 {
            raw::mkdirat(here.as_raw_fd(), c"deep", 0o755).unwrap();
            here = dir::open(here.as_fd(), c"deep", libc::O_RDONLY | libc::O_DIRECTORY, 0).unwrap().into();
        }
        let top = std::fs::File::open(&tree).unwrap();
        empty(top.as_fd()).unwrap();
        assert!(dir::entries(top.as_fd()).unwrap().is_empty());
        assert!(outside.join("kept").exists());
        std::fs::remove_dir_all(&base).unwrap();
    }
}
