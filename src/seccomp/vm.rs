//! For the tests: what a program decides, by the rules of the kernel's interpreter (net/core/filter.c) for what seccomp may use.

use super::bpf::{AND, Insn, JA, JEQ, JGE, JGT, LD, RET};

/// `BPF_JMP | BPF_JSET | BPF_K`
const JSET: u16 = 0x45;

/// `struct seccomp_data`, without the instruction pointer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call {
    pub arch: u32,
    pub nr: u32,
    pub args: [u64; 6],
}

/// The action and how many instructions it took.
pub fn run(program: &[Insn], call: &Call) -> (u32, usize) {
    let word = |offset: u32| match offset {
        0 => call.nr,
        4 => call.arch,
        16..64 if offset.is_multiple_of(8) => call.args[(offset as usize - 16) / 8] as u32,
        20..64 if offset % 8 == 4 => (call.args[(offset as usize - 16) / 8] >> 32) as u32,
        _ => panic!("a load of offset {offset}"),
    };
    let (mut pc, mut a, mut steps) = (0, 0u32, 0);
    loop {
        let insn = program[pc];
        pc += 1;
        steps += 1;
        let mut jump = |taken: bool| pc += if taken { insn.jt } else { insn.jf } as usize;
        match insn.code {
            LD => a = word(insn.k),
            AND => a &= insn.k,
            JA => pc += insn.k as usize,
            JEQ => jump(a == insn.k),
            JGT => jump(a > insn.k),
            JGE => jump(a >= insn.k),
            JSET => jump(a & insn.k != 0),
            RET => return (insn.k, steps),
            code => panic!("instruction {code:#x}"),
        }
    }
}
