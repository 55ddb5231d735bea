//! Attacks on podrt-oci from inside a bundle: everything in a rootfs is the attacker's. After each, a folder outside the bundle is
//! as it was, the host's mounts are (the leak check of every test), and the command ended in time. `RUNTIME=runc` with an old
//! release shows some of these fail: a test that never failed proves nothing.

mod support;

use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use support::{Bundle, Out, Run, Test, world::at_once};

/// The folder that no attack may change, with something of each kind in it.
struct Outside {
    dir: PathBuf,
    before: Vec<String>,
    core_pattern: String,
    program: (u64, u64, i64),
}

fn listing(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    for path in all {
        let m = path.symlink_metadata().unwrap();
        let text = if m.is_file() { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        found.push(format!("{} {:o} {}:{} {} {} {text}", path.display(), m.mode(), m.uid(), m.gid(), m.size(), m.rdev()));
        if m.is_dir() {
            found.extend(listing(&path));
        }
    }
    found
}

fn program() -> (u64, u64, i64) {
    let m = fs::metadata(support::world::runtime()).unwrap();
    (m.ino(), m.size(), m.mtime())
}

impl Outside {
    fn new(t: &Test) -> Outside {
        let dir = t.path("E");
        fs::create_dir_all(dir.join("dir")).unwrap();
        fs::write(dir.join("file"), "secret").unwrap();
        fs::write(dir.join("ptmx"), "").unwrap();
        fs::write(dir.join("console"), "").unwrap();
        Outside { before: listing(&dir), dir, core_pattern: core_pattern(), program: program() }
    }

    #[track_caller]
    fn unchanged(&self, after: &str) {
        assert_eq!(listing(&self.dir), self.before, "the folder outside, after {after}");
        assert_eq!(core_pattern(), self.core_pattern, "core_pattern, after {after}");
        assert_eq!(program(), self.program, "the runtime's own file, after {after}");
    }

    /// From anywhere inside a rootfs: up to the root, and down again.
    fn link(&self) -> PathBuf {
        Path::new("../../../../../../../../../../../..").join(self.dir.strip_prefix("/").unwrap())
    }
}

fn core_pattern() -> String {
    fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap()
}

fn replace(root: &Path, name: &str) -> PathBuf {
    let path = root.join(name);
    let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    path
}

fn run(t: &Test, bundle: &Bundle, n: usize) -> Out {
    let folder = bundle.write();
    t.oci(["run", "--bundle", &folder, &format!("{}-{n}", t.tag)]).run()
}

fn victim(t: &Test, name: &str, args: &[&str]) -> Bundle {
    Bundle::new(t, name, &[&["/bin/payload"], args].concat()).with_own_root()
}

fn proc_and_sys_that_are_links_files_or_loops_are_refused(t: &Test) {
    let outside = Outside::new(t);
    for (n, name) in ["proc", "sys"].into_iter().enumerate() {
        let bundle = victim(t, name, &["exit", "0"]);
        let root = bundle.path.join("rootfs");
        symlink(outside.link(), replace(&root, name)).unwrap();
        run(t, &bundle, n).refuses(&[]);
        outside.unchanged(&format!("{name} as a link outside"));
        symlink("tmp", replace(&root, name)).unwrap();
        run(t, &bundle, n).refuses(&[]);
        symlink(name, replace(&root, name)).unwrap();
        run(t, &bundle, n).refuses(&[]);
        fs::write(replace(&root, name), "").unwrap();
        run(t, &bundle, n).refuses(&[]);
    }
}

fn a_dev_that_leads_out_is_not_followed(t: &Test) {
    let outside = Outside::new(t);
    let bundle = victim(t, "dev", &["exit", "0"]);
    symlink(outside.link(), replace(&bundle.path.join("rootfs"), "dev")).unwrap();
    let out = run(t, &bundle, 0);
    outside.unchanged(&format!("dev as a link, with a /dev mount: {out}"));
    let kept = |m: &&serde_json::Value| !m["destination"].as_str().unwrap().starts_with("/dev");
    let mounts: Vec<_> = bundle.config["mounts"].as_array().unwrap().iter().filter(kept).cloned().collect();
    let out = run(t, &bundle.set("/mounts", json!(mounts)), 1);
    outside.unchanged(&format!("dev as a link, without one: {out}"));
}

fn mounts_masks_devices_and_cwd_through_a_link_stay_inside(t: &Test) {
    let outside = Outside::new(t);
    let bundle = victim(t, "a", &["exit", "0"]);
    symlink(outside.link(), bundle.path.join("rootfs/a")).unwrap();
    let file = t.write("bound", "x");
    let mount = |at: &str, kind: &str| json!({"destination": at, "type": kind, "source": if kind == "bind" { json!(&file) } else { json!("tmpfs") }, "options": if kind == "bind" { json!(["bind"]) } else { json!([]) }});
    let attacks: [(&str, serde_json::Value); 8] = [
        ("/mounts/-", mount("/a", "tmpfs")),
        ("/mounts/-", mount("/a/dir", "tmpfs")),
        ("/mounts/-", mount("/a/new/deep", "tmpfs")),
        ("/mounts/-", mount("/a/file", "bind")),
        ("/linux/maskedPaths/-", json!("/a/file")),
        ("/linux/readonlyPaths/-", json!("/a/dir")),
        ("/linux/devices", json!([{"path": "/a/dev/mine", "type": "c", "major": 1, "minor": 7}])),
        ("/process/cwd", json!("/a/made")),
    ];
    for (n, (pointer, value)) in attacks.into_iter().enumerate() {
        let attack = Bundle { path: bundle.path.clone(), config: bundle.config.clone() }.set(pointer, value);
        let out = run(t, &attack, n);
        outside.unchanged(&format!("{pointer}: {out}"));
    }
}

fn mounts_over_proc_are_refused(t: &Test) {
    for (n, at) in ["/proc", "/proc/self", "/proc/1/attr", "/proc/sys/net"].into_iter().enumerate() {
        let mount = json!({"destination": at, "type": "tmpfs", "source": "tmpfs"});
        let out = run(t, &victim(t, "p", &["exit", "0"]).set("/mounts/-", mount), n);
        assert_ne!(out.code(), 0, "{at}: {out}");
    }
}

fn passwd_and_group_that_never_end_cost_no_time(t: &Test) {
    let outside = Outside::new(t);
    for name in ["passwd", "group"] {
        let bundle = victim(t, name, &["exit", "0"])
            .set("/process/user", json!({"uid": 1000, "gid": 1000}))
            .set("/process/env", json!(["PATH=/bin"]));
        let file = bundle.path.join("rootfs/etc").join(name);
        type Trap = (&'static str, fn(&Path, &Outside));
        let traps: [Trap; 5] = [
            ("fifo", |f, _| nix::unistd::mkfifo(f, nix::sys::stat::Mode::S_IRWXU).unwrap()),
            ("zero", |f, _| symlink("/dev/zero", f).unwrap()),
            ("huge", |f, _| fs::File::create(f).unwrap().set_len(2 << 30).unwrap()),
            ("folder", |f, _| fs::create_dir(f).unwrap()),
            ("outside", |f, o| symlink(o.link().join("file"), f).unwrap()),
        ];
        for (n, (what, spring)) in traps.into_iter().enumerate() {
            let _ = fs::remove_file(&file).or_else(|_| fs::remove_dir(&file));
            spring(&file, &outside);
            let out = run(t, &bundle, n);
            at_once(&out);
            outside.unchanged(&format!("{name} as {what}: {out}"));
            assert!(!out.stderr.contains("secret"));
        }
    }
}

fn a_decoy_for_dev_null_masks_nothing_away(t: &Test) {
    t.requires_podrt();
    let outside = Outside::new(t);
    // The bind of a /dev of the attacker's, whose null is a link to a decoy that would be bound over the secret.
    let dev = t.path("dev");
    fs::create_dir_all(&dev).unwrap();
    fs::write(dev.join("decoy"), "decoy").unwrap();
    symlink("decoy", dev.join("null")).unwrap();
    let bundle = victim(t, "null", &["cat", "/secret"]);
    fs::write(bundle.path.join("rootfs/secret"), "secret").unwrap();
    let kept = |m: &&serde_json::Value| !m["destination"].as_str().unwrap().starts_with("/dev");
    let mut mounts: Vec<_> = bundle.config["mounts"].as_array().unwrap().iter().filter(kept).cloned().collect();
    mounts.push(json!({"destination": "/dev", "type": "bind", "source": dev, "options": ["rbind"]}));
    let out = run(t, &bundle.set("/mounts", json!(mounts)).set("/linux/maskedPaths", json!(["/secret"])), 0);
    assert!(out.code() != 0 || out.stdout.is_empty(), "masked means empty: {out}");
    assert_eq!(fs::read_to_string(dev.join("decoy")).unwrap(), "decoy");
    outside.unchanged("a decoy");
}

fn the_program_that_waits_in_a_created_container_cannot_be_written_to_after_its_end(t: &Test) {
    t.requires_podrt();
    let folder = Bundle::new(t, "c", &["/bin/payload", "exit", "0"]).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    let state: serde_json::Value = serde_json::from_str(&t.oci(["state", &t.tag]).run().ok().stdout).unwrap();
    let exe = fs::File::open(format!("/proc/{}/exe", state["pid"])).unwrap();
    t.oci(["delete", "--force", &t.tag]).run().ok();
    support::leaks::reap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&exe));
    // As long as anybody on the host runs the same file it is busy, which says nothing.
    let errno = t.eventually("nobody else runs it", 20, || {
        let errno = fs::OpenOptions::new().write(true).open(&path).map(|_| ()).unwrap_err().raw_os_error();
        (errno != Some(nix::errno::Errno::ETXTBSY as i32)).then_some(errno)
    });
    assert_eq!(errno, Some(nix::errno::Errno::EROFS as i32));
}

/// The bundle's program is the runtime itself: what runs in the container must not be the host's file.
fn a_container_that_runs_its_runtime_cannot_write_to_it(t: &Test) {
    let before = program();
    for n in 0..5 {
        let bundle = Bundle::new(t, "self", &["/proc/self/exe"]);
        let _ = run(t, &bundle, n);
        assert_eq!(program(), before);
    }
}

/// Swaps a folder for a link that leads out, while containers are made whose mounts go through it.
fn a_swap_race_on_a_shared_volume_never_leaves_it(t: &Test) {
    t.requires_program("perl");
    let outside = Outside::new(t);
    let volume = t.path("volume");
    fs::create_dir_all(volume.join("a/x")).unwrap();
    symlink(outside.link(), volume.join("a/y")).unwrap();
    // renameat2(AT_FDCWD, x, AT_FDCWD, y, RENAME_EXCHANGE)
    let script = "chdir shift; my ($x, $y) = ('x', 'y'); while (1) { syscall(316, -100, $x, -100, $y, 2) }";
    let mut racer = std::process::Command::new("perl").args(["-e", script, volume.join("a").to_str().unwrap()]).spawn().unwrap();
    let bind = json!({"destination": "/vol", "type": "bind", "source": volume, "options": ["rbind"]});
    let tmpfs = json!({"destination": "/vol/a/x/d1/d2", "type": "tmpfs", "source": "tmpfs"});
    let file = json!({"destination": "/vol/a/x/f1", "type": "bind", "source": t.write("bound", "x"), "options": ["bind"]});
    let bundle = victim(t, "race", &["exit", "0"]).set("/mounts/-", bind).set("/mounts/-", tmpfs).set("/mounts/-", file);
    for n in 0..if support::world::in_vm() { 10 } else { 100 } {
        let _ = run(t, &bundle, n);
    }
    racer.kill().unwrap();
    racer.wait().unwrap();
    outside.unchanged("the race");
}

fn the_fixtures_hostile_roots_are_refused_or_harmless(t: &Test) {
    let outside = Outside::new(t);
    let mut all: Vec<_> = fs::read_dir(support::world::fixtures().join("hostile")).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    assert!(all.len() > 10);
    for (n, folder) in all.iter().enumerate() {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let copy = t.path(name);
        Run::new("cp").args(["-a", folder.to_str().unwrap(), copy.to_str().unwrap()]).run().ok();
        let out = t.oci(["run", "--bundle", copy.to_str().unwrap(), &format!("{}-{n}", t.tag)]).run();
        outside.unchanged(&format!("{name}: {out}"));
        if name.starts_with("proc-") || name.starts_with("sys-") {
            out.refuses(&[]);
        }
    }
}

suite!(
    proc_and_sys_that_are_links_files_or_loops_are_refused,
    a_dev_that_leads_out_is_not_followed,
    mounts_masks_devices_and_cwd_through_a_link_stay_inside,
    mounts_over_proc_are_refused,
    passwd_and_group_that_never_end_cost_no_time,
    a_decoy_for_dev_null_masks_nothing_away,
    the_program_that_waits_in_a_created_container_cannot_be_written_to_after_its_end,
    a_container_that_runs_its_runtime_cannot_write_to_it,
    a_swap_race_on_a_shared_volume_never_leaves_it,
    the_fixtures_hostile_roots_are_refused_or_harmless,
);
