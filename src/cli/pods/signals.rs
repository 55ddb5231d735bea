//! The signals that end a foreground command, as readable events.

use crate::sys::event::Signals;
use crate::sys::{Result, raw};

const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Blocks SIGINT, SIGTERM and SIGHUP and reads them from an fd; those that the caller ignores (nohup, a shell's `&`) stay
/// ignored.
pub fn ending() -> Result<Signals> {
    let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    let mask = (bit(libc::SIGINT) | bit(libc::SIGTERM) | bit(libc::SIGHUP)) & !ignored;
    let _ = raw::sigmask(mask);
    Signals::new(mask)
}

/// proc(5), SigIgn: bit n-1 is signal n.
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_seen() {
        assert_eq!(
            ignored("Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n"),
            bit(libc::SIGHUP) | bit(libc::SIGPIPE)
        );
        assert_eq!(ignored(""), 0);
    }
}
