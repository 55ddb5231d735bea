//! `tmpcopyup`: a tmpfs that begins with what the rootfs has at its place. Made by the parent, filled before the child sees it.
//!
//! The folder is an image's: each entry is reached by the fd of its parent, and no link is followed.

use crate::sys::errno::Call;
use crate::sys::fs::{RESOLVE_IN_ROOT, open_at};
use crate::sys::raw::{self, Fd};
use crate::sys::{Errno, Result, dir};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Folders within folders; an image that nests deeper is refused.
const DEPTH: usize = 64;
const FOLDER: i32 = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;

/// Copies the folder `path` of the rootfs, where there is one, into the mount `to`.
pub fn fill(rootfs: BorrowedFd, path: &CStr, to: BorrowedFd) -> Result<()> {
    match open_at(rootfs, path, libc::O_RDONLY | libc::O_DIRECTORY, RESOLVE_IN_ROOT) {
        Ok(from) => folder(from.as_fd(), to, 0).call(|| format!("copy /{} into its tmpfs", path.to_string_lossy())),
        Err(e) if matches!(e.errno, Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
        Err(e) => Err(e),
    }
}

fn folder(from: BorrowedFd, to: BorrowedFd, depth: usize) -> Result<(), Errno> {
    if depth > DEPTH {
        return Err(Errno::ELOOP);
    }
    for entry in dir::entries(from)? {
        let name = entry.name.as_c_str();
        let stat = raw::fstatat(from.as_raw_fd(), name, libc::AT_SYMLINK_NOFOLLOW)?;
        let (kind, mode) = (stat.st_mode & libc::S_IFMT, stat.st_mode & 0o7777);
        let target = to.as_raw_fd();
        match kind {
            libc::S_IFDIR => {
                raw::mkdirat(target, name, 0o700)?;
                let (below, made) = (dir::open(from, name, FOLDER, 0)?, dir::open(to, name, FOLDER, 0)?);
                folder(below.as_fd(), made.as_fd(), depth + 1)?;
                own(made.as_raw_fd(), &stat, mode)?;
            }
            libc::S_IFREG => file(from, to, name, &stat, mode)?,
            libc::S_IFLNK => {
                let mut text = [0u8; libc::PATH_MAX as usize + 1];
                let n = raw::readlinkat(from.as_raw_fd(), name, &mut text[..libc::PATH_MAX as usize])?.len();
                text[n] = 0;
                let text = CStr::from_bytes_until_nul(&text).map_err(|_| Errno::EINVAL)?;
                raw::symlinkat(text, target, name)?;
            }
            // Nodes are made by devices of config.json only; FIFOs and sockets hold nothing.
            _ => {}
        }
    }
    Ok(())
}

/// The owner first: a change of it takes set-user-ID away.
fn own(fd: Fd, stat: &libc::stat, mode: u32) -> Result<(), Errno> {
    raw::fchown(fd, stat.st_uid, stat.st_gid)?;
    raw::fchmod(fd, mode)
}

fn file(from: BorrowedFd, to: BorrowedFd, name: &CStr, stat: &libc::stat, mode: u32) -> Result<(), Errno> {
    let source: OwnedFd = dir::open(from, name, libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0)?;
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let made: OwnedFd = nix::fcntl::openat(
        to,
        name,
        nix::fcntl::OFlag::from_bits_retain(flags | libc::O_CLOEXEC),
        nix::sys::stat::Mode::from_bits_truncate(0o600),
    )?;
    let fd = made.as_raw_fd();
    std::io::copy(&mut std::fs::File::from(source), &mut std::fs::File::from(made.try_clone()?))?;
    own(fd, stat, mode)
}
