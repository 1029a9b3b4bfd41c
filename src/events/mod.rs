//! What happened: to messages, as spool records whose sequence is the event's id, and to records, in
//! the store beside the change itself. Log, metric and API are views of them, read with cursors.

pub mod audit;
pub mod cursor;
pub mod forget;
pub mod message;
pub mod record;
pub mod request;

/// The log that events of messages lie in, an event's place in it, and when a write is answered.
pub use crate::spool::{Durability, Sequence, Spool};
pub use audit::{Act, Actor, Author};
pub use cursor::{Cursor, Followed, Follower};
pub use message::{Accepted, MessageEvent, Origin, Outcome, Recipient};
pub use record::{Evidence, Reason, RecordEvent, Scope, Source};
