//! Listening sockets: one per acceptor thread for the same address, so that the kernel spreads connections.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use crate::IngressError;

/// Connections that the kernel holds for a thread that is busy.
const BACKLOG: i32 = 1024;

/// Binds `count` listeners to one address; returns the address with the port that the system chose.
pub(crate) fn listeners(
    address: SocketAddr,
    count: usize,
) -> Result<(SocketAddr, Vec<Vec<TcpListener>>), IngressError> {
    let failed = |cause| IngressError::Listen { address, cause };
    // The port must be free before others join it: SO_REUSEPORT alone would let two hosts share it unnoticed.
    drop(bind(address, false).map_err(failed)?);
    let first = bind(address, true).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?;
    let mut all = vec![vec![first]];
    for _ in 1..count {
        all.push(vec![bind(bound, true).map_err(failed)?]);
    }
    Ok((bound, all))
}

fn bind(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if share {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}
