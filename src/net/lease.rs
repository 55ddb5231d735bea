//! Addresses in use: a folder with a link for each, named by the address, that says whose it is.
//!
//! ```text
//! <state>/network/<bridge>/<boot id>/10.61.0.5 -> /run/podrt/sandboxes/<id>
//!                                   fd70:6f64:7274:30::5 -> the same
//!                                   last -> 5                     where the next search begins
//! ```
//! symlink(2) makes a name with its content or fails: two never get one address, whoever is killed when. Nothing here must
//! outlive the boot, as no pod does. A lease whose sandbox is gone is taken back when all others are in use.

use super::subnet::Subnet;
use super::{Error, Result};
use crate::sys::errno::Call;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const LAST: &str = "last";
const LOCK: &str = "lock";

#[derive(Debug, Clone)]
pub struct Leases {
    pub folder: PathBuf,
}

impl Leases {
    /// Free addresses with one number in each of `subnets`, or those of `wanted` that stand there, taken for `owner`, the path of a
    /// sandbox. Errors: all are in use; a wanted one is.
    pub fn take(&self, subnets: &[Subnet], wanted: &[IpAddr], owner: &Path) -> Result<Vec<IpAddr>> {
        match self.search(subnets, wanted, owner)? {
            Some(addresses) => Ok(addresses),
            None if self.reclaim()? => self.search(subnets, wanted, owner)?.ok_or_else(|| full(subnets)),
            None => Err(full(subnets)),
        }
    }

    fn search(&self, subnets: &[Subnet], wanted: &[IpAddr], owner: &Path) -> Result<Option<Vec<IpAddr>>> {
        let mut taken = Vec::new();
        for address in wanted {
            if !self.claim(*address, owner)? {
                let holder = self.holder(*address).map_or(String::new(), |h| format!(" by {}", h.display()));
                self.release(&taken);
                return Err(Error::Wrong(format!("the address {address} is in use{holder}")));
            }
            taken.push(*address);
        }
        let open: Vec<&Subnet> = subnets.iter().filter(|s| !wanted.iter().any(|w| s.contains(*w))).collect();
        let Some(numbers) = open.iter().map(|s| s.numbers()).min_by_key(|n| n.end) else { return Ok(Some(taken)) };
        let last = std::fs::read_link(self.folder.join(LAST)).ok().and_then(|n| n.to_str()?.parse::<u128>().ok());
        let first = last.map(|n| n + 1).filter(|n| numbers.contains(n)).unwrap_or(numbers.start);
        for number in (first..numbers.end).chain(numbers.start..first) {
            let mut own = Vec::new();
            for address in open.iter().filter_map(|s| s.nth(number)) {
                if !self.claim(address, owner)? {
                    break;
                }
                own.push(address);
            }
            if own.len() == open.len() {
                self.remember(number);
                taken.extend(own);
                // In the order of the subnets, which is that of status.podIPs.
                taken.sort_by_key(|a| subnets.iter().position(|s| s.contains(*a)));
                return Ok(Some(taken));
            }
            self.release(&own);
        }
        self.release(&taken);
        Ok(None)
    }

    fn claim(&self, address: IpAddr, owner: &Path) -> Result<bool> {
        match symlink(owner, self.folder.join(address.to_string())) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            other => other
                .call(|| format!("symlink({})", self.folder.join(address.to_string()).display()))
                .map(|()| true)
                .map_err(Into::into),
        }
    }

    /// Only where a search begins: what is lost costs time, never an address twice.
    fn remember(&self, number: u128) {
        let new = self.folder.join(format!(".{number}.{}", std::process::id()));
        if symlink(number.to_string(), &new).is_ok() && std::fs::rename(&new, self.folder.join(LAST)).is_err() {
            let _ = std::fs::remove_file(&new);
        }
    }

    pub fn holder(&self, address: IpAddr) -> Option<PathBuf> {
        std::fs::read_link(self.folder.join(address.to_string())).ok()
    }

    fn release(&self, addresses: &[IpAddr]) {
        for address in addresses {
            let _ = std::fs::remove_file(self.folder.join(address.to_string()));
        }
    }

    /// Gives back what `owner` has of `addresses`; with none said, whatever it has. What is gone already is fine.
    pub fn give_back(&self, addresses: &[IpAddr], owner: &Path) -> Result<()> {
        let listed =
            if addresses.is_empty() { self.all()? } else { addresses.iter().map(|a| self.folder.join(a.to_string())).collect() };
        for path in listed {
            if std::fs::read_link(&path).is_ok_and(|holder| holder == owner) {
                match std::fs::remove_file(&path) {
                    Err(e) if e.kind() != ErrorKind::NotFound => Err(e).call(|| format!("unlink({})", path.display()))?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The links that are leases.
    fn all(&self) -> Result<Vec<PathBuf>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.call(|| format!("opendir({})", self.folder.display()))?,
        };
        let is_lease = |path: &PathBuf| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.parse::<IpAddr>().is_ok());
        Ok(entries.flatten().map(|e| e.path()).filter(is_lease).collect())
    }

    /// Takes back what sandboxes had that are gone: true where there was something.
    fn reclaim(&self) -> Result<bool> {
        // One at a time: what one has looked at and found dead must not be another's new lease when it is removed.
        let lock =
            std::fs::File::create(self.folder.join(LOCK)).call(|| format!("open({})", self.folder.join(LOCK).display()))?;
        lock.lock().call(|| "flock(leases)".into())?;
        let mut found = false;
        for path in self.all()? {
            if std::fs::read_link(&path).is_ok_and(|owner| !owner.exists()) {
                found |= std::fs::remove_file(&path).is_ok();
            }
        }
        Ok(found)
    }
}

fn full(subnets: &[Subnet]) -> Error {
    let list: Vec<String> = subnets.iter().map(Subnet::to_string).collect();
    Error::Wrong(format!("every address of {} is in use (--pod-subnets gives more)", list.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leases(name: &str) -> (Leases, PathBuf) {
        let folder = std::env::temp_dir().join(format!("podrt-lease-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("leases")).unwrap();
        (Leases { folder: folder.join("leases") }, folder)
    }

    fn texts(addresses: &[IpAddr]) -> Vec<String> {
        addresses.iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn five_hundred_at_once_get_five_hundred_addresses() {
        let (leases, folder) = leases("many");
        let subnets: Vec<Subnet> = ["10.61.0.0/16", "fd70::/64"].map(|s| s.parse().unwrap()).into();
        let all: Vec<IpAddr> = std::thread::scope(|scope| {
            let one = |k: usize| {
                let (leases, subnets) = (&leases, &subnets);
                scope.spawn(move || {
                    let owner = |i| PathBuf::from(format!("/run/podrt/sandboxes/{k}.{i}"));
                    (0..125).flat_map(|i| leases.take(subnets, &[], &owner(i)).unwrap()).collect::<Vec<_>>()
                })
            };
            let threads: Vec<_> = (0..4).map(one).collect();
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 1000);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_address_goes_round_before_it_comes_again() {
        let (leases, folder) = leases("round");
        let subnets = ["10.0.0.0/29".parse().unwrap()];
        let owner = folder.join("pod");
        std::fs::create_dir(&owner).unwrap();
        let mut got = Vec::new();
        for _ in 0..7 {
            let addresses = leases.take(&subnets, &[], &owner).unwrap();
            leases.give_back(&addresses, &owner).unwrap();
            got.extend(texts(&addresses));
        }
        assert_eq!(got, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_range_takes_back_what_dead_sandboxes_had_and_nothing_else() {
        let (leases, folder) = leases("full");
        let subnets = ["10.0.0.0/29".parse().unwrap(), "fd00::/64".parse().unwrap()];
        let (dead, alive) = (folder.join("dead"), folder.join("alive"));
        std::fs::create_dir(&alive).unwrap();
        for i in 0..5 {
            leases.take(&subnets, &[], if i == 2 { &dead } else { &alive }).unwrap();
        }
        assert_eq!(texts(&leases.take(&subnets, &[], &alive).unwrap()), ["10.0.0.4", "fd00::4"]);
        let error = leases.take(&subnets, &[], &alive).unwrap_err().to_string();
        assert!(error.starts_with("every address of 10.0.0.0/29, fd00::/64 is in use"), "{error}");
        // What is not its own it does not give back; with no list it gives back all of its own.
        leases.give_back(&["10.0.0.4".parse().unwrap()], &dead).unwrap();
        assert!(leases.holder("10.0.0.4".parse().unwrap()).is_some());
        leases.give_back(&[], &alive).unwrap();
        assert_eq!(leases.all().unwrap().len(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_wanted_address_is_got_or_said_to_be_in_use() {
        let (leases, folder) = leases("wanted");
        let subnets = ["10.0.0.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()];
        let wanted = ["10.0.0.77".parse().unwrap()];
        assert_eq!(texts(&leases.take(&subnets, &wanted, Path::new("/a")).unwrap()), ["10.0.0.77", "fd00::2"]);
        let error = leases.take(&subnets, &wanted, Path::new("/b")).unwrap_err().to_string();
        assert_eq!(error, "the address 10.0.0.77 is in use by /a");
        assert_eq!(leases.all().unwrap().len(), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
