//! What is counted of what becomes of mail.

use super::Said;
use crate::accounts::Accounts;
use crate::config::Now;
use crate::events::message::{Accepted, Origin, Outcome};
use crate::mail::{AccountId, Timestamp, provider};
use metrics::Counter;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The name of all accounts past those that have a name of their own.
const OTHER: &str = "other";

/// What mailbox providers judge an account by. The first `metrics.accounts_max` that have something to show are
/// named, under the name that they have then; what is known of the others is added up.
pub(super) struct Tally {
    accounts_max: Now<u32>,
    accounts: Mutex<HashMap<AccountId, Counts>>,
    other: Counts,
}

/// The counts of an account. One begins with the other, so that whoever divides finds both.
#[derive(Clone)]
struct Counts {
    delivered: Counter,
    complaints: Counter,
}

impl Counts {
    fn of(name: &str) -> Self {
        let name = name.to_owned();
        Self {
            delivered: metrics::counter!("relent_account_delivered_total", "account" => name.clone()),
            complaints: metrics::counter!("relent_account_complaints_total", "account" => name),
        }
    }
}

impl Tally {
    pub(super) fn new(accounts_max: impl Into<Now<u32>>) -> Self {
        let accounts_max = accounts_max.into();
        Self { accounts_max, accounts: Mutex::default(), other: Counts::of(OTHER) }
    }

    fn counts(&self, account: AccountId, accounts: &Accounts) -> Counts {
        let mut known = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = known.get(&account) {
            return counts.clone();
        }
        if known.len() >= self.accounts_max.get() as usize {
            return self.other.clone();
        }
        // What cannot be read now is asked for again.
        let Some(found) = accounts.account_by_id(account).ok().flatten() else {
            return self.other.clone();
        };
        let counts = Counts::of(&found.name);
        known.insert(account, counts.clone());
        counts
    }

    /// Somebody's complaint about an account's mail made a stop.
    pub(super) fn complained(&self, account: AccountId, accounts: &Accounts) {
        self.counts(account, accounts).complaints.increment(1);
    }

    /// An outcome that is written down.
    pub(super) fn ended(
        &self,
        message: &Accepted,
        outcome: &Outcome,
        said: &Said,
        at: Timestamp,
        accounts: &Accounts,
    ) {
        let name = outcome.name();
        metrics::counter!("relent_recipients_total", "outcome" => name).increment(1);
        if let (Some(class), Outcome::Deferred { .. } | Outcome::Failed { .. }) =
            (said.class, outcome)
        {
            metrics::counter!("relent_refusals_total", "class" => class.name()).increment(1);
        }
        if !matches!(
            outcome,
            Outcome::Delivered | Outcome::Deferred { .. } | Outcome::Failed { .. }
        ) {
            return;
        }
        let provider = provider(said.relay.as_deref().unwrap_or_default());
        metrics::counter!("relent_provider_attempts_total", "provider" => provider, "outcome" => name)
            .increment(1);
        if *outcome == Outcome::Delivered {
            let wanted = message.due();
            metrics::histogram!("relent_delivery_seconds").record(at.since(wanted).as_secs_f64());
            if let Origin::Submission { account, .. } = message.origin {
                self.counts(account, accounts).delivered.increment(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::world::World;

    #[tokio::test]
    async fn so_many_accounts_are_named_and_the_others_are_added_up() {
        let registry = crate::telemetry::metrics();
        let home = tempfile::tempdir().expect("a folder");
        let world = World::real();
        let store = Store::open(home.path(), &crate::config::Store::default(), &world);
        let accounts = Accounts::new(store, world);
        let mut ids = Vec::new();
        for name in ["tally-one", "tally-two", "tally-three"] {
            ids.push(accounts.add_account(name).await.expect("an account").id);
        }
        let tally = Tally::new(2);
        for id in ids.iter().chain(&ids) {
            tally.complained(*id, &accounts);
        }
        let shown = registry.render();
        let line = |name: &str, count: u32| {
            format!("relent_account_complaints_total{{account=\"{name}\"}} {count}\n")
        };
        assert!(shown.contains(&line("tally-one", 2)), "{shown}");
        assert!(shown.contains(&line("tally-two", 2)), "{shown}");
        assert!(!shown.contains("tally-three"), "{shown}");
        let other = shown
            .lines()
            .find(|l| l.starts_with("relent_account_complaints_total{account=\"other\"}"));
        let other: u64 = other.and_then(|l| l.rsplit(' ').next()?.parse().ok()).expect("a count");
        assert!(other >= 2, "{shown}");
        assert!(
            shown.contains("relent_account_delivered_total{account=\"tally-one\"} 0\n"),
            "{shown}"
        );
    }
}
