//! The log of one attempt: its rotated files, oldest first, then the one that is written to; followed across rotation.
//!
//! ```text
//! 0.log.20260102-030405    rotated: renamed, no longer written to; the suffix sorts by time
//! 0.log                    the current one
//! ```

use super::cri::Record;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const CHUNK: usize = 64 << 10;
/// A record that is longer is no record: podrt writes 16 KiB of text at most.
const LONGEST: usize = 1 << 20;

#[derive(Debug)]
pub struct Tail {
    /// `.../app/0.log`.
    path: PathBuf,
    /// Being read, with those that come after it.
    files: std::collections::VecDeque<File>,
    /// The newest rotated file's name when `files` was taken: those that sort after it were rotated since.
    newest: Option<PathBuf>,
    /// The start of a record whose end has not been read.
    rest: Vec<u8>,
}

/// The attempts that a container's folder has logs of, ascending.
pub fn attempts(folder: &Path) -> Vec<u32> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|e| e.file_name().into_string().ok());
    let mut found: Vec<u32> = names.filter_map(|n| n.split_once(".log")?.0.parse().ok()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

impl Tail {
    /// From the beginning, or only the last `lines`. A log that is not there yet is empty.
    pub fn open(folder: &Path, attempt: u32, lines: Option<u64>) -> io::Result<Tail> {
        let path = folder.join(format!("{attempt}.log"));
        let mut tail = Tail { path, files: Default::default(), newest: None, rest: Vec::new() };
        let chain = tail.chain()?;
        tail.take(chain);
        if let Some(lines) = lines {
            tail.skip(lines)?;
        }
        Ok(tail)
    }

    /// Every file of the log, oldest first. Taken again when a rotation has come between.
    fn chain(&self) -> io::Result<Vec<(PathBuf, File)>> {
        loop {
            let names = self.names();
            let mut files = Vec::new();
            for name in &names {
                match open(name) {
                    Ok(file) => files.push((name.clone(), file)),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
            }
            if names == self.names() && self.is_last(files.last().map(|(_, file)| file))? {
                return Ok(files);
            }
        }
    }

    fn take(&mut self, chain: Vec<(PathBuf, File)>) {
        let rotated = chain.iter().map(|(name, _)| name).rfind(|name| **name != self.path);
        self.newest = rotated.cloned().or(self.newest.take());
        self.files = chain.into_iter().map(|(_, file)| file).collect();
    }

    fn names(&self) -> Vec<PathBuf> {
        let (Some(folder), Some(name)) = (self.path.parent(), self.path.file_name().and_then(|n| n.to_str())) else {
            return Vec::new();
        };
        let start = format!("{name}.");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut rotated: Vec<String> =
            entries.filter_map(|e| e.file_name().into_string().ok()).filter(|n| n.starts_with(&start)).collect();
        rotated.sort();
        rotated.into_iter().map(|n| folder.join(n)).chain([self.path.clone()]).collect()
    }

    /// Whether `file` is the one that is written to, or nothing is.
    fn is_last(&self, file: Option<&File>) -> io::Result<bool> {
        let now = match std::fs::metadata(&self.path) {
            Ok(now) => now,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(e) => return Err(e),
        };
        match file {
            Some(file) => Ok(same(&file.metadata()?, &now)),
            None => Ok(false),
        }
    }

    /// Leaves out all but the last `lines` lines.
    fn skip(&mut self, mut lines: u64) -> io::Result<()> {
        for at in (0..self.files.len()).rev() {
            let (offset, found) = last_lines(&self.files[at], lines)?;
            lines -= found;
            if offset > 0 || lines == 0 {
                self.files[at].seek(SeekFrom::Start(offset))?;
                self.files.drain(..at);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands over every record that is there by now.
    pub fn read<E: From<io::Error>>(&mut self, mut take: impl FnMut(&Record) -> Result<(), E>) -> Result<(), E> {
        loop {
            let ended = match self.files.front_mut() {
                Some(file) => read_to_end(file, &mut self.rest, &mut take)?,
                None => Identity::default(),
            };
            if self.files.len() > 1 {
                self.files.pop_front();
                continue;
            }
            if self.is_last(self.files.front())? {
                return Ok(());
            }
            // Rotated since. It may have been written to between its last read and its rename: once more, then those after it.
            if let Some(file) = self.files.front_mut() {
                read_to_end(file, &mut self.rest, &mut take)?;
            }
            let mut chain = self.chain()?;
            let known = chain.iter().rposition(|(name, file)| {
                let is_old = *name != self.path && self.newest.as_ref().is_some_and(|newest| name <= newest);
                is_old || file.metadata().is_ok_and(|m| Identity::of(&m) == ended)
            });
            chain.drain(..known.map_or(0, |at| at + 1));
            if chain.is_empty() {
                return Ok(());
            }
            self.take(chain);
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    fn of(meta: &std::fs::Metadata) -> Identity {
        Identity(meta.dev(), meta.ino())
    }
}

fn same(a: &std::fs::Metadata, b: &std::fs::Metadata) -> bool {
    Identity::of(a) == Identity::of(b)
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path)
}

/// Returns which file it was, for as long as it is open.
fn read_to_end<E: From<io::Error>>(
    file: &mut File,
    rest: &mut Vec<u8>,
    take: &mut impl FnMut(&Record) -> Result<(), E>,
) -> Result<Identity, E> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = match file.read(&mut chunk) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.into()),
        };
        if n == 0 {
            return Ok(Identity::of(&file.metadata()?));
        }
        let mut bytes = &chunk[..n];
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            let (line, after) = (&bytes[..end], &bytes[end + 1..]);
            if rest.is_empty() {
                take(&Record::parse(line))?;
            } else {
                rest.extend_from_slice(line);
                take(&Record::parse(rest))?;
                rest.clear();
            }
            bytes = after;
        }
        rest.extend_from_slice(bytes);
        if rest.len() > LONGEST {
            take(&Record::parse(rest))?;
            rest.clear();
        }
    }
}

/// Where the last `wanted` lines of a file begin, and how many there are up to that many. Read from the end.
fn last_lines(file: &File, wanted: u64) -> io::Result<(u64, u64)> {
    let mut at = file.metadata()?.len();
    if wanted == 0 {
        return Ok((at, 0));
    }
    let mut count = Count { wanted, found: 0, newest: true };
    // Of the record that is being put together: where the newline behind it lies, and its bytes from `at` on. What has no
    // newline yet is no record.
    let (mut end, mut record) = (None, Vec::new());
    while at > 0 {
        let size = at.min(CHUNK as u64);
        at -= size;
        let mut chunk = vec![0; size as usize];
        file.read_exact_at(&mut chunk, at)?;
        let mut upto = chunk.len();
        while let Some(newline) = chunk[..upto].iter().rposition(|b| *b == b'\n') {
            record.splice(..0, chunk[newline + 1..upto].iter().copied());
            if let Some(end) = end
                && count.is_full_before(&record)
            {
                return Ok((end + 1, count.found));
            }
            record.clear();
            (end, upto) = (Some(at + newline as u64), newline);
        }
        record.splice(..0, chunk[..upto].iter().copied());
        if record.len() > LONGEST {
            return Ok((at, count.found));
        }
    }
    match end {
        Some(end) if count.is_full_before(&record) => Ok((end + 1, count.found)),
        _ => Ok((0, count.found)),
    }
}

struct Count {
    wanted: u64,
    found: u64,
    newest: bool,
}

impl Count {
    /// Counts a record, read backwards: a line is the record that ends it, and those before it up to another line's end. The
    /// newest line may lack its end.
    fn is_full_before(&mut self, record: &[u8]) -> bool {
        if Record::parse(record).ends || self.newest {
            if self.found == self.wanted {
                return true;
            }
            self.found += 1;
        }
        self.newest = false;
        false
    }
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
