//! podrt-oci through its command line, on bundles: what runc's users take for granted. `RUNTIME=crun` runs the same tests on
//! another runtime; what is podrt's own promise is skipped there.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::{Bundle, Out, Test, command::value, console::Console};

/// Runs a bundle in the foreground.
fn run(t: &Test, bundle: &Bundle) -> Out {
    let folder = bundle.write();
    let id = format!("{}-{}", t.tag, bundle.path.file_name().unwrap().to_str().unwrap());
    t.oci(["run", "--bundle", &folder, &id]).run()
}

fn payload(t: &Test, args: &[&str]) -> Bundle {
    let all: Vec<&str> = ["/bin/payload"].iter().chain(args).copied().collect();
    Bundle::new(t, "c", &all)
}

fn state(t: &Test, id: &str) -> Value {
    serde_json::from_str(&t.oci(["state", id]).run().ok().stdout).expect("state is JSON")
}

fn shell(t: &Test, script: &str) -> Bundle {
    Bundle::new(t, "c", &["/bin/sh", "-c", script])
}

fn run_passes_on_output_and_exit_code(t: &Test) {
    let out = run(t, &shell(t, "echo out; echo err >&2; exit 7"));
    assert_eq!((out.code(), out.stdout.as_str(), out.stderr.as_str()), (7, "out\n", "err\n"), "{out}");
    run(t, &payload(t, &["exit", "0"])).ok();
}

fn a_container_killed_by_a_fault_has_128_and_the_signal(t: &Test) {
    run(t, &payload(t, &["die", "11"])).exits(139);
}

fn stdin_reaches_the_container(t: &Test) {
    let folder = payload(t, &["echo"]).write();
    let out = t.oci(["run", "--bundle", &folder, &t.tag]).input("some\ntext").run().ok();
    assert_eq!(out.stdout, "some\ntexteof=9\n");
}

fn create_start_state_kill_delete_go_through_the_states_of_the_specification(t: &Test) {
    let bundle = payload(t, &["trap-term", "0"]).set("/annotations", json!({"org.example.key": "kept"}));
    let folder = bundle.write();
    let id = t.tag.as_str();
    t.oci(["create", "--bundle", &folder, "--pid-file", t.path("pid").to_str().unwrap(), id])
        .output_to(&t.path("out"))
        .run()
        .ok();
    let created = state(t, id);
    assert_eq!(created["status"], "created");
    assert_eq!(created["id"], id);
    assert_eq!(created["bundle"], folder.as_str());
    assert_eq!(created["annotations"]["org.example.key"], "kept");
    assert!(created["ociVersion"].as_str().is_some_and(|v| v.starts_with("1.")));
    assert_eq!(created["pid"].to_string(), t.read("pid").trim());
    assert_eq!(t.read("out"), "", "the program has not begun");
    t.oci(["start", id]).run().ok();
    assert_eq!(state(t, id)["status"], "running");
    t.eventually("the program runs", 5, || t.read("out").contains("ready=1").then_some(()));
    t.oci(["kill", id, "TERM"]).run().ok();
    t.eventually("stopped", 5, || (state(t, id)["status"] == "stopped").then_some(()));
    assert!(t.read("out").contains("signal=15"));
    t.oci(["delete", id]).run().ok();
    assert_ne!(t.oci(["state", id]).run().code(), 0);
}

fn delete_of_a_running_container_needs_force(t: &Test) {
    let folder = payload(t, &["ignore-term"]).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    t.oci(["start", &t.tag]).run().ok();
    t.oci(["delete", &t.tag]).run().refuses(&[]);
    assert_eq!(state(t, &t.tag)["status"], "running");
    t.oci(["delete", "--force", &t.tag]).run().ok();
}

fn force_deletes_a_container_that_never_started_and_one_that_is_not_there(t: &Test) {
    let folder = payload(t, &["sleep"]).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    t.oci(["delete", "--force", &t.tag]).run().ok();
    t.oci(["delete", "--force", &t.tag]).run().ok();
    t.oci(["delete", &t.tag]).run().refuses(&[]);
}

fn a_container_that_never_started_is_deleted_without_force(t: &Test) {
    let folder = payload(t, &["sleep"]).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    t.oci(["delete", &t.tag]).run().ok();
    t.oci(["state", &t.tag]).run().refuses(&[]);
}

fn a_name_is_taken_once(t: &Test) {
    let folder = payload(t, &["sleep"]).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    t.oci(["create", "--bundle", &folder, &t.tag]).run().refuses(&[]);
    assert_eq!(state(t, &t.tag)["status"], "created", "the first one is as it was");
    t.oci(["delete", "--force", &t.tag]).run().ok();
}

fn kill_and_start_refuse_what_has_ended(t: &Test) {
    let folder = payload(t, &["exit", "0"]).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    t.oci(["start", &t.tag]).run().ok();
    t.eventually("stopped", 5, || (state(t, &t.tag)["status"] == "stopped").then_some(()));
    t.oci(["start", &t.tag]).run().refuses(&[]);
    t.oci(["kill", &t.tag, "KILL"]).run().refuses(&[]);
    t.oci(["delete", &t.tag]).run().ok();
}

fn ids_that_could_leave_the_state_folder_are_refused(t: &Test) {
    let folder = payload(t, &["exit", "0"]).write();
    for id in ["..", ".", "a/b", "../x", "", "a\nb", "a b", &"x".repeat(1100)] {
        t.oci(["run", "--bundle", &folder, id]).run().refuses(&[]);
        t.oci(["state", id]).run().refuses(&[]);
    }
}

fn the_mounts_of_the_bundle_and_no_others_are_there(t: &Test) {
    let out = run(t, &payload(t, &["mounts"])).ok();
    let table: Vec<(&str, &str, &str)> = out
        .stdout
        .lines()
        .map(|l| {
            (
                l.split(' ').nth(4).unwrap(),
                l.split(" - ").nth(1).unwrap().split(' ').next().unwrap(),
                l.split(' ').nth(5).unwrap(),
            )
        })
        .collect();
    for (at, kind) in [
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
        ("/dev/mqueue", "mqueue"),
        ("/sys", "sysfs"),
        ("/sys/fs/cgroup", "cgroup2"),
    ] {
        assert!(table.iter().any(|m| (m.0, m.1) == (at, kind)), "{kind} on {at} in: {out}");
    }
    let options = |at: &str| table.iter().rev().find(|m| m.0 == at).unwrap().2;
    assert!(options("/").starts_with("ro"), "{out}");
    assert!(options("/sys").contains("ro") && options("/sys").contains("nosuid") && options("/dev/shm").contains("nodev"));
    let expected = |at: &str| at == "/" || ["/proc", "/dev", "/sys"].iter().any(|p| at == *p || at.starts_with(&format!("{p}/")));
    let strange: Vec<_> = table.iter().filter(|m| !expected(m.0)).collect();
    assert!(strange.is_empty(), "not asked for: {strange:?}");
}

fn a_readonly_root_is_read_only_and_a_writable_one_is_not(t: &Test) {
    let out = run(t, &payload(t, &["try-create", "/new", "/bin/new"])).ok();
    assert_eq!(out.stdout, "/new=EROFS\n/bin/new=EROFS\n");
    let own = Bundle::new(t, "own", &["/bin/payload", "try-create", "/new"]).with_own_root();
    assert_eq!(run(t, &own).ok().stdout, "/new=0\n");
    assert!(own.path.join("rootfs/new").exists());
}

fn masked_paths_are_empty_and_readonly_paths_are_not_writable(t: &Test) {
    let paths = [
        "/proc/kcore",
        "/proc/keys",
        "/proc/timer_list",
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/core_pattern",
        "/proc/irq/default_smp_affinity",
    ];
    let out = run(t, &payload(t, &[&["try-write"], &paths[3..]].concat())).ok();
    for path in &paths[3..] {
        assert!(matches!(out.value(path), "EROFS" | "ENOENT"), "{out}");
    }
    let there: Vec<&str> = paths[..3].iter().copied().filter(|p| Path::new(p).exists()).collect();
    assert!(!there.is_empty());
    let out = run(t, &payload(t, &[&["cat"], &there[..]].concat())).ok();
    assert_eq!(out.stdout, "", "masked files read as empty");
    let out = run(t, &payload(t, &["list", "/sys/firmware", "/proc/scsi"])).ok();
    assert!(out.stdout.lines().all(|l| l.ends_with("=ENOENT")), "masked folders are empty: {out}");
}

fn the_default_devices_and_links_are_there(t: &Test) {
    let script = "payload stat /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/fd /dev/stdin /dev/stdout /dev/stderr /dev/ptmx";
    let out = run(t, &shell(t, script)).ok();
    for (path, want) in [
        ("/dev/null", "c 0666 0 0 1:3"),
        ("/dev/zero", "c 0666 0 0 1:5"),
        ("/dev/full", "c 0666 0 0 1:7"),
        ("/dev/random", "c 0666 0 0 1:8"),
        ("/dev/urandom", "c 0666 0 0 1:9"),
        ("/dev/tty", "c 0666 0 0 5:0"),
    ] {
        assert_eq!(out.value(path).trim_end(), want, "{path}");
    }
    for (path, to) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/ptmx", "pts/ptmx"),
    ] {
        assert!(out.value(path).ends_with(to), "{path}: {out}");
    }
}

fn devices_of_the_bundle_are_made_with_their_mode_and_owner(t: &Test) {
    let device = json!([{"path": "/dev/mine", "type": "c", "major": 1, "minor": 7, "fileMode": 0o620, "uid": 3, "gid": 5}]);
    let rules = json!([{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 7, "access": "rw"}]);
    let bundle = payload(t, &["stat", "/dev/mine"]).set("/linux/devices", device).set("/linux/resources/devices", rules);
    assert_eq!(run(t, &bundle).ok().value("/dev/mine").trim_end(), "c 0620 3 5 1:7");
}

fn device_rules_let_a_node_be_made_but_not_opened(t: &Test) {
    let out = run(t, &payload(t, &["try-mknod", "/dev/kmsg2", "1", "11"])).ok();
    assert_eq!((out.value("mknod"), out.value("/dev/kmsg2")), ("0", "EPERM"), "{out}");
    let rules =
        json!([{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm"}]);
    // Where kernel.dmesg_restrict is 1 that device asks for CAP_SYSLOG besides.
    let caps = json!(["CAP_MKNOD", "CAP_SYSLOG"]);
    let allowed = payload(t, &["try-mknod", "/dev/kmsg2", "1", "11"])
        .set("/linux/resources/devices", rules)
        .set("/process/capabilities", json!({"bounding": caps, "effective": caps, "permitted": caps}));
    assert_eq!(run(t, &allowed).ok().value("/dev/kmsg2"), "0");
}

const DEFAULT_CAPS: &str = "00000000a80425fb";
const NONE: &str = "0000000000000000";

fn capabilities_are_exactly_those_of_the_bundle(t: &Test) {
    let out = run(t, &payload(t, &["caps"])).ok();
    let all = |out: &Out| ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|k| out.value(k).to_owned());
    assert_eq!(all(&out), [NONE, DEFAULT_CAPS, DEFAULT_CAPS, DEFAULT_CAPS, NONE]);
    assert_eq!((out.value("NoNewPrivs"), out.value("Seccomp")), ("1", "0"));
    let user = payload(t, &["caps"]).set("/process/user", json!({"uid": 1000, "gid": 1000}));
    assert_eq!(all(&run(t, &user).ok()), [NONE, NONE, NONE, DEFAULT_CAPS, NONE], "a user without ambient has none");
    let net = json!(["CAP_NET_BIND_SERVICE"]);
    let ambient = user
        .set(
            "/process/capabilities",
            json!({"bounding": net, "effective": net, "permitted": net, "inheritable": net, "ambient": net}),
        )
        .set("/process/noNewPrivileges", json!(false));
    let out = run(t, &ambient).ok();
    assert_eq!(all(&out), ["0000000000000400"; 5].map(String::from));
    assert_eq!(out.value("NoNewPrivs"), "0");
    let none = payload(t, &["caps"]).set("/process/capabilities", json!({}));
    assert_eq!(all(&run(t, &none).ok()), [NONE; 5].map(String::from));
}

fn rlimits_are_set(t: &Test) {
    let limits = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}, {"type": "RLIMIT_NPROC", "soft": 77, "hard": 78}]);
    let out = run(t, &payload(t, &["limits"]).set("/process/rlimits", limits)).ok();
    assert_eq!([out.value("NOFILE"), out.value("CORE"), out.value("NPROC")], ["100:200", "0:0", "77:78"]);
}

fn ids_groups_umask_and_folder_are_those_of_the_bundle(t: &Test) {
    let user = json!({"uid": 1000, "gid": 1001, "additionalGids": [7, 2000], "umask": 0o27});
    let bundle = payload(t, &["ids"]).set("/process/user", user).set("/process/cwd", json!("/home/app"));
    let out = run(t, &bundle).ok();
    assert_eq!(
        [out.value("uid"), out.value("gid"), out.value("umask"), out.value("cwd")],
        ["1000 1000 1000", "1001 1001 1001", "0027", "/home/app"]
    );
    assert_eq!(out.value("Groups").split_whitespace().collect::<Vec<_>>(), ["7", "2000"], "exactly what was asked for");
    assert_eq!([out.value("hostname"), out.value("pid")], ["fixture", "1"]);
    let root = run(t, &payload(t, &["ids"])).ok();
    assert_eq!([root.value("umask"), root.value("Groups").trim(), root.value("sid")], ["0022", "", "1"]);
}

fn environment_and_path_search_are_those_of_the_bundle(t: &Test) {
    let bundle = Bundle::new(t, "c", &["payload", "env"]).set("/process/env", json!(["PATH=/nowhere:/bin", "A=b=c", "EMPTY="]));
    let out = run(t, &bundle).ok();
    let mut lines: Vec<&str> = out.stdout.lines().filter(|l| !l.starts_with("HOME=")).collect();
    lines.sort();
    assert_eq!(lines, ["A=b=c", "EMPTY=", "PATH=/nowhere:/bin"], "nothing of the caller's");
}

/// As a shell that left many files open: 50 fds, one on the host's root among them.
fn stray_fds_of_the_caller_do_not_reach_the_container(t: &Test) {
    let folder = payload(t, &["fds"]).write();
    let open: String = (9..59).map(|n| format!(" {n}</")).collect();
    let script = format!("exec{open}; exec \"$0\" --root \"$1\" run --bundle \"$2\" \"$3\"");
    let runtime = support::world::runtime();
    let args = ["-c", &script, runtime.to_str().unwrap(), t.oci_root.to_str().unwrap(), &folder, &t.tag];
    let out = support::Run::new("/bin/bash").args(args).run().ok();
    let numbers: Vec<&str> = out.stdout.lines().map(|l| l.split('=').next().unwrap()).collect();
    assert_eq!(numbers, ["0", "1", "2"], "{out}");
}

/// A descriptor that the caller or the runtime holds is no way out: refused, or a folder of the container's own.
fn a_working_folder_behind_a_descriptor_never_leads_out(t: &Test) {
    let open: String = (9..21).map(|n| format!(" {n}</")).collect();
    for n in 3..21 {
        let folder =
            payload(t, &["cat", "etc/issue", "proc/1/comm"]).set("/process/cwd", json!(format!("/proc/self/fd/{n}"))).write();
        let script = format!("exec{open}; exec \"$0\" --root \"$1\" run --bundle \"$2\" \"$3\"");
        let runtime = support::world::runtime();
        let args = ["-c", &script, runtime.to_str().unwrap(), t.oci_root.to_str().unwrap(), &folder, &t.tag];
        let out = support::Run::new("/bin/bash").args(args).run();
        assert!(out.code() != 0 || out.stdout == "podrt test root\npayload\n", "fd {n}: {out}");
    }
}

fn signals_ignored_or_blocked_by_the_caller_are_not_so_in_the_container(t: &Test) {
    let folder = payload(t, &["signals"]).write();
    let script = "trap '' HUP INT QUIT PIPE TERM USR1 USR2 CHLD; exec \"$0\" --root \"$1\" run --bundle \"$2\" \"$3\"";
    let runtime = support::world::runtime();
    let args = ["-c", script, runtime.to_str().unwrap(), t.oci_root.to_str().unwrap(), &folder, &t.tag];
    let out = support::Run::new("/bin/sh").args(args).run().ok();
    assert_eq!(["SigPnd", "ShdPnd", "SigBlk", "SigIgn"].map(|k| out.value(k)), [NONE; 4], "{out}");
}

fn a_seccomp_profile_is_obeyed(t: &Test) {
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [
            {"names": ["keyctl", "no_such_call_of_any_kernel"], "action": "SCMP_ACT_ERRNO"},
            {"names": ["userfaultfd"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
            {"names": ["reboot"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
        ]
    });
    for no_new_privs in [true, false] {
        let bundle = payload(t, &["seccomp-probe"])
            .set("/linux/seccomp", profile.clone())
            .set("/process/noNewPrivileges", json!(no_new_privs));
        let out = run(t, &bundle).ok();
        assert_eq!(
            [out.value("keyctl"), out.value("userfaultfd"), out.value("reboot"), out.value("getppid")],
            ["EPERM", "EOPNOTSUPP", "EPERM", "0"]
        );
    }
    let caps = payload(t, &["caps"]).set("/linux/seccomp", profile);
    assert_eq!(run(t, &caps).ok().value("Seccomp"), "2");
}

fn the_oom_score_is_set(t: &Test) {
    let bundle = payload(t, &["cat", "/proc/self/oom_score_adj"]).set("/process/oomScoreAdj", json!(500));
    assert_eq!(run(t, &bundle).ok().stdout, "500\n");
}

fn sysctls_of_the_containers_namespaces_are_set(t: &Test) {
    let bundle = payload(t, &["cat", "/proc/sys/kernel/shm_rmid_forced", "/proc/sys/net/ipv4/ip_forward"])
        .set("/linux/sysctl", json!({"kernel.shm_rmid_forced": "1", "net.ipv4.ip_forward": "1"}));
    assert_eq!(run(t, &bundle).ok().stdout, "1\n1\n");
}

fn sysctls_that_reach_the_host_are_refused(t: &Test) {
    let before = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    for key in ["kernel.core_pattern", "vm.swappiness", "net/../kernel/core_pattern", "fs.file-max"] {
        let bundle = payload(t, &["exit", "0"]).set("/linux/sysctl", json!({ key: "7" }));
        run(t, &bundle).refuses(&[]);
    }
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), before);
}

fn namespaces_are_new_and_a_path_joins_one(t: &Test) {
    let out = run(t, &payload(t, &["ns"])).ok();
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "uts"] {
        let host = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(out.value(kind), host.to_str().unwrap(), "{kind}");
    }
    let namespaces = json!([{"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "ipc"}, {"type": "network", "path": format!("/proc/{}/ns/net", std::process::id())}]);
    let out = run(t, &payload(t, &["ns"]).set("/linux/namespaces", namespaces)).ok();
    assert_eq!(out.value("net"), fs::read_link("/proc/self/ns/net").unwrap().to_str().unwrap());
}

fn the_cgroup_is_its_own_root_and_what_the_bundle_asked_for(t: &Test) {
    let out = run(t, &payload(t, &["cgroup"])).ok();
    assert!(out.stdout.ends_with("0::/\n"), "{out}");
    let folder = payload(t, &["sleep"]).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    let pid = state(t, &t.tag)["pid"].to_string();
    let at = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    // A hybrid host has lines of cgroup v1 before it.
    assert_eq!(at.lines().last().unwrap(), format!("0::/{}/{}-c", t.cgroup_parent(), t.tag));
    t.oci(["delete", "-f", &t.tag]).run().ok();
}

fn binds_are_read_only_when_asked_and_recursively_with_rro(t: &Test) {
    t.requires_podrt();
    let source = t.path("data");
    fs::create_dir_all(source.join("sub")).unwrap();
    nix::mount::mount(Some("tmpfs"), &source.join("sub"), Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>).unwrap();
    for (options, top, sub) in
        [(["rbind", "rw"], "0", "0"), (["rbind", "ro"], "EROFS", "0"), (["rbind", "rro"], "EROFS", "EROFS")]
    {
        let mount = json!({"destination": "/mnt", "type": "bind", "source": source, "options": options});
        let out = run(t, &payload(t, &["try-create", "/mnt/x", "/mnt/sub/x"]).set("/mounts/-", mount)).ok();
        assert_eq!([out.value("/mnt/x"), out.value("/mnt/sub/x")], [top, sub], "{options:?}");
        let _ = (fs::remove_file(source.join("x")), fs::remove_file(source.join("sub/x")));
    }
    nix::mount::umount(&source.join("sub")).unwrap();
}

fn a_file_is_bound_and_a_missing_source_is_named(t: &Test) {
    let file = t.write("file", "content\n");
    let mount = |source: &Path| json!({"destination": "/etc/issue", "type": "bind", "source": source, "options": ["bind", "ro"]});
    let out = run(t, &payload(t, &["cat", "/etc/issue"]).set("/mounts/-", mount(&file))).ok();
    assert_eq!(out.stdout, "content\n");
    run(t, &payload(t, &["exit", "0"]).set("/mounts/-", mount(&t.path("nowhere")))).refuses(&["nowhere"]);
}

fn tmpfs_options_reach_the_mount(t: &Test) {
    let mount = json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["noexec", "nosuid", "size=1024k", "mode=1770"]});
    let out = run(t, &shell(t, "grep ' /mnt ' /proc/self/mountinfo; payload stat /mnt").set("/mounts/-", mount)).ok();
    assert!(out.stdout.contains("noexec") && out.stdout.contains("size=1024k"), "{out}");
    assert!(out.value("/mnt").starts_with("d 1770"), "{out}");
}

fn a_container_has_its_terminal_over_the_console_socket(t: &Test) {
    let console = Console::bind(&t.path("console"));
    let bundle = payload(t, &["tty"])
        .set("/process/terminal", json!(true))
        .set("/process/consoleSize", json!({"height": 33, "width": 99}));
    let folder = bundle.write();
    t.oci(["create", "--bundle", &folder, "--console-socket", t.path("console").to_str().unwrap(), &t.tag]).run().ok();
    let terminal = console.receive();
    t.oci(["start", &t.tag]).run().ok();
    let text = terminal.read_to_end();
    assert_eq!(["isatty0", "isatty1", "isatty2", "controlling"].map(|k| value(&text, k)), [Some("1"); 4], "{text}");
    assert!(text.contains("rows=33 cols=99"), "{text}");
    assert!(value(&text, "name").is_some_and(|n| n == "/dev/pts/0" || n == "/dev/console"), "{text}");
    t.eventually("stopped", 5, || (state(t, &t.tag)["status"] == "stopped").then_some(()));
    t.oci(["delete", &t.tag]).run().ok();
}

suite!(
    run_passes_on_output_and_exit_code,
    a_container_killed_by_a_fault_has_128_and_the_signal,
    stdin_reaches_the_container,
    create_start_state_kill_delete_go_through_the_states_of_the_specification,
    delete_of_a_running_container_needs_force,
    force_deletes_a_container_that_never_started_and_one_that_is_not_there,
    a_container_that_never_started_is_deleted_without_force,
    a_name_is_taken_once,
    kill_and_start_refuse_what_has_ended,
    ids_that_could_leave_the_state_folder_are_refused,
    the_mounts_of_the_bundle_and_no_others_are_there,
    a_readonly_root_is_read_only_and_a_writable_one_is_not,
    masked_paths_are_empty_and_readonly_paths_are_not_writable,
    the_default_devices_and_links_are_there,
    devices_of_the_bundle_are_made_with_their_mode_and_owner,
    device_rules_let_a_node_be_made_but_not_opened,
    capabilities_are_exactly_those_of_the_bundle,
    rlimits_are_set,
    ids_groups_umask_and_folder_are_those_of_the_bundle,
    environment_and_path_search_are_those_of_the_bundle,
    stray_fds_of_the_caller_do_not_reach_the_container,
    a_working_folder_behind_a_descriptor_never_leads_out,
    signals_ignored_or_blocked_by_the_caller_are_not_so_in_the_container,
    a_seccomp_profile_is_obeyed,
    the_oom_score_is_set,
    sysctls_of_the_containers_namespaces_are_set,
    sysctls_that_reach_the_host_are_refused,
    namespaces_are_new_and_a_path_joins_one,
    the_cgroup_is_its_own_root_and_what_the_bundle_asked_for,
    binds_are_read_only_when_asked_and_recursively_with_rro,
    a_file_is_bound_and_a_missing_source_is_named,
    tmpfs_options_reach_the_mount,
    a_container_has_its_terminal_over_the_console_socket,
);
