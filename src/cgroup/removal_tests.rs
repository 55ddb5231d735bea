use super::*;
use crate::cgroup::testing::{run_in, scratch};

const BOUND: Duration = Duration::from_secs(5);

fn is_gone(s: &crate::cgroup::testing::Scratch) -> bool {
    Cgroup::open(&s.hierarchy, s.group.path()).is_err_and(|e| e.is_not_found())
}

#[test]
fn the_root_is_never_removed() {
    let Some(s) = scratch(&[]) else { return };
    let root = Cgroup::open(&s.hierarchy, "/").unwrap();
    assert!(matches!(root.remove(BOUND), Err(Error::Field { .. })));
}

#[test]
fn an_empty_one_goes_at_once_and_a_second_time_is_no_error() {
    let Some(s) = scratch(&[]) else { return };
    s.group.remove(Duration::ZERO).unwrap();
    assert!(is_gone(&s));
    s.group.remove(Duration::ZERO).unwrap();
    s.group.remove(BOUND).unwrap();
}

#[test]
fn a_fork_bomb_is_gone_within_the_bound() {
    let Some(s) = scratch(&[]) else { return };
    // It ends by itself after 20 x 50 forks and a few seconds, should it ever get out.
    let inner = "(i=0; while [ $i -lt 50 ]; do i=$((i+1)); sleep 2 & sleep 0.01; done)";
    let script = format!("n=0; while [ $n -lt 20 ]; do n=$((n+1)); {inner} & sleep 0.02; done; sleep 2");
    let mut child = run_in(&s.group, &script);
    std::thread::sleep(Duration::from_millis(300));
    s.group.remove(BOUND).unwrap();
    assert!(is_gone(&s));
    child.wait().unwrap();
}

#[test]
fn frozen_nested_and_threaded_ones_are_gone_within_the_bound() {
    let Some(s) = scratch(&[]) else { return };
    let mut children = Vec::new();
    let frozen = s.group.child("frozen").unwrap();
    children.push(run_in(&frozen, "sleep 20 & exec sleep 20"));
    frozen.freeze(BOUND).unwrap();
    // A threaded sub-cgroup in a domain of its own; cgroup.procs cannot be read there.
    let domain = s.group.child("domain").unwrap();
    let threaded = domain.child("threaded").unwrap();
    match threaded.put("cgroup.type", "threaded") {
        Ok(()) => {
            let child = run_in(&domain, "exec sleep 20");
            threaded.put("cgroup.threads", &child.id().to_string()).unwrap();
            children.push(child);
        }
        Err(e) => eprintln!("skipped: the threaded part: {e}"),
    }
    let wide = s.group.child("wide").unwrap();
    for i in 0..300 {
        wide.child(&format!("w{i}")).unwrap();
    }
    let mut deep = s.group.child("deep").unwrap();
    for _ in 0..40 {
        deep = deep.child("deeper").unwrap();
    }
    children.push(run_in(&deep, "exec sleep 20"));
    s.group.remove(BOUND).unwrap();
    assert!(is_gone(&s));
    for child in &mut children {
        child.wait().unwrap();
    }
}

#[test]
fn a_threaded_cgroup_itself_can_be_killed() {
    let Some(s) = scratch(&[]) else { return };
    let threaded = s.group.child("threaded").unwrap();
    if let Err(e) = threaded.put("cgroup.type", "threaded") {
        eprintln!("skipped: {e}");
        return;
    }
    let mut child = run_in(&s.group, "exec sleep 20");
    threaded.put("cgroup.threads", &child.id().to_string()).unwrap();
    assert_eq!(threaded.procs().unwrap(), [child.id() as i32]);
    threaded.remove(BOUND).unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_left_at_the_deadline_is_said_and_a_second_call_goes_on() {
    let Some(s) = scratch(&[]) else { return };
    let mut child = run_in(&s.group, "exec sleep 20");
    match s.group.remove(Duration::ZERO) {
        Err(e @ Error::Busy { .. }) => {
            assert!(e.to_string().starts_with(&format!("cgroup {}: still busy after ", s.group.path())), "{e}")
        }
        other => panic!("{other:?}"),
    }
    s.group.remove(BOUND).unwrap();
    child.wait().unwrap();
}

#[test]
fn what_is_left_is_named() {
    let me = std::process::id() as i32;
    assert!(describe(&[me]).starts_with(&format!("process {me} (")));
    assert!(describe(&[me, me, me, me, me]).ends_with(", and 2 more"));
    assert_eq!(describe(&[]), "sub-cgroups or threads are left in it");
}
