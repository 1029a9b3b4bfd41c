//! From what happened to mail to what may be sent: a remote's word that an address is dead becomes a
//! stop of the account's mail to it, with the reader's cursor in the same transaction.

#[cfg(test)]
mod tests;

use super::death::{Death, revive, site_of};
use super::desk::Policy;
use super::leap::{self, Shares};
use crate::events::record::{Evidence, Source};
use crate::events::{Cursor, Follower, MessageEvent, Origin, Outcome, Sequence, Spool};
use crate::mail::{AccountId, RecipientHash, Status};
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
        policy.show_alarms();
        let mut follower = loop {
            match Follower::open(spool.clone(), &policy.store, NAME, policy.settings.clone()) {
                Ok(follower) => break follower,
                Err(fault) => policy.pause(&fault.to_string()).await,
            }
        };
        let mut shares = Shares::default();
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
                let Some(answer) = answer_of(event) else {
                    continue;
                };
                let told = policy.learn(&mut shares, answer).await;
                let Some(change) = told else { continue };
                while !secured {
                    match follower.secure().await {
                        Ok(()) => secured = true,
                        Err(fault) => policy.pause(&fault.to_string()).await,
                    }
                }
                let past = Sequence(sequence.0 + 1);
                loop {
                    match policy.cross(&change, &shares, past).await {
                        Ok(()) => {
                            shares.saved();
                            follower.moved(past);
                            break;
                        }
                        // Its row alone is damaged: no mail goes by it, and trying again mends nothing.
                        Err(fault @ StoreFault::Damaged(_)) if policy.store.ready().is_ok() => {
                            let (account, hash) = change.whose();
                            tracing::error!(target: "relent::policy", %fault, %hash,
                                account = account.0, "a dead address could not be made a stop");
                            metrics::counter!("relent_crossing_failures_total").increment(1);
                            break;
                        }
                        Err(fault) => policy.pause(&fault.to_string()).await,
                    }
                }
            }
            if follower.is_due() {
                let changed = shares.changed();
                let saved = follower.save_with(&policy.store, move |t| leap::put(t, &changed));
                match saved.await {
                    Ok(true) => shares.saved(),
                    Ok(false) => {}
                    Err(fault) => policy.pause(&fault.to_string()).await,
                }
            }
        }
    };
    // Given up between two events: what was not moved past is read again at the next start.
    let _stopped = shutdown.run_until_cancelled(work).await;
}

/// What a site has said of a recipient, for good.
enum Answer {
    /// The mail was taken.
    Taken(AccountId, RecipientHash, String),
    /// It was refused, and the address may be right.
    Refused(String),
    /// The address is dead; whether a mail server that we asked said so, or DNS, or a bounce by mail, of which
    /// no share can be taken.
    Dead(Death, bool),
}

/// What follows for the records.
enum Change {
    /// An address is dead; whether its site's share has counted it.
    Dead(Death, bool),
    /// What was counted against an address, or is held of this site, is forgotten.
    Alive(AccountId, RecipientHash, String),
}

impl Change {
    fn whose(&self) -> (AccountId, RecipientHash) {
        match self {
            Self::Dead(death, _) => (death.account, death.hash),
            Self::Alive(account, hash, _) => (*account, *hash),
        }
    }
}

/// What an event says of an address: only mail of applications makes stops, not our own reports or
/// people's letters.
fn answer_of(event: MessageEvent) -> Option<Answer> {
    let MessageEvent::Recipient {
        message,
        origin: Origin::Submission { account, .. },
        to,
        outcome,
        relay,
        status,
        text,
        at,
        ..
    } = event
    else {
        return None;
    };
    let site = site_of(relay.as_deref(), to.address.domain());
    match outcome {
        Outcome::Delivered => Some(Answer::Taken(account, to.hash, site)),
        Outcome::Failed { dead_address: false } if relay.is_some() => Some(Answer::Refused(site)),
        Outcome::Failed { dead_address: true } => {
            let evidence = Evidence {
                source: Source::Delivery,
                text: said(status, relay.as_deref(), &text),
                ip: None,
                message: Some(message),
            };
            let (hash, address) = (to.hash, to.address);
            let is_answer = relay.is_some_and(|relay| !relay.starts_with('['));
            let death = Death { account, hash, address, evidence, at, message, site };
            Some(Answer::Dead(death, is_answer))
        }
        _ => None,
    }
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

    /// Counts an answer for its site, and says what else follows from it.
    async fn learn(&self, shares: &mut Shares, answer: Answer) -> Option<Change> {
        let (site, is_dead) = match &answer {
            Answer::Taken(_, _, site) | Answer::Refused(site) => (site.as_str(), false),
            Answer::Dead(death, true) => (death.site.as_str(), true),
            Answer::Dead(death, false) => return Some(Change::Dead(death.clone(), false)),
        };
        while let Err(fault) = shares.count(&self.store, &self.settings, (site, is_dead)) {
            if matches!(fault, StoreFault::Damaged(_)) && self.store.ready().is_ok() {
                tracing::error!(target: "relent::policy", %fault, site, "an answer is not counted");
                break;
            }
            self.pause(&fault.to_string()).await;
        }
        match answer {
            Answer::Dead(death, _) => Some(Change::Dead(death, true)),
            Answer::Refused(_) => None,
            Answer::Taken(account, hash, site) => {
                let counted = self.has_counted(account, hash);
                let held = || leap::may_be_held(&self.store, &site, (account, hash));
                match counted.and_then(|counted| Ok(counted || held()?)) {
                    Ok(false) => None,
                    // A row that cannot be read is met again in the transaction, which says so.
                    Ok(true) | Err(_) => Some(Change::Alive(account, hash, site)),
                }
            }
        }
    }

    /// Changes the records, moves the cursor and writes down what was counted, in one transaction. A
    /// stop that stands is left as it is.
    async fn cross(
        &self,
        change: &Change,
        shares: &Shares,
        past: Sequence,
    ) -> Result<(), StoreFault> {
        let (settings, changed) = (self.settings.clone(), shares.changed());
        let author = self.author.clone();
        let (is_new, buried, site) = match change {
            Change::Alive(account, hash, site) => {
                let (whose, site) = ((*account, *hash), site.clone());
                let done = self.store.transact(move |t| {
                    revive(t, whose, &site)?;
                    leap::put(t, &changed);
                    Cursor(past).put(t, NAME);
                    Ok(Ok::<_, Infallible>(()))
                });
                let Ok(()) = done.await?;
                return Ok(());
            }
            Change::Dead(death, is_counted) => {
                let (death, share) = (death.clone(), shares.of(&death.site));
                let is_counted = *is_counted;
                let site = death.site.clone();
                let done = self.store.transact(move |t| {
                    let settled = if is_counted {
                        leap::settle((&mut *t, &author), (&death, share), &settings)?
                    } else {
                        (leap::settle_uncounted((&mut *t, &author), &death, &settings)?, false)
                    };
                    leap::put(t, &changed);
                    Cursor(past).put(t, NAME);
                    Ok(Ok::<_, Infallible>(settled))
                });
                let Ok((buried, is_new)) = done.await?;
                (is_new, buried, site)
            }
        };
        metrics::counter!("relent_hard_bounces_total", "outcome" => buried.name()).increment(1);
        if is_new {
            tracing::error!(target: "relent::policy", site,
                "the site's share of dead addresses has leapt: suppressions are held until \
                 `relent suppression held apply` or `drop`");
            self.show_alarms();
        }
        Ok(())
    }
}
