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
