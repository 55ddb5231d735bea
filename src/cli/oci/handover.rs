//! What passes between podrt-oci and its caller beside stdio: pid files, sockets that fds are sent to, fds that are passed on.

use crate::sys::{raw, socket};
use anyhow::{Context, Result, bail};
use std::os::fd::BorrowedFd;
use std::path::Path;

/// By rename: an engine that watches for it never reads half a number.
pub fn pid_file(path: &Path, pid: i32) -> Result<()> {
    let file =
        path.file_name().and_then(|n| n.to_str()).with_context(|| format!("--pid-file {}: names no file", path.display()))?;
    let temporary = path.with_file_name(format!(".{file}"));
    std::fs::write(&temporary, pid.to_string())
        .and_then(|()| std::fs::rename(&temporary, path))
        .with_context(|| format!("--pid-file {}", path.display()))
}

pub fn console(master: BorrowedFd, path: &Path) -> Result<()> {
    send("--console-socket", b"/dev/ptmx", master, path)
}

pub fn pidfd(pidfd: BorrowedFd, path: &Path) -> Result<()> {
    send("--pidfd-socket", b"pidfd", pidfd, path)
}

fn send(option: &str, word: &[u8], fd: BorrowedFd, path: &Path) -> Result<()> {
    use std::os::fd::AsFd;
    let stream = std::os::unix::net::UnixStream::connect(path).with_context(|| format!("{option} {}", path.display()))?;
    socket::send(stream.as_fd(), word, &[fd]).map_err(|e| anyhow::anyhow!("{option} {}: {e}", path.display()))?;
    Ok(())
}

/// How many sockets an activating parent passed to this process (sd_listen_fds(3)); they are 3 and up.
pub fn listen_fds() -> u32 {
    let number = |name: &str| std::env::var(name).ok().and_then(|t| t.parse::<u32>().ok());
    match number("LISTEN_PID") == Some(std::process::id()) {
        true => number("LISTEN_FDS").unwrap_or(0),
        false => 0,
    }
}

/// Before anything is opened: a number that the caller left free would be taken by a file of podrt's own, and passed on.
pub fn check_fds(count: u32) -> Result<()> {
    for fd in 3..3u32.saturating_add(count) {
        if fd > 1 << 20 || raw::fcntl(fd as i32, libc::F_GETFD, 0).is_err() {
            bail!("--preserve-fds: file descriptor {fd} is not open");
        }
    }
    Ok(())
}
