//! `/api/v1/explain`: the verdict on a recipient, and the whole history behind it.

use super::caller::Caller;
use super::draft::Asked;
use super::named::Reach;
use super::problem::{AtField, Problem};
use super::shape::words;
use super::site::Parts;
use super::{consent, named, suppression};
use crate::events::message::{MessageEvent, Outcome};
use crate::events::record::{Change, Reason, RecordEvent, Rule, Scope, Source, Trust};
use crate::mail::{AccountId, Address, RefusalClass, Verdict};
use crate::policy::{Policy, Subject};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::ToSchema;

/// Most record events shown of each kind of subject.
const RECORDS_MAX: usize = 1000;
/// Most message events shown.
const MESSAGES_MAX: usize = 100;

/// About whom, on which stream.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    account: Option<String>,
    stream: Option<String>,
    recipient: Option<String>,
}

/// What a change of records did.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RecordChange)]
enum Changed {
    Suppressed,
    Lifted,
    Granted,
    Withdrawn,
    Asked,
    Requested,
}

/// A change of what is recorded of a person, and what it rests on.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordEvent)]
pub(super) struct RecordView {
    /// Its number.
    event: u64,
    /// The number of the audit entry that tells of it.
    entry: Option<u64>,
    /// When it was made.
    #[schema(format = DateTime)]
    at: String,
    /// What it did.
    change: Changed,
    /// How far it reaches.
    scope: Reach,
    /// The stream that it is limited to.
    stream: Option<String>,
    /// Of a stop: why.
    reason: Option<Reason>,
    /// By what way it came in.
    source: Source,
    /// What the person wrote, the remote said, or whoever made it gave as its ground.
    text: String,
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
    /// The message of ours that it answers.
    message: Option<String>,
    /// Of mail that came in: by which rule it was obeyed.
    rule: Option<Rule>,
    /// What proves whose words they are.
    trust: Option<Trust>,
    /// The words that were obeyed.
    wish: Option<String>,
    /// The Message-ID of what came in.
    message_id: Option<String>,
    /// What was found of SPF, DKIM and DMARC.
    authentication: Option<String>,
    /// Rule and proof in a sentence.
    why: Option<String>,
}

pub(super) fn record(
    parts: &Parts,
    event: &RecordEvent,
    entry: Option<u64>,
) -> Result<RecordView, Problem> {
    let of_stream = |id| Ok::<_, Problem>((Reach::Stream, named::stream_name(parts, id)?));
    let (change, (scope, stream), reason) = match event.change {
        Change::Suppressed { scope, reason } => {
            (Changed::Suppressed, named::scope(parts, scope)?, Some(reason))
        }
        Change::Lifted { scope, reason } => {
            (Changed::Lifted, named::scope(parts, scope)?, Some(reason))
        }
        Change::Granted { stream } => (Changed::Granted, of_stream(stream)?, None),
        Change::Withdrawn { stream } => (Changed::Withdrawn, of_stream(stream)?, None),
        Change::Asked { stream } => (Changed::Asked, of_stream(stream)?, None),
        Change::Requested { stream } => (Changed::Requested, of_stream(stream)?, None),
    };
    let grounds = event.grounds.as_deref();
    let shown = event.circumstances.as_deref();
    Ok(RecordView {
        event: event.sequence,
        entry,
        at: event.at.to_string(),
        change,
        scope,
        stream,
        reason,
        source: event.evidence.source,
        text: event.evidence.text.clone(),
        ip: event.evidence.ip.clone(),
        user_agent: shown.and_then(|shown| shown.user_agent.clone()),
        wording: shown.and_then(|shown| shown.wording.clone()),
        wording_version: shown.and_then(|shown| shown.wording_version.clone()),
        asked: shown.and_then(|shown| shown.asked).map(|at| at.to_string()),
        message: event.evidence.message.map(|id| id.to_string()),
        rule: grounds.map(|grounds| grounds.rule),
        trust: grounds.map(|grounds| grounds.trust),
        wish: grounds.and_then(|grounds| grounds.wish.clone()),
        message_id: grounds.and_then(|grounds| grounds.message_id.clone()),
        authentication: grounds.and_then(|grounds| grounds.authentication.clone()),
        why: grounds
            .map(|grounds| format!("{}, proved by {}", grounds.rule.name(), grounds.trust.name())),
    })
}

/// What happened to a message.
enum Happened {}

/// Its beginning.
const ACCEPTED: &str = "accepted";

words! {
    /// `accepted`, and what came of it or happened to it.
    Happened as "MessageOutcome" = [ACCEPTED].into_iter().chain(Outcome::NAMES);
}

/// Something that happened to a message to a person.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonMessage)]
pub(super) struct MessageView {
    /// The message's id, as the `250` named it.
    message: String,
    /// When it happened.
    #[schema(format = DateTime)]
    at: String,
    /// What happened.
    #[schema(value_type = Happened)]
    outcome: &'static str,
    /// The enhanced status (RFC 3463).
    status: String,
    /// What was said.
    text: String,
    /// What a refusal was about.
    class: Option<RefusalClass>,
    /// The server that said it.
    relay: Option<String>,
}

pub(super) fn message(event: &MessageEvent) -> MessageView {
    match event {
        MessageEvent::Accepted(message) => MessageView {
            message: message.id.to_string(),
            at: message.at.to_string(),
            outcome: ACCEPTED,
            status: "2.0.0".into(),
            text: format!("from <{}>", message.sender),
            class: None,
            relay: None,
        },
        MessageEvent::Recipient { message, outcome, relay, status, text, at, class, .. } => {
            MessageView {
                message: message.to_string(),
                at: at.to_string(),
                outcome: outcome.name(),
                status: status.to_string(),
                text: text.clone(),
                class: *class,
                relay: relay.clone(),
            }
        }
    }
}

/// What happened to the records that concern an address, its own and its domain's, here and globally: each
/// with the entry of the audit chain that tells of it. The installation's are the operator's to see, and a
/// stream's are theirs who may see the stream.
fn history(
    parts: &Parts,
    caller: &Caller,
    account: AccountId,
    address: &Address,
) -> Result<Vec<(RecordEvent, Option<u64>)>, Problem> {
    let person = Subject::Address(address.clone());
    let domain = Subject::Domain(address.domain().clone());
    let mut events = Vec::new();
    let owners = [account, AccountId::INSTALLATION];
    for owner in owners.into_iter().take(if caller.is_operator() { 2 } else { 1 }) {
        for subject in [&person, &domain] {
            let entries = parts.policy.entries(owner, subject, RECORDS_MAX)?;
            let entries: HashMap<u64, u64> = entries.into_iter().collect();
            let found = parts.policy.history(owner, subject, RECORDS_MAX)?.into_iter();
            events.extend(found.map(|event| {
                let entry = entries.get(&event.sequence).copied();
                (event, entry)
            }));
        }
    }
    events.retain(|(event, _)| match event.change {
        Change::Suppressed { scope: Scope::Stream(id), .. }
        | Change::Lifted { scope: Scope::Stream(id), .. }
        | Change::Granted { stream: id }
        | Change::Withdrawn { stream: id }
        | Change::Asked { stream: id }
        | Change::Requested { stream: id } => caller.sees(Some(id)),
        _ => true,
    });
    events.sort_by_key(|(event, _)| event.sequence);
    Ok(events)
}

/// What would become of mail to a person.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Verdict)]
enum Judged {
    Accept,
    Defer,
    Refuse,
}

/// Whether a person may be sent to, and all that this rests on.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub(super) struct View {
    /// The account's name.
    account: String,
    /// The stream's name.
    stream: String,
    /// The person, as it was sent.
    recipient: String,
    /// What RCPT would be answered.
    verdict: Judged,
    /// The SMTP code of that answer.
    code: u16,
    /// Its enhanced status (RFC 3463).
    status: String,
    /// Its words.
    text: String,
    /// Stops of the person, of their domain, and of every account, whether they bind this stream or not.
    suppressions: Vec<suppression::View>,
    /// Consents of the person.
    consents: Vec<consent::View>,
    /// How the records changed, oldest first.
    records: Vec<RecordView>,
    /// What happened to mail to the person, newest first.
    messages: Vec<MessageView>,
}

pub(super) async fn explain(
    State(parts): State<Parts>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<View>, Problem> {
    let account = caller.meant(&parts, wanted.account.as_ref())?;
    let stream = named::needed("stream", wanted.stream.as_ref())?;
    let recipient = named::needed("recipient", wanted.recipient.as_ref())?;
    let stream = caller.stream(&parts, account.id, stream)?;
    let address = named::address(recipient).at("recipient")?;
    let subject = Subject::Address(address.clone());
    let hash = parts.accounts.hash(stream.account, &address)?;
    let (verdict, answer) = match Policy::answer(parts.policy.judge(&stream, &address)) {
        Verdict::Accept => (Judged::Accept, None),
        Verdict::Defer(answer) => (Judged::Defer, Some(answer.reply)),
        Verdict::Refuse(answer) => (Judged::Refuse, Some(answer.reply)),
    };
    // Before anybody is asked for: AUTH and MAIL are answered so, whoever the recipient is.
    let suspension = parts.accounts.suspension(stream.account)?;
    let suspension = suspension.filter(|_| !matches!(verdict, Judged::Defer));
    let verdict = if suspension.is_some() { Judged::Refuse } else { verdict };
    let (code, status, text) = match (answer, suspension) {
        (_, Some(suspension)) => (550, "5.7.1".to_owned(), suspension.words(&account.name)),
        (None, None) => (250, "2.1.5".to_owned(), "may be sent".to_owned()),
        (Some(reply), None) => {
            let status = reply.status.map(|status| status.to_string()).unwrap_or_default();
            (reply.code, status, reply.lines.join(" "))
        }
    };
    let mut suppressions = Vec::new();
    for standing in parts.policy.standing(stream.account, &subject)? {
        if let Scope::Stream(id) = standing.stop.scope
            && !caller.sees(Some(id))
        {
            continue;
        }
        suppressions.push(suppression::view(&parts, &caller, &standing)?);
    }
    let mut view = parts.policy.view(stream.account, &subject)?;
    view.consents.retain(|consent| caller.sees(Some(consent.stream)));
    let consents = consent::items(&parts, Some(recipient), &view, None)?;
    let mut records = Vec::new();
    for (event, entry) in history(&parts, &caller, stream.account, &address)? {
        records.push(record(&parts, &event, entry)?);
    }
    let mut events = parts.queue.events_for(stream.account, hash, MESSAGES_MAX).await;
    events.retain(|event| caller.sees(event.origin().stream()));
    Ok(Json(View {
        account: account.name,
        stream: stream.name.clone(),
        recipient: recipient.to_owned(),
        verdict,
        code,
        status,
        text,
        suppressions,
        consents,
        records,
        messages: events.iter().map(message).collect(),
    }))
}
