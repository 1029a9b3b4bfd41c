//! May we send this to them? Suppression, consent, tokens and permits. It decides and never sends.

#[cfg(test)]
mod audited;
mod change;
pub mod compliance;
mod confirm;
pub mod crossing;
mod death;
mod desk;
mod erase;
mod import;
mod judge;
mod leap;
mod look_up;
mod mail_in;
mod permit;
#[cfg(test)]
mod race;
mod recall;
mod record;
mod restored;
#[cfg(test)]
mod tests;
pub mod token;
mod trim;

pub use change::Made;
pub use confirm::{Asker, Confirmation, Confirmed, Full, Requested, question_id};
pub use death::{Buried, Death, site_named, site_of};
pub use desk::Policy;
pub use erase::ErasedRecords;
pub use import::{Imported, ListedConsent, ListedStop};
pub use judge::judge;
pub use leap::{Alarm, Released, Verb};
pub use mail_in::{Return, UNDO_AGE_MAX};
pub use permit::Permit;
pub use recall::{Recall, Recalled};
pub use record::{
    Consent, ConsentState, Judgement, Page, RecipientView, Settled, Standing, Subject, Suppression,
    Token,
};
pub use restored::{Counts, Release, Replayed, Restored, Unreleased};
pub use trim::Trim;
