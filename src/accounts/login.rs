//! Who comes in: address, password and code against what is kept, as long for a name that nobody has; and
//! what members change about that themselves.

use super::account::Accounts;
use super::member::{MemberFault, MemberId, Person, person_key};
use super::password::{BYTES_MAX, PasswordHash, fit, normal};
use super::record::AccountFault;
use super::session::{Session, SessionKey, Standing, end_sessions};
use super::totp::{Totp, recovery, take_recovery};
use crate::mail::{Address, Timestamp};
use crate::store::{Record, StoreFault, Table, Transaction};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Longest name by which failures are counted, in characters: no address is longer.
const NAME_MAX: usize = 320;
/// Wrong codes in [`CODES_TIME`], each with the right password, after which the authenticator's are not taken.
/// Whoever has the password has a million codes to try, and may try them from as many networks.
const WRONG_CODES_MAX: u32 = 10;
const CODES_TIME: Duration = Duration::from_secs(3600);

/// What somebody says who wants to come in.
pub struct Claim {
    /// The address.
    pub address: String,
    /// The password.
    pub password: String,
    /// The authenticator's code, or a recovery code.
    pub code: Option<String>,
    /// From where.
    pub peer: IpAddr,
    /// Their program, by its own word.
    pub agent: String,
}

/// Without what is secret.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({:?} from {})", self.address, self.peer)
    }
}

/// Wrong codes of a person, from wherever they came.
#[derive(Serialize, Deserialize)]
struct WrongCodes {
    since: Timestamp,
    count: u32,
}

impl Record for WrongCodes {
    const TABLE: Table = Table::Meta;
}

fn codes_key(id: MemberId) -> Vec<u8> {
    format!("codes/{}", id.0).into_bytes()
}

/// Forgets what wrong codes a person has shown.
pub(super) fn forget_codes(t: &mut Transaction<'_>, id: MemberId) -> Result<(), StoreFault> {
    let key = codes_key(id);
    if t.get::<WrongCodes>(&key)?.is_some() {
        t.remove::<WrongCodes>(&key);
    }
    Ok(())
}

/// Takes the code of whoever has shown the right password; a wrong one is counted in the same transaction,
/// which is to be written then too. Past so many, recovery codes alone are taken, which nobody guesses.
fn take_code(
    t: &mut Transaction<'_>,
    person: &mut Person,
    code: Option<&str>,
    now: Timestamp,
) -> Result<Result<(), MemberFault>, StoreFault> {
    if !person.has_totp() {
        return Ok(Ok(()));
    }
    // Who gives none has guessed nothing.
    let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
        return Ok(Err(MemberFault::Wrong));
    };
    let key = codes_key(person.id);
    let kept = t.get::<WrongCodes>(&key)?;
    let kept = kept.filter(|kept| kept.since <= now && now.since(kept.since) < CODES_TIME);
    let WrongCodes { since, count } = kept.unwrap_or(WrongCodes { since: now, count: 0 });
    let is_shut = count >= WRONG_CODES_MAX;
    let of_authenticator =
        !is_shut && person.totp.as_mut().is_some_and(|totp| totp.take(code, now));
    if of_authenticator || take_recovery(&mut person.recovery, code) {
        forget_codes(t, person.id)?;
        return Ok(Ok(()));
    }
    if is_shut {
        return Ok(Err(MemberFault::Codes(CODES_TIME.saturating_sub(now.since(since)))));
    }
    t.put(&key, &WrongCodes { since, count: count + 1 });
    Ok(Err(MemberFault::Wrong))
}

/// The person again as they are in a transaction; none where the password has changed meanwhile.
fn still(t: &Transaction<'_>, known: &Person) -> Result<Option<Person>, StoreFault> {
    let person = t.get::<Person>(&person_key(known.id))?;
    Ok(person.filter(|person| person.password == known.password))
}

impl Accounts {
    /// Waits as guesses demand, compares a password, and says whose it is. What is held against the place
    /// and the name it is for the caller to forgive.
    async fn compare(
        &self,
        address: &str,
        password: &str,
        peer: IpAddr,
    ) -> Result<(Option<Person>, String), MemberFault> {
        let parsed = Address::parse(address.trim()).ok();
        let folded = || address.trim().to_lowercase();
        let name = parsed.as_ref().map_or_else(folded, Address::normal);
        let name: String = name.chars().take(NAME_MAX).collect();
        let (door, settings) = (&self.door, &self.settings.members);
        let admitted = door.throttle.admit(peer, &name, settings, self.world.clock.steady());
        tokio::time::sleep(admitted.map_err(MemberFault::Wait)?).await;
        let person = match &parsed {
            Some(address) => self.person(address)?,
            None => None,
        };
        // A name that nobody has is compared too, with what no password has.
        let nobody = PasswordHash::nobody(door.hasher.cost());
        let kept = person.as_ref().map_or(&nobody, |person| &person.password);
        let is_short = password.len() <= BYTES_MAX;
        let typed = if is_short { normal(password) } else { String::new() };
        let is_right = door.hasher.is_right(typed, kept).await? && is_short;
        Ok((person.filter(|_| is_right), name))
    }

    /// Lets somebody in: a token, which is shown this once, and their standing.
    ///
    /// # Errors
    /// [`MemberFault::Wrong`], whatever of it was wrong; too many failures; the store.
    pub async fn log_in(&self, claim: Claim) -> Result<(String, Standing), MemberFault> {
        let Claim { address, password, code, peer, agent } = claim;
        let (known, name) = self.compare(&address, &password, peer).await?;
        let known = known.ok_or(MemberFault::Wrong)?;
        let (token, place) = self.new_token(known.id);
        let stronger = self.strengthened(&known, &password).await?;
        let now = self.world.clock.now();
        let session = Session::new(now, Some(peer.to_string()), &agent);
        let settings = self.settings.clone();
        let made = self.store.transact(move |t| {
            let Some(mut person) = still(t, &known)? else { return Ok(Err(MemberFault::Wrong)) };
            if let Err(fault) = take_code(t, &mut person, code.as_deref(), now)? {
                // The count of wrong ones is kept, so this is no fault of the transaction.
                return Ok(Ok(Err(fault)));
            }
            person.password = stronger.unwrap_or(person.password);
            t.put(&person_key(person.id), &person);
            Self::begin_session(t, &settings.members, (person.id, &place, &session))?;
            Ok(Ok(Ok(Standing { person, session, key: SessionKey::at(place) })))
        });
        let standing = made.await???;
        self.door.throttle.succeeded(peer, &name);
        Ok((token, standing))
    }

    /// The hash of a right password made anew, where the settings demand more than when it was made.
    async fn strengthened(
        &self,
        person: &Person,
        password: &str,
    ) -> Result<Option<PasswordHash>, MemberFault> {
        if !person.password.is_weaker_than(self.door.hasher.cost()) {
            return Ok(None);
        }
        self.password_hash(normal(password)).await.map(Some)
    }

    pub(super) async fn password_hash(&self, normal: String) -> Result<PasswordHash, MemberFault> {
        let mut salt = [0; 16];
        self.world.chance.fill(&mut salt);
        self.door.hasher.hash(normal, salt).await
    }

    /// The person whose password this is, guesses bounded as at a login.
    pub(super) async fn proven(
        &self,
        address: &Address,
        password: &str,
        peer: IpAddr,
    ) -> Result<Person, MemberFault> {
        let (known, name) = self.compare(&address.to_string(), password, peer).await?;
        let known = known.ok_or(MemberFault::Wrong)?;
        self.door.throttle.succeeded(peer, &name);
        Ok(known)
    }

    /// Proves once more who is behind a session, so that it is fresh.
    ///
    /// # Errors
    /// As [`Accounts::log_in`].
    pub async fn prove(
        &self,
        standing: &Standing,
        password: &str,
        code: Option<String>,
        peer: IpAddr,
    ) -> Result<(), MemberFault> {
        let address = standing.person.address.to_string();
        let (known, name) = self.compare(&address, password, peer).await?;
        let known = known.filter(|known| known.id == standing.person.id);
        let known = known.ok_or(MemberFault::Wrong)?;
        let (now, key) = (self.world.clock.now(), standing.key.clone());
        let made = self.store.transact(move |t| {
            let (Some(mut person), Some(mut session)) =
                (still(t, &known)?, t.get::<Session>(key.bytes())?)
            else {
                return Ok(Err(MemberFault::Wrong));
            };
            if let Err(fault) = take_code(t, &mut person, code.as_deref(), now)? {
                return Ok(Ok(Err(fault)));
            }
            session.proven = now;
            t.put(&person_key(person.id), &person);
            t.put(key.bytes(), &session);
            Ok(Ok(Ok(())))
        });
        made.await???;
        self.door.throttle.succeeded(peer, &name);
        Ok(())
    }

    /// Sets another password by the old one; all other sessions end.
    ///
    /// # Errors
    /// The old one is wrong, the new one unfit; the store.
    pub async fn change_password(
        &self,
        standing: &Standing,
        (old, new): (&str, &str),
        peer: IpAddr,
    ) -> Result<(), MemberFault> {
        let address = &standing.person.address;
        let new = fit(new, &address.to_string())?;
        let known = self.proven(address, old, peer).await?;
        let hash = self.password_hash(new).await?;
        let (now, key) = (self.world.clock.now(), standing.key.clone());
        let author = self.author.by(standing.person.actor());
        let changed = self.store.transact(move |t| {
            let Some(mut person) = still(t, &known)? else { return Ok(Err(MemberFault::Wrong)) };
            set_password(&mut person, hash, now);
            end_sessions(t, person.id, |other| *other != key)?;
            author.write(t, person.act(person.home(), "member.password-changed"))?;
            t.put(&person_key(person.id), &person);
            Ok(Ok(()))
        });
        changed.await?
    }

    /// Begins to set up an authenticator: its secret and the address of the picture, which are shown this
    /// once. Nothing is asked for before a code of it was shown.
    ///
    /// # Errors
    /// The login is not fresh, or there is one already; the store.
    pub async fn enrol_totp(&self, standing: &Standing) -> Result<(String, String), MemberFault> {
        self.fresh(standing)?;
        let totp = Totp::new(&self.world);
        let shown = (totp.shown(), totp.uri(&standing.person.address.to_string()));
        self.change_person(standing.person.id, None, move |person| {
            if person.has_totp() {
                let text = "there is an authenticator already: take it away first";
                return Err(AccountFault::Refused(text.into()).into());
            }
            person.totp = Some(totp);
            Ok(())
        })
        .await?;
        Ok(shown)
    }

    /// Has codes asked for from now on, by a first code: recovery codes, which are shown this once.
    ///
    /// # Errors
    /// The login is not fresh, the code is wrong, or nothing was begun; the store.
    pub async fn confirm_totp(
        &self,
        standing: &Standing,
        code: &str,
    ) -> Result<Vec<String>, MemberFault> {
        self.fresh(standing)?;
        let (codes, kept) = recovery(&self.world);
        let (code, now) = (code.to_owned(), self.world.clock.now());
        let kind = Some("member.authenticator-added");
        self.change_person(standing.person.id, kind, move |person| {
            let totp = person.totp.as_mut().filter(|totp| !totp.is_confirmed);
            let Some(totp) = totp else {
                let text = "no authenticator waits for its first code: begin with one";
                return Err(AccountFault::Refused(text.into()).into());
            };
            if !totp.take(&code, now) {
                return Err(MemberFault::Wrong);
            }
            totp.is_confirmed = true;
            person.recovery = kept;
            Ok(())
        })
        .await?;
        Ok(codes)
    }

    /// Takes one's own authenticator away, by password and a code of it or a recovery code.
    ///
    /// # Errors
    /// As [`Accounts::prove`]; there is none, or an account demands one.
    pub async fn drop_totp(
        &self,
        standing: &Standing,
        (password, code): (&str, String),
        peer: IpAddr,
    ) -> Result<(), MemberFault> {
        let refuse = |text: &str| Err(AccountFault::Refused(text.into()).into());
        for account in &standing.person.accounts {
            if self.rules(*account)?.totp_required {
                return refuse("an account that you belong to demands an authenticator");
            }
        }
        if !standing.person.has_totp() {
            return refuse("there is no authenticator");
        }
        self.prove(standing, password, Some(code), peer).await?;
        let kind = Some("member.authenticator-removed");
        self.change_person(standing.person.id, kind, |person| {
            person.totp = None;
            person.recovery.clear();
            Ok(())
        })
        .await
    }

    /// Refuses who has not proved lately who they are.
    ///
    /// # Errors
    /// [`MemberFault::Stale`].
    pub fn fresh(&self, standing: &Standing) -> Result<(), MemberFault> {
        match standing.is_fresh(&self.settings.members, self.world.clock.now()) {
            true => Ok(()),
            false => Err(MemberFault::Stale),
        }
    }

    async fn change_person(
        &self,
        id: MemberId,
        kind: Option<&'static str>,
        change: impl FnOnce(&mut Person) -> Result<(), MemberFault> + Send + 'static,
    ) -> Result<(), MemberFault> {
        let author = self.author.clone();
        self.store
            .transact(move |t| {
                let Some(mut person) = t.get::<Person>(&person_key(id))? else {
                    return Ok(Err(MemberFault::Wrong));
                };
                if let Err(fault) = change(&mut person) {
                    return Ok(Err(fault));
                }
                t.put(&person_key(id), &person);
                if let Some(kind) = kind {
                    author.by(person.actor()).write(t, person.act(person.home(), kind))?;
                }
                Ok(Ok(()))
            })
            .await?
    }
}

pub(super) fn set_password(person: &mut Person, hash: PasswordHash, now: Timestamp) {
    person.password = hash;
    person.password_set = now;
}
