//! How a connection too many is told.

use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest time that one who is turned away may take to hear it.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);
/// What one connection too many gets.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 38\r\n\r\n\
    too many connections; try again later\n";

/// Turns a connection away: 503 at once, whatever it was about to ask. Nothing is waited for: what a new
/// connection's buffer does not take at once is not said.
pub(super) async fn refuse(io: &mut (impl AsyncWrite + Unpin)) {
    tokio::select! {
        biased;
        _ = io.write_all(REFUSAL) => {}
        () = std::future::ready(()) => {}
    }
}

/// Closes a connection that was turned away so that the answer is heard: a request that lies unread
/// would have the peer's system throw it away.
pub(super) async fn close(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let farewell = async {
        io.shutdown().await?;
        let mut rest = [0; 1024];
        while io.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    let _ = tokio::time::timeout(FAREWELL_TIME_MAX, farewell).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(REFUSAL).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
