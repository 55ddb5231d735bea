use super::*;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A root file system in a temporary folder, removed at the end.
struct Root(PathBuf);

impl Root {
    fn empty() -> Root {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("podrt-users-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(path.join("etc")).expect("a temporary folder");
        Root(path)
    }

    fn with(passwd: &str, group: &str) -> Root {
        let root = Root::empty();
        std::fs::write(root.path("etc/passwd"), passwd).expect("passwd");
        std::fs::write(root.path("etc/group"), group).expect("group");
        root
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    fn lookup(&self, user: &str) -> Result<User, Error> {
        lookup(File::open(&self.0).expect("the root").as_fd(), user)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    # a comment\n\
    +::::::\n\
    1000:x:0:0:a trap:/trap:/bin/sh\n\
    web:x:1000:1001:Web:/srv/web:/bin/sh\n\
    twice:x:7:7::/first:\n\
    twice:x:8:8::/second:\n\
    short:x:9\n\
    bad:x:0x0:0::/:\n\
    badgid:x:77:-1::/:\n\
    huge:x:4294967295:0::/:\n\
    homeless:x:12:12:::\n";

const GROUP: &str = "root:x:0:\nweb:x:1001:\nwheel:x:10:root,web\naudio:x:29:web\nagain:x:10:web\nnear:x:30:webb,we\n\
    5:x:99:web\nbad:x:4294967296:web\nhuge:x:4294967295:\n";

#[test]
fn names_and_numbers_become_exactly_the_ids_asked_for() {
    let root = Root::with(PASSWD, GROUP);
    let user = |uid, gid, name: &str, home: &str, groups: &[u32]| User {
        uid,
        gid,
        name: (!name.is_empty()).then(|| name.into()),
        home: (!home.is_empty()).then(|| home.into()),
        groups: groups.into(),
    };
    let web = [10, 29, 99];
    for (input, want) in [
        ("root", user(0, 0, "root", "/root", &[10])),
        ("web", user(1000, 1001, "web", "/srv/web", &web)),
        // A row named 1000 has uid 0: the number wins.
        ("1000", user(1000, 1001, "web", "/srv/web", &web)),
        ("1", user(1, 0, "", "", &[])),
        ("1:5", user(1, 5, "", "", &[])),
        ("0", user(0, 0, "root", "/root", &[10])),
        ("web:wheel", user(1000, 10, "web", "/srv/web", &[])),
        ("web:0", user(1000, 0, "web", "/srv/web", &[])),
        // A group named 5 has gid 99: the number wins here too.
        ("web:5", user(1000, 5, "web", "/srv/web", &[])),
        ("twice", user(7, 7, "twice", "/first", &[])),
        ("homeless", user(12, 12, "homeless", "", &[])),
        ("2147483648", user(2147483648, 0, "", "", &[])),
        ("4294967294", user(4294967294, 0, "", "", &[])),
    ] {
        assert_eq!(root.lookup(input), Ok(want), "{input:?}");
    }
}

#[test]
fn what_is_neither_a_name_nor_a_strict_decimal_is_refused() {
    let trap = "-1:x:0:0::/:\n0x0:x:0:0::/:\n:x:0:0::/:\n 1:x:0:0::/:\n4294967296:x:0:0::/:\n";
    let root = Root::with(trap, ":x:0:\n-1:x:0:\n");
    let inputs = [
        "",
        ":",
        ":1",
        "1:",
        "web:",
        " 1",
        "1 ",
        "1\n",
        "0x0",
        "-1",
        "+1",
        "01",
        "00",
        "1.5",
        "1e3",
        "4294967295",
        "4294967296",
        "4294967297",
        "18446744073709551616",
        "1:4294967295",
        "1:4294967296",
        "1:-1",
        "1: 1",
        "1:1:1",
        "a:b:c",
        "a b",
        "a/b",
        "a\u{0}",
        "\u{661}",
        "0\u{661}",
    ];
    for input in inputs {
        assert!(matches!(root.lookup(input), Err(Error::Malformed { .. })), "{input:?}: {:?}", root.lookup(input));
    }
}

#[test]
fn errors_say_in_one_line_what_was_looked_for_where() {
    let root = Root::with(PASSWD, GROUP);
    for (input, want) in [
        ("nobody", "no user \"nobody\" in etc/passwd of the root file system"),
        ("short", "no user \"short\" in etc/passwd of the root file system"),
        ("web:nobody", "no group \"nobody\" in etc/group of the root file system"),
        ("bad", "etc/passwd: the row of \"bad\" has a bad uid (got \"0x0\")"),
        ("huge", "etc/passwd: the row of \"huge\" has a bad uid (got \"4294967295\")"),
        ("badgid", "etc/passwd: the row of \"badgid\" has a bad gid (got \"-1\")"),
        ("77", "etc/passwd: the row of \"badgid\" has a bad gid (got \"-1\")"),
        ("web:bad", "etc/group: the row of \"bad\" has a bad gid (got \"4294967296\")"),
        ("0x0", "bad user \"0x0\": want a name or a number in 0..=4294967294, without sign or leading zero"),
    ] {
        assert_eq!(root.lookup(input).expect_err(input).to_string(), want);
    }
}

#[test]
fn a_home_with_control_bytes_is_refused() {
    let root = Root::with("a:x:1:1::/home/\ra:\nb:x:2:2::/home\u{1b}[2J:\n", "");
    for user in ["a", "b", "1"] {
        assert!(matches!(root.lookup(user), Err(Error::Row { column: "home", .. })), "{user}");
    }
    let dir = File::open(&root.0).expect("the root");
    assert!(home_of(dir.as_fd(), 2).is_err());
}

#[test]
fn home_and_groups_of_a_number_come_from_its_row() {
    let root = Root::with(PASSWD, GROUP);
    let dir = File::open(&root.0).expect("the root");
    assert_eq!(home_of(dir.as_fd(), 1000), Ok(Some("/srv/web".into())));
    assert_eq!(home_of(dir.as_fd(), 12), Ok(None));
    assert_eq!(home_of(dir.as_fd(), 4242), Ok(None));
    assert_eq!(groups_of(dir.as_fd(), 1000), Ok(vec![10, 29, 99]));
    assert_eq!(groups_of(dir.as_fd(), 4242), Ok(vec![]));
}

#[test]
fn without_the_files_numbers_work_and_names_are_unknown() {
    let without_etc = Root::empty();
    std::fs::remove_dir(without_etc.path("etc")).expect("rmdir");
    let etc_is_a_file = Root::empty();
    std::fs::remove_dir(etc_is_a_file.path("etc")).expect("rmdir");
    std::fs::write(etc_is_a_file.path("etc"), "").expect("etc");
    for root in [Root::empty(), without_etc, etc_is_a_file] {
        assert_eq!(root.lookup("5:6"), Ok(User { uid: 5, gid: 6, ..User::default() }));
        assert!(matches!(root.lookup("web"), Err(Error::Unknown { .. })));
        assert!(matches!(root.lookup("5:web"), Err(Error::Unknown { .. })));
    }
}

#[test]
fn bytes_that_are_no_text_spoil_only_their_own_row() {
    let root = Root::empty();
    std::fs::write(root.path("etc/passwd"), b"\xff\xfe:x:1:1::/:\nweb:x:2:3::/w:\n").expect("passwd");
    assert_eq!(root.lookup("web").map(|user| (user.uid, user.gid)), Ok((2, 3)));
}

#[test]
fn links_stay_inside_the_root_whatever_they_say() {
    let root = Root::empty();
    std::fs::write(root.path("real"), "web:x:2:3::/w:\n").expect("passwd");
    for target in ["/real", "../real", "../../../../../../../../../../real"] {
        symlink(target, root.path("etc/passwd")).expect("a link");
        assert_eq!(root.lookup("web").map(|user| user.uid), Ok(2), "{target}");
        std::fs::remove_file(root.path("etc/passwd")).expect("unlink");
    }
    // The host's own passwd would know root.
    for target in ["/../../../../../../../../../../etc/hostname", "/proc/self/root/etc/passwd", "/dev/zero", "gone"] {
        symlink(target, root.path("etc/passwd")).expect("a link");
        assert!(matches!(root.lookup("root"), Err(Error::Unknown { .. })), "{target}");
        std::fs::remove_file(root.path("etc/passwd")).expect("unlink");
    }
    symlink("passwd", root.path("etc/passwd")).expect("a link");
    assert_eq!(root.lookup("root").expect_err("a loop").to_string(), "etc/passwd: open: too many levels of symbolic links");
}

#[test]
fn files_that_are_none_end_in_an_error_within_a_second() {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    let fifo = Root::empty();
    nix::unistd::mkfifo(&fifo.path("etc/passwd"), Mode::S_IRWXU).expect("a FIFO");
    let socket = Root::empty();
    let _listener = std::os::unix::net::UnixListener::bind(socket.path("etc/passwd")).expect("a socket");
    let folder = Root::empty();
    std::fs::create_dir(folder.path("etc/passwd")).expect("a folder");
    let large = Root::empty();
    File::create(large.path("etc/passwd")).and_then(|f| f.set_len(2 << 30)).expect("a sparse file");
    let mut rows = vec![
        (fifo, "not a regular file"),
        (socket, "not a regular file"),
        (folder, "not a regular file"),
        (large, "too large (got 2147483648 bytes, want at most 1048576)"),
    ];
    let zero = Root::empty();
    match mknod(&zero.path("etc/zero"), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)) {
        Ok(()) => {
            symlink("/etc/zero", zero.path("etc/passwd")).expect("a link");
            rows.push((zero, "not a regular file"));
        }
        Err(e) => eprintln!("skipped the row of a device: mknod: {e}"),
    }
    for (root, want) in rows {
        for user in ["web", "5", "5:6"] {
            let begun = Instant::now();
            assert_eq!(root.lookup(user).expect_err(want).to_string(), format!("etc/passwd: {want}"));
            assert!(begun.elapsed() < Duration::from_secs(1));
        }
    }
}

#[test]
fn a_file_may_be_as_large_as_the_cap_and_no_larger() {
    let row = "web:x:2:3::/w:\n";
    let filler = |len: usize| "#".repeat(len - row.len() - 1) + "\n" + row;
    let root = Root::with(&filler(MAX_FILE as usize), "");
    assert_eq!(root.lookup("web").map(|user| user.uid), Ok(2));
    let root = Root::with(&filler(MAX_FILE as usize + 1), "");
    assert!(matches!(root.lookup("web"), Err(Error::File { .. })));
}
