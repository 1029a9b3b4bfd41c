//! Who did what: every wish of a person and every change by hand is an entry of one chain, in the same
//! transaction as the change itself. The chain holds digests; what an entry says lies beside it with a salt, and
//! can be destroyed without breaking the chain.

mod act;
mod actor;
mod chain;
mod expire;
mod notes;
mod read;
#[cfg(test)]
mod tests;
mod verify;

pub use act::{Act, Said};
pub use actor::Actor;
pub use chain::{Author, Entry, Head, Link, Payload, Words};
pub use notes::{Notes, NotesFault, trim_notes};
pub use read::{Audit, Filter, Page};
pub use verify::{Checked, Finding, Place};
