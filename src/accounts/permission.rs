//! What the members of an account may do: one table of roles and rights, whose names are those that
//! credentials carry too.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a member is in an account.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Builds what sends: streams, domains, credentials, webhooks.
    Developer,
    /// Does all that concerns the account but make or unmake owners.
    Admin,
    /// Answers for the account: there is always one.
    Owner,
}

impl Role {
    /// All of them, as the columns of [`TABLE`] stand.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Developer, Self::Viewer];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role of this name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name().eq_ignore_ascii_case(name))
    }

    /// The letter under which [`TABLE`] has it.
    const fn letter(self) -> char {
        match self {
            Self::Viewer => 'V',
            Self::Developer => 'D',
            Self::Admin => 'A',
            Self::Owner => 'O',
        }
    }

    /// Whether the role has a right; a right that the table does not know nobody has.
    #[must_use]
    pub fn may(self, right: &str) -> bool {
        let row = TABLE.iter().find(|row| row.right == right);
        row.is_some_and(|row| row.roles.contains(self.letter()))
    }

    /// Whether whoever has this role may give, change or take away another: only owners make and
    /// unmake owners.
    #[must_use]
    pub fn may_appoint(self, other: Self) -> bool {
        self.may("members.write") && (self == Self::Owner || other != Self::Owner)
    }
}

/// A right, and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name: what it is about, and whether it changes that.
    pub right: &'static str,
    /// The roles that have it: O owner, A admin, D developer, V viewer; - stands for one that has not.
    pub roles: &'static str,
    /// It needs a login that is fresh ([`crate::config::Members`]): what it does or shows, a forgotten
    /// screen must not.
    pub is_sensitive: bool,
    /// What it lets one do.
    pub about: &'static str,
}

const fn row(right: &'static str, roles: &'static str, about: &'static str) -> Row {
    Row { right, roles, is_sensitive: false, about }
}

const fn sensitive(right: &'static str, roles: &'static str, about: &'static str) -> Row {
    Row { right, roles, is_sensitive: true, about }
}

/// Every right, and the roles that have it.
#[rustfmt::skip]
pub const TABLE: &[Row] = &[
    //        right                  roles
    row(      "send",                "OAD-", "hand in mail"),
    row(      "account.read",        "OADV", "the account's settings, limits and what it has used of them"),
    row(      "account.write",       "OA--", "the account's own settings"),
    row(      "streams.read",        "OADV", "streams and what they answer"),
    row(      "streams.write",       "OAD-", "make, change and remove streams"),
    row(      "domains.read",        "OADV", "sending domains and the records to publish"),
    row(      "domains.write",       "OAD-", "add, verify, change and remove sending domains"),
    row(      "credentials.read",    "OAD-", "which credentials there are, never their secrets"),
    sensitive("credentials.write",   "OAD-", "make and revoke credentials"),
    row(      "suppressions.read",   "OADV", "who must not be sent to, and why"),
    row(      "suppressions.write",  "OAD-", "stop people, and lift stops that no person made"),
    row(      "consents.read",       "OADV", "who has agreed, and how that is known"),
    row(      "consents.write",      "OAD-", "record agreements and withdrawals"),
    row(      "recipients.read",     "OADV", "whether a person may be sent to, and why"),
    sensitive("recipients.export",   "OA--", "all that the account holds on a person"),
    sensitive("recipients.erase",    "OA--", "erase what is held on a person"),
    row(      "messages.read",       "OADV", "messages and what became of them"),
    row(      "events.read",         "OADV", "what has happened, as it happens too"),
    row(      "queue.read",          "OADV", "mail that waits"),
    row(      "queue.write",         "OAD-", "retry, hold, release and cancel mail that waits"),
    row(      "webhooks.read",       "OAD-", "webhooks and their calls, never their secrets"),
    row(      "webhooks.write",      "OAD-", "make, change, test and remove webhooks, and call again"),
    row(      "members.read",        "OADV", "who belongs to the account, and who is invited"),
    sensitive("members.write",       "OA--", "invite, change and remove members, and end their sessions"),
    row(      "audit.read",          "OA--", "who did what in the account"),
];

/// Whether what a right lets one do needs a login that is fresh; so does what the table does not know.
#[must_use]
pub fn is_sensitive(right: &str) -> bool {
    TABLE.iter().find(|row| row.right == right).is_none_or(|row| row.is_sensitive)
}

#[cfg(test)]
mod tests {
    use super::super::right::Right;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_right_stands_once_and_says_whose_it_is() {
        let names: HashSet<_> = TABLE.iter().map(|row| row.right).collect();
        assert_eq!(names.len(), TABLE.len());
        for row in TABLE {
            let (resource, verb) = row.right.split_once('.').unwrap_or((row.right, "send"));
            assert!(resource.bytes().all(|b| b.is_ascii_lowercase()), "{}", row.right);
            let verbs = ["read", "write", "export", "erase", "send"];
            assert!(verbs.contains(&verb), "{}", row.right);
            let columns = row.roles.chars().zip(Role::ALL);
            assert_eq!(row.roles.len(), Role::ALL.len(), "{}", row.right);
            for (letter, role) in columns {
                assert!(letter == role.letter() || letter == '-', "{} {letter}", row.right);
                assert_eq!(role.may(row.right), letter != '-', "{} {role:?}", row.right);
            }
        }
        assert!(Role::ALL.iter().all(|role| !role.may("spool.write") && !role.may("")));
    }

    /// Credentials carry the same rights, under the same names.
    #[test]
    fn the_rights_of_members_and_of_credentials_are_the_same() {
        let of_members: HashSet<_> = TABLE.iter().map(|row| row.right).collect();
        let of_credentials: HashSet<_> = Right::ALL.iter().map(|(_, name, _)| *name).collect();
        assert_eq!(of_members, of_credentials);
    }

    /// A role may do all that those below it may, and who changes a thing may see it.
    #[test]
    fn roles_grow_and_who_writes_reads() {
        for row in TABLE {
            for (more, less) in Role::ALL.into_iter().zip(Role::ALL.into_iter().skip(1)) {
                assert!(more > less);
                assert!(more.may(row.right) || !less.may(row.right), "{} {less:?}", row.right);
            }
            assert!(Role::Owner.may(row.right), "{}", row.right);
            if let Some(resource) = row.right.strip_suffix(".write") {
                let read = format!("{resource}.read");
                for role in Role::ALL.into_iter().filter(|role| role.may(row.right)) {
                    assert!(role.may(&read), "{role:?} {}", row.right);
                }
            }
            assert!(
                !row.right.ends_with(".write") || !Role::Viewer.may(row.right),
                "{}",
                row.right
            );
        }
    }

    #[test]
    fn only_owners_make_owners() {
        for role in Role::ALL {
            assert_eq!(role.may_appoint(Role::Owner), role == Role::Owner, "{role:?}");
            let is_high = matches!(role, Role::Owner | Role::Admin);
            assert_eq!(role.may_appoint(Role::Developer), is_high, "{role:?}");
            assert_eq!(Role::named(&role.name().to_uppercase()), Some(role));
            assert_eq!(serde_json::json!(role), serde_json::json!(role.name()));
        }
        assert_eq!(Role::named("root"), None);
    }
}
