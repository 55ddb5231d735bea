//! Whole files or none.

use super::{Error, Result};
use crate::sys::errno::Call;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The most that is read of a state file, bytes.
const CAP: u64 = 16 << 20;

/// Whether the content must survive a loss of power. What describes kernel objects need not: they do not survive either, and
/// the boot id tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    No,
    Yes,
}

/// Replaces `path` by `content` (mode 0600) through a temporary file beside it. One writer at a time per path.
pub fn replace(path: &Path, content: &[u8], durable: Durable) -> Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
        return Err(Error::Content { path: path.to_path_buf(), problem: "has no folder".into() });
    };
    let temporary = parent.join(format!(".{name}.new"));
    let written = write_new(&temporary, content, durable)
        .and_then(|()| Ok(std::fs::rename(&temporary, path).call(|| format!("rename({})", path.display()))?));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
        return written;
    }
    if durable == Durable::Yes {
        File::open(parent).and_then(|d| d.sync_all()).call(|| format!("fsync({})", parent.display()))?;
    }
    Ok(())
}

fn write_new(path: &Path, content: &[u8], durable: Durable) -> Result<()> {
    let open = || {
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
    };
    let mut file = open().call(|| format!("open({})", path.display()))?;
    file.write_all(content).call(|| format!("write({})", path.display()))?;
    if durable == Durable::Yes {
        file.sync_all().call(|| format!("fsync({})", path.display()))?;
    }
    Ok(())
}

/// The whole file, None where it is not there. Errors: a folder, a FIFO, more than 16 MiB.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let open = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path);
    let file = match open {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.call(|| format!("open({})", path.display()))?,
    };
    let meta = file.metadata().call(|| format!("fstat({})", path.display()))?;
    if !meta.is_file() {
        return Err(Error::Content { path: path.to_path_buf(), problem: "is not a regular file".into() });
    }
    let mut content = Vec::with_capacity(meta.len().min(CAP) as usize + 1);
    file.take(CAP + 1).read_to_end(&mut content).call(|| format!("read({})", path.display()))?;
    if content.len() as u64 > CAP {
        return Err(Error::Content { path: path.to_path_buf(), problem: "is larger than 16 MiB".into() });
    }
    Ok(Some(content))
}

/// [`read`], then JSON. An error names the file.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(content) = read(path)? else { return Ok(None) };
    serde_json::from_slice(&content)
        .map(Some)
        .map_err(|e| Error::Content { path: path.to_path_buf(), problem: format!("not what podrt writes: {e}") })
}

/// [`replace`] with JSON.
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T, durable: Durable) -> Result<()> {
    let content = serde_json::to_vec(value).map_err(|e| Error::Content { path: path.to_path_buf(), problem: e.to_string() })?;
    replace(path, &content, durable)
}
