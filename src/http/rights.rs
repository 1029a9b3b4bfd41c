//! `/api/v1/recipients`: all that is kept about a person, and its destruction.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft};
use super::problem::{AtField, Problem};
use super::site::Parts;
use super::{audit, consent, explain, named, suppression};
use crate::events::audit::{Act, Audit};
use crate::mail::{AccountId, Address};
use crate::policy::{ErasedRecords, Subject};
use crate::queue::{ItemView, Selector};
use crate::rights::{Begun, JOBS_PER_ACCOUNT_MAX, RightsFault};
use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// The version of the export's form.
const VERSION: u32 = 1;
/// Most of each kind of thing in an export; that there are more is said.
const EACH_MAX: usize = 10_000;
/// How long an erasure is waited for; it goes on by itself.
const WAIT: Duration = Duration::from_secs(20);

/// About whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecipientWanted)]
pub(super) struct Wanted {
    /// Whose records; left out, the caller's own account.
    account: Option<String>,
    /// The person's address.
    recipient: Option<String>,
    /// All accounts, which is the operator's to ask.
    all_accounts: Option<bool>,
}

impl Wanted {
    /// The account that is meant, or all, and the person.
    fn read(
        &self,
        parts: &Parts,
        caller: &Caller,
    ) -> Result<(Option<AccountId>, Address), Problem> {
        caller.whole_account()?;
        let account = match self.all_accounts.unwrap_or(false) {
            true => {
                caller.operator("reaching into all accounts (`all_accounts`)")?;
                None
            }
            false => Some(caller.meant(parts, self.account.as_ref())?.id),
        };
        let recipient = named::needed("recipient", self.recipient.as_ref())?;
        Ok((account, named::address(recipient).at("recipient")?))
    }
}

impl From<RightsFault> for Problem {
    fn from(fault: RightsFault) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, fault.to_string())
    }
}

/// All that one account keeps of a person.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountExport)]
pub(super) struct AccountView {
    /// The account's name; `global` is the installation.
    account: Option<String>,
    /// Under which it keeps the person, in base32.
    hash: String,
    /// The address, while it is kept.
    #[schema(value_type = Option<String>)]
    address: Option<Address>,
    /// Stops.
    suppressions: Vec<suppression::View>,
    /// Consents.
    consents: Vec<consent::View>,
    /// How the records changed, oldest first.
    records: Vec<explain::RecordView>,
    /// What happened to mail to the person.
    messages: Vec<explain::MessageView>,
    /// Mail that waits.
    queued: Vec<ItemView>,
    /// Entries of the audit chain that are about the person.
    audit: Vec<audit::View>,
    /// Whether there is more of some kind than is shown.
    cut: bool,
}

/// For how long things are kept, as in `30d`.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportRetention)]
struct RetentionView {
    messages: String,
    records: String,
    evidence_ips: String,
    audit: String,
}

/// All that is kept of a person.
#[derive(Serialize, ToSchema)]
#[schema(as = RecipientExport)]
pub(super) struct ExportView {
    /// The version of this form.
    version: u32,
    /// The person.
    #[schema(value_type = String)]
    recipient: Address,
    /// What each account keeps; those that keep nothing are left out.
    accounts: Vec<AccountView>,
    /// For how long.
    retention: RetentionView,
}

/// All that one account keeps of a person; nothing where it keeps nothing.
async fn of_account(
    parts: &Parts,
    caller: &Caller,
    account: AccountId,
    address: &Address,
) -> Result<Option<AccountView>, Problem> {
    let subject = Subject::Address(address.clone());
    let hash = parts.accounts.hash(account, address)?;
    let view = parts.policy.view(account, &subject)?;
    let mut suppressions = Vec::new();
    for standing in parts.policy.standing(account, &subject)? {
        // Those of a domain, and global ones, are no record of this account about this person.
        if standing.owner == account && standing.hash == hash {
            suppressions.push(suppression::view(parts, caller, &standing)?);
        }
    }
    let name = address.to_string();
    let consents = consent::items(parts, Some(&name), &view, None)?;
    let mut records = Vec::new();
    for event in parts.policy.history(account, &subject, EACH_MAX)? {
        records.push(explain::record(parts, &event, None)?);
    }
    let told = parts.policy.entries(account, &subject, EACH_MAX)?;
    let mut entries = Vec::new();
    for (_, entry) in &told {
        if let Some(entry) = Audit::new(parts.store.clone()).entry(*entry)? {
            entries.push(audit::view(parts, &entry)?);
        }
    }
    let messages = parts.queue.events_for(account, hash, EACH_MAX).await;
    let queued = match account {
        AccountId::INSTALLATION => Vec::new(),
        _ => parts.queue.list(Selector::Recipient(account, hash), EACH_MAX).await,
    };
    let is_empty = suppressions.is_empty()
        && consents.is_empty()
        && records.is_empty()
        && messages.is_empty()
        && queued.is_empty();
    if is_empty {
        return Ok(None);
    }
    let is_cut = [records.len(), entries.len(), messages.len(), queued.len()].contains(&EACH_MAX);
    Ok(Some(AccountView {
        account: named::account_name(parts, account)?,
        hash: hash.to_string(),
        address: view.address,
        suppressions,
        consents,
        records,
        messages: messages.iter().map(explain::message).collect(),
        queued,
        audit: entries,
        cut: is_cut,
    }))
}

/// All that is kept about a person, in a documented form.
pub(super) async fn export(
    By(parts): By,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<ExportView>, Problem> {
    let (only, address) = wanted.read(&parts, &caller)?;
    let accounts = match only {
        Some(account) => vec![account],
        None => [vec![AccountId::INSTALLATION], parts.accounts.all_ids()?].concat(),
    };
    let mut found = Vec::new();
    for account in accounts {
        found.extend(of_account(&parts, &caller, account, &address).await?);
    }
    // Who took a copy is known before the copy is given.
    let account = only.unwrap_or(AccountId::INSTALLATION);
    let hash = parts.accounts.hash(account, &address)?;
    let act = Act::new(account, "recipient.exported").about(hash.to_string());
    parts.accounts.write_act(act.with("all_accounts", only.is_none())).await?;
    let kept = &parts.config.retention;
    Ok(Json(ExportView {
        version: VERSION,
        recipient: address,
        accounts: found,
        retention: RetentionView {
            messages: kept.events.to_string(),
            records: kept.records.to_string(),
            evidence_ips: kept.evidence_ips.to_string(),
            audit: kept.audit.to_string(),
        },
    }))
}

/// An erasure that is done.
#[derive(Serialize, ToSchema)]
#[schema(as = DoneErasure)]
pub(super) struct DoneView {
    /// True.
    done: bool,
    /// Recipients of queued mail that were taken out.
    cancelled: u64,
    /// What was destroyed of the records.
    records: ErasedRecords,
    /// Events of messages that say less now.
    messages: u64,
    /// Whether the file of the records was written anew.
    compacted: bool,
    /// What is still there and why, in sentences; empty: nothing.
    remains: Vec<String>,
}

/// An erasure that goes on by itself.
#[derive(Serialize, ToSchema)]
#[schema(as = BegunErasure)]
pub(super) struct BegunView {
    /// False.
    done: bool,
    /// What to do, in a sentence.
    detail: &'static str,
}

/// How far an erasure came.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Erasure)]
pub(super) enum ErasureView {
    Done(DoneView),
    Begun(BegunView),
}

/// Destroys what is kept about a person. 202 where it takes longer than an answer may: it goes on by itself,
/// and the same again says what became of it.
pub(super) async fn erase(
    By(parts): By,
    caller: Caller,
    Draft(wanted): Draft<Wanted>,
) -> Result<(StatusCode, Json<ErasureView>), Problem> {
    let (account, address) = wanted.read(&parts, &caller)?;
    let actor = parts.accounts.author().actor().clone();
    let rights = parts.rights.clone();
    let number = match rights.begin(address, account, &actor).await? {
        Begun::Number(number) => number,
        Begun::FullForAccount => {
            let text = format!(
                "{JOBS_PER_ACCOUNT_MAX} erasures of this account wait already, as many as may: ask again \
                 once some are done"
            );
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, text));
        }
        Begun::Full => {
            let text = "too many erasures wait already: try again later";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
    };
    tracing::info!(target: "relent::http", number, "an erasure was begun");
    let longest = WAIT.min(parts.config.http.request_timeout.0 / 2);
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let work = tokio::spawn(async move { rights.work(number).await });
    let Ok(worked) = tokio::time::timeout(longest, work).await else {
        let text = "begun, and it goes on by itself; the same again says what became of it";
        let begun = BegunView { done: false, detail: text };
        return Ok((StatusCode::ACCEPTED, Json(ErasureView::Begun(begun))));
    };
    let erased = worked.map_err(|fault| suppression::broken(&fault))??;
    let done = DoneView {
        done: true,
        cancelled: erased.cancelled,
        records: erased.records,
        messages: erased.messages,
        compacted: erased.is_compacted,
        remains: erased.remains(),
    };
    Ok((StatusCode::OK, Json(ErasureView::Done(done))))
}
