use super::*;
use crate::pod::spec::{Qos, RestartPolicy, Seccomp};
use std::path::PathBuf;

#[path = "faults_tests.rs"]
mod faults;
#[path = "life_tests.rs"]
mod life;
#[path = "refs_tests.rs"]
mod refs;
#[path = "volumes_tests.rs"]
mod volumes;

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
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: A_b\nspec:\n  restartPolicy: always\n  contaners: []\n  hostnameOverride: x\n  containers:\n  \
         - name: c\n    image: Nginx\n    tty: \"true\"\n  - image: bundle:x\n",
    );
    for want in [
        "p.yaml:4:9: metadata.name: not a valid pod name (got \"A_b\", want at most 253",
        "p.yaml:6:18: spec.restartPolicy: unsupported value (got \"always\", want Always, OnFailure or Never; did you mean Always?)",
        "p.yaml:7:3: spec.contaners: unknown field (did you mean \"containers\"?)",
        "p.yaml:8:3: spec.hostnameOverride: not supported yet by this version of podrt",
        "p.yaml:11:12: spec.containers[0].image: not an image (got \"Nginx\", want bundle:PATH, or an image name such as",
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
            "p.yaml:2:7: kind: unknown kind (got \"pod\", want Pod, ConfigMap, Secret, List or PodList; did you mean Pod?)",
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
    let bad = problems(&list.replace("bundle:./b", "Nginx"));
    assert_eq!(bad.len(), 2);
    assert!(bad[1].contains("items[1].spec.containers[0].image: not an image"), "{bad:#?}");
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
