//! `cp`: what goes in and comes out is the same, and nothing that a container does to its files leads a copy elsewhere.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::pod::*;
use support::{Out, Test};

/// With a root that can be written to: the bundle's is read-only.
fn pod(t: &Test, name: &str) {
    let writable = "securityContext: {readOnlyRootFilesystem: false}";
    create(t, &manifest(t, name, NEVER, &[("app", &["reap"], writable)]), "started").ok();
}

/// A shell command in the container.
fn sh(t: &Test, pod: &str, command: &str) -> String {
    t.podrt(["exec", pod, "--", "sh", "-c", command]).run().ok().stdout
}

fn cp(t: &Test, words: &[&str]) -> Out {
    t.podrt(["cp"].iter().chain(words).copied()).within(Duration::from_secs(60)).run()
}

fn here(t: &Test, name: &str) -> String {
    t.path(name).to_str().expect("UTF-8").to_owned()
}

/// What the container's `/` is to the host: a way to change its files while it runs.
fn inside(t: &Test, pod: &str) -> PathBuf {
    format!("/proc/{}/root", first_pid(t, pod, "app")).into()
}

/// A folder outside of everything that is copied, and what it must still be afterwards.
struct Sentinel {
    dir: PathBuf,
    before: String,
}

impl Sentinel {
    fn new(t: &Test) -> Sentinel {
        t.write("outside/secret", "the host's");
        let dir = t.path("outside");
        let before = Sentinel::look(&dir);
        Sentinel { dir, before }
    }

    fn look(dir: &Path) -> String {
        let out = Command::new("find").arg(dir).args(["-printf", "%p %y %s %U:%G %m %l %T@\n"]).output().expect("find");
        String::from_utf8(out.stdout).expect("UTF-8")
    }

    #[track_caller]
    fn holds(&self) {
        assert_eq!(Sentinel::look(&self.dir), self.before);
        assert_eq!(fs::read_to_string(self.dir.join("secret")).unwrap(), "the host's");
    }
}

/// Path, kind, size, mode and link of everything below a folder, and the files' content.
fn tree(dir: &Path) -> Vec<String> {
    let out = Command::new("sh")
        .args([
            "-c",
            "cd \"$1\" && find . -printf '%P|%y|%m|%l\\n' | sort && find . -type f -print0 | sort -z | xargs -0 md5sum",
            "-",
        ])
        .arg(dir)
        .output()
        .expect("find");
    String::from_utf8(out.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

fn files_folders_links_modes_and_owners_go_in_and_come_back(t: &Test) {
    pod(t, "io");
    let noise: Vec<u8> = (0..3u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    t.write("tree/data", &noise);
    t.write("tree/empty", "");
    t.write("tree/deep/er/run", "#!/bin/sh\necho ran\n");
    t.write("tree/a name\nof two lines", "x");
    symlink("deep/er/run", t.path("tree/link")).unwrap();
    symlink("/nowhere", t.path("tree/dangling")).unwrap();
    fs::create_dir(t.path("tree/void")).unwrap();
    fs::set_permissions(t.path("tree/deep/er/run"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(t.path("tree/void"), fs::Permissions::from_mode(0o700)).unwrap();
    chown(t.path("tree/data"), Some(1234), Some(5678)).unwrap();

    let silent = cp(t, &[&here(t, "tree"), "io:/tmp/there"]).ok();
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    assert_eq!(
        sh(t, "io", "/tmp/there/deep/er/run; stat -c '%u:%g' /tmp/there/data; stat -c %a /tmp/there/deep/er/run"),
        "ran\n1234:5678\n4751\n"
    );
    assert_eq!(
        sh(t, "io", "readlink /tmp/there/link; readlink /tmp/there/dangling; wc -c < /tmp/there/data"),
        "deep/er/run\n/nowhere\n3145728\n"
    );

    cp(t, &["default/io:/tmp/there", &here(t, "back")]).ok();
    // On the host nobody gains a set-user-id program or a stranger's file.
    fs::set_permissions(t.path("tree/deep/er/run"), fs::Permissions::from_mode(0o751)).unwrap();
    assert_eq!(tree(&t.path("back")), tree(&t.path("tree")));
    assert_eq!(fs::metadata(t.path("back/data")).unwrap().uid(), 0);

    cp(t, &["--no-preserve", &here(t, "tree/data"), "io:/tmp/plain"]).ok();
    assert_eq!(sh(t, "io", "stat -c '%u:%g %a' /tmp/plain"), "0:0 644\n");
    delete(t, "io");
}

fn the_copy_of_another_users_container_is_its_own(t: &Test) {
    let user = "securityContext: {runAsUser: 1000, runAsGroup: 2000, readOnlyRootFilesystem: false}";
    create(t, &manifest(t, "user", NEVER, &[("app", &["reap"], user)]), "started").ok();
    t.write("file", "x");
    cp(t, &[&here(t, "file"), "user:/tmp/file"]).ok();
    assert_eq!(sh(t, "user", "stat -c '%u:%g' /tmp/file; echo y >> /tmp/file; cat /tmp/file"), "1000:2000\nxy\n");
    delete(t, "user");
}

fn a_name_that_is_there_decides_where_a_copy_lands(t: &Test) {
    pod(t, "where");
    t.write("dir/f", "of dir");
    t.write("one", "one");
    sh(
        t,
        "where",
        "mkdir -p /tmp/d /tmp/real; echo old > /tmp/file; ln -s real /tmp/to-real; ln -s real/x /tmp/to-x; echo old > /tmp/real/x",
    );
    for (source, to, found) in [
        ("dir", "/tmp/new", "/tmp/new/f"),
        ("dir", "/tmp/d", "/tmp/d/dir/f"),
        ("dir/.", "/tmp/d", "/tmp/d/f"),
        ("one", "/tmp/d", "/tmp/d/one"),
        ("one", "/tmp/d/", "/tmp/d/one"),
        ("one", "/tmp/file", "/tmp/file"),
        ("one", "/tmp/fresh", "/tmp/fresh"),
        ("one", "tmp/relative", "/tmp/relative"),
        // Links of the destination itself are followed, inside the container.
        ("one", "/tmp/to-real", "/tmp/real/one"),
        ("one", "/tmp/to-x", "/tmp/real/x"),
    ] {
        cp(t, &[&here(t, source), &format!("where:{to}")]).ok();
        let want = if source == "one" { "one" } else { "of dir" };
        assert_eq!(sh(t, "where", &format!("cat {found}")), want, "{source} to {to}");
    }
    sh(t, "where", "mkdir -p /tmp/src/sub; echo -n a > /tmp/src/a; echo -n b > /tmp/src/sub/b; ln -s src /tmp/ln");
    fs::create_dir(t.path("there")).unwrap();
    for (source, to, found) in [
        ("/tmp/src", "out", "out/sub/b"),
        ("/tmp/src", "there", "there/sub/b"),
        ("/tmp/ln", "through", "through/sub/b"),
        ("/tmp/src/sub/b", "there", "there/b"),
        ("/tmp/src/sub/b", "name", "name"),
    ] {
        cp(t, &[&format!("where:{source}"), &here(t, to)]).ok();
        assert_eq!(t.read(found), "b", "{source} to {to}");
    }
    delete(t, "where");
}

fn holes_stay_holes_both_ways(t: &Test) {
    use std::io::{Seek, SeekFrom, Write};
    pod(t, "sparse");
    let size = 4u64 << 30;
    let mut file = fs::File::create(t.path("sparse")).unwrap();
    for at in [0, 1 << 20, size - 4096] {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&[7; 4096]).unwrap();
    }
    file.set_len(size + 12345).unwrap();
    cp(t, &[&here(t, "sparse"), "sparse:/tmp/s"]).ok();
    cp(t, &["sparse:/tmp/s", &here(t, "back")]).ok();
    let meta = fs::metadata(t.path("back")).unwrap();
    assert_eq!(meta.len(), size + 12345);
    assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    let script = "cmp -n 2000000 \"$1\" \"$2\" && cmp -i 4294960000 \"$1\" \"$2\"";
    let same = Command::new("sh").args(["-c", script, "-"]).arg(t.path("sparse")).arg(t.path("back")).status().unwrap();
    assert!(same.success());
    delete(t, "sparse");
}

fn a_tar_stream_goes_in_and_comes_out(t: &Test) {
    pod(t, "tar");
    let long = "n".repeat(150);
    t.write(&format!("tree/{long}/{long}"), "long");
    t.write("tree/first", "linked");
    fs::hard_link(t.path("tree/first"), t.path("tree/second")).unwrap();
    symlink("first", t.path("tree/sym")).unwrap();
    let stream = Command::new("tar").args(["-C", &here(t, "tree"), "-c", "."]).output().unwrap().stdout;
    t.podrt(["cp", "-", "tar:/tmp"]).input(stream).run().ok();
    assert_eq!(
        sh(t, "tar", &format!("cat /tmp/first /tmp/second /tmp/{long}/{long}; readlink /tmp/sym")),
        "linkedlinkedlongfirst\n"
    );
    fs::create_dir(t.path("out")).unwrap();
    let words = t.podrt_words();
    let mut podrt =
        Command::new(&words[0]).args(&words[1..]).args(["cp", "tar:/tmp", "-"]).stdout(Stdio::piped()).spawn().unwrap();
    let tar = Command::new("tar").args(["-x", "-C", &here(t, "out")]).stdin(podrt.stdout.take().unwrap()).status().unwrap();
    assert!(tar.success() && podrt.wait().unwrap().success());
    fs::remove_file(t.path("tree/second")).unwrap();
    fs::write(t.path("tree/second"), "linked").unwrap();
    assert_eq!(
        tree(&t.path("out/tmp")).iter().filter(|l| !l.starts_with('|')).collect::<Vec<_>>(),
        tree(&t.path("tree")).iter().filter(|l| !l.starts_with('|')).collect::<Vec<_>>()
    );
    for (input, want) in [(&b""[..], "empty tar"), (b"no tar at all, by far not one", "not a tar stream")] {
        t.podrt(["cp", "-", "tar:/tmp"]).input(input).run().refuses(&[want]);
    }
    delete(t, "tar");
}

/// One entry of a tar stream: its name, type flag and link name as they are, whatever they say.
fn entry(name: &str, flag: u8, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = flag;
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().div_ceil(512) * 512, 0);
    bytes
}

fn cve_2018_1002100_and_2019_1002101_a_hostile_tar_stream_writes_nothing_outside_its_destination(t: &Test) {
    pod(t, "evil");
    let sentinel = Sentinel::new(t);
    sh(t, "evil", "mkdir -p /tmp/in /tmp/beside; echo mine > /tmp/beside/f");
    let outside = sentinel.dir.to_str().unwrap();
    for (what, stream, want) in [
        ("a name with ..", entry("../beside/f", b'0', "", b"evil"), "leads out"),
        ("a deep name with ..", entry("a/../../beside/f", b'0', "", b"evil"), "leads out"),
        ("a file through a link", [entry("l", b'2', "/tmp/beside", b""), entry("l/f", b'0', "", b"evil")].concat(), "is a link"),
        (
            "a file through two links",
            [entry("a", b'2', ".", b""), entry("a/b", b'2', "../beside", b""), entry("b/f", b'0', "", b"evil")].concat(),
            "is a link",
        ),
        ("a hard link out", entry("h", b'1', "../beside/f", b""), "leads out"),
        (
            "a hard link to a link",
            [entry("l", b'2', "/tmp/beside/f", b""), entry("h", b'1', "l", b"")].concat(),
            "symbolic links",
        ),
        ("a link to the host", [entry("l", b'2', outside, b""), entry("l/secret", b'0', "", b"evil")].concat(), "is a link"),
    ] {
        sh(t, "evil", "rm -rf /tmp/in; mkdir /tmp/in");
        let mut stream = stream;
        stream.resize(stream.len() + 1024, 0);
        let out = t.podrt(["cp", "-", "evil:/tmp/in"]).input(stream).run().refuses(&[want]);
        assert_eq!(sh(t, "evil", "cat /tmp/beside/f; ls /tmp/beside"), "mine\nf\n", "{what}: {out}");
        sentinel.holds();
    }
    // An absolute name is one below the destination; a file takes the place of a link instead of what it leads to.
    let mut stream =
        [entry("/x", b'0', "", b"fine"), entry("y", b'2', "/tmp/beside/f", b""), entry("y", b'0', "", b"own")].concat();
    stream.resize(stream.len() + 1024, 0);
    t.podrt(["cp", "-", "evil:/tmp/in"]).input(stream).run().ok();
    assert_eq!(sh(t, "evil", "cat /tmp/in/x /tmp/in/y /tmp/beside/f"), "fineownmine\n");
    delete(t, "evil");
}

/// Exchanges the folder `a` and the link `b` to `target` again and again until told to stop. A copy may put a file in the place of the
/// link, as of any link that leads nowhere: then there is another.
fn swapping(a: PathBuf, b: PathBuf, target: String) -> (Arc<AtomicBool>, std::thread::JoinHandle<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let thread = std::thread::spawn(move || {
        let here = nix::fcntl::AT_FDCWD;
        while !seen.load(Ordering::Relaxed) {
            // ENOENT: the moment between a link's removal and the file in its place.
            let _ = nix::fcntl::renameat2(here, &a, here, &b, nix::fcntl::RenameFlags::RENAME_EXCHANGE);
            for name in [&a, &b] {
                if name.symlink_metadata().is_ok_and(|m| m.is_file()) {
                    let _ = fs::remove_file(name);
                    let _ = symlink(&target, name);
                }
            }
        }
    });
    (stop, thread)
}

fn cve_2018_15664_and_2019_10152_and_2023_0778_a_folder_swapped_for_a_link_never_leads_a_copy_out(t: &Test) {
    pod(t, "race");
    let sentinel = Sentinel::new(t);
    let up = format!("{}{}", "../".repeat(10), sentinel.dir.display());
    let root = inside(t, "race");
    sh(t, "race", "mkdir -p /tmp/v/x/deep; echo inside > /tmp/v/x/secret; echo inside > /tmp/v/x/deep/secret");
    symlink(&up, root.join("tmp/v/y")).unwrap();
    t.write("payload", "from the host");
    t.write("folder/secret", "from the host");
    let (stop, thread) = swapping(root.join("tmp/v/x"), root.join("tmp/v/y"), up.clone());
    let rounds = if support::world::in_vm() { 30 } else { 250 };
    let (mut in_, mut out) = (0, 0);
    for i in 0..rounds {
        // The target, its parent, and a folder on the way.
        let (source, to) =
            [("payload", "race:/tmp/v/x/secret"), ("payload", "race:/tmp/v/x"), ("folder", "race:/tmp/v/x/new")][i % 3];
        in_ += i32::from(cp(t, &[&here(t, source), to]).code() == 0);
        let _ = fs::remove_dir_all(t.path("got"));
        out += i32::from(cp(t, &["race:/tmp/v", &here(t, "got")]).code() == 0);
        let _ = fs::remove_dir_all(t.path("got2"));
        cp(t, &["race:/tmp/v/x/secret", &here(t, "got2")]);
        for got in ["got/x/secret", "got/y/secret", "got/x/deep/secret", "got2"] {
            // A link that was copied is one; what is read here is what was copied as a file.
            let path = t.path(got);
            let linked = path.ancestors().take(3).any(|p| p.symlink_metadata().is_ok_and(|m| m.is_symlink()));
            if !linked && let Ok(text) = fs::read_to_string(&path) {
                assert_ne!(text, "the host's", "{got}");
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    sentinel.holds();
    assert!(in_ > 0 && out > 0, "some copies met the folder: {in_} in, {out} out of {rounds}");
    delete(t, "race");
}

fn cve_2019_11246_and_11249_and_11251_a_second_copy_does_not_write_through_the_links_of_the_first(t: &Test) {
    pod(t, "twice");
    let sentinel = Sentinel::new(t);
    let outside = sentinel.dir.display();
    sh(t, "twice", &format!("mkdir /tmp/d; ln -s {outside} /tmp/d/a; ln -s {outside}/secret /tmp/d/b"));
    cp(t, &["twice:/tmp/d", &here(t, "got")]).ok();
    assert!(t.path("got/a").symlink_metadata().unwrap().is_symlink());
    sh(t, "twice", "rm /tmp/d/a; mkdir /tmp/d/a; echo evil > /tmp/d/a/secret");
    cp(t, &["twice:/tmp/d", &here(t, "got")]).refuses(&["a", "link"]);
    sentinel.holds();
    // A file in the place of a link replaces the link.
    sh(t, "twice", "rm -r /tmp/d/a /tmp/d/b; echo evil > /tmp/d/b");
    cp(t, &["twice:/tmp/d", &here(t, "got")]).ok();
    assert_eq!(t.read("got/b"), "evil\n");
    sentinel.holds();
    delete(t, "twice");
}

fn cve_2019_18466_names_of_a_container_are_names_and_nothing_more(t: &Test) {
    pod(t, "names");
    let sentinel = Sentinel::new(t);
    sh(t, "names", "mkdir /tmp/d; cd /tmp/d; touch -- '*' '-rf' '$(touch x)' '..x' '...' 'a\\b'");
    // The link that is named leads to the host's path, and inside the container there is nothing.
    sh(
        t,
        "names",
        &format!("ln -s {} /tmp/host; ln -s {}{} /tmp/up", sentinel.dir.display(), "../".repeat(10), sentinel.dir.display()),
    );
    cp(t, &["names:/tmp/d", &here(t, "got")]).ok();
    let mut names: Vec<_> = fs::read_dir(t.path("got")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["$(touch x)", "*", "-rf", "...", "..x", "a\\b"]);
    for link in ["host", "up", "host/secret", "up/secret"] {
        cp(t, &[&format!("names:/tmp/{link}"), &here(t, "leak")]).refuses(&["no such file"]);
    }
    assert!(!t.path("leak").exists());
    // A magic link of procfs would lead to the host.
    cp(t, &["names:/proc/1/root", &here(t, "leak")]).refuses(&["/proc/1/root"]);
    sentinel.holds();
    delete(t, "names");
}

fn devices_fifos_and_sockets_are_left_out_and_hold_up_nothing(t: &Test) {
    pod(t, "dev");
    sh(t, "dev", "mkdir /tmp/d; mkfifo /tmp/d/fifo; echo x > /tmp/d/file");
    let out = cp(t, &["dev:/tmp/d", &here(t, "got")]).ok();
    assert_eq!(out.stderr, "Warning: got/fifo: a FIFO is not copied\n");
    assert_eq!(t.read("got/file"), "x\n");
    let out = cp(t, &["dev:/dev", &here(t, "devices")]).ok();
    assert!(out.stderr.contains("Warning: devices/null: a device is not copied"), "{out}");
    // As a destination: not waited for, not written to.
    t.write("one", "one");
    for to in ["/tmp/d/fifo", "/dev/null"] {
        cp(t, &[&here(t, "one"), &format!("dev:{to}")]).refuses(&["invalid argument"]);
    }
    delete(t, "dev");
}

fn cve_2019_14271_nothing_of_the_image_is_run(t: &Test) {
    pod(t, "nss");
    sh(
        t,
        "nss",
        "mkdir -p /tmp/bin /tmp/d; for c in tar cp cat sh; do printf '#!/bin/busybox sh\\ntouch /tmp/ran\\n' > /tmp/bin/$c; chmod +x /tmp/bin/$c; done; \
         mkdir -p /lib/x86_64-linux-gnu; for l in files dns compat; do cp /tmp/bin/tar /lib/libnss_$l.so.2; cp /tmp/bin/tar /lib/x86_64-linux-gnu/libnss_$l.so.2; done; \
         cp /bin/busybox /tmp/busybox; for c in tar cp cat; do rm -f /bin/$c; /tmp/busybox cp /tmp/bin/$c /bin/$c; done",
    );
    t.write("one", "one");
    cp(t, &[&here(t, "one"), "nss:/tmp/d/one"]).ok();
    cp(t, &["nss:/tmp/d", &here(t, "got")]).ok();
    assert_eq!(t.read("got/one"), "one");
    assert_eq!(sh(t, "nss", "test ! -e /tmp/ran || echo ran"), "");
    delete(t, "nss");
}

fn what_is_wrong_is_one_line(t: &Test) {
    create(t, &manifest(t, "ro", NEVER, &[("app", &["reap"], "securityContext: {readOnlyRootFilesystem: true}")]), "started")
        .ok();
    t.write("one", "one");
    let one = here(t, "one");
    for (words, code, want) in [
        (&["ro:/nope", "x"][..], 1, "/nope: no such file or directory"),
        (&[&here(t, "nope"), "ro:/tmp"], 1, "nope: no such file or directory"),
        (&[&one, "ro:/nope/x"], 1, "/nope: no such file or directory"),
        (&[&one, "ro:/etc/x"], 1, "read-only file system"),
        (&[&one, "nope:/x"], 1, "pods \"nope\" not found"),
        (&[&one, "ro:/x", "-c", "nope"], 1, "container nope is not valid for pod ro"),
        (&[&one, "two"], 2, "POD:PATH"),
        (&["ro:/a", "ro:/b"], 2, "POD:PATH"),
        (&[&one, "ro:"], 2, "filepath can not be empty"),
        (&["-", "-"], 2, "POD:PATH"),
    ] {
        let out = cp(t, words).refuses(&[want]);
        assert_eq!(out.code(), code, "{out}");
    }
    delete(t, "ro");
}

suite!(
    files_folders_links_modes_and_owners_go_in_and_come_back,
    the_copy_of_another_users_container_is_its_own,
    a_name_that_is_there_decides_where_a_copy_lands,
    holes_stay_holes_both_ways,
    a_tar_stream_goes_in_and_comes_out,
    cve_2018_1002100_and_2019_1002101_a_hostile_tar_stream_writes_nothing_outside_its_destination,
    cve_2018_15664_and_2019_10152_and_2023_0778_a_folder_swapped_for_a_link_never_leads_a_copy_out,
    cve_2019_11246_and_11249_and_11251_a_second_copy_does_not_write_through_the_links_of_the_first,
    cve_2019_18466_names_of_a_container_are_names_and_nothing_more,
    devices_fifos_and_sockets_are_left_out_and_hold_up_nothing,
    cve_2019_14271_nothing_of_the_image_is_run,
    what_is_wrong_is_one_line,
);
