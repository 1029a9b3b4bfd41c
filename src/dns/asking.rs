//! Connections to name servers. They ask whether DNSSEC proves the answer: a name server that validates
//! says so in the AD bit, but only where it was asked (RFC 6840 §5.7). And they take an answer to the question
//! that was asked alone, over TCP too, where the library takes any: of another question's answer it would
//! say that there are no such records, and mail would be given up for that.

use futures_util::stream::{BoxStream, StreamExt};
use hickory_resolver::config::ConnectionConfig;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::DnsHandle;
use hickory_resolver::proto::op::{DnsRequest, DnsResponse, ResponseCode};
use hickory_resolver::{ConnectionProvider, PoolContext};
use std::net::IpAddr;
use std::pin::Pin;

/// Tokio's connections; with `asks`, each query has the AD bit.
#[derive(Clone)]
pub(super) struct Asking {
    /// Whether to ask.
    pub(super) asks: bool,
    inner: TokioRuntimeProvider,
}

impl Asking {
    pub(super) fn new(asks: bool) -> Self {
        Self { asks, inner: TokioRuntimeProvider::default() }
    }
}

/// A connection below [`Asking`].
#[derive(Clone)]
pub(super) struct Asked<H> {
    asks: bool,
    inner: H,
}

impl ConnectionProvider for Asking {
    type Conn = Asked<<TokioRuntimeProvider as ConnectionProvider>::Conn>;
    type FutureConn = Pin<Box<dyn Future<Output = Result<Self::Conn, NetError>> + Send>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        cx: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        let connection = self.inner.new_connection(ip, config, cx)?;
        let asks = self.asks;
        Ok(Box::pin(async move { Ok(Asked { asks, inner: connection.await? }) }))
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.inner
    }
}

impl<H: DnsHandle> DnsHandle for Asked<H> {
    type Response = BoxStream<'static, Result<DnsResponse, NetError>>;
    type Runtime = H::Runtime;

    fn is_verifying_dnssec(&self) -> bool {
        self.inner.is_verifying_dnssec()
    }

    fn is_using_edns(&self) -> bool {
        self.inner.is_using_edns()
    }

    fn send(&self, mut request: DnsRequest) -> Self::Response {
        request.metadata.authentic_data |= self.asks;
        let asked = request.queries.clone();
        let answers = self.inner.send(request);
        let checked = answers.map(move |answer| {
            let answer = answer?;
            // Who refuses need not repeat what was asked.
            let says =
                matches!(answer.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
            if says && answer.queries != asked {
                return Err(NetError::from("the name server answered another question"));
            }
            Ok(answer)
        });
        checked.boxed()
    }
}
