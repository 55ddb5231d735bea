//! How a process is run: scheduler, CPUs, I/O class, memory nodes, personality. For the child: no allocation, numbers for errors.

use super::raw::{Res, syscall6};

/// `struct sched_attr` of sched_setattr(2), as of Linux 5.3.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedAttr {
    pub size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
    pub util_min: u32,
    pub util_max: u32,
}

/// sched_setattr(2) of this thread.
pub fn sched_setattr(attr: &SchedAttr) -> Res {
    // SAFETY: the struct is live and names its own size.
    unsafe { syscall6(libc::SYS_sched_setattr, 0, attr as *const SchedAttr as usize, 0, 0, 0, 0) }.map(drop)
}

/// sched_setaffinity(2) of this thread; bit n of the mask is CPU n.
pub fn sched_setaffinity(mask: &[u64]) -> Res {
    // SAFETY: the slice is live for the call and as long as said.
    unsafe { syscall6(libc::SYS_sched_setaffinity, 0, std::mem::size_of_val(mask), mask.as_ptr() as usize, 0, 0, 0) }.map(drop)
}

/// ioprio_set(2) of this thread: class << 13 | level.
pub fn ioprio_set(value: u32) -> Res {
    // SAFETY: scalars only.
    unsafe { syscall6(libc::SYS_ioprio_set, 1, 0, value as usize, 0, 0, 0) }.map(drop)
}

/// set_mempolicy(2) of this thread; bit n of the mask is node n.
pub fn set_mempolicy(mode: u32, nodes: &[u64]) -> Res {
    // The kernel takes one bit less than it is told.
    let (pointer, bits) = if nodes.is_empty() { (0, 0) } else { (nodes.as_ptr() as usize, nodes.len() * 64 + 1) };
    // SAFETY: the slice is live for the call and holds as many bits as said, but for the one that is not read.
    unsafe { syscall6(libc::SYS_set_mempolicy, mode as usize, pointer, bits, 0, 0, 0) }.map(drop)
}

/// personality(2).
pub fn personality(value: u32) -> Res {
    // SAFETY: a scalar only.
    unsafe { syscall6(libc::SYS_personality, value as usize, 0, 0, 0, 0, 0) }.map(drop)
}
