//! Who acts: the operator, a credential, a member, a person, or Relent by itself.

use crate::events::record::Source;
use crate::mail::AccountId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// Nobody asked: a dead address became a stop, records were found published, a time was over.
    Relent,
    /// The operator, by the admin socket or beside a daemon that is down.
    Operator {
        /// The user of the system that spoke, as far as the system says.
        user: Option<String>,
    },
    /// A program with a credential.
    Credential {
        /// Whose.
        account: AccountId,
        /// The credential's name.
        name: String,
    },
    /// A member of an account. The number alone: an address would outlive the member here.
    Member {
        /// Of which account.
        account: AccountId,
        /// The member's number.
        number: u32,
    },
    /// The person whom it is about.
    Person {
        /// By what way.
        by: Source,
    },
}

impl Actor {
    /// The operator, as a user of the system.
    #[must_use]
    pub fn operator(user: Option<String>) -> Self {
        Self::Operator { user }
    }

    /// Whose act a change is that rests on words from `source`: the person's where they are, whoever
    /// carried them.
    #[must_use]
    pub fn or_person(&self, source: Source) -> Self {
        match (self, source) {
            (Self::Relent, Source::Complaint) => Self::Person { by: source },
            (Self::Relent, source) if source.is_own_act() => Self::Person { by: source },
            _ => self.clone(),
        }
    }

    /// Whether it is who a filter means: a kind as in `operator`, or one of them as in `operator:ann`.
    #[must_use]
    pub fn is(&self, wanted: &str) -> bool {
        let whole = self.to_string();
        whole == wanted || whole.split(':').next() == Some(wanted)
    }
}

impl fmt::Display for Actor {
    /// `operator:ann`, `credential:app`, `member:7`, `person:one_click`, `relent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relent => f.write_str("relent"),
            Self::Operator { user: None } => f.write_str("operator"),
            Self::Operator { user: Some(user) } => write!(f, "operator:{user}"),
            Self::Credential { name, .. } => write!(f, "credential:{name}"),
            Self::Member { number, .. } => write!(f, "member:{number}"),
            Self::Person { by } => write!(f, "person:{}", by.label()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persons_words_are_the_persons_act_unless_somebody_brought_them() {
        let person = Actor::Person { by: Source::OneClick };
        assert_eq!(Actor::Relent.or_person(Source::OneClick), person);
        assert_eq!(Actor::Relent.or_person(Source::Bounce), Actor::Relent);
        let operator = Actor::operator(Some("ann".into()));
        assert_eq!(operator.or_person(Source::Page), operator);
    }

    #[test]
    fn a_filter_names_a_kind_or_one_of_it() {
        let operator = Actor::operator(Some("ann".into()));
        for (wanted, is) in
            [("operator", true), ("operator:ann", true), ("operator:an", false), ("person", false)]
        {
            assert_eq!(operator.is(wanted), is, "{wanted}");
        }
    }
}
