//! `update`: new limits, from flags in the field's words or from a file with linux.resources.

use super::verbs::Warn;
use crate::container::bundle;
use crate::container::runtime::{self, Runtime};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Update {
    pub id: String,
    /// File with the new limits as linux.resources of config.json; `-` is stdin. The options below are then not used
    #[arg(short, long, value_name = "FILE")]
    resources: Option<PathBuf>,
    /// 10 to 1000
    #[arg(long, value_name = "N")]
    blkio_weight: Option<u16>,
    /// Microseconds
    #[arg(long, value_name = "US")]
    cpu_period: Option<u64>,
    /// Microseconds in a period; -1: no limit
    #[arg(long, value_name = "US", allow_negative_numbers = true)]
    cpu_quota: Option<i64>,
    /// Microseconds that may be saved up
    #[arg(long, value_name = "US")]
    cpu_burst: Option<u64>,
    /// Relative weight, 2 to 262144
    #[arg(long, value_name = "N")]
    cpu_share: Option<u64>,
    #[arg(long, value_name = "US")]
    cpu_rt_period: Option<u64>,
    #[arg(long, value_name = "US", allow_negative_numbers = true)]
    cpu_rt_runtime: Option<i64>,
    /// 1: run only when nothing else would
    #[arg(long, value_name = "0|1")]
    cpu_idle: Option<i64>,
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Bytes, or with a unit (k, m, g); -1: no limit
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    memory: Option<String>,
    /// Soft limit
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    memory_reservation: Option<String>,
    /// Memory and swap together; -1: no limit of swap
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, hide = true)]
    kernel_memory: Option<String>,
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, hide = true)]
    kernel_memory_tcp: Option<String>,
    /// -1: no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pids_limit: Option<i64>,
    #[arg(long, value_name = "SCHEMA", hide = true)]
    l3_cache_schema: Option<String>,
    #[arg(long, value_name = "SCHEMA", hide = true)]
    mem_bw_schema: Option<String>,
}

pub fn update(runtime: &Runtime, v: &Update, warn: Warn) -> Result<i32> {
    if v.l3_cache_schema.is_some() || v.mem_bw_schema.is_some() {
        anyhow::bail!("--l3-cache-schema, --mem-bw-schema: intelRdt is not supported by this version of podrt");
    }
    let change = match &v.resources {
        Some(file) => bundle::load_resources(file)?,
        None => from_flags(v)?,
    };
    let warnings = runtime::update(runtime, &v.id, &change)?;
    warn(&warnings);
    Ok(0)
}

fn from_flags(v: &Update) -> Result<Value> {
    let size = |name: &str, text: &Option<String>| -> Result<Option<i64>> {
        text.as_ref()
            .map(|t| bytes(t).with_context(|| format!("--{name} {t:?}: want bytes, or a size such as 512m, or -1")))
            .transpose()
    };
    let mut change = json!({
        "cpu": {
            "period": v.cpu_period, "quota": v.cpu_quota, "burst": v.cpu_burst, "shares": v.cpu_share, "idle": v.cpu_idle,
            "realtimePeriod": v.cpu_rt_period, "realtimeRuntime": v.cpu_rt_runtime, "cpus": v.cpuset_cpus, "mems": v.cpuset_mems,
        },
        "memory": {
            "limit": size("memory", &v.memory)?, "swap": size("memory-swap", &v.memory_swap)?,
            "reservation": size("memory-reservation", &v.memory_reservation)?,
        },
        "blockIO": {"weight": v.blkio_weight},
    });
    if let Some(limit) = v.pids_limit {
        change["pids"] = json!({"limit": limit});
    }
    // An object of nothing but absent values says nothing.
    if let Some(map) = change.as_object_mut() {
        map.retain(|_, part| part.as_object().is_some_and(|p| p.values().any(|v| !v.is_null())));
    }
    Ok(change)
}

/// `512m`, `1g`, `64k`, in powers of 1024; `-1`.
fn bytes(text: &str) -> Option<i64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(lower.len());
    let n: i64 = lower[..digits].parse().ok().filter(|n| *n >= -1)?;
    let shift = match lower[digits..].trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    if n == -1 { (shift == 0).then_some(-1) } else { n.checked_mul(1 << shift) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024_and_minus_one_is_no_limit() {
        for (text, want) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("64k", Some(65536)),
            ("1M", Some(1 << 20)),
            ("2GiB", Some(2 << 30)),
            ("-1", Some(-1)),
            ("-2", None),
            ("1x", None),
            ("", None),
            ("9999999t", None),
        ] {
            assert_eq!(bytes(text), want, "{text:?}");
        }
    }
}
