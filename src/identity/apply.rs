//! The child's half: one step, one method; no allocation, no locks, numbers for errors.
//!
//! The order, and why:
//!
//! | step | because |
//! |---|---|
//! | [`apply_oom_score_adj`](Identity::apply_oom_score_adj) | `/proc/self` is root's to write until the ids change; lowering needs CAP_SYS_RESOURCE |
//! | [`apply_limits`](Identity::apply_limits) | raising a hard limit needs CAP_SYS_RESOURCE; after the last open that a low RLIMIT_NOFILE would refuse |
//! | [`drop_bounding`](Identity::drop_bounding) | needs CAP_SETPCAP in the effective set, which the change of ids clears |
//! | [`apply_ids`](Identity::apply_ids) | CAP_SETGID and CAP_SETUID; keepcaps first, or a non-zero uid loses what it was to keep |
//! | [`apply_caps`](Identity::apply_caps) | the permitted set only ever shrinks: the last step that uses podrt's own |
//! | [`raise_ambient`](Identity::raise_ambient) | needs the bit permitted and inheritable; a change of ids or a capset would clear it |
//! | [`set_no_new_privs`](Identity::set_no_new_privs) | before the seccomp load where that is done without CAP_SYS_ADMIN, at the latest before exec |
//! | [`apply_umask`](Identity::apply_umask) | any time after the last file that the child makes |
//!
//! A seccomp filter of a container without no_new_privs is loaded before [`apply_caps`](Identity::apply_caps) (it needs
//! CAP_SYS_ADMIN), so the filter must then allow the calls of the steps that follow; with no_new_privs it is the last step.
//!
//! A change of ids makes the process non-dumpable, and it stays so until exec: nothing of the container may trace it.
//! With `CLONE_VM` that mark is on the parent's memory as well, which for a root parent changes who may trace it, and no more.

use super::{DEFAULT_UMASK, Identity};
use crate::sys::{Errno, raw};

/// What failed within a step, and how: an index, a capability's number, or a call's place; the step's method says which.
pub type Failure = (u8, Errno);

/// The steps, for the words to a [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    OomScoreAdj,
    Limits,
    Bounding,
    Ids,
    Caps,
    Ambient,
    NoNewPrivs,
}

impl Step {
    /// The parent's words: `set RLIMIT_NOFILE to 1024:2048`.
    pub fn words(self, item: u8, identity: &Identity) -> String {
        let cap = || super::caps::names(1u64.checked_shl(item.into()).unwrap_or(0)).join("");
        match self {
            Step::OomScoreAdj => format!("set oom_score_adj to {}", identity.oom_score_adj.unwrap_or_default()),
            Step::Limits => match identity.rlimits.get(item as usize) {
                Some(limit) => format!("set {} to {}:{}", limit.name(), limit.soft, limit.hard),
                None => "set resource limits".into(),
            },
            Step::Bounding => format!("drop {} from the bounding set", cap()),
            Step::Ids => match item {
                ids::KEEPCAPS => "keep capabilities over the change of ids".into(),
                ids::GROUPS => format!("set {} supplementary groups", identity.groups.len()),
                ids::GID => format!("set gid {}", identity.gid),
                ids::UID => format!("set uid {}", identity.uid),
                _ => format!("check that the ids are {}:{}", identity.uid, identity.gid),
            },
            Step::Caps => "set capabilities".into(),
            Step::Ambient => format!("raise {} in the ambient set", cap()),
            Step::NoNewPrivs => "set no_new_privs".into(),
        }
    }
}

/// The items of [`Identity::apply_ids`].
mod ids {
    pub const KEEPCAPS: u8 = 0;
    pub const GROUPS: u8 = 1;
    pub const GID: u8 = 2;
    pub const UID: u8 = 3;
    pub const CHECK: u8 = 4;
}

// prctl(2)'s sub-commands, as the numbers that the raw call takes.
const PR_CAP_AMBIENT_RAISE: usize = libc::PR_CAP_AMBIENT_RAISE as usize;
const PR_CAP_AMBIENT_CLEAR_ALL: usize = libc::PR_CAP_AMBIENT_CLEAR_ALL as usize;

impl Identity {
    /// Writes `self/oom_score_adj` below `proc`, an fd of a procfs that shows this process. Nothing where none is asked for.
    ///
    /// # Errors
    /// `EACCES`: it may not be lowered that far; the inherited value stays, and the caller decides. Item 0.
    pub fn apply_oom_score_adj(&self, proc: raw::Fd) -> Result<(), Failure> {
        let Some(adj) = self.oom_score_adj else { return Ok(()) };
        let mut digits = [0u8; 6];
        let text = decimal(adj, &mut digits);
        let fd = raw::openat(proc, c"self/oom_score_adj", libc::O_WRONLY | libc::O_NOFOLLOW, 0).map_err(|e| (0, e))?;
        let written = raw::write(fd, text);
        raw::close(fd);
        written.map(drop).map_err(|e| (0, e))
    }

    /// Sets the resource limits.
    ///
    /// # Errors
    /// The item is the limit's index; `EPERM`: its hard limit may not be raised.
    pub fn apply_limits(&self) -> Result<(), Failure> {
        for (i, limit) in self.rlimits.iter().enumerate() {
            raw::setrlimit(limit.resource, limit.soft, limit.hard).map_err(|e| (i as u8, e))?;
        }
        Ok(())
    }

    /// Drops from the bounding set whatever is not asked for, also what has no name yet.
    ///
    /// # Errors
    /// The item is the capability's number.
    pub fn drop_bounding(&self) -> Result<(), Failure> {
        for cap in 0..64u8 {
            if self.caps.bounding & (1 << cap) != 0 {
                continue;
            }
            match raw::prctl(libc::PR_CAPBSET_DROP, cap as usize, 0, 0, 0) {
                Ok(_) => {}
                // Past the kernel's last capability.
                Err(Errno::EINVAL) if cap > 0 => break,
                Err(e) => return Err((cap, e)),
            }
        }
        Ok(())
    }

    /// Takes on groups, gid and uid (real, effective, saved), keeps the permitted set over it, and reads the ids back: a call
    /// that was told "leave as it is" does not fail.
    ///
    /// # Errors
    /// The item is the call: keepcaps, setgroups, setresgid, setresuid, the check (with `EPERM`).
    pub fn apply_ids(&self) -> Result<(), Failure> {
        raw::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0).map_err(|e| (ids::KEEPCAPS, e))?;
        raw::setgroups(&self.groups).map_err(|e| (ids::GROUPS, e))?;
        raw::setresgid(self.gid).map_err(|e| (ids::GID, e))?;
        raw::setresuid(self.uid).map_err(|e| (ids::UID, e))?;
        // Not kept for what runs after exec in this process: exec clears it, but a failing exec's caller shall not have it.
        raw::prctl(libc::PR_SET_KEEPCAPS, 0, 0, 0, 0).map_err(|e| (ids::KEEPCAPS, e))?;
        let check = |e| (ids::CHECK, e);
        let same = raw::getresuid().map_err(check)? == [self.uid; 3]
            && raw::getresgid().map_err(check)? == [self.gid; 3]
            && raw::getgroups_count().map_err(check)? == self.groups.len();
        if same { Ok(()) } else { Err(check(Errno::EPERM)) }
    }

    /// Sets effective, permitted and inheritable to exactly what is asked. For a non-zero uid without ambient capabilities the
    /// permitted and effective sets end at exec, as capabilities(7) has it.
    pub fn apply_caps(&self) -> Result<(), Failure> {
        raw::capset(self.caps.effective, self.caps.permitted, self.caps.inheritable).map_err(|e| (0, e))
    }

    /// Makes the ambient set exactly what is asked: cleared, then raised.
    ///
    /// # Errors
    /// The item is the capability's number.
    pub fn raise_ambient(&self) -> Result<(), Failure> {
        raw::prctl(libc::PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0).map_err(|e| (0, e))?;
        for cap in (0..64u8).filter(|cap| self.caps.ambient & (1 << cap) != 0) {
            raw::prctl(libc::PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap as usize, 0, 0).map_err(|e| (cap, e))?;
        }
        Ok(())
    }

    /// Sets no_new_privs where it is asked for. It cannot be taken back.
    pub fn set_no_new_privs(&self) -> Result<(), Failure> {
        if !self.no_new_privs {
            return Ok(());
        }
        raw::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).map(drop).map_err(|e| (0, e))
    }

    /// Sets the umask, of this process (or of all that share its file system state).
    pub fn apply_umask(&self) {
        raw::umask(self.umask.unwrap_or(DEFAULT_UMASK));
    }
}

/// The decimal text of a number of at most five digits, without the allocation that formatting might make.
fn decimal(n: i32, buf: &mut [u8; 6]) -> &[u8] {
    let mut rest = n.unsigned_abs();
    let mut at = buf.len();
    loop {
        at -= 1;
        buf[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 || at <= 1 {
            break;
        }
    }
    if n < 0 {
        at -= 1;
        buf[at] = b'-';
    }
    &buf[at..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{CapSets, Rlimit};
    use std::process::Command;

    /// Runs `steps` in a thread (ids and capabilities are each thread's own), then the shell in a child of that thread.
    /// None without root.
    fn after(identity: Identity, script: &'static str) -> Option<String> {
        if raw::getresuid() != Ok([0; 3]) {
            eprintln!("skipped: needs root");
            return None;
        }
        let run = move || {
            identity.apply_limits().expect("limits");
            identity.drop_bounding().expect("bounding");
            identity.apply_ids().expect("ids");
            identity.apply_caps().expect("caps");
            identity.raise_ambient().expect("ambient");
            identity.set_no_new_privs().expect("no_new_privs");
            let out = Command::new("/bin/sh").args(["-c", script]).env_clear().current_dir("/").output().expect("a shell");
            String::from_utf8_lossy(&out.stdout).into_owned()
        };
        Some(std::thread::spawn(run).join().expect("the thread"))
    }

    const STATUS: &str =
        "while read -r k v; do case $k in Uid:|Gid:|Groups:|Cap*|NoNew*) echo $k $v;; esac; done </proc/self/status";
    const CHOWN_KILL: u64 = 1 | 1 << 5;

    fn status(identity: Identity, want: &str) {
        if let Some(got) = after(identity, STATUS) {
            let got: Vec<_> = got.lines().collect();
            assert_eq!(got, want.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_non_root_user_without_ambient_capabilities_has_none_after_exec() {
        let caps = CapSets { effective: CHOWN_KILL, permitted: CHOWN_KILL, inheritable: 0, bounding: CHOWN_KILL, ambient: 0 };
        status(
            Identity { uid: 1000, gid: 1001, groups: vec![7, 5], caps, no_new_privs: true, ..Default::default() },
            "Uid: 1000 1000 1000 1000
             Gid: 1001 1001 1001 1001
             Groups: 5 7
             CapInh: 0000000000000000
             CapPrm: 0000000000000000
             CapEff: 0000000000000000
             CapBnd: 0000000000000021
             CapAmb: 0000000000000000
             NoNewPrivs: 1",
        );
    }

    #[test]
    fn an_ambient_capability_survives_the_exec_of_a_non_root_user() {
        let caps = CapSets { effective: CHOWN_KILL, permitted: CHOWN_KILL, inheritable: 1, bounding: CHOWN_KILL, ambient: 1 };
        status(
            Identity { uid: 4294967294, gid: 0, caps, ..Default::default() },
            "Uid: 4294967294 4294967294 4294967294 4294967294
             Gid: 0 0 0 0
             Groups:
             CapInh: 0000000000000001
             CapPrm: 0000000000000001
             CapEff: 0000000000000001
             CapBnd: 0000000000000021
             CapAmb: 0000000000000001
             NoNewPrivs: 0",
        );
    }

    #[test]
    fn root_is_held_to_the_bounding_set_and_loses_its_groups() {
        let caps = CapSets { effective: 1, permitted: 1, inheritable: 0, bounding: CHOWN_KILL, ambient: 0 };
        status(
            Identity { caps, ..Default::default() },
            "Uid: 0 0 0 0
             Gid: 0 0 0 0
             Groups:
             CapInh: 0000000000000000
             CapPrm: 0000000000000021
             CapEff: 0000000000000021
             CapBnd: 0000000000000021
             CapAmb: 0000000000000000
             NoNewPrivs: 0",
        );
    }

    #[test]
    fn a_failure_names_its_item() {
        let unheard = Rlimit { resource: 99, soft: 0, hard: 0 };
        let now = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_CORE).expect("getrlimit");
        let identity = Identity {
            rlimits: vec![Rlimit { resource: 4, soft: now.0, hard: now.1 }, unheard],
            oom_score_adj: Some(-1000),
            ..Default::default()
        };
        assert_eq!(identity.apply_limits(), Err((1, Errno::EINVAL)));
        assert_eq!(Step::Limits.words(0, &identity), format!("set RLIMIT_CORE to {}:{}", now.0, now.1));
        assert_eq!(Step::Ids.words(3, &Identity { uid: 7, ..Default::default() }), "set uid 7");
        assert_eq!(Step::Ambient.words(5, &identity), "raise CAP_KILL in the ambient set");
        assert_eq!(identity.apply_oom_score_adj(-1), Err((0, Errno::EBADF)));
    }

    #[test]
    fn numbers_are_written_as_decimals() {
        for (n, want) in [(0, "0"), (7, "7"), (-7, "-7"), (1000, "1000"), (-1000, "-1000"), (99999, "99999"), (-997, "-997")] {
            assert_eq!(decimal(n, &mut [0; 6]), want.as_bytes());
        }
    }
}
