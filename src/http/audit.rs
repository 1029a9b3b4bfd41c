//! `/api/v1/audit`: what was done and by whom, and whether anybody has changed what is told of it.

use super::caller::Caller;
use super::draft::{Asked, Named};
use super::named;
use super::problem::{AtField, Problem};
use super::shape::Page;
use super::site::Parts;
use crate::events::Actor;
use crate::events::audit::{Audit, Entry, Filter, Head, Notes, NotesFault, Place, Said, Words};
use crate::events::record::Source;
use crate::mail::id::BASE32;
use crate::mail::{RecipientHash, StreamId};
use crate::policy::Subject;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Most entries in one answer.
const PAGE_MAX: usize = 1000;
/// Entries in one answer unless the request says otherwise.
const PAGE: usize = 100;

/// Which entries to show.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    account: Option<String>,
    actor: Option<String>,
    kind: Option<String>,
    since: Option<String>,
    until: Option<String>,
    order: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

fn chain(parts: &Parts) -> Audit {
    Audit::new(parts.store.clone())
}

/// The file of noted heads.
fn notes(parts: &Parts) -> Result<Notes, Problem> {
    let keys = parts.accounts.keys()?;
    Ok(Notes::new(&parts.config.data_dir, &keys.hash, parts.config.audit.heads_max))
}

impl From<NotesFault> for Problem {
    fn from(fault: NotesFault) -> Self {
        match fault {
            NotesFault::Store(fault) => fault.into(),
            NotesFault::File(..) => Self::new(StatusCode::SERVICE_UNAVAILABLE, fault.to_string()),
        }
    }
}

/// Who acted, with names where numbers stand.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = Actor)]
enum ActorView {
    /// Relent by itself.
    Relent,
    /// The operator.
    Operator {
        /// The user of the system that spoke, as far as the system says.
        user: Option<String>,
    },
    /// A program with a credential.
    Credential {
        /// The account's name; null where it is gone.
        account: Option<String>,
        /// The credential's name.
        name: String,
    },
    /// A member of an account.
    Member {
        /// The account's name; null where it is gone.
        account: Option<String>,
        /// The member's number.
        number: u32,
    },
    /// The person whom it is about.
    Person {
        /// By what way.
        by: Source,
    },
}

fn actor(parts: &Parts, by: &Actor) -> Result<ActorView, Problem> {
    Ok(match by {
        Actor::Relent => ActorView::Relent,
        Actor::Operator { user } => ActorView::Operator { user: user.clone() },
        Actor::Credential { account, name } => ActorView::Credential {
            account: named::account_name(parts, *account)?,
            name: name.clone(),
        },
        Actor::Member { account, number } => {
            ActorView::Member { account: named::account_name(parts, *account)?, number: *number }
        }
        Actor::Person { by } => ActorView::Person { by: *by },
    })
}

/// What an entry says.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditWords)]
struct SaidView {
    /// The account's name; `global` is the installation.
    account: Option<String>,
    /// What was done, as in `stream.added`.
    kind: String,
    /// By whom.
    by: ActorView,
    /// The same in one line.
    actor: String,
    /// To what.
    about: Option<String>,
    /// Whose records changed: the address while it is kept, `@domain`, or the account's hash.
    recipient: Option<String>,
    /// The number of that change.
    event: Option<u64>,
    /// What else there is to know, by kind.
    #[schema(value_type = Object)]
    details: Map<String, Value>,
}

/// A word of its own, so that a reader can tell an erasure from the end of a time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditErased)]
enum Erased {
    Erased,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditExpired)]
enum Expired {
    Expired,
}

/// That the words are gone, since a person was forgotten.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditErasedWords)]
struct ErasedView {
    words: Erased,
    /// The number of the entry that tells of it.
    erased_by: u64,
}

/// That the words are gone, since their time was over.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditExpiredWords)]
struct ExpiredView {
    words: Expired,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = AuditWordsOrNone)]
enum WordsView {
    Said(Box<SaidView>),
    Erased(ErasedView),
    Expired(ExpiredView),
}

/// An entry of the audit chain.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(super) struct View {
    /// Its number.
    sequence: u64,
    /// When it was written.
    #[schema(format = DateTime)]
    at: String,
    /// The digest of its words (SHA-256), in hexadecimal digits.
    digest: String,
    /// The digest that binds it to all entries before, in hexadecimal digits.
    bound: String,
    #[serde(flatten)]
    words: WordsView,
}

/// An entry as it is shown. Of a recipient whose address is still kept, the address.
pub(super) fn view(parts: &Parts, entry: &Entry) -> Result<View, Problem> {
    Ok(View {
        sequence: entry.sequence,
        at: entry.link.at.to_string(),
        digest: HEXLOWER.encode(&entry.link.digest),
        bound: HEXLOWER.encode(&entry.link.bound),
        words: match &entry.words {
            Words::Said(said) => WordsView::Said(Box::new(words(parts, said)?)),
            Words::Erased(by) => {
                WordsView::Erased(ErasedView { words: Erased::Erased, erased_by: *by })
            }
            Words::Gone => WordsView::Expired(ExpiredView { words: Expired::Expired }),
        },
    })
}

fn words(parts: &Parts, said: &Said) -> Result<SaidView, Problem> {
    let hash = said.recipient.as_ref().and_then(|text| BASE32.decode(text.as_bytes()).ok());
    let hash = hash.and_then(|bytes| bytes.try_into().ok()).map(RecipientHash);
    let recipient = match hash {
        None => None,
        Some(hash) => {
            let kept = parts.policy.view(said.account, &Subject::Hash(hash))?;
            let domain = kept.domain.map(|domain| format!("@{domain}"));
            let named = domain.or_else(|| kept.address.map(|address| address.to_string()));
            Some(named.unwrap_or_else(|| hash.to_string()))
        }
    };
    let mut details = said.details.clone();
    if let Some(id) = details.get("stream").and_then(Value::as_u64)
        && let Ok(id) = u32::try_from(id)
        && let Some(name) = named::stream_name(parts, StreamId(id))?
    {
        details.insert("stream".into(), name.into());
    }
    Ok(SaidView {
        account: named::account_name(parts, said.account)?,
        kind: said.kind.clone(),
        by: actor(parts, &said.by)?,
        actor: said.by.to_string(),
        about: said.about.clone(),
        recipient,
        event: said.event,
        details,
    })
}

fn number(text: &str) -> Result<u64, Problem> {
    let fault = || Problem::unfit(format!("`{text}` is no cursor of ours: use `next`"));
    text.parse().map_err(|_| fault())
}

/// What a request's filter means.
fn filter(parts: &Parts, caller: &Caller, wanted: &Wanted) -> Result<Filter, Problem> {
    let now = parts.world.clock.now();
    let moment = |text: Option<&String>| {
        named::given(text).map(|text| named::moment(now, Some(text))).transpose()
    };
    Ok(Filter {
        // Whoever has an account is told of that alone.
        account: match (caller.own(), named::given(wanted.account.as_ref())) {
            (None, None) => None,
            _ => Some(caller.owner(parts, wanted.account.as_ref())?.0),
        },
        actor: named::given(wanted.actor.as_ref()).map(str::to_owned),
        kind: named::given(wanted.kind.as_ref()).map(str::to_owned),
        since: moment(wanted.since.as_ref()).at("since")?,
        until: moment(wanted.until.as_ref()).at("until")?,
    })
}

/// Entries that are meant, newest first unless `order` is `oldest`.
pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<View>>, Problem> {
    caller.whole_account()?;
    let filter = filter(&parts, &caller, &wanted)?;
    let after = named::given(wanted.after.as_ref()).map(number).transpose().at("after")?;
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let oldest = match named::given(wanted.order.as_ref()) {
        None | Some("newest") => false,
        Some("oldest") => true,
        Some(word) => {
            let text = format!("`{word}` is no order: write newest or oldest");
            return Err(Problem::field("order", text));
        }
    };
    let read = move || -> Result<Page<View>, Problem> {
        let page = match oldest {
            false => chain(&parts).entries(&filter, after, limit)?,
            true => chain(&parts).entries_after(&filter, after.unwrap_or(0), limit)?,
        };
        let items: Result<Vec<_>, _> = page.entries.iter().map(|e| view(&parts, e)).collect();
        Ok(Page { items: items?, next: page.next.map(|next| next.to_string()) })
    };
    Ok(Json(aside(read).await?))
}

/// Reads much on a thread that nobody waits on.
async fn aside<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|fault| super::suppression::broken(&fault))?
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Named([sequence]): Named<1>,
) -> Result<Json<View>, Problem> {
    caller.whole_account()?;
    let found = match sequence.parse::<u64>() {
        Ok(number) => chain(&parts).entry(number)?,
        Err(_) => None,
    };
    // Of entries of others, and of those whose words are gone, nobody but the operator is told.
    let found = found.filter(|entry| match (&entry.words, caller.own()) {
        (_, None) => true,
        (Words::Said(said), Some(own)) => said.account == own.id,
        _ => false,
    });
    let entry = found.ok_or_else(|| {
        let text = format!("there is no entry {sequence}: `relent audit list` shows them");
        Problem::unknown(text)
    })?;
    Ok(Json(view(&parts, &entry)?))
}

/// The last link: what to note elsewhere.
pub(super) async fn head(State(parts): State<Parts>) -> Result<Json<Value>, Problem> {
    let head = chain(&parts).head()?;
    Ok(Json(json!({ "sequence": head.sequence, "bound": HEXLOWER.encode(&head.bound) })))
}

/// Where a check goes on, and a head that was noted elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Verifying {
    after: Option<String>,
    head: Option<String>,
}

/// Looks at a page of the chain; the first looks at the notes of its head too.
pub(super) async fn verify(
    State(parts): State<Parts>,
    Asked(wanted): Asked<Verifying>,
) -> Result<Json<Value>, Problem> {
    let place = named::given(wanted.after.as_ref()).map(|text| {
        let fault = || Problem::unfit(format!("`{text}` is no cursor of ours: use `next`"));
        Place::read(text).ok_or_else(fault)
    });
    let place = place.transpose()?;
    let noted = named::given(wanted.head.as_ref()).map(|text| {
        let fault = || {
            let form = "write it as `relent audit head` prints it: SEQUENCE:HASH";
            Problem::unfit(format!("`{text}` is no head: {form}"))
        };
        Head::read(text).ok_or_else(fault)
    });
    let noted = noted.transpose()?;
    let look = move || -> Result<Value, Problem> {
        let chain = chain(&parts);
        let mut findings = Vec::new();
        let mut restored = None;
        if place.is_none() {
            restored = parts.policy.restored()?.map(|restored| restored.of_the_chain());
            findings.extend(chain.check_notes(&notes(&parts)?)?);
            findings.extend(chain.check_noted(noted.as_slice())?);
        }
        let page = chain.check(place)?;
        findings.extend(page.findings);
        Ok(json!({
            "looked": page.looked,
            "erased": page.erased,
            "expired": page.expired,
            "findings": findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "restored": restored,
            "next": page.next.map(|place| place.to_string()),
        }))
    };
    Ok(Json(aside(look).await?))
}
