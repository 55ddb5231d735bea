//! A process around which systemd starts a scope.
//!
//! systemd starts a scope only around a process, and ends it when the last one leaves. What it is for is born in there
//! (CLONE_INTO_CGROUP), so another is first: a child that does nothing, until it is ended, or its parent ends.

use crate::sys::clone::{self, Child, Flags, Memory};
use crate::sys::{event, process, raw};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

#[derive(Debug)]
pub struct Holder {
    child: Child,
    /// Its end of file is the holder's end, should this process be killed.
    _pipe: OwnedFd,
}

struct Plan {
    read: OwnedFd,
    write: OwnedFd,
}

impl Holder {
    pub fn new() -> crate::sys::Result<Holder> {
        let (read, write) = event::pipe()?;
        let plan = Plan { read, write };
        let child = clone::spawn_scoped(Memory::Copied, Flags::default(), hold, &plan)?;
        Ok(Holder { child, _pipe: plan.write })
    }

    pub fn pid(&self) -> i32 {
        self.child.pid
    }
}

extern "C" fn hold(plan: &Plan) -> i32 {
    raw::close(plan.write.as_raw_fd());
    let mut byte = [0];
    let _ = raw::read(plan.read.as_raw_fd(), &mut byte);
    0
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = process::pidfd_signal(self.child.pidfd.as_fd(), libc::SIGKILL);
        let _ = process::wait_pidfd(self.child.pidfd.as_fd(), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::event::poll_in;

    #[test]
    fn a_holder_lives_until_it_is_dropped_or_its_parents_end_of_the_pipe_is_gone() {
        let holder = Holder::new().unwrap();
        let pidfd = holder.child.pidfd.try_clone().unwrap();
        assert!(!poll_in(pidfd.as_fd(), Some(50)).unwrap());
        drop(holder);
        assert!(poll_in(pidfd.as_fd(), Some(0)).unwrap());
        let mut holder = Holder::new().unwrap();
        holder._pipe = std::fs::File::open("/dev/null").unwrap().into();
        assert!(poll_in(holder.child.pidfd.as_fd(), Some(5000)).unwrap());
    }
}
