//! subPath: a part of a volume, found by an fd that cannot have left it (CVE-2017-1002101, CVE-2021-25741).
//!
//! The containers write to the volume meanwhile. So no path is checked first and used later: the kernel resolves it beneath the
//! volume (openat2(2) `RESOLVE_BENEATH`), and what it found is what is mounted.

use crate::pod::error::{Code, Error, Result};
use crate::sys::errno::Errno;
use crate::sys::{dir, mount, raw};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

const BENEATH: u64 = crate::sys::fs::RESOLVE_BENEATH | crate::sys::fs::RESOLVE_NO_MAGICLINKS;

/// An `O_PATH` fd of `sub` in `volume`; with `create`, folders that are missing are made with the volume's own mode.
pub fn open(volume: BorrowedFd, sub: &str, create: bool) -> Result<OwnedFd> {
    let said = |errno: Errno| {
        let why = match errno {
            Errno::EXDEV => "leads out of the volume".to_string(),
            other => other.to_string(),
        };
        Error::new(Code::InvalidArgument, format!("subPath {sub:?}: {why}")).with_errno(Some(errno))
    };
    match find(volume, Path::new(sub)) {
        Err(Errno::ENOENT) if create => make(volume, Path::new(sub)).map_err(said),
        other => other.map_err(said),
    }
}

fn find(volume: BorrowedFd, path: &Path) -> std::result::Result<OwnedFd, Errno> {
    let path = mount::c_path(path).map_err(|e| e.errno)?;
    for _ in 0..128 {
        // EAGAIN: a rename raced with a `..` of a symlink's text.
        match dir::open(volume, &path, libc::O_PATH, BENEATH) {
            Err(Errno::EAGAIN) => {}
            other => return other,
        }
    }
    Err(Errno::EAGAIN)
}

/// The part that is there is found beneath the volume; each missing one is made on the fd of the one before it, and a link that
/// somebody puts in its place is not followed.
fn make(volume: BorrowedFd, sub: &Path) -> std::result::Result<OwnedFd, Errno> {
    let mode = raw::fstat(volume.as_raw_fd())?.st_mode & 0o2777;
    let mut there = PathBuf::from(".");
    let mut here = find(volume, &there)?;
    let mut parts = sub.components().filter_map(|c| match c {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let mut missing = None;
    for name in parts.by_ref() {
        there.push(name);
        match find(volume, &there) {
            Ok(next) => here = next,
            Err(Errno::ENOENT) => {
                missing = Some(name);
                break;
            }
            Err(e) => return Err(e),
        }
    }
    for name in missing.into_iter().chain(parts) {
        let name = mount::c_path(name).map_err(|e| e.errno)?;
        match raw::mkdirat(here.as_raw_fd(), &name, 0o755) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        here = dir::open(here.as_fd(), &name, flags, BENEATH)?;
        raw::fchmod(here.as_raw_fd(), mode)?;
    }
    Ok(here)
}
