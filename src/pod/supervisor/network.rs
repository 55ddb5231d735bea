//! The pod's network, as its supervisor keeps it: its interface, the proxy for the host's loopback, a firewall that was flushed.

use super::state::{HELPERS, NETWORK, Supervisor};
use crate::net::nft;
use crate::net::proxy::Proxy;
use crate::pod::error::{Result, Step};
use crate::pod::{network, sandbox, volume};
use crate::sys::clone::{self, Flags, Memory};
use crate::sys::event::EPOLLIN;
use crate::sys::{process, raw};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What runs for the pod's network.
#[derive(Default)]
pub(super) struct Watched {
    /// Readable when rules of nftables were taken away.
    flushes: Option<OwnedFd>,
    /// The token and pidfd of the proxy's process.
    proxy: Option<(u64, OwnedFd)>,
}

impl Supervisor {
    /// The pod's interface and host ports; on failure pause is ended.
    pub fn attach(&mut self, lease: &mut network::Lease, pause: sandbox::Pause) -> Result<sandbox::Pause> {
        let spec = &self.spec.sandbox.network;
        let attached = network::attach(lease, spec, &self.sandbox, &pause)
            .and_then(|warnings| Ok((warnings, network::proxy(&lease.record, spec)?)));
        match attached.and_then(|(warnings, proxy)| self.serve_proxy(&proxy).map(|()| warnings)).step("create.network") {
            Ok(warnings) => {
                self.warnings.extend(warnings);
                self.network = Some(lease.record.clone());
                if lease.record.cni.is_some() {
                    // Plugins say the addresses only now.
                    volume::write_hosts(&self.spec, &self.ips(), &pause)?;
                }
                Ok(pause)
            }
            Err(e) => {
                let _ = network::detach(&lease.record, Some(pause.process.pid));
                let _ = self.epoll.remove(&pause.pidfd);
                sandbox::end(pause.pidfd.as_fd());
                Err(e)
            }
        }
    }

    /// Starts the proxy's process, where there is something to serve.
    fn serve_proxy(&mut self, proxy: &Proxy) -> Result<()> {
        if proxy.is_empty() {
            return Ok(());
        }
        let child = clone::spawn_scoped(Memory::Copied, Flags::default(), serve, proxy)?;
        let token = HELPERS + child.pid as u64;
        self.epoll.add(&child.pidfd, EPOLLIN, token)?;
        self.watched.proxy = Some((token, child.pidfd));
        Ok(())
    }

    /// Once the sandbox stands: what may happen to its network is seen.
    pub fn watch_network(&mut self) {
        if self.network.as_ref().is_none_or(|r| r.cni.is_some()) || self.watched.flushes.is_some() {
            return;
        }
        match nft::watch().and_then(|fd| Ok(self.epoll.add(&fd, EPOLLIN, NETWORK).map(|()| fd)?)) {
            Ok(fd) => self.watched.flushes = Some(fd),
            Err(e) => self.warnings.push(format!("a flushed firewall will not be noticed: {e}")),
        }
    }

    /// A supervisor started again: the interface is the pod's and stands; the proxy died with the last one.
    pub fn recover_network(&mut self) {
        let Some(record) = self.network.clone() else { return };
        let mut tries = 0;
        let bound = loop {
            match network::proxy(&record, &self.spec.sandbox.network) {
                // The last one's proxy is on its way out. Only here does the loop wait, before it turns for the first time.
                Err(_) if tries < 20 => std::thread::sleep(Duration::from_millis(5)),
                other => break other,
            }
            tries += 1;
        };
        if let Err(e) = bound.and_then(|proxy| self.serve_proxy(&proxy)) {
            self.warnings.push(format!("host ports on loopback: {e}"));
        }
        self.watch_network();
        self.heal_network();
    }

    pub fn network_changed(&mut self) {
        if let Some(fd) = &self.watched.flushes {
            nft::drain(fd.as_fd());
        }
        self.heal_network();
    }

    fn heal_network(&mut self) {
        if let (Some(record), true) = (&self.network, self.pause.is_some())
            && let Err(e) = network::heal(record, &self.spec.sandbox.network)
        {
            self.warnings.push(format!("the firewall was flushed: {e}"));
        }
    }

    /// The proxy has ended unasked: true, and another takes its place.
    pub fn proxy_ended(&mut self, token: u64) -> bool {
        let Some((_, pidfd)) = self.watched.proxy.take_if(|(t, _)| *t == token) else { return false };
        let _ = self.epoll.remove(&pidfd);
        let _ = process::wait_pidfd(pidfd.as_fd(), false);
        if let Some(record) = self.network.as_ref().filter(|_| self.pause.is_some()) {
            let again = network::proxy(record, &self.spec.sandbox.network).and_then(|proxy| self.serve_proxy(&proxy));
            if let Err(e) = again {
                self.warnings.push(format!("host ports on loopback: {e}"));
            }
        }
        true
    }

    pub fn end_proxy(&mut self) {
        if let Some((_, pidfd)) = self.watched.proxy.take() {
            let _ = self.epoll.remove(&pidfd);
            let _ = process::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
            let _ = process::wait_pidfd(pidfd.as_fd(), true);
        }
    }

    /// The interface, the host ports and their proxy go; the addresses stay.
    pub fn detach(&mut self) -> Result<()> {
        self.end_proxy();
        if let Some(fd) = self.watched.flushes.take() {
            let _ = self.epoll.remove(&fd);
        }
        match &self.network {
            Some(record) => network::detach(record, self.pause.as_ref().map(|p| p.process.pid)).step("delete.network"),
            None => Ok(()),
        }
    }

    /// The pod's addresses, in the order of status.podIPs; none while it has only its loopback.
    pub fn ips(&self) -> Vec<String> {
        match &self.network {
            Some(record) => record.ips(),
            None if self.spec.sandbox.host_network => self.spec.sandbox.network.host_ips.clone(),
            None => Vec::new(),
        }
    }
}

/// The proxy's process: a copy of the supervisor that keeps nothing open but its sockets, and ends with it.
extern "C" fn serve(proxy: &Proxy) -> i32 {
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let mut kept: Vec<u32> = proxy.fds().into_iter().filter_map(|fd| fd.try_into().ok()).collect();
    kept.sort_unstable();
    let mut from = 0;
    for fd in kept.into_iter().chain([u32::MAX]) {
        if fd > from {
            let _ = raw::close_range(from, fd - u32::from(fd != u32::MAX), 0);
        }
        from = fd.saturating_add(1);
    }
    let _ = proxy.serve();
    1
}
