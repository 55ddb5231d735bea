//! Plain scalars as Kubernetes reads them: the YAML 1.1 words of sigs.k8s.io/yaml (`yes`, `on` and `n` are booleans), integers
//! in Go's spelling (`0644` and `0o644` are octal, `1_000` is a thousand), no base 60, no time stamps.

use super::node::{Number, Value};
use std::borrow::Cow;

/// The type an explicit tag asks for (`!!str`, `!!int` ...).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagged {
    Str,
    Bool,
    Int,
    Float,
    Null,
}

/// What an unquoted scalar with no tag is.
pub fn resolve(text: Cow<'_, str>) -> Value<'_> {
    let word = match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Num(Number::Float(f64::NAN), text),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Num(Number::Float(f64::INFINITY), text),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Num(Number::Float(f64::NEG_INFINITY), text),
        _ => None,
    };
    if let Some(word) = word {
        return Value::Bool(word, text);
    }
    match number(&text) {
        Some(n) => Value::Num(n, text),
        None => Value::Str(text),
    }
}

/// What a scalar with an explicit tag is; None where the text is no such thing.
pub fn resolve_tagged(text: Cow<'_, str>, tag: Tagged) -> Option<Value<'_>> {
    if tag == Tagged::Str {
        return Some(Value::Str(text));
    }
    let value = resolve(text);
    let fits = match (&value, tag) {
        (Value::Bool(..), Tagged::Bool) | (Value::Null, Tagged::Null) => true,
        (Value::Num(n, _), Tagged::Int) => matches!(n, Number::Int(_)),
        (Value::Num(..), Tagged::Float) => true,
        _ => false,
    };
    fits.then_some(value)
}

fn number(text: &str) -> Option<Number> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let plain: Cow<'_, str> =
        if text.contains('_') && first != b'.' { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    if first != b'.'
        && let Some(int) = integer(&plain)
    {
        return Some(int);
    }
    if is_decimal_float(&plain) { plain.parse().ok().map(Number::Float) } else { None }
}

/// An integer with Go's prefixes: 0x, 0o, 0b, and a leading zero for octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|c| (c as char).is_digit(radix)) {
        return None;
    }
    match i128::from_str_radix(digits, radix) {
        Ok(n) => {
            let n = if negative { -n } else { n };
            Some(i64::try_from(n).map_or(Number::Float(n as f64), Number::Int))
        }
        // More than 38 digits: an integer still, and out of every field's range.
        Err(_) => Some(Number::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY })),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(i) => (&unsigned[..i], Some(&unsigned[i + 1..])),
        None => (unsigned, None),
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa_fits && exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_read_as_kubernetes_reads_them() {
        let int = |n| Some(Number::Int(n));
        for (text, want) in [
            ("1", int(1)),
            ("-5", int(-5)),
            ("+5", int(5)),
            ("0644", int(420)),
            ("0o644", int(420)),
            ("0x10", int(16)),
            ("0b11", int(3)),
            ("1_000", int(1000)),
            ("0", int(0)),
            ("9223372036854775807", int(i64::MAX)),
            ("9223372036854775808", Some(Number::Float(9223372036854775808.0))),
            ("1.5", Some(Number::Float(1.5))),
            (".5", Some(Number::Float(0.5))),
            ("5.", Some(Number::Float(5.0))),
            ("1e3", Some(Number::Float(1000.0))),
            // Octal in form but no octal number: Go falls through to a float.
            ("089", Some(Number::Float(89.0))),
            ("1:30", None),
            ("12e", None),
            ("-", None),
            ("1.2.3", None),
            ("2001-01-01", None),
            ("0x", None),
        ] {
            match (resolve(Cow::Borrowed(text)), want) {
                (Value::Num(got, _), Some(want)) => assert_eq!(got, want, "{text}"),
                (Value::Str(_), None) => {}
                (got, want) => panic!("{text}: {got:?}, want {want:?}"),
            }
        }
    }

    #[test]
    fn the_words_of_yaml_1_1_are_booleans_and_null() {
        for text in ["yes", "Yes", "on", "ON", "y", "Y", "true"] {
            assert_eq!(resolve(Cow::Borrowed(text)), Value::Bool(true, text.into()), "{text}");
        }
        for text in ["no", "off", "n", "N", "False"] {
            assert_eq!(resolve(Cow::Borrowed(text)), Value::Bool(false, text.into()), "{text}");
        }
        for text in ["", "~", "null", "Null"] {
            assert_eq!(resolve(Cow::Borrowed(text)), Value::Null, "{text}");
        }
        for text in ["nUll", "yEs", "none", "oN"] {
            assert!(matches!(resolve(Cow::Borrowed(text)), Value::Str(_)), "{text}");
        }
    }

    #[test]
    fn a_tag_makes_text_of_a_number_and_refuses_what_does_not_fit() {
        assert_eq!(resolve_tagged(Cow::Borrowed("1"), Tagged::Str), Some(Value::Str(Cow::Borrowed("1"))));
        assert_eq!(resolve_tagged(Cow::Borrowed("x"), Tagged::Int), None);
        assert_eq!(resolve_tagged(Cow::Borrowed("yes"), Tagged::Bool), Some(Value::Bool(true, "yes".into())));
    }
}
