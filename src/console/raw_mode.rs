use nix::sys::termios::{self, SetArg, Termios};
use std::os::fd::{AsFd, OwnedFd};

/// The caller's terminal in raw mode; its settings return when this is dropped, and the caller must see to it that it is, also
/// on a signal (signals that end a program are to be read from a signalfd meanwhile).
pub struct RawMode {
    tty: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// None when `tty` is no terminal.
    pub fn enter(tty: impl AsFd) -> Option<RawMode> {
        let before = termios::tcgetattr(&tty).ok()?;
        let tty = tty.as_fd().try_clone_to_owned().ok()?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&tty, SetArg::TCSADRAIN, &raw).ok()?;
        Some(RawMode { tty, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.tty, SetArg::TCSADRAIN, &self.before);
    }
}
