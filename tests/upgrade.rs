//! Another program takes a running pod over, and no container notices; state files that a newer podrt has written to.

mod support;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};
use std::fs;
use std::io::{IoSlice, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::processes::{intent, kill, process, settled};
use support::{Run, Test, pod};

/// A pod that counts, and ends with 6 when the file `end` is in its folder, with what it was started as.
fn counting(t: &Test) -> Value {
    let folder = t.path("shared");
    fs::create_dir_all(&folder).unwrap();
    let script = "i=0; while [ ! -e /v/end ]; do i=$((i+1)); echo $i; sleep 0.02; done; exit 6";
    let container = json!({"name": "app", "image": pod::image("shell"), "command": ["/bin/sh", "-c", script], "volumeMounts": [{"name": "v", "mountPath": "/v"}]});
    let spec =
        json!({"restartPolicy": "Never", "volumes": [{"name": "v", "hostPath": {"path": folder}}], "containers": [container]});
    let text = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}).to_string();
    let file = t.write("web.yaml", text);
    pod::create(t, file.to_str().unwrap(), "started").ok();
    pod::status_of(&pod::get(t, "web"), "app").clone()
}

/// Its exit code is true and its output without a gap; it was never started again.
fn ends_well(t: &Test, before: &Value) {
    let now = pod::status_of(&pod::get(t, "web"), "app").clone();
    assert_eq!(&now, before, "the container has noticed");
    t.eventually("it has counted", 10, || (pod::logs(t, "web", "app").lines().count() > 5).then_some(()));
    fs::write(t.path("shared/end"), "").unwrap();
    pod::wait_phase(t, "web", "Failed");
    let end = pod::status_of(&pod::get(t, "web"), "app").clone();
    assert_eq!((&end["state"]["terminated"]["exitCode"], &end["restartCount"]), (&6.into(), &0.into()), "{end}");
    let text = pod::logs(t, "web", "app");
    assert!(text.lines().count() > 5, "{text}");
    for (at, line) in text.lines().enumerate() {
        assert_eq!(line, (at + 1).to_string());
    }
}

/// podrt's program under another inode: to podrt that is another program.
fn copy(t: &Test) -> PathBuf {
    let path = t.path("podrt-new");
    fs::copy(env!("CARGO_BIN_EXE_podrt"), &path).unwrap();
    path
}

fn inode(path: impl AsRef<Path>) -> u64 {
    fs::metadata(path).unwrap().ino()
}

fn program_of(t: &Test, who: &str) -> u64 {
    inode(format!("/proc/{}/exe", process(t, "web", who).0))
}

fn by(t: &Test, program: &Path, args: &[&str]) -> support::Out {
    let words = t.podrt_words();
    Run::new(program).args(&words[1..]).args(args).run()
}

fn another_program_takes_over_and_no_container_notices(t: &Test) {
    let before = counting(t);
    let new = copy(t);
    let (supervisor, keeper) = (process(t, "web", "supervisor"), process(t, "web", "keeper"));
    assert_ne!(program_of(t, "supervisor"), inode(&new));
    assert_eq!(by(t, &new, &["upgrade", "web"]).ok().stdout, "pod/web upgraded\n");
    assert_eq!(program_of(t, "supervisor"), inode(&new));
    assert_eq!((process(t, "web", "supervisor"), process(t, "web", "keeper")), (supervisor, keeper));
    assert_eq!(by(t, &new, &["upgrade", "--all"]).ok().stdout, "pod/web unchanged\n");
    // Killed, it is followed by its like.
    assert!(kill(t, "web", "supervisor"));
    t.eventually("another supervisor", 10, || (process(t, "web", "supervisor").0 != supervisor.0).then_some(()));
    settled(t, "web");
    assert_eq!(program_of(t, "supervisor"), inode(&new));
    assert!(kill(t, "web", "keeper"));
    t.eventually("another keeper", 10, || (process(t, "web", "keeper").0 != keeper.0).then_some(()));
    settled(t, "web");
    assert_eq!(program_of(t, "supervisor"), inode(&new));
    // And back again.
    assert_eq!(t.podrt(["upgrade", "pod/web"]).run().ok().stdout, "pod/web upgraded\n");
    assert_eq!(program_of(t, "supervisor"), inode(env!("CARGO_BIN_EXE_podrt")));
    ends_well(t, &before);
    pod::delete(t, "web");
    let gone = t.podrt(["upgrade", "web"]).run();
    assert_eq!((gone.code(), gone.stderr.as_str()), (1, "Error from server (NotFound): pods \"web\" not found\n"));
}

/// Asks the supervisor to go over to `program`; its answer.
fn reexec(t: &Test, program: &Path, schema: u32) -> Value {
    let mut socket = UnixStream::connect(t.run.join("names/default/web/control.sock")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let hello = frame(&mut socket);
    assert_eq!(hello["protocol"], 1, "{hello}");
    let request = json!({"id": 1, "verb": "Reexec", "args": {"schema": schema}, "fds": 1}).to_string();
    let bytes = [&(request.len() as u32).to_be_bytes(), request.as_bytes()].concat();
    let file = fs::File::open(program).unwrap();
    let fds = [file.as_raw_fd()];
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&bytes)], &[ControlMessage::ScmRights(&fds)], MsgFlags::empty(), None)
        .unwrap();
    frame(&mut socket)
}

fn frame(socket: &mut UnixStream) -> Value {
    let mut length = [0; 4];
    socket.read_exact(&mut length).unwrap();
    let mut text = vec![0; u32::from_be_bytes(length) as usize];
    socket.read_exact(&mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// `file` on a read-only mount of its own.
fn read_only(t: &Test, name: &str, file: &Path) -> PathBuf {
    let target = t.write(name, "");
    mount(Some(file), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, &target, None::<&str>, flags, None::<&str>).unwrap();
    target
}

fn a_program_that_does_not_come_up_is_followed_by_the_one_before(t: &Test) {
    let before = counting(t);
    let old = program_of(t, "supervisor");
    let (code, field) = ("error", "code");
    let writable = reexec(t, Path::new("/bin/true"), 1);
    assert_eq!(writable[code][field], "InvalidArgument", "what is no file on a read-only mount: {writable}");
    let early = reexec(t, Path::new("/bin/true"), 0);
    assert_eq!(early[code][field], "FailedPrecondition", "of an older state: {early}");
    // What cannot be executed at all changes nothing.
    let text = read_only(t, "text", Path::new("/etc/passwd"));
    let supervisor = process(t, "web", "supervisor");
    reexec(t, &text, 1);
    settled(t, "web");
    assert_eq!((process(t, "web", "supervisor"), program_of(t, "supervisor")), (supervisor, old));
    assert!(kill(t, "web", "keeper"));
    t.eventually("another supervisor", 10, || (process(t, "web", "supervisor") != supervisor).then_some(()));
    settled(t, "web");
    assert_eq!(program_of(t, "supervisor"), old);
    let target = read_only(t, "program", Path::new("/bin/true"));
    let supervisor = process(t, "web", "supervisor");
    let taken = reexec(t, &target, 1);
    assert!(taken.get("error").is_none(), "{taken}");
    t.eventually("the old program is back", 10, || {
        let now = process(t, "web", "supervisor");
        (now != supervisor && now.0 > 1 && support::processes::start_time(now.0) == Some(now.1)).then_some(())
    });
    settled(t, "web");
    assert_eq!(program_of(t, "supervisor"), old);
    umount2(&target, MntFlags::MNT_DETACH).unwrap();
    umount2(&text, MntFlags::MNT_DETACH).unwrap();
    ends_well(t, &before);
    pod::delete(t, "web");
}

/// Kills the supervisor and, before another comes, changes its files.
fn between_two(t: &Test, change: impl FnOnce(&mut Value, &mut Value)) {
    use nix::sys::signal::{Signal, kill as signal};
    let folder = t.run.join("names/default/web");
    let keeper = nix::unistd::Pid::from_raw(process(t, "web", "keeper").0);
    signal(keeper, Signal::SIGSTOP).unwrap();
    assert!(kill(t, "web", "supervisor"));
    let read = |name: &str| serde_json::from_str::<Value>(&fs::read_to_string(folder.join(name)).unwrap()).unwrap();
    let (mut state, mut intent) = (read("state.json"), read("intent.json"));
    change(&mut state, &mut intent);
    fs::write(folder.join("state.json"), state.to_string()).unwrap();
    fs::write(folder.join("intent.json"), intent.to_string()).unwrap();
    signal(keeper, Signal::SIGCONT).unwrap();
}

fn what_a_newer_podrt_has_written_stays_in_the_state(t: &Test) {
    let before = counting(t);
    let old = process(t, "web", "supervisor");
    between_two(t, |state, intent| {
        assert_eq!((&state["schema"], &intent["schema"]), (&1.into(), &1.into()));
        state["future"] = json!({"a": [1]});
        state["containers"][0]["future"] = json!("x");
        intent["future"] = json!(7);
    });
    t.eventually("another supervisor", 10, || (process(t, "web", "supervisor") != old).then_some(()));
    settled(t, "web");
    ends_well(t, &before);
    let state = fs::read_to_string(t.run.join("names/default/web/state.json")).unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!((&state["future"], &state["containers"][0]["future"]), (&json!({"a": [1]}), &json!("x")), "{state}");
    assert_eq!(intent(t, "web")["future"], 7);
    pod::delete(t, "web");
}

fn a_state_that_is_too_new_is_left_alone_until_somebody_can_read_it(t: &Test) {
    let before = counting(t);
    let old = process(t, "web", "supervisor");
    between_two(t, |state, _| state["schema"] = json!(2));
    std::thread::sleep(Duration::from_millis(500));
    // Readable as far as it goes, and the container runs.
    assert_eq!(pod::phase(t, "web"), "Running");
    let path = t.run.join("names/default/web/state.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"schema\":2"), "{text}");
    fs::write(&path, text.replace("\"schema\":2", "\"schema\":1")).unwrap();
    t.eventually("another supervisor", 20, || (process(t, "web", "supervisor") != old).then_some(()));
    t.eventually("it answers", 20, || {
        let now = process(t, "web", "supervisor");
        (support::processes::start_time(now.0) == Some(now.1)).then_some(())
    });
    ends_well(t, &before);
    pod::delete(t, "web");
}

suite!(
    another_program_takes_over_and_no_container_notices,
    a_program_that_does_not_come_up_is_followed_by_the_one_before,
    what_a_newer_podrt_has_written_stays_in_the_state,
    a_state_that_is_too_new_is_left_alone_until_somebody_can_read_it,
);
