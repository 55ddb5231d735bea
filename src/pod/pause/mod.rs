//! The pause program, as built by `build.rs` from `pause.rs`.

/// The ELF; its role is the first letter of argv[0].
pub static ELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pause"));

/// argv[0] of the process that holds a sandbox's namespaces.
pub const PAUSE: &std::ffi::CStr = c"pause";

/// argv[0] of a supervisor's parent; the rest of its argv is the supervisor's.
pub const KEEPER: &std::ffi::CStr = c"keeper";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    fn start(role: &str) -> (Child, std::path::PathBuf) {
        let path = std::env::temp_dir().join(format!("podrt-{role}-{}", std::process::id()));
        let open = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o700).open(&path);
        std::io::Write::write_all(&mut open.unwrap(), super::ELF).unwrap();
        // Another test's fork may still hold the file open for writing: ETXTBSY until its exec.
        for _ in 0..100 {
            match Command::new(&path).arg0(role).stdin(Stdio::null()).spawn() {
                Ok(child) => return (child, path),
                Err(e) if e.raw_os_error() == Some(libc::ETXTBSY) => std::thread::sleep(Duration::from_millis(10)),
                Err(e) => panic!("{e}"),
            }
        }
        panic!("{} stays busy", path.display());
    }

    fn signal(child: &Child, signal: i32) {
        crate::sys::raw::kill(child.id() as i32, signal).unwrap();
    }

    #[test]
    fn the_pause_program_fits_a_page() {
        assert!(super::ELF.len() <= 4096, "{} bytes", super::ELF.len());
    }

    #[test]
    fn pause_ignores_what_could_end_it_by_accident_and_ends_on_sigterm() {
        let (mut child, path) = start("pause");
        std::thread::sleep(Duration::from_millis(100));
        for harmless in [libc::SIGHUP, libc::SIGPIPE, libc::SIGUSR1, libc::SIGQUIT, libc::SIGCHLD] {
            signal(&child, harmless);
        }
        std::thread::sleep(Duration::from_millis(100));
        assert!(child.try_wait().unwrap().is_none());
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", child.id())).unwrap();
        let of = |key: &str| {
            let line = rollup.lines().find(|l| l.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        assert!(of("Private_Dirty:") <= 16, "{rollup}");
        signal(&child, libc::SIGTERM);
        let status = child.wait().unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!((status.code(), status.signal()), (Some(0), None));
    }

    #[test]
    fn an_unknown_role_ends_at_once() {
        let (mut child, path) = start("x");
        assert_eq!(child.wait().unwrap().code(), Some(64));
        std::fs::remove_file(path).unwrap();
    }
}
