use super::fake::{Answer, Fake};
use super::property;
use super::unit::{Scope, Tree, set_limits_at, stop_at};
use super::value::{Property, Value, parse};
use crate::cgroup::Limits;
use rustbus::message_builder::MarshalledMessage;
use std::collections::BTreeMap;

fn limits() -> Limits {
    Limits {
        memory_max: Some(64 << 20),
        swap_max: Some(0),
        cpu_max: Some((Some(12_345), 100_000)),
        cpu_weight: Some(50),
        pids_max: Some(-1),
        cpuset_cpus: Some("0-1,9".into()),
        hugetlb: vec![("2MB".into(), 4096)],
        ..Limits::default()
    }
}

/// The body as text: names, values and their types.
fn shown(message: &MarshalledMessage) -> String {
    let mut parser = message.body.parser();
    let mut text = String::new();
    while parser.sigs_left() > 0 {
        text += &format!("{:?} ", parser.get_param().expect("a valid body"));
    }
    text
}

#[test]
fn a_scope_is_started_with_its_limits_and_waited_for_whichever_word_comes_first() {
    for told_first in [true, false] {
        let fake = Fake::start(&format!("start-{told_first}"), vec![Answer::Job { result: "done", told_first }]);
        let scope = Scope::parse("machine.slice:libpod:12ab", "x").unwrap();
        let more = vec![("TimeoutStopUSec".to_string(), Value::U64(5)), ("TasksMax".to_string(), Value::U64(9))];
        scope.start_at(fake.path(), 4711, &limits(), more).unwrap();
        let calls = fake.calls();
        assert_eq!(calls[0].dynheader.member.as_deref(), Some("StartTransientUnit"));
        assert_eq!(calls[0].get_sig(), "ssa(sv)a(sa(sv))");
        let text = shown(&calls[0]);
        for want in ["libpod-12ab.scope", "machine.slice", "4711", "Delegate", "MemoryMax", "67108864", "130000", "AllowedCPUs"] {
            assert!(text.contains(want), "{want}: {text}");
        }
        // Each once, the annotation's before the limit's; what systemd has no property for is not sent.
        assert_eq!(text.matches("TasksMax").count(), 1, "{text}");
        assert!(text.contains("Uint64(9)") && !text.contains("hugetlb"), "{text}");
    }
}

#[test]
fn a_failed_job_a_refusal_and_a_lost_connection_are_errors_in_one_line() {
    let scope = Scope::parse(":p:n", "n").unwrap();
    for (name, answers, want) in [
        (
            "job",
            vec![Answer::Job { result: "timeout", told_first: false }],
            "systemd: StartTransientUnit p-n.scope: the job ended with `timeout`",
        ),
        ("refused", vec![Answer::Refused("AccessDenied")], "systemd: start p-n.scope: it says why"),
        ("gone", vec![Answer::Gone], "systemd: read an answer: systemd has closed the connection"),
    ] {
        let fake = Fake::start(name, answers);
        let error = scope.start_at(fake.path(), 1, &Limits::default(), Vec::new()).unwrap_err().to_string();
        assert_eq!(error, want);
        fake.calls();
    }
    let error = scope.start_at(std::path::Path::new("/nowhere"), 1, &Limits::default(), Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with("systemd: connect: /nowhere: no such file"), "{error}");
}

#[test]
fn a_scope_of_the_name_that_has_failed_is_reset_and_one_that_lives_is_an_error() {
    let job = || Answer::Job { result: "done", told_first: true };
    let scope = Scope::parse(":p:n", "n").unwrap();
    let fake = Fake::start("reset", vec![Answer::Refused("UnitExists"), Answer::Done, job()]);
    scope.start_at(fake.path(), 1, &Limits::default(), Vec::new()).unwrap();
    let members: Vec<_> = fake.calls().into_iter().filter_map(|c| c.dynheader.member).collect();
    assert_eq!(members, ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]);
    let fake = Fake::start("exists", vec![Answer::Refused("UnitExists"), Answer::Done, Answer::Refused("UnitExists")]);
    let error = scope.start_at(fake.path(), 1, &Limits::default(), Vec::new()).unwrap_err();
    assert!(error.to_string().contains("start p-n.scope"), "{error}");
    fake.calls();
}

#[test]
fn a_unit_that_is_gone_is_stopped_and_another_refusal_is_said() {
    let fake = Fake::start("stop", vec![Answer::Job { result: "done", told_first: false }, Answer::Refused("NoSuchUnit")]);
    stop_at(fake.path(), "p-n.scope").unwrap();
    assert_eq!(fake.calls().len(), 2);
    let fake = Fake::start("stop-gone", vec![Answer::Refused("NoSuchUnit"), Answer::Refused("NoSuchUnit")]);
    stop_at(fake.path(), "p-n.scope").unwrap();
    fake.calls();
    let fake = Fake::start("stop-denied", vec![Answer::Refused("AccessDenied")]);
    assert!(stop_at(fake.path(), "p-n.scope").is_err());
    fake.calls();
}

#[test]
fn new_limits_last_until_the_unit_ends() {
    let fake = Fake::start("set", vec![Answer::Done]);
    set_limits_at(fake.path(), "p-n.scope", &limits()).unwrap();
    let calls = fake.calls();
    assert_eq!((calls[0].dynheader.member.as_deref(), calls[0].get_sig()), (Some("SetUnitProperties"), "sba(sv)"));
    // Nothing to say: systemd is not asked.
    set_limits_at(std::path::Path::new("/nowhere"), "p-n.scope", &Limits::default()).unwrap();
}

#[test]
fn the_tree_of_pods_is_started_once_and_a_second_comer_is_told() {
    let tree = Tree::of_slice("podrt.slice").unwrap();
    let fake = Fake::start("tree", vec![Answer::Job { result: "done", told_first: false }]);
    assert!(tree.start_at(fake.path(), 4711).unwrap());
    let text = shown(&fake.calls()[0]);
    for want in ["podrt-pods.scope", "podrt.slice", "4711", "Delegate"] {
        assert!(text.contains(want), "{want}: {text}");
    }
    let fake = Fake::start("tree-twice", vec![Answer::Refused("UnitExists")]);
    assert!(!tree.start_at(fake.path(), 4711).unwrap());
    fake.calls();
}

#[test]
fn a_tree_is_known_by_its_slice_and_by_its_path() {
    for (slice, path) in [("podrt.slice", "podrt.slice/podrt-pods.scope"), ("a-b.slice", "a.slice/a-b.slice/a-b-pods.scope")] {
        let tree = Tree::of_slice(slice).unwrap();
        assert_eq!(tree.path(), path);
        assert_eq!(Tree::of_path(&format!("/{path}")), Some(tree));
    }
    for none in ["podrt", "a/b.slice", "-.slice", "a--b.slice"] {
        assert_eq!(Tree::of_slice(none), None, "{none}");
    }
    for none in ["podrt", "podrt.slice/other.scope", "b.slice/a-b.slice/a-b-pods.scope", "a-b.slice/a-b-pods.scope"] {
        assert_eq!(Tree::of_path(none), None, "{none}");
    }
}

#[test]
fn a_scope_has_the_three_parts_of_its_path() {
    for (path, slice, unit, place) in [
        ("machine.slice:libpod:12ab", "machine.slice", "libpod-12ab.scope", "/machine.slice/libpod-12ab.scope"),
        (":cri:12ab", "system.slice", "cri-12ab.scope", "/system.slice/cri-12ab.scope"),
        ("a-b.slice::x", "a-b.slice", "x.scope", "/a.slice/a-b.slice/x.scope"),
        ("", "system.slice", "podrt-c1.scope", "/system.slice/podrt-c1.scope"),
    ] {
        let scope = Scope::parse(path, "c1").unwrap();
        assert_eq!((scope.slice.as_str(), scope.unit.as_str(), scope.path().unwrap().as_str()), (slice, unit, place), "{path}");
    }
    for path in ["/a/b", "a:b", "x:a:b", "a.slice:b:c.slice", "a.slice:b:", "a.slice:b:c d", "a.slice:b:c/d", "a.slice:b:\u{e9}"]
    {
        let error = Scope::parse(path, "c1").unwrap_err().to_string();
        assert!(error.starts_with("linux.cgroupsPath: ") && !error.contains('\n'), "{path}: {error}");
    }
}

fn given(key: &str, text: &str) -> Result<Vec<Property>, String> {
    property::annotations(&BTreeMap::from([(key.to_string(), text.to_string())])).map_err(|e| e.to_string())
}

#[test]
fn properties_come_from_annotations_and_nothing_else_does() {
    let one = |name: &str, value: Value| Ok(vec![(name.to_string(), value)]);
    assert_eq!(given("org.systemd.property.CollectMode", "'inactive'"), one("CollectMode", Value::Text("inactive".into())));
    assert_eq!(given("org.systemd.property.TimeoutStopSec", "uint64 5"), one("TimeoutStopUSec", Value::U64(5_000_000)));
    assert_eq!(given("org.systemd.property.TimeoutStopSec", "1.5"), one("TimeoutStopUSec", Value::U64(1_500_000)));
    assert_eq!(given("org.systemd.property.TimeoutStopUSec", "uint64 5"), one("TimeoutStopUSec", Value::U64(5)));
    assert_eq!(given("org.systemd.propertyX", "nonsense"), Ok(Vec::new()));
    for (key, text) in [
        ("org.systemd.property.", "true"),
        ("org.systemd.property.A/B", "true"),
        ("org.systemd.property.Wants", "a.service"),
        ("org.systemd.property.TimeoutStopSec", "-1"),
        ("org.systemd.property.TimeoutStopSec", "soon"),
    ] {
        let error = given(key, text).unwrap_err();
        assert!(error.starts_with("annotations[") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn values_are_written_as_gvariant_text() {
    let texts = |list: &[&str]| Value::Texts(list.iter().map(|t| t.to_string()).collect());
    for (text, want) in [
        ("true", Value::Bool(true)),
        (" -5 ", Value::I32(-5)),
        ("uint64 7", Value::U64(7)),
        ("int64 -7", Value::I64(-7)),
        ("uint32 7", Value::U32(7)),
        (r#""it's""#, Value::Text("it's".into())),
        (r"'a\'b\n'", Value::Text("a'b\n".into())),
        ("['a.service', \"b, c\"]", texts(&["a.service", "b, c"])),
    ] {
        assert_eq!(parse("f", text).unwrap(), want, "{text}");
    }
    for text in ["", "[]", "['a'", "['a',]", "['a' 'b']", "'a' b", "'a", "uint64 -1", "uint64", "4294967296", "<true>", "1.5"] {
        assert!(parse("f", text).is_err(), "{text}");
    }
}
