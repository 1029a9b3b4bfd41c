//! The last write of a message, the final dot or the last chunk: permits, a look, one write that does
//! not wait.

use super::Delivery;
use super::batch::Batch;
use super::dialog::{Broken, Dialog, Dot};
use super::outcome::{Stage, attempt, later, ours};
use super::transaction::{Ended, in_doubt, lost};
use crate::mail::Status;
use crate::policy::Permit;
use crate::queue::Attempt;
use crate::store::StoreFault;
use tokio::time::Instant;

impl Delivery {
    /// The permits and the last write. Between the last look and the write nothing is awaited; the
    /// permits are returned when it has left the machine, or never can.
    pub(super) async fn last_write(&self, on: &mut Dialog, batch: &mut Batch) -> Result<(), Ended> {
        let deadline = Instant::now() + self.parts.config.delivery.block_timeout.0;
        loop {
            let drained = on.drained(deadline).await;
            if let Err(broken) = drained {
                batch.end(&lost(on, &broken));
                return Err(Ended::Closed);
            }
            // Chunks need not be answered before the last is sent (RFC 3030 §4.2); what has been said
            // of them by now is heard.
            while on.chunks_open > 0 && on.hears() {
                match on.chunk_reply(self.parts.config.delivery.block_timeout.0).await {
                    Ok(reply) if reply.is_positive() => batch.settle(),
                    Ok(reply) => return Err(self.chunk_refused(on, batch, &reply).await),
                    Err(broken) => {
                        batch.end(&lost(on, &broken));
                        return Err(Ended::Closed);
                    }
                }
            }
            // A reply that comes only now may be a chunk's: the look before the write sees it.
            if on.chunks_open == 0
                && let Some(broken) = on.unasked().await
            {
                let end = forestalled(on, broken).await;
                batch.end(&end);
                return Err(Ended::Closed);
            }
            let permits = self.permits(batch).await?;
            let wrote = if on.is_still() { on.dot().await } else { Dot::NotNow };
            match wrote {
                Dot::Written => return self.leaves(on, batch, permits).await,
                Dot::NotNow => drop(permits),
                Dot::Torn => return Err(cut(on, batch, permits)),
                Dot::Refused(why) => {
                    drop(permits);
                    let end = forestalled(on, Broken::Lost(why)).await;
                    batch.end(&end);
                    return Err(Ended::Closed);
                }
                Dot::Unknown(why) => {
                    on.discard();
                    in_doubt(on, batch, &why);
                    return Err(Ended::Cut(permits));
                }
            }
            if Instant::now() >= deadline {
                let broken = Broken::Lost("the final dot did not leave in time".into());
                batch.end(&lost(on, &broken));
                return Err(Ended::Closed);
            }
        }
    }

    /// A permit for each recipient; where one gets none the message does not leave on this connection,
    /// and the others are sent again without that one.
    async fn permits(&self, batch: &mut Batch) -> Result<Vec<Permit>, Ended> {
        let (mut permits, mut ends, mut is_whole) = (Vec::new(), Vec::new(), true);
        for lease in batch.taken() {
            let end = match self.parts.queue.permit(lease).await {
                Ok(Ok(permit)) => {
                    permits.push(permit);
                    None
                }
                Ok(Err(judgement)) => Some(Attempt::Stopped(judgement)),
                Err(fault) => {
                    let text = match fault {
                        StoreFault::Missing(why) => format!("held: {why}"),
                        fault => format!("held: the records cannot be read: {fault}"),
                    };
                    Some(Attempt::Held(ours(None, Status::new(4, 3, 0), text)))
                }
            };
            is_whole &= end.is_none();
            ends.push(end);
        }
        if is_whole {
            return Ok(permits);
        }
        batch.end_some(ends);
        Err(Ended::Closed)
    }

    /// Holds the permits until the last write has left the machine. A stop waits for a permit at most
    /// `queue.permit_wait_max`, so what stays half as long is taken back.
    async fn leaves(
        &self,
        on: &Dialog,
        batch: &mut Batch,
        permits: Vec<Permit>,
    ) -> Result<(), Ended> {
        let longest = self.parts.config.queue.permit_wait_max.0 / 2;
        let has_left = on.left(Instant::now() + longest).await;
        if has_left { Ok(()) } else { Err(cut(on, batch, permits)) }
    }
}

/// The last write, or a part of it, is still here: the end of the connection discards it.
fn cut(on: &Dialog, batch: &mut Batch, permits: Vec<Permit>) -> Ended {
    on.discard();
    let text = "not sent: the server stopped reading before the final dot";
    batch.end(&later(Some(&on.relay), Status::new(4, 4, 2), text));
    Ended::Cut(permits)
}

/// The server broke off before the last write: what it said about it is the answer, unless that is a yes.
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
