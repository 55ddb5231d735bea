//! RFC 4648 base64, as Secrets and binaryData are written: the standard alphabet, with padding; line breaks are skipped, as Go's
//! decoder does.

/// None for a text that is not base64.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held, mut padding) = (0u32, 0u32, 0usize);
    let mut digits = 0usize;
    for c in text.bytes().filter(|c| !matches!(c, b'\r' | b'\n')) {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        digits += 1;
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // A full last group, or one whose missing digits are '='.
    let whole = (digits + padding).is_multiple_of(4) && padding <= 2 && digits % 4 != 1;
    whole.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_go_reads_it() {
        for (text, want) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9v\nYmFy\n", Some("foobar")),
            ("Zm9vYg==", Some("foob")),
            ("Zg", None),
            ("Zg=", None),
            ("Zg===", None),
            ("Zg==Zg==", None),
            ("Zm9v YmFy", None),
            ("Z", None),
            ("====", None),
            ("Zm-_", None),
        ] {
            assert_eq!(decode(text), want.map(|w| w.as_bytes().to_vec()), "{text:?}");
        }
    }
}
