//! `/api/v1/restore`: what is held since a restore, what was said after the backup, and letting mail go.

use super::by::By;
use super::draft::Draft;
use super::named::{self, GLOBAL};
use super::problem::{Kind, Problem};
use super::rows::{Unfit, refused, told, within};
use super::site::Parts;
use super::suppression::broken;
use crate::accounts::AccountFault;
use crate::events::record::{Circumstances, Evidence, Scope, Source};
use crate::mail::{AccountId, Address, MessageId, RecipientHash, Timestamp};
use crate::policy::{
    ConsentState, Counts, ListedConsent, ListedStop, Replayed, Restored, Subject, Unreleased,
};
use crate::queue::{Selector, Waits};
use crate::rights::Begun;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Longest name or reason.
const TEXT_MAX: usize = 500;
/// Recipients that are counted at most: more are as many.
const COUNTED_MAX: usize = 100_000;
/// Why mail is taken out that had ended elsewhere.
const ENDED: &str = "it had ended before the host was lost";
/// Why mail is taken out that nobody wants sent a second time.
const DROPPED: &str = "dropped after a restore: it was accepted before the moment named";

impl From<Unreleased> for Problem {
    fn from(fault: Unreleased) -> Self {
        match fault {
            Unreleased::Refused(text) => Self::of(Kind::Conflict, text),
            Unreleased::Store(fault) => fault.into(),
        }
    }
}

fn restored(parts: &Parts) -> Result<std::sync::Arc<Restored>, Problem> {
    parts.policy.restored()?.ok_or_else(|| {
        Problem::of(Kind::Conflict, "these records come from no backup: nothing is held for one")
    })
}

/// What is known of the restore.
pub(super) async fn show(State(parts): State<Parts>) -> Result<Json<Value>, Problem> {
    let restored = restored(&parts)?;
    let mut released = Vec::new();
    for release in &restored.released {
        let account = release.account.map(|id| named::account_name(&parts, id)).transpose()?;
        released.push(json!({
            "account": account.flatten(),
            "at": release.at.to_string(),
            "waived_by": release.waived.as_ref().map(|(name, _)| name),
            "reason": release.waived.as_ref().map(|(_, reason)| reason),
        }));
    }
    let file = |file: &Replayed| {
        let mut shown = json!(file.counts);
        shown["name"] = file.name.clone().into();
        shown["sha256"] = file.sha256.clone().into();
        shown["at"] = file.at.to_string().into();
        shown
    };
    let before = Selector::AcceptedBefore(None, restored.backup);
    let older = parts.queue.list(before, COUNTED_MAX).await.len();
    Ok(Json(json!({
        "held": !restored.is_let_go(),
        "why": (!restored.is_let_go()).then(|| restored.why()),
        "restored": restored.at.to_string(),
        "backup": restored.backup.to_string(),
        "hostname": restored.hostname,
        "audit_through": restored.through,
        "events": restored.events,
        "spool_end": restored.spool_end,
        "waiting_from_before": older,
        "erasures_waiting": parts.rights.waiting()?,
        "replayed": restored.replayed.iter().map(file).collect::<Vec<_>>(),
        "released": released,
    })))
}

/// What was said after the backup.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RestoreRows)]
pub(super) struct Rows {
    #[schema(inline)]
    rows: Vec<Row>,
}

/// One thing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RestoreRow)]
struct Row {
    /// By which it is named where it is refused.
    line: u64,
    /// `stop`, `withdrawal`, `erasure` or `end`.
    what: String,
    account: Option<String>,
    /// An address, `@domain`, or the account's hash.
    recipient: Option<String>,
    scope: Option<String>,
    stream: Option<String>,
    reason: Option<String>,
    at: Option<String>,
    text: Option<String>,
    /// Of an end: the message.
    message: Option<String>,
}

/// What a row means.
enum Meant {
    Stop(AccountId, ListedStop),
    Withdrawal(AccountId, String, ListedConsent),
    Erasure(AccountId, Subject),
    End(MessageId, Address),
    /// There is nobody here whom it could be about.
    Nobody,
}

impl Row {
    fn account(&self, parts: &Parts) -> Result<AccountId, Unfit> {
        match named::given(self.account.as_ref()) {
            Some(GLOBAL) => Ok(AccountId::INSTALLATION),
            Some(name) => Ok(parts.accounts.account(name).map_err(Problem::from)?.id),
            None => refused("it names no account: say which with --account"),
        }
    }

    fn at(&self) -> Result<Option<Timestamp>, Unfit> {
        let at = named::given(self.at.as_ref()).map(named::read_moment).transpose();
        Ok(at?)
    }

    fn evidence(&self) -> Evidence {
        let text = self.text.as_deref().unwrap_or_default();
        let text = text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect();
        Evidence { source: Source::Operator, text, ip: None, message: None }
    }

    fn meant(&self, parts: &Parts) -> Result<Meant, Unfit> {
        let recipient = named::needed("recipient", self.recipient.as_ref())?;
        if self.what == "end" {
            let id = named::needed("message", self.message.as_ref())?;
            let id = id.parse::<MessageId>();
            let id = id.map_err(|_| Unfit::Row("`message` is no id of a message".into()))?;
            return Ok(match named::address(recipient) {
                Ok(address) => Meant::End(id, address),
                Err(_) => Meant::Nobody,
            });
        }
        let account = self.account(parts)?;
        let subject = named::subject(recipient)?;
        match self.what.as_str() {
            "stop" => self.stop(parts, account, subject),
            "withdrawal" => {
                let Subject::Address(address) = subject else { return Ok(Meant::Nobody) };
                let stream = named::needed("stream", self.stream.as_ref())?.to_owned();
                let listed = ListedConsent {
                    address,
                    state: ConsentState::Withdrawn,
                    at: self.at()?,
                    evidence: self.evidence(),
                    circumstances: Circumstances::default(),
                };
                Ok(Meant::Withdrawal(account, stream, listed))
            }
            "erasure" => Ok(Meant::Erasure(account, subject)),
            word => refused(format!(
                "`{word}` is nothing that is replayed: write stop, withdrawal, erasure or end"
            )),
        }
    }

    fn stop(&self, parts: &Parts, account: AccountId, subject: Subject) -> Result<Meant, Unfit> {
        let reason = named::reason(named::needed("reason", self.reason.as_ref())?)?;
        let is_global = account == AccountId::INSTALLATION;
        let stream = named::given(self.stream.as_ref());
        let scope = match (named::given(self.scope.as_ref()), stream) {
            (Some(GLOBAL), _) if !is_global => {
                return refused("a global stop is of the account `global`");
            }
            _ if is_global => Scope::Global,
            (Some("account"), _) | (None, None) => Scope::Account,
            (_, name) => match name.map(|name| parts.accounts.stream(account, name)) {
                Some(Ok(stream)) => Scope::Stream(stream.id),
                Some(Err(AccountFault::Store(fault))) => return Err(Unfit::Fault(fault.into())),
                // A stream that is not here any more stops the account's, as its signed addresses do.
                Some(Err(_)) | None => Scope::Account,
            },
        };
        let (at, evidence) = (self.at()?, self.evidence());
        Ok(Meant::Stop(account, ListedStop { subject, scope, reason, at, evidence }))
    }
}

/// Takes in rows of what was said after the backup. Each may be sent again: what stands is left.
pub(super) async fn rows(By(parts): By, Draft(rows): Draft<Rows>) -> Result<Json<Value>, Problem> {
    restored(&parts)?;
    within(&parts, rows.rows.len())?;
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let work = tokio::spawn(async move { take_in(&parts, rows).await });
    let (counts, refused) = work.await.map_err(|fault| broken(&fault))??;
    let mut shown = json!(counts);
    shown["refused_rows"] = refused.into();
    Ok(Json(shown))
}

async fn take_in(parts: &Parts, rows: Rows) -> Result<(Counts, Vec<Value>), Problem> {
    let (mut counts, mut unfit) = (Counts::default(), Vec::new());
    let mut stops: BTreeMap<AccountId, Vec<ListedStop>> = BTreeMap::new();
    let mut withdrawals: BTreeMap<(AccountId, String), Vec<ListedConsent>> = BTreeMap::new();
    for row in &rows.rows {
        match row.meant(parts) {
            Err(Unfit::Fault(problem)) => return Err(problem),
            Err(Unfit::Row(why)) => {
                counts.refused += 1;
                unfit.push(told(row.line, &row.recipient, &why));
            }
            Ok(Meant::Nobody) => counts.already += 1,
            Ok(Meant::Stop(account, stop)) => stops.entry(account).or_default().push(stop),
            Ok(Meant::Withdrawal(account, stream, listed)) => {
                withdrawals.entry((account, stream)).or_default().push(listed);
            }
            Ok(Meant::End(message, address)) => {
                let ended = parts.queue.remove(Selector::Copy(message, address), ENDED).await?;
                if ended > 0 { counts.ended += ended } else { counts.already += 1 }
            }
            Ok(Meant::Erasure(account, subject)) => {
                if erase(parts, account, subject).await? {
                    counts.erasures += 1;
                } else {
                    counts.already += 1;
                }
            }
        }
    }
    for (account, stops) in stops {
        let done = parts.policy.suppress_all(account, stops).await?;
        counts.stops += done.taken;
        counts.already += done.already;
    }
    for ((account, stream), listed) in withdrawals {
        let count = listed.len() as u64;
        match parts.accounts.stream(account, &stream) {
            Ok(stream) => {
                let done = parts.policy.consent_all(&stream, listed).await?;
                counts.withdrawals += done.taken;
                counts.already += done.already;
            }
            Err(AccountFault::Store(fault)) => return Err(fault.into()),
            // A consent to what is not here lets nothing through.
            Err(_) => counts.already += count,
        }
    }
    Ok((counts, unfit))
}

/// Forgets a person again, and keeps them stopped; false where nothing here is about them. By the hash alone the
/// person is found whose address is still kept.
async fn erase(parts: &Parts, account: AccountId, subject: Subject) -> Result<bool, Problem> {
    let address = match subject {
        Subject::Domain(_) => return Ok(false),
        Subject::Address(address) => Some(address),
        Subject::Hash(hash) => address_of(parts, account, hash).await?,
    };
    let Some(address) = address else { return Ok(false) };
    let actor = parts.accounts.author().actor().clone();
    match parts.rights.begin(address, Some(account), &actor).await? {
        Begun::Number(number) => {
            parts.rights.work(number).await?;
            Ok(true)
        }
        Begun::FullForAccount | Begun::Full => {
            Err(Problem::of(Kind::NotNow, "erasures wait already, as many as may: try again later"))
        }
    }
}

async fn address_of(
    parts: &Parts,
    account: AccountId,
    hash: RecipientHash,
) -> Result<Option<Address>, Problem> {
    if let Some(address) = parts.policy.view(account, &Subject::Hash(hash))?.address {
        return Ok(Some(address));
    }
    let events = parts.queue.events_for(account, hash, 1).await;
    Ok(events.iter().find_map(|event| event.address_of(hash).cloned()))
}

/// A file that was taken in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RestoreFile)]
pub(super) struct File {
    name: String,
    sha256: String,
    stops: u64,
    withdrawals: u64,
    erasures: u64,
    ended: u64,
    already: u64,
    passed_over: u64,
    refused: u64,
}

/// Notes that a file was taken in whole.
pub(super) async fn file(By(parts): By, Draft(file): Draft<File>) -> Result<Json<Value>, Problem> {
    let File { name, sha256, stops, withdrawals, erasures, ended, already, passed_over, refused } =
        file;
    let counts = Counts { stops, withdrawals, erasures, ended, already, passed_over, refused };
    let (name, at) = (line("name", &name)?, parts.world.clock.now());
    let sha256 = line("sha256", &sha256)?;
    tracing::info!(target: "relent::backup", file = name, ?counts, "what was said after the backup was replayed");
    let work = tokio::spawn(async move {
        parts.policy.note_replayed(Replayed { name, sha256, at, counts }).await
    });
    work.await.map_err(|fault| broken(&fault))??;
    Ok(Json(json!({ "done": true })))
}

/// A name or a reason.
fn line(field: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > TEXT_MAX || text.chars().any(char::is_control) {
        let why = format!("`{field}` is one line of 1 to {TEXT_MAX} characters");
        return Err(Problem::field(field, why));
    }
    Ok(text.to_owned())
}

/// Whose mail is let go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RestoreRelease)]
pub(super) struct Release {
    /// Left out: everybody's.
    account: Option<String>,
    /// Who answers for what was not replayed.
    waived_by: Option<String>,
    /// Why.
    reason: Option<String>,
    /// Mail accepted before this moment is taken out first.
    drop_accepted_before: Option<String>,
}

/// Lets mail go.
pub(super) async fn release(
    By(parts): By,
    Draft(wanted): Draft<Release>,
) -> Result<Json<Value>, Problem> {
    let restored = restored(&parts)?;
    let account = match named::given(wanted.account.as_ref()) {
        Some(name) => Some((parts.accounts.account(name)?.id, name.to_owned())),
        None => None,
    };
    let waived = match (&wanted.waived_by, &wanted.reason) {
        (None, None) => None,
        (Some(name), Some(reason)) => Some((line("waived_by", name)?, line("reason", reason)?)),
        _ => {
            return Err(Problem::unfit(
                "`waived_by` and `reason` go together: who answers for it, and why",
            ));
        }
    };
    let before = named::given(wanted.drop_accepted_before.as_ref());
    let before = before.map(named::read_moment).transpose()?;
    restored
        .may_let_go(account.as_ref(), waived.as_ref())
        .map_err(|text| Problem::of(Kind::Conflict, text))?;
    let waiting = parts.rights.waiting()?;
    if waiting > 0 {
        let text = format!(
            "{waiting} erasures are not done yet, and mail to those people may wait: let mail go once they are"
        );
        return Err(Problem::of(Kind::Conflict, text));
    }
    let work = tokio::spawn(async move {
        let id = account.as_ref().map(|(id, _)| *id);
        let dropped = match before {
            Some(before) => {
                parts.queue.remove(Selector::AcceptedBefore(id, before), DROPPED).await?
            }
            None => 0,
        };
        let restored = parts.policy.let_go(account, waived, dropped).await?;
        if restored.is_let_go() {
            tracing::info!(target: "relent::backup", "mail that was held since the restore is let go");
        }
        parts.queue.wake(Waits::Restore).await;
        Ok::<_, Problem>((dropped, restored.is_let_go()))
    });
    let (dropped, is_all) = work.await.map_err(|fault| broken(&fault))??;
    Ok(Json(
        json!({ "released": wanted.account.as_deref().unwrap_or("all"), "dropped": dropped, "held": !is_all }),
    ))
}
