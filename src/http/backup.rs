//! `/api/v1/backup`: an archive of all that must last, taken while mail goes on, as the body of an answer that takes
//! its time.

use super::by::By;
use super::draft::Draft;
use super::problem::{Kind, Problem};
use super::serve::Lasting;
use super::site::Parts;
use crate::backup::{self, BackupFault, Running, Wish};
use crate::events::Act;
use crate::mail::AccountId;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use utoipa::ToSchema;

/// Most bytes of settings that go along.
pub(super) const SETTINGS_MAX: usize = 16 << 20;
/// Bytes that are handed on at a time, and how many of these may wait.
const PIECE: usize = 256 << 10;
const PIECES: usize = 8;
/// Largest name of a file of settings.
const NAME_MAX: usize = 60;
/// About how many bytes the archive will have.
const SIZE: HeaderName = HeaderName::from_static("x-relent-size");

/// How the last backup ended.
#[derive(Clone, Default)]
pub(super) struct Backups(Arc<Mutex<Option<Value>>>);

impl Backups {
    fn say(&self, how: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
    }
}

/// What is to be in it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BackupWanted)]
pub(super) struct Wanted {
    /// Without queued mail and the log of messages.
    without_mail: Option<bool>,
    /// Files of settings that go along.
    settings: Option<Vec<Settings>>,
}

/// A file of settings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BackupSettings)]
pub(super) struct Settings {
    /// Its name without folders.
    name: String,
    /// What it says.
    text: String,
}

impl Wanted {
    fn read(self) -> Result<Wish, Problem> {
        let mut settings = Vec::new();
        for Settings { name, text } in self.settings.unwrap_or_default() {
            let is_fine = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            if name.is_empty()
                || name.len() > NAME_MAX
                || name.starts_with('.')
                || !name.bytes().all(is_fine)
            {
                return Err(Problem::field(
                    "settings",
                    format!("`{name}` is no plain name of a file"),
                ));
            }
            if settings.iter().any(|(other, _)| *other == name) {
                return Err(Problem::field("settings", format!("`{name}` is named twice")));
            }
            settings.push((name, text.into_bytes()));
        }
        Ok(Wish { without_mail: self.without_mail.unwrap_or(false), settings })
    }
}

/// Hands bytes on to whoever takes the answer.
struct Pipe {
    line: mpsc::Sender<Result<Bytes, io::Error>>,
    waiting: Vec<u8>,
    runtime: tokio::runtime::Handle,
    stall_max: Duration,
    ready: Arc<AtomicBool>,
}

impl Pipe {
    fn send(&mut self) -> io::Result<()> {
        if !self.ready.load(Ordering::Acquire) {
            return Err(io::Error::other("the daemon stops"));
        }
        let piece = Bytes::from(std::mem::take(&mut self.waiting));
        let sent = self.runtime.block_on(self.line.send_timeout(Ok(piece), self.stall_max));
        sent.map_err(|fault| match fault {
            mpsc::error::SendTimeoutError::Closed(_) => {
                io::Error::other("whoever took it has gone")
            }
            mpsc::error::SendTimeoutError::Timeout(_) => io::Error::other(format!(
                "nobody took anything of it for {} s, as long as backup.stall_max allows",
                self.stall_max.as_secs()
            )),
        })
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() { Ok(()) } else { self.send() }
    }
}

/// Takes a backup.
pub(super) async fn take(
    By(parts): By,
    Extension(backups): Extension<Backups>,
    lasting: Option<Extension<Lasting>>,
    Draft(wanted): Draft<Wanted>,
) -> Result<Response, Problem> {
    let wish = wanted.read()?;
    // In the chain of what is copied, too: whoever has the archive has every key.
    let act = Act::new(AccountId::INSTALLATION, "backup.taken").with("mail", !wish.without_mail);
    parts.accounts.write_act(act).await?;
    let size = backup::about(&parts.config, &parts.spool, &wish);
    let (line, pieces) = mpsc::channel(PIECES);
    let runtime = tokio::runtime::Handle::current();
    let pipe = Pipe {
        line: line.clone(),
        waiting: Vec::with_capacity(PIECE),
        runtime: runtime.clone(),
        stall_max: parts.config.backup.stall_max.0,
        ready: parts.ready.clone(),
    };
    let lasts = lasting.map(|Extension(lasting)| lasting.begin());
    tokio::task::spawn_blocking(move || {
        let running = Running {
            store: &parts.store,
            spool: &parts.spool,
            config: &parts.config,
            world: &parts.world,
            runtime: &runtime,
        };
        let done = backup::live(&running, &wish, pipe);
        tell(&backups, &done);
        if let Err(fault) = done {
            // The answer ends without its end, so that nobody takes it for whole.
            let _gone = runtime.block_on(line.send(Err(io::Error::other(fault.to_string()))));
        }
    });
    let pieces = unfold((pieces, lasts), |(mut pieces, lasts)| async move {
        let piece = pieces.recv().await?;
        Some((piece, (pieces, lasts)))
    });
    let kind = (header::CONTENT_TYPE, "application/x-tar".to_owned());
    Ok(([kind, (SIZE, size.to_string())], Body::from_stream(pieces)).into_response())
}

fn tell(backups: &Backups, done: &Result<backup::Manifest, BackupFault>) {
    let outcome = if done.is_ok() { "whole" } else { "broken_off" };
    metrics::counter!("relent_backups_total", "outcome" => outcome).increment(1);
    match done {
        Ok(manifest) => {
            tracing::info!(target: "relent::backup", size = manifest.size(), parts = manifest.parts.len(),
                moment = %manifest.moment, mail = manifest.opening.mail, "a backup was taken");
            backups.say(json!({
                "whole": true,
                "moment": manifest.moment.to_string(),
                "size": manifest.size(),
                "fault": null,
            }));
        }
        Err(fault) => {
            tracing::warn!(target: "relent::backup", %fault, "a backup was broken off: what was written of it is \
                no backup");
            backups.say(json!({ "whole": false, "fault": fault.to_string() }));
        }
    }
}

/// How the last backup of this run ended.
pub(super) async fn last(
    State(_): State<Parts>,
    Extension(backups): Extension<Backups>,
) -> Result<Json<Value>, Problem> {
    let last = backups.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    last.map(Json).ok_or_else(|| {
        Problem::of(Kind::Unknown, "no backup was taken since the daemon was started")
    })
}
