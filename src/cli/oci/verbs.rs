use super::args::{Create, Kill, Run};
use super::handover;
use crate::console::{self, Relay};
use crate::container::runtime::{self, CreateOptions, Created, Runtime, Terminal};
use crate::container::{Born, Extra, exe};
use crate::sys::process::Exit;
use crate::sys::{raw, tty};
use anyhow::{Context, Result};
use std::io::Write;
use std::os::fd::AsFd;

pub(super) type Warn<'a> = &'a dyn Fn(&[String]);

pub fn create(runtime: &Runtime, v: &Create, warn: Warn) -> Result<i32> {
    exe::ensure_read_only()?;
    let created = runtime::create(runtime, options(v, false)?)?;
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
    let mut created = runtime::run(runtime, options(&v.create, !v.detach)?)?;
    warn(&created.warnings);
    if v.detach {
        announce(runtime, &v.create, created)?;
        return Ok(0);
    }
    hand_over(&v.create, &created.born).inspect_err(|_| drop(runtime::delete(runtime, &v.create.id, true)))?;
    let master = created.born.console.take();
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let relay = match master {
        Some(master) => Relay { master: Some(master), stdin: Some(stdin.as_fd()), stdout: Some(stdout.as_fd()) },
        None => Relay::default(),
    };
    let exit = console::supervise(created.born.pidfd.as_fd(), relay);
    if !v.keep {
        warn(&runtime::delete(runtime, &v.create.id, true)?);
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

pub fn delete(runtime: &Runtime, id: &str, force: bool, warn: Warn) -> Result<i32> {
    warn(&runtime::delete(runtime, id, force)?);
    Ok(0)
}

/// A reader that has gone is not an error of ours.
pub(super) fn print(text: &str) -> Result<i32> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e).context("write to stdout"),
        _ => Ok(0),
    }
}

fn options<'a>(v: &'a Create, foreground: bool) -> Result<CreateOptions<'a>> {
    let terminal = match (&v.console_socket, foreground) {
        (Some(_), _) => Terminal::Sent,
        (None, true) => Terminal::Foreground(tty::size(std::io::stdin().as_fd()).ok()),
        (None, false) => Terminal::None,
    };
    let listen_fds = handover::listen_fds();
    let extra = Extra {
        preserve_fds: listen_fds + v.preserve_fds,
        no_pivot: v.no_pivot,
        no_new_keyring: v.no_new_keyring,
        ..Extra::default()
    };
    handover::check_fds(extra.preserve_fds)?;
    Ok(CreateOptions { id: &v.id, bundle: &v.bundle, terminal, extra, listen_fds })
}

/// The pid file, the console and the pidfd, after the container is there; a failure takes it away again.
fn announce(runtime: &Runtime, v: &Create, created: Created) -> Result<()> {
    let done = hand_over(v, &created.born);
    if done.is_err() {
        let _ = runtime::delete(runtime, &v.id, true);
    }
    done
}

fn hand_over(v: &Create, born: &Born) -> Result<()> {
    if let Some(path) = &v.pid_file {
        handover::pid_file(path, born.pid)?;
    }
    if let (Some(master), Some(path)) = (&born.console, &v.console_socket) {
        handover::console(master.as_fd(), path)?;
    }
    match &v.pidfd_socket {
        Some(path) => handover::pidfd(born.pidfd.as_fd(), path),
        None => Ok(()),
    }
}
