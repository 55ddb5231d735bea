//! What a container prints, to its log in CRI format: podrt's supervisor beside conmon, on the same writer.

use crate::measure::{Contender, Measure, compete};
use crate::words;
use crate::world::World;
use podrt::sys::{event, process};
use serde_json::json;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE_MS: u64 = 120_000;

pub fn measures(world: &World) -> Vec<Measure> {
    let megabytes = std::env::var("BENCH_LOG_MB").ok().and_then(|m| m.parse().ok()).unwrap_or(1000);
    [100, 65_536].into_iter().map(|length| one(world, megabytes, length)).collect()
}

fn one(world: &World, megabytes: u64, length: u64) -> Measure {
    let title = format!("{megabytes} MB in lines of {length} bytes, to a log");
    let mut m = Measure::new(format!("logs-{length}"), title, "s").goal("podrt", Some("conmon"), 1.0 / 3.0);
    let bytes = megabytes * 1_000_000;
    let rounds = world.rounds.min(3);
    let contenders = vec![
        Contender::new(&["conmon"], rounds, || conmon(world, bytes, length)),
        Contender::new(&["podrt"], rounds, || podrt(world, bytes, length)),
        Contender::new(&["cat, to a file"], rounds, || cat(world, bytes, length)),
    ];
    compete(&mut m, contenders);
    m
}

/// From before `create` to the status that says that it is over, which is written when the log is.
fn podrt(world: &World, bytes: u64, length: u64) -> Result<Vec<f64>, String> {
    let command = json!(["/bench/writer", bytes.to_string(), length.to_string()]);
    let container = json!({"name": "app", "image": format!("bundle:{}", world.bundle("app").display()), "command": command,
                           "volumeMounts": [{"name": "bench", "mountPath": "/bench"}]});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "logs"}, "spec": {"restartPolicy": "Never",
        "volumes": [{"name": "bench", "hostPath": {"path": world.dir}}], "containers": [container]}});
    let file = world.write("manifests/logs.json", &pod.to_string())?;
    let begun = Instant::now();
    crate::measure::timed(&world.podrt(["create", "-f", &file.to_string_lossy()]))?;
    let status = world.dir.join("podrt/run/names/default/logs/status.json");
    let ended = loop {
        let text = world.read(&status)?;
        if text.contains("\"terminated\"") {
            break begun.elapsed().as_secs_f64();
        }
        if begun.elapsed() > Duration::from_millis(PATIENCE_MS) {
            return Err(format!("still writing: {text}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let fine = world.read(&status)?.contains("\"Succeeded\"");
    crate::measure::timed(&world.podrt(["delete", "pod", "logs", "--grace-period", "0"]))?;
    if fine { Ok(vec![ended]) } else { Err("the writer has failed".into()) }
}

/// conmon with a runtime that starts the writer and nothing else.
fn conmon(world: &World, bytes: u64, length: u64) -> Result<Vec<f64>, String> {
    let dir = world.dir.join("conmon");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("exits")).map_err(|e| e.to_string())?;
    let script = format!(
        "#!/bin/sh\nfor a; do [ \"$p\" = --pid-file ] && f=$a; p=$a; done\n{} {bytes} {length} &\necho $! > \"$f\"\n",
        world.dir.join("writer").display()
    );
    let runtime = world.write("conmon/runtime", &script)?;
    executable(&runtime)?;
    let at = |name: &str| dir.join(name);
    let argv = words![
        "conmon",
        "-c",
        "logs",
        "-n",
        "logs",
        "-u",
        "logs",
        "-r",
        &runtime,
        "-b",
        &dir,
        "-p",
        at("pid"),
        "-P",
        at("conmon.pid"),
        "-l",
        format!("k8s-file:{}", at("log").display()),
        "--exit-dir",
        at("exits"),
        "--log-level",
        "error",
        "--socket-dir-path",
        &dir
    ];
    let begun = Instant::now();
    let status = Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| format!("conmon: {e}"))?;
    if !status.success() {
        return Err(format!("conmon: {status}"));
    }
    let pid = pid_in(&at("conmon.pid"))?;
    if let Ok(pidfd) = process::pidfd_open(pid)
        && !event::poll_in(pidfd.as_fd(), Some(PATIENCE_MS)).map_err(|e| e.to_string())?
    {
        return Err("conmon hangs".into());
    }
    let took = begun.elapsed().as_secs_f64();
    let written = std::fs::metadata(at("log")).map_err(|e| e.to_string())?.len();
    let _ = std::fs::remove_file(at("log"));
    if written > bytes / length * length { Ok(vec![took]) } else { Err(format!("conmon has written {written} bytes")) }
}

fn cat(world: &World, bytes: u64, length: u64) -> Result<Vec<f64>, String> {
    let line = format!("{} {bytes} {length} | cat > {}", world.dir.join("writer").display(), world.dir.join("cat.log").display());
    let took = crate::measure::timed(&["/bin/sh".into(), "-c".into(), line.into()])? / 1e3;
    let _ = std::fs::remove_file(world.dir.join("cat.log"));
    Ok(vec![took])
}

fn executable(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())
}

fn pid_in(path: &PathBuf) -> Result<i32, String> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        if let Ok(text) = std::fs::read_to_string(path)
            && let Ok(pid) = text.trim().parse()
        {
            return Ok(pid);
        }
        if Instant::now() > end {
            return Err(format!("{}: no pid", path.display()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
