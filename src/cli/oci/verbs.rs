use super::args::{Create, Kill, Run};
use crate::console::{self, Relay};
use crate::container::exe;
use crate::container::runtime::{self, CreateOptions, Created, Runtime, Status, Terminal};
use crate::sys::process::Exit;
use crate::sys::{raw, socket, tty};
use anyhow::{Context, Result};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

type Warn<'a> = &'a dyn Fn(&[String]);

pub fn create(runtime: &Runtime, v: &Create, warn: Warn) -> Result<i32> {
    exe::ensure_read_only()?;
    let created = runtime::create(runtime, options(v, false))?;
    warn(&created.warnings);
    announce(runtime, v, created)?;
    Ok(0)
}

pub fn run(runtime: &Runtime, v: &Run, warn: Warn) -> Result<i32> {
    exe::ensure_read_only()?;
    if !v.detach {
        // Before the birth, so that none is lost between it and the wait.
        let _ = raw::sigmask(console::forwarded_signals());
    }
    let mut created = runtime::run(runtime, options(&v.create, !v.detach))?;
    warn(&created.warnings);
    if v.detach {
        announce(runtime, &v.create, created)?;
        return Ok(0);
    }
    write_pid_file(&v.create, created.born.pid).inspect_err(|_| drop(runtime::delete(runtime, &v.create.id, true)))?;
    let master = created.born.console.take();
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let relay = match master {
        Some(master) => Relay { master: Some(master), stdin: Some(stdin.as_fd()), stdout: Some(stdout.as_fd()) },
        None => Relay::default(),
    };
    let exit = console::supervise(created.born.pidfd.as_fd(), relay);
    if !v.keep {
        runtime::delete(runtime, &v.create.id, true)?;
    }
    Ok(match exit? {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
    })
}

pub fn start(runtime: &Runtime, id: &str) -> Result<i32> {
    runtime::start(runtime, id)?;
    Ok(0)
}

pub fn state(runtime: &Runtime, id: &str) -> Result<i32> {
    let record = runtime.load(id)?;
    print(&format!("{:#}\n", runtime.state_json(&record)?))
}

pub fn kill(runtime: &Runtime, v: &Kill) -> Result<i32> {
    let signal = crate::sys::signal::number(&v.signal).with_context(|| format!("unknown signal {:?}", v.signal))?;
    runtime::kill(runtime, &v.id, signal, v.all)?;
    Ok(0)
}

pub fn delete(runtime: &Runtime, id: &str, force: bool) -> Result<i32> {
    runtime::delete(runtime, id, force)?;
    Ok(0)
}

pub fn list(runtime: &Runtime, quiet: bool) -> Result<i32> {
    let mut out = String::new();
    if !quiet {
        out.push_str("ID\tPID\tSTATUS\tBUNDLE\tCREATED\n");
    }
    for id in runtime.ids()? {
        if quiet {
            out.push_str(&format!("{id}\n"));
            continue;
        }
        // A container that goes away meanwhile, or whose record is damaged, does not hide the others.
        match runtime.load(&id).and_then(|r| Ok((runtime.status(&r)?, r))) {
            Ok((status, r)) => {
                let pid = r.init.as_ref().filter(|_| status != Status::Stopped).map_or(0, |i| i.pid);
                out.push_str(&format!("{id}\t{pid}\t{status}\t{}\t{}\n", r.bundle.display(), r.created));
            }
            Err(runtime::Error::NotFound(_)) => {}
            Err(e) => out.push_str(&format!("{id}\t0\tunknown\t{e}\t\n")),
        }
    }
    print(&out)
}

/// A reader that has gone is not an error of ours.
fn print(text: &str) -> Result<i32> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e).context("write to stdout"),
        _ => Ok(0),
    }
}

fn options<'a>(v: &'a Create, foreground: bool) -> CreateOptions<'a> {
    let terminal = match (&v.console_socket, foreground) {
        (Some(_), _) => Terminal::Sent,
        (None, true) => Terminal::Foreground(tty::size(std::io::stdin().as_fd()).ok()),
        (None, false) => Terminal::None,
    };
    CreateOptions { id: &v.id, bundle: &v.bundle, terminal }
}

/// The pid file and the console, after the container is there; a failure takes it away again.
fn announce(runtime: &Runtime, v: &Create, created: Created) -> Result<()> {
    let done = write_pid_file(v, created.born.pid).and_then(|()| match (&created.born.console, &v.console_socket) {
        (Some(master), Some(path)) => send_console(master.as_fd(), path),
        _ => Ok(()),
    });
    if done.is_err() {
        let _ = runtime::delete(runtime, &v.id, true);
    }
    done
}

fn write_pid_file(v: &Create, pid: i32) -> Result<()> {
    let Some(path) = &v.pid_file else { return Ok(()) };
    let file =
        path.file_name().and_then(|n| n.to_str()).with_context(|| format!("--pid-file {}: names no file", path.display()))?;
    // By rename: an engine that watches for it never reads half a number.
    let temporary = path.with_file_name(format!(".{file}"));
    std::fs::write(&temporary, pid.to_string())
        .and_then(|()| std::fs::rename(&temporary, path))
        .with_context(|| format!("--pid-file {}", path.display()))
}

fn send_console(master: BorrowedFd, path: &Path) -> Result<()> {
    let socket = std::os::unix::net::UnixStream::connect(path).with_context(|| format!("--console-socket {}", path.display()))?;
    socket::send(socket.as_fd(), b"/dev/ptmx", &[master])
        .map_err(|e| anyhow::anyhow!("--console-socket {}: {e}", path.display()))?;
    Ok(())
}
