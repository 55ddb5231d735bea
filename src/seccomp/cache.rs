//! What the library made, kept in a folder that is root's alone.
//!
//! A file holds the whole key (profile, architecture, library, kernel, schema) beside the filter, so that nothing but the same
//! question gets the same answer; its name is a hash of the key. Who can write it decides what containers may do: folder and file
//! are opened without following links and used only if they belong to this user and to nobody else. Whatever is wrong with a file
//! is cured by writing it anew; whatever is wrong with the folder is said, and costs time, not the birth.

use super::library::{self, Made};
use super::{Error, MAX_INSTRUCTIONS};
use crate::sys::{Errno, host};
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use oci_spec::runtime::LinuxSeccomp;
use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// To be raised whenever a filter of the same profile would come out otherwise.
const SCHEMA: &str = "podrt seccomp 1";

/// The most files kept. Past it all go: what is used comes back.
const MAX_FILES: usize = 256;

/// The longest file read, in bytes: a long profile and the longest program.
const MAX_FILE: u64 = 1 << 20;

/// Takes the answer for `profile` from `folder`, or makes and keeps it. The string is a warning: the folder cannot be used.
///
/// # Errors
/// Those of `make`.
pub fn load(
    folder: Option<&Path>,
    profile: &LinuxSeccomp,
    make: impl FnOnce() -> Result<Made, Error>,
) -> Result<(Made, Option<String>), Error> {
    let Some(path) = folder else { return Ok((make()?, None)) };
    let unused = |problem: String| Some(format!("seccomp cache {} not used: {problem}", path.display()));
    let folder = match Folder::open(path) {
        Ok(folder) => folder,
        Err(problem) => return Ok((make()?, unused(problem))),
    };
    let key = key(profile);
    let name = format!("{:016x}", hash(&key));
    if let Some(made) = folder.read(&name).and_then(|bytes| decode(&bytes, &key)) {
        return Ok((made, None));
    }
    let made = make()?;
    let told = folder.write(&name, &encode(&made, &key)).err();
    Ok((made, told.and_then(|errno| unused(errno.to_string()))))
}

fn key(profile: &LinuxSeccomp) -> Vec<u8> {
    let mut key =
        format!("{SCHEMA}\n{}\n{}\n{}\n", std::env::consts::ARCH, library::version(), host::kernel_release()).into_bytes();
    // Nothing in a profile's types can fail to become JSON; if it did, two such profiles must not be taken for one.
    match serde_json::to_vec(profile) {
        Ok(json) => key.extend(json),
        Err(_) => key.extend(format!("{profile:?}").into_bytes()),
    }
    key
}

/// FNV-1a: against accidents, not against anybody; the key is compared whole.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Checksum of the rest; then key, missing names (one a line) and filter, each with its length before it.
fn encode(made: &Made, key: &[u8]) -> Vec<u8> {
    let missing = made.missing.join("\n");
    let mut body = Vec::with_capacity(key.len() + missing.len() + made.filter.len() + 24);
    for part in [key, missing.as_bytes(), &made.filter] {
        body.extend((part.len() as u64).to_le_bytes());
        body.extend(part);
    }
    [hash(&body).to_le_bytes().as_slice(), &body].concat()
}

fn decode(file: &[u8], key: &[u8]) -> Option<Made> {
    let (sum, body) = file.split_at_checked(8)?;
    if sum != hash(body).to_le_bytes() {
        return None;
    }
    let mut rest = body;
    let mut part = || {
        let (length, after) = rest.split_at_checked(8)?;
        let (part, after) = after.split_at_checked(u64::from_le_bytes(length.try_into().ok()?).try_into().ok()?)?;
        rest = after;
        Some(part)
    };
    let (of, missing, filter) = (part()?, part()?, part()?);
    if of != key
        || !rest.is_empty()
        || filter.is_empty()
        || !filter.len().is_multiple_of(8)
        || filter.len() / 8 > MAX_INSTRUCTIONS
    {
        return None;
    }
    let missing = std::str::from_utf8(missing).ok()?.lines().map(str::to_owned).collect();
    Some(Made { filter: filter.into(), missing })
}

/// A folder that is this user's alone.
struct Folder<'a> {
    fd: OwnedFd,
    path: &'a Path,
}

impl<'a> Folder<'a> {
    /// Opens it, and makes it where it is missing.
    fn open(path: &'a Path) -> Result<Folder<'a>, String> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = || nix::fcntl::open(path, flags, Mode::empty());
        let fd = match open() {
            Err(nix::errno::Errno::ENOENT) => {
                let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
                made.map_err(|e| Errno::from(e).to_string())?;
                open()
            }
            fd => fd,
        };
        let fd = fd.map_err(|e| Errno::from(e).to_string())?;
        let stat = fstat(&fd).map_err(|e| Errno::from(e).to_string())?;
        private(&stat, libc::S_IFDIR)?;
        Ok(Folder { fd, path })
    }

    /// The file's content, if there is such a file and it is this user's alone.
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, name, flags, Mode::empty()).ok()?;
        let stat = fstat(&fd).ok()?;
        private(&stat, libc::S_IFREG).ok()?;
        if stat.st_size as u64 > MAX_FILE {
            return None;
        }
        let mut bytes = Vec::with_capacity(stat.st_size as usize);
        File::from(fd).take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Writes a file so that a reader finds all of it or none. Not flushed to disk: a torn one fails its checksum.
    fn write(&self, name: &str, content: &[u8]) -> Result<(), Errno> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if self.names().len() >= MAX_FILES {
            for name in self.names() {
                let _ = unlinkat(&self.fd, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
            }
        }
        let temporary = format!(".{name}.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // A leftover of a process that had this id before.
        let _ = unlinkat(&self.fd, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        // What lies in the way of the name and is no file (a folder) cannot be replaced by a rename.
        if let Ok(stat) = fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)
            && stat.st_mode & libc::S_IFMT == libc::S_IFDIR
        {
            return Err(Errno::EISDIR);
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, temporary.as_str(), flags, Mode::from_bits_truncate(0o600))?;
        let done = File::from(fd).write_all(content).map_err(Errno::from).and_then(|()| {
            renameat(&self.fd, temporary.as_str(), &self.fd, name)?;
            Ok(())
        });
        if done.is_err() {
            let _ = unlinkat(&self.fd, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        done
    }

    fn names(&self) -> Vec<std::ffi::OsString> {
        std::fs::read_dir(self.path).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
    }
}

/// Of the right kind, owned by this user (root, for podrt), and closed to all others.
fn private(stat: &FileStat, kind: u32) -> Result<(), String> {
    if stat.st_mode & libc::S_IFMT != kind {
        return Err("not a regular file or folder".into());
    }
    if stat.st_uid != geteuid().as_raw() {
        return Err(format!("owned by uid {} (want {})", stat.st_uid, geteuid()));
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(format!("open to others (mode {:o}, want 700)", stat.st_mode & 0o7777));
    }
    Ok(())
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
