//! What is left of a message's events once one of its recipients is forgotten: that there was a message and a
//! recipient, and what became of it.

use super::message::{MessageEvent, Recipient};
use crate::mail::{AccountId, Address, RecipientHash};
use crate::spool::{Fate, Record};

/// What stands in the place of an address that was forgotten: nobody's.
const NOBODY: &str = "erased@erased.invalid";

/// Who is forgotten.
#[derive(Debug, Clone)]
pub struct Forgotten {
    address: Address,
    normal: String,
    /// In which account; in all, where there is none.
    account: Option<AccountId>,
}

impl Recipient {
    /// The recipient that nobody is any more.
    #[must_use]
    pub fn nobody() -> Self {
        let address = Address::parse(NOBODY).expect("it is one");
        Self { address, hash: RecipientHash([0; 16]) }
    }

    /// Whether the recipient was forgotten.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.hash == RecipientHash([0; 16])
    }
}

impl Forgotten {
    /// A person, forgotten in one account or in all.
    #[must_use]
    pub fn new(address: Address, account: Option<AccountId>) -> Self {
        Self { normal: address.normal(), address, account }
    }

    fn is(&self, other: &Address) -> bool {
        *other == self.address || other.normal() == self.normal
    }

    fn concerns(&self, account: AccountId) -> bool {
        self.account.is_none_or(|only| only == account)
    }

    /// A text without the address; none where it is not in it.
    fn without(&self, text: &str) -> Option<String> {
        let lower = text.to_ascii_lowercase();
        let (mut out, mut done) = (String::new(), 0);
        let forms =
            [self.address.to_string().to_ascii_lowercase(), self.normal.to_ascii_lowercase()];
        while let Some((at, length)) = forms
            .iter()
            .filter_map(|form| Some((done + lower[done..].find(form.as_str())?, form.len())))
            .min()
        {
            out.push_str(&text[done..at]);
            out.push_str("(erased)");
            done = at + length;
        }
        out.push_str(&text[done..]);
        (done > 0).then_some(out)
    }

    /// What becomes of a record; `waits` says whether a copy of its message still waits. What waits and
    /// comes from the person is left until it has gone.
    #[must_use]
    pub fn fate(&self, record: &Record, waits: bool) -> Fate {
        let Some(event) = MessageEvent::decode(record) else { return Fate::Stays };
        match self.forget(event, waits) {
            Ok(Some(event)) => Fate::Anew(event.encode().1),
            Ok(None) => Fate::Stays,
            Err(()) => Fate::Needed,
        }
    }

    fn forget(&self, event: MessageEvent, waits: bool) -> Result<Option<MessageEvent>, ()> {
        match event {
            MessageEvent::Accepted(mut message) if self.concerns(message.origin.account()) => {
                let mut is_changed = false;
                for (place, to) in message.recipients.iter_mut().enumerate() {
                    if self.is(&to.address) {
                        *to = Recipient::nobody();
                        is_changed = true;
                        if let Some(dsn) = &mut message.dsn {
                            dsn.recipients.retain(|(number, _)| number.0 as usize != place);
                        }
                    }
                }
                let is_theirs = message.sender.address().is_some_and(|sender| self.is(sender))
                    || message.from.as_ref().is_some_and(|from| self.is(from));
                if is_theirs && waits {
                    return Err(());
                }
                if message.sender.address().is_some_and(|sender| self.is(sender)) {
                    message.sender = crate::mail::ReversePath::Null;
                }
                if is_theirs {
                    message.from = message.from.filter(|from| !self.is(from));
                }
                Ok((is_changed || is_theirs).then_some(MessageEvent::Accepted(message)))
            }
            MessageEvent::Recipient {
                message,
                origin,
                mut to,
                recipient,
                outcome,
                attempts,
                relay,
                status,
                mut text,
                at,
                class,
            } if self.concerns(origin.account()) => {
                let is_theirs = self.is(&to.address);
                let without = self.without(&text);
                if !is_theirs && without.is_none() {
                    return Ok(None);
                }
                if is_theirs {
                    // What a server says of a person may name them in any way.
                    (to, text) = (Recipient::nobody(), String::new());
                } else if let Some(without) = without {
                    text = without;
                }
                Ok(Some(MessageEvent::Recipient {
                    message,
                    origin,
                    to,
                    recipient,
                    outcome,
                    attempts,
                    relay,
                    status,
                    text,
                    at,
                    class,
                }))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::message::{Accepted, Origin, Outcome};
    use crate::mail::dsn::{Dsn, OfRecipient};
    use crate::mail::{MessageId, RecipientNumber, ReversePath, Status, StreamId, Timestamp};
    use crate::spool::{Kind, Sequence};

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    fn origin(account: u32) -> Origin {
        let credential = "app".into();
        Origin::Submission { account: AccountId(account), stream: StreamId(1), credential }
    }

    fn record((kind, payload): (Kind, Vec<u8>)) -> Record {
        Record { sequence: Sequence(7), kind, payload }
    }

    fn accepted(account: u32) -> Accepted {
        let to = |text: &str, byte| Recipient {
            address: address(text),
            hash: RecipientHash([byte; 16]),
        };
        let original = Some("rfc822;Ann@reader.example".into());
        let wishes = OfRecipient { notify: None, original };
        let recipients = vec![(RecipientNumber(1), wishes)];
        Accepted {
            dsn: Some(Box::new(Dsn { recipients, ..Dsn::default() })),
            from: Some(address("news@acme.example")),
            ..Accepted::new(
                MessageId([3; 12]),
                origin(account),
                ReversePath::Mailbox(address("news@acme.example")),
                vec![to("bob@reader.example", 1), to("Ann@reader.example", 2)],
                Timestamp(5),
            )
        }
    }

    #[test]
    fn an_acceptance_keeps_the_others_and_the_places_of_all() {
        let ann = Forgotten::new(address("ann@reader.example"), Some(AccountId(1)));
        let kept = record(MessageEvent::Accepted(accepted(1)).encode());
        let Fate::Anew(payload) = ann.fate(&kept, true) else { unreachable!("it names Ann") };
        assert!(!String::from_utf8_lossy(&payload).to_lowercase().contains("ann"));
        let anew = Record { payload, ..kept.clone() };
        let Some(MessageEvent::Accepted(message)) = MessageEvent::decode(&anew) else {
            unreachable!("an acceptance");
        };
        assert_eq!(message.recipients[0], accepted(1).recipients[0]);
        assert!(message.recipients[1].is_nobody());
        assert_eq!(ann.fate(&anew, true), Fate::Stays, "once is enough");
        // Another account's mail is another's, unless all are meant.
        let theirs = record(MessageEvent::Accepted(accepted(2)).encode());
        assert_eq!(ann.fate(&theirs, false), Fate::Stays);
        let everywhere = Forgotten::new(address("ann@reader.example"), None);
        assert!(matches!(everywhere.fate(&theirs, false), Fate::Anew(_)));
    }

    #[test]
    fn what_a_server_said_of_a_person_goes_and_others_words_lose_the_address() {
        let ann = Forgotten::new(address("ann@reader.example"), None);
        let event = |to: &str, text: &str| MessageEvent::Recipient {
            message: MessageId([3; 12]),
            origin: origin(1),
            to: Recipient { address: address(to), hash: RecipientHash([2; 16]) },
            recipient: RecipientNumber(1),
            outcome: Outcome::Failed { dead_address: true },
            attempts: 1,
            relay: Some("mx.reader.example[192.0.2.1]:25".into()),
            status: Status::new(5, 1, 1),
            text: text.into(),
            at: Timestamp(9),
            class: None,
        };
        for (to, text, left) in [
            ("ann@reader.example", "ann: user unknown", Some("")),
            ("bob@reader.example", "<ANN@reader.example> too", Some("<(erased)> too")),
            ("bob@reader.example", "no such user", None),
        ] {
            let kept = record(event(to, text).encode());
            let fate = ann.fate(&kept, false);
            let said = match &fate {
                Fate::Anew(payload) => {
                    let anew = Record { payload: payload.clone(), ..kept };
                    match MessageEvent::decode(&anew) {
                        Some(MessageEvent::Recipient { text, .. }) => Some(text),
                        other => unreachable!("{other:?}"),
                    }
                }
                _ => None,
            };
            assert_eq!(said.as_deref(), left, "{to}: {text}");
        }
    }

    #[test]
    fn a_letter_of_the_persons_that_waits_is_left_until_it_has_gone() {
        let ann = Forgotten::new(address("ann@reader.example"), None);
        let letter = Accepted {
            from: Some(address("ann@reader.example")),
            recipients: Vec::new(),
            dsn: None,
            ..accepted(1)
        };
        let kept = record(MessageEvent::Accepted(letter).encode());
        assert_eq!(ann.fate(&kept, true), Fate::Needed);
        assert!(matches!(ann.fate(&kept, false), Fate::Anew(_)));
    }
}
