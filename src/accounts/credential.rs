//! Secrets for SMTP and the API: made here, shown once, kept as a digest and a SCRAM verifier, checked in
//! constant time.

use super::account::{Accounts, PAGE, check_name};
use super::limit::{Thing, room};
use super::record::{
    AccountFault, Credential, CredentialDraft, Login, Refusal, ScramVerifier, Stream,
};
use super::right::Right;
use super::usage;
use crate::events::Act;
use crate::mail::{AccountId, StreamId};
use crate::store::StoreFault;
use data_encoding::BASE64URL_NOPAD;
use ring::{digest, hmac, pbkdf2};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// PBKDF2 rounds (RFC 7677 §4): passwords hold 256 random bits, so more would guard nothing.
const ROUNDS: NonZeroU32 = NonZeroU32::new(4096).expect("not zero");

/// The key of a credential that nobody has: no name is empty.
const NOBODY: &[u8] = b"";

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 §3).
fn verifier(password: &[u8], salt: [u8; 16]) -> ScramVerifier {
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, password, &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client_key = hmac::sign(&key, b"Client Key");
    let mut server_key = [0; 32];
    server_key.copy_from_slice(hmac::sign(&key, b"Server Key").as_ref());
    ScramVerifier {
        salt,
        iterations: ROUNDS.get(),
        stored_key: sha256(client_key.as_ref()),
        server_key,
    }
}

fn unknown(name: &str) -> AccountFault {
    AccountFault::Unknown(format!(
        "there is no credential `{name}` in this account: `relent credential list ACCOUNT` shows \
         them, `relent credential add ACCOUNT --name {name}` makes one"
    ))
}

impl Accounts {
    /// Adds a credential and returns it with its password, which is kept nowhere. The user name is
    /// `name`, or `ACCOUNT-name` where another account has `name` already.
    ///
    /// # Errors
    /// The name is taken or malformed; the store.
    pub async fn add_credential(
        &self,
        account: AccountId,
        draft: CredentialDraft,
    ) -> Result<(Credential, String), AccountFault> {
        check_name("a credential", &draft.name)?;
        let owner = self.account_by_id(account)?;
        let owner =
            owner.ok_or_else(|| AccountFault::Unknown("there is no such account".into()))?;
        let (mut secret, mut salt) = ([0; 32], [0; 16]);
        self.world.chance.fill(&mut secret);
        self.world.chance.fill(&mut salt);
        let password = BASE64URL_NOPAD.encode(&secret);
        let CredentialDraft { name, streams, refuse, mut rights, expires, networks } = draft;
        if rights.is_empty() {
            rights.push(Right::Send);
        }
        rights.sort_unstable();
        rights.dedup();
        let mut credential = Credential {
            name,
            account,
            sha256: sha256(password.as_bytes()),
            scram: verifier(password.as_bytes(), salt),
            streams,
            refuse,
            created: self.world.clock.now(),
            rights,
            expires,
            networks,
        };
        let (nobody, author) = (self.nobody(), self.author.clone());
        let settings = self.settings.clone();
        // Counted outside: they lie under their names, and a scan of all must not stand in the way of stops.
        let present = self.credentials(account)?.len();
        let made = self.store.transact(move |t| {
            if let Err(fault) = room(t, &settings.accounts, (account, Thing::Credential, present))? {
                return Ok(Err(fault));
            }
            if let Some(other) = t.get::<Credential>(credential.name.as_bytes())? {
                let longer = format!("{}-{}", owner.name, credential.name);
                let taken = t.get::<Credential>(longer.as_bytes())?.is_some();
                if other.account == account || taken {
                    return Ok(Err(AccountFault::Refused(format!(
                        "there is a credential `{}` already: choose another name, or remove it first",
                        credential.name
                    ))));
                }
                credential.name = longer;
            }
            t.put(credential.name.as_bytes(), &credential);
            let streams: Vec<u32> = credential.streams.iter().map(|stream| stream.0).collect();
            let act = Act::new(account, "credential.added").about(&credential.name);
            author.write(t, act.with("streams", streams))?;
            if t.get::<Credential>(NOBODY)?.is_none() {
                t.put(NOBODY, &nobody);
            }
            Ok(Ok(credential))
        });
        Ok((made.await??, password))
    }

    /// A credential that no secret opens.
    fn nobody(&self) -> Credential {
        let mut drawn = [[0; 32]; 4];
        drawn.iter_mut().for_each(|bytes| self.world.chance.fill(bytes));
        let [sha256, salt, stored_key, server_key] = drawn;
        let salt = *salt.first_chunk().expect("32 bytes hold 16");
        let scram = ScramVerifier { salt, iterations: ROUNDS.get(), stored_key, server_key };
        let (account, created) = (AccountId::INSTALLATION, self.world.clock.now());
        // As long to decode as one that somebody has.
        let (name, streams) = ("nobody".to_owned(), vec![StreamId(0)]);
        let (refuse, rights) = (Refusal::AtRcpt, vec![Right::Send]);
        let (expires, networks) = (None, Vec::new());
        Credential {
            name,
            account,
            sha256,
            scram,
            streams,
            refuse,
            created,
            rights,
            expires,
            networks,
        }
    }

    /// The credential of a name. For one that is not there, nobody's is read and decoded instead, so
    /// that an unknown name takes as long as a known one.
    fn known(&self, name: &str) -> Result<Option<Credential>, StoreFault> {
        let is_there = self.store.has::<Credential>(name.as_bytes())?;
        self.store.get(if is_there { name.as_bytes() } else { NOBODY })
    }

    /// The account's credentials by name.
    ///
    /// # Errors
    /// The store.
    pub fn credentials(&self, account: AccountId) -> Result<Vec<Credential>, AccountFault> {
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan::<Credential>(b"", after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let of_account = page.into_iter().map(|(_, credential)| credential);
            found.extend(of_account.filter(|credential| credential.account == account));
        }
        Ok(found)
    }

    /// Removes a credential; sessions that used it end at their next command.
    ///
    /// # Errors
    /// There is none; the store.
    pub async fn remove_credential(
        &self,
        account: AccountId,
        name: &str,
    ) -> Result<(), AccountFault> {
        let (name, author) = (name.to_owned(), self.author.clone());
        self.store
            .transact(move |t| {
                let found = t.get::<Credential>(name.as_bytes())?;
                if found.is_none_or(|credential| credential.account != account) {
                    return Ok(Err(unknown(&name)));
                }
                t.remove::<Credential>(name.as_bytes());
                usage::forget(t, &name);
                author.write(t, Act::new(account, "credential.removed").about(&name))?;
                Ok(Ok(()))
            })
            .await?
    }

    /// Whether a login still stands: its credential is the very one and has not expired, and its stream is
    /// not removed.
    ///
    /// # Errors
    /// The store.
    pub fn stands(&self, login: &Login) -> Result<bool, StoreFault> {
        let kept = self.store.get::<Credential>(login.credential.name.as_bytes())?;
        let expires = login.credential.expires;
        let is_late = expires.is_some_and(|end| end <= self.world.clock.now());
        if is_late || kept.as_ref() != Some(&*login.credential) {
            return Ok(false);
        }
        let Some(stream) = &login.stream else { return Ok(true) };
        Ok(self.stream_by_id(stream.id)?.is_some_and(|stream| stream.removed.is_none()))
    }

    /// The credential that a name and a password open, in constant time.
    fn opened(&self, name: &str, password: &[u8]) -> Result<Option<Credential>, StoreFault> {
        let found = self.known(name)?;
        // Unknown users are compared too, with a digest that no password has.
        let expected = found.as_ref().map_or([0; 32], |credential| credential.sha256);
        let right: bool = sha256(password).ct_eq(&expected).into();
        Ok(found.filter(|credential| right && credential.account != AccountId::INSTALLATION))
    }

    /// Checks a user name (`NAME` or `NAME/stream`) and password in constant time. `None`: wrong, or what
    /// [`Accounts::login`] refuses.
    ///
    /// # Errors
    /// The store.
    pub fn authenticate(
        &self,
        user: &str,
        password: &[u8],
        from: IpAddr,
    ) -> Result<Option<Login>, StoreFault> {
        match self.opened(split(user).0, password)? {
            Some(credential) => self.login(user, credential, from),
            None => Ok(None),
        }
    }

    /// The credential of a token of the API, as [`token`] writes it, in constant time. `None`: wrong,
    /// expired, or not to be used from there.
    ///
    /// # Errors
    /// The store.
    pub fn bearer(
        &self,
        token: &str,
        from: Option<IpAddr>,
    ) -> Result<Option<Credential>, StoreFault> {
        let (name, password) = parted(token).unwrap_or_default();
        let Some(credential) = self.opened(name, password.as_bytes())? else { return Ok(None) };
        if !credential.is_usable(self.world.clock.now(), from) {
            return Ok(None);
        }
        self.used(&credential.name, from);
        Ok(Some(credential))
    }

    /// The credential of a user name, for SCRAM: nothing has been checked yet.
    ///
    /// # Errors
    /// The store.
    pub fn credential(&self, user: &str) -> Result<Option<Credential>, StoreFault> {
        Ok(self
            .known(split(user).0)?
            .filter(|credential| credential.account != AccountId::INSTALLATION))
    }

    /// A verifier that no password fits, the same for a user name each time, so that whoever asks for
    /// one that is not there hears what others hear.
    ///
    /// # Errors
    /// The store.
    pub fn decoy(&self, user: &str) -> Result<ScramVerifier, StoreFault> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.keys()?.hash);
        let drawn = |label: &str| {
            let mut out = [0; 32];
            let text = format!("scram {label} {}", split(user).0);
            out.copy_from_slice(hmac::sign(&key, text.as_bytes()).as_ref());
            out
        };
        let mut salt = [0; 16];
        salt.copy_from_slice(&drawn("salt")[..16]);
        let (stored_key, server_key) = (drawn("stored key"), drawn("server key"));
        Ok(ScramVerifier { salt, iterations: ROUNDS.get(), stored_key, server_key })
    }

    /// The login of a user whose secret was checked, by SCRAM. `None`: a stream that is not the
    /// credential's, or a credential that has expired, may not be used from there, or may not send.
    ///
    /// # Errors
    /// The store.
    pub fn login(
        &self,
        user: &str,
        credential: Credential,
        from: IpAddr,
    ) -> Result<Option<Login>, StoreFault> {
        let usable = credential.is_usable(self.world.clock.now(), Some(from));
        if !usable || !credential.may(Right::Send) {
            tracing::info!(target: "relent::accounts", credential = credential.name, client = %from,
                usable, may_send = credential.may(Right::Send), "a credential was not let in");
            return Ok(None);
        }
        let Some(account) = self.account_by_id(credential.account)? else {
            return Ok(None);
        };
        let allowed = |stream: &Stream| {
            credential.streams.is_empty() || credential.streams.contains(&stream.id)
        };
        let stream = match split(user).1 {
            Some(wanted) => {
                let found = self.live_stream(account.id, wanted)?.filter(allowed);
                if found.is_none() {
                    return Ok(None);
                }
                found
            }
            None => self.live_streams(account.id)?.into_iter().find(allowed),
        };
        if stream.is_none() && !credential.streams.is_empty() {
            return Ok(None);
        }
        self.used(&credential.name, Some(from));
        Ok(Some(Login { credential: Arc::new(credential), account, stream: stream.map(Arc::new) }))
    }
}

fn split(user: &str) -> (&str, Option<&str>) {
    user.split_once('/').map_or((user, None), |(name, stream)| (name, Some(stream)))
}

/// What stands before a token of the API, so that who finds one knows what it opens.
const MARK: &str = "relent_";

/// A user name and a password as one token for the API (RFC 6750): names hold no dot, passwords neither.
#[must_use]
pub fn token(name: &str, password: &str) -> String {
    format!("{MARK}{name}.{password}")
}

/// The user name and the password of a token.
#[must_use]
pub fn parted(token: &str) -> Option<(&str, &str)> {
    token.strip_prefix(MARK)?.split_once('.')
}
