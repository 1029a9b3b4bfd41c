//! A reload: the settings file, and the files that it names, are read anew while mail goes on. What is
//! wrong leaves everything as it was; what only a restart changes is named.

use super::cage::Allowed;
use super::doors::{self, Doors, Shut};
use super::outgoing::ShapingFile;
use super::status::{Status, tell};
use crate::config::{Config, FIXED, Live, differences};
use crate::dns::{HickoryResolver, LiveResolver};
use crate::http;
use crate::telemetry::LogLevel;
use crate::tls;
use crate::world::World;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Reloads that may wait for the one under way.
const WAITING_MAX: usize = 4;

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reloaded {
    /// The settings that hold from now on.
    pub(super) applied: Vec<String>,
    /// Those that differ and hold after a restart alone, and why.
    pub(super) restart: Vec<(String, String)>,
    /// Files that were read anew because they changed.
    pub(super) files: Vec<String>,
    /// What clients hold against the certificates that are shown now, and what to do.
    pub(super) warnings: Vec<String>,
}

impl Reloaded {
    /// In one line.
    pub(super) fn summary(&self) -> String {
        let applied = match self.applied.as_slice() {
            [] => "no setting has changed".to_owned(),
            keys => format!("taken: {}", keys.join(", ")),
        };
        let files = match self.files.as_slice() {
            [] => String::new(),
            files => format!("; read anew: {}", files.join(", ")),
        };
        let keys: Vec<_> = self.restart.iter().map(|(key, _)| key.as_str()).collect();
        let restart = match keys.as_slice() {
            [] => String::new(),
            keys => format!("; need a restart: {}", keys.join(", ")),
        };
        format!("{applied}{files}{restart}")
    }

    fn shown(&self) -> Value {
        let restart: Vec<_> =
            self.restart.iter().map(|(key, why)| json!({ "key": key, "why": why })).collect();
        json!({
            "applied": self.applied,
            "restart": restart,
            "files": self.files,
            "warnings": self.warnings,
        })
    }
}

/// How a reload ended; a refusal in words: file, line, key, why.
type Outcome = Result<Reloaded, String>;

/// The way to ask for a reload. Cheap to clone.
#[derive(Clone)]
pub(super) struct Asking(mpsc::Sender<oneshot::Sender<Outcome>>);

/// Those who ask, as the reloader hears them.
pub(super) type Asked = mpsc::Receiver<oneshot::Sender<Outcome>>;

/// A line for those who ask.
pub(super) fn line() -> (Asking, Asked) {
    let (asking, asked) = mpsc::channel(WAITING_MAX);
    (Asking(asking), asked)
}

impl Asking {
    /// Asks, and does not wait: the log says how it went.
    pub(super) fn ask(&self) {
        let (answer, _) = oneshot::channel();
        if self.0.try_send(answer).is_err() {
            tracing::warn!(target: "relent::daemon", "reloads are under way already: this one is left out");
        }
    }
}

#[async_trait]
impl http::Reloading for Asking {
    async fn reload(&self) -> Result<Value, String> {
        let (answer, heard) = oneshot::channel();
        self.0
            .try_send(answer)
            .map_err(|_| "reloads are under way already: try again".to_owned())?;
        let outcome =
            heard.await.map_err(|_| "the daemon stops: nothing was reloaded".to_owned())?;
        outcome.map(|done| done.shown())
    }
}

/// What a reload reaches.
pub(super) struct Reloader {
    /// The settings file.
    pub(super) path: PathBuf,
    /// What the cage leaves within reach; none where there is no cage.
    pub(super) allowed: Option<Allowed>,
    pub(super) live: Live,
    pub(super) tls: Arc<tls::Server>,
    pub(super) client: Arc<tls::Client>,
    pub(super) resolver: Arc<LiveResolver>,
    pub(super) shaping: Arc<ShapingFile>,
    pub(super) level: Option<LogLevel>,
    pub(super) status: Arc<Status>,
    pub(super) world: World,
    pub(super) doors: Doors,
}

/// New settings that were found to be right, and what was read with them.
struct Found {
    /// As the file has them.
    read: Config,
    /// As they may hold without a restart.
    config: Config,
    tls: Arc<tls::Server>,
    client: Arc<tls::Client>,
    resolver: Option<Arc<HickoryResolver>>,
}

/// Reads the settings and all that they name, on a blocking thread.
fn find(
    path: &Path,
    live: &Live,
    world: &World,
    allowed: Option<&Allowed>,
) -> Result<Found, String> {
    let read = Config::load(path).map_err(|fault| fault.to_string())?;
    let config = read.clone().kept_from(live);
    // What the cage keeps out of reach would fail later, one piece of mail after the other.
    let lacks = allowed.map(|allowed| allowed.lacks(&Allowed::of(&config, path)));
    if let Some(lacks) = lacks.filter(|lacks| !lacks.is_empty()) {
        return Err(format!(
            "{}: {}: the sandbox was entered with what the settings led to at the start: restart the daemon, \
             or name it in process.sandbox_read, _write, _connect or _listen before the next start",
            path.display(),
            lacks.join("; ")
        ));
    }
    super::check::named(&config, path).map_err(|fault| fault.to_string())?;
    let tls = tls::Server::load(&config.tls, &config.data_dir, &config.hostname)
        .map_err(|fault| format!("{}: [tls]: {fault}", path.display()))?;
    let client = tls::Client::load(&config.tls)
        .map_err(|fault| format!("{}: tls.trust_anchors: {fault}", path.display()))?;
    let resolver = (config.dns != live.dns)
        .then(|| HickoryResolver::with_chance(&config.dns, world.chance.clone()))
        .transpose()
        .map_err(|fault| format!("{}: [dns]: {fault}", path.display()))?;
    Ok(Found { read, config, tls, client, resolver })
}

/// Whether a setting of a section is among these.
fn has(keys: &[String], section: &str) -> bool {
    keys.iter().any(|key| key.starts_with(section))
}

impl Reloader {
    /// Reloads whenever somebody asks, until `stop`; then waits for the sessions of all listeners.
    pub(super) async fn run(mut self, mut asked: Asked, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                ended = self.doors.ended() => {
                    if let Err(fault) = ended {
                        tracing::error!(target: "relent::daemon", %fault, "a listener broke");
                        return;
                    }
                }
                Some(answer) = asked.recv() => {
                    let outcome = self.reload().await;
                    let _ = answer.send(outcome);
                }
            }
        }
        self.doors.drained().await;
    }

    /// Reads everything anew, and says how it went: to the log, to systemd, and to who asked.
    async fn reload(&mut self) -> Outcome {
        let begun = sd_notify::NotifyState::monotonic_usec_now();
        if let Ok(now) = begun {
            tell(&[sd_notify::NotifyState::Reloading, now]);
        }
        let outcome = self.attempt().await;
        let status = match &outcome {
            Ok(done) => {
                let said = done.summary();
                tracing::info!(target: "relent::daemon", "reloaded: {said}");
                for (key, why) in &done.restart {
                    tracing::warn!(target: "relent::daemon", key,
                        "{key} has changed and needs a restart: {why}");
                }
                format!("reloaded: {said}")
            }
            Err(why) => {
                tracing::error!(target: "relent::daemon",
                    "not reloaded: {why}; the settings before go on to hold");
                format!("not reloaded, the settings before go on to hold: {why}")
            }
        };
        self.status.note(outcome.is_err().then(|| status.clone()));
        let counted = if outcome.is_ok() { "done" } else { "refused" };
        metrics::counter!("relent_reloads_total", "result" => counted).increment(1);
        tell(&[
            sd_notify::NotifyState::Ready,
            sd_notify::NotifyState::Status(&status.replace('\n', " ")),
        ]);
        outcome
    }

    async fn attempt(&mut self) -> Outcome {
        let (path, live, world) = (self.path.clone(), self.live.clone(), self.world.clone());
        let allowed = self.allowed.clone();
        let found =
            tokio::task::spawn_blocking(move || find(&path, &live, &world, allowed.as_ref()));
        let mut found = found.await.map_err(|fault| fault.to_string())??;
        let mut restart: Vec<(String, String)> = Vec::new();
        let changed = differences(&self.live, &found.read);
        for (key, why) in FIXED {
            if changed.iter().any(|one| one == key) {
                restart.push(((*key).into(), (*why).into()));
            }
        }
        // Listeners that cannot be had now keep their key as it was.
        let change = loop {
            match self.doors.prepare(&found.config.listen) {
                Ok(change) => break change,
                Err(Shut::Refused(why)) => {
                    return Err(format!("{}: {why}", self.path.display()));
                }
                Err(Shut::Restart(key, why)) => {
                    doors::keep(&mut found.config.listen, &self.live.listen, key);
                    restart.push((format!("listen.{key}"), why));
                }
            }
        };
        let applied = differences(&self.live, &found.config);
        let mut files = Vec::new();
        if !applied.is_empty() {
            self.live.replace(found.config).map_err(|fault| fault.to_string())?;
        }
        self.apply(&applied, found.resolver);
        if self.tls.take_over(&found.tls) && !has(&applied, "tls.") {
            files.push("the certificate".to_owned());
        }
        let (now, hosts) = (self.world.clock.now(), super::check::hosts(&self.live));
        self.tls.tell(now, &hosts);
        let warnings = self.tls.remarks(now, &hosts);
        self.client.take_over(&found.client);
        if has(&applied, "delivery.") {
            self.shaping.take();
        } else if self.shaping.look() {
            files.push("the shaping file".to_owned());
        }
        self.doors.change(change);
        Ok(Reloaded { applied, restart, files, warnings })
    }

    /// Gives parts what they do not read of the settings by themselves.
    fn apply(&self, applied: &[String], resolver: Option<Arc<HickoryResolver>>) {
        if let Some(resolver) = resolver {
            self.resolver.replace(resolver);
        }
        if has(applied, "spool.") {
            self.world.reserve.place(&self.live.data_dir, self.live.spool.reserve());
        }
        if has(applied, "log.")
            && let Some(level) = &self.level
        {
            level.set(&self.live.log.level);
        }
    }
}
