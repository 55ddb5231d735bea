//! `[LOCAL:]REMOTE`, and where the local ends listen.

use crate::cli::pods::{Failure, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// One argument of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// 0: one that is free.
    pub local: u16,
    pub remote: u16,
}

/// `8080`, `8888:80`, `:80`, and a container port's name in place of the remote number; `named` looks a name up.
pub fn pair(text: &str, named: impl Fn(&str) -> Option<u16>) -> Result<Pair> {
    let wrong = |part: &str, want: &str| Failure::usage(format_args!("port {text:?}: {part:?} is not a port (want {want})"));
    let (local, remote) = match text.split_once(':') {
        Some((local, remote)) => (Some(local), remote),
        None => (None, text),
    };
    let remote = match number(remote) {
        Some(0) | None => named(remote).ok_or_else(|| wrong(remote, "1 to 65535, or the name of a port of the pod's"))?,
        Some(port) => port,
    };
    let local = match local {
        None => remote,
        Some("") => 0,
        Some(text) => number(text).ok_or_else(|| wrong(text, "0 to 65535, or nothing for one that is free"))?,
    };
    Ok(Pair { local, remote })
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `--address`: addresses, and `localhost` for those of both families, of which one is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    asked: Vec<IpAddr>,
    localhost: bool,
}

pub fn addresses(words: &[String]) -> Result<Addresses> {
    let mut all = Addresses { asked: Vec::new(), localhost: false };
    for word in words {
        match (word.as_str(), word.parse()) {
            ("localhost", _) => all.localhost = true,
            (_, Ok(ip)) if !all.asked.contains(&ip) => all.asked.push(ip),
            (_, Ok(_)) => {}
            _ => return Err(Failure::usage(format_args!("--address: {word:?} is not an IP address or localhost"))),
        }
    }
    Ok(all)
}

/// A local end: the listener, the number of the port that it has, and where its connections go.
#[derive(Debug)]
pub struct Listening {
    pub socket: TcpListener,
    pub local: SocketAddr,
    pub remote: u16,
}

/// Listens on every address for every pair. Errors: an address that was asked for is taken; no localhost address could be had.
pub fn listen(pairs: &[Pair], addresses: &Addresses) -> Result<Vec<Listening>> {
    let mut all = Vec::new();
    for pair in pairs {
        let mut local = pair.local;
        for ip in &addresses.asked {
            all.push(bind(*ip, &mut local, pair.remote).map_err(|e| refused(*ip, pair.local, &e))?);
        }
        if addresses.localhost {
            let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let before = all.len();
            let mut first = None;
            for ip in both {
                match bind(ip, &mut local, pair.remote) {
                    Ok(listening) => all.push(listening),
                    Err(e) => drop(first.get_or_insert((ip, e))),
                }
            }
            if let Some((ip, e)) = first.filter(|_| all.len() == before) {
                return Err(refused(ip, pair.local, &e));
            }
        }
    }
    Ok(all)
}

fn bind(ip: IpAddr, port: &mut u16, remote: u16) -> std::io::Result<Listening> {
    let socket = TcpListener::bind(SocketAddr::new(ip, *port))?;
    socket.set_nonblocking(true)?;
    let local = socket.local_addr()?;
    // A free port is chosen once: it is the same on every address.
    *port = local.port();
    Ok(Listening { socket, local, remote })
}

fn refused(ip: IpAddr, port: u16, e: &std::io::Error) -> Failure {
    let errno = crate::sys::Errno(e.raw_os_error().unwrap_or(0));
    Failure::failed(format_args!("unable to listen on {}: {errno}", SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_as_kubectl_takes_them() {
        let named = |name: &str| (name == "http").then_some(8080);
        for (text, local, remote) in [
            ("80", 80, 80),
            ("8888:80", 8888, 80),
            (":80", 0, 80),
            ("0:80", 0, 80),
            ("http", 8080, 8080),
            ("9000:http", 9000, 8080),
            (":http", 0, 8080),
        ] {
            assert_eq!(pair(text, named).unwrap(), Pair { local, remote }, "{text}");
        }
        for text in ["", ":", "0", "80:", "80:0", "65536", "x:80", "80:nope", "-1", "+80", "80:80:80", " 80"] {
            let Err(failure) = pair(text, named) else { panic!("{text:?} was taken") };
            assert!(failure.lines[0].contains(&format!("{text:?}")), "{failure:?}");
        }
    }

    #[test]
    fn addresses_are_numbers_or_localhost() {
        let words = |w: &[&str]| w.iter().map(|w| w.to_string()).collect::<Vec<_>>();
        let all = addresses(&words(&["localhost", "10.0.0.1", "::1", "10.0.0.1"])).unwrap();
        assert_eq!((all.asked.len(), all.localhost), (2, true));
        for bad in ["example.org", "10.0.0", ""] {
            assert!(addresses(&words(&[bad])).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_free_port_is_the_same_on_both_loopback_addresses_and_a_taken_one_is_refused_by_name() {
        let localhost = addresses(&["localhost".into()]).unwrap();
        let first = listen(&[Pair { local: 0, remote: 80 }], &localhost).unwrap();
        assert!(first.iter().all(|l| l.local.port() == first[0].local.port() && l.remote == 80));
        let taken = first[0].local;
        let asked = addresses(&[taken.ip().to_string()]).unwrap();
        let refusal = listen(&[Pair { local: taken.port(), remote: 80 }], &asked).unwrap_err();
        assert_eq!(refusal.lines, [format!("error: unable to listen on {taken}: address already in use")]);
    }
}
