//! Pseudo terminals.

use super::errno::Call;
use super::raw;
use super::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Size {
    pub rows: u16,
    pub cols: u16,
}

/// Opens a new pty of the devpts instance mounted at `devpts` (a detached mount will do): (master, slave).
///
/// The slave is opened through the master (`TIOCGPTPEER`), never by name.
pub fn open_pty(devpts: BorrowedFd) -> Result<(OwnedFd, OwnedFd)> {
    let master =
        raw::openat(devpts.as_raw_fd(), c"ptmx", libc::O_RDWR | libc::O_NOCTTY, 0).call(|| "open(devpts ptmx)".into())?;
    // SAFETY: the kernel has just made it for us.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    let unlock = 0i32;
    // SAFETY: TIOCSPTLCK reads an int.
    if unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlock) } < 0 {
        return Err(Errno::last()).call(|| "ioctl(TIOCSPTLCK)".into());
    }
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    let slave = raw::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags as usize).call(|| "ioctl(TIOCGPTPEER)".into())?;
    // SAFETY: as above.
    Ok((master, unsafe { OwnedFd::from_raw_fd(slave as i32) }))
}

/// Sets the terminal's size (`TIOCSWINSZ`); the foreground group gets SIGWINCH.
pub fn set_size(tty: BorrowedFd, size: Size) -> Result<()> {
    let ws = libc::winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads a winsize.
    if unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCSWINSZ, &ws) } < 0 {
        return Err(Errno::last()).call(|| "ioctl(TIOCSWINSZ)".into());
    }
    Ok(())
}

/// The terminal's size; an error when `tty` is none.
pub fn size(tty: BorrowedFd) -> Result<Size> {
    // SAFETY: TIOCGWINSZ fills a winsize, for which all-zero is a valid value.
    unsafe {
        let mut ws: libc::winsize = std::mem::zeroed();
        if libc::ioctl(tty.as_raw_fd(), libc::TIOCGWINSZ, &mut ws) < 0 {
            return Err(Errno::last()).call(|| "ioctl(TIOCGWINSZ)".into());
        }
        Ok(Size { rows: ws.ws_row, cols: ws.ws_col })
    }
}
