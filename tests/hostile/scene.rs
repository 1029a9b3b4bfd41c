//! One daemon for all rows of a table, all at once: mail is submitted, and what became of it is judged
//! by what the servers took, what the sender was told, and what `relent explain` says.

use super::letter::{body, submit};
use super::log::{Log, is_end};
use super::names::{self, Names, Query, Reply, Says, Zone};
use super::row::{Hosts, Place, Row, SURVIVES, Seen};
use super::server::Shared;
use crate::support::{World, free_port};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// How long a server may take in these scenes: a busy machine delays none so long that behaves.
const PATIENCE: &str = "10s";
/// The wait before the next attempt: a row's servers have come to behave by then.
const RETRY: &str = "10s";
/// How long a row may take.
const ROW: Duration = Duration::from_secs(240);
/// Where reports to senders go.
const BOX: Ipv4Addr = Ipv4Addr::new(127, 10, 0, 1);
/// Where this relay takes mail from other servers.
pub const OURSELVES: Ipv4Addr = Ipv4Addr::new(127, 10, 0, 2);

/// A name and its row.
pub type Named = (String, Row);

/// What a scene's daemon is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Loopback is where the mail servers are.
    Loopback,
    /// The public internet alone: no server of this scene may ever be connected to.
    Public,
}

/// Plays all rows; what went wrong with each.
pub fn play(rows: &[Named], network: Network) -> HashMap<String, Result<(), String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let scene = Arc::new(Scene::open(rows, network).await);
        let mut tasks = Vec::new();
        for (place, (name, _)) in rows.iter().enumerate() {
            let scene = scene.clone();
            tasks.push((name.clone(), tokio::spawn(async move { scene.row(place).await })));
        }
        let begun = Instant::now();
        let mut results = HashMap::new();
        for (name, task) in tasks {
            let result = task.await.unwrap_or_else(|fault| Err(format!("broke off: {fault}")));
            results.insert(name, result);
        }
        eprintln!("{} rows in {:?}", rows.len(), begun.elapsed());
        results
    })
}

struct Scene {
    world: World,
    stages: Vec<Arc<Stage>>,
    mailbox: Arc<Shared>,
    log: Arc<Log>,
    questions: Arc<Mutex<Vec<(String, u16)>>>,
    network: Network,
    /// Turns for submissions, of which one address may have so many at a time.
    submitting: Semaphore,
    explaining: Semaphore,
    _names: Names,
    tasks: Vec<AbortHandle>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// A row and where it takes place.
struct Stage {
    place: Place,
    shared: Arc<Shared>,
}

impl Scene {
    async fn open(rows: &[Named], network: Network) -> Self {
        let stages = rows.iter().enumerate().map(|(number, (_, row))| {
            let place = Place::of(number);
            let shared = Shared::new(row.clone(), &place.host);
            Arc::new(Stage { place, shared })
        });
        let stages: Vec<Arc<Stage>> = stages.collect();
        let mailbox = Shared::new(Row::honest(), "mx.acme.example");
        let mut tries = 0;
        let (port, tasks) = loop {
            let port = free_port(BOX);
            match listen(&stages, &mailbox, port, network).await {
                Ok(tasks) => break (port, tasks),
                Err(fault) => assert!(tries < 20, "no port is free at all addresses: {fault}"),
            }
            tries += 1;
        };
        let questions = Arc::new(Mutex::default());
        let names = Names::start(zone(stages.clone(), questions.clone())).await;
        let at = names.address();
        let mut world = World::under(|world| settings(world, at, port, network)).await;
        world.furnish();
        let log = Log::follow(world.path("relent.log"));
        Self {
            stages,
            world,
            mailbox,
            log,
            questions,
            network,
            submitting: Semaphore::new(20),
            explaining: Semaphore::new(2),
            _names: names,
            tasks,
        }
    }

    /// Plays one row.
    async fn row(&self, number: usize) -> Result<(), String> {
        let stage = &self.stages[number];
        let row = &stage.shared.row;
        let deadline = Instant::now() + ROW;
        let address = |local: &str| format!("{local}@{}", stage.place.domain);
        let sender = format!("row{number}@acme.example");
        for letter in &row.letters {
            let to: Vec<String> = letter.iter().map(|local| address(local)).collect();
            let (port, password) = (self.world.ports.submission[0], self.world.password.clone());
            let (from, shape) = (sender.clone(), row.shape);
            let turn = self.submitting.acquire().await;
            let submission = tokio::task::spawn_blocking(move || {
                submit(port, &password, &from, &to, shape).map(|()| to)
            });
            let to = submission.await.map_err(|fault| fault.to_string())??;
            drop(turn);
            self.log.until(deadline, &to, row.attempts).await?;
            // All have their first answer: from now on the row's servers behave, unless they never did
            // anything wrong, or the mail has reached its end in spite of it.
            if to.iter().any(|to| self.log.is_deferred(to)) {
                stage.shared.repent();
            }
            let ends =
                |local: &&str| row.fates.iter().any(|(to, fate)| to == local && is_end(fate));
            let final_ones: Vec<String> =
                letter.iter().filter(|local| ends(local)).map(|local| address(local)).collect();
            self.log.until_ended(deadline, &final_ones).await?;
            while stage.shared.will_speak() && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        for (local, fate) in &row.fates {
            // What the log has may not be on disk yet.
            let soon = Instant::now() + Duration::from_secs(20);
            while let Err(fault) = self.judge(stage, &address(local), fate, row).await {
                if Instant::now() > soon {
                    return Err(fault);
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        if self.network == Network::Loopback {
            self.reports(stage, &sender, deadline).await?;
        }
        if let Some(fault) = stage.shared.faults().first() {
            return Err(fault.clone());
        }
        let questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ours = |(name, _): &&(String, u16)| name.ends_with(&stage.place.domain);
        let connections = &stage.shared.connections;
        let seen = Seen {
            connections: std::array::from_fn(|at| {
                connections[at].load(std::sync::atomic::Ordering::SeqCst)
            }),
            taken: &stage.shared.taken(),
            questions: &questions.iter().filter(ours).cloned().collect::<Vec<_>>(),
        };
        row.checks.iter().try_for_each(|check| check(&seen))
    }

    /// The fate of one recipient: by the daemon's word, and by what the servers took.
    async fn judge(&self, stage: &Stage, to: &str, fate: &str, row: &Row) -> Result<(), String> {
        let (found, texts) = self.history(to).await;
        let taken = stage.shared.taken();
        let copies = taken.iter().filter(|taken| taken.recipients.iter().any(|path| path == to));
        let doubtful = texts.iter().any(|text| text.contains("possible duplicate"));
        let ended_well = found.last().is_some_and(|last| last.starts_with("delivered"));
        if fate == SURVIVES {
            let most = if doubtful { 2 } else { 1 };
            let count = copies.count();
            let fits = ended_well && (1..=most).contains(&count);
            return fits
                .then_some(())
                .ok_or_else(|| format!("{count} copies: {found:?} {texts:?}"));
        }
        let wanted: Vec<&str> = fate.split(", ").collect();
        let alike = wanted.len() == found.len()
            && wanted.iter().zip(&found).all(|(wanted, found)| found.starts_with(wanted));
        if !alike {
            return Err(format!("{to}: {found:?} instead of {wanted:?}: {texts:?}"));
        }
        if let Some(said) = row.says
            && !texts.first().is_some_and(|text| text.contains(said))
        {
            return Err(format!("{to}: {texts:?} do not begin with {said:?}"));
        }
        if doubtful && row.says != Some("possible duplicate") {
            return Err(format!("{to}: in doubt: {texts:?}"));
        }
        let expected = row.copies.unwrap_or(usize::from(ended_well));
        if copies.clone().count() != expected {
            return Err(format!("{to}: {} copies instead of {expected}", copies.count()));
        }
        let body = body(row.shape);
        for taken in copies {
            if !taken.message.ends_with(body.as_bytes()) {
                let message = String::from_utf8_lossy(&taken.message).into_owned();
                return Err(format!("{to}: the message came changed: {message:.2000}"));
            }
        }
        Ok(())
    }

    /// What `relent explain` says of a recipient: outcome and status of each attempt, repetitions left
    /// out, and the texts.
    async fn history(&self, to: &str) -> (Vec<String>, Vec<String>) {
        let _turn = self.explaining.acquire().await;
        let explained = tokio::task::block_in_place(|| {
            self.world.done(&["explain", "acme/receipts", to, "--json"]).json()
        });
        let (mut fates, mut texts): (Vec<String>, Vec<String>) = Default::default();
        for event in explained["messages"].as_array().into_iter().flatten() {
            let part = |name: &str| event[name].as_str().unwrap_or_default();
            let fate = format!("{} {}", part("outcome"), part("status"));
            if part("outcome") != "accepted" && fates.last() != Some(&fate) {
                fates.push(fate);
                texts.push(part("text").to_owned());
            }
        }
        (fates, texts)
    }

    /// The sender gets a report for each recipient that failed, and no other.
    async fn reports(&self, stage: &Stage, sender: &str, deadline: Instant) -> Result<(), String> {
        let failed = |fate: &&(&str, &str)| fate.1.contains("failed");
        let failed: Vec<_> = stage.shared.row.fates.iter().filter(failed).collect();
        let reports = || {
            let taken = self.mailbox.taken();
            let ours = taken.into_iter().filter(|taken| taken.recipients == [sender]);
            ours.map(|taken| String::from_utf8_lossy(&taken.message).into_owned())
                .collect::<Vec<_>>()
        };
        while reports().len() < failed.len() {
            if Instant::now() > deadline {
                return Err(format!("{} reports of {}", reports().len(), failed.len()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let reports = reports();
        if reports.len() > failed.len() {
            return Err(format!("reports for nothing: {reports:?}"));
        }
        for (local, fate) in failed {
            let status = fate.split("failed ").nth(1).unwrap_or_default();
            let about = format!("{local}@{}", stage.place.domain);
            let fits = |report: &&String| {
                report.contains(&about)
                    && report.contains(&format!("Status: {status}"))
                    && report.contains("Action: failed")
            };
            if reports.iter().filter(fits).count() != 1 {
                return Err(format!("no report of {about}, {status}: {reports:?}"));
            }
        }
        Ok(())
    }
}

/// Where everybody listens.
async fn listen(
    stages: &[Arc<Stage>],
    mailbox: &Arc<Shared>,
    port: u16,
    network: Network,
) -> std::io::Result<Vec<AbortHandle>> {
    let mut tasks = vec![mailbox.listen((BOX, port).into(), 0).await?];
    for stage in stages {
        let (place, shared) = (&stage.place, &stage.shared);
        if !matches!(shared.row.hosts, Hosts::Closed | Hosts::ClosedThenOne) {
            tasks.push(shared.listen((place.first, port).into(), 0).await?);
        }
        if matches!(shared.row.hosts, Hosts::Two | Hosts::ClosedThenOne) {
            tasks.push(shared.listen((place.second, port).into(), 1).await?);
        }
        tasks.push(shared.listen((place.trap, port).into(), 2).await?);
    }
    if let (Network::Public, Some(stage)) = (network, stages.first()) {
        // What every row of that scene may not reach; all share these.
        let everywhere: [SocketAddr; 2] =
            [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
        for (which, at) in everywhere.into_iter().enumerate() {
            match stage.shared.listen(at, 2).await {
                Ok(task) => tasks.push(task),
                // A machine without IPv6.
                Err(fault) if which == 1 => eprintln!("no trap at {at}: {fault}"),
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(tasks)
}

/// The names of all rows, each as its row has them.
fn zone(stages: Vec<Arc<Stage>>, questions: Arc<Mutex<Vec<(String, u16)>>>) -> Zone {
    let records: Vec<_> = stages.iter().map(|stage| records(&stage.place, &stage.shared)).collect();
    let ours =
        [names::mx("acme.example", 10, "mx.acme.example"), names::address("mx.acme.example", BOX)];
    Arc::new(move |query: &Query| {
        let asked = (query.name.clone(), query.kind);
        questions.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let number = query
            .name
            .strip_suffix(".example")
            .and_then(|rest| rest.rsplit('.').next()?.strip_prefix('n')?.parse::<usize>().ok());
        let Some((stage, records)) = number.and_then(|n| stages.get(n).zip(records.get(n))) else {
            return Says::Message(Reply::honest(query, &ours));
        };
        let lie = stage.shared.row.lie.filter(|_| stage.shared.lies());
        let lied = lie.and_then(|lie| lie(&stage.place, query));
        lied.unwrap_or_else(|| Says::Message(Reply::honest(query, records)))
    })
}

fn records(place: &Place, shared: &Shared) -> Vec<names::Record> {
    if let Some(records) = shared.row.records {
        return records(place);
    }
    let second = format!("mx2.{}", place.domain);
    let first = match shared.row.hosts {
        Hosts::One | Hosts::Two => place.first,
        Hosts::Closed | Hosts::ClosedThenOne => place.closed,
    };
    let mut all =
        vec![names::mx(&place.domain, 10, &place.host), names::address(&place.host, first)];
    if matches!(shared.row.hosts, Hosts::Two | Hosts::ClosedThenOne) {
        all.push(names::mx(&place.domain, 20, &second));
        all.push(names::address(&second, place.second));
    }
    all
}

fn settings(world: &World, names: SocketAddr, port: u16, network: Network) -> String {
    let private = network == Network::Loopback;
    let path = |name: &str| world.path(name).display().to_string();
    format!(
        "hostname = \"relay.relent.example\"\ndata_dir = \"{data}\"\n\
         [listen]\nsubmission = [\"127.0.0.1:0\"]\nsubmissions = [\"127.0.0.1:0\"]\n\
         inbound = [\"{OURSELVES}:{port}\"]\nhttp = [\"127.0.0.1:0\"]\nadmin = \"{admin}\"\n\
         [submission]\nplaintext_auth = \"loopback\"\n\
         [dns]\nnameservers = [\"{names}\"]\ntimeout = \"8s\"\nlookups_timeout = \"20s\"\n\
         cache_ttl_max = \"1s\"\n\
         [delivery]\nport = {port}\nallow_private = {private}\nconnection_idle = \"30s\"\nconnections_max = 2000\n\
         connect_timeout = \"{PATIENCE}\"\ngreeting_timeout = \"{PATIENCE}\"\n\
         mail_timeout = \"{PATIENCE}\"\nrcpt_timeout = \"{PATIENCE}\"\ndata_timeout = \"{PATIENCE}\"\n\
         block_timeout = \"{PATIENCE}\"\ndot_timeout = \"{PATIENCE}\"\n\
         [queue]\nretry_delays = [\"{RETRY}\"]\nreport_size_max = \"64kB\"\n\
         [store]\nengine = \"{engine}\"\n[replies]\ndomain = \"reply.relent.example\"\n\
         [log]\njson = true\n",
        data = path("data"),
        admin = path("admin.sock"),
        engine = crate::support::engine(),
    )
}
