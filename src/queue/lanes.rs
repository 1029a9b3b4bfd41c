//! Who is served next: sites in turn, within a site its accounts in turn, and of an account the domains that
//! it writes to in turn. What is due lies with its domain and is never moved: a domain that
//! joins another site takes it all along. No step walks what waits.

mod bars;

use super::shelf::Place;
use super::site::{Limits, Outage, Site, Suspension};
use crate::mail::{AccountId, Domain, Timestamp};
use bars::{Bar, Wake};
use slab::Slab;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Most domains without mail whose site is still remembered.
const IDLE_MAX: usize = 10_000;

/// A domain and what is due for it.
pub(super) struct Lane {
    pub(super) domain: Domain,
    site: u32,
    /// Recipients whose mail goes there.
    items: u64,
    /// Of them under attempt.
    active: u32,
    /// What is due, by account, oldest first. Some of it may have ended meanwhile.
    lines: HashMap<AccountId, VecDeque<Place>>,
    /// Its tickets in a site's rings are of this number; others are void.
    ticket: u64,
    /// The operator's word that nothing goes there.
    suspended: Option<Arc<Suspension>>,
    /// Whether it is among those without mail.
    idle: bool,
}

/// A site and whose turn it is there.
struct Berth {
    site: Site,
    lanes: u32,
    active: u32,
    /// Accounts with something due, in turn.
    ring: VecDeque<AccountId>,
    /// The lanes of each account with something due, in turn, each with its ticket.
    queues: HashMap<AccountId, VecDeque<(u32, u64)>>,
    /// Whether it waits for its turn among sites.
    turns: bool,
    /// Whether it waits until attempts at sites that were never reached become fewer.
    aside: bool,
    /// Its attempts that count as such.
    doubtful: u32,
    limits: Limits,
    /// When its pace lets the next message go, in microseconds.
    next: u64,
    suspended: Option<Arc<Suspension>>,
    outage: Option<Arc<Outage>>,
}

/// All of them.
pub(super) struct Lanes {
    lanes: Slab<Lane>,
    by_domain: HashMap<Domain, u32>,
    berths: Slab<Berth>,
    by_site: HashMap<Site, u32>,
    turns: VecDeque<u32>,
    /// Sites that were never reached, while others like them have all the attempts that they may.
    aside: VecDeque<u32>,
    /// Attempts at sites that were never reached, and how many there may be, so that they never hold all.
    doubtful: u32,
    doubtful_max: crate::config::Now<u32>,
    wakes: BTreeSet<(Timestamp, Wake)>,
    idle: VecDeque<u32>,
    tickets: u64,
    suspensions: Vec<Arc<Suspension>>,
    /// What holds for a site of which nothing was said.
    usual: Limits,
}

fn micros(at: Timestamp) -> u64 {
    at.0.saturating_mul(1000)
}

fn short(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

impl Lanes {
    /// None yet; `usual` binds sites of which nothing was said, and those that were never reached have
    /// `doubtful_max` attempts together.
    pub(super) fn new(usual: Limits, doubtful_max: crate::config::Now<u32>) -> Self {
        Self {
            lanes: Slab::new(),
            by_domain: HashMap::new(),
            berths: Slab::new(),
            by_site: HashMap::new(),
            turns: VecDeque::new(),
            aside: VecDeque::new(),
            doubtful: 0,
            doubtful_max,
            wakes: BTreeSet::new(),
            idle: VecDeque::new(),
            tickets: 0,
            suspensions: Vec::new(),
            usual,
        }
    }

    /// The domains and what goes to each.
    pub(super) fn domains(&self) -> impl Iterator<Item = (&Domain, u64)> {
        let busy = self.lanes.iter().filter(|(_, lane)| lane.items > 0);
        busy.map(|(_, lane)| (&lane.domain, lane.items))
    }

    /// A domain's place, while it is known.
    pub(super) fn find(&self, domain: &Domain) -> Option<u32> {
        self.by_domain.get(domain).copied()
    }

    /// The site that a domain belongs to, while it is known.
    pub(super) fn site(&self, domain: &Domain) -> Option<&Site> {
        let lane = self.lanes.get(self.find(domain)? as usize)?;
        Some(&self.berths.get(lane.site as usize)?.site)
    }

    fn berth(&mut self, site: &Site) -> u32 {
        if let Some(at) = self.by_site.get(site) {
            return *at;
        }
        let suspended = self.suspensions.iter().find(|word| word.holds(site)).cloned();
        let new = Berth {
            site: site.clone(),
            lanes: 0,
            active: 0,
            ring: VecDeque::new(),
            queues: HashMap::new(),
            turns: false,
            aside: false,
            doubtful: 0,
            limits: self.usual,
            next: 0,
            suspended,
            outage: None,
        };
        let at = u32::try_from(self.berths.insert(new)).expect("fewer than domains");
        self.by_site.insert(site.clone(), at);
        self.wake_at_end(Wake::Site(at));
        at
    }

    /// The place of a domain, made where it is new: one more recipient's mail goes there.
    pub(super) fn going_to(&mut self, domain: &Domain) -> u32 {
        if let Some(at) = self.find(domain)
            && let Some(known) = self.lanes.get_mut(at as usize)
        {
            known.items += 1;
            return at;
        }
        let site = self.berth(&Site::of(domain));
        self.berths[site as usize].lanes += 1;
        let word = self.suspensions.iter().find(|word| word.name == domain.as_str());
        self.tickets += 1;
        let new = Lane {
            domain: domain.clone(),
            site,
            items: 1,
            active: 0,
            lines: HashMap::new(),
            ticket: self.tickets,
            suspended: word.cloned(),
            idle: false,
        };
        let at = u32::try_from(self.lanes.insert(new)).expect("fewer than items");
        self.by_domain.insert(domain.clone(), at);
        self.wake_at_end(Wake::Lane(at));
        at
    }

    /// A recipient has ended, under attempt or not.
    pub(super) fn ended(&mut self, at: u32, was_active: bool) {
        if was_active {
            self.returned(at);
        }
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        lane.items = lane.items.saturating_sub(1);
        if lane.items == 0 && !std::mem::replace(&mut lane.idle, true) {
            self.idle.push_back(at);
            while self.idle.len() > IDLE_MAX {
                self.forget();
            }
        }
    }

    /// Forgets the domain that has been without mail for longest.
    fn forget(&mut self) {
        let Some(at) = self.idle.pop_front() else { return };
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        if lane.items > 0 || lane.active > 0 {
            lane.idle = false;
            return;
        }
        let gone = self.lanes.remove(at as usize);
        self.by_domain.remove(&gone.domain);
        self.left(gone.site);
    }

    /// A domain has left a site, which is forgotten with the last.
    fn left(&mut self, site: u32) {
        if let Some(berth) = self.berths.get_mut(site as usize) {
            berth.lanes = berth.lanes.saturating_sub(1);
            if berth.lanes == 0 {
                // All tickets there are void now.
                berth.ring.clear();
                berth.queues.clear();
            }
        }
        self.tidy(site);
    }

    fn tidy(&mut self, site: u32) {
        let is_left =
            |berth: &Berth| berth.lanes == 0 && berth.active == 0 && !berth.turns && !berth.aside;
        if self.berths.get(site as usize).is_some_and(is_left) {
            let gone = self.berths.remove(site as usize);
            self.by_site.remove(&gone.site);
        }
    }

    /// An attempt has ended: its place is free for another.
    pub(super) fn returned(&mut self, at: u32) {
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        lane.active = lane.active.saturating_sub(1);
        let site = lane.site;
        if let Some(berth) = self.berths.get_mut(site as usize) {
            berth.active = berth.active.saturating_sub(1);
            if berth.doubtful > 0 {
                berth.doubtful -= 1;
                self.doubtful = self.doubtful.saturating_sub(1);
                self.recall();
            }
        }
        self.consider(site);
    }

    /// Gives those that stood aside their turn, as many as there is room for.
    fn recall(&mut self) {
        if self.doubtful < self.doubtful_max.get()
            && let Some(site) = self.aside.pop_front()
            && let Some(berth) = self.berths.get_mut(site as usize)
        {
            berth.aside = false;
            self.consider(site);
            self.tidy(site);
        }
    }

    /// An attempt begins.
    pub(super) fn begun(&mut self, at: u32) {
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        lane.active += 1;
        if let Some(berth) = self.berths.get_mut(lane.site as usize) {
            berth.active += 1;
            if !berth.limits.proven {
                berth.doubtful += 1;
                self.doubtful += 1;
            }
        }
    }

    /// Something is due: behind what is due already, or before it where it was due before.
    pub(super) fn ready(&mut self, at: u32, account: AccountId, place: Place, first: bool) {
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        let line = lane.lines.entry(account).or_default();
        let waits = !line.is_empty();
        if first {
            line.push_front(place);
        } else {
            line.push_back(place);
        }
        let (ticket, site, is_open) = (lane.ticket, lane.site, lane.suspended.is_none());
        if !waits && is_open {
            self.enlist(site, account, at, ticket);
            self.consider(site);
        }
    }

    fn enlist(&mut self, site: u32, account: AccountId, at: u32, ticket: u64) {
        let Some(berth) = self.berths.get_mut(site as usize) else { return };
        let queue = berth.queues.entry(account).or_default();
        if queue.is_empty() {
            berth.ring.push_back(account);
        }
        queue.push_back((at, ticket));
    }

    /// Gives a site its turn, where something is due and it has none yet. Its pace is asked then.
    fn consider(&mut self, site: u32) {
        let Some(berth) = self.berths.get_mut(site as usize) else { return };
        let may = !berth.ring.is_empty() && berth.active < berth.limits.connections && !berth.aside;
        if may && !std::mem::replace(&mut berth.turns, true) {
            self.turns.push_back(site);
        }
    }

    /// The next site in turn.
    pub(super) fn turn(&mut self, now: Timestamp) -> Option<Site> {
        let doubtful_max = self.doubtful_max.get();
        loop {
            let Some(at) = self.turns.pop_front() else {
                // Who was called from aside may have had nothing any more.
                if self.aside.is_empty() || self.doubtful >= doubtful_max {
                    return None;
                }
                self.recall();
                continue;
            };
            let Some(berth) = self.berths.get_mut(at as usize) else { continue };
            if berth.ring.is_empty() {
                berth.turns = false;
                self.tidy(at);
                continue;
            }
            match berth.bar(now) {
                None if !berth.limits.proven && self.doubtful >= doubtful_max => {
                    (berth.turns, berth.aside) = (false, true);
                    self.aside.push_back(at);
                }
                None => {
                    self.turns.push_back(at);
                    return Some(berth.site.clone());
                }
                Some(bar) => {
                    berth.turns = false;
                    if let Bar::Until(until) = bar {
                        self.wakes.insert((until, Wake::Site(at)));
                    }
                }
            }
        }
    }

    /// Whether a site may be given another attempt now.
    pub(super) fn may(&self, site: &Site, now: Timestamp) -> Option<u32> {
        let at = *self.by_site.get(site)?;
        self.berths.get(at as usize)?.bar(now).is_none().then_some(at)
    }

    /// The next that is due at a site: of the account in turn, and of the domain in turn there.
    pub(super) fn pop(&mut self, site: u32) -> Option<(u32, Place)> {
        loop {
            let berth = self.berths.get_mut(site as usize)?;
            let account = berth.ring.pop_front()?;
            let Some(queue) = berth.queues.get_mut(&account) else { continue };
            let found = queue.pop_front();
            let mut taken = None;
            if let Some((at, ticket)) = found
                && let Some(lane) = self.lanes.get_mut(at as usize)
                && lane.ticket == ticket
                && let Some(line) = lane.lines.get_mut(&account)
            {
                taken = line.pop_front().map(|place| (at, place));
                if line.is_empty() {
                    lane.lines.remove(&account);
                } else {
                    queue.push_back((at, ticket));
                }
            }
            if queue.is_empty() {
                berth.queues.remove(&account);
            } else {
                berth.ring.push_back(account);
            }
            if taken.is_some() {
                return taken;
            }
        }
    }

    /// A message leaves for a site: the next waits as its pace says.
    pub(super) fn paid(&mut self, site: u32, now: Timestamp) {
        if let Some(berth) = self.berths.get_mut(site as usize)
            && let Some(interval) = berth.limits.interval
        {
            berth.next = berth.next.max(micros(now)).saturating_add(short(interval));
        }
    }

    /// It did not leave after all.
    pub(super) fn refund(&mut self, at: u32) {
        if let Some(lane) = self.lanes.get(at as usize)
            && let Some(berth) = self.berths.get_mut(lane.site as usize)
            && let Some(interval) = berth.limits.interval
        {
            berth.next = berth.next.saturating_sub(short(interval));
        }
    }

    /// Lets a domain belong to a site from now on; whether that is another than before.
    pub(super) fn join(&mut self, domain: &Domain, site: &Site) -> bool {
        let Some(at) = self.find(domain) else { return false };
        let new = self.berth(site);
        self.tickets += 1;
        let ticket = self.tickets;
        let Some(lane) = self.lanes.get_mut(at as usize) else { return false };
        if lane.site == new {
            return false;
        }
        let (old, active) = (std::mem::replace(&mut lane.site, new), lane.active);
        lane.ticket = ticket;
        let is_open = lane.suspended.is_none();
        let accounts: Vec<_> = lane.lines.keys().copied().collect();
        let mut doubtful = 0;
        if let Some(berth) = self.berths.get_mut(old as usize) {
            berth.active = berth.active.saturating_sub(active);
            doubtful = berth.doubtful.min(active);
            berth.doubtful -= doubtful;
        }
        let berth = &mut self.berths[new as usize];
        berth.lanes += 1;
        berth.active += active;
        if berth.limits.proven {
            self.doubtful = self.doubtful.saturating_sub(doubtful);
        } else {
            berth.doubtful += doubtful;
        }
        if is_open {
            accounts.into_iter().for_each(|account| self.enlist(new, account, at, ticket));
        }
        self.consider(old);
        self.consider(new);
        self.left(old);
        true
    }

    /// The first of a line.
    pub(super) fn first(&self, at: u32, account: AccountId) -> Option<Place> {
        self.lanes.get(at as usize)?.lines.get(&account)?.front().copied()
    }

    /// The first of a line goes to its end, or away. A line's last stays: with it goes the line's turn.
    pub(super) fn rotate(&mut self, at: u32, account: AccountId, stays: bool) {
        let lane = self.lanes.get_mut(at as usize);
        if let Some(line) = lane.and_then(|lane| lane.lines.get_mut(&account))
            && let Some(place) = line.pop_front()
            && (stays || line.is_empty())
        {
            line.push_back(place);
        }
    }
}
