//! What may change in a pod that lives, and what follows from it: an image replaces its one container, resources change in the
//! kernel alone unless the container's resizePolicy asks for a restart, deadlines and grace periods are the machine's.
//!
//! Source: "Pods: Pod update and replacement"; "Resize CPU and Memory Resources assigned to Containers". The API's own rules about a
//! manifest's fields are its reader's to hold; here is what the running pod cannot follow.

use super::error::{Code, Error, Result};
use super::machine::{ContainerUpdate, Update};
use super::spec::{ContainerSpec, PodSpec};
use crate::cgroup::Limits;

/// A change that can be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub update: Update,
    /// Containers whose image is another one, by their place in [`PodSpec::all_containers`].
    pub images: Vec<usize>,
    /// Containers that get other limits, likewise.
    pub resized: Vec<usize>,
    pub pod_resized: bool,
}

impl Plan {
    /// # Errors
    /// FailedPrecondition with the field that cannot change.
    pub fn new(old: &PodSpec, new: &PodSpec) -> Result<Plan> {
        same_pod(old, new)?;
        let (mut images, mut resized, mut containers) = (Vec::new(), Vec::new(), Vec::new());
        let ephemeral = old.init_containers.len() + old.containers.len();
        for (slot, (a, b)) in old.all_containers().zip(new.all_containers()).enumerate().take(ephemeral) {
            same_container(a, b)?;
            let image = (&a.image, &a.bundle) != (&b.image, &b.bundle);
            let limits = (&a.limits, &a.soft_limits) != (&b.limits, &b.soft_limits);
            if image {
                images.push(slot);
            }
            if limits {
                resized.push(slot);
            }
            let restart = limits && resize_restarts(a, b);
            let replace = match (image, restart) {
                (true, _) => Some("definition changed".to_string()),
                (false, true) => Some("resize requires restart".to_string()),
                (false, false) => None,
            };
            containers.push(ContainerUpdate { name: b.name.clone(), image: b.image.clone(), replace });
        }
        let update =
            Update { grace_seconds: new.grace_seconds, active_deadline_seconds: new.active_deadline_seconds, containers };
        let pod_resized = (&old.limits, &old.soft_limits) != (&new.limits, &new.soft_limits);
        Ok(Plan { update, images, resized, pod_resized })
    }
}

/// Whether a change of limits ends the attempt that runs (containers[].resizePolicy).
fn resize_restarts(old: &ContainerSpec, new: &ContainerSpec) -> bool {
    let cpu = |l: &Limits| (l.cpu_weight, l.cpu_max);
    let cpu_changes = cpu(&old.limits) != cpu(&new.limits) || cpu(&old.soft_limits) != cpu(&new.soft_limits);
    let memory_changes = old.limits.memory_max != new.limits.memory_max;
    let policy = &new.life.resize_restarts;
    (policy.cpu && cpu_changes) || (policy.memory && memory_changes)
}

fn fixed(field: &str, why: &str) -> Error {
    let mut error = Error::new(Code::FailedPrecondition, format!("{field}: {why}"));
    error.field = field.into();
    error
}

fn same_pod(old: &PodSpec, new: &PodSpec) -> Result<()> {
    let names = |list: &[ContainerSpec]| list.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    for (field, same) in [
        ("metadata.name", (&old.namespace, &old.name) == (&new.namespace, &new.name)),
        ("spec", old.sandbox == new.sandbox),
        ("spec.restartPolicy", old.restart_policy == new.restart_policy),
        ("spec.initContainers", names(&old.init_containers) == names(&new.init_containers)),
        ("spec.containers", names(&old.containers) == names(&new.containers)),
        ("spec.readinessGates", old.readiness_gates == new.readiness_gates),
    ] {
        if !same {
            return Err(fixed(field, "cannot be changed in a pod that lives"));
        }
    }
    if old.qos != new.qos {
        return Err(fixed("spec.containers", "Pod QOS Class may not change as a result of resizing"));
    }
    if !old.volumes.iter().map(|v| &v.name).eq(new.volumes.iter().map(|v| &v.name)) {
        return Err(fixed("spec.volumes", "cannot be changed in a pod that lives"));
    }
    Ok(())
}

fn same_container(old: &ContainerSpec, new: &ContainerSpec) -> Result<()> {
    let field = |name: &str| format!("container {}: {name}", old.name);
    for (name, same) in [
        ("command", old.command == new.command),
        ("args", old.args == new.args),
        ("workingDir", old.working_dir == new.working_dir),
        ("securityContext", old.security == new.security),
        ("volumeMounts", old.mounts == new.mounts),
        ("restartPolicy", old.restart_policy == new.restart_policy),
        ("stdin", (old.stdin, old.stdin_once, old.tty) == (new.stdin, new.stdin_once, new.tty)),
        ("probes and lifecycle", old.life == new.life),
    ] {
        if !same {
            return Err(fixed(&field(name), "cannot be changed in a pod that lives"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::machine::tests::spec;
    use crate::pod::spec::RestartPolicy::Always;

    #[test]
    fn an_image_replaces_its_container_and_limits_change_in_place() {
        let old = spec(Always, "i", "a b");
        assert_eq!(Plan::new(&old, &old).map(|p| (p.images, p.resized, p.pod_resized)), Ok((vec![], vec![], false)));
        let mut new = old.clone();
        new.containers[1].image = "bundle:other".into();
        new.containers[0].limits.memory_max = Some(1 << 30);
        new.limits.memory_max = Some(1 << 30);
        new.grace_seconds = 5;
        let plan = Plan::new(&old, &new).expect("a change that can be made");
        assert_eq!((&plan.images[..], &plan.resized[..], plan.pod_resized), (&[2][..], &[1][..], true));
        let replaced: Vec<_> = plan.update.containers.iter().map(|c| c.replace.as_deref()).collect();
        assert_eq!((replaced, plan.update.grace_seconds), (vec![None, None, Some("definition changed")], 5));
    }

    #[test]
    fn a_resize_restarts_where_the_container_asks_for_it() {
        let mut old = spec(Always, "", "a");
        old.containers[0].life.resize_restarts.memory = true;
        let mut new = old.clone();
        new.containers[0].limits.cpu_max = Some((Some(50_000), 100_000));
        let why = |new: &PodSpec| Plan::new(&old, new).expect("it can").update.containers.remove(0).replace;
        assert_eq!(why(&new), None);
        new.containers[0].limits.memory_max = Some(1 << 30);
        assert_eq!(why(&new).as_deref(), Some("resize requires restart"));
    }

    #[test]
    fn what_the_running_pod_cannot_follow_is_refused_by_its_name() {
        let old = spec(Always, "", "a");
        type Change = fn(&mut PodSpec);
        let changes: [(&str, Change); 5] = [
            ("spec.restartPolicy", |s| s.restart_policy = crate::pod::spec::RestartPolicy::Never),
            ("spec.containers", |s| s.containers[0].name = "b".into()),
            ("container a: command", |s| s.containers[0].command = Some(vec!["x".into()])),
            ("container a: securityContext", |s| s.containers[0].security.privileged = true),
            ("spec.containers", |s| s.qos = crate::pod::spec::Qos::Burstable),
        ];
        for (field, change) in changes {
            let mut new = old.clone();
            change(&mut new);
            let error = Plan::new(&old, &new).expect_err(field);
            assert_eq!((error.field.as_str(), error.code), (field, Code::FailedPrecondition));
        }
    }
}
