//! The parent's half: config.json's root, mounts, devices and paths become a flat list of operations, every host path opened.

use super::options::{Options, propagation};
use super::resolve::{Kind, Walk};
use super::{Error, copy_up, idmap, options};
use crate::sys::errno::{Call, Errno};
use crate::sys::mount::{self, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, c_path};
use crate::sys::raw::MountAttr;
use crate::sys::userns::{self, Maps};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Mount, Spec};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Where the container's root comes from.
#[derive(Debug, Clone)]
pub enum Root {
    /// The folder itself.
    Direct(PathBuf),
    /// `lower`, read-only, under an overlay whose changes go to `upper`; `work` is overlayfs' own, on the same file system.
    Overlay { lower: PathBuf, upper: PathBuf, work: PathBuf },
}

/// What the root is mounted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// A copy of the host's mount tree: the root is pivoted to and the rest is detached.
    Host,
    /// The pod's own pruned mount namespace, which holds nothing of the host: the root is moved over "/", with no pivot
    /// (COSTS.md 9). What lies below is the pod's: a read-only tmpfs with the shared [`SHM`] and [`MQUEUE`].
    Pod,
}

/// In the pod's base mount namespace: what every container of it has at /dev/shm.
pub const SHM: &CStr = c"shm";
/// In the pod's base mount namespace: what every container of it has at /dev/mqueue.
pub const MQUEUE: &CStr = c"mqueue";

/// Where a mount comes from, as the child makes it.
#[derive(Debug)]
pub enum Source {
    /// A detached tree that the parent opened and gave its attributes.
    Tree(OwnedFd),
    /// A new file system, made in the child's namespaces.
    New { fstype: CString, options: Vec<(CString, Option<CString>)>, attrs: u32 },
    /// A mount of the pod's base namespace, or a part of one: by its path below that root, and by what lies beneath it, which is
    /// the containers' own and leads nowhere else.
    Base { path: CString, beneath: Option<CString>, attrs: MountAttr },
}

/// What is done where a mount's destination is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    Make,
    /// As Make; a link at the destination that leads nowhere gives way, on a root that is the container's alone.
    MakeOverLink,
    /// Nothing is mounted.
    Skip,
}

/// A mount that config.json does not name: what a pod adds. It replaces config.json's at the same place.
#[derive(Debug)]
pub struct Added {
    /// Absolute.
    pub destination: PathBuf,
    pub source: Source,
    pub kind: Kind,
    /// (MS_* propagation, recursive), set once it is in place.
    pub propagation: Vec<(u64, bool)>,
    pub absent: Absent,
    /// For messages: `/data (volume cache)`.
    pub words: String,
}

impl Added {
    fn op(&self, i: usize) -> Result<MountOp, Error> {
        let field = format!("volumeMounts[{i}].mountPath");
        let at = clean(&self.destination);
        if at == Path::new("/") {
            return Err(Error::invalid(field, "is the root itself"));
        }
        check_proc(&at, "bind", None, &field)?;
        let source = match &self.source {
            Source::Tree(fd) => Source::Tree(fd.try_clone().map_err(|e| Error::invalid(&field, e.to_string()))?),
            Source::New { fstype, options, attrs } => {
                Source::New { fstype: fstype.clone(), options: options.clone(), attrs: *attrs }
            }
            Source::Base { path, beneath, attrs } => Source::Base { path: path.clone(), beneath: beneath.clone(), attrs: *attrs },
        };
        Ok(MountOp {
            source,
            target: relative(&at, &field)?,
            kind: self.kind,
            walk: Walk::default(),
            propagation: self.propagation.clone(),
            is_proc: false,
            copy_up: false,
            absent: self.absent,
            words: self.words.clone(),
        })
    }
}

#[derive(Debug)]
pub struct MountOp {
    pub source: Source,
    /// Below the rootfs.
    pub target: CString,
    pub kind: Kind,
    pub walk: Walk,
    /// After it is in place: (MS_* propagation, recursive).
    pub propagation: Vec<(u64, bool)>,
    /// What is mounted must turn out to be a procfs: masks of /proc are worth nothing on another.
    pub is_proc: bool,
    /// A tmpfs that begins with the rootfs's content: made and filled once the root is open.
    pub copy_up: bool,
    pub absent: Absent,
    /// For the parent's message: `/data (bind from /srv/data)`.
    pub words: String,
}

/// A node made with mknodat on the fd of its parent folder, or, where that is refused, the host's own.
#[derive(Debug)]
pub struct Node {
    /// A detached mount of the host's node.
    pub host: Option<OwnedFd>,
    pub path: CString,
    pub mode: u32,
    pub dev: u64,
    pub uid: u32,
    pub gid: u32,
}

/// The flat plan of a file tree. `Debug` prints it for `podrt plan`.
#[derive(Debug)]
pub struct Plan {
    pub root: OwnedFd,
    pub base: Base,
    pub mounts: Vec<MountOp>,
    pub nodes: Vec<Node>,
    /// (link text, path)
    pub links: Vec<(CString, CString)>,
    pub masked: Vec<CString>,
    pub readonly: Vec<CString>,
    pub root_readonly: bool,
    /// linux.rootfsPropagation, set on the new root: (MS_*, recursive). None: every tree of the host has been made a slave on its
    /// own, and a mount that asked for more keeps it.
    pub root_propagation: Option<(u64, bool)>,
    /// A detached mount of the host's /dev/null, checked to be char 1:3, for masks (CVE-2025-31133).
    pub null: OwnedFd,
    /// pivot_root(2) and detach what lies below; else chroot, which is enough where that is nothing of the host's.
    pub pivot: bool,
    /// The pty's slave is put at /dev/console from its fd.
    pub console: bool,
    pub warnings: Vec<String>,
}

/// What the runtime supplies at least (runtime-spec, config-linux.md#default-devices).
const NODES: &[(&str, u32, u32)] =
    &[("dev/null", 1, 3), ("dev/zero", 1, 5), ("dev/full", 1, 7), ("dev/random", 1, 8), ("dev/urandom", 1, 9), ("dev/tty", 5, 0)];

const LINKS: &[(&CStr, &CStr)] = &[
    (c"/proc/self/fd", c"dev/fd"),
    (c"/proc/self/fd/0", c"dev/stdin"),
    (c"/proc/self/fd/1", c"dev/stdout"),
    (c"/proc/self/fd/2", c"dev/stderr"),
    (c"pts/ptmx", c"dev/ptmx"),
];

impl Plan {
    /// Reads `spec` and opens what it names on the host. Nothing is mounted yet: an error leaves nothing behind.
    ///
    /// `maps` are those of a user namespace that the container has.
    pub fn new(spec: &Spec, bundle: &Path, root: &Root, base: Base, added: &[Added], maps: Option<&Maps>) -> Result<Plan, Error> {
        let linux = spec.linux().as_ref();
        let mut warnings = Vec::new();
        let declared = linux.and_then(|l| l.rootfs_propagation().as_deref()).filter(|p| !p.is_empty());
        let root_propagation = match declared {
            None => None,
            Some(word) => Some(propagation(word).ok_or_else(|| {
                Error::invalid(
                    "linux.rootfsPropagation",
                    format!("unknown value {word:?} (want private, slave, shared or unbindable, or these with a leading r)"),
                )
            })?),
        };
        let keeps_peers = root_propagation.is_some_and(|(kind, _)| kind == libc::MS_SHARED);
        let mut mounts = Vec::new();
        let covers = |m: &Mount| added.iter().any(|e| clean(&e.destination) == clean(m.destination()));
        let mut places = Vec::new();
        for (i, m) in spec.mounts().iter().flatten().enumerate().filter(|(_, m)| !covers(m)) {
            mounts.push(mount_op(i, m, &Around { bundle, base, keeps_peers, maps }, &mut warnings)?);
            places.push(clean(m.destination()));
        }
        for (i, more) in added.iter().enumerate() {
            // Before the first that lies inside it, which it would hide.
            let at = clean(&more.destination);
            let place = places.iter().position(|p| p.starts_with(&at)).unwrap_or(places.len());
            mounts.insert(place, more.op(i)?);
            places.insert(place, at);
        }
        let covered_dev = added.iter().any(|e| clean(&e.destination) == Path::new("/dev"));
        let own_dev = !covered_dev
            && !spec.mounts().iter().flatten().any(|m| {
                clean(m.destination()) == Path::new("/dev")
                    && Options::parse(m.options().as_deref().unwrap_or_default()).is_ok_and(|o| o.bind)
            });
        let console = spec.process().as_ref().and_then(|p| p.terminal()).unwrap_or(false);
        let paths = |list: Option<&Vec<String>>, field: &str| -> Result<Vec<CString>, Error> {
            // One that is not absolute is meant from the root, as other runtimes have it: a restriction is never left out.
            let each = |(i, p): (usize, &String)| relative(Path::new(p), &format!("{field}[{i}]"));
            list.into_iter().flatten().enumerate().map(each).collect()
        };
        let root = open_root(root, keeps_peers)?;
        for (i, op) in mounts.iter_mut().enumerate().filter(|(_, op)| op.copy_up) {
            copied_up(root.as_fd(), op, maps, &format!("mounts[{i}]"))?;
        }
        Ok(Plan {
            root,
            base,
            mounts,
            nodes: nodes(linux.and_then(|l| l.devices().as_ref()), own_dev, maps.is_some())?,
            links: if own_dev { LINKS.iter().map(|(t, p)| (CString::from(*t), CString::from(*p))).collect() } else { Vec::new() },
            masked: paths(linux.and_then(|l| l.masked_paths().as_ref()), "linux.maskedPaths")?,
            readonly: paths(linux.and_then(|l| l.readonly_paths().as_ref()), "linux.readonlyPaths")?,
            root_readonly: spec.root().as_ref().and_then(|r| r.readonly()).unwrap_or(false),
            root_propagation,
            null: null()?,
            pivot: base == Base::Host,
            console,
            warnings,
        })
    }
}

fn copied_up(root: std::os::fd::BorrowedFd, op: &mut MountOp, maps: Option<&Maps>, field: &str) -> Result<(), Error> {
    let Source::New { fstype, options, attrs } = &op.source else { return Ok(()) };
    // Filled first, read-only after.
    let writable: Vec<_> = options.iter().filter(|(key, _)| key.as_c_str() != c"ro").cloned().collect();
    let writable = outside(&writable, maps, field)?;
    let fill = || {
        let tree = mount::new_fs(fstype, &writable, *attrs & !(MOUNT_ATTR_RDONLY as u32))?;
        copy_up::fill(root, &op.target, tree.as_fd())?;
        if *attrs & MOUNT_ATTR_RDONLY as u32 != 0 {
            mount::set_attr(tree.as_fd(), &MountAttr { attr_set: MOUNT_ATTR_RDONLY, ..MountAttr::default() }, false)?;
        }
        Ok(tree)
    };
    op.source = Source::Tree(fill().map_err(Error::sys(field))?);
    Ok(())
}

/// A file system's options as this process gives them for a container with a user namespace: `uid=` and `gid=` are of the
/// container's, and without them its root's.
pub fn outside(
    options: &[(CString, Option<CString>)],
    maps: Option<&Maps>,
    field: &str,
) -> Result<Vec<(CString, Option<CString>)>, Error> {
    let mut out = options.to_vec();
    let Some(maps) = maps else { return Ok(out) };
    for (name, map) in [(c"uid", &maps.uids), (c"gid", &maps.gids)] {
        let given = out.iter().position(|(key, _)| key.as_c_str() == name);
        let text = given.and_then(|i| out[i].1.as_ref()).and_then(|v| v.to_str().ok()).unwrap_or("0");
        let id = text.parse().ok().and_then(|id| userns::outside(map, id));
        let Some(id) = id else {
            let name = name.to_string_lossy();
            return Err(Error::invalid(field, format!("{name}={text}: is not in the user namespace's map")));
        };
        let option = (name.into(), CString::new(id.to_string()).ok());
        match given {
            Some(i) => out[i] = option,
            None => out.push(option),
        }
    }
    Ok(out)
}

/// What the mounts of one container have in common.
struct Around<'a> {
    bundle: &'a Path,
    base: Base,
    keeps_peers: bool,
    maps: Option<&'a Maps>,
}

/// A path without `.`, `..` and doubled slashes, absolute: what the words say, not what links make of it.
pub fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            std::path::Component::Normal(p) => out.push(p),
            std::path::Component::ParentDir => drop(out.pop()),
            _ => {}
        }
    }
    out
}

/// The same, relative to the rootfs, for the child.
fn relative(path: &Path, field: &str) -> Result<CString, Error> {
    let cleaned = clean(path);
    let rest = cleaned.strip_prefix("/").unwrap_or(&cleaned);
    let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
    c_path(rest).map_err(Error::sys(field))
}

fn null() -> Result<OwnedFd, Error> {
    use std::os::fd::AsRawFd;
    let fd = mount::clone_tree(c"/dev/null", false).map_err(Error::sys("/dev/null"))?;
    match crate::sys::raw::fstat(fd.as_raw_fd()) {
        Ok(st) if st.st_mode & libc::S_IFMT == libc::S_IFCHR && st.st_rdev == libc::makedev(1, 3) => Ok(fd),
        _ => Err(Error::invalid("/dev/null", "the host's is not character device 1:3")),
    }
}

/// The root as a detached mount that is no peer of the host's.
fn open_root(root: &Root, keeps_peers: bool) -> Result<OwnedFd, Error> {
    match root {
        Root::Direct(path) => {
            let c = c_path(path).map_err(Error::sys("root.path"))?;
            let fd = mount::clone_tree(&c, true).map_err(|e| Error::Source {
                field: "root.path".into(),
                source_path: path.display().to_string(),
                errno: e.errno,
            })?;
            if !keeps_peers {
                let attr = MountAttr { propagation: libc::MS_SLAVE, ..MountAttr::default() };
                mount::set_attr(fd.as_fd(), &attr, true).map_err(Error::sys("root.path"))?;
            }
            Ok(fd)
        }
        Root::Overlay { lower, upper, work } => overlay(lower, upper, work).map_err(Error::sys("root overlay")),
    }
}

/// Folders go in as short /proc/self/fd paths: an fsconfig string ends at 256 bytes. `volatile`: the upper lives as long as one attempt.
fn overlay(lower: &Path, upper: &Path, work: &Path) -> crate::sys::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    let open =
        |p: &Path| std::fs::OpenOptions::new().read(true).custom_flags_dir().open(p).call(|| format!("open({})", p.display()));
    let (l, u, w) = (open(lower)?, open(upper)?, open(work)?);
    let by_fd = |f: &std::fs::File| c_path(format!("/proc/self/fd/{}", f.as_raw_fd()));
    let option = |k: &CStr, v: CString| (CString::from(k), Some(v));
    let options = [
        option(c"source", c"overlay".into()),
        option(c"lowerdir", by_fd(&l)?),
        option(c"upperdir", by_fd(&u)?),
        option(c"workdir", by_fd(&w)?),
        (c"volatile".into(), None),
    ];
    let tree = mount::new_fs(c"overlay", &options, 0)?;
    // Where nothing more can be made in the work folder the kernel mounts it all the same, read-only.
    match crate::sys::raw::access_effective(tree.as_raw_fd(), c".", libc::W_OK) {
        Err(errno @ Errno::EROFS) => {
            let call = format!("mount(overlay): {} takes nothing more (no space left?), it would be", work.display());
            Err(crate::sys::Error { call, errno })
        }
        _ => Ok(tree),
    }
}

trait DirFlags {
    fn custom_flags_dir(&mut self) -> &mut Self;
}

impl DirFlags for std::fs::OpenOptions {
    fn custom_flags_dir(&mut self) -> &mut Self {
        use std::os::unix::fs::OpenOptionsExt;
        self.custom_flags(libc::O_DIRECTORY)
    }
}

/// Places of /proc that a mount may cover: what emulators of per-container figures cover (CVE-2019-16884 forbids the rest).
const PROC_ALLOWED: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

fn mount_op(i: usize, m: &Mount, around: &Around, warnings: &mut Vec<String>) -> Result<MountOp, Error> {
    let field = format!("mounts[{i}]");
    let destination = m.destination();
    if destination.as_os_str().is_empty() {
        return Err(Error::invalid(format!("{field}.destination"), "is empty"));
    }
    if !destination.is_absolute() {
        warnings.push(format!("{field}.destination: {destination:?} is not absolute; taken as {:?}", clean(destination)));
    }
    let at = clean(destination);
    if at == Path::new("/") {
        return Err(Error::invalid(format!("{field}.destination"), "is the root itself"));
    }
    let parsed = Options::parse(m.options().as_deref().unwrap_or_default())
        .map_err(|problem| Error::invalid(format!("{field}.{}", problem.split(':').next().unwrap_or("options")), problem))?;
    let maps = id_maps(m, &parsed, around.maps, &field)?;
    let fstype = m.typ().as_deref().unwrap_or(if parsed.bind { "bind" } else { "none" });
    if parsed.copy_up && fstype != "tmpfs" {
        return Err(Error::invalid(format!("{field}.options"), "tmpcopyup is for a tmpfs only"));
    }
    let is_proc = fstype == "proc";
    check_proc(&at, fstype, m.source().as_deref(), &field)?;
    let walk = Walk { no_symlinks: is_proc || fstype == "sysfs" };
    let target = relative(&at, &format!("{field}.destination"))?;

    let mut op = MountOp {
        source: Source::Base { path: SHM.into(), beneath: None, attrs: MountAttr::default() },
        target,
        kind: Kind::Dir,
        walk,
        propagation: parsed.propagation.clone(),
        is_proc,
        copy_up: parsed.copy_up,
        absent: Absent::Make,
        words: at.display().to_string(),
    };
    if parsed.bind || fstype == "bind" {
        let source = m.source().as_deref().unwrap_or(Path::new(""));
        if source.as_os_str().is_empty() {
            return Err(Error::invalid(format!("{field}.source"), "a bind mount has no source"));
        }
        let source = if source.is_absolute() { source.to_path_buf() } else { around.bundle.join(source) };
        op.words = format!("{} (bind from {})", at.display(), source.display());
        (op.source, op.kind) = bind(&source, &parsed, around.keeps_peers, maps, &field)?;
        return Ok(op);
    }
    if maps.is_some() {
        return Err(Error::invalid(field, "id maps are for bind mounts only"));
    }
    let in_pod = around.base == Base::Pod;
    let shared = match at.to_str() {
        Some("/dev/shm") if in_pod && fstype == "tmpfs" => Some(SHM),
        Some("/dev/mqueue") if in_pod && fstype == "mqueue" => Some(MQUEUE),
        _ => None,
    };
    if let Some(path) = shared {
        op.words = format!("{} (the pod's {})", at.display(), path.to_string_lossy());
        op.source = Source::Base { path: path.into(), beneath: None, attrs: MountAttr { propagation: 0, ..parsed.attr } };
        return Ok(op);
    }
    op.words = format!("{} ({fstype})", at.display());
    op.source = new_fs(fstype, m, &parsed, &field)?;
    if let (Source::New { options, .. }, Some(_)) = (&op.source, around.maps) {
        let named: Vec<_> = options.iter().filter(|(k, _)| matches!(k.to_bytes(), b"uid" | b"gid")).cloned().collect();
        outside(&named, around.maps.filter(|_| !named.is_empty()), &format!("{field}.options"))?;
    }
    Ok(op)
}

/// A mount at or below /proc is refused, but for procfs at /proc itself and binds on the allow-list, or of a procfs.
fn check_proc(at: &Path, fstype: &str, source: Option<&Path>, field: &str) -> Result<(), Error> {
    if !at.starts_with("/proc") {
        return Ok(());
    }
    if at == Path::new("/proc") {
        let of_proc = fstype == "proc" || source.is_some_and(is_procfs);
        return if of_proc {
            Ok(())
        } else {
            Err(Error::invalid(format!("{field}.destination"), "only a proc file system may be mounted at /proc"))
        };
    }
    if PROC_ALLOWED.iter().any(|p| at == Path::new(p)) {
        return Ok(());
    }
    Err(Error::invalid(format!("{field}.destination"), format!("{} is inside /proc, where no mount is allowed", at.display())))
}

fn is_procfs(path: &Path) -> bool {
    use std::os::fd::AsRawFd;
    std::fs::File::open(path).is_ok_and(|f| crate::sys::raw::fstatfs_type(f.as_raw_fd()) == Ok(mount::PROC_SUPER_MAGIC))
}

/// A tree of the host, cloned and given its attributes before the child sees it.
fn bind(source: &Path, options: &Options, keeps_peers: bool, maps: Option<Maps>, field: &str) -> Result<(Source, Kind), Error> {
    let c = c_path(source).map_err(Error::sys(format!("{field}.source")))?;
    let fd = mount::clone_tree(&c, options.recursive_bind).map_err(|e| Error::Source {
        field: field.into(),
        source_path: source.display().to_string(),
        errno: e.errno,
    })?;
    let file = std::fs::File::from(fd.try_clone().map_err(|e| Error::invalid(field, e.to_string()))?);
    let kind = if file.metadata().is_ok_and(|m| m.is_dir()) { Kind::Dir } else { Kind::File };
    let set = |attr: &MountAttr, recursive| mount::set_attr(fd.as_fd(), attr, recursive).map_err(Error::sys(field));
    if !keeps_peers {
        // As if the whole tree had been made a slave first: what the container mounts below never shows on the host.
        set(&MountAttr { propagation: libc::MS_SLAVE, ..MountAttr::default() }, true)?;
    }
    if options.attr != MountAttr::default() {
        set(&options.attr, false)?;
    }
    if options.recursive_attr != MountAttr::default() {
        set(&options.recursive_attr, true)?;
    }
    if let Some(maps) = maps {
        idmap::apply(fd.as_fd(), &maps, options.idmap == Some(true), field)?;
    }
    Ok((Source::Tree(fd), kind))
}

/// The maps of an id-mapped mount: its own, or with only the option those of the container's user namespace (runtime-spec,
/// config.md#posix-platform-mounts).
fn id_maps(m: &Mount, options: &Options, container: Option<&Maps>, field: &str) -> Result<Option<Maps>, Error> {
    let list = |list: &'_ Option<Vec<_>>| list.clone().filter(|l: &Vec<_>| !l.is_empty());
    match (list(m.uid_mappings()), list(m.gid_mappings())) {
        (None, None) if options.idmap.is_none() => Ok(None),
        (None, None) => match container {
            Some(maps) => Ok(Some(maps.clone())),
            None => Err(Error::invalid(
                format!("{field}.options"),
                "idmap without uidMappings and gidMappings takes those of a user namespace, and there is none",
            )),
        },
        (Some(uids), Some(gids)) => Ok(Some(Maps {
            uids: idmap::ranges(&uids, &format!("{field}.uidMappings"))?,
            gids: idmap::ranges(&gids, &format!("{field}.gidMappings"))?,
        })),
        (Some(_), None) => Err(Error::invalid(format!("{field}.gidMappings"), "is missing beside uidMappings")),
        (None, Some(_)) => Err(Error::invalid(format!("{field}.uidMappings"), "is missing beside gidMappings")),
    }
}

/// A new file system of the container's own.
fn new_fs(fstype: &str, m: &Mount, options: &options::Options, field: &str) -> Result<Source, Error> {
    // runtime-spec, config-linux.md: type `cgroup` is cgroup2 on a host of version 2.
    let name = if fstype == "cgroup" { "cgroup2" } else { fstype };
    if name.is_empty() || name == "none" {
        return Err(Error::invalid(format!("{field}.type"), "is missing, and no bind option is given"));
    }
    let c = |s: &str, what: &str| CString::new(s).map_err(|_| Error::invalid(format!("{field}.{what}"), "holds a NUL byte"));
    let mut params = Vec::new();
    // Pseudo file systems take no source; for others it is the device.
    if let Some(source) = m.source().as_ref().filter(|_| !matches!(name, "proc" | "sysfs" | "cgroup2" | "mqueue")) {
        params.push((c("source", "source")?, Some(c(&source.to_string_lossy(), "source")?)));
    }
    for (k, v) in &options.data {
        // cgroup v1's controllers and names, which engines write for both versions.
        if name != "cgroup2"
            || matches!(k.to_str(), Ok("nsdelegate" | "favordynmods" | "memory_localevents" | "memory_recursiveprot"))
        {
            params.push((k.clone(), v.clone()));
        }
    }
    let mut attrs = options.attr.attr_set;
    if name == "proc" || name == "sysfs" || name == "cgroup2" || name == "mqueue" {
        attrs |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    }
    attrs |= options.recursive_attr.attr_set;
    if attrs & MOUNT_ATTR_RDONLY != 0 && !matches!(name, "proc" | "sysfs" | "cgroup2" | "mqueue") {
        params.push((c("ro", "options")?, None));
    }
    Ok(Source::New { fstype: c(name, "type")?, options: params, attrs: attrs as u32 })
}

/// `hosts`: the kernel lets nobody in a user namespace make device nodes, so the host's are put there.
fn nodes(devices: Option<&Vec<LinuxDevice>>, own_dev: bool, hosts: bool) -> Result<Vec<Node>, Error> {
    let mut out: Vec<Node> = Vec::new();
    if own_dev {
        for (path, major, minor) in NODES {
            let path = CString::new(*path).map_err(|_| Error::invalid("dev", "holds a NUL byte"))?;
            let dev = libc::makedev(*major, *minor);
            out.push(Node { host: None, path, mode: libc::S_IFCHR | 0o666, dev, uid: 0, gid: 0 });
        }
    }
    for (i, d) in devices.into_iter().flatten().enumerate() {
        let field = format!("linux.devices[{i}]");
        if !d.path().is_absolute() {
            return Err(Error::invalid(format!("{field}.path"), format!("{:?} is not absolute", d.path())));
        }
        let kind = match d.typ() {
            LinuxDeviceType::B => libc::S_IFBLK,
            LinuxDeviceType::C | LinuxDeviceType::U => libc::S_IFCHR,
            LinuxDeviceType::P => libc::S_IFIFO,
            LinuxDeviceType::A => {
                return Err(Error::invalid(format!("{field}.type"), "\"a\" is no type of a device node (want b, c, u or p)"));
            }
        };
        let number = |n: i64, what: &str| {
            u32::try_from(n).map_err(|_| Error::invalid(format!("{field}.{what}"), format!("{n} is out of range")))
        };
        let dev = if kind == libc::S_IFIFO { 0 } else { libc::makedev(number(d.major(), "major")?, number(d.minor(), "minor")?) };
        let node = Node {
            host: None,
            path: relative(d.path(), &field)?,
            mode: kind | (d.file_mode().unwrap_or(0o666) & 0o7777),
            dev,
            uid: d.uid().unwrap_or(0),
            gid: d.gid().unwrap_or(0),
        };
        out.retain(|n| n.path != node.path);
        out.push(node);
    }
    for node in out.iter_mut().filter(|n| hosts && n.mode & libc::S_IFMT != libc::S_IFIFO) {
        node.host = Some(host_node(node)?);
    }
    Ok(out)
}

fn host_node(node: &Node) -> Result<OwnedFd, Error> {
    use std::os::unix::fs::MetadataExt;
    let path = format!("/{}", node.path.to_string_lossy());
    let (major, minor) = (libc::major(node.dev), libc::minor(node.dev));
    let bad = |why: &str| {
        Error::invalid("linux.devices", format!("{path}: in a user namespace it has to be the host's {major}:{minor}, {why}"))
    };
    let fd =
        mount::clone_tree(&c_path(&path).map_err(Error::sys("linux.devices"))?, false).map_err(|e| bad(&e.errno.to_string()))?;
    let file = std::fs::File::from(fd.try_clone().map_err(|e| bad(&e.to_string()))?);
    match file.metadata() {
        Ok(m) if m.mode() & libc::S_IFMT == node.mode & libc::S_IFMT && m.rdev() == node.dev => Ok(fd),
        _ => Err(bad("which the host has not at that path")),
    }
}
