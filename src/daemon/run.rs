//! Start and drain in time order. Start: on the ground that is laid (`Ground`), spool and store, queue, the
//! parts, `ready`. Stop: listeners close, sessions end at their next command, attempts end, spool and store
//! are synced and closed.

use super::directory::Known;
use super::doors::{Doors, Served};
use super::ground::Ground;
use super::outgoing::{self, ShapingFile, Way};
use super::reload::Reloader;
use super::status::{self, Status};
use super::watchdog::{self, Watchdog};
use super::{clock, held, keeping, listeners, premises, pulse, reload, tend};
use crate::accounts::Accounts;
use crate::acme::{self, Acme};
use crate::backup;
use crate::config::{Live, Made};
use crate::delivery::{self, Delivery};
use crate::dns::{HickoryResolver, LiveResolver, Resolver};
use crate::http::Vitals;
use crate::intake::{self, Intake};
use crate::policy::{Policy, crossing};
use crate::queue::{Embedded, Queue};
use crate::replies::{self, Desk};
use crate::rights::Rights;
use crate::spool::Spool;
use crate::store::Store;
use crate::telemetry::Tracer;
use crate::webhooks::{self, Webhooks};
use crate::world::{Own, World};
use crate::{http, telemetry, tls};
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::UnixListener;
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
    config: Live,
    ready: Arc<AtomicBool>,
    reloads: reload::Asking,
    vitals: Vitals,
    status: Arc<Status>,
    watchdog: Option<Watchdog>,
    /// Held until the process has written its last byte.
    _lock: std::fs::File,
}

/// Runs the daemon until SIGTERM or SIGINT, then drains; at a second one it ends at once, with all that was
/// accepted on disk. SIGHUP reads the settings anew, and the files that they name.
///
/// # Errors
/// What kept it from starting: which setting or file, and why; or what failed while it ran and only
/// a new start mends, after the drain.
pub async fn serve(mut ground: Ground) -> Result<()> {
    let traces = std::mem::take(&mut ground.traces).start();
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
    // How things stand is told from now on: before, what is told is how far the start has come.
    running.tasks.spawn(running.status.clone().run(running.stop.clone()));
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
    let again = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let stopped = running.stop_unless(again).await;
    traces.end().await;
    failed.map_or(stopped, Err)
}

/// Builds every part. When this returns, every listener is answered.
///
/// # Errors
/// What kept it from starting.
#[expect(clippy::too_many_lines, reason = "the order in which all is built, on one page")]
pub async fn start(ground: Ground) -> Result<Running> {
    let Ground { config, lock, tls, client, shaping, admin, sockets, path, level, allowed, .. } =
        ground;
    listeners::forget_ports(&config.data_dir);
    admin.set_nonblocking(true)?;
    let admin = UnixListener::from_std(admin)?;
    let own = Own::default();
    let config = Live::new(config);
    let world = World::real();
    let metrics = telemetry::metrics();
    pulse::begin(&world);
    let stop = CancellationToken::new();
    let ready = Arc::new(AtomicBool::new(false));

    // Ground and doors.
    let resolver = HickoryResolver::with_chance(&config.dns, world.chance.clone())
        .context("[dns]: cannot build the resolver")?;
    let resolver = LiveResolver::new(resolver);
    let authenticator = resolver.authenticator(&config);
    let names = resolver.clone();
    let resolver: Arc<dyn Resolver> = resolver;
    let acme = Acme::new(acme::Parts {
        config: config.clone(),
        tls: tls.clone(),
        client: client.clone(),
        resolver: resolver.clone(),
        world: world.clone(),
    });
    tls.tell(world.clock.now(), &super::check::hosts(&config));
    let store = open_store(&config, &world);
    status::say("replaying the spool");
    let spool = open_spool(&config, &world).await?;

    // Rules and flow.
    let accounts = Accounts::new(store.clone(), world.clone()).under(&config);
    let keys = match accounts.make_keys().await {
        Ok(keys) => Some(keys.fingerprint()),
        Err(fault) => {
            tracing::error!(target: "relent::store", "{fault}");
            None
        }
    };
    let last = premises::seen(&config.data_dir).max(spool.newest());
    if let Some(said) = last.and_then(|last| clock::behind(last, world.clock.now())) {
        tracing::warn!(target: "relent::daemon", "{said}");
    }
    premises::claim(&config, keys.as_deref(), world.clock.now())
        .map_err(anyhow::Error::new)
        .context("data_dir")?;
    let policy =
        Policy::new(accounts.clone(), store.clone(), world.clone(), config.section(|c| &c.queue));
    if let Err(fault) = backup::heed(&config.data_dir, &policy).await {
        tracing::error!(target: "relent::policy", "it cannot be known whether mail is held since a restore: {fault}");
    }
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
        words: Arc::new(words(&config)?),
    });

    // Edges.
    let tracer = Tracer::new(config.api.traces_max, config.api.trace_lines_max);
    let intake = Intake::new(intake::Parts {
        config: config.clone(),
        queue: queue.clone(),
        accounts: accounts.clone(),
        policy: policy.clone(),
        desk,
        tls: tls.clone(),
        world: world.clone(),
        tracer: tracer.clone(),
    });
    let vitals =
        Vitals::new(spool.clone(), store.clone(), world.clone(), config.section(|c| &c.health));
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
        own: own.clone(),
        tracer: tracer.clone(),
    });
    let status = Status::new(status::Parts {
        config: config.clone(),
        queue: queue.clone(),
        store: store.clone(),
        policy: policy.clone(),
        intake: intake.clone(),
        delivery: delivery.clone(),
        vitals: vitals.clone(),
    });
    let telling = (spool.clone(), store.clone(), accounts.clone(), Known(policy.clone()));
    let reached = (resolver.clone(), client.clone(), own.clone());
    let webhooks = webhooks(&config, telling, reached, &world);
    let shaping = Arc::new(ShapingFile::new(config.section(|c| &c.delivery), delivery.clone()));
    let (reloads, asked) = reload::line();
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
        reloading: Arc::new(reloads.clone()),
        vitals: vitals.clone(),
        metrics,
        tracer,
        tls: tls.clone(),
        acme: acme.clone(),
        world,
        ready: ready.clone(),
    };

    let served = Served {
        intake,
        site: http::public(parts.clone()),
        redirect: http::redirect(parts.clone()),
        tls: tls.clone(),
    };
    let place = (config.data_dir.clone(), own);
    let mut tasks = JoinSet::new();
    tasks.spawn(http::serve_unix(admin, http::admin(parts.clone()), stop.clone()));
    let reloader = Reloader {
        path,
        allowed,
        live: config.clone(),
        tls: tls.clone(),
        client,
        resolver: names,
        shaping: shaping.clone(),
        level,
        status: status.clone(),
        world: parts.world.clone(),
        doors: Doors::new(sockets, served, place, stop.clone())?,
    };
    tasks.spawn(reloader.run(asked, stop.clone()));
    tasks.spawn(outgoing::run(delivery, stop.clone()));
    tasks.spawn(acme.clone().run(stop.clone()));
    tasks.spawn(follower);
    tasks.spawn(rights.run(stop.clone()));
    tasks.spawn(held::run(trimmed.clone(), stop.clone()));
    tasks.spawn(keeping::run(config.clone(), trimmed, parts.world.clone(), stop.clone()));
    tasks.spawn(webhooks.run(stop.clone()));
    tasks.spawn(pulse::run(parts.world.clone(), stop.clone()));
    let (files, world) = ((tls, shaping), parts.world);
    tasks.spawn(tend::run(config.clone(), files, world, looked_after, acme, stop.clone()));
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
        reloads,
        vitals,
        status,
        watchdog,
        _lock: lock,
    })
}

impl Running {
    /// Has the settings and the files that they name read anew; the log says how that went.
    pub fn reload(&self) {
        self.reloads.ask();
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
    pub async fn stop(self) -> Result<()> {
        self.stop_unless(std::future::pending()).await
    }

    /// The same; once `hurry` is over, sessions and attempts are cut off where they stand. What was accepted
    /// is on disk by then.
    async fn stop_unless(mut self, hurry: impl Future<Output = ()>) -> Result<()> {
        self.ready.store(false, Ordering::Release);
        self.stop.cancel();
        let drained = async {
            tokio::select! {
                () = async { while self.tasks.join_next().await.is_some() {} } => {}
                () = self.status.drain() => {}
            }
        };
        let limit = self.config.process.drain_timeout.0;
        let why = tokio::select! {
            () = drained => None,
            () = tokio::time::sleep(limit) => Some("drain time is over"),
            () = hurry => Some("told to stop once more"),
        };
        if let Some(why) = why {
            tracing::warn!(target: "relent::daemon", "{why}: closing what is left");
            // Awaited, so that nothing is begun while spool and store are closed.
            self.tasks.shutdown().await;
        }
        self.accounts.save_spent().await;
        self.spool.close().await;
        self.store.close().await;
        listeners::forget_ports(&self.config.data_dir);
        // Answered until here: a drain takes its time.
        drop(self.watchdog.take());
        tracing::info!(target: "relent::daemon", "stopped");
        self.store.sound()?;
        Ok(self.spool.can_record()?)
    }
}

/// The words by which replies are understood, as the settings have them whenever they are asked for.
fn words(live: &Live) -> Result<Made<replies::Words>> {
    // What the binary brings is read once; what the settings say besides was found to be right before.
    let brought = replies::Words::new(&live.replies.words).context("[replies.words]")?;
    Ok(Made::new(live, move |config| brought.under(&config.replies.words)))
}

/// Opens the records, with the reserve's room where there is no other.
fn open_store(config: &Live, world: &World) -> Store {
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

/// What tells programs: from which logs and records, and by which way.
fn webhooks(
    config: &Live,
    (spool, store, accounts, known): (Spool, Store, Accounts, Known),
    (resolver, tls, own): (Arc<dyn Resolver>, Arc<tls::Client>, Own),
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
    config: &Live,
    world: &World,
) -> Result<Arc<dyn Queue>> {
    let (spool, policy, accounts) = (spool.clone(), policy.clone(), accounts.clone());
    let (config, world) = (config.clone(), world.clone());
    let open = move || Embedded::open(spool, policy, accounts, config, world);
    let rebuilt = tokio::task::spawn_blocking(open).await?;
    Ok(rebuilt.context("the queue cannot be rebuilt from the spool")?)
}

/// Opens the spool on a blocking thread and says what a crash left there.
async fn open_spool(config: &Live, world: &World) -> Result<Spool> {
    let (config, world) = (config.clone(), world.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let folder = config.data_dir.join("spool");
        Spool::open(
            &folder,
            config.section(|c| &c.spool),
            crate::events::message::owner(config.now(|c| c.retention.events.0)),
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
