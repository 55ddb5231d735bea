//! `make bench`: podrt beside the naive floor and its peers, in one run (docs/performance.md).
//!
//! benches/run.sh makes the setting and calls this with the names of the parts to measure; none means all.
#![forbid(unsafe_code)]

mod births;
mod chart;
mod entering;
mod exits;
mod idle;
mod logs;
mod measure;
mod memory;
mod podman;
mod pods;
mod probes;
mod report;
mod scale;
mod single;
mod startup;
mod world;

use serde_json::json;
use std::process::{Command, ExitCode};

const PARTS: [&str; 11] = ["run", "birth", "pod", "exec", "logs", "memory", "probes", "start-up", "exit", "idle", "scale"];

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<(), String> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some(other) = asked.iter().find(|a| !PARTS.contains(&a.as_str())) {
        return Err(format!("no part {other:?} (want some of {})", PARTS.join(", ")));
    }
    let world = world::World::from_env()?;
    let setting = setting(&world);
    for (key, value) in setting.as_object().into_iter().flatten() {
        println!("{key:<10} {}", value.as_str().unwrap_or_default());
    }
    let sandbox = births::Sandbox::new();
    let mut all = Vec::new();
    for part in PARTS.iter().filter(|p| asked.is_empty() || asked.iter().any(|a| a == *p)) {
        let measures = match *part {
            "run" => single::measures(&world),
            "birth" => births::measures(&world, &sandbox),
            "pod" => pods::measures(&world, &sandbox),
            "exec" => entering::measures(&world),
            "logs" => logs::measures(&world),
            "memory" => memory::measures(&world),
            "probes" => probes::measures(&world),
            "exit" => exits::measures(&world),
            "idle" => idle::measures(&world),
            "scale" => scale::measures(&world),
            _ => startup::measures(&world),
        };
        measures.iter().for_each(|m| print!("{}", report::table(m)));
        all.extend(measures);
    }
    let text = serde_json::to_string_pretty(&report::json(&all, &setting)).map_err(|e| e.to_string())?;
    let file = std::env::var("BENCH_JSON").map_err(|_| "BENCH_JSON is not set: use benches/run.sh")?;
    std::fs::write(&file, text + "\n").map_err(|e| format!("{file}: {e}"))?;
    let picture = std::path::Path::new(&file).with_extension("svg");
    std::fs::write(&picture, chart::svg(&all)).map_err(|e| format!("{}: {e}", picture.display()))?;
    println!("\n{}", summary(&all));
    println!("written to {file} and {}", picture.display());
    Ok(())
}

/// How many goals hold, and which do not.
fn summary(all: &[measure::Measure]) -> String {
    let goals: Vec<_> = all.iter().flat_map(|m| m.goals.iter().map(move |g| (m, g, m.ratio(g)))).collect();
    let met = goals.iter().filter(|(_, g, is)| is.is_some_and(|is| is <= g.factor)).count();
    let unmeasured = goals.iter().filter(|(.., is)| is.is_none()).count();
    let mut out = format!("goals: {met} of {} met, {unmeasured} not measured", goals.len());
    for (m, g, is) in goals.iter().filter_map(|(m, g, is)| is.filter(|is| *is > g.factor).map(|is| (m, g, is))) {
        out += &format!("\n  missed: {}: {} (is {})", m.key, report::asked(m, g), report::number(is));
    }
    out
}

/// Who took part, and where.
fn setting(world: &world::World) -> serde_json::Value {
    let first_line = |program: &std::path::Path| {
        let out = Command::new(program).arg("--version").output().map_err(|e| e.to_string());
        let text = out.map(|o| String::from_utf8_lossy(&o.stdout).lines().next().unwrap_or_default().to_string());
        format!("{} ({})", text.unwrap_or_else(|e| e), program.display())
    };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, |n| n.get());
    json!({
        "machine": format!("Linux {}, {cpus} cpus", kernel.trim()),
        "podrt": first_line(&world.podrt),
        "podrt-oci": first_line(&world.podrt_oci),
        "crun": first_line(&world.crun),
        "runc": first_line(&world.runc),
        "podman": first_line(&world.podman),
        "setting": "SCHED_FIFO throughout, one cgroup v2 tree in a private mount namespace, states in memory, the rest on disk, contenders in turn; podman: nice -20, the host's tree, runc",
    })
}
