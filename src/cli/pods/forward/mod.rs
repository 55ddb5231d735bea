//! `podrt port-forward`: local ports, carried into a pod's network by this command itself, for as long as it runs.

mod connection;
mod ports;
mod relay;

use super::context::Context;
use super::{Failure, Kind, Result, json, output, signals, text};
use crate::pod::{self, Namespaces, PodRecord, Stage};
use crate::sys::{self, process};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use relay::{End, News, Relay};
use std::os::fd::AsFd;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt port-forward web 8080:80           http://localhost:8080 is port 80 in the pod
  podrt port-forward web 5000 6000         the same numbers on both ends
  podrt port-forward web :80               a free local port; it is printed
  podrt port-forward web 8080:http         a container port by its name
  podrt port-forward --address 0.0.0.0 web 8080:80

Connections go to the pod's loopback (127.0.0.1, then ::1): what listens there alone is reached as well. Ctrl-C ends it, with 0; the
end of the pod's sandbox ends it with 1.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// NAME or pod/NAME
    #[arg(value_name = "POD")]
    pod: String,
    /// TCP ports: REMOTE, LOCAL:REMOTE or :REMOTE
    #[arg(value_name = "[LOCAL:]REMOTE", required = true)]
    ports: Vec<String>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Listen on these addresses: numbers, or localhost for both families
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', default_value = "localhost", hide_default_value = true)]
    address: Vec<String>,
    /// How long to wait until the pod runs [1m]
    #[arg(long, value_name = "TIME", value_parser = text::duration, default_value = "1m", hide_default_value = true)]
    pod_running_timeout: Duration,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: &Args, context: &Context) -> Result {
    let addresses = ports::addresses(&args.address)?;
    let pod = running(args, context)?;
    let manifest = json::manifest(context, &pod)?;
    let pairs = args.ports.iter().map(|p| ports::pair(p, |name| named(&manifest, name))).collect::<Result<Vec<_>>>()?;
    let lost = || Failure::failed("lost connection to pod");
    let namespaces = pod::namespaces(&context.roots, &pod)?.ok_or_else(lost)?;
    raise_fd_limit();
    // Before this process goes into the pod's network: these are the host's.
    let listeners = ports::listen(&pairs, &addresses)?;
    let host = |e: sys::Error| Failure::new(Kind::Host, e);
    // Before anybody is told that it forwards: who then ends it finds it listening for that.
    let ending = signals::ending().map_err(host)?;
    if !args.quiet {
        for l in &listeners {
            output::say(format_args!("Forwarding from {} -> {}", l.local, l.remote))?;
        }
    }
    enter(&namespaces).map_err(host)?;
    let mut tell = |news: News| match news {
        // Nobody reads it: the forwarding goes on.
        News::Accepted { local } if !args.quiet => drop(output::say(format_args!("Handling connection for {local}"))),
        News::Accepted { .. } => {}
        News::Refused { remote, errno } => output::complain(format_args!(
            "error: an error occurred forwarding to port {remote} of pod {}: connect to localhost:{remote}: {errno}",
            pod.spec.name
        )),
    };
    let mut relay = Relay::new(&listeners).map_err(host)?;
    match relay.run(&ending, namespaces.pause.as_fd(), &mut tell).map_err(host)? {
        End::Signal(libc::SIGINT) => Ok(()),
        End::Signal(signal) => Err(Failure::silent(Kind::Passed(128 + signal as u8))),
        End::Lost => Err(lost()),
    }
}

/// The pod, once it runs. Errors as kubectl words them.
fn running(args: &Args, context: &Context) -> Result<PodRecord> {
    let pod = context.pod(&args.namespace, &args.pod)?;
    if pod.alive && !pod.status.phase.is_terminal() {
        let mut client = pod::connect(&context.roots, &args.namespace, &pod.spec.name)?;
        client.wait(Stage::Started, Some(args.pod_running_timeout))?;
    }
    let pod = context.pod(&args.namespace, &args.pod)?;
    match pod.status.phase {
        pod::status::Phase::Running => Ok(pod),
        phase => {
            let phase = phase.as_str();
            Err(Failure::failed(format_args!("unable to forward port because pod is not running. Current status={phase}")))
        }
    }
}

/// spec.containers[].ports[].name, of a TCP port.
fn named(manifest: &serde_json::Value, name: &str) -> Option<u16> {
    let containers = ["containers", "initContainers"].iter().filter_map(|key| manifest["spec"][key].as_array());
    let mut ports = containers.flatten().filter_map(|c| c["ports"].as_array()).flatten();
    let tcp = |p: &serde_json::Value| p["protocol"].as_str().unwrap_or("TCP") == "TCP";
    let port = ports.find(|p| p["name"] == name && tcp(p))?;
    port["containerPort"].as_u64().and_then(|p| u16::try_from(p).ok())
}

/// Sockets that are made from here on are the pod's.
fn enter(namespaces: &Namespaces) -> sys::Result<()> {
    match namespaces.own_network {
        true => process::setns(namespaces.pause.as_fd(), libc::CLONE_NEWNET),
        false => Ok(()),
    }
}

/// Two fds a connection; where the limit cannot be raised, clients wait their turn.
fn raise_fd_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
