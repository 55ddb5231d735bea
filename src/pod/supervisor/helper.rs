//! What may take long, in a process of its own: the loop goes on meanwhile.

use super::state::{HELPERS, Supervisor};
use crate::sys::clone::{self, Flags, Memory};
use crate::sys::event::EPOLLIN;
use crate::sys::{process, raw};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Entries that the loop removes itself: some microseconds each.
const QUICK: usize = 64;

impl Supervisor {
    /// Removes a tree; a large one by a helper.
    pub fn discard(&mut self, path: PathBuf) {
        if small(&path, &mut { QUICK }) {
            let _ = crate::store::remove_tree(&path);
            return;
        }
        // A copy of this process's memory, which the child may use as it likes: nobody else runs in it.
        match clone::spawn_scoped(Memory::Copied, Flags::default(), remove, &path) {
            Ok(child) => {
                let token = HELPERS + child.pid as u64;
                match self.epoll.add(&child.pidfd, EPOLLIN, token) {
                    Ok(()) => self.helpers.push((token, child.pidfd)),
                    Err(_) => drop(process::wait_pidfd(child.pidfd.as_fd(), true)),
                }
            }
            Err(_) => drop(crate::store::remove_tree(&path)),
        }
    }

    pub fn helper_ended(&mut self, token: u64) {
        if self.proxy_ended(token) {
            return;
        }
        self.helpers.retain(|(t, pidfd)| *t != token || matches!(process::wait_pidfd(pidfd.as_fd(), false), Ok(None)));
    }

    /// Before the end: what helpers still remove would be removed twice.
    pub fn end_helpers(&mut self) {
        self.end_proxy();
        for (_, pidfd) in self.helpers.drain(..) {
            let _ = process::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
            let _ = process::wait_pidfd(pidfd.as_fd(), true);
        }
    }
}

/// At most `left` entries, counted down.
fn small(path: &Path, left: &mut usize) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else { return true };
    for entry in entries.flatten() {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        if entry.file_type().is_ok_and(|t| t.is_dir()) && !small(&entry.path(), left) {
            return false;
        }
    }
    true
}

extern "C" fn remove(path: &PathBuf) -> i32 {
    let _ = raw::close_range(0, u32::MAX, 0);
    match crate::store::remove_tree(path) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}
