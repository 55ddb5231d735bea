//! Requests and limits in the kernel's units, and the QoS class with what follows from it.
//!
//! Source: the kubelet's cm/helpers_linux.go (ResourceConfigForPod), kuberuntime_container_linux.go
//! (calculateLinuxResources) and qos/policy.go.

use super::super::annotations;
use super::super::quantity::Quantity;
use super::super::resources::{self, Amounts, all_containers, is_hugepages};
use crate::cgroup::{Limits, shares_to_weight};
use crate::pod::spec::Qos;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

/// Microseconds of cpu.max.
const PERIOD: u64 = 100_000;
/// Microseconds; the kernel takes no smaller quota.
const MIN_QUOTA: u64 = 1000;
const MIN_SHARES: u64 = 2;
const MAX_SHARES: u64 = 262_144;

const GUARANTEED_ADJ: i64 = -997;
const BEST_EFFORT_ADJ: i64 = 1000;

/// What all containers of a pod share in the reckoning.
pub struct Plan {
    pub qos: Qos,
    requests: Amounts,
    limits: Amounts,
    /// spec.resources.limits alone.
    own_limits: Amounts,
    /// Every container limits it, or the pod does.
    cpu_limited: bool,
    memory_limited: bool,
    io: Vec<crate::cgroup::IoLimit>,
    /// Bytes.
    host_memory: u64,
    /// Bytes that the pod requests beyond its containers, for each of them.
    spare_memory: i64,
    /// Bytes; the least that a regular container requests.
    least_memory: i64,
}

impl Plan {
    pub fn of(pod: &Pod, spec: &PodSpec, host_memory: u64) -> Plan {
        let own_limits = resources::limits(spec.resources.as_ref());
        let limited = |name: &str| {
            let has = |amounts: &Amounts| amounts.get(name).is_some_and(|q| !q.is_zero());
            has(&own_limits) || all_containers(spec).all(|c| has(&resources::limits(c.resources.as_ref())))
        };
        let memory = |amounts: Amounts| amounts.get("memory").map_or(0, |q| q.value());
        let own_memory = resources::requests(spec.resources.as_ref()).get("memory").map(|q| q.value());
        let spare = own_memory.map_or(0, |own| (own - memory(resources::aggregate(spec, resources::requests))).max(0));
        let standing = spec.containers.len() + spec.init_containers.iter().flatten().filter(|c| resources::is_sidecar(c)).count();
        Plan {
            qos: qos(spec),
            requests: resources::pod_requests(spec),
            limits: resources::pod_limits(spec),
            cpu_limited: limited("cpu"),
            memory_limited: limited("memory"),
            own_limits,
            io: super::annotation(pod, annotations::IO_MAX).and_then(|v| annotations::io_max(v).ok()).unwrap_or_default(),
            host_memory,
            spare_memory: spare / i64::try_from(standing.max(1)).unwrap_or(1),
            least_memory: spec.containers.iter().map(|c| memory(resources::requests(c.resources.as_ref()))).min().unwrap_or(0),
        }
    }

    /// (limits, soft limits) of the pod's cgroup.
    pub fn pod(&self) -> (Limits, Limits) {
        let of = |limited: bool, name: &str| self.limits.get(name).copied().filter(|_| limited);
        let cpu = self.requests.get("cpu").copied();
        let (mut hard, soft) = kernel(cpu, of(self.cpu_limited, "cpu"), of(self.memory_limited, "memory"), &self.limits);
        hard.io = self.io.clone();
        // The pod's cgroup is no victim as a whole: its containers are.
        hard.oom_group = None;
        (hard, Limits { oom_group: None, ..soft })
    }

    /// (limits, soft limits) of a container's cgroup.
    pub fn container(&self, container: &Container) -> (Limits, Limits) {
        let requests = resources::requests(container.resources.as_ref());
        let limits = resources::limits(container.resources.as_ref());
        // Without a limit of its own a container has the pod's, so that programs that read their cgroup see it.
        let limit = |name: &str| limits.get(name).or_else(|| self.own_limits.get(name)).copied();
        let (mut hard, soft) = kernel(requests.get("cpu").copied(), limit("cpu"), limit("memory"), &limits);
        // The kubelet's NoSwap, its default: memory that may be swapped out is not limited.
        hard.swap_max = hard.memory_max.map(|_| 0);
        (hard, soft)
    }

    /// -1000..=1000: whom the kernel's OOM killer takes first.
    pub fn oom_score_adj(&self, container: &Container, sidecar: bool) -> i32 {
        let capacity = i64::try_from(self.host_memory).unwrap_or(i64::MAX).max(1);
        let share = |bytes: i64| 1000 - (i128::from(bytes) * 1000 / i128::from(capacity)) as i64;
        let adj = match self.qos {
            Qos::Guaranteed => GUARANTEED_ADJ,
            Qos::BestEffort => BEST_EFFORT_ADJ,
            Qos::Burstable => {
                let own = resources::requests(container.resources.as_ref()).get("memory").map_or(0, |q| q.value());
                let mut adj = share(own.saturating_add(self.spare_memory));
                if sidecar {
                    // A sidecar outlives those that it serves.
                    adj = adj.min(share(self.least_memory.saturating_add(self.spare_memory)));
                }
                adj.clamp(1000 + GUARANTEED_ADJ, BEST_EFFORT_ADJ - 1)
            }
        };
        adj as i32
    }
}

/// The hard limits were asked for: without their controller the pod does not start. The soft ones follow from Kubernetes'
/// defaults and hold where the controllers are.
fn kernel(request: Option<Quantity>, cpu: Option<Quantity>, memory: Option<Quantity>, limits: &Amounts) -> (Limits, Limits) {
    let weight = shares_to_weight(shares(request.map_or(0, Quantity::milli)));
    let asked = request.is_some_and(|q| !q.is_zero());
    let memory = memory.filter(|q| !q.is_zero());
    let hard = Limits {
        cpu_weight: asked.then_some(weight),
        cpu_max: cpu.filter(|q| !q.is_zero()).map(|q| (Some(quota(q.milli())), PERIOD)),
        memory_max: memory.map(Quantity::value),
        oom_group: memory.map(|_| true),
        hugetlb: limits.iter().filter_map(|(name, amount)| huge_pages(name, *amount)).collect(),
        ..Limits::default()
    };
    let soft =
        Limits { cpu_weight: (!asked).then_some(weight), oom_group: memory.is_none().then_some(true), ..Limits::default() };
    (hard, soft)
}

fn shares(milli: i64) -> u64 {
    let milli = u64::try_from(milli).unwrap_or(0);
    (milli.saturating_mul(1024) / 1000).clamp(MIN_SHARES, MAX_SHARES)
}

fn quota(milli: i64) -> u64 {
    let milli = u64::try_from(milli).unwrap_or(0);
    (milli.saturating_mul(PERIOD) / 1000).max(MIN_QUOTA)
}

/// `hugepages-2Mi` in the kernel's spelling, `2MB`.
fn huge_pages(name: &str, amount: Quantity) -> Option<(String, u64)> {
    if !is_hugepages(name) {
        return None;
    }
    let size = u64::try_from(Quantity::parse(&name["hugepages-".len()..]).ok()?.value()).ok()?;
    let text = match size {
        s if s >= 1 << 30 && s % (1 << 30) == 0 => format!("{}GB", s >> 30),
        s if s >= 1 << 20 && s % (1 << 20) == 0 => format!("{}MB", s >> 20),
        s => format!("{}KB", s >> 10),
    };
    Some((text, u64::try_from(amount.value()).ok()?))
}

/// Source: Kubernetes' ComputePodQOS. Only cpu and memory count, and only above zero.
fn qos(spec: &PodSpec) -> Qos {
    let counted = |amounts: Amounts| -> Amounts {
        amounts.into_iter().filter(|(name, q)| matches!(name.as_str(), "cpu" | "memory") && !q.is_zero()).collect()
    };
    let mut guaranteed = true;
    let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
    let pod_level = spec
        .resources
        .as_ref()
        .filter(|r| r.limits.iter().chain(&r.requests).flatten().any(|(name, _)| resources::is_pod_level(name)))
        .map(|r| vec![Some(r)]);
    let each = pod_level.unwrap_or_else(|| all_containers(spec).map(|c| c.resources.as_ref()).collect());
    for resources in each {
        let own = counted(resources::limits(resources));
        guaranteed &= own.len() == 2;
        for (sum, more) in [(&mut requests, counted(resources::requests(resources))), (&mut limits, own)] {
            for (name, amount) in more {
                let slot = sum.entry(name).or_default();
                *slot = slot.plus(amount);
            }
        }
    }
    if requests.is_empty() && limits.is_empty() {
        Qos::BestEffort
    } else if guaranteed && requests == limits {
        Qos::Guaranteed
    } else {
        Qos::Burstable
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
