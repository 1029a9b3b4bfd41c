//! May we send this to them? Suppression, consent, tokens and permits. It decides and never sends.

mod change;
pub mod crossing;
mod desk;
mod import;
mod judge;
mod permit;
#[cfg(test)]
mod race;
mod record;
#[cfg(test)]
mod tests;
pub mod token;

pub use desk::Policy;
pub use import::{Imported, ListedConsent, ListedStop};
pub use judge::judge;
pub use permit::Permit;
pub use record::{
    Consent, ConsentState, Judgement, Page, RecipientView, Settled, Standing, Subject, Suppression,
    Token,
};
