//! The receiving end of an OCI console socket.

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::fs::File;
use std::io::{IoSliceMut, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

pub struct Console(UnixListener);

/// The master side of a container's terminal.
pub struct Terminal(pub File);

impl Console {
    pub fn bind(path: &Path) -> Console {
        Console(UnixListener::bind(path).expect("console socket"))
    }

    /// Waits for the runtime to send the master.
    #[track_caller]
    pub fn receive(&self) -> Terminal {
        Terminal(self.receive_file().1)
    }

    /// Waits for a text and the file that comes with it.
    #[track_caller]
    pub fn receive_file(&self) -> (String, File) {
        let (stream, _) = self.0.accept().expect("a connection");
        let mut name = [0u8; 4096];
        let mut space = nix::cmsg_space!([i32; 4]);
        let mut data = [IoSliceMut::new(&mut name)];
        let message =
            recvmsg::<()>(stream.as_raw_fd(), &mut data, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC).expect("a message");
        let fd = message.cmsgs().expect("control messages").find_map(|c| match c {
            ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
            _ => None,
        });
        let bytes = message.bytes;
        // SAFETY: the kernel has just made this descriptor for the message, and nothing else knows of it.
        let file = unsafe { File::from_raw_fd(fd.expect("a descriptor")) };
        (String::from_utf8_lossy(&name[..bytes]).into_owned(), file)
    }
}

impl Terminal {
    /// Until the other side is gone (EIO, as a terminal says it).
    pub fn read_to_end(mut self) -> String {
        let (mut text, mut buffer) = (Vec::new(), [0u8; 4096]);
        while let Ok(n) = self.0.read(&mut buffer)
            && n > 0
        {
            text.extend_from_slice(&buffer[..n]);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}
