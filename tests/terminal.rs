//! Commands on a real terminal: `exec -it` with its size and modes, Ctrl-C in `run`.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::Test;
use support::pod::*;
use support::terminal::Session;

fn words(t: &Test, more: &[&str]) -> Vec<String> {
    t.podrt_words().into_iter().chain(more.iter().map(|w| w.to_string())).collect()
}

fn exec_has_a_terminal_that_follows_the_windows_size(t: &Test) {
    create(t, &manifest(t, "term", NEVER, &[("app", &["reap"], "")]), "started").ok();
    let mut session = Session::start(&words(t, &["exec", "-it", "term", "--", "payload", "tty", "watch"]), 33, 99);
    session.expect("rows=33 cols=99");
    for line in ["isatty0=1", "isatty1=1", "isatty2=1", "controlling=1", "name=/dev/"] {
        session.expect(line);
    }
    session.resize(12, 34);
    session.expect("rows=12 cols=34");
    // End of input at the container's terminal.
    session.type_in("\u{4}");
    assert!(session.end().success(), "{}", session.text());
    delete(t, "term");
}

fn a_shell_in_a_container_edits_interrupts_and_passes_its_code_on(t: &Test) {
    create(t, &manifest(t, "sh", NEVER, &[("app", &["reap"], "")]), "started").ok();
    let mut session = Session::start(&words(t, &["exec", "-it", "sh", "--", "sh"]), 24, 80);
    let before = session.modes();
    session.type_in("echo $((40+2)) $(hostname)\n");
    session.expect("42 sh\n");
    // Ctrl-C is the container's: it ends the sleep, not the shell and not podrt.
    session.type_in("sleep 100\n");
    std::thread::sleep(Duration::from_millis(300));
    session.type_in("\u{3}");
    session.type_in("echo still $((1+1))\n");
    session.expect("still 2\n");
    session.type_in("exit 7\n");
    assert_eq!(session.end().code(), Some(7), "{}", session.text());
    session.expect("command terminated with exit code 7");
    assert!(before.contains("-echo") && session.modes().contains(" echo "), "raw while it runs, and restored after it");
    delete(t, "sh");
}

fn the_terminal_is_restored_when_the_container_is_killed(t: &Test) {
    create(t, &manifest(t, "gone", NEVER, &[("app", &["reap"], "")]), "started").ok();
    let mut session = Session::start(&words(t, &["exec", "-it", "gone", "--", "sh"]), 24, 80);
    session.type_in("echo up $((1+1))\n");
    session.expect("up 2\n");
    t.podrt(["delete", "pod", "gone", "--grace-period", "0"]).run().ok();
    assert_eq!(session.end().code(), Some(137), "{}", session.text());
    assert!(session.modes().contains(" icanon "), "{}", session.modes());
}

fn run_on_a_terminal_ends_the_pod_at_ctrl_c(t: &Test) {
    let file = manifest(t, "fg", NEVER, &[("app", &["trap-term", "3"], "")]);
    let mut session = Session::start(&words(t, &["run", "--rm", "-f", &file]), 24, 80);
    t.eventually("it runs", 10, || t.podrt(["get", "pods"]).run().stdout.contains("Running").then_some(()));
    session.type_in("\u{3}");
    assert_eq!(session.end().code(), Some(3), "{}", session.text());
    assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty(), "--rm removes it");
}

fn run_ends_at_a_signal_within_the_grace_period_and_a_second_one_kills(t: &Test) {
    // The manifest's grace period is 2 s, and the container ignores SIGTERM.
    let file = manifest(t, "stub", "restartPolicy: Always", &[("app", &["ignore-term"], "")]);
    for (signals, least, most) in [(1, 1.9, 8.0), (2, 0.0, 1.8)] {
        let mut child = Command::new(&words(t, &[])[0])
            .args(&words(t, &["run", "--rm", "-f", &file])[1..])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        t.eventually("it runs", 10, || t.podrt(["get", "pods"]).run().stdout.contains("Running").then_some(()));
        let start = std::time::Instant::now();
        for _ in 0..signals {
            kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
            std::thread::sleep(Duration::from_millis(200));
        }
        let status = t.eventually("run ends", 10, || child.try_wait().unwrap());
        let took = start.elapsed().as_secs_f32();
        assert_eq!(status.code(), Some(137));
        assert!(took >= least && (took < most || support::world::in_vm()), "{signals} signals: {took} s");
        assert!(t.podrt(["get", "pods"]).run().ok().stdout.is_empty());
    }
}

fn a_long_paste_arrives_whole(t: &Test) {
    create(t, &manifest(t, "paste", NEVER, &[("app", &["reap"], "")]), "started").ok();
    let text = "0123456789abcde\n".repeat(1 << 18);
    let out = t.podrt(["exec", "-i", "paste", "--", "md5sum"]).input(text.clone()).run().ok();
    let here = support::Run::new("/usr/bin/md5sum").input(text).run().ok();
    assert_eq!(out.stdout, here.stdout, "4 MiB");
    delete(t, "paste");
}

suite!(
    exec_has_a_terminal_that_follows_the_windows_size,
    a_shell_in_a_container_edits_interrupts_and_passes_its_code_on,
    the_terminal_is_restored_when_the_container_is_killed,
    run_on_a_terminal_ends_the_pod_at_ctrl_c,
    run_ends_at_a_signal_within_the_grace_period_and_a_second_one_kills,
    a_long_paste_arrives_whole,
);
