//! Connections: how many at a time, how long each may live, and how they end when the daemon stops.

use super::by::InName;
use super::refusal::{close, refuse};
use super::site::Site;
use crate::events::Actor;
use crate::telemetry::Level;
use crate::tls;
use crate::world::crowd::Crowd;
use crate::world::{Turns, user_of};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// Largest header section of a request, in bytes.
const HEADER_SIZE_MAX: usize = 32 << 10;
/// A connection lives as long as so many requests may take.
const REQUESTS_LONG: u32 = 10;
/// How often collected figures are tidied, so that they stay few where nobody reads them.
const UPKEEP: Duration = Duration::from_secs(10);

/// Who is at the other end; nobody knows over a Unix socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) Option<IpAddr>);

impl Peer {
    /// The asker's address on the network. A peer on loopback is the proxy before us, whose word on whom
    /// it speaks for is taken.
    pub(super) fn asker(self, headers: &HeaderMap) -> Option<IpAddr> {
        let ip = self.0?;
        let named = headers.get_all("x-forwarded-for").iter().next_back();
        let named = named
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
            .map(|named: IpAddr| named.to_canonical());
        Some(named.filter(|_| ip.is_loopback()).unwrap_or(ip))
    }
}

/// How many answers of a connection may take longer than requests do: while there are any, it lives on.
#[derive(Clone, Default)]
pub(super) struct Lasting(Arc<AtomicU32>);

/// One of them.
pub(super) struct Lasts(Lasting);

impl Lasting {
    /// Has the connection live until this is dropped, or the daemon stops.
    pub(super) fn begin(self) -> Lasts {
        self.0.fetch_add(1, Ordering::AcqRel);
        Lasts(self)
    }

    fn is_one(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

impl Drop for Lasts {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether the operator is at the other end, and as which user of the system, as far as it says.
type Operator = Option<Option<u32>>;

/// The operator, by the user's name. It may stand in a directory far away, so nothing else waits for it.
async fn named(user: Option<u32>) -> InName {
    let name = match user {
        Some(number) => tokio::task::spawn_blocking(move || user_of(number)).await.ok(),
        None => None,
    };
    InName(Arc::new(Actor::operator(name)))
}

/// Serves a site over TCP until the listener is closed, or all is shut down: requests under way then end.
pub async fn serve_tcp(
    listener: TcpListener,
    site: Site,
    (closed, shutdown): (CancellationToken, CancellationToken),
) {
    let peer = |_: &_, from: &SocketAddr| (Peer(Some(from.ip().to_canonical())), None);
    serve(listener, site, (closed, shutdown), peer).await;
}

/// The same over TLS.
pub async fn serve_tls(
    listener: TcpListener,
    site: Site,
    tls: Arc<tls::Server>,
    (closed, shutdown): (CancellationToken, CancellationToken),
) {
    let peer = |_: &_, from: &SocketAddr| (Peer(Some(from.ip().to_canonical())), None);
    serve_by(Way::Tls(tls), listener, site, (closed, shutdown), peer).await;
}

/// Serves a site over a Unix socket until `shutdown`, then lets requests under way end.
pub async fn serve_unix(listener: UnixListener, site: Site, shutdown: CancellationToken) {
    let peer = |io: &UnixStream, _: &_| {
        let user = io.peer_cred().map(|about| about.uid());
        (Peer(None), Some(user.ok()))
    };
    serve(listener, site, (shutdown.clone(), shutdown), peer).await;
}

/// How a connection speaks.
#[derive(Clone)]
enum Way {
    Plain,
    Tls(Arc<tls::Server>),
}

async fn serve<L: Listener>(
    listener: L,
    site: Site,
    until: (CancellationToken, CancellationToken),
    peer: impl Fn(&L::Io, &L::Addr) -> (Peer, Operator),
) {
    serve_by(Way::Plain, listener, site, until, peer).await;
}

async fn serve_by<L: Listener>(
    way: Way,
    mut listener: L,
    site: Site,
    (closed, shutdown): (CancellationToken, CancellationToken),
    peer: impl Fn(&L::Io, &L::Addr) -> (Peer, Operator),
) {
    let live = &site.live;
    let limits = Crowd::new(
        live.now(|c| c.http.connections_max),
        live.now(|c| c.http.connections_per_address_max),
    );
    let level = Level::new("http.connections_max", live.now(|c| c.http.connections_max.into()));
    let farewells = Turns::new(live.now(|c| c.http.farewells_max as usize));
    let mut connections = JoinSet::new();
    let mut upkeep = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = closed.cancelled() => break,
            _ = upkeep.tick() => site.metrics.run_upkeep(),
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            (mut io, from) = listener.accept() => {
                let (peer, operator) = peer(&io, &from);
                if let Ok(place) = limits.enter(peer.0) {
                    let place = (place, level.take(1));
                    let (way, site, shutdown) = (way.clone(), site.clone(), shutdown.clone());
                    connections.spawn(async move {
                        match way {
                            Way::Plain => converse(io, site, (peer, operator), shutdown).await,
                            Way::Tls(tls) => {
                                let longest = site.live.tls.handshake_timeout.0;
                                if let Some(io) = secure(io, &tls, longest, &shutdown).await {
                                    converse(io, site, (peer, operator), shutdown).await;
                                }
                            }
                        }
                        drop(place);
                    });
                    continue;
                }
                metrics::counter!("relent_http_connections_refused_total").increment(1);
                // A refusal in the clear is nothing that a browser could read here.
                if matches!(way, Way::Tls(_)) {
                    continue;
                }
                refuse(&mut io).await;
                // Past so many at a time nobody is waited for.
                if let Ok(turn) = farewells.semaphore().clone().try_acquire_owned() {
                    connections.spawn(async move {
                        close(io).await;
                        drop(turn);
                    });
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Takes a handshake; none, where it did not come about, or nothing follows it.
async fn secure<I: AsyncRead + AsyncWrite + Unpin>(
    io: I,
    tls: &tls::Server,
    longest: Duration,
    shutdown: &CancellationToken,
) -> Option<TlsStream<I>> {
    tokio::select! {
        taken = tokio::time::timeout(longest, tls.accept_web(io)) => taken.ok()?.ok()?,
        () = shutdown.cancelled() => None,
    }
}

async fn converse<I>(
    io: I,
    site: Site,
    (peer, operator): (Peer, Operator),
    shutdown: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let longest = site.settings.request_timeout.0;
    let caller = match operator {
        Some(user) => Some(named(user).await),
        None => None,
    };
    let routes = TowerToHyperService::new(site.router());
    let lasting = Lasting::default();
    let theirs = lasting.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(theirs.clone());
        if let Some(caller) = &caller {
            request.extensions_mut().insert(caller.clone());
        }
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(site.settings.header_timeout.0)
        .max_buf_size(HEADER_SIZE_MAX)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            // A peer that breaks off or speaks no HTTP concerns nobody else.
            _ = connection.as_mut() => return,
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(longest * REQUESTS_LONG) => {}
        }
        if !lasting.is_one() {
            break;
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(longest, connection).await;
}
