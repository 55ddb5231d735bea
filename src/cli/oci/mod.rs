//! `podrt-oci`: the container layer under the field's OCI command line.

mod args;
mod events;
mod exec;
mod handover;
mod inspect;
mod update;
mod verbs;

use super::lazy::{self, Lazy};
use args::{Cli, Verb};
use std::io::Write;

/// Exit code of an error of podrt-oci itself; a container's own code is passed on by `run`.
const FAILED: i32 = 1;
const EXEC_FAILED: i32 = 255;

/// argv to exit code. Prints an error in one place: stderr, and the log that `--log` names, where engines look for it.
pub fn main() -> i32 {
    crate::sys::entry::populate_heap();
    let cli = match lazy::parse::<Cli>(std::env::args_os()) {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { FAILED } else { 0 };
        }
    };
    match run(&cli) {
        Ok(code) => code,
        Err(e) => {
            let text = format!("{e:#}");
            let _ = writeln!(std::io::stderr(), "podrt-oci: error: {text}");
            log(&cli, "error", &text);
            // As runc: a failed exec is told from a command that failed.
            if matches!(cli.verb, Verb::Exec(_)) { EXEC_FAILED } else { FAILED }
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<i32> {
    if !nix::unistd::geteuid().is_root() {
        anyhow::bail!("must be run as root");
    }
    if !matches!(cli.rootless.as_str(), "auto" | "false") {
        anyhow::bail!("--rootless is not supported: podrt runs as root only");
    }
    if cli.systemd_cgroup && !crate::cgroup::systemd::booted() {
        anyhow::bail!(
            "--systemd-cgroup: systemd is not this host's first process: leave it out (cgroups are then made directly), or set the engine's cgroup manager to cgroupfs"
        );
    }
    let runtime = crate::container::runtime::Runtime::new(&cli.root).with_systemd(cli.systemd_cgroup);
    let warn = |warnings: &[String]| {
        for w in warnings {
            let _ = writeln!(std::io::stderr(), "podrt-oci: warning: {w}");
            log(cli, "warning", w);
        }
    };
    match &cli.verb {
        Verb::Create(Lazy(v)) => verbs::create(&runtime, v, &warn),
        Verb::Run(Lazy(v)) => verbs::run(&runtime, v, &warn),
        Verb::Start { id } => verbs::start(&runtime, id),
        Verb::State { id } => verbs::state(&runtime, id),
        Verb::Kill(Lazy(v)) => verbs::kill(&runtime, v),
        Verb::Delete { id, force } => verbs::delete(&runtime, id, *force, &warn),
        Verb::List { quiet, format } => inspect::list(&runtime, *quiet, *format),
        Verb::Exec(Lazy(v)) => exec::exec(&runtime, v, cli.debug, &warn),
        Verb::Ps { format, id, options } => inspect::ps(&runtime, id, *format, options),
        Verb::Pause { id } => Ok(crate::container::runtime::pause(&runtime, id).map(|()| 0)?),
        Verb::Resume { id } => Ok(crate::container::runtime::resume(&runtime, id).map(|()| 0)?),
        Verb::Update(Lazy(v)) => update::update(&runtime, v, &warn),
        Verb::Events { id, interval, stats } => events::events(&runtime, id, interval, *stats),
        Verb::Features => inspect::features(),
        Verb::Spec { bundle } => inspect::spec(bundle),
        Verb::Checkpoint { .. } => anyhow::bail!("checkpoint is not supported by podrt-oci"),
        Verb::Restore { .. } => anyhow::bail!("restore is not supported by podrt-oci"),
    }
}

/// One line to `--log`, as text or JSON.
fn log(cli: &Cli, level: &str, message: &str) {
    let Some(path) = &cli.log else { return };
    let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path) else { return };
    let now = crate::container::runtime::now();
    let line = match cli.log_format {
        args::LogFormat::Json => serde_json::json!({ "level": level, "msg": message, "time": now }).to_string(),
        args::LogFormat::Text => format!("time={now:?} level={level} msg={message:?}"),
    };
    let _ = writeln!(file, "{line}");
}
