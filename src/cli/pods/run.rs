//! `podrt run`: pods in the foreground. They live in their supervisors as all pods do; this command shows their output, and ends
//! them when it is told to end.

use super::attach::Wish;
use super::context::Context;
use super::create::Making;
use super::logs::cri::{Stream, Style};
use super::logs::follow::{self, Source, Watch};
use super::manifest::{Checks, Files};
use super::{Failure, Kind, Result, create, generate, interact, output, signals};
use crate::manifest::{self, Fresh, Manifest, Manifests, Options};
use crate::pod::client::Client;
use crate::pod::control::What;
use crate::pod::status::{ContainerState, EventKind, EventRecord, PodStatusModel, Stamp};
use crate::pod::{self, Code, DeleteOptions, PodRecord, logs};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  podrt run -f pod.yaml           Ctrl-C ends the pod within its grace period, a second one kills it
  podrt run --rm -f job.yaml      and removes it when it has ended
  podrt run --rm -it -f sh.yaml   a shell in a pod of its own; ctrl-p ctrl-q leaves it running
  nohup podrt run -f pod.yaml &   its output goes to nohup.out
  podrt run web --image=bundle:./web --port=80          a pod without a manifest, in the background
  podrt run job --image=busybox --restart=Never --rm -- sh -c 'echo hello'

Each line of output has its container's name before it. The exit code is that of the first container that failed, else 0.
Without --rm a pod that has ended by itself stays: podrt get pods, podrt logs, podrt delete.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    generated: generate::Args,
    /// A manifest (YAML or JSON, several documents allowed), a folder of them, or - for stdin; may be repeated
    #[arg(short, long, value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// Also the folders below a folder
    #[arg(short = 'R', long)]
    recursive: bool,
    #[command(flatten)]
    checks: Checks,
    #[command(flatten)]
    making: Making,
    /// Remove the pods when they have ended
    #[arg(long)]
    rm: bool,
    /// Attach to the (single) pod's first container, and pass stdin on
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Give it a terminal, and be its other end
    #[arg(short = 't', long)]
    tty: bool,
}

/// A pod in the foreground.
struct Foreground {
    record: PodRecord,
    /// None when its supervisor has closed the connection.
    client: Option<Client>,
    sources: Vec<Source>,
    status: PodStatusModel,
    /// It is gone, or will not change any more.
    over: bool,
    deleted: bool,
    told: Option<EventRecord>,
}

pub fn run(args: &Args, context: &Context) -> Result {
    context.require_root()?;
    let mut manifests = manifests(args, context)?;
    let wish = Wish { stdin: args.stdin, tty: args.tty, quiet: false };
    let interactive = wish.stdin || wish.tty;
    if interactive {
        interact::prepare(&mut manifests.pods, &wish)?;
    }
    let stays = args.generated.image.is_none() || args.generated.attach || args.rm;
    if args.making.is_dry() || !(stays || interactive) {
        return create::make(&args.making, context, &manifests);
    }
    if interactive {
        let pods = start(args, context, &manifests.pods)?;
        return pods.iter().try_for_each(|pod| interact::run(context, pod, &wish, args.rm));
    }
    // From here on a signal is answered when the pods are there: half a pod is no one's.
    let signals = signals::ending().map_err(|e| Failure::new(Kind::Host, e))?;
    let pods = start(args, context, &manifests.pods)?;
    let many = pods.len() > 1;
    let mut pods = pods.into_iter().map(|record| Foreground::new(context, record, many)).collect::<Result<Vec<_>>>()?;
    let mut folders = Vec::new();
    for pod in &pods {
        let sandbox = context.roots.state.join("sandboxes").join(&pod.record.id);
        folders.extend(follow::folders(
            &logs::folder(&context.roots, &pod.record.spec),
            &sandbox,
            pod.sources.iter().map(|s| s.folder.clone()),
        ));
    }
    let mut watch = Watch::new(folders);
    let (mut asked, mut closed) = (0, false);
    loop {
        for pod in &mut pods {
            pod.turn(context, &mut closed)?;
        }
        if pods.iter().all(|p| p.over) {
            break;
        }
        let mut fds = vec![signals.as_fd()];
        fds.extend(pods.iter().filter(|p| !p.over).filter_map(|p| p.client.as_ref().map(Client::fd)));
        let woken = watch.wait(&fds)?;
        let mut end = 0;
        while signals.take().is_some() {
            end += 1;
        }
        if (woken.closed || closed) && asked == 0 && end == 0 {
            // Nobody reads any more: as if the command had been told to end.
            closed = true;
            end = 1;
        }
        if end > 0 {
            asked += end;
            let grace = (asked > 1).then_some(0);
            for pod in pods.iter().filter(|p| !p.over) {
                pod.end(context, grace)?;
            }
        }
        if closed {
            // stdout would wake the wait for ever.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    finish(args, context, &pods)?;
    match exit(&pods) {
        0 if closed => Err(Failure::silent(Kind::ClosedPipe)),
        0 => Ok(()),
        code => Err(Failure::silent(Kind::Passed(code))),
    }
}

/// Of -f, or of the flags.
fn manifests(args: &Args, context: &Context) -> Result<Manifests> {
    let sources = match args.generated.pod()? {
        // Relative bundles are the working folder's.
        Some(pod) => vec![manifest::Source::Text { name: "run".to_owned(), text: pod.to_string(), folder: PathBuf::from(".") }],
        None if args.filename.is_empty() => {
            return Err(Failure::usage("say what to run: -f FILE, or NAME --image=IMAGE (see 'podrt run --help')"));
        }
        None => Files { filename: args.filename.clone(), recursive: args.recursive }.sources(),
    };
    args.checks.load(&sources, Options { fresh: Fresh::Random, ..Options::default() }, context)
}

/// Creates all, or none.
fn start(args: &Args, context: &Context, manifests: &[Manifest]) -> Result<Vec<PodRecord>> {
    let mut failures = Vec::new();
    for manifest in manifests {
        failures.extend(create::ready(context, manifest, args.making.replace, manifests.len()).err());
    }
    Failure::all(failures)?;
    let mut made = Vec::new();
    for manifest in manifests {
        if let Err(failure) = create::one(context, manifest) {
            return Err(create::undo(context, &made, failure));
        }
        made.push(manifest);
    }
    made.iter().map(|m| context.find(&m.spec.namespace, &m.spec.name)).collect()
}

impl Foreground {
    fn new(context: &Context, record: PodRecord, many: bool) -> Result<Foreground> {
        let mut client = pod::connect(&context.roots, &record.spec.namespace, &record.spec.name).ok();
        if let Some(client) = &mut client {
            client.watch(0)?;
        }
        let folder = logs::folder(&context.roots, &record.spec);
        let source = |name: &String| {
            let prefix = if many { format!("[{}/{name}] ", record.spec.name) } else { format!("[{name}] ") };
            Source::new(folder.join(name), None, None, Style { prefix, timestamps: false, close_lines: true })
        };
        let sources = record.spec.all_containers().map(|c| source(&c.name)).collect::<std::io::Result<Vec<_>>>()?;
        let status = record.status.clone();
        Ok(Foreground { record, client, sources, status, over: false, deleted: false, told: None })
    }

    /// What has happened since the last time.
    fn turn(&mut self, context: &Context, closed: &mut bool) -> Result {
        if self.over {
            return Ok(());
        }
        self.listen(context)?;
        let ended = self.deleted || self.status.phase.is_terminal();
        let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
        let mut write = |stream: Stream, bytes: &[u8]| {
            let written = match stream {
                _ if *closed => Ok(()),
                Stream::Stdout => stdout.write_all(bytes).and_then(|()| stdout.flush()),
                Stream::Stderr => stderr.write_all(bytes),
            };
            // The pod is ended in order before the command is.
            *closed |= written.is_err();
            Ok::<(), Failure>(())
        };
        for (source, container) in self.sources.iter_mut().zip(self.record.spec.all_containers()) {
            source.pump(true, &mut write)?;
            let status = self.status.container(&container.name);
            if ended || status.is_some_and(|c| matches!(c.state, ContainerState::Terminated(_))) {
                source.finish(&mut write)?;
            }
        }
        self.over = ended;
        Ok(())
    }

    fn listen(&mut self, context: &Context) -> Result {
        while let Some(client) = &mut self.client {
            match client.next_event(Some(Duration::ZERO)) {
                Ok(Some(event)) => self.take(event.what),
                Ok(None) => self.client = None,
                Err(e) if e.code == Code::DeadlineExceeded => return Ok(()),
                // Too slow a reader: from the status file, then.
                Err(_) => self.client = None,
            }
        }
        let spec = &self.record.spec;
        match pod::get(&context.roots, &spec.namespace, &spec.name)?.filter(|now| now.id == self.record.id) {
            None => self.deleted = true,
            Some(now) if now.alive || now.status.phase.is_terminal() => {
                self.status = now.status;
                if now.alive {
                    self.client = pod::connect(&context.roots, &spec.namespace, &spec.name).ok();
                    if let Some(client) = &mut self.client {
                        client.watch(0)?;
                    }
                }
            }
            Some(now) => return Err(Failure::failed(format_args!("pod/{}: {}", spec.name, now.status.message))),
        }
        Ok(())
    }

    fn take(&mut self, what: What) {
        match what {
            What::Status(status) => self.status = *status,
            What::Deleted => self.deleted = true,
            What::Event(event) => {
                let again = self.told.as_ref().is_some_and(|t| t.reason == event.reason && t.message == event.message);
                if event.kind == EventKind::Warning && !again {
                    let of = event.container.as_ref().map_or(self.record.spec.name.clone(), |(_, name)| format!("[{name}]"));
                    output::complain(format_args!("podrt: {of} {}: {}", event.reason, event.message.trim_end()));
                    self.told = Some(event);
                }
            }
        }
    }

    /// Asks for its end; the answer comes as events.
    fn end(&self, context: &Context, grace: Option<u64>) -> Result {
        let options = DeleteOptions { grace, wait: false, ..DeleteOptions::default() };
        match pod::delete(&context.roots, &self.record.spec.namespace, &self.record.spec.name, &options) {
            Err(e) if e.code != Code::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }
}

fn finish(args: &Args, context: &Context, pods: &[Foreground]) -> Result {
    for pod in pods.iter().filter(|p| args.rm && !p.deleted) {
        let spec = &pod.record.spec;
        match pod::delete(&context.roots, &spec.namespace, &spec.name, &DeleteOptions::default()) {
            Err(e) if e.code != Code::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The code of the first container that failed; 1 for a pod that failed without one.
fn exit(pods: &[Foreground]) -> u8 {
    let first = pods.iter().filter_map(|p| first_failure(&p.status)).min();
    let failed = pods.iter().any(|p| p.status.phase == pod::status::Phase::Failed);
    match first {
        Some((_, code)) => code,
        None => failed.into(),
    }
}

fn first_failure(status: &PodStatusModel) -> Option<(Stamp, u8)> {
    let ends = status.all_containers().filter_map(|c| match &c.state {
        ContainerState::Running { .. } => None,
        _ => c.last_end(),
    });
    // A code that would say success where there was none.
    let code = |code: i32| u8::try_from(code).unwrap_or(1).max(1);
    ends.filter(|end| end.exit_code != 0).map(|end| (end.finished_at, code(end.exit_code))).min()
}
