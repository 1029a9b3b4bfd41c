//! A connection: what came in and was not read yet, what is to go out, and TLS switched on under them.

use crate::smtp::scram::Bindings;
use crate::tls;
use bytes::{Buf, BytesMut};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Bytes read at a time.
const READ_SIZE: usize = 16 << 10;
/// Longest wait for a client to take our replies.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long, and how many bytes, a client that is shown out may go on.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
const CLOSE_READ_MAX: u64 = 1 << 20;

/// What a connection runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(super) struct Connection {
    stream: Box<dyn Stream>,
    pub(super) input: BytesMut,
    output: Vec<u8>,
}

/// Why nothing more was read.
#[derive(Debug)]
pub(super) enum Silence {
    /// The client took too long.
    Timeout,
    /// The client has gone.
    Gone,
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, input: BytesMut::new(), output: Vec::new() }
    }

    /// Keeps a reply until the input that came with its command is read too: replies to pipelined
    /// commands leave together.
    pub(super) fn say(&mut self, wire: &str) {
        self.output.extend_from_slice(wire.as_bytes());
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            let write = async {
                self.stream.write_all(&self.output).await?;
                self.stream.flush().await
            };
            timeout(WRITE_TIMEOUT, write).await??;
            self.output.clear();
        }
        Ok(())
    }

    /// Reads more.
    pub(super) async fn fill(&mut self, limit: Duration) -> Result<(), Silence> {
        self.flush().await.map_err(|_| Silence::Gone)?;
        self.input.reserve(READ_SIZE);
        match timeout(limit, self.stream.read_buf(&mut self.input)).await {
            Err(_) => Err(Silence::Timeout),
            Ok(Ok(0) | Err(_)) => Err(Silence::Gone),
            Ok(Ok(_)) => Ok(()),
        }
    }

    pub(super) fn pass(&mut self, count: usize) {
        self.input.advance(count);
    }

    /// Speaks TLS from now on. Whatever came before the handshake is forgotten.
    pub(super) async fn secure(
        self,
        server: &tls::Server,
        limit: Duration,
    ) -> io::Result<(Self, Bindings)> {
        let (secure, tls) = timeout(limit, server.accept(self.stream)).await??;
        let exporter = tls.exporter.map(Vec::from);
        let end_point = tls.end_point.map(|digest| digest.to_vec());
        Ok((Self::new(Box::new(secure)), Bindings { exporter, end_point }))
    }

    /// Says what is left and closes. What the client is still saying is read for a moment, since a
    /// close over unread input may take our last reply with it.
    pub(super) async fn close(mut self) {
        if self.flush().await.is_err() {
            return;
        }
        let end = async {
            self.stream.shutdown().await?;
            let mut rest = (&mut self.stream).take(CLOSE_READ_MAX);
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
        };
        let _ = timeout(CLOSE_PATIENCE, end).await;
    }
}
