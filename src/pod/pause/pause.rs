//! The process that holds a pod's namespaces: no standard library, no libc, an ELF of a page or two.
//!
//! Roles, by the first letter of argv[0]:
//! * `p`, pause: waits for signals. SIGCHLD: reaps whoever was orphaned to it (where it is pid 1 of a shared PID namespace).
//!   SIGTERM, SIGINT: ends with 0. Every other signal is blocked. With nobody dying it never wakes up.
//! * `k`, keeper: the parent of a pod's supervisor, and the subreaper of all that supervisors leave. It holds fds and zombies: a
//!   process whose exit status nobody has noted yet stays in the process table, and its pid with it. `argv[1..]` is the
//!   supervisor's command line, [`EXE`] its program; fds 5 and 6 are for the supervisors alone and only kept open here. A supervisor
//!   that ends is started again, but for one that ends with [`DONE`]: it takes the keeper with it. Signals:
//!   USR1: the pod stands (before that nothing is started again). RTMIN+1 with a value: reap the child of that pid. RTMIN+2: the
//!   supervisor's own [`EXE`] is the program from here on. TERM, INT: passed on. CHLD: another child has ended; told to the supervisor as USR1.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    exit(70)
}

// The kernel enters with rsp at argc, argv[0], ... and rsp 16-byte aligned, as the ABI wants it before a call.
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "call {main}", "ud2", main = sym main);

const SYS_RT_SIGPROCMASK: usize = 14;
const SYS_WAIT4: usize = 61;
const SYS_RT_SIGTIMEDWAIT: usize = 128;
const SYS_EXIT_GROUP: usize = 231;
const SYS_CLOSE: usize = 3;
const SYS_NANOSLEEP: usize = 35;
const SYS_DUP2: usize = 33;
const SYS_FORK: usize = 57;
const SYS_KILL: usize = 62;
const SYS_FCNTL: usize = 72;
const SYS_PRCTL: usize = 157;
const SYS_CLOCK_GETTIME: usize = 228;
const SYS_EXECVEAT: usize = 322;
const SYS_PIDFD_OPEN: usize = 434;
const SYS_PIDFD_GETFD: usize = 438;
const SIGUSR1: usize = 10;
const REAP: usize = 35;
const PROGRAM: usize = 36;
/// The supervisor's exit code when there is nothing left to do.
const DONE: u32 = 63;
const PR_SET_NAME: usize = 15;
const PR_SET_CHILD_SUBREAPER: usize = 36;
const AT_EMPTY_PATH: usize = 0x1000;
/// The pipe to the command that creates the pod: open only in the first keeper, and only until its first supervisor runs.
const READY: usize = 3;
/// The supervisor's program.
const EXE: usize = 4;
const SIGINT: usize = 2;
const SIGTERM: usize = 15;
const SIGCHLD: usize = 17;
const WNOHANG: usize = 1;
const SIG_SETMASK: usize = 2;

fn syscall(nr: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    syscall5(nr, a, b, c, d, 0)
}

fn syscall5(nr: usize, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize {
    let ret: isize;
    // SAFETY: the callers below pass pointers that live for the call; the kernel clobbers rcx and r11.
    unsafe {
        asm!("syscall", inlateout("rax") nr as isize => ret, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
             in("r8") e, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    ret
}

fn exit(code: usize) -> ! {
    loop {
        syscall(SYS_EXIT_GROUP, code, 0, 0, 0);
    }
}

extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: the kernel has laid out argc and the argument pointers there; argv[0] is a string where argc is not 0.
    let role = unsafe { if *stack == 0 { 0 } else { *(*stack.add(1) as *const u8) } };
    match role {
        b'p' => pause(),
        b'k' => keeper(stack),
        _ => exit(64),
    }
}

fn pause() -> ! {
    let all = u64::MAX;
    let awaited: u64 = 1 << (SIGINT - 1) | 1 << (SIGTERM - 1) | 1 << (SIGCHLD - 1);
    syscall(SYS_RT_SIGPROCMASK, SIG_SETMASK, &all as *const u64 as usize, 0, 8);
    loop {
        // Children may have died before the mask stood: look first, then wait.
        while syscall(SYS_WAIT4, usize::MAX, 0, WNOHANG, 0) > 0 {}
        let signal = syscall(SYS_RT_SIGTIMEDWAIT, &awaited as *const u64 as usize, 0, 0, 8);
        if signal == SIGINT as isize || signal == SIGTERM as isize {
            exit(0);
        }
    }
}

/// Seconds, to a second or so.
fn seconds() -> usize {
    let mut now = [0usize; 2];
    syscall(SYS_CLOCK_GETTIME, 1, &mut now as *mut [usize; 2] as usize, 0, 0);
    now[0]
}

fn sleep(millis: usize) {
    let time = [millis / 1000, millis % 1000 * 1_000_000];
    syscall(SYS_NANOSLEEP, &time as *const [usize; 2] as usize, 0, 0, 0);
}

fn keeper(stack: *const usize) -> ! {
    let all = u64::MAX;
    syscall(SYS_RT_SIGPROCMASK, SIG_SETMASK, &all as *const u64 as usize, 0, 8);
    syscall(SYS_PRCTL, PR_SET_CHILD_SUBREAPER, 1, 0, 0);
    syscall(SYS_PRCTL, PR_SET_NAME, c"podrt-keeper".as_ptr() as usize, 0, 0);
    // One that takes over from another has nobody who waits for the pod's creation.
    let mut stands = syscall(SYS_FCNTL, READY, 1, 0, 0) < 0;
    // SAFETY: the kernel's layout: argc, argv[0..argc], 0, envp.
    let (argv, envp) = unsafe { (stack.add(2), stack.add(*stack + 2)) };
    let mut short_lives = 0;
    loop {
        let begun = seconds();
        let child = syscall(SYS_FORK, 0, 0, 0, 0);
        if child == 0 {
            syscall5(SYS_EXECVEAT, EXE, c"".as_ptr() as usize, argv as usize, envp as usize, AT_EMPTY_PATH);
            exit(71);
        }
        let status = if child > 0 {
            syscall(SYS_CLOSE, READY, 0, 0, 0);
            attend(child as usize, &mut stands)
        } else {
            71 << 8
        };
        let (signal, code) = (status & 0x7f, status >> 8 & 0xff);
        if !stands || signal == 0 && code == DONE {
            exit(0);
        }
        // The first few come back at once; then twice as late each time, up to some seconds. One that has lived for a second is
        // no such case: somebody has killed it.
        short_lives = if seconds() - begun > 1 { 0 } else { short_lives + 1 };
        if short_lives > 8 {
            let shift = if short_lives > 14 { 6 } else { short_lives - 8 };
            sleep(50 << shift);
        }
    }
}

/// Until the supervisor ends: its wait status.
fn attend(supervisor: usize, stands: &mut bool) -> u32 {
    // siginfo_t: si_signo at byte 0, and for a queued signal si_value at byte 24.
    let mut info = [0u32; 32];
    loop {
        let mut status = 0u32;
        let gone = syscall(SYS_WAIT4, supervisor, &mut status as *mut u32 as usize, WNOHANG, 0);
        if gone == supervisor as isize {
            // What it said right before its end counts.
            let (stood, at_once): (u64, [usize; 2]) = (1 << (SIGUSR1 - 1), [0; 2]);
            let (stood, at_once) = (&stood as *const u64 as usize, &at_once as *const [usize; 2] as usize);
            *stands |= syscall(SYS_RT_SIGTIMEDWAIT, stood, 0, at_once, 8) > 0;
            return status;
        }
        let awaited: u64 = 1 << (SIGINT - 1)
            | 1 << (SIGTERM - 1)
            | 1 << (SIGCHLD - 1)
            | 1 << (SIGUSR1 - 1)
            | 1 << (REAP - 1)
            | 1 << (PROGRAM - 1);
        let signal = syscall(SYS_RT_SIGTIMEDWAIT, &awaited as *const u64 as usize, &mut info as *mut [u32; 32] as usize, 0, 8);
        match signal as usize {
            SIGUSR1 => *stands = true,
            REAP if info[6] as usize != supervisor && info[6] as i32 > 0 => {
                syscall(SYS_WAIT4, info[6] as usize, 0, WNOHANG, 0);
            }
            PROGRAM => {
                let pidfd = syscall(SYS_PIDFD_OPEN, supervisor, 0, 0, 0) as usize;
                let program = syscall(SYS_PIDFD_GETFD, pidfd, EXE, 0, 0);
                syscall(SYS_CLOSE, pidfd, 0, 0, 0);
                if program >= 0 {
                    syscall(SYS_DUP2, program as usize, EXE, 0, 0);
                    syscall(SYS_CLOSE, program as usize, 0, 0, 0);
                }
            }
            SIGINT | SIGTERM => {
                syscall(SYS_KILL, supervisor, SIGTERM, 0, 0);
            }
            // Its own end as well: a signal to a zombie is harmless.
            SIGCHLD => {
                syscall(SYS_KILL, supervisor, SIGUSR1, 0, 0);
            }
            _ => {}
        }
    }
}
