//! Reading a tree whose every part may be exchanged by somebody while it is read: one component at a time, by fd, no link followed.

use crate::cli::pods::{Result, output};
use crate::sys::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Something in a file system, held by an `O_PATH` fd: whatever its name comes to mean, this stays.
pub struct Node {
    fd: OwnedFd,
    stat: FileStat,
}

/// What is kept of a source beside its content.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// Permission bits, with set-user-id and the like.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds since the epoch.
    pub modified: i64,
}

/// Where a copy goes. Paths are relative, of plain names.
pub trait Sink {
    fn folder(&mut self, path: &Path, meta: Meta) -> Result;
    /// `size` as it was when the file was opened.
    fn file(&mut self, path: &Path, meta: Meta, content: &File, size: u64) -> Result;
    fn link(&mut self, path: &Path, meta: Meta, target: &OsStr) -> Result;
}

impl Node {
    pub fn new(fd: OwnedFd) -> std::result::Result<Node, Errno> {
        let stat = fstat(&fd).map_err(|e| Errno(e as i32))?;
        Ok(Node { fd, stat })
    }

    fn at(dir: BorrowedFd, name: &OsStr) -> std::result::Result<Node, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(dir, name, flags, Mode::empty()).map_err(|e| Errno(e as i32)).and_then(Node::new)
    }

    pub fn kind(&self) -> SFlag {
        SFlag::from_bits_truncate(self.stat.st_mode) & SFlag::S_IFMT
    }

    pub fn is_folder(&self) -> bool {
        self.kind() == SFlag::S_IFDIR
    }

    pub fn meta(&self) -> Meta {
        let stat = &self.stat;
        Meta { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, modified: stat.st_mtime }
    }

    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The folder, to be used with the *at calls.
    pub fn folder(self) -> std::result::Result<OwnedFd, Errno> {
        if self.is_folder() { Ok(self.fd) } else { Err(Errno::ENOTDIR) }
    }

    /// Opens what is held itself, not what may have its name by now. Only for regular files and folders: opening a FIFO waits, and
    /// opening a device acts.
    pub fn reopen(&self, flags: OFlag) -> std::result::Result<File, Errno> {
        reopen(self.fd.as_fd(), flags)
    }
}

pub fn reopen(fd: BorrowedFd, flags: OFlag) -> std::result::Result<File, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    nix::fcntl::open(path.as_str(), flags, Mode::empty()).map(File::from).map_err(|e| Errno(e as i32))
}

/// Copies `node` as `path`, with what is in it.
pub fn copy(node: &Node, path: &Path, sink: &mut dyn Sink) -> Result {
    let meta = node.meta();
    match node.kind() {
        SFlag::S_IFDIR => {
            sink.folder(path, meta)?;
            copy_content(node, path, sink)
        }
        SFlag::S_IFREG => {
            let file = node.reopen(OFlag::O_RDONLY).map_err(|e| super::refused(path, e))?;
            let size = file.metadata().map_err(super::io(path))?.len();
            sink.file(path, meta, &file, size)
        }
        SFlag::S_IFLNK => {
            // readlinkat(2): an empty path is the link that the fd holds.
            let target = readlinkat(&node.fd, "").map_err(|e| super::refused(path, Errno(e as i32)))?;
            sink.link(path, meta, &target)
        }
        kind => {
            let what = match kind {
                SFlag::S_IFIFO => "a FIFO",
                SFlag::S_IFSOCK => "a socket",
                _ => "a device",
            };
            output::complain(format_args!("Warning: {}: {what} is not copied", path.display()));
            Ok(())
        }
    }
}

/// What is in the folder `node`, as entries of `path`, sorted by name.
pub fn copy_content(node: &Node, path: &Path, sink: &mut dyn Sink) -> Result {
    for name in names(node).map_err(super::io(path))? {
        let below = path.join(&name);
        match Node::at(node.fd.as_fd(), &name) {
            Ok(entry) => copy(&entry, &below, sink)?,
            Err(Errno::ENOENT) => output::complain(format_args!("Warning: {}: removed while it was copied", below.display())),
            Err(e) => return Err(super::refused(&below, e)),
        }
    }
    Ok(())
}

/// The kernel's own: no slash, no `.` or `..`.
fn names(node: &Node) -> std::io::Result<Vec<OsString>> {
    let entries = std::fs::read_dir(format!("/proc/self/fd/{}", node.fd.as_raw_fd()))?;
    let mut names = entries.map(|e| e.map(|e| e.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
