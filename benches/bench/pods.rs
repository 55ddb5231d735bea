//! Pods of 1, 2 and 10 containers, up and down, by the command line.

use crate::births::Sandbox;
use crate::measure::{Contender, Measure, Series, compete, timed};
use crate::world::World;
use crate::{podman, words};
use serde_json::json;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Between up and down: the containers' program sets up its handler for SIGTERM.
const SETTLE: Duration = Duration::from_millis(20);

pub fn measures(world: &World, sandbox: &Result<Sandbox, String>) -> Vec<Measure> {
    let floors = sandbox.as_ref().map_err(String::clone).map(|s| floors(world, s));
    let podman = podman::Podman::new(world);
    [1, 2, 10].into_iter().flat_map(|n| pod(world, &floors, &podman, n)).collect()
}

/// Medians of the naive floor with new namespaces and joined, each as a command of its own.
fn floors(world: &World, sandbox: &Sandbox) -> Measure {
    let mut m = Measure::new("floors", "naive floors", "ms");
    let pause = sandbox.pause.process.pid.to_string();
    let new = words![&world.floor, "run", world.rootfs(), world.cgroup("floor"), "--", "/bin/true"];
    let join = words![&world.floor, "join", pause, world.rootfs(), world.cgroup("floor"), "--", "/bin/true"];
    let n = world.rounds;
    compete(&mut m, vec![Contender::command("new", n, new), Contender::command("joined", n, join)]);
    m
}

/// A manifest of `n` containers that end on SIGTERM.
pub fn manifest(world: &World, name: &str, n: usize) -> Result<PathBuf, String> {
    let image = format!("bundle:{}", world.bundle("app").display());
    let containers: Vec<_> = (0..n).map(|i| json!({"name": format!("c{i}"), "image": image})).collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": containers}});
    world.write(&format!("manifests/{name}.json"), &pod.to_string())
}

fn pod(world: &World, floors: &Result<Measure, String>, podman: &podman::Podman, n: usize) -> Vec<Measure> {
    let plural = if n == 1 { "" } else { "s" };
    let name = format!("bench{n}");
    let mut up = Measure::new(format!("pod-up-{n}"), format!("pod of {n} container{plural} up (create --wait=started)"), "ms");
    let mut down = Measure::new(format!("pod-down-{n}"), format!("pod of {n} container{plural} down (delete)"), "ms");
    if n == 2 {
        up = up.goal("podrt", Some("floors' sum"), 1.5).goal("podrt", Some("podman"), 1.0 / 15.0);
    }
    // The first container's namespaces are the pod's, so new; each further one joins them.
    let sum = floors.as_ref().map_err(String::clone).and_then(|f| {
        let (new, joined) = (f.median("new").ok_or("no floor")?, f.median("joined").ok_or("no floor")?);
        Ok(Series::one(new + (n - 1) as f64 * joined))
    });
    up.row("floors' sum", sum.clone());
    down.row("floors' sum", sum);
    let file = match manifest(world, &name, n) {
        Ok(file) => file,
        Err(why) => {
            up.row("podrt", Err(why));
            return vec![up];
        }
    };
    let create = world.podrt(["create", "--wait=started", "-f", &file.to_string_lossy()]);
    let delete = world.podrt(["delete", "pod", &name]);
    let rounds = if n == 10 { world.rounds.min(25) } else { world.rounds };
    let mut both = Measure::new("", "", "ms");
    let pods = vec![
        Contender::new(&["podrt"; 2], rounds, || cycle(&create, &delete)),
        Contender::new(&["podman"; 2], world.rounds.min(5), || podman.cycle(world, n)),
    ];
    compete(&mut both, pods);
    for (i, row) in both.rows.into_iter().enumerate() {
        if i % 2 == 0 { up.rows.push(row) } else { down.rows.push(row) }
    }
    vec![up, down]
}

pub fn cycle(up: &[OsString], down: &[OsString]) -> Result<Vec<f64>, String> {
    let created = timed(up)?;
    std::thread::sleep(SETTLE);
    Ok(vec![created, timed(down)?])
}
