//! What a pod gets at its creation and nobody writes: uid, time, the end of a generated name.

use std::fs::File;
use std::io::{self, Read};

/// Where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fresh {
    /// The kernel's random numbers and the clock.
    #[default]
    Random,
    /// Zeros, for `plan`: the same input gives the same output.
    Fixed,
}

/// Letters and digits that make no words (apimachinery/pkg/util/rand).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 5;
/// A generated name is a hostname as well: 63 with its suffix.
const MAX_START: usize = 63 - SUFFIX;

impl Fresh {
    fn bytes<const N: usize>(self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        if self == Fresh::Random {
            File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// An RFC 4122 version 4 uid.
    ///
    /// # Errors
    /// /dev/urandom cannot be read.
    pub fn uid(self) -> io::Result<String> {
        let mut b = self.bytes::<16>()?;
        if self == Fresh::Random {
            b[6] = b[6] & 0x0f | 0x40;
            b[8] = b[8] & 0x3f | 0x80;
        }
        let mut text = String::with_capacity(36);
        for (i, byte) in b.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        Ok(text)
    }

    /// `start` and five letters.
    ///
    /// # Errors
    /// /dev/urandom cannot be read.
    pub fn name(self, start: &str) -> io::Result<String> {
        let mut name = start.get(..MAX_START).unwrap_or(start).to_owned();
        // 64 bits over 27^5 names: no name is noticeably likelier.
        let mut n = u64::from_le_bytes(self.bytes::<8>()?);
        for _ in 0..SUFFIX {
            name.push(ALPHABET[(n % 27) as usize].into());
            n /= 27;
        }
        Ok(name)
    }

    pub fn now(self) -> jiff::Timestamp {
        match self {
            Fresh::Random => jiff::Timestamp::now(),
            Fresh::Fixed => jiff::Timestamp::UNIX_EPOCH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_of_version_4_and_new_each_time() {
        let uid = |f: Fresh| f.uid().unwrap_or_else(|e| panic!("{e}"));
        let (a, b) = (uid(Fresh::Random), uid(Fresh::Random));
        assert_ne!(a, b);
        assert_eq!((a.len(), &a[14..15]), (36, "4"));
        assert!(matches!(&a[19..20], "8" | "9" | "a" | "b"));
        assert_eq!(uid(Fresh::Fixed), "00000000-0000-0000-0000-000000000000");
    }

    #[test]
    fn a_generated_name_ends_in_five_letters_and_fits_a_hostname() {
        for (start, length) in [("web-", 9), (&*"a".repeat(100), 63)] {
            let name = Fresh::Random.name(start).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(name.len(), length);
            assert!(crate::manifest::names::subdomain(&name).is_ok(), "{name}");
        }
    }
}
