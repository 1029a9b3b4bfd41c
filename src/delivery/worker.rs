//! A worker: one site, one connection at a time, one item after another.

use super::Delivery;
use super::dialog::Dialog;
use super::outcome::ours;
use super::pool::Place;
use super::route::Targets;
use super::transaction::Ended;
use crate::events::message::{Accepted, Origin};
use crate::mail::{RefusalClass, Status};
use crate::policy::Judgement;
use crate::queue::{Attempt, Lease, Site};
use crate::store::StoreFault;
use tokio_util::sync::CancellationToken;

/// Most items of other pools that a connection passes over for one of its own.
const LOOKED_MAX: usize = 16;

/// Whether an attempt's end says in words that this is too much.
fn is_rate(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Deferred(said) | Attempt::Failed { said, .. }
        if said.class == Some(RefusalClass::RateLimit))
}

impl Delivery {
    /// Serves a site, beginning with `lease`, until there is no more to do.
    pub(super) async fn work(
        &self,
        site: Site,
        lease: Lease,
        mut place: Place,
        shutdown: CancellationToken,
    ) {
        let Some(lease) = self.judged(lease).await else {
            return;
        };
        let pool = self.sources.pool_of(&self.parts.accounts, &lease);
        let now = self.parts.world.clock.now();
        if self.sources.is_spent(pool, now) {
            let (text, until) = self.sources.wait(pool, now);
            let said = ours(None, Status::new(4, 4, 5), text);
            self.finish(lease, Attempt::Waits { said, until }).await;
            return;
        }
        let Some(domain) = lease.domain().cloned() else { return };
        let begun = self.begin();
        let mut targets = match self.targets(&domain).await {
            Ok(targets) => targets,
            Err(attempt) => return self.unrouted(&domain, begun, lease, attempt).await,
        };
        if self.moved(&domain, &targets.names, &site) {
            return; // the lease is due at once, in its site's turn
        }
        if let Some(attempt) = self.suspended(&site, &targets) {
            self.finish(lease, attempt).await;
            return;
        }
        targets.pool = pool;
        if !self.seated(&mut place, &shutdown).await {
            return; // due again at once, as is what was given back for another connection
        }
        let mut dialog = match self.connect(&mut targets, &lease.message, &shutdown).await {
            Ok(dialog) => dialog,
            Err(Attempt::Untried) => return,
            Err(attempt @ Attempt::Waits { .. }) => {
                self.finish(lease, attempt).await;
                return;
            }
            Err(attempt) => {
                return self.unreached(&site, &domain, begun, lease, attempt).await;
            }
        };
        place.connected();
        self.reached(&site, &domain);
        let mut lease = lease;
        for sent in 1.. {
            let one = self.one(&site, dialog, lease, &mut targets, sent > 1, &shutdown);
            let Some(usable) = one.await else {
                return;
            };
            targets.forget();
            dialog = usable;
            if self.is_spent(&site, &dialog) || shutdown.is_cancelled() {
                break;
            }
            let next = loop {
                let Some(found) = self.more(&site, &mut dialog, &shutdown).await else {
                    break None;
                };
                if let Some(clear) = self.judged(found).await {
                    let host = dialog.target.host.name.clone();
                    break self.fit(&site, &host, &mut targets, clear).await;
                }
            };
            match next {
                Some(next) => lease = next,
                None => break,
            }
        }
        dialog.quit().await;
    }

    /// Whether a connection has had all the messages that it may have, by us or by the server's word.
    fn is_spent(&self, site: &Site, dialog: &Dialog) -> bool {
        let most = self.messages_max(site);
        dialog.begun >= dialog.offers.messages_max.map_or(most, |limit| limit.min(most))
    }

    /// Sends one item, at the next server where this one turns away; gives the connection back where
    /// it may serve on.
    async fn one(
        &self,
        site: &Site,
        dialog: Dialog,
        lease: Lease,
        targets: &mut Targets,
        reused: bool,
        shutdown: &CancellationToken,
    ) -> Option<Dialog> {
        let (mut dialog, mut reused) = (dialog, reused);
        let mut batch = self.batch(lease).await;
        batch.keep(self.recipients_max(site) as usize);
        loop {
            let now = self.parts.world.clock.now();
            match self.sources.take(&dialog.source, batch.open().len(), now).await {
                // What its address may send today is sent: the item is due again, from another.
                0 => {
                    dialog.quit().await;
                    return None;
                }
                room => batch.keep(room),
            }
            let begun = self.begin();
            let ended = self.transact(&mut dialog, &mut batch).await;
            self.scatter(&mut batch);
            self.heard_all(site, begun, &batch);
            let mut is_word = true;
            // Who is still open when the connection ends is due again at once.
            let attempt = match ended {
                Ended::Usable => {
                    let is_recorded = self.finish_ended(&mut batch).await;
                    if !is_recorded || batch.first().is_none() {
                        return is_recorded.then_some(dialog);
                    }
                    if !self.is_spent(site, &dialog) {
                        continue;
                    }
                    targets.again(dialog.target.clone());
                    None
                }
                Ended::Closed => {
                    drop(dialog);
                    self.finish_ended(&mut batch).await;
                    return None;
                }
                Ended::Cut(permits) => {
                    drop(dialog);
                    drop(permits);
                    self.finish_ended(&mut batch).await;
                    return None;
                }
                Ended::Again => {
                    targets.again(dialog.target.clone());
                    None
                }
                Ended::Elsewhere(attempt) => {
                    if std::mem::take(&mut reused) {
                        // It had enough of the connection, not of the message, nor of our pace unless it says so.
                        targets.again(dialog.target.clone());
                        is_word = is_rate(&attempt);
                    }
                    Some(attempt)
                }
                Ended::Unfit(attempt) => Some(attempt),
            };
            if let Some(attempt) = attempt {
                if is_word {
                    self.heard(site, begun, &attempt);
                }
                targets.failed(attempt);
            }
            drop(dialog);
            if !self.finish_ended(&mut batch).await {
                return None;
            }
            let message = batch.first().map(|lease| lease.message.clone())?;
            match self.connect(targets, &message, shutdown).await {
                Ok(next) => dialog = next,
                Err(attempt) => {
                    self.missed(site, begun, &attempt);
                    batch.end(&attempt);
                    self.finish_ended(&mut batch).await;
                    return None;
                }
            }
        }
    }

    /// The lease again, unless policy stops the item now.
    pub(super) async fn judged(&self, mut lease: Lease) -> Option<Lease> {
        let Origin::Submission { stream, .. } = &lease.message.origin else {
            return Some(lease);
        };
        let recipient = lease.message.recipients.get(lease.recipient.0 as usize)?;
        let said = match self.parts.accounts.stream_by_id(*stream) {
            Ok(Some(stream)) => self.parts.policy.judge(&stream, &recipient.address),
            // The permit decides about a stream that is not known.
            Ok(None) => Ok(Judgement::Clear),
            Err(fault) => Err(fault),
        };
        let said = match said {
            Ok(Judgement::Clear) => self.disowned(&lease.message),
            Ok(judgement) => Ok(Some(Attempt::Stopped(judgement))),
            Err(fault) => Err(fault),
        };
        let attempt = match said {
            Ok(None) => return Some(lease),
            Ok(Some(attempt)) => attempt,
            Err(fault) => {
                let text = format!("held: the records cannot be read: {fault}");
                Attempt::Held(ours(None, Status::new(4, 3, 0), text))
            }
        };
        // It ends alone: those that go along are judged for themselves.
        lease.along.clear();
        self.finish(lease, attempt).await;
        None
    }

    /// The failure of a message whose From names a domain that its account has no longer: it would
    /// leave unsigned, under a name that is somebody else's by now.
    fn disowned(&self, message: &Accepted) -> Result<Option<Attempt>, StoreFault> {
        let (Origin::Submission { account, .. }, Some(from)) = (&message.origin, &message.from)
        else {
            return Ok(None);
        };
        let domain = self.parts.accounts.domain(*account, from.domain())?;
        if domain.is_some_and(|domain| domain.may_send()) {
            return Ok(None);
        }
        let text = format!("{} is no verified domain of this account any more", from.domain());
        let said = ours(None, Status::new(5, 7, 1), text);
        Ok(Some(Attempt::Failed { said, dead_address: false }))
    }

    /// The next item of the site: one that is due, or one that comes while the connection is
    /// kept. None: the connection ends.
    async fn more(
        &self,
        site: &Site,
        dialog: &mut Dialog,
        shutdown: &CancellationToken,
    ) -> Option<Lease> {
        let servers = dialog.slot.as_ref().map(|slot| slot.servers().clone())?;
        // What the settings have taken away meanwhile is left.
        if self.is_crowded(site) || !self.sources.has(&dialog.source) {
            return None;
        }
        let pool = dialog.source.pool;
        let waiting = self.pool.idle(site, pool, servers.clone());
        // What leaves from other addresses is due again when this look ends, and finds its own connection.
        let mut of_others = Vec::new();
        while of_others.len() < LOOKED_MAX
            && let Some(lease) = self.parts.queue.lease(site, 1).await.pop()
        {
            if self.sources.pool_of(&self.parts.accounts, &lease) == pool {
                return Some(lease);
            }
            of_others.push(lease);
        }
        for lease in of_others {
            self.finish(lease, Attempt::Untried).await;
        }
        if self.slots.are_wanted(&servers) || self.workers.semaphore().available_permits() == 0 {
            // Somebody else may need the place.
            return None;
        }
        tokio::select! {
            biased;
            lease = waiting => lease.ok(),
            () = shutdown.cancelled() => None,
            () = dialog.gone() => None,
            () = tokio::time::sleep(self.parts.config.delivery.connection_idle.0) => None,
        }
    }
}
