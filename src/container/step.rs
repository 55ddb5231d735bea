//! The steps of a birth, as numbers on the child's report and as words in the parent's error.

use super::Plan;
use crate::identity;
use crate::rootfs::apply::Step as Root;

/// Where a birth failed. One byte on the wire: the file tree's steps are 1..=63, the identity's 64..=95, the rest from 96.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Root(Root),
    Identity(identity::Step),
    CloseRange,
    Session,
    Join,
    Unshare,
    Loopback,
    Hostname,
    Domainname,
    OwnProc,
    Sysctl,
    Stdio,
    Terminal,
    Cwd,
    Seccomp,
    Gate,
    Hook,
    Policy,
    Exec,
}

const IDENTITY: [identity::Step; 7] = [
    identity::Step::OomScoreAdj,
    identity::Step::Limits,
    identity::Step::Bounding,
    identity::Step::Ids,
    identity::Step::Caps,
    identity::Step::Ambient,
    identity::Step::NoNewPrivs,
];

const OWN: [Step; 17] = [
    Step::CloseRange,
    Step::Session,
    Step::Join,
    Step::Unshare,
    Step::Loopback,
    Step::Hostname,
    Step::Domainname,
    Step::OwnProc,
    Step::Sysctl,
    Step::Stdio,
    Step::Terminal,
    Step::Cwd,
    Step::Seccomp,
    Step::Gate,
    Step::Hook,
    Step::Policy,
    Step::Exec,
];

impl Step {
    pub fn number(self) -> u8 {
        match self {
            Step::Root(s) => s as u8,
            Step::Identity(s) => 64 + IDENTITY.iter().position(|x| *x == s).unwrap_or(0) as u8,
            own => 96 + OWN.iter().position(|x| *x == own).unwrap_or(0) as u8,
        }
    }

    pub fn from_number(n: u8) -> Option<Step> {
        match n {
            0..64 => Root::from_number(n).map(Step::Root),
            64..96 => IDENTITY.get(n as usize - 64).map(|s| Step::Identity(*s)),
            _ => OWN.get(n as usize - 96).copied(),
        }
    }

    /// The parent's words for it.
    pub fn words(self, plan: &Plan, item: u16) -> String {
        match self {
            Step::Root(s) => s.words(&plan.rootfs, item),
            Step::Identity(s) => s.words(item as u8, &plan.process.identity),
            Step::CloseRange => "mark open files close-on-exec".into(),
            Step::Session => "start a session".into(),
            Step::Join => match plan.joins.get(item as usize) {
                Some(j) => format!("join {}", j.words),
                None => "join namespaces".into(),
            },
            Step::Unshare => match item {
                3 => "become root of the user namespace".into(),
                _ => "make namespaces".into(),
            },
            Step::Loopback => "bring lo up".into(),
            Step::Hostname => "set the hostname".into(),
            Step::Domainname => "set the domain name".into(),
            Step::OwnProc => "make a proc file system of its own".into(),
            Step::Sysctl => match plan.sysctls.get(item as usize) {
                Some(s) => format!("set sysctl {}", s.key),
                None => "set sysctls".into(),
            },
            Step::Stdio => "set up stdin, stdout and stderr".into(),
            Step::Terminal => "set the controlling terminal".into(),
            Step::Cwd => format!("change to process.cwd {}", plan.process.cwd.to_string_lossy()),
            Step::Seccomp => "load the seccomp filter".into(),
            Step::Gate => "wait at the start gate".into(),
            Step::Hook => "wait for hooks".into(),
            Step::Policy => super::policy::words(item),
            Step::Exec => {
                format!("exec {}", plan.process.argv.strings().first().map_or("".into(), |a| a.to_string_lossy().into_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_names_the_step_it_came_from() {
        let known: Vec<Step> = (0..=255).filter_map(Step::from_number).collect();
        assert_eq!(known.len(), 16 + IDENTITY.len() + OWN.len());
        for step in known {
            assert_eq!(Step::from_number(step.number()), Some(step));
        }
    }
}
