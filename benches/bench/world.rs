//! What is measured with: programs, fixtures, a folder of the run's own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub struct World {
    pub podrt: PathBuf,
    pub podrt_oci: PathBuf,
    pub floor: PathBuf,
    pub setting: PathBuf,
    pub crun: PathBuf,
    pub runc: PathBuf,
    pub podman: PathBuf,
    /// rootfs-fixtures/out
    pub fixtures: PathBuf,
    /// Emptied by whoever runs this.
    pub dir: PathBuf,
    /// A process in the mount namespace that the benchmark was started from.
    pub host: Option<String>,
    pub rounds: usize,
}

/// The parent of all cgroups of a run.
pub const CGROUP: &str = "podrt-bench";

impl World {
    pub fn from_env() -> Result<World, String> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from).ok_or(format!("{name} is not set: use benches/run.sh"));
        let rounds = std::env::var("ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(51);
        Ok(World {
            podrt: path("PODRT")?,
            podrt_oci: path("PODRT_OCI")?,
            floor: path("FLOOR")?,
            setting: path("SETTING")?,
            crun: path("CRUN")?,
            runc: path("RUNC")?,
            podman: path("PODMAN")?,
            fixtures: path("FIXTURES")?,
            dir: path("BENCH_DIR")?,
            host: std::env::var("HOST_PID").ok(),
            rounds,
        })
    }

    pub fn rootfs(&self) -> PathBuf {
        self.fixtures.join("rootfs")
    }

    pub fn bundle(&self, name: &str) -> PathBuf {
        self.fixtures.join("bundles").join(name)
    }

    /// A cgroup of this run, for whoever takes a path.
    pub fn cgroup(&self, name: &str) -> PathBuf {
        Path::new("/sys/fs/cgroup").join(CGROUP).join(name)
    }

    /// podrt with folders of this run's own.
    pub fn podrt<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Vec<OsString> {
        let mut argv: Vec<OsString> = vec![self.podrt.clone().into(), "--root".into(), self.dir.join("podrt").into()];
        argv.extend(["--cgroup-parent".into(), format!("{CGROUP}/pods").into()]);
        argv.extend(args.into_iter().map(|a| OsString::from(a.as_ref())));
        argv
    }

    /// Another runtime, or podrt-oci, with a state folder of its own.
    pub fn runtime<S: Into<OsString>>(&self, program: &Path, args: impl IntoIterator<Item = S>) -> Vec<OsString> {
        let state = self.dir.join("state").join(program.file_name().unwrap_or_default());
        let mut argv: Vec<OsString> = vec![program.into(), "--root".into(), state.into()];
        argv.extend(args.into_iter().map(Into::into));
        argv
    }

    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.dir.join(name);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
        made.map(|()| path.clone()).map_err(|e| format!("{}: {e}", path.display()))
    }

    pub fn read(&self, path: &Path) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
    }
}

/// `a` as the list of a command line's words.
#[macro_export]
macro_rules! words {
    ($($word:expr),* $(,)?) => { vec![$(std::ffi::OsString::from($word)),*] };
}
