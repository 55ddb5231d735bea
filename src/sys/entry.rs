//! The program's real entry, before the C library's.
//!
//! Whatever enters a container runs from a read-only mount of its own file ([`crate::container::exe`]), so it is executed twice.
//! A static C library's start costs some hundred microseconds where CPUID is trapped (a virtual machine); done here, the first
//! of the two costs none of it. An optimization only: on any doubt or error it returns, and main does the same in the open.
//!
//! Nothing of the C library may be called here, not even memcpy: its variants are chosen by the start-up that has not run yet.

use super::Errno;
use super::mount::{AT_EMPTY_PATH, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, OPEN_TREE_CLONE};
use super::raw::{self, MountAttr};
use std::ffi::CStr;

// The linker is told to start at `podrt_entry` (build.rs). The stack is as the kernel made it: argc, argv, 0, envp, 0, auxv;
// aligned to 16 bytes, as a call wants it. rdx is kept: the ABI passes the loader's exit function in it to _start.
std::arch::global_asm!(
    ".globl podrt_entry",
    "podrt_entry:",
    "mov rdi, rsp",
    "push rdx",
    "push rdx",
    "call {early}",
    "pop rdx",
    "pop rdx",
    "xor ebp, ebp",
    "jmp _start",
    early = sym early,
);

/// The verbs whose process, or a child of it, enters containers: podrt's, or those of podrt-oci, which is built without pods.
#[cfg(feature = "pod")]
static ENTERING: [&[u8]; 1] = [b"exec"];
#[cfg(not(feature = "pod"))]
static ENTERING: [&[u8]; 3] = [b"run", b"create", b"exec"];

/// Other verbs that need most of the program at once. Not the supervisor, whose memory is the cost of a pod.
#[cfg(feature = "pod")]
static LARGE: [&[u8]; 3] = [b"create", b"apply", b"delete"];
#[cfg(not(feature = "pod"))]
static LARGE: [&[u8]; 1] = [b"delete"];

/// # Safety
/// `stack` is the process's initial stack.
unsafe extern "C" fn early(stack: *const usize) {
    // SAFETY: the kernel's layout, as above; every pointer of argv but the last null is a C string.
    unsafe {
        let argc = *stack;
        let argv = stack.add(1);
        let mut i = 1;
        while i < argc {
            let enters = is_one_of(&ENTERING, *argv.add(i) as *const u8);
            if enters {
                // Comes back in the second of the two, or where there is none.
                let _ = again(argv as usize, argv.add(argc + 1) as usize);
            }
            if enters || is_one_of(&LARGE, *argv.add(i) as *const u8) {
                populate(stack as usize);
                return;
            }
            i += 1;
        }
    }
}

/// # Safety
/// `arg` is a C string.
unsafe fn is_one_of(verbs: &[&[u8]], arg: *const u8) -> bool {
    let mut v = 0;
    while v < verbs.len() {
        let (verb, mut n) = (verbs[v], 0);
        // SAFETY: reads stop at the first byte that differs, the terminating NUL at the latest.
        unsafe {
            while n < verb.len() && *arg.add(n) == verb[n] {
                n += 1;
            }
            if n == verb.len() && *arg.add(n) == 0 {
                return true;
            }
        }
        v += 1;
    }
    false
}

fn again(argv: usize, envp: usize) -> raw::Res {
    let path = c"/proc/self/exe";
    if is_read_only(path)? {
        return Ok(());
    }
    let exe = raw::open_tree(raw::CWD, path, OPEN_TREE_CLONE)?;
    let attr = MountAttr {
        attr_set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    raw::mount_setattr(exe, c"", AT_EMPTY_PATH, &attr)?;
    // SAFETY: argv and envp are the process's own vectors.
    unsafe {
        raw::syscall6(libc::SYS_execveat, exe as usize, c"".as_ptr() as usize, argv, envp, libc::AT_EMPTY_PATH as usize, 0)?;
    }
    Ok(())
}

/// What may be written to lies on no read-only mount. statfs(2), which sums up the disk's counters, is asked only where another
/// reason forbids it (an immutable file): a wrong answer would start this program again for ever.
fn is_read_only(path: &CStr) -> raw::Res<bool> {
    const ST_RDONLY: i64 = 1;
    /// Where f_flags stands among the 15 words of x86_64's struct statfs.
    const F_FLAGS: usize = 10;
    match raw::access_effective(raw::CWD, path, libc::W_OK) {
        Ok(()) => return Ok(false),
        Err(Errno::EROFS) => return Ok(true),
        Err(_) => {}
    }
    // Not zeroed: that might be a call of memset.
    let mut stat = std::mem::MaybeUninit::<[i64; 15]>::uninit();
    // SAFETY: statfs fills the buffer, which is as long as it writes; the path is a C string.
    unsafe {
        raw::syscall6(libc::SYS_statfs, path.as_ptr() as usize, stat.as_mut_ptr() as usize, 0, 0, 0, 0)?;
        Ok((*stat.as_ptr())[F_FLAGS] & ST_RDONLY != 0)
    }
}

#[allow(non_upper_case_globals)]
unsafe extern "C" {
    // The linker's: where the image begins, where what is only read ends, and where all ends.
    static __executable_start: u8;
    static etext: u8;
    static end: u8;
}

const PAGE: usize = 4096;
/// Of the stack, below where it begins: what reading a command line and a config.json touches.
const STACK: usize = 96 << 10;

/// Has the kernel map at once what would come page by page, at a fault each: a third of what such a fault costs is left.
fn populate(stack: usize) {
    let (start, text, all) = (&raw const __executable_start as usize, &raw const etext as usize, &raw const end as usize);
    let up = |address: usize| (address + PAGE - 1) & !(PAGE - 1);
    let low = stack & !(PAGE - 1);
    advise(start & !(PAGE - 1), up(text), libc::MADV_POPULATE_READ);
    advise(up(text), up(all), libc::MADV_POPULATE_WRITE);
    advise(low - STACK, low, libc::MADV_POPULATE_WRITE);
}

/// madvise(2), Linux 5.14; what it refuses comes as it always did.
fn advise(from: usize, to: usize, advice: i32) {
    // SAFETY: pages are mapped earlier than they would be, and nothing else.
    let _ = unsafe { raw::syscall6(libc::SYS_madvise, from, to - from, advice as usize, 0, 0, 0) };
}

/// As for the image, for what the C library has of the heap: its first 128 KiB. For a command that is going to need them.
pub fn populate_heap() {
    let block = Box::new(0u64);
    let from = &raw const *block as usize & !(PAGE - 1);
    // SAFETY: asks where the heap ends.
    let to = unsafe { libc::sbrk(0) } as usize;
    if from < to && to - from <= 1 << 20 {
        advise(from, to & !(PAGE - 1), libc::MADV_POPULATE_WRITE);
    }
}
