//! A container's termination message: a file of podrt's, bind-mounted to terminationMessagePath and read when the container has
//! ended. What the container makes of that path inside its root is not looked at: no link, FIFO or device of its is opened.
//!
//! Source: Kubernetes, "Determine the Reason for Pod Failure".

use crate::sys::errno::{Call, Errno};
use crate::sys::{Result, fs, raw};
use std::ffi::CStr;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

/// Bytes of a message.
const MOST: usize = 4096;
/// Of the log, where it stands in for a message.
const LOG_BYTES: usize = 2048;
const LOG_LINES: usize = 80;

/// A new, empty file that every user may write to.
pub fn make(folder: BorrowedFd, name: &CStr) -> Result<()> {
    match raw::unlinkat(folder.as_raw_fd(), name, 0) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(e) => return Err(e).call(|| "unlinkat(termination message)".into()),
    }
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let fd = raw::openat(folder.as_raw_fd(), name, flags, 0o666).call(|| "openat(termination message)".into())?;
    let done = raw::fchmod(fd, 0o666).call(|| "fchmod(termination message)".into());
    raw::close(fd);
    done
}

/// Its first 4,096 bytes.
pub fn read(folder: BorrowedFd, name: &CStr) -> Option<String> {
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let fd = fs::open_at(folder, name, flags, fs::RESOLVE_BENEATH | fs::RESOLVE_NO_SYMLINKS).ok()?;
    let file = std::fs::File::from(fd);
    if !file.metadata().is_ok_and(|m| m.is_file()) {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MOST as u64).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of a log in CRI format, its last 80 lines or 2,048 bytes: FallbackToLogsOnError.
pub fn from_log(path: &Path) -> Option<String> {
    // Stamp, stream and tag stand before each line.
    const READ: u64 = 16 << 10;
    let mut file = std::fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(READ))).ok()?;
    let mut bytes = Vec::new();
    file.take(READ).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let skip = usize::from(length > READ);
    let lines: Vec<&str> = text.lines().skip(skip).filter_map(|l| l.splitn(4, ' ').nth(3)).collect();
    let mut out = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    if !out.is_empty() {
        out.push('\n');
    }
    let mut cut = out.len().saturating_sub(LOG_BYTES);
    while !out.is_char_boundary(cut) {
        cut += 1;
    }
    Some(out.split_off(cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_message_is_read_from_a_file_alone_and_is_cut() {
        let folder = std::env::temp_dir().join(format!("podrt-message-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let dir = std::fs::File::open(&folder).unwrap();
        std::fs::write(folder.join("outside"), "secret").unwrap();
        symlink("outside", folder.join("link")).unwrap();
        nix::unistd::mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::create_dir(folder.join("folder")).unwrap();
        make(dir.as_fd(), c"file").unwrap();
        std::fs::write(folder.join("file"), "x".repeat(5000)).unwrap();
        assert_eq!(read(dir.as_fd(), c"file").map(|t| t.len()), Some(4096));
        make(dir.as_fd(), c"link").unwrap();
        assert_eq!(read(dir.as_fd(), c"link").as_deref(), Some(""));
        assert_eq!(std::fs::read_to_string(folder.join("outside")).unwrap(), "secret");
        for name in [c"fifo", c"folder", c"none", c"../outside"] {
            assert_eq!(read(dir.as_fd(), name), None, "{name:?}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// "Determine the Reason for Pod Failure": the last 80 lines or 2,048 bytes.
    #[test]
    fn the_end_of_a_log_stands_in() {
        let path = std::env::temp_dir().join(format!("podrt-log-{}", std::process::id()));
        let line = |text: &str| format!("2026-01-02T03:04:05.123456789Z stderr F {text}\n");
        std::fs::write(&path, line("one") + &line("two words")).unwrap();
        assert_eq!(from_log(&path).as_deref(), Some("one\ntwo words\n"));
        std::fs::write(&path, (0..200).map(|i| line(&i.to_string())).collect::<String>()).unwrap();
        assert!(from_log(&path).is_some_and(|t| t.starts_with("120\n") && t.ends_with("199\n")));
        std::fs::write(&path, (0..50).map(|_| line(&"x".repeat(999))).collect::<String>()).unwrap();
        assert_eq!(from_log(&path).map(|t| t.len()), Some(2048));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(from_log(&path), None);
    }
}
