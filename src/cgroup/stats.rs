//! What a cgroup has used. Absent controllers and files of newer kernels are `None`.

use super::error::Result;
use super::group::Cgroup;
use crate::sys::Errno;
use serde::{Deserialize, Serialize};

/// memory.events: how often each happened here or below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryEvents {
    pub low: u64,
    pub high: u64,
    pub max: u64,
    pub oom: u64,
    /// Processes killed for want of memory.
    pub oom_kill: u64,
    /// Times that the whole cgroup was killed (memory.oom.group); counted since Linux 5.17.
    pub oom_group_kill: u64,
}

/// Usage; bytes, microseconds and counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    pub memory: Option<MemoryStats>,
    pub cpu: Option<CpuStats>,
    /// Processes and threads now.
    pub pids: Option<u64>,
    pub pids_max: Option<u64>,
    pub io: Vec<IoStats>,
    pub pressure: Pressures,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    pub current: u64,
    /// Since Linux 5.19.
    pub peak: Option<u64>,
    /// memory.max; `None` is max.
    pub limit: Option<u64>,
    pub swap: Option<u64>,
    pub anonymous: u64,
    pub file: u64,
    /// File pages that the kernel would drop first: `current` less these is what Kubernetes calls the working set.
    pub inactive_file: u64,
}

impl MemoryStats {
    /// What Kubernetes' metrics and evictions go by.
    pub fn working_set(&self) -> u64 {
        self.current.saturating_sub(self.inactive_file)
    }
}

/// Microseconds; the throttling fields need the cpu controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    pub usage: u64,
    pub user: u64,
    pub system: u64,
    pub periods: Option<u64>,
    pub throttled_periods: Option<u64>,
    pub throttled: Option<u64>,
}

/// One device of io.stat; bytes and operations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IoStats {
    pub major: u32,
    pub minor: u32,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub reads: u64,
    pub writes: u64,
}

/// Pressure stall information; `None` where the kernel has it switched off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pressures {
    pub cpu: Option<Pressure>,
    pub memory: Option<Pressure>,
    pub io: Option<Pressure>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pressure {
    pub some: Stall,
    pub full: Stall,
}

/// Percent of the last 10, 60, 300 seconds; microseconds in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stall {
    pub avg10: f64,
    pub avg60: f64,
    pub avg300: f64,
    pub total: u64,
}

/// The number behind `key ` in a flat-keyed file.
pub(super) fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn io_line(line: &str) -> Option<IoStats> {
    let (device, rest) = line.split_once(' ')?;
    let (major, minor) = device.split_once(':')?;
    let mut io = IoStats { major: major.parse().ok()?, minor: minor.parse().ok()?, ..IoStats::default() };
    for (key, n) in rest.split(' ').filter_map(|w| w.split_once('=')) {
        let n = n.parse().unwrap_or(0);
        match key {
            "rbytes" => io.read_bytes = n,
            "wbytes" => io.written_bytes = n,
            "rios" => io.reads = n,
            "wios" => io.writes = n,
            _ => {}
        }
    }
    Some(io)
}

fn pressure(text: &str) -> Pressure {
    let stall = |kind: &str| {
        let mut stall = Stall::default();
        let line = text.lines().find(|l| l.split(' ').next() == Some(kind)).unwrap_or("");
        for (key, n) in line.split(' ').filter_map(|w| w.split_once('=')) {
            match key {
                "avg10" => stall.avg10 = n.parse().unwrap_or(0.0),
                "avg60" => stall.avg60 = n.parse().unwrap_or(0.0),
                "avg300" => stall.avg300 = n.parse().unwrap_or(0.0),
                "total" => stall.total = n.parse().unwrap_or(0),
                _ => {}
            }
        }
        stall
    };
    Pressure { some: stall("some"), full: stall("full") }
}

fn events(text: &str) -> MemoryEvents {
    let n = |key| value(text, key).unwrap_or(0);
    MemoryEvents {
        low: n("low"),
        high: n("high"),
        max: n("max"),
        oom: n("oom"),
        oom_kill: n("oom_kill"),
        oom_group_kill: n("oom_group_kill"),
    }
}

impl Cgroup {
    /// A file that may not be there; ENOTSUP (EOPNOTSUPP) is PSI switched off.
    fn optional(&self, file: &str) -> Result<Option<String>> {
        match self.get(file) {
            Ok(text) => Ok(Some(text)),
            Err(Errno::ENOENT | Errno::EOPNOTSUPP) => Ok(None),
            Err(errno) => Err(self.error(format!("read {file}"), errno)),
        }
    }

    fn number(&self, file: &str) -> Result<Option<u64>> {
        Ok(self.optional(file)?.and_then(|t| t.trim().parse().ok()))
    }

    /// None without the memory controller. To be read before the cgroup is removed.
    pub fn memory_events(&self) -> Result<Option<MemoryEvents>> {
        Ok(self.optional("memory.events")?.map(|t| events(&t)))
    }

    /// Everything that `podrt top` shows; some ten small reads.
    pub fn stat(&self) -> Result<Stats> {
        let memory = match self.number("memory.current")? {
            None => None,
            Some(current) => {
                let text = self.optional("memory.stat")?.unwrap_or_default();
                Some(MemoryStats {
                    current,
                    peak: self.number("memory.peak")?,
                    limit: self.number("memory.max")?,
                    swap: self.number("memory.swap.current")?,
                    anonymous: value(&text, "anon").unwrap_or(0),
                    file: value(&text, "file").unwrap_or(0),
                    inactive_file: value(&text, "inactive_file").unwrap_or(0),
                })
            }
        };
        let cpu = self.optional("cpu.stat")?.map(|t| CpuStats {
            usage: value(&t, "usage_usec").unwrap_or(0),
            user: value(&t, "user_usec").unwrap_or(0),
            system: value(&t, "system_usec").unwrap_or(0),
            periods: value(&t, "nr_periods"),
            throttled_periods: value(&t, "nr_throttled"),
            throttled: value(&t, "throttled_usec"),
        });
        let psi = |file| -> Result<Option<Pressure>> { Ok(self.optional(file)?.map(|t| pressure(&t))) };
        Ok(Stats {
            memory,
            cpu,
            pids: self.number("pids.current")?,
            pids_max: self.number("pids.max")?,
            io: self.optional("io.stat")?.unwrap_or_default().lines().filter_map(io_line).collect(),
            pressure: Pressures { cpu: psi("cpu.pressure")?, memory: psi("memory.pressure")?, io: psi("io.pressure")? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_taken_for_a_longer_one() {
        let text = "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\nsock_throttled 6\n";
        assert_eq!(events(text), MemoryEvents { low: 0, high: 1, max: 2, oom: 3, oom_kill: 4, oom_group_kill: 5 });
        assert_eq!(value(text, "oom"), Some(3));
        assert_eq!(events("oom 1\noom_kill 1\n").oom_group_kill, 0);
    }

    #[test]
    fn io_lines_without_numbers_are_left_out() {
        let want = IoStats { major: 254, minor: 0, read_bytes: 10, written_bytes: 20, reads: 3, writes: 4 };
        assert_eq!(io_line("254:0 rbytes=10 wbytes=20 rios=3 wios=4 dbytes=0 dios=0"), Some(want));
        assert_eq!(io_line("254:0 "), Some(IoStats { major: 254, ..IoStats::default() }));
        assert_eq!(io_line("nonsense"), None);
    }

    #[test]
    fn pressure_without_a_full_line_is_zero_there() {
        let got = pressure("some avg10=1.50 avg60=0.20 avg300=0.03 total=4567\n");
        assert_eq!(got.some, Stall { avg10: 1.5, avg60: 0.2, avg300: 0.03, total: 4567 });
        assert_eq!(got.full, Stall::default());
    }
}
