//! Reading what `-f` names, bounded whatever it is.

use super::error::Problem;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of one file.
pub const MAX_BYTES: usize = 10_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Stdin,
    /// A file; a folder stands for the manifests in it.
    File(PathBuf),
    /// A folder with all folders below it; a file is itself.
    Tree(PathBuf),
    /// A text that is there already, as if it stood in a file of `folder`.
    Text {
        name: String,
        text: String,
        folder: PathBuf,
    },
}

impl Source {
    /// An argument of `-f`: a path, or `-`.
    pub fn from_arg(arg: &Path) -> Source {
        if arg == Path::new("-") { Source::Stdin } else { Source::File(arg.to_owned()) }
    }

    /// As errors name it.
    pub fn name(&self) -> String {
        match self {
            Source::Stdin => "<stdin>".to_owned(),
            Source::File(path) | Source::Tree(path) => path.display().to_string(),
            Source::Text { name, .. } => name.clone(),
        }
    }

    /// The folder that relative paths in the manifest start from: the file's own, the working folder where there is no file.
    ///
    /// # Errors
    /// The working folder is gone.
    pub(super) fn folder(&self) -> io::Result<PathBuf> {
        match self {
            Source::Stdin => std::env::current_dir(),
            Source::Text { folder, .. } => std::path::absolute(folder),
            // What `<(command)` stands for lies nowhere.
            Source::File(path) | Source::Tree(path) if path.starts_with("/dev") || path.starts_with("/proc") => {
                std::env::current_dir()
            }
            Source::File(path) | Source::Tree(path) => {
                let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                std::path::absolute(folder)
            }
        }
    }

    /// The text, without its byte order mark.
    ///
    /// # Errors
    /// A problem of the whole file: not there, no file, too large, not UTF-8.
    pub(super) fn read(&self) -> Result<String, Problem> {
        let fail = |problem: String| Problem { file: self.name(), line: 0, col: 0, field: String::new(), problem };
        let bytes = match self {
            Source::Text { text, .. } => return Ok(text.trim_start_matches('\u{feff}').to_owned()),
            Source::Stdin => capped(io::stdin().lock()).map_err(|e| fail(word(&e)))?,
            Source::File(path) | Source::Tree(path) => open(path).map_err(fail)?,
        };
        if bytes.len() > MAX_BYTES {
            return Err(fail(format!("too large (want at most {MAX_BYTES} bytes)")));
        }
        match String::from_utf8(bytes) {
            Ok(text) if text.starts_with('\u{feff}') => Ok(text['\u{feff}'.len_utf8()..].to_owned()),
            Ok(text) => Ok(text),
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let before = &e.as_bytes()[..at];
                let line = 1 + before.iter().filter(|b| **b == b'\n').count();
                let col = 1 + before.iter().rev().take_while(|b| **b != b'\n').filter(|b| **b & 0xc0 != 0x80).count();
                let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let problem = format!("not UTF-8 (byte {at} of the file)");
                Err(Problem { line: small(line), col: small(col), ..fail(problem) })
            }
        }
    }
}

/// What stands for a folder's manifests: their names' ends, as kubectl has them.
const ENDS: &[&str] = &["json", "yaml", "yml"];
/// Files of all folders together; whoever has more runs them in parts.
const MAX_FILES: usize = 1000;
/// Levels of folders below one that was named.
const MAX_LEVELS: usize = 32;

/// The sources with each folder replaced by its manifests, in the order of their names, and what is wrong with folders.
pub(super) fn expand(sources: &[Source]) -> (Vec<Source>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for source in sources {
        let (path, levels) = match source {
            Source::File(path) => (path, 0),
            Source::Tree(path) => (path, MAX_LEVELS),
            other => {
                files.push(other.clone());
                continue;
            }
        };
        if !path.is_dir() {
            files.push(Source::File(path.clone()));
            continue;
        }
        let mut found = Vec::new();
        let problem = match folder(path, levels, &mut found) {
            Err(problem) => problem,
            Ok(()) if found.is_empty() => format!("holds no manifest (want files that end in {})", super::error::or_list(ENDS)),
            Ok(()) => {
                files.extend(found.into_iter().map(Source::File));
                continue;
            }
        };
        problems.push(Problem { file: source.name(), line: 0, col: 0, field: String::new(), problem });
    }
    (files, problems)
}

/// Links to folders are not followed: a tree has an end.
fn folder(path: &Path, levels: usize, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let mut entries = std::fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(|e| word(&e))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && levels > 0 {
            folder(&path, levels - 1, found)?;
        } else if !is_folder && path.extension().is_some_and(|end| ENDS.iter().any(|e| end == *e)) {
            found.push(path);
        }
        if found.len() > MAX_FILES {
            return Err(format!("holds too many manifests (want at most {MAX_FILES})"));
        }
    }
    Ok(())
}

/// At most one byte more than allowed.
fn capped(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file or a pipe. A FIFO that nobody writes to is empty at once; one that somebody holds open is waited for.
fn open(path: &Path) -> Result<Vec<u8>, String> {
    let mut file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).map_err(|e| word(&e))?;
    let meta = file.metadata().map_err(|e| word(&e))?;
    let kind = meta.file_type();
    if kind.is_dir() {
        return Err("is a folder (want a file)".to_owned());
    }
    if kind.is_file() {
        if meta.len() > MAX_BYTES as u64 {
            return Err(format!("too large (got {} bytes, want at most {MAX_BYTES})", meta.len()));
        }
        return capped(file).map_err(|e| word(&e));
    }
    if !kind.is_fifo() {
        return Err("not a file or a pipe".to_owned());
    }
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    while bytes.len() <= MAX_BYTES {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait(&file).map_err(|e| word(&e))?,
            Err(e) => return Err(word(&e)),
        }
    }
    Ok(bytes)
}

fn wait(file: &std::fs::File) -> io::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// The error's own words, lower case as podrt's are.
fn word(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => nix::errno::Errno::from_raw(errno).desc().to_lowercase(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> String {
        Source::from_arg(Path::new(path)).read().map_or_else(|p| p.to_string(), |_| "fine".to_owned())
    }

    #[test]
    fn what_is_no_manifest_is_refused_at_once() {
        let folder = std::env::temp_dir().join(format!("podrt-input-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{e}"));
        let at = |name: &str| folder.join(name).display().to_string();
        let fifo = at("fifo");
        nix::unistd::mkfifo(fifo.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap_or_else(|e| panic!("{e}"));
        std::fs::write(at("bad"), b"a: b\nc: \xff\n").unwrap_or_else(|e| panic!("{e}"));
        let big = std::fs::File::create(at("big")).unwrap_or_else(|e| panic!("{e}"));
        big.set_len(500_000_000).unwrap_or_else(|e| panic!("{e}"));
        for (path, want) in [
            (at("none"), "no such file or directory"),
            (at(""), "is a folder"),
            ("/dev/zero".to_owned(), "not a file or a pipe"),
            (fifo, "fine"),
            (at("bad"), ":2:4: not UTF-8 (byte 8 of the file)"),
            (at("big"), "too large (got 500000000 bytes"),
        ] {
            let got = read(&path);
            assert!(got.contains(want), "{path}: {got}");
        }
        let _ = std::fs::remove_dir_all(folder);
    }
}
