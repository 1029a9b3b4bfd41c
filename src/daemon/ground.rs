//! The ground that the daemon stands on: all that only root may open, or only who is not yet confined.
//! It is laid before the first other thread runs: data folder, certificates, admin socket, listeners;
//! then root's rights are given up and the cage is entered. Whatever reads mail or records begins after that.

use super::cage::{self, Allowed};
use super::listeners::{self, Listeners};
use super::{premises, status, user};
use crate::config::{Config, ConfigFault, Sandbox, Shaping};
use crate::telemetry::LogLevel;
use crate::{backup, telemetry, tls};
use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

/// What is open before the daemon's parts are built.
pub struct Ground {
    pub(super) config: Config,
    /// Where the settings came from.
    pub(super) path: PathBuf,
    /// What the cage leaves within reach; none where there is no cage.
    pub(super) allowed: Option<Allowed>,
    pub(super) level: Option<LogLevel>,
    /// Begun with the log; sent once there is a runtime.
    pub(super) traces: telemetry::Traces,
    /// Held until the process has written its last byte.
    pub(super) lock: File,
    pub(super) tls: Arc<tls::Server>,
    pub(super) client: Arc<tls::Client>,
    pub(super) shaping: Shaping,
    pub(super) admin: UnixListener,
    pub(super) sockets: Listeners,
    threads: usize,
}

impl Ground {
    /// Opens all of it, as the settings read from the file at `path` have it. Call it while the process has
    /// one thread: what is given up here binds those that begin afterwards.
    ///
    /// # Errors
    /// What kept it from being opened: which setting or file, and why.
    pub fn lay(config: Config, path: &Path) -> Result<Self> {
        if let Some((key, name)) = config.missing_credentials().into_iter().next() {
            let reason = format!(
                "`credential:{name}` was not handed over: write LoadCredential={name}:/path/of/the/file in the \
                 service's unit and start it by systemctl, or name the file itself"
            );
            return Err(ConfigFault::at(path, key, reason).into());
        }
        // Before the log makes a key there, or anything else is touched.
        premises::reachable(&config)?;
        premises::inspect(&config).map_err(anyhow::Error::new).context("data_dir")?;
        let (level, traces) = telemetry::init_logs(&config.log, &config.data_dir);
        // Before the first figure is set, which would be lost: when the certificate ends.
        let _registry = telemetry::metrics();
        for advice in super::advice(&config) {
            tracing::warn!(target: "relent::daemon", "{advice}");
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir).map_err(
            |fault| {
                let (folder, way) =
                    (config.data_dir.display(), premises::mend(&fault, &config.data_dir));
                anyhow::anyhow!("data_dir: cannot create {folder}: {fault}; {way}")
            },
        )?;
        let lock = listeners::lock(&config)?;
        if let Some(why) = backup::half_restored(&config.data_dir) {
            anyhow::bail!(why);
        }
        let tls =
            tls::Server::load(&config.tls, &config.data_dir, &config.hostname).context("[tls]")?;
        let client = tls::Client::load(&config.tls).context("tls.trust_anchors")?;
        let shaping = Shaping::load(&config.delivery).context("[delivery] shaping")?;
        status::say("opening the listeners");
        let admin = listeners::admin(&config.listen.admin)?;
        let sockets = listeners::open(&config.listen)?;
        // Before the first byte of a stranger is read, in the spool too.
        user::become_user(&config)?;
        // Counted here: from inside the cage the limits of other services are not seen.
        let threads = match usize::try_from(config.process.threads) {
            Ok(threads @ 1..) => threads,
            _ => available_parallelism().map_or(1, Into::into),
        };
        let allowed = Allowed::of(&config, path);
        cage::enter(config.process.sandbox, &allowed)?;
        let is_held = matches!(config.process.sandbox, Sandbox::On | Sandbox::Kill);
        let (path, allowed) = (path.to_owned(), is_held.then_some(allowed));
        Ok(Self {
            config,
            path,
            allowed,
            level,
            traces,
            lock,
            tls,
            client,
            shaping,
            admin,
            sockets,
            threads,
        })
    }

    /// How many threads run sessions: `process.threads`, or one a core.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }
}
