//! User namespaces (user_namespaces(7)): id maps, and namespaces that are made for the sake of their maps.

use super::clone::{self, Flags, Memory};
use super::errno::Call;
use super::raw::{self, Fd};
use super::{Errno, Error, Result, event, fs, process};
use std::fmt::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The kernel's own limit of lines in a map, since Linux 4.15.
pub const MAX_RANGES: usize = 340;

/// One line of a map: `count` ids from `inside` on are those from `outside` on of the parent namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

/// /proc/PID/uid_map and gid_map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maps {
    pub uids: Vec<Range>,
    pub gids: Vec<Range>,
}

/// The id outside of an id inside; None where the map does not hold it.
pub fn outside(map: &[Range], id: u32) -> Option<u32> {
    map.iter().find_map(|r| id.checked_sub(r.inside).filter(|d| *d < r.count).and_then(|d| r.outside.checked_add(d)))
}

fn text(map: &[Range]) -> String {
    let mut out = String::new();
    for r in map {
        let _ = writeln!(out, "{} {} {}", r.inside, r.outside, r.count);
    }
    out
}

fn parse(text: &str) -> Option<Vec<Range>> {
    let range = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Range { inside: next()?, outside: next()?, count: next()? })
    };
    text.lines().map(range).collect()
}

impl Maps {
    /// Writes both for process `pid`, which is in a new user namespace. `Groups` may be set inside: who writes is privileged here.
    pub fn write(&self, pid: i32) -> Result<()> {
        for (file, map) in [("uid_map", &self.uids), ("gid_map", &self.gids)] {
            let path = format!("/proc/{pid}/{file}");
            let text = text(map);
            // In one write, as the kernel has it.
            std::fs::write(&path, &text).call(|| format!("write({path}, {:?})", text.replace('\n', ";")))?;
        }
        Ok(())
    }

    /// Those of process `pid`.
    pub fn read(pid: i32) -> Result<Maps> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            let text = std::fs::read_to_string(&path).call(|| format!("read({path})"))?;
            parse(&text).ok_or(Errno::EINVAL).call(|| format!("read({path})"))
        };
        Ok(Maps { uids: read("uid_map")?, gids: read("gid_map")? })
    }

    /// Those of an open user namespace.
    pub fn of(namespace: BorrowedFd) -> Result<Maps> {
        held(Some(namespace), Maps::read)
    }

    /// A user namespace with these maps and no process in it.
    pub fn namespace(&self) -> Result<OwnedFd> {
        held(None, |pid| {
            self.write(pid)?;
            let path = super::mount::c_path(format!("/proc/{pid}/ns/user"))?;
            fs::open(&path, libc::O_RDONLY)
        })
    }
}

struct Holder {
    join: Option<Fd>,
    ready: Fd,
    wait: Fd,
    /// The parent's ends, of which a copied child closes its copies.
    others: [Fd; 2],
}

/// Calls `f` with the number of a helper process that is in `namespace`, or in a new one, and does nothing.
fn held<T>(namespace: Option<BorrowedFd>, f: impl FnOnce(i32) -> Result<T>) -> Result<T> {
    let (ready, tell) = event::pipe()?;
    let (wait, hold) = event::pipe()?;
    let plan = Holder {
        join: namespace.map(|fd| fd.as_raw_fd()),
        ready: tell.as_raw_fd(),
        wait: wait.as_raw_fd(),
        others: [ready.as_raw_fd(), hold.as_raw_fd()],
    };
    let flags = if namespace.is_some() { 0 } else { libc::CLONE_NEWUSER as u64 };
    let child = clone::spawn_scoped(Memory::Copied, Flags { namespaces: flags, cgroup: None }, hold_on, &plan)?;
    drop(tell);
    let mut byte = [0u8; 1];
    let there = loop {
        match raw::read(ready.as_raw_fd(), &mut byte) {
            Err(Errno::EINTR) => {}
            got => break got,
        }
    };
    let result = match there {
        Ok(1) => f(child.pid),
        _ => Err(Error { call: "setns(user namespace)".into(), errno: Errno::EINVAL }),
    };
    drop(hold);
    process::wait_pidfd(child.pidfd.as_fd(), true)?;
    result
}

extern "C" fn hold_on(plan: &Holder) -> i32 {
    plan.others.iter().for_each(|fd| raw::close(*fd));
    if let Some(fd) = plan.join
        && raw::setns(fd, libc::CLONE_NEWUSER).is_err()
    {
        return 1;
    }
    let mut byte = [0u8; 1];
    let _ = raw::write(plan.ready, b"0");
    let _ = raw::read(plan.wait, &mut byte);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: [Range; 2] =
        [Range { inside: 0, outside: 1000, count: 10 }, Range { inside: 100, outside: 5000, count: u32::MAX - 5000 }];

    #[test]
    fn an_id_inside_has_at_most_one_outside() {
        for (id, want) in [(0, Some(1000)), (9, Some(1009)), (10, None), (100, Some(5000)), (u32::MAX, None)] {
            assert_eq!(outside(&MAP, id), want, "{id}");
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        assert_eq!(parse(&text(&MAP)), Some(MAP.to_vec()));
        assert_eq!(parse("         0          0 4294967295\n"), Some(vec![Range { inside: 0, outside: 0, count: u32::MAX }]));
        assert_eq!(parse("0 1"), None);
    }

    #[test]
    fn a_namespace_is_made_for_its_maps_and_has_them() {
        if raw::getresuid() != Ok([0; 3]) {
            eprintln!("skipped: needs root");
            return;
        }
        let maps = Maps { uids: MAP[..1].to_vec(), gids: MAP.to_vec() };
        let fd = maps.namespace().expect("a user namespace");
        assert_eq!(Maps::of(fd.as_fd()).expect("its maps"), maps);
    }
}
