//! A point of wall-clock time, for people to read; policy counts in monotonic time.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Nanoseconds since 1970-01-01T00:00:00Z (good until the year 2262). Stored as that number, printed as RFC 3339 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub i64);

const SECOND: i64 = 1_000_000_000;

impl Stamp {
    pub const fn from_seconds(seconds: i64) -> Stamp {
        Stamp(seconds.saturating_mul(SECOND))
    }

    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// Later by that many nanoseconds.
    pub const fn after(self, nanos: u64) -> Stamp {
        Stamp(self.0.saturating_add(if nanos > i64::MAX as u64 { i64::MAX } else { nanos as i64 }))
    }

    /// Whole seconds from `earlier` to here; 0 if the clock was set back between them.
    pub const fn seconds_since(self, earlier: Stamp) -> u64 {
        let nanos = self.0.saturating_sub(earlier.0);
        if nanos < 0 { 0 } else { (nanos / SECOND) as u64 }
    }

    /// For the v1 types and for sub-second stamps.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// `2026-01-31T08:15:30Z`: metav1.Time has whole seconds.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = jiff::Timestamp::from_second(self.seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{whole}")
    }
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn a_stamp_prints_whole_seconds_in_utc() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_999_999_999, "1970-01-01T00:00:01Z"),
            (1_769_847_330_000_000_000, "2026-01-31T08:15:30Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(Stamp(nanos).to_string(), text, "{nanos}");
        }
    }

    #[test]
    fn an_age_is_never_negative() {
        assert_eq!(Stamp::from_seconds(10).seconds_since(Stamp::from_seconds(4)), 6);
        assert_eq!(Stamp::from_seconds(4).seconds_since(Stamp::from_seconds(10)), 0);
    }
}
