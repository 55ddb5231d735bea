//! What podrt reads from annotations; the list is complete.

use crate::cgroup::IoLimit;

pub const DOMAIN: &str = "podrt.io/";
/// `overlay` (default) or `direct`: the bundle's rootfs itself, with nothing laid over it.
pub const ROOTFS: &str = "podrt.io/rootfs";
/// Lines of io.max for the pod's cgroup, `8:0 rbps=1048576 wiops=100`; between several a line end or `;`.
pub const IO_MAX: &str = "podrt.io/io.max";

/// podrt's own mark: the file that an applied pod came from. Taken from a dump without a word, and written anew.
pub const APPLIED_FROM: &str = "podrt.io/applied-from";
/// kubectl's mark: what was applied last, as JSON. Taken from a dump without a word, and written anew.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// # Errors
/// What is wrong with the first line that is none.
pub fn io_max(value: &str) -> Result<Vec<IoLimit>, String> {
    let lines: Vec<&str> = value.split(['\n', ';']).map(str::trim).filter(|l| !l.is_empty()).collect();
    if lines.is_empty() {
        return Err("empty, want MAJOR:MINOR KEY=VALUE ...".to_owned());
    }
    lines.into_iter().map(IoLimit::parse).collect()
}
