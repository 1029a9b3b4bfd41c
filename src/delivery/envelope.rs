//! MAIL and RCPT: what the server is told of sender and recipients, and what it says of each.

use super::Delivery;
use super::batch::{Answer, Batch};
use super::dialog::{Broken, Dialog};
use crate::mail::dsn;
use crate::mail::{Address, Reply, Status, TlsDemand};
use crate::queue::Lease;

/// About the most that our own header fields add to a message, for the size that MAIL announces.
const FIELDS_MAX: u64 = 4 << 10;

/// What the server said to the envelope.
pub(super) enum Heard {
    /// This to MAIL, and so to all.
    Sender(Reply),
    /// These to each RCPT.
    Recipients(Vec<Answer>),
    /// This to the RCPT of that place: it leaves.
    Leaves(usize, Reply),
}

impl Delivery {
    /// MAIL and RCPT of all whose fate is open.
    pub(super) async fn envelope(&self, on: &mut Dialog, batch: &Batch) -> Result<Heard, Broken> {
        let limits = &self.parts.config.delivery;
        let (mail_limit, rcpt_limit) = (limits.mail_timeout.0, limits.rcpt_timeout.0);
        let lost = |why: &str| Broken::Lost(why.into());
        let first = batch.first().ok_or_else(|| lost("there is no recipient left"))?;
        let mail = self.mail(on, batch, first)?;
        let most = on.offers.recipients_max.map_or(usize::MAX, |most| most as usize);
        let rcpts = batch.open().iter().take(most).map(|lease| rcpt(on, batch, lease));
        let rcpts: Option<Vec<String>> = rcpts.collect();
        let rcpts = rcpts.ok_or_else(|| lost("the message has no such recipient"))?;
        // Where a message went before, RSET shows that replies are still those to our commands: a late
        // second reply to the last dot would be taken for the answer to MAIL.
        let reset = if on.is_fresh { "" } else { "RSET\r\n" };
        on.is_fresh = false;
        on.begun += 1;
        if on.offers.pipelining {
            on.say(&format!("{reset}{mail}{}", rcpts.concat()), mail_limit).await?;
            if !reset.is_empty() {
                in_step(&on.reply(mail_limit, "the reply to RSET").await?)?;
            }
        } else if !reset.is_empty() {
            in_step(&on.ask(reset, mail_limit).await?)?;
        }
        let said = match on.offers.pipelining {
            true => on.reply(mail_limit, "the reply to MAIL").await?,
            false => on.ask(&mail, mail_limit).await?,
        };
        if said.code == 421 || !said.is_positive() && !on.offers.pipelining {
            return Ok(Heard::Sender(said));
        }
        let mut answers = Vec::with_capacity(rcpts.len());
        let mut is_one_taken = false;
        for (place, rcpt) in rcpts.iter().enumerate() {
            let reply = match on.offers.pipelining {
                true => on.reply(rcpt_limit, "the reply to RCPT").await,
                false => on.ask(rcpt, rcpt_limit).await,
            };
            if !said.is_positive() {
                if reply.is_ok() && place + 1 < rcpts.len() {
                    continue;
                }
                // It is the answer, whatever became of RCPT's.
                return Ok(Heard::Sender(said));
            }
            let reply = reply?;
            if reply.code == 421 {
                return Ok(Heard::Leaves(place, reply));
            }
            if reply.code / 100 == 3 {
                return Err(Broken::Lost(format!("the server said to RCPT: {reply}")));
            }
            is_one_taken |= reply.is_positive();
            answers.push(match reply.is_positive() {
                true => Answer::Taken,
                false if is_one_taken && is_of_too_many(&reply) => Answer::Next,
                false => Answer::Refused(temporary(reply)),
            });
        }
        // By the server's own word the others have no room here.
        answers.resize_with(batch.open().len(), || Answer::Next);
        Ok(Heard::Recipients(answers))
    }

    fn mail(&self, on: &Dialog, batch: &Batch, first: &Lease) -> Result<String, Broken> {
        let message = &first.message;
        let sender = self.sender(first, batch.number).map_err(Broken::Lost)?;
        let mut mail = format!("MAIL FROM:<{sender}>");
        if let Some(limit) = on.offers.size {
            let most = if limit == 0 { u64::MAX } else { limit };
            let size = (message.body.length + FIELDS_MAX).min(most);
            mail += &format!(" SIZE={size}");
        }
        if on.offers.eight_bit && message.eight_bit {
            mail += " BODY=8BITMIME";
        }
        if on.offers.smtputf8 && message.smtputf8 {
            mail += " SMTPUTF8";
        }
        if message.tls == TlsDemand::Required {
            mail += " REQUIRETLS";
        }
        if let Some(dsn) = message.dsn.as_deref().filter(|_| on.offers.dsn) {
            if dsn.message.returned.is_some() {
                mail += " RET=HDRS";
            }
            if let Some(id) = &dsn.message.envelope_id {
                mail += &format!(" ENVID={id}");
            }
        }
        Ok(mail + "\r\n")
    }
}

fn rcpt(on: &Dialog, batch: &Batch, lease: &Lease) -> Option<String> {
    let to = &lease.message.recipients.get(lease.recipient.0 as usize)?.address;
    let wishes = if on.offers.dsn { wishes(batch, lease, to) } else { String::new() };
    Some(format!("RCPT TO:<{to}>{wishes}\r\n"))
}

/// What the next server is told for reports about a recipient. Names go on as they came. The return path
/// is ours, so what comes back to it is for us: failures alone; whatever the sender wants to be told, we
/// tell. Where the return path names nobody, ORCPT has a report name the recipient as we know it,
/// whatever address it was passed on to since.
fn wishes(batch: &Batch, lease: &Lease, to: &Address) -> String {
    let mut wishes = String::new();
    let dsn = lease.message.dsn.as_deref();
    let of_recipient = dsn.and_then(|dsn| dsn.of(lease.recipient));
    if of_recipient.is_some_and(|of| of.notify.is_some()) {
        wishes += " NOTIFY=FAILURE";
    }
    let given = of_recipient.and_then(|of| of.original.clone());
    let own = || batch.is_shared().then(|| original(to)).flatten();
    if let Some(original) = given.or_else(own) {
        wishes += &format!(" ORCPT={original}");
    }
    wishes
}

/// An address as ORCPT has it (RFC 3461 §4); beyond ASCII it would need another form, and its server
/// another extension.
fn original(to: &Address) -> Option<String> {
    let text = to.to_string();
    text.is_ascii().then(|| format!("rfc822;{}", dsn::to_xtext(&text)))
}

/// Whether a reply to RCPT says that the transaction has enough recipients, which the next may have room
/// for.
//= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10
//# When a conforming SMTP server encounters this condition, it has at
//# least 100 successful RCPT commands in its recipients buffer.
fn is_of_too_many(reply: &Reply) -> bool {
    let is_said = |status: Status| (status.subject, status.detail) == (5, 3);
    matches!(reply.code, 452 | 552) && reply.status.is_none_or(is_said)
}

/// The same reply as it is meant.
//= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.10
//# Clients SHOULD treat a 552
//# code in this case as a temporary, rather than permanent, failure so
//# the logic below works.
fn temporary(reply: Reply) -> Reply {
    let is_meant = reply.code == 552 && reply.status == Some(Status::new(5, 5, 3));
    if is_meant { Reply { code: 452, status: Some(Status::new(4, 5, 3)), ..reply } } else { reply }
}

/// RSET is never refused: another reply than yes is one to something before it.
fn in_step(reply: &Reply) -> Result<(), Broken> {
    let why = || Broken::Lost(format!("the server said to RSET: {reply}"));
    reply.is_positive().then_some(()).ok_or_else(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_recipients_are_told_from_a_full_mailbox() {
        let said = |code, status| is_of_too_many(&Reply { status, ..Reply::plain(code, ["no"]) });
        assert!(said(452, None) && said(552, None) && said(452, Some(Status::new(4, 5, 3))));
        assert!(said(552, Some(Status::new(5, 5, 3))));
        assert!(!said(452, Some(Status::new(4, 2, 2))) && !said(451, None) && !said(550, None));
        let meant = temporary(Reply::new(552, Status::new(5, 5, 3), "too many"));
        assert_eq!(meant.to_string(), "452 4.5.3 too many");
        let full = Reply::new(552, Status::new(5, 2, 2), "full");
        assert_eq!(temporary(full.clone()), full);
    }

    #[test]
    fn an_original_recipient_is_written_so_that_it_can_be_read_back() {
        let to = |text: &str| original(&Address::parse(text).expect("an address"));
        assert_eq!(to("a+b=c@there.example").as_deref(), Some("rfc822;a+2Bb+3Dc@there.example"));
        assert_eq!(to("grün@there.example"), None);
    }
}
