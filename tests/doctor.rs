//! `podrt doctor`: whatever a crash leaves is found and said, `--fix` takes it away, and what lives is not touched.

mod support;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::leaks::Snapshot;
use support::pod::*;
use support::{Test, world};

fn web(t: &Test, name: &str) -> String {
    manifest(t, name, NEVER, &[("app", &["reap"], "")])
}

/// The findings of `doctor -o json`, with the exit code.
fn doctor(t: &Test, fix: bool) -> (i32, Vec<Value>) {
    let args: &[&str] = if fix { &["doctor", "--fix", "-o", "json"] } else { &["doctor", "-o", "json"] };
    let out = t.podrt(args.iter()).run();
    assert!(out.stderr.is_empty(), "{out}");
    let report: Value = serde_json::from_str(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out}"));
    assert!(report["host"].as_array().is_some_and(|h| h.len() > 5), "{report}");
    (out.code(), report["findings"].as_array().expect("findings").clone())
}

fn kinds(findings: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = findings.iter().map(|f| f["kind"].as_str().unwrap()).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// Everything that runs below the test's cgroup parent, and that of podrt's own beside it, dies at once.
fn everything_dies(t: &Test) {
    fs::write(t.cgroup_dir().join("cgroup.kill"), "1").expect("cgroup.kill");
    t.eventually("all are dead", 5, || {
        support::leaks::reap();
        fs::read_to_string(t.cgroup_dir().join("cgroup.events")).unwrap().contains("populated 0").then_some(())
    });
}

#[track_caller]
fn fixed(t: &Test, before: &Snapshot, when: &str) {
    let (code, findings) = doctor(t, true);
    assert!(code == 0 && findings.iter().all(|f| f["fixed"] == true), "{when}: {findings:?}");
    let left = before.left(t, Duration::from_secs(if world::in_vm() { 20 } else { 4 }));
    assert!(left.is_empty(), "{when}: left behind:\n  {}\nfixed: {findings:?}", left.join("\n  "));
    assert_eq!(doctor(t, true), (0, Vec::new()), "{when}: a second time there is nothing");
}

fn nothing_is_wrong_with_pods_that_live_or_have_finished(t: &Test) {
    create(t, &web(t, "lives"), "started").ok();
    create(t, &manifest(t, "done", NEVER, &[("app", &["exit", "0"], "")]), "created").ok();
    wait_phase(t, "done", "Succeeded");
    for fix in [false, true] {
        assert_eq!(doctor(t, fix), (0, Vec::new()), "fix {fix}");
    }
    let text = t.podrt(["doctor"]).run().ok().stdout;
    assert!(text.contains("kernel") && text.contains("nothing is left of pods that are gone"), "{text}");
    assert_eq!((phase(t, "lives").as_str(), phase(t, "done").as_str()), ("Running", "Succeeded"));
    delete_all(t);
}

fn after_everything_of_pods_was_killed_it_says_so_and_fixes_only_when_asked(t: &Test) {
    let before = Snapshot::take(t);
    create(t, &web(t, "a"), "started").ok();
    create(t, &web(t, "b"), "started").ok();
    everything_dies(t);
    for _ in 0..2 {
        let (code, findings) = doctor(t, false);
        assert_eq!((code, kinds(&findings)), (1, vec!["sandbox"]), "{findings:?}");
        assert!(findings[0]["problem"].as_str().unwrap().contains("supervisor is gone"), "{findings:?}");
    }
    assert_eq!((phase(t, "a").as_str(), phase(t, "b").as_str()), ("Unknown", "Unknown"));
    fixed(t, &before, "all killed");
    create(t, &web(t, "a"), "started").ok();
    delete(t, "a");
}

/// FAULTS.md F3: cut at many lengths, missing, a folder, garbage.
fn a_record_that_cannot_be_read_hides_no_other_pod_and_is_taken_away(t: &Test) {
    let before = Snapshot::take(t);
    create(t, &web(t, "good"), "started").ok();
    for file in ["intent.json", "pod.json", "state.json"] {
        let whole = 4000;
        for damage in [Some(0), Some(1), Some(whole / 2), None] {
            create(t, &web(t, "bad"), "started").ok();
            let sandbox =
                t.run.join("sandboxes").join(fs::read_link(t.run.join("names/default/bad")).unwrap().file_name().unwrap());
            let id = sandbox.file_name().unwrap().to_str().unwrap().to_owned();
            // Its own processes, and nothing of the other pod's. Keeper and supervisor start each other: until none is left.
            let intent: Value = serde_json::from_str(&fs::read_to_string(sandbox.join("intent.json")).unwrap()).unwrap();
            t.eventually("keeper and supervisor are dead", 10, || {
                let procs = fs::read_to_string(t.cgroup_dir().join("supervisors/cgroup.procs")).unwrap();
                let own = procs.lines().filter_map(|p| p.parse().ok()).filter(|p| support::leaks::command(*p).contains(&id));
                let own: Vec<i32> = own.collect();
                for pid in &own {
                    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL);
                }
                support::leaks::reap();
                own.is_empty().then_some(())
            });
            fs::write(Path::new("/sys/fs/cgroup").join(intent["cgroup"].as_str().unwrap()).join("cgroup.kill"), "1").unwrap();
            let path = sandbox.join(file);
            let content = fs::read(&path).unwrap();
            match damage {
                Some(length) => fs::write(&path, &content[..length.min(content.len() / 2)]).unwrap(),
                None => {
                    fs::remove_file(&path).unwrap();
                    fs::create_dir(&path).unwrap();
                }
            }
            let when = format!("{file} {damage:?}");
            assert_eq!(phase(t, "good"), "Running", "{when}");
            assert!(t.podrt(["get", "pods"]).run().stdout.contains("good"), "{when}");
            let (code, findings) = doctor(t, true);
            assert!(code == 0 && kinds(&findings).contains(&"sandbox"), "{when}: {findings:?}");
            assert!(!sandbox.exists(), "{when}");
            assert_eq!(doctor(t, true), (0, Vec::new()), "{when}");
        }
    }
    assert_eq!(phase(t, "good"), "Running");
    delete(t, "good");
    fixed(t, &before, "at the end");
}

fn a_create_that_was_killed_at_any_step_is_found_and_fixed(t: &Test) {
    t.requires(cfg!(feature = "fault"), "needs a build with the feature fault");
    let file = web(t, "web");
    let before = Snapshot::take(t);
    for point in ["draft", "intent", "publish", "name", "supervisor", "cgroup", "pause.intent", "status", "ready"] {
        let when = format!("create.{point}:kill");
        let out = t.podrt(["create", "-f", &file, "--wait=started"]).env("PODRT_FAULT", &when).run();
        assert_ne!(out.code(), 0, "{when} has no effect: {out}");
        fixed(t, &before, &when);
    }
}

fn what_belongs_to_nobody_is_found_by_kind_and_removed(t: &Test) {
    let before = Snapshot::take(t);
    // A pod that lives stands beside all of it.
    create(t, &web(t, "lives"), "started").ok();
    let uid = "00000000-1111-4222-8333-444444444444";
    let group = t.cgroup_dir().join(format!("pod{uid}"));
    fs::create_dir_all(group.join("app")).unwrap();
    let mut stray = Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(group.join("app/cgroup.procs"), stray.id().to_string()).unwrap();
    std::os::unix::fs::symlink("../../sandboxes/nowhere.0", t.run.join("names/default/stale")).unwrap();
    fs::create_dir(t.run.join(format!("sandboxes/.new.1.1.{uid}.0"))).unwrap();
    fs::create_dir(t.run.join("sandboxes/.gone.x.0")).unwrap();
    let data = t.data.join(format!("pods/{uid}.0/volumes/mem"));
    fs::create_dir_all(&data).unwrap();
    nix::mount::mount(Some("none"), &data, Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>).unwrap();
    fs::create_dir_all(t.logs.join(format!("pods/default_gone_{uid}/app"))).unwrap();
    let (code, findings) = doctor(t, false);
    assert_eq!((code, kinds(&findings)), (1, vec!["cgroup", "data", "draft", "logs", "mount", "name"]), "{findings:?}");
    assert!(stray.try_wait().unwrap().is_none() && group.exists(), "looking changes nothing");
    let text = t.podrt(["doctor"]).run().exits(1).stdout;
    assert!(text.contains("default/stale") && text.contains("1 processes") && text.contains("podrt doctor --fix"), "{text}");
    let (code, findings) = doctor(t, true);
    assert!(code == 0 && findings.len() == 7, "{findings:?}");
    stray.wait().unwrap();
    assert!(!group.exists() && !data.exists());
    assert_eq!(phase(t, "lives"), "Running");
    delete(t, "lives");
    fixed(t, &before, "at the end");
}

/// FAULTS.md F19: `/run` is wiped under pods that live.
fn processes_whose_record_was_wiped_are_ended(t: &Test) {
    let before = Snapshot::take(t);
    create(t, &web(t, "web"), "started").ok();
    fs::remove_dir_all(&t.run).unwrap();
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
    let (code, findings) = doctor(t, false);
    assert_eq!(code, 1);
    assert!(kinds(&findings).contains(&"process") && kinds(&findings).contains(&"cgroup"), "{findings:?}");
    fixed(t, &before, "wiped");
}

fn pods_of_another_podrt_below_the_same_cgroup_are_left_alone(t: &Test) {
    create(t, &web(t, "web"), "started").ok();
    let other = t.path("other");
    let [program, ..] = t.podrt_words();
    let out = support::Run::new(program)
        .args(["--root", other.to_str().unwrap(), "--cgroup-parent", &t.cgroup_parent(), "doctor", "--fix"])
        .run()
        .ok();
    assert!(out.stdout.contains("nothing is left"), "{out}");
    assert_eq!(phase(t, "web"), "Running");
    delete(t, "web");
}

fn a_state_folder_that_others_could_have_prepared_is_refused(t: &Test) {
    let real: PathBuf = t.path("real");
    fs::create_dir_all(&real).unwrap();
    std::os::unix::fs::symlink(&real, &t.run).unwrap();
    t.podrt(["doctor", "--fix"]).run().refuses(&["symbolic link"]);
    fs::remove_file(&t.run).unwrap();
}

suite!(
    nothing_is_wrong_with_pods_that_live_or_have_finished,
    after_everything_of_pods_was_killed_it_says_so_and_fixes_only_when_asked,
    a_record_that_cannot_be_read_hides_no_other_pod_and_is_taken_away,
    a_create_that_was_killed_at_any_step_is_found_and_fixed,
    what_belongs_to_nobody_is_found_by_kind_and_removed,
    processes_whose_record_was_wiped_are_ended,
    pods_of_another_podrt_below_the_same_cgroup_are_left_alone,
    a_state_folder_that_others_could_have_prepared_is_refused,
);
