use super::*;
use crate::pod::spec::{Content, HostPathKind, VolumeFile};
use std::fs as std_fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("podrt-volume-{name}-{}", std::process::id()));
        let _ = std_fs::remove_dir_all(&path);
        std_fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn dir(&self, name: &str) -> std_fs::File {
        std_fs::create_dir_all(self.0.join(name)).unwrap();
        std_fs::File::open(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std_fs::remove_dir_all(&self.0);
    }
}

fn real(fd: &OwnedFd) -> PathBuf {
    std_fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap()
}

/// "Volumes: Using subPath"; CVE-2017-1002101: a link in the volume leads nowhere else.
#[test]
fn a_sub_path_stays_in_its_volume() {
    let f = Folder::new("sub");
    let volume = f.dir("volume");
    f.dir("outside");
    let at = |p: &str| f.0.join("volume").join(p);
    std_fs::create_dir_all(at("a/b")).unwrap();
    std_fs::write(at("file"), "").unwrap();
    symlink("a/b", at("inside")).unwrap();
    symlink("../outside", at("up")).unwrap();
    symlink(f.0.join("outside"), at("absolute")).unwrap();
    symlink("/", at("root")).unwrap();
    symlink("gone", at("dangling")).unwrap();
    symlink("/proc/self/root", at("magic")).unwrap();
    for (sub, create, want) in [
        ("a/b", false, Ok("a/b")),
        ("inside", false, Ok("a/b")),
        ("file", false, Ok("file")),
        ("new/deep", true, Ok("new/deep")),
        ("inside/new", true, Ok("a/b/new")),
        ("missing", false, Err("no such file or directory")),
        ("up", true, Err("leads out of the volume")),
        ("up/x", true, Err("leads out of the volume")),
        ("absolute", true, Err("leads out of the volume")),
        ("root/etc", true, Err("leads out of the volume")),
        ("magic", true, Err("")),
        ("dangling/x", true, Err("")),
        ("file/x", true, Err("not a directory")),
    ] {
        let got = subpath::open(volume.as_fd(), sub, create).map(|fd| real(&fd)).map_err(|e| e.message);
        match (got, want) {
            (Ok(path), Ok(want)) => assert_eq!(path, at(want), "{sub}"),
            (Err(message), Err(want)) => assert!(message.to_lowercase().contains(want), "{sub}: {message}"),
            (got, want) => panic!("{sub}: {got:?}, want {want:?}"),
        }
    }
    assert_eq!(std_fs::read_dir(f.0.join("outside")).unwrap().count(), 0);
}

/// CVE-2021-25741: a folder of the volume is swapped with a link to the outside while it is looked for, a thousand times.
#[test]
fn a_sub_path_that_is_swapped_for_a_link_is_never_the_outside() {
    let f = Folder::new("race");
    let volume = f.dir("volume");
    f.dir("outside/x");
    let (a, b) = (f.0.join("volume/a"), f.0.join("volume/b"));
    std_fs::create_dir_all(a.join("x")).unwrap();
    symlink("../outside", &b).unwrap();
    let (stop, outside) = (AtomicBool::new(false), f.0.join("outside"));
    let mut found = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let volume = f.dir("volume");
            while !stop.load(Ordering::Relaxed) {
                let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
                let _ = nix::fcntl::renameat2(&volume, "a", &volume, "b", flags);
            }
        });
        for i in 0..1000 {
            let sub = if i % 2 == 0 { "a/x" } else { "a/new/deep" };
            if let Ok(fd) = subpath::open(volume.as_fd(), sub, true) {
                found += 1;
                assert!(!real(&fd).starts_with(&outside), "{:?}", real(&fd));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(found > 0);
    assert!(!outside.join("new").exists(), "nothing was made outside");
    assert_eq!(std_fs::read_dir(&outside).unwrap().count(), 1);
}

fn file(path: &str, mode: u32, text: &str) -> VolumeFile {
    VolumeFile { path: path.into(), mode, content: Content::Text(text.into()) }
}

/// "ConfigMaps: Mounted ConfigMaps are updated automatically"; "Secrets": modes. One rename replaces all.
#[test]
fn files_are_replaced_all_at_once() {
    let f = Folder::new("payload");
    let volume = f.dir("v");
    let read = |p: &str| std_fs::read_to_string(f.0.join("v").join(p));
    let mode = |p: &str| std_fs::metadata(f.0.join("v").join(p)).unwrap().permissions().mode() & 0o7777;
    payload::write(volume.as_fd(), &[file("a", 0o644, "1"), file("d/b", 0o400, "2"), file("gone", 0o644, "3")], None).unwrap();
    assert_eq!((read("a").unwrap(), read("d/b").unwrap()), ("1".into(), "2".into()));
    assert_eq!((mode("a"), mode("d/b"), mode("d")), (0o644, 0o400, 0o755));
    assert_eq!(std_fs::read_link(f.0.join("v/d")).unwrap(), Path::new("..data/d"));
    let before = std_fs::read_link(f.0.join("v/..data")).unwrap();
    payload::write(volume.as_fd(), &[file("a", 0o600, "one"), file("new", 0o644, "")], None).unwrap();
    assert_eq!((read("a").unwrap(), mode("a")), ("one".into(), 0o600));
    assert!(read("gone").is_err() && read("d/b").is_err() && read("new").is_ok());
    assert_ne!(std_fs::read_link(f.0.join("v/..data")).unwrap(), before);
    let mut names: Vec<String> =
        std_fs::read_dir(f.0.join("v")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names[1..], ["..data", "a", "new"]);
}

/// CVE-2017-1002102: a `..data` that somebody has made a link to the outside is replaced, and nothing behind it is touched.
#[test]
fn a_data_link_to_the_outside_is_not_followed() {
    let f = Folder::new("data");
    let volume = f.dir("v");
    f.dir("outside");
    std_fs::write(f.0.join("outside/kept"), "").unwrap();
    for target in [f.0.join("outside"), "../outside".into(), "..1".into()] {
        let _ = std_fs::remove_file(f.0.join("v/..data"));
        symlink(&target, f.0.join("v/..data")).unwrap();
        payload::write(volume.as_fd(), &[file("a", 0o644, "1")], None).unwrap();
        assert!(f.0.join("outside/kept").exists());
        assert_eq!(std_fs::read_to_string(f.0.join("v/a")).unwrap(), "1");
        assert_eq!(std_fs::read_dir(f.0.join("outside")).unwrap().count(), 1, "{target:?}");
    }
}

/// "Configure a Security Context": fsGroup owns the files and may read them.
#[test]
fn files_are_the_groups_where_there_is_one() {
    let f = Folder::new("group");
    let volume = f.dir("v");
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    payload::write(volume.as_fd(), &[file("a", 0o400, "1"), file("d/b", 0o600, "2")], Some(2000)).unwrap();
    for (path, want) in [("a", 0o440), ("d/b", 0o640)] {
        let meta = std_fs::metadata(f.0.join("v").join(path)).unwrap();
        assert_eq!((meta.gid(), meta.mode() & 0o7777), (2000, want), "{path}");
    }
}

/// "Volumes: hostPath volume types".
#[test]
fn a_host_path_is_of_the_type_that_was_asked_for() {
    use HostPathKind::*;
    let f = Folder::new("host");
    f.dir("dir");
    std_fs::write(f.0.join("file"), "").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(f.0.join("socket")).unwrap();
    for (name, kind, want) in [
        ("dir", Any, ""),
        ("file", Any, ""),
        ("none", Any, "no such file or directory"),
        ("dir", Directory, ""),
        ("file", Directory, "is not a directory"),
        ("none", Directory, "no such file or directory"),
        ("file", File, ""),
        ("dir", File, "is not a file"),
        ("none", File, "no such file or directory"),
        ("socket", Socket, ""),
        ("file", Socket, "is not a socket file"),
        ("file", CharDevice, "is not a character device"),
        ("file", BlockDevice, "is not a block device"),
        ("made/deep", DirectoryOrCreate, ""),
        ("file", DirectoryOrCreate, "is not a directory"),
        ("made/file", FileOrCreate, ""),
        ("dir", FileOrCreate, "is not a file"),
        ("nowhere/file", FileOrCreate, "no such file or directory"),
    ] {
        let got = hostpath::open(&f.0.join(name), kind).map(|_| String::new()).unwrap_or_else(|e| e.message);
        let fine = if want.is_empty() { got.is_empty() } else { got.to_lowercase().contains(want) };
        assert!(fine, "{name} as {kind:?}: {got:?}, want {want:?}");
    }
    assert!(hostpath::open(Path::new("/dev/null"), CharDevice).is_ok());
    assert!(f.0.join("made/file").is_file() && !f.0.join("nowhere").exists());
}
