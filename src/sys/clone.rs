//! A process's birth by clone3(2), with its parent's memory shared or copied.
//!
//! The child half of a birth runs between clone and exec. It is given as a plain function over a plan that the parent made; it
//! must not allocate, lock, format or unwind, and uses [`super::raw`] alone.

use super::errno::Call;
use super::raw::{self, Fd};
use super::{Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Whose memory the child runs in until it execs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// The parent's own, while the parent waits (`CLONE_VM | CLONE_VFORK`): no page tables are copied. Only for a birth into a
    /// PID namespace that nobody else is in: a process that may trace the child could reach the parent's memory.
    Borrowed,
    /// The parent's own, both running (`CLONE_VM`): for a child that waits at a gate while the parent ends. As `Borrowed`, and
    /// the plan must live for ever.
    Shared,
    /// A copy, as fork(2): for a child that joins a PID namespace with others in it.
    Copied,
}

/// The child's stack, with a guard page below it.
pub struct Stack {
    base: *mut libc::c_void,
}

const STACK: usize = 128 * 1024;
const GUARD: usize = 4096;
/// clone3(2), Linux 5.7.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

impl Stack {
    pub fn new() -> Result<Stack> {
        // SAFETY: a new anonymous mapping, and the protection of its lowest page, touch nothing that exists.
        let base = unsafe {
            let base = libc::mmap(
                std::ptr::null_mut(),
                STACK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            );
            if base != libc::MAP_FAILED && libc::mprotect(base, GUARD, libc::PROT_NONE) < 0 {
                let e = Errno::last();
                libc::munmap(base, STACK);
                return Err(e).call(|| "mprotect(stack guard)".into());
            }
            base
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last()).call(|| format!("mmap(child stack, {STACK})"));
        }
        Ok(Stack { base })
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours; a child that runs on it without its parent waiting is given a leaked one (`spawn`).
        unsafe { libc::munmap(self.base, STACK) };
    }
}

/// A child as its parent knows it: the pid for words, the pidfd for acts.
#[derive(Debug)]
pub struct Child {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// What clone3(2) is asked for besides memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags<'a> {
    /// `CLONE_NEW*` bits, and `CLONE_PARENT` for an intermediate.
    pub namespaces: u64,
    /// The cgroup that the child is born into (`CLONE_INTO_CGROUP`).
    pub cgroup: Option<BorrowedFd<'a>>,
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Clones a child that runs `entry(plan)` and ends with its return value; `entry` normally ends in exec.
///
/// The caller must be single-threaded. With [`Memory::Shared`] the child outlives this call on memory of the parent: `plan` is
/// borrowed for ever, and its stack is never unmapped.
pub fn spawn<T: Sync + 'static>(
    memory: Memory,
    flags: Flags<'_>,
    entry: extern "C" fn(&T) -> i32,
    plan: &'static T,
) -> Result<Child> {
    spawn_bounded(memory, flags, entry, plan)
}

/// As [`spawn`], for a plan that lives only as long as this call; [`Memory::Shared`] is refused, since its child outlives it.
pub fn spawn_scoped<T: Sync>(memory: Memory, flags: Flags<'_>, entry: extern "C" fn(&T) -> i32, plan: &T) -> Result<Child> {
    if memory == Memory::Shared {
        return Err(Errno::EINVAL).call(|| "clone3(shared memory, scoped plan)".into());
    }
    spawn_bounded(memory, flags, entry, plan)
}

fn spawn_bounded<T: Sync>(memory: Memory, flags: Flags<'_>, entry: extern "C" fn(&T) -> i32, plan: &T) -> Result<Child> {
    let mut pidfd: Fd = -1;
    let mut args = CloneArgs {
        flags: flags.namespaces | libc::CLONE_PIDFD as u64,
        pidfd: &raw mut pidfd as u64,
        exit_signal: if flags.namespaces & libc::CLONE_PARENT as u64 == 0 { libc::SIGCHLD as u64 } else { 0 },
        ..CloneArgs::default()
    };
    if let Some(cgroup) = flags.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    let stack = match memory {
        Memory::Copied => None,
        Memory::Borrowed | Memory::Shared => Some(Stack::new()?),
    };
    if let Some(stack) = &stack {
        args.flags |= libc::CLONE_VM as u64;
        if memory == Memory::Borrowed {
            args.flags |= libc::CLONE_VFORK as u64;
        }
        args.stack = stack.base as u64 + GUARD as u64;
        args.stack_size = (STACK - GUARD) as u64;
    }
    // SAFETY: `args` is as the kernel reads it. A child with its own stack enters `entry` on that stack and never returns here; a
    // child with copied memory returns 0 on its copy of this stack and calls `entry` below.
    let ret = unsafe { clone3(&args, entry as usize, plan as *const T as usize, stack.is_some()) };
    if memory == Memory::Shared {
        std::mem::forget(stack);
    }
    match ret {
        Ok(0) => raw::exit(entry(plan)),
        // SAFETY: CLONE_PIDFD gave a new fd that nobody else owns.
        Ok(pid) => Ok(Child { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
        Err(e) => Err(e).call(|| format!("clone3(flags {:#x})", args.flags)),
    }
}

/// # Safety
/// With `own_stack`, `args` must name a stack, and `entry` be an `extern "C" fn(*const T) -> i32` for which `plan` is valid.
unsafe fn clone3(args: &CloneArgs, entry: usize, plan: usize, own_stack: bool) -> Result<usize, Errno> {
    let size = std::mem::size_of::<CloneArgs>();
    if !own_stack {
        // SAFETY: as fork(2): the child goes on with a copy of this frame.
        return unsafe { raw::syscall6(libc::SYS_clone3, args as *const _ as usize, size, 0, 0, 0, 0) };
    }
    let ret: isize;
    // SAFETY: in the child (rax = 0) rsp is the top of its own stack, 16-byte aligned as the ABI wants it before a call; r12 and
    // r13 are as the parent set them. The child calls entry(plan) and ends with its value: it never leaves this block.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "mov edi, eax",
            "3:",
            "mov eax, 231", // exit_group
            "syscall",
            "jmp 3b",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => ret,
            in("rdi") args as *const CloneArgs,
            in("rsi") size,
            in("r12") plan,
            in("r13") entry,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    if (-4095..0).contains(&ret) { Err(Errno(-ret as i32)) } else { Ok(ret as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{Exit, wait_pidfd};
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicI32, Ordering};

    extern "C" fn answer(seen: &AtomicI32) -> i32 {
        seen.store(raw::getpid(), Ordering::Relaxed);
        42
    }

    #[test]
    fn a_child_on_borrowed_memory_writes_where_its_parent_reads_and_a_copied_one_does_not() {
        for (memory, shares) in [(Memory::Borrowed, true), (Memory::Copied, false)] {
            let seen = AtomicI32::new(0);
            let child = spawn_scoped(memory, Flags::default(), answer, &seen).unwrap();
            assert_eq!(wait_pidfd(child.pidfd.as_fd(), true).unwrap(), Some(Exit::Code(42)));
            assert_eq!(seen.load(Ordering::Relaxed), if shares { child.pid } else { 0 });
        }
    }

    #[test]
    fn shared_memory_is_refused_for_a_plan_that_does_not_live_for_ever() {
        assert!(spawn_scoped(Memory::Shared, Flags::default(), answer, &AtomicI32::new(0)).is_err());
    }
}
