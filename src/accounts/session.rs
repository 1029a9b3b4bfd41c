//! Sessions of members: a secret of 256 bits, shown once and kept as a digest; how long they last, who is
//! behind one, and how they end.

use super::account::{Accounts, PAGE};
use super::member::{MemberId, Person};
use super::permission::Role;
use super::record::AccountFault;
use crate::config;
use crate::mail::id::BASE32;
use crate::mail::{AccountId, Timestamp};
use crate::store::{Record, StoreFault, Table, Transaction};
use data_encoding::BASE64URL_NOPAD;
use ring::digest;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// By what a session's token is known, among credentials and in what leaks.
pub const TOKEN_PREFIX: &str = "rlm_";
/// Bytes of its secret.
const SECRET: usize = 32;
/// Bytes of the digest that name a session in listings.
const NAME: usize = 10;
/// Longest name of a program that is kept, in characters.
const AGENT_MAX: usize = 200;

/// A session, as it lies under its member's number and the digest of its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Since when.
    pub created: Timestamp,
    /// When the member last proved who it is.
    pub proven: Timestamp,
    /// About when it was used last.
    pub seen: Timestamp,
    /// From where it was begun.
    pub ip: Option<String>,
    /// The program that began it, by its own word.
    pub agent: String,
}

impl Record for Session {
    const TABLE: Table = Table::Session;
}

impl Session {
    /// A session that begins now.
    pub(super) fn new(now: Timestamp, ip: Option<String>, agent: &str) -> Self {
        let agent = agent.chars().filter(|c| !c.is_control()).take(AGENT_MAX).collect();
        Self { created: now, proven: now, seen: now, ip, agent }
    }

    /// When it ends, unless it is used.
    #[must_use]
    pub fn ends(&self, settings: &config::Members) -> Timestamp {
        let idle = self.seen.after(settings.session_idle_max.0);
        idle.min(self.created.after(settings.session_age_max.0))
    }
}

/// A session's place, and by it what names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey(Vec<u8>);

impl SessionKey {
    pub(super) fn at(place: Vec<u8>) -> Self {
        Self(place)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As listings show it: nobody comes in by it.
    #[must_use]
    pub fn name(&self) -> String {
        let digest = self.0.get(4..4 + NAME).unwrap_or_default();
        BASE32.encode(digest)
    }
}

/// Who is behind a token.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The person.
    pub person: Person,
    /// The session.
    pub session: Session,
    /// Its place.
    pub key: SessionKey,
}

/// What somebody who has logged in is in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// Nobody: the account is not there for them.
    None,
    /// A member, but the account demands an authenticator, which they have not set up.
    NeedsTotp,
    /// A member.
    Member(Role),
}

impl Standing {
    /// Whether the member has proved lately who it is, as what is sensitive demands.
    #[must_use]
    pub fn is_fresh(&self, settings: &config::Members, now: Timestamp) -> bool {
        now.since(self.session.proven) <= settings.step_up_age_max.0
    }
}

fn place(id: MemberId, secret: &[u8]) -> Vec<u8> {
    let digest = digest::digest(&digest::SHA256, secret);
    [&id.0.to_be_bytes()[..], digest.as_ref()].concat()
}

/// The place of the session that a token opens.
pub(super) fn place_of(token: &str) -> Option<Vec<u8>> {
    let bytes = BASE64URL_NOPAD.decode(token.strip_prefix(TOKEN_PREFIX)?.as_bytes()).ok()?;
    let (number, secret) = bytes.split_first_chunk()?;
    (secret.len() == SECRET).then(|| place(MemberId(u32::from_be_bytes(*number)), secret))
}

/// A member's sessions in a transaction.
pub(super) fn sessions_of(
    t: &Transaction<'_>,
    id: MemberId,
) -> Result<Vec<(Vec<u8>, Session)>, StoreFault> {
    let (prefix, mut after, mut found) = (id.0.to_be_bytes(), None::<Vec<u8>>, Vec::new());
    loop {
        let page = t.scan::<Session>(&prefix, after.as_deref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(last.clone());
        found.extend(page);
    }
}

/// Ends a member's sessions that are chosen; how many.
pub(super) fn end_sessions(
    t: &mut Transaction<'_>,
    id: MemberId,
    chosen: impl Fn(&SessionKey) -> bool,
) -> Result<usize, StoreFault> {
    let mut ended = 0;
    for (place, _) in sessions_of(t, id)? {
        let key = SessionKey(place);
        if chosen(&key) {
            t.remove::<Session>(&key.0);
            ended += 1;
        }
    }
    Ok(ended)
}

impl Accounts {
    /// A token that nobody has.
    pub(super) fn new_token(&self, id: MemberId) -> (String, Vec<u8>) {
        let mut secret = [0; SECRET];
        self.world.chance.fill(&mut secret);
        let bytes = [&id.0.to_be_bytes()[..], &secret].concat();
        (format!("{TOKEN_PREFIX}{}", BASE64URL_NOPAD.encode(&bytes)), place(id, &secret))
    }

    /// Begins a session within a transaction; past so many the member's oldest ends.
    pub(super) fn begin_session(
        t: &mut Transaction<'_>,
        settings: &config::Members,
        (id, place, session): (MemberId, &[u8], &Session),
    ) -> Result<(), StoreFault> {
        let mut others = sessions_of(t, id)?;
        let now = session.created;
        let (ended, mut live): (Vec<_>, Vec<_>) =
            others.drain(..).partition(|(_, other)| other.ends(settings) <= now);
        live.sort_by_key(|(_, other)| other.seen);
        let most = (settings.sessions_max as usize).saturating_sub(1);
        let excess = live.len().saturating_sub(most);
        for (place, _) in ended.iter().chain(&live[..excess]) {
            t.remove::<Session>(place);
        }
        t.put(place, session);
        Ok(())
    }

    /// Who is behind a token: none where it opens no session, or one that has ended. That it was used is
    /// written down now and then.
    ///
    /// # Errors
    /// The store.
    pub async fn standing(&self, token: &str) -> Result<Option<Standing>, StoreFault> {
        let Some(place) = place_of(token) else { return Ok(None) };
        let (settings, now) = (&self.settings.members, self.world.clock.now());
        let Some(mut session) = self.store.get::<Session>(&place)? else { return Ok(None) };
        if session.ends(settings) <= now {
            return Ok(None);
        }
        let id = place.first_chunk().map_or(MemberId(0), |id| MemberId(u32::from_be_bytes(*id)));
        let Some(person) = self.person_by_id(id)? else { return Ok(None) };
        if now.since(session.seen)
            >= settings.session_seen_interval.0.min(settings.session_idle_max.0 / 2)
        {
            session.seen = now;
            let key = place.clone();
            let seen = self.store.transact(move |t| {
                // It may have ended meanwhile, and must not come back.
                if let Some(mut session) = t.get::<Session>(&key)? {
                    session.seen = now;
                    t.put(&key, &session);
                }
                Ok(Ok::<_, Infallible>(()))
            });
            let Ok(()) = seen.await?;
        }
        Ok(Some(Standing { person, session, key: SessionKey(place) }))
    }

    /// What who has logged in is in an account now.
    ///
    /// # Errors
    /// The store.
    pub fn seat(&self, standing: &Standing, account: AccountId) -> Result<Seat, StoreFault> {
        let Some(place) = self.place(account, standing.person.id)? else { return Ok(Seat::None) };
        if self.rules(account)?.totp_required && !standing.person.has_totp() {
            return Ok(Seat::NeedsTotp);
        }
        Ok(Seat::Member(place.role))
    }

    /// Whether who has logged in is still what they were in an account: the session has not ended, and the
    /// role is still theirs.
    ///
    /// # Errors
    /// The store.
    pub fn is_seated(
        &self,
        standing: &Standing,
        account: AccountId,
        role: Role,
    ) -> Result<bool, StoreFault> {
        let (settings, now) = (&self.settings.members, self.world.clock.now());
        let session = self.store.get::<Session>(standing.key.bytes())?;
        let is_over = session.is_none_or(|session| session.ends(settings) <= now);
        Ok(!is_over && self.seat(standing, account)? == Seat::Member(role))
    }

    /// A member's sessions that have not ended, the one used last first.
    ///
    /// # Errors
    /// The store.
    pub fn sessions(&self, id: MemberId) -> Result<Vec<(SessionKey, Session)>, StoreFault> {
        let (settings, now) = (&self.settings.members, self.world.clock.now());
        let (prefix, mut after, mut found) = (id.0.to_be_bytes(), None::<Vec<u8>>, Vec::new());
        loop {
            let page = self.store.scan::<Session>(&prefix, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let live = page.into_iter().filter(|(_, session)| session.ends(settings) > now);
            found.extend(live.map(|(place, session)| (SessionKey(place), session)));
        }
        found.sort_by_key(|(_, session)| std::cmp::Reverse(session.seen));
        Ok(found)
    }

    /// Ends the session of a member that a name stands for, or all where there is none, but for one that
    /// stays; how many.
    ///
    /// # Errors
    /// There is no session of that name; the store.
    pub async fn end_sessions(
        &self,
        id: MemberId,
        name: Option<String>,
        but: Option<SessionKey>,
    ) -> Result<usize, AccountFault> {
        self.store
            .transact(move |t| {
                let ended = end_sessions(t, id, |key| {
                    but.as_ref() != Some(key)
                        && name.as_ref().is_none_or(|name| key.name() == *name)
                })?;
                match (ended, name) {
                    (0, Some(name)) => Ok(Err(AccountFault::Unknown(format!(
                        "there is no session `{name}`: it may have ended"
                    )))),
                    _ => Ok(Ok(ended)),
                }
            })
            .await?
    }
}
