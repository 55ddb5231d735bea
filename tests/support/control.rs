//! A client of a pod's control socket that knows nothing of podrt's own: frames and fds as docs/protocol.md has them.

use super::Test;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs;
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

pub struct Control {
    pub stream: UnixStream,
    pub hello: Value,
    bytes: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    next: u64,
    /// Answers to other requests than the one that was waited for.
    others: Vec<Value>,
}

pub fn folder(t: &Test, pod: &str) -> PathBuf {
    fs::canonicalize(t.run.join("names/default").join(pod)).expect("the pod's folder")
}

pub fn socket(t: &Test, pod: &str) -> PathBuf {
    folder(t, pod).join("control.sock")
}

pub fn frame(value: &Value) -> Vec<u8> {
    let body = value.to_string();
    [&(body.len() as u32).to_be_bytes()[..], body.as_bytes()].concat()
}

impl Control {
    #[track_caller]
    pub fn connect(t: &Test, pod: &str) -> Control {
        let stream = UnixStream::connect(socket(t, pod)).expect("connect to the supervisor");
        stream.set_read_timeout(Some(Duration::from_secs(if super::world::in_vm() { 100 } else { 10 }))).expect("SO_RCVTIMEO");
        let mut client =
            Control { stream, hello: Value::Null, bytes: Vec::new(), fds: VecDeque::new(), next: 1, others: Vec::new() };
        client.hello = client.receive().expect("a hello");
        client
    }

    /// The next frame; None at the end of the connection.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Value> {
        loop {
            if let Some(head) = self.bytes.first_chunk::<4>() {
                let end = 4 + u32::from_be_bytes(*head) as usize;
                if self.bytes.len() >= end {
                    let frame: Vec<u8> = self.bytes.drain(..end).collect();
                    return Some(serde_json::from_slice(&frame[4..]).expect("a frame holds JSON"));
                }
            }
            let mut chunk = vec![0u8; 64 << 10];
            let mut space = nix::cmsg_space!([i32; 16]);
            let mut data = [IoSliceMut::new(&mut chunk)];
            let got = recvmsg::<()>(self.stream.as_raw_fd(), &mut data, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC);
            let n = match got {
                Err(nix::errno::Errno::ECONNRESET) => 0,
                Err(e) => panic!("no answer in time: {e}"),
                Ok(message) => {
                    for c in message.cmsgs().expect("control messages") {
                        if let ControlMessageOwned::ScmRights(fds) = c {
                            // SAFETY: the kernel has just made them for this message, and nothing else knows of them.
                            self.fds.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                        }
                    }
                    message.bytes
                }
            };
            if n == 0 {
                return None;
            }
            self.bytes.extend_from_slice(&chunk[..n]);
        }
    }

    /// Sends a request; returns its id.
    #[track_caller]
    pub fn send(&mut self, verb: &str, args: Value, more: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        let mut request = json!({"id": id, "verb": verb, "args": args});
        for (key, value) in more.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        self.stream.write_all(&frame(&request)).expect("send");
        id
    }

    #[track_caller]
    pub fn send_with(&mut self, verb: &str, args: Value, fds: &[BorrowedFd]) -> u64 {
        let id = self.next;
        self.next += 1;
        let request = frame(&json!({"id": id, "verb": verb, "args": args, "fds": fds.len()}));
        let numbers: Vec<i32> = fds.iter().map(|fd| fd.as_raw_fd()).collect();
        let control = [ControlMessage::ScmRights(&numbers)];
        let sent = sendmsg::<()>(self.stream.as_raw_fd(), &[IoSlice::new(&request)], &control, MsgFlags::empty(), None);
        assert_eq!(sent, Ok(request.len()));
        id
    }

    /// The whole answer to a request, events included.
    #[track_caller]
    pub fn answer(&mut self, id: u64) -> Value {
        if let Some(at) = self.others.iter().position(|a| a["id"] == id) {
            return self.others.remove(at);
        }
        loop {
            let answer = self.receive().expect("an answer, not the end of the connection");
            if answer["id"] == id || answer["id"] == 0 {
                return answer;
            }
            self.others.push(answer);
        }
    }

    #[track_caller]
    pub fn ask(&mut self, verb: &str, args: Value) -> Value {
        let id = self.send(verb, args, Value::Null);
        self.answer(id)
    }

    /// What it is answered with. Fails the test on an error.
    #[track_caller]
    pub fn get(&mut self, verb: &str, args: Value) -> Value {
        let answer = self.ask(verb, args.clone());
        assert!(answer.get("ok").is_some(), "{verb} {args}: {answer}");
        answer["ok"].clone()
    }

    /// The code of the error, and the field that it names.
    #[track_caller]
    pub fn refused(&mut self, verb: &str, args: Value) -> (String, String) {
        let answer = self.ask(verb, args.clone());
        let text = |key: &str| answer["error"][key].as_str().unwrap_or_default().to_owned();
        assert!(!text("code").is_empty(), "{verb} {args} should have been refused: {answer}");
        (text("code"), text("field"))
    }

    /// One of the fds that came.
    #[track_caller]
    pub fn fd(&mut self) -> OwnedFd {
        self.fds.pop_front().expect("an fd came with the answer")
    }
}
