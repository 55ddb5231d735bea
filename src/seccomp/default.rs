//! RuntimeDefault: the profile that the field's runtimes give a container which asks for their default.
//!
//! Allowed by name or by capability in the [`table`]'s gates, here what needs arguments. The default answer is EPERM. For the
//! interfaces of x86_64 all at once: x32 and i386 get the same list, as in the field; i386's `socketcall` is among the allowed,
//! so that the rule on address families does not bind 32-bit programs (there they are behind a pointer).

use super::Program;
use super::profile::{Condition, Entry, RET_ALLOW, RET_ERRNO, RET_NOSYS, Rules};
use super::table::{self, Gate};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator as Op, LinuxSyscall,
};
use std::sync::{Mutex, PoisonError};

const ARCHES: &[Arch] = &[Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32];

/// clone(2)'s flags for new namespaces (all but the time namespace's, whose bit is part of the exit signal there).
const NEW_NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP) as u64;

/// personality(2): Linux, its uname26 and 32-bit variants, and the question which it is.
const PERSONALITIES: [u64; 5] = [0, 8, 0x20000, 0x20008, 0xffff_ffff];

/// The program for a container with this bounding set: podrt's own compiler, no library, no file. Some 50 microseconds, the
/// second time for the same capabilities none.
///
/// # Errors
/// None on x86_64; elsewhere the library's.
pub fn runtime_default(bounding: u64) -> Result<Program, super::Error> {
    static MADE: Mutex<Vec<(u64, Program)>> = Mutex::new(Vec::new());
    let matters = bounding & gated();
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, program)) = made.iter().find(|(caps, _)| *caps == matters) {
        return Ok(program.clone());
    }
    let rules = rules(matters);
    let filter = match super::tree::compile(&rules) {
        Some(filter) => filter,
        None => super::library::compile(&rules)?.filter,
    };
    let program = Program { filter, flags: rules.flags, ..Program::default() };
    if made.len() < MOST_KEPT {
        made.push((matters, program.clone()));
    }
    Ok(program)
}

/// Programs kept in memory: a pod's containers share a few sets of capabilities.
const MOST_KEPT: usize = 8;

/// The capabilities that open any syscall.
fn gated() -> u64 {
    table::all().iter().fold(0, |all, row| if let Gate::With(caps) = row.gate { all | caps } else { all })
}

/// The same as an OCI profile, for `podrt plan` and for engines.
pub fn runtime_default_profile(bounding: u64) -> LinuxSeccomp {
    let rules = rules(bounding);
    let mut syscalls = Vec::new();
    for entry in &rules.entries {
        for conditions in &entry.any {
            let mut syscall = LinuxSyscall::default();
            syscall.set_names(entry.syscalls.iter().map(|row| row.name.to_owned()).collect());
            if entry.action == RET_ALLOW {
                syscall.set_action(LinuxSeccompAction::ScmpActAllow);
            } else {
                syscall.set_action(LinuxSeccompAction::ScmpActErrno).set_errno_ret(Some(entry.action & 0xffff));
            }
            syscall.set_args(Some(conditions.iter().map(arg).collect()));
            syscalls.push(syscall);
        }
    }
    let mut profile = LinuxSeccomp::default();
    profile.set_default_action(LinuxSeccompAction::ScmpActErrno).set_default_errno_ret(Some(libc::EPERM as u32));
    profile.set_architectures(Some(rules.arches.to_vec())).set_syscalls(Some(syscalls));
    profile
}

fn arg(c: &Condition) -> LinuxSeccompArg {
    let builder = LinuxSeccompArgBuilder::default().index(c.arg as usize).value(c.value).value_two(c.two).op(c.op);
    // Every field has a default, so that there is nothing that the builder could refuse.
    builder.build().unwrap_or_default()
}

fn rules(bounding: u64) -> Rules<'static> {
    let allowed = |gate: Gate| match gate {
        Gate::Always => true,
        Gate::With(caps) => caps & bounding != 0,
        Gate::Never | Gate::Rule => false,
    };
    let admin = allowed(table::ADMIN);
    let syscalls = table::all().iter().filter(|row| allowed(row.gate)).collect();
    let always = || vec![vec![]];
    let mut rules = Rules { default: RET_ERRNO | libc::EPERM as u32, arches: ARCHES, ..Rules::default() };
    rules.flags = super::profile::DEFAULT_FLAGS;
    let mut add = |names: &[&str], action: u32, any: Vec<Vec<Condition>>| {
        let syscalls = names.iter().filter_map(|name| table::find(name)).collect();
        rules.entries.push(Entry { index: rules.entries.len() + 1, syscalls, action, any });
    };
    if admin {
        add(&["clone", "clone3"], RET_ALLOW, always());
    } else {
        add(&["clone"], RET_ALLOW, vec![first(Op::ScmpCmpMaskedEq, NEW_NAMESPACES)]);
        // Its flags are behind a pointer; C libraries fall back to clone on this answer, and on no other.
        add(&["clone3"], RET_NOSYS, always());
    }
    add(&["personality"], RET_ALLOW, PERSONALITIES.map(|which| first(Op::ScmpCmpEq, which)).into());
    // All families but AF_ALG (38) and AF_VSOCK (40): the kernel's cryptography, and the host of a virtual machine.
    let (alg, vsock) = (libc::AF_ALG as u64, libc::AF_VSOCK as u64);
    let families = [first(Op::ScmpCmpLt, alg), first(Op::ScmpCmpEq, alg + 1), first(Op::ScmpCmpGt, vsock)];
    add(&["socket"], RET_ALLOW, families.into());
    rules.entries.insert(0, Entry { index: 0, syscalls, action: RET_ALLOW, any: always() });
    rules
}

fn first(op: Op, value: u64) -> Vec<Condition> {
    vec![Condition { arg: 0, op, value, two: 0 }]
}

#[cfg(test)]
#[path = "default_tests.rs"]
mod tests;
