//! The supervisor's parent, and what it keeps for the next supervisor: fds in the queue of a socket of which both ends are open in
//! both. The keeper itself never reads it; a supervisor started again does, and finds pidfds, pipes and what was read from them.

use crate::pod::error::{Error, Result};
use crate::pod::pause;
use crate::store::Process;
use crate::sys::errno::Errno;
use crate::sys::{event, keep, process, raw, socket};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What keeper and supervisor have open by number: podrt's program, the queue's way in, its way out.
pub(super) const EXE_FD: i32 = 4;
pub(super) const PUT_FD: i32 = 5;
pub(super) const TAKE_FD: i32 = 6;

/// SIGRTMIN + 1 of the kernel, with a pid: `pause.rs`.
const REAP: i32 = 35;

/// SIGRTMIN + 2: `pause.rs`.
const PROGRAM: i32 = 36;

/// What a packet of the queue says of its fds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Of this sandbox's life; a packet may be there twice.
    pub serial: u64,
    /// None: pause.
    pub container: Option<String>,
    pub attempt: u32,
    pub id: String,
    /// 0: noted before its birth.
    pub pid: i32,
    /// As in [`Process`].
    pub start: u64,
    /// What the fds are, in their order.
    pub fds: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Keeper {
    pub process: Process,
    pub pidfd: OwnedFd,
    put: OwnedFd,
    take: OwnedFd,
}

impl Keeper {
    /// What this process was started with. None where its parent is no keeper: it may have died since.
    pub fn inherit() -> Result<(Option<Keeper>, Heirlooms)> {
        let missing = || Error::internal("the keeper's fds are not open");
        let exe = event::inherit(EXE_FD).ok_or_else(missing)?;
        let put = event::inherit(PUT_FD).ok_or_else(missing)?;
        let take = event::inherit(TAKE_FD).ok_or_else(missing)?;
        let loom = Heirlooms { exe, put, take };
        let pid = keep::parent();
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if !line.starts_with(pause::KEEPER.to_bytes_with_nul()) {
            return Ok((None, loom));
        }
        let found = Process::of(pid).and_then(|p| Some((p, process::pidfd_open(pid).ok()?)));
        let Some((process, pidfd)) = found.filter(|_| keep::parent() == pid) else { return Ok((None, loom)) };
        let copy = |fd: &OwnedFd| event::duplicate_above(fd.as_fd(), 3);
        let keeper = Keeper { process, pidfd, put: copy(&loom.put)?, take: copy(&loom.take)? };
        Ok((Some(keeper), loom))
    }

    /// From here on a supervisor that dies is started again.
    pub fn stands(&self) {
        let _ = process::pidfd_signal(self.pidfd.as_fd(), libc::SIGUSR1);
    }

    /// Keeps `fds` under `note`. Errors: the queue is full.
    pub fn put(&self, note: &Note, fds: &[BorrowedFd]) -> Result<()> {
        let text = serde_json::to_vec(note).map_err(|e| Error::internal(e.to_string()))?;
        socket::send(self.put.as_fd(), &text, fds)
            .map(drop)
            .map_err(|e| Error::internal(format!("keep fds: {e}")).with_errno(Some(e)))
    }

    /// Everything that is kept, once; what `stays` refuses is kept no longer. A packet is put again before it is taken away, so that
    /// a kill on the way loses none.
    pub fn turn_over(&self, mut stays: impl FnMut(Note, Vec<OwnedFd>) -> bool) -> Result<(), Errno> {
        let marker = format!("end {} {}", raw::getpid(), event::monotonic());
        socket::send(self.put.as_fd(), marker.as_bytes(), &[])?;
        let mut seen = BTreeSet::new();
        let mut text = [0; 2048];
        loop {
            let (n, fds) = match socket::peek(self.take.as_fd(), &mut text) {
                Err(Errno::EAGAIN) => return Ok(()),
                other => other?,
            };
            let text = &text[..n];
            if text == marker.as_bytes() {
                keep::drop_packet(self.take.as_fd());
                return Ok(());
            }
            let note = serde_json::from_slice::<Note>(text).ok().filter(|note| seen.insert((note.serial, note.pid)));
            if let Some(note) = note {
                let again = fds.iter().map(|fd| fd.try_clone()).collect::<std::io::Result<Vec<_>>>();
                let Ok(again) = again else { return Err(Errno(libc::EMFILE)) };
                if stays(note, again) {
                    let borrowed: Vec<BorrowedFd> = fds.iter().map(AsFd::as_fd).collect();
                    socket::send(self.put.as_fd(), text, &borrowed)?;
                }
            }
            keep::drop_packet(self.take.as_fd());
        }
    }

    /// Keeps no longer what has one of these serials.
    pub fn forget(&self, serials: &[u64]) {
        let _ = self.turn_over(|note, _| !serials.contains(&note.serial));
    }

    /// Makes this process's program the one that is started again.
    pub fn take_program(&self) {
        let _ = process::pidfd_signal(self.pidfd.as_fd(), PROGRAM);
    }

    /// Reaps a child that an earlier supervisor has left.
    pub fn reap(&self, pid: i32) {
        let _ = keep::signal_value(self.pidfd.as_fd(), REAP, pid);
    }

    /// Its dead children, not yet reaped.
    pub fn zombies(&self) -> Vec<i32> {
        let dead = |pid: &i32| Process::of(*pid).is_some_and(|p| !p.lives());
        self.children().into_iter().filter(dead).collect()
    }

    /// Whoever it has as children, in the order in which they came to it.
    pub fn children(&self) -> Vec<i32> {
        self.process.children()
    }
}

/// What a keeper has open, in a supervisor's hands.
#[derive(Debug)]
pub(super) struct Heirlooms {
    exe: OwnedFd,
    put: OwnedFd,
    take: OwnedFd,
}

impl Heirlooms {
    /// The keeper is dead: this process becomes it, with the containers that are its children, and starts a supervisor with the
    /// same command line. Returns only where that fails.
    pub fn become_keeper(&self, arguments: &[CString]) -> Error {
        let keeper = pause::KEEPER.to_owned();
        let argv = std::iter::once(keeper).chain(arguments.iter().cloned()).collect();
        match keep::sealed_program(pause::KEEPER, pause::ELF).map_err(Error::from).and_then(|p| self.exec(&p, &self.exe, argv)) {
            Err(e) => e,
            Ok(errno) => Error::internal(format!("execve(keeper): {errno}")),
        }
    }

    /// `program` takes this process over as the supervisor. Returns only where that fails.
    pub fn become_supervisor(&self, program: &OwnedFd, arguments: &[CString]) -> Error {
        let before = event::duplicate_above(self.exe.as_fd(), 10);
        let error = match self.exec(program, program, arguments.to_vec()) {
            Err(e) => e,
            Ok(errno) => Error::internal(format!("execve(successor): {errno}")).with_errno(Some(errno)),
        };
        // All is as it was: its own program at its number, and nothing open for who is started next.
        if let Ok(before) = before {
            let _ = raw::dup3(before.as_raw_fd(), EXE_FD, libc::O_CLOEXEC);
        }
        for number in [EXE_FD, PUT_FD, TAKE_FD] {
            let _ = raw::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC as usize);
        }
        error
    }

    /// Executes `program` with `exe` as the supervisors' one.
    fn exec(&self, program: &OwnedFd, exe: &OwnedFd, argv: Vec<CString>) -> Result<Errno> {
        let program = event::duplicate_above(program.as_fd(), 10)?;
        let mut aside = Vec::new();
        for (fd, number) in [(exe, EXE_FD), (&self.put, PUT_FD), (&self.take, TAKE_FD)] {
            aside.push((event::duplicate_above(fd.as_fd(), 10)?, number));
        }
        // From here on nothing of this process's own is to be relied on: the numbers are taken from whoever has them.
        for (fd, number) in &aside {
            raw::dup3(fd.as_raw_fd(), *number, 0).map_err(|e| Error::internal(format!("dup3: {e}")))?;
        }
        let (argv, envp) = (raw::Vector::new(argv), raw::Vector::new(super::birth::environment()));
        Ok(raw::execve_fd(program.as_raw_fd(), &argv, &envp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper() -> Keeper {
        let (put, take) = keep::packet_pair().unwrap();
        let me = Process::current();
        Keeper { pidfd: process::pidfd_open(me.pid).unwrap(), process: me, put, take }
    }

    fn note(serial: u64) -> Note {
        Note { serial, container: None, attempt: 0, id: String::new(), pid: 1, start: 2, fds: vec!["pidfd".into()] }
    }

    fn kept(keeper: &Keeper) -> Vec<u64> {
        let mut all = Vec::new();
        keeper
            .turn_over(|note, fds| {
                assert_eq!(fds.len(), 1);
                all.push(note.serial);
                true
            })
            .unwrap();
        all
    }

    #[test]
    fn what_is_kept_is_found_again_each_time_until_it_is_forgotten() {
        let keeper = keeper();
        for serial in 1..=4 {
            keeper.put(&note(serial), &[keeper.pidfd.as_fd()]).unwrap();
        }
        assert_eq!(kept(&keeper), [1, 2, 3, 4]);
        keeper.forget(&[2, 4]);
        assert_eq!(kept(&keeper), [1, 3]);
        assert_eq!(kept(&keeper), [1, 3]);
    }

    #[test]
    fn a_turn_that_was_cut_off_leaves_doubles_and_marks_that_the_next_one_drops() {
        let keeper = keeper();
        for serial in [1, 2, 1, 1] {
            keeper.put(&note(serial), &[keeper.pidfd.as_fd()]).unwrap();
        }
        socket::send(keeper.put.as_fd(), b"end 1 1", &[]).unwrap();
        keeper.put(&note(3), &[keeper.pidfd.as_fd()]).unwrap();
        assert_eq!(kept(&keeper), [1, 2, 3]);
        assert_eq!(kept(&keeper), [1, 2, 3]);
    }
}
