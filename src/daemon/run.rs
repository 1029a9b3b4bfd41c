//! Start and drain in time order. Start: on the ground that is laid (`Ground`), spool and store, queue, the
//! parts, `ready`. Stop: listeners close, sessions end at their next command, attempts end, spool and store
//! are synced and closed.

use super::directory::Known;
use super::ground::Ground;
use super::listeners::Listeners;
use super::outgoing::{self, ShapingFile, Way};
use super::status::{self, Status};
use super::watchdog::{self, Watchdog};
use super::{keeping, pulse, tend};
use crate::accounts::Accounts;
use crate::acme::{self, Acme};
use crate::config::Config;
use crate::delivery::{self, Delivery};
use crate::dns::{Authenticator, HickoryResolver, Resolver};
use crate::http::Vitals;
use crate::intake::{self, Intake, Port};
use crate::policy::{Policy, crossing};
use crate::queue::{Embedded, Queue};
use crate::replies::{self, Desk};
use crate::rights::Rights;
use crate::spool::Spool;
use crate::store::Store;
use crate::webhooks::{self, Webhooks};
use crate::world::World;
use crate::{http, telemetry, tls};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A daemon that runs. Dropped without [`Running::stop`], its tasks end where they stand.
pub struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    spool: Spool,
    store: Store,
    accounts: Accounts,
    config: Arc<Config>,
    ready: Arc<AtomicBool>,
    tls: Arc<tls::Server>,
    shaping: Arc<ShapingFile>,
    vitals: Vitals,
    status: Arc<Status>,
    watchdog: Option<Watchdog>,
    /// Held until the process has written its last byte.
    _lock: std::fs::File,
}

/// Runs the daemon until SIGTERM or SIGINT, then drains. SIGHUP reads the certificate files
/// and the shaping file anew.
///
/// # Errors
/// What kept it from starting: which setting or file, and why; or what failed while it ran and only
/// a new start mends, after the drain.
pub async fn serve(ground: Ground) -> Result<()> {
    // Before anybody is told that we run, so that no signal finds us without an answer.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut running = tokio::select! {
        started = start(ground) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    say_ready()?;
    running.watchdog = watchdog::watch(&running.vitals, &running.status);
    let failed = loop {
        tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            _ = hangup.recv() => running.reload(),
            why = running.failed() => break Some(why),
        }
    };
    if let Some(why) = &failed {
        tracing::error!(target: "relent::daemon", "{why}: the daemon stops, to be started anew");
    }
    let stopped = running.stop().await;
    failed.map_or(stopped, Err)
}

/// Builds every part. When this returns, every listener is answered.
///
/// # Errors
/// What kept it from starting.
#[expect(clippy::too_many_lines, reason = "the order in which all is built, on one page")]
pub async fn start(ground: Ground) -> Result<Running> {
    let Ground { config, lock, tls, client, shaping, admin, sockets, .. } = ground;
    let sockets = sockets.begin()?;
    admin.set_nonblocking(true)?;
    let admin = UnixListener::from_std(admin)?;
    let world = World::real();
    let metrics = telemetry::metrics();
    pulse::begin(&world);
    let stop = CancellationToken::new();
    let ready = Arc::new(AtomicBool::new(false));

    // Ground and doors.
    let (resolver, authenticator) = resolvers(&config, &world)?;
    let acme = Acme::new(acme::Parts {
        config: config.clone(),
        tls: tls.clone(),
        client: client.clone(),
        resolver: resolver.clone(),
        world: world.clone(),
    });
    tls.tell(world.clock.now());
    let store = open_store(&config, &world);
    status::say("replaying the spool");
    let spool = open_spool(&config, &world).await?;

    // Rules and flow.
    let accounts = Accounts::new(store.clone(), world.clone()).under(&config);
    if let Err(fault) = accounts.make_keys().await {
        tracing::error!(target: "relent::store", "{fault}");
    }
    let policy = Policy::new(accounts.clone(), store.clone(), world.clone(), &config.queue);
    status::say("rebuilding the queue");
    let queue = open_queue(&spool, &policy, &accounts, &config, &world).await?;
    let desk = Desk::new(replies::Parts {
        config: config.clone(),
        queue: queue.clone(),
        accounts: accounts.clone(),
        policy: policy.clone(),
        store: store.clone(),
        authenticator,
        world: world.clone(),
        words: replies::Words::new(&config.replies.words).context("[replies.words]")?,
    });

    // Edges.
    let intake = Intake::new(intake::Parts {
        config: config.clone(),
        queue: queue.clone(),
        accounts: accounts.clone(),
        policy: policy.clone(),
        desk,
        tls: tls.clone(),
        world: world.clone(),
    });
    let vitals = Vitals::new(spool.clone(), store.clone(), world.clone(), &config.health);
    let follower = crossing::run(spool.clone(), policy.clone(), stop.clone());
    let looked_after = (accounts.clone(), store.clone(), resolver.clone());
    let ours = accounts.clone();
    let delivery = Delivery::new(delivery::Parts {
        config: config.clone(),
        shaping,
        queue: queue.clone(),
        accounts: accounts.clone(),
        policy: policy.clone(),
        resolver: resolver.clone(),
        world: world.clone(),
        store: store.clone(),
        tls: client.clone(),
        own: sockets.addresses(),
    });
    let status = Status::new(status::Parts {
        config: config.clone(),
        queue: queue.clone(),
        store: store.clone(),
        intake: intake.clone(),
        delivery: delivery.clone(),
        vitals: vitals.clone(),
    });
    let telling = (spool.clone(), store.clone(), accounts.clone(), Known(policy.clone()));
    let reached = (resolver.clone(), client, sockets.addresses());
    let webhooks = webhooks(&config, telling, reached, &world);
    let shaping = Arc::new(ShapingFile::new(config.delivery.clone(), delivery.clone()));
    let rights = Rights::new(
        config.clone(),
        (accounts.clone(), policy.clone()),
        queue.clone(),
        (spool.clone(), store.clone()),
    );
    let trimmed = policy.clone();
    let parts = http::Parts {
        rights: rights.clone(),
        config: config.clone(),
        queue: queue.clone(),
        accounts,
        policy,
        resolver,
        outgoing: Arc::new(Way(delivery.clone())),
        spool: spool.clone(),
        webhooks: webhooks.clone(),
        store: store.clone(),
        vitals: vitals.clone(),
        metrics,
        tls: tls.clone(),
        acme: acme.clone(),
        world,
        ready: ready.clone(),
    };

    sockets.write_ports(&config.data_dir);
    let mut tasks = JoinSet::new();
    tasks.spawn(http::serve_unix(admin, http::admin(parts.clone()), stop.clone()));
    listen(&mut tasks, sockets, &intake, &parts, &stop);
    tasks.spawn(outgoing::run(delivery, stop.clone()));
    tasks.spawn(acme.clone().run(stop.clone()));
    tasks.spawn(follower);
    tasks.spawn(rights.run(stop.clone()));
    tasks.spawn(keeping::run(config.clone(), trimmed, parts.world.clone(), stop.clone()));
    tasks.spawn(webhooks.run(stop.clone()));
    tasks.spawn(pulse::run(parts.world.clone(), stop.clone()));
    let (files, world) = ((tls.clone(), shaping.clone()), parts.world);
    tasks.spawn(tend::run(config.clone(), files, world, looked_after, acme, stop.clone()));
    tasks.spawn(status.clone().run(stop.clone()));
    ready.store(true, Ordering::Release);
    let watchdog = None;
    Ok(Running {
        stop,
        tasks,
        spool,
        store,
        accounts: ours,
        config,
        ready,
        tls,
        shaping,
        vitals,
        status,
        watchdog,
        _lock: lock,
    })
}

impl Running {
    /// Reads the certificate files and the shaping file anew where they changed; other settings are read at
    /// start only.
    pub fn reload(&self) {
        tracing::info!(
            target: "relent::daemon",
            "SIGHUP: certificate files and the shaping file are looked at; other settings need a restart"
        );
        self.tls.reload();
        self.shaping.look();
    }

    /// Waits until a part fails that only a new start mends, and says which: the disk of the spool or of
    /// the records, or a task that ended though nobody stopped it.
    pub async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            fault = self.spool.failed() => fault.into(),
            fault = self.store.failed() => fault.into(),
            ended = self.tasks.join_next() => match ended {
                Some(Err(fault)) => anyhow::anyhow!("a part of the daemon broke: {fault}"),
                _ => anyhow::anyhow!("a part of the daemon ended by itself"),
            },
        }
    }

    /// Stops taking mail, lets sessions and attempts end, and closes spool and store.
    ///
    /// # Errors
    /// The disk of the spool failed, perhaps only now: what was marked last may not be there.
    pub async fn stop(mut self) -> Result<()> {
        self.ready.store(false, Ordering::Release);
        self.stop.cancel();
        let drained = async {
            tokio::select! {
                () = async { while self.tasks.join_next().await.is_some() {} } => {}
                () = self.status.drain() => {}
            }
        };
        let limit = self.config.process.drain_timeout.0;
        if tokio::time::timeout(limit, drained).await.is_err() {
            tracing::warn!(target: "relent::daemon", "drain time is over: closing what is left");
            self.tasks.abort_all();
        }
        self.accounts.save_spent().await;
        self.spool.close().await;
        self.store.close().await;
        // Answered until here: a drain takes its time.
        drop(self.watchdog.take());
        tracing::info!(target: "relent::daemon", "stopped");
        self.store.sound()?;
        Ok(self.spool.can_record()?)
    }
}

/// Who asks name servers: for mail that goes out, and about mail that comes in.
fn resolvers(config: &Config, world: &World) -> Result<(Arc<dyn Resolver>, Authenticator)> {
    let resolver = HickoryResolver::with_chance(&config.dns, world.chance.clone())
        .context("[dns]: cannot build the resolver")?;
    let most = (config.replies.checks_max, config.replies.signatures_max);
    let longest = config.dns.lookups_timeout.0;
    let authenticator = resolver.authenticator(&config.hostname, longest, most);
    Ok((resolver, authenticator))
}

/// Opens the records, with the reserve's room where there is no other.
fn open_store(config: &Config, world: &World) -> Store {
    let size = config.spool.reserve();
    world.reserve.place(&config.data_dir, size);
    // A daemon needs some room to start.
    if world.disk.free(&config.data_dir).is_ok_and(|free| free < size / 4) {
        world.reserve.give_up();
    }
    let store = Store::open(&config.data_dir, &config.store, world);
    if let Err(fault) = store.ready() {
        tracing::error!(target: "relent::store", "{fault}; mail is held and answered 451 until then");
    }
    store
}

/// Serves every port.
fn listen(
    tasks: &mut JoinSet<()>,
    sockets: Listeners<TcpListener>,
    intake: &Arc<Intake>,
    parts: &http::Parts,
    stop: &CancellationToken,
) {
    for (port, listeners) in [
        (Port::Submission, sockets.submission),
        (Port::Submissions, sockets.submissions),
        (Port::Inbound, sockets.inbound),
    ] {
        for listener in listeners {
            let (intake, stop) = (intake.clone(), stop.clone());
            tasks.spawn(async move { intake.serve(listener, port, stop).await });
        }
    }
    for listener in sockets.http {
        tasks.spawn(http::serve_tcp(listener, http::public(parts.clone()), stop.clone()));
    }
    let tls = (parts.tls.clone(), parts.config.tls.handshake_timeout.0);
    for listener in sockets.https {
        let site = http::public(parts.clone());
        tasks.spawn(http::serve_tls(listener, site, tls.clone(), stop.clone()));
    }
    for listener in sockets.redirect {
        tasks.spawn(http::serve_tcp(listener, http::redirect(parts.clone()), stop.clone()));
    }
}

/// What tells programs: from which logs and records, and by which way.
fn webhooks(
    config: &Arc<Config>,
    (spool, store, accounts, known): (Spool, Store, Accounts, Known),
    (resolver, tls, own): (Arc<dyn Resolver>, Arc<tls::Client>, Vec<SocketAddr>),
    world: &World,
) -> Webhooks {
    let (config, directory, world) = (config.clone(), Arc::new(known), world.clone());
    Webhooks::new(webhooks::Parts {
        config,
        spool,
        store,
        accounts,
        directory,
        resolver,
        tls,
        world,
        own,
    })
}

/// Rebuilds the queue on a blocking thread.
async fn open_queue(
    spool: &Spool,
    policy: &Policy,
    accounts: &Accounts,
    config: &Arc<Config>,
    world: &World,
) -> Result<Arc<dyn Queue>> {
    let (spool, policy, accounts) = (spool.clone(), policy.clone(), accounts.clone());
    let (config, world) = (config.clone(), world.clone());
    let open = move || Embedded::open(spool, policy, accounts, config, world);
    let rebuilt = tokio::task::spawn_blocking(open).await?;
    Ok(rebuilt.context("the queue cannot be rebuilt from the spool")?)
}

/// Opens the spool on a blocking thread and says what a crash left there.
async fn open_spool(config: &Arc<Config>, world: &World) -> Result<Spool> {
    let (config, world) = (config.clone(), world.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let folder = config.data_dir.join("spool");
        Spool::open(
            &folder,
            &config.spool,
            crate::events::message::owner(config.retention.events.0),
            &world,
        )
    });
    let (spool, recovery) = opened.await?.context("the spool cannot be opened")?;
    tracing::info!(
        target: "relent::spool",
        segments = recovery.segments,
        records = recovery.records,
        torn_bytes = recovery.torn_bytes,
        quarantined = recovery.quarantined,
        "spool opened"
    );
    Ok(spool)
}

/// Tells systemd, or whoever reads standard output, that every listener is open.
fn say_ready() -> Result<()> {
    use std::io::Write;
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        sd_notify::notify(&[sd_notify::NotifyState::Ready])?;
    } else {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "ready").and_then(|()| out.flush());
    }
    Ok(())
}
