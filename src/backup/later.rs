//! What another backup knows that the one which was put back does not: taken of what was left of the lost host, it
//! tells of stops, withdrawals, people who were forgotten, and mail that had ended.

use super::BackupFault;
use super::archive::{self, Manifest, walk};
use crate::accounts::Accounts;
use crate::config::Config;
use crate::events::message::{MessageEvent, owner};
use crate::events::record::Scope;
use crate::mail::id::BASE32;
use crate::mail::{AccountId, RecipientHash, StreamId};
use crate::policy::{ConsentState, Policy, RecipientView};
use crate::spool::{Sequence, Spool};
use crate::store::{Store, StoreFault, refill};
use crate::world::World;
use serde::Serialize;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

/// Rows, and records, read at a time.
const PAGE: usize = 500;
/// Memory for the engine's cache meanwhile.
const CACHE: usize = 16 << 20;

/// How far the backup that was put back had come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Later {
    /// The last event of its records.
    pub events: u64,
    /// The end of its log of messages.
    pub spool_end: u64,
}

/// One thing that came after it, in the words of the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LaterRow {
    /// The line that it stands in, where it comes from a list.
    pub line: u64,
    /// `stop`, `withdrawal`, `erasure` or `end`.
    pub what: &'static str,
    /// Whose, by name; `global` is the installation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whom it is about: an address, `@domain` or the account's hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// Of a stop: `stream`, `account` or `global`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The stream's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Of a stop: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of an end: the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Reads from an archive what came after another, unpacking it into an empty folder, and hands it over row by row.
/// Blocks; callers stand on a blocking thread.
///
/// # Errors
/// The archive is not sound, or cannot be unpacked; what `each` said.
pub fn later(
    path: &Path,
    folder: &Path,
    (config, world): (&Config, &World),
    since: Later,
    each: &mut dyn FnMut(LaterRow) -> Result<(), BackupFault>,
) -> Result<Manifest, BackupFault> {
    let open = || File::open(path).map(BufReader::new).map_err(BackupFault::at(path));
    let manifest = archive::check(open()?)?;
    let spool = folder.join("spool");
    fs::create_dir(&spool).map_err(BackupFault::at(&spool))?;
    let mut records = refill(folder, config.store.engine, CACHE)?;
    walk(open()?, &mut |name, size, source| {
        if name.starts_with("records/") {
            return archive::refill(&mut records, (name, size), source);
        }
        let Some(file) = name.strip_prefix("spool/").filter(|file| !file.contains('/')) else {
            return Ok(());
        };
        archive::unpack(&spool.join(file), source).map(drop)
    })?;
    records.finish()?;
    let store = Store::open(folder, &config.store, world);
    store.ready()?;
    let accounts = Accounts::new(store.clone(), world.clone());
    let policy = Policy::new(accounts.clone(), store, world.clone(), &config.queue);
    let reader = Reader { accounts, policy, since };
    for account in [vec![AccountId::INSTALLATION], reader.accounts.all_ids()?].concat() {
        reader.account(account, each)?;
    }
    if manifest.opening.mail {
        let (log, _) = Spool::open(&spool, &config.spool, owner(Duration::MAX), world)
            .map_err(BackupFault::at(&spool))?;
        reader.ends(&log, each)?;
    }
    Ok(manifest)
}

struct Reader {
    accounts: Accounts,
    policy: Policy,
    since: Later,
}

type Each<'a> = &'a mut dyn FnMut(LaterRow) -> Result<(), BackupFault>;

impl Reader {
    fn name(&self, account: AccountId) -> Result<Option<String>, StoreFault> {
        if account == AccountId::INSTALLATION {
            return Ok(Some("global".into()));
        }
        Ok(self.accounts.account_by_id(account)?.map(|account| account.name.clone()))
    }

    fn stream(&self, id: StreamId) -> Result<Option<String>, StoreFault> {
        Ok(self.accounts.stream_by_id(id)?.map(|stream| stream.name.clone()))
    }

    /// The stops and withdrawals of an account that were recorded later, and who was forgotten.
    fn account(&self, account: AccountId, each: Each<'_>) -> Result<(), BackupFault> {
        let name = self.name(account)?;
        let mut after = None;
        loop {
            let page = self.policy.suppressed(account, after, PAGE)?;
            for (hash, view) in page.found {
                self.stops(name.as_ref(), (hash, &view), &mut *each)?;
            }
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        if account == AccountId::INSTALLATION {
            return Ok(());
        }
        let unread = |fault: crate::accounts::AccountFault| BackupFault::Refused(fault.to_string());
        for stream in self.accounts.streams(account).map_err(unread)? {
            let mut after = None;
            loop {
                let page = self.policy.consenting(&stream, after, PAGE)?;
                for (hash, view) in page.found {
                    let Some(taken_back) = view.consents.iter().find(|consent| {
                        consent.stream == stream.id
                            && consent.state == ConsentState::Withdrawn
                            && consent.sequence > self.since.events
                    }) else {
                        continue;
                    };
                    each(LaterRow {
                        what: "withdrawal",
                        account: name.clone(),
                        recipient: Some(whom(hash, &view)),
                        stream: Some(stream.name.clone()),
                        at: Some(taken_back.at.to_string()),
                        text: said(&taken_back.evidence.text),
                        ..LaterRow::default()
                    })?;
                }
                let Some(next) = page.next else { break };
                after = Some(next);
            }
        }
        Ok(())
    }

    fn stops(
        &self,
        account: Option<&String>,
        (hash, view): (RecipientHash, &RecipientView),
        each: Each<'_>,
    ) -> Result<(), BackupFault> {
        // Of who was forgotten the hash is left, with what keeps them stopped.
        if view.address.is_none() && view.domain.is_none() {
            each(LaterRow {
                what: "erasure",
                account: account.cloned(),
                recipient: Some(whom(hash, view)),
                ..LaterRow::default()
            })?;
        }
        for stop in view.suppressions.iter().filter(|stop| stop.sequence > self.since.events) {
            let (scope, stream) = match stop.scope {
                Scope::Stream(id) => ("stream", self.stream(id)?),
                Scope::Account => ("account", None),
                Scope::Global => ("global", None),
            };
            each(LaterRow {
                what: "stop",
                account: account.cloned(),
                recipient: Some(whom(hash, view)),
                scope: Some(scope.into()),
                stream,
                reason: Some(stop.reason.name().into()),
                at: Some(stop.at.to_string()),
                text: said(&stop.evidence.text),
                ..LaterRow::default()
            })?;
        }
        Ok(())
    }

    /// Recipients whose mail ended later.
    fn ends(&self, log: &Spool, each: Each<'_>) -> Result<(), BackupFault> {
        let mut from = Sequence(self.since.spool_end);
        loop {
            let records = log.read(from, PAGE)?;
            for record in &records {
                from = Sequence(record.sequence.0 + 1);
                let Some(MessageEvent::Recipient { message, to, outcome, at, .. }) =
                    MessageEvent::decode(record)
                else {
                    continue;
                };
                if outcome.is_end() {
                    each(LaterRow {
                        what: "end",
                        recipient: Some(to.address.to_string()),
                        message: Some(message.to_string()),
                        at: Some(at.to_string()),
                        ..LaterRow::default()
                    })?;
                }
            }
            if records.len() < PAGE {
                return Ok(());
            }
        }
    }
}

fn whom(hash: RecipientHash, view: &RecipientView) -> String {
    match (&view.domain, &view.address) {
        (Some(domain), _) => format!("@{domain}"),
        (None, Some(address)) => address.to_string(),
        (None, None) => BASE32.encode(&hash.0),
    }
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
