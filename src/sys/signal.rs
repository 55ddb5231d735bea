//! Signal names.

use std::str::FromStr;

/// A signal by name, with or without SIG, in any case, or by number: `SIGTERM`, `term`, `15`, `RTMIN+3`. signal(7).
pub fn number(text: &str) -> Option<i32> {
    if let Ok(n) = text.parse::<i32>() {
        return (1..=64).contains(&n).then_some(n);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    // glibc keeps the first two real-time signals for itself: RTMIN is 34, RTMAX 64.
    let offset = |rest: &str, sign: &str| rest.strip_prefix(sign).and_then(|n| n.parse::<i32>().ok());
    let real_time = match name {
        "RTMIN" => Some(34),
        "RTMAX" => Some(64),
        _ => name
            .strip_prefix("RTMIN")
            .and_then(|r| offset(r, "+").map(|n| 34 + n))
            .or_else(|| name.strip_prefix("RTMAX").and_then(|r| offset(r, "-").map(|n| 64 - n))),
    };
    real_time
        .filter(|n| (34..=64).contains(n))
        .or_else(|| nix::sys::signal::Signal::from_str(&format!("SIG{name}")).ok().map(|s| s as i32))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn names_and_numbers() {
        for (text, want) in [
            ("SIGTERM", Some(15)),
            ("term", Some(15)),
            ("9", Some(9)),
            ("RTMIN+3", Some(37)),
            ("SIGRTMAX-1", Some(63)),
            ("RTMAX-40", None),
            ("0", None),
            ("65", None),
            ("-1", None),
            ("SIGNOPE", None),
            ("", None),
        ] {
            assert_eq!(number(text), want, "{text}");
        }
    }
}
