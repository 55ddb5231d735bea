//! Netlink's bytes: messages of a header, a family's own header and attributes, which may nest. netlink(7), rtnetlink(7).
//!
//! A page of code in place of a crate: what routes and nftables have in common is this encoding, and the crates for the one know
//! nothing of the other.

const HEADER: usize = 16;
const NESTED: u16 = 0x8000;
const KIND: u16 = 0x3fff;

/// A request that is being written.
#[derive(Debug, Clone)]
pub struct Message(Vec<u8>);

impl Message {
    /// `own`: the family's header, such as ifinfomsg.
    pub fn new(kind: u16, flags: u16, own: &[u8]) -> Message {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(own);
        Message(bytes).aligned()
    }

    fn aligned(mut self) -> Message {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// An attribute.
    pub fn put(mut self, kind: u16, data: &[u8]) -> Message {
        self.0.extend_from_slice(&(4 + data.len() as u16).to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(data);
        self.aligned()
    }

    pub fn text(self, kind: u16, text: &str) -> Message {
        let bytes: Vec<u8> = text.bytes().chain([0]).collect();
        self.put(kind, &bytes)
    }

    pub fn u32(self, kind: u16, value: u32) -> Message {
        self.put(kind, &value.to_ne_bytes())
    }

    /// Big-endian, as nftables has its numbers.
    pub fn be32(self, kind: u16, value: u32) -> Message {
        self.put(kind, &value.to_be_bytes())
    }

    /// An attribute of what `inner` writes.
    pub fn nest(mut self, kind: u16, inner: impl FnOnce(Message) -> Message) -> Message {
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        let mut whole = inner(self);
        let length = (whole.0.len() - at) as u16;
        whole.0[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        whole.0[at + 2..at + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
        whole
    }

    /// A family's header inside an attribute, as a veth's peer has it.
    pub fn raw(mut self, bytes: &[u8]) -> Message {
        self.0.extend_from_slice(bytes);
        self.aligned()
    }

    pub fn flags(&self) -> u16 {
        u16::from_ne_bytes([self.0[6], self.0[7]])
    }

    /// With more of the header's flags.
    pub fn with(mut self, flags: u16) -> Message {
        let all = self.flags() | flags;
        self.0[6..8].copy_from_slice(&all.to_ne_bytes());
        self
    }

    /// The bytes with their length and number.
    pub fn numbered(&mut self, seq: u32) -> &[u8] {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&seq.to_ne_bytes());
        &self.0
    }
}

/// A message that came.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'b> {
    pub kind: u16,
    pub flags: u16,
    pub seq: u32,
    /// All after the header.
    pub body: &'b [u8],
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The messages of a datagram; what is cut short ends it.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let body = bytes.get(HEADER..length)?;
        let reply = Reply { kind: u16_at(bytes, 4)?, flags: u16_at(bytes, 6)?, seq: u32_at(bytes, 8)?, body };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(reply)
    })
}

/// (kind, data) of a list of attributes.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u16_at(bytes, 0)? as usize;
        let data = bytes.get(4..length)?;
        let kind = u16_at(bytes, 2)? & KIND;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, data))
    })
}

/// One attribute of a list.
pub fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(k, _)| *k == kind).map(|(_, data)| data)
}

/// An attribute's text, without its NUL.
pub fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut message = Message::new(16, 5, &[1, 2, 3, 4]).text(3, "eth0").nest(18, |m| m.u32(1, 7).put(2, &[9]));
        let bytes = message.numbered(42).to_vec();
        let twice = [bytes.clone(), bytes].concat();
        let all: Vec<_> = messages(&twice).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[1].kind, all[1].flags, all[1].seq), (16, 5, 42));
        let list = &all[1].body[4..];
        assert_eq!(attribute(list, 3).map(text).as_deref(), Some("eth0"));
        let inner: Vec<_> = attributes(attribute(list, 18).unwrap()).collect();
        assert_eq!(inner, [(1, &7u32.to_ne_bytes()[..]), (2, &[9][..])]);
    }

    #[test]
    fn what_is_cut_short_ends_and_does_not_crash() {
        let mut message = Message::new(16, 0, &[0; 16]).text(3, "eth0").nest(18, |m| m.text(1, "veth"));
        let bytes = message.numbered(1).to_vec();
        for cut in 0..bytes.len() {
            assert_eq!(messages(&bytes[..cut]).count(), 0, "{cut}");
            let _ = attributes(&bytes[16.min(cut)..cut]).map(|(_, data)| attributes(data).count()).sum::<usize>();
        }
        assert_eq!(attributes(&[0, 0, 0, 0, 0, 0, 0, 0]).count(), 0, "a length of nothing is no endless list");
    }
}
