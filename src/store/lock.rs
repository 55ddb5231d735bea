//! Who works on a sandbox: bytes of its `lock` file, each a POSIX record lock. It ends with its process, however that ends, and
//! no clone keeps it.
//!
//! | byte | held by |
//! |---|---|
//! | 0 | the live supervisor, or who cleans up after it |
//! | 1 | the command that creates the sandbox, until the supervisor has it |
//! | 2 | a command that changes what was asked of the pod |

use super::Result;
use crate::sys::{errno::Call, lock};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub const SUPERVISOR: i64 = 0;
pub const CREATOR: i64 = 1;
pub const CHANGER: i64 = 2;

/// The open lock file. A process opens the file of one sandbox once: closing any other fd of it would drop its locks.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    pub fn open(dir: &Path) -> Result<Lock> {
        let path = dir.join("lock");
        let open = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path);
        Ok(Lock(open.call(|| format!("open({})", path.display()))?))
    }

    /// For readers: None where there is no lock file.
    pub fn open_existing(dir: &Path) -> Option<Lock> {
        std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(dir.join("lock"))
            .ok()
            .map(Lock)
    }

    /// True, or false where another process has it.
    pub fn take(&self, byte: i64) -> Result<bool> {
        Ok(lock::try_lock(self.0.as_fd(), byte)?)
    }

    pub fn give(&self, byte: i64) -> Result<()> {
        Ok(lock::unlock(self.0.as_fd(), byte)?)
    }

    /// The holder's pid (0: one of another PID namespace); None where it is free.
    pub fn holder(&self, byte: i64) -> Result<Option<i32>> {
        Ok(lock::holder(self.0.as_fd(), byte)?)
    }
}
