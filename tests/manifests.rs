//! Manifests through podrt's command line: the field table told, and what files, folders and documents are read as.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use support::pod::*;
use support::{Run, Test, world};

const MANIFEST: i32 = 3;

/// A pod of one container that ends at once; `more` at the container's level.
fn short(name: &str, more: &str) -> String {
    let image = image("shell");
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: Never\n  containers:\n  - {{name: c, image: '{image}', command: [/bin/true]{more}}}\n"
    )
}

fn explain_prints_a_field_as_kubectl_does_and_says_what_podrt_makes_of_it(t: &Test) {
    let text = t.podrt(["explain", "pod.spec.restartPolicy"]).run().ok().stdout;
    let start = "KIND:       Pod\nVERSION:    v1\n\nFIELD: restartPolicy <string>\nENUM:\n    Always\n    OnFailure\n    Never\n\nDESCRIPTION:\n    ";
    assert!(text.starts_with(start) && text.ends_with("\n\nSUPPORT:\n    supported\n"), "{text}");
    let text = t.podrt(["explain", "pod.spec"]).run().ok().stdout;
    for line in [
        "  containers\t<[]Container> -required-",
        "  schedulerName\t<string> -no effect-",
        "  overhead\t<map[string]Quantity> -refused-",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    let wrong = t.podrt(["explain", "pod.spec.containres"]).run().exits(1).refuses(&["did you mean \"containers\"?"]);
    assert!(wrong.stdout.is_empty());
    t.podrt(["explain", "services"]).run().exits(1).refuses(&["the server doesn't have a resource type \"services\""]);
}

fn explain_reaches_every_field_and_speaks_json(t: &Test) {
    let json = t.podrt(["explain", "pod", "--recursive", "-o", "json"]).run().ok().stdout;
    let all: Value = serde_json::from_str(&json).expect("JSON");
    fn find<'v>(of: &'v Value, path: &[&str]) -> &'v Value {
        let [name, rest @ ..] = path else { return of };
        let fields = of["fields"].as_array().unwrap_or_else(|| panic!("nothing below {of}"));
        find(fields.iter().find(|f| f["name"] == *name).unwrap_or_else(|| panic!("no {name}")), rest)
    }
    let image = find(&all["field"], &["spec", "initContainers", "image"]);
    assert_eq!([&image["type"], &image["support"]], ["string", "supported"]);
    assert_eq!(image["required"], true);
    let remote = find(&all["field"], &["spec", "volumes", "nfs"]);
    assert!(remote["support"] == "refused" && remote["why"].as_str().is_some_and(|w| w.contains("hostPath")), "{remote}");
    assert_eq!(find(&all["field"], &["status"])["support"], "set by podrt");
    // The same as a text: one line for each field, deeper ones indented.
    let text = t.podrt(["explain", "pod", "--recursive"]).run().ok().stdout;
    assert!(text.contains("\n  spec\t<PodSpec> -required-\n") && text.contains("\n      image\t<string> -required-\n"), "{text}");
}

fn a_folder_stands_for_its_manifests_and_those_below_it_when_asked(t: &Test) {
    t.write("m/b.yaml", short("b", ", env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: a}}}]"));
    t.write("m/a.yml", short("a", ""));
    t.write("m/notes.txt", "not: a manifest");
    // What a pod refers to may stand in another file.
    t.write(
        "m/z.json",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}).to_string(),
    );
    t.write("m/below/c.yaml", short("c", ""));
    let folder = t.path("m");
    let folder = folder.to_str().expect("UTF-8");
    assert_eq!(t.podrt(["create", "-f", folder]).run().ok().stdout, "pod/a created\npod/b created\n");
    delete_all(t);
    assert_eq!(t.podrt(["create", "-R", "-f", folder]).run().ok().stdout, "pod/a created\npod/b created\npod/c created\n");
    delete_all(t);
    // One that is wrong: nothing of all of them starts.
    t.write("m/below/d.yaml", short("d", ", comand: []"));
    let out = t
        .podrt(["create", "-R", "-f", folder])
        .run()
        .exits(MANIFEST)
        .refuses(&["m/below/d.yaml:7:", "did you mean \"command\"?"]);
    assert!(out.stdout.is_empty());
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
    fs::create_dir(t.path("empty")).expect("a folder");
    let empty = t.path("empty");
    t.podrt(["create", "-f", empty.to_str().expect("UTF-8")])
        .run()
        .exits(MANIFEST)
        .refuses(&["empty: holds no manifest", "yaml"]);
}

fn files_stdin_json_and_lists_are_read_together(t: &Test) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "word"}, "stringData": {"word": "open"}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": {"restartPolicy": "Never", "containers": [
            {"name": "c", "image": image("shell"), "command": ["/bin/sh", "-c", "echo $WORD"],
             "env": [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "word", "key": "word"}}}]}]}},
    ]});
    let two = t.write("two.yaml", format!("{}---\n{}", short("two", ""), short("three", "")));
    let out = t.podrt(["create", "-f", "-", "-f", two.to_str().expect("UTF-8")]).input(list.to_string()).run().ok();
    assert_eq!(out.stdout, "pod/one created\npod/two created\npod/three created\n");
    wait_phase(t, "one", "Succeeded");
    assert_eq!(logs(t, "one", "c"), "open\n");
    delete_all(t);
}

fn all_errors_of_all_files_are_said_at_once_in_their_order(t: &Test) {
    let one = t.write("one.yaml", format!("{}---\n{}", short("a", ", imge: x"), "apiVersion: v1\nkind: Pood\n"));
    let two = t.write("two.yaml", short("A_", ", ports: [{containerPort: 0}]"));
    let out = t.podrt(["create", "-f", one.to_str().unwrap(), "-f", two.to_str().unwrap()]).run().exits(MANIFEST);
    let lines: Vec<&str> = out.stderr.lines().collect();
    let want = [
        "one.yaml:7:",
        "imge: unknown field (did you mean \"image\"?)",
        "one.yaml:10:7: kind: unknown kind (got \"Pood\"",
        "did you mean Pod?",
        "two.yaml:3:18: metadata.name: not a valid pod name (got \"A_\"",
        "",
        "two.yaml:7:",
        "ports[0].containerPort: out of range (got 0, want 1 to 65535)",
    ];
    assert_eq!(lines.len(), want.len() / 2, "{out}");
    for (line, want) in lines.iter().zip(want.chunks(2)) {
        assert!(want.iter().all(|w| line.contains(w)), "{want:?}\n{out}");
    }
}

/// Refused in less than a second and 200 MB of memory, with the line where one is known.
fn what_is_far_too_much_is_refused_at_once_and_in_little_memory(t: &Test) {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..10 {
        bomb += &format!("a{n}: &a{n} [{}]\n", [format!("*a{}", n - 1).as_str(); 9].join(","));
    }
    let container = |n: usize| format!("  - {{name: c{n}, image: 'bundle:/x'}}\n");
    let many = |n: usize| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: many}}\nspec:\n  containers:\n{}",
            (0..n).map(container).collect::<String>()
        )
    };
    let cases: [(&str, String, &str); 8] = [
        ("an alias bomb", bomb, "too large"),
        ("a cycle", "a: &a [*a]\n".into(), "an alias inside"),
        ("10,000 levels", "[".repeat(10_000), "nested deeper"),
        ("10,000 containers", many(10_000), "too many containers (got 10000, want at most 1000)"),
        ("300,000 keys", (0..300_000).map(|n| format!("k{n}: 1\n")).collect(), "too large"),
        (
            "10 MB of text in one value",
            format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: \"{}\"}}\n", "x".repeat(9_900_000)),
            "metadata.name",
        ),
        ("more than 10 MB", "# \n".repeat(4_000_000), "too large (got 12000000 bytes, want at most 10000000)"),
        ("100,000 broken documents", "---\n[\n".repeat(100_000), "not valid YAML"),
    ];
    for (what, text, want) in cases {
        let file = t.write("big.yaml", text);
        // kB of address space: more than that cannot be used, whatever it is counted as.
        let bounded = ["-c", "ulimit -v 200000; exec \"$@\"", "bash"];
        let words = ["create", "-f", file.to_str().expect("UTF-8")];
        let out = Run::new("/bin/bash").args(bounded).args(t.podrt_words()).args(words).run().exits(MANIFEST);
        assert!(
            out.stderr.contains(want) && out.stderr.contains("big.yaml:"),
            "{what}: {}",
            &out.stderr[..out.stderr.len().min(2000)]
        );
        assert!(out.stderr.len() < 200_000, "{what}: {} bytes of errors", out.stderr.len());
        world::at_once(&out);
    }
}

fn a_bundle_gets_a_name_and_is_an_image(t: &Test) {
    let none = t.podrt(["image", "ls"]).run().ok();
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "No images found.\n"));
    let named = t.podrt(["image", "add", "busybox:1.28", &image("shell")]).run().ok();
    assert_eq!(named.stdout, "image/docker.io/library/busybox:1.28 added\n");
    // Relative to the working folder, as a shell completes it.
    let bundles = world::fixtures().join("bundles");
    t.podrt(["image", "add", "example/app", "bundle:./app"]).dir(&bundles).run().ok();
    assert_eq!(
        t.podrt(["image", "ls", "-o", "name"]).run().ok().stdout,
        "image/docker.io/example/app:latest\nimage/docker.io/library/busybox:1.28\n"
    );
    let file = t.write("p.yaml", short("named", "").replace(&image("shell"), "busybox:1.28"));
    create(t, file.to_str().unwrap(), "created").ok();
    wait_phase(t, "named", "Succeeded");
    let pod = get(t, "named");
    assert_eq!([&pod["spec"]["containers"][0]["image"], &status_of(&pod, "c")["image"]], ["busybox:1.28", "busybox:1.28"]);
    assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert!(t.podrt(["plan", "-f", file.to_str().unwrap()]).run().ok().stdout.contains("/shell"));
    delete_all(t);
    assert_eq!(
        t.podrt(["image", "rm", "docker.io/library/busybox:1.28"]).run().ok().stdout,
        "image/docker.io/library/busybox:1.28 removed\n"
    );
    let gone = t.podrt(["image", "rm", "busybox:1.28"]).run().exits(1);
    assert_eq!(gone.stderr, "Error from server (NotFound): images \"busybox:1.28\" not found\n");
    t.podrt(["image", "rm", "busybox:1.28", "--ignore-not-found"]).run().ok();
    for (name, source, word) in [
        ("Busybox", image("shell"), "not an image name (got \"Busybox\""),
        ("a/../b", image("shell"), "not an image name"),
        ("a", "bundle:/nowhere".into(), "/nowhere/config.json"),
        ("a", "shell".into(), "not a bundle (got \"shell\", want bundle:PATH"),
        ("a", "bundle:".into(), "not a bundle"),
    ] {
        t.podrt(["image", "add", name, &source]).run().exits(MANIFEST).refuses(&[word]);
    }
    t.podrt(["image", "rm", "example/app"]).run().ok();
}

/// The kubelet's reasons for an image that is not there; what may come is waited for.
fn a_pod_whose_image_has_no_name_waits_and_starts_when_it_has_one(t: &Test) {
    let never = short("never", ", imagePullPolicy: Never").replace(&image("shell"), "example/x:1");
    let later = short("later", "").replace(&image("shell"), "example/x:1");
    let file = t.write("both.yaml", format!("{never}---\n{later}"));
    let out = t.podrt(["create", "-f", file.to_str().unwrap(), "--wait=started"]).run().exits(1);
    assert!(
        out.stderr
            .contains("container c: ErrImageNeverPull: Container image \"example/x:1\" is not present with pull policy of Never"),
        "{out}"
    );
    assert!(out.stderr.contains("container c: ImagePullBackOff: Back-off pulling image \"example/x:1\""), "{out}");
    assert!(out.stderr.contains("podrt image add example/x:1 bundle:PATH"), "{out}");
    let waiting = |pod: &str| status_of(&get(t, pod), "c")["state"]["waiting"]["reason"].clone();
    assert_eq!([waiting("never"), waiting("later")], ["ErrImageNeverPull", "ImagePullBackOff"]);
    assert_eq!(phase(t, "later"), "Pending");
    let table = t.podrt(["get", "pods"]).run().ok().stdout;
    assert!(table.contains("ImagePullBackOff") && table.contains("ErrImageNeverPull"), "{table}");
    t.podrt(["image", "add", "example/x:1", &image("shell")]).run().ok();
    t.eventually("both have run", 25, || (phase(t, "never") == "Succeeded" && phase(t, "later") == "Succeeded").then_some(()));
    t.podrt(["delete", "pod", "--all", "--now"]).within(Duration::from_secs(30)).run().ok();
    t.podrt(["image", "rm", "example/x:1"]).run().ok();
}

fn a_pod_is_run_from_flags_as_kubectl_runs_one(t: &Test) {
    let shell = image("shell");
    let image = format!("--image={shell}");
    let dry = t
        .podrt(["run", "web", &image, "--port=80", "--env=A=b", "--dry-run=client", "-o", "json", "--", "-c", "true"])
        .run()
        .ok();
    let pod: Value = serde_json::from_str(&dry.stdout).expect("JSON");
    assert_eq!(pod["metadata"]["labels"], json!({"run": "web"}));
    assert_eq!(pod["spec"]["containers"][0]["args"], json!(["-c", "true"]));
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
    // In the background, as kubectl has it.
    let out = t.podrt(["run", "web", &image, "--restart=Never", "--env=WORD=hello", "--", "-c", "echo $WORD"]).run().ok();
    assert_eq!(out.stdout, "pod/web created\n");
    wait_phase(t, "web", "Succeeded");
    assert_eq!(logs(t, "web", "web"), "hello\n");
    t.podrt(["run", "web", &image]).run().exits(1).refuses(&["pods \"web\" already exists"]);
    delete(t, "web");
    // To its end, and nothing left.
    let out = t
        .podrt(["run", "job", &image, "--restart=Never", "--rm", "--command", "--", "/bin/sh", "-c", "echo done; exit 3"])
        .run()
        .exits(3);
    assert_eq!(out.stdout, "[job] done\n");
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
    t.podrt(["run"]).run().exits(2).refuses(&["-f FILE, or NAME --image=IMAGE"]);
    t.podrt(["run", "A_b", &image]).run().exits(MANIFEST);
}

fn a_plan_shows_no_value_of_a_secret(t: &Test) {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {word: hunter2}\n";
    let text = short(
        "p",
        ", env: [{name: W, valueFrom: {secretKeyRef: {name: s, key: word}}}], args: [$(W)], volumeMounts: [{name: v, mountPath: /v}]",
    ) + "  volumes: [{name: v, secret: {secretName: s}}]\n---\n"
        + secret;
    let file = t.write("p.yaml", text);
    let plan = t.podrt(["plan", "-f", file.to_str().unwrap()]).run().ok().stdout;
    assert!(!plan.contains("hunter2") && plan.contains("W=<redacted: 7 bytes>"), "{plan}");
    assert_eq!(plan, t.podrt(["plan", "-f", file.to_str().unwrap()]).run().ok().stdout);
}

suite!(
    explain_prints_a_field_as_kubectl_does_and_says_what_podrt_makes_of_it,
    explain_reaches_every_field_and_speaks_json,
    a_folder_stands_for_its_manifests_and_those_below_it_when_asked,
    files_stdin_json_and_lists_are_read_together,
    all_errors_of_all_files_are_said_at_once_in_their_order,
    what_is_far_too_much_is_refused_at_once_and_in_little_memory,
    a_bundle_gets_a_name_and_is_an_image,
    a_pod_whose_image_has_no_name_waits_and_starts_when_it_has_one,
    a_pod_is_run_from_flags_as_kubectl_runs_one,
    a_plan_shows_no_value_of_a_secret,
);
