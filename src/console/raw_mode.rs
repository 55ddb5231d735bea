//! The caller's terminal in raw mode, given back however the caller ends.

use crate::sys::clone::{self, Child, Flags, Memory};
use crate::sys::{event, process, raw};
use nix::sys::termios::{self, SetArg, Termios};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// The caller's terminal in raw mode; its settings return when this is dropped, and the caller must see to it that it is, also
/// on a signal (signals that end a program are to be read from a signalfd meanwhile). Against SIGKILL there is a guard: a child that
/// does nothing but wait, and gives the settings back when its parent is gone without having done so.
pub struct RawMode {
    tty: OwnedFd,
    before: Termios,
    guard: Option<(Child, OwnedFd)>,
}

impl RawMode {
    /// None when `tty` is no terminal.
    pub fn enter(tty: impl AsFd) -> Option<RawMode> {
        let before = termios::tcgetattr(&tty).ok()?;
        let tty = tty.as_fd().try_clone_to_owned().ok()?;
        // Before anything changes. Without it, where no process can be had, all the rest still works.
        let guard = guard(&tty, &before);
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&tty, SetArg::TCSADRAIN, &raw).ok()?;
        Some(RawMode { tty, before, guard })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.tty, SetArg::TCSADRAIN, &self.before);
        if let Some((child, pipe)) = self.guard.take() {
            let _ = raw::write(pipe.as_raw_fd(), b"0");
            let _ = process::wait_pidfd(child.pidfd.as_fd(), true);
        }
    }
}

struct Guard<'a> {
    tty: &'a OwnedFd,
    before: nix::libc::termios,
    pipe: OwnedFd,
}

fn guard(tty: &OwnedFd, before: &Termios) -> Option<(Child, OwnedFd)> {
    let (read, write) = event::pipe().ok()?;
    let plan = Guard { tty, before: before.clone().into(), pipe: read };
    // On a copy of this process's memory, which the child may use as it likes.
    let child = clone::spawn_scoped(Memory::Copied, Flags::default(), watch, &plan).ok()?;
    Some((child, write))
}

/// The guard's whole life. A session of its own: no key and no hang-up of that terminal reaches it, and it may set the terminal's
/// modes from there.
extern "C" fn watch(plan: &Guard<'_>) -> i32 {
    let (tty, pipe) = (plan.tty.as_raw_fd(), plan.pipe.as_raw_fd());
    let _ = raw::setsid();
    // Nothing of the caller's stays open here but the two: others wait for the ends of its pipes.
    let (low, high) = (tty.min(pipe) as u32, tty.max(pipe) as u32);
    for (first, end) in [(0, low), (low + 1, high), (high + 1, u32::MAX)] {
        if first < end {
            let _ = raw::close_range(first, end - 1, 0);
        }
    }
    let mut byte = [0; 1];
    if raw::read(pipe, &mut byte) == Ok(0) {
        let _ = termios::tcsetattr(plan.tty, SetArg::TCSANOW, &Termios::from(plan.before));
    }
    0
}
