//! The sites that mail goes to: which a domain belongs to, what binds each, how each stands. What is learned
//! here is told to the queue, which hands out what is due accordingly.

use super::Delivery;
use super::batch::Batch;
use super::outcome::ours;
use super::route::Targets;
use super::standing::Standing;
use crate::config::{Shape, Shaping};
use crate::mail::{Domain, Status, TlsDemand};
use crate::queue::{Attempt, Lease, Said, Site};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long mail waits that a suspension by a server's name keeps from a site that does not name it, until that
/// is looked at again.
const SUSPENDED_LOOK: Duration = Duration::from_secs(60);

/// How soon after it has moved a domain that moves again is restless, and how long it is a site by itself then.
const RESTLESS: Duration = Duration::from_secs(60);
const APART: Duration = Duration::from_secs(3600);
/// Most domains whose moves are remembered.
const MOVES_MAX: usize = 10_000;

/// When a domain moved last, and to which site.
struct Move {
    at: Duration,
    to: Site,
    /// It has moved again too soon: its servers are others at each look.
    is_restless: bool,
}

/// Domains that have moved from one site to another of late.
#[derive(Default)]
pub(super) struct Moves(Mutex<HashMap<Domain, Move>>);

impl Moves {
    fn all(&self) -> MutexGuard<'_, HashMap<Domain, Move>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a domain moves so often that it is a site by itself for now.
    fn is_restless(&self, domain: &Domain, now: Duration) -> bool {
        let all = self.all();
        let fits = |last: &Move| last.is_restless && now.saturating_sub(last.at) < APART;
        all.get(domain).is_some_and(fits)
    }

    /// Notes a move; whether the domain is restless by it. Of what was under way to the old site more than
    /// one may find out about the same move.
    fn note(&self, domain: &Domain, to: &Site, now: Duration) -> bool {
        let mut all = self.all();
        if all.len() >= MOVES_MAX && !all.contains_key(domain) {
            all.retain(|_, last| last.is_restless && now.saturating_sub(last.at) < APART);
            if all.len() >= MOVES_MAX {
                all.clear();
            }
        }
        let last = all.get(domain);
        let is_same = last.is_some_and(|last| last.to == *to);
        let is_soon = last.is_some_and(|last| now.saturating_sub(last.at) < RESTLESS);
        let is_restless = is_soon && !is_same;
        all.insert(domain.clone(), Move { at: now, to: to.clone(), is_restless });
        is_restless
    }
}

/// All sites that something is known of, and the shaping file.
pub(super) struct Sites {
    all: Mutex<HashMap<Site, Standing>>,
    shaping: Mutex<Arc<Shaping>>,
    moves: Moves,
    /// Sites whose outage has changed since it was written down.
    pub(super) changed: Mutex<HashSet<Site>>,
}

impl Sites {
    pub(super) fn new(shaping: Shaping) -> Self {
        Self {
            all: Mutex::default(),
            shaping: Mutex::new(Arc::new(shaping)),
            moves: Moves::default(),
            changed: Mutex::default(),
        }
    }

    pub(super) fn all(&self) -> MutexGuard<'_, HashMap<Site, Standing>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shaping(&self) -> Arc<Shaping> {
        self.shaping.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What binds a site with these servers.
    pub(super) fn of(
        &self,
        site: &Site,
        hosts: &[String],
    ) -> (Shape, crate::config::shaping::Sources) {
        let shaping = self.shaping();
        let apart = Domain::parse(site.as_str()).ok().filter(|domain| shaping.is_apart(domain));
        shaping.of(apart.as_ref(), &hosts.iter().map(String::as_str))
    }

    /// Marks an outage as one to be written down.
    fn mark(&self, site: &Site) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.insert(site.clone());
    }
}

impl Delivery {
    /// The site of a domain with these servers. A domain with a table of its own in the shaping file is a site
    /// by itself, and so is one with more servers than are looked at: which of them were seen is chance. So is
    /// one whose servers are others at each look.
    pub(super) fn site_of(&self, domain: &Domain, hosts: &[String]) -> Site {
        let most = self.parts.config.dns.mx_hosts_max as usize;
        let is_whole = !hosts.is_empty() && hosts.len() < most.max(2);
        let is_restless = self.sites.moves.is_restless(domain, self.steady());
        if !is_whole || is_restless || self.sites.shaping().is_apart(domain) {
            return Site::of(domain);
        }
        Site::among(hosts.iter().map(String::as_str))
    }

    /// Does something with a site as we know it, and tells the queue where that changes its limits.
    pub(super) fn with_site(&self, site: &Site, work: impl FnOnce(&mut Standing) -> bool) {
        let mut all = self.sites.all();
        if !all.contains_key(site) {
            self.make_room(&mut all);
            let hosts: Vec<String> = site.hosts().map(str::to_owned).collect();
            let shape = self.sites.of(site, &hosts);
            all.insert(site.clone(), Standing::new(hosts, shape));
        }
        if let Some(standing) = all.get_mut(site)
            && work(standing)
        {
            self.tell(site, standing);
        }
    }

    /// Forgets half of the sites of which nothing would be lost, those first that were not used for longest;
    /// where there are none, of all.
    fn make_room(&self, all: &mut HashMap<Site, Standing>) {
        let most = self.parts.config.delivery.sites_max.max(1) as usize;
        if all.len() < most {
            return;
        }
        for is_at_rest_only in [true, false] {
            let fits = |standing: &Standing| !is_at_rest_only || standing.is_at_rest();
            let mut used: Vec<_> = all.values().filter(|one| fits(one)).map(|s| s.used).collect();
            let middle = used.len() / 2;
            if used.is_empty() {
                continue;
            }
            let (_, until, _) = used.select_nth_unstable(middle);
            let until = *until;
            all.retain(|_, standing| !fits(standing) || standing.used > until);
            return;
        }
    }

    fn tell(&self, site: &Site, standing: &Standing) {
        let queue = &self.parts.queue;
        queue.shape(site, standing.limits(self.slots.share()));
        queue.pause(site, standing.outage_at(self.parts.world.clock.now()));
    }

    /// Whether a domain's mail waits in the queue of another site than the one its servers are; it does not
    /// any more.
    pub(super) fn moved(&self, domain: &Domain, hosts: &[String], site: &Site) -> bool {
        let mut right = self.site_of(domain, hosts);
        let own = Site::of(domain);
        if right != *site
            && right != own
            && *site != own
            && self.sites.moves.note(domain, &right, self.steady())
        {
            tracing::info!(%domain, "its servers are others at each look: it is a site by itself for now");
            right = own;
        }
        if right == *site {
            self.with_site(site, |standing| {
                // The servers of a site by itself may be others today.
                if standing.hosts != hosts {
                    standing.hosts = hosts.to_vec();
                    standing.reshape(self.sites.of(site, hosts));
                }
                true
            });
            return false;
        }
        let from = self.parts.queue.site(domain);
        if self.parts.queue.join(domain, &right) {
            tracing::debug!(%domain, site = %right, from = from.map(|site| site.to_string()), "joined");
        }
        self.with_site(&right, |_| true);
        true
    }

    /// Lets a domain be a site by itself: it has troubles that others with its servers have not.
    fn apart(&self, domain: &Domain) -> Site {
        let own = Site::of(domain);
        if self.parts.queue.join(domain, &own) {
            self.with_site(&own, |_| true);
        }
        own
    }

    fn steady(&self) -> Duration {
        self.parts.world.clock.steady()
    }

    /// The moment that an attempt begins.
    pub(super) fn begin(&self) -> Duration {
        self.steady()
    }

    /// Learns from the end of an attempt.
    pub(super) fn heard(&self, site: &Site, begun: Duration, attempt: &Attempt) {
        let (steady, now) = (self.steady(), self.parts.world.clock.now());
        self.with_site(site, |standing| {
            let before = standing.level();
            let changes = standing.heard(attempt, begun, steady, now);
            if standing.level() > before {
                metrics::counter!("relent_sites_slowed_total").increment(1);
                tracing::info!(%site, steps = standing.level(), "the site says that this is too much: slower");
            } else if changes {
                tracing::info!(%site, steps = standing.level(), "the site is served faster again");
            }
            changes
        });
    }

    /// Learns from a transaction: one message that was taken, for however many, and every refusal.
    pub(super) fn heard_all(&self, site: &Site, begun: Duration, batch: &Batch) {
        let mut is_taken = false;
        for attempt in batch.ended() {
            if !matches!(attempt, Attempt::Delivered(_)) || !std::mem::replace(&mut is_taken, true)
            {
                self.heard(site, begun, attempt);
            }
        }
    }

    /// A server of the site has been reached, for this domain.
    pub(super) fn reached(&self, site: &Site, domain: &Domain) {
        let steady = self.steady();
        self.with_site(site, |standing| {
            let was_out = standing.failures() > 0;
            let is_news = standing.reached(steady);
            if was_out {
                self.sites.mark(site);
                tracing::info!(%site, "reached again");
            }
            is_news
        });
        let own = Site::of(domain);
        if own != *site
            && let Some(standing) = self.sites.all().get_mut(&own)
            && standing.reached(steady)
        {
            self.sites.mark(&own);
        }
    }

    /// No server of a site could be reached for a domain: one attempt at a time finds out when it can.
    fn failed(&self, site: &Site, begun: Duration, said: &Said) {
        let (steady, now) = (self.steady(), self.parts.world.clock.now());
        self.with_site(site, |standing| {
            let counts = standing.unreached(said, begun, steady, now);
            if counts {
                self.sites.mark(site);
                let failures = standing.failures();
                if failures >= standing.shape.suspend_after {
                    metrics::counter!("relent_sites_suspended_total").increment(1);
                    let until = standing.outage().map(|outage| outage.until.to_string());
                    tracing::warn!(%site, failures, until, said = said.text,
                        "nobody reaches the site: it is left alone");
                }
            }
            counts
        });
    }

    /// A domain's servers could not be found out, or there are none.
    pub(super) async fn unrouted(
        &self,
        domain: &Domain,
        begun: Duration,
        lease: Lease,
        attempt: Attempt,
    ) {
        let own = self.apart(domain);
        match &attempt {
            Attempt::Deferred(said) => {
                self.failed(&own, begun, said);
                self.finish(lease, attempt).await;
            }
            _ => self.all(&own, domain, lease, attempt).await,
        }
    }

    /// No server was reached, or none that may be used for this domain.
    pub(super) async fn unreached(
        &self,
        site: &Site,
        domain: &Domain,
        begun: Duration,
        lease: Lease,
        attempt: Attempt,
    ) {
        self.missed(site, begun, &attempt);
        if matches!(&attempt, Attempt::Deferred(said) if is_terms(said)) {
            let own = self.apart(domain);
            return self.all(&own, domain, lease, attempt).await;
        }
        self.finish(lease, attempt).await;
    }

    /// Learns from an attempt that reached no server that may be used.
    pub(super) fn missed(&self, site: &Site, begun: Duration, attempt: &Attempt) {
        let Attempt::Deferred(said) = attempt else { return };
        if said.status == Status::new(4, 4, 5) {
            return; // the places for connections were taken: that is ours, and no word about the site
        }
        if is_terms(said) {
            return; // what mail to this domain demands of TLS was not met: others' mail is taken
        }
        self.heard(site, begun, attempt);
        if !self.pool.reached(site) {
            self.failed(site, begun, said);
        }
    }

    /// Ends all that is due for a domain alike, so that none of it is looked up for itself.
    async fn all(&self, own: &Site, domain: &Domain, lease: Lease, attempt: Attempt) {
        if !self.finish(lease, attempt.clone()).await {
            return;
        }
        // What TLS keeps from some mail it does not keep from mail that asks for none.
        let is_terms = matches!(&attempt, Attempt::Deferred(said) if is_terms(said));
        while let Some(lease) = self.parts.queue.lease(own, 1).await.pop() {
            let Some(lease) = self.judged(lease).await else { continue };
            let is_same = lease.domain() == Some(domain);
            let is_other = is_terms && lease.message.tls == TlsDemand::Optional;
            if !is_same || is_other || !self.finish(lease, attempt.clone()).await {
                return;
            }
        }
    }

    /// The lease again, where this connection may serve its domain: its mail waits in this site's queue, but
    /// its servers may be others by now. What is to be tried then is that domain's.
    pub(super) async fn fit(
        &self,
        site: &Site,
        host: &str,
        targets: &mut Targets,
        lease: Lease,
    ) -> Option<Lease> {
        let domain = lease.domain()?.clone();
        if targets.domain == domain {
            if let Some(attempt) = self.suspended(site, targets) {
                self.finish(lease, attempt).await;
                return None;
            }
            return Some(lease);
        }
        let begun = self.begin();
        let pool = targets.pool;
        *targets = match self.targets(&domain).await {
            Ok(targets) => targets,
            Err(attempt) => {
                self.unrouted(&domain, begun, lease, attempt).await;
                return None;
            }
        };
        // The connection is from that pool, and so is the next where this server turns away.
        targets.pool = pool;
        // Not of this connection, the lease is due at once: where it belongs, or by a new connection, in the
        // place that it has taken of the site's pace.
        let is_its = targets.names.iter().any(|name| is_same(name, host));
        if self.moved(&domain, &targets.names, site) {
            return None;
        }
        if is_its {
            return Some(lease);
        }
        self.finish(lease, Attempt::Untried).await;
        None
    }

    /// The operator's word that nothing goes to one of these servers, where the site does not name them: a
    /// domain that stands apart. The queue knows it by its own name alone.
    pub(super) fn suspended(&self, site: &Site, targets: &Targets) -> Option<Attempt> {
        if *site != Site::of(&targets.domain)
            || site.hosts().eq(targets.names.iter().map(String::as_str))
        {
            return None;
        }
        let servers = Site::among(targets.names.iter().map(String::as_str));
        let word = self.suspensions().ok()?.into_iter().find(|word| word.holds(&servers))?;
        let looked = self.parts.world.clock.now().after(SUSPENDED_LOOK);
        let until = word.until.map_or(looked, |until| until.min(looked));
        Some(Attempt::Waits { said: ours(None, Status::new(4, 4, 5), word.said()), until })
    }

    /// Most messages over one connection to a site.
    pub(super) fn messages_max(&self, site: &Site) -> u32 {
        let all = self.sites.all();
        all.get(site).map_or(1, |standing| standing.shape.messages_per_connection_max)
    }

    /// Most recipients of one message in one transaction with a site.
    pub fn recipients_max(&self, site: &Site) -> u32 {
        let all = self.sites.all();
        all.get(site).map_or(1, |standing| standing.shape.recipients_per_transaction_max)
    }

    /// Whether a site has more connections than it may.
    pub(super) fn is_crowded(&self, site: &Site) -> bool {
        self.pool.workers(site) > self.connections_max(site)
    }

    /// Most connections to a site now.
    pub(super) fn connections_max(&self, site: &Site) -> u32 {
        let share = self.slots.share();
        let all = self.sites.all();
        all.get(site).map_or(u32::MAX, |standing| standing.limits(share).connections)
    }

    /// Takes another shaping file: what it says holds from now on.
    pub fn reshape(&self, shaping: Shaping) {
        *self.sites.shaping.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(shaping);
        let mut all = self.sites.all();
        for (site, standing) in all.iter_mut() {
            standing.reshape(self.sites.of(site, &standing.hosts));
            self.tell(site, standing);
        }
    }

    /// Gives slowed sites what they have earned by time.
    pub(super) fn recover(&self) {
        let steady = self.steady();
        let mut all = self.sites.all();
        for (site, standing) in all.iter_mut() {
            if standing.recover(steady) {
                tracing::info!(%site, steps = standing.level(), "the site is served faster again");
                self.tell(site, standing);
            }
        }
    }
}

/// Whether mail was kept here because a server was not what it demands of TLS: we say so, not the server.
fn is_terms(said: &Said) -> bool {
    said.is_tls() && said.text.starts_with("not sent: ")
}

fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}
