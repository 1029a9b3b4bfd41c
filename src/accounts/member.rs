//! People of accounts: who they are, what they are in which account, and what keeps an account from being
//! without an owner.

use super::account::{Accounts, PAGE};
use super::login::forget_codes;
use super::password::PasswordHash;
use super::permission::Role;
use super::record::{Account, AccountFault};
use super::session::end_sessions;
use super::totp::Totp;
use crate::events::{Act, Actor};
use crate::mail::{AccountId, Address, Timestamp};
use crate::store::{Record, Store, StoreFault, Table, Transaction};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A member's number, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub u32);

/// A person who logs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their number.
    pub id: MemberId,
    /// The address they log in with.
    pub address: Address,
    /// What they are called.
    pub name: String,
    /// Since when.
    pub created: Timestamp,
    /// The accounts they belong to.
    pub accounts: Vec<AccountId>,
    pub(super) password: PasswordHash,
    /// When the password was set.
    pub password_set: Timestamp,
    pub(super) totp: Option<Totp>,
    /// Digests of the recovery codes that are left.
    pub(super) recovery: Vec<[u8; 32]>,
}

/// Without anything that is secret.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({}, {})", self.id.0, self.address)
    }
}

impl Person {
    /// Whether they must show the code of an authenticator.
    #[must_use]
    pub fn has_totp(&self) -> bool {
        self.totp.as_ref().is_some_and(|totp| totp.is_confirmed)
    }

    /// In whose name they act on their own behalf: that of the account they have longest.
    pub(super) fn actor(&self) -> Actor {
        Actor::Member { account: self.home(), number: self.id.0 }
    }

    /// The account that they have longest.
    #[must_use]
    pub fn home(&self) -> AccountId {
        self.accounts.first().copied().unwrap_or(AccountId::INSTALLATION)
    }

    /// What became of them in an account, by their number: an address would outlive them in the chain.
    pub(super) fn act(&self, account: AccountId, kind: &'static str) -> Act {
        Act::new(account, kind).about(self.id.0.to_string())
    }

    /// How many recovery codes are left.
    #[must_use]
    pub fn recovery_left(&self) -> usize {
        self.recovery.len()
    }
}

/// People lie under the installation's number, their places under those of the accounts.
impl Record for Person {
    const TABLE: Table = Table::Member;
}

/// What a person is in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The role.
    pub role: Role,
    /// Since when.
    pub since: Timestamp,
}

impl Record for Place {
    const TABLE: Table = Table::Member;
}

/// A person's number by the normal form of the address they log in with.
#[derive(Serialize, Deserialize)]
pub(super) struct MemberName(pub(super) MemberId);

impl Record for MemberName {
    const TABLE: Table = Table::MemberName;
}

/// Who changes members: the operator, or one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Who runs the relay.
    Operator,
    /// A member of the account, in this role.
    Member(MemberId, Role),
}

impl By {
    /// Whether they may give, change or take away this role.
    ///
    /// # Errors
    /// They may not.
    pub fn may_appoint(self, role: Role) -> Result<(), AccountFault> {
        match self {
            Self::Member(_, own) if !own.may_appoint(role) => Err(AccountFault::Refused(format!(
                "you are {own} of the account: only an owner makes, changes or removes owners",
                own = own.name()
            ))),
            _ => Ok(()),
        }
    }
}

/// Why a member was not let in, or a change not made.
#[derive(Debug, thiserror::Error)]
pub enum MemberFault {
    /// Nobody learns which of them it was.
    #[error(
        "the address, the password or the code is wrong; members with an authenticator give its code too"
    )]
    Wrong,
    /// Too many failures from there.
    #[error("too many failed attempts: try again in {} s", .0.as_millis().div_ceil(1000))]
    Wait(Duration),
    /// Too many wrong codes with the right password.
    #[error(
        "too many wrong codes: give one of the recovery codes, or a code of the authenticator in {} minutes",
        .0.as_secs().div_ceil(60)
    )]
    Codes(Duration),
    /// More logins than passwords can be compared with.
    #[error("too many logins at a time: try again in a moment")]
    Busy,
    /// It needs a login that is fresh.
    #[error("prove again who you are: POST /api/v1/sessions/current/proof with password and code")]
    Stale,
    /// The change itself.
    #[error(transparent)]
    Change(#[from] AccountFault),
}

impl From<StoreFault> for MemberFault {
    fn from(fault: StoreFault) -> Self {
        Self::Change(fault.into())
    }
}

pub(super) fn person_key(id: MemberId) -> Vec<u8> {
    place_key(AccountId::INSTALLATION, id)
}

pub(super) fn place_key(account: AccountId, id: MemberId) -> Vec<u8> {
    [account.0.to_be_bytes(), id.0.to_be_bytes()].concat()
}

fn number_of(key: &[u8]) -> MemberId {
    let number = key.last_chunk().copied().map_or(0, u32::from_be_bytes);
    MemberId(number)
}

pub(super) fn no_member(address: &Address) -> AccountFault {
    AccountFault::Unknown(format!(
        "there is no member {address} in this account: `relent member list ACCOUNT` shows them, \
         `relent member invite ACCOUNT {address}` invites one"
    ))
}

/// The person who logs in with an address.
pub(super) fn known(t: &Transaction<'_>, address: &Address) -> Result<Option<Person>, StoreFault> {
    match t.get::<MemberName>(address.normal().as_bytes())? {
        Some(MemberName(id)) => t.get::<Person>(&person_key(id)),
        None => Ok(None),
    }
}

/// How many members an account has, and how many of them are owners.
pub(super) fn census(
    t: &Transaction<'_>,
    account: AccountId,
) -> Result<(usize, usize), StoreFault> {
    let (mut all, mut owners) = (0, 0);
    let (prefix, mut after) = (account.0.to_be_bytes(), None::<Vec<u8>>);
    loop {
        let page = t.scan::<Place>(&prefix, after.as_deref(), PAGE)?;
        all += page.len();
        owners += page.iter().filter(|(_, place)| place.role == Role::Owner).count();
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok((all, owners)),
        }
    }
}

/// Refuses to leave an account without an owner.
fn keeps_an_owner(
    t: &Transaction<'_>,
    account: AccountId,
    place: Place,
) -> Result<Result<(), AccountFault>, StoreFault> {
    if place.role == Role::Owner && census(t, account)?.1 <= 1 {
        let text = "this is the last owner of the account, which always has one: make another member \
                    an owner first";
        return Ok(Err(AccountFault::Refused(text.into())));
    }
    Ok(Ok(()))
}

/// Puts a person into an account, or changes what they are there.
pub(super) fn put_place(
    t: &mut Transaction<'_>,
    person: &mut Person,
    account: AccountId,
    place: Place,
) {
    t.put(&place_key(account, person.id), &place);
    if !person.accounts.contains(&account) {
        person.accounts.push(account);
    }
    t.put(&person_key(person.id), person);
}

impl Accounts {
    /// The members of an account, by address.
    ///
    /// # Errors
    /// The store.
    pub fn members(&self, account: AccountId) -> Result<Vec<(Person, Place)>, StoreFault> {
        let (prefix, mut after, mut found) = (account.0.to_be_bytes(), None::<Vec<u8>>, Vec::new());
        loop {
            let page = self.store.scan::<Place>(&prefix, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, place) in page {
                let person = self.store.get::<Person>(&person_key(number_of(&key)))?;
                found.extend(person.map(|person| (person, place)));
            }
        }
        found.sort_by_key(|(person, _)| person.address.normal());
        Ok(found)
    }

    /// A member of an account by address.
    ///
    /// # Errors
    /// There is none; the store.
    pub fn member(
        &self,
        account: AccountId,
        address: &Address,
    ) -> Result<(Person, Place), AccountFault> {
        let person = self.person(address)?.ok_or_else(|| no_member(address))?;
        let place = self.place(account, person.id)?.ok_or_else(|| no_member(address))?;
        Ok((person, place))
    }

    /// The person who logs in with an address.
    pub(super) fn person(&self, address: &Address) -> Result<Option<Person>, StoreFault> {
        match self.store.get::<MemberName>(address.normal().as_bytes())? {
            Some(MemberName(id)) => self.person_by_id(id),
            None => Ok(None),
        }
    }

    /// The account that whoever has this address has longest.
    ///
    /// # Errors
    /// The store.
    pub fn home_of(&self, address: &Address) -> Result<Option<Arc<Account>>, StoreFault> {
        match self.person(address)? {
            Some(person) => self.account_by_id(person.home()),
            None => Ok(None),
        }
    }

    /// A person by number.
    ///
    /// # Errors
    /// The store.
    pub fn person_by_id(&self, id: MemberId) -> Result<Option<Person>, StoreFault> {
        self.store.get::<Person>(&person_key(id))
    }

    /// What a person is in an account; none where they do not belong to it.
    ///
    /// # Errors
    /// The store.
    pub fn place(&self, account: AccountId, id: MemberId) -> Result<Option<Place>, StoreFault> {
        if account == AccountId::INSTALLATION {
            return Ok(None);
        }
        self.store.get::<Place>(&place_key(account, id))
    }

    /// Makes a member something else.
    ///
    /// # Errors
    /// There is no such member; who asks may not; it is the last owner; the store.
    pub async fn set_role(
        &self,
        account: AccountId,
        address: &Address,
        role: Role,
        by: By,
    ) -> Result<(Person, Place), AccountFault> {
        let (address, author) = (address.clone(), self.author.clone());
        self.change_member(account, address, move |t, mut person, place| {
            if let Err(fault) = by.may_appoint(place.role).and(by.may_appoint(role)) {
                return Ok(Err(fault));
            }
            if role != Role::Owner
                && let Err(fault) = keeps_an_owner(t, account, place)?
            {
                return Ok(Err(fault));
            }
            let place = Place { role, ..place };
            put_place(t, &mut person, account, place);
            author.write(t, person.act(account, "member.changed").with("role", role.name()))?;
            Ok(Ok((person, place)))
        })
        .await
    }

    /// Takes a member out of an account; who belongs to no other is forgotten, with all sessions. Members
    /// may leave by themselves.
    ///
    /// # Errors
    /// There is no such member; who asks may not; it is the last owner; the store.
    pub async fn remove_member(
        &self,
        account: AccountId,
        address: &Address,
        by: By,
    ) -> Result<(), AccountFault> {
        let (address, author) = (address.clone(), self.author.clone());
        self.change_member(account, address, move |t, mut person, place| {
            let is_self = matches!(by, By::Member(id, _) if id == person.id);
            let may = if is_self { Ok(()) } else { by.may_appoint(place.role) };
            if let Err(fault) = may.and(keeps_an_owner(t, account, place)?) {
                return Ok(Err(fault));
            }
            t.remove::<Place>(&place_key(account, person.id));
            author.write(t, person.act(account, "member.removed"))?;
            person.accounts.retain(|other| *other != account);
            if person.accounts.is_empty() {
                end_sessions(t, person.id, |_| true)?;
                forget_codes(t, person.id)?;
                t.remove::<Person>(&person_key(person.id));
                t.remove::<MemberName>(person.address.normal().as_bytes());
            } else {
                t.put(&person_key(person.id), &person);
            }
            Ok(Ok(()))
        })
        .await
    }

    /// Takes a member's authenticator away, who has lost it and its recovery codes; all sessions end. One
    /// account's owner cannot do that to a member of another: there the operator can.
    ///
    /// # Errors
    /// There is no such member, or they have none; who asks may not; the store.
    pub async fn remove_totp(
        &self,
        account: AccountId,
        address: &Address,
        by: By,
    ) -> Result<(), AccountFault> {
        let (address, author) = (address.clone(), self.author.clone());
        self.change_member(account, address, move |t, mut person, _| {
            let refuse = |text: &str| Ok(Err(AccountFault::Refused(text.into())));
            match by {
                By::Member(_, role) if role != Role::Owner => {
                    return refuse("only an owner takes a member's authenticator away");
                }
                By::Member(..) if person.accounts != [account] => {
                    return refuse(
                        "the member belongs to other accounts too: only the operator can take the \
                         authenticator away",
                    );
                }
                _ => {}
            }
            if person.totp.take().is_none() {
                return refuse("the member has no authenticator");
            }
            person.recovery.clear();
            end_sessions(t, person.id, |_| true)?;
            author.write(t, person.act(account, "member.authenticator-removed"))?;
            t.put(&person_key(person.id), &person);
            Ok(Ok(()))
        })
        .await
    }

    async fn change_member<T: Send + 'static>(
        &self,
        account: AccountId,
        address: Address,
        change: impl FnOnce(
            &mut Transaction<'_>,
            Person,
            Place,
        ) -> Result<Result<T, AccountFault>, StoreFault>
        + Send
        + 'static,
    ) -> Result<T, AccountFault> {
        let store: &Store = &self.store;
        store
            .transact(move |t| {
                let person = known(t, &address)?;
                let place = match &person {
                    Some(person) if account != AccountId::INSTALLATION => {
                        t.get::<Place>(&place_key(account, person.id))?
                    }
                    _ => None,
                };
                match person.zip(place) {
                    Some((person, place)) => change(t, person, place),
                    None => Ok(Err(no_member(&address))),
                }
            })
            .await?
    }
}
