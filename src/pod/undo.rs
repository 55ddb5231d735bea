//! Taking a sandbox back, by its intent record: what `delete` does when nobody else can, and the supervisor at its end.

use super::error::{Error, Result, Step};
use super::network;
use crate::cgroup::{Cgroup, Hierarchy};
use crate::store::lock::{Lock, SUPERVISOR};
use crate::store::{self, Sandbox, Store, process};
use crate::sys::{event, fault, process as sys_process};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long the kernel may take to bury what was killed.
const BURIAL: Duration = Duration::from_secs(5);

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// The live supervisor, which holds the lock and has reaped its children.
    Supervisor,
    /// The command whose create failed, with its open lock: the supervisor may still be on its way out.
    Creator(&'a Lock),
    /// A later command; refused while a supervisor lives.
    Cleaner,
}

/// Ends what lives of the sandbox and removes all that was made, in reverse order of its making. What is gone already is fine, so
/// it can be repeated until it succeeds; the name is given up last.
pub fn everything(store: &Store, sandbox: &Sandbox, by: By) -> Result<()> {
    let _lock = match by {
        By::Supervisor => None,
        By::Creator(lock) => {
            wait_for_supervisor(sandbox, 2_000)?;
            // One that the keeper has started meanwhile ends when it has seen that the sandbox is doomed.
            let end = event::monotonic() + 2_000_000_000;
            while !lock.take(SUPERVISOR)? && event::monotonic() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            None
        }
        By::Cleaner => Some(take_over(sandbox)?),
    };
    // Unreadable, it still has its folder and maybe a name; the rest is found by the sandbox's id.
    let intent = sandbox.intent().ok().flatten();
    if let Some(intent) = &intent {
        fault::point("delete.cgroup")?;
        if intent.boot_id == process::boot_id() {
            cgroup(&intent.cgroup).step("delete.cgroup")?;
        }
        fault::point("delete.network")?;
        network::undo(sandbox, intent).step("delete.network")?;
        fault::point("delete.data")?;
        store::remove_tree(&intent.data).step("delete.data")?;
        remove_empty_parents(&intent.data, &intent.roots.data);
        fault::point("delete.logs")?;
        store::remove_tree(&intent.logs).step("delete.logs")?;
        remove_empty_parents(&intent.logs, &intent.roots.log);
    } else {
        by_id(store, sandbox)?;
        for (namespace, name, id) in store.names(None)? {
            if id == sandbox.id {
                store.release(&namespace, &name, &id)?;
            }
        }
    }
    fault::point("delete.name")?;
    store.forget(sandbox).step("delete.name")
}

/// Everything in the pod's cgroup is killed, and the cgroup removed bottom-up. By cgroup, not by pid: a number may be a
/// stranger's by now.
fn cgroup(path: &str) -> Result<()> {
    let Ok(hierarchy) = Hierarchy::discover() else { return Ok(()) };
    let group = match Cgroup::open(&hierarchy, path) {
        Err(e) if e.is_not_found() => return Ok(()),
        other => other?,
    };
    match group.remove(BURIAL) {
        Err(e) if e.is_not_found() => Ok(()),
        other => Ok(other?),
    }
}

/// What an unreadable record would have named: a sandbox's id is its pod's uid and a number, and the uid is in every name. Of these
/// roots, as nobody can say whether it had others.
fn by_id(store: &Store, sandbox: &Sandbox) -> Result<()> {
    let roots = store.roots();
    let uid = sandbox.id.rsplit_once('.').map_or(sandbox.id.as_str(), |(uid, _)| uid);
    cgroup(&format!("{}/pod{uid}", roots.cgroup_parent)).step("delete.cgroup")?;
    network::give_back(sandbox, &roots.state).step("delete.network")?;
    let data = roots.data_of(&sandbox.id);
    store::remove_tree(&data).step("delete.data")?;
    remove_empty_parents(&data, &roots.data);
    let logs = roots.log.join("pods");
    for entry in std::fs::read_dir(&logs).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.ends_with(&format!("_{uid}"))) {
            store::remove_tree(&entry.path()).step("delete.logs")?;
        }
    }
    store::remove_empty(&logs);
    Ok(())
}

/// `pods` and the like are left only where somebody uses them.
fn remove_empty_parents(path: &std::path::Path, root: &std::path::Path) {
    if let Some(parent) = path.parent()
        && parent != root
    {
        store::remove_empty(parent);
    }
}

fn take_over(sandbox: &Sandbox) -> Result<Lock> {
    let lock = Lock::open(&sandbox.dir)?;
    if !lock.take(SUPERVISOR)? {
        return Err(Error::new(
            super::error::Code::Aborted,
            format!("sandbox {}: its supervisor lives, or another command cleans up", sandbox.id),
        ));
    }
    Ok(lock)
}

/// Waits for the end of a live supervisor and its keeper, `patience` milliseconds, then kills them: by their recorded identity, never
/// by a number alone. The creator holds a lock of the same file, which opening it once more would drop: so the intent is asked, not
/// the lock. None is started again: the sandbox is marked first.
fn wait_for_supervisor(sandbox: &Sandbox, patience: u64) -> Result<()> {
    sandbox.doom()?;
    let begun = event::monotonic();
    loop {
        let Some(intent) = sandbox.intent().ok().flatten() else { return Ok(()) };
        let mut living = Vec::new();
        for process in [intent.supervisor, intent.keeper].into_iter().flatten() {
            if let Ok(pidfd) = sys_process::pidfd_open(process.pid)
                && process.lives()
            {
                living.push(pidfd);
            }
        }
        let waited = (event::monotonic() - begun) / 1_000_000;
        if living.is_empty() || waited > patience + 4_000 {
            return Ok(());
        }
        if waited >= patience {
            for pidfd in &living {
                let _ = sys_process::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
            }
        }
        for pidfd in &living {
            let left = patience.saturating_sub(waited).clamp(5, 2_000);
            let _ = event::poll_in(pidfd.as_fd(), Some(left));
        }
    }
}

/// Kills a supervisor that does not answer, or cannot do its work.
pub fn kill_supervisor(sandbox: &Sandbox) -> Result<()> {
    wait_for_supervisor(sandbox, 0)
}
