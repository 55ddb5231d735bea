//! `podrt apply`: idempotent; what may change is changed in place, what may not is refused in Kubernetes' own words.

mod support;

use serde_json::Value;
use std::fs;
use support::pod::*;
use support::{Out, Test};

/// A pod whose container sleeps; `meta` inside metadata, `spec` and `more` as lines of the spec and of the container.
fn text(name: &str, meta: &str, spec: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}{meta}}}\nspec:\n  terminationGracePeriodSeconds: 1\n{spec}  containers:\n  - name: c\n    image: {}\n    command: [/bin/payload, reap]\n{more}",
        image("shell")
    )
}

fn apply(t: &Test, file: &str, more: &[&str]) -> Out {
    t.podrt([&["apply", "-f", file], more].concat()).run()
}

fn path(t: &Test, name: &str, text: String) -> String {
    t.write(name, text).to_str().expect("UTF-8").to_owned()
}

/// What must not change when nothing that runs does: uid, and the container's id.
fn identity(t: &Test, pod: &str) -> (Value, Value) {
    let pod = get(t, pod);
    (pod["metadata"]["uid"].clone(), status_of(&pod, "c")["containerID"].clone())
}

fn an_apply_creates_then_changes_nothing_then_changes_labels_in_place(t: &Test) {
    let file = path(t, "web.yaml", text("web", ", labels: {app: web, tier: front}", "", ""));
    assert_eq!(apply(t, &file, &["--wait=ready"]).ok().stdout, "pod/web created\n");
    let before = identity(t, "web");
    assert_eq!(apply(t, &file, &[]).ok().stdout, "pod/web unchanged\n");
    // A label changed, one added, one taken away; an annotation.
    path(t, "web.yaml", text("web", ", labels: {app: shop, new: \"1\"}, annotations: {note: hello}", "", ""));
    assert_eq!(apply(t, &file, &["--wait=ready"]).ok().stdout, "pod/web configured\n");
    let pod = get(t, "web");
    assert_eq!(pod["metadata"]["labels"], serde_json::json!({"app": "shop", "new": "1"}));
    assert_eq!(pod["metadata"]["annotations"]["note"], "hello");
    assert_eq!(t.podrt(["get", "pods", "-l", "app=shop", "-o", "name"]).run().ok().stdout, "pod/web\n");
    assert_eq!(apply(t, &file, &[]).ok().stdout, "pod/web unchanged\n");
    // Tolerations may come, and are no reason for a new pod either.
    path(t, "web.yaml", text("web", ", labels: {app: shop}", "  tolerations: [{key: a, operator: Exists}]\n", ""));
    assert_eq!(apply(t, &file, &[]).ok().stdout, "pod/web configured\n");
    assert_eq!(get(t, "web")["metadata"]["generation"], 2);
    assert_eq!(identity(t, "web"), before);
    // What is printed can be applied again.
    let printed = t.podrt(["get", "pod", "web", "-o", "yaml"]).run().ok().stdout;
    let again = t.podrt(["apply", "-f", "-"]).input(printed).run().ok();
    assert_eq!(again.stdout, "pod/web unchanged\n");
    let last = get(t, "web")["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].clone();
    let last: Value = serde_json::from_str(last.as_str().expect("what was applied")).expect("JSON");
    assert_eq!([&last["kind"], &last["metadata"]["namespace"], &last["metadata"]["labels"]["app"]], ["Pod", "default", "shop"]);
    delete(t, "web");
}

fn what_may_not_change_is_refused_in_kubernetes_words_and_replace_recreates(t: &Test) {
    let file = path(t, "web.yaml", text("web", "", "  activeDeadlineSeconds: 600\n", ""));
    apply(t, &file, &["--wait=ready"]).ok();
    let before = identity(t, "web");
    let only =
        "The Pod \"web\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`";
    for (new, words) in [
        (
            text("web", "", "  activeDeadlineSeconds: 600\n", "    env: [{name: A, value: b}]\n"),
            &[only, "(changed: spec.containers[0].env)"][..],
        ),
        (text("web", "", "  activeDeadlineSeconds: 600\n  hostname: other\n", ""), &[only, "(changed: spec.hostname)"]),
        (
            text("web", "", "  activeDeadlineSeconds: 601\n", ""),
            &["spec.activeDeadlineSeconds: Invalid value: 601: must be less than or equal to previous value"],
        ),
        (
            text("web", "", "", ""),
            &["spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"],
        ),
        (
            text("web", "", "  activeDeadlineSeconds: 600\n", "")
                .replace("  - name: c\n", &format!("  - {{name: d, image: '{}'}}\n  - name: c\n", image("app"))),
            &["spec.containers: Forbidden: pod updates may not add or remove containers"],
        ),
    ] {
        path(t, "web.yaml", new);
        let out = apply(t, &file, &[]).exits(1).refuses(words);
        assert!(out.stdout.is_empty() && out.stderr.contains("--replace"), "{out}");
        assert_eq!(identity(t, "web"), before);
    }
    path(t, "web.yaml", text("web", "", "  hostname: other\n", ""));
    assert_eq!(apply(t, &file, &["--replace", "--wait=ready"]).ok().stdout, "pod/web created\n");
    assert_ne!(identity(t, "web").0, before.0);
    assert_eq!(t.podrt(["exec", "web", "--", "hostname"]).run().ok().stdout, "other\n");
    delete(t, "web");
}

fn of_several_pods_none_changes_where_one_may_not(t: &Test) {
    let both = |label: &str, hostname: &str| {
        format!("{}---\n{}", text("a", &format!(", labels: {{x: {label}}}"), "", ""), text("b", "", hostname, ""))
    };
    let file = path(t, "both.yaml", both("one", ""));
    apply(t, &file, &[]).ok();
    path(t, "both.yaml", format!("{}---\n{}", both("two", "  hostname: other\n"), text("c", "", "", "")));
    apply(t, &file, &[]).exits(1).refuses(&["The Pod \"b\" is invalid"]);
    assert_eq!(get(t, "a")["metadata"]["labels"]["x"], "one");
    assert_eq!(t.podrt(["get", "pods", "-o", "name"]).run().ok().stdout, "pod/a\npod/b\n");
    delete_all(t);
}

fn prune_deletes_what_was_applied_from_the_folder_and_is_no_longer_there(t: &Test) {
    for name in ["a", "b"] {
        path(t, &format!("m/{name}.yaml"), text(name, ", labels: {app: m}", "", ""));
    }
    let elsewhere = path(t, "elsewhere.yaml", text("other", ", labels: {app: m}", "", ""));
    let by_hand = path(t, "by-hand.yaml", text("made", ", labels: {app: m}", "", ""));
    let folder = t.path("m");
    let folder = folder.to_str().expect("UTF-8");
    apply(t, folder, &[]).ok();
    apply(t, &elsewhere, &[]).ok();
    create(t, &by_hand, "created").ok();
    fs::remove_file(t.path("m/b.yaml")).expect("a file");
    let names = || t.podrt(["get", "pods", "-o", "name"]).run().ok().stdout;
    assert_eq!(apply(t, folder, &["--prune", "--dry-run"]).ok().stdout, "pod/a unchanged (dry run)\npod/b pruned (dry run)\n");
    assert_eq!(names(), "pod/a\npod/b\npod/made\npod/other\n");
    assert_eq!(apply(t, folder, &["--prune"]).ok().stdout, "pod/a unchanged\npod/b pruned\n");
    assert_eq!(names(), "pod/a\npod/made\npod/other\n");
    // By label it is whatever was ever applied; what was made otherwise is nobody's.
    assert_eq!(apply(t, folder, &["--prune", "-l", "app=m"]).ok().stdout, "pod/a unchanged\npod/other pruned\n");
    assert_eq!(names(), "pod/a\npod/made\n");
    delete_all(t);
}

fn a_dry_run_says_what_would_be_and_does_nothing(t: &Test) {
    let file = path(t, "web.yaml", text("web", "", "", ""));
    assert_eq!(t.podrt(["create", "-f", &file, "--dry-run=client"]).run().ok().stdout, "pod/web created (dry run)\n");
    assert_eq!(apply(t, &file, &["--dry-run"]).ok().stdout, "pod/web created (dry run)\n");
    let yaml = t.podrt(["create", "-f", &file, "--dry-run=client", "-o", "yaml"]).run().ok().stdout;
    assert!(yaml.contains("restartPolicy: Always") && yaml.contains("terminationMessagePath: /dev/termination-log"), "{yaml}");
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
    // It is a manifest.
    assert_eq!(t.podrt(["create", "-f", "-"]).input(yaml).run().ok().stdout, "pod/web created\n");
    assert_eq!(apply(t, &file, &["--dry-run"]).ok().stdout, "pod/web unchanged (dry run)\n");
    path(t, "web.yaml", text("web", ", labels: {a: b}", "", ""));
    assert_eq!(apply(t, &file, &["--dry-run"]).ok().stdout, "pod/web configured (dry run)\n");
    assert!(get(t, "web")["metadata"]["labels"].is_null());
    delete(t, "web");
}

/// A pod of two containers that share a volume; `image` is the first one's.
fn two(first: &str, more: &str) -> String {
    let second = image("shell");
    let mount = "volumeMounts: [{name: v, mountPath: /v}]";
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: two}}\nspec:\n  terminationGracePeriodSeconds: 1\n{more}  volumes: [{{name: v, emptyDir: {{}}}}]\n  containers:\n  - {{name: c, image: '{first}', command: [/bin/payload, reap], {mount}}}\n  - {{name: d, image: '{second}', command: [/bin/payload, reap], {mount}}}\n"
    )
}

fn a_new_image_replaces_one_container_and_keeps_the_network_and_the_volumes(t: &Test) {
    let file = path(t, "two.yaml", two(&image("shell"), ""));
    apply(t, &file, &["--wait=ready"]).ok();
    t.podrt(["exec", "two", "-c", "c", "--", "sh", "-c", "echo kept > /v/file"]).run().ok();
    let before = get(t, "two");
    let id = |pod: &Value, name: &str| status_of(pod, name)["containerID"].clone();
    let net = namespace(first_pid(t, "two", "d"), "net");
    path(t, "two.yaml", two(&image("app"), ""));
    assert_eq!(apply(t, &file, &[]).ok().stdout, "pod/two configured\n");
    let after = t.eventually("the new container runs", 15, || {
        let pod = get(t, "two");
        let new = id(&pod, "c") != id(&before, "c") && status_of(&pod, "c")["state"]["running"].is_object();
        (new && pod["status"]["phase"] == "Running").then_some(pod)
    });
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(id(&after, "d"), id(&before, "d"));
    assert_eq!([&status_of(&after, "c")["restartCount"], &status_of(&after, "d")["restartCount"]], [1, 0]);
    assert_eq!(after["spec"]["containers"][0]["image"], image("app"));
    assert_eq!(namespace(first_pid(t, "two", "c"), "net"), net);
    assert_eq!(t.podrt(["exec", "two", "-c", "c", "--", "cat", "/v/file"]).run().ok().stdout, "kept\n");
    assert_eq!(apply(t, &file, &[]).ok().stdout, "pod/two unchanged\n");
    delete(t, "two");
}

fn a_deadline_comes_into_force_in_a_pod_that_runs(t: &Test) {
    let file = path(t, "two.yaml", two(&image("shell"), ""));
    apply(t, &file, &["--wait=ready"]).ok();
    path(t, "two.yaml", two(&image("shell"), "  activeDeadlineSeconds: 1\n"));
    assert_eq!(apply(t, &file, &[]).ok().stdout, "pod/two configured\n");
    wait_phase(t, "two", "Failed");
    assert_eq!(get(t, "two")["status"]["reason"], "DeadlineExceeded");
    delete(t, "two");
}

/// "Mounted ConfigMaps are updated automatically": all files of a volume at once, and nothing is started again.
fn other_data_reaches_the_volumes_of_a_pod_that_runs_all_at_once(t: &Test) {
    let with = |value: &str, label: &str| {
        let volumes = "  volumes:\n  - {name: v, configMap: {name: m}}\n  - {name: l, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}\n";
        let mounts = "    volumeMounts: [{name: v, mountPath: /v}, {name: l, mountPath: /l}]\n";
        let data = format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{one: {value}, two: {value}}}\n");
        text("web", &format!(", labels: {{x: {label}}}"), volumes, mounts) + &data
    };
    let file = path(t, "web.yaml", with("old", "old"));
    apply(t, &file, &["--wait=ready"]).ok();
    let before = identity(t, "web");
    // One that reads all the time sees both files of one version.
    let read = "cd /v/..data && cat one two | tr '\\n' ' '";
    assert_eq!(t.podrt(["exec", "web", "--", "sh", "-c", read]).run().ok().stdout, "oldold");
    path(t, "web.yaml", with("new", "new"));
    assert_eq!(apply(t, &file, &[]).ok().stdout, "pod/web configured\n");
    assert_eq!(t.podrt(["exec", "web", "--", "sh", "-c", read]).run().ok().stdout, "newnew");
    assert_eq!(t.podrt(["exec", "web", "--", "cat", "/v/one"]).run().ok().stdout, "new");
    assert_eq!(t.podrt(["exec", "web", "--", "cat", "/l/labels"]).run().ok().stdout, "x=\"new\"");
    assert_eq!(identity(t, "web"), before);
    assert_eq!(apply(t, &file, &[]).ok().stdout, "pod/web unchanged\n");
    delete(t, "web");
}

suite!(
    an_apply_creates_then_changes_nothing_then_changes_labels_in_place,
    what_may_not_change_is_refused_in_kubernetes_words_and_replace_recreates,
    of_several_pods_none_changes_where_one_may_not,
    prune_deletes_what_was_applied_from_the_folder_and_is_no_longer_there,
    a_dry_run_says_what_would_be_and_does_nothing,
    a_new_image_replaces_one_container_and_keeps_the_network_and_the_volumes,
    a_deadline_comes_into_force_in_a_pod_that_runs,
    other_data_reaches_the_volumes_of_a_pod_that_runs_all_at_once,
);
