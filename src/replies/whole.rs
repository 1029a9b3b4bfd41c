//! What comes back along the return path of a copy that went to several at once: its token names the
//! message, and what is said must name the recipient. All who got the copy know the path: whoever writes along
//! it is believed enough to tell the sender, and not enough to stop anybody's mail.

use super::bounce::Bounced;
use super::classify::{Kind, Wish};
use super::desk::{Act, Desk, Forward, Reading};
use super::destination::refuse;
use crate::events::message::{Accepted, Origin};
use crate::mail::{Address, RecipientNumber};
use std::sync::Arc;

impl Desk {
    /// Something comes back for whomever it names of those who are of this one's domain.
    pub(super) async fn returned_by_name(
        &self,
        reading: &Reading,
        message: Arc<Accepted>,
        one: RecipientNumber,
        at: &Address,
    ) -> Act {
        let read = &reading.read;
        match read.kind {
            Kind::Bounce => {
                let mut is_named = false;
                for bounced in &read.recipients {
                    let Some(number) = who(&message, one, &bounced.address) else { continue };
                    is_named = true;
                    self.bounced(reading, message.clone(), number, None, bounced).await?;
                }
                Ok(if is_named { None } else { for_the_sender(&read.recipients, &message, one) })
            }
            Kind::Complaint => self.complaint(reading, None).await,
            Kind::Person => {
                let from = reading.about.author.as_ref().map(ToString::to_string);
                let number = from.and_then(|from| who(&message, one, &from));
                let person = match number {
                    Some(number) => {
                        self.copied(&message, number).map_err(|fault| fault.answer())?
                    }
                    None => None,
                };
                match person {
                    // The path is known to all who got the copy: it does not say which of them wishes.
                    Some(person)
                        if read.wish == Wish::None || self.is_proved(reading, at).await? =>
                    {
                        self.reply(reading, person, at).await
                    }
                    Some(person) => self.letter(reading, &person).await.map(Some),
                    None => Err(refuse((5, 1, 1), "nobody reads letters at this address")),
                }
            }
            Kind::AutoReply => Ok(None),
        }
    }
}

/// The recipient of a message that goes by this address, or went by it when its sender named it (ORCPT),
/// and shares a domain with the one given.
pub(super) fn who(
    message: &Accepted,
    one: RecipientNumber,
    address: &str,
) -> Option<RecipientNumber> {
    let said = Address::parse(address).ok()?.normal();
    let domain = message.recipients.get(one.0 as usize)?.address.domain();
    let numbers = || {
        let numbered = (0..).map(RecipientNumber).zip(&message.recipients);
        numbered.filter(|(_, to)| to.address.domain() == domain)
    };
    let by_address = numbers().find(|(_, to)| to.address.normal() == said);
    let originally = |number: RecipientNumber| {
        let of = message.dsn.as_deref()?.of(number)?;
        let (_, original) = of.original.as_deref()?.split_once(';')?;
        Address::parse(original).ok().map(|original| original.normal())
    };
    let by_original =
        || numbers().find(|(number, _)| originally(*number).is_some_and(|named| named == said));
    by_address.or_else(by_original).map(|(number, _)| number)
}

/// Where nobody we know is named, nobody is suppressed; the sender reads it. Such a copy, and so what is
/// returned of it, holds no token that would act for a recipient.
fn for_the_sender(
    bounced: &[Bounced],
    message: &Accepted,
    one: RecipientNumber,
) -> Option<Forward> {
    let is_final = bounced.is_empty() || bounced.iter().any(|one| one.permanent);
    let is_wanted = is_final && message.notify(one).failure;
    let mailbox = message.sender.address().filter(|_| is_wanted)?.clone();
    let origin =
        Origin::Letter { account: message.origin.account(), stream: message.origin.stream() };
    Some(Forward { mailbox, origin, report: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::message::Recipient;
    use crate::mail::dsn::{Dsn, Notify, OfRecipient};
    use crate::mail::{AccountId, MessageId, RecipientHash, ReversePath, Timestamp};

    fn message() -> Accepted {
        let to = |address: &str| Recipient {
            address: Address::parse(address).expect("an address"),
            hash: RecipientHash([0; 16]),
        };
        let original = Some("rfc822;list@here.example".to_owned());
        let wishes = OfRecipient { notify: None, original };
        let recipients = vec![(RecipientNumber(1), wishes)];
        Accepted {
            dsn: Some(Box::new(Dsn { recipients, ..Dsn::default() })),
            ..Accepted::new(
                MessageId([1; 12]),
                Origin::Letter { account: AccountId(1), stream: None },
                ReversePath::Mailbox(Address::parse("a@acme.example").expect("an address")),
                vec![to("Ann@There.example"), to("bob@there.example"), to("eve@elsewhere.example")],
                Timestamp(0),
            )
        }
    }

    #[test]
    fn a_recipient_is_found_by_either_name_and_nobody_by_another() {
        let message = message();
        let found = |address: &str| who(&message, RecipientNumber(1), address);
        assert_eq!(found("ann@there.example"), Some(RecipientNumber(0)));
        assert_eq!(found("LIST@here.example"), Some(RecipientNumber(1)));
        assert_eq!(found("eve@there.example"), None);
        assert_eq!(found("eve@elsewhere.example"), None, "who got this copy knows nobody there");
        assert_eq!(found("no address"), None);
    }

    #[test]
    fn a_bounce_about_nobody_we_know_is_read_by_the_sender_unless_it_is_a_delay() {
        let bounced = |permanent| Bounced {
            address: "eve@there.example".into(),
            status: None,
            permanent,
            reason: String::new(),
        };
        let to = |bounced: &[Bounced]| {
            let letter = for_the_sender(bounced, &message(), RecipientNumber(1));
            letter.map(|letter| letter.mailbox.to_string())
        };
        assert_eq!(to(&[]).as_deref(), Some("a@acme.example"));
        assert_eq!(to(&[bounced(false), bounced(true)]).as_deref(), Some("a@acme.example"));
        assert_eq!(to(&[bounced(false)]), None);
        let mut unwanted = message();
        let never = OfRecipient {
            notify: Some(Notify { failure: false, ..Notify::DEFAULT }),
            original: None,
        };
        let recipients = vec![(RecipientNumber(1), never)];
        unwanted.dsn = Some(Box::new(Dsn { recipients, ..Dsn::default() }));
        assert_eq!(for_the_sender(&[], &unwanted, RecipientNumber(1)), None, "NOTIFY=NEVER");
        assert!(for_the_sender(&[], &unwanted, RecipientNumber(0)).is_some());
    }
}
