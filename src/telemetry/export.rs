//! How traces leave: OTLP in protocol buffers, over HTTP/1.1 to a collector beside us.
//!
//! The connection is made by hyper, which is there anyway: the client that the library would bring has a second stack of TLS.

use crate::mail::MessageId;
use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    self as sdk, SdkTracerProvider, SpanData, SpanExporter as _, SpanProcessor,
};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// The target of spans that are traces; nothing else has it.
const TARGET: &str = "relent::traces";
/// Longest time for sending some spans.
const SEND: Duration = Duration::from_secs(10);
/// Most of an answer that is read, in bytes.
const ANSWER_MAX: usize = 64 << 10;
/// Most spans that wait to be sent.
const WAITING_MAX: usize = 4096;
/// Most spans that are sent at a time.
const BATCH_MAX: usize = 512;
/// The pause between two requests, so that many spans go in one.
const PAUSE: Duration = Duration::from_secs(1);
/// The end of the numbers of messages' traces.
const MARK: [u8; 4] = *b"mail";

/// One connection a request.
#[derive(Debug)]
struct Client;

async fn sent(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or("log.traces names no host")?.clone();
    let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    parts.uri = path.parse()?;
    let answer = sender.send_request(Request::from_parts(parts, Full::new(body))).await?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
    drop(connection);
    Ok(Response::from_parts(parts, body))
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        timeout(SEND, sent(request)).await?
    }
}

/// Takes the spans that have ended, as many as may wait; further ones are dropped.
#[derive(Debug)]
struct Outbox(mpsc::Sender<SpanData>);

impl SpanProcessor for Outbox {
    fn on_start(&self, _: &mut sdk::Span, _: &Context) {}
    fn on_end(&self, span: SpanData) {
        let _ = self.0.try_send(span);
    }
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// What makes spans, and those that wait. No thread is begun: who is to be confined later has one alone.
#[derive(Debug)]
pub(super) struct Outgoing {
    provider: SdkTracerProvider,
    spans: mpsc::Receiver<SpanData>,
    exporter: SpanExporter,
}

/// The task that sends them.
#[derive(Debug)]
pub(super) struct Task {
    stop: CancellationToken,
    work: JoinHandle<()>,
}

impl Outgoing {
    /// Spans for an address.
    pub(super) fn new(endpoint: &str) -> Result<Self, String> {
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client)
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(SEND)
            .build()
            .map_err(|fault| fault.to_string())?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource =
            Resource::builder().with_service_name("relent").with_attribute(version).build();
        exporter.set_resource(&resource);
        let (sender, spans) = mpsc::channel(WAITING_MAX);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Outbox(sender))
            .with_resource(resource)
            .build();
        Ok(Self { provider, spans, exporter })
    }

    /// Sends them from now on.
    pub(super) fn start(self) -> Task {
        let stop = CancellationToken::new();
        let work = tokio::spawn(self.run(stop.clone()));
        Task { stop, work }
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                count = self.spans.recv_many(&mut batch, BATCH_MAX) => if count == 0 { break },
            }
            // What a collector does not take is dropped.
            let _ = self.exporter.export(std::mem::take(&mut batch)).await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
        }
        if !batch.is_empty() {
            let _ = self.exporter.export(batch).await;
        }
        drop(self.provider);
    }
}

impl Task {
    /// Sends what is left.
    pub(super) async fn end(self) {
        self.stop.cancel();
        let _ = self.work.await;
    }
}

/// Has our spans, and no others, made into traces.
pub(super) fn layer<S>(outgoing: &Outgoing) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(outgoing.provider.tracer("relent"))
        .with_location(false)
        .with_threads(false)
        .with_filter(filter_fn(|about| about.is_span() && about.target() == TARGET))
}

/// The trace of a message has its id for a number.
pub(super) fn of_message(span: &Span, id: MessageId) {
    if span.is_disabled() {
        return;
    }
    let (mut trace, mut first) = ([0; 16], [0; 8]);
    trace[..12].copy_from_slice(&id.0);
    trace[12..].copy_from_slice(&MARK);
    first.copy_from_slice(&id.0[4..]);
    let context = SpanContext::new(
        TraceId::from_bytes(trace),
        SpanId::from_bytes(first),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    let _ = span.set_parent(Context::new().with_remote_span_context(context));
}
