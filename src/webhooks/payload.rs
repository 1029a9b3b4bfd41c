//! What is posted: an event as JSON, as `config/webhooks/v1.schema.json` has it. It is made when a call is
//! made, from the log and the records, so that who has been erased since is not named.

use super::happening::{Concern, Happening};
use super::kind::{EventKind, VERSION};
use crate::accounts::Accounts;
use crate::events::message::{MessageEvent, Outcome};
use crate::events::record::{Change, RecordEvent, Scope};
use crate::mail::{AccountId, Address, Domain, RecipientHash, RefusalClass, StreamId, Timestamp};
use crate::store::StoreFault;
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest text that is told, in characters.
const TEXT_MAX: usize = 1000;
/// A run of letters and digits as long as this may be an address that acts for its recipient, or undoes
/// what a person did: it is left out of texts.
const TOKEN_MIN: usize = 50;

/// Whom a hash stands for, as far as that is known.
#[derive(Debug, Clone, Default)]
pub struct Whom {
    /// The person's address.
    pub address: Option<Address>,
    /// The domain, where it stands for a whole one.
    pub domain: Option<Domain>,
}

/// Says whom hashes stand for. The door to the records of recipients, which this layer does not know.
pub trait Directory: Send + Sync + 'static {
    /// Whom this hash stands for in an account.
    ///
    /// # Errors
    /// The store.
    fn whom(&self, account: AccountId, hash: RecipientHash) -> Result<Whom, StoreFault>;
}

/// Names for numbers.
pub(super) struct Names {
    pub(super) accounts: Accounts,
    pub(super) directory: Arc<dyn Directory>,
}

/// With milliseconds.
fn moment(at: Timestamp) -> String {
    at.jiff().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// An event's envelope.
pub(super) fn event(kind: EventKind, at: Timestamp, data: &Value) -> Vec<u8> {
    let event =
        json!({ "type": kind.name(), "timestamp": moment(at), "version": VERSION, "data": data });
    event.to_string().into_bytes()
}

impl Names {
    /// What is posted of an event.
    ///
    /// # Errors
    /// The store.
    pub(super) fn payload(
        &self,
        happening: &Happening,
        concern: &Concern,
    ) -> Result<Vec<u8>, StoreFault> {
        let mut data = match happening {
            Happening::Message(_, event) => message(event, concern.place.number),
            Happening::Change(change) => self.change(change)?,
        };
        data["account"] = self.account(concern.account)?.into();
        data["stream"] = self.stream(concern.stream)?.into();
        Ok(event(concern.kind, concern.at, &data))
    }

    fn account(&self, id: AccountId) -> Result<Option<String>, StoreFault> {
        Ok(self.accounts.account_by_id(id)?.map(|account| account.name.clone()))
    }

    fn stream(&self, id: Option<StreamId>) -> Result<Option<String>, StoreFault> {
        let Some(id) = id else { return Ok(None) };
        Ok(self.accounts.stream_by_id(id)?.map(|stream| stream.name.clone()))
    }

    fn change(&self, event: &RecordEvent) -> Result<Value, StoreFault> {
        let Whom { address, domain } = match self.directory.whom(event.account, event.hash) {
            // A row that cannot be read keeps nobody from hearing what happened.
            Err(StoreFault::Damaged(_)) => Whom::default(),
            whom => whom?,
        };
        let evidence = &event.evidence;
        let mut data = json!({
            "change": event.sequence,
            "recipient": {
                "address": address.map(|address| address.to_string()),
                "domain": domain.map(|domain| domain.to_string()),
                "hash": event.hash.to_string(),
            },
            "source": evidence.source.label(),
            "text": told(&evidence.text),
            "ip": evidence.ip,
            "message": evidence.message.map(|id| id.to_string()),
        });
        if let Change::Suppressed { scope, reason } | Change::Lifted { scope, reason } =
            event.change
        {
            data["reason"] = reason.name().into();
            data["scope"] = match scope {
                Scope::Stream(_) => "stream",
                Scope::Account | Scope::Global => "account",
            }
            .into();
        } else {
            let known = event.circumstances.as_deref();
            data["user_agent"] = known.and_then(|known| known.user_agent.clone()).into();
            data["wording_version"] = known.and_then(|known| known.wording_version.clone()).into();
        }
        Ok(data)
    }
}

fn message(event: &MessageEvent, number: u32) -> Value {
    match event {
        MessageEvent::Accepted(message) => {
            let to = message.recipients.get(number as usize);
            json!({
                "message": message.id.to_string(),
                "recipient": {
                    "address": to.map(|to| to.address.to_string()),
                    "number": number,
                    "hash": to.map(|to| to.hash.to_string()),
                },
                "sender": message.sender.address().map(ToString::to_string),
                "from": message.from.as_ref().map(ToString::to_string),
                "size": message.body.length,
                "not_before": message.not_before.map(moment),
            })
        }
        MessageEvent::Recipient {
            message,
            to,
            recipient,
            outcome,
            attempts,
            relay,
            status,
            text,
            class,
            ..
        } => {
            let mut data = json!({
                "message": message.to_string(),
                "recipient": {
                    "address": to.address.to_string(),
                    "number": recipient.0,
                    "hash": to.hash.to_string(),
                },
                "attempts": attempts,
                "host": relay,
                "status": status.to_string(),
                "text": told(text),
                "class": class.map(RefusalClass::name),
            });
            match outcome {
                Outcome::Deferred { next_at } => data["next_attempt"] = moment(*next_at).into(),
                Outcome::Failed { dead_address } => {
                    data["address_is_dead"] = (*dead_address).into();
                }
                _ => {}
            }
            data
        }
    }
}

/// A text of somebody else's, cut to its limit, without what may be a token of ours.
fn told(text: &str) -> String {
    let mut told = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if run >= TOKEN_MIN {
            told.push('…');
        } else {
            told.push_str(&rest[..run]);
        }
        let after = rest[run..].chars().next().map_or(0, char::len_utf8);
        told.push_str(&rest[run..run + after]);
        rest = &rest[run + after..];
    }
    told.chars().take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_token_is_not_told() {
        let token = "c".repeat(61);
        let text = format!("550 no: <r-{token}@reply.example>, https://x.example/u/u-{token}");
        assert_eq!(told(&text), "550 no: <r-…@reply.example>, https://x.example/u/u-…");
        let plain = "550 5.1.1 \"ünbekannt\" (2026-11-26) 0123456789abcdef";
        assert_eq!(told(plain), plain);
        assert_eq!(told(&"é ".repeat(2000)).chars().count(), TEXT_MAX);
        assert_eq!(told(""), "");
    }
}
