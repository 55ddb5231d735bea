//! A log file that may fill its disk: what cannot be written is dropped and counted, whole lines at a time, and said when there
//! is room again.

use super::lines::Stamp;
use super::ring::Entry;
use crate::store;
use crate::sys::Errno;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// Where a log stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spot {
    /// The file's inode; 0 where there is none.
    pub inode: u64,
    /// Its length, bytes.
    pub length: u64,
    /// Bytes that could not be written, and this was not said yet.
    pub lost: u64,
}

/// When a log is put aside, and how many files are kept of it (kubelet's containerLogMaxSize and containerLogMaxFiles).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes; 0 is without bound.
    pub size: u64,
    /// Files in all, the current one among them.
    pub files: usize,
}

impl Default for Rotation {
    fn default() -> Rotation {
        Rotation { size: 10 << 20, files: 5 }
    }
}

#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    rotation: Rotation,
    file: Option<File>,
    inode: u64,
    /// Up to where the file holds whole lines, bytes.
    whole: u64,
    lost: u64,
    why: Errno,
}

impl Log {
    pub fn new(path: PathBuf, rotation: Rotation) -> Log {
        let mut log = Log { path, rotation, file: None, inode: 0, whole: 0, lost: 0, why: Errno(0) };
        log.open();
        log
    }

    /// Goes on with a log whose writer was killed after it had noted `entry`. True: what was noted is in the file. Else none of it
    /// is, and the same bytes are to be written again.
    pub fn resume(path: PathBuf, rotation: Rotation, entry: &Entry) -> (Log, bool) {
        let mut log = Log::new(path, rotation);
        let Spot { inode, length: before, lost } = entry.spot;
        if log.inode != inode {
            // Put aside or removed after that write: with an inode of 0 nothing was to be written.
            return (log, true);
        }
        if log.whole >= before + entry.length {
            log.lost = if entry.length == 0 { lost } else { 0 };
            return (log, true);
        }
        log.lost = lost;
        if log.whole > before
            && let Some(file) = &log.file
            && file.set_len(before).is_ok()
        {
            log.whole = before;
        }
        (log, false)
    }

    fn open(&mut self) {
        if self.file.is_some() {
            return;
        }
        if let Some(folder) = self.path.parent()
            && store::make_folder(folder).is_err()
        {
            self.why = Errno::last();
            return;
        }
        let open = File::options().append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(&self.path);
        match open {
            Ok(file) => {
                (self.whole, self.inode) = file.metadata().map_or((0, 0), |m| (m.len(), m.ino()));
                self.file = Some(file);
            }
            Err(e) => self.why = e.into(),
        }
    }

    /// Bytes that could not be written so far.
    #[cfg(test)]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn spot(&self) -> Spot {
        Spot { inode: if self.file.is_some() { self.inode } else { 0 }, length: self.whole, lost: self.lost }
    }

    /// Appends whole lines. `announce` is told first where the log stands and how many bytes come, and again where some could not
    /// be written and are given up.
    pub fn write(&mut self, lines: &mut Vec<u8>, stamp: &Stamp, mut announce: impl FnMut(Spot, u64)) {
        if lines.is_empty() {
            return;
        }
        let own = lines.len() as u64;
        if self.lost > 0 {
            let mut note = stamp.to_vec();
            note.extend_from_slice(format!(" stderr F podrt: lost {} bytes of this log: {}\n", self.lost, self.why).as_bytes());
            lines.splice(0..0, note);
        }
        if self.rotation.size > 0 && self.whole > 0 && self.whole + lines.len() as u64 > self.rotation.size {
            self.rotate();
        }
        self.open();
        announce(self.spot(), lines.len() as u64);
        let untold = std::mem::take(&mut self.lost);
        let kept = self.append(lines);
        if kept < lines.len() {
            // The note stands first: without it nothing was written, with it the count begins anew.
            let note = lines.len() as u64 - own;
            self.lost = if (kept as u64) < note.max(1) { untold + own } else { (lines.len() - kept) as u64 };
            announce(self.spot(), 0);
        }
    }

    /// Puts the file aside as `<file>.<number>`, whose ten digits sort by age as readers do; the oldest go; the next write begins a new one.
    fn rotate(&mut self) {
        let (Some(folder), Some(name)) = (self.path.parent(), self.path.file_name().and_then(|n| n.to_str())) else { return };
        let prefix = format!("{name}.");
        let mut numbers: Vec<u64> = std::fs::read_dir(folder)
            .map(|all| all.flatten().filter_map(|e| e.file_name().to_str()?.strip_prefix(&prefix)?.parse().ok()).collect())
            .unwrap_or_default();
        numbers.sort_unstable();
        let next = numbers.last().map_or(1, |n| n + 1);
        if std::fs::rename(&self.path, folder.join(format!("{prefix}{next:010}"))).is_err() {
            return;
        }
        self.file = None;
        numbers.push(next);
        let keep = self.rotation.files.saturating_sub(1);
        for old in &numbers[..numbers.len().saturating_sub(keep)] {
            let _ = std::fs::remove_file(folder.join(format!("{prefix}{old:010}")));
        }
    }

    /// How many bytes of it are in the file, which ends with the last whole line that fitted.
    fn append(&mut self, lines: &[u8]) -> usize {
        let mut done = 0;
        let failure = loop {
            let Some(file) = &mut self.file else { break self.why };
            match file.write(&lines[done..]) {
                Ok(0) => break Errno::ENOSPC,
                Ok(n) => done += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => break e.into(),
            }
            if done == lines.len() {
                self.whole += done as u64;
                return done;
            }
        };
        self.why = failure;
        let kept = lines[..done].iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        self.whole += kept as u64;
        if kept < done
            && let Some(file) = &self.file
        {
            let _ = file.set_len(self.whole);
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Stamp = *b"2026-01-02T03:04:05.000000006Z";

    fn write(log: &mut Log, text: &str) {
        log.write(&mut text.as_bytes().to_vec(), &AT, |_, _| {});
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("podrt-log-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn a_log_whose_folder_cannot_be_made_loses_and_says_so_when_it_can() {
        let folder = scratch("folder");
        std::fs::write(folder.join("app"), "in the way").unwrap();
        let mut log = Log::new(folder.join("app/0.log"), Rotation::default());
        write(&mut log, "one\n");
        write(&mut log, "two\n");
        assert!(log.lost() > 0);
        std::fs::remove_file(folder.join("app")).unwrap();
        write(&mut log, "three\n");
        let text = std::fs::read_to_string(folder.join("app/0.log")).unwrap();
        assert!(text.contains("podrt: lost ") && text.ends_with("\nthree\n"), "{text}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_a_count() {
        let Ok(file) = File::options().write(true).open("/dev/full") else { return };
        let folder = scratch("full");
        let mut log = Log::new(folder.join("0.log"), Rotation::default());
        write(&mut log, "before\n");
        let good = log.file.replace(file);
        write(&mut log, "lost line\n");
        assert_eq!(log.lost(), 10);
        log.file = good;
        write(&mut log, "after\n");
        let text = std::fs::read_to_string(folder.join("0.log")).unwrap();
        let note = "2026-01-02T03:04:05.000000006Z stderr F podrt: lost 10 bytes of this log: no space left on device\n";
        assert_eq!(text, format!("before\n{note}after\n"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_log_is_put_aside_by_size_between_lines_and_only_so_many_files_are_kept() {
        let folder = scratch("rotation");
        let mut log = Log::new(folder.join("0.log"), Rotation { size: 20, files: 3 });
        for i in 0..12 {
            write(&mut log, &format!("line {i:02}\n"));
        }
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let now = ["0.log.0000000003", "0.log.0000000004", "0.log.0000000005", "0.log.0000000006", "0.log"].map(read);
        assert_eq!(now, ["", "line 06\nline 07\n", "line 08\nline 09\n", "", "line 10\nline 11\n"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_writer_killed_anywhere_in_a_write_leaves_it_to_be_finished_or_done_again() {
        let folder = scratch("killed");
        let path = folder.join("0.log");
        // How much of "two\n" had reached the file; whether it counts as written.
        for (there, done) in [(0, false), (2, false), (4, true)] {
            let _ = std::fs::remove_file(&path);
            let mut log = Log::new(path.clone(), Rotation::default());
            write(&mut log, "one\n");
            let mut entry = Entry::default();
            log.write(&mut b"two\n".to_vec(), &AT, |spot, length| (entry.spot, entry.length) = (spot, length));
            File::options().write(true).open(&path).unwrap().set_len(4 + there).unwrap();
            let (mut heir, written) = Log::resume(path.clone(), Rotation::default(), &entry);
            assert_eq!(written, done, "{there} bytes");
            if !written {
                write(&mut heir, "two\n");
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n", "{there} bytes");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
