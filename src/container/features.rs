//! What this runtime can do, in the runtime-spec's own form (features.md, features-linux.md), from the tables that the code
//! itself goes by.

use super::{namespaces, policy, validate};
use crate::identity::caps;
use crate::rootfs::options;
use crate::seccomp;
use serde_json::{Value, json};

/// The oldest and the newest runtime-spec whose config.json is understood.
const OLDEST: &str = "1.0.0";
const NEWEST: &str = "1.3.0";

/// The features object.
pub fn features() -> Value {
    let mut mount_options = options::names();
    mount_options.sort_unstable();
    let has = |field: &str| !validate::refuses(field);
    json!({
        "ociVersionMin": OLDEST,
        "ociVersionMax": NEWEST,
        "hooks": super::HOOKS,
        "mountOptions": mount_options,
        "linux": {
            "namespaces": namespaces::KINDS.iter().map(|(kind, _)| json!(kind)).collect::<Vec<_>>(),
            "capabilities": caps::names(caps::all()),
            "cgroup": {"v1": false, "v2": true, "systemd": false, "systemdUser": false, "rdma": true},
            "seccomp": {
                "enabled": true,
                "actions": seccomp::ACTIONS.map(|a| json!(a)),
                "operators": seccomp::OPERATORS.map(|o| json!(o)),
                "archs": seccomp::ARCHES.map(|a| json!(a)),
                "knownFlags": seccomp::FLAGS.map(|f| json!(f)),
                "supportedFlags": seccomp::FLAGS.map(|f| json!(f)),
            },
            "apparmor": {"enabled": has("process.apparmorProfile")},
            "selinux": {"enabled": has("process.selinuxLabel")},
            "intelRdt": {"enabled": has("linux.intelRdt")},
            "memoryPolicy": {"modes": policy::MODES.map(|(mode, _)| json!(mode)), "flags": policy::MEMORY_FLAGS.map(|(flag, _)| json!(flag))},
            "mountExtensions": {"idmap": {"enabled": true}},
            "netDevices": {"enabled": has("linux.netDevices")},
        },
        "annotations": {"io.github.seccomp.libseccomp.version": seccomp::library_version()},
        "potentiallyUnsafeConfigAnnotations": [],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_what_the_specification_types() {
        let typed: oci_spec::runtime::Features = serde_json::from_value(features()).unwrap();
        assert!(typed.mount_options().as_ref().unwrap().contains(&"rbind".to_string()));
    }
}
