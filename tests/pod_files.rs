//! The files that are the pod's in every container: /etc/hosts, hostname and resolv.conf, and the termination message. Each test
//! names the part of Kubernetes' documentation it holds to.

mod support;

use std::fs;
use support::pod::{create, delete, get, image, logs, status_of};
use support::{Test, world};

/// A pod of one or more containers that each run a script: name, image, script, more YAML at the container's level.
fn pod(t: &Test, name: &str, spec: &str, containers: &[(&str, &str, &str, &str)]) -> String {
    let mut text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n");
    text += "  restartPolicy: Never\n  terminationGracePeriodSeconds: 1\n";
    text += &spec.lines().map(|l| format!("  {l}\n")).collect::<String>();
    text += "  containers:\n";
    for (name, image, script, more) in containers {
        let command = serde_json::json!(["sh", "-c", script]);
        text += &format!("  - name: {name}\n    image: {image}\n    command: {command}\n");
        text += &more.lines().map(|l| format!("    {l}\n")).collect::<String>();
    }
    t.write(&format!("{name}.yaml"), text).to_str().expect("UTF-8").to_owned()
}

/// Runs the pod to its end; its first container's end, and what that printed.
#[track_caller]
fn run(t: &Test, name: &str, spec: &str, containers: &[(&str, &str, &str, &str)]) -> (serde_json::Value, String) {
    let file = pod(t, name, spec, containers);
    create(t, &file, "created").ok();
    let end = t.eventually("the pod ends", 15, || {
        let pod = get(t, name);
        let state = &status_of(&pod, containers[0].0)["state"];
        assert!(state["waiting"]["message"].as_str().is_none(), "{state}");
        Some(state["terminated"].clone()).filter(|end| !end.is_null())
    });
    let printed = logs(t, name, containers[0].0);
    delete(t, name);
    (end, printed)
}

fn hostile(name: &str) -> String {
    format!("bundle:{}", world::fixtures().join("hostile").join(name).display())
}

/// "Adding entries to Pod /etc/hosts with HostAliases", "DNS for Services and Pods".
fn the_pods_names_and_resolvers_are_its_files(t: &Test) {
    let shell = image("shell");
    let spec = "hostname: name\nsubdomain: sub\nhostAliases: [{ip: 10.1.2.3, hostnames: [one.example, two]}]\ndnsPolicy: None\n\
        dnsConfig: {nameservers: [192.0.2.53], searches: [a.example], options: [{name: ndots, value: '2'}]}";
    let script = "grep -v '^#' /etc/hosts | tail -n 4; cat /etc/hostname /etc/resolv.conf; hostname; \
        grep -c -e ' /etc/hosts ' -e ' /etc/hostname ' -e ' /etc/resolv.conf ' /proc/mounts";
    let want = "10.61.0.2\tname.sub.default.svc.cluster.local\tname\nfd70:6f64:7274:30::2\tname.sub.default.svc.cluster.local\tname\n\n10.1.2.3\tone.example\ttwo\nname\nnameserver 192.0.2.53\nsearch a.example\n\
        options ndots:2\nname\n3\n";
    assert_eq!(run(t, "names", spec, &[("c", &shell, script, "")]).1, want);
    let spec = "hostname: name\nsubdomain: sub\nsetHostnameAsFQDN: true";
    let script = "hostname; cat /etc/hostname";
    let full = "name.sub.default.svc.cluster.local\n";
    assert_eq!(run(t, "full", spec, &[("c", &shell, script, "")]).1, format!("{full}{full}"));
    let (_, printed) = run(t, "host", "hostNetwork: true", &[("c", &shell, "cat /etc/resolv.conf /etc/hostname", "")]);
    assert!(printed.ends_with(&fs::read_to_string("/proc/sys/kernel/hostname").expect("a name")), "{printed}");
}

/// One file for all containers of the pod, writable, bounded (CVE-2020-8557), read-only where the root is.
fn the_files_are_shared_and_bounded(t: &Test) {
    let shell = image("shell");
    let writer =
        "echo '10.9.9.9 late' >> /etc/hosts; dd if=/dev/zero bs=64k count=64 >> /etc/hosts 2>/dev/null || echo full; sleep 30";
    let reader =
        "until grep -q late /etc/hosts; do sleep 0.05; done; sleep 0.3; [ $(wc -c < /etc/hosts) -lt 200000 ] && echo bounded";
    let (_, printed) = run(t, "share", "", &[("r", &shell, reader, ""), ("w", &shell, writer, "")]);
    assert_eq!(printed, "bounded\n");
    let read_only = "securityContext: {readOnlyRootFilesystem: true}";
    let script = "(echo x >> /etc/hosts) 2>/dev/null || echo refused; echo end > /dev/termination-log";
    let (end, printed) = run(t, "ro", "", &[("c", &shell, script, read_only)]);
    assert_eq!((printed.as_str(), end["message"].as_str()), ("refused\n", Some("end\n")));
    // A container's own mount at the place, or read-only above it, is what it gets.
    let spec = "volumes: [{name: v, emptyDir: {}}, {name: down, downwardAPI: {items: [{path: it, fieldRef: {fieldPath: metadata.name}}]}}]";
    let mounts = "volumeMounts: [{name: v, mountPath: /etc/hosts}]";
    let (_, printed) = run(t, "own", spec, &[("c", &shell, "ls -A /etc/hosts; cat /etc/hostname", mounts)]);
    assert_eq!(printed, "own\n");
    let mounts = "volumeMounts: [{name: down, mountPath: /etc}]";
    assert_eq!(run(t, "above", spec, &[("c", &shell, "ls /etc", mounts)]).1, "it\n");
}

/// "Determine the Reason for Pod Failure".
fn a_containers_last_words_are_its_message(t: &Test) {
    let shell = image("shell");
    let message = |name: &str, script: &str, more: &str| {
        let (end, _) = run(t, name, "", &[("c", &shell, script, more)]);
        end["message"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(message("plain", "echo bye > /dev/termination-log", ""), "bye\n");
    assert_eq!(message("none", "exit 3", ""), "");
    assert_eq!(message("path", "echo there > /tmp/deep/end", "terminationMessagePath: /tmp/deep/end"), "there\n");
    let long = "i=0; while [ $i -lt 900 ]; do echo 123456789; i=$((i+1)); done > /dev/termination-log";
    assert_eq!(message("long", long, "").len(), 4096);
    let more = "terminationMessagePolicy: FallbackToLogsOnError";
    assert_eq!(message("logs", "echo one; echo two >&2; exit 1", more), "one\ntwo\n");
    assert_eq!(message("said", "echo log; echo file > /dev/termination-log; exit 1", more), "file\n");
    assert_eq!(message("fine", "echo log", more), "");
    // Every attempt begins with an empty one, and a user without rights writes it as well.
    let file = pod(
        t,
        "again",
        "",
        &[(
            "c",
            &shell,
            "[ -e /keep/x ] && exit 0; touch /keep/x; echo first > /dev/termination-log; exit 1",
            "securityContext: {runAsUser: 1234}\nvolumeMounts: [{name: v, mountPath: /keep}]",
        )],
    );
    let text = fs::read_to_string(&file)
        .expect("a manifest")
        .replace("restartPolicy: Never", "restartPolicy: OnFailure\n  volumes: [{name: v, emptyDir: {}}]");
    fs::write(&file, text).expect("a manifest");
    create(t, &file, "created").ok();
    t.eventually("the second attempt ends", 15, || {
        let pod = get(t, "again");
        let status = status_of(&pod, "c").clone();
        (status["state"]["terminated"]["exitCode"] == 0).then(|| {
            assert_eq!(status["lastState"]["terminated"]["message"], "first\n");
            assert!(status["state"]["terminated"]["message"].as_str().is_none(), "{status}");
        })
    });
    delete(t, "again");
}

/// FAULTS: the message is not read through a link, a FIFO or a device, whatever a privileged container makes of its path.
fn a_message_is_read_from_podrts_own_file_alone(t: &Test) {
    let shell = image("shell");
    for (name, trick) in [
        ("link", "ln -s /etc/passwd /dev/termination-log"),
        ("fifo", "mkfifo /dev/termination-log"),
        ("device", "mknod /dev/termination-log c 1 5"),
        ("folder", "mkdir /dev/termination-log"),
    ] {
        let script = format!("umount /dev/termination-log && rm /dev/termination-log && {trick}; echo $?");
        let (end, printed) = run(t, name, "", &[("c", &shell, &script, "securityContext: {privileged: true}")]);
        assert_eq!((printed.as_str(), end["message"].as_str()), ("0\n", None), "{name}");
    }
}

/// CVE-2024-5154, CVE-2025-24965: what the rootfs has in place of a file leads podrt nowhere outside.
fn a_hostile_rootfs_leads_no_file_outside(t: &Test) {
    let outside =
        ["hosts", "hostname", "resolv.conf", "podrt-hostile-hosts", "podrt-hostile-hostname", "podrt-hostile-resolv.conf"];
    let there = || outside.map(|name| std::path::Path::new("/tmp").join(name).symlink_metadata().is_ok());
    let before = there();
    for (name, want) in [
        ("etc-files", Some("etc-files\n")),
        ("etc-symlink", Some("etc-symlink\n")),
        ("termination-log", Some("termination-log\n")),
    ] {
        let (end, printed) = run(t, name, "", &[("c", &hostile(name), "cat /etc/hostname; echo end > /dev/termination-log", "")]);
        assert_eq!(Some(printed.as_str()), want, "{name}");
        assert_eq!(end["message"], "end\n", "{name}");
    }
    for name in ["etc-file", "etc-loop"] {
        let file = pod(t, name, "", &[("c", &hostile(name), "true", "")]);
        create(t, &file, "created").ok();
        let why = t.eventually("a reason", 10, || {
            let pod = get(t, name);
            status_of(&pod, "c")["state"]["waiting"]["message"].as_str().map(str::to_owned)
        });
        assert!(why.contains("/etc/hosts") && why.contains("make the mount point"), "{why}");
        delete(t, name);
    }
    assert_eq!(there(), before);
}

suite!(
    the_pods_names_and_resolvers_are_its_files,
    the_files_are_shared_and_bounded,
    a_containers_last_words_are_its_message,
    a_message_is_read_from_podrts_own_file_alone,
    a_hostile_rootfs_leads_no_file_outside,
);
