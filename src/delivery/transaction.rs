//! One message over one connection: the envelope, the message after DATA or in chunks, and how it ends.

use super::Delivery;
use super::batch::Batch;
use super::dialog::{Broken, Dialog};
use super::envelope::Heard;
use super::outcome::{Stage, attempt, later, ours};
use crate::events::message::Accepted;
use crate::mail::{Domain, Reply, Status};
use crate::policy::Permit;
use crate::queue::Attempt;

/// How a transaction ended. What became of each recipient stands in the batch; who is still open there
/// is to be sent again.
pub(super) enum Ended {
    /// The connection may serve on.
    Usable,
    /// The connection must be closed.
    Closed,
    /// The connection must be closed, and only then may the permits be returned: the last write, or a
    /// part of it, lies in the kernel.
    Cut(Vec<Permit>),
    /// This server is asked once more, over a new connection.
    Again,
    /// Before anything was answered: another server may be asked.
    Elsewhere(Attempt),
    /// This server cannot take such a message: another may.
    Unfit(Attempt),
}

impl Delivery {
    /// Sends a copy, which is prepared once a recipient was taken: until then it would only hold
    /// memory. So no part of a message leaves for recipients whom nobody wants: that costs a journey
    /// there and back, and spares the bytes, and what they say, wherever all are refused.
    pub(super) async fn transact(&self, on: &mut Dialog, batch: &mut Batch) -> Ended {
        let limits = &self.parts.config.delivery;
        on.begin(limits.transaction_timeout.0);
        let Some(message) = batch.message() else { return Ended::Usable };
        if let Some(attempt) = unfit(on, message, message.body.length) {
            return Ended::Unfit(attempt);
        }
        let domain = batch.first().and_then(|lease| lease.domain());
        on.speaker.of_message(message.id, domain.map(Domain::as_str).unwrap_or_default());
        if let Some(ended) = self.keeps_from(on, batch).await {
            return ended;
        }
        match self.envelope(on, batch).await {
            Ok(Heard::Recipients(answers)) => batch.answered(&on.relay, answers),
            Ok(Heard::Sender(reply)) => {
                return self.turned_away(on, batch, Stage::Sender, &reply).await;
            }
            Ok(Heard::Leaves(0, reply)) => {
                return self.turned_away(on, batch, Stage::Recipient, &reply).await;
            }
            // It may have had enough recipients: those before this one are sent alone.
            Ok(Heard::Leaves(place, _)) => {
                batch.keep(place);
                return Ended::Again;
            }
            Err(broken) => return elsewhere(on, &broken),
        }
        let Some(first) = batch.taken().first() else {
            return self.nobody(on, batch).await;
        };
        let copy = match self.copy(first).await {
            Ok(copy) => copy,
            Err(why) => {
                batch.end(&unprepared(&why));
                return self.taken_back(on).await;
            }
        };
        if copy.is_personal && batch.is_shared() && batch.taken().len() > 1 {
            // The stream has been changed since it was asked: the others must not get this one's address.
            drop(copy);
            batch.split();
            return self.taken_back(on).await;
        }
        if let Some(attempt) = unfit(on, &first.message, copy.bytes.len() as u64) {
            batch.forget();
            return Ended::Unfit(attempt);
        }
        let is_chunked = limits.chunking && on.offers.chunking && !on.target.is_plain;
        let sent = match is_chunked {
            true => self.in_chunks(on, batch, &copy.bytes).await,
            false => self.after_data(on, batch, &copy.bytes).await,
        };
        drop(copy);
        if let Err(ended) = sent {
            return ended;
        }
        if let Err(ended) = self.last_write(on, batch).await {
            return ended;
        }
        self.reply_to_message(on, batch).await
    }

    /// The message after DATA, but for its dot.
    async fn after_data(
        &self,
        on: &mut Dialog,
        batch: &mut Batch,
        message: &[u8],
    ) -> Result<(), Ended> {
        let limits = &self.parts.config.delivery;
        match on.ask("DATA\r\n", limits.data_timeout.0).await {
            Ok(reply) if reply.code == 354 => batch.settle(),
            Ok(reply) => return Err(self.turned_away(on, batch, Stage::Content, &reply).await),
            Err(broken) => {
                batch.forget();
                return Err(elsewhere(on, &broken));
            }
        }
        let Err(broken) = on.body(message, limits.block_timeout.0).await else {
            return Ok(());
        };
        let end = match &broken {
            Broken::Said(reply) if !reply.is_positive() => {
                attempt(&on.relay, Stage::Content, reply)
            }
            _ => lost(on, &broken),
        };
        batch.end(&end);
        Err(Ended::Closed)
    }

    /// The message in chunks, but for the last, which is empty.
    async fn in_chunks(
        &self,
        on: &mut Dialog,
        batch: &mut Batch,
        message: &[u8],
    ) -> Result<(), Ended> {
        let limits = &self.parts.config.delivery;
        let size = limits.chunk_size.bytes();
        match on.chunks(message, size, limits.block_timeout.0).await {
            Ok(None) => Ok(()),
            Ok(Some(reply)) => Err(self.chunk_refused(on, batch, &reply).await),
            Err(Broken::Said(reply)) if !reply.is_positive() => {
                batch.end(&attempt(&on.relay, Stage::Content, &reply));
                Err(Ended::Closed)
            }
            Err(broken) => {
                batch.forget();
                batch.end(&lost(on, &broken));
                Err(Ended::Closed)
            }
        }
    }

    /// After another reply than yes to a chunk. What it held was read by the server, which may go on.
    pub(super) async fn chunk_refused(
        &self,
        on: &mut Dialog,
        batch: &mut Batch,
        reply: &Reply,
    ) -> Ended {
        if matches!(reply.code, 500 | 502 | 504) {
            // It does not know what it offers, and has read the message for commands.
            tracing::info!(relay = &*on.relay, %reply, "BDAT was offered and is not known: using DATA");
            batch.forget();
            on.target.is_plain = true;
            return Ended::Again;
        }
        self.turned_away(on, batch, Stage::Content, reply).await
    }

    /// The reply to the message that has left.
    async fn reply_to_message(&self, on: &mut Dialog, batch: &mut Batch) -> Ended {
        let longest = self.parts.config.delivery.dot_timeout.0;
        // It is worth its full time.
        on.begin(longest * 2);
        let mut refused = None;
        while on.chunks_open > 0 {
            match on.chunk_reply(longest).await {
                Ok(reply) if reply.is_positive() => {}
                Ok(reply) => refused = refused.or(Some(reply)),
                Err(broken) => {
                    in_doubt(on, batch, &broken.to_string());
                    return Ended::Closed;
                }
            }
        }
        let reply = on.reply(longest, "the reply to the message").await;
        if let Some(refused) = refused {
            // The message lacks a part of it: no yes to the rest is one to the whole.
            return match reply {
                Ok(reply) if reply.is_positive() => {
                    in_doubt(on, batch, &format!("{reply} after a chunk was answered {refused}"));
                    Ended::Closed
                }
                Ok(_) => self.chunk_refused(on, batch, &refused).await,
                Err(_) => {
                    batch.end(&attempt(&on.relay, Stage::Content, &refused));
                    Ended::Closed
                }
            };
        }
        match reply {
            Ok(reply) => {
                batch.settle();
                batch.end_taken(&attempt(&on.relay, Stage::Content, &reply));
                match reply.code {
                    421 | 300..400 => Ended::Closed,
                    _ => Ended::Usable,
                }
            }
            Err(broken) => {
                in_doubt(on, batch, &broken.to_string());
                Ended::Closed
            }
        }
    }

    /// After a refusal that is one for all: the connection is made ready for the next transaction.
    async fn turned_away(
        &self,
        on: &mut Dialog,
        batch: &mut Batch,
        stage: Stage,
        reply: &Reply,
    ) -> Ended {
        let end = attempt(&on.relay, stage, reply);
        if let Attempt::Delivered(said) = end {
            // A yes where there is nothing to say yes to: to DATA, which wants 354.
            batch.forget();
            let said = ours(said.relay.as_deref(), Status::new(4, 5, 0), said.text);
            batch.end(&Attempt::Deferred(said));
            return Ended::Closed;
        }
        if reply.code == 421 {
            batch.forget();
            return Ended::Elsewhere(end);
        }
        batch.end(&end);
        if reply.code / 100 == 3 {
            // An invitation to go on, where none was to be had: nobody knows what it waits for.
            return Ended::Closed;
        }
        self.taken_back(on).await
    }

    /// After no recipient was taken.
    async fn nobody(&self, on: &mut Dialog, batch: &mut Batch) -> Ended {
        if batch.is_shared()
            && let Some(unasked) = on.unasked().await
        {
            // There is a reply too many: whose was which?
            batch.forget();
            batch.end(&lost(on, &unasked));
            return Ended::Closed;
        }
        batch.settle();
        self.taken_back(on).await
    }

    /// Ends a transaction before its message.
    async fn taken_back(&self, on: &mut Dialog) -> Ended {
        match on.ask("RSET\r\n", self.parts.config.delivery.mail_timeout.0).await {
            Ok(reply) if reply.is_positive() => {
                on.is_fresh = true;
                Ended::Usable
            }
            _ => Ended::Closed,
        }
    }
}

/// What this server cannot take, by its own word.
fn unfit(on: &Dialog, message: &Accepted, size: u64) -> Option<Attempt> {
    let failed = |status, text: String| Attempt::Failed {
        said: ours(Some(&on.relay), status, text),
        dead_address: false,
    };
    if message.smtputf8 && !on.offers.smtputf8 {
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

/// The connection was lost before the message was whole.
pub(super) fn lost(on: &Dialog, broken: &Broken) -> Attempt {
    later(Some(&on.relay), Status::new(4, 4, 2), broken.to_string())
}

fn elsewhere(on: &Dialog, broken: &Broken) -> Ended {
    Ended::Elsewhere(lost(on, broken))
}

/// The whole message left, and what became of it is not known: whom it was for gets it again.
pub(super) fn in_doubt(on: &Dialog, batch: &mut Batch, why: &str) {
    let text = format!("{why}: taken or not is unknown, possible duplicate");
    metrics::counter!("relent_possible_duplicates_total").increment(batch.taken().len() as u64);
    batch.settle();
    batch.end_taken(&later(Some(&on.relay), Status::new(4, 4, 2), text));
}
