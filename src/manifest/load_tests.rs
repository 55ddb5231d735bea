use super::*;
use crate::pod::spec::{Qos, RestartPolicy, Seccomp};
use std::path::PathBuf;

fn options() -> Options {
    Options { host_memory: Some(1 << 30), fresh: Fresh::Fixed, ..Options::default() }
}

fn source(text: &str) -> Source {
    Source::Text { name: "p.yaml".to_owned(), text: text.to_owned(), folder: PathBuf::from("/m") }
}

fn loaded(text: &str) -> Manifests {
    load(&[source(text)], &options()).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn one(text: &str) -> PodSpec {
    loaded(text).pods.remove(0).spec
}

/// Every problem as it would be printed.
fn problems(text: &str) -> Vec<String> {
    match load(&[source(text)], &options()) {
        Ok(_) => Vec::new(),
        Err(Errors(problems)) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// A pod with the lines in its spec, and with those in its one container.
fn pod(spec: &str, container: &str) -> String {
    let indent = |text: &str, by: &str| text.lines().map(|l| format!("{by}{l}\n")).collect::<String>();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n{}  containers:\n  - name: c\n    image: bundle:./b\n{}",
        indent(spec, "  "),
        indent(container, "    ")
    )
}

const FULL: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: web.example
  namespace: shop
  labels: {app: web, empty: }
  annotations:
    podrt.io/rootfs: direct
    podrt.io/io.max: "8:0 rbps=1048576; 8:16 wiops=max"
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 5
  activeDeadlineSeconds: 600
  hostIPC: true
  shareProcessNamespace: true
  securityContext:
    runAsUser: 1000
    runAsNonRoot: true
    supplementalGroups: [5, 6]
    seccompProfile: {type: RuntimeDefault}
    sysctls:
    - {name: net.ipv4.ip_unprivileged_port_start, value: "0"}
  initContainers:
  - name: first
    image: bundle:first
  - name: side
    image: bundle:/abs/side
    restartPolicy: Always
  containers:
  - name: app
    image: bundle:./app
    command: [sh, -c, "echo $(GREETING) $$(NAME) $(NONE)"]
    args: ["$(NAME)"]
    workingDir: /srv
    env:
    - {name: NAME, value: pod}
    - {name: GREETING, value: "hello $(NAME)"}
    resources:
      requests: {cpu: 250m, memory: 64Mi}
      limits: {cpu: 0.5, memory: 128Mi}
    stdin: true
    tty: true
    securityContext:
      runAsUser: 0x3e9
      runAsGroup: 7
      capabilities: {add: [NET_ADMIN, CAP_SYS_TIME], drop: [all]}
      readOnlyRootFilesystem: yes
      allowPrivilegeEscalation: false
      seccompProfile: {type: Localhost, localhostProfile: sec/p.json}
"#;

#[test]
fn a_pod_is_lowered_field_by_field() {
    let spec = one(FULL);
    assert_eq!((spec.namespace.as_str(), spec.name.as_str()), ("shop", "web.example"));
    assert_eq!((spec.uid.as_str(), spec.created.as_str()), ("00000000-0000-0000-0000-000000000000", "1970-01-01T00:00:00Z"));
    assert_eq!(spec.restart_policy, RestartPolicy::OnFailure);
    assert_eq!((spec.grace_seconds, spec.active_deadline_seconds), (5, Some(600)));
    assert_eq!(spec.sandbox.hostname, "web.example");
    assert!(spec.sandbox.host_ipc && spec.sandbox.share_process_namespace && !spec.sandbox.host_network);
    assert_eq!(spec.sandbox.sysctls, [("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned())]);
    assert_eq!(spec.qos, Qos::Burstable);
    assert_eq!(spec.limits.io.len(), 2);
    let names: Vec<_> = spec.all_containers().map(|c| (c.name.as_str(), c.bundle.to_string_lossy().into_owned())).collect();
    assert_eq!(names, [("first", "/m/first".to_owned()), ("side", "/abs/side".to_owned()), ("app", "/m/app".to_owned())]);
    assert_eq!(spec.init_containers[1].restart_policy, Some(RestartPolicy::Always));
    assert_eq!(spec.init_containers[0].restart_policy, None);

    let app = &spec.containers[0];
    assert_eq!(app.command.as_deref().map(|c| c[2].as_str()), Some("echo hello pod $(NAME) $(NONE)"));
    assert_eq!(app.args.as_deref(), Some(&["pod".to_owned()][..]));
    assert_eq!(app.working_dir.as_deref(), Some("/srv"));
    assert_eq!(app.env[1], ("GREETING".to_owned(), "hello pod".to_owned()));
    assert!(app.stdin && app.tty && !app.stdin_once && app.rootfs_direct);
    assert_eq!(app.termination_message_path, "/dev/termination-log");
    let security = &app.security;
    assert_eq!((security.run_as_user, security.run_as_group, security.run_as_non_root), (Some(1001), Some(7), Some(true)));
    assert_eq!(security.supplemental_groups, [5, 6]);
    assert_eq!(security.add_capabilities, ["NET_ADMIN", "SYS_TIME"]);
    assert_eq!(security.drop_capabilities, ["ALL"]);
    assert_eq!((security.read_only_rootfs, security.allow_privilege_escalation), (Some(true), Some(false)));
    assert_eq!(security.seccomp, Some(Seccomp::Localhost(PathBuf::from("/m/sec/p.json"))));
    assert_eq!(spec.init_containers[0].security.seccomp, Some(Seccomp::RuntimeDefault));
    assert_eq!(app.limits.memory_max, Some(128 << 20));
    assert_eq!(app.limits.cpu_max, Some((Some(50_000), 100_000)));
}

#[test]
fn the_spec_survives_its_json() {
    let spec = one(FULL);
    let text = serde_json::to_string(&spec).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(serde_json::from_str::<PodSpec>(&text).unwrap_or_else(|e| panic!("{e}")), spec);
}

#[test]
fn json_is_read_as_yaml_is() {
    let json = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},
	"spec":{"containers":[{"name":"c","image":"bundle:./b"}]}}"#;
    assert_eq!(one(json), one(&pod("", "")));
}

#[test]
fn all_problems_of_a_file_come_at_once_each_with_its_place() {
    let got = problems(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: A_b\nspec:\n  restartPolicy: always\n  contaners: []\n  volumes: [{}]\n  containers:\n  \
         - name: c\n    image: nginx\n    tty: \"true\"\n  - image: bundle:x\n",
    );
    for want in [
        "p.yaml:4:9: metadata.name: not a valid pod name (got \"A_b\", want at most 253",
        "p.yaml:6:18: spec.restartPolicy: unsupported value (got \"always\", want Always, OnFailure or Never; did you mean Always?)",
        "p.yaml:7:3: spec.contaners: unknown field (did you mean \"containers\"?)",
        "p.yaml:8:3: spec.volumes: not supported yet by this version of podrt",
        "p.yaml:11:12: spec.containers[0].image: images other than bundles are not supported yet (got \"nginx\", want bundle:PATH)",
        "p.yaml:12:10: spec.containers[0].tty: wrong type (got the text \"true\", want true or false; without quotes)",
        "p.yaml:13:5: spec.containers[1].name: missing (want a text)",
    ] {
        assert!(got.iter().any(|p| p.starts_with(want)), "{want}\n{got:#?}");
    }
    assert_eq!(got.len(), 7, "{got:#?}");
    let mut lines: Vec<_> = got.iter().filter_map(|p| p.split(':').nth(1)?.parse::<u32>().ok()).collect();
    lines.dedup();
    assert!(lines.is_sorted());
}

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
        ("", "ports: [{containerPort: 1, hostPort: 1}]", "hostPort: not supported yet"),
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
        ("initContainers: [{name: i, image: \"\"}]", "", "initContainers[0].image: images other than bundles"),
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
        ("securityContext: {fsGroup: 1}", "", "fsGroup: not supported yet"),
        ("securityContext: {supplementalGroupsPolicy: Strict}", "", "supplementalGroupsPolicy: not supported yet"),
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
    for field in [
        "volumes: [{name: a}]",
        "hostAliases: [{ip: 1.2.3.4}]",
        "dnsConfig: {nameservers: [1.1.1.1]}",
        "subdomain: a",
        "readinessGates: [{conditionType: a}]",
        "schedulingGates: [{name: a}]",
        "ephemeralContainers: [{name: a}]",
        "setHostnameAsFQDN: true",
        "hostnameOverride: a",
        "resourceClaims: [{name: a}]",
    ] {
        let name = field.split(':').next().unwrap_or_default();
        let want = format!("p.yaml:5:3: spec.{name}: not supported yet by this version of podrt");
        assert_eq!(problems(&pod(field, "")), [want], "{field}");
    }
    for field in [
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
        "envFrom",
        "volumeMounts",
        "volumeDevices",
        "restartPolicyRules",
    ] {
        let value = if field.ends_with("Probe") || field == "lifecycle" { "{a: {b: c}}" } else { "[{name: a}]" };
        let want = format!("p.yaml:8:5: spec.containers[0].{field}: not supported yet by this version of podrt");
        assert_eq!(problems(&pod("", &format!("{field}: {value}"))), [want], "{field}");
    }
    let spec = "nodeSelector: {a: b}\ntolerations: [{operator: Exists}]\nserviceAccountName: me\npriorityClassName: high\nnodeName: n1\n\
        schedulerName: mine\nautomountServiceAccountToken: true\nimagePullSecrets: [{name: a}]\naffinity: {podAffinity: {}}";
    let warnings: Vec<_> = loaded(&pod(spec, "")).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 9, "{warnings:#?}");
    assert_eq!(warnings[0], "p.yaml:5:3: spec.nodeSelector: no effect: there is one host and no scheduler");
}

#[test]
fn what_a_cluster_adds_to_a_dump_passes_in_silence() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  creationTimestamp: null\n  uid: abc\n  resourceVersion: \"5\"\n  \
        managedFields: [{manager: x}]\nspec:\n  dnsPolicy: ClusterFirst\n  enableServiceLinks: true\n  preemptionPolicy: PreemptLowerPriority\n  \
        priority: 0\n  schedulerName: default-scheduler\n  serviceAccountName: default\n  serviceAccount: default\n  volumes: []\n  \
        securityContext: {}\n  hostUsers: true\n  setHostnameAsFQDN: false\n  containers:\n  - name: c\n    image: bundle:b\n    \
        imagePullPolicy: Always\n    resources: {}\n    env:\n    terminationMessagePolicy: File\nstatus: {phase: Running, x: [1]}\n";
    let loaded = loaded(text);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.pods[0].spec.uid, "00000000-0000-0000-0000-000000000000");
}

#[test]
fn unknown_fields_obey_validate() {
    let text = pod("contaners: []", "");
    let with = |validate| load(&[source(&text)], &Options { validate, ..options() });
    assert!(with(Validate::Strict).is_err());
    let warned = with(Validate::Warn).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(
        warned.warnings[0].to_string(),
        "p.yaml:5:3: spec.contaners: unknown field, ignored (did you mean \"containers\"?)"
    );
    assert!(with(Validate::Ignore).is_ok_and(|m| m.warnings.is_empty()));
    // Neither makes a security field of a later version pass.
    let later = pod("hostUsers: false", "");
    assert!(load(&[source(&later)], &Options { validate: Validate::Ignore, ..options() }).is_err());
}

#[test]
fn what_is_no_pod_is_said_to_be_none() {
    for (text, want) in [
        ("", "p.yaml: empty (want a Pod)"),
        ("\n# nothing\n---\n", "p.yaml: empty (want a Pod)"),
        ("- a\n", "p.yaml:1:1: not an object (got a list, want a mapping with apiVersion and kind)"),
        ("just text\n", "p.yaml:1:1: not an object (got the text \"just text\""),
        ("a: 1\n", "p.yaml:1:1: kind: missing (want Pod"),
        (
            "apiVersion: v1\nkind: Deployment\n",
            "p.yaml:2:7: kind: not supported yet by this version of podrt (got Deployment, want Pod)",
        ),
        (
            "apiVersion: v1\nkind: pod\n",
            "p.yaml:2:7: kind: unknown kind (got \"pod\", want Pod, List or PodList; did you mean Pod?)",
        ),
        ("apiVersion: v1\nkind: 1\n", "kind: unknown kind (got the number 1"),
        ("apiVersion: v2\nkind: List\nitems: []\n", "p.yaml:1:13: apiVersion: unsupported (got the text \"v2\", want v1)"),
        ("apiVersion: v1\nkind: List\n", "p.yaml:1:1: items: missing (want a list of objects)"),
        ("apiVersion: v1\nkind: List\nitems: [{kind: Pod}]\n", "p.yaml:3:9: items[0].apiVersion: missing (want v1)"),
        ("apiVersion: v1\nkind: List\nitems: [5]\n", "items[0].kind: missing"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {}\n", "p.yaml:4:7: spec.containers: missing (want a list)"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n", "spec.containers: missing (want a list)"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: ~\n", "spec: missing (want a mapping)"),
        (
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, image: \"bundle:b\"}]}\n",
            "metadata: missing (want a mapping)",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {containers: [{name: a, image: \"bundle:b\"}]}\n",
            "metadata: missing (want a mapping)",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {labels: {}}\nspec: {containers: [{name: a, image: \"bundle:b\"}]}\n",
            "metadata.name: missing (want a name",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [5]}\n",
            "spec.containers[0]: wrong type (got the number 5, want a mapping)",
        ),
        ("\u{feff}a: !!binary x\n", "the tag !!binary is not supported"),
    ] {
        let got = problems(text);
        assert!(got.iter().any(|p| p.starts_with(want) || p.contains(want)), "{text:?}: {want}\n{got:#?}");
        assert!(got.len() <= 3, "{text:?}\n{got:#?}");
    }
}

#[test]
fn metadata_obeys_kubernetes() {
    let with = |meta: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{{meta}}}\nspec: {{containers: [{{name: c, image: \"bundle:b\"}}]}}\n")
    };
    for (meta, want) in [
        ("name: A_b".to_owned(), "metadata.name: not a valid pod name"),
        ("name: ../x".to_owned(), "metadata.name: not a valid pod name"),
        ("name: \"a\\nb\"".to_owned(), "metadata.name: not a valid pod name"),
        ("name: \"a\\0b\"".to_owned(), "metadata.name: not a valid pod name (got \"a\\0b\""),
        (format!("name: {}", "a".repeat(254)), "metadata.name: not a valid pod name"),
        ("name: 5".to_owned(), "metadata.name: wrong type"),
        ("generateName: A-".to_owned(), "metadata.generateName: not a valid start"),
        ("name: p, namespace: a.b".to_owned(), "metadata.namespace: not a valid namespace"),
        ("name: p, labels: {-a: b}".to_owned(), "metadata.labels[-a]: not a valid label key"),
        ("name: p, labels: {a: b c}".to_owned(), "metadata.labels[a]: not a valid label value"),
        ("name: p, labels: {a: 1}".to_owned(), "metadata.labels[a]: wrong type (got the number 1, want a text; quote it)"),
        ("name: p, annotations: {a b: c}".to_owned(), "metadata.annotations[a b]: not a valid annotation key"),
        (format!("name: p, annotations: {{a: {}}}", "x".repeat(300_000)), "metadata.annotations: too long (got 300001 bytes"),
        (
            "name: p, annotations: {podrt.io/rootf: direct}".to_owned(),
            "unknown annotation of podrt's (did you mean \"podrt.io/rootfs\"?)",
        ),
        (
            "name: p, annotations: {podrt.io/rootfs: Direct}".to_owned(),
            "unsupported value (got \"Direct\", want overlay or direct)",
        ),
        ("name: p, annotations: {podrt.io/io.max: fast}".to_owned(), "not a list of io limits (device `fast`, want MAJOR:MINOR)"),
    ] {
        let got = problems(&with(&meta));
        assert!(got.len() == 1 && got[0].contains(want), "{meta}: {want}\n{got:#?}");
    }
    let long = one(&with(&format!("name: {}.x", "a".repeat(62))));
    assert_eq!(long.sandbox.hostname, "a".repeat(62));
    assert_eq!(one(&with("generateName: web-")).name, "web-bbbbb");
}

#[test]
fn several_documents_start_together_or_not_at_all() {
    let (a, b) = (pod("", ""), pod("", "").replace("name: p", "name: q"));
    let both = loaded(&format!("{a}---\n{b}"));
    assert_eq!(both.pods.iter().map(|p| (p.spec.name.as_str(), p.line)).collect::<Vec<_>>(), [("p", 1), ("q", 9)]);
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}- {}",
        a.replace('\n', "\n  ").trim_end_matches(' '),
        b.replace('\n', "\n  ").trim_end_matches(' ')
    );
    assert_eq!(loaded(&list).pods.len(), 2);
    let bad = problems(&list.replace("bundle:./b", "nginx"));
    assert_eq!(bad.len(), 2);
    assert!(bad[1].contains("items[1].spec.containers[0].image: images other"), "{bad:#?}");
    assert_eq!(problems(&format!("{a}---\n{b}---\nx: [\n")).len(), 1);
    let twice = problems(&format!("{a}---\n{a}"));
    assert_eq!(twice, ["p.yaml:9:1: metadata.name: the pod default/p stands at p.yaml:1 already"]);
}

#[test]
fn the_namespace_is_the_manifests_or_the_callers() {
    let text = pod("", "");
    let load =
        |text: &str, ns: Option<&str>| super::load(&[source(text)], &Options { namespace: ns.map(str::to_owned), ..options() });
    assert_eq!(one(&text).namespace, "default");
    assert!(load(&text, Some("shop")).is_ok_and(|m| m.pods[0].spec.namespace == "shop"));
    let own = text.replace("{name: p}", "{name: p, namespace: own}");
    let got = load(&own, Some("shop")).map(|_| ()).unwrap_err().to_string();
    assert_eq!(got, "p.yaml:3:32: metadata.namespace: the namespace is not that of -n (got \"own\", want \"shop\")");
    assert!(load(&own, Some("own")).is_ok());
}

#[test]
fn a_manifest_that_cannot_run_can_still_be_deleted() {
    let text = pod("volumes: [{name: a}]\nfoo: bar", "image: nginx").replace("    image: bundle:./b\n", "");
    let names = load_names(&[source(&text)], &options()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(names, [Name { namespace: "default".to_owned(), name: "p".to_owned() }]);
    for (meta, want) in
        [("{name: A_b}", "metadata.name: not a valid pod name"), ("{generateName: a}", "a generated name names no pod")]
    {
        let got = load_names(&[source(&text.replace("{name: p}", meta))], &options()).unwrap_err().to_string();
        assert!(got.contains(want), "{got}");
    }
}

#[test]
fn a_flood_of_errors_is_cut() {
    let many: String = (0..5000).map(|i| format!("x{i}: 1\n")).collect();
    assert_eq!(problems(&pod(&many, "")).len(), 100);
}

#[test]
fn a_port_named_twice_only_warns() {
    let warnings = loaded(&pod("", "ports: [{containerPort: 80}, {containerPort: 80}]")).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0]
            .to_string()
            .contains("spec.containers[0].ports[1]: port 80/TCP stands at spec.containers[0].ports[0] already")
    );
}
