//! The line to the authority: a request, an answer, each on a connection of its own, within its limits. What the
//! authority says of when to come back is kept.

use crate::config;
use crate::mail::Timestamp;
use crate::web::{Web, pause};
use crate::world::exchange;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Uri};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The line. Cheap to clone.
#[derive(Clone)]
pub(super) struct Line {
    web: Arc<Web>,
    longest: Duration,
    answer_size_max: usize,
    /// When to come back, as the last refusal had it.
    heard: Arc<Mutex<Option<HeaderValue>>>,
}

impl Line {
    pub(super) fn new(web: Web, settings: &config::Acme) -> Self {
        Self {
            web: Arc::new(web),
            longest: settings.request_timeout.0,
            answer_size_max: settings.answer_size_max.bytes(),
            heard: Arc::default(),
        }
    }

    /// How long the authority asked to be left alone, with its last refusal; asked once.
    pub(super) fn asked_wait(&self, now: Timestamp) -> Option<Duration> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).take();
        pause(heard.as_ref(), now)
    }

    async fn exchange(
        self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Result<BytesResponse, String> {
        let uri = request.uri().clone();
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host = host.ok_or_else(|| format!("{uri} is no https:// address"))?;
        let port = uri.port_u16().unwrap_or(443);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse::<Uri>().map_err(|fault| fault.to_string())?;
        let plain = |text: &str| HeaderValue::from_str(text).map_err(|fault| fault.to_string());
        let named = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
        let library = request.headers().get(USER_AGENT).and_then(|name| name.to_str().ok());
        //= https://www.rfc-editor.org/rfc/rfc8555#section-6.1
        //# ACME clients MUST send a User-Agent header field, in accordance with
        //# [RFC7231].
        let agent = format!("Relent/{} {}", env!("CARGO_PKG_VERSION"), library.unwrap_or_default());
        let fields = [(HOST, plain(&named)?), (USER_AGENT, plain(agent.trim_end())?)];
        request.headers_mut().extend(fields.map(|(name, value)| (Some(name), value)));
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));

        let stream = self.web.open(host, port).await.map_err(|fault| format!("{host}: {fault}"))?;
        let answer = exchange(stream, request, self.answer_size_max).await;
        let (parts, body) = answer.map_err(|fault| format!("{host}: {fault}"))?.into_parts();
        if !parts.status.is_success() {
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            *heard = parts.headers.get(RETRY_AFTER).cloned();
        }
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl HttpClient for Line {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let line = self.clone();
        Box::pin(async move {
            let longest = line.longest;
            let to = request.uri().to_string();
            let late = || format!("{to}: no answer within {} s", longest.as_secs());
            let answered = tokio::time::timeout(longest, line.exchange(request)).await;
            answered.unwrap_or_else(|_| Err(late())).map_err(|why| Error::Other(why.into()))
        })
    }
}
