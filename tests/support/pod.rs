//! Pods of the tests' own: manifests that run the payload, and what a test asks about a pod.

use super::{Out, Test, world};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// One container: its name, what the payload is told, and more YAML at the container's level.
pub type Container<'a> = (&'a str, &'a [&'a str], &'a str);

/// For a pod whose containers run once.
pub const NEVER: &str = "restartPolicy: Never";

/// Writes a manifest with `more` at the level of the spec; returns its path.
pub fn manifest(t: &Test, pod: &str, more: &str, containers: &[Container]) -> String {
    let mut text = format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {pod}\nspec:\n  terminationGracePeriodSeconds: 2\n");
    text += &more.lines().map(|l| format!("  {l}\n")).collect::<String>();
    text += "  containers:\n";
    for (name, args, extra) in containers {
        let command: Vec<&str> = ["/bin/payload"].iter().chain(*args).copied().collect();
        text += &format!("  - name: {name}\n    image: {}\n    command: {}\n", image("shell"), serde_json::json!(command));
        text += &extra.lines().map(|l| format!("    {l}\n")).collect::<String>();
    }
    t.write(&format!("{pod}.yaml"), text).to_str().expect("UTF-8").to_owned()
}

/// The same with containers that run a script of the shell's each.
pub fn scripts(t: &Test, pod: &str, more: &str, containers: &[(&str, &str, &str)]) -> String {
    let mut text = format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: {pod}\nspec:\n");
    text += &more.lines().map(|l| format!("  {l}\n")).collect::<String>();
    text += "  containers:\n";
    for container in containers {
        text += &script(container).lines().map(|l| format!("  {l}\n")).collect::<String>();
    }
    t.write(&format!("{pod}.yaml"), text).to_str().expect("UTF-8").to_owned()
}

/// One such container, as an item of a list.
pub fn script((name, script, extra): &(&str, &str, &str)) -> String {
    let command = serde_json::json!(["/bin/sh", "-c", script]);
    let mut text = format!("- name: {name}\n  image: {}\n  command: {command}\n", image("shell"));
    text += &extra.lines().map(|l| format!("  {l}\n")).collect::<String>();
    // The bundle's own is read-only.
    if !extra.contains("securityContext") {
        text += "  securityContext: {readOnlyRootFilesystem: false}\n";
    }
    text
}

/// Whether `describe` shows an event with these words.
pub fn has_event(t: &Test, pod: &str, words: &str) -> bool {
    t.podrt(["describe", "pod", pod]).run().ok().stdout.contains(words)
}

/// A bundle of the fixtures, as a manifest names it.
pub fn image(bundle: &str) -> String {
    format!("bundle:{}", world::fixtures().join("bundles").join(bundle).display())
}

pub fn create(t: &Test, file: &str, wait: &str) -> Out {
    t.podrt(["create", "-f", file, &format!("--wait={wait}")]).run()
}

pub fn get(t: &Test, pod: &str) -> Value {
    serde_json::from_str(&t.podrt(["get", "pod", pod, "-o", "json"]).run().ok().stdout).expect("get -o json prints JSON")
}

pub fn phase(t: &Test, pod: &str) -> String {
    get(t, pod)["status"]["phase"].as_str().unwrap_or_default().to_owned()
}

#[track_caller]
pub fn wait_phase(t: &Test, pod: &str, want: &str) {
    t.eventually(&format!("{pod} is {want}"), 15, || (phase(t, pod) == want).then_some(()));
}

pub fn status_of<'a>(pod: &'a Value, container: &str) -> &'a Value {
    let all = pod["status"]["containerStatuses"].as_array().expect("containerStatuses");
    all.iter().find(|c| c["name"] == container).unwrap_or_else(|| panic!("no status of {container}: {pod}"))
}

pub fn logs(t: &Test, pod: &str, container: &str) -> String {
    t.podrt(["logs", pod, "-c", container]).run().ok().stdout
}

pub fn delete(t: &Test, pod: &str) {
    t.podrt(["delete", "pod", pod, "--grace-period", "1"]).run().ok();
}

pub fn delete_all(t: &Test) {
    t.podrt(["delete", "pod", "--all", "--grace-period", "1"]).within(Duration::from_secs(120)).run().ok();
}

pub fn cgroup(t: &Test, pod: &str) -> PathBuf {
    let uid = get(t, pod)["metadata"]["uid"].as_str().expect("a uid").to_owned();
    t.cgroup_dir().join(format!("pod{uid}"))
}

/// A file of a cgroup, without its last line end.
#[track_caller]
pub fn value(dir: &std::path::Path, file: &str) -> String {
    let path = dir.join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).trim_end().to_owned()
}

/// The first process of a leaf of the pod's cgroup.
#[track_caller]
pub fn first_pid(t: &Test, pod: &str, leaf: &str) -> i32 {
    let procs = value(&cgroup(t, pod).join(leaf), "cgroup.procs");
    procs.lines().next().unwrap_or_else(|| panic!("no process in {leaf}")).parse().expect("a pid")
}

pub fn namespace(pid: i32, kind: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace").to_str().expect("UTF-8").to_owned()
}
