//! Streams: the named kinds of mail of an account. A number is never used again.

use super::account::{Accounts, PAGE, check_name, number};
use super::limit::{Thing, count, room};
use super::record::{
    AccountFault, Login, Stream, StreamAnswers, StreamDraft, StreamKind, StreamNumber, StreamRules,
};
use crate::events::Act;
use crate::mail::{AccountId, StreamId};
use crate::store::StoreFault;
use std::sync::Arc;

fn key(account: AccountId, name: &str) -> Vec<u8> {
    [&account.0.to_be_bytes()[..], name.as_bytes()].concat()
}

/// What is said of a stream that is not there.
#[must_use]
pub fn no_stream(name: &str) -> AccountFault {
    AccountFault::Unknown(format!(
        "there is no stream `{name}` in this account: `relent stream list ACCOUNT` shows them, \
         `relent stream add ACCOUNT {name} --kind marketing` makes one"
    ))
}

/// A stream as its entries in the audit chain show it.
fn described(kind: &'static str, stream: &Stream) -> Act {
    let rules = &stream.rules;
    Act::new(stream.account, kind)
        .about(&stream.name)
        .with("stream", stream.id.0)
        .with("kind", shown(stream.kind))
        .with("consent_required", stream.consent_required)
        .with("honour_opt_out", stream.honour_opt_out)
        .with("reply_to", stream.reply_to.as_ref().map(ToString::to_string))
        .with("quiet_hours", shown(&rules.quiet_hours))
        .with("compliance", shown(rules.compliance))
        .with("ad_label", rules.ad_label)
        .with("answers", shown(&stream.answers))
}

/// As JSON; nothing where it has no such form.
fn shown(value: impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

impl Accounts {
    /// Adds a stream.
    ///
    /// # Errors
    /// The name is taken or malformed; the store.
    pub async fn add_stream(
        &self,
        account: AccountId,
        draft: StreamDraft,
    ) -> Result<Stream, AccountFault> {
        check_name("a stream", &draft.name)?;
        let (created, author) = (self.world.clock.now(), self.author.clone());
        let settings = self.settings.clone();
        self.store
            .transact(move |t| {
                let place = key(account, &draft.name);
                if t.get::<StreamNumber>(&place)?.is_some() {
                    return Ok(Err(AccountFault::Refused(format!(
                        "there is a stream `{}` already: `relent stream list ACCOUNT` shows all",
                        draft.name
                    ))));
                }
                let present = count::<StreamNumber>(t, account)?;
                if let Err(fault) = room(t, &settings.accounts, (account, Thing::Stream, present))?
                {
                    return Ok(Err(fault));
                }
                let id = StreamId(number(t, "stream")?);
                let marketing = draft.kind == StreamKind::Marketing;
                let stream = Stream {
                    id,
                    account,
                    name: draft.name,
                    kind: draft.kind,
                    consent_required: draft.consent_required.unwrap_or(marketing),
                    honour_opt_out: draft.honour_opt_out,
                    reply_to: draft.reply_to,
                    created,
                    removed: None,
                    rules: draft.rules,
                    answers: StreamAnswers::default(),
                };
                t.put(&place, &StreamNumber(id));
                t.put(&id.0.to_be_bytes(), &stream);
                author.write(t, described("stream.added", &stream))?;
                Ok(Ok(stream))
            })
            .await?
    }

    /// The account's streams, removed ones left out, oldest first.
    ///
    /// # Errors
    /// The store.
    pub fn streams(&self, account: AccountId) -> Result<Vec<Stream>, AccountFault> {
        Ok(self.live_streams(account)?)
    }

    pub(super) fn live_streams(&self, account: AccountId) -> Result<Vec<Stream>, StoreFault> {
        let prefix = account.0.to_be_bytes();
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan::<StreamNumber>(&prefix, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (_, StreamNumber(id)) in page {
                found.extend(self.store.get::<Stream>(&id.0.to_be_bytes())?);
            }
        }
        found.sort_by_key(|stream| stream.id);
        Ok(found)
    }

    pub(super) fn live_stream(
        &self,
        account: AccountId,
        name: &str,
    ) -> Result<Option<Stream>, StoreFault> {
        match self.store.get::<StreamNumber>(&key(account, name))? {
            Some(StreamNumber(id)) => self.store.get::<Stream>(&id.0.to_be_bytes()),
            None => Ok(None),
        }
    }

    /// A stream by name.
    ///
    /// # Errors
    /// There is none; the store.
    pub fn stream(&self, account: AccountId, name: &str) -> Result<Stream, AccountFault> {
        self.live_stream(account, name)?.ok_or_else(|| no_stream(name))
    }

    /// A stream by number, removed ones too.
    ///
    /// # Errors
    /// The store.
    pub fn stream_by_id(&self, id: StreamId) -> Result<Option<Arc<Stream>>, StoreFault> {
        Ok(self.store.get::<Stream>(&id.0.to_be_bytes())?.map(Arc::new))
    }

    /// Changes when and in what shape a stream's mail leaves.
    ///
    /// # Errors
    /// There is none; the store.
    pub async fn set_rules(
        &self,
        account: AccountId,
        name: &str,
        change: impl FnOnce(&mut StreamRules) + Send + 'static,
    ) -> Result<Stream, AccountFault> {
        let (name, author) = (name.to_owned(), self.author.clone());
        self.store
            .transact(move |t| {
                let Some(StreamNumber(id)) = t.get(&key(account, &name))? else {
                    return Ok(Err(no_stream(&name)));
                };
                let Some(mut stream) = t.get::<Stream>(&id.0.to_be_bytes())? else {
                    return Ok(Err(no_stream(&name)));
                };
                change(&mut stream.rules);
                t.put(&id.0.to_be_bytes(), &stream);
                author.write(t, described("stream.changed", &stream))?;
                Ok(Ok(stream))
            })
            .await?
    }

    /// Removes a stream; its number stays taken.
    ///
    /// # Errors
    /// There is none; the store.
    pub async fn remove_stream(&self, account: AccountId, name: &str) -> Result<(), AccountFault> {
        let (name, now) = (name.to_owned(), self.world.clock.now());
        let author = self.author.clone();
        self.store
            .transact(move |t| {
                let place = key(account, &name);
                let Some(StreamNumber(id)) = t.get(&place)? else {
                    return Ok(Err(no_stream(&name)));
                };
                t.remove::<StreamNumber>(&place);
                let act = Act::new(account, "stream.removed").about(&name);
                author.write(t, act.with("stream", id.0))?;
                if let Some(mut stream) = t.get::<Stream>(&id.0.to_be_bytes())? {
                    stream.removed = Some(now);
                    t.put(&id.0.to_be_bytes(), &stream);
                }
                Ok(Ok(()))
            })
            .await?
    }

    /// Changes what people who write to a stream are answered.
    ///
    /// # Errors
    /// There is no such stream; the store.
    pub async fn change_answers(
        &self,
        account: AccountId,
        name: &str,
        change: impl FnOnce(&mut StreamAnswers) + Send + 'static,
    ) -> Result<Stream, AccountFault> {
        let (place, name) = (key(account, name), name.to_owned());
        let author = self.author.clone();
        self.store
            .transact(move |t| {
                let Some(StreamNumber(id)) = t.get(&place)? else {
                    return Ok(Err(no_stream(&name)));
                };
                let Some(mut stream) = t.get::<Stream>(&id.0.to_be_bytes())? else {
                    return Ok(Err(no_stream(&name)));
                };
                change(&mut stream.answers);
                t.put(&id.0.to_be_bytes(), &stream);
                author.write(t, described("stream.changed", &stream))?;
                Ok(Ok(stream))
            })
            .await?
    }

    /// The streams a login's header may name.
    ///
    /// # Errors
    /// The store.
    pub fn stream_for(&self, login: &Login, name: &str) -> Result<Option<Arc<Stream>>, StoreFault> {
        let found = self.live_stream(login.account.id, name)?;
        let allowed = &login.credential.streams;
        Ok(found.filter(|stream| allowed.is_empty() || allowed.contains(&stream.id)).map(Arc::new))
    }
}
