use crate::manifest::{Fresh, Manifests, Options, Source, load};
use crate::pod::spec::{PodSpec, Qos};

const GIB: u64 = 1 << 30;

fn one(text: &str) -> PodSpec {
    let source = Source::Text { name: "p".to_owned(), text: text.to_owned(), folder: "/m".into() };
    let options = Options { host_memory: Some(GIB), fresh: Fresh::Fixed, ..Options::default() };
    let Manifests { mut pods, .. } = load(&[source], &options).unwrap_or_else(|e| panic!("{e}\n{text}"));
    pods.remove(0).spec
}

/// A pod of app containers and init containers (`*` in front: a sidecar) with those resources each.
fn pod(own: &str, init: &[&str], apps: &[&str]) -> PodSpec {
    let list = |prefix: &str, all: &[&str]| {
        let item = |(i, r): (usize, &&str)| {
            let (sidecar, r) = r.strip_prefix('*').map_or((false, *r), |r| (true, r));
            let policy = if sidecar { ", restartPolicy: Always" } else { "" };
            format!("{{name: {prefix}{i}, image: \"bundle:b\", resources: {{{r}}}{policy}}}")
        };
        all.iter().enumerate().map(item).collect::<Vec<_>>().join(", ")
    };
    one(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  resources: {{{own}}}\n  initContainers: [{}]\n  containers: [{}]\n",
        list("i", init),
        list("c", apps)
    ))
}

#[test]
fn limits_become_the_kernels_numbers() {
    for (resources, memory, cpu, weight) in [
        ("limits: {memory: 64Mi}", Some(64 << 20), None, None),
        ("limits: {cpu: 1}", None, Some(100_000), Some(100)),
        ("limits: {cpu: 5m}", None, Some(1_000), Some(2)),
        ("limits: {cpu: 2500m}", None, Some(250_000), None),
        ("requests: {cpu: 1}", None, None, Some(100)),
        ("requests: {cpu: 0}", None, None, None),
        ("limits: {cpu: 0, memory: 0}", None, None, None),
    ] {
        let spec = pod("", &[], &[resources]);
        let limits = &spec.containers[0].limits;
        assert_eq!(limits.memory_max, memory, "{resources}");
        assert_eq!(limits.cpu_max, cpu.map(|q| (Some(q), 100_000)), "{resources}");
        if weight.is_some() {
            assert_eq!(limits.cpu_weight, weight, "{resources}");
        }
        assert_eq!(limits.oom_group, memory.map(|_| true), "{resources}");
        assert_eq!(limits.swap_max, memory.map(|_| 0), "{resources}");
    }
}

#[test]
fn what_nobody_asked_for_is_soft() {
    let spec = pod("", &[], &[""]);
    assert_eq!(spec.qos, Qos::BestEffort);
    assert_eq!(spec.limits, Default::default());
    assert_eq!(spec.containers[0].limits, Default::default());
    assert_eq!((spec.soft_limits.cpu_weight, spec.soft_limits.oom_group), (Some(1), None));
    assert_eq!((spec.containers[0].soft_limits.cpu_weight, spec.containers[0].soft_limits.oom_group), (Some(1), Some(true)));
    let asked = pod("", &[], &["limits: {cpu: 1, memory: 1Mi}"]);
    assert_eq!(asked.containers[0].soft_limits, Default::default());
}

#[test]
fn a_pods_limits_are_its_containers_together() {
    let mib = 1 << 20;
    for (own, init, apps, memory, cpu) in [
        ("", &[][..], &["limits: {memory: 1Mi, cpu: 1}", "limits: {memory: 2Mi, cpu: 0.5}"][..], Some(3 * mib), Some(150_000)),
        // One without a limit: the pod has none.
        ("", &[], &["limits: {memory: 1Mi}", ""], None, None),
        ("", &["limits: {memory: 9Mi}"], &["limits: {memory: 1Mi}"], Some(9 * mib), None),
        ("", &[""], &["limits: {memory: 1Mi}"], None, None),
        // A sidecar runs beside everything after it.
        ("", &["*limits: {memory: 1Mi}", "limits: {memory: 5Mi}"], &["limits: {memory: 2Mi}"], Some(6 * mib), None),
        ("", &["limits: {memory: 5Mi}", "*limits: {memory: 1Mi}"], &["limits: {memory: 2Mi}"], Some(5 * mib), None),
        ("", &["*limits: {memory: 1Mi}"], &["limits: {memory: 2Mi}"], Some(3 * mib), None),
        ("limits: {memory: 8Mi}", &[], &["", "limits: {memory: 1Mi}"], Some(8 * mib), None),
        ("limits: {cpu: 2}", &[], &["limits: {memory: 1Mi}"], Some(mib), Some(200_000)),
    ] {
        let spec = pod(own, init, apps);
        assert_eq!(spec.limits.memory_max, memory, "{own} {init:?} {apps:?}");
        assert_eq!(spec.limits.cpu_max, cpu.map(|q| (Some(q), 100_000)), "{own} {init:?} {apps:?}");
        assert_eq!(spec.limits.oom_group, None);
    }
    // Without a limit of its own a container shows the pod's.
    let spec = pod("limits: {memory: 8Mi}", &[], &["", "limits: {memory: 1Mi}"]);
    assert_eq!((spec.containers[0].limits.memory_max, spec.containers[1].limits.memory_max), (Some(8 * mib), Some(mib)));
    let weights = pod("", &[], &["requests: {cpu: 500m}", "requests: {cpu: 500m}"]);
    assert_eq!(weights.limits.cpu_weight, Some(100));
}

#[test]
fn the_quality_of_service_is_kubernetes_own() {
    let full = "limits: {cpu: 1, memory: 1Mi}";
    for (own, init, apps, want) in [
        ("", &[][..], &[full][..], Qos::Guaranteed),
        ("", &[], &["limits: {cpu: 1000m, memory: 1Mi}, requests: {cpu: 1, memory: 1024Ki}"], Qos::Guaranteed),
        ("", &[], &[full, ""], Qos::Burstable),
        ("", &[""], &[full], Qos::Burstable),
        ("", &[], &["limits: {memory: 1Mi}"], Qos::Burstable),
        ("", &[], &["limits: {cpu: 1, memory: 1Mi}, requests: {cpu: 0.5}"], Qos::Burstable),
        ("", &[], &["requests: {cpu: 1}"], Qos::Burstable),
        ("", &[], &[""], Qos::BestEffort),
        ("", &[], &["requests: {cpu: 0}"], Qos::BestEffort),
        (full, &[], &[""], Qos::Guaranteed),
        ("requests: {cpu: 1}", &[], &[""], Qos::Burstable),
    ] {
        assert_eq!(pod(own, init, apps).qos, want, "{own} {init:?} {apps:?}");
    }
}

#[test]
fn the_oom_score_follows_the_class_and_the_request() {
    for (own, init, apps, want) in [
        ("", &[][..], &["limits: {cpu: 1, memory: 1Mi}"][..], -997),
        ("", &[], &[""], 1000),
        ("", &[], &["requests: {memory: 256Mi}"], 750),
        ("", &[], &["requests: {memory: 2Gi}"], 3),
        ("", &[], &["requests: {cpu: 1}"], 999),
        ("", &[], &["requests: {memory: 1Mi}"], 999),
        ("requests: {memory: 512Mi}", &[], &["", ""], 750),
    ] {
        assert_eq!(pod(own, init, apps).containers[0].oom_score_adj, Some(want), "{own} {apps:?}");
    }
    let sidecar = pod("", &["*requests: {memory: 1Mi}"], &["requests: {memory: 512Mi}", "requests: {memory: 256Mi}"]);
    assert_eq!(sidecar.init_containers[0].oom_score_adj, Some(750));
}

#[test]
fn pod_level_resources_bound_the_containers() {
    for (own, apps, want) in [
        ("requests: {memory: 1Mi}", "requests: {memory: 2Mi}", "requests[memory]: less than the containers request together"),
        (
            "limits: {memory: 1Mi}",
            "limits: {memory: 2Mi}",
            "spec.containers[0].resources.limits[memory]: more than the pod's own limit",
        ),
        ("limits: {ephemeral-storage: 1Mi}", "", "not a resource of a pod"),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  resources: {{{own}}}\n  containers: [{{name: c, image: \"bundle:b\", resources: {{{apps}}}}}]\n"
        );
        let source = Source::Text { name: "p".to_owned(), text, folder: "/m".into() };
        let got = load(&[source], &Options::default()).map(|_| ()).unwrap_err().to_string();
        assert!(got.contains(want), "{own} {apps}: {got}");
    }
}

#[test]
fn huge_pages_have_the_kernels_names() {
    let spec = pod("", &[], &["limits: {cpu: 1, hugepages-2Mi: 4Mi, hugepages-1Gi: 1Gi}"]);
    assert_eq!(spec.containers[0].limits.hugetlb, [("1GB".to_owned(), 1 << 30), ("2MB".to_owned(), 4 << 20)]);
    assert_eq!(spec.limits.hugetlb.len(), 2);
}
