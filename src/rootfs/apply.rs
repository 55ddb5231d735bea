//! The child's half: walks a [`Plan`] after the namespaces are joined. No allocation, no words: an error is (step, item, errno).
//!
//! Every path inside the rootfs is resolved by [`super::resolve`] to an fd, once, and used by that fd.

use super::plan::{Absent, Base, MountOp, Node, Plan, Source};
use super::resolve::{self, Kind, Walk};
use crate::sys::Errno;
use crate::sys::mount::*;
use crate::sys::raw::{self, CWD, Fd, MountAttr, Res};
use std::ffi::CStr;
use std::os::fd::AsRawFd;

/// Where a birth's file tree failed. The item is an index into the plan's list that the step walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    Propagation = 1,
    Base,
    AttachRoot,
    MountTarget,
    MountSource,
    Mount,
    MountPropagation,
    ProcCheck,
    Device,
    Link,
    Console,
    Masked,
    Readonly,
    Pivot,
    RootPropagation,
    RootReadonly,
}

impl Step {
    const ALL: [Step; 16] = [
        Step::Propagation,
        Step::Base,
        Step::AttachRoot,
        Step::MountTarget,
        Step::MountSource,
        Step::Mount,
        Step::MountPropagation,
        Step::ProcCheck,
        Step::Device,
        Step::Link,
        Step::Console,
        Step::Masked,
        Step::Readonly,
        Step::Pivot,
        Step::RootPropagation,
        Step::RootReadonly,
    ];

    pub fn from_number(n: u8) -> Option<Step> {
        Step::ALL.into_iter().find(|s| *s as u8 == n)
    }

    /// The parent's words for it.
    pub fn words(self, plan: &Plan, item: u16) -> String {
        let n = item as usize;
        let path = |list: &[std::ffi::CString]| list.get(n).map_or(String::new(), |p| format!("/{}", p.to_string_lossy()));
        let mount = || format!("mount {}/{} {}", n + 1, plan.mounts.len(), plan.mounts.get(n).map_or("", |m| &m.words));
        match self {
            Step::Propagation => "make the mount tree a slave of the host's".into(),
            Step::Base => "open the base mount namespace's root".into(),
            Step::AttachRoot => "attach the rootfs".into(),
            Step::MountTarget if plan.mounts.get(n).is_some_and(|m| m.walk.no_symlinks) => {
                format!("{}: must be mounted on ordinary directory, reached without symlinks", mount())
            }
            Step::MountTarget => format!("{}: make the mount point", mount()),
            Step::MountSource => format!("{}: make the file system", mount()),
            Step::Mount => mount(),
            Step::MountPropagation => format!("{}: set its propagation", mount()),
            Step::ProcCheck => format!("{}: is no proc file system of the container's own", mount()),
            Step::Device => match plan.nodes.get(n) {
                Some(node) => format!("device /{}", node.path.to_string_lossy()),
                None => "device".into(),
            },
            Step::Link => match plan.links.get(n) {
                Some((_, p)) => format!("link /{}", p.to_string_lossy()),
                None => "link".into(),
            },
            Step::Console => "mount the terminal at /dev/console".into(),
            Step::Masked => format!("mask {}", path(&plan.masked)),
            Step::Readonly => format!("make {} read-only", path(&plan.readonly)),
            Step::Pivot => "pivot to the rootfs".into(),
            Step::RootPropagation => "set the root's propagation".into(),
            Step::RootReadonly => "make the root read-only".into(),
        }
    }
}

/// (step, item, errno): all that a child can say.
pub type Fail = (Step, u16, Errno);

trait At<T> {
    fn at(self, step: Step, item: usize) -> Result<T, Fail>;
}

impl<T> At<T> for Res<T> {
    fn at(self, step: Step, item: usize) -> Result<T, Fail> {
        self.map_err(|e| (step, item as u16, e))
    }
}

/// Closes a plain fd at the end of its scope.
struct Close(Fd);

impl Drop for Close {
    fn drop(&mut self) {
        raw::close(self.0);
    }
}

/// Builds the tree and makes it the process's root. `slave` is the pty's slave for /dev/console. Called in the new mount
/// namespace, after the PID, IPC, network and cgroup namespaces are the container's.
///
/// `proc` is a detached procfs of those namespaces, with [`PROC_ATTRS`], where the caller needed one: it becomes the container's.
/// `ready` is called with all mounts in place, before the root is entered; false ends the birth.
pub fn build(plan: &Plan, slave: Option<Fd>, proc: Option<Fd>, ready: impl FnOnce() -> bool) -> Result<(), Fail> {
    let root = plan.root.as_raw_fd();
    let base = match plan.base {
        Base::Host => {
            // Nothing that happens below may show on the host: the copied tree leaves its peer groups first.
            raw::mount(None, c"/", None, libc::MS_SLAVE | libc::MS_REC, None).at(Step::Propagation, 0)?;
            None
        }
        Base::Pod => Some(Close(raw::openat(CWD, c"/", libc::O_PATH | libc::O_DIRECTORY, 0).at(Step::Base, 0)?)),
    };
    raw::move_mount(root, c"", CWD, c"/", MOVE_MOUNT_F_EMPTY_PATH).at(Step::AttachRoot, 0)?;
    let mut made = Made { spare_proc: proc.map(Close), proc: None, dev: None };
    for (i, op) in plan.mounts.iter().enumerate() {
        mount(root, base.as_ref().map(|b| b.0), &mut made, op, i)?;
    }
    devices(root, made.dev.as_ref().map(|d| d.0), plan)?;
    if let (true, Some(slave)) = (plan.console, slave) {
        console(root, slave).at(Step::Console, 0)?;
    }
    // The masks come after the mounts that they cover and before anything of the container's runs.
    let proc = made.proc.as_ref().map(|p| p.0);
    mask(root, proc, plan)?;
    for (i, path) in plan.readonly.iter().enumerate() {
        readonly(root, proc, path).at(Step::Readonly, i)?;
    }
    if !ready() {
        return Err((Step::Pivot, 0, Errno::ECANCELED));
    }
    enter(root, plan.pivot).at(Step::Pivot, 0)?;
    // pivot_root(2) refuses shared mounts, so the propagation that was asked for comes after it.
    if let Some((kind, recursive)) = plan.root_propagation {
        let attr = MountAttr { propagation: kind, ..MountAttr::default() };
        set_attr_at(root, &attr, recursive).at(Step::RootPropagation, 0)?;
    }
    if plan.root_readonly {
        // Last: mount points were still made above.
        let attr = MountAttr { attr_set: MOUNT_ATTR_RDONLY, ..MountAttr::default() };
        set_attr_at(root, &attr, false).at(Step::RootReadonly, 0)?;
    }
    Ok(())
}

fn set_attr_at(fd: Fd, attr: &MountAttr, recursive: bool) -> Res {
    raw::mount_setattr(fd, c"", AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 }, attr)
}

fn move_onto(from: Fd, to: Fd) -> Res {
    raw::move_mount(from, c"", to, c"", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
}

/// What is mounted on; None where it is not there and need not be.
fn target(root: Fd, op: &MountOp, i: usize) -> Result<Option<Close>, Fail> {
    let target = match op.absent {
        Absent::Make => resolve::open_or_create(root, &op.target, op.kind, op.walk),
        Absent::Skip => match resolve::open(root, &op.target, op.walk) {
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
            other => other,
        },
        Absent::MakeOverLink => match resolve::open_or_create(root, &op.target, op.kind, op.walk) {
            // A link to nowhere, as images have at etc/resolv.conf (CVE-2025-24965): it is taken away, never followed.
            Err(Errno::ELOOP) => {
                in_folder(root, -1, &op.target, |dir, name| raw::unlinkat(dir, name, 0)).at(Step::MountTarget, i)?;
                resolve::open_or_create(root, &op.target, op.kind, op.walk)
            }
            other => other,
        },
    };
    target.map(|fd| Some(Close(fd))).at(Step::MountTarget, i)
}

/// File systems of the container's own that need not be made or looked up again.
struct Made {
    /// A detached procfs, until it is mounted.
    spare_proc: Option<Close>,
    /// The procfs at /proc, once it is there: only the kernel makes names right below it.
    proc: Option<Close>,
    /// The fresh tmpfs at /dev, once it is there: nobody else has been in it, so what is mounted and made right below needs no
    /// careful walk from the root.
    dev: Option<Close>,
}

/// nosuid, nodev and noexec: what a procfs is mounted with.
pub const PROC_ATTRS: u32 = (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) as u32;

fn mount(root: Fd, base: Option<Fd>, ours: &mut Made, op: &MountOp, i: usize) -> Result<(), Fail> {
    let careless = ours.dev.as_ref().filter(|_| op.absent == Absent::Make);
    let fresh = careless.and_then(|dev| Some((dev.0, right_below(b"dev/", &op.target)?)));
    let target = match fresh {
        Some((dev, name)) => {
            match op.kind {
                Kind::Dir => raw::mkdirat(dev, name, 0o755),
                Kind::File => raw::mknodat(dev, name, libc::S_IFREG | 0o644, 0),
            }
            .or_else(|e| if e == Errno::EEXIST { Ok(()) } else { Err(e) })
            .at(Step::MountTarget, i)?;
            None
        }
        None => match target(root, op, i)? {
            None => return Ok(()),
            found => found,
        },
    };
    let mut made = None;
    let from = match &op.source {
        Source::Tree(fd) => fd.as_raw_fd(),
        Source::New { options, attrs, .. }
            if op.is_proc && ours.spare_proc.is_some() && options.is_empty() && *attrs == PROC_ATTRS =>
        {
            made = ours.spare_proc.take();
            made.as_ref().map_or(-1, |p| p.0)
        }
        Source::New { fstype, options, attrs } => made.insert(Close(new_fs(fstype, options, *attrs).at(Step::MountSource, i)?)).0,
        Source::Base { path, beneath, attrs } => {
            made.insert(Close(base_mount(base, path, beneath.as_deref(), attrs).at(Step::MountSource, i)?)).0
        }
    };
    if op.is_proc && raw::fstatfs_type(from) != Ok(PROC_SUPER_MAGIC) {
        return Err((Step::ProcCheck, i as u16, Errno::EINVAL));
    }
    match (&target, fresh) {
        (Some(target), _) => move_onto(from, target.0),
        (None, Some((dev, name))) => raw::move_mount(from, c"", dev, name, MOVE_MOUNT_F_EMPTY_PATH),
        (None, None) => Err(Errno::EINVAL),
    }
    .at(Step::Mount, i)?;
    for (kind, recursive) in &op.propagation {
        let attr = MountAttr { propagation: *kind, ..MountAttr::default() };
        set_attr_at(from, &attr, *recursive).at(Step::MountPropagation, i)?;
    }
    let new = |name: &CStr| matches!(&op.source, Source::New { fstype, .. } if fstype.as_c_str() == name);
    match op.target.to_bytes() {
        b"dev" => ours.dev = made.filter(|_| new(c"tmpfs")),
        b"proc" => ours.proc = made.filter(|_| op.is_proc && new(c"proc")),
        _ => {}
    }
    Ok(())
}

/// `x` of `dev/x`.
fn right_below<'a>(folder: &[u8], path: &'a CStr) -> Option<&'a CStr> {
    let name = path.to_bytes_with_nul().strip_prefix(folder)?;
    let plain = !name.contains(&b'/') && !matches!(name, b"\0" | b".\0" | b"..\0");
    CStr::from_bytes_with_nul(name).ok().filter(|_| plain)
}

/// A new file system as a detached mount.
pub fn new_fs(fstype: &CStr, options: &[(std::ffi::CString, Option<std::ffi::CString>)], attrs: u32) -> Res<Fd> {
    let fs = Close(raw::fsopen(fstype)?);
    for (key, value) in options {
        raw::fsconfig(fs.0, key, value.as_deref())?;
    }
    raw::fsconfig_create(fs.0)?;
    raw::fsmount(fs.0, attrs)
}

fn base_mount(base: Option<Fd>, path: &CStr, beneath: Option<&CStr>, attrs: &MountAttr) -> Res<Fd> {
    let base = base.unwrap_or(CWD);
    let fd = match beneath {
        None => raw::open_tree(base, path, OPEN_TREE_CLONE)?,
        Some(sub) => {
            // What a container may have put there is followed as far as it stays beneath (CVE-2017-1002101), and used by the fd
            // that it was found as (CVE-2021-25741).
            let top = Close(raw::openat(base, path, libc::O_PATH | libc::O_DIRECTORY, 0)?);
            let found = Close(resolve::open_beneath(top.0, sub)?);
            raw::open_tree(found.0, c"", OPEN_TREE_CLONE | AT_EMPTY_PATH)?
        }
    };
    if *attrs != MountAttr::default()
        && let Err(e) = set_attr_at(fd, attrs, false)
    {
        raw::close(fd);
        return Err(e);
    }
    Ok(fd)
}

/// Device nodes and links, each on the fd of its folder: `rootfs/dev` is looked up in-root, once (CVE-2026-41579).
fn devices(root: Fd, fresh: Option<Fd>, plan: &Plan) -> Result<(), Fail> {
    if plan.nodes.is_empty() && plan.links.is_empty() {
        return Ok(());
    }
    let found;
    let dev = match fresh {
        Some(fd) => fd,
        None => {
            found = Close(resolve::open_or_create(root, c"dev", Kind::Dir, Walk::default()).at(Step::Device, 0)?);
            found.0
        }
    };
    raw::umask(0);
    for (i, node) in plan.nodes.iter().enumerate() {
        match &node.host {
            Some(fd) => host_node(root, &node.path, fd.as_raw_fd()).at(Step::Device, i)?,
            None => in_folder(root, dev, &node.path, |dir, name| mknod(dir, name, node)).at(Step::Device, i)?,
        }
    }
    raw::umask(0o022);
    for (i, (text, path)) in plan.links.iter().enumerate() {
        let link = |dir, name: &CStr| match raw::symlinkat(text, dir, name) {
            Err(Errno::EEXIST) => Ok(()),
            r => r,
        };
        in_folder(root, dev, path, link).at(Step::Link, i)?;
    }
    Ok(())
}

/// Calls `f` with the fd of `path`'s folder and the last component.
fn in_folder(root: Fd, dev: Fd, path: &CStr, f: impl FnOnce(Fd, &CStr) -> Res) -> Res {
    let bytes = path.to_bytes_with_nul();
    let slash = bytes.iter().rposition(|&b| b == b'/').ok_or(Errno::EINVAL)?;
    let name = CStr::from_bytes_with_nul(&bytes[slash + 1..]).map_err(|_| Errno::EINVAL)?;
    if &bytes[..slash] == b"dev" {
        return f(dev, name);
    }
    let mut folder = [0u8; libc::PATH_MAX as usize];
    if slash >= folder.len() {
        return Err(Errno::ENAMETOOLONG);
    }
    folder[..slash].copy_from_slice(&bytes[..slash]);
    let folder = CStr::from_bytes_until_nul(&folder).map_err(|_| Errno::EINVAL)?;
    let dir = Close(resolve::open_or_create(root, folder, Kind::Dir, Walk::default())?);
    f(dir.0, name)
}

/// A mount of the host's node, on a file made for it.
fn host_node(root: Fd, path: &CStr, node: Fd) -> Res {
    let target = Close(resolve::open_or_create(root, path, Kind::File, Walk { no_symlinks: true })?);
    move_onto(node, target.0)
}

/// A node that is there already must be the same one.
fn mknod(dir: Fd, name: &CStr, node: &Node) -> Res {
    match raw::mknodat(dir, name, node.mode, node.dev) {
        Ok(()) if (node.uid, node.gid) == (0, 0) => Ok(()),
        Ok(()) => {
            let fd = Close(raw::openat(dir, name, libc::O_PATH | libc::O_NOFOLLOW, 0)?);
            raw::fchown_path(fd.0, node.uid, node.gid)
        }
        Err(Errno::EEXIST) => {
            let st = raw::fstatat(dir, name, libc::AT_SYMLINK_NOFOLLOW)?;
            let same = st.st_mode & libc::S_IFMT == node.mode & libc::S_IFMT && st.st_rdev == node.dev;
            if same { Ok(()) } else { Err(Errno::EEXIST) }
        }
        Err(e) => Err(e),
    }
}

/// The slave itself is mounted, from its fd, onto a file made in the container's /dev: no name is followed (CVE-2025-52565).
fn console(root: Fd, slave: Fd) -> Res {
    let target = Close(resolve::open_or_create(root, c"dev/console", Kind::File, Walk { no_symlinks: true })?);
    let tree = Close(raw::open_tree(slave, c"", OPEN_TREE_CLONE | AT_EMPTY_PATH)?);
    move_onto(tree.0, target.0)
}

/// A name right below the container's own procfs, which needs no careful walk from the root: the kernel makes them, and these are
/// no links.
fn in_proc(proc: Option<Fd>, path: &CStr) -> Option<(Fd, &CStr)> {
    let name = right_below(b"proc/", path)?;
    let link = matches!(name.to_bytes(), b"self" | b"thread-self" | b"mounts" | b"net");
    proc.filter(|_| !link).map(|proc| (proc, name))
}

/// Files are covered by the checked /dev/null, folders by one empty read-only tmpfs. What is not there needs no mask.
fn mask(root: Fd, proc: Option<Fd>, plan: &Plan) -> Result<(), Fail> {
    let (mut null_placed, mut empty): (bool, Option<Close>) = (false, None);
    let mut spare: Option<Close> = None;
    for (i, path) in plan.masked.iter().enumerate() {
        // Mostly a file, or not there: one call tells. A folder takes no file and goes the long way.
        if let Some((proc, name)) = in_proc(proc, path) {
            if null_placed && spare.is_none() {
                let null = plan.null.as_raw_fd();
                spare = Some(Close(raw::open_tree(null, c"", OPEN_TREE_CLONE | AT_EMPTY_PATH).at(Step::Masked, i)?));
            }
            let cover = spare.as_ref().map_or(plan.null.as_raw_fd(), |s| s.0);
            match raw::move_mount(cover, c"", proc, name, MOVE_MOUNT_F_EMPTY_PATH) {
                Ok(()) => {
                    null_placed = true;
                    spare = None;
                    continue;
                }
                Err(Errno::ENOENT) => continue,
                Err(_) => {}
            }
        }
        let target = match resolve::open(root, path, Walk::default()) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => continue,
            r => Close(r.at(Step::Masked, i)?),
        };
        let is_dir = raw::fstat(target.0).at(Step::Masked, i)?.st_mode & libc::S_IFMT == libc::S_IFDIR;
        // The first of each kind is placed itself; the next are clones of the placed one, which is of this namespace now
        // (a clone of a clone from another namespace is EINVAL).
        let placed = if is_dir { empty.as_ref().map(|fd| fd.0) } else { null_placed.then(|| plan.null.as_raw_fd()) };
        match placed {
            Some(fd) => {
                let tree = Close(raw::open_tree(fd, c"", OPEN_TREE_CLONE | AT_EMPTY_PATH).at(Step::Masked, i)?);
                move_onto(tree.0, target.0).at(Step::Masked, i)?;
            }
            None if is_dir => {
                let attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
                let fd = Close(new_fs(c"tmpfs", &[], attrs as u32).at(Step::Masked, i)?);
                move_onto(fd.0, target.0).at(Step::Masked, i)?;
                empty = Some(fd);
            }
            None => {
                move_onto(plan.null.as_raw_fd(), target.0).at(Step::Masked, i)?;
                null_placed = true;
            }
        }
    }
    Ok(())
}

/// The path is mounted over itself with the read-only attribute; its other attributes stay.
fn readonly(root: Fd, proc: Option<Fd>, path: &CStr) -> Res {
    let attr = MountAttr { attr_set: MOUNT_ATTR_RDONLY, ..MountAttr::default() };
    if let Some((proc, name)) = in_proc(proc, path) {
        let clone = OPEN_TREE_CLONE | AT_RECURSIVE | libc::AT_SYMLINK_NOFOLLOW as u32;
        let tree = match raw::open_tree(proc, name, clone) {
            Err(Errno::ENOENT) => return Ok(()),
            tree => Close(tree?),
        };
        set_attr_at(tree.0, &attr, true)?;
        return raw::move_mount(tree.0, c"", proc, name, MOVE_MOUNT_F_EMPTY_PATH);
    }
    let target = match resolve::open(root, path, Walk::default()) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        r => Close(r?),
    };
    let tree = Close(raw::open_tree(target.0, c"", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE)?);
    set_attr_at(tree.0, &attr, true)?;
    move_onto(tree.0, target.0)
}

fn enter(root: Fd, pivot: bool) -> Res {
    raw::fchdir(root)?;
    match pivot {
        // put_old is the new root itself: the old tree lies on top of it and is detached at once (pivot_root(2), NOTES).
        true => {
            raw::pivot_root(c".", c".")?;
            raw::umount2(c".", libc::MNT_DETACH)?;
            raw::chdir(c"/")
        }
        // The root covers the base namespace's "/", so chroot makes it what the kernel takes for the namespace's own root:
        // a user namespace may be made inside, and setns(2) into it lands here.
        false => raw::chroot(c"."),
    }
}
