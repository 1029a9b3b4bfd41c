//! The listeners that are served, each for one address of the settings: at a reload some are opened, and
//! others closed, whose sessions go on.

use super::listeners::{self, Listeners};
use crate::config::Listen;
use crate::http;
use crate::intake::{Intake, Port};
use crate::tls;
use crate::world::Own;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Leaves the addresses of a key as they were.
pub(super) fn keep(listen: &mut Listen, before: &Listen, key: &str) {
    match key {
        "submission" => listen.submission.clone_from(&before.submission),
        "submissions" => listen.submissions.clone_from(&before.submissions),
        "inbound" => listen.inbound.clone_from(&before.inbound),
        "https" => listen.https.clone_from(&before.https),
        "redirect" => listen.redirect.clone_from(&before.redirect),
        _ => listen.http.clone_from(&before.http),
    }
}

/// Who answers.
pub(super) struct Served {
    pub(super) intake: Arc<Intake>,
    pub(super) site: http::Site,
    /// Who answers in the clear where TLS should be spoken.
    pub(super) redirect: http::Site,
    pub(super) tls: Arc<tls::Server>,
}

/// One listener.
struct Door {
    key: &'static str,
    /// The address as the settings have it.
    wanted: SocketAddr,
    bound: SocketAddr,
    /// The same socket once more: an address that goes from one key to another is never closed.
    spare: StdListener,
    closed: CancellationToken,
}

/// All listeners.
pub(super) struct Doors {
    open: Vec<Door>,
    tasks: JoinSet<()>,
    served: Served,
    data_dir: PathBuf,
    own: Own,
    stop: CancellationToken,
}

/// What a reload does to the listeners, once everything else is found to be right.
pub(super) struct Change {
    added: Vec<(&'static str, SocketAddr, StdListener)>,
    removed: Vec<usize>,
}

/// Why an address cannot be listened on now.
pub(super) enum Shut {
    /// The settings cannot hold.
    Refused(String),
    /// A restart lets those of this key hold.
    Restart(&'static str, String),
}

impl Doors {
    /// Serves these sockets.
    pub(super) fn new(
        sockets: Listeners,
        served: Served,
        (data_dir, own): (PathBuf, Own),
        stop: CancellationToken,
    ) -> std::io::Result<Self> {
        let (open, tasks) = (Vec::new(), JoinSet::new());
        let mut doors = Self { open, tasks, served, data_dir, own, stop };
        for (key, wanted, listener) in sockets {
            doors.serve(key, wanted, listener)?;
        }
        doors.tell();
        Ok(doors)
    }

    fn serve(
        &mut self,
        key: &'static str,
        wanted: SocketAddr,
        spare: StdListener,
    ) -> std::io::Result<()> {
        let listener = TcpListener::from_std(spare.try_clone()?)?;
        let bound = listener.local_addr().unwrap_or(wanted);
        let (closed, stop) = (CancellationToken::new(), self.stop.clone());
        let until = (closed.clone(), stop);
        let port = match key {
            "submission" => Some(Port::Submission),
            "submissions" => Some(Port::Submissions),
            "inbound" => Some(Port::Inbound),
            _ => None,
        };
        let (intake, site) = (self.served.intake.clone(), self.served.site.clone());
        let (redirect, tls) = (self.served.redirect.clone(), self.served.tls.clone());
        match (port, key) {
            (Some(port), _) => self.tasks.spawn(intake.serve(listener, port, until)),
            (None, "https") => self.tasks.spawn(http::serve_tls(listener, site, tls, until)),
            (None, "redirect") => self.tasks.spawn(http::serve_tcp(listener, redirect, until)),
            (None, _) => self.tasks.spawn(http::serve_tcp(listener, site, until)),
        };
        self.open.push(Door { key, wanted, bound, spare, closed });
        Ok(())
    }

    /// Opens what other settings add, and says what they remove; nothing is served or closed yet.
    pub(super) fn prepare(&self, listen: &Listen) -> Result<Change, Shut> {
        let mut left: Vec<usize> = (0..self.open.len()).collect();
        let mut wanted = Vec::new();
        for (key, addresses) in listen.tcp() {
            for &address in addresses {
                let same = |at: &usize| {
                    let door = &self.open[*at];
                    door.key == key && door.wanted == address
                };
                match left.iter().position(same) {
                    Some(place) => {
                        left.remove(place);
                    }
                    None => wanted.push((key, address)),
                }
            }
        }
        let mut added = Vec::new();
        for (key, address) in wanted {
            let moved = left.iter().find(|at| {
                let door = &self.open[**at];
                address.port() != 0 && door.wanted == address
            });
            let listener = match moved {
                Some(at) => self.open[*at].spare.try_clone().map_err(|fault| {
                    Shut::Refused(format!("listen.{key}: {address} cannot be kept: {fault}"))
                })?,
                None => self.bind(key, address)?,
            };
            added.push((key, address, listener));
        }
        Ok(Change { added, removed: left })
    }

    fn bind(&self, key: &'static str, address: SocketAddr) -> Result<StdListener, Shut> {
        listeners::bind(address).map_err(|fault| {
            let ours = self.open.iter().find(|door| door.bound.port() == address.port());
            match (fault.kind(), ours) {
                (ErrorKind::AddrInUse, Some(door)) => {
                    Shut::Restart(key, format!("{address} overlaps {}, which is open", door.bound))
                }
                (ErrorKind::PermissionDenied, _) => Shut::Restart(
                    key,
                    format!(
                        "{address} needs rights that the daemon has given up, or systemd's socket"
                    ),
                ),
                _ => {
                    Shut::Refused(format!("listen.{key}: {}", listeners::why_not(address, &fault)))
                }
            }
        })
    }

    /// Does what was prepared. Closed listeners take nobody any more; their sessions go on.
    pub(super) fn change(&mut self, change: Change) {
        let Change { added, removed } = change;
        if added.is_empty() && removed.is_empty() {
            return;
        }
        for place in removed.into_iter().rev() {
            let door = self.open.remove(place);
            tracing::info!(target: "relent::daemon", listener = door.key, address = %door.bound,
                "closed: sessions that are open go on");
            door.closed.cancel();
        }
        for (key, wanted, listener) in added {
            if let Err(fault) = self.serve(key, wanted, listener) {
                tracing::error!(target: "relent::daemon", %fault, listener = key,
                    address = %wanted, "a new listener could not be served: restart the daemon");
            }
        }
        let place = |key: &str| Listen::TCP.iter().position(|one| *one == key);
        self.open.sort_by_key(|door| place(door.key));
        self.tell();
    }

    /// Tells where we listen: those who must not send there, and whoever reads `ports.json`.
    fn tell(&self) {
        self.own.replace(self.open.iter().map(|door| door.bound).collect());
        let mut ports: BTreeMap<&str, Vec<u16>> =
            Listen::TCP.into_iter().map(|key| (key, Vec::new())).collect();
        for door in &self.open {
            ports.entry(door.key).or_default().push(door.bound.port());
        }
        listeners::write_ports(&ports, &self.data_dir);
    }

    /// Waits until one that was served is served no more, as after it was closed.
    ///
    /// # Errors
    /// It broke.
    pub(super) async fn ended(&mut self) -> Result<(), tokio::task::JoinError> {
        match self.tasks.join_next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Waits until all that was served is over.
    pub(super) async fn drained(mut self) {
        // The sockets themselves are closed by who serves them.
        self.open.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}
