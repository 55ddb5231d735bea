//! Resource limits by name.

use crate::sys::raw;

/// One resource limit for prlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// The kernel's number of the resource: an index into [`NAMES`].
    pub resource: u32,
    /// In the resource's unit (getrlimit(2)); `u64::MAX` is no limit.
    pub soft: u64,
    pub hard: u64,
}

impl Rlimit {
    pub fn name(&self) -> &'static str {
        NAMES.get(self.resource as usize).copied().unwrap_or("RLIMIT_?")
    }

    /// This process's limit with the hard one as high as this asks for; None where it is so already.
    pub fn raised(&self) -> Option<Rlimit> {
        let (soft, hard) = raw::getrlimit(self.resource).ok()?;
        (self.hard > hard).then_some(Rlimit { soft, ..*self })
    }
}

/// The resources in the order of their numbers, from include/uapi/asm-generic/resource.h (x86_64 and aarch64 follow it).
pub const NAMES: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

/// The number of a resource by its full name, as the runtime-spec writes it.
pub fn number(name: &str) -> Option<u32> {
    NAMES.iter().position(|n| *n == name).map(|n| n as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_c_library() {
        for (name, want) in [
            ("RLIMIT_CPU", libc::RLIMIT_CPU),
            ("RLIMIT_CORE", libc::RLIMIT_CORE),
            ("RLIMIT_NPROC", libc::RLIMIT_NPROC),
            ("RLIMIT_NOFILE", libc::RLIMIT_NOFILE),
            ("RLIMIT_MEMLOCK", libc::RLIMIT_MEMLOCK),
            ("RLIMIT_AS", libc::RLIMIT_AS),
            ("RLIMIT_SIGPENDING", libc::RLIMIT_SIGPENDING),
            ("RLIMIT_RTTIME", libc::RLIMIT_RTTIME),
        ] {
            assert_eq!(number(name), Some(want), "{name}");
        }
        for name in ["", "NOFILE", "rlimit_nofile", "RLIMIT_BOGUS"] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
