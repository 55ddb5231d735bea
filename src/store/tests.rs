use super::atomic::{Durable, read, read_json, replace};
use super::*;
use std::os::unix::fs::PermissionsExt;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("podrt-store-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        make_folder(&path).unwrap();
        Scratch(path)
    }

    fn roots(&self) -> Roots {
        let at = |name: &str| self.0.join(name);
        Roots { state: at("state"), data: at("data"), log: at("log"), cgroup_parent: "podrt".into() }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn intent(id: &str, name: &str) -> Intent {
    Intent {
        schema: intent::SCHEMA,
        id: id.into(),
        namespace: "default".into(),
        name: name.into(),
        uid: id.into(),
        attempt: 0,
        boot_id: process::boot_id().into(),
        creator: Process::current(),
        view: Default::default(),
        roots: Roots::default(),
        cgroup: "podrt/podx".into(),
        data: "/data".into(),
        logs: "/log".into(),
        supervisor: None,
        keeper: None,
        pause: None,
        rest: Default::default(),
    }
}

#[test]
fn names_that_could_leave_their_folder_are_refused() {
    let long = "a".repeat(64);
    let bad = ["", "..", "a/b", "a..b", "-x", ".x", "a b", "a\n", "a\0", "é", long.as_str()];
    for name in bad {
        assert!(check_name("name", name, 63).is_err(), "{name:?}");
    }
    for name in ["a", "web-0", "a.b", "A_1"] {
        assert!(check_name("name", name, 63).is_ok(), "{name:?}");
    }
}

#[test]
fn a_state_root_that_others_could_have_made_is_refused() {
    let s = Scratch::new("root");
    let roots = s.roots();
    Store::open(&roots).unwrap();
    std::fs::set_permissions(&roots.state, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(Store::open(&roots).unwrap_err().to_string().contains("writable by others (mode 0777)"));
    std::fs::set_permissions(&roots.state, std::fs::Permissions::from_mode(0o700)).unwrap();
    let link = s.0.join("link");
    std::os::unix::fs::symlink(&roots.state, &link).unwrap();
    let by_link = Roots { state: link, ..roots.clone() };
    assert!(Store::open(&by_link).unwrap_err().to_string().contains("symbolic link"));
    let file = s.0.join("file");
    std::fs::write(&file, "").unwrap();
    assert!(Store::open(&Roots { state: file, ..roots.clone() }).unwrap_err().to_string().contains("not a folder"));
    assert!(Store::open(&Roots { state: "relative".into(), ..roots }).is_err());
}

#[test]
fn of_many_who_claim_one_name_exactly_one_wins() {
    let s = Scratch::new("claim");
    let store = Store::open(&s.roots()).unwrap();
    let wins: usize = std::thread::scope(|scope| {
        let claims: Vec<_> = (0..12)
            .map(|i| (i, &store))
            .map(|(i, st)| scope.spawn(move || st.claim("default", "web", &format!("id{i}"))))
            .collect();
        claims.into_iter().map(|c| c.join().unwrap().is_ok() as usize).sum()
    });
    assert_eq!(wins, 1);
    let id = store.resolve("default", "web").unwrap().unwrap();
    store.release("default", "web", "another").unwrap();
    assert_eq!(store.resolve("default", "web").unwrap(), Some(id.clone()));
    store.release("default", "web", &id).unwrap();
    assert_eq!(store.names(None).unwrap(), []);
    assert!(!s.roots().state.join("names/default").exists());
}

#[test]
fn a_state_file_cut_at_any_length_is_an_error_that_names_it_and_never_a_panic() {
    let s = Scratch::new("cut");
    let path = s.0.join("intent.json");
    let whole = serde_json::to_vec(&intent("u.0", "web")).unwrap();
    for n in 0..whole.len() {
        replace(&path, &whole[..n], Durable::No).unwrap();
        let error = read_json::<Intent>(&path).unwrap_err().to_string();
        assert!(error.contains("intent.json"), "{error}");
    }
    replace(&path, &whole, Durable::Yes).unwrap();
    assert_eq!(read_json::<Intent>(&path).unwrap(), Some(intent("u.0", "web")));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read(&path).unwrap(), None);
    std::fs::create_dir(&path).unwrap();
    assert!(read(&path).is_err());
}

#[test]
fn a_sandbox_appears_whole_and_is_swept_when_nobody_owns_it() {
    let s = Scratch::new("publish");
    let store = Store::open(&s.roots()).unwrap();
    let draft = store.draft("u.0").unwrap();
    atomic::write_json(&draft.dir().join("intent.json"), &intent("u.0", "web"), Durable::No).unwrap();
    assert_eq!(store.sweep().unwrap().len(), 0, "a live draft stays");
    assert!(draft.dir().exists());
    let sandbox = store.publish(&draft).unwrap();
    assert!(matches!(store.publish(&store.draft("u.0").unwrap()), Err(Error::Exists(_))));
    assert_eq!(store.sweep().unwrap().len(), 1, "no name points to it");
    store.claim("default", "web", "u.0").unwrap();
    assert_eq!(store.sweep().unwrap().len(), 0);
    store.forget(&sandbox).unwrap();
    assert!(!sandbox.dir.exists());
    assert_eq!(store.resolve("default", "web").unwrap(), None);
    let dead = s.roots().state.join("sandboxes/.new.1.1.u.1");
    make_folder(&dead).unwrap();
    store.sweep().unwrap();
    assert!(!dead.exists());
}

#[test]
fn a_log_folder_of_the_longest_names_fits_into_255_bytes() {
    let path = Roots::default().logs(&"n".repeat(63), &"a".repeat(253), &"u".repeat(36));
    assert_eq!(path.file_name().unwrap().len(), 255);
}
