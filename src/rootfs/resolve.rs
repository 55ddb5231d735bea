//! Paths inside a rootfs, in the child: resolved once, by the kernel, to an fd that cannot lead out (openat2(2)
//! `RESOLVE_IN_ROOT`). No string is ever looked up twice. Missing parts are made one by one on the fd of their parent.

use crate::sys::Errno;
use crate::sys::raw::{self, Fd, Res};
use std::ffi::CStr;

const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_NO_SYMLINKS: u64 = 0x04;
const RESOLVE_IN_ROOT: u64 = 0x10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum Kind {
    Dir,
    File,
}

/// How a path is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walk {
    /// No component may be a symlink: for /proc and /sys, whose masks would otherwise land elsewhere (CVE-2019-19921).
    pub no_symlinks: bool,
}

impl Walk {
    fn resolve(self) -> u64 {
        RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | if self.no_symlinks { RESOLVE_NO_SYMLINKS } else { 0 }
    }
}

/// An `O_PATH` fd of `path` under `root`.
pub fn open(root: Fd, path: &CStr, walk: Walk) -> Res<Fd> {
    retry(|| raw::openat2(root, path, libc::O_PATH, 0, walk.resolve()))
}

/// An `O_PATH` fd of `path` below `dir`; EXDEV where it would lead out, over another mount included.
pub fn open_beneath(dir: Fd, path: &CStr) -> Res<Fd> {
    const RESOLVE_NO_XDEV: u64 = 0x01;
    const RESOLVE_BENEATH: u64 = 0x08;
    retry(|| raw::openat2(dir, path, libc::O_PATH, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV))
}

/// openat2 says EAGAIN when a rename elsewhere raced with a `..`; the kernel asks for another try.
fn retry(mut f: impl FnMut() -> Res<Fd>) -> Res<Fd> {
    for _ in 0..128 {
        match f() {
            Err(Errno::EAGAIN) => continue,
            r => return r,
        }
    }
    Err(Errno::EAGAIN)
}

/// As [`open`]; missing parts are made: folders of mode 0755, and an empty file of mode 0644 last for [`Kind::File`].
pub fn open_or_create(root: Fd, path: &CStr, kind: Kind, walk: Walk) -> Res<Fd> {
    match open(root, path, walk) {
        Err(Errno::ENOENT) => create(root, path, kind, walk),
        r => r,
    }
}

fn create(root: Fd, path: &CStr, kind: Kind, walk: Walk) -> Res<Fd> {
    let bytes = path.to_bytes();
    let mut prefix = [0u8; libc::PATH_MAX as usize];
    if bytes.len() >= prefix.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    // Mostly only the last part is missing: its folder is opened, and it is made there.
    if let Some((folder, name)) = split_last(bytes) {
        prefix[..folder.len()].copy_from_slice(folder);
        let so_far = CStr::from_bytes_until_nul(&prefix).map_err(|_| Errno::EINVAL)?;
        match open(root, so_far, walk) {
            Ok(here) => {
                let made = make(here, name, kind);
                raw::close(here);
                return made;
            }
            Err(Errno::ENOENT) => prefix = [0u8; libc::PATH_MAX as usize],
            Err(e) => return Err(e),
        }
    }
    let mut here = open(root, c".", walk)?;
    let mut end = 0;
    let mut rest = bytes;
    while let Some((name, tail)) = component(rest) {
        rest = tail;
        let last = component(rest).is_none();
        // The whole prefix is resolved from the root, so that `..` and absolute links keep their meaning in it.
        if end > 0 {
            prefix[end] = b'/';
            end += 1;
        }
        prefix[end..end + name.len()].copy_from_slice(name);
        end += name.len();
        prefix[end] = 0;
        let so_far = CStr::from_bytes_until_nul(&prefix).map_err(|_| Errno::EINVAL)?;
        let next = match open(root, so_far, walk) {
            Err(Errno::ENOENT) => make(here, name, if last { kind } else { Kind::Dir }),
            r => r,
        };
        raw::close(here);
        here = next?;
    }
    Ok(here)
}

/// (folder, name) of a path whose last component is a plain name.
fn split_last(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|&b| b == b'/')?;
    let (folder, name) = (&path[..slash], &path[slash + 1..]);
    let plain = !folder.is_empty() && !name.is_empty() && name != b"." && name != b"..";
    plain.then_some((folder, name))
}

/// Makes `name` in `dir` and opens what was made; a symlink that someone put there instead is refused (ELOOP, ENOTDIR).
fn make(dir: Fd, name: &[u8], kind: Kind) -> Res<Fd> {
    let mut buf = [0u8; 256];
    if name.len() >= buf.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    if name == b".." {
        return Err(Errno::ENOENT);
    }
    buf[..name.len()].copy_from_slice(name);
    let name = CStr::from_bytes_until_nul(&buf).map_err(|_| Errno::EINVAL)?;
    let made = match kind {
        Kind::Dir => raw::mkdirat(dir, name, 0o755),
        Kind::File => raw::mknodat(dir, name, libc::S_IFREG | 0o644, 0),
    };
    match made {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(e) => return Err(e),
    }
    let fd = raw::openat(dir, name, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
    let is = raw::fstat(fd).map(|st| st.st_mode & libc::S_IFMT);
    let want = match kind {
        Kind::Dir => libc::S_IFDIR,
        Kind::File => libc::S_IFREG,
    };
    match is {
        Ok(t) if t == want => Ok(fd),
        Ok(t) if t == libc::S_IFLNK => close_with(fd, Errno::ELOOP),
        Ok(_) => close_with(fd, if kind == Kind::Dir { Errno::ENOTDIR } else { Errno::EISDIR }),
        Err(e) => close_with(fd, e),
    }
}

fn close_with(fd: Fd, e: Errno) -> Res<Fd> {
    raw::close(fd);
    Err(e)
}

/// The next component and what follows it; empty ones and `.` are passed over.
fn component(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = path;
    loop {
        let start = rest.iter().position(|&b| b != b'/')?;
        rest = &rest[start..];
        let end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        if name != b"." {
            return Some((name, tail));
        }
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::symlink;

    fn real(fd: Fd) -> std::path::PathBuf {
        let path = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
        raw::close(fd);
        path
    }

    #[test]
    fn a_missing_path_is_made_inside_the_root_whatever_links_say() {
        let base = std::env::temp_dir().join(format!("podrt-resolve-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&base);
        let (root, outside) = (base.join("root"), base.join("outside"));
        std::fs::create_dir_all(root.join("real/deep")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        symlink("/real/deep", root.join("absolute")).unwrap();
        symlink("../../../../../../outside", root.join("up")).unwrap();
        symlink(&outside, root.join("host")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        let dir = std::fs::File::open(&root).unwrap();
        let fd = dir.as_raw_fd();
        let at = |p: &str, kind| open_or_create(fd, &CString::new(p).unwrap(), kind, Walk::default()).map(real);

        for (path, kind, want) in [
            ("a/b/c", Kind::Dir, Ok("a/b/c")),
            ("/a/./b//f", Kind::File, Ok("a/b/f")),
            ("absolute/x", Kind::Dir, Ok("real/deep/x")),
            ("a/../../../z", Kind::Dir, Ok("z")),
            ("up/x", Kind::Dir, Err(Errno::ELOOP)),
            ("host/x", Kind::Dir, Err(Errno::ELOOP)),
            ("dangling", Kind::Dir, Err(Errno::ELOOP)),
            ("a/b/f/x", Kind::Dir, Err(Errno::ENOTDIR)),
        ] {
            assert_eq!(at(path, kind), want.map(|w| root.join(w)), "{path}");
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "nothing was made outside the root");
        let strict = Walk { no_symlinks: true };
        assert_eq!(open(fd, c"absolute", strict), Err(Errno::ELOOP));
        std::fs::remove_dir_all(&base).unwrap();
    }
}
