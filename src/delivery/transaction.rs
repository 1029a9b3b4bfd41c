//! One copy over one connection: MAIL, RCPT, DATA, the message, the permit, the dot.

use super::Delivery;
use super::dialog::{Broken, Dialog, Dot};
use super::outcome::{Stage, attempt, later, ours};
use crate::mail::{Reply, Status};
use crate::policy::Permit;
use crate::queue::{Attempt, Lease};
use tokio::time::Instant;

/// About the most that our own header fields add to a message, for the size that MAIL announces.
const FIELDS_MAX: u64 = 4 << 10;

/// How a transaction ended.
pub(super) enum Ended {
    /// With this result; the connection may serve on.
    Usable(Attempt),
    /// With this result; the connection must be closed.
    Closed(Attempt),
    /// With this result; the connection must be closed, and only then may the permit be returned: the
    /// final dot, or a part of it, lies in the kernel.
    Cut(Attempt, Permit),
    /// Before anything was answered: another server may be asked.
    Elsewhere(Attempt),
    /// This server cannot take such a message: another may.
    Unfit(Attempt),
}

impl Delivery {
    /// Sends a copy, which is prepared once the recipient was taken: until then it would only hold
    /// memory.
    pub(super) async fn transact(&self, on: &mut Dialog, lease: &Lease) -> Ended {
        on.begin(self.parts.config.delivery.transaction_timeout.0);
        if let Some(attempt) = unfit(on, lease, lease.message.body.length) {
            return Ended::Unfit(attempt);
        }
        match self.envelope(on, lease).await {
            Ok(None) => {}
            Ok(Some((stage, reply))) => return self.turned_away(on, stage, &reply).await,
            Err(broken) => return elsewhere(on, &broken),
        }
        let copy = match self.copy(lease).await {
            Ok(copy) => copy,
            Err(why) => return self.taken_back(on, unprepared(&why)).await,
        };
        if let Some(attempt) = unfit(on, lease, copy.bytes.len() as u64) {
            return Ended::Unfit(attempt);
        }
        let limits = &self.parts.config.delivery;
        match on.ask("DATA\r\n", limits.data_timeout.0).await {
            Ok(reply) if reply.code == 354 => {}
            Ok(reply) => return self.turned_away(on, Stage::Content, &reply).await,
            Err(broken) => return elsewhere(on, &broken),
        }
        if let Err(broken) = on.body(&copy.bytes, limits.block_timeout.0).await {
            return Ended::Closed(match &broken {
                Broken::Said(reply) if !reply.is_positive() => {
                    attempt(&on.relay, Stage::Content, reply)
                }
                _ => lost(on, &broken),
            });
        }
        drop(copy);
        if let Err(ended) = self.dot(on, lease).await {
            return ended;
        }
        // The reply to a message that has left is worth its full time.
        on.begin(limits.dot_timeout.0 * 2);
        match on.reply(limits.dot_timeout.0, "the reply to the message").await {
            Ok(reply) if reply.code == 421 || reply.code / 100 == 3 => {
                Ended::Closed(attempt(&on.relay, Stage::Content, &reply))
            }
            Ok(reply) => Ended::Usable(attempt(&on.relay, Stage::Content, &reply)),
            Err(broken) => Ended::Closed(in_doubt(on, &broken.to_string())),
        }
    }

    /// MAIL and RCPT; `Some`: who was turned away.
    async fn envelope(
        &self,
        on: &mut Dialog,
        lease: &Lease,
    ) -> Result<Option<(Stage, Reply)>, Broken> {
        let limits = &self.parts.config.delivery;
        let (mail_limit, rcpt_limit) = (limits.mail_timeout.0, limits.rcpt_timeout.0);
        let sender = self.sender(lease).map_err(Broken::Lost)?;
        let mut mail = format!("MAIL FROM:<{sender}>");
        if let Some(limit) = on.offers.size {
            let most = if limit == 0 { u64::MAX } else { limit };
            let size = (lease.message.body.length + FIELDS_MAX).min(most);
            mail += &format!(" SIZE={size}");
        }
        if on.offers.eight_bit && lease.message.eight_bit {
            mail += " BODY=8BITMIME";
        }
        if on.offers.smtputf8 && lease.message.smtputf8 {
            mail += " SMTPUTF8";
        }
        let place = lease.recipient.0 as usize;
        let recipients = &lease.message.recipients;
        let Some(recipient) = recipients.get(place) else {
            return Err(Broken::Lost("the message has no such recipient".into()));
        };
        let (of_message, of_recipient) = wishes(on, lease);
        mail += &format!("{of_message}\r\n");
        let rcpt = format!("RCPT TO:<{}>{of_recipient}\r\n", recipient.address);
        // Where a message went before, RSET shows that replies are still those to our commands: a late
        // second reply to the last dot would be taken for the answer to MAIL.
        let reset = if on.is_fresh { "" } else { "RSET\r\n" };
        on.is_fresh = false;
        let (mail, rcpt) = if on.offers.pipelining {
            on.say(&format!("{reset}{mail}{rcpt}"), mail_limit).await?;
            if !reset.is_empty() {
                in_step(&on.reply(mail_limit, "the reply to RSET").await?)?;
            }
            let mail = on.reply(mail_limit, "the reply to MAIL").await?;
            if mail.code == 421 {
                return Ok(Some((Stage::Sender, mail)));
            }
            let rcpt = on.reply(rcpt_limit, "the reply to RCPT").await;
            if !mail.is_positive() {
                // It is the answer, whatever became of RCPT's.
                return Ok(Some((Stage::Sender, mail)));
            }
            (mail, rcpt?)
        } else {
            if !reset.is_empty() {
                in_step(&on.ask(reset, mail_limit).await?)?;
            }
            let mail = on.ask(&mail, mail_limit).await?;
            if !mail.is_positive() {
                return Ok(Some((Stage::Sender, mail)));
            }
            (mail, on.ask(&rcpt, rcpt_limit).await?)
        };
        if !mail.is_positive() {
            return Ok(Some((Stage::Sender, mail)));
        }
        Ok((!rcpt.is_positive()).then_some((Stage::Recipient, rcpt)))
    }

    /// After a refusal: the connection is made ready for the next transaction.
    async fn turned_away(&self, on: &mut Dialog, stage: Stage, reply: &Reply) -> Ended {
        let mut result = attempt(&on.relay, stage, reply);
        if let Attempt::Delivered(said) = result {
            // A yes where there is nothing to say yes to: to DATA, which wants 354.
            result =
                Attempt::Deferred(ours(said.relay.as_deref(), Status::new(4, 5, 0), said.text));
            return Ended::Closed(result);
        }
        if reply.code == 421 {
            return Ended::Elsewhere(result);
        }
        self.taken_back(on, result).await
    }

    /// Ends a transaction before its message.
    async fn taken_back(&self, on: &mut Dialog, result: Attempt) -> Ended {
        match on.ask("RSET\r\n", self.parts.config.delivery.mail_timeout.0).await {
            Ok(reply) if reply.is_positive() => {
                on.is_fresh = true;
                Ended::Usable(result)
            }
            _ => Ended::Closed(result),
        }
    }

    /// The permit and the dot. Between the last look and the write nothing is awaited; the permit is
    /// returned when the dot has left the machine, or never can.
    async fn dot(&self, on: &mut Dialog, lease: &Lease) -> Result<(), Ended> {
        let deadline = Instant::now() + self.parts.config.delivery.block_timeout.0;
        loop {
            let drained = on.drained(deadline).await;
            drained.map_err(|broken| Ended::Closed(lost(on, &broken)))?;
            if let Some(broken) = on.unasked().await {
                return Err(Ended::Closed(forestalled(on, broken).await));
            }
            let permit = match self.parts.queue.permit(lease).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(judgement)) => return Err(Ended::Closed(Attempt::Stopped(judgement))),
                Err(fault) => {
                    let text = format!("held: the records cannot be read: {fault}");
                    let result = Attempt::Held(ours(None, Status::new(4, 3, 0), text));
                    return Err(Ended::Closed(result));
                }
            };
            let wrote = if on.is_still() { on.dot().await } else { Dot::NotNow };
            match wrote {
                Dot::Written => return self.leaves(on, permit).await,
                Dot::NotNow => drop(permit),
                Dot::Torn => return Err(cut(on, permit)),
                Dot::Refused(why) => {
                    drop(permit);
                    let broken = Broken::Lost(why);
                    return Err(Ended::Closed(forestalled(on, broken).await));
                }
                Dot::Unknown(why) => {
                    on.discard();
                    return Err(Ended::Cut(in_doubt(on, &why), permit));
                }
            }
            if Instant::now() >= deadline {
                let broken = Broken::Lost("the final dot did not leave in time".into());
                return Err(Ended::Closed(lost(on, &broken)));
            }
        }
    }

    /// Holds the permit until the dot has left the machine. A stop waits for the permit at most
    /// `queue.permit_wait_max`, so a dot that stays half as long is taken back.
    async fn leaves(&self, on: &Dialog, permit: Permit) -> Result<(), Ended> {
        let longest = self.parts.config.queue.permit_wait_max.0 / 2;
        if on.left(Instant::now() + longest).await { Ok(()) } else { Err(cut(on, permit)) }
    }
}

/// What the next server is told for reports, where it offers DSN and the sender said something. Names
/// go on as they came. The return path is ours, so what comes back to it is for us: failures alone, and
/// of the message no more than its header; whatever the sender wants to be told, we tell.
fn wishes(on: &Dialog, lease: &Lease) -> (String, String) {
    let (mut of_message, mut of_recipient) = (String::new(), String::new());
    let Some(dsn) = lease.message.dsn.as_deref().filter(|_| on.offers.dsn) else {
        return (of_message, of_recipient);
    };
    if dsn.message.returned.is_some() {
        of_message += " RET=HDRS";
    }
    if let Some(id) = &dsn.message.envelope_id {
        of_message += &format!(" ENVID={id}");
    }
    if let Some(wishes) = dsn.of(lease.recipient) {
        if wishes.notify.is_some() {
            of_recipient += " NOTIFY=FAILURE";
        }
        if let Some(original) = &wishes.original {
            of_recipient += &format!(" ORCPT={original}");
        }
    }
    (of_message, of_recipient)
}

/// RSET is never refused: another reply than yes is one to something before it.
fn in_step(reply: &Reply) -> Result<(), Broken> {
    let why = || Broken::Lost(format!("the server said to RSET: {reply}"));
    reply.is_positive().then_some(()).ok_or_else(why)
}

/// The dot, or a part of it, is still here: the end of the connection discards it.
fn cut(on: &Dialog, permit: Permit) -> Ended {
    on.discard();
    let text = "not sent: the server stopped reading before the final dot";
    Ended::Cut(later(Some(&on.relay), Status::new(4, 4, 2), text), permit)
}

/// The server broke off before the dot: what it said about it is the answer, unless that is a yes.
async fn forestalled(on: &mut Dialog, broken: Broken) -> Attempt {
    let said = match broken {
        Broken::Said(reply) => Some(reply),
        _ => on.last_words().await,
    };
    match said {
        Some(reply) if !reply.is_positive() => attempt(&on.relay, Stage::Content, &reply),
        _ => lost(on, &Broken::Lost("the server broke off before the final dot".into())),
    }
}

/// What this server cannot take, by its own word.
fn unfit(on: &Dialog, lease: &Lease, size: u64) -> Option<Attempt> {
    let failed = |status, text: String| Attempt::Failed {
        said: ours(Some(&on.relay), status, text),
        dead_address: false,
    };
    if lease.message.smtputf8 && !on.offers.smtputf8 {
        let text = "the message needs SMTPUTF8, which the server does not offer";
        return Some(failed(Status::new(5, 6, 7), text.into()));
    }
    match on.offers.size {
        Some(limit) if limit > 0 && size > limit => {
            let text = format!("the message has {size} bytes, the server takes {limit}");
            Some(failed(Status::new(5, 3, 4), text))
        }
        _ => None,
    }
}

fn unprepared(why: &str) -> Attempt {
    let text = format!("the copy could not be prepared: {why}");
    later(None, Status::new(4, 3, 0), text)
}

fn lost(on: &Dialog, broken: &Broken) -> Attempt {
    later(Some(&on.relay), Status::new(4, 4, 2), broken.to_string())
}

fn elsewhere(on: &Dialog, broken: &Broken) -> Ended {
    Ended::Elsewhere(lost(on, broken))
}

/// The dot left, and what became of it is not known.
fn in_doubt(on: &Dialog, why: &str) -> Attempt {
    let text = format!("{why}: taken or not is unknown, possible duplicate");
    later(Some(&on.relay), Status::new(4, 4, 2), text)
}
