//! Debian's podman on podrt-oci: what a user of podman does, with nothing but `--runtime` changed. Everything of podman's own
//! (store, run folder, configuration) is the test's.

mod support;

use std::time::Duration;
use support::{Out, Run, Test};

/// No limits by default: a host with cgroup v1 beside has no controllers to limit with. systemd is not asked.
const CONTAINERS: &str = r#"[containers]
default_ulimits = []
pids_limit = 0
netns = "none"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

struct Podman<'a>(&'a Test);

impl Podman<'_> {
    fn new(t: &Test) -> Podman<'_> {
        t.requires_podrt();
        t.requires_root();
        t.requires_program("podman");
        t.requires_program("conmon");
        t.write("containers.conf", CONTAINERS);
        let (graph, run) = (t.path("graph"), t.path("run-podman"));
        t.write("storage.conf", format!("[storage]\ndriver = \"vfs\"\ngraphroot = {graph:?}\nrunroot = {run:?}\n"));
        let podman = Podman(t);
        let rootfs = support::world::fixtures().join("rootfs");
        let tar = t.path("root.tar");
        let (tar, rootfs) = (tar.to_str().unwrap(), rootfs.to_str().unwrap());
        Run::new("tar").args(["-C", rootfs, "-cf", tar, "."]).run().ok();
        podman.run(&["import", "-q", tar, "box"]).ok();
        podman
    }

    fn run(&self, args: &[&str]) -> Out {
        let t = self.0;
        let text = |p: std::path::PathBuf| p.to_str().expect("UTF-8").to_owned();
        Run::new("podman")
            .env("CONTAINERS_CONF", t.path("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", t.path("storage.conf"))
            .args(["--runtime", support::world::runtime().to_str().unwrap(), "--tmpdir", &text(t.path("tmp-podman"))])
            .args(["--cgroup-manager", "cgroupfs"])
            .args(args)
            .within(Duration::from_secs(if support::world::in_vm() { 300 } else { 40 }))
            .run()
    }

    /// The cgroups that podman itself makes, and leaves.
    fn end(&self) {
        self.run(&["rm", "-a", "-f", "-t", "0"]).ok();
        support::leaks::reap();
        let _ = std::fs::remove_dir("/sys/fs/cgroup/libpod_parent");
    }
}

fn podman_runs_a_container_and_passes_on_its_output_and_exit_code(t: &Test) {
    let p = Podman::new(t);
    let out = p.run(&["run", "--rm", "box", "/bin/sh", "-c", "echo out; echo err >&2; id -u; exit 7"]);
    assert_eq!((out.code(), out.stdout.as_str(), out.stderr.as_str()), (7, "out\n0\n", "err\n"), "{out}");
    let out = p.run(&["run", "--rm", "-t", "box", "/bin/sh", "-c", "tty"]).ok();
    assert!(out.stdout.starts_with("/dev/pts/0"), "{out}");
    p.run(&["run", "--rm", "box", "/no/such"]).exits(127);
    p.run(&["run", "--rm", "box", "/etc"]).exits(126);
    let out = p.run(&[
        "run",
        "--rm",
        "--user",
        "app",
        "--cap-drop",
        "all",
        "-v",
        "/etc/hostname:/mnt/name:ro",
        "box",
        "/bin/payload",
        "caps",
    ]);
    assert_eq!(out.ok().value("CapBnd"), "0000000000000000");
    let out = p.run(&[
        "run",
        "--rm",
        "--read-only",
        "--tmpfs",
        "/etc",
        "box",
        "/bin/sh",
        "-c",
        "cat /etc/issue; echo new > /etc/issue; echo new > /x",
    ]);
    assert_eq!((out.code(), out.stdout.as_str()), (1, "podrt test root\n"), "{out}");
    p.end();
}

fn podman_execs_logs_pauses_and_stops(t: &Test) {
    let p = Podman::new(t);
    let script = "echo started; trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done";
    p.run(&["run", "-d", "--name", "c1", "box", "/bin/sh", "-c", script]).ok();
    let out = p.run(&["exec", "c1", "/bin/sh", "-c", "echo in; exit 5"]);
    assert_eq!((out.code(), out.stdout.as_str()), (5, "in\n"), "{out}");
    let out = p.run(&["exec", "-u", "app", "-w", "/home/app", "-e", "A=b", "c1", "/bin/sh", "-c", "id -un; pwd; echo $A"]).ok();
    assert_eq!(out.stdout, "app\n/home/app\nb\n");
    p.run(&["exec", "c1", "/no/such"]).exits(127);
    p.run(&["exec", "-d", "c1", "/bin/sleep", "100"]).ok();
    t.eventually("the log has the first line", 5, || (p.run(&["logs", "c1"]).stdout == "started\n").then_some(()));
    assert!(p.run(&["top", "c1"]).ok().stdout.contains("sleep 100"));
    p.run(&["pause", "c1"]).ok();
    assert!(p.run(&["ps", "-a", "--format", "{{.Status}}"]).ok().stdout.contains("Paused"));
    p.run(&["unpause", "c1"]).ok();
    p.run(&["stop", "c1"]).ok();
    assert_eq!(p.run(&["inspect", "-f", "{{.State.ExitCode}} {{.State.Status}}", "c1"]).ok().stdout, "3 exited\n");
    assert_eq!(p.run(&["logs", "c1"]).ok().stdout, "started\nbye\n");
    p.run(&["start", "c1"]).ok();
    p.run(&["kill", "c1"]).ok();
    p.end();
}

fn podman_runs_a_pod_and_a_health_check(t: &Test) {
    let p = Podman::new(t);
    p.run(&["pod", "create", "--name", "p1", "--infra=false"]).ok();
    p.run(&["run", "-d", "--pod", "p1", "--name", "a1", "--stop-signal", "KILL", "box", "/bin/sleep", "100"]).ok();
    assert!(p.run(&["pod", "ps", "--format", "{{.Name}} {{.Status}}"]).ok().stdout.contains("p1 Running"));
    p.run(&["pod", "rm", "-f", "p1"]).ok();
    p.run(&["run", "-d", "--name", "h1", "--health-cmd", "test -e /etc/issue", "box", "/bin/sleep", "100"]).ok();
    p.run(&["healthcheck", "run", "h1"]).ok();
    p.end();
}

suite!(
    podman_runs_a_container_and_passes_on_its_output_and_exit_code,
    podman_execs_logs_pauses_and_stops,
    podman_runs_a_pod_and_a_health_check,
);
