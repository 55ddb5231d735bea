//! Values as a person writes and reads them.

use std::time::Duration;

/// `30s`, `5m`, `1h30m`, `500ms`, or seconds alone, as Go's durations are written.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "want a time like 30s, 5m or 1h30m".to_string();
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u32 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let one = match &rest[..unit] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return Err(wrong()),
        };
        total = one.checked_mul(number).and_then(|d| total.checked_add(d)).ok_or_else(wrong)?;
        rest = &rest[unit..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_in_kubectl() {
        for (text, seconds) in
            [("30s", 30.0), ("5m", 300.0), ("1h30m", 5400.0), ("500ms", 0.5), ("7", 7.0), ("0", 0.0), ("1m5s", 65.0)]
        {
            assert_eq!(duration(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["", "s", "5", "-5s", "5x", "5 s", "1.5h", "99999999999s", "s5"] {
            assert_eq!(duration(text).is_ok(), text == "5", "{text}");
        }
    }
}
