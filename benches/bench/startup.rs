//! What a command costs before it does anything, and the programs' sizes.

use crate::measure::{Contender, Measure, Series, compete};
use crate::words;
use crate::world::World;

pub fn measures(world: &World) -> Vec<Measure> {
    let mut times = Measure::new("start-up", "start-up", "ms").goal("podrt get pods, none there", None, 2.0);
    let n = world.rounds;
    let contenders = vec![
        Contender::command("crun --version", n, words![&world.crun, "--version"]),
        Contender::command("podrt get pods, none there", n, world.podrt(["get", "pods"])),
        Contender::command("podrt --version", n, words![&world.podrt, "--version"]),
        Contender::command("podrt-oci --version", n, words![&world.podrt_oci, "--version"]),
        Contender::command("runc --version", n, words![&world.runc, "--version"]),
    ];
    compete(&mut times, contenders);
    let mut sizes = Measure::new("size", "size of the programs", "MB").goal("podrt", None, 10.0).goal("podrt-oci", None, 3.0);
    for (name, path) in [("podrt", &world.podrt), ("podrt-oci", &world.podrt_oci), ("crun", &world.crun), ("runc", &world.runc)] {
        let size = std::fs::metadata(path).map(|m| Series::one(m.len() as f64 / 1e6)).map_err(|e| e.to_string());
        sizes.row(name, size);
    }
    vec![times, sizes]
}
