//! Many recipients looked up at once, as an application does before it sends to a list: all records that
//! concern one of them are read in one look at the store.

use super::desk::{Policy, key};
use super::judge::judge;
use super::permit::Key;
use super::record::{Consent, Judgement, RecipientRecord, Suppression};
use crate::accounts::Stream;
use crate::mail::{AccountId, Address};
use crate::store::StoreFault;
use std::collections::HashMap;
use std::panic::resume_unwind;

/// From so many recipients on a second thread looks for half of them: each is hashed, read and understood on its
/// own, and most of the time goes into that.
const SHARED_FROM: usize = 128;

/// What the records say of one recipient.
type Found = (Vec<Suppression>, Vec<Consent>);

impl Policy {
    /// What policy says now of each of these on a stream, in their order: as [`Policy::judge`] of one.
    ///
    /// It reads from disk, some microseconds an address: ask for many on a thread that may wait.
    ///
    /// # Errors
    /// The store.
    pub fn judge_all(
        &self,
        stream: &Stream,
        addresses: &[Address],
    ) -> Result<Vec<Judgement>, StoreFault> {
        let now = self.world.clock.now();
        let found = self.found_all(stream.account, addresses)?;
        let judged = found.iter().map(|(stops, consents)| judge(stream, stops, consents, now));
        Ok(judged.collect())
    }

    /// The stops that concern each of these in an account, in their order: their own, their domain's and
    /// the global ones. Read as [`Policy::judge_all`] reads.
    ///
    /// # Errors
    /// The store.
    pub fn stops_all(
        &self,
        account: AccountId,
        addresses: &[Address],
    ) -> Result<Vec<Vec<Suppression>>, StoreFault> {
        let found = self.found_all(account, addresses)?;
        Ok(found.into_iter().map(|(stops, _)| stops).collect())
    }

    fn found_all(
        &self,
        account: AccountId,
        addresses: &[Address],
    ) -> Result<Vec<Found>, StoreFault> {
        if addresses.len() < SHARED_FROM {
            return self.found_by_one(account, addresses);
        }
        let (near, far) = addresses.split_at(addresses.len() / 2);
        std::thread::scope(|scope| {
            let look = || self.found_by_one(account, far);
            // Where there is no thread to be had, all is looked for here.
            let Ok(beside) = std::thread::Builder::new().spawn_scoped(scope, look) else {
                return self.found_by_one(account, addresses);
            };
            let found = self.found_by_one(account, near);
            let rest = beside.join().unwrap_or_else(|panic| resume_unwind(panic));
            let (mut found, rest) = (found?, rest?);
            found.extend(rest);
            Ok(found)
        })
    }

    fn found_by_one(
        &self,
        account: AccountId,
        addresses: &[Address],
    ) -> Result<Vec<Found>, StoreFault> {
        let mut owners = vec![account, AccountId::INSTALLATION];
        owners.dedup();
        let mut places: Vec<Vec<usize>> = vec![Vec::with_capacity(4); addresses.len()];
        let mut keys: Vec<Key> = Vec::with_capacity(addresses.len() * 4);
        for owner in owners {
            let hasher = self.accounts.hasher(owner)?;
            let mut domains = HashMap::new();
            for (address, places) in addresses.iter().zip(&mut places) {
                places.push(keys.len());
                keys.push(key(owner, hasher.address(address)));
                // Most of a list is at few domains.
                let domain = *domains.entry(address.domain()).or_insert_with(|| {
                    keys.push(key(owner, hasher.domain(address.domain())));
                    keys.len() - 1
                });
                places.push(domain);
            }
        }
        let records = self.store.get_many::<RecipientRecord, Key>(&keys)?;
        let found = places.into_iter().map(|places| {
            let mut found = Found::default();
            for record in places.into_iter().filter_map(|place| records[place].as_ref()) {
                found.0.extend_from_slice(&record.suppressions);
                found.1.extend_from_slice(&record.consents);
            }
            found
        });
        Ok(found.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{evidence, rig};
    use super::super::{Judgement, Subject};
    use super::*;
    use crate::events::record::{Reason, Scope, Source};
    use crate::mail::Domain;

    #[tokio::test]
    async fn many_are_judged_as_each_would_be() {
        let home = tempfile::tempdir().expect("a folder");
        let (_, policy, stream) = rig(home.path()).await;
        let account = stream.account;
        let person = |n: u32, domain: &str| Address::new(&format!("p{n}"), domain).expect("one");
        let (own, gone) = (person(1, "reader.example"), person(9, "gone.example"));
        let everywhere = person(2, "reader.example");
        let withdrawn = person(3, "reader.example");
        let domain = Subject::Domain(Domain::parse("gone.example").expect("a domain"));
        for (subject, scope) in [
            (Subject::Address(own.clone()), Scope::Stream(stream.id)),
            (Subject::Address(everywhere.clone()), Scope::Global),
            (domain, Scope::Account),
        ] {
            let source = evidence(Source::Operator);
            let stop = policy.suppress(account, subject, scope, Reason::Manual, source);
            stop.await.expect("store");
        }
        let at = crate::mail::Timestamp(5);
        let taken = policy.withdraw(&stream, &withdrawn, at, evidence(Source::Page));
        taken.await.expect("store");
        let mut all = vec![own.clone(), gone, everywhere, withdrawn, own];
        all.extend((100..400).map(|n| person(n, "reader.example")));
        let judged = policy.judge_all(&stream, &all).expect("store");
        for (address, judged) in all.iter().zip(&judged) {
            assert_eq!(policy.judge(&stream, address).expect("store"), *judged, "{address}");
        }
        let clear = judged.iter().filter(|judged| **judged == Judgement::Clear).count();
        assert_eq!(clear, 300);
        let stops = policy.stops_all(account, &all).expect("store");
        let counts: Vec<_> = stops.iter().take(5).map(Vec::len).collect();
        assert_eq!(counts, [1, 1, 1, 0, 1]);
        assert!(policy.judge_all(&stream, &[]).expect("store").is_empty());
    }
}
