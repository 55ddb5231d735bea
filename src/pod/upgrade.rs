//! A pod's going over to this podrt, from the caller's side.

use super::client::Client;
use super::control::Verb;
use super::create::find;
use super::error::{Code, Error, Result};
use super::machine::SCHEMA;
use crate::container::exe;
use crate::store::{Roots, Sandbox, Store};
use crate::sys::event;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// How long the new program may take to come up, nanoseconds.
const PATIENCE: u64 = 10_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    Done,
    /// It is this program's already.
    Unchanged,
}

/// Errors: NotFound; Unavailable, without a supervisor; Unimplemented, one too old to be replaced; FailedPrecondition: it goes on with
/// the program it had.
pub fn upgrade(roots: &Roots, namespace: &str, name: &str) -> Result<Upgrade> {
    let missing = || Error::new(Code::NotFound, format!("pods {name:?} not found"));
    let store = Store::open_existing(roots)?.ok_or_else(missing)?;
    let sandbox = find(&store, namespace, name)?.ok_or_else(missing)?;
    let mut client = Client::connect(&sandbox)?;
    if runs_this(&sandbox) {
        return Ok(Upgrade::Unchanged);
    }
    let build = client.hello().build.clone();
    let program = exe::read_only_self()?;
    let asked = client.call_with(&Verb::Reexec { schema: SCHEMA }, &[program.as_fd()], Some(Duration::from_secs(10)));
    match asked {
        Err(e) if e.code == Code::Unimplemented => {
            let text = format!("its supervisor, of podrt {build}, cannot go over to another: delete the pod and create it again");
            return Err(Error { message: text, ..e });
        }
        other => drop(other?),
    }
    let end = event::monotonic() + PATIENCE;
    loop {
        // Listening, it has come up.
        if runs_this(&sandbox) && Client::connect(&sandbox).is_ok() && runs_this(&sandbox) {
            return Ok(Upgrade::Done);
        }
        if event::monotonic() > end {
            let text = format!("this podrt did not come up as its supervisor; it goes on with podrt {build}");
            return Err(Error::new(Code::FailedPrecondition, text));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the sandbox's supervisor runs this very file.
fn runs_this(sandbox: &Sandbox) -> bool {
    let file = |path: String| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
    let supervisor = sandbox.intent().ok().flatten().and_then(|i| i.supervisor).filter(|p| p.lives());
    supervisor.is_some_and(|p| {
        let its = file(format!("/proc/{}/exe", p.pid));
        its.is_some() && its == file("/proc/self/exe".into())
    })
}
