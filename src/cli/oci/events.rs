//! `events`: a cgroup's figures in the JSON that engines read (runc's types.Event).

use super::verbs::print;
use crate::cgroup::{Cgroup, Pressure, Stall, Stats};
use crate::container::runtime::{Error, Runtime, Status};
use crate::sys::event::monotonic;
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Map, Value, json};
use std::os::fd::{AsFd, OwnedFd};

pub fn events(runtime: &Runtime, id: &str, interval: &str, once: bool) -> Result<i32> {
    let interval =
        duration(interval).with_context(|| format!("--interval {interval:?}: want a time such as 5s or 500ms, above zero"))?;
    let record = runtime.load(id)?;
    let status = runtime.status(&record)?;
    if !matches!(status, Status::Running | Status::Created | Status::Paused) {
        return Err(Error::State { id: id.into(), status, problem: "container not running" }.into());
    }
    let cgroup = record.cgroup()?;
    if once {
        return print(&stats(id, &cgroup)?);
    }
    let Some(init) = record.pidfd() else { bail!("container {id} is stopped: container not running") };
    let memory = cgroup.watch("memory.events").ok();
    let mut kills = cgroup.memory_events()?.map_or(0, |e| e.oom_kill);
    let mut next = monotonic() + interval;
    loop {
        wait(&init, memory.as_ref(), next.saturating_sub(monotonic()));
        // The last figures of a container are read before its cgroup goes.
        let ended = crate::sys::event::poll_in(init.as_fd(), Some(0)).unwrap_or(true);
        if let Ok(Some(now)) = cgroup.memory_events()
            && now.oom_kill != kills
        {
            kills = now.oom_kill;
            print(&format!("{}\n", json!({"type": "oom", "id": id})))?;
        }
        if ended {
            return Ok(0);
        }
        if monotonic() >= next {
            next = monotonic() + interval;
            print(&stats(id, &cgroup)?)?;
        }
    }
}

/// Until init ends, memory.events changes, or `nanos` have passed.
fn wait(init: &OwnedFd, memory: Option<&OwnedFd>, nanos: u64) {
    let mut fds = vec![PollFd::new(init.as_fd(), PollFlags::POLLIN)];
    fds.extend(memory.map(|m| PollFd::new(m.as_fd(), PollFlags::POLLPRI)));
    let millis = i32::try_from(nanos.div_ceil(1_000_000)).unwrap_or(i32::MAX);
    let _ = poll(&mut fds, PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX));
}

/// Nanoseconds of `5`, `5s`, `500ms`, `1m`, `1h`, and sums such as `1m30s`.
fn duration(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text, 0u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let n: u64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |e| digits + e);
        let unit = match &rest[digits..unit_end] {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "" | "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        sum = sum.checked_add(n.checked_mul(unit)?)?;
        rest = &rest[unit_end..];
    }
    Some(sum).filter(|n| *n > 0)
}

fn stats(id: &str, cgroup: &Cgroup) -> Result<String> {
    let stats = cgroup.stat()?;
    let failures = cgroup.memory_events()?.map_or(0, |e| e.max);
    Ok(format!("{}\n", json!({"type": "stats", "id": id, "data": data(&stats, failures)})))
}

fn data(s: &Stats, failures: u64) -> Value {
    let cpu = s.cpu.unwrap_or_default();
    let nanos = |micros: u64| micros.saturating_mul(1000);
    let entry = |usage: u64, limit: u64, max: Option<u64>, failures: u64| {
        let mut e = Map::new();
        e.insert("limit".into(), json!(limit));
        e.insert("usage".into(), json!(usage));
        if let Some(max) = max {
            e.insert("max".into(), json!(max));
        }
        e.insert("failcnt".into(), json!(failures));
        Value::Object(e)
    };
    let mut out = json!({
        "cpu": {
            "usage": {"total": nanos(cpu.usage), "kernel": nanos(cpu.system), "user": nanos(cpu.user)},
            "throttling": {
                "periods": cpu.periods.unwrap_or(0),
                "throttledPeriods": cpu.throttled_periods.unwrap_or(0),
                "throttledTime": nanos(cpu.throttled.unwrap_or(0)),
            },
        },
        "cpuset": {},
        "memory": {},
        "pids": {"current": s.pids.unwrap_or(0), "limit": s.pids_max.unwrap_or(0)},
        "blkio": {},
        "hugetlb": {},
        "intel_rdt": {},
        "network_interfaces": null,
    });
    if let Some(m) = &s.memory {
        let limit = m.limit.unwrap_or(u64::MAX);
        let swap = m.swap.unwrap_or(0);
        // In the words of cgroup v1, as engines read them: swap is memory and swap together.
        out["memory"] = json!({
            "cache": m.file,
            "usage": entry(m.current, limit, m.peak, failures),
            "swap": entry(m.current + swap, limit, None, 0),
            "kernel": entry(0, 0, None, 0),
            "kernelTCP": entry(0, 0, None, 0),
            "raw": {"anon": m.anonymous, "file": m.file, "inactive_file": m.inactive_file},
        });
    }
    if !s.io.is_empty() {
        let list = |read: fn(&crate::cgroup::IoStats) -> u64, write: fn(&crate::cgroup::IoStats) -> u64| {
            let one = |io: &crate::cgroup::IoStats, op: &str, value: u64| json!({"major": io.major, "minor": io.minor, "op": op, "value": value});
            s.io.iter().flat_map(|io| [one(io, "Read", read(io)), one(io, "Write", write(io))]).collect::<Vec<_>>()
        };
        out["blkio"] = json!({
            "ioServiceBytesRecursive": list(|io| io.read_bytes, |io| io.written_bytes),
            "ioServicedRecursive": list(|io| io.reads, |io| io.writes),
        });
    }
    for (part, pressure) in [("cpu", s.pressure.cpu), ("memory", s.pressure.memory), ("blkio", s.pressure.io)] {
        if let Some(p) = pressure {
            out[part]["psi"] = psi(p);
        }
    }
    out
}

fn psi(p: Pressure) -> Value {
    let stall = |s: Stall| json!({"avg10": s.avg10, "avg60": s.avg60, "avg300": s.avg300, "total": s.total});
    json!({"some": stall(p.some), "full": stall(p.full)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_seconds() {
        for (text, want) in [
            ("5", Some(5_000_000_000)),
            ("5s", Some(5_000_000_000)),
            ("100ms", Some(100_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("0", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("5 s", None),
        ] {
            assert_eq!(duration(text), want, "{text:?}");
        }
    }

    #[test]
    fn figures_without_controllers_are_zero_and_an_unlimited_memory_is_the_largest_number() {
        let none = data(&Stats::default(), 0);
        assert_eq!(none["memory"], json!({}));
        let stats = Stats { memory: Some(crate::cgroup::MemoryStats { current: 7, ..Default::default() }), ..Stats::default() };
        assert_eq!(data(&stats, 3)["memory"]["usage"], json!({"limit": u64::MAX, "usage": 7, "failcnt": 3}));
    }
}
