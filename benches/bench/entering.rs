//! exec /bin/true in a running container.

use crate::measure::{Contender, Measure, compete, timed};
use crate::pods::manifest;
use crate::words;
use crate::world::World;

pub fn measures(world: &World) -> Vec<Measure> {
    let mut m = Measure::new("exec", "exec /bin/true in a running container", "ms")
        .goal("podrt exec", Some("floor (setns, fork, exec)"), 1.2)
        .goal("podrt exec", Some("crun exec"), 0.4)
        .goal("podrt-oci exec", Some("floor (setns, fork, exec)"), 1.2)
        .goal("podrt-oci exec", Some("crun exec"), 0.4);
    if let Err(why) = run(world, &mut m) {
        m.row("podrt exec", Err(why));
    }
    vec![m]
}

fn run(world: &World, m: &mut Measure) -> Result<(), String> {
    let file = manifest(world, "exec", 1)?;
    timed(&world.podrt(["create", "--wait=started", "-f", &file.to_string_lossy()]))?;
    let pid = first_process(world).ok_or("no process in the pod's container")?;
    let id = words!["run", "--detach", "--bundle", world.bundle("app"), "exec"];
    let crun = timed(&world.runtime(&world.crun, id));
    let oci = timed(&world.runtime(&world.podrt_oci, words!["run", "--detach", "--bundle", world.bundle("app"), "exec"]));
    let n = world.rounds;
    let mut contenders = vec![
        Contender::command("floor (setns, fork, exec)", n, words![&world.floor, "exec", pid, "--", "/bin/true"]),
        Contender::command("podrt exec", n, world.podrt(["exec", "exec", "--", "/bin/true"])),
    ];
    contenders.push(match oci {
        Ok(_) => Contender::command("podrt-oci exec", n, world.runtime(&world.podrt_oci, words!["exec", "exec", "/bin/true"])),
        Err(why) => Contender::new(&["podrt-oci exec"], n, move || Err(why.clone())),
    });
    contenders.push(match crun {
        Ok(_) => Contender::command("crun exec", n, world.runtime(&world.crun, words!["exec", "exec", "/bin/true"])),
        Err(why) => Contender::new(&["crun exec"], n, move || Err(why.clone())),
    });
    compete(m, contenders);
    for runtime in [&world.crun, &world.podrt_oci] {
        let _ = timed(&world.runtime(runtime, words!["delete", "--force", "exec"]));
    }
    timed(&world.podrt(["delete", "pod", "exec"])).map(drop)
}

/// The pid of container c0 of the only pod.
fn first_process(world: &World) -> Option<String> {
    let pods = std::fs::read_dir(world.cgroup("pods")).ok()?;
    let procs = pods.flatten().map(|pod| pod.path().join("c0/cgroup.procs"));
    procs.filter_map(|p| std::fs::read_to_string(p).ok()).find_map(|t| t.lines().next().map(String::from))
}
