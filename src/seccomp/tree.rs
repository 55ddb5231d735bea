//! podrt's own compiler: for each interface a balanced tree of comparisons over ranges of syscall numbers.
//!
//! The kernel walks the program once for every syscall number when it is loaded, to learn which are always allowed, and at every
//! call of the others: both cost what a path costs. A tree over some 130 ranges has paths of a dozen instructions, a list of 400
//! comparisons has paths of hundreds.
//!
//! It takes profiles for the x86 interfaces in which no order among rules matters: for every syscall one action, with or without
//! conditions, or several whose conditions exclude one another. The first rule without conditions wins over all others, as in the
//! library. Anything else is the library's to compile.

use super::bpf::{ARCH, Asm, JEQ, JGE, JGT, NR, To, arg_high, arg_low};
use super::profile::{Condition, RET_KILL_THREAD, RET_NOSYS, Rules};
use super::table::{Abi, Syscall, X32_BIT};
use oci_spec::runtime::{Arch, LinuxSeccompOperator as Op};

pub const AUDIT_X86_64: u32 = 0xc000_003e;
pub const AUDIT_I386: u32 = 0x4000_0003;

/// What becomes of a range of syscall numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Always(u32),
    /// The first rule whose conditions all hold, else the default.
    Rules(Vec<Rule>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    conditions: Vec<Condition>,
    action: u32,
    /// The arguments have 64 bits.
    wide: bool,
}

/// The numbers from `start` to the next range's.
struct Range {
    start: u32,
    decision: Decision,
}

/// Compiles `rules`; None: they are not of the simple kind.
pub fn compile(rules: &Rules) -> Option<Vec<u8>> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let (mut i386, mut x32) = (false, false);
    for arch in rules.arches {
        match arch {
            Arch::ScmpArchNative | Arch::ScmpArchX86_64 => {}
            Arch::ScmpArchX86 => i386 = true,
            Arch::ScmpArchX32 => x32 = true,
            _ => return None,
        }
    }
    let mut x86_64 = ranges(rules, Abi::X86_64)?;
    if x32 {
        x86_64.extend(ranges(rules, Abi::X32)?.into_iter().map(|range| Range { start: range.start | X32_BIT, ..range }));
    } else {
        x86_64.push(Range { start: X32_BIT, decision: Decision::Always(RET_KILL_THREAD) });
        // A tracer that cancels a call leaves -1, which is no x32 call.
        x86_64.push(Range { start: u32::MAX, decision: Decision::Always(rules.default) });
    }
    let i386 = if i386 { Some(ranges(rules, Abi::I386)?) } else { None };

    let mut asm = Asm::default();
    // The calls of interfaces that are not asked for are killed, which is the library's answer to them.
    let mut other = To::Ret(RET_KILL_THREAD);
    if let Some(i386) = i386 {
        let i386 = tree(&mut asm, &i386, rules.default);
        let i386 = asm.load(NR, u32::MAX, i386);
        other = asm.branch(JEQ, AUDIT_I386, i386, other);
    }
    let native = tree(&mut asm, &x86_64, rules.default);
    let native = asm.load(NR, u32::MAX, native);
    let first = asm.branch(JEQ, AUDIT_X86_64, native, other);
    asm.load(ARCH, u32::MAX, first);
    Some(asm.finish())
}

/// One mention of a syscall, packed to be sorted quickly: its number, then the entry, then which call of an i386 multiplexer
/// (0: none).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mention(u64);

impl Mention {
    fn new(nr: u32, entry: usize, call: u8) -> Mention {
        Mention(u64::from(nr) << 32 | (entry as u64 & 0xff_ffff) << 8 | u64::from(call))
    }

    fn nr(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn entry(self) -> usize {
        (self.0 >> 8) as usize & 0xff_ffff
    }

    fn call(self) -> Option<u64> {
        Some(self.0 & 0xff).filter(|call| *call != 0)
    }
}

/// The decisions over all numbers of one interface. x32's first range begins at 0, its others at x32's numbers.
fn ranges(rules: &Rules, abi: Abi) -> Option<Vec<Range>> {
    let mut named: Vec<Mention> = Vec::with_capacity(512);
    for (at, entry) in rules.entries.iter().enumerate() {
        for row in &entry.syscalls {
            named.extend(row.number(abi).map(|nr| Mention::new(nr, at, 0)));
            if abi == Abi::I386 {
                named.extend(multiplexed(row).map(|(nr, call)| Mention::new(nr, at, call)));
            }
        }
    }
    named.sort_unstable();
    let otherwise = || Decision::Always(rules.default);
    let mut ranges = Vec::with_capacity(256);
    ranges.push(Range { start: 0, decision: otherwise() });
    for group in named.chunk_by(|a, b| a.nr() == b.nr()) {
        let nr = group[0].nr();
        push(&mut ranges, nr, decide(rules, abi, group)?);
        push(&mut ranges, nr + 1, otherwise());
    }
    if let Some(last) = named.last().filter(|_| rules.newer_is_nosys()) {
        push(&mut ranges, last.nr() + 1, Decision::Always(RET_NOSYS));
        if abi != Abi::X86_64 {
            push(&mut ranges, u32::MAX, otherwise());
        }
    }
    Some(ranges)
}

/// From `start` on it is `decision`: replaces what was said of the same start, and joins neighbours that agree.
fn push(ranges: &mut Vec<Range>, start: u32, decision: Decision) {
    if ranges.last().is_some_and(|range| range.start == start) {
        ranges.pop();
    }
    if ranges.last().is_none_or(|range| range.decision != decision) {
        ranges.push(Range { start, decision });
    }
}

/// What the rules that name one number say together; None: it depends on their order.
fn decide(rules: &Rules, abi: Abi, named: &[Mention]) -> Option<Decision> {
    // Nearly all: named once, without conditions, by a call of its own.
    if let [one] = named
        && one.call().is_none()
        && let [conditions] = rules.entries[one.entry()].any.as_slice()
        && conditions.is_empty()
    {
        return Some(Decision::Always(rules.entries[one.entry()].action));
    }
    let mut always = None;
    let mut conditional: Vec<Rule> = Vec::new();
    for mention in named {
        let entry = &rules.entries[mention.entry()];
        if entry.action == rules.default {
            continue;
        }
        for conditions in &entry.any {
            let conditions = seen_by(abi, conditions, mention.call());
            if conditions.is_empty() {
                always.get_or_insert(entry.action);
            } else {
                conditional.push(Rule { conditions, action: entry.action, wide: abi == Abi::X86_64 });
            }
        }
    }
    if let Some(action) = always {
        return Some(Decision::Always(action));
    }
    if conditional.is_empty() {
        return Some(Decision::Always(rules.default));
    }
    for (i, a) in conditional.iter().enumerate() {
        if conditional[..i].iter().any(|b| a.action != b.action && !exclude(&a.conditions, &b.conditions)) {
            return None;
        }
    }
    Some(Decision::Rules(conditional))
}

/// The conditions as an interface meets them: 32-bit ones have 32-bit arguments, and a multiplexer's first one is which call.
fn seen_by(abi: Abi, conditions: &[Condition], call: Option<u64>) -> Vec<Condition> {
    let which = call.map(|value| Condition { arg: 0, op: Op::ScmpCmpEq, value, two: 0 });
    let rest = conditions.iter().filter(|c| call.is_none() || c.arg != 0);
    let width = if abi == Abi::X86_64 { u64::MAX } else { u32::MAX.into() };
    let cut = |c: &Condition| Condition { value: c.value & width, two: c.two & width, ..*c };
    which.into_iter().chain(rest.map(cut)).collect()
}

/// Whether two conjunctions can never both hold.
fn exclude(a: &[Condition], b: &[Condition]) -> bool {
    a.iter().any(|a| b.iter().any(|b| a.arg == b.arg && contradict(a, b)))
}

fn contradict(a: &Condition, b: &Condition) -> bool {
    let masked = |c: &Condition| match c.op {
        Op::ScmpCmpMaskedEq => Some((c.value, c.two)),
        Op::ScmpCmpEq => Some((u64::MAX, c.value)),
        _ => None,
    };
    if let (Some((a_mask, a)), Some((b_mask, b))) = (masked(a), masked(b)) {
        return (a ^ b) & a_mask & b_mask != 0;
    }
    match (intervals(a), intervals(b)) {
        (Some(a), Some(b)) => a.iter().flatten().all(|(a0, a1)| b.iter().flatten().all(|(b0, b1)| a1 < b0 || b1 < a0)),
        _ => false,
    }
}

/// The values that hold, as intervals with both ends in; None for masks.
fn intervals(c: &Condition) -> Option<[Option<(u64, u64)>; 2]> {
    let v = c.value;
    let below = v.checked_sub(1).map(|end| (0, end));
    let above = v.checked_add(1).map(|begin| (begin, u64::MAX));
    Some(match c.op {
        Op::ScmpCmpEq => [Some((v, v)), None],
        Op::ScmpCmpNe => [below, above],
        Op::ScmpCmpLt => [below, None],
        Op::ScmpCmpLe => [Some((0, v)), None],
        Op::ScmpCmpGt => [above, None],
        Op::ScmpCmpGe => [Some((v, u64::MAX)), None],
        Op::ScmpCmpMaskedEq => return None,
    })
}

/// The code for one interface's ranges, its first instruction made last.
fn tree(asm: &mut Asm, ranges: &[Range], default: u32) -> To {
    let mut blocks: Vec<(&[Rule], To)> = Vec::new();
    let mut targets = Vec::with_capacity(ranges.len());
    for range in ranges {
        targets.push(match &range.decision {
            Decision::Always(action) => To::Ret(*action),
            Decision::Rules(rules) => match blocks.iter().find(|(known, _)| *known == rules.as_slice()) {
                Some((_, block)) => *block,
                None => {
                    let block = rules.iter().rev().fold(To::Ret(default), |otherwise, rule| test(asm, rule, otherwise));
                    blocks.push((rules, block));
                    block
                }
            },
        });
    }
    split(asm, ranges, &targets, &counts(ranges))
}

/// Halves the ranges by how many syscalls lie in them, so that the paths of all calls together are short. `before` counts the
/// syscalls before each range, and all of them at the end.
fn split(asm: &mut Asm, ranges: &[Range], targets: &[To], before: &[u32]) -> To {
    let last = ranges.len() - 1;
    if last == 0 {
        return targets[0];
    }
    let half = (before[0] + before[last + 1]) / 2;
    let at = before.partition_point(|count| *count < half).clamp(1, last);
    // The nearer of the two borders around the half.
    let at = if at > 1 && half - before[at - 1] < before[at].abs_diff(half) { at - 1 } else { at };
    let upper = split(asm, &ranges[at..], &targets[at..], &before[at..]);
    let lower = split(asm, &ranges[..at], &targets[..at], &before[..=at]);
    asm.branch(JGE, ranges[at].start, upper, lower)
}

/// How many syscalls come before each range. The numbers in use end below 480; a range without any counts for one.
fn counts(ranges: &[Range]) -> Vec<u32> {
    let place = |n: u32| (n & !X32_BIT).min(480);
    let ends = ranges.iter().skip(1).map(|range| range.start).chain([u32::MAX]);
    let mut before = Vec::with_capacity(ranges.len() + 1);
    before.push(0);
    let mut sum = 0;
    for (range, end) in ranges.iter().zip(ends) {
        sum += place(end).saturating_sub(place(range.start)).max(1);
        before.push(sum);
    }
    before
}

/// The code of one rule: its action if all conditions hold.
fn test(asm: &mut Asm, rule: &Rule, otherwise: To) -> To {
    let action = To::Ret(rule.action);
    rule.conditions.iter().rev().fold(action, |holds, condition| compare(asm, condition, rule.wide, holds, otherwise))
}

fn compare(asm: &mut Asm, c: &Condition, wide: bool, yes: To, no: To) -> To {
    match c.op {
        Op::ScmpCmpEq => equal(asm, c.arg, u64::MAX, c.value, wide, yes, no),
        Op::ScmpCmpNe => equal(asm, c.arg, u64::MAX, c.value, wide, no, yes),
        Op::ScmpCmpMaskedEq => equal(asm, c.arg, c.value, c.two, wide, yes, no),
        Op::ScmpCmpGe => order(asm, JGE, c, wide, yes, no),
        Op::ScmpCmpGt => order(asm, JGT, c, wide, yes, no),
        Op::ScmpCmpLt => order(asm, JGE, c, wide, no, yes),
        Op::ScmpCmpLe => order(asm, JGT, c, wide, no, yes),
    }
}

/// Bits of the value outside the mask do not count, as in the library.
fn equal(asm: &mut Asm, arg: u8, mask: u64, value: u64, wide: bool, yes: To, no: To) -> To {
    let value = value & mask;
    let low = asm.branch(JEQ, value as u32, yes, no);
    let low = asm.load(arg_low(arg), mask as u32, low);
    if !wide {
        return low;
    }
    let high = asm.branch(JEQ, (value >> 32) as u32, low, no);
    asm.load(arg_high(arg), (mask >> 32) as u32, high)
}

fn order(asm: &mut Asm, code: u16, c: &Condition, wide: bool, yes: To, no: To) -> To {
    let low = asm.branch(code, c.value as u32, yes, no);
    let low = asm.load(arg_low(c.arg), u32::MAX, low);
    if !wide {
        return low;
    }
    let high = (c.value >> 32) as u32;
    let same = asm.branch(JEQ, high, low, no);
    let above = asm.branch(JGT, high, yes, same);
    asm.load(arg_high(c.arg), u32::MAX, above)
}

/// i386 has its sockets and System V IPC behind `socketcall` and `ipc` too: their numbers, and which call of theirs it is
/// (include/uapi/linux/net.h, include/uapi/linux/ipc.h).
fn multiplexed(row: &Syscall) -> Option<(u32, u8)> {
    // They got numbers of their own late, in this span, or never.
    if row.number(Abi::I386).is_some_and(|nr| !(337..403).contains(&nr)) {
        return None;
    }
    let (nr, call) = match row.name {
        "socket" => (SOCKETCALL, 1),
        "bind" => (SOCKETCALL, 2),
        "connect" => (SOCKETCALL, 3),
        "listen" => (SOCKETCALL, 4),
        "accept" => (SOCKETCALL, 5),
        "getsockname" => (SOCKETCALL, 6),
        "getpeername" => (SOCKETCALL, 7),
        "socketpair" => (SOCKETCALL, 8),
        "send" => (SOCKETCALL, 9),
        "recv" => (SOCKETCALL, 10),
        "sendto" => (SOCKETCALL, 11),
        "recvfrom" => (SOCKETCALL, 12),
        "shutdown" => (SOCKETCALL, 13),
        "setsockopt" => (SOCKETCALL, 14),
        "getsockopt" => (SOCKETCALL, 15),
        "sendmsg" => (SOCKETCALL, 16),
        "recvmsg" => (SOCKETCALL, 17),
        "accept4" => (SOCKETCALL, 18),
        "recvmmsg" => (SOCKETCALL, 19),
        "sendmmsg" => (SOCKETCALL, 20),
        "semop" => (IPC, 1),
        "semget" => (IPC, 2),
        "semctl" => (IPC, 3),
        "semtimedop" => (IPC, 4),
        "msgsnd" => (IPC, 11),
        "msgrcv" => (IPC, 12),
        "msgget" => (IPC, 13),
        "msgctl" => (IPC, 14),
        "shmat" => (IPC, 21),
        "shmdt" => (IPC, 22),
        "shmget" => (IPC, 23),
        "shmctl" => (IPC, 24),
        _ => return None,
    };
    Some((nr, call))
}

const SOCKETCALL: u32 = 102;
const IPC: u32 = 117;

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
