//! Small requests to web servers that strangers name: policies are fetched, reports are handed in. Only
//! from and to the public internet, over TLS that is in order, with no redirect followed.

use super::destination::permitted;
use crate::config::Now;
use crate::dns::Resolver;
use crate::tls;
use crate::world::{Network, Own, exchange};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Most addresses of a web server that are tried.
const TRIES: usize = 4;
/// Longest wait for one of them to connect.
const CONNECT: Duration = Duration::from_secs(10);

/// Why a web server did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebFault {
    /// It did not prove to be who it is called.
    #[error("its certificate is not in order: {0}")]
    Certificate(String),
    /// Anything else.
    #[error("{0}")]
    Lost(String),
}

/// What a web server answered.
pub struct Page {
    /// The status code.
    pub status: u16,
    /// The media type, in lower case and without its parameters.
    pub kind: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What is asked of a web server.
pub struct Asked<'a> {
    /// The name of the server, or its address.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The path, with its query.
    pub path: &'a str,
    /// What is handed in, with its media type and encoding; without it, the path is fetched.
    pub sent: Option<(Vec<u8>, &'a str, Option<&'a str>)>,
    /// Most bytes of the answer.
    pub size_max: usize,
}

/// The way to web servers.
pub struct Web {
    /// Finds them.
    pub resolver: Arc<dyn Resolver>,
    /// Connects to them.
    pub network: Arc<dyn Network>,
    /// Proves who they are.
    pub tls: Arc<tls::Client>,
    /// Whether they may be anywhere but in the public internet.
    pub allow_private: Now<bool>,
    /// The addresses that we listen on ourselves.
    pub own: Own,
}

/// A connection to a web server, encrypted or not.
pub type Stream = Box<dyn Channel>;

/// What a connection can do.
pub trait Channel: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Channel for T {}

fn lost(fault: impl std::fmt::Display) -> WebFault {
    WebFault::Lost(fault.to_string())
}

impl Web {
    /// Asks a web server, within the time that the caller gives.
    ///
    /// # Errors
    /// It was not reached, is not who it should be, or answered no HTTP.
    pub async fn ask(&self, asked: Asked<'_>) -> Result<Page, WebFault> {
        let stream = self.open(asked.host, asked.port).await?;
        let host = match asked.port {
            443 => asked.host.to_owned(),
            port => format!("{}:{port}", asked.host),
        };
        let method = if asked.sent.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::builder()
            .method(method)
            .uri(asked.path)
            .header(header::HOST, host)
            .header(header::USER_AGENT, "Relent")
            .header(header::CONNECTION, "close");
        let mut body = Bytes::new();
        if let Some((bytes, kind, encoding)) = asked.sent {
            request = request.header(header::CONTENT_TYPE, kind);
            if let Some(encoding) = encoding {
                request = request.header(header::CONTENT_ENCODING, encoding);
            }
            body = bytes.into();
        }
        let request = request.body(Full::new(body)).map_err(lost)?;
        let answer = exchange(stream, request, asked.size_max).await.map_err(lost)?;
        let status = answer.status().as_u16();
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Ok(Page { status, kind, body: answer.into_body().into() })
    }

    /// Connects to a web server that proves to be who it is called.
    ///
    /// # Errors
    /// It was not reached, may not be, or is not who it should be.
    pub async fn open(&self, host: &str, port: u16) -> Result<Stream, WebFault> {
        let socket = self.connect(host, port).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(lost)?;
        let stream = self.tls.web().connect(name, socket).await.map_err(|fault| {
            let inner = fault.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match inner {
                Some(rustls::Error::InvalidCertificate(why)) => {
                    WebFault::Certificate(tls::of_certificate(why))
                }
                _ => lost(fault),
            }
        })?;
        Ok(Box::new(stream))
    }

    /// Connects to a web server without TLS.
    ///
    /// # Errors
    /// It was not reached, or may not be.
    pub async fn open_plain(&self, host: &str, port: u16) -> Result<Stream, WebFault> {
        Ok(Box::new(self.connect(host, port).await?))
    }

    /// Connects to one of the addresses that a name has now, each judged before, and the peer again after.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, WebFault> {
        let addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.resolver.addresses(host).await.map_err(lost)?,
        };
        let mut last = WebFault::Lost(format!("{host} has no address"));
        for address in addresses.into_iter().take(TRIES) {
            let to = SocketAddr::new(address, port);
            let (own, anywhere) = (self.own.now(), self.allow_private.get());
            let may = |to| permitted(to, anywhere, &own);
            if let Err(refused) = may(to) {
                last = WebFault::Lost(format!("{to}: {refused}"));
                continue;
            }
            match timeout(CONNECT, self.network.connect(to, None)).await {
                Ok(Ok(socket)) => {
                    let peer = socket.peer_addr().map_err(lost)?;
                    may(peer).map_err(|refused| WebFault::Lost(format!("{peer}: {refused}")))?;
                    return Ok(socket);
                }
                Ok(Err(fault)) => last = WebFault::Lost(format!("{to}: {fault}")),
                Err(_) => last = WebFault::Lost(format!("{to}: no connection within {CONNECT:?}")),
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::dns::{DnsFault, Route};
    use crate::mail::Domain;
    use crate::world::SystemNetwork;
    use async_trait::async_trait;
    use std::net::IpAddr;

    struct Loopback;

    #[async_trait]
    impl Resolver for Loopback {
        async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
            Ok(Route::NoSuchDomain)
        }
        async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFault> {
            match host {
                "none.example" => Ok(Vec::new()),
                "mapped.example" => Ok(vec!["::ffff:127.0.0.1".parse().expect("an address")]),
                _ => Ok(vec![[127, 0, 0, 1].into()]),
            }
        }
        async fn texts(&self, _name: &str) -> Result<Vec<String>, DnsFault> {
            Ok(Vec::new())
        }
    }

    /// A network in which every address leads to this machine.
    struct Rebound;

    #[async_trait]
    impl Network for Rebound {
        async fn connect(
            &self,
            to: SocketAddr,
            from: Option<IpAddr>,
        ) -> std::io::Result<TcpStream> {
            SystemNetwork.connect(SocketAddr::from(([127, 0, 0, 1], to.port())), from).await
        }
    }

    #[tokio::test]
    async fn who_answers_is_judged_again_once_connected() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let tls = tls::Client::load(&config::Tls::default()).expect("authorities");
        let (resolver, network) = (Arc::new(Loopback), Arc::new(Rebound));
        let web = Web { resolver, network, tls, allow_private: false.into(), own: Own::default() };
        let opened = web.open_plain("8.8.8.8", port).await;
        let said = opened.err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(said.contains("127.0.0.1") && said.contains("public internet"), "{said}");
    }

    async fn asked(host: &str, port: u16, own: Vec<SocketAddr>, allow_private: bool) -> String {
        let tls = tls::Client::load(&config::Tls::default()).expect("authorities");
        let (resolver, network) = (Arc::new(Loopback), Arc::new(SystemNetwork));
        let web =
            Web { resolver, network, tls, allow_private: allow_private.into(), own: own.into() };
        let asked = Asked { host, port, path: "/", sent: None, size_max: 10 };
        web.ask(asked).await.err().map(|fault| fault.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn names_that_strangers_publish_lead_to_no_server_of_our_own() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("bound");
        for host in ["inner.example", "mapped.example"] {
            let said = asked(host, here.port(), Vec::new(), false).await;
            assert!(said.contains("public internet"), "{host}: {said}");
        }
        let said = asked("inner.example", here.port(), vec![here], true).await;
        assert!(said.contains("this relay itself"), "{said}");
        let said = asked("none.example", here.port(), Vec::new(), true).await;
        assert!(said.contains("no address"), "{said}");
        // Nobody was connected to.
        let taken = timeout(Duration::from_millis(20), listener.accept()).await;
        assert!(taken.is_err(), "{taken:?}");
    }
}
