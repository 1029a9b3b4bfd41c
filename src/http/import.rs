//! `/api/v1/suppressions/import` and `/api/v1/consents/import`: lists, some thousand rows a request.
//! Each request is one transaction; what stands already is not recorded again, so that a request may be
//! repeated. A row that cannot be meant is refused by its line, and the others are done.

use super::by::By;
use super::caller::Caller;
use super::draft::Draft;
use super::named::{self, GLOBAL, Said};
use super::problem::Problem;
use super::rows::{Unfit, refused, within};
use super::site::Parts;
use super::suppression::broken;
use crate::accounts::AccountFault;
use crate::events::record::{Circumstances, Evidence, Reason, Scope};
use crate::mail::{AccountId, Domain, StreamId, Timestamp};
use crate::policy::{
    ConsentState, Imported, ListedConsent, ListedStop, RecipientView, Settled, Subject,
};
use crate::queue::Selector;
use crate::store::StoreFault;
use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// Rows for an account or a stream; what stands beside them holds where a row says nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// Left out, it is the caller's own.
    account: Option<String>,
    stream: Option<String>,
    source: Option<String>,
    at: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    wording: Option<String>,
    wording_version: Option<String>,
    #[schema(inline)]
    rows: Vec<Row>,
}

/// A row as a list has it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Its line in the list, by which it is named where it is refused.
    line: u64,
    recipient: String,
    scope: Option<String>,
    stream: Option<String>,
    reason: Option<String>,
    state: Option<String>,
    at: Option<String>,
    source: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    wording: Option<String>,
    wording_version: Option<String>,
    asked: Option<String>,
}

/// What a column gave, else what holds for all rows.
fn or<'a>(own: Option<&'a String>, of_all: Option<&'a String>) -> Option<&'a str> {
    named::given(own).or_else(|| named::given(of_all))
}

impl Batch {
    /// When a row's source says it was: as anywhere, or in whole seconds since 1970.
    fn at(&self, row: &Row, now: Timestamp) -> Result<Option<Timestamp>, Unfit> {
        let Some(text) = or(row.at.as_ref(), self.at.as_ref()) else { return Ok(None) };
        let seconds = text.parse::<i64>().ok().filter(|_| text.len() > 4);
        let seconds = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        let text = seconds.map_or_else(|| text.to_owned(), |at| at.to_string());
        Ok(Some(named::moment(now, Some(&text))?))
    }

    fn evidence(&self, caller: &Caller, row: &Row) -> Result<Evidence, Unfit> {
        let ip = or(row.ip.as_ref(), self.ip.as_ref()).map(|text| {
            text.parse::<IpAddr>().map_err(|_| {
                let example = "write one as in 192.0.2.7 or 2001:db8::7";
                Unfit::Row(format!("`{text}` is no IP address: {example}"))
            })
        });
        let source = or(row.source.as_ref(), self.source.as_ref()).unwrap_or_default();
        Ok(named::evidence(caller.source(), source, ip.transpose()?.map(|ip| ip.to_string()))?)
    }
}

impl Batch {
    /// What the person of a row had before them.
    fn circumstances(&self, row: &Row, now: Timestamp) -> Result<Circumstances, Unfit> {
        let said = Said {
            user_agent: or(row.user_agent.as_ref(), self.user_agent.as_ref()),
            wording: or(row.wording.as_ref(), self.wording.as_ref()),
            wording_version: or(row.wording_version.as_ref(), self.wording_version.as_ref()),
            asked: named::given(row.asked.as_ref()),
        };
        Ok(named::circumstances(now, said)?)
    }
}

/// Names of an account's streams, each looked up once a request.
struct Streams<'a> {
    parts: &'a Parts,
    account: AccountId,
    known: HashMap<String, Option<StreamId>>,
}

impl Streams<'_> {
    fn find(&mut self, name: &str) -> Result<StreamId, Unfit> {
        let found = match self.known.get(name) {
            Some(found) => *found,
            None => {
                let found = match self.parts.accounts.stream(self.account, name) {
                    Ok(stream) => Some(stream.id),
                    Err(AccountFault::Store(fault)) => return Err(Unfit::Fault(fault.into())),
                    Err(_) => None,
                };
                self.known.insert(name.to_owned(), found);
                found
            }
        };
        found.map_or_else(
            || refused(format!("the account has no stream `{name}`: make it, or leave it out")),
            Ok,
        )
    }
}

/// How far a row's stop reaches, within what the request names.
fn scope(
    row: &Row,
    (owner, batch): (&str, &Batch),
    streams: &mut Streams<'_>,
) -> Result<Scope, Unfit> {
    let (word, stream) = (named::given(row.scope.as_ref()), named::given(row.stream.as_ref()));
    let target = named::given(batch.stream.as_ref());
    let command = |target: &str| format!("`relent suppression import {target} FILE` takes it");
    if streams.account == AccountId::INSTALLATION {
        return match (word, stream) {
            (None | Some(GLOBAL), None) => Ok(Scope::Global),
            _ => refused("only global stops are imported here: leave scope and stream out"),
        };
    }
    match (word, stream.or(target), target) {
        (Some(GLOBAL), ..) => {
            refused(format!("a global stop binds everybody: {}", command(GLOBAL)))
        }
        (Some("account"), _, None) if stream.is_none() => Ok(Scope::Account),
        (Some("account"), ..) => {
            let rest = command(owner);
            refused(format!("scope `account` reaches further than the stream named: {rest}"))
        }
        (None | Some("stream"), Some(name), Some(target)) if name != target => {
            let rest = command(owner);
            refused(format!("it names the stream `{name}`, the command `{target}`: {rest}"))
        }
        (None | Some("stream"), Some(name), _) => Ok(Scope::Stream(streams.find(name)?)),
        (Some("stream"), None, _) => refused("scope `stream` needs the name of a stream"),
        (None, None, _) => Ok(Scope::Account),
        (Some(word), ..) => {
            refused(format!("`{word}` is no scope: write account or stream, or leave it out"))
        }
    }
}

/// A reason as lists of other services name it.
fn reason(text: Option<&str>) -> Result<Reason, Unfit> {
    let Some(text) = text else { return Ok(Reason::Manual) };
    let word = text.to_ascii_lowercase().replace(['-', ' '], "_");
    match word.as_str() {
        "unsubscribe" | "unsubscribed" | "optout" => Ok(Reason::OptOut),
        "spam" | "spam_report" | "complained" => Ok(Reason::Complaint),
        "bounce" | "bounced" | "hardbounce" => Ok(Reason::HardBounce),
        _ => Ok(named::reason(&word).map_err(|_| {
            let names = Reason::ALL.map(Reason::name).join(", ");
            Unfit::Row(format!("`{text}` is no reason: use one of {names}"))
        })?),
    }
}

/// A row that is not recorded.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedRow)]
pub(super) struct RefusedView {
    /// Its line in the list.
    line: u64,
    /// As it was sent.
    recipient: String,
    /// Why.
    why: String,
}

/// What became of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Import)]
pub(super) struct View {
    /// Rows that were recorded.
    taken: u64,
    /// Rows that stood there already.
    already: u64,
    /// Rows that are not recorded, by their lines.
    refused: Vec<RefusedView>,
    /// False: one message to one of them may still arrive.
    settled: bool,
}

/// What is told of a row that is not recorded.
fn unfit(row: &Row, why: String) -> RefusedView {
    RefusedView { line: row.line, recipient: row.recipient.clone(), why }
}

/// The rows of a request that can be meant, what each means, and what is told of the others.
struct Sifted<'a, T> {
    rows: Vec<&'a Row>,
    meant: Vec<T>,
    unfit: Vec<RefusedView>,
}

/// Checks every row.
fn sift<'a, T>(
    batch: &'a Batch,
    mut read: impl FnMut(&Row) -> Result<T, Unfit>,
) -> Result<Sifted<'a, T>, Problem> {
    let meant = Vec::with_capacity(batch.rows.len());
    let mut sifted = Sifted { rows: Vec::new(), meant, unfit: Vec::new() };
    for row in &batch.rows {
        match read(row) {
            Ok(one) => {
                sifted.rows.push(row);
                sifted.meant.push(one);
            }
            Err(Unfit::Fault(problem)) => return Err(problem),
            Err(Unfit::Row(why)) => sifted.unfit.push(unfit(row, why)),
        }
    }
    Ok(sifted)
}

/// Records what a request means and ends the queued mail that this binds, on a task of its own: what is
/// begun is done, whether the asker waits or not.
async fn recorded(
    (parts, caller): (&Parts, &Caller),
    batch: &Batch,
    (rows, mut refused): (Vec<&Row>, Vec<RefusedView>),
    record: impl Future<Output = Result<Imported, StoreFault>> + Send + 'static,
    selectors: Vec<Selector>,
    what: &str,
) -> Result<(StatusCode, Json<View>), Problem> {
    let queue = parts.queue.clone();
    let work = tokio::spawn(async move {
        let done = record.await?;
        for selector in selectors {
            queue.cancel(selector).await;
        }
        Ok::<_, Problem>(done)
    });
    let done = work.await.map_err(|fault| broken(&fault))??;
    refused.extend(done.withdrawn.iter().filter_map(|(number, at)| {
        let why = format!(
            "it was withdrawn on {}, which no list lifts: `relent consent grant` records a new one",
            at.date()
        );
        Some(unfit(rows.get(*number)?, why))
    }));
    refused.sort_by_key(|row| row.line);
    tracing::info!(
        target: "relent::http", account = batch.account, stream = batch.stream,
        taken = done.taken, already = done.already, refused = refused.len(), settled = ?done.settled,
        by = %caller, "{what} imported"
    );
    let settled = done.settled == Settled::Fully;
    let view = View { taken: done.taken, already: done.already, refused, settled };
    Ok((named::status(done.settled), Json(view)))
}

/// The queued mail that these stops may bind: by recipient where the queue has an index, the rest in
/// one walk.
fn concerned(
    parts: &Parts,
    account: AccountId,
    stops: &[ListedStop],
) -> Result<Vec<Selector>, Problem> {
    let (mut found, mut addresses, mut domains) = (Vec::new(), HashSet::new(), HashSet::new());
    for stop in stops {
        match named::concerned(parts, account, &stop.subject)? {
            Some(Selector::Address(address)) => {
                addresses.insert(address.normal());
            }
            Some(Selector::Domain(domain)) => {
                domains.insert(domain);
            }
            Some(Selector::Domains(_, own)) => domains.extend(own.iter().cloned()),
            one => found.extend(one),
        }
    }
    let domains: HashSet<Domain> = domains;
    if account != AccountId::INSTALLATION && !domains.is_empty() {
        found.push(Selector::Domains(account, Arc::new(domains)));
    } else if !(addresses.is_empty() && domains.is_empty()) {
        found.push(Selector::Among(Arc::new(addresses), Arc::new(domains)));
    }
    Ok(found)
}

pub(super) async fn suppressions(
    By(parts): By,
    caller: Caller,
    Draft(batch): Draft<Batch>,
) -> Result<(StatusCode, Json<View>), Problem> {
    within(&parts, batch.rows.len())?;
    let (account, owner) = caller.owner(&parts, batch.account.as_ref())?;
    let now = parts.world.clock.now();
    let mut streams = Streams { parts: &parts, account, known: HashMap::new() };
    if let Some(name) = named::given(batch.stream.as_ref()) {
        if account == AccountId::INSTALLATION {
            let text = format!("`{GLOBAL}` has no streams: leave `stream` out");
            return Err(Problem::unfit(text));
        }
        caller.stream(&parts, account, name)?;
    } else {
        caller.whole_account()?;
    }
    let Sifted { rows, meant: stops, unfit } = sift(&batch, |row| {
        let subject = named::subject(row.recipient.trim())?;
        if let Subject::Hash(_) = subject {
            let view = parts.policy.view(account, &subject).map_err(Problem::from)?;
            if view == RecipientView::default() {
                return refused("nobody is known here by this hash: name the address");
            }
        }
        Ok(ListedStop {
            subject,
            scope: scope(row, (&owner, &batch), &mut streams)?,
            reason: reason(named::given(row.reason.as_ref()))?,
            at: batch.at(row, now)?,
            evidence: batch.evidence(&caller, row)?,
        })
    })?;
    let selectors = concerned(&parts, account, &stops)?;
    let policy = parts.policy.clone();
    let record = async move { policy.suppress_all(account, stops).await };
    recorded((&parts, &caller), &batch, (rows, unfit), record, selectors, "stops").await
}

pub(super) async fn consents(
    By(parts): By,
    caller: Caller,
    Draft(batch): Draft<Batch>,
) -> Result<(StatusCode, Json<View>), Problem> {
    within(&parts, batch.rows.len())?;
    let target = named::needed("stream", batch.stream.as_ref())?;
    let account = caller.meant(&parts, batch.account.as_ref())?;
    let stream = caller.stream(&parts, account.id, target)?;
    let now = parts.world.clock.now();
    let Sifted { rows, meant: consents, unfit } = sift(&batch, |row| {
        if let Some(name) = named::given(row.stream.as_ref()).filter(|name| *name != target) {
            return refused(format!("it names the stream `{name}`, the command `{target}`"));
        }
        let at = batch.at(row, now)?;
        let state = match named::given(row.state.as_ref()).unwrap_or("granted") {
            "granted" => ConsentState::Granted,
            "withdrawn" => ConsentState::Withdrawn,
            "expired" => {
                let term = stream.rules.consent_expires.zip(at);
                if term.is_none_or(|(term, at)| term.end(at) > now) {
                    let rest =
                        "`relent stream set ACCOUNT STREAM --consent-expires TERM` says when";
                    return refused(format!("it has expired, and would hold again here: {rest}"));
                }
                ConsentState::Granted
            }
            word => {
                let rest = "write granted or withdrawn, or leave it out";
                return refused(format!("the state `{word}` cannot be imported: {rest}"));
            }
        };
        let (evidence, circumstances) =
            (batch.evidence(&caller, row)?, batch.circumstances(row, now)?);
        if evidence.text.is_empty() && circumstances.wording.is_none() {
            let rest = "give it in a column `source`, or for all rows with --source";
            return refused(format!("it does not say where the consent comes from: {rest}"));
        }
        let address = named::address(&row.recipient)?;
        Ok(ListedConsent { address, state, at, evidence, circumstances })
    })?;
    let mut ended = Vec::new();
    for consent in consents.iter().filter(|row| row.state == ConsentState::Withdrawn) {
        let hash = parts.accounts.hash(stream.account, &consent.address)?;
        ended.push(Selector::Recipient(stream.account, hash));
    }
    let policy = parts.policy.clone();
    let record = async move { policy.consent_all(&stream, consents).await };
    recorded((&parts, &caller), &batch, (rows, unfit), record, ended, "consents").await
}
