//! Seccomp's notify listener: whoever listens at linux.seccomp.listenerPath gets the fd with the state of the process.

mod support;

use serde_json::{Value, json};
use support::console::Console;
use support::{Bundle, Test};

/// mkdir asks the listener; all else is allowed.
fn bundle(t: &Test, args: &[&str], no_new_privs: bool) -> Bundle {
    let seccomp = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64"],
        "listenerPath": t.path("listener"),
        "listenerMetadata": "opaque words",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
    });
    let capabilities = ["CAP_SYS_ADMIN", "CAP_CHOWN"];
    let sets = json!({"bounding": capabilities, "effective": capabilities, "permitted": capabilities});
    Bundle::new(t, "c", args)
        .set("/linux/seccomp", seccomp)
        .set("/process/noNewPrivileges", json!(no_new_privs))
        .set("/process/capabilities", sets)
}

/// With nobody at the listener any more, a call that asks it fails as one that is not there.
fn the_listener_gets_the_fd_and_the_state_and_calls_wait_for_it(t: &Test) {
    for no_new_privs in [true, false] {
        let listener = Console::bind(&t.path("listener"));
        let folder = bundle(t, &["/bin/sh", "-c", "mkdir /dev/shm/x; echo end; sleep 100"], no_new_privs).write();
        t.oci(["create", "--bundle", &folder, "--pid-file", t.path("pid").to_str().unwrap(), &t.tag])
            .output_to(&t.path("out"))
            .run()
            .ok();
        let (text, fd) = listener.receive_file();
        let message: Value = serde_json::from_str(&text).expect("JSON");
        let pid: i64 = t.read("pid").trim().parse().unwrap();
        assert_eq!(
            (&message["fds"], &message["metadata"], &message["pid"]),
            (&json!(["seccompFd"]), &json!("opaque words"), &json!(pid))
        );
        assert_eq!((&message["state"]["id"], &message["state"]["status"]), (&json!(t.tag), &json!("creating")));
        assert!(message["ociVersion"].as_str().is_some_and(|v| v.starts_with("1.")), "{text}");
        t.oci(["start", &t.tag]).run().ok();
        t.eventually("mkdir waits", 5, || {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
            let child = children.split_whitespace().next()?.to_string();
            let waits = std::fs::read_to_string(format!("/proc/{child}/wchan")).unwrap_or_default();
            let asks = std::fs::read_to_string(format!("/proc/{child}/syscall")).unwrap_or_default();
            (asks.starts_with("83 ") || waits.contains("seccomp")).then_some(())
        });
        assert_eq!(t.read("out"), "");
        drop(fd);
        t.eventually("mkdir is told that there is nobody", 5, || t.read("out").contains("end").then_some(()));
        assert!(t.read("out").contains("not implemented"), "{}", t.read("out"));

        // A further process has a listener of its own.
        let id = t.tag.clone();
        let exec = t.oci(["exec", "--detach", &id, "/bin/sh", "-c", "mkdir /dev/shm/y"]).output_to(&t.path("exec"));
        exec.run().ok();
        let (text, fd) = listener.receive_file();
        let message: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&message["state"]["pid"], &message["state"]["status"]), (&json!(pid), &json!("running")));
        assert_ne!(message["pid"], json!(pid), "the pid of the process itself");
        drop(fd);
        t.eventually("mkdir is told", 5, || t.read("exec").contains("not implemented").then_some(()));
        // A PID namespace ends when all of its processes have been waited for, those of an exec by whoever runs it.
        t.eventually("the exec's end", 5, || {
            support::leaks::reap();
            (!std::path::Path::new(&format!("/proc/{}", message["pid"])).exists()).then_some(())
        });
        t.oci(["delete", "--force", &t.tag]).run().ok();
        drop(listener);
        std::fs::remove_file(t.path("listener")).unwrap();
    }
}

fn without_anybody_at_the_listener_nothing_is_created(t: &Test) {
    t.requires_podrt();
    let folder = bundle(t, &["/bin/true"], true).write();
    t.oci(["run", "--bundle", &folder, &t.tag]).run().refuses(&["linux.seccomp.listenerPath", "no such file"]);
    t.oci(["state", &t.tag]).run().refuses(&["does not exist"]);
    let folder = bundle(t, &["/bin/true"], true).set("/linux/seccomp/listenerPath", json!("/x".repeat(60))).write();
    t.oci(["run", "--bundle", &folder, &t.tag]).run().refuses(&["linux.seccomp.listenerPath", "too long"]);
    let folder = bundle(t, &["/bin/true"], true).without("/linux/seccomp/listenerPath").write();
    t.oci(["run", "--bundle", &folder, &t.tag]).run().refuses(&["linux.seccomp.listenerPath", "missing"]);
}

suite!(the_listener_gets_the_fd_and_the_state_and_calls_wait_for_it, without_anybody_at_the_listener_nothing_is_created);
