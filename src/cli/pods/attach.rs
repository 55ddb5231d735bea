//! `podrt attach`: the streams of a container that runs, as if it ran in front of one.

use super::context::Context;
use super::{Failure, Kind, Result, exec, output};
use crate::console::{self, End, Streams};
use crate::pod;
use crate::pod::client::Client;
use crate::pod::control::{AttachedStreams, Stage, Verb};
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt attach web                what the pod's (first) container prints from now on
  podrt attach web -c app -it     with input, on a terminal; ctrl-p ctrl-q leaves and lets it run
  date | podrt attach web -i      with input

Input needs stdin: true in the manifest, a terminal tty: true as well; with stdinOnce the container reads the end of its input when
its first client leaves. What is printed meanwhile is in podrt logs too. Ends with the container's output.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// NAME or pod/NAME
    #[arg(value_name = "POD")]
    pod: String,
    /// The container; the pod's first where none is named
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Pass stdin on
    #[arg(short = 'i', long)]
    stdin: bool,
    /// stdin is a terminal
    #[arg(short = 't', long)]
    tty: bool,
    /// Print nothing but what the container prints
    #[arg(short, long)]
    quiet: bool,
    /// How long to wait until the container runs
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = super::text::duration)]
    pod_running_timeout: Duration,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    let pod = context.pod(&args.namespace, &args.pod)?;
    let name = exec::container(args.container.as_deref(), args.quiet, "attach to", context, &pod)?;
    let mut client = pod::connect(&context.roots, &pod.spec.namespace, &pod.spec.name)?;
    let limit = (!args.pod_running_timeout.is_zero()).then_some(args.pod_running_timeout);
    client.wait(Stage::Started, limit)?;
    let wish = Wish { stdin: args.stdin, tty: args.tty, quiet: args.quiet };
    match attach(&mut client, &name, &wish)? {
        End::Ended | End::Detached => Ok(()),
        End::Signal(signal) => Err(Failure::silent(Kind::Passed(128 + signal as u8))),
        End::Closed => Err(Failure::silent(Kind::ClosedPipe)),
    }
}

/// What the command line asks for.
pub(super) struct Wish {
    pub stdin: bool,
    pub tty: bool,
    pub quiet: bool,
}

/// Attaches to a container that runs, and carries its streams until the end.
pub(super) fn attach(client: &mut Client, name: &str, wish: &Wish) -> Result<End> {
    let verb = Verb::Attach { container: name.into(), stdin: wish.stdin, output: true };
    let (answer, fds) = client.call_with(&verb, &[], Some(Duration::from_secs(10)))?;
    let streams: AttachedStreams = serde_json::from_value(answer).map_err(Failure::failed)?;
    let mut named: Vec<(String, OwnedFd)> = streams.streams.into_iter().zip(fds).collect();
    let mut take = |name: &str| named.iter().position(|(n, _)| n == name).map(|at| named.swap_remove(at).1);
    let input = take("stdin");
    let (own_in, own_out, own_err) = (stdin(), stdout(), stderr());
    let terminal = wish.tty && streams.tty && input.is_some() && own_in.is_terminal();
    let say = |text: &str| {
        if !wish.quiet {
            output::complain(text);
        }
    };
    if wish.stdin && input.is_none() {
        say(&format!(
            "Warning: container {name} takes no input: stdin is not true in its manifest, or a first client has closed it"
        ));
    }
    if wish.tty && !streams.tty {
        say(&format!("Unable to use a TTY - container {name} did not allocate one"));
    } else if wish.tty && wish.stdin && !own_in.is_terminal() {
        say("Unable to use a TTY - input is not a terminal or the right kind of file");
    } else if terminal {
        say("If you don't see a command prompt, try pressing enter.");
    }
    let mut output = Vec::new();
    output.extend(take("stdout").map(|fd| (fd, own_out.as_fd())));
    output.extend(take("stderr").map(|fd| (fd, own_err.as_fd())));
    let stdin = input.is_some().then_some(own_in.as_fd());
    console::attach(Streams { input, output, stdin, terminal }).map_err(|e| Failure::failed(format_args!("attach: {e}")))
}
