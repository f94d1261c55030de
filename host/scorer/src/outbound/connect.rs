//! From a listed name to a connection to a checked address.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Network;
use super::address::{Reach, reach};
use super::refusal::Refusal;
use super::rules::{Covered, Target};

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// A connection, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Network {
    /// Connects to the target within `limit`, only to addresses that are open to it.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        covered: Covered,
        limit: Duration,
    ) -> Result<Pin<Box<dyn Stream>>, Refusal> {
        let connected = tokio::time::timeout(limit, async {
            let addresses = self.addresses(target, covered).await?;
            let stream = dial(&addresses, target.port).await?;
            if !target.encrypted {
                return Ok(Box::pin(stream) as Pin<Box<dyn Stream>>);
            }
            let stream = self.tls.connect(target, stream).await.map_err(Refusal::Tls)?;
            Ok(Box::pin(stream) as Pin<Box<dyn Stream>>)
        });
        connected.await.unwrap_or(Err(Refusal::ConnectTime(limit.as_millis())))
    }

    /// The target's open addresses. The name is resolved here and nowhere else.
    async fn addresses(&self, target: &Target, covered: Covered) -> Result<Vec<IpAddr>, Refusal> {
        let found = match target.address {
            Some(address) => vec![address],
            None => self.config.resolver.resolve(&target.host).await.map_err(Refusal::Name)?,
        };
        let mut refused = Refusal::NoAddress;
        let mut open = Vec::new();
        for address in found {
            match check(address, covered) {
                Ok(()) => open.push(address),
                Err(refusal) => refused = refusal,
            }
        }
        open.truncate(MAX_ADDRESSES);
        if open.is_empty() { Err(refused) } else { Ok(open) }
    }
}

fn check(address: IpAddr, covered: Covered) -> Result<(), Refusal> {
    match reach(address) {
        Reach::Public => Ok(()),
        Reach::Private(_) if covered.private => Ok(()),
        reach @ Reach::Private(_) => Err(Refusal::Private { address, reach }),
        reach @ Reach::Never(_) => Err(Refusal::Never { address, reach }),
    }
}

async fn dial(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Refusal> {
    let mut last = Refusal::NoAddress;
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(stream) => {
                // Requests are small and waited for.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Refusal::Connect(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests;
