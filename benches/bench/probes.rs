//! What probes cost their supervisor: its processor time while it makes a hundred of them a second.

use crate::measure::{Measure, Series, timed};
use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;

/// Containers, with two probes a second each.
const CONTAINERS: usize = 50;
const SECONDS: u64 = 10;

pub fn measures(world: &World) -> Vec<Measure> {
    let title = "processor time of a supervisor that makes 100 probes a second, of one core";
    let mut m = Measure::new("probes", title, "%").goal("httpGet", None, 5.0).goal("tcpSocket", None, 5.0);
    for (name, handler) in [
        ("none", None),
        ("tcpSocket", Some(json!({"tcpSocket": {"port": 8080}}))),
        ("httpGet", Some(json!({"httpGet": {"port": 8080}}))),
        ("exec", Some(json!({"exec": {"command": ["/bin/true"]}}))),
    ] {
        m.row(name, share(world, name, handler));
        let _ = timed(&world.podrt(["delete", "pod", &pod_name(name), "--grace-period", "0"]));
    }
    vec![m]
}

fn pod_name(name: &str) -> String {
    format!("probes-{}", name.to_lowercase())
}

fn share(world: &World, name: &str, handler: Option<Value>) -> Result<Series, String> {
    let bundle = |name: &str| format!("bundle:{}", world.bundle(name).display());
    let mut containers = vec![json!({"name": "server", "image": bundle("serve")})];
    containers.extend((0..CONTAINERS).map(|i| {
        let mut container = json!({"name": format!("c{i}"), "image": bundle("app")});
        if let Some(handler) = &handler {
            let mut probe = handler.clone();
            probe["periodSeconds"] = json!(1);
            probe["failureThreshold"] = json!(1000);
            container["readinessProbe"] = probe.clone();
            container["livenessProbe"] = probe;
        }
        container
    }));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod_name(name)},
        "spec": {"restartPolicy": "Never", "containers": containers}});
    let file = world.write(&format!("manifests/{}.json", pod_name(name)), &pod.to_string())?;
    timed(&world.podrt(["create", "--wait=ready", "-f", &file.to_string_lossy()]))?;
    let pid = supervisor(world)?;
    std::thread::sleep(Duration::from_secs(1));
    let before = ran(&pid)?;
    std::thread::sleep(Duration::from_secs(SECONDS));
    let spent = ran(&pid)? - before;
    Ok(Series::one(spent as f64 / (SECONDS as f64 * 1e9) * 100.0))
}

/// The only pod's: what is no keeper beside it.
fn supervisor(world: &World) -> Result<String, String> {
    let pids = world.read(&world.cgroup("pods/supervisors").join("cgroup.procs"))?;
    let name = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let found = pids.lines().find(|pid| name(pid).trim() != "podrt-keeper");
    found.map(String::from).ok_or_else(|| "there is no supervisor".into())
}

/// Nanoseconds on a processor (proc_pid_schedstat).
fn ran(pid: &str) -> Result<u64, String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).map_err(|e| e.to_string())?;
    text.split(' ').next().and_then(|n| n.parse().ok()).ok_or_else(|| format!("schedstat: {text}"))
}
