//! What may change of a pod that is there. Source: Kubernetes, "Pod update and replacement".

use super::*;
use crate::manifest::{Fresh, Options, Source, load};
use serde_json::json;

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web, tier: front}}
spec:
  initContainers: [{name: i, image: 'example/i:1'}]
  containers:
  - {name: a, image: 'example/a:1', resources: {limits: {cpu: 1, memory: 64Mi}, requests: {cpu: 500m, memory: 64Mi}}}
  - {name: b, image: 'bundle:./b', env: [{name: A, value: x}]}
";

fn manifest(text: &str, folder: &str) -> Manifest {
    let source = Source::Text { name: "p.yaml".into(), text: text.to_owned(), folder: folder.into() };
    let options = Options { host_memory: Some(1 << 30), fresh: Fresh::Fixed, ..Options::default() };
    load(&[source], &options).unwrap_or_else(|e| panic!("{e}\n{text}")).pods.remove(0)
}

/// As `podrt apply` leaves it.
fn applied(text: &str) -> (Value, PodSpec) {
    let manifest = manifest(text, "/m");
    let mut pod = manifest.pod_json();
    remember(&mut pod, &manifest.asked);
    (pod, manifest.spec)
}

fn change(from: &str, to: &str) -> Update {
    let (old, spec) = applied(from);
    update(&old, &spec, &manifest(to, "/m"))
}

/// A change of one word of [`POD`].
fn word(from: &str, to: &str) -> Update {
    let new = POD.replace(from, to);
    assert_ne!(new, POD, "{from}");
    change(POD, &new)
}

#[test]
fn the_same_manifest_changes_nothing() {
    let update = change(POD, POD);
    assert_eq!((&update.changed, &update.forbidden, update.live), (&vec![], &vec![], false));
    assert_eq!(update.pod, applied(POD).0);
}

#[test]
fn what_may_change_is_named_and_what_runs_is_told() {
    for (from, to, want, live) in [
        ("tier: front", "tier: back", &["metadata.labels[tier]"][..], false),
        (", tier: front", "", &["metadata.labels[tier]"], false),
        ("name: web, ", "name: web, annotations: {a: b}, ", &["metadata.annotations[a]"], false),
        ("example/a:1", "example/a:2", &["spec.containers[0].image"], true),
        // The default of another tag is not the pod's.
        ("example/a:1", "example/a", &["spec.containers[0].image"], true),
        ("example/i:1", "example/i:2", &["spec.initContainers[0].image"], true),
        ("bundle:./b", "bundle:./c", &["spec.containers[1].image"], true),
        ("cpu: 500m", "cpu: 250m", &["spec.containers[0].resources"], true),
        ("spec:\n", "spec:\n  activeDeadlineSeconds: 60\n", &["spec.activeDeadlineSeconds"], true),
        ("spec:\n", "spec:\n  tolerations: [{operator: Exists}]\n", &["spec.tolerations"], false),
    ] {
        let update = word(from, to);
        assert!(update.forbidden.is_empty(), "{to}: {update:?}");
        assert_eq!((update.changed.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), update.live), (want, live), "{to}");
    }
}

#[test]
fn all_else_is_forbidden_in_kubernetes_words_with_the_field() {
    let only = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,";
    for (from, to, start, end) in [
        ("spec:\n", "spec:\n  restartPolicy: Never\n", only, "(changed: spec.restartPolicy)"),
        ("value: x", "value: z", only, "(changed: spec.containers[1].env[0].value)"),
        ("name: b,", "name: c,", only, "(changed: spec.containers[1].name)"),
        ("spec:\n", "spec:\n  terminationGracePeriodSeconds: 1\n", only, "(changed: spec.terminationGracePeriodSeconds)"),
        (
            "  initContainers: [{name: i, image: 'example/i:1'}]\n",
            "",
            "spec.initContainers: Forbidden: pod updates may not add or remove containers",
            "",
        ),
        ("cpu: 500m", "cpu: 1", "metadata: Invalid value: \"", "Pod QOS Class may not change as a result of resizing"),
    ] {
        // Both containers count for the class; the second asks for nothing.
        let from_pod = if end.contains("QOS") {
            POD.replace("  - {name: b, image: 'bundle:./b', env: [{name: A, value: x}]}\n", "")
                .replace("initContainers: [{name: i, image: 'example/i:1'}]", "restartPolicy: Always")
        } else {
            POD.to_owned()
        };
        let update = change(&from_pod, &from_pod.replace(from, to));
        assert_eq!(update.forbidden.len(), 1, "{to}: {update:?}");
        assert!(update.forbidden[0].starts_with(start) && update.forbidden[0].ends_with(end), "{to}: {:?}", update.forbidden);
    }
    for (was, is, want) in [
        (
            "activeDeadlineSeconds: 60",
            "activeDeadlineSeconds: 61",
            "spec.activeDeadlineSeconds: Invalid value: 61: must be less than or equal to previous value",
        ),
        (
            "activeDeadlineSeconds: 60",
            "restartPolicy: Always",
            "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
        ),
        (
            "tolerations: [{key: a}]",
            "tolerations: [{key: b}]",
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ),
        (
            "tolerations: [{key: a}]",
            "restartPolicy: Always",
            "spec.tolerations: Forbidden: existing toleration can not be modified",
        ),
    ] {
        let with = |line: &str| POD.replace("spec:\n", &format!("spec:\n  {line}\n"));
        let update = change(&with(was), &with(is));
        assert!(update.forbidden.len() == 1 && update.forbidden[0].starts_with(want), "{is}: {update:?}");
    }
    let shorter = |n: u32| POD.replace("spec:\n", &format!("spec:\n  activeDeadlineSeconds: {n}\n"));
    assert_eq!(change(&shorter(60), &shorter(30)).changed, ["spec.activeDeadlineSeconds"]);
}

/// Somebody else's label stays, one's own that was taken out of the manifest goes.
#[test]
fn labels_are_merged_three_ways() {
    let (mut old, spec) = applied(POD);
    old["metadata"]["labels"]["by-hand"] = json!("yes");
    let new = manifest(&POD.replace(", tier: front", ""), "/m");
    let update = update(&old, &spec, &new);
    assert_eq!(update.pod["metadata"]["labels"], json!({"app": "web", "by-hand": "yes"}));
    assert_eq!(update.changed, ["metadata.labels[tier]"]);
    let last = update.pod["metadata"]["annotations"][LAST_APPLIED].as_str().expect("what was applied last");
    assert!(last.ends_with("}\n") && !last.contains("tier") && !last.contains("uid"), "{last}");
    // uid and creation stay the pod's own.
    assert_eq!(update.pod["metadata"]["uid"], old["metadata"]["uid"]);
}

#[test]
fn a_bundle_elsewhere_and_other_data_in_volumes_are_changes() {
    let (old, spec) = applied(POD);
    assert_eq!(update(&old, &spec, &manifest(POD, "/elsewhere")).changed, ["spec.containers[1].image"]);
    let with = |value: &str| {
        let data = format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{k: {value}}}\n");
        POD.replace("spec:\n", "spec:\n  volumes: [{name: v, configMap: {name: m}}]\n") + &data
    };
    let update = change(&with("one"), &with("two"));
    assert_eq!((update.changed, update.live), (vec!["spec.volumes[0]".to_owned()], true));
    // A variable's value is read when its container starts.
    let with = |value: &str| {
        let data = format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{k: {value}}}\n");
        POD.replace("value: x", "valueFrom: {configMapKeyRef: {name: m, key: k}}") + &data
    };
    assert!(change(&with("one"), &with("two")).changed.is_empty());
}
