//! What a credential or a member may do: one table of rights, each with a name and a sentence.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! rights {
    ($($(#[doc = $says:literal])+ $variant:ident = $name:literal,)+) => {
        /// A right. Records hold its number: new ones are appended, and none is ever taken out.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Right {
            $($(#[doc = $says])+ #[serde(rename = $name)] $variant,)+
        }

        impl Right {
            /// All of them, each with its name and what it allows.
            pub const ALL: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$variant, $name, concat!($($says),+)),)+];
        }
    };
}

rights! {
    /// Hand in mail over SMTP.
    Send = "send",
    /// Read the account's own settings.
    AccountRead = "account.read",
    /// Change the account's own settings.
    AccountWrite = "account.write",
    /// List streams and what they answer.
    StreamsRead = "streams.read",
    /// Make, change and remove streams.
    StreamsWrite = "streams.write",
    /// List sending domains and what to publish for them.
    DomainsRead = "domains.read",
    /// Add, change, verify and remove sending domains, and change their keys.
    DomainsWrite = "domains.write",
    /// List credentials, without their secrets.
    CredentialsRead = "credentials.read",
    /// Make and revoke credentials, with no right that the maker lacks.
    CredentialsWrite = "credentials.write",
    /// List stops.
    SuppressionsRead = "suppressions.read",
    /// Stop mail to people and domains, and lift stops that no person made.
    SuppressionsWrite = "suppressions.write",
    /// List consents with what they rest on.
    ConsentsRead = "consents.read",
    /// Record consents and withdraw them.
    ConsentsWrite = "consents.write",
    /// Ask whether a person may be sent to, and why.
    RecipientsRead = "recipients.read",
    /// Export all that the account holds on a person.
    RecipientsExport = "recipients.export",
    /// Erase what is held on a person.
    RecipientsErase = "recipients.erase",
    /// See messages and what became of them.
    MessagesRead = "messages.read",
    /// Read and follow events.
    EventsRead = "events.read",
    /// List mail that waits.
    QueueRead = "queue.read",
    /// Retry, hold, release and cancel mail that waits.
    QueueWrite = "queue.write",
    /// List webhooks and their calls.
    WebhooksRead = "webhooks.read",
    /// Make, change, test and remove webhooks.
    WebhooksWrite = "webhooks.write",
    /// List members and invitations.
    MembersRead = "members.read",
    /// Invite, change and remove members.
    MembersWrite = "members.write",
    /// Read the log of who changed what.
    AuditRead = "audit.read",
}

impl Right {
    /// As the API and the command line write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What it allows, in a sentence.
    #[must_use]
    pub fn says(self) -> &'static str {
        self.row().2.trim()
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        &Self::ALL[self as usize]
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Right {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name, _)| *name == text);
        found.map(|(right, ..)| *right).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(_, name, _)| *name).collect();
            format!("`{text}` is no right: use of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_is_found_by_its_name_and_says_what_it_allows() {
        for (number, (right, name, _)) in Right::ALL.iter().enumerate() {
            assert_eq!((*right as usize, name.parse()), (number, Ok(*right)));
            assert_eq!(serde_json::json!(right), serde_json::json!(name));
            assert!(right.says().ends_with('.'), "{name}");
        }
        assert!("everything".parse::<Right>().is_err());
    }
}
