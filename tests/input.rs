//! Bad config.json: one line that names the file or the field, an exit code that is neither 0 nor a crash, within a second, and
//! nothing made (the leak check of every test).

mod support;

use serde_json::{Value, json};
use std::fs;
use support::{Bundle, Test, world::at_once};

fn base(t: &Test) -> Bundle {
    Bundle::new(t, "c", &["/bin/payload", "exit", "0"])
}

#[track_caller]
fn refused(t: &Test, folder: &str, words: &[&str]) {
    let out = t.oci(["run", "--bundle", folder, &t.tag]).run().refuses(words);
    at_once(&out);
}

fn text_that_is_no_configuration_is_refused(t: &Test) {
    t.requires_podrt();
    let good = base(t).config.to_string();
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: [(&str, Vec<u8>); 11] = [
        ("empty", vec![]),
        ("truncated", good.as_bytes()[..good.len() / 2].to_vec()),
        ("null", b"null".to_vec()),
        ("a list", b"[]".to_vec()),
        ("trailing garbage", format!("{good} x").into_bytes()),
        ("two documents", format!("{good}{good}").into_bytes()),
        ("bad UTF-8", [&good.as_bytes()[..good.len() - 1], b", \"x\": \"\xff\"}"].concat()),
        ("100,000 levels deep", deep.into_bytes()),
        ("a duplicate key", good.replacen("\"hostname\"", "\"hostname\":\"a\",\"hostname\"", 1).into_bytes()),
        ("no object", b"42".to_vec()),
        ("a NUL in the arguments", good.replacen("\"exit\"", "\"e\\u0000it\"", 1).into_bytes()),
    ];
    for (what, text) in cases {
        println!("{what}");
        refused(t, &base(t).write_text(text), &[]);
    }
}

fn what_is_no_readable_file_is_refused(t: &Test) {
    t.requires_podrt();
    refused(t, t.path("nowhere").to_str().unwrap(), &["nowhere"]);
    let bundle = base(t);
    fs::create_dir_all(&bundle.path).unwrap();
    let folder = bundle.path.to_str().unwrap();
    refused(t, folder, &["config.json"]);
    let file = bundle.path.join("config.json");
    fs::create_dir(&file).unwrap();
    refused(t, folder, &["config.json"]);
    fs::remove_dir(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused(t, folder, &["config.json"]);
    fs::remove_file(&file).unwrap();
    fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    refused(t, folder, &["config.json"]);
}

fn values_that_cannot_be_are_refused_by_their_field(t: &Test) {
    t.requires_podrt();
    // Pointer, value, words of the message.
    let cases: Vec<(&str, Value, &[&str])> = vec![
        ("/ociVersion", json!("abc"), &["ociVersion"]),
        ("/ociVersion", json!("2.0.0"), &["ociVersion"]),
        ("/root/path", json!(""), &["root.path"]),
        ("/root/path", json!("nowhere"), &["nowhere"]),
        ("/root/path", json!("/etc/passwd"), &["/etc/passwd"]),
        ("/process/args", json!([]), &["process.args"]),
        ("/process/args", json!([""]), &["process.args"]),
        ("/process/args", json!("sh"), &["process.args"]),
        ("/process/env", json!(["FOO"]), &["process.env"]),
        ("/process/env", json!(["=x"]), &["process.env"]),
        ("/process/cwd", json!("relative"), &["process.cwd"]),
        ("/process/cwd", json!(""), &["process.cwd"]),
        ("/process/cwd", json!("/etc/passwd"), &["cwd"]),
        ("/process/user/uid", json!("1"), &["uid"]),
        ("/process/user/uid", json!(-1), &["uid"]),
        ("/process/user/uid", json!(1.5), &["uid"]),
        ("/process/user/uid", json!(4294967295u64), &["uid"]),
        ("/process/user/uid", json!(4294967296u64), &["uid"]),
        ("/process/user/additionalGids", json!([4294967295u64]), &["additionalGids"]),
        ("/process/user/additionalGids", json!((0..70_000).collect::<Vec<u32>>()), &["additionalGids"]),
        ("/process/oomScoreAdj", json!(5000), &["oomScoreAdj"]),
        ("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}]), &["rlimits"]),
        ("/process/rlimits", json!([{"type": "RLIMIT_WHAT", "soft": 1, "hard": 1}]), &["rlimits"]),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 1, "hard": 1}]),
            &["rlimits"],
        ),
        ("/hostname", json!("x".repeat(65)), &["hostname"]),
        ("/hostname", json!("a\nb"), &["hostname"]),
        ("/linux/namespaces/-", json!({"type": "what"}), &["namespaces"]),
        ("/linux/namespaces/-", json!({"type": "pid"}), &["namespaces"]),
        ("/linux/namespaces/1", json!({"type": "network", "path": "/nowhere"}), &["/nowhere"]),
        ("/linux/namespaces/1", json!({"type": "network", "path": format!("/proc/{}/ns/uts", std::process::id())}), &["ns/uts"]),
        ("/linux/namespaces/1", json!({"type": "network", "path": "/etc/passwd"}), &["/etc/passwd"]),
        ("/mounts/-", json!({"destination": "", "type": "tmpfs"}), &["mounts[7]"]),
        ("/mounts/-", json!({"destination": "/mnt", "type": "nofs"}), &["nofs"]),
        ("/mounts/-", json!({"destination": "/mnt", "type": "bind", "source": "/nowhere", "options": ["bind"]}), &["/nowhere"]),
        ("/linux/cgroupsPath", json!("/../../x"), &["cgroupsPath"]),
        ("/linux/resources/unified", json!({"../x": "1"}), &["unified"]),
        ("/linux/resources/pids", json!({"limit": 1e30}), &["pids"]),
        ("/linux/resources/memory", json!({"limit": "100m"}), &["memory"]),
        ("/linux/rootfsPropagation", json!("bogus"), &["rootfsPropagation"]),
        ("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_BOGUS"}), &["defaultAction"]),
        ("/linux/devices", json!([{"path": "/dev/x", "type": "z", "major": 1, "minor": 1}]), &["devices"]),
    ];
    for (pointer, value, words) in cases {
        println!("{pointer} = {}", value.to_string().chars().take(80).collect::<String>());
        refused(t, &base(t).set(pointer, value).write(), words);
    }
}

fn missing_parts_are_named(t: &Test) {
    t.requires_podrt();
    for pointer in ["/ociVersion", "/process", "/root", "/process/args", "/process/cwd", "/root/path"] {
        println!("{pointer}");
        let field = pointer.rsplit('/').next().unwrap();
        refused(t, &base(t).without(pointer).write(), &[field]);
    }
}

fn a_program_that_is_missing_a_folder_or_not_executable_is_told_apart(t: &Test) {
    t.requires_podrt();
    let with = |program: &str| base(t).set("/process/args", json!([program])).write();
    refused(t, &with("/bin/nowhere"), &["/bin/nowhere", "no such file"]);
    refused(t, &with("nowhere"), &["nowhere", "no such file"]);
    refused(t, &with("/etc/passwd"), &["/etc/passwd", "permission denied"]);
    refused(t, &with("/etc"), &["/etc"]);
}

fn unknown_properties_and_capabilities_are_no_errors(t: &Test) {
    let bundle = base(t)
        .set("/unknownProperty", json!({"deep": [1]}))
        .set("/process/capabilities/bounding/-", json!("CAP_OF_A_LATER_KERNEL"));
    t.oci(["run", "--bundle", &bundle.write(), &t.tag]).run().ok();
}

suite!(
    text_that_is_no_configuration_is_refused,
    what_is_no_readable_file_is_refused,
    values_that_cannot_be_are_refused_by_their_field,
    missing_parts_are_named,
    a_program_that_is_missing_a_folder_or_not_executable_is_told_apart,
    unknown_properties_and_capabilities_are_no_errors,
);
