//! Invitations into an account, and links for a new password: secrets that serve once, for a while, to
//! whoever reads the mail of an address. Kept as digests.

use super::account::{Accounts, PAGE};
use super::limit::{Thing, room};
use super::login::set_password;
use super::member::{
    By, MemberFault, MemberId, MemberName, Person, Place, census, known, no_member, person_key,
    place_key, put_place,
};
use super::password::fit;
use super::permission::Role;
use super::record::{Account, AccountFault};
use super::session::end_sessions;
use crate::events::Act;
use crate::mail::id::BASE32;
use crate::mail::{AccountId, Address, Timestamp};
use crate::store::{Record, StoreFault, Table, Transaction};
use ring::digest;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// Bytes of a secret.
const SECRET: usize = 32;
/// Bytes of its digest that name an invitation in listings.
const NAME: usize = 10;
/// Longest name of a person, in characters.
const PERSON_NAME_MAX: usize = 100;
/// The day in which invitations and links are counted.
const DAY: u64 = 86_400;

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkPurpose {
    /// Joining the account under which it lies.
    Join(Role),
    /// Setting a new password.
    Reset(MemberId),
}

/// An invitation, or a link for a new password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Whose mail it was sent to.
    pub address: Address,
    /// Since when.
    pub created: Timestamp,
    /// Until when.
    pub ends: Timestamp,
}

impl Record for Invitation {
    const TABLE: Table = Table::Invitation;
}

/// How many there were on a day.
#[derive(Default, Serialize, Deserialize)]
struct Daily {
    day: u64,
    count: u32,
}

impl Record for Daily {
    const TABLE: Table = Table::Meta;
}

/// An invitation's place: the account's number, and the digest of its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationKey(Vec<u8>);

impl InvitationKey {
    /// As listings show it: nobody comes in by it.
    #[must_use]
    pub fn name(&self) -> String {
        let digest = self.0.get(4..4 + NAME).unwrap_or_default();
        BASE32.encode(digest)
    }

    fn account(&self) -> AccountId {
        AccountId(self.0.first_chunk().map_or(0, |number| u32::from_be_bytes(*number)))
    }
}

/// What was made: the token, which is shown this once, and what it is for.
#[derive(Debug)]
pub struct Invited {
    /// The secret.
    pub token: String,
    /// The invitation.
    pub invitation: Invitation,
    /// Its place.
    pub key: InvitationKey,
}

fn place(account: AccountId, secret: &[u8]) -> InvitationKey {
    let digest = digest::digest(&digest::SHA256, secret);
    InvitationKey([&account.0.to_be_bytes()[..], digest.as_ref()].concat())
}

/// The place that a token names.
fn place_of(token: &str) -> Option<InvitationKey> {
    let bytes = BASE32.decode(token.trim().as_bytes()).ok()?;
    let (number, secret) = bytes.split_first_chunk()?;
    (secret.len() == SECRET).then(|| place(AccountId(u32::from_be_bytes(*number)), secret))
}

fn gone() -> AccountFault {
    AccountFault::Unknown("the link is not known: it was used, taken back, or is too old".into())
}

/// Counts one more of a day's; false past so many.
fn count(
    t: &mut Transaction<'_>,
    counter: &str,
    now: Timestamp,
    most: u32,
) -> Result<bool, StoreFault> {
    let day = now.seconds() / DAY;
    let kept = t.get::<Daily>(counter.as_bytes())?.filter(|daily| daily.day == day);
    let count = kept.map_or(0, |daily| daily.count);
    if count >= most {
        return Ok(false);
    }
    t.put(counter.as_bytes(), &Daily { day, count: count + 1 });
    Ok(true)
}

/// All that lie under an account, those that have ended too.
fn all(
    t: &Transaction<'_>,
    account: AccountId,
) -> Result<Vec<(InvitationKey, Invitation)>, StoreFault> {
    let (prefix, mut after, mut found) = (account.0.to_be_bytes(), None::<Vec<u8>>, Vec::new());
    loop {
        let page = t.scan::<Invitation>(&prefix, after.as_deref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(last.clone());
        found.extend(page.into_iter().map(|(key, one)| (InvitationKey(key), one)));
    }
}

/// Takes away what has ended, and what is chosen; what stays.
fn tidy(
    t: &mut Transaction<'_>,
    account: AccountId,
    now: Timestamp,
    chosen: impl Fn(&InvitationKey, &Invitation) -> bool,
) -> Result<usize, StoreFault> {
    let mut stays = 0;
    for (key, invitation) in all(t, account)? {
        if invitation.ends <= now || chosen(&key, &invitation) {
            t.remove::<Invitation>(&key.0);
        } else {
            stays += 1;
        }
    }
    Ok(stays)
}

/// The name of a person, as it is kept.
fn person_name(name: &str) -> Result<String, AccountFault> {
    let name = name.trim();
    let length = name.chars().count();
    if !(1..=PERSON_NAME_MAX).contains(&length) || name.chars().any(char::is_control) {
        return Err(AccountFault::Refused(format!(
            "a person's name has 1 to {PERSON_NAME_MAX} characters on one line"
        )));
    }
    Ok(name.to_owned())
}

impl Accounts {
    fn new_link(
        &self,
        account: AccountId,
        purpose: LinkPurpose,
        address: &Address,
        age_max: Duration,
    ) -> Invited {
        let mut secret = [0; SECRET];
        self.world.chance.fill(&mut secret);
        let created = self.world.clock.now();
        let bytes = [&account.0.to_be_bytes()[..], &secret].concat();
        let (address, ends) = (address.clone(), created.after(age_max));
        let invitation = Invitation { purpose, address, created, ends };
        Invited { token: BASE32.encode(&bytes), invitation, key: place(account, &secret) }
    }

    /// Invites somebody into an account: an earlier invitation of the same address ends. The first to be
    /// invited is an owner.
    ///
    /// # Errors
    /// Who asks may not; a member already; too many members, or invitations today; the store.
    pub async fn invite(
        &self,
        account: &Account,
        address: &Address,
        role: Role,
        by: By,
    ) -> Result<Invited, AccountFault> {
        by.may_appoint(role)?;
        let (settings, id, author) = (self.settings.clone(), account.id, self.author.clone());
        let age_max = settings.members.invitation_age_max.0;
        let made = self.new_link(id, LinkPurpose::Join(role), address, age_max);
        let name = account.name.clone();
        self.store
            .transact(move |t| {
                let refuse = |text: String| Ok(Err(AccountFault::Refused(text)));
                let Invited { invitation, key, .. } = &made;
                let (address, now) = (&invitation.address, invitation.created);
                if let Some(person) = known(t, address)?
                    && t.get::<Place>(&place_key(id, person.id))?.is_some()
                {
                    return refuse(format!(
                        "{address} is a member already: `relent member set {name} {address} --role \
                         ROLE` changes what they are"
                    ));
                }
                let (members, owners) = census(t, id)?;
                if owners == 0 && role != Role::Owner {
                    return refuse(format!(
                        "the account has no owner yet: invite one first, with --role {}",
                        Role::Owner.name()
                    ));
                }
                let normal = address.normal();
                let same = |_: &InvitationKey, one: &Invitation| one.address.normal() == normal;
                let waiting = tidy(t, id, now, same)?;
                let count_all = (id, Thing::Member, members + waiting);
                if let Err(fault) = room(t, &settings.accounts, count_all)? {
                    return Ok(Err(fault));
                }
                let most = settings.members.invitations_per_day_max;
                if !count(t, &format!("invited/{}", id.0), now, most)? {
                    return refuse(format!(
                        "the account has sent {most} invitations today, the most it may: the next \
                         can go tomorrow (UTC)"
                    ));
                }
                t.put(&key.0, invitation);
                let act = Act::new(id, "member.invited").about(key.name());
                author.write(t, act.with("role", role.name()))?;
                Ok(Ok(made))
            })
            .await?
    }

    /// An account's invitations that wait, the newest first.
    ///
    /// # Errors
    /// The store.
    pub fn invitations(
        &self,
        account: AccountId,
    ) -> Result<Vec<(InvitationKey, Invitation)>, StoreFault> {
        let (prefix, mut after, mut found) = (account.0.to_be_bytes(), None::<Vec<u8>>, Vec::new());
        let now = self.world.clock.now();
        loop {
            let page = self.store.scan::<Invitation>(&prefix, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let waiting = page.into_iter().filter(|(_, invitation)| invitation.ends > now);
            found.extend(waiting.map(|(key, one)| (InvitationKey(key), one)));
        }
        found.sort_by_key(|(_, invitation)| std::cmp::Reverse(invitation.created));
        Ok(found)
    }

    /// Takes an invitation back, by the name that listings show.
    ///
    /// # Errors
    /// There is none; who asks may not; the store.
    pub async fn revoke_invitation(
        &self,
        account: AccountId,
        name: &str,
        by: By,
    ) -> Result<(), AccountFault> {
        let (name, author) = (name.to_owned(), self.author.clone());
        self.store
            .transact(move |t| {
                let found = all(t, account)?.into_iter().find(|(key, _)| key.name() == name);
                let Some((key, invitation)) = found else {
                    return Ok(Err(AccountFault::Unknown(format!(
                        "there is no invitation `{name}` in this account: `relent member \
                         invitations ACCOUNT` shows them"
                    ))));
                };
                if let LinkPurpose::Join(role) = invitation.purpose
                    && let Err(fault) = by.may_appoint(role)
                {
                    return Ok(Err(fault));
                }
                t.remove::<Invitation>(&key.0);
                author.write(t, Act::new(account, "invitation.removed").about(&name))?;
                Ok(Ok(()))
            })
            .await?
    }

    /// What a token is for, while it holds.
    ///
    /// # Errors
    /// It is not known, or has ended; the store.
    pub fn invitation(&self, token: &str) -> Result<(Invitation, AccountId), AccountFault> {
        let key = place_of(token).ok_or_else(gone)?;
        let found = self.store.get::<Invitation>(&key.0)?;
        let now = self.world.clock.now();
        let found = found.filter(|invitation| invitation.ends > now).ok_or_else(gone)?;
        Ok((found, key.account()))
    }

    /// Whether the person of an address is known, so that a name and a new password need not be asked for.
    ///
    /// # Errors
    /// The store.
    pub fn is_known(&self, address: &Address) -> Result<bool, StoreFault> {
        Ok(self.person(address)?.is_some())
    }

    /// Joins an account by an invitation: a new person with a name and a password, or one who is known and
    /// shows theirs.
    ///
    /// # Errors
    /// The link is gone; name or password are unfit, or not that of who is known; the store.
    pub async fn accept(
        &self,
        token: &str,
        (name, password): (&str, &str),
        peer: IpAddr,
    ) -> Result<(Person, AccountId, Role), MemberFault> {
        let key = place_of(token).ok_or_else(gone)?;
        let (invitation, account) = self.invitation(token)?;
        let address = invitation.address.clone();
        let newcomer = if self.is_known(&address)? {
            self.proven(&address, password, peer).await?;
            None
        } else {
            let name = person_name(name)?;
            let normal = fit(password, &address.to_string())?;
            Some((name, self.password_hash(normal).await?))
        };
        let (now, author) = (self.world.clock.now(), self.author.clone());
        self.store
            .transact(move |t| {
                let found = t.get::<Invitation>(&key.0)?;
                let Some(Invitation { purpose: LinkPurpose::Join(role), .. }) = found else {
                    return Ok(Err(gone().into()));
                };
                let mut person = match (known(t, &address)?, newcomer) {
                    (Some(person), None) => person,
                    (None, Some((name, password))) => {
                        let id = MemberId(super::account::number(t, "member")?);
                        t.put(address.normal().as_bytes(), &MemberName(id));
                        Person {
                            id,
                            address,
                            name,
                            created: now,
                            accounts: Vec::new(),
                            password,
                            password_set: now,
                            totp: None,
                            recovery: Vec::new(),
                        }
                    }
                    // Became known, or unknown, while the password was hashed.
                    _ => return Ok(Err(gone().into())),
                };
                t.remove::<Invitation>(&key.0);
                put_place(t, &mut person, account, Place { role, since: now });
                let act = person.act(account, "member.joined").with("role", role.name());
                author.by(person.actor()).write(t, act.with("invitation", key.name()))?;
                Ok(Ok((person, account, role)))
            })
            .await?
    }

    /// Makes a link for a new password of whoever has this address; none where nobody has, or where there
    /// were too many today. Who asked is told nothing of that.
    ///
    /// # Errors
    /// The store.
    pub async fn begin_reset(&self, address: &Address) -> Result<Option<Invited>, StoreFault> {
        let Some(person) = self.person(address)? else { return Ok(None) };
        let settings = self.settings.clone();
        let age_max = settings.members.reset_age_max.0;
        let purpose = LinkPurpose::Reset(person.id);
        let made = self.new_link(AccountId::INSTALLATION, purpose, &person.address, age_max);
        let made = self.store.transact(move |t| {
            let (now, members) = (made.invitation.created, &settings.members);
            let own = format!("reset/{}", person.id.0);
            if !count(t, &own, now, members.resets_per_day_max)?
                || !count(t, "reset", now, members.resets_max)?
            {
                return Ok(Err(()));
            }
            tidy(t, AccountId::INSTALLATION, now, |_, _| false)?;
            t.put(&made.key.0, &made.invitation);
            Ok(Ok(made))
        });
        Ok(made.await?.ok())
    }

    /// The same for a member of an account, by who may change it.
    ///
    /// # Errors
    /// There is no such member; too many today; the store.
    pub async fn begin_reset_of(
        &self,
        account: AccountId,
        address: &Address,
        by: By,
    ) -> Result<Invited, AccountFault> {
        let (person, place) = self.member(account, address)?;
        by.may_appoint(place.role)?;
        self.write_act(person.act(account, "member.reset-begun")).await?;
        self.begin_reset(address)
            .await?
            .ok_or_else(|| AccountFault::Refused("too many links for a new password today".into()))
    }

    /// Sets a new password by a link; all sessions end, and other links of the member. An authenticator
    /// is still asked for.
    ///
    /// # Errors
    /// The link is gone, or the password unfit; the store.
    pub async fn reset(&self, token: &str, password: &str) -> Result<Person, MemberFault> {
        let key = place_of(token).ok_or_else(gone)?;
        let (invitation, _) = self.invitation(token)?;
        let LinkPurpose::Reset(id) = invitation.purpose else { return Err(gone().into()) };
        let normal = fit(password, &invitation.address.to_string())?;
        let hash = self.password_hash(normal).await?;
        let (now, author) = (self.world.clock.now(), self.author.clone());
        self.store
            .transact(move |t| {
                if t.get::<Invitation>(&key.0)?.is_none() {
                    return Ok(Err(gone().into()));
                }
                let Some(mut person) = t.get::<Person>(&person_key(id))? else {
                    return Ok(Err(no_member(&invitation.address).into()));
                };
                set_password(&mut person, hash, now);
                end_sessions(t, id, |_| true)?;
                let own = LinkPurpose::Reset(id);
                tidy(t, AccountId::INSTALLATION, now, |_, other| other.purpose == own)?;
                t.put(&person_key(id), &person);
                let act = person.act(person.home(), "member.password-reset");
                author.by(person.actor()).write(t, act)?;
                Ok(Ok(person))
            })
            .await?
    }
}
