//! The stream below a dialog, encrypted or not, and what the kernel says of it. That a write was taken
//! says nothing of a byte having left: only the kernel knows, and only where it is asked.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A stream to a server.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<Box<dyn Wire>> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0.socket()
    }
}

/// What the kernel says of a socket at this moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Everything written has been sent, or never will be: the connection is dead.
    pub(super) left: bool,
    /// There is something to read, or the end.
    pub(super) heard: bool,
}

/// Makes "writable" mean "all that was written has been sent": without it a socket is writable while
/// megabytes wait in the kernel for a server that does not read.
///
/// # Errors
/// The system knows no such limit; no promise about the final dot can then be kept.
pub(super) fn watch(socket: &TcpStream) -> io::Result<()> {
    SockRef::from(socket).set_tcp_notsent_lowat(1)
}

/// Asks the kernel, without waiting. What the runtime remembers of a socket may be old.
pub(super) fn look(socket: &TcpStream) -> Look {
    let both = PollFlags::IN | PollFlags::RDHUP | PollFlags::OUT;
    let mut asked = [PollFd::new(socket, both)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut asked, Some(&at_once)).is_err() {
        return Look::default();
    }
    let found = asked[0].revents();
    let dead = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    Look {
        left: found.intersects(PollFlags::OUT | dead),
        heard: found.intersects(PollFlags::IN | PollFlags::RDHUP | dead),
    }
}

/// Lets the close that follows discard what has not been sent, and tell the server so (RST).
pub(super) fn discard(socket: &TcpStream) {
    if let Err(fault) = SockRef::from(socket).set_linger(Some(Duration::ZERO)) {
        tracing::error!(%fault, "what was not sent cannot be discarded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("bound");
        let socket = TcpStream::connect(to).await.expect("connected");
        watch(&socket).expect("a system that tells");
        (socket, listener.accept().await.expect("a peer").0)
    }

    /// Writes until something has not left, because the peer does not read; how much.
    fn fill(socket: &TcpStream) -> usize {
        let mut wrote = 0;
        while look(socket).left {
            wrote += socket.try_write(&[0; 1000]).expect("room");
            assert!(wrote < 1 << 30, "the peer's window has no end");
        }
        wrote
    }

    #[tokio::test]
    async fn what_a_peer_does_not_read_has_not_left_until_it_does() {
        let (socket, mut peer) = pair().await;
        let wrote = fill(&socket);
        let mut bytes = vec![0; wrote];
        peer.read_exact(&mut bytes).await.expect("all of it");
        while !look(&socket).left {
            tokio::task::yield_now().await;
        }
        assert!(!look(&socket).heard);
        drop(peer);
        while !look(&socket).heard {
            tokio::task::yield_now().await;
        }
    }

    /// Writes until the system takes no more: megabytes, of which a peer that does not read has room for a
    /// small part. [`fill`] may end while a little merely waits to be acknowledged, and leaves soon.
    fn stuff(socket: &TcpStream) -> usize {
        SockRef::from(socket).set_tcp_notsent_lowat(u32::MAX).expect("no limit");
        let mut wrote = 0;
        while let Ok(count) = socket.try_write(&[0; 16 << 10]) {
            wrote += count;
            assert!(wrote < 1 << 30, "the system's memory has no end");
        }
        watch(socket).expect("a system that tells");
        wrote
    }

    #[tokio::test]
    async fn what_has_not_left_is_discarded_with_its_connection() {
        let (socket, mut peer) = pair().await;
        let wrote = stuff(&socket);
        assert!(!look(&socket).left);
        discard(&socket);
        drop(socket);
        let (mut read, mut bytes) = (0, vec![0; 64 << 10]);
        let end = loop {
            match peer.read(&mut bytes).await {
                Ok(count) if count > 0 => read += count,
                end => break end,
            }
        };
        assert!(end.is_err() && read < wrote, "{end:?}, {read} of {wrote}");
    }
}
