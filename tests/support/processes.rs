//! podrt's own processes of a pod, as its record names them, and their end.

use super::Test;
use serde_json::Value;
use std::fs;
use std::time::Duration;

pub fn intent(t: &Test, pod: &str) -> Value {
    let link = t.run.join("names/default").join(pod);
    serde_json::from_str(&fs::read_to_string(link.join("intent.json")).expect("intent.json")).expect("JSON")
}

/// The pid of `supervisor`, `keeper` or `pause`, and its start time.
pub fn process(t: &Test, pod: &str, who: &str) -> (i32, u64) {
    let intent = intent(t, pod);
    let process = if who == "pause" { &intent[who]["process"] } else { &intent[who] };
    (process["pid"].as_i64().unwrap_or(0) as i32, process["start"].as_u64().unwrap_or(0))
}

pub fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Kills it as it is on record now; false where that one is dead already.
pub fn kill(t: &Test, pod: &str, who: &str) -> bool {
    let (pid, start) = process(t, pod, who);
    if pid <= 1 || start_time(pid) != Some(start) {
        return false;
    }
    let killed = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).is_ok();
    // Its death takes a moment, in which the record still looks alive.
    while start_time(pid) == Some(start) && !zombie(pid) {
        std::thread::sleep(Duration::from_micros(200));
    }
    killed
}

/// Until another supervisor has taken over from the one that was killed.
pub fn settled(t: &Test, pod: &str) {
    t.eventually("a keeper and a supervisor live", 10, || {
        ["keeper", "supervisor"]
            .iter()
            .all(|who| {
                let (pid, start) = process(t, pod, who);
                pid > 1 && start_time(pid) == Some(start) && !zombie(pid)
            })
            .then_some(())
    });
}

pub fn zombie(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| s.rsplit_once(") ").is_some_and(|(_, r)| r.starts_with('Z')))
}
