//! Names to ids, by `etc/passwd` and `etc/group` of a root file system.
//!
//! Both files are the image's, so they are hostile input: opened inside the root whatever the links say, never waited for, read
//! only if they are regular files and at most [`MAX_FILE`] long. A missing file is an empty one. No NSS.
//!
//! A user or group that begins with a digit is a number and nothing else: strictly decimal, without sign, space or leading zero,
//! and never looked up as a name, though a row were named so.

use super::{MAX_GROUPS, MAX_ID};
use crate::sys::Errno;
use nix::errno::Errno as NixErrno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, fstat};
use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The most that is read of either file, in bytes.
pub const MAX_FILE: u64 = 1 << 20;

const PASSWD: &str = "etc/passwd";
const GROUP: &str = "etc/group";

/// A user as a root file system knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    /// None for a number without a row in passwd.
    pub name: Option<String>,
    /// The home of the passwd row, if that is an absolute path.
    pub home: Option<String>,
    /// The groups that list the user's name; empty where a group was named (`user:group`), as engines have it.
    pub groups: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("bad {what} {got:?}: want a name or a number in 0..={MAX_ID}, without sign or leading zero")]
    Malformed { what: &'static str, got: String },
    #[error("no {what} {name:?} in {file} of the root file system")]
    Unknown { what: &'static str, name: String, file: &'static str },
    #[error("{file}: the row of {name:?} has a bad {column} (got {got:?})")]
    Row { file: &'static str, name: String, column: &'static str, got: String },
    #[error("{file}: {problem}")]
    File { file: &'static str, problem: String },
}

/// Looks up `user[:group]`, each a name or a number. A number need not be in the files; its group is that of its passwd row, else
/// 0. An empty user is an error: what it stands for is the caller's to know.
///
/// # Errors
/// A malformed or unknown user or group; a file that is not what it should be.
pub fn lookup(root: BorrowedFd, user: &str) -> Result<User, Error> {
    let (user, group) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (user, None),
    };
    let wanted = Wanted::parse("user", user)?;
    let group = group.map(|group| Wanted::parse("group", group)).transpose()?;

    let passwd = read(root, PASSWD)?;
    let row = passwd_row(&passwd, &wanted)?;
    let mut found = match (row, wanted) {
        (Some(row), _) => row,
        (None, Wanted::Id(uid)) => User { uid, ..User::default() },
        (None, Wanted::Name(name)) => return Err(Error::Unknown { what: "user", name: name.into(), file: PASSWD }),
    };
    match group {
        Some(Wanted::Id(gid)) => found.gid = gid,
        Some(Wanted::Name(name)) => found.gid = group_id(&read(root, GROUP)?, name)?,
        None => {
            if let Some(name) = &found.name {
                found.groups = groups_listing(&read(root, GROUP)?, name);
            }
        }
    }
    Ok(found)
}

/// The home folder of `uid`, if it has a passwd row with one.
///
/// # Errors
/// As [`lookup`]; also a home that holds control bytes (it would end up in the environment).
pub fn home_of(root: BorrowedFd, uid: u32) -> Result<Option<String>, Error> {
    Ok(passwd_row(&read(root, PASSWD)?, &Wanted::Id(uid))?.and_then(|user| user.home))
}

/// The groups that list the name of `uid`: what Kubernetes' `supplementalGroupsPolicy: Merge` adds.
///
/// # Errors
/// As [`lookup`].
pub fn groups_of(root: BorrowedFd, uid: u32) -> Result<Vec<u32>, Error> {
    let row = passwd_row(&read(root, PASSWD)?, &Wanted::Id(uid))?;
    match row.and_then(|user| user.name) {
        Some(name) => Ok(groups_listing(&read(root, GROUP)?, &name)),
        None => Ok(Vec::new()),
    }
}

/// A strict decimal id: digits only, no leading zero, at most [`MAX_ID`].
pub fn parse_id(text: &str) -> Option<u32> {
    let strict = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    // An empty text and one past 2^32 fail in the parse.
    text.parse().ok().filter(|id| strict && *id <= MAX_ID)
}

enum Wanted<'a> {
    Id(u32),
    Name(&'a str),
}

impl<'a> Wanted<'a> {
    fn parse(what: &'static str, text: &'a str) -> Result<Wanted<'a>, Error> {
        if let Some(id) = parse_id(text) {
            return Ok(Wanted::Id(id));
        }
        let first = text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '.');
        let rest = !text.chars().any(|c| c.is_control() || c.is_whitespace() || c == ':' || c == '/' || c == ',');
        if first && rest { Ok(Wanted::Name(text)) } else { Err(Error::Malformed { what, got: text.into() }) }
    }
}

/// The first row that is the wanted user's. A row whose uid or gid is no number is nobody's by number, and an error by name.
fn passwd_row(passwd: &str, wanted: &Wanted) -> Result<Option<User>, Error> {
    for line in passwd.lines() {
        let columns: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = columns[..] else { continue };
        let (uid_text, gid_text) = (uid, gid);
        let (uid, gid) = (parse_id(uid), parse_id(gid));
        let ours = match wanted {
            Wanted::Id(id) => uid == Some(*id),
            Wanted::Name(wanted) => name == *wanted,
        };
        if !ours {
            continue;
        }
        let bad = |column, got: &str| Error::Row { file: PASSWD, name: name.into(), column, got: got.into() };
        let uid = uid.ok_or_else(|| bad("uid", uid_text))?;
        let gid = gid.ok_or_else(|| bad("gid", gid_text))?;
        if home.chars().any(char::is_control) {
            return Err(bad("home", home));
        }
        let name = (!name.is_empty()).then(|| name.to_owned());
        let home = home.starts_with('/').then(|| home.to_owned());
        return Ok(Some(User { uid, gid, name, home, groups: Vec::new() }));
    }
    Ok(None)
}

fn group_id(group: &str, name: &str) -> Result<u32, Error> {
    for line in group.lines() {
        let mut columns = line.split(':');
        if columns.next() != Some(name) {
            continue;
        }
        let gid = columns.nth(1).unwrap_or_default();
        let bad = || Error::Row { file: GROUP, name: name.into(), column: "gid", got: gid.into() };
        return parse_id(gid).ok_or_else(bad);
    }
    Err(Error::Unknown { what: "group", name: name.into(), file: GROUP })
}

/// The ids of the well-formed rows that list `user`, each once, in the file's order, as many as the kernel takes.
fn groups_listing(group: &str, user: &str) -> Vec<u32> {
    let mut seen = std::collections::HashSet::new();
    let listing = group.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split(':').collect();
        let [_, _, gid, members] = columns[..] else { return None };
        members.split(',').any(|member| member == user).then(|| parse_id(gid)).flatten()
    });
    listing.filter(|gid| seen.insert(*gid)).take(MAX_GROUPS).collect()
}

/// Reads `file` inside `root`. Missing (or the image has no such folder): empty. Text that is no UTF-8 keeps its other rows.
fn read(root: BorrowedFd, file: &'static str) -> Result<String, Error> {
    let fail = |problem: String| Error::File { file, problem };
    let open = |flags: OFlag| {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        match openat2(root, file, how) {
            Ok(fd) => {
                let stat = fstat(&fd).map_err(|e| fail(format!("fstat: {}", Errno::from(e))))?;
                if kind(&stat) != libc::S_IFREG {
                    return Err(fail("not a regular file".into()));
                }
                Ok(Some((fd, stat)))
            }
            Err(NixErrno::ENOENT | NixErrno::ENOTDIR) => Ok(None),
            Err(e) => Err(fail(format!("open: {}", Errno::from(e)))),
        }
    };
    // A look by O_PATH first: the mere opening of some devices acts (a watchdog, a tape).
    let Some((_, looked_at)) = open(OFlag::O_PATH)? else { return Ok(String::new()) };
    if looked_at.st_size as u64 > MAX_FILE {
        return Err(fail(format!("too large (got {} bytes, want at most {MAX_FILE})", looked_at.st_size)));
    }
    let readable = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let Some((fd, stat)) = open(readable)? else { return Ok(String::new()) };
    if (stat.st_dev, stat.st_ino) != (looked_at.st_dev, looked_at.st_ino) {
        return Err(fail("changed while it was read".into()));
    }
    contents(fd).map_err(fail)
}

fn contents(fd: OwnedFd) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One byte more than allowed: the size of a file may be a lie (procfs) or grow.
    let read = File::from(fd).take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(|e| format!("read: {}", Errno::from(e)))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("too large (want at most {MAX_FILE} bytes)"));
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

fn kind(stat: &FileStat) -> u32 {
    stat.st_mode & libc::S_IFMT
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
