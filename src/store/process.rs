//! Who a process is, so that a number taken by a stranger is not mistaken for it: pid, start time, boot.

use serde::{Deserialize, Serialize};
use std::io::Read;
use std::sync::OnceLock;

/// A process of this boot: a pid alone may have been taken by another since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// Clock ticks after boot: field 22 of /proc/PID/stat.
    pub start: u64,
}

impl Process {
    /// The process that has `pid` now; None where there is none, or procfs does not show it.
    pub fn of(pid: i32) -> Option<Process> {
        stat(pid).map(|(_, start)| Process { pid, start })
    }

    pub fn current() -> Process {
        let pid = std::process::id() as i32;
        Process { pid, start: stat(pid).map_or(0, |(_, start)| start) }
    }

    /// Still there, and no zombie.
    pub fn lives(&self) -> bool {
        stat(self.pid).is_some_and(|(state, start)| start == self.start && !matches!(state, b'Z' | b'X'))
    }
}

impl Process {
    /// In the order in which they came to it; of its first thread, which is the only one of podrt's.
    pub fn children(&self) -> Vec<i32> {
        let pid = self.pid;
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        list.split_whitespace().filter_map(|p| p.parse().ok()).collect()
    }

    /// Of a zombie, which nobody has reaped yet: its wait status. None where it is none, or where the kernel would not tell this
    /// process (it says 0 then): the last field of /proc/PID/stat is only for those who may trace, such as CAP_SYS_PTRACE.
    pub fn status(&self) -> Option<i32> {
        let stat = std::fs::read(format!("/proc/{}/stat", self.pid)).ok()?;
        let (state, start) = parse(&stat)?;
        if state != b'Z' || start != self.start || !may_trace() {
            return None;
        }
        std::str::from_utf8(&stat).ok()?.trim_end().rsplit(' ').next()?.parse().ok()
    }
}

fn may_trace() -> bool {
    const CAP_SYS_PTRACE: u64 = 1 << 19;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|l| l.strip_prefix("CapEff:")).map(str::trim);
    effective.and_then(|hex| u64::from_str_radix(hex, 16).ok()).is_some_and(|caps| caps & CAP_SYS_PTRACE != 0)
}

/// State letter and start time.
fn stat(pid: i32) -> Option<(u8, u64)> {
    // One read into a buffer that is large enough for 52 numbers and a name of 16 bytes: whole, as procfs gives it.
    let mut text = [0u8; 1536];
    let n = std::fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut text).ok()?;
    parse(&text[..n])
}

/// proc(5): the second field, the name, is in parentheses and may itself hold them.
fn parse(stat: &[u8]) -> Option<(u8, u64)> {
    let end = stat.iter().rposition(|b| *b == b')')?;
    let mut fields = std::str::from_utf8(stat.get(end + 2..)?).ok()?.split(' ');
    let state = fields.next()?.bytes().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// This boot's id; empty where procfs does not tell. Read once: no process outlives its boot.
pub fn boot_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let mut text = [0u8; 64];
        let read = std::fs::File::open("/proc/sys/kernel/random/boot_id").and_then(|mut f| f.read(&mut text));
        String::from_utf8_lossy(&text[..read.unwrap_or(0)]).trim().to_string()
    })
}

/// The inode of a namespace: `kind` as in /proc/PID/ns.
pub fn namespace(pid: i32, kind: &str) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/{pid}/ns/{kind}")).ok().map(|m| m.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = b"12 (a) b (c) S 1 12 12 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 777 1000 1";
        assert_eq!(parse(line), Some((b'S', 777)));
        assert_eq!(parse(b"12 (x"), None);
    }

    #[test]
    fn this_process_lives_and_one_that_started_at_another_time_does_not() {
        let me = Process::current();
        assert!(me.lives());
        assert!(!Process { start: me.start + 1, ..me }.lives());
    }
}
