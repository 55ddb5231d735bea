//! Many pods at once: what the next one costs, what listing them costs, what each holds. SCALE is the largest number (1000).

use crate::measure::{Measure, Series, timed};
use crate::memory;
use crate::pods::{cycle, manifest};
use crate::world::World;

const STEPS: [usize; 4] = [10, 100, 500, 1000];
/// The most that a figure may grow from the first step on.
const FLAT: f64 = 1.2;

pub fn measures(world: &World) -> Vec<Measure> {
    let most = std::env::var("SCALE").ok().and_then(|s| s.parse().ok()).unwrap_or(1000);
    let mut up = Measure::new("scale-up", "the next pod of 1 container up, with that many pods there", "ms");
    let mut down = Measure::new("scale-down", "that pod down", "ms");
    let mut get = Measure::new("scale-get", "podrt get pods, with that many pods there", "ms").goal("1000 pods", None, 60.0);
    let mut held = Measure::new("scale-memory", "memory of podrt's own processes a pod, with that many pods there", "kB");
    let mut there = 0;
    for step in STEPS.into_iter().filter(|s| *s <= most) {
        let name = format!("{step} pods");
        let got = grow(world, &mut there, step).and_then(|()| at(world, step));
        let (figures, failed) = match got {
            Ok(figures) => (figures.map(Ok), false),
            Err(why) => ([(); 4].map(|()| Err(why.clone())), true),
        };
        for (measure, series) in [&mut up, &mut down, &mut get, &mut held].into_iter().zip(figures) {
            measure.row(&name, series);
        }
        if failed {
            break;
        }
    }
    for i in 0..there {
        let _ = timed(&world.podrt(["delete", "pod", &format!("scale{i}"), "--grace-period", "0"]));
    }
    let flat = |m: Measure| {
        m.goal("100 pods", Some("10 pods"), FLAT).goal("500 pods", Some("10 pods"), FLAT).goal("1000 pods", Some("10 pods"), FLAT)
    };
    vec![flat(up), down, get, flat(held)]
}

fn grow(world: &World, there: &mut usize, to: usize) -> Result<(), String> {
    while *there < to {
        let file = manifest(world, &format!("scale{there}"), 1)?;
        timed(&world.podrt(["create", "--wait=started", "-f", &file.to_string_lossy()]))?;
        *there += 1;
    }
    Ok(())
}

/// Up, down, get, memory.
fn at(world: &World, pods: usize) -> Result<[Series; 4], String> {
    let rounds = world.rounds.min(15);
    let file = manifest(world, "next", 1)?;
    let create = world.podrt(["create", "--wait=started", "-f", &file.to_string_lossy()]);
    let delete = world.podrt(["delete", "pod", "next"]);
    let (mut up, mut down, mut get) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let both = cycle(&create, &delete)?;
        up.push(both[0]);
        down.push(both[1]);
        get.push(timed(&world.podrt(["get", "pods"]))?);
    }
    Ok([Series::new(up), Series::new(down), Series::new(get), Series::one(memory::own(world) / pods as f64)])
}
