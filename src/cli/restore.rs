//! `relent restore`: a backup put back, what was said after it replayed, and mail let go.

use super::arguments::{Form, moment};
use super::backup::{Scratch, told};
use super::client::{Client, Fault};
use super::progress::Progress;
use super::replay::{self, Taken};
use super::show::{self, Column};
use crate::backup::{self, Later, LaterRow};
use crate::config::Config;
use crate::events::Actor;
use crate::mail::Timestamp;
use crate::world::{World, user_of};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Rows that are sent together.
const TOGETHER: usize = 500;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct RestoreArguments {
    /// The archive, as `relent backup` made it.
    #[arg(value_name = "FROM", required = true)]
    from: Option<PathBuf>,
    /// The data folder to put it into, which must be empty [default: the one of the settings].
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
    #[command(subcommand)]
    verb: Option<RestoreVerb>,
}

#[derive(Debug, Subcommand)]
pub(super) enum RestoreVerb {
    /// Show what is held since the restore, and what was replayed.
    Status {
        #[command(flatten)]
        form: Form,
    },
    /// Bring what was said after the backup: events, an audit export, a suppression export, or a backup of what was
    /// left of the lost host.
    Replay {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Whose they are, where their rows do not say.
        #[arg(long)]
        account: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Let mail go.
    Release {
        /// Only that of one account.
        #[arg(long)]
        account: Option<String>,
        /// Who answers for what was not replayed.
        #[arg(long, value_name = "NAME", requires = "reason")]
        waive: Option<String>,
        /// Why.
        #[arg(long, value_name = "TEXT", requires = "waive")]
        reason: Option<String>,
        /// Take out, unsent, what was accepted before this moment: it may have been delivered already.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        drop_accepted_before: Option<Timestamp>,
        #[command(flatten)]
        form: Form,
    },
}

const FILE: [Column; 9] = [
    ("FILE", "name"),
    ("STOPS", "stops"),
    ("WITHDRAWALS", "withdrawals"),
    ("ERASURES", "erasures"),
    ("ENDED", "ended"),
    ("ALREADY", "already"),
    ("PASSED OVER", "passed_over"),
    ("REFUSED", "refused"),
    ("AT", "at"),
];
const RELEASE: [Column; 4] =
    [("RELEASED", "account"), ("AT", "at"), ("WAIVED BY", "waived_by"), ("REASON", "reason")];
const STATUS: [Column; 6] = [
    ("restored", "restored"),
    ("from the backup of", "backup"),
    ("of the host", "hostname"),
    ("held", "held"),
    ("recipients waiting that were accepted before the backup", "waiting_from_before"),
    ("erasures that are not done", "erasures_waiting"),
];

/// `relent restore …`
pub(super) async fn restore(
    arguments: RestoreArguments,
    config: &Config,
    path: &Path,
) -> Result<(), Fault> {
    let client = Client::new(config, path);
    match arguments.verb {
        None => put(arguments, config).await,
        Some(RestoreVerb::Status { form }) => status(&client, form).await,
        Some(RestoreVerb::Replay { files, account, form }) => {
            replay(&client, config, &files, account.as_deref(), form).await
        }
        Some(RestoreVerb::Release { account, waive, reason, drop_accepted_before, form }) => {
            let body = json!({
                "account": account,
                "waived_by": waive,
                "reason": reason,
                "drop_accepted_before": drop_accepted_before.map(exactly),
            });
            let done = client.post("/restore/release", &body).await?;
            if form.json {
                return show::json(&done);
            }
            let dropped = done["dropped"].as_u64().unwrap_or_default();
            if dropped > 0 {
                show::line(&format!("{dropped} recipients taken out of the queue"))?;
            }
            show::line(&match account {
                Some(name) => format!("the mail of {name} is let go"),
                None => "all mail is let go".into(),
            })
        }
    }
}

/// A moment with its milliseconds.
fn exactly(at: Timestamp) -> String {
    at.to_string().replace('Z', &format!(".{:03}Z", at.0 % 1000))
}

async fn put(arguments: RestoreArguments, config: &Config) -> Result<(), Fault> {
    let Some(from) = arguments.from else { return Err(Fault::Usage("say from which file".into())) };
    if from == Path::new("-") {
        let text = "a restore reads the archive twice, once to see that it is whole: save it as a file first";
        return Err(Fault::Usage(text.into()));
    }
    let mut config = config.clone();
    if let Some(folder) = arguments.data_dir {
        config.data_dir = folder;
    }
    let folder = config.data_dir.clone();
    let user = rustix::process::geteuid().as_raw();
    let actor = Actor::operator(Some(user_of(user)));
    let runtime = tokio::runtime::Handle::current();
    let work = tokio::task::spawn_blocking(move || {
        let size = from.metadata().ok().map(|about| about.len().saturating_mul(2));
        let mut progress = Progress::new(size);
        let mut show = |count| progress.moved(count);
        let done = backup::put(&from, &config, (&World::real(), actor), &runtime, &mut show);
        progress.clear();
        done
    });
    let put = work.await.map_err(|fault| Fault::Refused(fault.to_string()))?;
    let put = put.map_err(|fault| told(&fault))?;
    if arguments.form.json {
        return show::json(&json!({
            "data_dir": folder.display().to_string(),
            "backup": put.manifest.moment.to_string(),
            "hostname": put.manifest.opening.hostname,
            "mail": put.manifest.opening.mail,
            "held": true,
        }));
    }
    if put.was_half_done {
        show::line("half a restore of before was cleared away")?;
    }
    show::line(&format!(
        "{}: put back from the backup of {} of {}",
        folder.display(),
        put.manifest.moment,
        put.manifest.opening.hostname
    ))?;
    show::line(
        "once the daemon is started, all mail is held: submissions are taken and wait, replies that stop are obeyed.\n\
         Then bring what was said after the backup, `relent restore replay FILE…`, and let mail go, `relent restore \
         release`.\nMail that the lost host delivered after the backup waits here too and would be sent twice; its \
         settings are in the archive: `tar -xOf FILE settings/relent.toml`",
    )
}

async fn status(client: &Client, form: Form) -> Result<(), Fault> {
    let found = client.get("/restore").await?;
    if form.json {
        return show::json(&found);
    }
    show::put(&show::fields(&found, &STATUS))?;
    for (heading, columns) in [("replayed", &FILE[..]), ("released", &RELEASE[..])] {
        let items = show::items(&found[heading], "items");
        if !items.is_empty() {
            show::line("")?;
            show::table(columns, items, form)?;
        }
    }
    if let Some(why) = found["why"].as_str() {
        show::line(&format!("\nall mail is {why}"))?;
    }
    Ok(())
}

/// What a file has come to so far.
#[derive(Default)]
struct Tally {
    counts: Value,
    refused: Vec<Value>,
}

impl Tally {
    fn add(&mut self, key: &str, more: u64) {
        let before = self.counts[key].as_u64().unwrap_or_default();
        self.counts[key] = (before + more).into();
    }

    fn take(&mut self, mut answer: Value) {
        if let Some(Value::Array(rows)) =
            answer.as_object_mut().and_then(|a| a.remove("refused_rows"))
        {
            self.refused.extend(rows.into_iter().take(20usize.saturating_sub(self.refused.len())));
        }
        for (key, value) in answer.as_object().into_iter().flatten() {
            self.add(key, value.as_u64().unwrap_or_default());
        }
    }
}

async fn replay(
    client: &Client,
    config: &Config,
    files: &[PathBuf],
    account: Option<&str>,
    form: Form,
) -> Result<(), Fault> {
    let restored = client.get("/restore").await?;
    let number = |key: &str| restored[key].as_u64().unwrap_or_default();
    let since = Later { events: number("events"), spool_end: number("spool_end") };
    let mut done = Vec::new();
    for path in files {
        let (tally, sha256) = file(client, config, path, (account, since)).await?;
        let mut body = tally.counts.clone();
        body["name"] =
            path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into()).into();
        body["sha256"] = sha256.into();
        for key in FILE.iter().map(|(_, key)| *key).filter(|key| *key != "at") {
            if body[key].is_null() {
                body[key] = 0.into();
            }
        }
        client.post("/restore/files", &body).await?;
        for row in &tally.refused {
            let (line, why) = (&row["line"], show::cell("why", &row["why"]));
            show::aside(&format!("{}:{line}: {why}", path.display()));
        }
        done.push(body);
    }
    if form.json {
        show::json(&json!({ "files": done }))?;
    } else {
        show::table(&FILE[..8], &done, form)?;
        show::line("`relent restore release` lets mail go once nothing is left to be replayed")?;
    }
    match done.iter().filter_map(|file| file["refused"].as_u64()).sum::<u64>() {
        0 => Ok(()),
        count => Err(Fault::Refused(format!(
            "{count} {} could not be meant, and whom they stop is not stopped here",
            if count == 1 { "row" } else { "rows" }
        ))),
    }
}

/// Replays a file: what it came to, and its SHA-256.
async fn file(
    client: &Client,
    config: &Config,
    path: &Path,
    (account, since): (Option<&str>, Later),
) -> Result<(Tally, String), Fault> {
    let unread = |fault: std::io::Error| {
        Fault::Refused(format!("{}: it cannot be read: {fault}", path.display()))
    };
    let sha256 = replay::sha256(path).map_err(unread)?;
    let (line, mut rows) = mpsc::channel::<Taken>(TOGETHER);
    let mut progress = Progress::new(path.metadata().ok().map(|about| about.len()));
    let is_archive = replay::is_archive(path).map_err(unread)?;
    let reading = if is_archive {
        let (path, config) = (path.to_owned(), config.clone());
        tokio::task::spawn_blocking(move || archive(&path, &config, since, &line))
    } else {
        let (path, account) = (path.to_owned(), account.map(str::to_owned));
        let row_size_max = client.limits.import_row_size_max.bytes();
        let source = progress.counted(std::fs::File::open(&path).map_err(unread)?);
        tokio::task::spawn_blocking(move || {
            replay::read(source, account.as_deref(), row_size_max, &mut |taken| {
                line.blocking_send(taken).map_err(|_| "nobody takes it any more".to_owned())
            })
        })
    };
    let (mut tally, mut batch, mut count) = (Tally::default(), Vec::new(), 0);
    let most = TOGETHER.min(client.limits.import_rows_max as usize).max(1);
    while let Some(taken) = rows.recv().await {
        count += 1;
        match taken {
            Taken::Row(row) => {
                // An erasure takes its time.
                let is_slow = row.what == "erasure";
                if is_slow || batch.len() >= most {
                    send(client, &mut batch, &mut tally).await?;
                }
                batch.push(row);
                if is_slow {
                    send(client, &mut batch, &mut tally).await?;
                }
            }
            Taken::PassedOver => tally.add("passed_over", 1),
            Taken::Refused(number, why) => {
                tally.take(json!({
                    "refused": 1, "refused_rows": [{ "line": number, "why": why }]
                }));
            }
        }
        progress.show(count);
    }
    send(client, &mut batch, &mut tally).await?;
    progress.clear();
    let read = reading.await.map_err(|fault| Fault::Refused(fault.to_string()))?;
    read.map_err(|why| {
        Fault::Refused(format!("{}: {why}; what stood before that was taken in", path.display()))
    })?;
    Ok((tally, sha256))
}

fn archive(
    path: &Path,
    config: &Config,
    since: Later,
    line: &mpsc::Sender<Taken>,
) -> Result<(), String> {
    let mut folder = path.to_owned().into_os_string();
    folder.push(".unpacked");
    let folder = PathBuf::from(folder);
    let scratch =
        Scratch::make(&folder).map_err(|fault| format!("{}: {fault}", folder.display()))?;
    let world = World::real();
    let mut send = |row: LaterRow| {
        let gone = |_| backup::BackupFault::Refused("nobody takes it any more".into());
        line.blocking_send(Taken::Row(row)).map_err(gone)
    };
    let read = backup::later(path, &scratch.0, (config, &world), since, &mut send);
    read.map(drop).map_err(|fault| fault.to_string())
}

async fn send(client: &Client, batch: &mut Vec<LaterRow>, tally: &mut Tally) -> Result<(), Fault> {
    if batch.is_empty() {
        return Ok(());
    }
    let body = json!({ "rows": std::mem::take(batch) });
    tally.take(client.post_patiently("/restore/rows", &body).await?);
    Ok(())
}
