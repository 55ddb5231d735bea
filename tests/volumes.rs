//! Volumes, environment and identity through the real program. Each test names the part of Kubernetes' documentation it holds to.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use support::pod::{create, delete, get, image, logs, status_of, wait_phase};
use support::{Run, Test};

/// A pod whose containers each run a script: name, script, more YAML at the container's level.
fn pod(t: &Test, name: &str, spec: &str, containers: &[(&str, &str, &str)], documents: &str) -> String {
    let mut text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: web}}}}\nspec:\n");
    text += "  restartPolicy: Never\n  terminationGracePeriodSeconds: 1\n";
    text += &spec.lines().map(|l| format!("  {l}\n")).collect::<String>();
    text += "  containers:\n";
    for (name, script, more) in containers {
        let command = serde_json::json!(["sh", "-c", script]);
        text += &format!("  - name: {name}\n    image: {}\n    command: {command}\n", image("shell"));
        text += &more.lines().map(|l| format!("    {l}\n")).collect::<String>();
    }
    text += documents;
    t.write(&format!("{name}.yaml"), text).to_str().expect("UTF-8").to_owned()
}

/// Runs the pod to its end; what its first container printed.
#[track_caller]
fn output(t: &Test, name: &str, spec: &str, containers: &[(&str, &str, &str)], documents: &str) -> String {
    let file = pod(t, name, spec, containers, documents);
    create(t, &file, "created").ok();
    t.eventually("the pod ends", 15, || {
        let pod = get(t, name);
        if let Some(message) = pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"].as_str() {
            panic!("{name}: {message}");
        }
        matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")).then_some(())
    });
    let printed = logs(t, name, containers[0].0);
    delete(t, name);
    printed
}

/// Why the first container waits.
fn refusal(t: &Test, name: &str, spec: &str, containers: &[(&str, &str, &str)], documents: &str) -> String {
    let file = pod(t, name, spec, containers, documents);
    create(t, &file, "created").ok();
    let message = t.eventually("a reason", 10, || {
        let pod = get(t, name);
        let state = &status_of(&pod, containers[0].0)["state"];
        let of = |kind: &str| {
            state[kind]["message"].as_str().map(|m| format!("{}: {m}", state[kind]["reason"].as_str().unwrap_or("")))
        };
        of("waiting").or_else(|| of("terminated"))
    });
    delete(t, name);
    message
}

const DATA: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata: {level: debug, file.conf: \"a=1\\n\"}\n---\napiVersion: v1\n\
    kind: Secret\nmetadata: {name: keys}\nstringData: {pass: s3cret}\n";

/// "Define Environment Variables", "Downward API".
fn variables_come_from_data_and_from_the_pod(t: &Test) {
    let env = "env:\n- {name: LEVEL, valueFrom: {configMapKeyRef: {name: conf, key: level}}}\n\
        - {name: PASS, valueFrom: {secretKeyRef: {name: keys, key: pass}}}\n\
        - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}\n\
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n\
        - {name: ALL, value: \"$(POD)@$(IP)\"}\nenvFrom: [{prefix: C_, configMapRef: {name: conf}}]";
    let script = "echo $LEVEL $PASS $IP $ALL $C_level";
    assert_eq!(output(t, "env", "", &[("c", script, env)], DATA), "debug s3cret 10.61.0.2 env@10.61.0.2 debug\n");
}

/// "Configure a Security Context for a Pod or Container".
fn users_and_groups_are_what_was_asked_for(t: &Test) {
    for (i, (spec, want)) in [
        (
            "securityContext: {runAsUser: 1234, runAsGroup: 5, fsGroup: 2000, supplementalGroups: [7]}",
            "uid=1234 gid=5 groups=5,7,2000",
        ),
        ("securityContext: {runAsUser: 1234, fsGroup: 2000, supplementalGroupsPolicy: Strict}", "uid=1234 gid=0 groups=0,2000"),
    ]
    .into_iter()
    .enumerate()
    {
        let script = "echo uid=$(id -u) gid=$(id -g) groups=$(for g in $(id -G); do echo $g; done | sort -n | uniq | tr '\\n' , | sed 's/,$//')";
        assert_eq!(output(t, &format!("ids{i}"), spec, &[("c", script, "")], ""), format!("{want}\n"), "{spec}");
    }
    let why = refusal(t, "root", "securityContext: {runAsNonRoot: true}", &[("c", "true", "")], "");
    assert!(why.contains("CreateContainerConfigError") && why.contains("runAsNonRoot"), "{why}");
}

/// "Volumes: emptyDir".
fn an_empty_dir_is_shared_and_goes_with_the_pod(t: &Test) {
    let volumes = "volumes: [{name: disk, emptyDir: {}}, {name: mem, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]";
    let mounts = "volumeMounts: [{name: disk, mountPath: /disk}, {name: mem, mountPath: /mem/deep}]";
    let writer =
        "echo one > /disk/a; echo two > /mem/deep/b; dd if=/dev/zero of=/mem/deep/big bs=64k count=64 2>&1 | tail -1; sleep 60";
    let reader = "until cat /disk/a /mem/deep/b 2>/dev/null; do sleep 0.1; done; stat -c %a /disk /mem/deep; \
        grep ' /mem/deep ' /proc/mounts | cut -d' ' -f3; sleep 0.5; wc -c < /mem/deep/big";
    let file = pod(t, "empty", volumes, &[("r", reader, mounts), ("w", writer, mounts)], "");
    create(t, &file, "started").ok();
    let printed = t.eventually("the reader ends", 10, || Some(logs(t, "empty", "r")).filter(|l| l.lines().count() >= 6));
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[..5], ["one", "two", "777", "777", "tmpfs"], "{printed}");
    assert!(lines[5].parse::<u64>().expect("a size") <= 1 << 20, "{printed}");
    let data = t.data.join("pods");
    let host = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    assert!(!host.contains("/mem/deep"), "no mount of the pod's is the host's");
    delete(t, "empty");
    assert!(!data.exists() || fs::read_dir(&data).expect("a folder").count() == 0, "the folder went with the pod");
    let spec = "securityContext: {runAsUser: 1000, fsGroup: 2000}\nvolumes: [{name: disk, emptyDir: {}}]";
    let script = "touch /disk/a && stat -c '%u %g' /disk/a && stat -c '%g %a' /disk";
    let mounts = "volumeMounts: [{name: disk, mountPath: /disk}]";
    assert_eq!(output(t, "group", spec, &[("c", script, mounts)], ""), "1000 2000\n2000 2777\n");
}

/// "ConfigMaps", "Secrets", "Downward API", "Projected Volumes".
fn files_come_from_data_and_from_the_pod(t: &Test) {
    let volumes = "volumes:\n- {name: conf, configMap: {name: conf}}\n\
        - {name: keys, secret: {secretName: keys, defaultMode: 0400, items: [{key: pass, path: deep/pw}]}}\n\
        - {name: down, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}\n\
        - {name: all, projected: {sources: [{secret: {name: keys}}, {configMap: {name: conf, items: [{key: level, path: l, mode: 0600}]}}]}}\n\
        - {name: none, configMap: {name: none, optional: true}}";
    let mounts = "volumeMounts: [{name: conf, mountPath: /conf}, {name: keys, mountPath: /keys}, {name: down, mountPath: /down}, \
        {name: all, mountPath: /all}, {name: none, mountPath: /none}, {name: conf, mountPath: /etc/one.conf, subPath: file.conf}]";
    let script = "cat /conf/level; echo; cat /conf/file.conf /keys/deep/pw; echo; cat /down/labels; echo; cat /all/pass /all/l; echo; \
        stat -L -c %a /conf/level /keys/deep/pw /all/l; readlink /conf/level; ls /none | wc -l; cat /etc/one.conf; \
        (echo x > /conf/level) 2>/dev/null || echo refused; grep -c ' /keys tmpfs ro' /proc/mounts";
    let want = "debug\na=1\ns3cret\napp=\"web\"\ns3cretdebug\n644\n400\n600\n..data/level\n0\na=1\nrefused\n1\n";
    assert_eq!(output(t, "files", volumes, &[("c", script, mounts)], DATA), want);
}

/// "Volumes: hostPath", "Read-only mounts", "Recursive read-only mounts".
fn a_host_path_is_the_hosts_and_read_only_where_asked(t: &Test) {
    let dir = t.path("host");
    fs::create_dir_all(dir.join("sub")).expect("a folder");
    fs::write(dir.join("file"), "from the host\n").expect("a file");
    assert!(Run::new("mount").args(["-t", "tmpfs", "sub", dir.join("sub").to_str().expect("UTF-8")]).run().code() == 0);
    let volumes = format!("volumes: [{{name: h, hostPath: {{path: {}, type: Directory}}}}]", dir.display());
    let mounts = "volumeMounts: [{name: h, mountPath: /rw}, {name: h, mountPath: /ro, readOnly: true}, \
        {name: h, mountPath: /rro, readOnly: true, recursiveReadOnly: Enabled}]";
    let script = "cat /ro/file; for d in /rw /ro /ro/sub /rro /rro/sub; do (: > $d/x) 2>/dev/null && echo $d; done; true";
    assert_eq!(output(t, "host", &volumes, &[("c", script, mounts)], ""), "from the host\n/rw\n/ro/sub\n");
    assert!(dir.join("x").exists() && dir.join("sub/x").exists());
    for (i, (kind, want)) in [("File", "is not a file"), ("Socket", "is not a socket file"), ("", "")].into_iter().enumerate() {
        if want.is_empty() {
            continue;
        }
        let volumes = format!("volumes: [{{name: h, hostPath: {{path: {}, type: {kind}}}}}]", dir.display());
        let why = refusal(t, &format!("type{i}"), &volumes, &[("c", "true", "volumeMounts: [{name: h, mountPath: /h}]")], "");
        assert!(why.contains(want), "{why}");
    }
    let volumes = format!("volumes: [{{name: h, hostPath: {{path: {}/nowhere}}}}]", dir.display());
    let why = refusal(t, "gone", &volumes, &[("c", "true", "volumeMounts: [{name: h, mountPath: /h}]")], "");
    assert!(why.contains("no such file or directory") && why.contains("volume h"), "{why}");
    Run::new("umount").args([dir.join("sub").to_str().expect("UTF-8")]).run().ok();
}

/// "Volumes: Mount propagation".
fn mounts_of_the_host_come_only_to_who_asked(t: &Test) {
    let dir = t.path("share");
    fs::create_dir_all(&dir).expect("a folder");
    let path = dir.to_str().expect("UTF-8");
    for args in [vec!["-t", "tmpfs", "share", path], vec!["--make-shared", path]] {
        assert!(Run::new("mount").args(args).run().code() == 0);
    }
    fs::create_dir(dir.join("late")).expect("a folder");
    let volumes = format!("volumes: [{{name: h, hostPath: {{path: {path}}}}}]");
    let mounts = "securityContext: {privileged: true}\nvolumeMounts: [{name: h, mountPath: /none}, {name: h, mountPath: /in, mountPropagation: HostToContainer}, \
        {name: h, mountPath: /both, mountPropagation: Bidirectional}]";
    let script = "mkdir /both/out && mount -t tmpfs out /both/out && touch /both/out/x; \
        until [ -e /in/late/x ]; do sleep 0.1; done; ls /none/late | wc -l; ls /in/late /both/late; sleep 30";
    let file = pod(t, "prop", &volumes, &[("c", script, mounts)], "");
    create(t, &file, "started").ok();
    t.eventually("the container's mount is the host's", 5, || dir.join("out/x").exists().then_some(()));
    assert!(Run::new("mount").args(["-t", "tmpfs", "late", &format!("{path}/late")]).run().code() == 0);
    fs::write(dir.join("late/x"), "").expect("a file");
    let printed = t.eventually("it has seen it", 10, || Some(logs(t, "prop", "c")).filter(|l| l.lines().count() >= 5));
    assert_eq!(printed, "0\n/both/late:\nx\n\n/in/late:\nx\n");
    delete(t, "prop");
    Run::new("umount").args(["-R", path]).run().ok();
}

/// "Volumes: Using subPath"; CVE-2017-1002101, CVE-2021-25741: what a container puts into a volume leads no other one out of it.
fn a_sub_path_is_in_its_volume_or_refused(t: &Test) {
    fs::create_dir_all(t.path("outside")).expect("a folder");
    fs::write(t.path("outside/secret"), "the host's\n").expect("a file");
    fs::create_dir_all(t.path("vol/real")).expect("a folder");
    fs::write(t.path("vol/real/f"), "inside\n").expect("a file");
    symlink("real", t.path("vol/good")).expect("a link");
    symlink(t.path("outside"), t.path("vol/absolute")).expect("a link");
    symlink("../outside", t.path("vol/up")).expect("a link");
    symlink("/", t.path("vol/root")).expect("a link");
    let volumes = format!(
        "volumes: [{{name: v, hostPath: {{path: {}}}}}, {{name: m, emptyDir: {{medium: Memory}}}}]",
        t.path("vol").display()
    );
    let mount = |volume: &str, sub: &str| format!("volumeMounts: [{{name: {volume}, mountPath: /s, subPath: {sub}}}]");
    assert_eq!(output(t, "good", &volumes, &[("c", "cat /s/f", &mount("v", "good"))], ""), "inside\n");
    let expr = "env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]\n\
        volumeMounts: [{name: v, mountPath: /s, subPathExpr: \"logs/$(POD)\"}, {name: m, mountPath: /m, subPath: a/b}]";
    assert_eq!(output(t, "expr", &volumes, &[("c", "touch /s/x /m/y && ls /s /m", expr)], ""), "/m:\ny\n\n/s:\nx\n");
    assert!(t.path("vol/logs/expr/x").exists());
    for (i, sub) in ["absolute", "up", "root", "up/secret", "root/etc/passwd", "absolute/new"].into_iter().enumerate() {
        let why = refusal(t, &format!("bad{i}"), &volumes, &[("c", "cat /s/secret", &mount("v", sub))], "");
        assert!(why.contains("leads out of the volume"), "{sub}: {why}");
    }
    // What one container plants, in memory, the next one does not follow.
    let init = format!(
        "{volumes}\ninitContainers:\n- name: evil\n  image: {}\n  command: [sh, -c, \"ln -s / /m/root && ln -s /pause /m/pause && ln -s ../.. /m/up\"]\n  \
         volumeMounts: [{{name: m, mountPath: /m}}]",
        image("shell")
    );
    for (i, sub) in ["root", "pause", "up"].into_iter().enumerate() {
        let why = refusal(t, &format!("plant{i}"), &init, &[("c", "ls /s", &mount("m", sub))], "");
        assert!(why.contains("leads out of the volume"), "{sub}: {why}");
    }
    assert_eq!(fs::read_dir(t.path("outside")).expect("a folder").count(), 1);
}

/// A large emptyDir does not hold the supervisor's answers up, and what a link in it names stays.
fn what_is_removed_is_the_volumes_alone(t: &Test) {
    let kept = t.write("kept/file", "");
    let mounts = "volumeMounts: [{name: d, mountPath: /d}]";
    let script = format!(
        "cd /d; ln -s {} link; for i in 1 2 3 4 5 6 7 8 9; do mkdir -p $i/a/b; (cd $i; for j in 1 2 3 4 5 6 7 8 9 10; do : > $j; done); done; sleep 60",
        kept.parent().expect("a folder").display()
    );
    let file = pod(t, "tree", "volumes: [{name: d, emptyDir: {}}]", &[("c", &script, mounts)], "");
    create(t, &file, "started").ok();
    wait_phase(t, "tree", "Running");
    delete(t, "tree");
    assert!(kept.exists());
}

suite!(
    variables_come_from_data_and_from_the_pod,
    users_and_groups_are_what_was_asked_for,
    an_empty_dir_is_shared_and_goes_with_the_pod,
    files_come_from_data_and_from_the_pod,
    a_host_path_is_the_hosts_and_read_only_where_asked,
    mounts_of_the_host_come_only_to_who_asked,
    a_sub_path_is_in_its_volume_or_refused,
    what_is_removed_is_the_volumes_alone,
);
