//! What happened: to messages, as spool records whose sequence is the event's id, and to records, in
//! the store beside the change itself. Log, metric and API are views of them, read with cursors.

pub mod message;
pub mod record;

pub use message::{Accepted, MessageEvent, Origin, Outcome, Recipient};
pub use record::{Evidence, Reason, RecordEvent, Scope, Source};
