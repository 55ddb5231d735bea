//! For tests that need a writable tree: a scratch cgroup that goes away with its processes.

use super::{Cgroup, Controller, Hierarchy};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub struct Scratch {
    pub hierarchy: Hierarchy,
    pub group: Cgroup,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.group.thaw();
        if let Err(e) = self.group.remove(Duration::from_secs(5)) {
            eprintln!("left behind: {e}");
        }
    }
}

/// A name that no other test and no other run has.
pub fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("podrt-unit-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A new cgroup under the root, that hands down the wanted controllers (and all others), or with none wanted, hands down
/// nothing and may hold processes. None, and the reason is printed, where there can be none.
pub fn scratch(want: &[Controller]) -> Option<Scratch> {
    let skip = |why: String| {
        eprintln!("skipped: {why}");
        None
    };
    let hierarchy = match Hierarchy::discover() {
        Ok(h) => h,
        Err(e) => return skip(e.to_string()),
    };
    if let Some(c) = want.iter().find(|c| !hierarchy.controllers().contains(c)) {
        return skip(format!("this tree has no {c} controller"));
    }
    let made = match want {
        [] => Cgroup::open(&hierarchy, "/").and_then(|root| root.child(&name())),
        _ => hierarchy.prepare(&name()),
    };
    match made {
        Ok(group) => Some(Scratch { hierarchy, group }),
        Err(e) => skip(e.to_string()),
    }
}

/// Runs a shell script inside the cgroup. It begins only at the word that it is there: a shell that could not be moved ends
/// and has run nothing, and none is left outside.
pub fn run_in(group: &Cgroup, script: &str) -> Child {
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("read go && [ \"$go\" = go ] || exit 99; exec 2>/dev/null; {script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    if let Err(errno) = group.put("cgroup.procs", &child.id().to_string()) {
        let _ = child.kill();
        let _ = child.wait();
        panic!("move a process to {}: {errno}", group.path());
    }
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    child
}
