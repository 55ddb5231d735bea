//! Frames: a length and JSON.

use crate::pod::error::{Code, Error, Result};

/// The most that one frame holds, bytes.
pub const CAP: usize = 1 << 20;

/// A value as one frame. Errors: larger than [`CAP`].
pub fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, value).map_err(|e| Error::internal(format!("encode: {e}")))?;
    let length = frame.len() - 4;
    if length > CAP {
        return Err(Error::new(Code::ResourceExhausted, format!("a frame of {length} bytes (at most {CAP})")));
    }
    frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(frame)
}

/// Bytes as they came, cut into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame's content; None until it is complete. An error ends the connection: the stream is out of step.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > CAP {
            return Err(Error::new(Code::InvalidArgument, format!("a frame of {length} bytes (at most {CAP})")));
        }
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        let rest = self.buffer.split_off(4 + length);
        let mut frame = std::mem::replace(&mut self.buffer, rest);
        frame.drain(..4);
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
        Ok(Some(frame))
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Whether [`Decoder::next_frame`] has something to say, be it an error.
    pub fn has_frame(&self) -> bool {
        let head = self.buffer.first_chunk::<4>().map(|head| u32::from_be_bytes(*head) as usize);
        head.is_some_and(|length| length > CAP || self.buffer.len() >= 4 + length)
    }

    /// The next whole frame as a value.
    pub fn next_value<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let Some(frame) = self.next_frame()? else { return Ok(None) };
        serde_json::from_slice(&frame)
            .map(Some)
            .map_err(|e| Error::new(Code::InvalidArgument, format!("a frame that cannot be read: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Request, Stage, Verb};
    use super::*;

    #[test]
    fn frames_come_out_whole_however_the_bytes_arrive() {
        let frames: Vec<u8> = ["a", "bb", ""].iter().flat_map(|s| encode(s).unwrap()).collect();
        for step in 1..=frames.len() {
            let mut decoder = Decoder::default();
            let mut out = Vec::new();
            for chunk in frames.chunks(step) {
                decoder.feed(chunk);
                while let Some(value) = decoder.next_value::<String>().unwrap() {
                    out.push(value);
                }
            }
            assert_eq!(out, ["a", "bb", ""], "in pieces of {step}");
        }
    }

    #[test]
    fn a_length_over_the_cap_is_refused_before_anything_is_kept() {
        let mut decoder = Decoder::default();
        decoder.feed(&u32::MAX.to_be_bytes());
        assert_eq!(decoder.next_frame().unwrap_err().code, Code::InvalidArgument);
        assert_eq!(encode(&"x".repeat(CAP)).unwrap_err().code, Code::ResourceExhausted);
    }

    #[test]
    fn verbs_survive_the_wire_and_unknown_ones_are_unimplemented() {
        for verb in [
            Verb::Status {},
            Verb::DeletePod { grace: Some(3), wait: true },
            Verb::Wait { until: Stage::Ready },
            Verb::Watch { from: 7 },
            Verb::ExecKill { session: 1, signal: None },
        ] {
            assert_eq!(Request::new(1, &verb, None).parse().unwrap(), verb);
        }
        let bare: Request = serde_json::from_str(r#"{"id":1,"verb":"Status","more":2}"#).unwrap();
        assert_eq!(bare.parse().unwrap(), Verb::Status {});
        let short: Request = serde_json::from_str(r#"{"id":1,"verb":"DeletePod","args":{}}"#).unwrap();
        assert_eq!(short.parse().unwrap(), Verb::DeletePod { grace: None, wait: false });
        let token: Request = serde_json::from_str(r#"{"id":1,"verb":"Status","token":""}"#).unwrap();
        assert_eq!(token.parse().unwrap_err().field, "token");
        let unknown: Request = serde_json::from_str(r#"{"id":1,"verb":"Fly"}"#).unwrap();
        assert_eq!(unknown.parse().unwrap_err().code, Code::Unimplemented);
        let wrong: Request = serde_json::from_str(r#"{"id":1,"verb":"Wait","args":{"until":"never"}}"#).unwrap();
        assert_eq!(wrong.parse().unwrap_err().code, Code::InvalidArgument);
    }
}
