//! Pods as their files show them: no lock is taken, no supervisor is asked.

use super::client::Client;
use super::create::find;
use super::error::{Code, Error, Result};
use super::machine::Machine;
use super::spec::PodSpec;
use super::status::{EventRecord, Phase, PodStatusModel};
use crate::store::{Roots, Sandbox, Store, atomic};

/// A pod, as it was a moment ago.
#[derive(Debug, Clone)]
pub struct PodRecord {
    /// The sandbox's id.
    pub id: String,
    pub spec: PodSpec,
    /// Phase Unknown where the supervisor is dead and the pod had not finished.
    pub status: PodStatusModel,
    /// Oldest first.
    pub events: Vec<EventRecord>,
    /// Its supervisor lives.
    pub alive: bool,
}

/// Names whose record cannot be read, with why: `delete --force` takes them.
pub type Broken = Vec<(String, String, Error)>;

/// All pods of one namespace, or of all, sorted by namespace and name; and those that cannot be read. Each is read once.
pub fn survey(roots: &Roots, namespace: Option<&str>) -> Result<(Vec<PodRecord>, Broken)> {
    let (mut found, mut broken) = (Vec::new(), Vec::new());
    let Some(store) = Store::open_existing(roots)? else { return Ok((found, broken)) };
    for (namespace, name, id) in store.names(namespace)? {
        match store.sandbox(&id).map_err(Error::from).and_then(|sandbox| read(&sandbox)) {
            Ok(Some(record)) => found.push(record),
            Ok(None) => broken.push((namespace, name, Error::internal(format!("sandbox {id} holds no pod.json")))),
            Err(e) => broken.push((namespace, name, e)),
        }
    }
    Ok((found, broken))
}

/// All pods of one namespace, or of all, sorted by namespace and name. One that cannot be read is left out: see [`survey`].
pub fn list(roots: &Roots, namespace: Option<&str>) -> Result<Vec<PodRecord>> {
    Ok(survey(roots, namespace)?.0)
}

/// One pod. None where there is none of that name.
pub fn get(roots: &Roots, namespace: &str, name: &str) -> Result<Option<PodRecord>> {
    let Some(store) = Store::open_existing(roots)? else { return Ok(None) };
    match find(&store, namespace, name)? {
        Some(sandbox) => read(&sandbox),
        None => Ok(None),
    }
}

/// A connection to the pod's supervisor. Errors: NotFound; Unavailable where it is dead.
pub fn connect(roots: &Roots, namespace: &str, name: &str) -> Result<Client> {
    let missing = || Error::new(Code::NotFound, format!("pods {name:?} not found"));
    let store = Store::open_existing(roots)?.ok_or_else(missing)?;
    Client::connect(&find(&store, namespace, name)?.ok_or_else(missing)?)
}

/// The final config.json of a container's latest attempt: what an exec into it is confined by.
pub fn config(roots: &Roots, record: &PodRecord, container: &str) -> Result<Option<oci_spec::runtime::Spec>> {
    let Some(store) = Store::open_existing(roots)? else { return Ok(None) };
    let dir = store.sandbox(&record.id)?.dir;
    crate::store::check_name("container", container, 63)?;
    Ok(atomic::read_json(&dir.join("containers").join(container).join("config.json"))?)
}

fn read(sandbox: &Sandbox) -> Result<Option<PodRecord>> {
    let Some(spec) = atomic::read_json::<PodSpec>(&sandbox.dir.join("pod.json"))? else { return Ok(None) };
    let machine = atomic::read_json::<Machine>(&sandbox.dir.join("state.json"))?;
    // Between two supervisors the keeper is there.
    let alive = sandbox.busy()? || sandbox.intent().ok().flatten().and_then(|i| i.keeper).is_some_and(|k| k.lives());
    let (mut status, events) = match machine {
        Some(machine) => (machine.status(), machine.events().to_vec()),
        // Not yet, or never, taken on.
        None => (Machine::new(&spec, Default::default(), super::now()).status(), Vec::new()),
    };
    if !alive && !status.phase.is_terminal() {
        status.phase = Phase::Unknown;
        status.reason = "SupervisorLost".into();
        status.message = "the pod's supervisor is gone; delete the pod to clean up".into();
    }
    Ok(Some(PodRecord { id: sandbox.id.clone(), spec, status, events, alive }))
}
