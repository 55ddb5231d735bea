//! The compiler of last resort: libseccomp, exported to a memfd (its version 2.5 writes to fds only).

use super::bpf::{ARCH, Asm, JEQ, JGE, JGT, NR, To};
use super::profile::{Condition, RET_NOSYS, Rules, library_action};
use super::table::{Abi, Syscall, X32_BIT};
use super::tree::{AUDIT_I386, AUDIT_X86_64};
use super::{Error, MAX_INSTRUCTIONS};
use libseccomp::{ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall, ScmpVersion};
use nix::sys::memfd::{MFdFlags, memfd_create};
use oci_spec::runtime::{Arch, LinuxSeccompOperator};
use std::fs::File;
use std::io::{Read, Seek};

/// What the library made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    pub filter: Vec<u8>,
    /// Names that podrt's table has and the library has not: rules about them are not in the filter.
    pub missing: Vec<String>,
}

/// Compiles checked rules.
///
/// # Errors
/// An architecture or rule that the library refuses, by its JSON path.
pub fn compile(rules: &Rules) -> Result<Made, Error> {
    let mut context = ScmpFilterContext::new(library_action(rules.default)).map_err(failed("a new filter"))?;
    for (i, arch) in rules.arches.iter().enumerate() {
        let refused = |problem: String| Error::Field { field: format!("linux.seccomp.architectures[{i}]"), problem };
        let name = arch.to_string();
        let token = architecture(*arch).ok_or_else(|| refused(format!("{name} is unknown to libseccomp {}", version())))?;
        context.add_arch(token).map_err(|e| refused(format!("{name}: {e}")))?;
    }
    // A binary tree over the syscalls, where the default is a list: a third of the time to load.
    context.set_ctl_optimize(2).map_err(failed("optimize"))?;
    let mut missing = Vec::new();
    for entry in rules.entries.iter().filter(|entry| entry.action != rules.default) {
        let action = library_action(entry.action);
        for row in &entry.syscalls {
            let Ok(syscall) = ScmpSyscall::from_name(row.name) else {
                missing.push(row.name.to_owned());
                continue;
            };
            for conditions in &entry.any {
                let comparisons: Vec<ScmpArgCompare> = conditions.iter().map(comparison).collect();
                let added = context.add_rule_conditional(action, syscall, &comparisons);
                added.map(drop).or_else(ignore_known).map_err(|e| Error::Field {
                    field: format!("linux.seccomp.syscalls[{}]", entry.index),
                    problem: format!("libseccomp refuses the rule for {}: {e}", row.name),
                })?;
            }
        }
    }
    missing.sort();
    missing.dedup();
    let filter = with_nosys(rules, export(&context)?);
    Ok(Made { filter, missing })
}

/// One line about what the library does not know.
pub fn warning(missing: &[String]) -> Option<String> {
    let line = || format!("linux.seccomp.syscalls: unknown to libseccomp {}, so ignored: {}", version(), missing.join(", "));
    (!missing.is_empty()).then(line)
}

/// `2.5.4`
pub fn version() -> String {
    match ScmpVersion::current() {
        Ok(version) => format!("{}.{}.{}", version.major, version.minor, version.micro),
        Err(_) => "of unknown version".into(),
    }
}

/// The same rule twice is no mistake of anybody's.
fn ignore_known(e: libseccomp::error::SeccompError) -> Result<(), libseccomp::error::SeccompError> {
    match e.errno() {
        Some(libseccomp::error::SeccompErrno::EEXIST) => Ok(()),
        _ => Err(e),
    }
}

fn failed(what: &'static str) -> impl Fn(libseccomp::error::SeccompError) -> Error {
    move |e| Error::Library(format!("libseccomp: {what}: {e}"))
}

fn comparison(c: &Condition) -> ScmpArgCompare {
    let (op, datum) = match c.op {
        LinuxSeccompOperator::ScmpCmpNe => (ScmpCompareOp::NotEqual, c.value),
        LinuxSeccompOperator::ScmpCmpLt => (ScmpCompareOp::Less, c.value),
        LinuxSeccompOperator::ScmpCmpLe => (ScmpCompareOp::LessOrEqual, c.value),
        LinuxSeccompOperator::ScmpCmpEq => (ScmpCompareOp::Equal, c.value),
        LinuxSeccompOperator::ScmpCmpGe => (ScmpCompareOp::GreaterEqual, c.value),
        LinuxSeccompOperator::ScmpCmpGt => (ScmpCompareOp::Greater, c.value),
        LinuxSeccompOperator::ScmpCmpMaskedEq => (ScmpCompareOp::MaskedEqual(c.value), c.two),
    };
    ScmpArgCompare::new(c.arg.into(), op, datum)
}

fn architecture(arch: Arch) -> Option<ScmpArch> {
    arch.to_string().parse().ok()
}

fn export(context: &ScmpFilterContext) -> Result<Vec<u8>, Error> {
    let io = |e: std::io::Error| Error::Library(format!("export to a memfd: {}", crate::sys::Errno::from(e)));
    let fd = memfd_create(c"podrt-seccomp", MFdFlags::MFD_CLOEXEC).map_err(|e| io(e.into()))?;
    let mut file = File::from(fd);
    context.export_bpf(&file).map_err(failed("export"))?;
    file.rewind().map_err(io)?;
    let mut filter = Vec::new();
    file.take(8 * MAX_INSTRUCTIONS as u64 + 8).read_to_end(&mut filter).map_err(io)?;
    Ok(filter)
}

/// The filter with the answer to newer syscalls before it, for the interfaces of x86.
fn with_nosys(rules: &Rules, filter: Vec<u8>) -> Vec<u8> {
    if !rules.newer_is_nosys() || !cfg!(target_arch = "x86_64") {
        return filter;
    }
    let last = |abi: Abi| {
        let number = |row: &&'static Syscall| row.number(abi);
        rules.entries.iter().flat_map(|entry| entry.syscalls.iter().filter_map(number)).max()
    };
    let has = |arch: Arch| rules.arches.contains(&arch);
    let i386 = last(Abi::I386).filter(|_| has(Arch::ScmpArchX86));
    let x32 = last(Abi::X32).filter(|_| has(Arch::ScmpArchX32));
    let nosys = To::Ret(RET_NOSYS);

    let mut asm = Asm::before(filter);
    let rest = asm.here();
    // -1, a call that a tracer cancelled, is the filter's.
    let mut above = |last: Option<u32>| match last {
        Some(last) => {
            let cancelled = asm.branch(JEQ, u32::MAX, rest, nosys);
            asm.branch(JGT, last, cancelled, rest)
        }
        None => rest,
    };
    let (i386, x32, native) = (above(i386), above(x32), last(Abi::X86_64));
    let native = native.map_or(rest, |last| asm.branch(JGT, last, nosys, rest));
    let native = asm.branch(JGE, X32_BIT, x32, native);
    let native = asm.load(NR, u32::MAX, native);
    let i386 = if i386 == rest { rest } else { asm.load(NR, u32::MAX, i386) };
    let i386 = asm.branch(JEQ, AUDIT_I386, i386, rest);
    let first = asm.branch(JEQ, AUDIT_X86_64, native, i386);
    asm.load(ARCH, u32::MAX, first);
    asm.finish()
}
