//! The syscalls of x86_64, i386 and x32: names, numbers, and what RuntimeDefault makes of each.
//!
//! The numbers are the kernel's (arch/x86/entry/syscalls, Linux 7.1). Names that only other architectures have are listed without
//! a number, so that a profile for several architectures is told from a misspelt one. A test checks the numbers against the
//! library's. A new row's gate is `NO` until the field's default profile lets it through.

use caps::Capability;

/// One syscall.
#[derive(Debug)]
pub struct Syscall {
    pub name: &'static str,
    numbers: [i16; 3],
    pub gate: Gate,
}

/// When RuntimeDefault allows a syscall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Never,
    Always,
    /// With one of these capabilities (a mask) in the bounding set.
    With(u64),
    /// By a rule of its own, in [`super::default`].
    Rule,
}

/// The three system call interfaces of an x86_64 kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    X86_64,
    I386,
    X32,
}

impl Syscall {
    /// The number that seccomp sees: x32's carry their bit. None: there is no such call.
    pub fn number(&self, abi: Abi) -> Option<u32> {
        let n = u32::try_from(self.numbers[abi as usize]).ok()?;
        Some(if abi == Abi::X32 { n | X32_BIT } else { n })
    }
}

/// `__X32_SYSCALL_BIT`.
pub const X32_BIT: u32 = 0x4000_0000;

/// The row of a name.
pub fn find(name: &str) -> Option<&'static Syscall> {
    Finder::default().find(name)
}

/// Finds the rows of many names, quickest in the order of the alphabet, in which profiles tend to list them.
#[derive(Default)]
pub struct Finder {
    next: usize,
}

impl Finder {
    pub fn find(&mut self, name: &str) -> Option<&'static Syscall> {
        const NEAR: usize = 4;
        let near = SYSCALLS.iter().skip(self.next).take(NEAR).position(|row| row.name == name).map(|at| self.next + at);
        let at = near.or_else(|| SYSCALLS.binary_search_by(|row| row.name.cmp(name)).ok())?;
        self.next = at + 1;
        Some(&SYSCALLS[at])
    }
}

const fn row(name: &'static str, x86_64: i16, i386: i16, x32: i16, gate: Gate) -> Syscall {
    Syscall { name, numbers: [x86_64, i386, x32], gate }
}

/// No such call.
const X: i16 = -1;

const NO: Gate = Gate::Never;
const YES: Gate = Gate::Always;
const RULE: Gate = Gate::Rule;

const fn with(caps: &[Capability]) -> Gate {
    let (mut mask, mut i) = (0, 0);
    while i < caps.len() {
        mask |= 1 << caps[i] as u8;
        i += 1;
    }
    Gate::With(mask)
}

const SEARCH: Gate = with(&[Capability::CAP_DAC_READ_SEARCH]);
const MODULE: Gate = with(&[Capability::CAP_SYS_MODULE]);
const RAWIO: Gate = with(&[Capability::CAP_SYS_RAWIO]);
const CHROOT: Gate = with(&[Capability::CAP_SYS_CHROOT]);
const PTRACE: Gate = with(&[Capability::CAP_SYS_PTRACE]);
const PACCT: Gate = with(&[Capability::CAP_SYS_PACCT]);
pub const ADMIN: Gate = with(&[Capability::CAP_SYS_ADMIN]);
const BOOT: Gate = with(&[Capability::CAP_SYS_BOOT]);
const NICE: Gate = with(&[Capability::CAP_SYS_NICE]);
const TIME: Gate = with(&[Capability::CAP_SYS_TIME]);
const TTY: Gate = with(&[Capability::CAP_SYS_TTY_CONFIG]);
const BPF: Gate = with(&[Capability::CAP_SYS_ADMIN, Capability::CAP_BPF]);
const PERF: Gate = with(&[Capability::CAP_SYS_ADMIN, Capability::CAP_PERFMON]);
const LOG: Gate = with(&[Capability::CAP_SYS_ADMIN, Capability::CAP_SYSLOG]);

/// Sorted by name.
#[rustfmt::skip]
static SYSCALLS: [Syscall; 508] = [
    row("_llseek", X, 140, X, YES), row("_newselect", X, 142, X, YES), row("_sysctl", 156, 149, X, NO),
    row("accept", 43, X, 43, YES), row("accept4", 288, 364, 288, YES), row("access", 21, 33, 21, YES),
    row("acct", 163, 51, 163, PACCT), row("add_key", 248, 286, 248, NO), row("adjtimex", 159, 124, 159, YES),
    row("afs_syscall", 183, 137, 183, NO), row("alarm", 37, 27, 37, YES), row("arch_prctl", 158, 384, 158, YES),
    row("arm_fadvise64_64", X, X, X, NO), row("arm_sync_file_range", X, X, X, NO), row("atomic_barrier", X, X, X, NO),
    row("atomic_cmpxchg_32", X, X, X, NO), row("bdflush", X, 134, X, NO), row("bind", 49, 361, 49, YES),
    row("bpf", 321, 357, 321, BPF), row("break", X, 17, X, NO), row("breakpoint", X, X, X, NO),
    row("brk", 12, 45, 12, YES), row("cachectl", X, X, X, NO), row("cacheflush", X, X, X, NO),
    row("cachestat", 451, 451, 451, YES), row("capget", 125, 184, 125, YES), row("capset", 126, 185, 126, YES),
    row("chdir", 80, 12, 80, YES), row("chmod", 90, 15, 90, YES), row("chown", 92, 182, 92, YES), row("chown32", X, 212, X, YES),
    row("chroot", 161, 61, 161, CHROOT), row("clock_adjtime", 305, 343, 305, YES), row("clock_adjtime64", X, 405, X, YES),
    row("clock_getres", 229, 266, 229, YES), row("clock_getres_time64", X, 406, X, YES), row("clock_gettime", 228, 265, 228, YES),
    row("clock_gettime64", X, 403, X, YES), row("clock_nanosleep", 230, 267, 230, YES),
    row("clock_nanosleep_time64", X, 407, X, YES), row("clock_settime", 227, 264, 227, TIME),
    row("clock_settime64", X, 404, X, TIME), row("clone", 56, 120, 56, RULE), row("clone3", 435, 435, 435, RULE),
    row("close", 3, 6, 3, YES), row("close_range", 436, 436, 436, YES), row("connect", 42, 362, 42, YES),
    row("copy_file_range", 326, 377, 326, YES), row("creat", 85, 8, 85, YES), row("create_module", 174, 127, X, NO),
    row("delete_module", 176, 129, 176, MODULE), row("dup", 32, 41, 32, YES), row("dup2", 33, 63, 33, YES),
    row("dup3", 292, 330, 292, YES), row("epoll_create", 213, 254, 213, YES), row("epoll_create1", 291, 329, 291, YES),
    row("epoll_ctl", 233, 255, 233, YES), row("epoll_ctl_old", 214, X, X, YES), row("epoll_pwait", 281, 319, 281, YES),
    row("epoll_pwait2", 441, 441, 441, YES), row("epoll_wait", 232, 256, 232, YES), row("epoll_wait_old", 215, X, X, YES),
    row("eventfd", 284, 323, 284, YES), row("eventfd2", 290, 328, 290, YES), row("execve", 59, 11, 520, YES),
    row("execveat", 322, 358, 545, YES), row("exit", 60, 1, 60, YES), row("exit_group", 231, 252, 231, YES),
    row("faccessat", 269, 307, 269, YES), row("faccessat2", 439, 439, 439, YES), row("fadvise64", 221, 250, 221, YES),
    row("fadvise64_64", X, 272, X, YES), row("fallocate", 285, 324, 285, YES), row("fanotify_init", 300, 338, 300, ADMIN),
    row("fanotify_mark", 301, 339, 301, YES), row("fchdir", 81, 133, 81, YES), row("fchmod", 91, 94, 91, YES),
    row("fchmodat", 268, 306, 268, YES), row("fchmodat2", 452, 452, 452, YES), row("fchown", 93, 95, 93, YES),
    row("fchown32", X, 207, X, YES), row("fchownat", 260, 298, 260, YES), row("fcntl", 72, 55, 72, YES),
    row("fcntl64", X, 221, X, YES), row("fdatasync", 75, 148, 75, YES), row("fgetxattr", 193, 231, 193, YES),
    row("file_getattr", 468, 468, 468, NO), row("file_setattr", 469, 469, 469, NO), row("finit_module", 313, 350, 313, MODULE),
    row("flistxattr", 196, 234, 196, YES), row("flock", 73, 143, 73, YES), row("fork", 57, 2, 57, YES),
    row("fremovexattr", 199, 237, 199, YES), row("fsconfig", 431, 431, 431, ADMIN), row("fsetxattr", 190, 228, 190, YES),
    row("fsmount", 432, 432, 432, ADMIN), row("fsopen", 430, 430, 430, ADMIN), row("fspick", 433, 433, 433, ADMIN),
    row("fstat", 5, 108, 5, YES), row("fstat64", X, 197, X, YES), row("fstatat64", X, 300, X, YES),
    row("fstatfs", 138, 100, 138, YES), row("fstatfs64", X, 269, X, YES), row("fsync", 74, 118, 74, YES),
    row("ftime", X, 35, X, NO), row("ftruncate", 77, 93, 77, YES), row("ftruncate64", X, 194, X, YES),
    row("futex", 202, 240, 202, YES), row("futex_requeue", 456, 456, 456, YES), row("futex_time64", X, 422, X, YES),
    row("futex_wait", 455, 455, 455, YES), row("futex_waitv", 449, 449, 449, YES), row("futex_wake", 454, 454, 454, YES),
    row("futimesat", 261, 299, 261, YES), row("get_kernel_syms", 177, 130, X, NO), row("get_mempolicy", 239, 275, 239, NICE),
    row("get_robust_list", 274, 312, 531, YES), row("get_thread_area", 211, 244, X, YES), row("get_tls", X, X, X, NO),
    row("getcpu", 309, 318, 309, YES), row("getcwd", 79, 183, 79, YES), row("getdents", 78, 141, 78, YES),
    row("getdents64", 217, 220, 217, YES), row("getegid", 108, 50, 108, YES), row("getegid32", X, 202, X, YES),
    row("geteuid", 107, 49, 107, YES), row("geteuid32", X, 201, X, YES), row("getgid", 104, 47, 104, YES),
    row("getgid32", X, 200, X, YES), row("getgroups", 115, 80, 115, YES), row("getgroups32", X, 205, X, YES),
    row("getitimer", 36, 105, 36, YES), row("getpagesize", X, X, X, NO), row("getpeername", 52, 368, 52, YES),
    row("getpgid", 121, 132, 121, YES), row("getpgrp", 111, 65, 111, YES), row("getpid", 39, 20, 39, YES),
    row("getpmsg", 181, 188, 181, NO), row("getppid", 110, 64, 110, YES), row("getpriority", 140, 96, 140, YES),
    row("getrandom", 318, 355, 318, YES), row("getresgid", 120, 171, 120, YES), row("getresgid32", X, 211, X, YES),
    row("getresuid", 118, 165, 118, YES), row("getresuid32", X, 209, X, YES), row("getrlimit", 97, 76, 97, YES),
    row("getrusage", 98, 77, 98, YES), row("getsid", 124, 147, 124, YES), row("getsockname", 51, 367, 51, YES),
    row("getsockopt", 55, 365, 542, YES), row("gettid", 186, 224, 186, YES), row("gettimeofday", 96, 78, 96, YES),
    row("getuid", 102, 24, 102, YES), row("getuid32", X, 199, X, YES), row("getxattr", 191, 229, 191, YES),
    row("getxattrat", 464, 464, 464, YES), row("gtty", X, 32, X, NO), row("idle", X, 112, X, NO),
    row("init_module", 175, 128, 175, MODULE), row("inotify_add_watch", 254, 292, 254, YES),
    row("inotify_init", 253, 291, 253, YES), row("inotify_init1", 294, 332, 294, YES),
    row("inotify_rm_watch", 255, 293, 255, YES), row("io_cancel", 210, 249, 210, YES), row("io_destroy", 207, 246, 207, YES),
    row("io_getevents", 208, 247, 208, YES), row("io_pgetevents", 333, 385, 333, YES),
    row("io_pgetevents_time64", X, 416, X, YES), row("io_setup", 206, 245, 543, YES), row("io_submit", 209, 248, 544, YES),
    row("io_uring_enter", 426, 426, 426, NO), row("io_uring_register", 427, 427, 427, NO),
    row("io_uring_setup", 425, 425, 425, NO), row("ioctl", 16, 54, 514, YES), row("ioperm", 173, 101, 173, RAWIO),
    row("iopl", 172, 110, 172, RAWIO), row("ioprio_get", 252, 290, 252, YES), row("ioprio_set", 251, 289, 251, YES),
    row("ipc", X, 117, X, YES), row("kcmp", 312, 349, 312, PTRACE), row("kexec_file_load", 320, X, 320, NO),
    row("kexec_load", 246, 283, 528, NO), row("keyctl", 250, 288, 250, NO), row("kill", 62, 37, 62, YES),
    row("landlock_add_rule", 445, 445, 445, YES), row("landlock_create_ruleset", 444, 444, 444, YES),
    row("landlock_restrict_self", 446, 446, 446, YES), row("lchown", 94, 16, 94, YES), row("lchown32", X, 198, X, YES),
    row("lgetxattr", 192, 230, 192, YES), row("link", 86, 9, 86, YES), row("linkat", 265, 303, 265, YES),
    row("listen", 50, 363, 50, YES), row("listmount", 458, 458, 458, YES), row("listns", 470, 470, 470, NO),
    row("listxattr", 194, 232, 194, YES), row("listxattrat", 465, 465, 465, YES), row("llistxattr", 195, 233, 195, YES),
    row("lock", X, 53, X, NO), row("lookup_dcookie", 212, 253, 212, ADMIN), row("lremovexattr", 198, 236, 198, YES),
    row("lseek", 8, 19, 8, YES), row("lsetxattr", 189, 227, 189, YES), row("lsm_get_self_attr", 459, 459, 459, YES),
    row("lsm_list_modules", 461, 461, 461, YES), row("lsm_set_self_attr", 460, 460, 460, YES), row("lstat", 6, 107, 6, YES),
    row("lstat64", X, 196, X, YES), row("madvise", 28, 219, 28, YES), row("map_shadow_stack", 453, 453, X, YES),
    row("mbind", 237, 274, 237, NICE), row("membarrier", 324, 375, 324, YES), row("memfd_create", 319, 356, 319, YES),
    row("memfd_secret", 447, 447, 447, YES), row("migrate_pages", 256, 294, 256, NO), row("mincore", 27, 218, 27, YES),
    row("mkdir", 83, 39, 83, YES), row("mkdirat", 258, 296, 258, YES), row("mknod", 133, 14, 133, YES),
    row("mknodat", 259, 297, 259, YES), row("mlock", 149, 150, 149, YES), row("mlock2", 325, 376, 325, YES),
    row("mlockall", 151, 152, 151, YES), row("mmap", 9, 90, 9, YES), row("mmap2", X, 192, X, YES),
    row("modify_ldt", 154, 123, 154, YES), row("mount", 165, 21, 165, ADMIN), row("mount_setattr", 442, 442, 442, ADMIN),
    row("move_mount", 429, 429, 429, ADMIN), row("move_pages", 279, 317, 533, NO), row("mprotect", 10, 125, 10, YES),
    row("mpx", X, 56, X, NO), row("mq_getsetattr", 245, 282, 245, YES), row("mq_notify", 244, 281, 527, YES),
    row("mq_open", 240, 277, 240, YES), row("mq_timedreceive", 243, 280, 243, YES), row("mq_timedreceive_time64", X, 419, X, YES),
    row("mq_timedsend", 242, 279, 242, YES), row("mq_timedsend_time64", X, 418, X, YES), row("mq_unlink", 241, 278, 241, YES),
    row("mremap", 25, 163, 25, YES), row("mseal", 462, 462, 462, YES), row("msgctl", 71, 402, 71, YES),
    row("msgget", 68, 399, 68, YES), row("msgrcv", 70, 401, 70, YES), row("msgsnd", 69, 400, 69, YES),
    row("msync", 26, 144, 26, YES), row("multiplexer", X, X, X, NO), row("munlock", 150, 151, 150, YES),
    row("munlockall", 152, 153, 152, YES), row("munmap", 11, 91, 11, YES), row("name_to_handle_at", 303, 341, 303, YES),
    row("nanosleep", 35, 162, 35, YES), row("newfstatat", 262, X, 262, YES), row("nfsservctl", 180, 169, X, NO),
    row("nice", X, 34, X, NO), row("oldfstat", X, 28, X, NO), row("oldlstat", X, 84, X, NO), row("oldolduname", X, 59, X, NO),
    row("oldstat", X, 18, X, NO), row("olduname", X, 109, X, NO), row("open", 2, 5, 2, YES),
    row("open_by_handle_at", 304, 342, 304, SEARCH), row("open_tree", 428, 428, 428, ADMIN),
    row("open_tree_attr", 467, 467, 467, NO), row("openat", 257, 295, 257, YES), row("openat2", 437, 437, 437, YES),
    row("pause", 34, 29, 34, YES), row("pciconfig_iobase", X, X, X, NO), row("pciconfig_read", X, X, X, NO),
    row("pciconfig_write", X, X, X, NO), row("perf_event_open", 298, 336, 298, PERF),
    row("personality", 135, 136, 135, RULE), row("pidfd_getfd", 438, 438, 438, PTRACE), row("pidfd_open", 434, 434, 434, YES),
    row("pidfd_send_signal", 424, 424, 424, YES), row("pipe", 22, 42, 22, YES), row("pipe2", 293, 331, 293, YES),
    row("pivot_root", 155, 217, 155, NO), row("pkey_alloc", 330, 381, 330, YES), row("pkey_free", 331, 382, 331, YES),
    row("pkey_mprotect", 329, 380, 329, YES), row("poll", 7, 168, 7, YES), row("ppoll", 271, 309, 271, YES),
    row("ppoll_time64", X, 414, X, YES), row("prctl", 157, 172, 157, YES), row("pread64", 17, 180, 17, YES),
    row("preadv", 295, 333, 534, YES), row("preadv2", 327, 378, 546, YES), row("prlimit64", 302, 340, 302, YES),
    row("process_madvise", 440, 440, 440, PTRACE), row("process_mrelease", 448, 448, 448, YES),
    row("process_vm_readv", 310, 347, 539, YES), row("process_vm_writev", 311, 348, 540, YES), row("prof", X, 44, X, NO),
    row("profil", X, 98, X, NO), row("pselect6", 270, 308, 270, YES), row("pselect6_time64", X, 413, X, YES),
    row("ptrace", 101, 26, 521, YES), row("putpmsg", 182, 189, 182, NO), row("pwrite64", 18, 181, 18, YES),
    row("pwritev", 296, 334, 535, YES), row("pwritev2", 328, 379, 547, YES), row("query_module", 178, 167, X, NO),
    row("quotactl", 179, 131, 179, ADMIN), row("quotactl_fd", 443, 443, 443, ADMIN), row("read", 0, 3, 0, YES),
    row("readahead", 187, 225, 187, YES), row("readdir", X, 89, X, NO), row("readlink", 89, 85, 89, YES),
    row("readlinkat", 267, 305, 267, YES), row("readv", 19, 145, 515, YES), row("reboot", 169, 88, 169, BOOT),
    row("recv", X, X, X, NO), row("recvfrom", 45, 371, 517, YES), row("recvmmsg", 299, 337, 537, YES),
    row("recvmmsg_time64", X, 417, X, YES), row("recvmsg", 47, 372, 519, YES), row("remap_file_pages", 216, 257, 216, YES),
    row("removexattr", 197, 235, 197, YES), row("removexattrat", 466, 466, 466, YES), row("rename", 82, 38, 82, YES),
    row("renameat", 264, 302, 264, YES), row("renameat2", 316, 353, 316, YES), row("request_key", 249, 287, 249, NO),
    row("restart_syscall", 219, 0, 219, YES), row("riscv_flush_icache", X, X, X, NO), row("riscv_hwprobe", X, X, X, NO),
    row("rmdir", 84, 40, 84, YES), row("rseq", 334, 386, 334, YES), row("rseq_slice_yield", 471, 471, 471, NO),
    row("rt_sigaction", 13, 174, 512, YES), row("rt_sigpending", 127, 176, 522, YES), row("rt_sigprocmask", 14, 175, 14, YES),
    row("rt_sigqueueinfo", 129, 178, 524, YES), row("rt_sigreturn", 15, 173, 513, YES), row("rt_sigsuspend", 130, 179, 130, YES),
    row("rt_sigtimedwait", 128, 177, 523, YES), row("rt_sigtimedwait_time64", X, 421, X, YES),
    row("rt_tgsigqueueinfo", 297, 335, 536, YES), row("rtas", X, X, X, NO), row("s390_guarded_storage", X, X, X, NO),
    row("s390_pci_mmio_read", X, X, X, NO), row("s390_pci_mmio_write", X, X, X, NO), row("s390_runtime_instr", X, X, X, NO),
    row("s390_sthyi", X, X, X, NO), row("sched_get_priority_max", 146, 159, 146, YES),
    row("sched_get_priority_min", 147, 160, 147, YES), row("sched_getaffinity", 204, 242, 204, YES),
    row("sched_getattr", 315, 352, 315, YES), row("sched_getparam", 143, 155, 143, YES),
    row("sched_getscheduler", 145, 157, 145, YES), row("sched_rr_get_interval", 148, 161, 148, YES),
    row("sched_rr_get_interval_time64", X, 423, X, YES), row("sched_setaffinity", 203, 241, 203, YES),
    row("sched_setattr", 314, 351, 314, YES), row("sched_setparam", 142, 154, 142, YES),
    row("sched_setscheduler", 144, 156, 144, YES), row("sched_yield", 24, 158, 24, YES), row("seccomp", 317, 354, 317, YES),
    row("security", 185, X, 185, NO), row("select", 23, 82, 23, YES), row("semctl", 66, 394, 66, YES),
    row("semget", 64, 393, 64, YES), row("semop", 65, X, 65, YES), row("semtimedop", 220, X, 220, YES),
    row("semtimedop_time64", X, 420, X, YES), row("send", X, X, X, NO), row("sendfile", 40, 187, 40, YES),
    row("sendfile64", X, 239, X, YES), row("sendmmsg", 307, 345, 538, YES), row("sendmsg", 46, 370, 518, YES),
    row("sendto", 44, 369, 44, YES), row("set_mempolicy", 238, 276, 238, NICE),
    row("set_mempolicy_home_node", 450, 450, 450, NICE), row("set_robust_list", 273, 311, 530, YES),
    row("set_thread_area", 205, 243, X, YES), row("set_tid_address", 218, 258, 218, YES), row("set_tls", X, X, X, NO),
    row("setdomainname", 171, 121, 171, ADMIN), row("setfsgid", 123, 139, 123, YES), row("setfsgid32", X, 216, X, YES),
    row("setfsuid", 122, 138, 122, YES), row("setfsuid32", X, 215, X, YES), row("setgid", 106, 46, 106, YES),
    row("setgid32", X, 214, X, YES), row("setgroups", 116, 81, 116, YES), row("setgroups32", X, 206, X, YES),
    row("sethostname", 170, 74, 170, ADMIN), row("setitimer", 38, 104, 38, YES), row("setns", 308, 346, 308, ADMIN),
    row("setpgid", 109, 57, 109, YES), row("setpriority", 141, 97, 141, YES), row("setregid", 114, 71, 114, YES),
    row("setregid32", X, 204, X, YES), row("setresgid", 119, 170, 119, YES), row("setresgid32", X, 210, X, YES),
    row("setresuid", 117, 164, 117, YES), row("setresuid32", X, 208, X, YES), row("setreuid", 113, 70, 113, YES),
    row("setreuid32", X, 203, X, YES), row("setrlimit", 160, 75, 160, YES), row("setsid", 112, 66, 112, YES),
    row("setsockopt", 54, 366, 541, YES), row("settimeofday", 164, 79, 164, TIME), row("setuid", 105, 23, 105, YES),
    row("setuid32", X, 213, X, YES), row("setxattr", 188, 226, 188, YES), row("setxattrat", 463, 463, 463, YES),
    row("sgetmask", X, 68, X, NO), row("shmat", 30, 397, 30, YES), row("shmctl", 31, 396, 31, YES),
    row("shmdt", 67, 398, 67, YES), row("shmget", 29, 395, 29, YES), row("shutdown", 48, 373, 48, YES),
    row("sigaction", X, 67, X, NO), row("sigaltstack", 131, 186, 525, YES), row("signal", X, 48, X, NO),
    row("signalfd", 282, 321, 282, YES), row("signalfd4", 289, 327, 289, YES), row("sigpending", X, 73, X, NO),
    row("sigprocmask", X, 126, X, YES), row("sigreturn", X, 119, X, YES), row("sigsuspend", X, 72, X, NO),
    row("socket", 41, 359, 41, RULE), row("socketcall", X, 102, X, YES), row("socketpair", 53, 360, 53, YES),
    row("splice", 275, 313, 275, YES), row("spu_create", X, X, X, NO), row("spu_run", X, X, X, NO), row("ssetmask", X, 69, X, NO),
    row("stat", 4, 106, 4, YES), row("stat64", X, 195, X, YES), row("statfs", 137, 99, 137, YES), row("statfs64", X, 268, X, YES),
    row("statmount", 457, 457, 457, YES), row("statx", 332, 383, 332, YES), row("stime", X, 25, X, TIME),
    row("stty", X, 31, X, NO), row("subpage_prot", X, X, X, NO), row("swapcontext", X, X, X, NO),
    row("swapoff", 168, 115, 168, NO), row("swapon", 167, 87, 167, NO), row("switch_endian", X, X, X, NO),
    row("symlink", 88, 83, 88, YES), row("symlinkat", 266, 304, 266, YES), row("sync", 162, 36, 162, YES),
    row("sync_file_range", 277, 314, 277, YES), row("sync_file_range2", X, X, X, NO), row("syncfs", 306, 344, 306, YES),
    row("sys_debug_setcontext", X, X, X, NO), row("syscall", X, X, X, NO), row("sysfs", 139, 135, 139, NO),
    row("sysinfo", 99, 116, 99, YES), row("syslog", 103, 103, 103, LOG), row("sysmips", X, X, X, NO),
    row("tee", 276, 315, 276, YES), row("tgkill", 234, 270, 234, YES), row("time", 201, 13, 201, YES),
    row("timer_create", 222, 259, 526, YES), row("timer_delete", 226, 263, 226, YES), row("timer_getoverrun", 225, 262, 225, YES),
    row("timer_gettime", 224, 261, 224, YES), row("timer_gettime64", X, 408, X, YES), row("timer_settime", 223, 260, 223, YES),
    row("timer_settime64", X, 409, X, YES), row("timerfd", X, X, X, NO), row("timerfd_create", 283, 322, 283, YES),
    row("timerfd_gettime", 287, 326, 287, YES), row("timerfd_gettime64", X, 410, X, YES),
    row("timerfd_settime", 286, 325, 286, YES), row("timerfd_settime64", X, 411, X, YES), row("times", 100, 43, 100, YES),
    row("tkill", 200, 238, 200, YES), row("truncate", 76, 92, 76, YES), row("truncate64", X, 193, X, YES),
    row("tuxcall", 184, X, 184, NO), row("ugetrlimit", X, 191, X, YES), row("ulimit", X, 58, X, NO),
    row("umask", 95, 60, 95, YES), row("umount", X, 22, X, ADMIN), row("umount2", 166, 52, 166, ADMIN),
    row("uname", 63, 122, 63, YES), row("unlink", 87, 10, 87, YES), row("unlinkat", 263, 301, 263, YES),
    row("unshare", 272, 310, 272, ADMIN), row("uprobe", 336, X, 336, NO), row("uretprobe", 335, X, 335, YES),
    row("uselib", 134, 86, X, NO), row("userfaultfd", 323, 374, 323, NO), row("usr26", X, X, X, NO), row("usr32", X, X, X, NO),
    row("ustat", 136, 62, 136, NO), row("utime", 132, 30, 132, YES), row("utimensat", 280, 320, 280, YES),
    row("utimensat_time64", X, 412, X, YES), row("utimes", 235, 271, 235, YES), row("vfork", 58, 190, 58, YES),
    row("vhangup", 153, 111, 153, TTY), row("vm86", X, 166, X, NO), row("vm86old", X, 113, X, NO),
    row("vmsplice", 278, 316, 532, YES), row("vserver", 236, 273, X, NO), row("wait4", 61, 114, 61, YES),
    row("waitid", 247, 284, 529, YES), row("waitpid", X, 7, X, YES), row("write", 1, 4, 1, YES), row("writev", 20, 146, 516, YES),
];

/// Every row, in the order of the names.
pub fn all() -> &'static [Syscall] {
    &SYSCALLS
}
