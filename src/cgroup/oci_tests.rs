use super::*;

fn limits(json: &str) -> Result<Limits> {
    Limits::from_oci(&serde_json::from_str(json).unwrap())
}

#[test]
fn shares_become_weight_by_the_quadratic() {
    // Ends, default, and points between, calculated from the formula apart from this code.
    for (shares, weight) in [
        (0, 0),
        (1, 1),
        (2, 1),
        (3, 2),
        (102, 17),
        (512, 59),
        (1024, 100),
        (2048, 174),
        (4096, 303),
        (65536, 3023),
        (262_143, 10_000),
        (262_144, 10_000),
        (u64::MAX, 10_000),
    ] {
        assert_eq!(shares_to_weight(shares), weight, "shares {shares}");
    }
    assert!((2..262_144).all(|s| shares_to_weight(s) <= shares_to_weight(s + 1)), "more shares never weigh less");
}

#[test]
fn memory_and_swap_together_become_swap_alone() {
    for (memory, max, swap) in [
        (r#"{"limit":100,"swap":150}"#, Some(100), Some(50)),
        (r#"{"limit":100,"swap":100}"#, Some(100), Some(0)),
        (r#"{"limit":100,"swap":-1}"#, Some(100), Some(-1)),
        (r#"{"limit":100}"#, Some(100), None),
        (r#"{"limit":100,"swap":0}"#, Some(100), None),
        (r#"{"limit":-1}"#, Some(-1), Some(-1)),
        (r#"{"limit":-1,"swap":7}"#, Some(-1), Some(7)),
        (r#"{"swap":-1}"#, None, Some(-1)),
        (r#"{"limit":0}"#, None, None),
        (r#"{}"#, None, None),
    ] {
        let got = limits(&format!(r#"{{"memory":{memory}}}"#)).unwrap();
        assert_eq!((got.memory_max, got.swap_max), (max, swap), "{memory}");
    }
}

#[test]
fn values_become_files() {
    for (json, want) in [
        (r#"{"memory":{"limit":1048576,"reservation":4096}}"#, "memory.low=4096 memory.max=1048576"),
        (r#"{"cpu":{"shares":1024}}"#, "cpu.weight=100"),
        (r#"{"cpu":{"shares":0}}"#, ""),
        (r#"{"cpu":{"quota":50000}}"#, "cpu.max=50000 100000"),
        (r#"{"cpu":{"quota":-1,"period":20000}}"#, "cpu.max=max 20000"),
        (r#"{"cpu":{"period":20000}}"#, "cpu.max=max 20000"),
        (r#"{"cpu":{"quota":0,"period":0}}"#, ""),
        (r#"{"cpu":{"idle":1,"shares":9}}"#, "cpu.idle=1"),
        (r#"{"cpu":{"cpus":"0-1,3","mems":""}}"#, "cpuset.cpus=0-1,3"),
        (r#"{"pids":{"limit":10}}"#, "pids.max=10"),
        (r#"{"pids":{"limit":-1}}"#, "pids.max=max"),
        (r#"{"pids":{"limit":0}}"#, "pids.max=1"),
        (r#"{"blockIO":{"weight":10}}"#, "io.weight=default 1"),
        (r#"{"blockIO":{"weight":1000}}"#, "io.weight=default 10000"),
        (
            r#"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5}],"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":0}]}}"#,
            "io.max=8:0 rbps=5 wiops=max",
        ),
        (r#"{"hugepageLimits":[{"pageSize":"2MB","limit":0}]}"#, "hugetlb.2MB.rsvd.max=0 hugetlb.2MB.max=0"),
        (r#"{"unified":{"memory.high":"7"},"memory":{"limit":9}}"#, "memory.max=9 memory.high=7"),
        (r#"{"memory":{"disableOOMKiller":false,"kernel":-1},"network":{"classID":0}}"#, ""),
    ] {
        let got: Vec<_> = limits(json).unwrap().files().into_iter().map(|(f, v)| format!("{f}={v}")).collect();
        assert_eq!(got.join(" "), want, "{json}");
    }
}

#[test]
fn a_wrong_value_names_its_field() {
    for (json, field) in [
        (r#"{"memory":{"limit":-2}}"#, "memory.limit"),
        (r#"{"memory":{"swap":5}}"#, "memory.swap"),
        (r#"{"memory":{"limit":5,"swap":4}}"#, "memory.swap"),
        (r#"{"memory":{"limit":9223372036854775807,"swap":1}}"#, "memory.swap"),
        (r#"{"memory":{"swappiness":10}}"#, "memory.swappiness"),
        (r#"{"memory":{"kernel":10}}"#, "memory.kernel"),
        (r#"{"memory":{"disableOOMKiller":true}}"#, "memory.disableOOMKiller"),
        (r#"{"cpu":{"cpus":"0;1"}}"#, "cpu.cpus"),
        (r#"{"cpu":{"cpus":"3-1"}}"#, "cpu.cpus"),
        (r#"{"cpu":{"mems":"a\nb"}}"#, "cpu.mems"),
        (r#"{"cpu":{"idle":2}}"#, "cpu.idle"),
        (r#"{"cpu":{"realtimeRuntime":5}}"#, "cpu.realtimeRuntime"),
        (r#"{"blockIO":{"weight":5}}"#, "blockIO.weight"),
        (r#"{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":2000}]}}"#, "blockIO.weightDevice[0].weight"),
        (r#"{"blockIO":{"throttleReadBpsDevice":[{"major":-1,"minor":0,"rate":1}]}}"#, "blockIO.throttleReadBpsDevice[0]"),
        (r#"{"hugepageLimits":[{"pageSize":"../x","limit":1}]}"#, "hugepageLimits[0].pageSize"),
        (r#"{"hugepageLimits":[{"pageSize":"2MB","limit":-1}]}"#, "hugepageLimits[0].limit"),
        (r#"{"network":{"classID":5}}"#, "network.classID"),
        (r#"{"rdma":{"a b":{}}}"#, "rdma"),
        (r#"{"unified":{"../x":"1"}}"#, "unified"),
        (r#"{"unified":{"cgroup.procs":"1"}}"#, "unified"),
    ] {
        let error = limits(json).expect_err(json).to_string();
        assert!(error.starts_with(&format!("linux.resources.{field}")), "{json}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
