//! Names in requests and what they stand for; things recorded and how they are shown.

use super::problem::Problem;
use super::site::Parts;
use crate::events::record::{Circumstances, Evidence, Reason, Scope, Source};
use crate::mail::id::BASE32;
use crate::mail::{AccountId, Address, Domain, RecipientHash, StreamId, Timestamp};
use crate::policy::{Settled, Subject};
use crate::queue::Selector;
use axum::http::StatusCode;
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// The name that stands for every account.
pub(super) const GLOBAL: &str = "global";
/// How far ahead of our clock a source's clock may be.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 3600);
/// Longest text of evidence, in characters.
const TEXT_MAX: usize = 1000;
/// Longest name that a program gives itself, in characters.
pub(super) const USER_AGENT_MAX: usize = 500;
/// Longest words that a person agreed to, in characters.
const WORDING_MAX: usize = 4000;
/// Longest name of a version of such words, in characters.
const VERSION_MAX: usize = 100;

/// What a request gave, unless it is empty.
pub(super) fn given(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// What a request must give.
pub(super) fn needed<'a>(key: &str, text: Option<&'a String>) -> Result<&'a str, Problem> {
    given(text).ok_or_else(|| Problem::field(key, format!("`{key}` is missing or empty: give one")))
}

/// A stream's name by its number, removed ones too.
pub(super) fn stream_name(parts: &Parts, id: StreamId) -> Result<Option<String>, Problem> {
    Ok(parts.accounts.stream_by_id(id)?.map(|stream| stream.name.clone()))
}

/// An address.
pub(super) fn address(text: &str) -> Result<Address, Problem> {
    let text = text.trim();
    Address::parse(text).map_err(|fault| {
        Problem::unfit(format!("`{text}`: {fault}; write an address as in ann@reader.example"))
    })
}

/// A domain.
pub(super) fn domain(text: &str) -> Result<Domain, Problem> {
    let text = text.trim();
    Domain::parse(text).map_err(|fault| {
        Problem::unfit(format!("`{text}`: {fault}; write a domain as in reader.example"))
    })
}

/// An account's name by its number; the installation's is that of every account.
pub(super) fn account_name(parts: &Parts, id: AccountId) -> Result<Option<String>, Problem> {
    if id == AccountId::INSTALLATION {
        return Ok(Some(GLOBAL.to_owned()));
    }
    Ok(parts.accounts.account_by_id(id)?.map(|account| account.name.clone()))
}

/// The moment a source names: RFC 3339, or a day, from 1970 to about now; now, where it names none.
pub(super) fn moment(now: Timestamp, text: Option<&str>) -> Result<Timestamp, Problem> {
    let Some(text) = text else { return Ok(now) };
    let at = read_moment(text)?;
    if at > now.after(AHEAD_MAX) {
        return Err(Problem::unfit(format!(
            "`{text}` lies in the future, and it is {now} now: write a time that has passed"
        )));
    }
    Ok(at)
}

/// A moment that lies ahead: RFC 3339, or the beginning of a day.
pub(super) fn ahead(now: Timestamp, text: &str) -> Result<Timestamp, Problem> {
    let at = read_moment(text)?;
    if at <= now {
        return Err(Problem::unfit(format!("`{text}` has passed, and it is {now} now")));
    }
    Ok(at)
}

/// A moment from 1970 on.
pub(super) fn read_moment(text: &str) -> Result<Timestamp, Problem> {
    let read = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}T00:00:00Z").parse());
    let read = read.map_err(|_| {
        Problem::unfit(format!("`{text}` is no time: write 2026-11-24 or 2026-11-24T09:30:00Z"))
    })?;
    u64::try_from(read.as_millisecond())
        .map(Timestamp)
        .map_err(|_| Problem::unfit(format!("`{text}` lies before 1970: write a later time")))
}

/// A recipient: an address, `@domain`, or the hash that listings show where no address is kept.
pub(super) fn subject(text: &str) -> Result<Subject, Problem> {
    if let Some(domain) = text.strip_prefix('@') {
        return Ok(Subject::Domain(self::domain(domain)?));
    }
    if !text.contains('@')
        && let Some(hash) = hash(text)
    {
        return Ok(Subject::Hash(hash));
    }
    Ok(Subject::Address(address(text)?))
}

/// A hash as listings show it.
pub(super) fn hash(text: &str) -> Option<RecipientHash> {
    let bytes = BASE32.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok().map(RecipientHash)
}

/// Where a listing goes on.
pub(super) fn cursor(text: Option<&String>) -> Result<Option<RecipientHash>, Problem> {
    let Some(text) = given(text) else { return Ok(None) };
    let fault =
        || Problem::unfit(format!("`{text}` is no cursor of ours: use `next` of an answer"));
    hash(text).map(Some).ok_or_else(fault)
}

/// Under which hash an account keeps a subject.
pub(super) fn hash_of(
    parts: &Parts,
    account: AccountId,
    subject: &Subject,
) -> Result<RecipientHash, Problem> {
    Ok(match subject {
        Subject::Address(address) => parts.accounts.hash(account, address)?,
        Subject::Hash(hash) => *hash,
        Subject::Domain(domain) => parts.accounts.domain_hash(account, domain)?,
    })
}

/// The queued mail that a change of these records may stop. None: a global hash names no mail.
pub(super) fn concerned(
    parts: &Parts,
    account: AccountId,
    subject: &Subject,
) -> Result<Option<Selector>, Problem> {
    Ok(match subject {
        Subject::Domain(domain) if account == AccountId::INSTALLATION => {
            Some(Selector::Domain(domain.clone()))
        }
        Subject::Domain(domain) => {
            Some(Selector::Domains(account, Arc::new(HashSet::from([domain.clone()]))))
        }
        Subject::Address(address) if account == AccountId::INSTALLATION => {
            Some(Selector::Address(address.clone()))
        }
        Subject::Hash(_) if account == AccountId::INSTALLATION => None,
        _ => Some(Selector::Recipient(account, hash_of(parts, account, subject)?)),
    })
}

/// A reason by its name.
pub(super) fn reason(text: &str) -> Result<Reason, Problem> {
    Reason::ALL.into_iter().find(|reason| reason.name() == text).ok_or_else(|| {
        let names = Reason::ALL.map(Reason::name).join(", ");
        Problem::unfit(format!("`{text}` is no reason: use one of {names}"))
    })
}

/// What is said of a change by whoever makes it.
pub(super) fn evidence(
    source: Source,
    text: &str,
    ip: Option<String>,
) -> Result<Evidence, Problem> {
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        let text = format!("the text holds the character {c:?}: write it on one line, without");
        return Err(Problem::unfit(text));
    }
    if text.chars().count() > TEXT_MAX {
        let length = text.chars().count();
        return Err(Problem::unfit(format!(
            "the text has {length} characters: {TEXT_MAX} are the most, shorten it"
        )));
    }
    Ok(Evidence { source, text: text.to_owned(), ip, message: None })
}

/// What a request says of the circumstances under which a person agreed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) user_agent: Option<&'a str>,
    pub(super) wording: Option<&'a str>,
    pub(super) wording_version: Option<&'a str>,
    pub(super) asked: Option<&'a str>,
}

/// The same, each within its bounds.
pub(super) fn circumstances(now: Timestamp, said: Said<'_>) -> Result<Circumstances, Problem> {
    let line = |name: &str, text: Option<&str>, most: usize| {
        text.map(|text| words(name, text, most, &[])).transpose()
    };
    Ok(Circumstances {
        user_agent: line("user_agent", said.user_agent, USER_AGENT_MAX)?,
        wording: said
            .wording
            .map(|text| words("wording", text, WORDING_MAX, &['\n', '\t']))
            .transpose()?,
        wording_version: line("wording_version", said.wording_version, VERSION_MAX)?,
        asked: said.asked.map(|text| moment(now, Some(text))).transpose()?,
    })
}

/// A text of a request within its bounds, without characters that control something.
fn words(name: &str, text: &str, most: usize, spared: &[char]) -> Result<String, Problem> {
    let text = text.trim().replace("\r\n", "\n");
    let length = text.chars().count();
    if length > most {
        let text = format!("`{name}` has {length} characters: {most} are the most, shorten it");
        return Err(Problem::unfit(text));
    }
    match text.chars().find(|c| c.is_control() && !spared.contains(c)) {
        Some(c) => Err(Problem::unfit(format!("`{name}` holds the character {c:?}: leave it out"))),
        None => Ok(text),
    }
}

/// How far a stop reaches, in a word.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Scope)]
pub(super) enum Reach {
    /// One stream.
    Stream,
    /// All of the account.
    Account,
    /// Every account.
    Global,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Account => "account",
            Self::Global => GLOBAL,
        })
    }
}

/// How far a stop reaches, and the stream it names.
pub(super) fn scope(parts: &Parts, scope: Scope) -> Result<(Reach, Option<String>), Problem> {
    Ok(match scope {
        Scope::Stream(id) => (Reach::Stream, stream_name(parts, id)?),
        Scope::Account => (Reach::Account, None),
        Scope::Global => (Reach::Global, None),
    })
}

/// 200, or 202 where one message may still arrive.
pub(super) fn status(settled: Settled) -> StatusCode {
    match settled {
        Settled::Fully => StatusCode::OK,
        Settled::WithDotInFlight => StatusCode::ACCEPTED,
    }
}
