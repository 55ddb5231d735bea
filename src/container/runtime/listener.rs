//! The listener of a seccomp filter that notifies: its fd goes to whoever listens at linux.seccomp.listenerPath, with the state of
//! the process (runtime-spec, config-linux.md#containerprocessstate).

use super::super::{Error, Pause};
use crate::seccomp::Listener;
use crate::sys::clone::Child;
use crate::sys::{process, socket};
use serde_json::{Value, json};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Does it where `pause` is the child's word that it has one. `state` is the container's.
pub fn pass_on(listener: Option<&Listener>, pause: Pause, child: &Child, state: Value) -> Result<(), Error> {
    let (Some(listener), Pause::Listener(number)) = (listener, pause) else { return Ok(()) };
    let fd = process::pidfd_getfd(child.pidfd.as_fd(), number)?;
    let bad = |problem: String| Error::invalid("linux.seccomp.listenerPath", format!("{}: {problem}", listener.path.display()));
    let stream = UnixStream::connect(&listener.path).map_err(|e| bad(crate::sys::Errno::from(e).to_string()))?;
    let message = json!({
        "ociVersion": state["ociVersion"],
        "fds": ["seccompFd"],
        "pid": child.pid,
        "metadata": listener.metadata,
        "state": state,
    })
    .to_string();
    // The fd goes with the first byte: the whole text is to come with it, so that one receive gets both.
    match socket::send(stream.as_fd(), message.as_bytes(), &[fd.as_fd()]) {
        Ok(n) if n == message.len() => Ok(()),
        Ok(_) => Err(bad("took only a part of the state".into())),
        Err(e) => Err(bad(e.to_string())),
    }
}
