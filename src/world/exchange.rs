//! One request over a connection that speaks HTTP, and its answer.

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::error::Error;
use tokio::io::{AsyncRead, AsyncWrite};

/// Largest header section of an answer, in bytes.
const HEADER_SIZE_MAX: usize = 64 << 10;

type Fault = Box<dyn Error + Send + Sync>;

/// Asks over a connection that is for this request alone, within the time that the caller gives. Of the answer's
/// body so many bytes are taken at most.
///
/// # Errors
/// It broke off, is no HTTP, or is longer.
pub async fn exchange<B>(
    io: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<B>,
    body_size_max: usize,
) -> Result<Response<Bytes>, Fault>
where
    B: Body<Data: Send, Error: Into<Fault>> + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEADER_SIZE_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    let answer = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, body_size_max).collect().await?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    tokio::pin!(answer);
    tokio::pin!(connection);
    tokio::select! {
        biased;
        answered = &mut answer => answered,
        // The connection may end first, with the answer complete.
        _ = &mut connection => answer.await,
    }
}
