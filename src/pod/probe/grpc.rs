//! One unary call of grpc.health.v1.Health/Check over HTTP/2 with prior knowledge: as much of both as that takes.
//!
//! Source: RFC 9113 (frames), RFC 7541 (header compression), gRPC over HTTP/2, and the health checking protocol.

use super::target::Target;
use super::{Heard, Outcome, Verdict};
use loona_hpack::Decoder;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The longest frame that a peer may send unasked (SETTINGS_MAX_FRAME_SIZE).
const FRAME_MAX: usize = 16 << 10;
/// The longest answer and the longest list of headers that are looked at, bytes.
const MESSAGE_MAX: usize = 4 << 10;
const HEADERS_MAX: usize = 64 << 10;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

pub(super) struct Exchange {
    service: String,
    input: Vec<u8>,
    /// A header block that is not complete.
    block: Vec<u8>,
    block_ends_stream: bool,
    decoder: Decoder<'static>,
    message: Vec<u8>,
    http: Option<String>,
    status: Option<u32>,
    detail: String,
}

impl Exchange {
    pub fn new(service: &str) -> Exchange {
        Exchange {
            service: service.into(),
            input: Vec::new(),
            block: Vec::new(),
            block_ends_stream: false,
            decoder: Decoder::new(),
            message: Vec::new(),
            http: None,
            status: None,
            detail: String::new(),
        }
    }

    pub fn request(&self, target: &Target) -> Vec<u8> {
        // HealthCheckRequest { string service = 1 }.
        let mut body = Vec::new();
        if !self.service.is_empty() {
            body.push(0x0a);
            varint(&mut body, self.service.len() as u64);
            body.extend_from_slice(self.service.as_bytes());
        }
        let mut message = vec![0];
        message.extend_from_slice(&(body.len() as u32).to_be_bytes());
        message.extend_from_slice(&body);

        // Entries of the static table (RFC 7541, appendix A), and literals that go into no table.
        let mut headers = vec![0x83, 0x86];
        for (index, name, value) in [
            (4, "", "/grpc.health.v1.Health/Check"),
            (1, "", target.authority().as_str()),
            (0, "te", "trailers"),
            (31, "", "application/grpc"),
            (58, "", "kube-probe/1.36"),
        ] {
            prefixed(&mut headers, 4, index);
            if index == 0 {
                text(&mut headers, name);
            }
            text(&mut headers, value);
        }

        let mut out = PREFACE.to_vec();
        // SETTINGS_ENABLE_PUSH = 0.
        frame(&mut out, SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 0]);
        frame(&mut out, HEADERS, END_HEADERS, 1, &headers);
        for (i, part) in message.chunks(FRAME_MAX).enumerate() {
            let last = (i + 1) * FRAME_MAX >= message.len();
            frame(&mut out, DATA, if last { END_STREAM } else { 0 }, 1, part);
        }
        out
    }

    /// Nothing is the end of the stream. Answers that the protocol asks for go to `out`.
    pub fn hear(&mut self, data: &[u8], out: &mut Vec<u8>) -> Heard {
        if data.is_empty() {
            return failed("error: health rpc probe failed: rpc error: code = Unavailable desc = error reading from server: EOF");
        }
        self.input.extend_from_slice(data);
        loop {
            let Some(header) = self.input.first_chunk::<9>() else { return Heard::More };
            let [a, b, c, kind, flags, s1, s2, s3, s4] = *header;
            let (length, stream) = (u32::from_be_bytes([0, a, b, c]) as usize, u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]));
            if length > FRAME_MAX {
                return failed("error: health rpc probe failed: no HTTP/2: a frame is too long");
            }
            if self.input.len() < 9 + length {
                return Heard::More;
            }
            let whole: Vec<u8> = self.input.drain(..9 + length).collect();
            match self.frame(kind, flags, stream, &whole[9..], out) {
                Ok(true) => return self.judge(),
                Ok(false) => {}
                Err(why) => return failed(format!("error: health rpc probe failed: rpc error: code = {why}")),
            }
        }
    }

    /// True when the answer is complete.
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) -> Result<bool, String> {
        let protocol = |what: &str| format!("Internal desc = HTTP/2: {what}");
        match kind {
            SETTINGS if flags & ACK == 0 => frame(out, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(out, PING, ACK, 0, payload),
            GOAWAY => return Err("Unavailable desc = the server goes away".into()),
            PUSH_PROMISE => return Err(protocol("a push nobody asked for")),
            RST_STREAM if stream == 1 => {
                let code = payload.first_chunk().map_or(0, |c| u32::from_be_bytes(*c));
                return Err(format!("Internal desc = stream terminated by RST_STREAM with error code: {code}"));
            }
            DATA if stream == 1 => {
                let data = unpadded(payload, flags, false).ok_or_else(|| protocol("padding"))?;
                if self.message.len() + data.len() > MESSAGE_MAX {
                    return Err("ResourceExhausted desc = the answer is too long".into());
                }
                self.message.extend_from_slice(data);
                return Ok(flags & END_STREAM != 0);
            }
            HEADERS | CONTINUATION if stream == 1 => {
                let part = match kind {
                    HEADERS => unpadded(payload, flags, true).ok_or_else(|| protocol("padding"))?,
                    _ => payload,
                };
                if self.block.len() + part.len() > HEADERS_MAX {
                    return Err("ResourceExhausted desc = the headers are too long".into());
                }
                self.block.extend_from_slice(part);
                if kind == HEADERS {
                    self.block_ends_stream = flags & END_STREAM != 0;
                }
                if flags & END_HEADERS != 0 {
                    self.headers().ok_or_else(|| protocol("header compression"))?;
                    return Ok(self.block_ends_stream);
                }
            }
            _ => {}
        }
        Ok(false)
    }

    fn headers(&mut self) -> Option<()> {
        let block = std::mem::take(&mut self.block);
        let (mut http, mut status, mut detail) = (None, None, None);
        let text = |v: &[u8]| String::from_utf8_lossy(v).into_owned();
        self.decoder
            .decode_with_cb(&block, |name, value| match &*name {
                b":status" => http = Some(text(&value)),
                b"grpc-status" => status = text(&value).parse().ok(),
                b"grpc-message" => detail = Some(percent_decoded(&value)),
                _ => {}
            })
            .ok()?;
        self.http = http.or(self.http.take());
        self.status = status.or(self.status);
        if let Some(detail) = detail {
            self.detail = detail;
        }
        Some(())
    }

    fn judge(&self) -> Heard {
        let status = match (self.status, self.http.as_deref()) {
            (Some(status), _) => status,
            (None, Some("200") | None) => 2,
            (None, Some(http)) => {
                return failed(format!(
                    "error: health rpc probe failed: rpc error: code = Unknown desc = unexpected HTTP status code received from \
                     server: {http}"
                ));
            }
        };
        match status {
            0 => {}
            12 => {
                let what = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)";
                return failed(format!("{what}: {}", self.detail));
            }
            code => {
                let name = CODES.get(code as usize).copied().unwrap_or("Unknown");
                return failed(format!("error: health rpc probe failed: rpc error: code = {name} desc = {}", self.detail));
            }
        }
        match serving(&self.message) {
            Some(1) => Heard::Done(Outcome::new(Verdict::Success, "service healthy")),
            Some(n) => {
                let word = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"].get(n as usize).copied().unwrap_or("UNKNOWN");
                failed(format!("service unhealthy (responded with \"{word}\")"))
            }
            None => {
                failed("error: health rpc probe failed: rpc error: code = Internal desc = the answer is no HealthCheckResponse")
            }
        }
    }
}

/// google.golang.org/grpc/codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

fn failed(why: impl Into<String>) -> Heard {
    Heard::Done(Outcome::new(Verdict::Failure, why))
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A frame's own bytes, without padding and priority.
fn unpadded(payload: &[u8], flags: u8, headers: bool) -> Option<&[u8]> {
    let mut rest = payload;
    let mut padding = 0;
    if flags & PADDED != 0 {
        let (first, after) = rest.split_first()?;
        (padding, rest) = (usize::from(*first), after);
    }
    if headers && flags & PRIORITY != 0 {
        rest = rest.get(5..)?;
    }
    rest.get(..rest.len().checked_sub(padding)?)
}

/// An integer with a prefix of so many bits (RFC 7541, 5.1); the bits before them are 0.
fn prefixed(out: &mut Vec<u8>, bits: u32, value: usize) {
    let full = (1 << bits) - 1;
    if value < full {
        return out.push(value as u8);
    }
    out.push(full as u8);
    varint(out, (value - full) as u64);
}

/// Seven bits a byte, the lowest first: HPACK's continuation and protobuf's varint.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A text that is not Huffman-coded.
fn text(out: &mut Vec<u8>, text: &str) {
    prefixed(out, 7, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn percent_decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while i < text.len() {
        let hex = text.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (text[i], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// HealthCheckResponse { ServingStatus status = 1 } out of one length-prefixed message; without the field it is 0.
fn serving(message: &[u8]) -> Option<u64> {
    let (prefix, body) = message.split_first_chunk::<5>()?;
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 || u32::from_be_bytes(length) as usize != body.len() {
        return None;
    }
    let mut rest = body;
    let mut status = 0;
    while !rest.is_empty() {
        let key = take_varint(&mut rest)?;
        match key & 7 {
            0 => {
                let value = take_varint(&mut rest)?;
                if key >> 3 == 1 {
                    status = value;
                }
            }
            1 => rest = rest.get(8..)?,
            2 => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                rest = rest.get(length..)?;
            }
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn take_varint(data: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
#[path = "grpc_tests.rs"]
mod tests;
