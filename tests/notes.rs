//! The manifests of tests/manifests/notes, as people write them down when they learn what a pod is: each runs as it stands once its
//! images have names here, or is refused with the place of what is wrong.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};
use support::pod::*;
use support::{Out, Test};

const MANIFEST: i32 = 3;

fn note(name: &str) -> String {
    format!("{}/tests/manifests/notes/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The notes' images, all of them of BusyBox bundles.
const IMAGES: [(&str, &str); 6] = [
    ("busybox", "shell"),
    ("busybox:1.28", "shell"),
    ("nginx", "app"),
    ("nginx:1.14.2", "app"),
    ("example/book:1.0", "app"),
    ("example/web-app:1.0", "app"),
];

/// `check` while the images have names.
fn named(t: &Test, check: impl FnOnce()) {
    for (name, bundle) in IMAGES {
        t.podrt(["image", "add", name, &image(bundle)]).run().ok();
    }
    check();
    t.podrt(["image", "rm"].into_iter().chain(IMAGES.map(|i| i.0))).run().ok();
}

/// READY and STATUS of `get pods`.
fn row(t: &Test, pod: &str) -> String {
    let table = t.podrt(["get", "pod", pod, "--no-headers"]).run().ok().stdout;
    table.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ")
}

/// What a container has printed so far: nothing where it has not begun.
fn printed(t: &Test, pod: &str, container: &str) -> String {
    t.podrt(["logs", pod, "-c", container]).run().stdout
}

fn apply(t: &Test, file: &str) -> Out {
    t.podrt(["apply", "-f", &note(file)]).run()
}

fn pods_of_one_container_run_as_they_stand(t: &Test) {
    named(t, || {
        for (file, pod) in [("web.yaml", "nginx"), ("hello.yaml", "hello-pod")] {
            assert_eq!(apply(t, file).ok().stdout, format!("pod/{pod} created\n"));
            t.eventually("it runs", 10, || (row(t, pod) == "1/1 Running").then_some(()));
            assert_eq!(t.podrt(["exec", pod, "--", "hostname"]).run().ok().stdout, format!("{pod}\n"));
            assert_eq!(apply(t, file).ok().stdout, format!("pod/{pod} unchanged\n"));
            t.podrt(["delete", "pod", pod, "--now"]).run().ok();
        }
    });
}

/// Until Services are there no name of one resolves: the pod waits, and everything that one does with pods works meanwhile.
fn pods_that_wait_for_a_services_name_stay_at_their_first_init_container_and_hold_nobody_up(t: &Test) {
    named(t, || {
        for file in ["init-two-services.yaml", "init-cluster-names.yaml"] {
            let before = Instant::now();
            assert_eq!(apply(t, file).ok().stdout, "pod/myapp-pod created\n");
            assert!(before.elapsed() < Duration::from_secs(5), "create waits for the init container");
            t.eventually("the first init container's turn", 20, || {
                let said = printed(t, "myapp-pod", "init-myservice");
                (row(t, "myapp-pod") == "0/1 Init:0/2" && said.contains("waiting for myservice")).then_some(())
            });
            let pod = get(t, "myapp-pod");
            assert_eq!(pod["status"]["phase"], "Pending");
            let app = &status_of(&pod, "myapp-container")["state"]["waiting"];
            assert_eq!(app["reason"], "PodInitializing");
            let inits = &pod["status"]["initContainerStatuses"];
            assert!(
                inits[0]["state"]["running"].is_object() && inits[1]["state"]["waiting"]["reason"] == "PodInitializing",
                "{inits}"
            );
            let text = t.podrt(["describe", "pod", "myapp-pod"]).run().ok().stdout;
            assert!(text.contains("init-mydb") && text.contains("Initialized"), "{text}");
            t.podrt(["delete", "-f", &note(file), "--now"]).within(Duration::from_secs(10)).run().ok();
        }
    });
}

/// `;\` and a line's end in single quotes make a command ` sleep` that there is not: the loop never pauses.
fn an_init_loop_that_never_sleeps_fills_no_disk_and_holds_nobody_up(t: &Test) {
    named(t, || {
        // Where no name server is in reach each question fails at once; one that is silent would be waited for.
        t.podrt(["apply", "-f", &note("init-loop.yaml"), "--network", "none"]).run().ok();
        let of = ["logs", "initpod", "-c", "init-ctr"];
        t.eventually("it prints and prints", 20, || (printed(t, "initpod", "init-ctr").lines().count() > 100).then_some(()));
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(row(t, "initpod"), "0/1 Init:0/1");
        let last = t.podrt([&of[..], &["--tail=5"]].concat()).run().ok();
        assert_eq!(last.stdout.lines().count(), 5, "{last}");
        assert!(size(&t.logs) < 64 << 20, "{} bytes of logs", size(&t.logs));
        let down = t.podrt(["delete", "pod", "initpod", "--now"]).run().ok();
        assert!(down.took < Duration::from_secs(5) || support::world::in_vm(), "{down}");
    });
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let one = |e: std::fs::DirEntry| match e.metadata() {
        Ok(meta) if meta.is_dir() => size(&e.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(one).sum()
}

fn what_is_no_pod_yet_is_refused_by_kind_and_place(t: &Test) {
    named(t, || {
        for (file, want) in [
            (
                "two-services.yaml",
                &[
                    "two-services.yaml:1:7: kind: not supported yet by this version of podrt (got Service, want Pod)",
                    "two-services.yaml:11:7: kind: not supported yet by this version of podrt (got Service, want Pod)",
                ][..],
            ),
            ("job.yaml", &["job.yaml:2:7: kind: not supported yet by this version of podrt (got Job, want Pod)"]),
        ] {
            refused(t, file, want);
        }
    });
}

fn what_is_wrong_in_a_note_is_said_with_line_column_and_hint(t: &Test) {
    named(t, || {
        let placeholder = "put a value in place of the placeholder)";
        refused(t, "sidecar-volume.yaml", &["sidecar-volume.yaml:28:9: not valid YAML"]);
        refused(
            t,
            "readiness-gates.yaml",
            &[
                "readiness-gates.yaml:1:1: apiVersion: missing (want v1)",
                "readiness-gates.yaml:1:1: metadata: missing (want a mapping)",
                "readiness-gates.yaml:1:1: spec: missing (want a mapping)",
                "readiness-gates.yaml:3:1: what follows a line of `...` is another document",
            ],
        );
        refused(t, "fragment.yaml", &["fragment.yaml:1:1: kind: missing (want Pod; is this a part of a manifest?)"]);
        let field = "spec.topologySpreadConstraints[0]";
        refused(
            t,
            "topology.yaml",
            &[
                "topology.yaml:6:3: spec.containers: missing (want a list)",
                &format!(
                    "topology.yaml:7:16: {field}.maxSkew: wrong type (got the text \"<integer>\", want an integer of 32 bits; {placeholder}"
                ),
                &format!(
                    "topology.yaml:9:26: {field}.whenUnsatisfiable: unsupported value (got \"<string>\", want DoNotSchedule or ScheduleAnyway; {placeholder}"
                ),
                &format!(
                    "topology.yaml:10:22: {field}.labelSelector: wrong type (got the text \"<object>\", want a mapping; {placeholder}"
                ),
            ],
        );
    });
}

/// Exactly these lines, and there is no pod.
#[track_caller]
fn refused(t: &Test, file: &str, want: &[&str]) {
    let out = apply(t, file).exits(MANIFEST);
    let lines: Vec<&str> = out.stderr.lines().collect();
    assert_eq!(lines.len(), want.len(), "{out}");
    for (line, want) in lines.iter().zip(want) {
        let said = line.strip_prefix("error: ").and_then(|l| l.split_once(want));
        assert!(said.is_some_and(|(before, _)| before.ends_with('/')), "{want}\n{out}");
    }
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
}

suite!(
    pods_of_one_container_run_as_they_stand,
    pods_that_wait_for_a_services_name_stay_at_their_first_init_container_and_hold_nobody_up,
    an_init_loop_that_never_sleeps_fills_no_disk_and_holds_nobody_up,
    what_is_no_pod_yet_is_refused_by_kind_and_place,
    what_is_wrong_in_a_note_is_said_with_line_column_and_hint,
);
