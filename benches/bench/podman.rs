//! podman kube play, with a storage and a containers.conf of the run's own.
#![allow(clippy::useless_vec)] // words! makes a list that may grow.

use crate::measure::timed;
use crate::pods::cycle;
use crate::words;
use crate::world::World;
use serde_json::json;
use std::ffi::OsString;
use std::path::PathBuf;

/// No limits, which need a capability or a controller that may not be here; no network, as podrt's pods have none but lo.
const CONF: &str = r#"[containers]
default_ulimits = []
pids_limit = 0
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "@RUNTIME@"
[engine.runtimes]
"@RUNTIME@" = ["@PATH@"]
"#;

pub struct Podman {
    /// Why it cannot run here; else the environment's folder.
    ready: Result<PathBuf, String>,
}

impl Podman {
    pub fn new(world: &World) -> Podman {
        Podman { ready: prepare(world) }
    }

    /// Milliseconds of kube play and of kube down.
    pub fn cycle(&self, world: &World, n: usize) -> Result<Vec<f64>, String> {
        let dir = self.ready.as_ref().map_err(String::clone)?;
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bench"}, "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": (0..n).map(|i| json!({
                "name": format!("c{i}"), "image": "localhost/bench:1", "imagePullPolicy": "Never", "command": ["/bin/payload", "reap"],
            })).collect::<Vec<_>>()}});
        let file = world.write(&format!("podman/pod{n}.yaml"), &pod.to_string())?;
        let up = command(world, dir, words!["kube", "play", "--network=none", &file]);
        let down = command(world, dir, words!["kube", "down", &file]);
        cycle(&up, &down).inspect_err(|_| drop(timed(&command(world, dir, words!["pod", "rm", "-af", "-t", "1"]))))
    }
}

/// Outside the real-time class, where its pods' cgroups (version 1's cpu controller) refuse to have it, at the highest nice value
/// instead; and in the mount namespace that the run was started from: on a tree of pure version 2 podman 4.3 gives the pod's
/// cgroup a device program that refuses every device.
fn command(world: &World, dir: &std::path::Path, args: Vec<OsString>) -> Vec<OsString> {
    let mut argv = Vec::new();
    if let Some(host) = &world.host {
        argv.extend(words!["nsenter", format!("--mount=/proc/{host}/ns/mnt")]);
    }
    argv.extend(words![&world.setting, "--plain", "env"]);
    for (name, file) in [("CONTAINERS_CONF", "containers.conf"), ("CONTAINERS_STORAGE_CONF", "storage.conf")] {
        let mut pair = OsString::from(format!("{name}="));
        pair.push(dir.join(file));
        argv.push(pair);
    }
    argv.push(world.podman.clone().into());
    argv.extend(args);
    argv
}

fn prepare(world: &World) -> Result<PathBuf, String> {
    if !world.podman.exists() {
        return Err(format!("no {}", world.podman.display()));
    }
    let dir = world.dir.join("podman");
    let runtime = world.runc.file_name().unwrap_or_default().to_string_lossy();
    let conf = CONF.replace("@RUNTIME@", &runtime).replace("@PATH@", &world.runc.to_string_lossy());
    world.write("podman/containers.conf", &conf)?;
    let storage = |name: &str| dir.join(name).display().to_string();
    let text = format!("[storage]\ndriver = \"overlay\"\nrunroot = {:?}\ngraphroot = {:?}\n", storage("run"), storage("lib"));
    world.write("podman/storage.conf", &text)?;
    let tar = dir.join("rootfs.tar");
    timed(&words!["tar", "-C", world.rootfs(), "-cf", &tar, "."])?;
    timed(&command(world, &dir, words!["import", &tar, "localhost/bench:1"]))?;
    Ok(dir)
}
