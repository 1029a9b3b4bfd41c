//! What people and machines answer. [`classify`] is a pure function of a message: a person's words, an
//! automatic reply, a bounce or a complaint. The desk acts on it: a wish becomes a stop before the
//! `250` leaves, and whatever else a person wrote goes to the mailbox that reads it.

mod classify;

mod decode;
mod html;

mod autoreply;
mod bounce;
mod complaint;
mod delivery_status;
mod notice;
mod notice_words;

mod grammar;
mod introduction;
mod keyword;
mod marks;
mod normal;
mod requests;
mod utterance;
mod words;
mod written;

mod about;
mod desk;
mod destination;
mod forward;
mod trust;
mod whole;

mod answer;
mod answer_mail;
mod answer_texts;
mod consent_mail;
mod consent_texts;
mod language;
mod limits;

#[cfg(test)]
mod keyword_forms;
#[cfg(test)]
mod notice_forms;
#[cfg(test)]
mod wish_forms;
#[cfg(test)]
mod written_forms;

pub use crate::accounts::StreamKind;
pub use answer_texts::languages;
pub use bounce::Bounced;
pub use classify::{Classification, Kind, Wish, classify};
pub use consent_mail::{Asking, AskingFault};
pub use consent_texts::{ConsentTexts, VERSION as CONSENT_TEXTS_VERSION, filled};
pub use desk::{Desk, Incoming, Parts};
pub use destination::Destination;
pub use words::{Vocabulary, Words, WordsFault};
