//! hostPath: the host's own file or folder, of the type that was asked for.
//!
//! Source: Kubernetes, "Volumes: hostPath volume types". What is checked is the open file, and that is what is mounted.

use crate::pod::error::{Code, Error, Result};
use crate::pod::spec::HostPathKind::{self, *};
use crate::sys::errno::{Call, Errno};
use crate::sys::raw;
use crate::sys::{fs, mount};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// An `O_PATH` fd of `path`. Errors: not there, not of that type, cannot be made.
pub fn open(path: &Path, kind: HostPathKind) -> Result<OwnedFd> {
    let c = mount::c_path(path)?;
    let found = match fs::open(&c, libc::O_PATH) {
        Err(e) if e.errno == Errno::ENOENT && matches!(kind, DirectoryOrCreate | FileOrCreate) => {
            make(path, kind)?;
            fs::open(&c, libc::O_PATH)?
        }
        Err(e) => {
            let problem = format!("hostPath {}: {}", path.display(), e.errno);
            return Err(Error::new(Code::InvalidArgument, problem).with_errno(Some(e.errno)));
        }
        Ok(fd) => fd,
    };
    let is = raw::fstat(found.as_raw_fd()).call(|| "fstat(hostPath)".into())?.st_mode & libc::S_IFMT;
    let (want, word) = match kind {
        Any => return Ok(found),
        DirectoryOrCreate | Directory => (libc::S_IFDIR, "a directory"),
        FileOrCreate | File => (libc::S_IFREG, "a file"),
        Socket => (libc::S_IFSOCK, "a socket file"),
        CharDevice => (libc::S_IFCHR, "a character device"),
        BlockDevice => (libc::S_IFBLK, "a block device"),
    };
    if is == want {
        return Ok(found);
    }
    Err(Error::new(Code::InvalidArgument, format!("hostPath type check failed: {} is not {word}", path.display())))
}

/// A folder with those above it, 0755; a file, 0644, in a folder that is there.
fn make(path: &Path, kind: HostPathKind) -> Result<()> {
    let made = match kind {
        DirectoryOrCreate => std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path),
        _ => match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(e),
            _ => Ok(()),
        },
    };
    Ok(made.call(|| format!("make hostPath {}", path.display()))?)
}
