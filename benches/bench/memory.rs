//! What a pod's own processes hold for themselves, as the slope between 10 and 20 pods of two containers.

use crate::measure::{Measure, Series, timed};
use crate::pods::manifest;
use crate::world::World;
use std::path::Path;

/// Kilobytes of one process or of many.
#[derive(Default, Clone, Copy)]
struct Held {
    /// Anonymous pages, and private dirty ones of files; none is counted twice.
    own: f64,
    page_tables: f64,
}

pub fn measures(world: &World) -> Vec<Measure> {
    let mut m = Measure::new("memory", "memory of a pod beside its containers: slope from 10 to 20 pods", "kB");
    let mut two = None;
    for n in [1, 2, 10] {
        let name = format!("pod of {n}");
        match slope(world, n) {
            Ok(all) => {
                let own: f64 = all.iter().map(|h| h.own).sum();
                m.row(&name, Ok(Series::one(own)));
                for (name, held) in ["  pause", "  keeper", "  supervisor"].iter().zip(all) {
                    m.row(*name, Ok(Series::one(held.own)));
                }
                m.row("  page tables of all", Ok(Series::one(all.iter().map(|h| h.page_tables).sum())));
                match two {
                    _ if n == 2 => two = Some(own),
                    Some(two) => m.row("a further container", Ok(Series::one((own - two) / (n - 2) as f64))),
                    None => {}
                }
            }
            Err(why) => m.row(name, Err(why)),
        }
        for i in 0..20 {
            let _ = timed(&world.podrt(["delete", "pod", &format!("memory{i}"), "--grace-period", "0"]));
        }
    }
    vec![m.goal("pod of 2", None, 300.0).goal("a further container", None, 32.0)]
}

/// Of pause, keeper, supervisor.
fn slope(world: &World, containers: usize) -> Result<[Held; 3], String> {
    let up = |i: usize| {
        let file = manifest(world, &format!("memory{i}"), containers)?;
        timed(&world.podrt(["create", "--wait=started", "-f", &file.to_string_lossy()]))
    };
    (0..10).try_for_each(|i| up(i).map(drop))?;
    let ten = now(world);
    (10..20).try_for_each(|i| up(i).map(drop))?;
    let twenty = now(world);
    let per = |a: Held, b: Held| Held { own: (b.own - a.own) / 10.0, page_tables: (b.page_tables - a.page_tables) / 10.0 };
    Ok(std::array::from_fn(|i| per(ten[i], twenty[i])))
}

/// What all of podrt's processes hold now, kB.
pub fn own(world: &World) -> f64 {
    now(world).iter().map(|h| h.own).sum()
}

/// Every process of podrt's own: pauses, and what sits with the supervisors.
pub fn processes(world: &World) -> Vec<String> {
    let root = world.cgroup("pods");
    let pods = std::fs::read_dir(&root).into_iter().flatten().flatten().map(|e| e.path().join("pause"));
    let all = pods.chain([root.join("supervisors")]).map(|c| std::fs::read_to_string(c.join("cgroup.procs")).unwrap_or_default());
    all.flat_map(|text| text.lines().map(String::from).collect::<Vec<_>>()).collect()
}

/// All pauses, all keepers, all supervisors, after the supervisors have come to rest.
fn now(world: &World) -> [Held; 3] {
    std::thread::sleep(std::time::Duration::from_millis(300));
    let root = world.cgroup("pods");
    let pods = std::fs::read_dir(&root).into_iter().flatten().flatten().map(|e| e.path());
    let pauses = pods.filter(|p| p.join("pause").exists()).flat_map(|p| pids_in(&p.join("pause")));
    let (keepers, supervisors): (Vec<_>, Vec<_>) = pids_in(&root.join("supervisors")).into_iter().partition(is_keeper);
    let held = |pids: Vec<String>| sum(pids.iter().map(|p| held_by(p)));
    [held(pauses.collect()), held(keepers), held(supervisors)]
}

fn is_keeper(pid: &String) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "podrt-keeper")
}

fn pids_in(cgroup: &Path) -> Vec<String> {
    let pids = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    pids.lines().map(String::from).collect()
}

fn sum(all: impl Iterator<Item = Held>) -> Held {
    all.fold(Held::default(), |a, b| Held { own: a.own + b.own, page_tables: a.page_tables + b.page_tables })
}

/// proc_pid_smaps(5), mapping by mapping: a page of a file that was written to is anonymous and private dirty at once.
fn held_by(pid: &str) -> Held {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = |line: &str, key: &str| line.strip_prefix(key).and_then(|v| v.split_whitespace().next()?.parse::<f64>().ok());
    let (mut own, mut dirty) = (0.0, 0.0);
    for line in text.lines() {
        if let Some(v) = value(line, "Private_Dirty:") {
            dirty = v;
        } else if let Some(v) = value(line, "Anonymous:") {
            own += f64::max(v, dirty);
        }
    }
    Held { own, page_tables: status.lines().find_map(|l| value(l, "VmPTE:")).unwrap_or(0.0) }
}
