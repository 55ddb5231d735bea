use super::{Error, Result, Runtime, Status};
use crate::cgroup::systemd;
use crate::sys::process;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long `delete` waits for what must die.
const PATIENCE: Duration = Duration::from_secs(10);

/// runtime-spec, runtime.md#kill: to init, or, with `all`, to every process of the cgroup.
pub fn kill(runtime: &Runtime, id: &str, signal: i32, all: bool) -> Result<()> {
    let record = runtime.load(id)?;
    let status = runtime.status(&record)?;
    if all {
        let Ok(cgroup) = record.cgroup() else { return Ok(()) };
        if signal == libc::SIGKILL {
            return Ok(cgroup.kill()?);
        }
        for pid in cgroup.processes()? {
            if let Ok(fd) = process::pidfd_open(pid) {
                let _ = process::pidfd_signal(fd.as_fd(), signal);
            }
        }
        return Ok(());
    }
    if !matches!(status, Status::Created | Status::Running | Status::Paused) {
        return Err(Error::State { id: id.into(), status, problem: "container not running" });
    }
    let pidfd =
        record.pidfd().ok_or(Error::State { id: id.into(), status: Status::Stopped, problem: "container not running" })?;
    process::pidfd_signal(pidfd.as_fd(), signal)?;
    Ok(())
}

/// runtime-spec, runtime.md#delete. `force` ends what still runs, and takes what is not there, or half there, for deleted.
///
/// Returns the failures of poststop hooks, of which the caller warns.
pub fn delete(runtime: &Runtime, id: &str, force: bool) -> Result<Vec<String>> {
    let dir = runtime.dir(id)?;
    let record = match runtime.load(id) {
        Ok(record) => record,
        Err(Error::NotFound(_)) if force => return remove_folder(&dir).map(|()| Vec::new()),
        // A record that cannot be read names no cgroup: the folder's name is the container's, and so is the default cgroup's.
        Err(Error::Store(_)) if force => {
            remove_cgroup(&format!("podrt-oci/{id}"))?;
            return remove_folder(&dir).map(|()| Vec::new());
        }
        Err(e) => return Err(e),
    };
    let status = runtime.status(&record)?;
    // The specification wants it stopped; one whose program has not begun goes as well, as engines expect of a runtime by now.
    if !force && !matches!(status, Status::Stopped | Status::Created) {
        return Err(Error::State { id: id.into(), status, problem: "only a stopped container can be deleted (or use --force)" });
    }
    let same_boot = record.boot_id == crate::store::process::boot_id();
    if same_boot {
        if let Some(pidfd) = record.pidfd() {
            let _ = process::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
            wait_gone(&record, Instant::now() + PATIENCE);
        }
        remove_cgroup(&record.cgroup)?;
        // Empty, it ends by itself; but the next create of this name must find it gone. Without systemd it is gone already.
        if let Some(unit) = record.unit.as_ref().filter(|_| systemd::booted()) {
            systemd::stop(unit)?;
        }
    }
    let list = record.hooks("poststop");
    let state = || record.state(Status::Stopped, 0);
    // Each is called, whatever becomes of the others; the container goes in any case.
    let mut failed = Vec::new();
    for (i, hook) in list.iter().enumerate() {
        let place = crate::container::hooks::Place::Runtime(&record.bundle);
        if let Err(e) = crate::container::hooks::run("poststop", std::slice::from_ref(hook), &state(), &place) {
            failed.push(format!("{i}: {e}"));
        }
    }
    remove_folder(&dir)?;
    Ok(failed)
}

/// Init is somebody else's child: its pidfd becomes readable when it ends.
fn wait_gone(record: &super::Record, end: Instant) {
    if let Some(pidfd) = record.pidfd() {
        let left = end.saturating_duration_since(Instant::now()).as_millis() as u64;
        let _ = crate::sys::event::poll_in(pidfd.as_fd(), Some(left));
    }
}

fn remove_cgroup(path: &str) -> Result<()> {
    let hierarchy = crate::cgroup::Hierarchy::discover()?;
    match crate::cgroup::Cgroup::open(&hierarchy, path) {
        Ok(cgroup) => {
            let _ = cgroup.kill();
            Ok(cgroup.remove(PATIENCE)?)
        }
        Err(e) if e.is_not_found() => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn remove_folder(dir: &std::path::Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Root { path: dir.to_path_buf(), problem: crate::sys::Errno::from(e).to_string() })
        }
        _ => Ok(()),
    }
}
