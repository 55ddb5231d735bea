//! What the host is.

/// The kernel's release by uname(2): `6.18.44`. Empty only if the kernel told none.
pub fn kernel_release() -> String {
    // SAFETY: an all-zero utsname is a valid value; the kernel fills it.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `names` is live and of the size that uname(2) writes.
    if unsafe { libc::uname(&raw mut names) } != 0 {
        return String::new();
    }
    names.release.iter().take_while(|c| **c != 0).map(|c| *c as u8 as char).collect()
}
