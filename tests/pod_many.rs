//! Many pods: one after another, at once, and for one name; nothing of them is left, and the last is as quick as the first. Figures
//! are printed for whoever looks; they decide nothing.

mod support;

use std::fs;
use std::time::{Duration, Instant};
use support::pod::*;
use support::{Test, leaks, world};

/// Everything is some 20 times slower in the virtual machine.
fn count(natively: usize, in_vm: usize) -> usize {
    if world::in_vm() { in_vm } else { natively }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn pods_one_after_another_leave_nothing(t: &Test) {
    let file = manifest(t, "row", NEVER, &[("app", &["reap"], "")]);
    let mut times = Vec::new();
    let once = || {
        let start = Instant::now();
        create(t, &file, "started").ok();
        let up = start.elapsed();
        t.podrt(["delete", "pod", "row", "--now"]).run().ok();
        up
    };
    once();
    let before = leaks::Snapshot::take(t);
    for _ in 0..count(200, 5) {
        times.push(once());
    }
    let left = before.left(t, Duration::from_secs(4));
    assert!(left.is_empty(), "{left:?}");
    let tenth = times.len().min(10);
    let end = times.len();
    let (first, last) = (median(&mut times[..tenth].to_vec()), median(&mut times[end - tenth..]));
    println!("{end} pods in a row: the first ten took {first:?} each to start, the last ten {last:?}");
}

fn two_hundred_live_at_once(t: &Test) {
    let pods = count(200, 3);
    let (mut first, mut last) = (Duration::ZERO, Duration::ZERO);
    for n in 0..pods {
        let file = manifest(t, &format!("p{n}"), NEVER, &[("app", &["reap"], "")]);
        last = create(t, &file, "started").ok().took;
        if n == 0 {
            first = last;
        }
    }
    println!("{pods} pods alive: the first took {first:?}, the last {last:?}");
    let table = t.podrt(["get", "pods"]).within(Duration::from_secs(30)).run().ok().stdout;
    assert_eq!(table.matches("Running").count(), pods, "{table}");
    // Idle pods are woken by nobody.
    let busy = || -> u64 { supervisors(t).into_iter().filter_map(cpu_ticks).sum() };
    let before = busy();
    std::thread::sleep(Duration::from_secs(1));
    assert!(busy() - before <= 2, "supervisors of idle pods have used {} ticks in a second", busy() - before);
    delete_all(t);
    let left = t.podrt(["get", "pods"]).run().ok().stdout;
    assert_eq!(left, "");
}

fn supervisors(t: &Test) -> Vec<i32> {
    let procs = fs::read_to_string(t.cgroup_dir().join("supervisors/cgroup.procs")).unwrap_or_default();
    procs.lines().filter_map(|l| l.parse().ok()).collect()
}

fn cpu_ticks(pid: i32) -> Option<u64> {
    Some(leaks::stat_field(pid, 11)?.parse::<u64>().ok()? + leaks::stat_field(pid, 12)?.parse::<u64>().ok()?)
}

fn fifty_created_at_once_all_run(t: &Test) {
    let pods = count(50, 4);
    let files: Vec<String> = (0..pods).map(|n| manifest(t, &format!("p{n}"), NEVER, &[("app", &["reap"], "")])).collect();
    let create = |file: &str| t.podrt(["create", "-f", file, "--wait=started"]).within(Duration::from_secs(120)).run();
    std::thread::scope(|s| {
        let all: Vec<_> = files.iter().map(|f| s.spawn(move || create(f))).collect();
        all.into_iter().for_each(|one| drop(one.join().expect("a thread").ok()));
    });
    let table = t.podrt(["get", "pods"]).run().ok().stdout;
    assert_eq!(table.matches("Running").count(), pods, "{table}");
    delete_all(t);
}

fn of_twelve_that_want_one_name_one_gets_it(t: &Test) {
    let file = manifest(t, "one", NEVER, &[("app", &["reap"], "")]);
    for round in 0..count(10, 2) {
        let outs: Vec<_> = std::thread::scope(|s| {
            let all: Vec<_> = (0..12).map(|_| s.spawn(|| create(t, &file, "started"))).collect();
            all.into_iter().map(|one| one.join().expect("a thread")).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = outs.into_iter().partition(|o| o.code() == 0);
        assert_eq!(won.len(), 1, "round {round}");
        for out in lost {
            assert!(out.code() == 1 && out.stderr.contains("already exists"), "round {round}: {out}");
        }
        assert_eq!(phase(t, "one"), "Running");
        assert_eq!(supervisors(t).len(), 2, "a keeper and a supervisor");
        t.podrt(["delete", "pod", "one", "--now"]).run().ok();
    }
}

fn creates_and_deletes_of_one_name_in_any_order_end_well(t: &Test) {
    let file = manifest(t, "storm", NEVER, &[("app", &["reap"], "")]);
    let end = Instant::now() + Duration::from_secs(count(4, 20) as u64);
    std::thread::scope(|s| {
        for n in 0..3 {
            let file = &file;
            s.spawn(move || {
                while Instant::now() < end {
                    let out = match n {
                        0 => create(t, file, "started"),
                        1 => t.podrt(["delete", "pod", "storm", "--grace-period", "0", "--ignore-not-found"]).run(),
                        _ => t.podrt(["exec", "storm", "--", "/bin/true"]).run(),
                    };
                    assert!(!out.stderr.contains("panicked"), "{out}");
                }
            });
        }
    });
    t.podrt(["delete", "pod", "storm", "--force", "--ignore-not-found"]).run().ok();
}

suite!(
    pods_one_after_another_leave_nothing,
    two_hundred_live_at_once,
    fifty_created_at_once_all_run,
    of_twelve_that_want_one_name_one_gets_it,
    creates_and_deletes_of_one_name_in_any_order_end_well,
);
