//! `port-forward`: what reaches a pod's network through a local port, and what of it is lost (nothing).

mod support;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use support::Test;
use support::pod::*;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// A pod whose network this test serves in.
fn pod(t: &Test, name: &str) {
    create(t, &manifest(t, name, NEVER, &[("app", &["reap"], "")]), "started").ok();
}

/// A listener in the pod's network, on a port that is free; every connection is given to `each`, in a thread of its own.
fn serve(t: &Test, pod: &str, ip: IpAddr, each: fn(TcpStream)) -> u16 {
    let net = File::open(format!("/proc/{}/ns/net", first_pid(t, pod, "pause"))).expect("pause's network namespace");
    let (say, hear) = channel();
    thread::spawn(move || {
        // Of this thread alone.
        setns(&net, CloneFlags::CLONE_NEWNET).expect("setns");
        let listener = TcpListener::bind(SocketAddr::new(ip, 0)).expect("a listener in the pod");
        say.send(listener.local_addr().expect("an address").port()).expect("the test listens");
        for stream in listener.incoming().flatten() {
            thread::spawn(move || each(stream));
        }
    });
    hear.recv().expect("the listener's port")
}

/// Sends back what comes until it ends, then ends as well.
fn echo(mut stream: TcpStream) {
    let mut from = stream.try_clone().expect("dup");
    let _ = std::io::copy(&mut from, &mut stream);
    let _ = stream.shutdown(Shutdown::Write);
}

/// One request of HTTP/1.1, answered with its own path.
fn http(mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().expect("dup")).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.take_while(|l| !l.is_empty()).for_each(drop);
    let path = request.split(' ').nth(1).unwrap_or("?");
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{path}", path.len());
}

struct Forward {
    child: Child,
    ports: Vec<SocketAddr>,
    stderr: std::path::PathBuf,
}

impl Forward {
    /// Starts it and reads the lines that say where it listens, `count` of them.
    fn start(t: &Test, count: usize, words: &[&str]) -> Forward {
        let own = t.podrt_words();
        let stderr = t.path(&format!("forward-{}.err", words.join("-").replace(['/', ':'], "_")));
        let mut child = Command::new(&own[0])
            .args(&own[1..])
            .arg("port-forward")
            .args(words)
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).expect("a file"))
            .spawn()
            .expect("podrt");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut ports = Vec::new();
        for _ in 0..count {
            let line =
                lines.next().and_then(Result::ok).unwrap_or_else(|| panic!("{}", std::fs::read_to_string(&stderr).unwrap()));
            let words: Vec<&str> = line.split(' ').collect();
            assert!(line.starts_with("Forwarding from ") && words[3] == "->", "{line}");
            ports.push(words[2].parse().expect("an address"));
        }
        thread::spawn(move || lines.for_each(drop));
        Forward { child, ports, stderr }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.ports[0], Duration::from_secs(5)).expect("connect to the local port");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
        stream
    }

    fn complaints(&self) -> String {
        std::fs::read_to_string(&self.stderr).expect("stderr")
    }

    /// Ctrl-C.
    fn end(mut self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGINT).expect("signal");
        assert_eq!(self.child.wait().expect("its end").code(), Some(0), "{}", self.complaints());
    }
}

fn everything(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("read to the end");
    bytes
}

fn get_page(forward: &Forward, path: &str) -> String {
    let mut stream = forward.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: pod\r\n\r\n").expect("a request");
    let answer = String::from_utf8(everything(stream)).expect("text");
    answer.rsplit("\r\n").next().unwrap_or_default().to_owned()
}

fn a_page_of_a_server_on_the_pods_loopback_is_fetched_by_many_clients_at_once(t: &Test) {
    pod(t, "web");
    let port = serve(t, "web", V4, http);
    let forward = Forward::start(t, 2, &["web", &format!(":{port}")]);
    assert_eq!(forward.ports[0].port(), forward.ports[1].port(), "one number on both families");
    assert!(forward.ports.iter().any(|p| p.ip() == V6), "{:?}", forward.ports);
    assert_eq!(get_page(&forward, "/first"), "/first");
    // A load generator: 16 clients, 1,600 requests.
    let forward = &forward;
    thread::scope(|scope| {
        for client in 0..16 {
            scope.spawn(move || {
                for i in 0..100 {
                    let path = format!("/{client}/{i}");
                    assert_eq!(get_page(forward, &path), path);
                }
            });
        }
    });
    assert_eq!(forward.complaints(), "");
    kill(Pid::from_raw(forward.child.id() as i32), Signal::SIGINT).expect("signal");
    delete(t, "web");
}

fn a_thousand_connections_are_open_at_once_and_each_has_its_own_bytes(t: &Test) {
    pod(t, "many");
    let port = serve(t, "many", V4, echo);
    // Both ends of 1,000 connections are this process's.
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).expect("getrlimit").1;
    t.requires(limit >= 4096, "needs 4,096 file descriptors");
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, limit, limit).expect("setrlimit");
    let forward = Forward::start(t, 2, &["many", &format!(":{port}")]);
    let mut open: Vec<TcpStream> = (0..1000).map(|_| forward.connect()).collect();
    for (i, stream) in open.iter_mut().enumerate() {
        write!(stream, "connection {i}").expect("write");
        stream.shutdown(Shutdown::Write).expect("half-close");
    }
    for (i, stream) in open.into_iter().enumerate() {
        assert_eq!(String::from_utf8(everything(stream)).unwrap(), format!("connection {i}"));
    }
    assert_eq!(forward.complaints(), "");
    forward.end();
    delete(t, "many");
}

fn an_end_of_input_passes_through_and_the_answer_still_comes_whole(t: &Test) {
    pod(t, "half");
    let port = serve(t, "half", V6, |mut stream| {
        let mut sum = Vec::new();
        stream.read_to_end(&mut sum).expect("all of the input");
        // More than any buffer on the way holds, after the input has ended.
        let _ = stream.write_all(&sum.iter().rev().copied().collect::<Vec<u8>>());
    });
    let forward = Forward::start(t, 2, &["half", &format!("0:{port}")]);
    let bytes: Vec<u8> = (0..8u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut stream = forward.connect();
    stream.write_all(&bytes).expect("8 MiB");
    stream.shutdown(Shutdown::Write).expect("half-close");
    let answer = everything(stream);
    assert!(answer.iter().eq(bytes.iter().rev()), "{} of {} bytes", answer.len(), bytes.len());
    forward.end();
    delete(t, "half");
}

fn a_slow_reader_holds_up_nobody_else(t: &Test) {
    pod(t, "slow");
    let port = serve(t, "slow", V4, echo);
    let forward = Forward::start(t, 2, &["slow", &format!(":{port}")]);
    let mut lazy = forward.connect();
    lazy.set_nonblocking(true).expect("non-blocking");
    let mut sent = 0;
    // Until nothing on the way takes any more.
    for _ in 0..200 {
        match lazy.write(&[b'x'; 64 << 10]) {
            Ok(n) => sent += n,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
    let mut quick = forward.connect();
    quick.write_all(b"ping").expect("write");
    quick.shutdown(Shutdown::Write).expect("half-close");
    assert_eq!(everything(quick), b"ping");
    lazy.set_nonblocking(false).expect("blocking");
    lazy.shutdown(Shutdown::Write).expect("half-close");
    assert_eq!(everything(lazy).len(), sent, "what was sent came back, late");
    forward.end();
    delete(t, "slow");
}

fn a_reset_and_a_refused_port_leave_the_other_connections_and_the_listener_alone(t: &Test) {
    pod(t, "reset");
    let port = serve(t, "reset", V4, echo);
    let gone = serve(t, "reset", V4, |stream| {
        let mut byte = [0];
        let _ = (&stream).read(&mut byte);
        let _ = (&stream).write_all(b"last words");
        // Time for them to be on their way; then a reset.
        thread::sleep(Duration::from_millis(100));
        let _ = setsockopt(&stream, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 });
    });
    let forward = Forward::start(t, 2, &["reset", &format!(":{port}")]);
    let resetting = Forward::start(t, 2, &["reset", &format!(":{gone}")]);
    let mut lives = forward.connect();
    lives.write_all(b"before ").expect("write");
    // A client that resets.
    let client = forward.connect();
    setsockopt(&client, sockopt::Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 }).expect("linger");
    drop(client);
    // A server that resets.
    let mut client = resetting.connect();
    client.write_all(b"x").expect("write");
    assert_eq!(everything(client), b"last words");
    assert_eq!(
        {
            let mut c = resetting.connect();
            c.write_all(b"x").unwrap();
            everything(c)
        },
        b"last words",
        "the listener stays"
    );
    lives.write_all(b"after").expect("write");
    lives.shutdown(Shutdown::Write).expect("half-close");
    assert_eq!(everything(lives), b"before after");
    // Nobody listens there.
    let refused = Forward::start(t, 2, &["reset", ":9"]);
    for _ in 0..2 {
        assert_eq!(everything(refused.connect()), b"");
    }
    let said = refused.complaints();
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("forwarding to port 9 of pod reset") && said.contains("connection refused"), "{said}");
    for forward in [forward, resetting, refused] {
        forward.end();
    }
    delete(t, "reset");
}

fn it_ends_with_the_pod_and_says_what_is_wrong_with_the_command_line(t: &Test) {
    let ports = "ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]";
    create(t, &manifest(t, "end", NEVER, &[("app", &["reap"], ports)]), "started").ok();
    let mut forward = Forward::start(t, 1, &["pod/end", "--address", "127.0.0.1", ":http"]);
    let taken = forward.ports[0].port().to_string();
    for (words, code, want) in [
        (&["end", "x:80"][..], 2, &["\"x:80\"", "\"x\" is not a port"][..]),
        (&["end", "dns"], 2, &["\"dns\" is not a port"]),
        (&["end", "65536"], 2, &["65536"]),
        (&["end", "80", "--address", "example.org"], 2, &["--address", "example.org"]),
        (&["end", &format!("{taken}:80"), "--address=127.0.0.1"], 1, &["unable to listen on 127.0.0.1", "in use"]),
        (&["nope", "80"], 1, &["Error from server (NotFound): pods \"nope\" not found"]),
    ] {
        let out = t.podrt(["port-forward"].iter().chain(words).copied()).run().refuses(want);
        assert_eq!(out.code(), code, "{out}");
    }
    delete(t, "end");
    assert_eq!(t.eventually("it ends", 5, || forward.child.try_wait().unwrap()).code(), Some(1));
    assert_eq!(forward.complaints(), "error: lost connection to pod\n");
    create(t, &manifest(t, "done", NEVER, &[("app", &["exit", "0"], "")]), "started").ok();
    wait_phase(t, "done", "Succeeded");
    t.podrt(["port-forward", "done", "80"]).run().refuses(&["pod is not running", "Current status=Succeeded"]);
    delete(t, "done");
}

suite!(
    a_page_of_a_server_on_the_pods_loopback_is_fetched_by_many_clients_at_once,
    a_thousand_connections_are_open_at_once_and_each_has_its_own_bytes,
    an_end_of_input_passes_through_and_the_answer_still_comes_whole,
    a_slow_reader_holds_up_nobody_else,
    a_reset_and_a_refused_port_leave_the_other_connections_and_the_listener_alone,
    it_ends_with_the_pod_and_says_what_is_wrong_with_the_command_line,
);
