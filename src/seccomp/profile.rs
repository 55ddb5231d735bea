//! An OCI profile, checked and in numbers.

use super::table::{self, Syscall};
use super::{Error, Listener};
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompFilterFlag as Flag, LinuxSeccompOperator,
};

/// `SECCOMP_RET_*` values that the runtime itself gives.
pub const RET_KILL_THREAD: u32 = 0;
pub const RET_ALLOW: u32 = 0x7fff_0000;
pub const RET_LOG: u32 = 0x7ffc_0000;
pub const RET_ERRNO: u32 = 0x0005_0000;
pub const RET_NOSYS: u32 = RET_ERRNO | libc::ENOSYS as u32;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_NOTIFY: u32 = 0x7fc0_0000;
const RET_CLASS: u32 = 0xffff_0000;

/// A path that a Unix socket's address can hold.
const MAX_SOCKET_PATH: usize = 107;

/// A checked profile.
#[derive(Debug, Default)]
pub struct Rules<'a> {
    /// The action where no rule applies.
    pub default: u32,
    /// As the profile lists them; the native one is always meant too.
    pub arches: &'a [Arch],
    pub entries: Vec<Entry>,
    pub unknown: Vec<(usize, &'a str)>,
    pub flags: u32,
    pub listener: Option<Listener>,
}

/// Some syscalls, and what becomes of them when one of the conjunctions in `any` holds. An empty conjunction always does.
#[derive(Debug)]
pub struct Entry {
    /// Its place in `linux.seccomp.syscalls`.
    pub index: usize,
    pub syscalls: Vec<&'static Syscall>,
    pub action: u32,
    pub any: Vec<Vec<Condition>>,
}

/// A comparison of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    pub arg: u8,
    pub op: LinuxSeccompOperator,
    /// The value to compare with; the mask of `SCMP_CMP_MASKED_EQ`.
    pub value: u64,
    /// What the masked argument is compared with.
    pub two: u64,
}

impl<'a> Rules<'a> {
    /// Checks everything that can be wrong with a profile.
    ///
    /// # Errors
    /// By JSON path, as the runtime-spec's config-linux.md asks; and, as runc has it, what would hang: notifications for the
    /// default or for `write`, which the sender of the listener itself needs.
    pub fn read(profile: &'a LinuxSeccomp) -> Result<Rules<'a>, Error> {
        let default = action(profile.default_action(), profile.default_errno_ret(), || "linux.seccomp.default".into())?;
        if default == RET_NOTIFY {
            return Err(field("linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY cannot be the default"));
        }
        let mut rules = Rules { default, arches: profile.architectures().as_deref().unwrap_or_default(), ..Rules::default() };
        let mut notifies = false;
        for (index, rule) in profile.syscalls().iter().flatten().enumerate() {
            let path = |rest: &str| format!("linux.seccomp.syscalls[{index}].{rest}");
            let action = action(rule.action(), rule.errno_ret(), || path(""))?;
            notifies |= action == RET_NOTIFY;
            if rule.names().is_empty() {
                return Err(field(path("names"), "empty (want at least one name)"));
            }
            let mut syscalls = Vec::with_capacity(rule.names().len());
            let mut finder = table::Finder::default();
            for (i, name) in rule.names().iter().enumerate() {
                if name.is_empty() || name.bytes().any(|b| b.is_ascii_control()) {
                    return Err(field(path(&format!("names[{i}]")), format!("no name of a syscall (got {name:?})")));
                }
                if action == RET_NOTIFY && name == "write" {
                    return Err(field(
                        path("action"),
                        "SCMP_ACT_NOTIFY cannot be used for write: who asks would wait for itself",
                    ));
                }
                match finder.find(name) {
                    Some(row) => syscalls.push(row),
                    None => rules.unknown.push((index, name)),
                }
            }
            let any = conjunctions(rule.args().as_deref().unwrap_or_default(), path)?;
            rules.entries.push(Entry { index, syscalls, action, any });
        }
        rules.listener = listener(profile, notifies)?;
        rules.flags = flags(profile.flags().as_deref(), rules.listener.is_some());
        Ok(rules)
    }

    /// Whether syscalls above all that are named get ENOSYS: the default action is an error number, and another one.
    pub fn newer_is_nosys(&self) -> bool {
        self.default & RET_CLASS == RET_ERRNO && self.default != RET_NOSYS
    }

    /// One line about the unknown names, if there are any.
    pub fn warnings(&self) -> Vec<String> {
        let names: Vec<String> = self.unknown.iter().map(|(i, name)| format!("{name} (syscalls[{i}])")).collect();
        let open = matches!(self.default, RET_ALLOW | RET_LOG);
        let outcome = if open { "not restricted" } else { "ignored" };
        let line = || format!("linux.seccomp.syscalls: unknown, so {outcome}: {}", names.join(", "));
        (!names.is_empty()).then(line).into_iter().collect()
    }
}

fn field(field: impl Into<String>, problem: impl Into<String>) -> Error {
    Error::Field { field: field.into(), problem: problem.into() }
}

/// The SECCOMP_RET_* value of an action; `prefix` is the path up to `Action` and `ErrnoRet` or `action` and `errnoRet`.
fn action(action: Action, errno: Option<u32>, prefix: impl Fn() -> String) -> Result<u32, Error> {
    let errno_field = || match prefix() {
        path if path.ends_with('.') => format!("{path}errnoRet"),
        path => format!("{path}ErrnoRet"),
    };
    let most = match action {
        // The kernel cuts larger ones down to this (MAX_ERRNO).
        Action::ScmpActErrno => 4095,
        Action::ScmpActTrace => u16::MAX.into(),
        _ if errno.is_some() => return Err(field(errno_field(), format!("{action} takes no error number"))),
        _ => 0,
    };
    match errno {
        Some(errno) if errno > most => Err(field(errno_field(), format!("out of range (got {errno}, want 0..={most})"))),
        // Without a number: EPERM, for a tracer too.
        _ => Ok(action.as_u32(errno)),
    }
}

/// As runc has it: an argument that is compared twice makes each comparison a rule of its own, and either is enough.
fn conjunctions(args: &[LinuxSeccompArg], path: impl Fn(&str) -> String) -> Result<Vec<Vec<Condition>>, Error> {
    let mut conditions = Vec::with_capacity(args.len());
    for (i, arg) in args.iter().enumerate() {
        if arg.index() > 5 {
            let problem = format!("out of range (got {}, want 0..=5)", arg.index());
            return Err(field(path(&format!("args[{i}].index")), problem));
        }
        let two = arg.value_two().unwrap_or(0);
        conditions.push(Condition { arg: arg.index() as u8, op: arg.op(), value: arg.value(), two });
    }
    let twice = conditions.iter().enumerate().any(|(i, c)| conditions[..i].iter().any(|other| other.arg == c.arg));
    Ok(if twice { conditions.into_iter().map(|c| vec![c]).collect() } else { vec![conditions] })
}

fn listener(profile: &LinuxSeccomp, notifies: bool) -> Result<Option<Listener>, Error> {
    let path = profile.listener_path().as_ref().filter(|path| !path.as_os_str().is_empty());
    let metadata = profile.listener_metadata().clone().unwrap_or_default();
    let Some(path) = path else {
        if notifies {
            return Err(field("linux.seccomp.listenerPath", "missing (SCMP_ACT_NOTIFY needs it)"));
        }
        if !metadata.is_empty() {
            return Err(field("linux.seccomp.listenerMetadata", "set without listenerPath"));
        }
        return Ok(None);
    };
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        let problem = format!("too long for a socket (got {length} bytes, want at most {MAX_SOCKET_PATH})");
        return Err(field("linux.seccomp.listenerPath", problem));
    }
    Ok(notifies.then(|| Listener { path: path.clone(), metadata }))
}

/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`.
const SPEC_ALLOW: u32 = 1 << 2;

/// Without a list of flags the mitigations of speculative stores stay off, as in the field's runtimes: they cost much, and newer
/// kernels leave them off for seccomp anyway.
pub const DEFAULT_FLAGS: u32 = SPEC_ALLOW;

/// The kernel's flags.
fn flags(asked: Option<&[Flag]>, listens: bool) -> u32 {
    const TSYNC: u32 = 1;
    const LOG: u32 = 1 << 1;
    const NEW_LISTENER: u32 = 1 << 3;
    const WAIT_KILLABLE_RECV: u32 = 1 << 5;
    let bit = |flag: &Flag| match flag {
        // Together with a listener it is EINVAL; who loads the program has one thread.
        Flag::SeccompFilterFlagTsync => u32::from(!listens) * TSYNC,
        Flag::SeccompFilterFlagLog => LOG,
        Flag::SeccompFilterFlagSpecAllow => SPEC_ALLOW,
        // Without a listener it is EINVAL, and means nothing.
        Flag::SeccompFilterFlagWaitKillableRecv => u32::from(listens) * WAIT_KILLABLE_RECV,
    };
    let flags = asked.map_or(DEFAULT_FLAGS, |flags| flags.iter().fold(0, |all, flag| all | bit(flag)));
    flags | if listens { NEW_LISTENER } else { 0 }
}

/// The error number or message of an action.
fn data(action: u32) -> u16 {
    (action & !RET_CLASS) as u16
}

/// The action as the library names it.
pub fn library_action(action: u32) -> libseccomp::ScmpAction {
    use libseccomp::ScmpAction;
    match action & RET_CLASS {
        RET_ALLOW => ScmpAction::Allow,
        RET_LOG => ScmpAction::Log,
        RET_TRACE => ScmpAction::Trace(data(action)),
        RET_NOTIFY => ScmpAction::Notify,
        RET_ERRNO => ScmpAction::Errno(data(action).into()),
        0x0003_0000 => ScmpAction::Trap,
        0x8000_0000 => ScmpAction::KillProcess,
        _ => ScmpAction::KillThread,
    }
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
