//! bpf(2), as far as device rules of a cgroup need it.

use super::{Errno, raw};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One eBPF instruction, `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Insn {
    pub code: u8,
    /// Destination register in the low four bits, source in the high ones.
    pub regs: u8,
    pub off: i16,
    pub imm: i32,
}

const PROG_LOAD: usize = 5;
const PROG_ATTACH: usize = 8;
const PROG_QUERY: usize = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Programs of ancestors run as well, and all must agree; without it a cgroup with a program would forbid ones below.
const F_ALLOW_MULTI: u32 = 2;

/// The part of `union bpf_attr` that PROG_LOAD reads, up to expected_attach_type.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

#[repr(C)]
#[derive(Default)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
    replace_bpf_fd: u32,
}

#[repr(C)]
#[derive(Default)]
struct Query {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
}

/// # Safety
/// `T` must be laid out as the kernel's attribute of `cmd`, and its pointers must be live and as long as it says.
unsafe fn bpf<T>(cmd: usize, attr: &mut T) -> Result<usize, Errno> {
    let size = std::mem::size_of::<T>();
    // SAFETY: the attribute is borrowed for the call; the caller vouches for what it points to.
    unsafe { raw::syscall6(libc::SYS_bpf, cmd, attr as *mut T as usize, size, 0, 0, 0) }
}

/// Verifies and loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE. On failure: errno, and the verifier's last words if it
/// had any.
pub fn load_device_program(insns: &[Insn]) -> Result<OwnedFd, (Errno, String)> {
    let mut name = [0u8; 16];
    name[..12].copy_from_slice(b"podrt_device");
    let load = |log: &mut [u8]| {
        let mut attr = Load {
            prog_type: TYPE_CGROUP_DEVICE,
            insn_cnt: insns.len() as u32,
            insns: insns.as_ptr() as u64,
            // No helper is called, so the license decides nothing; the kernel wants a string.
            license: c"Apache-2.0".as_ptr() as u64,
            prog_name: name,
            expected_attach_type: ATTACH_CGROUP_DEVICE,
            ..Load::default()
        };
        if !log.is_empty() {
            (attr.log_level, attr.log_size, attr.log_buf) = (1, log.len() as u32, log.as_mut_ptr() as u64);
        }
        // The verifier gives up with EAGAIN when a signal is pending.
        for _ in 0..5 {
            // SAFETY: Load is PROG_LOAD's attribute; instructions, license and log are borrowed for the call.
            match unsafe { bpf(PROG_LOAD, &mut attr) } {
                Err(Errno::EAGAIN) => continue,
                other => return other,
            }
        }
        Err(Errno::EAGAIN)
    };
    match load(&mut []) {
        // SAFETY: the fd is new, and nobody else has its number. The kernel makes it close-on-exec.
        Ok(fd) => Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
        Err(errno @ (Errno::EINVAL | Errno::EACCES)) => {
            // Once more for the words; a log costs time that success does not need.
            let mut log = vec![0u8; 16384];
            let _ = load(&mut log);
            let end = log.iter().position(|&b| b == 0).unwrap_or(log.len());
            let text = String::from_utf8_lossy(&log[..end]);
            let last = text.lines().rev().find(|l| !l.is_empty() && !l.starts_with("processed ")).unwrap_or("");
            Err((errno, last.to_string()))
        }
        Err(errno) => Err((errno, String::new())),
    }
}

/// Attaches a device program to a cgroup's folder, beside those of its ancestors (BPF_F_ALLOW_MULTI).
pub fn attach_device_program(program: BorrowedFd, cgroup: BorrowedFd) -> Result<(), Errno> {
    let mut attr = Attach {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_bpf_fd: program.as_raw_fd() as u32,
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: F_ALLOW_MULTI,
        ..Attach::default()
    };
    // SAFETY: Attach is PROG_ATTACH's attribute and holds no pointers.
    unsafe { bpf(PROG_ATTACH, &mut attr) }.map(drop)
}

/// How many device programs are attached to this very cgroup.
pub fn count_device_programs(cgroup: BorrowedFd) -> Result<u32, Errno> {
    let mut attr = Query { target_fd: cgroup.as_raw_fd() as u32, attach_type: ATTACH_CGROUP_DEVICE, ..Query::default() };
    // SAFETY: Query is PROG_QUERY's attribute; with prog_cnt 0 no id is written.
    unsafe { bpf(PROG_QUERY, &mut attr) }?;
    Ok(attr.prog_cnt)
}
