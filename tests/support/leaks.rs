//! What a test left behind of the kernel's objects and of files. Only what the test itself could have made is looked at: its
//! descendants (it is their reaper), the mounts of its own mount namespace, cgroups below its own parent or named after it, and
//! its own folders. So tests may run beside each other.

use super::Test;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub struct Snapshot {
    mounts: Vec<String>,
    netns: Vec<PathBuf>,
    links: Vec<String>,
}

impl Snapshot {
    pub fn take(_: &Test) -> Snapshot {
        Snapshot { mounts: mounts(), netns: entries(Path::new("/run/netns")), links: links() }
    }

    /// What is more than before, after at most `patience`: cgroups and namespaces die late.
    pub fn left(&self, test: &Test, patience: Duration) -> Vec<String> {
        let end = Instant::now() + patience;
        loop {
            let left = self.look(test);
            if left.is_empty() || Instant::now() > end {
                return left;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn look(&self, test: &Test) -> Vec<String> {
        reap();
        let mut left: Vec<String> =
            descendants(std::process::id() as i32).into_iter().map(|p| format!("process {p} {}", command(p))).collect();
        left.extend(mounts().into_iter().filter(|m| !self.mounts.contains(m)).map(|m| format!("mount {m}")));
        left.extend(
            entries(Path::new("/run/netns"))
                .into_iter()
                .filter(|n| !self.netns.contains(n))
                .map(|n| format!("netns {}", n.display())),
        );
        // The bridge stands when its pods are gone, as the cgroup parent does.
        let fresh = |l: &String| l != "podrt0" && !self.links.contains(l);
        left.extend(links().into_iter().filter(fresh).map(|l| format!("interface {l}")));
        left.extend(cgroups_of(test).into_iter().map(|c| format!("cgroup {}", c.display())));
        for root in [&test.run, &test.oci_root, &test.data, &test.logs] {
            left.extend(files(root).into_iter().filter(|f| !kept(f)).map(|f| format!("file {}", f.display())));
        }
        left
    }
}

/// What a runtime may keep with no pod alive: folders of its own layout, locks, compiled seccomp programs.
fn kept(path: &Path) -> bool {
    let text = path.to_string_lossy();
    // Where the next search for an address begins.
    let network = text.contains("/network/") && text.ends_with("/last");
    network || text.contains("seccomp") || text.ends_with("lock") || text.ends_with("version") || text.ends_with("/boot_id")
}

/// Files and links below `dir`, not the folders themselves; a pod's or container's own folder counts as well.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(dir) {
        let parent = dir.file_name().unwrap_or_default();
        let is_dir = path.symlink_metadata().is_ok_and(|m| m.is_dir());
        if !is_dir || parent == "sandboxes" || parent == "upper" {
            found.push(path.clone());
        }
        if is_dir {
            found.extend(files(&path));
        }
    }
    found
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    all.sort();
    all
}

/// Interfaces of the calling process's network namespace.
pub fn links() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    table.lines().filter_map(|l| l.split_once(':')).map(|(name, _)| name.trim().to_owned()).collect()
}

/// The mount table of the calling process, without the ids.
pub fn mounts() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    table.lines().map(|l| l.splitn(4, ' ').nth(3).unwrap_or(l).to_owned()).collect()
}

/// Mount points in order of mounting.
pub fn mount_points() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().filter_map(|l| l.split(' ').nth(4)).map(str::to_owned).collect()
}

/// Cgroups below the test's parent, and any that carries the test's tag in its name.
/// Processes in a cgroup that is left out are found as processes.
fn cgroups_of(test: &Test) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut queue = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(dir) = queue.pop() {
        for path in entries(&dir).into_iter().filter(|p| p.is_dir()) {
            // What stands with no pod alive: the parent, and the leaf of supervisors, which the last of them cannot leave.
            let own = path == test.cgroup_dir() || path == test.cgroup_dir().join("supervisors");
            if !own && path.to_string_lossy().contains(&test.tag) {
                found.push(path.clone());
            }
            queue.push(path);
        }
    }
    found
}

/// Removes what cgroups of the test are left, ending what is in them: after a failure.
pub fn remove_cgroups(test: &Test) {
    let mut all = cgroups_of(test);
    all.extend([test.cgroup_dir(), test.cgroup_dir().join("supervisors")]);
    all.sort();
    for dir in all.iter().rev() {
        let _ = fs::write(dir.join("cgroup.kill"), "1");
        for _ in 0..40 {
            reap();
            match fs::remove_dir(dir) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => std::thread::sleep(Duration::from_millis(25)),
                _ => break,
            }
        }
    }
}

/// Takes the exit statuses of orphans that became ours.
pub fn reap() {
    while let Ok(status) = waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}

/// pid -> parent, of all processes that /proc shows; zombies included.
fn parents() -> BTreeMap<i32, i32> {
    let pids = entries(Path::new("/proc")).into_iter().filter_map(|p| p.file_name()?.to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, stat_field(pid, 1)?.parse().ok()?))).collect()
}

/// Field `n` of /proc/PID/stat after the command's name: 0 is the state, 1 the parent.
pub fn stat_field(pid: i32, n: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 2..].split(' ').nth(n).map(str::to_owned)
}

pub fn descendants(of: i32) -> Vec<i32> {
    let parents = parents();
    let is_below = |mut pid: i32| loop {
        match parents.get(&pid) {
            Some(&parent) if parent == of => return true,
            Some(&parent) if parent > 1 => pid = parent,
            _ => return false,
        }
    };
    parents.keys().copied().filter(|&pid| is_below(pid)).collect()
}

pub fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = line.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
    format!("{} {}", stat_field(pid, 0).unwrap_or_default(), words.join(" ").trim())
}

/// Kills a process, and waits until it is dead.
pub fn kill_one(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    for _ in 0..500 {
        if stat_field(pid, 0).is_none_or(|state| state == "Z") {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("process {pid} does not die");
}

/// Ends a process and all that came from it.
pub fn kill_tree(pid: i32) {
    for p in descendants(pid).into_iter().chain([pid]) {
        let _ = kill(Pid::from_raw(p), Signal::SIGKILL);
    }
}
