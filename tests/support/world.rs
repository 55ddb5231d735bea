//! One test's own corner of the machine: folders, a cgroup parent, names; and what it needs of the machine.

use super::command::{Out, Run};
use super::{leaks, runner};
use nix::unistd::geteuid;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub struct Test {
    pub name: &'static str,
    /// Unique among all tests that run on the machine; part of every name that the test gives.
    pub tag: String,
    pub dir: PathBuf,
    /// Where podrt keeps state, data and logs, which `--root` moves below `dir`.
    pub run: PathBuf,
    pub data: PathBuf,
    pub logs: PathBuf,
    /// podrt-oci's `--root`.
    pub oci_root: PathBuf,
}

pub fn temp_folder() -> PathBuf {
    std::env::temp_dir()
}

/// In the tests' virtual machine (tests/vm), where every cgroup controller and capability is there, and everything is slow.
pub fn in_vm() -> bool {
    std::env::var_os("PODRT_TEST_VM").is_some()
}

/// The root file system that rootfs-fixtures/build.sh made.
pub fn fixtures() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("rootfs-fixtures/out");
    std::env::var_os("PODRT_FIXTURES").map_or(default, PathBuf::from)
}

impl Test {
    pub fn new(name: &'static str) -> Test {
        let tag = format!("t{}", std::process::id());
        let dir = temp_folder().join(format!("podrt-{tag}"));
        let test = Test {
            name,
            run: dir.join("run"),
            data: dir.join("lib"),
            logs: dir.join("log"),
            oci_root: dir.join("oci"),
            tag,
            dir,
        };
        fs::create_dir_all(&test.dir).expect("a temporary folder");
        if !fixtures().join("rootfs/bin/payload").exists() {
            panic!("no fixtures at {}: run rootfs-fixtures/build.sh", fixtures().display());
        }
        test
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    #[track_caller]
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).and_then(|()| fs::write(&path, text)).expect("write a test's file");
        path
    }

    /// As `--cgroup-parent` takes it.
    pub fn cgroup_parent(&self) -> String {
        format!("podrt-{}", self.tag)
    }

    pub fn cgroup_dir(&self) -> PathBuf {
        Path::new("/sys/fs/cgroup").join(self.cgroup_parent())
    }

    /// podrt with this test's own folders and cgroup parent.
    #[cfg(feature = "pod")]
    pub fn podrt<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        let [program, own @ ..] = self.podrt_words();
        Run::new(program).args(own).args(args)
    }

    /// The same, to be put into a longer command line.
    #[cfg(feature = "pod")]
    pub fn podrt_words(&self) -> [String; 5] {
        let dir = self.dir.to_str().expect("UTF-8").to_owned();
        [env!("CARGO_BIN_EXE_podrt").into(), "--root".into(), dir, "--cgroup-parent".into(), self.cgroup_parent()]
    }

    /// podrt-oci, or the runtime that RUNTIME names, with a state folder of this test's own.
    pub fn oci<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        Run::new(runtime()).args(["--root", self.oci_root.to_str().expect("UTF-8")]).args(args)
    }

    /// Polls until `check` has a value; panics with `what` after `seconds` (ten times that in the virtual machine).
    #[track_caller]
    pub fn eventually<T>(&self, what: &str, seconds: u64, mut check: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(seconds * if in_vm() { 10 } else { 1 });
        loop {
            if let Some(value) = check() {
                return value;
            }
            assert!(Instant::now() < end, "not within {seconds} s: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    // What a test needs of the machine; without it the test is skipped, and the reason is counted and said.

    pub fn requires(&self, there: bool, why: &str) {
        if !there {
            self.clean();
            println!("{why}");
            std::process::exit(runner::SKIPPED);
        }
    }

    pub fn requires_root(&self) {
        self.requires(geteuid().is_root(), "needs root");
    }

    /// Controllers of the one cgroup v2 tree.
    pub fn requires_controllers(&self, names: &[&str]) {
        let there = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
        let missing: Vec<_> = names.iter().filter(|n| !there.split_whitespace().any(|t| t == **n)).copied().collect();
        self.requires(missing.is_empty(), &format!("needs cgroup v2 controllers that are not here: {}", missing.join(" ")));
    }

    pub fn requires_program(&self, name: &str) {
        let there = std::env::var("PATH").unwrap_or_default().split(':').any(|d| Path::new(d).join(name).exists());
        self.requires(there, &format!("needs {name}"));
    }

    /// Some behaviour is podrt's own, and asked of no other runtime.
    pub fn requires_podrt(&self) {
        self.requires(!foreign(), "asked of podrt-oci only");
    }

    /// Ends and removes whatever the test left.
    pub fn clean(&self) {
        for _ in 0..20 {
            let left = leaks::descendants(std::process::id() as i32);
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(leaks::kill_tree);
            leaks::reap();
            std::thread::sleep(Duration::from_millis(10));
        }
        leaks::remove_cgroups(self);
        for point in leaks::mount_points().iter().rev().filter(|p| Path::new(p).starts_with(&self.dir)) {
            let _ = nix::mount::umount2(point.as_str(), nix::mount::MntFlags::MNT_DETACH);
        }
        if std::env::var_os("PODRT_TEST_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Another runtime than podrt-oci (RUNTIME may name another build of that).
pub fn foreign() -> bool {
    runtime().file_name().is_none_or(|n| n != "podrt-oci")
}

pub fn runtime() -> PathBuf {
    match std::env::var("RUNTIME") {
        Ok(name) if name.contains('/') => name.into(),
        Ok(name) if !name.is_empty() => {
            let path = std::env::var("PATH").unwrap_or_default();
            path.split(':')
                .map(|d| Path::new(d).join(&name))
                .find(|p| p.exists())
                .unwrap_or_else(|| panic!("RUNTIME={name}: not found"))
        }
        _ => env!("CARGO_BIN_EXE_podrt-oci").into(),
    }
}

/// A refusal of `out` at once: in less than three seconds of a test build, which is not optimized and may have to share the machine; in
/// the virtual machine in less than a minute.
#[track_caller]
pub fn at_once(out: &Out) {
    assert!(out.took < Duration::from_secs(if in_vm() { 60 } else { 3 }), "too slow a refusal: {out}");
}
