//! Connections to other hosts. Whether an address may be connected to is asked of the caller's rule
//! after resolution, and again of the socket's peer once it is connected.

use async_trait::async_trait;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream};

/// The network.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Connects to `to`, from the local address `from` where one is given. The caller sets the time
    /// limit by dropping the future.
    async fn connect(&self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream>;
}

/// Whether an address is one of this machine's.
#[must_use]
pub fn is_here(address: IpAddr) -> bool {
    // Nothing is sent: a socket can only be bound to an address that is there.
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

/// Says what the system's "permission denied" means for a connection: only the process's own sandbox answers so.
fn sandboxed(fault: io::Error, port: u16) -> io::Error {
    if fault.raw_os_error() != Some(rustix::io::Errno::ACCESS.raw_os_error()) {
        return fault;
    }
    let text = format!(
        "the sandbox lets no connection go to port {port}: add it to process.sandbox_connect and restart"
    );
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// The machine's own network.
pub struct SystemNetwork;

#[async_trait]
impl Network for SystemNetwork {
    async fn connect(&self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(address) = from {
            socket.bind(SocketAddr::new(address, 0))?;
        }
        let stream = socket.connect(to).await.map_err(|fault| sandboxed(fault, to.port()))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
