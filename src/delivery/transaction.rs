//! One copy over one connection: MAIL, RCPT, DATA, the message, the permit, the dot.

use super::Delivery;
use super::copy::Copy;
use super::dialog::{Broken, Dialog, Dot};
use super::outcome::{Stage, attempt, later, ours};
use crate::mail::{Reply, Status};
use crate::queue::{Attempt, Lease};

/// How a transaction ended.
pub(super) enum Ended {
    /// With this result; the connection may serve on.
    Usable(Attempt),
    /// With this result; the connection must be closed.
    Closed(Attempt),
    /// Before anything was answered: another server may be asked.
    Elsewhere(Attempt),
}

impl Delivery {
    /// Sends a copy.
    pub(super) async fn transact(&self, on: &mut Dialog, lease: &Lease, copy: &Copy) -> Ended {
        if let Some(attempt) = unfit(on, lease, copy) {
            return Ended::Usable(attempt);
        }
        match self.envelope(on, lease, copy).await {
            Ok(None) => {}
            Ok(Some((stage, reply))) => return self.turned_away(on, stage, &reply).await,
            Err(broken) => return elsewhere(on, &broken),
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
        if let Err(ended) = self.dot(on, lease).await {
            return ended;
        }
        match on.reply(limits.dot_timeout.0, "the reply to the message").await {
            Ok(reply) if reply.code == 421 => {
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
        copy: &Copy,
    ) -> Result<Option<(Stage, Reply)>, Broken> {
        let limits = &self.parts.config.delivery;
        let (mail_limit, rcpt_limit) = (limits.mail_timeout.0, limits.rcpt_timeout.0);
        let mut mail = format!("MAIL FROM:<{}>", copy.sender);
        if on.offers.size.is_some() {
            mail += &format!(" SIZE={}", copy.bytes.len());
        }
        if on.offers.eight_bit && lease.message.eight_bit {
            mail += " BODY=8BITMIME";
        }
        if on.offers.smtputf8 && lease.message.smtputf8 {
            mail += " SMTPUTF8";
        }
        mail += "\r\n";
        let place = lease.recipient.0 as usize;
        let recipients = &lease.message.recipients;
        let Some(recipient) = recipients.get(place) else {
            return Err(Broken::Lost("the message has no such recipient".into()));
        };
        let rcpt = format!("RCPT TO:<{}>\r\n", recipient.address);
        let (mail, rcpt) = if on.offers.pipelining {
            on.say(&format!("{mail}{rcpt}"), mail_limit).await?;
            let mail = on.reply(mail_limit, "the reply to MAIL").await?;
            if mail.code == 421 {
                return Ok(Some((Stage::Sender, mail)));
            }
            let rcpt = on.reply(rcpt_limit, "the reply to RCPT").await?;
            (mail, rcpt)
        } else {
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
        match on.ask("RSET\r\n", self.parts.config.delivery.mail_timeout.0).await {
            Ok(reply) if reply.is_positive() => Ended::Usable(result),
            _ => Ended::Closed(result),
        }
    }

    /// The permit and the dot. Between the last look and the write nothing is awaited.
    async fn dot(&self, on: &mut Dialog, lease: &Lease) -> Result<(), Ended> {
        let limit = self.parts.config.delivery.block_timeout.0;
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let writable = on.writable(limit).await;
            writable.map_err(|broken| Ended::Closed(lost(on, &broken)))?;
            let permit = match self.parts.queue.permit(lease).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(judgement)) => return Err(Ended::Closed(Attempt::Stopped(judgement))),
                Err(fault) => {
                    let text = format!("held: the records cannot be read: {fault}");
                    let result = Attempt::Held(ours(None, Status::new(4, 3, 0), text));
                    return Err(Ended::Closed(result));
                }
            };
            let wrote = on.dot().await;
            drop(permit);
            match wrote {
                Dot::Written => return Ok(()),
                Dot::Torn(why) => return Err(Ended::Closed(in_doubt(on, &why))),
                Dot::NotNow if tokio::time::Instant::now() >= deadline => {
                    let broken = Broken::Lost(format!("the final dot did not leave in {limit:?}"));
                    return Err(Ended::Closed(lost(on, &broken)));
                }
                Dot::NotNow => {}
            }
        }
    }
}

/// What this server cannot take, by its own word.
fn unfit(on: &Dialog, lease: &Lease, copy: &Copy) -> Option<Attempt> {
    let failed = |status, text: String| Attempt::Failed {
        said: ours(Some(&on.relay), status, text),
        dead_address: false,
    };
    if lease.message.smtputf8 && !on.offers.smtputf8 {
        let text = "the message needs SMTPUTF8, which the server does not offer";
        return Some(failed(Status::new(5, 6, 7), text.into()));
    }
    let size = copy.bytes.len() as u64;
    match on.offers.size {
        Some(limit) if limit > 0 && size > limit => {
            let text = format!("the message has {size} bytes, the server takes {limit}");
            Some(failed(Status::new(5, 3, 4), text))
        }
        _ => None,
    }
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
