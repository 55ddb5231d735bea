//! cgroup v2 limits of config.json through podrt-oci. The values are read from the kernel, and the kernel enforces them: where
//! the controllers are missing these tests run in the virtual machine.

mod support;

use serde_json::{Value, json};
use std::fs;
use support::{Bundle, Test};

fn with(t: &Test, args: &[&str], resources: Value) -> Bundle {
    let mut bundle = Bundle::new(t, "c", &[&["/bin/payload"], args].concat());
    for (key, value) in resources.as_object().unwrap() {
        bundle = bundle.set(&format!("/linux/resources/{key}"), value.clone());
    }
    bundle
}

fn created(t: &Test, bundle: &Bundle) -> impl Fn(&str) -> String + use<> {
    t.oci(["create", "--bundle", &bundle.write(), &t.tag]).output_to(&t.path("out")).run().ok();
    let dir = t.cgroup_dir().join(format!("{}-c", t.tag));
    move |file: &str| fs::read_to_string(dir.join(file)).unwrap_or_else(|e| panic!("{file}: {e}")).trim().to_owned()
}

fn every_limit_of_the_bundle_is_in_the_kernel(t: &Test) {
    t.requires_controllers(&["cpu", "memory", "pids", "cpuset"]);
    let bundle = with(
        t,
        &["sleep"],
        json!({
            "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 64 << 20},
            "cpu": {"shares": 1024, "quota": 50_000, "period": 100_000, "cpus": "0", "mems": "0"},
            "pids": {"limit": 33},
            "unified": {"memory.high": "50331648", "memory.oom.group": "1"}
        }),
    );
    let value = created(t, &bundle);
    for (file, want) in [
        ("memory.max", "67108864"),
        ("memory.low", "33554432"),
        ("memory.swap.max", "0"),
        ("memory.high", "50331648"),
        ("memory.oom.group", "1"),
        ("cpu.max", "50000 100000"),
        ("cpu.weight", "100"),
        ("cpuset.cpus", "0"),
        ("cpuset.mems", "0"),
        ("pids.max", "33"),
    ] {
        assert_eq!(value(file), want, "{file}");
    }
    t.oci(["delete", "-f", &t.tag]).run().ok();
}

fn memory_beyond_the_limit_kills(t: &Test) {
    t.requires_controllers(&["memory"]);
    let bundle = with(t, &["eat", "100"], json!({"memory": {"limit": 32 << 20, "swap": 32 << 20}}));
    let out = t.oci(["run", "--bundle", &bundle.write(), &t.tag]).run();
    assert_eq!(out.code(), 137, "{out}");
    assert!(!out.stdout.contains("eaten"), "{out}");
}

fn pids_beyond_the_limit_are_refused(t: &Test) {
    t.requires_controllers(&["pids"]);
    let bundle = with(t, &["fork", "20"], json!({"pids": {"limit": 10}}));
    let out = t.oci(["run", "--bundle", &bundle.write(), &t.tag]).run().ok();
    assert_eq!((out.value("forked"), out.value("error")), ("9", "EAGAIN"));
}

fn cpu_beyond_the_quota_is_throttled(t: &Test) {
    t.requires_controllers(&["cpu"]);
    let bundle = with(t, &["spin", "3"], json!({"cpu": {"quota": 20_000, "period": 100_000}}));
    let out = t.oci(["run", "--bundle", &bundle.write(), &t.tag]).run().ok();
    let got: u64 = out.value("cpu_ms").parse().unwrap();
    assert!((200..1200).contains(&got), "a fifth of 3 s is 600 ms: {out}");
}

fn a_limit_whose_controller_is_missing_is_an_error_that_names_it(t: &Test) {
    t.requires_podrt();
    let there = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap();
    t.requires(!there.contains("memory"), "every controller is here");
    let bundle = with(t, &["exit", "0"], json!({"memory": {"limit": 32 << 20}}));
    t.oci(["run", "--bundle", &bundle.write(), &t.tag]).run().refuses(&["memory"]);
}

suite!(
    every_limit_of_the_bundle_is_in_the_kernel,
    memory_beyond_the_limit_kills,
    pids_beyond_the_limit_are_refused,
    cpu_beyond_the_quota_is_throttled,
    a_limit_whose_controller_is_missing_is_an_error_that_names_it,
);
