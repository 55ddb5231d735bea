//! Runs each test in a process of its own, two at a time, and prints a line for each in libtest's manner:
//! `test NAME ... ok`, `... FAILED`, `... skipped: WHY`.

use super::{Test, leaks, world};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigHandler, Signal};
use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

pub type Case = (&'static str, fn(&Test));

/// The exit code of a test's process that was skipped; the reason is the last line of its output.
pub const SKIPPED: i32 = 42;

/// A test that is still running after this is killed; PODRT_TEST_LIMIT are other seconds. Everything is some 20 times slower in a virtual machine without KVM.
fn limit() -> Duration {
    let asked = std::env::var("PODRT_TEST_LIMIT").ok().and_then(|s| s.parse().ok());
    Duration::from_secs(asked.unwrap_or(if world::in_vm() { 400 } else { 120 }))
}

pub fn main(cases: &[Case]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = &args[..]
        && flag == "--child"
    {
        return child(cases, name);
    }
    if args.iter().any(|a| a == "--list") {
        cases.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    // cargo's own flags mean nothing here; any other word is a filter, as libtest has it.
    let filters: Vec<&String> = args.iter().filter(|a| !a.starts_with("--")).collect();
    let exact = args.iter().any(|a| a == "--exact");
    let fits = |name: &str, filter: &str| if exact { name == filter } else { name.contains(filter) };
    let chosen = cases.iter().filter(|(name, _)| filters.is_empty() || filters.iter().any(|f| fits(name, f)));
    if let Err(why) = isolate() {
        eprintln!("the tests' own mount namespace: {why}: run as root");
        return ExitCode::from(2);
    }
    run(chosen.map(|c| c.0).collect())
}

/// A private mount namespace with one cgroup v2 tree at /sys/fs/cgroup, as on a current host. Nothing outside changes.
fn isolate() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    if !std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        let below: Vec<String> = leaks::mount_points().into_iter().filter(|p| p.starts_with("/sys/fs/cgroup")).collect();
        for point in below.iter().rev() {
            umount2(point.as_str(), MntFlags::MNT_DETACH)?;
        }
        mount(Some("cgroup2"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), None::<&str>)?;
    }
    Ok(())
}

/// Loopback, and a sysfs of the new namespace's own.
fn own_network() {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    assert!(up.is_ok_and(|s| s.success()), "ip link set lo up: needs iproute2");
}

struct Running {
    name: &'static str,
    child: Child,
    output: PathBuf,
    since: Instant,
}

fn run(mut names: VecDeque<&'static str>) -> ExitCode {
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let threads = std::env::var("PODRT_TEST_THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let (mut running, mut count): (Vec<Running>, [usize; 3]) = (Vec::new(), [0; 3]);
    println!("running {} tests", names.len());
    while !names.is_empty() || !running.is_empty() {
        while running.len() < threads
            && let Some(name) = names.pop_front()
        {
            running.push(start(name));
        }
        let mut at = 0;
        while at < running.len() {
            let late = running[at].since.elapsed() > limit();
            if late {
                leaks::kill_tree(running[at].child.id() as i32);
            }
            match running[at].child.try_wait().expect("wait for a test") {
                Some(status) => {
                    let done = running.swap_remove(at);
                    count[report(&done, status.code(), late)] += 1;
                }
                None => at += 1,
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let [ok, failed, skipped] = count;
    println!("\ntest result: {}. {ok} passed; {failed} failed; {skipped} skipped", if failed == 0 { "ok" } else { "FAILED" });
    ExitCode::from(if failed == 0 { 0 } else { 101 })
}

fn start(name: &'static str) -> Running {
    let output = world::temp_folder().join(format!("podrt-test-{}-{name}.out", std::process::id()));
    let file = File::create(&output).expect("a temporary file");
    let child = Command::new(std::env::current_exe().expect("own path"))
        .args(["--child", name])
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("dup"))
        .stderr(file)
        .spawn()
        .expect("start a test");
    Running { name, child, output, since: Instant::now() }
}

/// Prints the line; returns the index of its count.
fn report(test: &Running, code: Option<i32>, late: bool) -> usize {
    let output = std::fs::read_to_string(&test.output).unwrap_or_default();
    let _ = std::fs::remove_file(&test.output);
    let took = test.since.elapsed().as_secs_f32();
    match code {
        Some(0) => {
            println!("test {} ... ok", test.name);
            // What a test measures it says, and is not judged by.
            output.lines().filter(|l| l.starts_with("measured: ")).for_each(|l| println!("  {l}"));
            0
        }
        Some(SKIPPED) => {
            println!("test {} ... skipped: {}", test.name, output.lines().last().unwrap_or("no reason given"));
            2
        }
        _ => {
            let why = if late { "killed: still running".into() } else { format!("exit {code:?}") };
            println!("test {} ... FAILED", test.name);
            println!("---- {} ({why}, {took:.1} s)\n{output}----", test.name);
            1
        }
    }
}

fn child(cases: &[Case], name: &str) -> ExitCode {
    // A script that runs the suites in the background ignores these, and podrt leaves ignored what its caller ignores.
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: the default disposition runs no code of ours.
        let _ = unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) };
    }
    let Some((name, test)) = cases.iter().find(|c| c.0 == name) else { return ExitCode::from(2) };
    // Its own network as well: what pods do to their host's never touches the machine's.
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("own namespaces");
    own_network();
    nix::sys::prctl::set_child_subreaper(true).expect("subreaper");
    let world = Test::new(name);
    let before = leaks::Snapshot::take(&world);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&world)));
    // After a failure what is left behind says little: it is cleaned away, and not reported.
    let left = match outcome {
        Ok(()) => before.left(&world, Duration::from_secs(if world::in_vm() { 20 } else { 4 })),
        Err(_) => vec!["the test itself failed".into()],
    };
    world.clean();
    if left.is_empty() {
        return ExitCode::SUCCESS;
    }
    if outcome.is_ok() {
        println!("left behind:\n  {}", left.join("\n  "));
    }
    ExitCode::FAILURE
}
