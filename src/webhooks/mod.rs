//! Events go out to programs: an account names an endpoint, and each thing that happens to its mail or its
//! recipients is posted there, signed as Standard Webhooks has it, at least once and in order for each recipient.
//!
//! What waits to be posted is not copied: the log of messages and the events of records are the queue, and a
//! webhook is a place in each. Only calls that failed, and those behind them of the same recipient, are written
//! down, as places too.

mod kind;
mod record;

mod happening;
mod payload;

mod endpoint;
mod sign;

mod call;
mod journal;
mod lanes;
mod pace;
mod runner;
mod save;

mod engine;
mod failed;
mod registry;

pub use engine::{Parts, Webhooks};
pub use failed::Redelivered;
pub use kind::{EventKind, SCHEMA};
pub use payload::{Directory, Whom};
pub use record::{Failed, Log, Place, Progress, State, Webhook, WebhookId};
pub use registry::{Draft, Standing, Tried, WebhookFault};
