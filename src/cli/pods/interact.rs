//! `podrt run -i`, `-t`: a pod in the foreground whose first container is attached to, as if it ran here.

use super::attach::{self, Wish};
use super::context::Context;
use super::logs::cri::{Stream, Style};
use super::logs::follow::Source;
use super::{Failure, Kind, Result, output};
use crate::console::End;
use crate::manifest::Manifest;
use crate::pod::client::Client;
use crate::pod::control::Stage;
use crate::pod::status::{ContainerState, PodStatusModel};
use crate::pod::{self, Code, DeleteOptions, PodRecord, logs};
use std::io::Write;

/// Has the pod's first container take input, and a terminal, whatever its manifest says.
pub(super) fn prepare(manifests: &mut [Manifest], wish: &Wish) -> Result {
    let [manifest] = manifests else {
        return Err(Failure::usage("-i and -t are for a single pod"));
    };
    let shown = manifest.pod.spec.as_mut().and_then(|s| s.containers.first_mut());
    if let (Some(container), Some(shown)) = (manifest.spec.containers.first_mut(), shown) {
        if wish.stdin {
            (container.stdin, container.stdin_once) = (true, true);
            (shown.stdin, shown.stdin_once) = (Some(true), Some(true));
        }
        if wish.tty {
            container.tty = true;
            shown.tty = Some(true);
        }
    }
    Ok(())
}

/// Attaches, and sees the session through: its container's code, and the pod's removal where that was asked for.
pub(super) fn run(context: &Context, pod: &PodRecord, wish: &Wish, rm: bool) -> Result {
    let spec = &pod.spec;
    let name = spec.containers.first().map_or("", |c| c.name.as_str());
    let mut client = pod::connect(&context.roots, &spec.namespace, &spec.name)?;
    client.wait(Stage::Started, None)?;
    let attempt = attempts(&client.status()?, name);
    let end = match attach::attach(&mut client, name, wish) {
        Ok(end) => end,
        // It was quicker.
        Err(_) if attempts(&client.status()?, name) > attempt || ended(&client.status()?, name, attempt).is_some() => {
            print_log(context, pod, name)?;
            End::Ended
        }
        Err(failure) => return Err(failure),
    };
    match end {
        // It runs on, for others to attach to.
        End::Detached => return Ok(()),
        End::Signal(signal) => {
            remove(context, pod)?;
            return Err(Failure::silent(Kind::Passed(128 + signal as u8)));
        }
        End::Ended | End::Closed => {}
    }
    let code = code(context, &mut client, pod, name, attempt)?;
    if rm {
        remove(context, pod)?;
    } else if client.status().is_ok_and(|s| !s.phase.is_terminal()) {
        output::complain(format_args!(
            "Session ended, resume using 'podrt attach {} -c {name} -i -t' command when the pod is running",
            spec.name
        ));
    }
    match (end, code) {
        (End::Closed, _) => Err(Failure::silent(Kind::ClosedPipe)),
        (_, 0) => Ok(()),
        (_, code) => Err(Failure::silent(Kind::Passed(u8::try_from(code).unwrap_or(1)))),
    }
}

fn attempts(status: &PodStatusModel, name: &str) -> u32 {
    status.container(name).map_or(0, |c| c.restart_count)
}

/// The exit code of that attempt, when it is over.
fn ended(status: &PodStatusModel, name: &str, attempt: u32) -> Option<i32> {
    let container = status.container(name)?;
    let runs = matches!(container.state, ContainerState::Running { .. }) && container.restart_count == attempt;
    container.last_end().filter(|_| !runs).map(|end| end.exit_code)
}

/// The output has ended, and with it or a moment later the container.
fn code(context: &Context, client: &mut Client, pod: &PodRecord, name: &str, attempt: u32) -> Result<i32> {
    let mut watch = pod::connect(&context.roots, &pod.spec.namespace, &pod.spec.name)?;
    watch.watch(0)?;
    loop {
        if let Some(code) = ended(&client.status()?, name, attempt) {
            return Ok(code);
        }
        if watch.next_event(None)?.is_none() {
            return Err(Failure::failed(format_args!("pod/{}: its supervisor is gone", pod.spec.name)));
        }
    }
}

fn print_log(context: &Context, pod: &PodRecord, name: &str) -> Result {
    let folder = logs::folder(&context.roots, &pod.spec).join(name);
    let style = Style { prefix: String::new(), timestamps: false, close_lines: false };
    let mut source = Source::new(folder, Some(0), None, style)?;
    let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
    let mut write = |stream: Stream, bytes: &[u8]| match stream {
        Stream::Stdout => stdout.write_all(bytes),
        Stream::Stderr => stderr.write_all(bytes),
    };
    source.pump(false, &mut write)?;
    Ok(source.finish(&mut write)?)
}

fn remove(context: &Context, pod: &PodRecord) -> Result {
    match pod::delete(&context.roots, &pod.spec.namespace, &pod.spec.name, &DeleteOptions::default()) {
        Err(e) if e.code != Code::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}
