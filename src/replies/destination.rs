//! Which of our addresses a recipient names: a token's, a stream's plain one, or the operator's.

use super::desk::Parts;
use crate::accounts::{AccountFault, HostUse, Stream};
use crate::mail::{
    AccountId, Address, Answer, Domain, MessageId, RecipientHash, RecipientNumber, Status,
    Timestamp,
};
use crate::policy::{Subject, Token};
use crate::store::StoreFault;
use std::sync::Arc;

/// Where a message for us goes: what the address is for, and the address.
#[derive(Debug, Clone)]
pub struct Destination(pub(super) Role, pub(super) Address);

/// What one of our addresses is for.
#[derive(Debug, Clone)]
pub(super) enum Role {
    /// `r-`: a recipient answers.
    Reply(Person),
    /// `u-`: a recipient's mail client unsubscribes.
    Unsubscribe(Person),
    /// `b-`: the return path of one copy.
    Return(MessageId, RecipientNumber),
    /// The plain address of a stream, which proves nothing about who writes.
    Stream(Arc<Stream>),
    /// postmaster@, abuse@, tlsrpt@.
    Operator,
    /// fbl@: complaint reports.
    Feedback,
}

/// A recipient of a stream's mail, as a token names one.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) stream: Arc<Stream>,
    pub(super) recipient: RecipientHash,
    /// Known where the copy is, or where the person writes from it.
    pub(super) address: Option<Address>,
    /// The message that is answered, where it is known.
    pub(super) message: Option<MessageId>,
    /// The From address of that message.
    pub(super) from: Option<Address>,
}

impl Person {
    /// The person as policy's records name one.
    pub(super) fn subject(&self) -> Subject {
        match &self.address {
            Some(address) => Subject::Address(address.clone()),
            None => Subject::Hash(self.recipient),
        }
    }

    /// Where letters to this stream are read.
    pub(super) fn mailbox(&self) -> Option<&Address> {
        self.stream.reply_to.as_ref().or(self.from.as_ref())
    }
}

/// Our hosts: ours by name, and the host of the signed addresses.
pub(super) fn hosts(hostname: &str, reply_domain: &str) -> Vec<Domain> {
    let mut hosts: Vec<_> =
        [hostname, reply_domain].iter().filter_map(|host| Domain::parse(host).ok()).collect();
    hosts.dedup();
    hosts
}

impl Parts {
    /// Whether a name is a sending domain's own host, which was found to lead to us.
    pub(super) fn is_senders_host(&self, name: &Domain) -> Result<bool, Answer> {
        let known = self.accounts.known_host(name).map_err(|fault| fault.answer())?;
        Ok(known.is_some())
    }

    /// Whether a name is in use as the reply host of one of an account's sending domains.
    pub(super) fn is_reply_host(&self, name: &Domain, of: AccountId) -> Result<bool, StoreFault> {
        let domains = match self.accounts.domains(of) {
            Ok(domains) => domains,
            Err(AccountFault::Store(fault)) => return Err(fault),
            Err(AccountFault::Unknown(_) | AccountFault::Refused(_)) => return Ok(false),
        };
        Ok(domains.iter().any(|domain| domain.host(HostUse::Replies) == Some(name)))
    }

    /// The stream whose plain address this is at the reply host of one of its account's sending domains.
    pub(super) fn plain_at(&self, local: &str, host: &Domain) -> Result<Option<Role>, Answer> {
        let Some(Role::Stream(stream)) = self.plain(local)? else {
            return Ok(None);
        };
        let is_own = self.is_reply_host(host, stream.account).map_err(|fault| fault.answer())?;
        Ok(is_own.then_some(Role::Stream(stream)))
    }

    /// Whom a reply or unsubscribe token names, as far as the records know.
    pub(super) fn person(&self, token: &Token) -> Result<Option<Person>, StoreFault> {
        let (Token::Reply { stream, recipient } | Token::Unsubscribe { stream, recipient }) = token
        else {
            return Ok(None);
        };
        let found = self.accounts.stream_by_id(*stream)?;
        Ok(found.map(|stream| Person {
            stream,
            recipient: *recipient,
            address: None,
            message: None,
            from: None,
        }))
    }

    /// What a local part that looks like a token is for.
    pub(super) fn token(&self, local: &str, now: Timestamp) -> Result<Role, Answer> {
        let forged = || refuse((5, 1, 1), "this address was not made here, or is not whole");
        let token = self.policy.open(local).map_err(|fault| fault.answer())?.ok_or_else(forged)?;
        let person = || self.person(&token).map_err(|fault| fault.answer())?.ok_or_else(forged);
        match &token {
            Token::Reply { .. } => Ok(Role::Reply(person()?)),
            Token::Unsubscribe { .. } => Ok(Role::Unsubscribe(person()?)),
            Token::Bounce { message, recipient } => {
                if now.since(message.at()) > self.config.replies.bounce_age_max.0 {
                    return Err(refuse((5, 1, 1), "this return path is too old"));
                }
                Ok(Role::Return(*message, *recipient))
            }
            Token::Undo { .. } | Token::Confirm { .. } => Err(forged()),
        }
    }

    /// The stream whose plain address this is: `ACCOUNT.STREAM`. Its letters need a mailbox; wishes do
    /// not.
    pub(super) fn plain(&self, local: &str) -> Result<Option<Role>, Answer> {
        let Some((account, stream)) = local.split_once('.') else {
            return Ok(None);
        };
        let found = self
            .accounts
            .account(account)
            .and_then(|account| self.accounts.stream(account.id, stream));
        match found {
            Ok(stream) => Ok(Some(Role::Stream(Arc::new(stream)))),
            Err(AccountFault::Unknown(_) | AccountFault::Refused(_)) => Ok(None),
            Err(AccountFault::Store(fault)) => Err(fault.answer()),
        }
    }
}

/// Whether a local part claims to be a token.
pub(super) fn looks_signed(local: &str) -> bool {
    matches!(local.get(..2), Some("r-" | "u-" | "b-"))
}

pub(super) fn refuse(status: (u8, u16, u16), text: impl Into<String>) -> Answer {
    Answer::new(550, Status::new(status.0, status.1, status.2), text)
}
