//! One connection to systemd: method calls, their answers, and the ends of the jobs that they begin.

use super::super::error::{Error, Result};
use rustbus::message_builder::{MarshalledMessage, MarshalledMessageBody, MessageBuilder, MessageType};
use rustbus::wire::marshal;
use rustbus::wire::unmarshal::{self, HEADER_LEN};
use rustbus::wire::{ObjectPath, errors::UnmarshalError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// systemd's own socket, root's: there without any message bus, and it gives signals unasked.
pub const SOCKET: &str = "/run/systemd/private";
/// For one request and the end of its job. A unit without a command of its own starts in milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest message that is read, bytes; D-Bus itself allows 128 MiB.
const CAP: usize = 1 << 20;
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

#[derive(Debug)]
pub struct Bus {
    stream: UnixStream,
    serial: u32,
    received: Vec<u8>,
    /// Jobs that have ended, and how; their end may be told before the answer that names them.
    ended: Vec<(String, String)>,
    until: Instant,
}

/// What systemd refused: the error's name, for those that a caller takes for an answer, and its words.
#[derive(Debug)]
pub struct Refusal {
    pub name: String,
    pub text: String,
}

fn broken(what: &str, problem: impl std::fmt::Display) -> Error {
    Error::Systemd { what: what.into(), problem: problem.to_string() }
}

fn wire(e: UnmarshalError) -> Error {
    broken("read an answer", format!("{e:?}"))
}

impl Bus {
    pub fn connect(path: &Path) -> Result<Bus> {
        let to = |e: std::io::Error| broken("connect", format!("{}: {}", path.display(), crate::sys::Errno::from(e)));
        let stream = UnixStream::connect(path).map_err(to)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(to)?;
        let mut bus = Bus { stream, serial: 0, received: Vec::new(), ended: Vec::new(), until: Instant::now() + PATIENCE };
        // D-Bus Specification, "Authentication Protocol": a NUL, then the uid in hex of its decimal digits.
        let uid: String = nix::unistd::geteuid().to_string().bytes().map(|b| format!("{b:02x}")).collect();
        bus.send(format!("\0AUTH EXTERNAL {uid}\r\nBEGIN\r\n").as_bytes())?;
        let line = bus.line()?;
        if !line.starts_with("OK ") {
            return Err(broken("connect", format!("{}: {line}, want OK", path.display())));
        }
        Ok(bus)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).map_err(|e| broken("send a request", crate::sys::Errno::from(e)))
    }

    /// One line of the authentication.
    fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.received[..end]).into_owned();
                self.received.drain(..end + 2);
                return Ok(line);
            }
            if self.received.len() > 4096 {
                return Err(broken("connect", "what listens there does not speak D-Bus"));
            }
            self.fill()?;
        }
    }

    /// Reads more, within the deadline.
    fn fill(&mut self) -> Result<()> {
        let late = || broken("wait for an answer", format!("none within {} s", PATIENCE.as_secs()));
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late());
        }
        let to = |e: std::io::Error| broken("read an answer", crate::sys::Errno::from(e));
        self.stream.set_read_timeout(Some(left)).map_err(to)?;
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(broken("read an answer", "systemd has closed the connection")),
            Ok(n) => {
                self.received.extend_from_slice(&chunk[..n]);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(late()),
            Err(e) => Err(to(e)),
        }
    }

    fn message(&mut self) -> Result<MarshalledMessage> {
        while self.received.len() < HEADER_LEN + 4 {
            self.fill()?;
        }
        let (at, header) = unmarshal::unmarshal_header(&self.received, 0).map_err(wire)?;
        if header.byteorder != rustbus::ByteOrder::LittleEndian {
            return Err(broken("read an answer", "it is not in this machine's byte order"));
        }
        let fields = self.received[HEADER_LEN..HEADER_LEN + 4].try_into().map(u32::from_le_bytes).unwrap_or(u32::MAX) as usize;
        // The header is padded to a multiple of eight; the length of its fields stands before them.
        let whole = (HEADER_LEN + 4).saturating_add(fields).next_multiple_of(8).saturating_add(header.body_len as usize);
        if whole > CAP {
            return Err(broken("read an answer", format!("it is {whole} bytes long")));
        }
        while self.received.len() < whole {
            self.fill()?;
        }
        let bytes: Vec<u8> = self.received.drain(..whole).collect();
        let (used, dynamic) = unmarshal::unmarshal_dynamic_header(&header, &bytes, at).map_err(wire)?;
        Ok(unmarshal::unmarshal_next_message(&header, dynamic, &bytes, at + used).map_err(wire)?.1)
    }

    /// A method of systemd's manager. `body` pushes the arguments.
    pub fn call(
        &mut self,
        member: &str,
        body: impl FnOnce(&mut MarshalledMessageBody) -> Result<(), rustbus::wire::errors::MarshalError>,
    ) -> Result<Result<MarshalledMessage, Refusal>> {
        let mut call = MessageBuilder::new()
            .call(member)
            .on("/org/freedesktop/systemd1")
            .with_interface(MANAGER)
            .at("org.freedesktop.systemd1")
            .build();
        body(&mut call.body).map_err(|e| broken(member, e))?;
        self.serial += 1;
        let serial = self.serial;
        let mut bytes = Vec::new();
        marshal::marshal(&call, serial, &mut bytes).map_err(|e| broken(member, e))?;
        bytes.extend_from_slice(call.get_buf());
        self.send(&bytes)?;
        loop {
            let message = self.message()?;
            match message.typ {
                MessageType::Reply if message.dynheader.response_serial == Some(serial) => return Ok(Ok(message)),
                MessageType::Error if message.dynheader.response_serial == Some(serial) => {
                    let text = message.body.parser().get::<String>().unwrap_or_default();
                    return Ok(Err(Refusal { name: message.dynheader.error_name.unwrap_or_default(), text }));
                }
                _ => self.note(&message),
            }
        }
    }

    /// A method that begins a job; waits for the job's end. Errors: the job's result, where it is not `done`.
    pub fn job(
        &mut self,
        member: &str,
        unit: &str,
        body: impl FnOnce(&mut MarshalledMessageBody) -> Result<(), rustbus::wire::errors::MarshalError>,
    ) -> Result<Result<(), Refusal>> {
        let reply = match self.call(member, body)? {
            Ok(reply) => reply,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let job = reply.body.parser().get::<ObjectPath<String>>().map_err(wire)?;
        loop {
            if let Some((_, result)) = self.ended.iter().find(|(path, _)| path == job.as_ref()) {
                return match result.as_str() {
                    // A stop is also `done` where there was nothing to stop.
                    "done" => Ok(Ok(())),
                    other => Err(broken(&format!("{member} {unit}"), format!("the job ended with `{other}`"))),
                };
            }
            let message = self.message()?;
            self.note(&message);
        }
    }

    /// Of all signals, the end of a job: JobRemoved(u id, o job, s unit, s result).
    fn note(&mut self, message: &MarshalledMessage) {
        if message.typ == MessageType::Signal
            && message.dynheader.member.as_deref() == Some("JobRemoved")
            && let Ok((_, job, _, result)) = message.body.parser().get4::<u32, ObjectPath<String>, String, String>()
        {
            self.ended.push((job.as_ref().to_string(), result));
        }
    }
}

impl Refusal {
    /// `org.freedesktop.systemd1.NoSuchUnit` is `NoSuchUnit`.
    pub fn is(&self, short: &str) -> bool {
        self.name.rsplit('.').next() == Some(short)
    }

    pub fn error(self, what: &str) -> Error {
        let text = if self.text.is_empty() { self.name } else { self.text };
        broken(what, text.trim_end_matches('.'))
    }
}
