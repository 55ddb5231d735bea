//! Bytes of a stream to lines of a log.

use super::LINE;
use crate::sys::event;

/// `2026-01-02T03:04:05.123456789Z`.
pub type Stamp = [u8; 30];

const HEAD: usize = 40;
type Head = [u8; HEAD];

/// Makes stamps; the part that changes once a second is kept.
#[derive(Debug, Default)]
pub struct Clock {
    second: i64,
    text: Option<Stamp>,
}

impl Clock {
    pub fn now(&mut self) -> Stamp {
        let (second, nanos) = event::wall();
        self.stamp(second, nanos)
    }

    fn stamp(&mut self, second: i64, nanos: u32) -> Stamp {
        if self.second != second || self.text.is_none() {
            let whole = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string();
            let mut text = *b"1970-01-01T00:00:00.000000000Z";
            if let Some(date) = whole.as_bytes().get(..19) {
                text[..19].copy_from_slice(date);
            }
            (self.second, self.text) = (second, Some(text));
        }
        let mut text = self.text.unwrap_or(*b"1970-01-01T00:00:00.000000000Z");
        let mut rest = nanos;
        for digit in text[20..29].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        text
    }
}

/// One of a container's two streams: what has come of a line that has not ended yet.
#[derive(Debug)]
pub struct Lines {
    stream: &'static str,
    pending: Vec<u8>,
}

impl Lines {
    /// `stream`: `stdout` or `stderr`.
    pub fn new(stream: &'static str) -> Lines {
        Lines { stream, pending: Vec::new() }
    }

    /// Bytes that were taken in and are in no line yet.
    pub fn waiting(&self) -> u64 {
        self.pending.len() as u64
    }

    fn line(&self, head: &Head, whole: bool, parts: [&[u8]; 2], out: &mut Vec<u8>) {
        out.reserve(HEAD + parts[0].len() + parts[1].len() + 1);
        out.extend_from_slice(head);
        if !whole {
            let tag = out.len() - 2;
            out[tag] = b'P';
        }
        out.extend_from_slice(parts[0]);
        out.extend_from_slice(parts[1]);
        out.push(b'\n');
    }

    /// What stands before a whole line; both streams' names have six letters.
    fn head(&self, stamp: &Stamp) -> Head {
        let mut head = *b"1970-01-01T00:00:00.000000000Z stdxxx F ";
        head[..stamp.len()].copy_from_slice(stamp);
        head[31..37].copy_from_slice(self.stream.as_bytes());
        head
    }

    /// Takes what was read, appends whole lines, and pieces of long ones, to `out`.
    pub fn feed(&mut self, mut bytes: &[u8], stamp: &Stamp, out: &mut Vec<u8>) {
        let head = self.head(stamp);
        while !bytes.is_empty() {
            let room = LINE - self.pending.len();
            let end = memchr::memchr(b'\n', &bytes[..bytes.len().min(room + 1)]);
            match end {
                Some(end) => {
                    self.line(&head, true, [&self.pending, &bytes[..end]], out);
                    bytes = &bytes[end + 1..];
                    self.pending.clear();
                }
                None if bytes.len() > room => {
                    self.line(&head, false, [&self.pending, &bytes[..room]], out);
                    bytes = &bytes[room..];
                    self.pending.clear();
                }
                None => {
                    self.pending.extend_from_slice(bytes);
                    return;
                }
            }
        }
        if self.pending.is_empty() {
            // What one long line needed is not held for ever.
            self.pending.shrink_to(256);
        }
    }

    /// The end of the stream: what has no newline is a piece, so that a reader prints exactly what was written.
    pub fn finish(&mut self, stamp: &Stamp, out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            self.line(&self.head(stamp), false, [&self.pending, b""], out);
            self.pending = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Stamp = *b"2026-01-02T03:04:05.000000006Z";

    fn written(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut out) = (Lines::new("stdout"), Vec::new());
        for chunk in chunks {
            lines.feed(chunk, &AT, &mut out);
        }
        lines.finish(&AT, &mut out);
        let text = String::from_utf8(out).unwrap();
        text.lines().map(|l| l.strip_prefix("2026-01-02T03:04:05.000000006Z stdout ").unwrap().to_string()).collect()
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let text = b"one\n\ntwo\nthree";
        for n in 1..=text.len() {
            let chunks: Vec<&[u8]> = text.chunks(n).collect();
            assert_eq!(written(&chunks), ["F one", "F ", "F two", "P three"], "in pieces of {n}");
        }
    }

    #[test]
    fn a_line_over_16_kib_is_written_in_pieces_that_join_to_it() {
        for (length, pieces) in [(LINE - 1, 1), (LINE, 1), (LINE + 1, 2), (3 * LINE, 3), (3 * LINE + 7, 4)] {
            let mut text = vec![b'x'; length];
            text.push(b'\n');
            for n in [1000, LINE, 7 * LINE] {
                let got = written(&text.chunks(n).collect::<Vec<_>>());
                assert_eq!(got.len(), pieces, "{length} in pieces of {n}");
                assert!(got[..pieces - 1].iter().all(|l| l.starts_with("P ")) && got[pieces - 1].starts_with("F "));
                assert_eq!(got.iter().map(|l| l.len() - 2).sum::<usize>(), length);
            }
        }
    }

    #[test]
    fn a_stamp_has_nine_digits_and_changes_with_the_second() {
        let mut clock = Clock::default();
        for (second, nanos, text) in [
            (1_767_323_045, 123_456_789, "2026-01-02T03:04:05.123456789Z"),
            (1_767_323_045, 6, "2026-01-02T03:04:05.000000006Z"),
            (1_767_323_046, 0, "2026-01-02T03:04:06.000000000Z"),
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(std::str::from_utf8(&clock.stamp(second, nanos)).unwrap(), text);
        }
    }
}
