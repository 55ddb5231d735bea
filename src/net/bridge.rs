//! The bridge that pods hang on: made with the first of them, and kept. Whose it is, and where the leases of its addresses lie,
//! stands in its alias, so that podrt with another `--root` in the same network namespace shares both.

use super::lease::Leases;
use super::link::{self, Link, Mac};
use super::socket::Socket;
use super::subnet::Subnet;
use super::{Error, Result, sysctl};
use crate::sys::errno::Call;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The alias of podrt's bridges: this word, the subnets, the folder of the leases.
const MARK: &str = "podrt";
/// Bytes: the kernel's IFALIASZ, with the NUL.
const ALIAS: usize = 255;
/// rtnetlink(7): with the NUL 16; a pod's interface is the bridge's name, a dot and up to five digits of hex.
pub const NAME: usize = 9;

/// A network of pods, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    pub bridge: String,
    /// At most one of each family, in the order of status.podIPs.
    pub subnets: Vec<Subnet>,
    /// Bytes, of pods' interfaces; None is the kernel's 1,500.
    #[serde(default)]
    pub mtu: Option<u32>,
}

impl Default for Config {
    fn default() -> Config {
        let subnet = |base: IpAddr, prefix| Subnet::new(base, prefix).ok();
        Config {
            bridge: "podrt0".into(),
            // fd, and "podrt0": of RFC 4193's range, as private as the other.
            subnets: [subnet([10, 61, 0, 0].into(), 16), subnet([0xfd70, 0x6f64, 0x7274, 0x30, 0, 0, 0, 0].into(), 64)]
                .into_iter()
                .flatten()
                .collect(),
            mtu: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Bridge {
    pub index: u32,
    pub leases: Leases,
    /// Those of the configuration that this host has a protocol for.
    pub subnets: Vec<Subnet>,
    /// It was made just now, or half of it was: who else needs something of the host's has it to make.
    pub fresh: bool,
}

/// An address of Ethernet's made of one of IP's, as the CNI's bridge plugin makes it: whoever gets the one later has the other.
pub fn mac(address: IpAddr) -> Mac {
    let bytes = super::subnet::octets(address);
    let end = &bytes[bytes.len() - 4..];
    [0x0a, 0x58, end[0], end[1], end[2], end[3]]
}

/// The bridge of `config`, made where there is none. `state`: a folder of root's that its leases lie in then, of the boot `boot`.
pub fn ensure(socket: &mut Socket, config: &Config, state: &Path, boot: &str) -> Result<Bridge> {
    let name = &config.bridge;
    if let Some(found) = link::find(socket, name)?
        && let Some(bridge) = adopt(&found, config)?
    {
        return Ok(bridge);
    }
    let home = state.join("network").join(name);
    let folder = home.join(boot);
    make_folder(&folder)?;
    // One of podrt makes it; others wait, and find it.
    let lock = std::fs::File::create(home.join("lock")).call(|| format!("open({})", home.join("lock").display()))?;
    lock.lock().call(|| "flock(network)".into())?;
    let subnets: Vec<Subnet> = config
        .subnets
        .iter()
        .filter(|s| s.is_v4() || (sysctl::has_ipv6("all") && sysctl::has_ipv6("default")))
        .copied()
        .collect();
    let bridge = match link::find(socket, name)? {
        Some(found) => match adopt(&found, config)? {
            Some(bridge) => return Ok(bridge),
            // Half made: its maker was killed.
            None => Bridge { fresh: true, ..known(&found).ok_or_else(|| strange(name))? },
        },
        None => {
            forget_other_boots(&home, &folder);
            make(socket, name, &subnets, folder)?
        }
    };
    sysctl::bridge(name)?;
    link::set_up(socket, bridge.index)?;
    Ok(bridge)
}

fn make(socket: &mut Socket, name: &str, subnets: &[Subnet], folder: PathBuf) -> Result<Bridge> {
    conflicts(socket, subnets)?;
    let list: Vec<String> = subnets.iter().map(Subnet::to_string).collect();
    let alias = format!("{MARK} {} {}", list.join(","), folder.display());
    if alias.len() > ALIAS {
        let most = ALIAS + folder.as_os_str().len() - alias.len();
        return Err(Error::Wrong(format!("{}: the path is too long (want at most {most} bytes)", folder.display())));
    }
    let own = subnets.first().map_or([0x0a, 0x58, 0, 0, 0, 1], |s| mac(s.gateway()));
    match link::new_bridge(socket, name, own, &alias, subnets) {
        Err(e) => {
            let mine = link::find(socket, name).ok().flatten().filter(|l| l.alias == alias);
            mine.map(|_| link::delete(socket, name)).transpose()?;
            Err(e)
        }
        Ok(index) => Ok(Bridge { index, leases: Leases { folder }, subnets: subnets.to_vec(), fresh: true }),
    }
}

/// Where the leases of a bridge lie; None where it is not there, or not podrt's.
pub fn leases(socket: &mut Socket, name: &str) -> Result<Option<Leases>> {
    Ok(link::find(socket, name)?.as_ref().and_then(known).map(|bridge| bridge.leases))
}

/// What is there, if it is whole. Errors: it is not podrt's, or has other addresses.
fn adopt(found: &Link, config: &Config) -> Result<Option<Bridge>> {
    let name = &config.bridge;
    let bridge = known(found).ok_or_else(|| strange(name))?;
    let list = |subnets: &[Subnet]| subnets.iter().map(Subnet::to_string).collect::<Vec<_>>().join(",");
    // A range of IPv6 may be missing: the host had none.
    let missing = config.subnets.iter().any(|s| s.is_v4() && !bridge.subnets.contains(s));
    if missing || bridge.subnets.iter().any(|s| !config.subnets.contains(s)) {
        return Err(Error::Wrong(format!(
            "the bridge {name} was made for {}, not for {} (--pod-subnets and --pod-bridge say which)",
            list(&bridge.subnets),
            list(&config.subnets)
        )));
    }
    // Its maker's root may have been removed; the bridge is still whose alias it is.
    make_folder(&bridge.leases.folder)?;
    Ok(found.up.then_some(bridge))
}

fn strange(name: &str) -> Error {
    Error::Wrong(format!(
        "the interface {name} is there and not podrt's (--pod-bridge names another, podrt.io/network: none does without)"
    ))
}

/// What the alias of a bridge of podrt's says.
fn known(link: &Link) -> Option<Bridge> {
    let mut words = link.alias.splitn(3, ' ');
    if link.kind != "bridge" || words.next() != Some(MARK) {
        return None;
    }
    let subnets = words.next()?.split(',').map(|s| s.parse().ok()).collect::<Option<Vec<_>>>()?;
    let folder = words.next().map(PathBuf::from).filter(|p| p.is_absolute())?;
    Some(Bridge { index: link.index, leases: Leases { folder }, subnets, fresh: false })
}

fn make_folder(folder: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    Ok(made.call(|| format!("mkdir({})", folder.display()))?)
}

/// Leases of earlier boots: no pod of theirs lives.
fn forget_other_boots(home: &Path, own: &Path) {
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.path() != own && entry.file_type().is_ok_and(|t| t.is_dir()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Errors: a route of the host's leads where pods would be.
fn conflicts(socket: &mut Socket, subnets: &[Subnet]) -> Result<()> {
    for subnet in subnets {
        let routes = link::routes(socket, subnet.is_v4())?;
        if let Some(route) = routes.iter().find(|r| r.to.overlaps(subnet)) {
            let name = link::all(socket)?.into_iter().find(|l| l.index == route.interface).map(|l| l.name).unwrap_or_default();
            return Err(Error::Wrong(format!(
                "the pods' addresses {subnet} overlap the host's route to {} by {name} (--pod-subnets names others, podrt.io/network: none does without)",
                route.to
            )));
        }
    }
    Ok(())
}
