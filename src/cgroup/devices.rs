//! Device rules: linux.resources.devices as an eBPF program on the cgroup.
//!
//! cgroup v2 has no device controller; a BPF_PROG_TYPE_CGROUP_DEVICE program is asked at every open and mknod of a device.
//! The rules are in order and a later one wins, for each kind of access on its own: opening for reading and writing is
//! allowed if both are. What no rule matches is denied. Unlike runc, which refuses rules that punch a hole into an earlier
//! wildcard rule (cgroup v1 could not hold them), such a hole works.

use super::error::{Error, Result};
use super::group::Cgroup;
use crate::sys::Errno;
use crate::sys::bpf::{self, Insn};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType, LinuxResources};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

// enum of uapi/linux/bpf.h, BPF_DEVCG_*.
const BLOCK: i32 = 1;
const CHAR: i32 = 2;
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;
const ALL: i32 = MKNOD | READ | WRITE;

/// What every container may use, whatever its rules say, as runc appends them: making nodes (using one is another matter),
/// null, zero, full, random, urandom, tty, the multiplexer of its own devpts, and its terminals.
pub fn default_rules() -> Vec<LinuxDeviceCgroup> {
    let rule = |kind, major: Option<i64>, minor: Option<i64>, access: &str| {
        let mut rule = LinuxDeviceCgroup::default();
        rule.set_allow(true).set_typ(Some(kind)).set_major(major).set_minor(minor).set_access(Some(access.into()));
        rule
    };
    use LinuxDeviceType::{B, C};
    let mut rules = vec![rule(C, None, None, "m"), rule(B, None, None, "m")];
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)] {
        rules.push(rule(C, Some(major), Some(minor), "rwm"));
    }
    rules.push(rule(C, Some(136), None, "rwm"));
    rules
}

/// The rules in force for a container: those of config.json, then the default ones.
pub fn rules_for(resources: Option<&LinuxResources>) -> Vec<LinuxDeviceCgroup> {
    let mut rules = resources.and_then(|r| r.devices().clone()).unwrap_or_default();
    rules.extend(default_rules());
    rules
}

/// A rule that has been read: `None` is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    allow: bool,
    kind: Option<i32>,
    major: Option<i32>,
    minor: Option<i32>,
    access: i32,
}

impl Rule {
    /// Matches every access to every device: what comes before it in the list says nothing.
    fn is_total(&self) -> bool {
        self.kind.is_none() && self.major.is_none() && self.minor.is_none() && self.access == ALL
    }

    /// Type and major in one number, which is compared at once; without both of them there is none.
    fn key(&self) -> Option<i32> {
        // Linux' majors have 12 bits; one that does not fit beside the type is compared on its own.
        let major = self.major.filter(|m| *m < 1 << 28)?;
        Some(major << 2 | self.kind?)
    }

    /// The minor as a bit, where rules of one key may be tested together: a permission of everything.
    fn bit(&self) -> Option<u32> {
        self.key()?;
        let minor = self.minor.filter(|m| *m < 32 && self.allow && self.access == ALL)?;
        Some(1 << minor)
    }

    fn read(at: usize, rule: &LinuxDeviceCgroup) -> Result<Rule> {
        let wrong = |part: &str, problem: String| Error::field(format!("linux.resources.devices[{at}].{part}"), problem);
        let kind = match rule.typ().unwrap_or_default() {
            LinuxDeviceType::A => None,
            LinuxDeviceType::B => Some(BLOCK),
            // The kernel has one kind of character device; mknod(1) calls it c and u.
            LinuxDeviceType::C | LinuxDeviceType::U => Some(CHAR),
            LinuxDeviceType::P => return Err(wrong("type", "p (a FIFO) is no device: want a, b or c".into())),
        };
        let number = |part: &str, n: Option<i64>| match n {
            None | Some(-1) => Ok(None),
            Some(n) => i32::try_from(n)
                .ok()
                .filter(|&n| n >= 0)
                .map(Some)
                .ok_or_else(|| wrong(part, format!("{n}, want a device number"))),
        };
        let text = rule.access().as_deref().unwrap_or("");
        let mut access = 0;
        for c in text.chars() {
            access |= match c {
                'r' => READ,
                'w' => WRITE,
                'm' => MKNOD,
                _ => return Err(wrong("access", format!("`{}`, want letters of rwm", text.escape_debug()))),
            };
        }
        if text.is_empty() && (kind.is_none() || !rule.allow()) {
            // "Deny all" and "allow all" are often written without access; for one kind of device, only a denial takes that so.
            access = ALL;
        }
        Ok(Rule {
            allow: rule.allow(),
            kind,
            major: number("major", rule.major())?,
            minor: number("minor", rule.minor())?,
            access,
        })
    }
}

/// Rules to eBPF. An error names the rule as config.json has it.
///
/// It is loaded with every container of a command line, and the kernel's check follows its branches: a comparison less saves
/// more than it looks (the default rules: 107 us with one test a number, 37 us with minors as a mask; docs/performance.md).
///
/// The program keeps in r3 what is still undecided of the access asked for, and goes through the rules from the last to the
/// first: a denial of any of it answers no; a permission takes its part away, and when nothing is left the answer is yes.
pub fn compile(rules: &[LinuxDeviceCgroup]) -> Result<Vec<Insn>> {
    let rules: Vec<Rule> = rules.iter().enumerate().map(|(i, r)| Rule::read(i, r)).collect::<Result<_>>()?;
    // The verifier refuses code that cannot be reached: rules before a total one are left out.
    let first = rules.iter().rposition(Rule::is_total).unwrap_or(0);
    let base = rules.get(first).is_some_and(|r| r.is_total() && r.allow);
    let mut code = Vec::with_capacity(8 + rules.len() * 6);
    // A privileged container's list: allow all, then the default permissions, which add nothing.
    if rules.iter().skip(first).all(|r| r.allow == base || r.access == 0) {
        answer(&mut code, base);
        return Ok(code);
    }
    // struct bpf_cgroup_dev_ctx { u32 access << 16 | type, u32 major, u32 minor } is in r1; r6 is type and major in one.
    code.extend([load(2, 1, 0), mov(3, 2), alu(AND, 2, 0xffff), alu(RSH, 3, 16), load(4, 1, 4), load(5, 1, 8)]);
    code.extend(key());
    let mut closed = false;
    let mut rest = rules[first..].iter().rev().filter(|r| r.access != 0).peekable();
    while let Some(rule) = rest.next() {
        let start = code.len();
        match rule.key() {
            Some(key) => code.push(jump_key(key)),
            None => {
                for (register, value) in [(2, rule.kind), (4, rule.major)] {
                    code.extend(value.map(|v| jump(NE, register, v)));
                }
            }
        }
        let mut minors = 0;
        if let Some(bit) = rule.bit() {
            minors = bit;
            while let Some(next) = rest.next_if(|r| r.key() == rule.key() && r.bit().is_some()) {
                minors |= next.bit().unwrap_or(0);
            }
        }
        if minors.is_power_of_two() || minors == 0 {
            code.extend(rule.minor.map(|v| jump(NE, 5, v)));
        } else {
            code.extend([jump(GT, 5, 31), set(1, minors as i32), shift_right(1, 5), alu(AND, 1, 1), jump(EQ, 1, 0)]);
        }
        match (rule.allow, rule.access) {
            (_, ALL) => {}
            (false, access) => code.extend([mov(1, 3), alu(AND, 1, access), jump(EQ, 1, 0)]),
            (true, access) => code.extend([alu(AND, 3, !access), jump(NE, 3, 0)]),
        }
        answer(&mut code, rule.allow);
        let next = code.len();
        for (at, insn) in code.iter_mut().enumerate().skip(start) {
            if insn.code & 7 == JMP32 || insn.code == NE_KEY {
                insn.off = (next - at - 1) as i16;
            }
        }
        closed = rule.is_total();
    }
    if !closed {
        answer(&mut code, false);
    }
    Ok(code)
}

/// The program says yes to everything: attaching it would change nothing.
pub fn allows_all(program: &[Insn]) -> bool {
    program.len() == 2 && program[0].imm == 1
}

// The few instructions that are needed; ALU and jumps compare 32 bits, so that large numbers are not sign-extended.
const AND: u8 = 0x50;
const RSH: u8 = 0x70;
const EQ: u8 = 0x10;
const NE: u8 = 0x50;
const GT: u8 = 0x20;
/// The one comparison of 64 bits: BPF_JMP | BPF_JNE | BPF_K.
const NE_KEY: u8 = 0x55;
/// Class BPF_JMP32.
const JMP32: u8 = 6;

fn load(to: u8, from: u8, off: i16) -> Insn {
    Insn { code: 0x61, regs: to | from << 4, off, imm: 0 }
}

fn mov(to: u8, from: u8) -> Insn {
    Insn { code: 0xbc, regs: to | from << 4, off: 0, imm: 0 }
}

/// r6 = major << 2 | type, in 64 bits, so that no bit of the major is lost.
fn key() -> [Insn; 3] {
    let insn = |code, from: u8, imm| Insn { code, regs: 6 | from << 4, off: 0, imm };
    [insn(0xbf, 4, 0), insn(0x67, 0, 2), insn(0x4f, 2, 0)]
}

fn jump_key(key: i32) -> Insn {
    Insn { code: NE_KEY, regs: 6, off: 0, imm: key }
}

fn set(to: u8, imm: i32) -> Insn {
    Insn { code: 0xb4, regs: to, off: 0, imm }
}

fn shift_right(register: u8, by: u8) -> Insn {
    Insn { code: 0x7c, regs: register | by << 4, off: 0, imm: 0 }
}

fn alu(op: u8, register: u8, imm: i32) -> Insn {
    Insn { code: op | 4, regs: register, off: 0, imm }
}

/// To the next rule; the distance is filled in when that is known.
fn jump(op: u8, register: u8, imm: i32) -> Insn {
    Insn { code: op | JMP32, regs: register, off: 0, imm }
}

fn answer(code: &mut Vec<Insn>, allow: bool) {
    // r0 = 0 or 1; exit.
    code.extend([set(0, allow.into()), Insn { code: 0x95, regs: 0, off: 0, imm: 0 }]);
}

/// Loaded programs by their code: a load costs half a millisecond, and most containers of a host have the same rules.
static LOADED: Mutex<Vec<(Vec<Insn>, Arc<OwnedFd>)>> = Mutex::new(Vec::new());
/// Rule sets that are kept; one more drops the oldest.
const KEEP: usize = 16;

/// The loaded program; once per process for the same code.
pub fn load_program(program: &[Insn]) -> Result<Arc<OwnedFd>> {
    // A panic elsewhere cannot leave the list half-changed.
    let mut loaded = LOADED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((_, fd)) = loaded.iter().find(|(code, _)| code == program) {
        return Ok(fd.clone());
    }
    let fd = bpf::load_device_program(program).map_err(|(errno, words)| failed("/", "load", errno, &words))?;
    let fd = Arc::new(fd);
    if loaded.len() >= KEEP {
        loaded.remove(0);
    }
    loaded.push((program.to_vec(), fd.clone()));
    Ok(fd)
}

/// Attaches the program to the cgroup, beside those of its ancestors: a device is usable if all say yes.
pub fn attach(program: BorrowedFd, cgroup: &Cgroup) -> Result<()> {
    bpf::attach_device_program(program, cgroup.dir()).map_err(|errno| failed(cgroup.path(), "attach", errno, ""))
}

/// Compiles, loads and attaches the rules in force; nothing is attached where they allow everything.
pub fn install(rules: &[LinuxDeviceCgroup], cgroup: &Cgroup) -> Result<()> {
    let program = compile(rules)?;
    if allows_all(&program) { Ok(()) } else { attach(load_program(&program)?.as_fd(), cgroup) }
}

fn failed(path: &str, verb: &str, errno: Errno, words: &str) -> Error {
    let hint = match errno {
        Errno::EPERM => "bpf(2) needs CAP_BPF and CAP_NET_ADMIN or CAP_SYS_ADMIN, and a seccomp filter that lets it through",
        Errno::ENOSYS => "this kernel is built without CONFIG_BPF_SYSCALL",
        Errno::EINVAL if words.is_empty() => "this kernel is built without CONFIG_CGROUP_BPF",
        Errno::E2BIG => "too many rules",
        _ => words,
    };
    let hint = if hint.is_empty() { String::new() } else { format!(" ({hint})") };
    Error::Call { path: path.into(), what: format!("{verb} the device rules{hint}"), errno }
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
