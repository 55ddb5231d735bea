//! Kubernetes' resource.Quantity, exactly: decimal and binary suffixes, exponents, nothing below a billionth.
//!
//! Source: apimachinery/pkg/api/resource, Quantity. One rule is stricter: what exceeds 2^63-1 is an error, not that number.

use std::fmt;

/// A number in billionths. Kubernetes keeps no finer ones: what is finer is rounded away from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Quantity(i128);

const NANO: i128 = 1_000_000_000;

/// Why a text is no quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Not of the form number and suffix.
    Form,
    /// Above 2^63-1 or below its negative.
    Range,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bad::Form => "not a quantity",
            Bad::Range => "too large a quantity",
        })
    }
}

enum Suffix {
    /// A power of ten.
    Ten(i32),
    /// A power of 1024.
    Binary(u32),
}

fn suffix(text: &str) -> Option<Suffix> {
    Some(match text {
        "" => Suffix::Ten(0),
        "n" => Suffix::Ten(-9),
        "u" => Suffix::Ten(-6),
        "m" => Suffix::Ten(-3),
        "k" => Suffix::Ten(3),
        "M" => Suffix::Ten(6),
        "G" => Suffix::Ten(9),
        "T" => Suffix::Ten(12),
        "P" => Suffix::Ten(15),
        "E" => Suffix::Ten(18),
        "Ki" => Suffix::Binary(1),
        "Mi" => Suffix::Binary(2),
        "Gi" => Suffix::Binary(3),
        "Ti" => Suffix::Binary(4),
        "Pi" => Suffix::Binary(5),
        "Ei" => Suffix::Binary(6),
        _ => {
            let exponent = text.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
                return None;
            }
            // Beyond four digits only zero is not out of range, and nobody writes that zero.
            Suffix::Ten(exponent.strip_prefix('+').unwrap_or(exponent).parse().ok().filter(|e: &i32| e.abs() < 10_000)?)
        }
    })
}

impl Quantity {
    /// # Errors
    /// [`Bad`]: the form, or the range.
    pub fn parse(text: &str) -> Result<Quantity, Bad> {
        if text.len() > 256 {
            return Err(Bad::Form);
        }
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, rest) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(Bad::Form);
        }
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|c| c - b'0').collect();
        let point = i32::try_from(whole.len()).map_err(|_| Bad::Form)?;
        let nano = match suffix(rest).ok_or(Bad::Form)? {
            Suffix::Ten(power) => scaled(&digits, point + power, 1)?,
            Suffix::Binary(power) => scaled(&digits, point, 1024_i128.pow(power))?,
        };
        Ok(Quantity(if negative { -nano } else { nano }))
    }

    /// In whole units, rounded up: cores, bytes.
    pub fn value(self) -> i64 {
        self.ceil(NANO)
    }

    /// Thousandths, rounded up: millicores.
    pub fn milli(self) -> i64 {
        self.ceil(NANO / 1000)
    }

    fn ceil(self, unit: i128) -> i64 {
        let up = if self.0 > 0 { (self.0 + unit - 1) / unit } else { self.0 / unit };
        i64::try_from(up).unwrap_or(if up > 0 { i64::MAX } else { i64::MIN })
    }

    pub fn whole(n: i64) -> Quantity {
        Quantity(i128::from(n) * NANO)
    }

    /// How many times `unit` fits, rounded up; `unit` is above 0.
    pub fn divided(self, unit: Quantity) -> i64 {
        self.ceil(unit.0.max(1))
    }

    pub fn is_whole(self) -> bool {
        self.0 % NANO == 0
    }

    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or the largest quantity.
    pub fn plus(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_add(other.0))
    }
}

/// In whole units, thousandths or billionths: a text that Kubernetes reads as the same quantity.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MILLI: i128 = NANO / 1000;
        match self.0 {
            n if n % NANO == 0 => write!(f, "{}", n / NANO),
            n if n % MILLI == 0 => write!(f, "{}m", n / MILLI),
            n => write!(f, "{n}n"),
        }
    }
}

/// The number with its decimal point after `point` digits, times `times`, in billionths, rounded up.
fn scaled(digits: &[u8], point: i32, times: i128) -> Result<i128, Bad> {
    const LIMIT: i128 = i64::MAX as i128;
    // 18 digits of a fraction are kept exactly; all behind them only round up.
    const KEPT: usize = 18;
    if digits.iter().all(|d| *d == 0) {
        return Ok(0);
    }
    let digit = |at: i32| usize::try_from(at).ok().and_then(|i| digits.get(i)).map_or(0, |d| i128::from(*d));
    let mut whole: i128 = 0;
    for at in 0..point {
        whole = whole * 10 + digit(at);
        if whole > LIMIT {
            return Err(Bad::Range);
        }
    }
    let mut fraction: i128 = 0;
    for k in 0..KEPT {
        fraction = fraction * 10 + digit(point + k as i32);
    }
    let behind = usize::try_from(point + KEPT as i32).unwrap_or(0);
    let rest = digits.get(behind..).unwrap_or(&[]).iter().any(|d| *d != 0);
    // fraction < 10^18 and times <= 2^60, so the product stays below 2^127.
    let unit = 10_i128.pow(KEPT as u32);
    let product = fraction * times + i128::from(rest);
    let mut total = whole * times + product / unit;
    if total > LIMIT {
        return Err(Bad::Range);
    }
    total *= NANO;
    let below = product % unit * NANO;
    total += below / unit + i128::from(below % unit != 0);
    if total > LIMIT * NANO { Err(Bad::Range) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Quantity {
        Quantity::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn equal_spellings_are_equal() {
        for (a, b) in [
            ("100m", "0.1"),
            ("100m", "1e-1"),
            ("100m", "1E-1"),
            ("1k", "1000"),
            ("1e3", "1k"),
            ("1E", "1e18"),
            ("1.5Gi", "1610612736"),
            (".5", "500m"),
            ("5.", "5"),
            ("+1", "1"),
            ("0.5Ki", "512"),
            ("1n", "0.000000001"),
            ("0", "-0"),
            ("007", "7"),
            ("0.0000000001Gi", "107374183n"),
            ("1000e-3", "1"),
        ] {
            assert_eq!(parse(a), parse(b), "{a} and {b}");
        }
    }

    #[test]
    fn values_round_up() {
        for (text, milli, value) in [
            ("0.0001", 1, 1),
            ("100u", 1, 1),
            ("1", 1000, 1),
            ("1.5", 1500, 2),
            ("1500m", 1500, 2),
            ("64Mi", 67_108_864_000, 64 << 20),
            ("-1.5", -1500, -1),
            ("9223372036854775807", i64::MAX, i64::MAX),
            ("0.0000000000000000001", 1, 1),
        ] {
            assert_eq!(parse(text).milli(), milli, "{text}");
            assert_eq!(parse(text).value(), value, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", "-", ".", "1.5gi", "1 Gi", " 1", "1KiB", "0x10", "NaN", "1K", "1g", "1e", "1e+", "1.2.3", "Mi", "--1", "1m2",
            "1Mi ", "inf",
        ] {
            assert_eq!(Quantity::parse(text), Err(Bad::Form), "{text}");
        }
        for text in ["9223372036854775808", "1E30", "8Ei", "1e100", "99999999999999999999999999999999999999999"] {
            assert_eq!(Quantity::parse(text), Err(Bad::Range), "{text}");
        }
        assert!(Quantity::parse(&"1".repeat(1000)).is_err());
        assert!(Quantity::parse("1e-9999").is_ok_and(|q| q.value() == 1));
        assert!(Quantity::parse("0e9999").is_ok_and(Quantity::is_zero));
    }

    #[test]
    fn memory_of_100m_is_no_whole_number() {
        assert!(!parse("100m").is_whole());
        assert!(parse("1e3").is_whole());
    }
}
