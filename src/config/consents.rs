//! The section about consent that Relent asks for.

use super::section::sections;
use super::unit::Span;
use serde::{Deserialize, Serialize};

sections! {
    /// `[consents]`: people who are asked by mail to confirm a consent.
    Consents {
        /// How long the link of such a mail can be used.
        confirmation_age_max: Span = Span::minutes(7 * 24 * 60),
        /// Most such mails to an address from one account in a day.
        confirmations_per_recipient_max: u32 = 1,
        /// Most such mails to an address from all accounts together in a day.
        confirmations_per_address_max: u32 = 3,
        /// Most such mails from an account in a day (UTC).
        confirmations_per_account_max: u32 = 10_000,
    }
}
