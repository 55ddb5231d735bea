//! Namespaces of a container: a user namespace of its own or of another's, id-mapped mounts, clocks, and each kind by path.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::{Bundle, Out, Test};

fn run(t: &Test, bundle: &Bundle) -> Out {
    t.oci(["run", "--bundle", &bundle.write(), &t.tag]).run()
}

fn shell(t: &Test, script: &str) -> Bundle {
    Bundle::new(t, "c", &["/bin/sh", "-c", script])
}

fn maps(inside: u32, outside: u32, size: u32) -> Value {
    json!([{"containerID": inside, "hostID": outside, "size": size}])
}

/// With ids from 100000 on.
fn with_user_namespace(b: Bundle) -> Bundle {
    b.set("/linux/namespaces/-", json!({"type": "user"}))
        .set("/linux/uidMappings", maps(0, 100_000, 65_536))
        .set("/linux/gidMappings", maps(0, 200_000, 65_536))
}

/// A folder of the test's that `uid` on the host owns, at /mnt in the container.
fn with_folder(t: &Test, b: Bundle, uid: u32) -> Bundle {
    let folder = t.path("folder");
    fs::create_dir_all(&folder).unwrap();
    chown(&folder, Some(uid), Some(uid)).unwrap();
    fs::set_permissions(&t.dir, fs::Permissions::from_mode(0o755)).unwrap();
    b.set("/mounts/-", json!({"destination": "/mnt", "type": "bind", "source": folder, "options": ["rbind"]}))
}

fn created(t: &Test, bundle: &Bundle) -> i32 {
    let pid = t.path("pid");
    t.oci(["create", "--bundle", &bundle.write(), "--pid-file", pid.to_str().unwrap(), &t.tag])
        .output_to(&t.path("out"))
        .run()
        .ok();
    t.read("pid").trim().parse().unwrap()
}

fn namespace(pid: i32, kind: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().to_str().unwrap().to_string()
}

fn a_container_in_a_user_namespace_is_root_inside_and_nobody_outside(t: &Test) {
    let script = "id -u; cat /proc/self/uid_map /proc/self/gid_map; echo x > /mnt/made; stat -c %u:%g /mnt/made /proc/self/; \
        echo kept > /dev/null && echo null; echo full > /dev/full || true; mount -t tmpfs x /tmp && echo mounted; hostname";
    let b = with_user_namespace(with_folder(t, shell(t, script), 100_000));
    let b = b.set("/hostname", json!("inside")).set("/process/capabilities/effective/-", json!("CAP_SYS_ADMIN"));
    let b = b.set("/process/capabilities/permitted/-", json!("CAP_SYS_ADMIN"));
    let b = b.set("/process/capabilities/bounding/-", json!("CAP_SYS_ADMIN"));
    let out = run(t, &b).ok();
    let words: Vec<&str> = out.stdout.split_whitespace().collect();
    let want = ["0", "0", "100000", "65536", "0", "200000", "65536", "0:0", "0:0", "null", "mounted", "inside"];
    assert_eq!(words, want, "{out}");
    assert!(out.stderr.contains("No space left"), "/dev/full is there: {out}");
    let made = fs::metadata(t.path("folder/made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (100_000, 200_000));
}

fn its_process_has_exactly_the_user_the_groups_and_the_capabilities_that_were_asked_for(t: &Test) {
    let script = "id -u; id -G; grep -E 'Cap(Prm|Bnd)' /proc/self/status; cat /proc/self/oom_score_adj; ulimit -n";
    let b = with_user_namespace(shell(t, script))
        .set("/process/user", json!({"uid": 1000, "gid": 1001, "additionalGids": [7]}))
        .set("/process/capabilities", json!({"bounding": ["CAP_SYS_RESOURCE", "CAP_KILL"]}))
        .set("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}]))
        .set("/process/oomScoreAdj", json!(900));
    let out = run(t, &b).ok();
    let words: Vec<&str> = out.stdout.split_whitespace().collect();
    let want = ["1000", "1001", "7", "CapPrm:", "0000000000000000", "CapBnd:", "0000000001000020", "900", "77"];
    assert_eq!(words, want, "{out}");
}

fn an_exec_comes_into_the_user_namespace_with_a_terminal_too(t: &Test) {
    let b = with_user_namespace(Bundle::new(t, "c", &["/bin/payload", "sleep"]));
    let pid = created(t, &b);
    t.oci(["start", &t.tag]).run().ok();
    let out = t.oci(["exec", &t.tag, "/bin/sh", "-c", "id -u; readlink /proc/self/ns/user"]).run().ok();
    assert_eq!(out.stdout, format!("0\n{}\n", namespace(pid, "user")));
    let out = t.oci(["exec", "--user", "1000:1000", &t.tag, "/bin/sh", "-c", "id -u; cat /proc/self/oom_score_adj"]).run().ok();
    assert!(out.stdout.starts_with("1000\n"), "{out}");
    let console = support::console::Console::bind(&t.path("console"));
    let socket = t.path("console");
    let args = ["exec", "--detach", "--tty", "--user", "1000", "--console-socket", socket.to_str().unwrap(), &t.tag];
    t.oci(args.into_iter().chain(["/bin/sh", "-c", "stat -c %u $(tty); echo said > /dev/tty"])).run().ok();
    let said = console.receive().read_to_end();
    assert!(said.contains("1000") && said.contains("said"), "{said:?}");
    // A PID namespace ends when all of its processes have been waited for, those of an exec by whoever runs it.
    t.eventually("the exec's end", 5, || {
        support::leaks::reap();
        fs::read_dir("/proc").unwrap().flatten().all(|e| !is_zombie_child(&e.path())).then_some(())
    });
    t.oci(["delete", "--force", &t.tag]).run().ok();
}

fn is_zombie_child(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let after = stat.rsplit(") ").next().unwrap_or_default();
    after.starts_with(&format!("Z {} ", std::process::id()))
}

fn a_terminal_of_a_user_namespace_belongs_to_its_user(t: &Test) {
    let b = with_user_namespace(shell(t, "tty; stat -c %u:%g $(tty); echo said > /dev/console"))
        .set("/process/terminal", json!(true))
        .set("/process/user", json!({"uid": 1000, "gid": 1000}));
    let console = support::console::Console::bind(&t.path("console"));
    let socket = t.path("console");
    t.oci(["run", "--detach", "--bundle", &b.write(), "--console-socket", socket.to_str().unwrap(), &t.tag]).run().ok();
    let said = console.receive().read_to_end();
    assert!(said.contains("/dev/pts/0") && said.contains("1000:5") && said.contains("said"), "{said:?}");
    t.oci(["delete", "--force", &t.tag]).run().ok();
}

fn a_device_that_the_host_has_not_is_refused_in_a_user_namespace(t: &Test) {
    t.requires_podrt();
    let device = json!([{"path": "/dev/odd", "type": "c", "major": 1, "minor": 7}]);
    let b = with_user_namespace(shell(t, "true")).set("/linux/devices", device);
    run(t, &b).refuses(&["linux.devices", "/dev/odd", "1:7"]);
}

/// A host's process with namespaces of its own.
struct Holder(Child);

impl Holder {
    fn new(t: &Test, flags: &[&str]) -> Holder {
        let child = Command::new("unshare").args(flags).args(["sleep", "1000"]).stdout(Stdio::null()).spawn().unwrap();
        let holder = Holder(child);
        let (pid, own) = (holder.pid(), std::process::id() as i32);
        t.eventually("unshare has done its work", 5, || {
            let kinds = ["ipc", "mnt", "net", "uts", "cgroup", "time_for_children", "pid_for_children", "user"];
            let changed = kinds.iter().any(|k| namespace(pid, k) != namespace(own, k));
            (changed && fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim() != "podrt").then_some(())
        });
        holder
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn in_namespace(b: Bundle, kind: &str, path: &str) -> Bundle {
    let list = b.config["linux"]["namespaces"].as_array().unwrap();
    let mut list: Vec<Value> = list.iter().filter(|n| n["type"] != kind).cloned().collect();
    list.push(json!({"type": kind, "path": path}));
    b.set("/linux/namespaces", json!(list))
}

fn a_namespace_of_each_kind_is_joined_by_its_path(t: &Test) {
    for (kind, file, flags) in [
        ("ipc", "ipc", &["--ipc"][..]),
        ("network", "net", &["--net"]),
        ("uts", "uts", &["--uts"]),
        ("cgroup", "cgroup", &["--cgroup"]),
        ("mount", "mnt", &["--mount"]),
        ("pid", "pid_for_children", &["--pid"]),
        ("time", "time_for_children", &["--time"]),
        ("user", "user", &["--user"]),
    ] {
        let mut flags: Vec<&str> = flags.to_vec();
        if kind == "pid" {
            // The namespace lives with its first process.
            flags.push("--fork");
        }
        let holder = Holder::new(t, &flags);
        let path = format!("/proc/{}/ns/{file}", holder.pid());
        if kind == "user" {
            for map in ["uid_map", "gid_map"] {
                fs::write(format!("/proc/{}/{map}", holder.pid()), "0 100000 65536").unwrap();
            }
        }
        if kind == "pid" {
            t.eventually("the first process", 5, || fs::read_link(&path).ok());
        }
        let b = in_namespace(Bundle::new(t, "c", &["/bin/payload", "sleep"]), kind, &path).without("/hostname");
        let pid = created(t, &b);
        let name = file.trim_end_matches("_for_children");
        assert_eq!(namespace(pid, name), namespace(holder.pid(), file), "{kind}");
        t.oci(["delete", "--force", &t.tag]).run().ok();
        if kind == "pid" {
            // The fork of unshare, which lives on without it.
            let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.pid())).unwrap();
            children.split_whitespace().for_each(|c| support::leaks::kill_tree(c.parse().unwrap()));
        }
    }
}

/// As the containers of one pod are made by engines.
fn a_second_container_joins_the_user_and_other_namespaces_of_a_first(t: &Test) {
    let first = with_user_namespace(Bundle::new(t, "c", &["/bin/payload", "sleep"]));
    let pid = created(t, &first);
    let mut second = shell(
        t,
        "for n in user net ipc uts; do readlink /proc/self/ns/$n; done; id -u; ls /dev/mqueue; cat /sys/class/net/lo/ifindex",
    );
    second.path = t.path("second");
    second = second.set("/linux/cgroupsPath", json!(format!("/{}/second", t.cgroup_parent())));
    for (kind, file) in [("user", "user"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        second = in_namespace(second, kind, &format!("/proc/{pid}/ns/{file}"));
    }
    let second = second.without("/hostname");
    let id = format!("{}-second", t.tag);
    let out = t.oci(["run", "--bundle", &second.write(), &id]).run().ok();
    let want: String = ["user", "net", "ipc", "uts"].map(|n| format!("{}\n", namespace(pid, n))).concat();
    assert_eq!(out.stdout, format!("{want}0\n1\n"), "{out}");
    let other = second.set("/linux/uidMappings", maps(0, 5, 5)).set("/linux/gidMappings", maps(0, 5, 5));
    if !support::world::foreign() {
        t.oci(["run", "--bundle", &other.write(), &id]).run().refuses(&["linux.uidMappings"]);
    }
    t.oci(["delete", "--force", &t.tag]).run().ok();
}

fn the_clocks_of_a_time_namespace_are_set_off(t: &Test) {
    t.requires_podrt();
    t.requires(Path::new("/proc/self/ns/time").exists(), "needs a kernel with time namespaces");
    let uptime = |text: &str| text.split('.').next().unwrap().trim().parse::<u64>().unwrap();
    let here = uptime(&fs::read_to_string("/proc/uptime").unwrap());
    let offsets = json!({"monotonic": {"secs": 5000}, "boottime": {"secs": 864_000, "nanosecs": 1}});
    let b = Bundle::new(t, "c", &["/bin/payload", "sleep"]).set("/linux/namespaces/-", json!({"type": "time"}));
    let b = b.set("/linux/timeOffsets", offsets);
    for b in [b.set("/annotations", json!({})), with_user_namespace(Bundle::new(t, "c", &["/bin/payload", "sleep"]))] {
        let joined = b.config["linux"]["timeOffsets"].is_null();
        let b = match joined {
            true => b
                .set("/linux/namespaces/-", json!({"type": "time"}))
                .set("/linux/timeOffsets", json!({"boottime": {"secs": 864_000}})),
            false => b,
        };
        created(t, &b);
        t.oci(["start", &t.tag]).run().ok();
        let out = t.oci(["exec", &t.tag, "/bin/cat", "/proc/uptime"]).run().ok();
        assert!(uptime(&out.stdout) >= here + 864_000, "{out}");
        t.oci(["delete", "--force", &t.tag]).run().ok();
    }
}

fn an_id_mapped_mount_shows_other_owners_and_keeps_its_own(t: &Test) {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let version: Vec<u32> = kernel.split(['.', '-']).filter_map(|n| n.parse().ok()).take(2).collect();
    // The tests' folder is on a tmpfs in the virtual machine, which takes id maps since Linux 6.3.
    t.requires(version >= vec![6, 3] || !support::world::in_vm(), "needs Linux 6.3 for id-mapped tmpfs");
    t.requires_podrt();
    let folder = t.path("mapped");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("file"), "x").unwrap();
    chown(folder.join("file"), Some(1000), Some(1000)).unwrap();
    chown(&folder, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&t.dir, fs::Permissions::from_mode(0o755)).unwrap();
    let mount = |options: Value, ids: bool| {
        let mut m = json!({"destination": "/mnt", "type": "bind", "source": folder, "options": options});
        if ids {
            m["uidMappings"] = maps(1000, 5000, 10);
            m["gidMappings"] = maps(1000, 6000, 10);
        }
        m
    };
    let script = "stat -c %u:%g /mnt/file; echo x > /mnt/new; stat -c %u:%g /mnt/new";
    for options in [json!(["rbind", "idmap"]), json!(["rbind", "ridmap"]), json!(["bind"])] {
        let b = shell(t, script).set("/mounts/-", mount(options, true)).set("/process/user", json!({"uid": 5000, "gid": 6000}));
        let out = run(t, &b).ok();
        assert_eq!(out.stdout, "5000:6000\n5000:6000\n");
        let new = fs::metadata(folder.join("new")).unwrap();
        assert_eq!((new.uid(), new.gid()), (1000, 1000), "on the host as the others");
        fs::remove_file(folder.join("new")).unwrap();
    }
    // Without maps of its own: those of the container, so that the host's ids are the container's.
    let b = with_user_namespace(shell(t, script)).set("/mounts/-", mount(json!(["rbind", "idmap"]), false));
    let b = b.set("/process/user", json!({"uid": 1000, "gid": 1000}));
    assert_eq!(run(t, &b).ok().stdout, "1000:1000\n1000:1000\n");
    assert_eq!(fs::metadata(folder.join("new")).unwrap().uid(), 1000);
    run(t, &shell(t, "true").set("/mounts/-", mount(json!(["bind", "idmap"]), false)))
        .refuses(&["mounts[7].options", "user namespace"]);
    let mut half = mount(json!(["bind", "idmap"]), true);
    half.as_object_mut().unwrap().remove("gidMappings");
    run(t, &shell(t, "true").set("/mounts/-", half)).refuses(&["mounts[7].gidMappings"]);
    let tmpfs = json!({"destination": "/mnt", "type": "tmpfs", "source": "x", "uidMappings": maps(0, 1, 1), "gidMappings": maps(0, 1, 1)});
    run(t, &shell(t, "true").set("/mounts/-", tmpfs)).refuses(&["mounts[7]", "bind mounts only"]);
}

fn what_does_not_go_together_is_refused_by_its_field(t: &Test) {
    t.requires_podrt();
    let user = |b: Bundle| b.set("/linux/namespaces/-", json!({"type": "user"}));
    let base = || shell(t, "true");
    for (b, words) in [
        (user(base()), &["linux.uidMappings", "is empty"][..]),
        (user(base()).set("/linux/uidMappings", maps(0, 1, 1)), &["linux.gidMappings", "is empty"]),
        (base().set("/linux/uidMappings", maps(0, 1, 1)), &["linux.uidMappings", "no user namespace"]),
        (with_user_namespace(base()).set("/linux/uidMappings", maps(0, 1, 0)), &["linux.uidMappings[0].size"]),
        (with_user_namespace(base()).set("/process/user/uid", json!(70_000)), &["uid 70000"]),
        (
            with_user_namespace(base()).set("/linux/gidMappings", maps(0, 200_000, 5)),
            &["mounts[2].options", "gid=5", "user namespace"],
        ),
        (base().set("/linux/timeOffsets", json!({"boottime": {"secs": 1}})), &["linux.timeOffsets", "time namespace"]),
        (
            base()
                .set("/linux/namespaces/-", json!({"type": "time"}))
                .set("/linux/timeOffsets", json!({"realtime": {"secs": 1}})),
            &["linux.timeOffsets.realtime"],
        ),
        (
            base()
                .set("/linux/namespaces/-", json!({"type": "time"}))
                .set("/linux/timeOffsets", json!({"boottime": {"nanosecs": 1_000_000_000}})),
            &["linux.timeOffsets.boottime.nanosecs"],
        ),
        (in_namespace(base(), "mount", "/proc/self/ns/mnt"), &["linux.namespaces[5].path", "mount namespace"]),
        (base().set("/linux/namespaces/-", json!({"type": "user", "path": "/proc/self/ns/user"})), &["linux.namespaces[6].path"]),
    ] {
        run(t, &b).refuses(words);
        assert!(
            !t.cgroup_dir().exists() || fs::read_dir(t.cgroup_dir()).unwrap().flatten().all(|e| !e.path().is_dir()),
            "{words:?}"
        );
    }
}

suite!(
    a_container_in_a_user_namespace_is_root_inside_and_nobody_outside,
    its_process_has_exactly_the_user_the_groups_and_the_capabilities_that_were_asked_for,
    an_exec_comes_into_the_user_namespace_with_a_terminal_too,
    a_terminal_of_a_user_namespace_belongs_to_its_user,
    a_device_that_the_host_has_not_is_refused_in_a_user_namespace,
    a_namespace_of_each_kind_is_joined_by_its_path,
    a_second_container_joins_the_user_and_other_namespaces_of_a_first,
    the_clocks_of_a_time_namespace_are_set_off,
    an_id_mapped_mount_shows_other_owners_and_keeps_its_own,
    what_does_not_go_together_is_refused_by_its_field,
);
