//! Floor 1: networks of pods, by netlink alone: no program is run.
//!
//! | file | does |
//! |---|---|
//! | `wire`, `socket` | netlink's encoding; asking the kernel |
//! | `subnet`, `lease` | ranges of addresses, and which are in use |
//! | `link` | interfaces, addresses, routes |
//! | `bridge` | the bridge that pods hang on |
//! | `port` | a pod's interface on it |
//! | `shape` | bandwidth |
//! | `nft` | the table of nftables: masquerade, host ports |
//! | `proxy` | host ports on the host's own loopback |
//! | `cni` | networks by plugins |
//! | `sysctl` | switches of the network |
#![forbid(unsafe_code)]

pub mod bridge;
pub mod cni;
pub mod lease;
pub mod link;
pub mod nft;
pub mod port;
pub mod proxy;
pub mod shape;
pub mod socket;
pub mod subnet;
pub mod sysctl;
pub mod wire;

use crate::sys::{self, Errno};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Sys(#[from] sys::Error),
    /// The kernel's answer to a request.
    #[error("{doing}: {errno}{}", if said.is_empty() { String::new() } else { format!(" ({said})") })]
    Refused { doing: String, errno: Errno, said: String },
    /// What somebody asked for, or the host, does not allow it; says the way out.
    #[error("{0}")]
    Wrong(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn refused(doing: &str, (errno, said): (Errno, String)) -> Error {
        Error::Refused { doing: doing.into(), errno, said }
    }

    /// The kernel's number, where one is behind it.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Sys(e) => Some(e.errno),
            Error::Refused { errno, .. } => Some(*errno),
            Error::Wrong(_) => None,
        }
    }
}
