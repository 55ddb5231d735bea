//! One command, bounded in time, with what it printed and how it ended.

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub struct Run {
    command: Command,
    limit: Duration,
    input: Option<Vec<u8>>,
    to_files: bool,
    words: String,
}

pub struct Out {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
    words: String,
}

impl Run {
    pub fn new(program: impl AsRef<Path>) -> Run {
        let program = program.as_ref();
        // Commands of a runtime end within 10 s, whatever happens (the invariant of every fault test).
        let limit = Duration::from_secs(if super::world::in_vm() { 120 } else { 10 });
        Run {
            command: Command::new(program),
            limit,
            input: None,
            to_files: false,
            words: program.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Run {
        for arg in args {
            self.command.arg(arg.as_ref());
            self.words = format!("{} {}", self.words, arg.as_ref());
        }
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    pub fn dir(mut self, dir: &Path) -> Run {
        self.command.current_dir(dir);
        self
    }

    /// For what is slow by its nature.
    pub fn within(mut self, limit: Duration) -> Run {
        self.limit = limit;
        self
    }

    pub fn input(mut self, text: impl Into<Vec<u8>>) -> Run {
        self.input = Some(text.into());
        self
    }

    /// A container that inherits this command's output keeps it open after the command has ended, and that is meant: the output
    /// goes to `stdout` instead of a pipe and is not collected.
    pub fn output_to(mut self, stdout: &Path) -> Run {
        let file = File::create(stdout).expect("an output file");
        self.command.stdout(file.try_clone().expect("dup")).stderr(file);
        self.to_files = true;
        self
    }

    /// Runs it to its end. Panics when it is late, or when it has ended but something still holds its output open.
    pub fn run(mut self) -> Out {
        let start = Instant::now();
        self.command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        if !self.to_files {
            self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut child = self.command.spawn().unwrap_or_else(|e| panic!("{}: {e}", self.words));
        if let (Some(input), Some(mut to)) = (self.input.take(), child.stdin.take()) {
            std::thread::spawn(move || to.write_all(&input));
        }
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        let status = loop {
            match child.try_wait().expect("wait") {
                Some(status) => break status,
                None if start.elapsed() > self.limit => {
                    super::leaks::kill_tree(child.id() as i32);
                    panic!("still running after {:?}: {}", self.limit, self.words);
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        let took = start.elapsed();
        let words = self.words;
        let text = |from: Option<Receiver<Vec<u8>>>| match from.map(|f| f.recv_timeout(Duration::from_secs(5))) {
            Some(Ok(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Err(_)) => panic!("ended, but its output is still open elsewhere: {words}"),
            None => String::new(),
        };
        let (stdout, stderr) = (text(stdout), text(stderr));
        Out { status, stdout, stderr, took, words }
    }
}

fn collect(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (to, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        to.send(bytes)
    });
    receiver
}

impl Out {
    /// The exit code, 128 + n after a signal, as a shell has it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Fails the test unless the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Out {
        self.exits(0)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Out {
        assert_eq!(self.code(), code, "{self}");
        self
    }

    /// A refusal: another code than 0, nothing on stdout, one line on stderr with each of `words`; no panic.
    #[track_caller]
    pub fn refuses(self, words: &[&str]) -> Out {
        assert_ne!(self.code(), 0, "it should have been refused: {self}");
        assert!(self.code() != 101 && (self.code() < 128 || self.code() == 255), "a crash is no refusal: {self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        assert!(super::world::foreign() || self.stderr.trim_end().lines().count() == 1, "one clear line: {self}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in: {self}");
        }
        self
    }

    /// The payload's `key=value` output.
    #[track_caller]
    pub fn value(&self, key: &str) -> &str {
        value(&self.stdout, key).unwrap_or_else(|| panic!("no {key}= in: {self}"))
    }
}

/// `key=value` in lines of text; a terminal's carriage returns are dropped.
pub fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|l| l.trim_end_matches('\r').strip_prefix(key)?.strip_prefix('='))
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n  exit {} after {:?}\n  stdout: {}\n  stderr: {}",
            self.words,
            self.code(),
            self.took,
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}
