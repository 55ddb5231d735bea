//! Several containers' logs at once, over restarts, and what wakes their reader.

use super::cri::{Joiner, Stream, Style};
use super::tail::{self, Tail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What of a log is shown.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Only so many lines, from the end.
    pub lines: Option<u64>,
    /// Only what was printed then or later: an RFC 3339 time in UTC with nine digits of fraction, as logs have it.
    pub since: Option<String>,
    /// Only so many bytes, from the first that is shown.
    pub bytes: Option<u64>,
}

/// A line, or a part of a very long one.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub stream: Stream,
    /// As in the log; empty where it has none.
    pub stamp: &'a [u8],
    pub bytes: &'a [u8],
}

/// One container's log.
#[derive(Debug)]
pub struct Source {
    /// `.../<pod>/<container>`, with one log for each attempt.
    pub folder: PathBuf,
    style: Style,
    /// The attempt that is read.
    open: Option<(u32, Tail)>,
    /// `lines` is for the first attempt that is opened.
    part: Part,
    stdout: Joiner,
    stderr: Joiner,
}

impl Source {
    /// Reads `attempt`, or the first that there will be.
    pub fn new(folder: PathBuf, attempt: Option<u32>, part: Part, style: Style) -> io::Result<Source> {
        let mut source = Source { folder, style, open: None, part, stdout: Joiner::default(), stderr: Joiner::default() };
        if let Some(attempt) = attempt {
            source.open = Some((attempt, Tail::open(&source.folder, attempt, source.part.lines.take())?));
        }
        Ok(source)
    }

    /// The attempt that is read; None before the first.
    pub fn attempt(&self) -> Option<u32> {
        self.open.as_ref().map(|(attempt, _)| *attempt)
    }

    /// Everything that was asked for has been shown.
    pub fn is_full(&self) -> bool {
        self.part.bytes == Some(0)
    }

    /// Hands over all that is there by now; with `on`, of later attempts too.
    pub fn pump<E: From<io::Error>>(&mut self, on: bool, out: &mut impl FnMut(Line) -> Result<(), E>) -> Result<(), E> {
        let mut bytes = Vec::new();
        loop {
            // Asked before reading: when the next attempt has a log, all of this one's is in its.
            let at = self.attempt();
            let later = on || at.is_none();
            let next = if later { tail::attempts(&self.folder).into_iter().find(|n| at.is_none_or(|at| *n > at)) } else { None };
            if let Some((_, tail)) = &mut self.open {
                tail.read(|record| {
                    let early = self.part.since.as_ref().is_some_and(|since| record.stamp < since.as_bytes());
                    if early && !record.stamp.is_empty() {
                        return Ok(());
                    }
                    let joiner = if record.stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
                    joiner.take(record, &self.style, &mut bytes);
                    flush(record.stream, joiner, &mut bytes, &mut self.part.bytes, out)
                })?;
            }
            let Some(next) = next else { return Ok(()) };
            self.finish(out)?;
            self.open = Some((next, Tail::open(&self.folder, next, self.part.lines.take())?));
        }
    }

    /// Nothing more will come: what was held of a line that has not ended.
    pub fn finish<E>(&mut self, out: &mut impl FnMut(Line) -> Result<(), E>) -> Result<(), E> {
        let mut bytes = Vec::new();
        self.stdout.finish(&self.style, &mut bytes);
        flush(Stream::Stdout, &self.stdout, &mut bytes, &mut self.part.bytes, out)?;
        self.stderr.finish(&self.style, &mut bytes);
        flush(Stream::Stderr, &self.stderr, &mut bytes, &mut self.part.bytes, out)
    }
}

fn flush<E>(
    stream: Stream,
    joiner: &Joiner,
    bytes: &mut Vec<u8>,
    left: &mut Option<u64>,
    out: &mut impl FnMut(Line) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(left) = left {
        bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= bytes.len() as u64;
    }
    if bytes.is_empty() {
        return Ok(());
    }
    let done = out(Line { stream, stamp: joiner.stamp(), bytes });
    bytes.clear();
    done
}

/// Milliseconds between looks at what cannot be watched: a folder that is not there yet, a host out of inotify instances.
const LOOK: u16 = 200;

/// Wakes a reader when folders change.
pub struct Watch {
    inotify: Option<Inotify>,
    wanted: Vec<PathBuf>,
    watched: HashSet<PathBuf>,
}

/// What a wait was ended by.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// One of the caller's own fds, by index.
    pub ready: Vec<usize>,
    /// The reader of stdout is gone.
    pub closed: bool,
}

impl Watch {
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Watch {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        let mut watch = Watch { inotify, wanted: folders.into_iter().collect(), watched: HashSet::new() };
        watch.add();
        watch
    }

    /// What is there by now; true if all is.
    fn add(&mut self) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        use AddWatchFlags as F;
        let flags =
            F::IN_MODIFY | F::IN_CREATE | F::IN_MOVED_TO | F::IN_MOVED_FROM | F::IN_DELETE | F::IN_DELETE_SELF | F::IN_MOVE_SELF;
        for folder in &self.wanted {
            if !self.watched.contains(folder) && inotify.add_watch(folder, flags | F::IN_ONLYDIR).is_ok() {
                self.watched.insert(folder.clone());
            }
        }
        self.watched.len() == self.wanted.len()
    }

    /// Waits until something has changed, or one of `others` can be read.
    pub fn wait(&mut self, others: &[BorrowedFd]) -> io::Result<Woken> {
        self.wait_at_most(others, Duration::MAX)
    }

    /// The same, and no longer than `most`, to the millisecond above.
    pub fn wait_at_most(&mut self, others: &[BorrowedFd], most: Duration) -> io::Result<Woken> {
        let before = self.watched.len();
        let most = PollTimeout::try_from(most.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::NONE);
        let look = PollTimeout::from(LOOK);
        let timeout = if self.add() || most.is_some() && most < look { most } else { look };
        if self.watched.len() > before {
            // It may have changed before it was watched.
            return Ok(Woken::default());
        }
        let stdout = io::stdout();
        // Asks for nothing: a pipe without a reader says POLLERR all the same.
        let mut fds = vec![PollFd::new(stdout.as_fd(), PollFlags::empty())];
        fds.extend(others.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)));
        if let Some(inotify) = &self.inotify {
            fds.push(PollFd::new(inotify.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let set = |fd: &PollFd| fd.revents().is_some_and(|r| !r.is_empty());
        let closed = fds[0].revents().is_some_and(|r| r.contains(PollFlags::POLLERR));
        let ready = (0..others.len()).filter(|i| set(&fds[i + 1])).collect();
        if let Some(inotify) = &self.inotify {
            while inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
        }
        Ok(Woken { ready, closed })
    }
}

/// The folder of a pod's logs, its sandbox, and each container's logs: whatever tells that something has happened.
pub fn folders(pod: &Path, sandbox: &Path, containers: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    [pod.to_path_buf(), sandbox.to_path_buf()].into_iter().chain(containers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_container_is_followed_over_its_restarts() {
        let folder = std::env::temp_dir().join(format!("podrt-follow-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let style = Style { prefix: "[a] ".into(), ..Style::default() };
        let mut source = Source::new(folder.clone(), None, Part::default(), style).unwrap();
        let read = |source: &mut Source, on: bool| {
            let mut text = String::new();
            let mut take = |line: Line| {
                text.push_str(std::str::from_utf8(line.bytes).unwrap());
                Ok::<(), io::Error>(())
            };
            source.pump(on, &mut take).unwrap();
            text
        };
        assert_eq!(read(&mut source, true), "", "not there yet");
        std::fs::create_dir(&folder).unwrap();
        let append = |attempt: u32, records: &str| {
            let path = folder.join(format!("{attempt}.log"));
            let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
            for record in records.split('|') {
                writeln!(file, "2026-01-02T03:04:05.000000006Z stdout {record}").unwrap();
            }
        };
        append(0, "F one|P open");
        assert_eq!(read(&mut source, true), "[a] one\n");
        append(1, "F two");
        append(2, "F three");
        assert_eq!(read(&mut source, false), "", "this attempt only");
        assert_eq!(read(&mut source, true), "[a] open[a] two\n[a] three\n");
        let part = |lines, since: Option<&str>, bytes| Part { lines, since: since.map(str::to_owned), bytes };
        for (part, want) in [
            (part(None, Some("2026-01-02T03:04:05.000000006Z"), None), "one\nopen"),
            (part(None, Some("2026-01-02T03:04:05.000000007Z"), None), ""),
            (part(None, None, Some(2)), "on"),
            (part(Some(1), None, Some(100)), "open"),
        ] {
            let mut source = Source::new(folder.clone(), Some(0), part.clone(), Style::default()).unwrap();
            let mut text = read(&mut source, false);
            source
                .finish(&mut |line: Line| {
                    text.push_str(std::str::from_utf8(line.bytes).unwrap());
                    Ok::<(), io::Error>(())
                })
                .unwrap();
            assert_eq!(text, want, "{part:?}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_change_in_a_folder_that_comes_later_wakes_the_reader() {
        let folder = std::env::temp_dir().join(format!("podrt-watch-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let mut watch = Watch::new([folder.clone()]);
        assert_eq!(watch.wait(&[]).unwrap().ready, [0usize; 0]);
        std::fs::create_dir(&folder).unwrap();
        watch.wait(&[]).unwrap();
        std::fs::write(folder.join("0.log"), "x").unwrap();
        watch.wait(&[]).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
