//! Writing a tree below a folder whose content somebody else may change at the same time: each parent is opened by fd, one component
//! after another; no link on the way is followed, none in the place of a file is written through.

use super::walk::{Meta, Node, Sink, reopen};
use crate::cli::pods::Result;
use crate::sys::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fchmod, mkdirat};
use nix::unistd::{
    Gid, SysconfVar, Uid, UnlinkatFlags, Whence, fchown, fchownat, ftruncate, lseek, symlinkat, sysconf, unlinkat,
};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

type Done<T = ()> = std::result::Result<T, Errno>;

fn errno(e: nix::errno::Errno) -> Errno {
    Errno(e as i32)
}

/// Whom the copies belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Whoever calls.
    Caller,
    /// As the source's, by number.
    Source,
    Fixed(u32, u32),
}

pub struct Writer {
    root: OwnedFd,
    owner: Owner,
    /// What of a source's mode is kept.
    modes: u32,
    /// The folder that was last written in: mostly the next one's as well.
    last: Option<(PathBuf, OwnedFd)>,
}

impl Writer {
    /// `root`: an `O_PATH` fd of a folder, or of a file for [`Writer::file_itself`].
    pub fn new(root: OwnedFd, owner: Owner, modes: u32) -> Writer {
        Writer { root, owner, modes, last: None }
    }

    /// Overwrites the file that `root` is.
    pub fn file_itself(&mut self, source: &Node) -> Result {
        let path = Path::new("destination");
        let file = source.reopen(OFlag::O_RDONLY).map_err(|e| super::refused(path, e))?;
        let size = file.metadata().map_err(super::io(path))?.len();
        let there = Node::new(self.root.try_clone().map_err(super::io(path))?).map_err(|e| super::refused(path, e))?;
        let target = overwrite(&there).map_err(|e| super::refused(path, e))?;
        fill(&target, &file, size).map_err(super::io(path))
    }

    /// Runs `act` with the folder that `path` is to be in, and its name there.
    fn at<T>(&mut self, path: &Path, act: impl FnOnce(BorrowedFd, &OsStr) -> Done<T>) -> Result<T> {
        let wrong = |problem: &str| super::refused(path, problem);
        let name = path.file_name().ok_or_else(|| wrong("not a name below the destination"))?;
        let parent = path.parent().unwrap_or(Path::new(""));
        if self.last.as_ref().is_none_or(|(known, _)| known != parent) {
            let folder = self.descend(parent)?;
            self.last = Some((parent.to_owned(), folder));
        }
        let folder = self.last.as_ref().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd());
        act(folder, name).map_err(|e| super::refused(path, e))
    }

    /// Opens, or makes, each part of `path`.
    fn descend(&self, path: &Path) -> Result<OwnedFd> {
        let mut here = self.root.try_clone().map_err(super::io(path))?;
        for part in path.components() {
            let Component::Normal(name) = part else {
                return Err(super::refused(path, "not a name below the destination"));
            };
            here = folder_at(here.as_fd(), name).map_err(|e| match e {
                Errno::ELOOP => super::refused(path, format_args!("{} is a link, which is not followed", name.display())),
                e => super::refused(path, e),
            })?;
        }
        Ok(here)
    }

    fn own(&self, fd: BorrowedFd, meta: Meta) -> Done {
        if let Some((uid, gid)) = self.ids(meta) {
            fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(errno)?;
        }
        // After the owner, whose change takes set-user-id away.
        fchmod(fd, Mode::from_bits_truncate(meta.mode & self.modes)).map_err(errno)
    }

    fn ids(&self, meta: Meta) -> Option<(u32, u32)> {
        match self.owner {
            Owner::Caller => None,
            Owner::Source => Some((meta.uid, meta.gid)),
            Owner::Fixed(uid, gid) => Some((uid, gid)),
        }
    }

    /// A file at `path`, filled by `content`.
    pub fn file_from(&mut self, path: &Path, meta: Meta, content: impl FnOnce(&File) -> std::io::Result<()>) -> Result {
        let target = self.at(path, create)?;
        content(&target).map_err(super::io(path))?;
        self.own(target.as_fd(), meta).map_err(|e| super::refused(path, e))
    }

    /// A regular file written before, for a hard link of an archive.
    pub fn written(&mut self, path: &Path) -> Result<(File, Meta)> {
        self.at(path, |folder, name| {
            let node = openat(folder, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
            let node = Node::new(node.map_err(errno)?)?;
            match node.kind() {
                SFlag::S_IFREG => Ok((node.reopen(OFlag::O_RDONLY)?, node.meta())),
                SFlag::S_IFLNK => Err(Errno::ELOOP),
                _ => Err(Errno::EINVAL),
            }
        })
    }
}

impl Sink for Writer {
    fn folder(&mut self, path: &Path, meta: Meta) -> Result {
        let folder = self.at(path, folder_at)?;
        // fchmod refuses an O_PATH fd.
        let folder = reopen(folder.as_fd(), OFlag::O_RDONLY | OFlag::O_DIRECTORY).map_err(|e| super::refused(path, e))?;
        self.own(folder.as_fd(), meta).map_err(|e| super::refused(path, e))
    }

    fn file(&mut self, path: &Path, meta: Meta, content: &File, size: u64) -> Result {
        self.file_from(path, meta, |target| fill(target, content, size))
    }

    fn link(&mut self, path: &Path, meta: Meta, target: &OsStr) -> Result {
        let ids = self.ids(meta);
        self.at(path, |folder, name| {
            let mut made = symlinkat(target, folder, name);
            if made == Err(nix::errno::Errno::EEXIST) {
                // A folder stays: unlinkat refuses it.
                unlinkat(folder, name, UnlinkatFlags::NoRemoveDir).map_err(errno)?;
                made = symlinkat(target, folder, name);
            }
            made.map_err(errno)?;
            let Some((uid, gid)) = ids else { return Ok(()) };
            let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
            fchownat(folder, name, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags).map_err(errno)
        })
    }
}

/// An `O_PATH` fd of the folder `name`, made if it is not there. ELOOP for a link.
fn folder_at(dir: BorrowedFd, name: &OsStr) -> Done<OwnedFd> {
    match mkdirat(dir, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
        Err(e) => return Err(errno(e)),
    }
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let node = Node::new(openat(dir, name, flags, Mode::empty()).map_err(errno)?)?;
    match node.kind() {
        SFlag::S_IFLNK => Err(Errno::ELOOP),
        _ => node.folder(),
    }
}

/// A new file, or the regular one that is there, emptied. A link in its place is replaced, anything else refused.
fn create(dir: BorrowedFd, name: &OsStr) -> Done<File> {
    let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    for _ in 0..16 {
        match openat(dir, name, new, Mode::from_bits_truncate(0o600)) {
            Ok(fd) => return Ok(fd.into()),
            Err(nix::errno::Errno::EEXIST) => {}
            Err(e) => return Err(errno(e)),
        }
        let there = match openat(dir, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
            Ok(fd) => Node::new(fd)?,
            Err(nix::errno::Errno::ENOENT) => continue,
            Err(e) => return Err(errno(e)),
        };
        if there.kind() != SFlag::S_IFLNK {
            return overwrite(&there);
        }
        match unlinkat(dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(nix::errno::Errno::ENOENT) => {}
            Err(e) => return Err(errno(e)),
        }
    }
    // Somebody puts something there again and again.
    Err(Errno::EEXIST)
}

/// Only a regular file: a FIFO would wait for a reader, a device would act.
fn overwrite(there: &Node) -> Done<File> {
    match there.kind() {
        SFlag::S_IFREG => there.reopen(OFlag::O_WRONLY | OFlag::O_TRUNC),
        SFlag::S_IFDIR => Err(Errno::EISDIR),
        _ => Err(Errno::EINVAL),
    }
}

/// Copies `size` bytes, and what is a hole stays one (lseek(2), SEEK_DATA).
fn fill(target: &File, source: &File, size: u64) -> std::io::Result<()> {
    let mut at: i64 = 0;
    let size = size as i64;
    while at < size {
        let data = match lseek(source, at, Whence::SeekData) {
            Ok(data) => data,
            // No more data: a hole to the end.
            Err(nix::errno::Errno::ENXIO) => break,
            // A file system that knows no holes.
            Err(_) => at,
        };
        let hole = lseek(source, data, Whence::SeekHole).unwrap_or(size).clamp(data, size);
        lseek(source, data, Whence::SeekSet)?;
        lseek(target, data, Whence::SeekSet)?;
        let mut source = source;
        // The library asks the kernel to copy (copy_file_range(2), sendfile(2)) where it can.
        let copied = std::io::copy(&mut Read::by_ref(&mut source).take((hole - data) as u64), &mut { target })?;
        if copied == 0 {
            // It became shorter meanwhile.
            break;
        }
        at = data + copied as i64;
    }
    ftruncate(target, at.max(size_now(source, size)))?;
    Ok(())
}

/// A file that became shorter while it was read is copied as it is now.
fn size_now(source: &File, size: i64) -> i64 {
    source.metadata().map_or(size, |m| size.min(m.len() as i64))
}

/// What of `content` is all zero becomes a hole: a page at a time.
pub fn fill_stream(target: &File, content: &mut dyn Read, size: u64) -> std::io::Result<()> {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096) as usize;
    let mut buffer = vec![0u8; page * 32];
    let mut at: u64 = 0;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match content.read(&mut buffer[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        for part in buffer[..filled].chunks(page) {
            if part.iter().any(|b| *b != 0) {
                lseek(target, at as i64, Whence::SeekSet)?;
                { target }.write_all(part)?;
            }
            at += part.len() as u64;
        }
        if filled < buffer.len() {
            break;
        }
    }
    if at != size {
        return Err(std::io::Error::from_raw_os_error(nix::libc::EIO));
    }
    Ok(ftruncate(target, at as i64)?)
}
