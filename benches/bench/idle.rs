//! What a pod does while nothing happens in it.

use crate::measure::{Measure, Series, timed};
use crate::memory::processes;
use crate::pods::manifest;
use crate::world::World;
use std::time::Duration;

/// How long is looked; IDLE seconds.
const WINDOW: u64 = 20;

pub fn measures(world: &World) -> Vec<Measure> {
    let mut wakes = Measure::new("idle-wakes", "an idle pod of two: its own processes wake up, times a minute", "a minute");
    let mut cpu = Measure::new("idle-cpu", "an idle pod of two: CPU of its own processes in a minute", "us");
    match watch(world) {
        Ok((woken, busy)) => {
            wakes.row("podrt", Ok(Series::one(woken)));
            cpu.row("podrt", Ok(Series::one(busy)));
        }
        Err(why) => wakes.row("podrt", Err(why)),
    }
    let _ = timed(&world.podrt(["delete", "pod", "idle", "--grace-period", "0"]));
    vec![wakes.goal("podrt", None, 0.0), cpu.goal("podrt", None, 0.0)]
}

/// (wake-ups, microseconds of CPU) in a minute.
fn watch(world: &World) -> Result<(f64, f64), String> {
    let window = std::env::var("IDLE").ok().and_then(|s| s.parse().ok()).unwrap_or(WINDOW).max(1);
    let file = manifest(world, "idle", 2)?;
    timed(&world.podrt(["create", "--wait=started", "-f", &file.to_string_lossy()]))?;
    std::thread::sleep(Duration::from_secs(1));
    let (woken, busy) = so_far(world)?;
    std::thread::sleep(Duration::from_secs(window));
    let (later, busier) = so_far(world)?;
    let minute = 60.0 / window as f64;
    Ok(((later - woken) * minute, (busier - busy) * minute))
}

/// Switches away from podrt's processes, each of which a wake-up preceded, and their time on a CPU, us.
fn so_far(world: &World) -> Result<(f64, f64), String> {
    let pids = processes(world);
    if pids.is_empty() {
        return Err("no process of podrt's".into());
    }
    let mut total = (0.0, 0.0);
    for pid in pids {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).map_err(|e| e.to_string());
        let status = read("status")?;
        let switches = status.lines().filter(|l| l.contains("_ctxt_switches:"));
        total.0 += switches.filter_map(|l| l.split_whitespace().last()?.parse::<f64>().ok()).sum::<f64>();
        total.1 += read("schedstat")?.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e3;
    }
    Ok(total)
}
