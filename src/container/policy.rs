//! Rarer parts of config.json that a process gets right before it loses its privileges: personality, scheduler, ioPriority,
//! execCPUAffinity, memoryPolicy, and the label of a security module.

use super::Error;
use super::init::{At, Fail};
use super::step::Step;
use crate::rootfs::apply;
use crate::sys::mount::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID};
use crate::sys::policy::{self, SchedAttr};
use crate::sys::{Errno, raw};
use oci_spec::runtime::{
    IOPriorityClass, LinuxMemoryPolicy, LinuxPersonality, LinuxPersonalityDomain, LinuxSchedulerFlag, LinuxSchedulerPolicy,
    MemoryPolicyFlagType, MemoryPolicyModeType, Process, Scheduler, Spec,
};
use std::ffi::CString;

/// Of set_mempolicy(2).
pub const MODES: [(MemoryPolicyModeType, u32); 7] = [
    (MemoryPolicyModeType::MpolDefault, 0),
    (MemoryPolicyModeType::MpolPreferred, 1),
    (MemoryPolicyModeType::MpolBind, 2),
    (MemoryPolicyModeType::MpolInterleave, 3),
    (MemoryPolicyModeType::MpolLocal, 4),
    (MemoryPolicyModeType::MpolPreferredMany, 5),
    (MemoryPolicyModeType::MpolWeightedInterleave, 6),
];
pub const MEMORY_FLAGS: [(MemoryPolicyFlagType, u32); 3] = [
    (MemoryPolicyFlagType::MpolFNumaBalancing, 1 << 13),
    (MemoryPolicyFlagType::MpolFRelativeNodes, 1 << 14),
    (MemoryPolicyFlagType::MpolFStaticNodes, 1 << 15),
];

/// Of sched_setattr(2).
const RESET_ON_FORK: u64 = 1;

/// What a plan has of these; most have none.
#[derive(Debug, Default, PartialEq)]
pub struct Policy {
    personality: Option<u32>,
    scheduler: Option<SchedAttr>,
    io_priority: Option<u32>,
    /// Bit n is CPU n.
    cpus: Option<Vec<u64>>,
    memory: Option<(u32, Vec<u64>)>,
    /// The file below /proc, and what is written to it.
    label: Option<(CString, Vec<u8>)>,
}

/// The items of [`Policy::apply`], for the parent's words.
const FIELDS: [&str; 6] = [
    "linux.personality",
    "process.scheduler",
    "process.ioPriority",
    "process.execCPUAffinity",
    "linux.memoryPolicy",
    "the label of process.apparmorProfile or process.selinuxLabel",
];

/// The parent's words for an item.
pub fn words(item: u16) -> String {
    format!("set {}", FIELDS.get(item as usize).copied().unwrap_or("a policy"))
}

impl Policy {
    /// None where nothing of it is asked for. `joining`: an exec, whose CPUs are its own and whose memory policy is not.
    pub fn plan(spec: &Spec, process: &Process, joining: bool) -> Result<Option<Box<Policy>>, Error> {
        let linux = spec.linux().as_ref();
        let affinity = process.exec_cpu_affinity().as_ref().filter(|_| joining).and_then(|a| a.cpu_affinity_final().as_ref());
        let policy = Policy {
            personality: linux.and_then(|l| l.personality().as_ref()).map(personality).transpose()?,
            scheduler: process.scheduler().as_ref().map(scheduler).transpose()?,
            io_priority: match process.io_priority() {
                Some(io) => Some(io_priority(io.class(), io.priority())?),
                None => None,
            },
            cpus: affinity.map(|list| numbers("process.execCPUAffinity.final", list)).transpose()?,
            memory: linux.and_then(|l| l.memory_policy().as_ref()).filter(|_| !joining).map(memory).transpose()?,
            label: label(process)?,
        };
        Ok(if policy == Policy::default() { None } else { Some(Box::new(policy)) })
    }

    /// What needs capabilities outside a user namespace, and lasts over fork(2).
    pub fn take_privileged(&mut self) -> Option<Box<Policy>> {
        // A scheduler that is reset on fork stays: the kernel then says that it cannot be had.
        let lasts = |s: &SchedAttr| s.flags & RESET_ON_FORK == 0;
        let taken =
            Policy { scheduler: self.scheduler.take_if(|s| lasts(s)), io_priority: self.io_priority.take(), ..Policy::default() };
        (taken != Policy::default()).then(|| Box::new(taken))
    }

    /// In the child, with all of root's capabilities.
    pub fn apply(&self) -> Result<(), Fail> {
        let at = |item: usize| move |errno: Errno| (Step::Policy, item as u16, errno);
        if let Some(value) = self.personality {
            policy::personality(value).map_err(at(0))?;
        }
        if let Some(attr) = &self.scheduler {
            policy::sched_setattr(attr).map_err(at(1))?;
        }
        if let Some(value) = self.io_priority {
            policy::ioprio_set(value).map_err(at(2))?;
        }
        if let Some(mask) = &self.cpus {
            policy::sched_setaffinity(mask).map_err(at(3))?;
        }
        if let Some((mode, nodes)) = &self.memory {
            policy::set_mempolicy(*mode, nodes).map_err(at(4))?;
        }
        if let Some((path, text)) = &self.label {
            // Through a procfs of its own (CVE-2019-16884, CVE-2025-52881): the container's may be anything.
            let attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
            let proc = apply::new_fs(c"proc", &[], attrs as u32).at(Step::Policy, 5)?;
            let fd = raw::openat2(proc, path, libc::O_WRONLY, 0, 0x08 | 0x02 | 0x01).at(Step::Policy, 5)?;
            let written = raw::write(fd, text).at(Step::Policy, 5);
            raw::close(fd);
            raw::close(proc);
            written?;
        }
        Ok(())
    }
}

/// Where an exec runs from its first moment, before it joins the container (runtime-spec, config.md#linux-process).
pub fn initial_cpus(process: &Process) -> Result<Option<Vec<u64>>, Error> {
    let list = process.exec_cpu_affinity().as_ref().and_then(|a| a.initial().as_ref());
    list.map(|list| numbers("process.execCPUAffinity.initial", list)).transpose()
}

fn personality(p: &LinuxPersonality) -> Result<u32, Error> {
    if p.flags().as_ref().is_some_and(|f| !f.is_empty()) {
        return Err(Error::invalid("linux.personality.flags", "the runtime-spec has none yet"));
    }
    Ok(match p.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    })
}

/// sched(7).
fn scheduler(s: &Scheduler) -> Result<SchedAttr, Error> {
    let policy = match s.policy() {
        LinuxSchedulerPolicy::SchedOther => libc::SCHED_OTHER,
        LinuxSchedulerPolicy::SchedFifo => libc::SCHED_FIFO,
        LinuxSchedulerPolicy::SchedRr => libc::SCHED_RR,
        LinuxSchedulerPolicy::SchedBatch => libc::SCHED_BATCH,
        LinuxSchedulerPolicy::SchedIdle => libc::SCHED_IDLE,
        LinuxSchedulerPolicy::SchedDeadline => libc::SCHED_DEADLINE,
        LinuxSchedulerPolicy::SchedIso => {
            return Err(Error::invalid("process.scheduler.policy", "SCHED_ISO is in no kernel"));
        }
    };
    let mut flags = 0u64;
    for flag in s.flags().iter().flatten() {
        flags |= match flag {
            LinuxSchedulerFlag::SchedResetOnFork => RESET_ON_FORK,
            LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
            LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
            LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
            LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
            LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
            LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
        };
    }
    let nice = s.nice().unwrap_or(0);
    if !(-20..=19).contains(&nice) {
        return Err(Error::invalid("process.scheduler.nice", format!("{nice} (want -20 to 19)")));
    }
    let priority = s.priority().unwrap_or(0);
    let priority = u32::try_from(priority)
        .map_err(|_| Error::invalid("process.scheduler.priority", format!("{priority} (want 0 or more)")))?;
    let realtime = matches!(policy, libc::SCHED_FIFO | libc::SCHED_RR);
    if realtime != (priority > 0) {
        let problem = if realtime { "0, and the policy wants 1 to 99" } else { "is for SCHED_FIFO and SCHED_RR only" };
        return Err(Error::invalid("process.scheduler.priority", problem));
    }
    let deadline = [s.runtime(), s.deadline(), s.period()].map(|v| v.unwrap_or(0));
    if policy != libc::SCHED_DEADLINE && deadline.iter().any(|v| *v > 0) {
        return Err(Error::invalid("process.scheduler", "runtime, deadline and period are for SCHED_DEADLINE only"));
    }
    Ok(SchedAttr {
        size: std::mem::size_of::<SchedAttr>() as u32,
        policy: policy as u32,
        flags,
        nice,
        priority,
        runtime: deadline[0],
        deadline: deadline[1],
        period: deadline[2],
        ..SchedAttr::default()
    })
}

/// ioprio_set(2).
fn io_priority(class: IOPriorityClass, level: i64) -> Result<u32, Error> {
    let class = match class {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    match u32::try_from(level) {
        Ok(level) if level <= 7 => Ok(class << 13 | level),
        _ => Err(Error::invalid("process.ioPriority.priority", format!("{level} (want 0 to 7)"))),
    }
}

fn memory(m: &LinuxMemoryPolicy) -> Result<(u32, Vec<u64>), Error> {
    let mode = MODES.iter().find(|(mode, _)| *mode == m.mode()).map_or(0, |(_, n)| *n);
    let bit = |flag| MEMORY_FLAGS.iter().find(|(f, _)| f == flag).map_or(0, |(_, n)| *n);
    let flags = m.flags().iter().flatten().fold(0, |all, flag| all | bit(flag));
    let nodes = m.nodes().as_deref().filter(|n| !n.is_empty());
    let nodes = nodes.map(|list| numbers("linux.memoryPolicy.nodes", list)).transpose()?;
    Ok((mode | flags, nodes.unwrap_or_default()))
}

/// `0-3,7` as a mask.
fn numbers(field: &str, list: &str) -> Result<Vec<u64>, Error> {
    let bad = || Error::invalid(field, format!("{list:?} (want a list such as 0-3,7)"));
    let number = |t: &str| t.trim().parse::<usize>().ok().filter(|n| *n < 8192).ok_or_else(bad);
    let mut mask = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (number(from)?, number(to)?);
        if from > to {
            return Err(bad());
        }
        for n in from..=to {
            mask.resize(mask.len().max(n / 64 + 1), 0);
            mask[n / 64] |= 1 << (n % 64);
        }
    }
    Ok(mask)
}

/// What to write for a security module's label; an error where the host has no such module.
fn label(process: &Process) -> Result<Option<(CString, Vec<u8>)>, Error> {
    let given = |t: &'_ Option<String>| t.clone().filter(|t| !t.is_empty());
    if let Some(profile) = given(process.apparmor_profile()) {
        let enabled = std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|t| t.starts_with(b"Y"));
        if !enabled {
            return Err(Error::invalid(
                "process.apparmorProfile",
                format!("is {profile:?}, but AppArmor is not enabled on this host"),
            ));
        }
        // Since Linux 5.8 beside other modules; before, the common file.
        let own = std::path::Path::new("/proc/self/attr/apparmor/exec").exists();
        let path = if own { c"self/attr/apparmor/exec" } else { c"self/attr/exec" };
        return Ok(Some((path.into(), format!("exec {profile}").into_bytes())));
    }
    if let Some(label) = given(process.selinux_label()) {
        if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
            return Err(Error::invalid("process.selinuxLabel", format!("is {label:?}, but SELinux is not enabled on this host")));
        }
        return Ok(Some((c"self/attr/exec".into(), label.into_bytes())));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(linux: serde_json::Value, process: serde_json::Value, joining: bool) -> Result<Option<Box<Policy>>, String> {
        let spec = serde_json::from_value(json!({"ociVersion": "1.0.0", "linux": linux})).unwrap();
        let mut p = json!({"cwd": "/", "user": {"uid": 0, "gid": 0}});
        p.as_object_mut().unwrap().extend(process.as_object().unwrap().clone());
        Policy::plan(&spec, &serde_json::from_value(p).unwrap(), joining).map_err(|e| e.to_string())
    }

    #[test]
    fn a_config_without_them_has_no_policy() {
        assert_eq!(plan(json!({}), json!({}), false), Ok(None));
        // An affinity is an exec's.
        assert_eq!(plan(json!({}), json!({"execCPUAffinity": {"initial": "0"}}), false), Ok(None));
    }

    #[test]
    fn each_becomes_the_kernels_numbers() {
        let p = plan(
            json!({"personality": {"domain": "LINUX32"}}),
            json!({"ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 7}}),
            false,
        );
        let p = p.unwrap().unwrap();
        assert_eq!((p.personality, p.io_priority), (Some(8), Some(3 << 13 | 7)));
        let p = plan(
            json!({}),
            json!({"scheduler": {"policy": "SCHED_FIFO", "priority": 5, "flags": ["SCHED_RESET_ON_FORK"]}}),
            false,
        );
        let attr = p.unwrap().unwrap().scheduler.unwrap();
        assert_eq!((attr.size, attr.policy, attr.priority, attr.flags), (56, 1, 5, 1));
        let affinity = json!({"execCPUAffinity": {"initial": "0", "final": "0-1,64"}});
        let p = plan(json!({}), affinity, true).unwrap().unwrap();
        assert_eq!(p.cpus, Some(vec![3, 1]));
    }

    #[test]
    fn values_that_make_no_sense_are_named() {
        for (linux, process, want) in [
            (json!({}), json!({"scheduler": {"policy": "SCHED_FIFO"}}), "process.scheduler.priority: "),
            (json!({}), json!({"scheduler": {"policy": "SCHED_OTHER", "priority": 3}}), "process.scheduler.priority: "),
            (json!({}), json!({"scheduler": {"policy": "SCHED_OTHER", "nice": 40}}), "process.scheduler.nice: "),
            (json!({}), json!({"scheduler": {"policy": "SCHED_BATCH", "period": 4}}), "process.scheduler: "),
            (json!({}), json!({"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}), "process.ioPriority.priority: "),
            (json!({"personality": {"domain": "LINUX", "flags": ["X"]}}), json!({}), "linux.personality.flags: "),
            (json!({"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "1-0"}}), json!({}), "linux.memoryPolicy.nodes: "),
        ] {
            let got = plan(linux, process, true).or_else(|e| if e.is_empty() { Ok(None) } else { Err(e) });
            match got {
                Err(e) => assert!(e.starts_with(want), "{e}"),
                // A memory policy is the container's, not an exec's.
                Ok(_) => assert!(want.starts_with("linux.memoryPolicy")),
            }
        }
    }
}
