//! `podrt restore`: pods that were applied and are to run, after a reboot; and one pod under a service manager's eyes.

use super::context::{self, Context};
use super::signals;
use super::{Failure, Kind, Result, output};
use crate::pod::status::{ConditionKind, Phase, PodStatusModel, Truth};
use crate::pod::{self, Code, Restored};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt restore                  every pod that was created or applied and is to run again: restartPolicy Always, and
                                 OnFailure that has not finished
  podrt restore web -n default   one of them
  podrt restore web --notify     one of them, in the foreground, for a service of systemd's (see podrt unit)

What lives is left as it is. Prints pod/NAME restored or pod/NAME unchanged. Exit code 0; 1 when one could not be restored.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Pods that were applied; without any, all of them
    #[arg(value_name = "POD")]
    names: Vec<String>,
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// Stay until the pod is over, tell NOTIFY_SOCKET when it is Ready, end it when told to end (one POD)
    #[arg(long, requires = "names")]
    notify: bool,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    let only = args.names.iter().map(|n| Ok((args.namespace.clone(), context::pod_name(n)?.to_string())));
    let only = only.collect::<Result<Vec<_>>>()?;
    if args.notify && only.len() != 1 {
        return Err(Failure::usage("--notify is for one pod"));
    }
    let restored = pod::restore(&context.roots, &only)?;
    let mut failures = Vec::new();
    for (_, name) in only.iter().filter(|(ns, name)| !restored.iter().any(|r| r.namespace == *ns && r.name == *name)) {
        failures.push(Failure::server("NotFound", format_args!("pods \"{name}\" not found among those that were applied")));
    }
    for Restored { namespace, name, outcome } in restored {
        match outcome {
            Ok((made, warnings)) => {
                for warning in warnings {
                    output::complain(format_args!("Warning: pod/{name}: {warning}"));
                }
                output::say(format_args!("pod/{name} {}", if made { "restored" } else { "unchanged" }))?;
            }
            Err(e) => failures.push(Failure::failed(format_args!("restore {namespace}/{name}: {e}"))),
        }
    }
    Failure::all(failures)?;
    match (args.notify, only.first()) {
        (true, Some((namespace, name))) => attend(context, namespace, name),
        _ => Ok(()),
    }
}

/// Until the pod is over. Told to end, it ends the pod and leaves it to be restored.
fn attend(context: &Context, namespace: &str, name: &str) -> Result {
    let signals = signals::ending().map_err(|e| Failure::new(Kind::Host, e))?;
    let mut client = pod::connect(&context.roots, namespace, name)?;
    client.watch(0)?;
    let mut ready = false;
    loop {
        let Some(record) = pod::get(&context.roots, namespace, name)? else { return Ok(()) };
        match record.status.phase {
            Phase::Succeeded => return Ok(()),
            Phase::Failed => return Err(Failure::failed(format_args!("pod/{name} has failed"))),
            Phase::Unknown => return Err(Failure::failed(format_args!("pod/{name}: {}", record.status.message))),
            Phase::Pending | Phase::Running => {}
        }
        if !ready && is_ready(&record.status) {
            ready = true;
            notify("READY=1").map_err(|e| Failure::new(Kind::Host, format_args!("NOTIFY_SOCKET: {e}")))?;
        }
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(client.fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(e) if e != nix::errno::Errno::EINTR => {
                return Err(Failure::new(Kind::Host, format_args!("poll: {}", crate::sys::Errno(e as i32))));
            }
            _ => {}
        }
        if signals.take().is_some() {
            let _ = notify("STOPPING=1");
            // The record stays with nothing of it running; the next restore takes it away and makes the pod anew.
            return Ok(pod::connect(&context.roots, namespace, name)?.shutdown(None)?);
        }
        loop {
            match client.next_event(Some(Duration::ZERO)) {
                Ok(Some(_)) => {}
                Err(e) if e.code == Code::DeadlineExceeded => break,
                // A supervisor that was started again, or is at its end.
                _ => {
                    std::thread::sleep(Duration::from_millis(50));
                    if let Ok(mut again) = pod::connect(&context.roots, namespace, name)
                        && again.watch(0).is_ok()
                    {
                        client = again;
                    }
                    break;
                }
            }
        }
    }
}

fn is_ready(status: &PodStatusModel) -> bool {
    status.condition(&ConditionKind::Ready).is_some_and(|c| c.status == Truth::True)
}

/// sd_notify(3): a datagram to the socket of the environment; `@` begins an abstract name.
fn notify(state: &str) -> std::io::Result<()> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|p| !p.is_empty()) else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&path)?,
    };
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}
