//! TLS for a server: connections in, those whose handshake went well out. A client that hangs in its
//! handshake holds up nobody else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificate::Certificate;

const HANDSHAKE: Duration = Duration::from_secs(10);
const WAITING: usize = 64;

type Accepted = (TlsStream<TcpStream>, SocketAddr);

/// A listener whose connections speak TLS.
pub(super) struct TlsListener {
    address: SocketAddr,
    accepted: Receiver<Accepted>,
}

impl TlsListener {
    /// Speaks TLS on a listener; needs a runtime.
    pub(super) fn new(listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(config);
        let (ready, accepted) = channel(WAITING);
        tokio::spawn(accept(listener, acceptor, ready));
        Ok(Self { address, accepted })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // The task that accepts is gone with its runtime, and so is everybody here.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(mut listener: TcpListener, acceptor: TlsAcceptor, ready: Sender<Accepted>) {
    loop {
        let (stream, address) = Listener::accept(&mut listener).await;
        let (handshake, ready) = (acceptor.accept(stream), ready.clone());
        tokio::spawn(async move {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, handshake).await {
                // It fails only where nobody serves any more.
                let _ = ready.send((stream, address)).await;
            }
        });
    }
}

/// How a server speaks that has this certificate.
pub fn config(certificate: &Certificate) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(&certificate.chain)
        .and_then(Iterator::collect)
        .with_context(|| format!("no certificate in {}", certificate.chain.display()))?;
    let key = PrivateKeyDer::from_pem_file(&certificate.key)
        .with_context(|| format!("no key in {}", certificate.key.display()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}
