//! `/api/v1/accounts/{account}/streams`.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft, Named};
use super::named;
use super::problem::{AtField, Problem};
use super::shape::{Page, Removed};
use super::site::Parts;
use super::slice::{Slice, numbered};
use crate::accounts::{
    Compliance, ConsentTerm, ConsentTermFault, QuietHours, Stream, StreamDraft, StreamKind,
    StreamRules,
};
use crate::mail::{Address, StreamId};
use crate::queue::Waits;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A stream.
#[derive(Serialize, ToSchema)]
#[schema(as = Stream)]
pub(super) struct View {
    /// Its number.
    #[schema(value_type = u32)]
    id: StreamId,
    /// Its name.
    name: String,
    /// What kind of mail it is.
    kind: StreamKind,
    /// Whether a recipient must have agreed.
    consent_required: bool,
    /// Whether a person's opt-out binds this transactional stream too.
    honour_opt_out: bool,
    /// The mailbox for people's letters.
    #[schema(value_type = Option<String>)]
    reply_to: Option<Address>,
    /// What happens to a message that large mailbox providers would hold something against.
    compliance: Compliance,
    /// Whether subjects are labelled as advertising.
    ad_label: bool,
    /// When its mail waits, as in `22:00-08:00@Europe/Berlin`.
    quiet_hours: Option<String>,
    /// How long a consent holds, as in `24mo`; null: until it is withdrawn.
    consent_expires: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
}

fn view(stream: &Stream) -> View {
    let rules = &stream.rules;
    View {
        id: stream.id,
        name: stream.name.clone(),
        kind: stream.kind,
        consent_required: stream.consent_required,
        honour_opt_out: stream.honour_opt_out,
        reply_to: stream.reply_to.clone(),
        compliance: rules.compliance,
        ad_label: rules.ad_label,
        quiet_hours: rules.quiet_hours.as_ref().map(ToString::to_string),
        consent_expires: rules.consent_expires.map(|term| term.to_string()),
        created: stream.created.to_string(),
    }
}

/// When and in what shape a stream's mail leaves; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    compliance: Option<Compliance>,
    ad_label: Option<bool>,
    /// `22:00-08:00@Europe/Berlin`; empty: none.
    quiet_hours: Option<String>,
    /// How long a consent holds, as in `24mo`; empty or `none`: until it is withdrawn.
    consent_expires: Option<String>,
}

/// Rules that were read: what is `Some` changes.
struct Change {
    compliance: Option<Compliance>,
    ad_label: Option<bool>,
    quiet_hours: Option<Option<QuietHours>>,
    consent_expires: Option<Option<ConsentTerm>>,
}

impl Rules {
    fn read(&self) -> Result<Change, Problem> {
        let hours = self.quiet_hours.as_ref().map(|text| match text.trim() {
            "" | "none" => Ok(None),
            text => text.parse().map(Some),
        });
        let quiet_hours = hours.transpose();
        let quiet_hours = quiet_hours.map_err(|fault: crate::accounts::QuietHoursFault| {
            Problem::field("quiet_hours", format!("quiet hours: {fault}"))
        })?;
        let term = self.consent_expires.as_ref().map(|text| match text.trim() {
            "" | "none" => Ok(None),
            text => text.parse().map(Some),
        });
        let consent_expires = term.transpose().map_err(|fault: ConsentTermFault| {
            Problem::unfit(format!("`consent_expires`: {fault}"))
        })?;
        let (compliance, ad_label) = (self.compliance, self.ad_label);
        Ok(Change { compliance, ad_label, quiet_hours, consent_expires })
    }
}

impl Change {
    fn apply(self, rules: &mut StreamRules) {
        rules.compliance = self.compliance.unwrap_or(rules.compliance);
        rules.ad_label = self.ad_label.unwrap_or(rules.ad_label);
        if let Some(hours) = self.quiet_hours {
            rules.quiet_hours = hours;
        }
        if let Some(term) = self.consent_expires {
            rules.consent_expires = term;
        }
    }
}

/// Whether a stream of this kind may have its subjects labelled as advertising.
fn label_fits(ad_label: Option<bool>, kind: StreamKind) -> Result<(), Problem> {
    if ad_label != Some(true) || kind == StreamKind::Marketing {
        return Ok(());
    }
    Err(Problem::unfit(
        "the label is for advertising, and this stream is transactional: nothing would be held against its \
         subjects; make a marketing stream for what is advertising",
    ))
}

/// A new stream; what is left out takes its kind's default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStream {
    #[schema(pattern = "^[a-z0-9-]{1,32}$")]
    name: String,
    kind: StreamKind,
    consent_required: Option<bool>,
    honour_opt_out: Option<bool>,
    #[schema(max_length = 320)]
    reply_to: Option<String>,
    compliance: Option<Compliance>,
    ad_label: Option<bool>,
    quiet_hours: Option<String>,
    consent_expires: Option<String>,
}

pub(super) async fn add(
    By(parts): By,
    caller: Caller,
    Named([account]): Named<1>,
    Draft(draft): Draft<NewStream>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let account = caller.account(&parts, &account)?;
    caller.whole_account()?;
    let reply_to = named::given(draft.reply_to.as_ref());
    let mut rules = StreamRules::default();
    let (compliance, ad_label) = (draft.compliance, draft.ad_label);
    label_fits(ad_label, draft.kind)?;
    let (quiet_hours, consent_expires) = (draft.quiet_hours, draft.consent_expires);
    Rules { compliance, ad_label, quiet_hours, consent_expires }.read()?.apply(&mut rules);
    let draft = StreamDraft {
        name: draft.name,
        kind: draft.kind,
        consent_required: draft.consent_required,
        honour_opt_out: draft.honour_opt_out.unwrap_or(false),
        reply_to: reply_to.map(named::address).transpose().at("reply_to")?,
        rules,
    };
    let stream = parts.accounts.add_stream(account.id, draft).await?;
    tracing::info!(
        target: "relent::http", account = account.name, stream = stream.name, kind = ?stream.kind,
        consent_required = stream.consent_required, "stream made"
    );
    Ok((StatusCode::CREATED, Json(view(&stream))))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account]): Named<1>,
    Asked(slice): Asked<Slice>,
) -> Result<Json<Page<View>>, Problem> {
    let account = caller.account(&parts, &account)?;
    let mut streams = parts.accounts.streams(account.id)?;
    streams.retain(|stream| caller.sees(Some(stream.id)));
    slice.answer(streams, |stream| numbered(stream.id.0), |stream| Ok(view(stream)))
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account, name]): Named<2>,
) -> Result<Json<View>, Problem> {
    let account = caller.account(&parts, &account)?;
    Ok(Json(view(&caller.stream(&parts, account.id, &name)?)))
}

pub(super) async fn set(
    By(parts): By,
    caller: Caller,
    Named([account, name]): Named<2>,
    Draft(rules): Draft<Rules>,
) -> Result<Json<View>, Problem> {
    let account = caller.account(&parts, &account)?;
    let before = caller.stream(&parts, account.id, &name)?;
    let change = rules.read()?;
    label_fits(change.ad_label, before.kind)?;
    let stream = parts.accounts.set_rules(account.id, &name, |rules| change.apply(rules)).await?;
    tracing::info!(
        target: "relent::http", account = account.name, stream = name, rules = ?stream.rules,
        "stream changed"
    );
    if let Some(hours) = &before.rules.quiet_hours
        && stream.rules.quiet_hours.as_ref() != Some(hours)
    {
        let woken = parts.queue.wake(Waits::QuietHours(stream.id, hours)).await;
        tracing::info!(target: "relent::http", stream = name, woken, "its quiet hours have changed");
    }
    Ok(Json(view(&stream)))
}

pub(super) async fn remove(
    By(parts): By,
    caller: Caller,
    Named([account, name]): Named<2>,
) -> Result<Json<Removed>, Problem> {
    let account = caller.account(&parts, &account)?;
    caller.whole_account()?;
    parts.accounts.remove_stream(account.id, &name).await?;
    tracing::info!(target: "relent::http", account = account.name, stream = name, "stream removed");
    Ok(Json(Removed { removed: name }))
}
