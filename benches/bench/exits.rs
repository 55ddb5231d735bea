//! From a container's end to what the world is told of it: status.json, and the next attempt.

use crate::measure::{Measure, Series, timed};
use crate::world::{CGROUP, World};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use podrt::sys::event;
use serde_json::{Value, json};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Containers of each pod: every one ends once, so that no back-off is part of it.
const CONTAINERS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(10);

pub fn measures(world: &World) -> Vec<Measure> {
    let pods = world.rounds.div_ceil(CONTAINERS);
    let mut told = Measure::new("exit-status", "a container's end (SIGKILL) to status.json", "ms")
        .goal("podrt", None, 2.0)
        .goal_at(0.99, "podrt", None, 5.0);
    told.row("podrt", all(world, pods, "Never", |status, k| count(status, ended) == k));
    let mut again = Measure::new("exit-restart", "a container's end (SIGKILL) to its next attempt, in status.json", "ms");
    again.row("podrt", all(world, pods, "Always", |status, k| count(status, restarted) == k));
    vec![told, again]
}

fn ended(container: &Value) -> bool {
    container.pointer("/state/terminated").is_some()
}

fn restarted(container: &Value) -> bool {
    container["restartCount"] == 1 && container.pointer("/state/running").is_some()
}

fn count(status: &Value, which: fn(&Value) -> bool) -> usize {
    status["containerStatuses"].as_array().map_or(0, |all| all.iter().filter(|c| which(c)).count())
}

fn all(world: &World, pods: usize, policy: &str, done: fn(&Value, usize) -> bool) -> Result<Series, String> {
    let mut values = Vec::new();
    for _ in 0..pods {
        let file = manifest(world, policy)?;
        timed(&world.podrt(["create", "--wait=started", "-f", &file.to_string_lossy()]))?;
        // The containers' program sets itself up.
        std::thread::sleep(Duration::from_millis(50));
        let got = (0..CONTAINERS).map(|i| one(world, i, done)).collect::<Result<Vec<_>, _>>();
        timed(&world.podrt(["delete", "pod", "exits", "--grace-period", "0"]))?;
        values.extend(got?);
    }
    Ok(Series::new(values))
}

fn manifest(world: &World, policy: &str) -> Result<PathBuf, String> {
    let image = format!("bundle:{}", world.bundle("app").display());
    let containers: Vec<_> = (0..CONTAINERS).map(|i| json!({"name": format!("c{i}"), "image": image})).collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "exits"}, "spec": {
        "restartPolicy": policy, "containers": containers}});
    world.write("manifests/exits.json", &pod.to_string())
}

/// Kills container `i`, the first still untouched, and waits until the status says so of `i + 1`.
fn one(world: &World, i: usize, done: fn(&Value, usize) -> bool) -> Result<f64, String> {
    let folder = sandbox(world).ok_or("no sandbox")?;
    let pid = first_process(&format!("c{i}")).ok_or("no process in the container")?;
    let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(|e| e.to_string())?;
    watch.add_watch(&folder, AddWatchFlags::IN_MOVED_TO).map_err(|e| e.to_string())?;
    let begun = Instant::now();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).map_err(|e| e.to_string())?;
    while begun.elapsed() < PATIENCE {
        event::poll_in(watch.as_fd(), Some(1000)).map_err(|e| e.to_string())?;
        let seen = begun.elapsed();
        let _ = watch.read_events();
        let text = std::fs::read(folder.join("status.json")).map_err(|e| e.to_string())?;
        if done(&serde_json::from_slice(&text).map_err(|e| e.to_string())?, i + 1) {
            return Ok(seen.as_secs_f64() * 1e3);
        }
    }
    Err(format!("status.json says nothing of c{i}'s end"))
}

/// The folder of the only pod.
fn sandbox(world: &World) -> Option<PathBuf> {
    let all = std::fs::read_dir(world.dir.join("podrt/run/sandboxes")).ok()?;
    all.flatten().map(|e| e.path()).find(|p| p.join("status.json").exists())
}

fn first_process(container: &str) -> Option<i32> {
    let pods = std::fs::read_dir(Path::new("/sys/fs/cgroup").join(CGROUP).join("pods")).ok()?;
    let procs = pods.flatten().map(|pod| pod.path().join(container).join("cgroup.procs"));
    procs.filter_map(|p| std::fs::read_to_string(p).ok()).find_map(|t| t.lines().next()?.parse().ok())
}
