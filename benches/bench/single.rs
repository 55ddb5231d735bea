//! One container by a runtime's `run`: birth, /bin/true, end.

use crate::measure::{Contender, Measure, compete, timed};
use crate::words;
use crate::world::World;
use std::path::Path;

pub fn measures(world: &World) -> Vec<Measure> {
    let plain = one(world, "run", "podrt-oci run /bin/true, default spec, no seccomp", &world.bundle("true"));
    let plain = plain.goal("podrt-oci", Some("floor"), 1.2).goal("podrt-oci", Some("crun"), 0.4);
    let mut out = vec![plain];
    match with_seccomp(world) {
        Ok(bundle) => {
            let title = "podrt-oci run /bin/true, default spec and default seccomp profile";
            out.push(one(world, "run-seccomp", title, &bundle).goal("podrt-oci", Some("crun"), 0.4));
        }
        Err(why) => {
            let mut m = Measure::new("run-seccomp", "podrt-oci run with the default seccomp profile", "ms");
            m.row("podrt-oci", Err(why));
            out.push(m);
        }
    }
    out.push(steps(world));
    out
}

/// As an engine does it: three commands, and a command in between that does not end by itself.
fn steps(world: &World) -> Measure {
    let title = "create, start, delete --force of a container that does not end by itself";
    let mut m = Measure::new("create-start-delete", title, "ms").goal("podrt-oci", Some("crun"), 0.5);
    let three = |program: &Path| {
        let create = world.runtime(program, words!["create", "--bundle", world.bundle("app"), "steps"]);
        let start = world.runtime(program, words!["start", "steps"]);
        let delete = world.runtime(program, words!["delete", "--force", "steps"]);
        move || Ok(vec![timed(&create)? + timed(&start)? + timed(&delete)?])
    };
    let contenders = vec![
        Contender::new(&["podrt-oci"], world.rounds, three(&world.podrt_oci)),
        Contender::new(&["crun"], world.rounds, three(&world.crun)),
        Contender::new(&["runc"], world.rounds.min(25), three(&world.runc)),
    ];
    compete(&mut m, contenders);
    m
}

fn one(world: &World, key: &str, title: &str, bundle: &Path) -> Measure {
    let mut m = Measure::new(key, title, "ms");
    let floor = words![&world.floor, "run", world.rootfs(), world.cgroup("floor"), "--", "/bin/true"];
    let run = |program: &Path| world.runtime(program, words!["run", "--bundle", bundle, "bench"]);
    let contenders = vec![
        Contender::command("floor", world.rounds, floor),
        Contender::command("podrt-oci", world.rounds, run(&world.podrt_oci)),
        Contender::command("crun", world.rounds, run(&world.crun)),
        Contender::command("runc", world.rounds.min(25), run(&world.runc)),
    ];
    compete(&mut m, contenders);
    m
}

/// The same bundle with podrt's default profile, which every contender compiles or loads in its own way.
fn with_seccomp(world: &World) -> Result<std::path::PathBuf, String> {
    let text = world.read(&world.bundle("true").join("config.json"))?;
    let mut config: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    config["root"]["path"] = serde_json::json!(world.rootfs());
    config["linux"]["seccomp"] = profile()?;
    world.write("seccomp/config.json", &config.to_string())?;
    Ok(world.dir.join("seccomp"))
}

/// For a container with none of the capabilities that the profile admits more for.
fn profile() -> Result<serde_json::Value, String> {
    serde_json::to_value(podrt::seccomp::runtime_default_profile(0)).map_err(|e| e.to_string())
}
