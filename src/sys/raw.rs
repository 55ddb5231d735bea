//! Raw syscalls: no allocation, no errno variable, no locks, so that a child that shares its parent's memory and thread-local
//! storage (`CLONE_VM`) may call them between clone and exec. Arguments are borrowed C strings and plain fds; errors are numbers.
//!
//! The functions are safe: each passes the kernel only pointers that are valid for the call. Fds are plain numbers, as the
//! kernel has them; who owns them is the caller's plan.

use super::Errno;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub type Fd = i32;
pub type Res<T = ()> = Result<T, Errno>;

/// `AT_FDCWD`: paths are relative to the working folder.
pub const CWD: Fd = libc::AT_FDCWD;

/// The bare instruction. Returns the kernel's value, or the error it encoded as -4095..=-1.
///
/// # Safety
/// The arguments must be valid for syscall `nr`: pointers must be live and as large as the kernel expects.
#[inline(always)]
pub unsafe fn syscall6(nr: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> Res<usize> {
    let ret: isize;
    // SAFETY: the x86_64 syscall ABI: rcx and r11 are clobbered, memory may be read and written; the caller vouches for the rest.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") nr as isize => ret,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    if (-4095..0).contains(&ret) { Err(Errno(-ret as i32)) } else { Ok(ret as usize) }
}

macro_rules! sc {
    ($nr:ident $(, $arg:expr)*) => { sc!(@ $nr; $($arg,)* 0usize, 0usize, 0usize, 0usize, 0usize, 0usize,) };
    (@ $nr:ident; $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr, $($rest:expr,)*) => {
        // SAFETY: each wrapper below passes scalars, or pointers to values that it borrows for the length of the call.
        unsafe { syscall6(libc::$nr, $a as usize, $b as usize, $c as usize, $d as usize, $e as usize, $f as usize) }
    };
}

fn opt(s: Option<&CStr>) -> *const libc::c_char {
    s.map_or(std::ptr::null(), CStr::as_ptr)
}

// Files and folders.

/// openat(2). `O_CLOEXEC` is always added.
pub fn openat(dir: Fd, path: &CStr, flags: i32, mode: u32) -> Res<Fd> {
    sc!(SYS_openat, dir, path.as_ptr(), flags | libc::O_CLOEXEC, mode).map(|fd| fd as Fd)
}

/// openat2(2) with `resolve` = RESOLVE_* bits. `O_CLOEXEC` is always added.
pub fn openat2(dir: Fd, path: &CStr, flags: i32, mode: u32, resolve: u64) -> Res<Fd> {
    let how: [u64; 3] = [(flags | libc::O_CLOEXEC) as u32 as u64, mode as u64, resolve];
    sc!(SYS_openat2, dir, path.as_ptr(), how.as_ptr(), std::mem::size_of_val(&how)).map(|fd| fd as Fd)
}

pub fn mkdirat(dir: Fd, path: &CStr, mode: u32) -> Res {
    sc!(SYS_mkdirat, dir, path.as_ptr(), mode).map(drop)
}

/// mknodat(2); `mode` holds the type (`S_IFCHR`, `S_IFREG` ...), `dev` is [`libc::makedev`]'s number.
pub fn mknodat(dir: Fd, path: &CStr, mode: u32, dev: u64) -> Res {
    sc!(SYS_mknodat, dir, path.as_ptr(), mode, dev).map(drop)
}

pub fn symlinkat(target: &CStr, dir: Fd, path: &CStr) -> Res {
    sc!(SYS_symlinkat, target.as_ptr(), dir, path.as_ptr()).map(drop)
}

pub fn unlinkat(dir: Fd, path: &CStr, flags: i32) -> Res {
    sc!(SYS_unlinkat, dir, path.as_ptr(), flags).map(drop)
}

pub fn readlinkat<'b>(dir: Fd, path: &CStr, buf: &'b mut [u8]) -> Res<&'b [u8]> {
    let n = sc!(SYS_readlinkat, dir, path.as_ptr(), buf.as_mut_ptr(), buf.len())?;
    Ok(&buf[..n])
}

pub fn fchmod(fd: Fd, mode: u32) -> Res {
    sc!(SYS_fchmod, fd, mode).map(drop)
}

pub fn fchown(fd: Fd, uid: u32, gid: u32) -> Res {
    sc!(SYS_fchown, fd, uid, gid).map(drop)
}

/// fchownat(2) with `AT_EMPTY_PATH`, for an `O_PATH` fd.
pub fn fchown_path(fd: Fd, uid: u32, gid: u32) -> Res {
    sc!(SYS_fchownat, fd, c"".as_ptr(), uid, gid, libc::AT_EMPTY_PATH).map(drop)
}

pub fn fchmodat(dir: Fd, path: &CStr, mode: u32) -> Res {
    sc!(SYS_fchmodat, dir, path.as_ptr(), mode).map(drop)
}

pub fn fstat(fd: Fd) -> Res<libc::stat> {
    fstatat(fd, c"", libc::AT_EMPTY_PATH)
}

pub fn fstatat(dir: Fd, path: &CStr, flags: i32) -> Res<libc::stat> {
    // SAFETY: an all-zero stat is a valid value; the kernel fills it.
    let mut st: libc::stat = unsafe { std::mem::zeroed() };
    sc!(SYS_newfstatat, dir, path.as_ptr(), &raw mut st, flags)?;
    Ok(st)
}

/// The magic number of the file system that `fd` is on.
pub fn fstatfs_type(fd: Fd) -> Res<i64> {
    // SAFETY: as in `fstatat`.
    let mut st: libc::statfs = unsafe { std::mem::zeroed() };
    sc!(SYS_fstatfs, fd, &raw mut st)?;
    Ok(st.f_type as i64)
}

/// faccessat2(2) with the effective ids.
pub fn access_effective(dir: Fd, path: &CStr, mode: i32) -> Res {
    sc!(SYS_faccessat2, dir, path.as_ptr(), mode, libc::AT_EACCESS).map(drop)
}

pub fn fchdir(fd: Fd) -> Res {
    sc!(SYS_fchdir, fd).map(drop)
}

pub fn chdir(path: &CStr) -> Res {
    sc!(SYS_chdir, path.as_ptr()).map(drop)
}

pub fn chroot(path: &CStr) -> Res {
    sc!(SYS_chroot, path.as_ptr()).map(drop)
}

/// The length of the working folder's path; the kernel says "(unreachable)..." where it lies outside the root.
pub fn getcwd(buf: &mut [u8]) -> Res<usize> {
    sc!(SYS_getcwd, buf.as_mut_ptr(), buf.len())
}

pub fn umask(mask: u32) {
    let _ = sc!(SYS_umask, mask);
}

pub fn read(fd: Fd, buf: &mut [u8]) -> Res<usize> {
    loop {
        match sc!(SYS_read, fd, buf.as_mut_ptr(), buf.len()) {
            Err(Errno::EINTR) => continue,
            r => return r,
        }
    }
}

pub fn write(fd: Fd, buf: &[u8]) -> Res<usize> {
    loop {
        match sc!(SYS_write, fd, buf.as_ptr(), buf.len()) {
            Err(Errno::EINTR) => continue,
            r => return r,
        }
    }
}

pub fn close(fd: Fd) {
    let _ = sc!(SYS_close, fd);
}

pub fn dup3(old: Fd, new: Fd, flags: i32) -> Res {
    sc!(SYS_dup3, old, new, flags).map(drop)
}

/// fcntl(2) with a plain number as its argument.
pub fn fcntl(fd: Fd, cmd: i32, arg: usize) -> Res<usize> {
    sc!(SYS_fcntl, fd, cmd, arg)
}

/// close_range(2) from `first` to the end; `flags` 0 closes, `CLOSE_RANGE_CLOEXEC` marks.
pub fn close_range(first: u32, last: u32, flags: u32) -> Res {
    sc!(SYS_close_range, first, last, flags).map(drop)
}

/// ioctl(2) with a plain number or none.
pub fn ioctl(fd: Fd, request: u64, arg: usize) -> Res<usize> {
    sc!(SYS_ioctl, fd, request, arg)
}

// Mounts.

/// open_tree(2): `OPEN_TREE_CLONE`, `AT_RECURSIVE`, `AT_EMPTY_PATH`, `AT_SYMLINK_NOFOLLOW`; `OPEN_TREE_CLOEXEC` is always added.
pub fn open_tree(dir: Fd, path: &CStr, flags: u32) -> Res<Fd> {
    sc!(SYS_open_tree, dir, path.as_ptr(), flags | libc::O_CLOEXEC as u32).map(|fd| fd as Fd)
}

pub fn move_mount(from: Fd, from_path: &CStr, to: Fd, to_path: &CStr, flags: u32) -> Res {
    sc!(SYS_move_mount, from, from_path.as_ptr(), to, to_path.as_ptr(), flags).map(drop)
}

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountAttr {
    pub attr_set: u64,
    pub attr_clr: u64,
    pub propagation: u64,
    pub userns_fd: u64,
}

pub fn mount_setattr(dir: Fd, path: &CStr, flags: u32, attr: &MountAttr) -> Res {
    sc!(SYS_mount_setattr, dir, path.as_ptr(), flags, attr as *const MountAttr, std::mem::size_of::<MountAttr>()).map(drop)
}

/// fsopen(2) with `FSOPEN_CLOEXEC`.
pub fn fsopen(fstype: &CStr) -> Res<Fd> {
    sc!(SYS_fsopen, fstype.as_ptr(), 1).map(|fd| fd as Fd)
}

/// fsconfig(2): `value` None sets a flag.
pub fn fsconfig(fs: Fd, key: &CStr, value: Option<&CStr>) -> Res {
    sc!(SYS_fsconfig, fs, if value.is_some() { 1 } else { 0 }, key.as_ptr(), opt(value), 0).map(drop)
}

/// fsconfig(2) `FSCONFIG_CMD_CREATE`.
pub fn fsconfig_create(fs: Fd) -> Res {
    sc!(SYS_fsconfig, fs, 6, 0, 0, 0).map(drop)
}

/// fsmount(2) with `FSMOUNT_CLOEXEC`; `attrs` are MOUNT_ATTR_* bits.
pub fn fsmount(fs: Fd, attrs: u32) -> Res<Fd> {
    sc!(SYS_fsmount, fs, 1, attrs).map(|fd| fd as Fd)
}

pub fn mount(source: Option<&CStr>, target: &CStr, fstype: Option<&CStr>, flags: u64, data: Option<&CStr>) -> Res {
    sc!(SYS_mount, opt(source), target.as_ptr(), opt(fstype), flags, opt(data)).map(drop)
}

pub fn umount2(target: &CStr, flags: i32) -> Res {
    sc!(SYS_umount2, target.as_ptr(), flags).map(drop)
}

pub fn pivot_root(new: &CStr, old: &CStr) -> Res {
    sc!(SYS_pivot_root, new.as_ptr(), old.as_ptr()).map(drop)
}

// Processes and namespaces.

pub fn setns(fd: Fd, flags: i32) -> Res {
    sc!(SYS_setns, fd, flags).map(drop)
}

pub fn unshare(flags: i32) -> Res {
    sc!(SYS_unshare, flags).map(drop)
}

pub fn sethostname(name: &[u8]) -> Res {
    sc!(SYS_sethostname, name.as_ptr(), name.len()).map(drop)
}

pub fn setdomainname(name: &[u8]) -> Res {
    sc!(SYS_setdomainname, name.as_ptr(), name.len()).map(drop)
}

pub fn setsid() -> Res {
    sc!(SYS_setsid).map(drop)
}

pub fn getpid() -> i32 {
    sc!(SYS_getpid).unwrap_or(0) as i32
}

pub fn prctl(op: i32, a: usize, b: usize, c: usize, d: usize) -> Res<usize> {
    sc!(SYS_prctl, op, a, b, c, d)
}

/// prctl(2) `PR_SET_NAME`.
pub fn set_name(name: &CStr) -> Res {
    sc!(SYS_prctl, libc::PR_SET_NAME, name.as_ptr()).map(drop)
}

pub fn setgroups(groups: &[u32]) -> Res {
    sc!(SYS_setgroups, groups.len(), groups.as_ptr()).map(drop)
}

pub fn setresgid(gid: u32) -> Res {
    sc!(SYS_setresgid, gid, gid, gid).map(drop)
}

pub fn setresuid(uid: u32) -> Res {
    sc!(SYS_setresuid, uid, uid, uid).map(drop)
}

/// Real, effective and saved user id.
pub fn getresuid() -> Res<[u32; 3]> {
    let mut ids = [0u32; 3];
    let [r, e, s] = &mut ids;
    sc!(SYS_getresuid, r as *mut u32, e as *mut u32, s as *mut u32)?;
    Ok(ids)
}

pub fn getresgid() -> Res<[u32; 3]> {
    let mut ids = [0u32; 3];
    let [r, e, s] = &mut ids;
    sc!(SYS_getresgid, r as *mut u32, e as *mut u32, s as *mut u32)?;
    Ok(ids)
}

/// capset(2), version 3: effective, permitted and inheritable masks of this thread.
pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Res {
    let header: [u32; 2] = [0x2008_0522, 0];
    let halves = |shift: u32| [(effective >> shift) as u32, (permitted >> shift) as u32, (inheritable >> shift) as u32];
    let data: [[u32; 3]; 2] = [halves(0), halves(32)];
    sc!(SYS_capset, header.as_ptr(), data.as_ptr()).map(drop)
}

/// capget(2), version 3: effective, permitted and inheritable masks of this thread.
pub fn capget() -> Res<[u64; 3]> {
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut data = [[0u32; 3]; 2];
    sc!(SYS_capget, header.as_ptr(), data.as_mut_ptr())?;
    Ok([0, 1, 2].map(|set| data[0][set] as u64 | (data[1][set] as u64) << 32))
}

/// How many supplementary groups this thread has.
pub fn getgroups_count() -> Res<usize> {
    sc!(SYS_getgroups, 0, 0)
}

/// (soft, hard) of this process. prlimit(2).
pub fn getrlimit(resource: u32) -> Res<(u64, u64)> {
    let mut limit = [0u64; 2];
    sc!(SYS_prlimit64, 0, resource, 0, limit.as_mut_ptr())?;
    Ok((limit[0], limit[1]))
}

/// prlimit64(2) on this process; `soft` and `hard` in the resource's unit, `RLIM_INFINITY` = `u64::MAX`.
pub fn setrlimit(resource: u32, soft: u64, hard: u64) -> Res {
    let limit = [soft, hard];
    sc!(SYS_prlimit64, 0, resource, limit.as_ptr(), 0).map(drop)
}

/// seccomp(2) `SECCOMP_SET_MODE_FILTER`. `program` is an array of `struct sock_filter`, 8 bytes each. Returns the listener's fd
/// when `SECCOMP_FILTER_FLAG_NEW_LISTENER` is among the flags, else 0.
pub fn seccomp_set_filter(flags: u32, program: &[u8]) -> Res<usize> {
    #[repr(C)]
    struct Fprog {
        len: u16,
        filter: *const u8,
    }
    let len = program.len() / 8;
    if len == 0 || len > 4096 || !program.len().is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    let prog = Fprog { len: len as u16, filter: program.as_ptr() };
    sc!(SYS_seccomp, 1, flags, &raw const prog)
}

/// The dispositions that are not the default ones, as bits; all ones while nobody has looked.
static DISPOSED: AtomicU64 = AtomicU64::new(u64::MAX);

/// Looks which signals [`reset_signals`] has to reset. For a process that changes no disposition from here on.
pub fn remember_signals() {
    let mut disposed = 0;
    for signal in 1..=64u32 {
        let mut action = [0u64; 4];
        let asked = sc!(SYS_rt_sigaction, signal, 0, action.as_mut_ptr(), 8);
        if asked.is_err() || action[0] != 0 {
            disposed |= 1 << (signal - 1);
        }
    }
    DISPOSED.store(disposed, Relaxed);
}

/// Resets every signal disposition to the default. Rust ignores SIGPIPE and a clone inherits that; nohup ignores SIGHUP.
pub fn reset_signals() {
    // struct kernel_sigaction { handler, flags, restorer, mask }, all zero: SIG_DFL.
    let action = [0u64; 4];
    let disposed = DISPOSED.load(Relaxed);
    for signal in 1..=64u32 {
        let other = disposed & 1 << (signal - 1) != 0;
        if other && signal != libc::SIGKILL as u32 && signal != libc::SIGSTOP as u32 {
            let _ = sc!(SYS_rt_sigaction, signal, action.as_ptr(), 0, 8);
        }
    }
}

/// Sets this thread's signal mask: bit n-1 blocks signal n. Returns the old one.
pub fn sigmask(mask: u64) -> Res<u64> {
    let mut old = 0u64;
    sc!(SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut old, 8)?;
    Ok(old)
}

/// execve(2). Returns only on failure.
pub fn execve(path: &CStr, argv: &Vector, envp: &Vector) -> Errno {
    sc!(SYS_execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()).err().unwrap_or(Errno::EINVAL)
}

/// execveat(2) of the open file itself (`AT_EMPTY_PATH`). Returns only on failure.
pub fn execve_fd(fd: Fd, argv: &Vector, envp: &Vector) -> Errno {
    sc!(SYS_execveat, fd, c"".as_ptr(), argv.as_ptr(), envp.as_ptr(), libc::AT_EMPTY_PATH).err().unwrap_or(Errno::EINVAL)
}

pub fn exit(code: i32) -> ! {
    loop {
        let _ = sc!(SYS_exit_group, code);
    }
}

pub fn kill(pid: i32, signal: i32) -> Res {
    sc!(SYS_kill, pid, signal).map(drop)
}

/// A NULL-terminated vector of C strings for exec, that owns them.
pub struct Vector {
    strings: Vec<std::ffi::CString>,
    /// Addresses of `strings`' own heap buffers, and a null at the end; numbers, so that a plan that holds them may be shared.
    pointers: Vec<usize>,
}

impl Vector {
    pub fn new(strings: Vec<std::ffi::CString>) -> Vector {
        let pointers = strings.iter().map(|s| s.as_ptr() as usize).chain([0]).collect();
        Vector { strings, pointers }
    }

    pub fn strings(&self) -> &[std::ffi::CString] {
        &self.strings
    }

    fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr().cast()
    }
}

impl std::fmt::Debug for Vector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.strings.fmt(f)
    }
}

/// keyctl(2) `KEYCTL_JOIN_SESSION_KEYRING`: a new session keyring, so that the caller's keys do not follow.
pub fn join_session_keyring(name: &CStr) -> Res {
    sc!(SYS_keyctl, 1, name.as_ptr()).map(drop)
}

/// `TIOCSCTTY`: the terminal becomes the session's.
pub fn set_controlling_terminal(fd: Fd) -> Res {
    sc!(SYS_ioctl, fd, libc::TIOCSCTTY, 0).map(drop)
}
