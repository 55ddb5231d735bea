//! Terminals: the caller's put into raw mode and always given back, and bytes carried between it and a container's pty.
#![forbid(unsafe_code)]

mod attach;
mod raw_mode;
mod relay;

pub use attach::{End, Streams, attach};
pub use raw_mode::RawMode;
pub use relay::{Relay, forwarded_signals, supervise};
