//! `/api/v1/consents`: agreements with where they come from, and their end.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft};
use super::named::{self, Said};
use super::problem::{AtField, Kind, Problem};
use super::shape::Page;
use super::site::Parts;
use super::suppression::broken;
use crate::accounts::Stream;
use crate::events::record::{Circumstances, Evidence, Source};
use crate::mail::{AccountId, Address, StreamId, Timestamp};
use crate::policy::{
    self, Asker, Consent, ConsentState, Full, RecipientView, Requested, Settled, Subject,
};
use crate::queue::Selector;
use crate::replies::{AskingFault, ConsentTexts, languages};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// Most recipients in one answer.
const PAGE_MAX: usize = 1000;
/// Recipients in one answer unless the request says otherwise.
const PAGE: usize = 100;

impl From<AskingFault> for Problem {
    fn from(fault: AskingFault) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, fault.to_string())
    }
}

/// Whose consent to what, and where it comes from.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Left out, it is the caller's own.
    account: Option<String>,
    stream: String,
    #[schema(max_length = 320)]
    recipient: String,
    #[schema(max_length = 1000)]
    source: Option<String>,
    at: Option<String>,
    ip: Option<String>,
    /// The program through which the person agreed.
    user_agent: Option<String>,
    /// The words that the person agreed to.
    wording: Option<String>,
    /// Which version of them.
    wording_version: Option<String>,
    /// The person is asked by mail, and consents by the button that it leads to.
    confirm: Option<bool>,
    /// In which language, where that is not the stream's.
    language: Option<String>,
}

/// When it was, as its source says, what it rests on, and what the person had before them.
fn stated(
    parts: &Parts,
    caller: &Caller,
    draft: &Change,
    source: &str,
) -> Result<(Timestamp, Evidence, Circumstances), Problem> {
    let now = parts.world.clock.now();
    let at = named::moment(now, named::given(draft.at.as_ref())).at("at")?;
    let ip = named::given(draft.ip.as_ref())
        .map(|text| {
            let read = text.parse::<IpAddr>();
            read.map_err(|_| {
                let example = "write one as in 192.0.2.7 or 2001:db8::7";
                Problem::field("ip", format!("`{text}` is no IP address: {example}"))
            })
        })
        .transpose()?;
    let said = Said {
        user_agent: named::given(draft.user_agent.as_ref()),
        wording: named::given(draft.wording.as_ref()),
        wording_version: named::given(draft.wording_version.as_ref()),
        asked: None,
    };
    let circumstances = named::circumstances(now, said)?;
    let ip = ip.map(|ip| ip.to_string());
    let evidence = named::evidence(caller.source(), source, ip).at("source")?;
    Ok((at, evidence, circumstances))
}

/// A consent as it was recorded, or asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordedConsent)]
pub(super) struct Recorded {
    /// Whose.
    #[schema(value_type = String)]
    recipient: Address,
    /// To which stream.
    stream: String,
    /// `pending` where the person was asked; `granted` where it stands.
    state: ConsentState,
    /// Since when.
    #[schema(format = DateTime)]
    at: String,
    /// Where the person is to be asked: whether a message went out for that now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mailed: Option<bool>,
    /// The message that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
    /// Until when the person may confirm.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    until: Option<String>,
}

impl Recorded {
    fn new(recipient: Address, stream: &Stream, state: ConsentState, at: Timestamp) -> Self {
        let (stream, at) = (stream.name.clone(), at.to_string());
        Self { recipient, stream, state, at, mailed: None, message: None, until: None }
    }
}

pub(super) async fn grant(
    By(parts): By,
    caller: Caller,
    Draft(draft): Draft<Change>,
) -> Result<Json<Recorded>, Problem> {
    let account = caller.meant(&parts, draft.account.as_ref())?;
    let stream = caller.stream(&parts, account.id, &draft.stream)?;
    let address = named::address(&draft.recipient).at("recipient")?;
    let source = named::needed("source", draft.source.as_ref())?;
    let (at, evidence, circumstances) = stated(&parts, &caller, &draft, source)?;
    if draft.confirm == Some(true) {
        let proof = (evidence, circumstances);
        return request(parts, (stream, address), proof, &draft).await;
    }
    if named::given(draft.language.as_ref()).is_some() {
        let text = "it is the language of a mail: give it with `confirm` alone";
        return Err(Problem::field("language", text));
    }
    parts.policy.grant_under(&stream, &address, at, (evidence, circumstances)).await?;
    tracing::info!(
        target: "relent::http", account = account.name, stream = stream.name,
        recipient = draft.recipient, by = %caller, "consent recorded"
    );
    Ok(Json(Recorded::new(address, &stream, ConsentState::Granted, at)))
}

/// Refuses mail of our own in the name of an account that is suspended: it goes to strangers, and leaves by
/// no stream, where the suspension would hold it.
pub(super) fn unsuspended(parts: &Parts, account: AccountId) -> Result<(), Problem> {
    match parts.accounts.suspension(account)? {
        None => Ok(()),
        Some(suspension) => Err(Problem::of(
            Kind::Conflict,
            format!(
                "the account is suspended since {}, and nothing is mailed for it until the operator lets it                  send again",
                suspension.since
            ),
        )),
    }
}

/// Asks a person by mail for consent.
async fn request(
    parts: Parts,
    (stream, address): (Stream, Address),
    (evidence, circumstances): (Evidence, Circumstances),
    draft: &Change,
) -> Result<Json<Recorded>, Problem> {
    if named::given(draft.at.as_ref()).is_some() {
        let text = "it is when a consent was given: with `confirm` it is not yet";
        return Err(Problem::field("at", text));
    }
    unsuspended(&parts, stream.account)?;
    let language = named::given(draft.language.as_ref());
    if let Some(tag) = language.filter(|tag| ConsentTexts::spoken(tag).is_none()) {
        let known: Vec<_> = languages().collect();
        let text = format!("`{tag}` is not spoken here: give one of {}", known.join(", "));
        return Err(Problem::field("language", text));
    }
    let language = language.map(str::to_owned);
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let age = parts.config.consents.confirmation_age_max.0;
    let (whose, to) = (address.clone(), stream.clone());
    let done = tokio::spawn(async move {
        let asked = (Asker::Sender, evidence, circumstances);
        parts.asking().ask(&stream, &address, asked, language.as_deref()).await
    });
    let (requested, mailed) = done.await.map_err(|fault| broken(&fault))??;
    let refused = |text: String| Err(Problem::new(StatusCode::CONFLICT, text));
    match (requested, mailed) {
        (Requested::Asked { at, .. }, Some((message, is_new))) => {
            let until = at.after(age);
            tracing::info!(
                target: "relent::http", account = draft.account, stream = draft.stream,
                recipient = draft.recipient, mailed = is_new, "consent asked for"
            );
            Ok(Json(Recorded {
                mailed: Some(is_new),
                message: Some(message.to_string()),
                until: Some(until.to_string()),
                ..Recorded::new(whose, &to, ConsentState::Pending, at)
            }))
        }
        (Requested::Holds(at), _) => {
            let held = Recorded::new(whose, &to, ConsentState::Granted, at);
            Ok(Json(Recorded { mailed: Some(false), ..held }))
        }
        (Requested::Stopped(stop), _) => refused(format!(
            "a stop stands against it ({} since {}), and nobody who has said no is asked unasked: a \
             person comes back by START or on the page that their mail leads to; `relent explain` \
             says more",
            stop.reason,
            stop.at.date()
        )),
        (Requested::Withdrawn(at), _) => refused(format!(
            "consent was withdrawn on {}, and nobody who has said no is asked unasked: a person comes \
             back by START or on the page that their mail leads to",
            at.date()
        )),
        (Requested::TooMany(full), _) => {
            let text = match full {
                Full::Address => {
                    "this account has asked at this address within a day, and one such mail a day is \
                     enough (consents.confirmations_per_recipient_max): try again tomorrow"
                }
                Full::AddressInAll => {
                    "this address has been asked often enough within a day \
                     (consents.confirmations_per_address_max): try again tomorrow"
                }
                Full::Account => {
                    "this account has asked as many people today as it may \
                     (consents.confirmations_per_account_max): try again tomorrow"
                }
            };
            Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, text))
        }
        (Requested::Asked { .. }, None) => {
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the mail was not made"))
        }
    }
}

/// A consent as it was withdrawn.
#[derive(Serialize, ToSchema)]
#[schema(as = WithdrawnConsent)]
pub(super) struct Withdrawn {
    /// Whose.
    #[schema(value_type = String)]
    recipient: Address,
    /// To which stream.
    stream: String,
    /// `withdrawn`.
    state: ConsentState,
    /// Since when.
    #[schema(format = DateTime)]
    at: String,
}

pub(super) async fn withdraw(
    By(parts): By,
    caller: Caller,
    Draft(draft): Draft<Change>,
) -> Result<(StatusCode, Json<Withdrawn>), Problem> {
    let account = caller.meant(&parts, draft.account.as_ref())?;
    let stream = caller.stream(&parts, account.id, &draft.stream)?;
    let address = named::address(&draft.recipient).at("recipient")?;
    let source = draft.source.as_deref().unwrap_or_default().trim();
    let (at, evidence, _) = stated(&parts, &caller, &draft, source)?;
    let hash = parts.accounts.hash(stream.account, &address)?;
    let withdrawn = Withdrawn {
        recipient: address.clone(),
        stream: stream.name.clone(),
        state: ConsentState::Withdrawn,
        at: at.to_string(),
    };
    let done = tokio::spawn(async move {
        let settled = parts.policy.withdraw(&stream, &address, at, evidence).await?;
        parts.queue.cancel(Selector::Recipient(stream.account, hash)).await;
        Ok::<Settled, Problem>(settled)
    });
    let settled = done.await.map_err(|fault| broken(&fault))??;
    tracing::info!(
        target: "relent::http", account = account.name, stream = draft.stream,
        recipient = draft.recipient, by = %caller, "consent withdrawn"
    );
    Ok((named::status(settled), Json(withdrawn)))
}

/// Whose consents to show.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    account: Option<String>,
    stream: Option<String>,
    recipient: Option<String>,
    after: Option<String>,
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A consent, with all that proves it.
#[derive(Serialize, ToSchema)]
#[schema(as = Consent)]
pub(super) struct View {
    /// Whose; null where only the hash is kept.
    recipient: Option<String>,
    /// To which stream; null where that is gone.
    stream: Option<String>,
    /// Whether it holds now.
    state: ConsentState,
    /// Since when, as its source says.
    #[schema(format = DateTime)]
    at: String,
    /// When it ends by its stream's rule.
    #[schema(format = DateTime)]
    expires: Option<String>,
    /// What its source is called; the way that it came in by where that has no name.
    source: String,
    /// By what way it came in.
    via: Source,
    /// The IP address that it came from.
    ip: Option<String>,
    /// The program through which the person agreed.
    user_agent: Option<String>,
    /// The words that the person agreed to.
    wording: Option<String>,
    /// Which version of them.
    wording_version: Option<String>,
    /// When the person was asked to confirm.
    #[schema(format = DateTime)]
    asked: Option<String>,
}

/// The consents of a recipient, to one stream or to all.
pub(super) fn items(
    parts: &Parts,
    recipient: Option<&str>,
    view: &RecipientView,
    only: Option<&Stream>,
) -> Result<Vec<View>, Problem> {
    let wanted = |consent: &&Consent| only.is_none_or(|stream| stream.id == consent.stream);
    let now = parts.world.clock.now();
    let mut streams: HashMap<StreamId, Option<Arc<Stream>>> = HashMap::new();
    view.consents
        .iter()
        .filter(wanted)
        .map(|consent| {
            let stream = match streams.get(&consent.stream) {
                Some(found) => found.clone(),
                None => {
                    let found = parts.accounts.stream_by_id(consent.stream)?;
                    streams.insert(consent.stream, found.clone());
                    found
                }
            };
            let stream = stream.as_deref();
            let end = stream.and_then(|stream| consent.end(stream));
            let shown = consent.circumstances.as_deref();
            let evidence = &consent.evidence;
            Ok(View {
                recipient: recipient.map(str::to_owned),
                stream: stream.map(|stream| stream.name.clone()),
                state: stream.map_or(consent.state, |stream| consent.state_at(stream, now)),
                at: consent.at.to_string(),
                expires: end.map(|end| end.to_string()),
                source: match evidence.text.as_str() {
                    "" => evidence.source.label().to_owned(),
                    word => word.to_owned(),
                },
                via: evidence.source,
                ip: evidence.ip.clone(),
                user_agent: shown.and_then(|shown| shown.user_agent.clone()),
                wording: shown.and_then(|shown| shown.wording.clone()),
                wording_version: shown.and_then(|shown| shown.wording_version.clone()),
                asked: shown.and_then(|shown| shown.asked).map(|at| at.to_string()),
            })
        })
        .collect()
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<View>>, Problem> {
    let account = caller.meant(&parts, wanted.account.as_ref())?;
    let name = &account.name;
    let stream = match named::given(wanted.stream.as_ref()) {
        Some(name) => Some(caller.stream(&parts, account.id, name)?),
        None => None,
    };
    let Some(recipient) = named::given(wanted.recipient.as_ref()) else {
        let Some(stream) = stream else {
            return Err(Problem::field(
                "stream",
                "name a `recipient`, or the `stream` whose consents to list",
            ));
        };
        return list(&parts, &stream, &wanted);
    };
    let address = named::address(recipient).at("recipient")?;
    let view = parts.policy.view(account.id, &Subject::Address(address))?;
    let mut view = view;
    view.consents.retain(|consent| caller.sees(Some(consent.stream)));
    let items = items(&parts, Some(recipient), &view, stream.as_ref())?;
    if items.is_empty() {
        let target = wanted.stream.as_deref().unwrap_or("STREAM");
        return Err(Problem::unknown(format!(
            "no consent of {recipient} is recorded: \
             `relent consent grant {name}/{target} {recipient} --source TEXT` records one"
        )));
    }
    Ok(Json(Page { items, next: None }))
}

/// Every consent to a stream, page by page.
fn list(parts: &Parts, stream: &Stream, wanted: &Wanted) -> Result<Json<Page<View>>, Problem> {
    let after = named::cursor(wanted.after.as_ref()).at("after")?;
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let policy::Page { found, next } = parts.policy.consenting(stream, after, limit)?;
    let next = next.map(|hash| hash.to_string());
    let mut shown = Vec::new();
    for (_, view) in &found {
        let name = view.address.as_ref().map(ToString::to_string);
        shown.extend(items(parts, name.as_deref(), view, Some(stream))?);
    }
    Ok(Json(Page { items: shown, next }))
}
