//! From what happened to mail to what may be sent: a remote's word that an address is dead becomes a
//! stop of the account's mail to it, with the reader's cursor in the same transaction.

use super::desk::{Policy, key};
use super::record::{RecipientRecord, Suppression};
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::events::{Cursor, Follower, MessageEvent, Origin, Outcome, Sequence, Spool};
use crate::mail::{AccountId, Address, RecipientHash, Status, Timestamp};
use crate::store::StoreFault;
use std::convert::Infallible;
use tokio_util::sync::CancellationToken;

/// The reader's name, under which its cursor lies.
const NAME: &str = "crossing";
/// Characters of a remote's reply that are kept as evidence.
const EVIDENCE_MAX: usize = 1000;

/// Follows what happens to messages until shutdown. A fault of the disk or the records is tried again
/// after `queue.events_retry`; no message's failure ends it.
pub async fn run(spool: Spool, policy: Policy, shutdown: CancellationToken) {
    let work = async {
        let mut follower = loop {
            match Follower::open(spool.clone(), &policy.store, NAME, &policy.settings) {
                Ok(follower) => break follower,
                Err(fault) => policy.pause(&fault.to_string()).await,
            }
        };
        loop {
            let followed = match follower.next().await {
                Ok(followed) => followed,
                Err(fault) => {
                    policy.pause(&fault.to_string()).await;
                    continue;
                }
            };
            let mut secured = false;
            for (sequence, event) in followed.events {
                let Some(death) = death_of(event) else {
                    continue;
                };
                while !secured {
                    match follower.secure().await {
                        Ok(()) => secured = true,
                        Err(fault) => policy.pause(&fault.to_string()).await,
                    }
                }
                let past = Sequence(sequence.0 + 1);
                loop {
                    match policy.bury(&death, past).await {
                        Ok(()) => {
                            follower.moved(past);
                            break;
                        }
                        // Its row alone is damaged: no mail goes by it, and trying again mends nothing.
                        Err(fault @ StoreFault::Damaged(_)) if policy.store.ready().is_ok() => {
                            tracing::error!(target: "relent::policy", %fault, hash = %death.hash,
                                account = death.account.0, "a dead address could not be made a stop");
                            metrics::counter!("relent_crossing_failures_total").increment(1);
                            break;
                        }
                        Err(fault) => policy.pause(&fault.to_string()).await,
                    }
                }
            }
            if let Err(fault) = follower.save_when_due(&policy.store).await {
                policy.pause(&fault.to_string()).await;
            }
        }
    };
    // Given up between two events: what was not moved past is read again at the next start.
    let _stopped = shutdown.run_until_cancelled(work).await;
}

/// An address that a remote called dead.
struct Death {
    account: AccountId,
    hash: RecipientHash,
    address: Address,
    evidence: Evidence,
    at: Timestamp,
}

/// What an event says of a dead address: only mail of applications makes stops, not our own reports or
/// people's letters.
fn death_of(event: MessageEvent) -> Option<Death> {
    let MessageEvent::Recipient {
        message,
        origin: Origin::Submission { account, .. },
        to,
        outcome: Outcome::Failed { dead_address: true },
        relay,
        status,
        text,
        at,
        ..
    } = event
    else {
        return None;
    };
    Some(Death {
        account,
        hash: to.hash,
        address: to.address,
        evidence: Evidence {
            source: Source::Delivery,
            text: said(status, relay.as_deref(), &text),
            ip: None,
            message: Some(message),
        },
        at,
    })
}

fn said(status: Status, relay: Option<&str>, text: &str) -> String {
    let whole = match relay {
        Some(relay) => format!("{relay} said: {text} ({status})"),
        None => format!("{text} ({status})"),
    };
    whole.chars().take(EVIDENCE_MAX).collect()
}

impl Policy {
    async fn pause(&self, fault: &str) {
        tracing::warn!(target: "relent::policy", %fault,
            "failures could not be made into stops; tried again soon");
        tokio::time::sleep(self.settings.events_retry.0).await;
    }

    /// Records the stop and moves the cursor, in one transaction. A stop that stands is left as it is.
    async fn bury(&self, death: &Death, past: Sequence) -> Result<(), StoreFault> {
        let (account, hash) = (death.account, death.hash);
        let (address, evidence, at) = (death.address.clone(), death.evidence.clone(), death.at);
        let done = self.store.transact(move |t| {
            let mut kept = t.get::<RecipientRecord>(&key(account, hash))?.unwrap_or_default();
            kept.address.get_or_insert(address);
            let stop = Suppression {
                scope: Scope::Account,
                reason: Reason::HardBounce,
                evidence,
                at,
                sequence: 0,
            };
            super::change::stop(t, (account, hash), kept, stop)?;
            Cursor(past).put(t, NAME);
            Ok(Ok::<_, Infallible>(()))
        });
        match done.await? {
            Ok(()) => Ok(()),
            Err(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Accounts, Stream, StreamDraft, StreamKind, StreamRules};
    use crate::config;
    use crate::events::Recipient;
    use crate::events::message::owner;
    use crate::mail::{MessageId, RecipientNumber, StreamId};
    use crate::policy::{Judgement, Subject};
    use crate::store::Store;
    use crate::world::World;
    use std::path::Path;
    use std::time::Duration;

    struct Rig {
        spool: Spool,
        store: Store,
        accounts: Accounts,
        policy: Policy,
    }

    fn rig(home: &Path) -> Rig {
        let world = World::real();
        let store = Store::open(&home.join("store"), &config::Store::default(), &world);
        let (folder, settings) = (home.join("spool"), config::Spool::default());
        let opened = Spool::open(&folder, &settings, owner(Duration::from_secs(3600)), &world);
        let accounts = Accounts::new(store.clone(), world.clone());
        let mut settings = config::Queue::default();
        settings.events_delay.0 = Duration::ZERO;
        settings.events_save.0 = Duration::from_millis(10);
        let policy = Policy::new(accounts.clone(), store.clone(), world, &settings);
        Rig { spool: opened.expect("the spool opens").0, store, accounts, policy }
    }

    async fn stream(rig: &Rig) -> Stream {
        let account = rig.accounts.add_account("acme").await.expect("account");
        let draft = StreamDraft {
            name: "receipts".into(),
            kind: StreamKind::Transactional,
            consent_required: None,
            honour_opt_out: false,
            reply_to: None,
            rules: StreamRules::default(),
        };
        let made = rig.accounts.add_stream(account.id, draft).await;
        made.expect("stream")
    }

    fn failed(rig: &Rig, origin: Origin, to: &Address, dead_address: bool) -> MessageEvent {
        let hash = rig.accounts.hash(origin.account(), to).expect("hash");
        MessageEvent::Recipient {
            message: MessageId([4; 12]),
            origin,
            to: Recipient { address: to.clone(), hash },
            recipient: RecipientNumber(0),
            outcome: Outcome::Failed { dead_address },
            attempts: 1,
            relay: None,
            status: Status::new(5, 1, 1),
            text: "550 no such user".into(),
            at: Timestamp(1),
            class: None,
        }
    }

    fn submission(stream: &Stream) -> Origin {
        Origin::Submission { account: stream.account, stream: stream.id, credential: "app".into() }
    }

    /// Runs the crossing until it has saved its place past `end`.
    async fn cross(rig: &Rig, end: Sequence) {
        let shutdown = CancellationToken::new();
        let running = run(rig.spool.clone(), rig.policy.clone(), shutdown.clone());
        let running = tokio::spawn(running);
        let arrived = async {
            while Cursor::read(&rig.store, NAME).expect("store").0 <= end {
                tokio::task::yield_now().await;
            }
        };
        let arrived = tokio::time::timeout(Duration::from_secs(20), arrived).await;
        arrived.expect("the cursor moves past every event");
        shutdown.cancel();
        running.await.expect("the crossing");
    }

    async fn spooled(rig: &Rig, event: &MessageEvent) -> Sequence {
        let durability = crate::events::Durability::Synced;
        let written = rig.spool.append(vec![event.encode()], durability).await;
        written.expect("written")[0]
    }

    #[tokio::test]
    async fn a_dead_address_is_stopped_for_the_account_once() {
        let home = tempfile::tempdir().expect("a folder");
        let rig = rig(home.path());
        let stream = stream(&rig).await;
        let to = Address::parse("gone@example.com").expect("address");
        let event = failed(&rig, submission(&stream), &to, true);
        spooled(&rig, &event).await;
        let end = spooled(&rig, &event).await;
        cross(&rig, end).await;
        let Judgement::Suppressed(stop) = rig.policy.judge(&stream, &to).expect("store") else {
            unreachable!("the dead address may still be sent to");
        };
        assert_eq!((stop.scope, stop.reason), (Scope::Account, Reason::HardBounce));
        assert_eq!(stop.evidence.source, Source::Delivery);
        assert_eq!(stop.evidence.text, "550 no such user (5.1.1)");
        assert_eq!(stop.evidence.message, Some(MessageId([4; 12])));
        let subject = Subject::Address(to);
        let history = rig.policy.history(stream.account, &subject, 10);
        assert_eq!(history.expect("store").len(), 1);
        // What was crossed is not crossed again: a stop that was lifted since stays lifted.
        let evidence = Evidence { source: Source::Operator, ..stop.evidence };
        let (scope, reason) = (Scope::Account, Reason::HardBounce);
        let lifted = rig.policy.lift(stream.account, subject, scope, reason, evidence);
        assert!(lifted.await.expect("store"));
        let other = Address::parse("also-gone@example.com").expect("address");
        let end = spooled(&rig, &failed(&rig, submission(&stream), &other, true)).await;
        cross(&rig, end).await;
        let to = Address::parse("gone@example.com").expect("address");
        let judgement = rig.policy.judge(&stream, &to).expect("store");
        assert_eq!(judgement, Judgement::Clear);
        let judgement = rig.policy.judge(&stream, &other).expect("store");
        assert!(matches!(judgement, Judgement::Suppressed(_)));
    }

    #[tokio::test]
    async fn other_failures_and_our_own_reports_stop_nobody() {
        let home = tempfile::tempdir().expect("a folder");
        let rig = rig(home.path());
        let stream = stream(&rig).await;
        let to = Address::parse("full@example.com").expect("address");
        let report = Origin::Report { account: stream.account, about: MessageId([1; 12]) };
        let letter = Origin::Letter { account: stream.account, stream: Some(StreamId(1)) };
        spooled(&rig, &failed(&rig, submission(&stream), &to, false)).await;
        spooled(&rig, &failed(&rig, report, &to, true)).await;
        let end = spooled(&rig, &failed(&rig, letter, &to, true)).await;
        cross(&rig, end).await;
        let judgement = rig.policy.judge(&stream, &to).expect("store");
        assert_eq!(judgement, Judgement::Clear);
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_holds_up_no_other() {
        /// What is no recipient's record, where one should be.
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Junk(u64);
        impl crate::store::Record for Junk {
            const TABLE: crate::store::Table = crate::store::Table::Recipient;
            const VERSION: u8 = 250;
        }
        let home = tempfile::tempdir().expect("a folder");
        let rig = rig(home.path());
        let stream = stream(&rig).await;
        let broken = Address::parse("broken@example.com").expect("address");
        let gone = Address::parse("gone@example.com").expect("address");
        let hash = rig.accounts.hash(stream.account, &broken).expect("hash");
        let row = key(stream.account, hash);
        let put = rig.store.transact(move |t| {
            t.put(&row, &Junk(1));
            Ok(Ok::<_, Infallible>(()))
        });
        let _ = put.await.expect("store");
        spooled(&rig, &failed(&rig, submission(&stream), &broken, true)).await;
        let end = spooled(&rig, &failed(&rig, submission(&stream), &gone, true)).await;
        cross(&rig, end).await;
        let judgement = rig.policy.judge(&stream, &gone).expect("store");
        assert!(matches!(judgement, Judgement::Suppressed(_)));
        assert!(rig.policy.judge(&stream, &broken).is_err(), "no mail goes by a row like that");
    }
}
