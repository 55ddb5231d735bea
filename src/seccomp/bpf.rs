//! Classic BPF as seccomp(2) takes it, assembled from the end to the beginning: cBPF jumps forward only, so every target is there
//! when the jump is made, and its distance is known.

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

/// `BPF_LD | BPF_W | BPF_ABS`: loads a word of `struct seccomp_data`.
pub const LD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`
pub const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`
pub const JA: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`
pub const JEQ: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`
pub const JGT: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`
pub const JGE: u16 = 0x35;
/// `BPF_RET | BPF_K`
pub const RET: u16 = 0x06;

/// Offsets into `struct seccomp_data`.
pub const NR: u32 = 0;
pub const ARCH: u32 = 4;

/// The low and the high half of an argument on a little-endian machine.
pub fn arg_low(arg: u8) -> u32 {
    16 + 8 * arg as u32
}

pub fn arg_high(arg: u8) -> u32 {
    arg_low(arg) + 4
}

/// Where control goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The end of the program, with this SECCOMP_RET_* value.
    Ret(u32),
    /// An instruction, counted from the end of the program; what the assembler's methods return.
    At(usize),
}

/// The program so far, last instruction first.
#[derive(Default)]
pub struct Asm {
    reversed: Vec<Insn>,
    /// The latest return of each value.
    returns: Vec<(u32, usize)>,
}

impl Asm {
    /// Compares the loaded word with `k`.
    pub fn branch(&mut self, code: u16, k: u32, yes: To, no: To) -> To {
        if yes == no {
            return yes;
        }
        let (yes, no) = (self.near(yes), self.near(no));
        let distance = |to: usize| (self.reversed.len() - to) as u8;
        self.push(Insn { code, jt: distance(yes), jf: distance(no), k })
    }

    /// Loads the word at `offset`, masks it if asked to, and goes to `next`.
    pub fn load(&mut self, offset: u32, mask: u32, next: To) -> To {
        if next != To::At(self.reversed.len()) {
            let at = self.near(next);
            if at != self.reversed.len() {
                self.jump(at);
            }
        }
        if mask != u32::MAX {
            self.push(Insn { code: AND, jt: 0, jf: 0, k: mask });
        }
        self.push(Insn { code: LD, jt: 0, jf: 0, k: offset })
    }

    /// Goes on in front of a program that is there already.
    pub fn before(program: Vec<u8>) -> Asm {
        Asm { reversed: instructions(&program).into_iter().rev().collect(), returns: Vec::new() }
    }

    /// The first instruction so far.
    pub fn here(&self) -> To {
        To::At(self.reversed.len())
    }

    /// The program, whose first instruction must be the last one made.
    pub fn finish(self) -> Vec<u8> {
        let bytes = |insn: &Insn| {
            let [c0, c1] = insn.code.to_ne_bytes();
            let [k0, k1, k2, k3] = insn.k.to_ne_bytes();
            [c0, c1, insn.jt, insn.jf, k0, k1, k2, k3]
        };
        self.reversed.iter().rev().flat_map(bytes).collect()
    }

    fn push(&mut self, insn: Insn) -> To {
        self.reversed.push(insn);
        To::At(self.reversed.len())
    }

    fn jump(&mut self, to: usize) -> usize {
        let k = (self.reversed.len() - to) as u32;
        self.push(Insn { code: JA, jt: 0, jf: 0, k });
        self.reversed.len()
    }

    /// The target, or a stand-in for it that a conditional jump (8 bits) can reach from the next instruction but one.
    fn near(&mut self, to: To) -> usize {
        let reach = |len: usize, at: usize| len - at < 250;
        match to {
            To::At(at) if reach(self.reversed.len(), at) => at,
            To::At(at) => self.jump(at),
            To::Ret(value) => {
                let known = self.returns.iter().position(|(v, _)| *v == value);
                if let Some(at) = known.map(|i| self.returns[i].1).filter(|at| reach(self.reversed.len(), *at)) {
                    return at;
                }
                self.push(Insn { code: RET, jt: 0, jf: 0, k: value });
                let at = self.reversed.len();
                match known {
                    Some(i) => self.returns[i].1 = at,
                    None => self.returns.push((value, at)),
                }
                at
            }
        }
    }
}

/// The instructions of a program's bytes.
pub fn instructions(program: &[u8]) -> Vec<Insn> {
    let insn = |b: &[u8]| Insn {
        code: u16::from_ne_bytes([b[0], b[1]]),
        jt: b[2],
        jf: b[3],
        k: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
    };
    program.chunks_exact(8).map(insn).collect()
}
