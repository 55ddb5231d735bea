//! The process that holds a pod's namespaces: no standard library, no libc, an ELF of a page or two.
//!
//! Roles, by the first letter of argv[0]:
//! * `p`, pause: waits for signals. SIGCHLD: reaps whoever was orphaned to it (where it is pid 1 of a shared PID namespace).
//!   SIGTERM, SIGINT: ends with 0. Every other signal is blocked. With nobody dying it never wakes up.
//! * `k`, keeper: not yet; ends with 64, as any other.
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
const SIGINT: usize = 2;
const SIGTERM: usize = 15;
const SIGCHLD: usize = 17;
const WNOHANG: usize = 1;
const SIG_SETMASK: usize = 2;

fn syscall(nr: usize, a: usize, b: usize, c: usize, d: usize) -> isize {
    let ret: isize;
    // SAFETY: the callers below pass pointers that live for the call; the kernel clobbers rcx and r11.
    unsafe {
        asm!("syscall", inlateout("rax") nr as isize => ret, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
             lateout("rcx") _, lateout("r11") _, options(nostack));
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
