use super::*;
use crate::seccomp::bpf::instructions;
use crate::seccomp::vm::{Call, run};
use crate::seccomp::{compile, library, tree};

const ADMIN: u64 = 1 << 21;
const NR: fn(&str) -> u32 = |name| table::find(name).and_then(|row| row.number(table::Abi::X86_64)).expect("a number");

fn answers(bounding: u64, calls: &[(&str, u64)]) -> Vec<u32> {
    let program = instructions(&runtime_default(bounding).expect("a program").filter);
    let call = |(name, arg): &(&str, u64)| Call { arch: tree::AUDIT_X86_64, nr: NR(name), args: [*arg, 0, 0, 0, 0, 0] };
    calls.iter().map(|c| run(&program, &call(c)).0).collect()
}

#[test]
fn the_built_in_program_is_its_profile_compiled_and_the_library_agrees() {
    for bounding in [0, ADMIN, 1 << 19, 0xa804_25fb, (1 << 41) - 1] {
        let program = runtime_default(bounding).expect("a program");
        let profile = runtime_default_profile(bounding);
        assert_eq!(compile(&profile), Ok(program.clone()), "{bounding:#x}");
        let json = serde_json::to_value(&profile).expect("JSON");
        assert_eq!(serde_json::from_value::<LinuxSeccomp>(json).ok().as_ref(), Some(&profile));

        // Without what this version of the library cannot know.
        let mut rules = rules(bounding);
        for entry in &mut rules.entries {
            entry.syscalls.retain(|row| libseccomp::ScmpSyscall::from_name(row.name).is_ok());
        }
        let ours = instructions(&tree::compile(&rules).expect("a tree"));
        let library = instructions(&library::compile(&rules).expect("the library's").filter);
        let numbers = (0..600).chain((0..600).map(|n| n | table::X32_BIT)).chain([table::X32_BIT - 1, 1 << 31, u32::MAX]);
        for nr in numbers {
            for arch in [tree::AUDIT_X86_64, tree::AUDIT_I386, 0] {
                for arg in [0, 8, 16, 37, 38, 39, 40, 41, 0x20000, 0x20008, 0x1_0000_0000, 0xffff_ffff, 0x1000_0000, 17, u64::MAX]
                {
                    let call = Call { arch, nr, args: [arg; 6] };
                    assert_eq!(run(&ours, &call).0, run(&library, &call).0, "{bounding:#x} {call:x?}");
                }
            }
        }
    }
}

#[test]
fn capabilities_open_what_they_are_for_and_the_rest_stays_shut() {
    let (allow, eperm, enosys) = (RET_ALLOW, RET_ERRNO | 1, RET_NOSYS);
    let calls = [
        ("read", 0),
        ("mount", 0),
        ("bpf", 0),
        ("clone", 0),
        ("clone", libc::CLONE_NEWUSER as u64),
        ("clone3", 0),
        ("personality", 0x20000),
        ("personality", 4),
        ("socket", libc::AF_INET6 as u64),
        ("socket", libc::AF_ALG as u64),
        ("socket", libc::AF_VSOCK as u64),
        ("ptrace", 0),
        ("chroot", 0),
        ("keyctl", 0),
        ("io_uring_setup", 0),
    ];
    let plain = [allow, eperm, eperm, allow, eperm, enosys, allow, eperm, allow, eperm, eperm, allow, eperm, eperm, eperm];
    assert_eq!(answers(0, &calls), plain);
    let mut admin = plain;
    (admin[1], admin[2], admin[4], admin[5]) = (allow, allow, allow, allow);
    assert_eq!(answers(ADMIN, &calls), admin);
    let mut chroot = plain;
    chroot[12] = allow;
    assert_eq!(answers(1 << 18, &calls), chroot);
    let mut bpf = plain;
    bpf[2] = allow;
    assert_eq!(answers(1 << 39, &calls), bpf);
}

#[test]
fn a_syscall_from_after_this_build_is_unknown_not_forbidden() {
    let program = instructions(&runtime_default(0).expect("a program").filter);
    for nr in [500, 1000, table::X32_BIT - 1] {
        assert_eq!(run(&program, &Call { arch: tree::AUDIT_X86_64, nr, args: [0; 6] }).0, RET_NOSYS);
    }
}

#[test]
fn the_program_is_short_and_its_paths_are_shorter() {
    let program = instructions(&runtime_default(0xa804_25fb).expect("a program").filter);
    let steps: Vec<usize> = (0..480).map(|nr| run(&program, &Call { arch: tree::AUDIT_X86_64, nr, args: [0; 6] }).1).collect();
    let (longest, sum) = (steps.iter().max().copied().unwrap_or(0), steps.iter().sum::<usize>());
    eprintln!("{} instructions, the longest path {longest}, on average {}", program.len(), sum / 480);
    assert!(program.len() < 500 && longest < 40 && sum / 480 <= 14, "{} {longest} {}", program.len(), sum / 480);
}

#[test]
fn the_kernel_takes_the_program_and_goes_by_it() {
    use crate::sys::{Errno, raw};
    // A filter binds its thread alone.
    let thread = std::thread::spawn(|| {
        let program = runtime_default(0).expect("a program");
        raw::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).expect("no_new_privs");
        raw::seccomp_set_filter(program.flags, &program.filter).expect("the kernel's consent");
        // Without the filter: no such file.
        assert_eq!(raw::umount2(c"/no/such/place", 0), Err(Errno::EPERM));
        assert_eq!(raw::openat(raw::CWD, c"/no/such/place", 0, 0), Err(Errno::ENOENT));
    });
    thread.join().expect("the thread lives on");
}
