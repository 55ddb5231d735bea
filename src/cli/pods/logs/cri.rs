//! The CRI log format: `2026-01-02T03:04:05.123456789Z stdout F text`, one record a line; `P` marks a piece of a line that does
//! not end there.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    pub stamp: &'a [u8],
    pub stream: Stream,
    /// The line ends here.
    pub ends: bool,
    pub text: &'a [u8],
}

impl<'a> Record<'a> {
    /// `line` without its newline. What is no record is shown as it stands: a log that somebody has edited is still read.
    pub fn parse(line: &'a [u8]) -> Record<'a> {
        Record::strict(line).unwrap_or(Record { stamp: b"", stream: Stream::Stdout, ends: true, text: line })
    }

    fn strict(line: &'a [u8]) -> Option<Record<'a>> {
        let mut fields = line.splitn(4, |b| *b == b' ');
        let stamp = fields.next().filter(|s| s.len() >= 20 && s[0].is_ascii_digit())?;
        let stream = match fields.next()? {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => return None,
        };
        // Tags are separated by colons; the first says whether the line ends.
        let ends = match fields.next()?.split(|b| *b == b':').next()? {
            b"F" => true,
            b"P" => false,
            _ => return None,
        };
        Some(Record { stamp, stream, ends, text: fields.next().unwrap_or_default() })
    }
}

/// How lines are shown.
#[derive(Debug, Clone, Default)]
pub struct Style {
    /// Put before every line: `[app] `.
    pub prefix: String,
    pub timestamps: bool,
    /// An output that several sources share: a line that never ends gets its end when its source does.
    pub close_lines: bool,
}

/// A line that has not ended is held back up to this many bytes.
const HELD: usize = 256 << 10;

/// Joins the pieces of lines, one joiner for each stream of a container, so that two streams never mix within a line.
#[derive(Debug, Default)]
pub struct Joiner {
    held: Vec<u8>,
    /// Of the line's first piece.
    stamp: Vec<u8>,
    /// Part of the line is out already.
    begun: bool,
}

impl Joiner {
    /// Appends to `out` what can be shown now.
    pub fn take(&mut self, record: &Record, style: &Style, out: &mut Vec<u8>) {
        if self.held.is_empty() && !self.begun {
            self.stamp.clear();
            self.stamp.extend_from_slice(record.stamp);
            self.held.extend_from_slice(style.prefix.as_bytes());
            if style.timestamps && !record.stamp.is_empty() {
                self.held.extend_from_slice(record.stamp);
                self.held.push(b' ');
            }
        }
        self.held.extend_from_slice(record.text);
        if record.ends {
            self.held.push(b'\n');
        }
        if record.ends || self.held.len() >= HELD {
            out.append(&mut self.held);
            self.begun = !record.ends;
        }
    }

    /// When the line that was taken last began; empty where it has no time.
    pub fn stamp(&self) -> &[u8] {
        &self.stamp
    }

    /// The source has ended: what is held has no more to come.
    pub fn finish(&mut self, style: &Style, out: &mut Vec<u8>) {
        let open = self.begun || !self.held.is_empty();
        out.append(&mut self.held);
        if open && style.close_lines {
            out.push(b'\n');
        }
        self.begun = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-01-02T03:04:05.000000006Z";

    fn shown(lines: &[&str], style: &Style) -> String {
        let (mut stdout, mut stderr, mut out) = (Joiner::default(), Joiner::default(), Vec::new());
        for line in lines {
            let line = line.replace('@', AT);
            let record = Record::parse(line.as_bytes());
            let joiner = if record.stream == Stream::Stdout { &mut stdout } else { &mut stderr };
            joiner.take(&record, style, &mut out);
        }
        stdout.finish(style, &mut out);
        stderr.finish(style, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn pieces_of_a_line_are_joined_within_their_stream() {
        let plain = Style::default();
        for (lines, want) in [
            (&["@ stdout F one", "@ stdout F ", "@ stderr F two"][..], "one\n\ntwo\n"),
            (&["@ stdout P on", "@ stderr F two", "@ stdout F e"], "two\none\n"),
            (&["@ stdout P a", "@ stdout P b", "@ stdout F c"], "abc\n"),
            (&["@ stdout P no end"], "no end"),
            (&["@ stdout F with  spaces "], "with  spaces \n"),
            (&["@ stdout F:x later tags"], "later tags\n"),
            (&["not a record", "@ stdout X y", ""], "not a record\n2026-01-02T03:04:05.000000006Z stdout X y\n\n"),
        ] {
            assert_eq!(shown(lines, &plain), want, "{lines:?}");
        }
    }

    #[test]
    fn prefix_and_time_stand_once_before_a_joined_line() {
        let style = Style { prefix: "[app] ".into(), timestamps: true, close_lines: true };
        assert_eq!(shown(&["@ stdout P a", "@ stdout F b", "@ stdout P c"], &style), format!("[app] {AT} ab\n[app] {AT} c\n"));
    }

    #[test]
    fn a_line_without_end_is_not_held_for_ever() {
        let (mut joiner, mut out) = (Joiner::default(), Vec::new());
        let style = Style { prefix: "> ".into(), ..Style::default() };
        let piece = format!("{AT} stdout P {}", "x".repeat(16 << 10));
        for _ in 0..100 {
            joiner.take(&Record::parse(piece.as_bytes()), &style, &mut out);
            assert!(joiner.held.len() <= HELD + (16 << 10));
        }
        joiner.finish(&style, &mut out);
        assert_eq!(out.len(), 2 + 100 * (16 << 10));
    }
}
