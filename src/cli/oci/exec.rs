use super::args::Exec;
use super::handover;
use super::verbs::Warn;
use crate::console::{self, Relay};
use crate::container::runtime::{Entry, ExecOptions, Runtime};
use crate::container::{exe, policy};
use crate::sys::process::{self, Exit};
use crate::sys::{raw, tty};
use anyhow::{Context, Result, bail};
use std::os::fd::AsFd;

/// A further process in a container. Its exit code, or 0 with --detach.
pub fn exec(runtime: &Runtime, v: &Exec, debug: bool, warn: Warn) -> Result<i32> {
    exe::ensure_read_only()?;
    handover::check_fds(v.preserve_fds)?;
    if v.process.is_none() && v.command.is_empty() {
        bail!("exec: no command is given (want one after the container's id, or --process)");
    }
    let stdin = std::io::stdin();
    let options = ExecOptions {
        process: v.process.as_deref(),
        args: &v.command,
        env: &v.env,
        cwd: v.cwd.as_deref(),
        user: v.user.as_deref(),
        groups: &v.additional_gids,
        caps: &v.cap,
        no_new_privs: v.no_new_privs,
        apparmor: v.apparmor.as_deref(),
        selinux: v.process_label.as_deref(),
        terminal: v.tty,
        size: if v.detach { None } else { tty::size(stdin.as_fd()).ok() },
        cgroup: v.cgroup.as_deref(),
        preserve_fds: v.preserve_fds,
        ignore_paused: v.ignore_paused,
    };
    let mut entry = Entry::new(runtime, &v.id, options)?;
    if v.tty {
        entry.process.set_terminal(Some(true));
    }
    match (entry.process.terminal().unwrap_or(false), &v.console_socket) {
        (true, None) if v.detach => {
            bail!("exec: a terminal is asked for, but nobody takes it (want --console-socket, or no --detach)")
        }
        (false, Some(_)) => bail!("--console-socket is given, but no terminal is asked for"),
        _ => {}
    }
    if !v.detach {
        // Before the birth, so that none is lost between it and the wait.
        let _ = raw::sigmask(console::forwarded_signals());
    }
    if debug && let Some(cpus) = policy::initial_cpus(&entry.process)? {
        let digits: String = cpus.iter().rev().map(|word| format!("{word:016x}")).collect();
        eprintln!("podrt-oci: debug: process.execCPUAffinity: initial CPU affinity: 0x{}", digits.trim_start_matches('0'));
    }
    let entered = entry.start().context("exec failed")?;
    let mut born = entered.born;
    warn(&born.warnings);
    let told = (|| {
        if let Some(path) = &v.pid_file {
            handover::pid_file(path, born.pid)?;
        }
        if let (Some(path), Some(master)) = (&v.console_socket, &born.console) {
            handover::console(master.as_fd(), path)?;
        }
        if let Some(path) = &v.pidfd_socket {
            handover::pidfd(born.pidfd.as_fd(), path)?;
        }
        Ok(())
    })();
    if let Err(e) = told {
        let _ = process::pidfd_signal(born.pidfd.as_fd(), libc::SIGKILL);
        let _ = process::wait_pidfd(born.pidfd.as_fd(), true);
        return Err(e);
    }
    if v.detach {
        return Ok(0);
    }
    let stdout = std::io::stdout();
    let relay = match born.console.take().filter(|_| v.console_socket.is_none()) {
        Some(master) => Relay { master: Some(master), stdin: Some(stdin.as_fd()), stdout: Some(stdout.as_fd()) },
        None => Relay::default(),
    };
    Ok(match console::supervise(born.pidfd.as_fd(), relay)? {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
    })
}
