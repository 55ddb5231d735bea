//! `podrt exec`: a further process in a running container, started by this command itself. No supervisor is asked: it works while
//! one is busy, or gone.

use super::context::{self, Context};
use super::{Failure, Kind, Result, json, output};
use crate::cgroup::{Cgroup, Hierarchy};
use crate::console::{self, Relay};
use crate::container::exec::{self, Exec};
use crate::container::{Born, Error, ErrorKind, Stdio, exe};
use crate::pod::{self, PodRecord, Running};
use crate::sys::errno::Call;
use crate::sys::process::Exit;
use crate::sys::{Errno, raw, tty};
use oci_spec::runtime::Process;
use std::fs::File;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const EXAMPLES: &str = "\
Examples:
  podrt exec web -- ls -l /                  in the pod's (first) container
  podrt exec web -c app -- cat /etc/hosts
  podrt exec -it web -- sh                   a shell with a terminal
  tar c . | podrt exec -i web -- tar x -C /  with input

The exit code is the command's; 128+N for signal N; 127 where the container has no such command, 126 where it cannot be run.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// NAME or pod/NAME
    #[arg(value_name = "POD")]
    pod: String,
    /// The command and its arguments, after --
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<String>,
    /// The container; the pod's first where none is named
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Pass stdin on
    #[arg(short = 'i', long)]
    stdin: bool,
    /// With a terminal
    #[arg(short = 't', long)]
    tty: bool,
    /// Print nothing but what the command prints
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    // What enters a container runs from a read-only mount of itself; this starts the command again from there.
    exe::ensure_read_only().map_err(|e| Failure::new(Kind::Host, e))?;
    if !context.argv.iter().any(|a| a == "--") {
        output::complain(
            "podrt exec [POD] [COMMAND] is DEPRECATED and will be removed in a future version. Use podrt exec [POD] -- [COMMAND] instead.",
        );
    }
    let pod = context.pod(&args.namespace, &args.pod)?;
    let name = container(args.container.as_deref(), args.quiet, "exec into", context, &pod)?;
    let target = Target::find(context, &pod, &name)?;
    let exit = target.exec(args)?;
    match exit {
        Exit::Code(0) => Ok(()),
        exit => {
            let code = u8::try_from(exit.status()).unwrap_or(1);
            let lines = if args.quiet { Vec::new() } else { vec![format!("command terminated with exit code {code}")] };
            Err(Failure { kind: Kind::Passed(code), lines })
        }
    }
}

/// The container that is meant. `doing`: what cannot be done in a pod that has ended.
pub(super) fn container(named: Option<&str>, quiet: bool, doing: &str, context: &Context, pod: &PodRecord) -> Result<String> {
    if pod.status.phase.is_terminal() {
        let phase = pod.status.phase.as_str();
        return Err(Failure::failed(format_args!("cannot {doing} a container in a completed pod; current phase is {phase}")));
    }
    match named {
        Some(name) => Ok(context::container_named(pod, name)?.name.clone()),
        None => {
            let annotations = json::strings(&json::manifest(context, pod)?, "annotations");
            let annotated = annotations.get("kubectl.kubernetes.io/default-container").map(String::as_str);
            context::default_container(pod, annotated, quiet)
        }
    }
}

/// A running container.
struct Target {
    name: String,
    running: Running,
    cgroup: Cgroup,
    seccomp_cache: std::path::PathBuf,
}

impl Target {
    fn find(context: &Context, pod: &PodRecord, name: &str) -> Result<Target> {
        let gone = || Failure::failed(format_args!("container not found (\"{name}\"): it is not running"));
        let running = pod::running(&context.roots, pod, name)?.ok_or_else(gone)?;
        let hierarchy = Hierarchy::discover().map_err(|e| Failure::new(Kind::Host, e))?;
        let cgroup = Cgroup::open(&hierarchy, &running.cgroup).map_err(|_| gone())?;
        let seccomp_cache = context.roots.data.join("seccomp");
        Ok(Target { name: name.into(), running, cgroup, seccomp_cache })
    }

    /// Starts the command, and sees it through.
    fn exec(&self, args: &Args) -> Result<Exit> {
        let process = self.process(args)?;
        let (null, stdin, stdout, stderr) = (self::null()?, stdin(), stdout(), stderr());
        let input: BorrowedFd = if args.stdin { stdin.as_fd() } else { null.as_fd() };
        if args.tty && args.stdin && !stdin.is_terminal() {
            output::complain("Unable to use a TTY - input is not a terminal or the right kind of file");
        }
        let start = |cgroup: &Cgroup| {
            let stdio = match args.tty {
                true => Stdio::Terminal(tty::size(stdin.as_fd()).or_else(|_| tty::size(stdout.as_fd())).ok()),
                false => Stdio::Fds([input, stdout.as_fd(), stderr.as_fd()]),
            };
            exec::start(&Exec {
                preserve_fds: 0,
                program: None,
                init_pid: self.running.pid,
                init: self.running.pidfd.as_fd(),
                spec: &self.running.spec,
                process: &process,
                cgroup: cgroup.dir(),
                stdio,
                seccomp_cache: Some(&self.seccomp_cache),
            })
        };
        // No signal is lost between the birth and the wait.
        let _ = raw::sigmask(console::forwarded_signals());
        let mut leaf = None;
        let born = start(&self.cgroup).or_else(|e| match &e {
            // The container hands controllers down to cgroups of its own: then its cgroup itself takes no process (cgroup v2's rule of
            // no inner ones), and a leaf beside them does. It is not made for every command: that would cost each some 100 us.
            Error::Sys(call) if call.errno == Errno::EBUSY => {
                let name = format!("podrt.exec.{}", raw::getpid());
                let own = self.cgroup.child_or_existing(&name).map_err(|_| e)?;
                start(leaf.insert(own))
            }
            _ => Err(e),
        });
        let outcome = born.map_err(|e| self.failure(&e)).and_then(|born| self.foreground(args, born));
        if let Some(leaf) = leaf {
            // Whoever was left running in it keeps it; it goes with the container.
            let _ = leaf.remove_if_empty();
        }
        outcome
    }

    /// Carries the command's bytes and waits for its end.
    fn foreground(&self, args: &Args, born: Born) -> Result<Exit> {
        let Born { pidfd, console, warnings, .. } = born;
        let (stdin, stdout) = (stdin(), stdout());
        for warning in warnings {
            output::complain(format_args!("Warning: {warning}"));
        }
        let relay = match console {
            Some(master) => {
                Relay { master: Some(master), stdin: args.stdin.then_some(stdin.as_fd()), stdout: Some(stdout.as_fd()) }
            }
            None => Relay::default(),
        };
        console::supervise(pidfd.as_fd(), relay).map_err(|e| Failure::failed(format_args!("exec: {e}")))
    }

    /// The container's own process, with this command: its user, capabilities, limits, environment and folder.
    fn process(&self, args: &Args) -> Result<Process> {
        let mut process =
            self.running.spec.process().clone().ok_or_else(|| Failure::failed("the container's record has no process"))?;
        process.set_args(Some(args.command.clone()));
        process.set_terminal(Some(args.tty));
        if args.tty {
            let mut env = process.env().clone().unwrap_or_default();
            if !env.iter().any(|pair| pair.starts_with("TERM=")) {
                env.push("TERM=xterm".into());
            }
            process.set_env(Some(env));
        }
        Ok(process)
    }

    fn failure(&self, e: &crate::container::Error) -> Failure {
        let kind = match e.kind() {
            ErrorKind::CommandNotFound => Kind::Passed(127),
            ErrorKind::CommandNotExecutable => Kind::Passed(126),
            _ => Kind::Failed,
        };
        Failure::new(kind, format_args!("exec in container {}: {e}", self.name))
    }
}

fn null() -> Result<OwnedFd> {
    let file = File::options().read(true).write(true).open("/dev/null").call(|| "open(/dev/null)".into());
    Ok(file.map_err(|e| Failure::new(Kind::Host, e))?.into())
}
