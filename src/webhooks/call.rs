//! One call: a signed POST over a connection that is opened to a checked address, or kept from the call
//! before; and what the answer means. No redirect is followed, and little of an answer is read.

use super::endpoint::Endpoint;
use super::record::Webhook;
use super::sign::signatures;
use crate::config;
use crate::mail::Timestamp;
use crate::web::{Web, WebFault, pause};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// Largest header section of an answer, in bytes.
const HEADER_MAX: usize = 16 << 10;
/// Longest wait for the rest of an answer that is a success already, so that its connection can be kept.
const REST: Duration = Duration::from_millis(500);
/// How much of an answer is told, in characters.
const SAID_MAX: usize = 200;

/// A connection that may be used again.
pub(super) struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    _work: AbortOnDropHandle<()>,
    /// Since when it has nothing to do.
    pub(super) idle: Instant,
}

/// How a call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// With success.
    Taken,
    /// There is no such endpoint any more.
    Gone,
    /// Later, perhaps after a pause that was named.
    Later(Option<Duration>, String),
    /// With anything else, or not at all.
    Failed(String),
}

impl Heard {
    /// Its name in figures.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Gone => "gone",
            Self::Later(..) => "later",
            Self::Failed(_) => "failed",
        }
    }
}

/// What is posted.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// The same at every attempt.
    pub(super) id: String,
    pub(super) body: Bytes,
}

/// Calls an endpoint; with how it answered, the connection, where it may be used again.
pub(super) async fn call(
    web: &Web,
    settings: &config::Webhooks,
    webhook: &Webhook,
    (letter, now): (&Letter, Timestamp),
    line: Option<Line>,
) -> (Heard, Option<Line>) {
    let endpoint = match Endpoint::parse(&webhook.url, settings) {
        Ok(endpoint) => endpoint,
        Err(why) => return (Heard::Failed(why), None),
    };
    let work = talk(web, settings, (&endpoint, webhook), (letter, now), line);
    match timeout(settings.timeout.0, work).await {
        Ok(Ok(heard)) => heard,
        Ok(Err(fault)) => (Heard::Failed(fault.to_string()), None),
        Err(_) => (Heard::Failed(format!("no answer within {}", settings.timeout)), None),
    }
}

async fn talk(
    web: &Web,
    settings: &config::Webhooks,
    (endpoint, webhook): (&Endpoint, &Webhook),
    (letter, now): (&Letter, Timestamp),
    line: Option<Line>,
) -> Result<(Heard, Option<Line>), WebFault> {
    let lost = |fault: hyper::Error| WebFault::Lost(fault.to_string());
    if let Some(mut line) = line.filter(|line| !line.sender.is_closed()) {
        let asked = request(endpoint, webhook, letter, now)?;
        // The server may have closed it just now: what nobody answered is asked once more, anew.
        if line.sender.ready().await.is_ok()
            && let Ok(response) = line.sender.send_request(asked).await
        {
            return Ok(heard(response, line, settings, now).await);
        }
    }
    let stream = match endpoint.is_encrypted {
        true => web.open(&endpoint.host, endpoint.port).await?,
        false => web.open_plain(&endpoint.host, endpoint.port).await?,
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEADER_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let work = tokio::spawn(async move {
        // How it ends is heard by who waits for an answer.
        let _ended = connection.await;
    });
    let mut line = Line { sender, _work: AbortOnDropHandle::new(work), idle: Instant::now() };
    let asked = request(endpoint, webhook, letter, now)?;
    let response = line.sender.send_request(asked).await.map_err(lost)?;
    Ok(heard(response, line, settings, now).await)
}

fn request(
    endpoint: &Endpoint,
    webhook: &Webhook,
    letter: &Letter,
    now: Timestamp,
) -> Result<Request<Full<Bytes>>, WebFault> {
    Request::post(&endpoint.path)
        .header(header::HOST, &endpoint.authority)
        .header(header::USER_AGENT, "Relent")
        .header(header::CONTENT_TYPE, "application/json")
        .header("webhook-id", &letter.id)
        .header("webhook-timestamp", now.seconds().to_string())
        .header("webhook-signature", signatures(&webhook.secrets, &letter.id, now, &letter.body))
        .body(Full::new(letter.body.clone()))
        .map_err(|fault| WebFault::Lost(fault.to_string()))
}

/// What an answer means.
async fn heard(
    response: Response<Incoming>,
    mut line: Line,
    settings: &config::Webhooks,
    now: Timestamp,
) -> (Heard, Option<Line>) {
    let status = response.status();
    let pause = pause(response.headers().get(header::RETRY_AFTER), now);
    let mut body = response.into_body();
    let mut read = Vec::new();
    let mut rest = async || {
        while read.len() < settings.answer_size_max.bytes() {
            match body.frame().await {
                None => return true,
                Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().map_or(&[], |d| d)),
                Some(Err(_)) => return false,
            }
        }
        false
    };
    let is_whole = if status.is_success() {
        // It is one already, whatever follows.
        timeout(REST, rest()).await.unwrap_or(false)
    } else {
        rest().await
    };
    line.idle = Instant::now();
    let line = is_whole.then_some(line);
    let said = || {
        let text = String::from_utf8_lossy(&read);
        let text: String = words_of(&text).chars().take(SAID_MAX).collect();
        if text.is_empty() {
            format!("answered {status}")
        } else {
            format!("answered {status}: {text}")
        }
    };
    let heard = match status {
        status if status.is_success() => Heard::Taken,
        StatusCode::GONE => Heard::Gone,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Heard::Later(pause, said())
        }
        status if status.is_redirection() => Heard::Failed(format!(
            "answered {status}, and redirects are not followed: name the address that it leads to"
        )),
        _ => Heard::Failed(said()),
    };
    (heard, line)
}

/// The words of an answer, which is kept for longer than the person may be whom it names: no addresses.
fn words_of(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let is_address = |word: &str| word.contains('@') || word.contains("%40");
    let words = words.filter(|word| !word.is_empty());
    words.map(|word| if is_address(word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_an_answer_names_nobody() {
        let said = words_of("no\r\n such <ann@x.example>,\tor a%40x.example  here");
        assert_eq!(said, "no such … or … here");
    }
}
