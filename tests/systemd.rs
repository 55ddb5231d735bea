//! On a host whose first process is systemd: it owns the cgroup tree, and podrt asks it. Runs in the virtual machine that boots this
//! machine's systemd (tests/vm/boot.sh -i systemd).

mod support;

use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Bundle, Out, Run, Test, world};

fn requires_systemd(t: &Test) {
    let booted =
        Path::new("/run/systemd/system").is_dir() && fs::read_to_string("/proc/1/comm").is_ok_and(|c| c.trim_end() == "systemd");
    t.requires(booted, "needs systemd as the first process");
    t.requires_podrt();
}

fn systemctl(args: &[&str]) -> Out {
    Run::new("systemctl").args(args).within(Duration::from_secs(120)).run()
}

/// A property of a unit; numbers as systemd counts them.
fn property(unit: &str, name: &str) -> String {
    systemctl(&["show", "--value", "-p", name, unit]).ok().stdout.trim_end().to_owned()
}

fn cgroup(path: &str) -> PathBuf {
    Path::new("/sys/fs/cgroup").join(path)
}

fn file(dir: &Path, name: &str) -> String {
    let path = dir.join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).trim_end().to_owned()
}

/// The test's own slice, below podrt's.
fn slice(t: &Test) -> String {
    format!("podrt-{}.slice", t.tag)
}

fn slice_dir(t: &Test) -> PathBuf {
    cgroup(&format!("podrt.slice/{}", slice(t)))
}

/// systemd keeps a slice that was used.
fn stop_slice(t: &Test) {
    systemctl(&["stop", &slice(t)]).ok();
}

fn gone(t: &Test, unit: &str) {
    t.eventually(&format!("{unit} is gone"), 10, || (property(unit, "LoadState") == "not-found").then_some(()));
}

mod pods {
    use super::*;

    /// podrt in this test's folders; `parent` is --cgroup-parent, none is the default.
    fn podrt(t: &Test, parent: Option<&str>, args: &[&str]) -> Out {
        let run = Run::new(env!("CARGO_BIN_EXE_podrt")).args(["--root", t.dir.to_str().unwrap()]);
        let run = parent.into_iter().fold(run, |run, parent| run.args(["--cgroup-parent", parent]));
        run.args(args).run()
    }

    fn manifest(t: &Test, name: &str) -> String {
        let limits = "resources: {limits: {cpu: 500m, memory: 64Mi}}";
        support::pod::manifest(t, name, support::pod::NEVER, &[("app", &["reap"], limits)])
    }

    pub fn a_pod_is_in_podrts_slice_and_a_reload_takes_nothing_from_it(t: &Test) {
        requires_systemd(t);
        let file_ = manifest(t, "web");
        podrt(t, None, &["create", "-f", &file_, "--wait=started"]).ok();
        let tree = cgroup("podrt.slice/podrt-pods.scope");
        assert_eq!(property("podrt-pods.scope", "ActiveState"), "active");
        assert_eq!(property("podrt-pods.scope", "Delegate"), "yes");
        assert_eq!(property("podrt-pods.scope", "TasksMax"), "infinity");
        let pod = fs::read_dir(&tree).unwrap().flatten().map(|e| e.path());
        let pod = pod.into_iter().find(|p| p.join("pause").is_dir()).expect("the pod's cgroup");
        let check = |when: &str| {
            let app = pod.join("app");
            let got = [file(&app, "memory.max"), file(&app, "cpu.max"), file(&pod, "memory.max")];
            assert_eq!(got, ["67108864", "50000 100000", "67108864"], "{when}");
            assert_eq!(file(&app, "cgroup.procs").lines().count(), 1, "{when}");
            assert!(file(&pod, "cgroup.subtree_control").contains("memory"), "{when}");
            assert!(!file(&tree.join("supervisors"), "cgroup.procs").is_empty(), "{when}");
        };
        check("born");
        systemctl(&["daemon-reload"]).ok();
        systemctl(&["set-property", "--runtime", "podrt.slice", "CPUWeight=200"]).ok();
        check("after a reload and a change above");
        podrt(t, None, &["exec", "web", "--", "/bin/payload", "caps"]).ok();
        podrt(t, None, &["delete", "pod", "web", "--grace-period", "1"]).ok();
        // With its last pod the scope goes, and nobody had to be told.
        gone(t, "podrt-pods.scope");
        assert!(!tree.exists());
    }

    /// The scope ends with its last pod: whoever comes in that moment finds it, or makes another.
    pub fn pods_come_while_the_last_one_goes(t: &Test) {
        requires_systemd(t);
        let parent = slice(t);
        let files: Vec<String> = ["a", "b", "c"].map(|n| manifest(t, n)).into();
        for round in 0..4 {
            std::thread::scope(|scope| {
                for (name, file) in ["a", "b", "c"].iter().zip(&files) {
                    let parent = &parent;
                    scope.spawn(move || {
                        podrt(t, Some(parent), &["create", "-f", file, "--wait=started"]).ok();
                        podrt(t, Some(parent), &["delete", "pod", name, "--grace-period", "0"]).ok();
                    });
                }
            });
            assert!(podrt(t, Some(&parent), &["get", "pods"]).ok().stdout.is_empty(), "round {round}");
        }
        gone(t, &format!("podrt-{}-pods.scope", t.tag));
        stop_slice(t);
    }

    pub fn systemd_ends_all_pods_when_it_is_told_to(t: &Test) {
        requires_systemd(t);
        let parent = slice(t);
        podrt(t, Some(&parent), &["create", "-f", &manifest(t, "web"), "--wait=started"]).ok();
        let unit = format!("podrt-{}-pods.scope", t.tag);
        systemctl(&["kill", "--signal=KILL", &unit]).ok();
        gone(t, &unit);
        // What is left on disk is a pod whose supervisor is lost; it can be taken away.
        podrt(t, Some(&parent), &["delete", "pod", "web", "--force"]).ok();
        stop_slice(t);
    }
}

fn bundle(t: &Test, name: &str) -> Bundle {
    let mut bundle = Bundle::new(t, name, &["/bin/payload", "sleep"]);
    bundle.config["linux"]["cgroupsPath"] = json!(format!("{}:oci:{}-{name}", slice(t), t.tag));
    bundle
}

fn oci(t: &Test, args: &[&str]) -> Run {
    let more = ["--systemd-cgroup"].iter().chain(args).copied();
    t.oci(more)
}

fn a_container_has_a_scope_with_its_limits_as_properties(t: &Test) {
    requires_systemd(t);
    let mut bundle = bundle(t, "c");
    bundle.config["linux"]["resources"] = json!({
        "memory": {"limit": 64 << 20, "reservation": 32 << 20}, "pids": {"limit": 20},
        "cpu": {"shares": 512, "quota": 25_000, "period": 100_000, "cpus": "0"},
    });
    bundle.config["annotations"] =
        json!({"org.systemd.property.TimeoutStopSec": "uint64 7", "org.systemd.property.SendSIGHUP": "true"});
    let path = bundle.write();
    let id = format!("{}-c", t.tag);
    let unit = format!("oci-{id}.scope");
    let dir = slice_dir(t).join(&unit);
    oci(t, &["create", "--bundle", &path, &id]).output_to(&t.path("out")).run().ok();
    for (name, want) in [
        ("ActiveState", "active"),
        ("Slice", &slice(t)),
        ("Delegate", "yes"),
        ("MemoryMax", "67108864"),
        ("MemoryLow", "33554432"),
        ("TasksMax", "20"),
        ("CPUQuotaPerSecUSec", "250ms"),
        ("AllowedCPUs", "0"),
        ("TimeoutStopUSec", "7s"),
        ("SendSIGHUP", "yes"),
    ] {
        assert_eq!(property(&unit, name), want, "{name}");
    }
    // In the kernel as asked for; init is alone, the process that the scope was started around is gone.
    let files = || ["memory.max", "pids.max", "cpu.max", "cpuset.cpus"].map(|f| file(&dir, f));
    assert_eq!(files(), ["67108864", "20", "25000 100000", "0"]);
    assert_eq!(file(&dir, "cgroup.procs").lines().count(), 1);
    oci(t, &["start", &id]).run().ok();
    oci(t, &["update", "--memory", "96m", "--pids-limit", "30", &id]).run().ok();
    systemctl(&["daemon-reload"]).ok();
    assert_eq!((property(&unit, "MemoryMax"), property(&unit, "TasksMax")), ("100663296".into(), "30".into()));
    assert_eq!(files(), ["100663296", "30", "25000 100000", "0"]);
    oci(t, &["exec", &id, "/bin/payload", "caps"]).run().ok();
    oci(t, &["kill", &id, "KILL"]).run().ok();
    t.eventually("it has stopped", 10, || oci(t, &["state", &id]).run().stdout.contains("\"stopped\"").then_some(()));
    oci(t, &["delete", &id]).run().ok();
    assert_eq!(property(&unit, "LoadState"), "not-found");
    assert!(!dir.exists());
    // The name is free at once; one that runs ends by force.
    oci(t, &["run", "-d", "--bundle", &path, &id]).output_to(&t.path("out")).run().ok();
    oci(t, &["delete", "--force", &id]).run().ok();
    assert_eq!(property(&unit, "LoadState"), "not-found");
    stop_slice(t);
}

fn a_limit_of_one_task_does_not_keep_the_container_from_its_birth(t: &Test) {
    requires_systemd(t);
    let mut bundle = bundle(t, "one");
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 1}});
    let id = format!("{}-one", t.tag);
    oci(t, &["run", "-d", "--bundle", &bundle.write(), &id]).output_to(&t.path("out")).run().ok();
    assert_eq!(file(&slice_dir(t).join(format!("oci-{id}.scope")), "pids.max"), "1");
    oci(t, &["delete", "--force", &id]).run().ok();
    stop_slice(t);
}

fn what_makes_no_unit_is_refused_and_a_create_that_fails_leaves_none(t: &Test) {
    requires_systemd(t);
    let create = |bundle: &Bundle| oci(t, &["create", "--bundle", &bundle.write(), &t.tag]).run();
    let mut wrong = bundle(t, "w");
    wrong.config["linux"]["cgroupsPath"] = json!("/a/b");
    create(&wrong).refuses(&["linux.cgroupsPath", "SLICE:PREFIX:NAME"]);
    let mut wrong = bundle(t, "w");
    wrong.config["annotations"] = json!({"org.systemd.property.MemoryMax": "lots"});
    create(&wrong).refuses(&["org.systemd.property.MemoryMax"]);
    // systemd itself refuses.
    let mut wrong = bundle(t, "w");
    wrong.config["annotations"] = json!({"org.systemd.property.NoSuchThing": "true"});
    create(&wrong).refuses(&["systemd", "NoSuchThing"]);
    let mut wrong = bundle(t, "w");
    wrong.config["process"]["args"] = json!(["/no/such"]);
    oci(t, &["run", "--bundle", &wrong.write(), &t.tag]).run().refuses(&["/no/such"]);
    gone(t, &format!("oci-{}-w.scope", t.tag));
    assert!(oci(t, &["list", "-q"]).run().ok().stdout.is_empty());
    stop_slice(t);
}

/// Nothing but `--runtime` is changed: systemd is podman's default where it runs.
fn podman_with_its_default_cgroup_manager_runs_on_podrt(t: &Test) {
    requires_systemd(t);
    t.requires_program("podman");
    t.requires_program("conmon");
    let (graph, run) = (t.path("graph"), t.path("run-podman"));
    t.write("storage.conf", format!("[storage]\ndriver = \"vfs\"\ngraphroot = {graph:?}\nrunroot = {run:?}\n"));
    t.write("containers.conf", "[containers]\nnetns = \"none\"\nlog_driver = \"k8s-file\"\n[engine]\nevents_logger = \"file\"\n");
    let podman = |args: &[&str]| {
        Run::new("podman")
            .env("CONTAINERS_CONF", t.path("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", t.path("storage.conf"))
            .args(["--runtime", world::runtime().to_str().unwrap(), "--tmpdir", t.path("tmp-podman").to_str().unwrap()])
            .args(args)
            .within(Duration::from_secs(300))
            .run()
    };
    let (rootfs, tar) = (world::fixtures().join("rootfs"), t.path("root.tar"));
    Run::new("tar").args(["-C", rootfs.to_str().unwrap(), "-cf", tar.to_str().unwrap(), "."]).run().ok();
    podman(&["import", "-q", tar.to_str().unwrap(), "box"]).ok();
    assert_eq!(podman(&["info", "-f", "{{.Host.CgroupManager}}"]).ok().stdout.trim(), "systemd");
    let out = podman(&["run", "--rm", "--memory", "64m", "box", "/bin/sh", "-c", "echo out; exit 7"]);
    assert_eq!((out.code(), out.stdout.as_str()), (7, "out\n"), "{out}");
    let id = podman(&["run", "-d", "--memory", "64m", "box", "/bin/sleep", "100"]).ok().stdout.trim().to_owned();
    let unit = format!("libpod-{id}.scope");
    assert_eq!((property(&unit, "ActiveState"), property(&unit, "Slice")), ("active".into(), "machine.slice".into()));
    assert_eq!(property(&unit, "MemoryMax"), "67108864");
    assert_eq!(podman(&["exec", &id, "/bin/sh", "-c", "echo in"]).ok().stdout, "in\n");
    podman(&["stop", "-t", "1", &id]).ok();
    podman(&["rm", "-f", &id]).ok();
    gone(t, &unit);
    support::leaks::reap();
}

/// Natively: there is no systemd to ask.
fn without_systemd_the_flag_is_refused_with_the_way_out(t: &Test) {
    t.requires_podrt();
    t.requires(!Path::new("/run/systemd/system").is_dir(), "systemd runs here");
    oci(t, &["list"]).run().refuses(&["--systemd-cgroup", "cgroupfs"]);
}

use pods::*;
suite!(
    a_pod_is_in_podrts_slice_and_a_reload_takes_nothing_from_it,
    pods_come_while_the_last_one_goes,
    systemd_ends_all_pods_when_it_is_told_to,
    a_container_has_a_scope_with_its_limits_as_properties,
    a_limit_of_one_task_does_not_keep_the_container_from_its_birth,
    what_makes_no_unit_is_refused_and_a_create_that_fails_leaves_none,
    podman_with_its_default_cgroup_manager_runs_on_podrt,
    without_systemd_the_flag_is_refused_with_the_way_out,
);
