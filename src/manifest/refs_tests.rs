//! References to ConfigMaps, Secrets and the pod itself. Each table names the part of Kubernetes' documentation it holds to.

use super::*;
use crate::pod::spec::{LATE_POD_IP, LATE_POD_IPS};

const DATA: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\nimmutable: true\ndata: {level: debug, a.b: \"1\"}\n\
    binaryData: {bin: AAEC}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ntype: Opaque\n\
    data: {user: YWRtaW4=, raw: /w==}\nstringData: {pass: s3cret, user: root}\n";

fn env(container: &str) -> Vec<(String, String)> {
    one(&format!("{}{DATA}", pod("", container))).containers[0].env.clone()
}

fn pairs(env: &[(String, String)]) -> Vec<String> {
    env.iter().map(|(n, v)| format!("{n}={v}")).collect()
}

/// "Configure a Pod to Use a ConfigMap", "Distribute Credentials Securely Using Secrets": variables from data, behind the pod or
/// before it; stringData wins; envFrom comes first and env over it.
#[test]
fn variables_come_from_configmaps_and_secrets() {
    for (container, want) in [
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: conf, key: level}}}]", &["A=debug"][..]),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: user}}}]", &["A=root"]),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: none, optional: true}}}]", &[]),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: none, key: k, optional: true}}}, {name: B, value: b}]", &["B=b"]),
        ("envFrom: [{configMapRef: {name: conf}}]", &["a.b=1", "level=debug"]),
        ("envFrom: [{prefix: X_, configMapRef: {name: conf}}]", &["X_a.b=1", "X_level=debug"]),
        ("envFrom: [{secretRef: {name: none, optional: true}}]", &[]),
        (
            "envFrom: [{configMapRef: {name: conf}}]\nenv: [{name: level, value: info}, {name: B, value: \"$(a.b)$(level)\"}]",
            &["a.b=1", "level=info", "B=1info"],
        ),
        // A value from elsewhere is not looked into for variables, but others may name it.
        (
            "env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: pass}}}, {name: B, value: \"<$(A)>\"}]",
            &["A=s3cret", "B=<s3cret>"],
        ),
    ] {
        assert_eq!(pairs(&env(container)), want, "{container}");
    }
    let before = format!("{}{}", DATA.trim_start_matches("---\n"), "---\n");
    let text = before + &pod("", "envFrom: [{configMapRef: {name: conf}}]");
    assert_eq!(one(&text).containers[0].env.len(), 2);
    let files = [source(&pod("", "envFrom: [{configMapRef: {name: conf}}]")), source(DATA)];
    assert_eq!(load(&files, &options()).unwrap_or_else(|e| panic!("{e}")).pods.len(), 1);
}

/// "Downward API": every field that env may name.
#[test]
fn variables_come_from_the_pods_own_fields() {
    let text = |path: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ns, labels: {{app: web}}, annotations: {{x.io/Note: \"a b\"}}}}\n\
             spec:\n  containers:\n  - name: c\n    image: bundle:b\n    env: [{{name: A, valueFrom: {{fieldRef: {{fieldPath: \"{path}\"}}}}}}]\n    \
             args: [\"$(A)\"]\n"
        )
    };
    for (path, want) in [
        ("metadata.name", "p"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "00000000-0000-0000-0000-000000000000"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['x.io/Note']", "a b"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", LATE_POD_IP),
        ("status.podIPs", LATE_POD_IPS),
    ] {
        let c = &one(&text(path)).containers[0];
        assert_eq!((c.env[0].1.as_str(), c.args.as_ref().map(|a| a[0].as_str())), (want, Some(want)), "{path}");
    }
    for path in ["spec.nodeName", "status.hostIP"] {
        assert!(!one(&text(path)).containers[0].env[0].1.is_empty(), "{path}");
    }
    for path in ["metadata.labels", "status.phase", "metadata.labels[app]", "spec.containers[0].image", ""] {
        let got = problems(&text(path));
        assert!(got.iter().any(|p| p.contains("valueFrom.fieldRef.fieldPath")), "{path}: {got:?}");
    }
}

/// "Downward API", "Use Container fields": limits and requests in units of the divisor, rounded up; no limit is the host's amount.
#[test]
fn variables_come_from_a_containers_resources() {
    const R: &str = "resources: {requests: {cpu: 250m, memory: 65Mi}, limits: {cpu: 1500m, memory: 1.5Gi}}\n";
    let with = |reference: &str| format!("{R}env: [{{name: A, valueFrom: {{resourceFieldRef: {{{reference}}}}}}}]");
    for (reference, want) in [
        ("resource: limits.cpu", "2"),
        ("resource: limits.cpu, divisor: 1m", "1500"),
        ("resource: requests.cpu", "1"),
        ("resource: requests.cpu, divisor: 0", "1"),
        ("resource: requests.memory", "68157440"),
        ("resource: requests.memory, divisor: 1Mi", "65"),
        ("resource: limits.memory, divisor: 1Gi", "2"),
        ("containerName: c, resource: limits.memory, divisor: 1M", "1611"),
        ("resource: requests.ephemeral-storage", "0"),
    ] {
        assert_eq!(env(&with(reference))[0].1, want, "{reference}");
    }
    let none = env("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.memory}}}]");
    assert_eq!(none[0].1, (1u64 << 30).to_string());
    for (reference, want) in [
        ("resource: limits.gpu", "resourceFieldRef.resource: not a resource"),
        ("resource: cpu", "resourceFieldRef.resource: not a resource"),
        ("resource: limits.cpu, divisor: 10m", "divisor: not a unit of cpu (got \"10m\", want 1m or 1)"),
        ("resource: limits.memory, divisor: 1m", "divisor: not a unit of memory"),
        ("containerName: other, resource: limits.cpu", "containerName: not a container of this pod"),
    ] {
        let got = problems(&pod("", &with(reference)));
        assert!(got.iter().any(|p| p.contains(want)), "{reference}: {got:?}");
    }
}

/// What refers to nothing is said with its place, and nothing starts; a secret's value stands in no error.
#[test]
fn a_reference_to_nothing_is_an_error_with_its_place() {
    let key =
        |of: &str, name: &str, key: &str| format!("env: [{{name: A, valueFrom: {{{of}KeyRef: {{name: {name}, key: {key}}}}}}}]");
    for (container, want) in [
        (
            key("configMap", "none", "k"),
            "p.yaml:8:57: spec.containers[0].env[0].valueFrom.configMapKeyRef.name: no ConfigMap \"none\" in namespace default (want a \
             ConfigMap document in this or another -f file)",
        ),
        (key("secret", "conf", "level"), "secretKeyRef.name: no Secret \"conf\""),
        (key("secret", "keys", "none"), "secretKeyRef.key: no such key in Secret \"keys\" (got \"none\")"),
        (key("configMap", "conf", "bin"), "(got \"bin\"; binaryData is for volumes)"),
        (key("secret", "keys", "raw"), "the value of \"raw\" is not UTF-8"),
        (key("secret", "keys", "../x"), "secretKeyRef.key: not a valid key"),
        ("envFrom: [{secretRef: {name: none}}]".into(), "envFrom[0].secretRef.name: no Secret \"none\""),
        ("envFrom: [{prefix: x}]".into(), "envFrom[0]: names no source (want one of configMapRef or secretRef)"),
        (
            "envFrom: [{configMapRef: {name: conf}, secretRef: {name: keys}}]".into(),
            "names more than one source (got configMapRef and secretRef, want one)",
        ),
        ("env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]".into(), "may not stand beside a value"),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: conf}}}]".into(), "configMapKeyRef.key: missing"),
    ] {
        let got = problems(&format!("{}{DATA}", pod("", &container)));
        assert!(got.iter().any(|p| p.contains(want)), "{container}: {want}\n{got:#?}");
    }
    for (data, want) in [
        (
            "kind: Secret\nmetadata: {name: a}\ndata: {k: hunter2}",
            "data[k]: not base64 (want the value encoded; plain text goes into stringData)",
        ),
        ("kind: ConfigMap\nmetadata: {name: a}\ndata: {..data: x}", "data[..data]: not a valid key"),
        ("kind: ConfigMap\nmetadata: {name: a}\ndata: {../x: x}", "not a valid key"),
        ("kind: ConfigMap\nmetadata: {name: a}\ndata: {k: x}\nbinaryData: {k: AAEC}", "stands in data as well"),
        ("kind: ConfigMap\nmetadata: {name: a}\ndta: {}", "dta: unknown field (did you mean \"data\"?)"),
        ("kind: ConfigMap\nmetadata: {name: A_b}", "metadata.name: not a valid name"),
        ("kind: ConfigMap\nmetadata: {name: a}\ndata: {k: yes}", "data[k]: wrong type"),
        ("kind: ConfigMap\nmetadata: {name: conf}", "the ConfigMap default/conf stands at p.yaml:"),
    ] {
        let got = problems(&format!("{}{DATA}---\napiVersion: v1\n{data}\n", pod("", "")));
        assert!(got.iter().any(|p| p.contains(want)), "{data}: {want}\n{got:#?}");
        assert!(!got.iter().any(|p| p.contains("hunter2")), "{got:#?}");
    }
    assert_eq!(problems(DATA), ["p.yaml: there is no Pod (ConfigMaps and Secrets alone make nothing)"]);
    let elsewhere = DATA.replace("{name: conf}", "{name: conf, namespace: other}");
    assert!(!problems(&format!("{}{elsewhere}", pod("", "envFrom: [{configMapRef: {name: conf}}]"))).is_empty());
}

/// "Configure a Security Context for a Pod or Container": fsGroup and supplementalGroupsPolicy.
#[test]
fn groups_are_the_pods() {
    let spec = "securityContext: {fsGroup: 2000, fsGroupChangePolicy: OnRootMismatch, supplementalGroups: [5], supplementalGroupsPolicy: Strict}";
    let security = one(&pod(spec, "")).containers[0].security.clone();
    assert_eq!((security.fs_group, security.strict_groups, security.supplemental_groups), (Some(2000), true, vec![5]));
}

#[test]
fn a_secret_that_is_redacted_shows_nowhere() {
    let text = pod(
        "volumes: [{name: v, secret: {secretName: s}}]",
        "env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: B, value: x$(A)}]\ncommand: [sh, $(A)]\nenvFrom: [{secretRef: {name: s}}]\nvolumeMounts: [{name: v, mountPath: /v}]",
    ) + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: hunter2, l: more}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {k: open}\n";
    let shown = load(&[source(&text)], &Options { redact: true, ..options() }).unwrap_or_else(|e| panic!("{e}"));
    let spec = serde_json::to_string(&shown.pods[0].spec).unwrap_or_default();
    assert!(!spec.contains("hunter2") && !spec.contains("more"), "{spec}");
    assert!(spec.contains("x<redacted: 7 bytes>"), "{spec}");
    assert!(serde_json::to_string(&one(&text)).unwrap_or_default().contains("hunter2"));
}
