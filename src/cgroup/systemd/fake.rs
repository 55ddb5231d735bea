//! A socket that behaves as systemd's for one connection: it notes what it is asked and answers as it is told.

use rustbus::message_builder::{MarshalledMessage, MessageBuilder};
use rustbus::wire::{ObjectPath, marshal, unmarshal};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

/// What it does about one call.
pub enum Answer {
    /// A job that ends with this result, told before the reply or after it.
    Job {
        result: &'static str,
        told_first: bool,
    },
    /// Refused, by the error's short name.
    Refused(&'static str),
    Done,
    /// Closes the connection.
    Gone,
}

pub struct Fake {
    path: PathBuf,
    thread: JoinHandle<Vec<MarshalledMessage>>,
}

impl Fake {
    /// Takes one connection and one answer for each call; then waits for its end.
    pub fn start(name: &str, answers: Vec<Answer>) -> Fake {
        let path = std::env::temp_dir().join(format!("podrt-fake-systemd-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || serve(&mut listener.accept().unwrap().0, answers));
        Fake { path, thread }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The calls that came.
    pub fn calls(self) -> Vec<MarshalledMessage> {
        let calls = self.thread.join().unwrap();
        let _ = std::fs::remove_file(&self.path);
        calls
    }
}

fn serve(stream: &mut UnixStream, answers: Vec<Answer>) -> Vec<MarshalledMessage> {
    let mut hello = vec![0; b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n".len()];
    stream.read_exact(&mut hello).unwrap();
    assert_eq!(hello, b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n");
    stream.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n").unwrap();
    let (mut calls, mut serial) = (Vec::new(), 0);
    for answer in answers {
        let call = receive(stream);
        let number = call.dynheader.serial;
        calls.push(call);
        let mut send = |mut message: MarshalledMessage, to: Option<u32>| {
            serial += 1;
            message.dynheader.response_serial = to;
            let mut bytes = Vec::new();
            marshal::marshal(&message, serial, &mut bytes).unwrap();
            bytes.extend_from_slice(message.get_buf());
            // In two pieces: a reader must not count on whole messages.
            stream.write_all(&bytes[..9]).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(5));
            stream.write_all(&bytes[9..]).unwrap();
        };
        match answer {
            Answer::Job { result, told_first } => {
                let told = removed(result);
                let mut reply = rustbus::message_builder::DynamicHeader::default().make_response();
                reply.body.push_param(ObjectPath::new("/org/freedesktop/systemd1/job/7").unwrap()).unwrap();
                if told_first {
                    send(told, None);
                    send(reply, number);
                } else {
                    send(reply, number);
                    send(removed("another's"), None);
                    send(told, None);
                }
            }
            Answer::Refused(name) => {
                stream.write_all(&refusal(name, number.unwrap())).unwrap();
            }
            Answer::Done => send(rustbus::message_builder::DynamicHeader::default().make_response(), number),
            Answer::Gone => return calls,
        }
    }
    calls
}

fn removed(result: &str) -> MarshalledMessage {
    let object = if result == "another's" { "/org/freedesktop/systemd1/job/8" } else { "/org/freedesktop/systemd1/job/7" };
    let mut signal =
        MessageBuilder::new().signal("org.freedesktop.systemd1.Manager", "JobRemoved", "/org/freedesktop/systemd1").build();
    signal.body.push_param4(7u32, ObjectPath::new(object).unwrap(), "x.scope", result).unwrap();
    signal
}

fn receive(stream: &mut UnixStream) -> MarshalledMessage {
    let mut bytes = vec![0; 16];
    stream.read_exact(&mut bytes).unwrap();
    let (at, header) = unmarshal::unmarshal_header(&bytes, 0).unwrap();
    let fields = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    let whole = (16 + fields).next_multiple_of(8) + header.body_len as usize;
    bytes.resize(whole, 0);
    stream.read_exact(&mut bytes[16..]).unwrap();
    let (used, dynamic) = unmarshal::unmarshal_dynamic_header(&header, &bytes, at).unwrap();
    unmarshal::unmarshal_next_message(&header, dynamic, &bytes, at + used).unwrap().1
}

/// The crate does not write errors' names, so this is by the D-Bus Specification, "Message Format".
fn refusal(name: &str, to: u32) -> Vec<u8> {
    let pad = |bytes: &mut Vec<u8>, to: usize| bytes.resize(bytes.len().next_multiple_of(to), 0);
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.bytes().chain([0]));
    };
    let mut body = Vec::new();
    text(&mut body, "it says why.");
    let mut bytes = vec![b'l', 3, 0, 1];
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend([9, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([4, 1, b's', 0]);
    text(&mut bytes, &format!("org.freedesktop.systemd1.{name}"));
    pad(&mut bytes, 8);
    bytes.extend([5, 1, b'u', 0]);
    bytes.extend(to.to_le_bytes());
    pad(&mut bytes, 8);
    bytes.extend([8, 1, b'g', 0, 1, b's', 0]);
    let fields = bytes.len() - 16;
    bytes[12..16].copy_from_slice(&(fields as u32).to_le_bytes());
    pad(&mut bytes, 8);
    bytes.extend(body);
    bytes
}
