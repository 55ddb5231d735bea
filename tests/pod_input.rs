//! Bad input, and hosts that cannot: one clear line and a documented exit code (docs/exit-codes.md), or the pod's status; nothing
//! is made, or all of it can be removed.

mod support;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use support::leaks::Snapshot;
use support::pod::*;
use support::{Bundle, Out, Run, Test, world};

const MANIFEST: i32 = 3;
const HOST: i32 = 4;

fn pod(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: bad}}\nspec: {spec}\n")
}

fn one(image: &str, more: &str) -> String {
    pod(&format!("{{restartPolicy: Never, containers: [{{name: a, image: '{image}'{more}}}]}}"))
}

/// Creates from `text`: refused at once, with each of `words`; there is no pod then.
#[track_caller]
fn refused(t: &Test, what: &str, text: impl AsRef<[u8]>, code: i32, words: &[&str]) {
    let file = t.write("bad.yaml", text);
    let out = create(t, file.to_str().unwrap(), "created");
    assert_eq!(out.code(), code, "{what}: {out}");
    assert!(out.stdout.is_empty() && !out.stderr.contains("panicked"), "{what}: {out}");
    for word in words {
        assert!(out.stderr.contains(word), "{what}: no {word:?} in: {out}");
    }
    // Several problems are several lines, each said once.
    let lines: Vec<_> = out.stderr.lines().collect();
    assert!(!lines.is_empty() && lines.iter().all(|l| l.starts_with("error: ") || l.starts_with("Warning: ")), "{what}: {out}");
    world::at_once(&out);
    let none = t.podrt(["get", "pods"]).run().ok();
    assert!(none.stdout.is_empty(), "{what}: {none}");
}

fn bad_manifests_are_one_clear_error_and_make_nothing(t: &Test) {
    let shell = image("shell");
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("empty", String::new(), &["bad.yaml"]),
        ("not YAML", "a: [".into(), &["bad.yaml:1"]),
        ("a tab", "a:\n\t- b".into(), &["bad.yaml:2"]),
        ("another kind", "apiVersion: v1\nkind: Pot\nmetadata: {name: x}".into(), &["bad.yaml:2", "Pot"]),
        ("another version", "apiVersion: v2\nkind: Pod\nmetadata: {name: x}".into(), &["bad.yaml:1", "v2"]),
        ("a list", "- a\n- b".into(), &["bad.yaml:1"]),
        ("no containers", pod("{}"), &["spec.containers"]),
        ("a misspelt field", pod("{contaners: []}"), &["bad.yaml:4", "contaners", "containers"]),
        ("a missing bundle", one("bundle:/nowhere", ""), &["/nowhere"]),
        ("no source", pod("{containers: [{name: a}]}"), &["image"]),
        ("a bad name", pod(&format!("{{containers: [{{name: A_b, image: '{shell}'}}]}}")), &["spec.containers[0].name", "A_b"]),
        (
            "a duplicate name",
            pod(&format!("{{containers: [{{name: a, image: '{shell}'}}, {{name: a, image: '{shell}'}}]}}")),
            &["a"],
        ),
        ("a bad policy", one(&shell, "").replace("Never", "always"), &["spec.restartPolicy", "always"]),
        ("a duplicate key", one(&shell, ", name: b"), &["name"]),
        ("a root that must be none", one(&shell, ", securityContext: {runAsNonRoot: true, runAsUser: 0}"), &["runAsNonRoot"]),
        ("a uid out of range", one(&shell, ", securityContext: {runAsUser: 4294967296}"), &["runAsUser"]),
        ("a capability that is none", one(&shell, ", securityContext: {capabilities: {add: [BOGUS]}}"), &["BOGUS"]),
        ("an alias bomb", bomb(), &["bad.yaml"]),
        ("10,000 levels", format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000)), &["bad.yaml"]),
    ];
    for (what, text, words) in cases {
        refused(t, what, text, MANIFEST, words);
    }
    for path in ["/nowhere.yaml", "/", "/dev/zero"] {
        let out = t.podrt(["create", "-f", path]).run().exits(MANIFEST).refuses(&[path]);
        world::at_once(&out);
    }
}

fn bomb() -> String {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..10 {
        let of = format!("*a{}", n - 1);
        text += &format!("a{n}: &a{n} [{}]\n", [of.as_str(); 9].join(","));
    }
    text
}

fn of_several_documents_none_starts_where_one_is_wrong(t: &Test) {
    let good = one(&image("app"), "").replace("name: bad", "name: good");
    refused(t, "a bad second document", format!("{good}---\n{}", one("bundle:/nowhere", "")), MANIFEST, &["/nowhere"]);
    refused(t, "a bad kind", format!("{good}---\napiVersion: v1\nkind: Pot\n"), MANIFEST, &["Pot"]);
}

fn a_bundle_that_is_wrong_fails_the_create_by_file_and_field(t: &Test) {
    let base = || Bundle::new(t, "bundle", &["/bin/payload", "reap"]);
    let cases = [
        ("a wrong type", base().set("/process/args", json!("sh")), "process.args"),
        ("no root", base().without("/root"), "root"),
        ("a missing root file system", base().set("/root/path", json!("/nowhere")), "/nowhere"),
        ("a version of another age", base().set("/ociVersion", json!("2.0.0")), "ociVersion"),
        ("a relative hook", base().set("/hooks", json!({"poststop": [{"path": "bin/true"}]})), "hooks"),
    ];
    for (what, bundle, word) in cases {
        refused(t, what, one(&format!("bundle:{}", bundle.write()), ""), MANIFEST, &["container a", word]);
    }
    let folder = base().write_text("{\"ociVersion\": ");
    refused(t, "half a config.json", one(&format!("bundle:{folder}"), ""), MANIFEST, &["config.json"]);
}

/// What a container's start fails on is the pod's status, and `--wait=started` says it.
fn a_container_that_cannot_start_is_the_pods_status(t: &Test) {
    let base = || Bundle::new(t, "bundle", &["/bin/payload", "reap"]);
    let mounted =
        base().set("/mounts/-", json!({"destination": "/mnt", "type": "bind", "source": "/no/source", "options": ["bind"]}));
    let cases = [
        ("no such command", base().set("/process/args", json!(["/bin/nowhere"])), "RunContainerError", "/bin/nowhere"),
        ("not in PATH", base().set("/process/args", json!(["nowhere"])), "RunContainerError", "nowhere"),
        ("a folder", base().set("/process/args", json!(["/etc"])), "RunContainerError", "/etc"),
        ("not executable", base().set("/process/args", json!(["/etc/issue"])), "RunContainerError", "/etc/issue"),
        ("a missing mount source", mounted, "CreateContainerError", "/no/source"),
    ];
    for (what, bundle, reason, word) in cases {
        let text = one(&format!("bundle:{}", bundle.write()), "").replace("Never", "Always");
        let file = t.write("bad.yaml", text);
        let out = create(t, file.to_str().unwrap(), "started");
        assert_eq!(out.code(), 1, "{what}: {out}");
        assert!(out.stderr.contains(word), "{what}: {out}");
        let waiting = status_of(&get(t, "bad"), "a")["state"]["waiting"].clone();
        let reasons = [reason, "CrashLoopBackOff"];
        assert!(reasons.iter().any(|r| waiting["reason"] == *r), "{what}: {waiting}");
        let pod = get(t, "bad").to_string();
        assert!(pod.contains(word), "{what}: {pod}");
        t.podrt(["delete", "pod", "bad", "--now"]).run().ok();
        // What may come right by itself is tried again and again, also by `run`.
        if reason != "RunContainerError" {
            continue;
        }
        let out = t
            .podrt(["run", "--rm", "-f", t.write("bad.yaml", one(&format!("bundle:{}", bundle.write()), "")).to_str().unwrap()])
            .run();
        assert!(out.code() != 0 && out.stderr.contains(word), "run: {what}: {out}");
    }
}

fn a_seccomp_profile_that_names_an_unknown_syscall_warns(t: &Test) {
    let seccomp =
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO"}]});
    let bundle = Bundle::new(t, "bundle", &["/bin/payload", "reap"]).set("/linux/seccomp", seccomp);
    let file = t.write("bad.yaml", one(&format!("bundle:{}", bundle.write()), ""));
    create(t, file.to_str().unwrap(), "started").ok();
    delete(t, "bad");
    let wrong = json!({"defaultAction": "SCMP_ACT_BOGUS"});
    let bundle = Bundle::new(t, "bundle", &["/bin/payload", "reap"]).set("/linux/seccomp", wrong);
    refused(t, "a bad action", one(&format!("bundle:{}", bundle.write()), ""), MANIFEST, &["seccomp", "SCMP_ACT_BOGUS"]);
}

fn the_name_is_taken_once_and_free_again(t: &Test) {
    let file = manifest(t, "name", NEVER, &[("app", &["reap"], "")]);
    create(t, &file, "started").ok();
    let uid = get(t, "name")["metadata"]["uid"].clone();
    let out = create(t, &file, "created").exits(1).refuses(&["already exists", "AlreadyExists"]);
    world::at_once(&out);
    assert_eq!(get(t, "name")["metadata"]["uid"], uid);
    delete(t, "name");
    create(t, &file, "started").ok();
    assert_ne!(get(t, "name")["metadata"]["uid"], uid);
    delete(t, "name");
}

fn who_is_not_root_is_told_so(t: &Test) {
    let file = manifest(t, "user", NEVER, &[("app", &["reap"], "")]);
    // A build below root's home cannot be reached by others.
    let [podrt, own @ ..] = t.podrt_words();
    let here = t.path("podrt");
    fs::hard_link(&podrt, &here).or_else(|_| fs::copy(&podrt, &here).map(drop)).unwrap();
    fs::set_permissions(&t.dir, PermissionsExt::from_mode(0o755)).unwrap();
    for words in [
        &["create", "-f", &file][..],
        &["get", "pods"],
        &["delete", "pod", "user"],
        &["logs", "user"],
        &["exec", "user", "--", "sh"],
    ] {
        let who = ["--reuid=1000", "--regid=1000", "--clear-groups", here.to_str().unwrap()];
        let out = Run::new("/usr/bin/setpriv").args(who).args(&own).args(words).run();
        out.exits(HOST).refuses(&["root"]);
    }
}

fn a_state_folder_that_cannot_be_used_is_said(t: &Test) {
    let file = manifest(t, "state", NEVER, &[("app", &["reap"], "")]);
    let run = || t.podrt(["create", "-f", &file]).run();
    fs::write(&t.run, "a file").unwrap();
    run().exits(HOST).refuses(&[t.run.to_str().unwrap()]);
    fs::remove_file(&t.run).unwrap();
    std::os::unix::fs::symlink("/tmp", &t.run).unwrap();
    run().exits(HOST).refuses(&[t.run.to_str().unwrap(), "symbolic link"]);
    fs::remove_file(&t.run).unwrap();
    fs::create_dir(&t.run).unwrap();
    fs::set_permissions(&t.run, PermissionsExt::from_mode(0o777)).unwrap();
    run().exits(HOST).refuses(&[t.run.to_str().unwrap(), "writable"]);
    fs::remove_dir_all(&t.run).unwrap();
    with_tmpfs(&t.run, "mode=700", MsFlags::MS_RDONLY, || {
        run().exits(HOST).refuses(&[t.run.to_str().unwrap(), "ead-only"]);
    });
}

/// `check` with a tmpfs at `folder`.
fn with_tmpfs(folder: &Path, options: &str, flags: MsFlags, check: impl FnOnce()) {
    fs::create_dir_all(folder).unwrap();
    mount(Some("tmpfs"), folder, Some("tmpfs"), flags, Some(options)).unwrap();
    check();
    umount2(folder, MntFlags::MNT_DETACH).unwrap();
    fs::remove_dir(folder).unwrap();
}

/// Either it works, or it is refused in one line and nothing is left; and what is there can always be deleted.
#[track_caller]
fn works_or_is_refused(t: &Test, before: &Snapshot, what: &str, out: &Out) -> bool {
    assert!(!out.stderr.contains("panicked"), "{what}: {out}");
    let up = out.code() == 0;
    if !up {
        assert!([1, MANIFEST, HOST].contains(&out.code()), "{what}: {out}");
        assert_eq!(out.stderr.trim_end().lines().filter(|l| l.starts_with("error: ")).count(), 1, "{what}: {out}");
    }
    let down = t.podrt(["delete", "pod", "full", "--force", "--ignore-not-found"]).run();
    assert_eq!(down.code(), 0, "{what}: {down}");
    let left = before.left(t, Duration::from_secs(3));
    assert!(left.is_empty(), "{what}: left behind: {left:?}\n{out}");
    up
}

fn a_state_folder_without_room_fails_the_create_and_leaves_nothing(t: &Test) {
    let file = manifest(t, "full", NEVER, &[("app", &["reap"], "")]);
    let (mut failed, mut worked) = (0, 0);
    let inodes = (2..40).map(|n| format!("mode=700,nr_inodes={n}"));
    let sizes = (1..16).map(|n| format!("mode=700,size={}", n * 4096));
    for options in inodes.chain(sizes).step_by(if world::in_vm() { 6 } else { 1 }) {
        with_tmpfs(&t.run, &options, MsFlags::empty(), || {
            let before = Snapshot::take(t);
            let out = create(t, &file, "created");
            match works_or_is_refused(t, &before, &options, &out) {
                true => worked += 1,
                false => failed += 1,
            }
        });
    }
    assert!(failed > 0 && worked > 0, "the sizes are chosen badly: {failed} failed, {worked} worked");
    create(t, &file, "started").ok();
    delete(t, "full");
}

/// Its changes are kept in memory then, or its status says why it does not run.
fn a_data_folder_without_room_does_not_hurt_the_pod(t: &Test) {
    let file = manifest(t, "full", NEVER, &[("app", &["reap"], "")]);
    for options in (2..10).map(|n| format!("mode=700,nr_inodes={n}")).step_by(if world::in_vm() { 4 } else { 1 }) {
        with_tmpfs(&t.data, &options, MsFlags::empty(), || {
            let before = Snapshot::take(t);
            let out = create(t, &file, "created").ok();
            let pod = t.eventually("it runs or says why not", 5, || {
                let state = status_of(&get(t, "full"), "app")["state"].clone();
                let waiting = state["waiting"]["message"].is_string();
                (state["running"].is_object() || waiting || state["terminated"].is_object()).then_some(state)
            });
            assert!(pod["running"].is_object() || pod.to_string().contains("pace"), "{options}: {pod}");
            works_or_is_refused(t, &before, &options, &out);
        });
    }
}

/// The writer goes on, and the log says what is missing once there is room.
fn a_log_folder_without_room_does_not_stop_the_container(t: &Test) {
    let file = manifest(t, "full", NEVER, &[("app", &["lines", "20000", "of some length, so that the room is used up"], "")]);
    with_tmpfs(&t.logs, "mode=700,size=64k", MsFlags::empty(), || {
        create(t, &file, "created").ok();
        wait_phase(t, "full", "Succeeded");
        let text = logs(t, "full", "app");
        assert!(text.starts_with("1 of some length"), "{}", &text[..text.len().min(200)]);
        delete(t, "full");
    });
    with_tmpfs(&t.logs, "mode=700", MsFlags::MS_RDONLY, || {
        create(t, &file, "created").ok();
        wait_phase(t, "full", "Succeeded");
        delete(t, "full");
    });
}

fn few_file_descriptors_are_enough_or_it_is_said(t: &Test) {
    let file = manifest(t, "full", NEVER, &[("app", &["reap"], "")]);
    create(t, &file, "started").ok();
    delete(t, "full");
    let before = Snapshot::take(t);
    let mut worked = 0;
    for limit in [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 20, 24, 32, 64] {
        let script = format!("ulimit -n {limit}; exec \"$@\"");
        let words = ["create", "-f", &file];
        let out = Run::new("/bin/bash").args(["-c", &script, "bash"]).args(t.podrt_words()).args(words).run();
        worked += usize::from(works_or_is_refused(t, &before, &format!("ulimit -n {limit}"), &out));
    }
    assert!(worked > 0);
}

suite!(
    bad_manifests_are_one_clear_error_and_make_nothing,
    of_several_documents_none_starts_where_one_is_wrong,
    a_bundle_that_is_wrong_fails_the_create_by_file_and_field,
    a_container_that_cannot_start_is_the_pods_status,
    a_seccomp_profile_that_names_an_unknown_syscall_warns,
    the_name_is_taken_once_and_free_again,
    who_is_not_root_is_told_so,
    a_state_folder_that_cannot_be_used_is_said,
    a_state_folder_without_room_fails_the_create_and_leaves_nothing,
    a_data_folder_without_room_does_not_hurt_the_pod,
    a_log_folder_without_room_does_not_stop_the_container,
    few_file_descriptors_are_enough_or_it_is_said,
);
