//! Resource limits in the kernel's own units, and the interface files that they become.

use super::controller::Controller;
use super::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What a cgroup is given; `None` (or an empty list) leaves the kernel's default. Units are those of the kernel's
/// admin-guide/cgroup-v2. For memory, swap and pids -1 is `max`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes; beyond it the kernel reclaims, then kills.
    pub memory_max: Option<i64>,
    /// Bytes; beyond it processes are slowed and reclaimed from.
    pub memory_high: Option<i64>,
    /// Bytes that are reclaimed only if nothing else can be.
    pub memory_low: Option<i64>,
    /// Bytes that are never reclaimed.
    pub memory_min: Option<i64>,
    /// Bytes of swap alone, unlike OCI's memory.swap, which counts memory and swap together.
    pub swap_max: Option<i64>,
    /// One OOM kill ends every process of the cgroup.
    pub oom_group: Option<bool>,
    /// 1..=10000, 100 by default.
    pub cpu_weight: Option<u64>,
    /// (quota in us, None = no limit; period in us).
    pub cpu_max: Option<(Option<u64>, u64)>,
    /// Microseconds of unused quota that may be saved up.
    pub cpu_burst: Option<u64>,
    /// SCHED_IDLE for the whole cgroup; the kernel then refuses a weight, so none is written.
    pub cpu_idle: Option<bool>,
    /// A list such as `0-3,7`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes, as a list.
    pub cpuset_mems: Option<String>,
    pub pids_max: Option<i64>,
    /// 1..=10000, 100 by default.
    pub io_weight: Option<u64>,
    /// One entry a device.
    pub io: Vec<IoLimit>,
    /// (page size as the kernel writes it, `2MB`; bytes).
    pub hugetlb: Vec<(String, u64)>,
    pub rdma: Vec<RdmaLimit>,
    /// Interface file -> what is written to it; wins over the fields above. Keys have passed [`check_unified`].
    pub unified: BTreeMap<String, String>,
}

/// Limits of one block device; `None` leaves, `u64::MAX` is `max`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IoLimit {
    pub major: u32,
    pub minor: u32,
    /// Bytes per second read, written; operations per second read, written.
    pub rbps: Option<u64>,
    pub wbps: Option<u64>,
    pub riops: Option<u64>,
    pub wiops: Option<u64>,
    /// 1..=10000, for this device.
    pub weight: Option<u64>,
}

/// Limits of one RDMA device; `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RdmaLimit {
    pub device: String,
    pub hca_handles: Option<u32>,
    pub hca_objects: Option<u32>,
}

impl IoLimit {
    /// One line as `io.max` has it: `8:16 rbps=2097152 wiops=120`, values in bytes or operations per second, or `max`.
    pub fn parse(line: &str) -> Result<IoLimit, String> {
        let mut words = line.split_whitespace();
        let device = words.next().ok_or("empty, want MAJOR:MINOR KEY=VALUE ...")?;
        let (major, minor) = device.split_once(':').ok_or_else(|| format!("device `{device}`, want MAJOR:MINOR"))?;
        let number = |text: &str| -> Result<u32, String> {
            decimal(text).and_then(|n| u32::try_from(n).ok()).ok_or_else(|| format!("device `{device}`, want MAJOR:MINOR"))
        };
        let mut io = IoLimit { major: number(major)?, minor: number(minor)?, ..IoLimit::default() };
        for word in words {
            let (key, text) = word.split_once('=').ok_or_else(|| format!("`{word}`, want KEY=VALUE"))?;
            let slot = match key {
                "rbps" => &mut io.rbps,
                "wbps" => &mut io.wbps,
                "riops" => &mut io.riops,
                "wiops" => &mut io.wiops,
                _ => return Err(format!("key `{key}`, want rbps, wbps, riops or wiops")),
            };
            let value = if text == "max" { Some(u64::MAX) } else { decimal(text).filter(|&n| n > 0) };
            *slot = Some(value.ok_or_else(|| format!("`{word}`, want a positive number or max"))?);
        }
        Ok(io)
    }

    /// The same device's `over` wins key by key.
    fn overlay(&self, over: &IoLimit) -> IoLimit {
        IoLimit {
            major: self.major,
            minor: self.minor,
            rbps: over.rbps.or(self.rbps),
            wbps: over.wbps.or(self.wbps),
            riops: over.riops.or(self.riops),
            wiops: over.wiops.or(self.wiops),
            weight: over.weight.or(self.weight),
        }
    }

    /// The line for `io.max`, if this sets a rate.
    fn max_line(&self) -> Option<String> {
        let mut line = format!("{}:{}", self.major, self.minor);
        let bare = line.len();
        for (key, value) in [("rbps", self.rbps), ("wbps", self.wbps), ("riops", self.riops), ("wiops", self.wiops)] {
            match value {
                None => {}
                Some(u64::MAX) => _ = write!(line, " {key}=max"),
                Some(n) => _ = write!(line, " {key}={n}"),
            }
        }
        (line.len() > bare).then_some(line)
    }
}

/// Strict decimal digits: no sign, no space.
fn decimal(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn or_max(n: i64) -> String {
    if n < 0 { "max".into() } else { n.to_string() }
}

impl Limits {
    /// `over` (the manifest) wins field by field, io and hugetlb by device and page size. A field of `over` also wins over a
    /// `unified` entry of `self` for the same file.
    pub fn overlay(&self, over: &Limits) -> Limits {
        let mut io = self.io.clone();
        for o in &over.io {
            match io.iter_mut().find(|i| (i.major, i.minor) == (o.major, o.minor)) {
                Some(i) => *i = i.overlay(o),
                None => io.push(o.clone()),
            }
        }
        let mut hugetlb = self.hugetlb.clone();
        for (size, bytes) in &over.hugetlb {
            match hugetlb.iter_mut().find(|(s, _)| s == size) {
                Some(entry) => entry.1 = *bytes,
                None => hugetlb.push((size.clone(), *bytes)),
            }
        }
        let mut rdma = self.rdma.clone();
        for r in &over.rdma {
            match rdma.iter_mut().find(|x| x.device == r.device) {
                Some(entry) => *entry = r.clone(),
                None => rdma.push(r.clone()),
            }
        }
        let mut unified = self.unified.clone();
        for (file, _) in over.files() {
            unified.remove(&file);
        }
        unified.extend(over.unified.clone());
        Limits {
            memory_max: over.memory_max.or(self.memory_max),
            memory_high: over.memory_high.or(self.memory_high),
            memory_low: over.memory_low.or(self.memory_low),
            memory_min: over.memory_min.or(self.memory_min),
            swap_max: over.swap_max.or(self.swap_max),
            oom_group: over.oom_group.or(self.oom_group),
            cpu_weight: over.cpu_weight.or(self.cpu_weight),
            cpu_max: over.cpu_max.or(self.cpu_max),
            cpu_burst: over.cpu_burst.or(self.cpu_burst),
            cpu_idle: over.cpu_idle.or(self.cpu_idle),
            cpuset_cpus: over.cpuset_cpus.clone().or_else(|| self.cpuset_cpus.clone()),
            cpuset_mems: over.cpuset_mems.clone().or_else(|| self.cpuset_mems.clone()),
            pids_max: over.pids_max.or(self.pids_max),
            io_weight: over.io_weight.or(self.io_weight),
            io,
            hugetlb,
            rdma,
            unified,
        }
    }

    /// Every (file, content) in the order in which they are written, one write each. A file comes twice only where the kernel
    /// takes one line a write (io.max, io.weight, rdma.max, and lines of a `unified` value).
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = Vec::new();
        let mut put = |file: &str, value: Option<String>| {
            if let Some(value) = value.filter(|_| !self.unified.contains_key(file)) {
                files.push((file.into(), value));
            }
        };
        put("pids.max", self.pids_max.map(or_max));
        // Swap before memory: a cgroup that is squeezed by a lower memory.max must not swap out what it may not.
        put("memory.swap.max", self.swap_max.map(or_max));
        put("memory.min", self.memory_min.map(or_max));
        put("memory.low", self.memory_low.map(or_max));
        put("memory.high", self.memory_high.map(or_max));
        put("memory.max", self.memory_max.map(or_max));
        put("memory.oom.group", self.oom_group.map(flag));
        put("cpu.idle", self.cpu_idle.map(flag));
        put("cpu.weight", self.cpu_weight.filter(|_| self.cpu_idle != Some(true)).map(|n| n.to_string()));
        put("cpu.max", self.cpu_max.map(|(quota, period)| format!("{} {period}", quota.map_or("max".into(), |q| q.to_string()))));
        // After cpu.max: the kernel refuses a burst above the quota.
        put("cpu.max.burst", self.cpu_burst.map(|n| n.to_string()));
        put("cpuset.mems", self.cpuset_mems.clone());
        put("cpuset.cpus", self.cpuset_cpus.clone());
        put("io.weight", self.io_weight.map(|n| format!("default {n}")));
        for io in &self.io {
            put("io.weight", io.weight.map(|n| format!("{}:{} {n}", io.major, io.minor)));
            put("io.max", io.max_line());
        }
        for (size, bytes) in &self.hugetlb {
            // Reservations as well as faults: a reservation that is not counted is a SIGBUS later.
            put(&format!("hugetlb.{size}.rsvd.max"), Some(bytes.to_string()));
            put(&format!("hugetlb.{size}.max"), Some(bytes.to_string()));
        }
        for r in &self.rdma {
            let number = |n: Option<u32>| n.map_or("max".into(), |n| n.to_string());
            let line = format!("{} hca_handle={} hca_object={}", r.device, number(r.hca_handles), number(r.hca_objects));
            put("rdma.max", Some(line));
        }
        for (file, value) in &self.unified {
            files.extend(value.lines().filter(|l| !l.trim().is_empty()).map(|line| (file.clone(), line.to_string())));
        }
        files
    }

    /// The controllers that these limits need.
    pub fn controllers(&self) -> BTreeSet<Controller> {
        self.files().iter().filter_map(|(file, _)| Controller::of_file(file)).collect()
    }

    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}

fn flag(on: bool) -> String {
    if on { "1".into() } else { "0".into() }
}

/// Files of the core that a request may set; the others move, stop or end processes, or undo what podrt itself has written.
const CORE_FILES: [&str; 3] = ["cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure"];

/// A key of linux.resources.unified: the name of one file in the cgroup, as `controller.file`; the runtime-spec says that it
/// must not leave the cgroup. `field` is what an error names.
pub fn check_unified(field: &str, key: &str, value: &str) -> Result<()> {
    let wrong = |problem: String| Err(Error::field(format!("{field}[{key:?}]"), problem));
    let name = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if key.len() > 255 || !key.contains('.') || !key.split('.').all(name) {
        return wrong("must be the name of one file, CONTROLLER.FILE, such as memory.high".into());
    }
    match Controller::of_file(key) {
        None if key.starts_with("cgroup.") && !CORE_FILES.contains(&key) => {
            wrong(format!("is podrt's own; of the cgroup.* files only {} may be set", CORE_FILES.join(", ")))
        }
        // PSI triggers live as long as the fd that wrote them: a write that is closed at once sets nothing.
        _ if key.ends_with(".pressure") && !key.starts_with("cgroup.") => wrong("is no limit".into()),
        _ if value.len() > 4096 || value.contains('\0') => wrong("the value is longer than a page, or holds a NUL".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
