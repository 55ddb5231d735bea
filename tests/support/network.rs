//! Servers of the tests' own inside a pod's network, on threads that have joined it: what probes meet there.

use super::{Test, pod};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// A file that names the pod's network namespace.
pub fn namespace(t: &Test, name: &str) -> String {
    format!("/proc/{}/ns/net", pod::first_pid(t, name, "pause"))
}

/// Listens in the pod's network on `port`, on all addresses, before it returns; `serve` has each connection, one after another.
pub fn listen(t: &Test, name: &str, port: u16, mut serve: impl FnMut(TcpStream) + Send + 'static) {
    let path = namespace(t, name);
    let (up, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let file = File::open(path).expect("the pod's network namespace");
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("setns");
        let listener = TcpListener::bind(("0.0.0.0", port)).expect("bind");
        up.send(()).expect("the test waits");
        for stream in listener.incoming().flatten() {
            serve(stream);
        }
    });
    wait.recv_timeout(Duration::from_secs(10)).expect("a listener in the pod's network");
}

/// An HTTP server: what `answer` makes of a request's head is sent as it is.
pub fn http(t: &Test, name: &str, port: u16, mut answer: impl FnMut(&str) -> String + Send + 'static) {
    listen(t, name, port, move |mut stream| {
        let head = read_head(&mut stream);
        if !head.is_empty() {
            let _ = stream.write_all(answer(&head).as_bytes());
        }
    });
}

/// A response without a body.
pub fn response(status: u16) -> String {
    format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n")
}

fn read_head(stream: &mut TcpStream) -> String {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}
