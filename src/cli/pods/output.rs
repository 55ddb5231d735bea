//! Writing to stdout and stderr, whoever reads them or not.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Buffered stdout; flush it before the command ends. A closed pipe is an error that `main` does not print.
pub fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 << 10, io::stdout().lock())
}

/// One line to stdout, at once.
pub fn say(line: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// One line to stderr. Nobody is left to be told when that fails.
pub fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
