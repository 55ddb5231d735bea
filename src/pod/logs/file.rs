//! A log file that may fill its disk: what cannot be written is dropped and counted, whole lines at a time, and said when there
//! is room again.

use super::lines::Stamp;
use crate::store;
use crate::sys::Errno;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    /// Up to where the file holds whole lines, bytes.
    whole: u64,
    lost: u64,
    why: Errno,
}

impl Log {
    pub fn new(path: PathBuf) -> Log {
        let mut log = Log { path, file: None, whole: 0, lost: 0, why: Errno(0) };
        log.open();
        log
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
                self.whole = file.metadata().map_or(0, |m| m.len());
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

    /// Appends whole lines.
    pub fn write(&mut self, lines: &[u8], stamp: &Stamp) {
        if lines.is_empty() {
            return;
        }
        if self.lost > 0 {
            let mut note = stamp.to_vec();
            note.extend_from_slice(format!(" stderr F podrt: lost {} bytes of this log: {}\n", self.lost, self.why).as_bytes());
            let untold = std::mem::take(&mut self.lost);
            if !self.append(&note) {
                self.lost = untold;
            }
        }
        if self.lost > 0 {
            // Still no room for the note: these come after it.
            self.lost += lines.len() as u64;
        } else {
            self.append(lines);
        }
    }

    /// True when all of it is in the file. Else the file ends with the last whole line that fitted.
    fn append(&mut self, lines: &[u8]) -> bool {
        self.open();
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
                return true;
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
        self.lost += (lines.len() - kept) as u64;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Stamp = *b"2026-01-02T03:04:05.000000006Z";

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
        let mut log = Log::new(folder.join("app/0.log"));
        log.write(b"one\n", &AT);
        log.write(b"two\n", &AT);
        assert!(log.lost() > 0);
        std::fs::remove_file(folder.join("app")).unwrap();
        log.write(b"three\n", &AT);
        let text = std::fs::read_to_string(folder.join("app/0.log")).unwrap();
        assert!(text.contains("podrt: lost ") && text.ends_with("\nthree\n"), "{text}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_a_count() {
        let Ok(file) = File::options().write(true).open("/dev/full") else { return };
        let folder = scratch("full");
        let mut log = Log::new(folder.join("0.log"));
        log.write(b"before\n", &AT);
        let good = log.file.replace(file);
        log.write(b"lost line\n", &AT);
        assert_eq!(log.lost(), 10);
        log.file = good;
        log.write(b"after\n", &AT);
        let text = std::fs::read_to_string(folder.join("0.log")).unwrap();
        let note = "2026-01-02T03:04:05.000000006Z stderr F podrt: lost 10 bytes of this log: no space left on device\n";
        assert_eq!(text, format!("before\n{note}after\n"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
