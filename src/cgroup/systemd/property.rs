//! Limits as properties of a unit. systemd writes the interface files again whenever it looks at the unit (daemon-reload): what it
//! is not told it takes back.

use super::super::error::{Error, Result};
use super::super::limits::Limits;
use super::value::{self, Property, Value};
use std::collections::BTreeMap;

/// systemd's "no limit".
const INFINITY: u64 = u64::MAX;
/// The beginning of an annotation's name that gives a property of the unit.
const ANNOTATION: &str = "org.systemd.property.";

/// Those limits that systemd has a property for. The others (hugetlb, rdma, rates of devices) are podrt's alone to write.
pub fn of(limits: &Limits) -> Vec<Property> {
    let mut all: Vec<Property> = Vec::new();
    for (file, value) in limits.files() {
        let one = match file.as_str() {
            "memory.max" => number(&value).map(|n| ("MemoryMax", Value::U64(n))),
            "memory.high" => number(&value).map(|n| ("MemoryHigh", Value::U64(n))),
            "memory.low" => number(&value).map(|n| ("MemoryLow", Value::U64(n))),
            "memory.min" => number(&value).map(|n| ("MemoryMin", Value::U64(n))),
            "memory.swap.max" => number(&value).map(|n| ("MemorySwapMax", Value::U64(n))),
            "pids.max" => number(&value).map(|n| ("TasksMax", Value::U64(n))),
            "cpu.weight" => number(&value).map(|n| ("CPUWeight", Value::U64(n))),
            "io.weight" => value.strip_prefix("default ").and_then(number).map(|n| ("IOWeight", Value::U64(n))),
            "cpuset.cpus" => mask(&value).map(|m| ("AllowedCPUs", Value::Bytes(m))),
            "cpuset.mems" => mask(&value).map(|m| ("AllowedMemoryNodes", Value::Bytes(m))),
            "cpu.max" => {
                if let Some((quota, period)) = cpu_max(&value) {
                    all.push(("CPUQuotaPeriodUSec".into(), Value::U64(period)));
                    all.push(("CPUQuotaPerSecUSec".into(), Value::U64(quota)));
                }
                None
            }
            _ => None,
        };
        all.extend(one.map(|(name, value)| (name.to_string(), value)));
    }
    all
}

fn number(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(INFINITY),
        n => n.parse().ok(),
    }
}

/// `QUOTA PERIOD` of cpu.max, microseconds, as (microseconds a second, period). systemd counts in hundredths of a CPU: rounded up,
/// or a sub-cgroup could ask for more than its parent has.
fn cpu_max(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_whitespace();
    let (quota, period) = (words.next()?, words.next().map_or(Some(100_000), |p| p.parse().ok())?);
    if quota == "max" {
        return Some((INFINITY, period));
    }
    let per_second = quota.parse::<u128>().ok()?.checked_mul(1_000_000)?.checked_div(u128::from(period))?;
    u64::try_from(per_second.div_ceil(10_000) * 10_000).ok().map(|n| (n, period))
}

/// `0-3,7` as a bit mask, the lowest CPU in the lowest bit of the first byte.
fn mask(list: &str) -> Option<Vec<u8>> {
    let mut mask: Vec<u8> = Vec::new();
    for range in list.trim().split(',') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to) = (from.parse::<usize>().ok()?, to.parse::<usize>().ok().filter(|n| *n < 8192)?);
        for bit in from..=to {
            mask.resize(mask.len().max(bit / 8 + 1), 0);
            mask[bit / 8] |= 1 << (bit % 8);
        }
    }
    Some(mask)
}

/// Properties that config.json's annotations give: `org.systemd.property.TimeoutStopSec: "uint64 5"`. A name in `Sec` is what people
/// write and D-Bus does not have: it becomes `USec`, and its seconds microseconds.
pub fn annotations(annotations: &BTreeMap<String, String>) -> Result<Vec<Property>> {
    let mut all = Vec::new();
    for (key, text) in annotations {
        let Some(name) = key.strip_prefix(ANNOTATION) else { continue };
        let field = format!("annotations[{key:?}]");
        if name.len() < 3 || !name.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(Error::field(field, "want the name of a unit's property, letters only"));
        }
        all.push(match name.strip_suffix("Sec").filter(|n| !n.ends_with('U')) {
            Some(stem) => (format!("{stem}USec"), Value::U64(microseconds(&field, text)?)),
            None => (name.to_string(), value::parse(&field, text)?),
        });
    }
    Ok(all)
}

/// Seconds, with the type or without.
fn microseconds(field: &str, text: &str) -> Result<u64> {
    let number = text.trim().rsplit(' ').next().unwrap_or_default();
    let seconds: Option<f64> = number.parse().ok().filter(|n| (0.0..1e12).contains(n));
    let seconds = seconds.ok_or_else(|| Error::field(field, format!("`{}`, want seconds, 0 or more", text.escape_debug())))?;
    Ok((seconds * 1e6) as u64)
}

/// Annotations that would fail, before anything is made.
pub fn check(given: &BTreeMap<String, String>) -> Result<()> {
    annotations(given).map(drop)
}
