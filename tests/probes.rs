//! Probes as a pod's owner sees them: readiness, liveness, startup, by every handler ("Configure Liveness, Readiness and Startup
//! Probes"; Kubernetes' conformance cases of container_probe).

mod support;

use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::Test;
use support::network::{self, http, listen, response};
use support::pod::*;

/// Runs until it is told to end, and then ends at once.
const LIVE: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().expect("conditions");
    conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

#[track_caller]
fn wait_ready(t: &Test, pod: &str, want: bool) {
    t.eventually(&format!("{pod} ready: {want}"), 10, || (is_ready(&get(t, pod)) == want).then_some(()));
}

#[track_caller]
fn wait_event(t: &Test, pod: &str, words: &str) {
    t.eventually(words, 10, || has_event(t, pod, words).then_some(()));
}

#[track_caller]
fn wait_restarts(t: &Test, pod: &str, count: i64) {
    let restarts = || status_of(&get(t, pod), "app")["restartCount"].as_i64();
    t.eventually(&format!("{count} restarts"), 12, || (restarts() >= Some(count)).then_some(()));
}

fn an_http_probe_makes_a_pod_ready_and_unready(t: &Test) {
    let probe = "ports: [{name: web, containerPort: 8080}]\n\
        readinessProbe: {httpGet: {port: web, path: \"/healthz?full=1\", httpHeaders: [{name: X-Probe, value: \"yes\"}]}, \
        periodSeconds: 1, failureThreshold: 1}";
    create(t, &scripts(t, "web", "", &[("app", LIVE, probe)]), "started").ok();
    let status = Arc::new(AtomicU16::new(200));
    let heads = Arc::new(Mutex::new(Vec::new()));
    let (answer, seen) = (status.clone(), heads.clone());
    http(t, "web", 8080, move |head| {
        seen.lock().expect("one thread").push(head.to_string());
        response(answer.load(Ordering::Relaxed))
    });
    wait_ready(t, "web", true);
    let head = heads.lock().expect("one thread")[0].clone();
    assert!(head.starts_with("GET /healthz?full=1 HTTP/1.1\r\nHost: "), "{head}");
    for line in
        [":8080\r\n", "\r\nUser-Agent: kube-probe/", "\r\nAccept: */*\r\n", "\r\nX-Probe: yes\r\n", "\r\nConnection: close\r\n"]
    {
        assert!(head.contains(line), "{line:?} in {head}");
    }
    status.store(500, Ordering::Relaxed);
    wait_ready(t, "web", false);
    wait_event(t, "web", "Readiness probe failed: HTTP probe failed with statuscode: 500");
    let pod = get(t, "web");
    let app = status_of(&pod, "app");
    assert_eq!(
        (app["ready"].as_bool(), app["started"].as_bool(), app["restartCount"].as_i64()),
        (Some(false), Some(true), Some(0))
    );
    let reason = pod["status"]["conditions"].as_array().expect("a list").iter().find(|c| c["type"] == "Ready").expect("Ready");
    assert_eq!(reason["reason"], "ContainersNotReady");
    status.store(399, Ordering::Relaxed);
    wait_ready(t, "web", true);
    delete(t, "web");
}

fn redirects_are_followed_on_the_pod_itself_and_nowhere_else(t: &Test) {
    let probe = "readinessProbe: {httpGet: {port: 8080, path: /from}, periodSeconds: 1}";
    let away = "readinessProbe: {httpGet: {port: 8081}, periodSeconds: 1}";
    create(t, &scripts(t, "moved", "", &[("app", LIVE, probe), ("b", LIVE, away)]), "started").ok();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    http(t, "moved", 8081, |_| "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n".into());
    http(t, "moved", 8080, move |head| {
        seen.lock().expect("one thread").push(head.lines().next().unwrap_or_default().to_string());
        if head.starts_with("GET /to ") { response(200) } else { "HTTP/1.1 302 Found\r\nLocation: to\r\n\r\n".into() }
    });
    wait_ready(t, "moved", true);
    assert_eq!(heads.lock().expect("one thread")[..2], ["GET /from HTTP/1.1", "GET /to HTTP/1.1"]);
    wait_event(t, "moved", "Readiness probe warning: Probe terminated redirects");
    delete(t, "moved");
}

fn an_https_probe_asks_for_no_certificate_in_particular(t: &Test) {
    t.requires_program("openssl");
    t.requires_program("nsenter");
    let (key, cert) = (t.path("key.pem"), t.path("cert.pem"));
    let words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=elsewhere.example"];
    let made = Command::new("openssl").args(words).arg("-keyout").arg(&key).arg("-out").arg(&cert).output().expect("openssl");
    assert!(made.status.success(), "{made:?}");
    let probe = "readinessProbe: {httpGet: {port: 8443, scheme: HTTPS}, periodSeconds: 1}";
    create(t, &scripts(t, "tls", "", &[("app", LIVE, probe)]), "started").ok();
    for version in ["-tls1_2", "-tls1_3"] {
        let _server = Ends(
            Command::new("nsenter")
                .arg(format!("--net={}", network::namespace(t, "tls")))
                .args(["openssl", "s_server", "-accept", "8443", "-www", "-quiet", version, "-key"])
                .arg(&key)
                .arg("-cert")
                .arg(&cert)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("a server"),
        );
        wait_ready(t, "tls", true);
        drop(_server);
        wait_ready(t, "tls", false);
    }
    delete(t, "tls");
}

/// A process that ends with its owner.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_tcp_probe_that_finds_nobody_has_the_container_started_again(t: &Test) {
    let probe = "livenessProbe: {tcpSocket: {port: 7000}, periodSeconds: 1, failureThreshold: 2}\n\
        readinessProbe: {tcpSocket: {port: 7001}, periodSeconds: 1}";
    create(t, &scripts(t, "dead", "", &[("app", LIVE, probe)]), "started").ok();
    // Closed at once is healthy.
    listen(t, "dead", 7001, drop);
    wait_ready(t, "dead", true);
    wait_restarts(t, "dead", 1);
    assert!(has_event(t, "dead", "Container app failed liveness probe, will be restarted"));
    assert!(has_event(t, "dead", ":7000: connect: connection refused"));
    let pod = get(t, "dead");
    let last = &status_of(&pod, "app")["lastState"]["terminated"];
    assert_eq!((last["exitCode"].as_i64(), last["reason"].as_str()), (Some(0), Some("Completed")), "{pod}");
    delete(t, "dead");
}

fn a_grpc_probe_asks_the_health_service(t: &Test) {
    let probe = "readinessProbe: {grpc: {port: 9090, service: db}, periodSeconds: 1, failureThreshold: 1}";
    create(t, &scripts(t, "grpc", "", &[("app", LIVE, probe)]), "started").ok();
    wait_event(t, "grpc", "error: failed to connect service at");
    let status = Arc::new(AtomicU16::new(1));
    let answer = status.clone();
    listen(t, "grpc", 9090, move |mut stream| {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        let mut request = Vec::new();
        let mut chunk = [0; 1024];
        while !request.ends_with(b"\x0a\x02db") {
            match stream.read(&mut chunk) {
                Ok(n @ 1..) => request.extend_from_slice(&chunk[..n]),
                _ => return,
            }
        }
        assert!(request.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
        let _ = stream.write_all(&health(answer.load(Ordering::Relaxed) as u8));
        let _ = stream.read(&mut chunk);
    });
    wait_ready(t, "grpc", true);
    status.store(2, Ordering::Relaxed);
    wait_ready(t, "grpc", false);
    wait_event(t, "grpc", "service unhealthy (responded with \"NOT_SERVING\")");
    delete(t, "grpc");
}

/// A whole response: SETTINGS, :status 200, a HealthCheckResponse, grpc-status 0.
fn health(status: u8) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    out.extend([0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88]);
    out.extend([0, 0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 8, status]);
    out.extend([0, 0, 15, 1, 5, 0, 0, 0, 1, 0, 11]);
    out.extend(b"grpc-status\x010");
    out
}

fn a_probe_that_gets_no_answer_is_given_up_at_its_timeout(t: &Test) {
    let probe = "livenessProbe: {httpGet: {port: 8080}, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 30}\n\
        readinessProbe: {grpc: {port: 8080}, periodSeconds: 1, timeoutSeconds: 1}";
    create(t, &scripts(t, "mute", "", &[("app", LIVE, probe)]), "started").ok();
    let mut kept = Vec::new();
    listen(t, "mute", 8080, move |stream| kept.push(stream));
    wait_event(t, "mute", "context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
    wait_event(t, "mute", "timeout: health rpc did not complete within 1s");
    assert_eq!(status_of(&get(t, "mute"), "app")["restartCount"], 0);
    delete(t, "mute");
}

fn an_exec_probe_runs_in_the_container(t: &Test) {
    let probe = "readinessProbe: {exec: {command: [cat, /tmp/ready]}, periodSeconds: 1, failureThreshold: 1}";
    create(t, &scripts(t, "exec", "", &[("app", LIVE, probe)]), "started").ok();
    wait_event(t, "exec", "Readiness probe failed: cat: can't open '/tmp/ready': No such file or directory");
    assert!(!is_ready(&get(t, "exec")));
    let exec = |script: &str| t.podrt(["exec", "exec", "--", "sh", "-c", script]).run().ok();
    exec("touch /tmp/ready");
    wait_ready(t, "exec", true);
    exec("rm /tmp/ready");
    wait_ready(t, "exec", false);
    delete(t, "exec");
}

fn an_exec_probe_that_hangs_is_ended_with_all_that_it_started(t: &Test) {
    let hang = "exec: {command: [sh, -c, \"setsid sleep 1000 & sleep 1000\"]}";
    let probe = format!("livenessProbe: {{{hang}, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 30}}");
    create(t, &scripts(t, "hang", "", &[("app", LIVE, &probe)]), "started").ok();
    wait_event(t, "hang", "timed out after 1s");
    std::thread::sleep(Duration::from_secs(3));
    let ps = t.podrt(["exec", "hang", "--", "ps"]).run().ok().stdout;
    let sleeps = ps.lines().filter(|l| l.ends_with(" sleep 1000") && !l.contains("-c")).count();
    assert!(sleeps <= 2, "those of one probe at most: {ps}");
    delete(t, "hang");
}

fn a_file_that_goes_has_the_container_started_again_each_time(t: &Test) {
    let script = format!("touch /tmp/health; (sleep 1; rm /tmp/health) & {LIVE}");
    let probe =
        "livenessProbe: {exec: {command: [cat, /tmp/health]}, initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: 1}";
    let file = scripts(t, "file", "", &[("app", &script, probe)]);
    let text = fs::read_to_string(&file).expect("the manifest");
    let note = "metadata:\n  annotations: {podrt.io/max-container-restart-period: 1s}";
    fs::write(&file, text.replace("metadata:", note)).expect("written");
    create(t, &file, "started").ok();
    let mut last = 0;
    t.eventually("three restarts", 25, || {
        let count = status_of(&get(t, "file"), "app")["restartCount"].as_i64().expect("a count");
        assert!(count >= last, "{count} after {last}");
        last = count;
        (count >= 3).then_some(())
    });
    assert!(has_event(t, "file", "Liveness probe failed: cat: can't open '/tmp/health'"));
    delete(t, "file");
}

fn a_probes_own_grace_period_goes_before_the_pods(t: &Test) {
    let stubborn = "trap '' TERM; while :; do sleep 0.1; done";
    let probe = "livenessProbe: {exec: {command: [\"false\"]}, periodSeconds: 1, failureThreshold: 1, \
        terminationGracePeriodSeconds: 1}";
    create(t, &scripts(t, "own", "terminationGracePeriodSeconds: 500", &[("app", stubborn, probe)]), "started").ok();
    wait_restarts(t, "own", 1);
    assert_eq!(status_of(&get(t, "own"), "app")["lastState"]["terminated"]["exitCode"], 137);
    t.podrt(["delete", "pod", "own", "--grace-period", "0", "--force"]).run().ok();
}

fn readiness_waits_for_its_initial_delay(t: &Test) {
    let probe = "readinessProbe: {exec: {command: [\"true\"]}, initialDelaySeconds: 2, periodSeconds: 1}";
    create(t, &scripts(t, "delay", "", &[("app", LIVE, probe)]), "started").ok();
    let start = std::time::Instant::now();
    assert!(!is_ready(&get(t, "delay")));
    wait_ready(t, "delay", true);
    assert!(start.elapsed() >= Duration::from_millis(1500), "{:?}", start.elapsed());
    delete(t, "delay");
}

fn a_pod_that_ends_is_unready_and_no_liveness_probe_restarts_it(t: &Test) {
    let probe = "readinessProbe: {exec: {command: [\"true\"]}, periodSeconds: 1}\n\
        livenessProbe: {exec: {command: [ls, /tmp/alive]}, periodSeconds: 1, failureThreshold: 1}\n\
        lifecycle: {preStop: {exec: {command: [sh, -c, \"rm /tmp/alive; sleep 2\"]}}}";
    create(t, &scripts(t, "end", "", &[("app", &format!("touch /tmp/alive; {LIVE}"), probe)]), "started").ok();
    wait_ready(t, "end", true);
    t.podrt(["delete", "pod", "end", "--wait=false"]).run().ok();
    std::thread::sleep(Duration::from_millis(1500));
    let pod = get(t, "end");
    assert!(!is_ready(&pod) && pod["metadata"]["deletionTimestamp"].is_string(), "{pod}");
    assert_eq!(status_of(&pod, "app")["restartCount"], 0);
    assert!(!has_event(t, "end", "Liveness probe failed"));
    t.eventually("it is gone", 10, || (t.podrt(["get", "pod", "end"]).run().code() == 1).then_some(()));
}

fn a_startup_probe_keeps_the_others_back(t: &Test) {
    let script = format!("sleep 2; touch /tmp/up; {LIVE}");
    let probe = "startupProbe: {exec: {command: [ls, /tmp/up]}, periodSeconds: 1, failureThreshold: 30}\n\
        livenessProbe: {exec: {command: [ls, /tmp/up]}, periodSeconds: 1, failureThreshold: 1}";
    create(t, &scripts(t, "slow", "", &[("app", &script, probe)]), "created").ok();
    t.eventually("it runs and has not started up", 5, || {
        let pod = get(t, "slow");
        let app = status_of(&pod, "app");
        (app["state"]["running"].is_object() && app["started"] == false).then_some(())
    });
    wait_ready(t, "slow", true);
    let pod = get(t, "slow");
    assert_eq!(
        (&status_of(&pod, "app")["started"], &status_of(&pod, "app")["restartCount"]),
        (&Value::Bool(true), &Value::from(0))
    );
    delete(t, "slow");
}

fn a_sidecar_is_waited_for_until_it_has_started_up(t: &Test) {
    let probe = "restartPolicy: Always\nstartupProbe: {exec: {command: [ls, /tmp/up]}, periodSeconds: 1, failureThreshold: 30}";
    let side = script(&("side", &format!("sleep 1.5; touch /tmp/up; {LIVE}"), probe));
    let more = format!("initContainers:\n{side}");
    create(t, &scripts(t, "side", &more, &[("app", LIVE, "")]), "created").ok();
    t.eventually("the sidecar runs", 5, || {
        let pod = get(t, "side");
        let side = &pod["status"]["initContainerStatuses"][0];
        let waits = status_of(&pod, "app")["state"]["waiting"]["reason"] == "PodInitializing";
        (side["state"]["running"].is_object() && waits).then_some(())
    });
    wait_ready(t, "side", true);
    delete(t, "side");
}

fn probes_leave_no_connections_behind(t: &Test) {
    let one = |kind: &str| format!("{kind}: {{httpGet: {{port: 8080}}, periodSeconds: 1}}");
    let probe = ["livenessProbe", "readinessProbe"].map(one).join("\n");
    create(t, &scripts(t, "tidy", "", &[("app", LIVE, &probe), ("b", LIVE, &probe), ("c", LIVE, &probe)]), "started").ok();
    http(t, "tidy", 8080, |_| response(200));
    wait_ready(t, "tidy", true);
    std::thread::sleep(Duration::from_secs(2));
    let pause = first_pid(t, "tidy", "pause");
    for file in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{pause}/net/{file}")).expect("the pod's sockets");
        let waiting = table.lines().filter(|l| l.split_whitespace().nth(3) == Some("06")).count();
        assert_eq!(waiting, 0, "TIME_WAIT\n{table}");
    }
    let mut host = fs::read_to_string("/proc/net/tcp").expect("the host's sockets");
    host.retain(|c| c != ' ');
    assert!(!host.contains(":1F90"), "the host's network is no probe's: {host}");
    delete(t, "tidy");
}

suite!(
    an_http_probe_makes_a_pod_ready_and_unready,
    redirects_are_followed_on_the_pod_itself_and_nowhere_else,
    an_https_probe_asks_for_no_certificate_in_particular,
    a_tcp_probe_that_finds_nobody_has_the_container_started_again,
    a_grpc_probe_asks_the_health_service,
    a_probe_that_gets_no_answer_is_given_up_at_its_timeout,
    an_exec_probe_runs_in_the_container,
    an_exec_probe_that_hangs_is_ended_with_all_that_it_started,
    a_file_that_goes_has_the_container_started_again_each_time,
    a_probes_own_grace_period_goes_before_the_pods,
    readiness_waits_for_its_initial_delay,
    a_pod_that_ends_is_unready_and_no_liveness_probe_restarts_it,
    a_startup_probe_keeps_the_others_back,
    a_sidecar_is_waited_for_until_it_has_started_up,
    probes_leave_no_connections_behind,
);
