//! Listeners, threads and connections.

mod acceptor;
mod activity;
mod connection;
mod refuse;
mod socket;
mod stream;
pub(crate) mod tls;
mod transport;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::SystemTime;

use tokio::sync::watch;

pub(crate) use activity::Activity;
pub(crate) use tls::Tls;
pub use tls::{Certificate, Certificates, SelfSigned, TlsError, self_signed};

use crate::handler::Shared;
use crate::{Doors, IngressConfig, IngressError};

/// The doors, bound to their addresses and not yet answering.
pub struct Ingress {
    config: Arc<IngressConfig>,
    doors: Doors,
    bound: Bound,
    tls: Option<Arc<Tls>>,
    /// Per acceptor thread, one listener for each address.
    listeners: Vec<Vec<TcpListener>>,
}

/// Addresses that the doors listen on, with the ports that the system chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The HTTP door.
    pub http: SocketAddr,
    /// The gRPC door.
    pub grpc: Option<SocketAddr>,
}

impl Ingress {
    /// Checks the configuration and binds the addresses. From here on the system queues connections.
    ///
    /// # Errors
    /// A configuration that does not hold, certificates that cannot be used, or an address that cannot be had.
    pub fn bind(config: IngressConfig, doors: Doors) -> Result<Self, IngressError> {
        config.validate()?;
        let tls = config.tls.clone().map(|tls| Tls::load(tls, SystemTime::now())).transpose()?.map(Arc::new);
        let threads = config.thread_count();
        let (http, mut per_thread) = socket::listeners(config.http, threads)?;
        let mut grpc = None;
        if let Some(address) = config.grpc {
            let (address, listeners) = socket::listeners(address, threads)?;
            grpc = Some(address);
            per_thread = per_thread.into_iter().zip(listeners).map(|(mut a, b)| (a.extend(b), a).1).collect();
        }
        Ok(Self { config: Arc::new(config), doors, bound: Bound { http, grpc }, tls, listeners: per_thread })
    }

    /// Where the doors listen.
    #[must_use]
    pub const fn bound(&self) -> Bound {
        self.bound
    }

    /// The certificates in use; none where the doors are plain.
    #[must_use]
    pub fn certificates(&self) -> Option<Certificates> {
        self.tls.clone().map(Certificates)
    }

    /// Answers requests until `shutdown` completes, then finishes those in flight and returns.
    ///
    /// # Errors
    /// When an acceptor thread cannot start or panics.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), IngressError> {
        let (stop, stopped) = watch::channel(false);
        let connections = Arc::clone(&self.doors.observe.connections);
        let mut threads = Vec::new();
        let _watching = self.tls.clone().map(watched).transpose()?;
        for (number, listeners) in self.listeners.into_iter().enumerate() {
            let shared = Shared {
                config: self.config.clone(),
                doors: self.doors.clone(),
                connections: connections.clone(),
                tls: self.tls.clone(),
            };
            let acceptor = acceptor::Acceptor { shared, listeners, stopped: stopped.clone() };
            let thread = thread::Builder::new().name(format!("acceptor-{number}"));
            threads.push(thread.spawn(move || acceptor.run()).map_err(IngressError::Thread)?);
        }
        shutdown.await;
        stop.send_replace(true);
        join(threads).await
    }
}

/// Keeps the certificates up to date until the result is dropped.
fn watched(tls: Arc<Tls>) -> Result<mpsc::Sender<()>, IngressError> {
    let (watching, stopped) = mpsc::channel();
    let thread = thread::Builder::new().name("certificates".to_owned());
    thread.spawn(move || tls::watch(&tls, &stopped)).map_err(IngressError::Thread)?;
    Ok(watching)
}

async fn join(threads: Vec<thread::JoinHandle<Result<(), IngressError>>>) -> Result<(), IngressError> {
    let joined = tokio::task::spawn_blocking(|| {
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Err(IngressError::Panic)))
    });
    joined.await.unwrap_or(Err(IngressError::Panic))
}
