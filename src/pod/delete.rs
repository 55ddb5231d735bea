//! A pod's end, from the caller's side.

use super::client::Client;
use super::create::find;
use super::error::{Code, Error, Result};
use super::{restore, undo};
use crate::store::{Roots, Sandbox, Store};
use crate::sys::event;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct DeleteOptions {
    /// Seconds; None is the pod's own grace period, 0 kills at once.
    pub grace: Option<u64>,
    /// Return when nothing is left; else when the supervisor has taken it on.
    pub wait: bool,
    /// Go on where the supervisor does not answer: it is killed, and the pod taken back by its record.
    pub force: bool,
    /// With `wait`; None waits without end.
    pub deadline: Option<Duration>,
}

impl Default for DeleteOptions {
    fn default() -> DeleteOptions {
        DeleteOptions { grace: None, wait: true, force: false, deadline: None }
    }
}

/// Ends and removes a pod, or one that was applied and not restored since a reboot. Errors: NotFound; DeadlineExceeded; what could not be removed.
pub fn delete(roots: &Roots, namespace: &str, name: &str, options: &DeleteOptions) -> Result<()> {
    let missing = || Error::new(Code::NotFound, format!("pods {name:?} not found"));
    // First, so that a reboot in the middle of its end does not bring it back.
    let applied = restore::remove(roots, namespace, name)?;
    let gone = || if applied { Ok(()) } else { Err(missing()) };
    let Some(store) = Store::open_existing(roots)? else { return gone() };
    if options.force {
        sweep(&store)?;
    }
    let Some(sandbox) = find(&store, namespace, name)? else { return gone() };
    match by_supervisor(&sandbox, options) {
        Err(e) if e.code == Code::Unavailable || (options.force && e.code != Code::NotFound) => {
            // It may have ended because all is done.
            if find(&store, namespace, name)?.is_none_or(|s| s.id != sandbox.id) {
                return Ok(());
            }
            by_record(&store, &sandbox, options)
        }
        other => other,
    }
}

fn by_supervisor(sandbox: &Sandbox, options: &DeleteOptions) -> Result<()> {
    let mut client = Client::connect(sandbox)?;
    let patience = if options.force { Some(Duration::from_secs(20)) } else { options.deadline };
    client.delete(options.grace, options.wait, patience)
}

/// The supervisor is gone, or will not answer.
fn by_record(store: &Store, sandbox: &Sandbox, options: &DeleteOptions) -> Result<()> {
    if options.force {
        undo::kill_supervisor(sandbox)?;
    }
    // One that is on its way up or out still holds its lock for a moment.
    let end = event::monotonic() + 10_000_000_000;
    loop {
        match undo::everything(store, sandbox, undo::By::Cleaner) {
            Err(e) if e.code == Code::Aborted && event::monotonic() < end => {
                std::thread::sleep(Duration::from_millis(20));
                // One that was on its way up listens by now.
                match by_supervisor(sandbox, options) {
                    Err(e) if options.force || e.code == Code::Unavailable => {}
                    other => return other,
                }
            }
            Err(e) if e.errno == Some(libc::ENOENT) && !sandbox.dir.exists() => return Ok(()),
            other => return other,
        }
    }
}

/// Removes what killed commands left.
pub fn sweep(store: &Store) -> Result<()> {
    for orphan in store.sweep()? {
        undo::everything(store, &orphan, undo::By::Cleaner)?;
    }
    Ok(())
}
