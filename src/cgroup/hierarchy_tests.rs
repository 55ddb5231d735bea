use super::*;
use crate::cgroup::testing;
use std::time::Duration;

#[test]
fn cgroup_v2_is_found_beside_v1_and_behind_other_mounts() {
    let points = |text: &str| candidates(text).into_iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" ");
    let unified = "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
    let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
    let part = "50 23 0:27 /user.slice /mnt/part rw - cgroup2 none rw\n31 23 0:27 / /sys/fs/cgroup\\040x rw - cgroup2 none rw";
    let covered = format!("{unified}\n60 31 0:27 / /sys/fs/cgroup rw - cgroup2 none rw\n61 23 0:27 / /late rw - cgroup2 none rw");
    for (text, want) in [
        (unified, "/sys/fs/cgroup"),
        (hybrid, "/sys/fs/cgroup/unified"),
        (part, "/sys/fs/cgroup x /mnt/part"),
        (&covered, "/late /sys/fs/cgroup /sys/fs/cgroup"),
        ("31 23 0:28 / /sys/fs/cgroup rw - tmpfs cgroup2 rw", ""),
        ("nonsense\n\n31 - cgroup2", ""),
        ("", ""),
    ] {
        assert_eq!(points(text), want, "{text}");
    }
}

#[test]
fn octal_escapes_of_mountinfo_are_undone() {
    for (text, want) in
        [("/a\\040b", "/a b"), ("/a\\134b", "/a\\b"), ("/a\\", "/a\\"), ("/a\\09", "/a\\09"), ("/\\777", "/\\777")]
    {
        assert_eq!(unescape(text), PathBuf::from(want));
    }
}

#[test]
fn a_missing_controller_comes_with_its_way_out() {
    let table = "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t5\t1\t1\nblkio\t7\t1\t1\npids\t0\t1\t0\ncpu\t0\t1\t1\n";
    for (controller, want) in [
        (Controller::Memory, "cgroup_no_v1=memory"),
        (Controller::Io, "cgroup_no_v1=blkio"),
        (Controller::Pids, "cgroup_disable=pids"),
        (Controller::Cpu, "not in this cgroup tree"),
        (Controller::Misc, "not in this cgroup tree"),
    ] {
        let got = reason(controller, table);
        assert!(got.contains(want), "{controller}: {got}");
    }
}

#[test]
fn a_limit_that_the_tree_cannot_hold_is_said_before_anything_is_made() {
    let Some(s) = testing::scratch(&[]) else { return };
    let limits = Limits { memory_max: Some(1), ..Limits::default() };
    let lacks = !s.hierarchy.controllers().contains(&Controller::Memory);
    assert_eq!(s.hierarchy.missing(&limits), if lacks { vec![Controller::Memory] } else { vec![] });
    match s.hierarchy.check(&limits) {
        Ok(()) => assert!(!lacks),
        Err(e) => {
            assert!(e.to_string().starts_with("cgroup /: memory.max cannot be set: controller memory is "), "{e}");
            assert!(e.to_string().contains("--missing-controllers=warn"), "{e}");
        }
    }
}

#[test]
fn a_prepared_parent_hands_down_everything_at_every_level() {
    let Some(s) = testing::scratch(&[]) else { return };
    let deep = s.hierarchy.prepare(&format!("{}/a/b", s.group.path())).unwrap();
    assert_eq!(deep.path(), format!("{}/a/b", s.group.path()));
    let child = deep.child("c").unwrap();
    assert_eq!(child.controllers().unwrap(), *s.hierarchy.controllers());
    // Again: nothing to do, and nothing in the way.
    s.hierarchy.prepare(deep.path()).unwrap();
    deep.remove(Duration::from_secs(1)).unwrap();
}
