//! The words of mail: addresses, ids, reply and status codes, verdicts, header fields. Pure: no
//! socket, no clock, no disk. Every other module speaks in these types.

pub mod address;
pub mod charset;
pub mod delivery_terms;
pub mod dsn;
pub mod header;
pub mod id;
pub mod mailbox;
pub mod provider;
pub mod refusal;
pub mod shape;
pub mod status;
pub mod tlsa;
pub mod trace;
pub mod transfer;
pub mod verdict;

pub use address::{Address, AddressFault, Domain, ReversePath};
pub use delivery_terms::{RefusalClass, TlsDemand};
pub use id::{AccountId, MessageId, RecipientHash, RecipientNumber, StreamId, Timestamp};
pub use provider::{PROVIDERS, provider};
pub use refusal::{Refusal, RefusalRules};
pub use status::{Reply, Status};
pub use tlsa::Tlsa;
pub use verdict::{Answer, Verdict};
