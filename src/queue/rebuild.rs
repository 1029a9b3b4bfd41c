//! The queue as the spool has it: every event is replayed, in order, at start.

use super::embedded::CHUNK;
use super::state::{Stand, State};
use crate::events::message::{MessageEvent, Outcome};
use crate::mail::Timestamp;
use crate::spool::{Record, Sequence, Spool, SpoolFault};

/// Replays the whole log into an empty state; says to the spool which bodies are still needed.
///
/// # Errors
/// [`SpoolFault::Unreadable`].
pub(super) fn rebuild(
    spool: &Spool,
    now: Timestamp,
    mut state: State,
) -> Result<State, SpoolFault> {
    let mut from = Sequence(0);
    loop {
        let records = spool.read(from, CHUNK)?;
        let count = records.len();
        for record in records {
            from = Sequence(record.sequence.0 + 1);
            if let Some(event) = MessageEvent::decode(&record) {
                replay(&mut state, spool, event, record, now);
                continue;
            }
            tracing::error!(target: "relent::queue", sequence = record.sequence.0,
                "a spool record cannot be read and was passed over; its message is kept in the spool");
            metrics::counter!("relent_spool_undecodable_total").increment(1);
            if MessageEvent::is_acceptance(&record) {
                // A later version may read it: what it accepted is not ours to sweep.
                spool.hold(record.sequence, None);
            }
        }
        if count < CHUNK {
            return Ok(state);
        }
    }
}

fn replay(state: &mut State, spool: &Spool, event: MessageEvent, record: Record, now: Timestamp) {
    let sequence = record.sequence;
    let (key, outcome, attempts, text, class) = match event {
        MessageEvent::Accepted(message) => {
            let (is_empty, body) = (message.recipients.is_empty(), message.body.clone());
            if !is_empty && state.add(message, Some(record.payload), sequence, now) {
                spool.hold(sequence, Some(&body));
            }
            return;
        }
        MessageEvent::Recipient { message, recipient, outcome, attempts, text, class, .. } => {
            ((message, recipient.0), outcome, attempts, text, class)
        }
    };
    match outcome {
        Outcome::Deferred { next_at } => {
            let is_held = state.is_held(key);
            state.schedule(key, next_at);
            if let Some(item) = state.item_mut(key) {
                item.attempts = attempts;
                item.last = Some(text.into());
                item.class = class;
                if is_held {
                    item.stand = Stand::Held;
                }
            }
        }
        Outcome::Held => {
            state.hold(key);
        }
        Outcome::Released => state.release(key, now),
        Outcome::Warned => {
            if let Some(item) = state.item_mut(key) {
                item.warned = true;
            }
        }
        Outcome::Delivered | Outcome::Failed { .. } | Outcome::Stopped | Outcome::Cancelled => {
            if let Some(accepted) = state.end(key) {
                spool.release(accepted);
            }
        }
    }
}
