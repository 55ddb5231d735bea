//! config.json's linux.resources, in the words of cgroup v1, as limits of cgroup v2.

use super::error::{Error, Result};
use super::limits::{IoLimit, Limits, RdmaLimit, check_unified};
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};

/// Where an error finds the field.
const BASE: &str = "linux.resources";

/// The kernel's own default period, microseconds.
const DEFAULT_PERIOD: u64 = 100_000;

fn wrong<T>(field: &str, problem: impl Into<String>) -> Result<T> {
    Err(Error::field(format!("{BASE}.{field}"), problem))
}

/// cpu.shares of v1 (2..=262144, default 1024) as cpu.weight of v2 (1..=10000, default 100): the quadratic in log2(shares)
/// that meets minimum, default and maximum, as runc and crun have it since 2025. 0 is "unset" and stays 0.
pub fn shares_to_weight(shares: u64) -> u64 {
    match shares {
        0 => 0,
        1..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let l = (shares as f64).log2();
            let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
            (10f64.powf(exponent).ceil() as u64).clamp(1, 10_000)
        }
    }
}

/// blkio.weight of v1 (10..=1000) as io.weight of v2 (1..=10000), linear.
fn blkio_to_io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight) - 10) * 9999 / 990
}

impl Limits {
    /// Device rules are not limits: see [`super::devices`]. What v2 has no counterpart for is an error that names the field,
    /// unless its value asks for nothing. `checkBeforeUpdate` and `useHierarchy` change nothing for a new cgroup of v2.
    pub fn from_oci(resources: &LinuxResources) -> Result<Limits> {
        let mut limits = Limits::default();
        if let Some(memory) = resources.memory() {
            memory_limits(memory, &mut limits)?;
        }
        if let Some(cpu) = resources.cpu() {
            cpu_limits(cpu, &mut limits)?;
        }
        if let Some(pids) = resources.pids() {
            // 0 is 1, as runc has it: systemd cannot say 0, and a cgroup with either admits no second process.
            limits.pids_max = Some(if pids.limit() == 0 { 1 } else { pids.limit().max(-1) });
        }
        if let Some(block) = resources.block_io() {
            block_limits(block, &mut limits)?;
        }
        for (i, huge) in resources.hugepage_limits().iter().flatten().enumerate() {
            let field = format!("hugepageLimits[{i}]");
            let size = huge.page_size();
            let digits = size.trim_end_matches(|c: char| c.is_ascii_uppercase());
            let unit = &size[digits.len()..];
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || !["KB", "MB", "GB"].contains(&unit) {
                return wrong(&format!("{field}.pageSize"), format!("`{}`, want a size such as 2MB or 1GB", size.escape_debug()));
            }
            match u64::try_from(huge.limit()) {
                Ok(bytes) => limits.hugetlb.push((size.clone(), bytes)),
                Err(_) => return wrong(&format!("{field}.limit"), format!("{} bytes, want 0 or more", huge.limit())),
            }
        }
        if let Some(network) = resources.network() {
            if network.class_id().is_some_and(|id| id != 0) {
                return wrong("network.classID", "cgroup v2 has no net_cls: remove it, and match the cgroup in nftables");
            }
            if network.priorities().as_ref().is_some_and(|p| !p.is_empty()) {
                return wrong("network.priorities", "cgroup v2 has no net_prio: remove them, and match the cgroup in nftables");
            }
        }
        for (device, r) in resources.rdma().iter().flatten() {
            if device.is_empty() || device.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return wrong("rdma", format!("device name `{}`", device.escape_debug()));
            }
            let limit = RdmaLimit { device: device.clone(), hca_handles: r.hca_handles(), hca_objects: r.hca_objects() };
            limits.rdma.push(limit);
        }
        // The map's order is random: same input, same output.
        limits.rdma.sort_by(|a, b| a.device.cmp(&b.device));
        for (key, value) in resources.unified().iter().flatten() {
            check_unified(&format!("{BASE}.unified"), key, value)?;
            limits.unified.insert(key.clone(), value.clone());
        }
        Ok(limits)
    }
}

#[allow(deprecated)]
fn memory_limits(memory: &LinuxMemory, limits: &mut Limits) -> Result<()> {
    // 0 is "unset", -1 is "no limit", as in cgroup v1.
    let number = |field: &str, value: Option<i64>| match value {
        Some(n) if n < -1 => wrong(&format!("memory.{field}"), format!("{n} bytes, want -1 (no limit) or more")),
        other => Ok(other.filter(|&n| n != 0)),
    };
    let max = number("limit", memory.limit())?;
    let both = number("swap", memory.swap())?;
    limits.memory_max = max;
    limits.memory_low = number("reservation", memory.reservation())?;
    limits.swap_max = match (max, both) {
        // Unlimited memory without a word on swap: both, as v1 did.
        (Some(-1), None) => Some(-1),
        (_, None) => None,
        (_, Some(-1)) => Some(-1),
        (Some(-1), Some(both)) => Some(both),
        (None, Some(_)) => return wrong("memory.swap", "is memory and swap together, and needs memory.limit beside it"),
        (Some(max), Some(both)) if both < max => {
            return wrong(
                "memory.swap",
                format!("{both} bytes, want at least memory.limit ({max}): it is memory and swap together"),
            );
        }
        (Some(max), Some(both)) => Some(both - max),
    };
    if memory.kernel().is_some_and(|n| n > 0) {
        return wrong("memory.kernel", "cgroup v2 counts kernel memory in memory.limit and has no limit of its own: remove it");
    }
    if memory.kernel_tcp().is_some_and(|n| n > 0) {
        return wrong(
            "memory.kernelTCP",
            "cgroup v2 counts socket memory in memory.limit and has no limit of its own: remove it",
        );
    }
    if memory.swappiness().is_some() {
        return wrong("memory.swappiness", "cgroup v2 has no swappiness per cgroup: remove it, or set vm.swappiness on the host");
    }
    if memory.disable_oom_killer() == Some(true) {
        return wrong("memory.disableOOMKiller", "cgroup v2 cannot: remove it, or use unified memory.high to slow down instead");
    }
    Ok(())
}

fn cpu_limits(cpu: &LinuxCpu, limits: &mut Limits) -> Result<()> {
    limits.cpu_weight = cpu.shares().filter(|&n| n != 0).map(shares_to_weight);
    let quota = cpu.quota().filter(|&n| n != 0);
    let period = cpu.period().filter(|&n| n != 0);
    if quota.is_some() || period.is_some() {
        // A negative quota is "no limit".
        limits.cpu_max = Some((quota.and_then(|q| u64::try_from(q).ok()), period.unwrap_or(DEFAULT_PERIOD)));
    }
    limits.cpu_burst = cpu.burst();
    limits.cpu_idle = match cpu.idle() {
        None => None,
        Some(0) => Some(false),
        Some(1) => Some(true),
        Some(n) => return wrong("cpu.idle", format!("{n}, want 0 or 1")),
    };
    if cpu.realtime_runtime().is_some_and(|n| n != 0) || cpu.realtime_period().is_some_and(|n| n != 0) {
        return wrong(
            "cpu.realtimeRuntime",
            "cgroup v2 does not share out realtime time: remove realtimeRuntime and realtimePeriod",
        );
    }
    limits.cpuset_cpus = list("cpu.cpus", cpu.cpus())?;
    limits.cpuset_mems = list("cpu.mems", cpu.mems())?;
    Ok(())
}

/// A list of cpuset(7): `0-3,7`. Empty is "unset".
fn list(field: &str, text: &Option<String>) -> Result<Option<String>> {
    let Some(text) = text.as_ref().map(|t| t.trim()).filter(|t| !t.is_empty()) else { return Ok(None) };
    let number = |n: &str| n.bytes().all(|b| b.is_ascii_digit()).then(|| n.parse::<u32>().ok()).flatten();
    let range = |r: &str| match r.split_once('-') {
        None => number(r).is_some(),
        // The kernel also knows strides, `0-31:2/4`.
        Some((from, to)) => {
            let to = to.split_once(':').map_or(to, |(to, _)| to);
            matches!((number(from), number(to)), (Some(a), Some(b)) if a <= b)
        }
    };
    if text.bytes().all(|b| b.is_ascii_digit() || b",-:/".contains(&b)) && text.split(',').all(range) {
        return Ok(Some(text.into()));
    }
    wrong(field, format!("`{}`, want a list such as 0-3,7", text.escape_debug()))
}

fn block_limits(block: &LinuxBlockIo, limits: &mut Limits) -> Result<()> {
    let weight = |field: &str, value: Option<u16>| match value {
        None | Some(0) => Ok(None),
        Some(n @ 10..=1000) => Ok(Some(blkio_to_io_weight(n))),
        Some(n) => wrong(&format!("blockIO.{field}"), format!("{n}, want 10 to 1000")),
    };
    limits.io_weight = weight("weight", block.weight())?;
    if block.leaf_weight().is_some_and(|n| n != 0) {
        return wrong("blockIO.leafWeight", "cgroup v2 has none: remove it");
    }
    for (i, w) in block.weight_device().iter().flatten().enumerate() {
        if w.leaf_weight().is_some_and(|n| n != 0) {
            return wrong(&format!("blockIO.weightDevice[{i}].leafWeight"), "cgroup v2 has none: remove it");
        }
        let value = weight(&format!("weightDevice[{i}].weight"), w.weight())?;
        device(&format!("blockIO.weightDevice[{i}]"), w.major(), w.minor(), limits)?.weight = value;
    }
    type Pick = fn(&mut IoLimit) -> &mut Option<u64>;
    let lists: [(&str, &Option<Vec<LinuxThrottleDevice>>, Pick); 4] = [
        ("throttleReadBpsDevice", block.throttle_read_bps_device(), |io| &mut io.rbps),
        ("throttleWriteBpsDevice", block.throttle_write_bps_device(), |io| &mut io.wbps),
        ("throttleReadIOPSDevice", block.throttle_read_iops_device(), |io| &mut io.riops),
        ("throttleWriteIOPSDevice", block.throttle_write_iops_device(), |io| &mut io.wiops),
    ];
    for (name, devices, pick) in lists {
        for (i, t) in devices.iter().flatten().enumerate() {
            let io = device(&format!("blockIO.{name}[{i}]"), t.major(), t.minor(), limits)?;
            // In v1 a rate of 0 takes the limit away; v2 refuses 0 and says max.
            *pick(io) = Some(if t.rate() == 0 { u64::MAX } else { t.rate() });
        }
    }
    Ok(())
}

/// The device's entry, made if it is not there.
fn device<'l>(field: &str, major: i64, minor: i64, limits: &'l mut Limits) -> Result<&'l mut IoLimit> {
    let (Ok(major), Ok(minor)) = (u32::try_from(major), u32::try_from(minor)) else {
        return wrong(field, format!("device {major}:{minor}"));
    };
    let at = limits.io.iter().position(|io| (io.major, io.minor) == (major, minor)).unwrap_or_else(|| {
        limits.io.push(IoLimit { major, minor, ..IoLimit::default() });
        limits.io.len() - 1
    });
    Ok(&mut limits.io[at])
}

#[cfg(test)]
#[path = "oci_tests.rs"]
mod tests;
