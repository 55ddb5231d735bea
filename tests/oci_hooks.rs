//! Hooks of config.json: when each runs, where, with what; and what a failing one undoes.

mod support;

use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use support::{Bundle, Test};

/// A shell script on the host (or, for startContainer, in the container).
fn hook(script: &str) -> Value {
    json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}])
}

/// With the test's own folder at /mnt in the container.
fn bundle(t: &Test, args: &[&str]) -> Bundle {
    let mount = json!({"destination": "/mnt", "type": "bind", "source": t.dir, "options": ["bind", "rw"]});
    Bundle::new(t, "c", args).set("/mounts/-", mount).set("/hooks", json!({}))
}

fn each_hook_runs_in_its_turn_in_its_namespaces_with_the_state_on_stdin(t: &Test) {
    let dir = t.dir.to_str().unwrap().to_string();
    let script = |name: &str, dir: &str| {
        format!(
            "cat > {dir}/{name}; echo {name} >> {dir}/order; for n in net mnt pid; do readlink /proc/self/ns/$n; done > {dir}/{name}.ns"
        )
    };
    let mut b = bundle(t, &["/bin/sh", "-c", "echo command >> /mnt/order; sleep 100"]);
    for name in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        b = b.set(&format!("/hooks/{name}"), hook(&script(name, &dir)));
    }
    let folder = b.set("/hooks/startContainer", hook(&script("startContainer", "/mnt"))).write();
    let id = t.tag.as_str();
    t.oci(["create", "--bundle", &folder, "--pid-file", t.path("pid").to_str().unwrap(), id])
        .output_to(&t.path("out"))
        .run()
        .ok();
    let order = || t.read("order").split_whitespace().map(String::from).collect::<Vec<_>>();
    assert_eq!(order(), ["prestart", "createRuntime", "createContainer"]);
    t.oci(["start", id]).run().ok();
    t.eventually("the command runs", 5, || order().contains(&"command".into()).then_some(()));
    let mut now = order();
    now.sort();
    assert_eq!(now, ["command", "createContainer", "createRuntime", "poststart", "prestart", "startContainer"]);
    assert_eq!(order()[3], "startContainer");
    let pid = t.read("pid").trim().to_string();
    let ns = |pid: &str| {
        ["net", "mnt", "pid"].map(|n| fs::read_link(format!("/proc/{pid}/ns/{n}")).unwrap().to_str().unwrap().to_string())
    };
    let (host, container) = (ns("self"), ns(&pid));
    t.oci(["delete", "--force", id]).run().ok();
    assert_eq!(order().last().unwrap(), "poststop");
    for (name, status, inside) in [
        ("prestart", "creating", false),
        ("createRuntime", "creating", false),
        ("createContainer", "creating", true),
        ("startContainer", "created", true),
        ("poststart", "running", false),
        ("poststop", "stopped", false),
    ] {
        let state: Value = serde_json::from_str(&t.read(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!([&state["id"], &state["bundle"]], [&json!(id), &json!(folder)], "{name}");
        let seen: Vec<String> = t.read(&format!("{name}.ns")).lines().map(String::from).collect();
        assert_eq!(seen, if inside { &container } else { &host }[..], "{name}");
        if support::world::foreign() {
            continue;
        }
        assert_eq!(state["status"], status, "{name}");
        if status != "stopped" {
            assert_eq!(state["pid"].to_string(), pid, "{name}");
        }
    }
}

fn run_goes_by_all_hooks_too(t: &Test) {
    let dir = t.dir.display();
    let out = bundle(t, &["/bin/sh", "-c", "echo command"])
        .set("/hooks/createRuntime", hook(&format!("echo runtime >> {dir}/order")))
        .set("/hooks/startContainer", hook("echo start >> /mnt/order"))
        .set("/hooks/poststop", hook(&format!("echo stop >> {dir}/order")))
        .write();
    assert_eq!(t.oci(["run", "--bundle", &out, &t.tag]).run().ok().stdout, "command\n");
    assert_eq!(t.read("order"), "runtime\nstart\nstop\n");
}

fn a_hook_in_the_container_is_confined_as_its_command_is(t: &Test) {
    t.requires_podrt();
    let script = "payload caps > /mnt/caps; payload ids > /mnt/ids; payload cgroup > /mnt/cgroup";
    fs::set_permissions(&t.dir, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let folder = bundle(t, &["/bin/payload", "exit", "0"])
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .set("/hooks/startContainer", hook(script))
        .write();
    t.oci(["run", "--bundle", &folder, &t.tag]).run().ok();
    let caps = t.read("caps");
    let value = |key: &str| support::command::value(&caps, key).unwrap_or_default().to_string();
    assert_eq!([value("CapEff"), value("NoNewPrivs")], ["0000000000000000", "1"]);
    assert!(t.read("ids").contains("uid=1000 1000 1000"), "{}", t.read("ids"));
    assert!(t.read("cgroup").ends_with("0::/\n"), "{}", t.read("cgroup"));
}

fn a_failing_hook_undoes_the_create_and_is_named(t: &Test) {
    for (name, script) in [
        ("prestart", "echo because >&2; exit 3"),
        ("createRuntime", "echo because; exit 3"),
        ("createContainer", "echo because >&2; exit 3"),
    ] {
        let folder = bundle(t, &["/bin/payload", "sleep"]).set(&format!("/hooks/{name}"), hook(script)).write();
        t.oci(["create", "--bundle", &folder, &t.tag]).run().refuses(if support::world::foreign() {
            &[]
        } else {
            &["exit code 3", "because"]
        });
        t.oci(["state", &t.tag]).run().refuses(&[]);
    }
    let folder = bundle(t, &["/bin/payload", "sleep"]).set("/hooks/startContainer", hook("exit 3")).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    t.oci(["start", &t.tag]).run().refuses(&[]);
    t.eventually("stopped", 5, || t.oci(["state", &t.tag]).run().stdout.contains("stopped").then_some(()));
    t.oci(["delete", &t.tag]).run().ok();
    t.requires_podrt();
    let folder = bundle(t, &["/bin/payload", "sleep"]).set("/hooks/poststop", hook("exit 3")).write();
    t.oci(["create", "--bundle", &folder, &t.tag]).output_to(&t.path("out")).run().ok();
    let out = t.oci(["delete", "-f", &t.tag]).run().ok();
    assert!(out.stderr.contains("warning") && out.stderr.contains("poststop[0]"), "{out}");
}

fn a_hook_that_hangs_is_ended_with_its_children_on_time(t: &Test) {
    t.requires_podrt();
    let script = format!("sleep 97 & echo $! > {0}/child; sleep 98", t.dir.display());
    let mut hooks = hook(&script);
    hooks[0]["timeout"] = json!(1);
    let folder = bundle(t, &["/bin/payload", "sleep"]).set("/hooks/createRuntime", hooks).write();
    let out = t.oci(["create", "--bundle", &folder, &t.tag]).run().refuses(&["createRuntime[0]", "timeout"]);
    assert!(out.took >= Duration::from_secs(1) && out.took < Duration::from_secs(4), "{out}");
    let child = t.read("child").trim().to_string();
    t.eventually("the grandchild is gone", 2, || {
        support::leaks::reap();
        (!std::path::Path::new(&format!("/proc/{child}")).exists()).then_some(())
    });
}

fn hooks_that_cannot_be_are_refused_before_anything_is_made(t: &Test) {
    t.requires_podrt();
    for (value, want) in [
        (json!([{"path": "bin/true"}]), "hooks.poststop[0].path"),
        (json!([{"path": "/bin/true"}, {"path": "/bin/true", "timeout": 0}]), "hooks.poststop[1].timeout"),
        (json!([{"path": "/bin/true", "timeout": -1}]), "hooks.poststop[0].timeout"),
        (json!([{"path": "/bin/true", "env": ["A\u{0}"]}]), "hooks.poststop[0].env"),
    ] {
        let folder = bundle(t, &["/bin/payload", "exit", "0"]).set("/hooks/poststop", value).write();
        t.oci(["run", "--bundle", &folder, &t.tag]).run().refuses(&[want]);
    }
    let folder = bundle(t, &["/bin/payload", "exit", "0"]).set("/hooks/createRuntime", json!([{"path": "/no/hook"}])).write();
    t.oci(["run", "--bundle", &folder, &t.tag]).run().refuses(&["/no/hook", "no such file"]);
}

suite!(
    each_hook_runs_in_its_turn_in_its_namespaces_with_the_state_on_stdin,
    run_goes_by_all_hooks_too,
    a_hook_in_the_container_is_confined_as_its_command_is,
    a_failing_hook_undoes_the_create_and_is_named,
    a_hook_that_hangs_is_ended_with_its_children_on_time,
    hooks_that_cannot_be_are_refused_before_anything_is_made,
);
