//! Manifests with one fault each, and what is said of it.

use super::*;

/// A fault: lines of the spec, lines of the container, and what the error says (from the field on).
type Fault = (&'static str, &'static str, &'static str);

fn refused(faults: &[Fault]) {
    for (spec, container, want) in faults {
        let text = pod(spec, container);
        let got = problems(&text);
        assert!(got.len() == 1 && got[0].contains(want), "{want}\n{got:#?}\n{text}");
    }
}

#[test]
fn wrong_types_are_refused_with_what_was_got_and_wanted() {
    refused(&[
        (
            "",
            "env: [{name: A, value: yes}]",
            "8:28: spec.containers[0].env[0].value: wrong type (got the boolean yes, want a text; quote it)",
        ),
        ("", "env: [{name: A, value: 1}]", "env[0].value: wrong type (got the number 1, want a text; quote it)"),
        ("", "env: {A: b}", "env: wrong type (got a mapping, want a list; each item starts with \"- \")"),
        ("", "command: sh -c x", "command: wrong type (got the text \"sh -c x\", want a list)"),
        ("", "args: [1]", "args[0]: wrong type (got the number 1"),
        ("", "args: [~]", "args[0]: wrong type (got nothing"),
        (
            "",
            "ports: [{containerPort: \"80\"}]",
            "containerPort: wrong type (got the text \"80\", want an integer of 32 bits; without quotes)",
        ),
        ("", "ports: [{containerPort: <integer>}]", "put a value in place of the placeholder"),
        ("", "ports: [{containerPort: 4294967296}]", "containerPort: out of range (got 4294967296"),
        ("", "ports: [{containerPort: 80.5}]", "containerPort: not an integer of 64 bits (got 80.5"),
        ("terminationGracePeriodSeconds: 9223372036854775808", "", "terminationGracePeriodSeconds: not an integer of 64 bits"),
        ("hostNetwork: \"yes\"", "", "hostNetwork: wrong type"),
        ("hostNetwork: 1", "", "hostNetwork: wrong type (got the number 1, want true or false)"),
        ("securityContext: [1]", "", "securityContext: wrong type (got a list, want a mapping)"),
        (
            "restartPolicy: always",
            "",
            "restartPolicy: unsupported value (got \"always\", want Always, OnFailure or Never; did you mean Always?)",
        ),
        ("restartPolicy: yes", "", "restartPolicy: wrong type (got the boolean yes"),
        (
            "topologySpreadConstraints: [{maxSkew: <integer>, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]",
            "",
            "maxSkew: wrong type",
        ),
        ("tolerations: [{operator: exists}]", "", "tolerations[0].operator: unsupported value (got \"exists\""),
        ("affinity: {nodeAffinty: {}}", "", "affinity.nodeAffinty: unknown field (did you mean \"nodeAffinity\"?)"),
    ]);
}

#[test]
fn names_ports_and_numbers_obey_kubernetes() {
    refused(&[
        ("hostname: A", "", "spec.hostname: not a valid hostname (got \"A\""),
        ("hostname: \"a\\nb\"", "", "spec.hostname: not a valid hostname (got \"a\\nb\""),
        ("terminationGracePeriodSeconds: -1", "", "out of range (got -1, want 0 to 2147483647)"),
        ("activeDeadlineSeconds: 0", "", "out of range (got 0, want 1 to 2147483647)"),
        ("shareProcessNamespace: true\nhostPID: true", "", "spec.shareProcessNamespace: cannot be true together"),
        ("", "ports: [{containerPort: 0}]", "containerPort: out of range (got 0, want 1 to 65535)"),
        ("", "ports: [{containerPort: 65536}]", "containerPort: out of range (got 65536"),
        ("", "ports: [{containerPort: 1, name: UPPER}]", "ports[0].name: not a valid port name"),
        (
            "",
            "ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]",
            "ports[1].name: duplicate port name (got \"a\", as spec.containers[0].ports[0].name)",
        ),
        ("", "ports: [{containerPort: 1, hostPort: 1, hostIP: x}]", "hostIP: not an IP address"),
        ("hostNetwork: true", "ports: [{containerPort: 1, hostPort: 2}]", "hostPort: must be the container's port"),
        (
            "hostNetwork: true",
            "ports: [{containerPort: 1}, {containerPort: 1}]",
            "ports[1].containerPort: the host's port 1/TCP is taken by spec.containers[0].ports[0]",
        ),
        ("", "env: [{name: A=B, value: x}]", "env[0].name: not a valid variable name"),
        ("", "env: [{name: \"\"}]", "env[0].name: not a valid variable name"),
        ("", "env: [{name: A, value: \"a\\0b\"}]", "env[0].value: holds a NUL character"),
        ("", "command: [\"a\\0\"]", "command[0]: holds a NUL"),
        ("", "command: [\"\"]", "command[0]: empty"),
        ("", "workingDir: srv", "workingDir: not an absolute path (got \"srv\")"),
        ("", "resources: {limits: {cpu: 2000000}}", "limits[cpu]: more processors"),
        ("os: {name: windows}", "", "spec.os.name: this is a Linux host"),
        (
            "initContainers: [{name: c, image: \"bundle:x\"}]",
            "",
            "spec.containers[0].name: duplicate container name (got \"c\", as spec.initContainers[0].name)",
        ),
        (
            "initContainers: [{name: \"\", image: \"bundle:x\"}]",
            "",
            "spec.initContainers[0].name: not a valid container name (got \"\"",
        ),
        ("initContainers: [{name: i, image: \"bundle:\"}]", "", "initContainers[0].image: not a path"),
        ("initContainers: [{name: i, image: \"bundle:a\\nb\"}]", "", "initContainers[0].image: not a path (got \"bundle:a\\nb\""),
        ("initContainers: [{name: i, image: \"\"}]", "", "initContainers[0].image: not an image (got \"\", want bundle:PATH"),
        ("initContainers: [{name: i, image: BusyBox}]", "", "initContainers[0].image: not an image (got \"BusyBox\""),
        ("initContainers: [{name: i, image: \"a/../b\"}]", "", "initContainers[0].image: not an image (got \"a/../b\""),
        (
            "initContainers: [{name: i, image: \"oci:./x\"}]",
            "",
            "initContainers[0].image: images of the kind oci: are not supported yet",
        ),
    ]);
}

#[test]
fn quantities_are_exact_or_refused() {
    let resources = |what: &str| format!("resources: {{{what}}}");
    for (what, want) in [
        ("limits: {memory: 100m}", "limits[memory]: not a whole number of bytes (got \"100m\"; did you mean 100Mi?)"),
        ("limits: {memory: -1}", "limits[memory]: must not be negative (got \"-1\")"),
        ("limits: {memory: 1.5gi}", "not a quantity (got \"1.5gi\", want such as 500m, 1.5 or 64Mi; did you mean 1.5Gi?)"),
        ("limits: {memory: 1 Gi}", "did you mean 1Gi?"),
        ("limits: {memory: 1KiB}", "did you mean 1Ki?"),
        ("limits: {memory: 0x10}", "not a quantity (got \"0x10\""),
        ("limits: {memory: \"0x10\"}", "not a quantity (got \"0x10\""),
        ("limits: {memory: 0644}", "not a quantity (got \"0644\""),
        ("limits: {memory: NaN}", "not a quantity (got \"NaN\""),
        ("limits: {memory: .nan}", "not a quantity (got \".nan\""),
        ("limits: {memory: .inf}", "not a quantity (got \".inf\""),
        ("limits: {memory: 9223372036854775808}", "too large a quantity"),
        ("limits: {memory: 1E30}", "too large a quantity"),
        ("limits: {memory: yes}", "wrong type (got the boolean yes, want a quantity"),
        ("limits: {memory: [1]}", "wrong type (got a list"),
        ("limits: {cpu: 1}, requests: {cpu: 1500m}", "requests[cpu]: more than the limit (got 1500m, want at most 1)"),
        ("limits: {gpu: 1}", "limits[gpu]: unknown resource"),
        ("limits: {ephemeral-storage: 1Gi}", "not supported yet"),
        ("limits: {hugepages-2x: 1}", "not a page size"),
        ("requests: {hugepages-2Mi: 2Mi}", "want a limit as well"),
        ("claims: [{name: a}]", "claims: not supported yet"),
    ] {
        let got = problems(&pod("", &resources(what)));
        assert!(got.len() == 1 && got[0].contains(want), "{what}: {want}\n{got:#?}");
    }
    for what in ["cpu: 100m", "cpu: 0.1", "cpu: 1e-1", "cpu: \"100m\""] {
        let spec = one(&pod("", &resources(&format!("limits: {{{what}}}"))));
        assert_eq!(spec.containers[0].limits.cpu_max, Some((Some(10_000), 100_000)), "{what}");
    }
    let spec = one(&pod("", &resources("limits: {cpu: 0.0001, memory: 1.5Gi}")));
    assert_eq!(spec.containers[0].limits.cpu_max, Some((Some(1_000), 100_000)));
    assert_eq!(spec.containers[0].limits.memory_max, Some(1_610_612_736));
}

#[test]
fn a_security_field_is_enforced_or_refused() {
    refused(&[
        ("", "securityContext: {runAsUser: 2147483648}", "runAsUser: out of range (got 2147483648, want 0 to 2147483647)"),
        ("", "securityContext: {runAsUser: -1}", "runAsUser: out of range (got -1"),
        ("", "securityContext: {runAsGroup: 4294967296}", "runAsGroup: out of range"),
        ("", "securityContext: {runAsUser: root}", "runAsUser: wrong type (got the text \"root\", want an integer)"),
        ("securityContext: {supplementalGroups: [1, 4294967295]}", "", "supplementalGroups[1]: out of range"),
        (
            "securityContext: {runAsNonRoot: true}",
            "securityContext: {runAsUser: 0}",
            "spec.containers[0].securityContext.runAsUser: runAsNonRoot is true (got 0",
        ),
        ("securityContext: {runAsNonRoot: true, runAsUser: 0}", "", "spec.securityContext.runAsUser: runAsNonRoot is true"),
        (
            "",
            "securityContext: {privileged: true, allowPrivilegeEscalation: false}",
            "allowPrivilegeEscalation: cannot be false while privileged",
        ),
        (
            "",
            "securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN]}}",
            "cannot be false while capabilities.add",
        ),
        (
            "",
            "securityContext: {capabilities: {add: [NET_ADMN]}}",
            "capabilities.add[0]: unknown capability (got \"NET_ADMN\", want one of capabilities(7) without CAP_; did you mean NET_ADMIN?)",
        ),
        ("", "securityContext: {capabilities: {drop: [BOGUS]}}", "capabilities.drop[0]: unknown capability"),
        ("", "securityContext: {seccompProfile: {type: Localhost}}", "localhostProfile: missing"),
        (
            "",
            "securityContext: {seccompProfile: {type: Localhost, localhostProfile: ../x}}",
            "localhostProfile: leaves the manifest's folder",
        ),
        (
            "",
            "securityContext: {seccompProfile: {type: Localhost, localhostProfile: /x}}",
            "localhostProfile: leaves the manifest's folder",
        ),
        (
            "",
            "securityContext: {seccompProfile: {type: RuntimeDefault, localhostProfile: x}}",
            "localhostProfile: only with type Localhost",
        ),
        ("", "securityContext: {seccompProfile: {type: runtime/default}}", "seccompProfile.type: unsupported value"),
        (
            "",
            "securityContext: {seccompProfile: {}}",
            "seccompProfile.type: missing (want RuntimeDefault, Unconfined or Localhost)",
        ),
        ("", "securityContext: {procMount: Unmasked}", "procMount: not supported yet"),
        ("", "securityContext: {appArmorProfile: {type: RuntimeDefault}}", "appArmorProfile: not supported yet"),
        ("", "securityContext: {seLinuxOptions: {level: s0}}", "seLinuxOptions: not supported yet"),
        ("", "securityContext: {windowsOptions: {hostProcess: true}}", "windowsOptions: not supported: this is a Linux host"),
        ("securityContext: {fsGroup: -1}", "", "fsGroup: out of range"),
        ("securityContext: {fsGroup: 4294967295}", "", "fsGroup: out of range"),
        ("securityContext: {fsGroupChangePolicy: Never}", "", "fsGroupChangePolicy: unsupported value"),
        ("securityContext: {supplementalGroupsPolicy: strict}", "", "did you mean Strict?"),
        ("hostUsers: false", "", "hostUsers: not supported yet"),
        ("runtimeClassName: kata", "", "runtimeClassName: not supported: podrt is the only runtime"),
    ]);
}

#[test]
fn sysctls_are_a_pods_own_and_safe() {
    let sysctl = |name: &str, value: &str| format!("securityContext: {{sysctls: [{{name: {name}, value: \"{value}\"}}]}}");
    for (spec, want) in [
        (sysctl("kernel.core_pattern", "|/x"), "belongs to the whole host"),
        (sysctl("vm.swappiness", "1"), "belongs to the whole host"),
        (sysctl("net.core.somaxconn", "1"), "unsafe sysctl (got \"net.core.somaxconn\", want a safe one, or --allowed-unsafe-sysctls)"),
        (sysctl("kernel.msgmax", "1"), "unsafe sysctl"),
        (sysctl("net.ipv4.ip_local_port_range/..", "1"), "not a valid sysctl name"),
        (sysctl("kernel.shm_rmid_forced", "1+kernel.core_pattern=|/x"), "value: not a sysctl's value"),
        (sysctl("kernel.shm_rmid_forced", "1\\n2"), "value: not a sysctl's value"),
        (format!("hostNetwork: true\n{}", sysctl("net.ipv4.tcp_syncookies", "1")), "not allowed in the host's network"),
        (format!("hostIPC: true\n{}", sysctl("kernel.shm_rmid_forced", "1")), "not allowed in the host's IPC namespace"),
        (
            "securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\"}, {name: net/ipv4/tcp_syncookies, value: \"0\"}]}".to_owned(),
            "sysctls[1].name: duplicate sysctl",
        ),
    ] {
        let got = problems(&pod(&spec, ""));
        assert!(got.iter().any(|p| p.contains(want)), "{spec}: {want}\n{got:#?}");
    }
    let text = pod(&sysctl("net.core.somaxconn", "1024"), "");
    let allowed = Options { allowed_unsafe_sysctls: vec!["net.core.*".to_owned()], ..options() };
    assert!(load(&[source(&text)], &allowed).is_ok());
    let ports = one(&pod(&sysctl("net/ipv4/ip_local_port_range", "1024 65535"), ""));
    assert_eq!(ports.sandbox.sysctls[0].0, "net.ipv4.ip_local_port_range");
}

#[test]
fn what_is_not_there_yet_is_refused_and_what_cannot_apply_is_warned() {
    for field in
        ["schedulingGates: [{name: a}]", "ephemeralContainers: [{name: a}]", "hostnameOverride: a", "resourceClaims: [{name: a}]"]
    {
        let name = field.split(':').next().unwrap_or_default();
        let want = format!("p.yaml:5:3: spec.{name}: not supported yet by this version of podrt");
        assert_eq!(problems(&pod(field, "")), [want], "{field}");
    }
    let want = "p.yaml:8:5: spec.containers[0].volumeDevices: not supported yet by this version of podrt";
    assert_eq!(problems(&pod("", "volumeDevices: [{name: a}]")), [want]);
    let spec = "nodeSelector: {a: b}\ntolerations: [{operator: Exists}]\nserviceAccountName: me\npriorityClassName: high\nnodeName: n1\n\
        schedulerName: mine\nautomountServiceAccountToken: true\nimagePullSecrets: [{name: a}]\naffinity: {podAffinity: {}}";
    let warnings: Vec<_> = loaded(&pod(spec, "")).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 9, "{warnings:#?}");
    for want in [
        "p.yaml:6:3: spec.tolerations: no effect: there is one host and no scheduler",
        "p.yaml:5:21: spec.nodeSelector[a]: this host has no such label (got \"b\"): the pod runs here all the same",
    ] {
        assert!(warnings.iter().any(|w| w == want), "{want}\n{warnings:#?}");
    }
}

/// "Assigning Pods to Nodes": what this host meets is no word, what it does not meet is one warning.
#[test]
fn scheduling_fields_are_held_against_the_one_host() {
    let node = crate::manifest::lower::downward::node_name();
    let arch = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let required = |term: &str| {
        format!("affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{term}]}}}}}}")
    };
    let expression = |key: &str, rest: &str| required(&format!("{{matchExpressions: [{{key: {key}, {rest}}}]}}"));
    for (spec, warns) in [
        (
            format!(
                "nodeSelector: {{kubernetes.io/os: linux, kubernetes.io/arch: {arch}, kubernetes.io/hostname: {node}, disk: ssd}}"
            ),
            "",
        ),
        (
            "nodeSelector: {kubernetes.io/os: windows}".to_owned(),
            "spec.nodeSelector[kubernetes.io/os]: this host has \"linux\" (got \"windows\")",
        ),
        ("nodeSelector: {disk: hdd}".to_owned(), "this host has \"ssd\" (got \"hdd\")"),
        (format!("nodeName: {node}"), ""),
        ("nodeName: elsewhere.example".to_owned(), "spec.nodeName: this host is"),
        (expression("disk", "operator: In, values: [hdd, ssd]"), ""),
        (expression("disk", "operator: NotIn, values: [ssd]"), "meets no term of it"),
        (expression("disk", "operator: Exists"), ""),
        (expression("gpu", "operator: DoesNotExist"), ""),
        (expression("gpu", "operator: Exists"), "meets no term of it"),
        (expression("cores", "operator: Gt, values: [\"7\"]"), ""),
        (expression("cores", "operator: Lt, values: [\"8\"]"), "meets no term of it"),
        (required(&format!("{{matchFields: [{{key: metadata.name, operator: In, values: [{node}]}}]}}")), ""),
        (required("{matchExpressions: [{key: gpu, operator: Exists}]}, {matchExpressions: [{key: disk, operator: Exists}]}"), ""),
        (required("{}"), "meets no term of it"),
    ] {
        let labels = [("disk", "ssd"), ("cores", "8")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let options = Options { node_labels: labels, ..options() };
        let found = load(&[source(&pod(&spec, ""))], &options).unwrap_or_else(|e| panic!("{spec}: {e}"));
        let warnings: Vec<_> = found.warnings.iter().map(ToString::to_string).collect();
        match warns {
            "" => assert!(warnings.is_empty(), "{spec}: {warnings:?}"),
            want => assert!(warnings.len() == 1 && warnings[0].contains(want), "{spec}: {warnings:?}"),
        }
    }
}
