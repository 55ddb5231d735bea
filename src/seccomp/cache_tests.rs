use super::*;
use serde_json::json;
use std::cell::Cell;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

/// A folder for one test, removed at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Temporary {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("podrt-seccomp-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        DirBuilder::new().mode(0o700).create(&path).expect("a temporary folder");
        Temporary(path)
    }

    fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// The files of the cache.
    fn files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.cache()).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn profile(name: &str) -> LinuxSeccomp {
    let rule = json!({"names": [name], "action": "SCMP_ACT_TRAP"});
    serde_json::from_value(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})).expect("a profile")
}

fn made() -> Made {
    Made { filter: vec![6, 0, 0, 0, 0, 0, 255, 127], missing: vec!["a".into(), "b".into()] }
}

/// Asks for `name`'s program; true: it had to be made.
fn ask(folder: &Path, name: &str) -> (bool, Option<String>) {
    let asked = Cell::new(false);
    let make = || {
        asked.set(true);
        Ok(made())
    };
    let (got, warning) = load(Some(folder), &profile(name), make).expect("a program");
    assert_eq!(got, made());
    (asked.get(), warning)
}

#[test]
fn a_program_is_made_once_for_each_profile() {
    let place = Temporary::new();
    assert_eq!(ask(&place.cache(), "mount"), (true, None));
    assert_eq!(ask(&place.cache(), "mount"), (false, None));
    assert_eq!(ask(&place.cache(), "reboot"), (true, None));
    assert_eq!(ask(&place.cache(), "mount"), (false, None));
    let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
    assert_eq!(mode(&place.cache()), 0o700);
    assert_eq!(place.files().iter().map(|path| mode(path)).collect::<Vec<_>>(), [0o600, 0o600]);
}

#[test]
fn a_failure_to_make_is_not_kept() {
    let place = Temporary::new();
    let error = Error::Library("no".into());
    assert_eq!(load(Some(&place.cache()), &profile("mount"), || Err(error.clone())), Err(error));
    assert_eq!(place.files().len(), 0);
}

#[test]
fn a_file_damaged_in_any_byte_or_cut_at_any_length_is_made_anew() {
    let place = Temporary::new();
    ask(&place.cache(), "mount");
    let file = place.files().remove(0);
    let good = std::fs::read(&file).expect("the file");
    let key = key(&profile("mount"));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(decode(&bad, &key), None, "byte {at}");
        assert_eq!(decode(&good[..at], &key), None, "length {at}");
    }
    assert_eq!(decode(&good, &key), Some(made()));
    for bad in [&b""[..], b"garbage", &good[..good.len() - 1]] {
        std::fs::write(&file, bad).expect("damage");
        assert_eq!(ask(&place.cache(), "mount"), (true, None));
        assert_eq!(ask(&place.cache(), "mount"), (false, None));
    }
}

#[test]
fn a_file_with_another_profiles_answer_is_not_taken() {
    let place = Temporary::new();
    ask(&place.cache(), "mount");
    let of_mount = place.files().remove(0);
    ask(&place.cache(), "reboot");
    let of_reboot = place.files().into_iter().find(|path| *path != of_mount).expect("a second file");
    std::fs::copy(&of_mount, &of_reboot).expect("a copy");
    assert_eq!(ask(&place.cache(), "reboot"), (true, None));
}

#[test]
fn a_file_that_is_not_ours_alone_is_not_taken() {
    let chmod = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    type Spoil<'a> = (&'a str, &'a dyn Fn(&Path));
    let spoil: [Spoil; 4] = [
        ("readable by others", &|path| chmod(path, 0o604)),
        ("writable by its group", &|path| chmod(path, 0o620)),
        ("a link", &|path| {
            let elsewhere = path.with_extension("moved");
            std::fs::rename(path, &elsewhere).expect("rename");
            symlink(&elsewhere, path).expect("a link");
        }),
        ("a FIFO", &|path| {
            std::fs::remove_file(path).expect("unlink");
            nix::unistd::mkfifo(path, Mode::S_IRWXU).expect("a FIFO");
        }),
    ];
    for (what, spoil) in spoil {
        let place = Temporary::new();
        ask(&place.cache(), "mount");
        spoil(&place.files()[0]);
        assert_eq!(ask(&place.cache(), "mount"), (true, None), "{what}");
        assert_eq!(ask(&place.cache(), "mount"), (false, None), "{what}: made anew");
    }
    if geteuid().is_root() {
        let place = Temporary::new();
        ask(&place.cache(), "mount");
        std::os::unix::fs::chown(&place.files()[0], Some(1000), None).expect("chown");
        assert_eq!(ask(&place.cache(), "mount"), (true, None));
    }
}

#[test]
fn a_folder_that_is_not_ours_alone_is_not_used_and_that_is_said() {
    let place = Temporary::new();
    let at = |name: &str| place.0.join(name);
    let folder = |name: &str, mode: u32| {
        DirBuilder::new().create(at(name)).expect("a folder");
        std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).expect("chmod");
    };
    folder("open", 0o755);
    folder("shared", 0o770);
    folder("good", 0o700);
    symlink(at("good"), at("link")).expect("a link");
    std::fs::write(at("file"), "").expect("a file");
    let mut rows = vec![
        ("open", "open to others (mode 755, want 700)"),
        ("shared", "open to others (mode 770, want 700)"),
        ("link", "not a directory"),
        ("file", "not a directory"),
    ];
    if geteuid().is_root() {
        folder("foreign", 0o700);
        std::os::unix::fs::chown(at("foreign"), Some(1000), None).expect("chown");
        rows.push(("foreign", "owned by uid 1000 (want 0)"));
    }
    for (name, want) in rows {
        let want = format!("seccomp cache {} not used: {want}", at(name).display());
        assert_eq!(ask(&at(name), "mount"), (true, Some(want)), "{name}");
        assert!(ask(&at(name), "mount").0, "{name}: nothing kept");
    }
}

#[test]
fn a_full_folder_is_emptied_and_leftovers_go_with_it() {
    let place = Temporary::new();
    ask(&place.cache(), "mount");
    for n in 0..MAX_FILES {
        std::fs::write(place.cache().join(format!(".left.{n}")), "").expect("a leftover");
    }
    assert_eq!(ask(&place.cache(), "reboot"), (true, None));
    assert_eq!(place.files().len(), 1);
}

#[test]
fn what_the_tree_cannot_do_is_compiled_by_the_library_and_kept() {
    let rule = |action: &str, op: &str, value: u64| json!({"names": ["ioctl"], "action": action, "args": [{"index": 1, "value": value, "op": op}]});
    let ordered = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        rule("SCMP_ACT_ALLOW", "SCMP_CMP_GT", 4), rule("SCMP_ACT_TRAP", "SCMP_CMP_LT", 9), 
        {"names": ["mseal", "bogus"], "action": "SCMP_ACT_ALLOW"}]});
    let ordered: LinuxSeccomp = serde_json::from_value(ordered).expect("a profile");
    let place = Temporary::new();
    let first = crate::seccomp::load(&ordered, Some(&place.cache())).expect("a program");
    assert_eq!(place.files().len(), 1);
    assert_eq!(crate::seccomp::load(&ordered, Some(&place.cache())), Ok(first.clone()));
    assert_eq!(crate::seccomp::compile(&ordered), Ok(first.clone()));
    assert_eq!(first.warnings[0], "linux.seccomp.syscalls: unknown, so ignored: bogus (syscalls[2])");

    let simple = profile("mount");
    crate::seccomp::load(&simple, Some(&place.cache())).expect("a program");
    assert_eq!(place.files().len(), 1, "a simple profile needs no cache");
}
