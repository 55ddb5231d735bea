//! A pod's creation, from the caller's side: the name is claimed, the intent is written, the supervisor is born; then one listens
//! to it. What fails on the way is undone in reverse, so that a failed create leaves nothing.

use super::control::{Stage, frame};
use super::error::{Code, Error, Result, Step};
use super::spec::PodSpec;
use super::supervisor::birth;
use super::{restore, undo};
use crate::cgroup::{Hierarchy, systemd};
use crate::store::lock::{CREATOR, Lock};
use crate::store::{self, Intent, Process, Roots, Sandbox, Store, atomic};
use crate::sys::{event, fault, raw};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// The leaf below the cgroup parent that supervisors live in, outside every pod's limits.
pub(super) const SUPERVISORS: &str = "supervisors";

#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// How far the pod must have come before the call returns.
    pub wait: Stage,
    /// For what comes after [`Stage::Created`]; None waits without end. When it passes the pod stays.
    pub deadline: Option<Duration>,
    /// The v1 Pod as it was asked for, kept for those who show it.
    pub manifest: Option<serde_json::Value>,
    /// Kept on disk, to be made again by [`restore`](super::restore) after a reboot.
    pub applied: bool,
}

impl Default for CreateOptions {
    fn default() -> CreateOptions {
        CreateOptions { wait: Stage::Created, deadline: None, manifest: None, applied: false }
    }
}

#[derive(Debug, Clone)]
pub struct Created {
    pub id: String,
    /// What was done otherwise than asked, one line each.
    pub warnings: Vec<String>,
    /// The stage was not reached, and why: the pod exists all the same.
    pub unreached: Option<Error>,
}

/// What a supervisor says on the ready pipe, as frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ready {
    /// The sandbox stands. From here on the pod exists, whatever becomes of the caller.
    Created { warnings: Vec<String> },
    /// The stage that was asked for is reached.
    Reached,
    /// It can no longer be reached.
    Unreached(Error),
    /// The pod could not be made; everything that the supervisor made is undone.
    Failed(Error),
}

/// As [`create_telling`], with nobody to tell.
pub fn create(spec: &PodSpec, roots: &Roots, options: &CreateOptions) -> Result<Created> {
    create_telling(spec, roots, options, &mut |_| ())
}

/// Makes a pod; `created` is called once there is one, before the wait for its stage. Errors: AlreadyExists (the name),
/// InvalidArgument (bundle, config.json, values), FailedPrecondition (the host); nothing is left then.
pub fn create_telling(
    spec: &PodSpec,
    roots: &Roots,
    options: &CreateOptions,
    created: &mut dyn FnMut(&Created),
) -> Result<Created> {
    for _ in 0..5 {
        match attempt(spec, roots, options, created) {
            // The last pod of a systemd host takes the tree of pods with it: this one came in that moment.
            Err(e) if systemd::Tree::of_path(&roots.cgroup_parent).is_some() && vanished(&e) => {}
            other => return other,
        }
    }
    attempt(spec, roots, options, created)
}

/// The cgroup of all pods was there, and is not.
fn vanished(e: &Error) -> bool {
    matches!(e.step.as_str(), "create.supervisor" | "create.cgroup.parent")
        && matches!(e.errno, Some(libc::ENODEV | libc::ENOENT))
}

fn attempt(spec: &PodSpec, roots: &Roots, options: &CreateOptions, created: &mut dyn FnMut(&Created)) -> Result<Created> {
    let store = Store::open(roots).step("create.state")?;
    let id = format!("{}.0", spec.uid);
    store::check_name("metadata.uid", &spec.uid, 64)?;
    fault::point("create.draft")?;
    let hierarchy = Hierarchy::discover().step("create.cgroup.parent")?;
    // Held until the supervisor is in there, which is when this function returns.
    let (parent, _holder) = hierarchy.prepare_pods(&roots.cgroup_parent).step("create.cgroup.parent")?;
    let leaf = parent.child_or_existing(SUPERVISORS).step("create.cgroup.parent")?;

    let draft = store.draft(&id)?;
    let intent = intent(spec, roots, &id);
    let lock = match write_draft(draft.dir(), spec, &intent, options) {
        Ok(lock) => lock,
        Err(e) => {
            draft.discard();
            return Err(e);
        }
    };
    let sandbox = match fault::point("create.publish").map_err(Error::from).and_then(|()| Ok(store.publish(&draft)?)) {
        Ok(sandbox) => sandbox,
        Err(e) => {
            draft.discard();
            return Err(e.at("create.publish"));
        }
    };
    let born = claim(&store, spec, &id).and_then(|()| {
        let ready = birth::spawn(&sandbox, roots, options.wait, leaf.dir()).step("create.supervisor")?;
        let keep = || -> Result<()> {
            fault::point("create.applied")?;
            restore::keep(roots, spec, options.manifest.as_ref()).step("create.applied")
        };
        // While the supervisor makes the sandbox: the disk is what takes long here.
        if let Some(e) = options.applied.then(keep).and_then(Result::err) {
            // Until it has told who it is, on its record, nobody can end it.
            let _ = listen(ready, &CreateOptions::default(), &id, &mut |_| ());
            return Err(e);
        }
        listen(ready, options, &id, created)
    });
    match born {
        Ok(created) => {
            drop(lock);
            Ok(created)
        }
        Err(e) => {
            if options.applied {
                restore::forget(roots, spec);
            }
            // The supervisor, if it came so far, has ended or been told by the closed pipe; what it left is in the intent.
            let left = undo::everything(&store, &sandbox, undo::By::Creator(&lock));
            drop(lock);
            Err(match left {
                Ok(()) => e,
                Err(left) => Error { message: format!("{}; and {left}", e.message), ..e },
            })
        }
    }
}

fn intent(spec: &PodSpec, roots: &Roots, id: &str) -> Intent {
    let me = Process::current();
    let kinds = ["mnt", "net", "pid"];
    let view = kinds.iter().filter_map(|k| Some((k.to_string(), store::process::namespace(me.pid, k)?))).collect();
    Intent {
        schema: store::intent::SCHEMA,
        id: id.into(),
        namespace: spec.namespace.clone(),
        name: spec.name.clone(),
        uid: spec.uid.clone(),
        attempt: 0,
        boot_id: store::process::boot_id().into(),
        creator: me,
        view,
        roots: roots.clone(),
        cgroup: format!("{}/pod{}", roots.cgroup_parent, spec.uid),
        data: roots.data_of(id),
        logs: roots.logs(&spec.namespace, &spec.name, &spec.uid),
        supervisor: None,
        keeper: None,
        pause: None,
        rest: Default::default(),
    }
}

/// All that a published sandbox must have from its first moment. The lock is held before anybody can see it.
fn write_draft(dir: &std::path::Path, spec: &PodSpec, intent: &Intent, options: &CreateOptions) -> Result<Lock> {
    fault::point("create.intent")?;
    let lock = Lock::open(dir)?;
    if !lock.take(CREATOR)? {
        return Err(Error::internal("the lock of a draft is taken"));
    }
    if let Some(manifest) = &options.manifest {
        atomic::write_json(&dir.join(super::entry::MANIFEST), manifest, atomic::Durable::No)?;
    }
    atomic::write_json(&dir.join("pod.json"), spec, atomic::Durable::No)?;
    atomic::write_json(&dir.join("intent.json"), intent, atomic::Durable::No).step("create.intent")?;
    Ok(lock)
}

fn claim(store: &Store, spec: &PodSpec, id: &str) -> Result<()> {
    fault::point("create.name")?;
    store.claim(&spec.namespace, &spec.name, id).map_err(|e| match e {
        store::Error::Taken { .. } => {
            let mut error =
                Error::new(Code::AlreadyExists, format!("pods {:?} already exists in namespace {:?}", spec.name, spec.namespace));
            error.field = "metadata.name".into();
            error.at("create.name")
        }
        other => Error::from(other).at("create.name"),
    })
}

/// Reads the ready pipe to the end of what was asked for. Errors only where there is no pod.
fn listen(ready: OwnedFd, options: &CreateOptions, id: &str, told: &mut dyn FnMut(&Created)) -> Result<Created> {
    let mut pipe = Pipe { fd: ready, decoder: frame::Decoder::default() };
    // The birth itself is bounded by the supervisor; only what comes after it may take as long as it likes.
    let warnings = match pipe.next(Some(Duration::from_secs(60)))? {
        Ready::Created { warnings } => warnings,
        Ready::Failed(e) | Ready::Unreached(e) => return Err(e),
        Ready::Reached => return Err(Error::internal("the supervisor skipped a stage")),
    };
    let created = Created { id: id.into(), warnings, unreached: None };
    told(&created);
    if options.wait == Stage::Created {
        return Ok(created);
    }
    let unreached = match pipe.next(options.deadline) {
        Ok(Ready::Unreached(e) | Ready::Failed(e)) => Some(e),
        Ok(Ready::Created { .. } | Ready::Reached) => None,
        Err(e) => Some(e.context("the pod was created")),
    };
    Ok(Created { unreached, ..created })
}

struct Pipe {
    fd: OwnedFd,
    decoder: frame::Decoder,
}

impl Pipe {
    fn next(&mut self, deadline: Option<Duration>) -> Result<Ready> {
        let end = deadline.map(|d| event::monotonic().saturating_add(d.as_nanos() as u64));
        loop {
            if let Some(said) = self.decoder.next_value()? {
                return Ok(said);
            }
            let left = end.map(|end| end.saturating_sub(event::monotonic()).div_ceil(1_000_000));
            if !event::poll_in(self.fd.as_fd(), left).map_err(|e| Error::internal(format!("poll(ready pipe): {e}")))? {
                return Err(Error::new(Code::DeadlineExceeded, "its supervisor has not said in time how far it is"));
            }
            let mut chunk = [0; 4096];
            match raw::read(self.fd.as_raw_fd(), &mut chunk) {
                Ok(0) => return Err(Error::new(Code::Unavailable, "its supervisor has ended without a word")),
                Ok(n) => self.decoder.feed(&chunk[..n]),
                Err(e) => return Err(Error::internal(format!("read(ready pipe): {e}"))),
            }
        }
    }
}

/// The sandbox of a name.
pub(super) fn find(store: &Store, namespace: &str, name: &str) -> Result<Option<Sandbox>> {
    match store.resolve(namespace, name)? {
        Some(id) => Ok(Some(store.sandbox(&id)?)),
        None => Ok(None),
    }
}
