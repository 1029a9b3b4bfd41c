//! Accepts connections within their limits and gives each a task of its own.

use super::connection::Connection;
use super::driver::Driver;
use super::{Intake, Port};
use crate::mail::{Reply, Status};
use crate::world::crowd::Crowded;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Pause after a failed accept (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Intake {
    /// Takes connections until the listener is closed, or all is shut down, and then waits for the sessions
    /// under way: they go on until they end or all is shut down.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        port: Port,
        (closed, shutdown): (CancellationToken, CancellationToken),
    ) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = closed.cancelled() => break,
                Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let (intake, shutdown) = (self.clone(), shutdown.clone());
                        sessions.spawn(async move { intake.session(stream, peer, port, shutdown).await });
                    }
                    Err(fault) => {
                        tracing::warn!(target: "relent::intake", %fault, "a connection could not be taken");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        while sessions.join_next().await.is_some() {}
    }

    async fn session(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        port: Port,
        shutdown: CancellationToken,
    ) {
        let _ = stream.set_nodelay(true);
        let (limits, level) = match port {
            Port::Inbound => (&self.inbound_limits, &self.levels.inbound),
            _ => (&self.submission_limits, &self.levels.submission),
        };
        let counted = match limits.enter(Some(peer.ip())) {
            Ok(counted) => (counted, level.take(1)),
            Err(crowded) => {
                let text = match crowded {
                    Crowded::Everywhere => "too many connections; try again later",
                    Crowded::Here => "too many connections from your address; try again later",
                };
                metrics::counter!("relent_connections_refused_total").increment(1);
                if port != Port::Submissions {
                    let reply = Reply::new(421, Status::new(4, 7, 0), text);
                    let mut connection = Connection::new(Box::new(stream));
                    connection.say(&reply.wire());
                    connection.close().await;
                }
                return;
            }
        };
        let mut connection = Connection::new(Box::new(stream));
        let mut tls = None;
        if port == Port::Submissions {
            let limit = self.parts.config.tls.handshake_timeout.0;
            match connection.secure(&self.parts.tls, limit).await {
                Ok((secure, bindings)) => (connection, tls) = (secure, Some(bindings)),
                Err(_) => return,
            }
        }
        metrics::counter!("relent_connections_total", "port" => port.name()).increment(1);
        let driver = Driver::new(self.clone(), connection, tls, peer, port, shutdown);
        driver.run().await;
        drop(counted);
    }
}
