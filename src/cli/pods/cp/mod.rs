//! `podrt cp`: files into and out of a running container. No tar in the image is needed and nothing of the image is run: the
//! container's files are reached through the root of its init process, by fds that nothing inside can lead out of.

mod archive;
mod place;
mod walk;
mod write;

use super::context::{self, Context};
use super::{Failure, Kind, Result, json, output};
use crate::container::exec;
use crate::pod;
use place::{Place, Side, Spot};
use std::fmt::Display;
use std::io::{IsTerminal, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use write::{Owner, Writer};

const EXAMPLES: &str = "\
Examples:
  podrt cp ./page.html web:/srv/               into a folder of the pod's (first) container
  podrt cp web:/var/log/app ./log -c app       a folder's content, out of container app
  podrt cp default/web:/etc/hosts hosts        with the pod's namespace
  podrt cp web:/data - | tar tv                as a tar stream
  tar c . | podrt cp - web:/data               from a tar stream

As kubectl's: a folder copied in lands below a folder that is there already; of a folder copied out, the content lands in the
destination. A link that is named is followed, links in a folder are copied as links and never followed. Devices, FIFOs and sockets
are left out, with a warning. A local path that holds a colon is written with ./ before it.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// PATH, [NAMESPACE/]POD:PATH, or - for a tar stream
    #[arg(value_name = "SOURCE", allow_hyphen_values = true)]
    source: String,
    #[arg(value_name = "DESTINATION", allow_hyphen_values = true)]
    destination: String,
    /// The container; the pod's first where none is named
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Of this namespace [default]
    #[arg(short, long, value_name = "NAME", default_value = "default", hide_default_value = true)]
    namespace: String,
    /// Into a container: owned by its user, with plain modes, instead of what the source has
    #[arg(long)]
    no_preserve: bool,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    let (source, destination) = (Place::parse(&args.source)?, Place::parse(&args.destination)?);
    match (&source, &destination) {
        (Place::Pod { .. }, Place::Pod { .. }) | (Place::Here(_) | Place::Stream, Place::Here(_) | Place::Stream) => {
            Err(Failure::usage("one of source and destination must be POD:PATH, and the other a local path or -"))
        }
        (Place::Pod { namespace, pod, path }, there) => {
            let target = Target::find(args, context, namespace.as_deref(), pod)?;
            copy_out(&target.root, path, there)
        }
        (here, Place::Pod { namespace, pod, path }) => {
            let target = Target::find(args, context, namespace.as_deref(), pod)?;
            copy_in(args, &target, here, path)
        }
    }
}

/// A running container.
struct Target {
    root: OwnedFd,
    /// uid and gid of its process.
    user: (u32, u32),
}

impl Target {
    fn find(args: &Args, context: &Context, namespace: Option<&str>, name: &str) -> Result<Target> {
        let pod = context.pod(namespace.unwrap_or(&args.namespace), name)?;
        let container = match &args.container {
            Some(name) => context::container_named(&pod, name)?.name.clone(),
            None => {
                let annotations = json::strings(&json::manifest(context, &pod)?, "annotations");
                let annotated = annotations.get("kubectl.kubernetes.io/default-container").map(String::as_str);
                context::default_container(&pod, annotated, false)?
            }
        };
        let gone = || Failure::failed(format_args!("container not found (\"{container}\"): it is not running"));
        let running = pod::running(&context.roots, &pod, &container)?.ok_or_else(gone)?;
        let root = exec::root_of(running.pid, running.pidfd.as_fd()).map_err(|_| gone())?;
        let user = running.spec.process().as_ref().map_or((0, 0), |p| (p.user().uid(), p.user().gid()));
        Ok(Target { root, user })
    }
}

fn copy_out(root: &OwnedFd, path: &Path, to: &Place) -> Result {
    let from = Side::Container(root.as_fd());
    let source = from.find(path)?.ok_or_else(|| refused(path, "no such file or directory"))?;
    let name = place::last_name(path);
    match to {
        Place::Stream => {
            if stdout().is_terminal() {
                return Err(Failure::usage("a tar stream goes to a file or a pipe, not to a terminal"));
            }
            let mut archive = archive::Out::new(output::stdout());
            walk::copy(&source, Path::new(name.as_deref().unwrap_or(".".as_ref())), &mut archive)?;
            archive.finish()
        }
        Place::Here(to) => {
            // A folder's content lands in the destination, a file in a folder that is there or under the name that was given.
            let below = !source.is_folder() && Side::Host.find(to)?.is_some_and(|t| t.is_folder());
            let spot = Side::Host.spot(to, name.as_deref().filter(|_| below))?;
            // What a container made gives nobody on the host more than its bytes: no set-user-id, and it is the caller's.
            write(&source, spot, Owner::Caller, 0o777)
        }
        Place::Pod { .. } => Err(Failure::usage("the destination is a pod as well")),
    }
}

fn copy_in(args: &Args, target: &Target, from: &Place, path: &Path) -> Result {
    let to = Side::Container(target.root.as_fd());
    let there = to.find(path)?;
    // What kubectl's tar in the container does: root keeps owners, another user owns what it unpacks.
    let owner = match (args.no_preserve, target.user) {
        (false, (0, _)) => Owner::Source,
        (_, (uid, gid)) => Owner::Fixed(uid, gid),
    };
    let modes = if args.no_preserve { 0o755 } else { 0o7777 };
    match from {
        Place::Stream => {
            if stdin().is_terminal() {
                return Err(Failure::usage("a tar stream comes from a file or a pipe, not from a terminal"));
            }
            let there =
                there.ok_or_else(|| refused(path, "no such directory: a tar stream is unpacked into one that is there"))?;
            let folder = there.folder().map_err(|e| refused(path, e))?;
            archive::unpack(stdin().lock(), &mut Writer::new(folder, owner, modes))
        }
        Place::Here(here) => {
            let source = Side::Host.find(here)?.ok_or_else(|| refused(here, "no such file or directory"))?;
            let below = there.is_some_and(|t| t.is_folder());
            let spot = to.spot(path, place::last_name(here).as_deref().filter(|_| below))?;
            write(&source, spot, owner, modes)
        }
        Place::Pod { .. } => Err(Failure::usage("the source is a pod as well")),
    }
}

fn write(source: &walk::Node, spot: Spot, owner: Owner, modes: u32) -> Result {
    let mut writer = Writer::new(spot.folder, owner, modes);
    match (source.is_folder(), spot.name) {
        // Into the folder itself.
        (true, None) => walk::copy_content(source, Path::new(""), &mut writer),
        (_, Some(name)) => walk::copy(source, Path::new(&name), &mut writer),
        (false, None) => writer.file_itself(source),
    }
}

/// `PATH: problem`.
fn refused(path: &Path, problem: impl Display) -> Failure {
    Failure::failed(format_args!("{}: {problem}", path.display()))
}

/// Of the caller's own disk or pipes.
fn io(path: &Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |e| Failure::new(Kind::Failed, format_args!("{}: {}", path.display(), crate::sys::Errno::from(e)))
}
