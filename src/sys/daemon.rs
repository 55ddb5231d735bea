//! What a process inherits from whoever started it, put back to what it would have from init(1).

use super::errno::{Call, Result};
use super::raw;

/// Soft and hard limits as a service manager's defaults are; None leaves the kernel's own (it depends on the machine's memory).
const LIMITS: [(u32, u64, u64); 15] = [
    (libc::RLIMIT_CPU, u64::MAX, u64::MAX),
    (libc::RLIMIT_FSIZE, u64::MAX, u64::MAX),
    (libc::RLIMIT_DATA, u64::MAX, u64::MAX),
    (libc::RLIMIT_STACK, 8 << 20, u64::MAX),
    (libc::RLIMIT_CORE, u64::MAX, u64::MAX),
    (libc::RLIMIT_RSS, u64::MAX, u64::MAX),
    (libc::RLIMIT_NPROC, u64::MAX, u64::MAX),
    (libc::RLIMIT_NOFILE, 1024, 524_288),
    (libc::RLIMIT_MEMLOCK, 8 << 20, 8 << 20),
    (libc::RLIMIT_AS, u64::MAX, u64::MAX),
    (libc::RLIMIT_LOCKS, u64::MAX, u64::MAX),
    (libc::RLIMIT_MSGQUEUE, 819_200, 819_200),
    (libc::RLIMIT_NICE, 0, 0),
    (libc::RLIMIT_RTPRIO, 0, 0),
    (libc::RLIMIT_RTTIME, u64::MAX, u64::MAX),
];

/// Limits, priorities, affinity, personality, timer slack, session keyring. A hard limit that may not be raised stays, and so may
/// the rest where the host refuses. Returns false where no_new_privs is set: that cannot be taken back by anybody.
pub fn shed_caller() -> bool {
    for (resource, soft, hard) in LIMITS {
        if raw::setrlimit(resource, soft, hard).is_err()
            && let Some(ceiling) = hard_limit(resource)
        {
            let _ = raw::setrlimit(resource, soft.min(ceiling), ceiling.min(hard));
        }
    }
    // SAFETY: scalars, and an affinity mask that lives for the call: all bits set is every CPU that is allowed.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 0);
        let param: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_OTHER, &param);
        let mut every: libc::cpu_set_t = std::mem::zeroed();
        std::ptr::write_bytes((&raw mut every).cast::<u8>(), 0xff, std::mem::size_of_val(&every));
        libc::sched_setaffinity(0, std::mem::size_of_val(&every), &every);
        libc::syscall(libc::SYS_ioprio_set, 1, 0, 0);
        libc::personality(0);
    }
    let _ = raw::prctl(libc::PR_SET_TIMERSLACK, 0, 0, 0, 0);
    let _ = raw::join_session_keyring(c"podrt");
    raw::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == Ok(0)
}

fn hard_limit(resource: u32) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives for the call.
    (unsafe { libc::getrlimit(resource, &mut limit) } == 0).then_some(limit.rlim_max)
}

/// oom_score_adj of this process, clamped to what the host allows: true when it took.
pub fn set_oom_score_adj(value: i32) -> bool {
    std::fs::write("/proc/self/oom_score_adj", value.to_string()).is_ok()
}

/// Gives memory that was freed back to the kernel.
pub fn trim_heap() {
    // SAFETY: walks the allocator's own lists under its own lock.
    unsafe { libc::malloc_trim(0) };
}

/// Blocks every signal of this thread.
pub fn block_signals() -> Result<()> {
    raw::sigmask(u64::MAX).map(drop).call(|| "rt_sigprocmask".into())
}
