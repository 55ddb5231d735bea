//! Capability names and masks: bit n of a mask is capability n of capabilities(7).

use crate::sys::raw;
use caps::Capability;
use std::str::FromStr;
use std::sync::OnceLock;

/// The five sets of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSets {
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
    pub bounding: u64,
    pub ambient: u64,
}

/// What this kernel and this process can give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Every capability that the kernel knows.
    pub kernel: u64,
    /// The permitted set of this process. Root's follows its bounding set at every exec, so it stands for both.
    pub permitted: u64,
}

impl Held {
    /// Read once for the process: podrt never changes its own capabilities.
    pub fn by_this_process() -> Held {
        static HELD: OnceLock<Held> = OnceLock::new();
        *HELD.get_or_init(|| {
            let [_, permitted, _] = raw::capget().unwrap_or_default();
            Held { kernel: mask_up_to(last_cap()), permitted }
        })
    }

    /// What a process has in a user namespace of its own: everything the kernel knows.
    pub fn in_user_namespace() -> Held {
        let kernel = mask_up_to(last_cap());
        Held { kernel, permitted: kernel }
    }
}

/// The number of a capability by its name, with or without `CAP_`, in any case (engines and Kubernetes write both).
pub fn number(name: &str) -> Option<u8> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    Capability::from_str(&format!("CAP_{bare}")).ok().map(|cap| cap.index())
}

/// The mask of the known names, and the unknown names as they were written. The runtime-spec has the latter warned about and
/// dropped; a typed parser that refuses them must look here first.
pub fn mask<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> (u64, Vec<String>) {
    let mut mask = 0;
    let mut unknown = Vec::new();
    for name in names {
        match number(name.as_ref()) {
            Some(n) => mask |= 1 << n,
            None => unknown.push(name.as_ref().to_owned()),
        }
    }
    (mask, unknown)
}

/// The names of a mask in the order of their numbers: `CAP_CHOWN`; one without a name is `CAP_63`.
pub fn names(mask: u64) -> Vec<String> {
    static TABLE: OnceLock<Vec<(u8, String)>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table: Vec<_> = caps::all().iter().map(|cap| (cap.index(), cap.to_string())).collect();
        table.sort();
        table
    });
    let name = |n: u8| table.iter().find(|(m, _)| *m == n).map_or_else(|| format!("CAP_{n}"), |(_, name)| name.clone());
    (0..64u8).filter(|n| mask & (1 << n) != 0).map(name).collect()
}

/// Every capability of this kernel: what `ALL` and `privileged` mean.
pub fn all() -> u64 {
    Held::by_this_process().kernel
}

/// The kernel's last capability, what `/proc/sys/kernel/cap_last_cap` says: asked of prctl(2), which costs two calls and needs
/// no `/proc`.
fn last_cap() -> u8 {
    let known = |n: u8| raw::prctl(libc::PR_CAPBSET_READ, n as usize, 0, 0, 0).is_ok();
    // 40 is CAP_CHECKPOINT_RESTORE, the last one of Linux 5.9 to at least 6.18.
    let mut n = 40;
    while n > 0 && !known(n) {
        n -= 1;
    }
    while n < 63 && known(n + 1) {
        n += 1;
    }
    n
}

fn mask_up_to(last: u8) -> u64 {
    u64::MAX >> (63 - last as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_with_and_without_prefix_and_unknown_ones_are_listed() {
        let rows: [(&[&str], u64, &[&str]); 5] = [
            (&[], 0, &[]),
            (&["CAP_CHOWN"], 1, &[]),
            (&["NET_ADMIN", "cap_chown", "CAP_CHECKPOINT_RESTORE"], 1 << 12 | 1 | 1 << 40, &[]),
            (&["CAP_CHOWN", "CAP_BOGUS", ""], 1, &["CAP_BOGUS", ""]),
            (&["CAP_CAP_CHOWN", "CHOWN ", "CAP_CHOWN\n"], 0, &["CAP_CAP_CHOWN", "CHOWN ", "CAP_CHOWN\n"]),
        ];
        for (input, want, unknown) in rows {
            assert_eq!(mask(input), (want, unknown.iter().map(|s| s.to_string()).collect()), "{input:?}");
        }
    }

    #[test]
    fn a_mask_is_named_in_order_and_a_nameless_bit_by_its_number() {
        assert_eq!(names(1 << 40 | 1 | 1 << 62), ["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE", "CAP_62"]);
        assert_eq!(mask(names(mask_up_to(40))), (mask_up_to(40), vec![]));
    }

    #[test]
    fn the_last_capability_is_the_one_that_the_kernel_tells_in_proc() {
        let told = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").expect("a readable /proc");
        assert_eq!(last_cap().to_string(), told.trim());
    }
}
