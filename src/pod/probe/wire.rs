//! A connection that never blocks: TCP, or TLS over it with whatever certificate the other end shows (a probe asks whether
//! somebody answers, not who).

use crate::sys::errno::Errno;
use crate::sys::{raw, socket};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

pub(super) struct Wire {
    fd: OwnedFd,
    tls: Option<Box<ClientConnection>>,
}

/// What came of a try.
pub(super) enum Moved {
    Some(usize),
    Blocked,
    End,
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Wire {
    pub fn new(fd: OwnedFd, tls: bool, peer: IpAddr) -> Result<Wire, String> {
        let tls = if tls { Some(Box::new(client(peer).map_err(|e| e.to_string())?)) } else { None };
        Ok(Wire { fd, tls })
    }

    /// Sends what is in `out`, as far as it is taken; `Some` when nothing is left.
    pub fn send(&mut self, out: &mut Vec<u8>) -> Result<Moved, String> {
        let Some(tls) = &mut self.tls else {
            while !out.is_empty() {
                match socket::send(self.fd.as_fd(), out, &[]) {
                    Ok(n) => drop(out.drain(..n)),
                    Err(Errno::EAGAIN) => return Ok(Moved::Blocked),
                    Err(errno) => return Err(format!("write: {errno}")),
                }
            }
            return Ok(Moved::Some(0));
        };
        if !out.is_empty() {
            tls.writer().write_all(out).map_err(|e| e.to_string())?;
            out.clear();
        }
        while tls.wants_write() {
            match tls.write_tls(&mut Raw(self.fd.as_fd())) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Moved::Blocked),
                Err(e) => return Err(format!("write: {}", Errno::from(e))),
            }
        }
        Ok(Moved::Some(0))
    }

    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Moved, String> {
        let Some(tls) = &mut self.tls else {
            return match raw::read(self.fd.as_raw_fd(), buffer) {
                Ok(0) => Ok(Moved::End),
                Ok(n) => Ok(Moved::Some(n)),
                Err(Errno::EAGAIN) => Ok(Moved::Blocked),
                Err(errno) => Err(format!("read: {errno}")),
            };
        };
        loop {
            match tls.reader().read(buffer) {
                Ok(0) => return Ok(Moved::End),
                Ok(n) => return Ok(Moved::Some(n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // Closed without a goodbye, as many servers do.
                Err(_) => return Ok(Moved::End),
            }
            match tls.read_tls(&mut Raw(self.fd.as_fd())) {
                Ok(0) if tls.is_handshaking() => return Err("EOF".into()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Moved::Blocked),
                Err(e) => return Err(format!("read: {}", Errno::from(e))),
            }
            tls.process_new_packets().map_err(|e| e.to_string())?;
            // A handshake answers what it has read.
            while tls.wants_write() {
                match tls.write_tls(&mut Raw(self.fd.as_fd())) {
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(e) => return Err(format!("write: {}", Errno::from(e))),
                }
            }
        }
    }
}

/// The socket as rustls reads and writes it.
struct Raw<'f>(BorrowedFd<'f>);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        raw::read(self.0.as_raw_fd(), buffer).map_err(|e| io::Error::from_raw_os_error(e.0))
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        socket::send(self.0, data, &[]).map_err(|e| io::Error::from_raw_os_error(e.0))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client made for one connection: probes are rare, and what a configuration holds would be the pod's to pay for.
fn client(peer: IpAddr) -> Result<ClientConnection, Error> {
    let provider = Arc::new(ring::default_provider());
    let anybody = Arc::new(Anybody(provider.clone()));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(anybody)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    ClientConnection::new(Arc::new(config), ServerName::IpAddress(peer.into()))
}

/// Takes every certificate, as the kubelet does.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
