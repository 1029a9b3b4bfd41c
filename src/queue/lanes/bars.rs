//! What keeps a site or a domain from its turn: the operator's word, an outage, its limits and its pace; and
//! when that ends.

use super::{Berth, Lanes, micros, short};
use crate::mail::{AccountId, Domain, Timestamp};
use crate::queue::site::{Limits, Outage, Site, SiteView, Suspension};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How much earlier than its pace says a message may leave, so that a fast pace does not hang on how fine the
/// timers are.
const AHEAD: Duration = Duration::from_millis(100);

/// What keeps a site or a domain from its turn.
pub(super) enum Bar {
    /// Until that moment.
    Until(Timestamp),
    /// Until somebody says otherwise, or an attempt ends.
    Closed,
}

/// Who is looked at when a bar ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    Site(u32),
    Lane(u32),
}

/// Whether the operator's word still holds; where it has an end, that.
fn bar(suspended: Option<&Arc<Suspension>>, now: Timestamp) -> Option<Bar> {
    match suspended?.until {
        None => Some(Bar::Closed),
        Some(until) => (until > now).then_some(Bar::Until(until)),
    }
}

impl Berth {
    /// What keeps it from its turn.
    pub(super) fn bar(&self, now: Timestamp) -> Option<Bar> {
        if let Some(bar) = bar(self.suspended.as_ref(), now) {
            return Some(bar);
        }
        if let Some(outage) = self.outage.as_ref().filter(|outage| outage.until > now) {
            return Some(Bar::Until(outage.until));
        }
        if self.active >= self.limits.connections {
            return Some(Bar::Closed);
        }
        let early = self.next.saturating_sub(short(AHEAD));
        let is_early = self.limits.interval.is_some() && early > micros(now);
        is_early.then(|| Bar::Until(Timestamp(early.div_ceil(1000))))
    }
}

impl Lanes {
    /// Opens what has waited until now; says when the next does.
    pub(in crate::queue) fn wake(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some((at, who)) = self.wakes.first().copied() {
            if at > now {
                return Some(at);
            }
            self.wakes.pop_first();
            match who {
                Wake::Site(site) => {
                    if let Some(berth) = self.berths.get_mut(site as usize)
                        && bar(berth.suspended.as_ref(), now).is_none()
                    {
                        berth.suspended = None;
                    }
                    self.consider(site);
                }
                Wake::Lane(lane) => {
                    let suspended =
                        self.lanes.get(lane as usize).and_then(|lane| lane.suspended.as_ref());
                    match bar(suspended, now) {
                        // Set back with the clock; the operator's word holds until its moment.
                        Some(Bar::Until(until)) => drop(self.wakes.insert((until, who))),
                        Some(Bar::Closed) => {}
                        None if suspended.is_some() => self.suspend_lane(lane, None),
                        None => {}
                    }
                }
            }
        }
        None
    }

    /// The clock went back by so much: what was to open by it opens by it still.
    pub(in crate::queue) fn set_back(&mut self, by: Duration) {
        let back = |at: Timestamp| Timestamp(at.0.saturating_sub(short(by) / 1000));
        self.wakes = self.wakes.iter().map(|(at, who)| (back(*at), *who)).collect();
        for (_, berth) in &mut self.berths {
            berth.next = berth.next.saturating_sub(short(by));
            if let Some(outage) = &mut berth.outage {
                let outage = Arc::make_mut(outage);
                outage.until = back(outage.until);
            }
        }
    }

    /// Says how fast a site is served.
    pub(in crate::queue) fn shape(&mut self, site: &Site, limits: Limits) {
        let Some(at) = self.by_site.get(site).copied() else { return };
        let berth = &mut self.berths[at as usize];
        berth.limits = limits;
        if limits.interval.is_none() {
            berth.next = 0;
        }
        if limits.proven {
            self.doubtful = self.doubtful.saturating_sub(std::mem::take(&mut berth.doubtful));
            berth.aside = false;
        }
        self.consider(at);
        self.recall();
    }

    /// Ends the pause of a domain's site, so that it is tried at once.
    pub(in crate::queue) fn open(&mut self, at: u32, now: Timestamp) {
        let Some(lane) = self.lanes.get(at as usize) else { return };
        let site = lane.site;
        if let Some(outage) = self.berths.get_mut(site as usize).and_then(|b| b.outage.as_mut())
            && outage.until > now
        {
            Arc::make_mut(outage).until = now;
            self.consider(site);
        }
    }

    /// Says that a site cannot be reached, or that it can.
    pub(in crate::queue) fn pause(&mut self, site: &Site, outage: Option<Outage>) {
        let Some(at) = self.by_site.get(site).copied() else { return };
        self.berths[at as usize].outage = outage.map(Arc::new);
        self.wake_at_end(Wake::Site(at));
        self.consider(at);
    }

    /// Has what is barred until a moment looked at then.
    pub(super) fn wake_at_end(&mut self, who: Wake) {
        let ends = match who {
            Wake::Site(at) => {
                let berth = &self.berths[at as usize];
                let outage = berth.outage.as_ref().map(|outage| outage.until);
                [berth.suspended.as_ref().and_then(|word| word.until), outage]
            }
            Wake::Lane(at) => {
                [self.lanes[at as usize].suspended.as_ref().and_then(|word| word.until), None]
            }
        };
        self.wakes.extend(ends.into_iter().flatten().map(|at| (at, who)));
    }

    fn suspend_lane(&mut self, at: u32, word: Option<Arc<Suspension>>) {
        self.tickets += 1;
        let ticket = self.tickets;
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        let was_open = lane.suspended.is_none();
        lane.suspended = word;
        let (is_open, site) = (lane.suspended.is_none(), lane.site);
        if was_open == is_open {
            return self.wake_at_end(Wake::Lane(at));
        }
        lane.ticket = ticket;
        let accounts: Vec<_> = lane.lines.keys().copied().collect();
        if is_open {
            accounts.into_iter().for_each(|account| self.enlist(site, account, at, ticket));
            self.consider(site);
        }
        self.wake_at_end(Wake::Lane(at));
    }

    /// All that the operator has suspended, in place of what it was.
    pub(in crate::queue) fn suspend(&mut self, all: Vec<Suspension>) {
        let before = std::mem::take(&mut self.suspensions);
        self.suspensions = all.into_iter().map(Arc::new).collect();
        for word in before.iter().chain(&self.suspensions.clone()) {
            if let Some(at) = Domain::parse(&word.name).ok().and_then(|domain| self.find(&domain)) {
                let word = self.suspensions.iter().find(|other| other.name == word.name).cloned();
                self.suspend_lane(at, word);
            }
        }
        let sites: Vec<u32> = self.by_site.values().copied().collect();
        for at in sites {
            let berth = &mut self.berths[at as usize];
            let word = self.suspensions.iter().find(|word| word.holds(&berth.site));
            berth.suspended = word.cloned();
            self.wake_at_end(Wake::Site(at));
            self.consider(at);
        }
    }

    /// Why what goes to this domain does not, where something keeps it: the operator, or an outage; and until
    /// when, where that has an end.
    pub(in crate::queue) fn stopped(
        &self,
        at: u32,
        now: Timestamp,
    ) -> Option<(String, Option<Timestamp>)> {
        let lane = self.lanes.get(at as usize)?;
        let berth = self.berths.get(lane.site as usize)?;
        let word = |word: &Option<Arc<Suspension>>| {
            let holds = bar(word.as_ref(), now).is_some();
            word.as_ref().filter(|_| holds).map(|word| (word.said(), word.until))
        };
        let out = || Some((outage(berth, now)?, berth.outage.as_ref().map(|one| one.until)));
        word(&lane.suspended).or_else(|| word(&berth.suspended)).or_else(out)
    }

    /// Whether the operator lets nothing go to a domain.
    pub(in crate::queue) fn is_suspended(&self, at: u32, now: Timestamp) -> bool {
        let Some(lane) = self.lanes.get(at as usize) else { return false };
        let berth = self.berths.get(lane.site as usize);
        let words = [lane.suspended.as_ref(), berth.and_then(|berth| berth.suspended.as_ref())];
        words.into_iter().any(|word| bar(word, now).is_some())
    }

    /// The outage of a domain's site.
    pub(in crate::queue) fn outage(&self, at: u32) -> Option<Arc<Outage>> {
        let lane = self.lanes.get(at as usize)?;
        self.berths.get(lane.site as usize)?.outage.clone()
    }

    /// Lines of sites in an outage: each domain with its account, and how many are due there.
    pub(in crate::queue) fn waiting_out(&self) -> Vec<(u32, AccountId, usize)> {
        let mut lines = Vec::new();
        for (at, lane) in &self.lanes {
            let berth = self.berths.get(lane.site as usize);
            if berth.is_some_and(|berth| berth.outage.is_some()) {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                lines.extend(lane.lines.iter().map(|(account, line)| (at, *account, line.len())));
            }
        }
        lines
    }

    /// The sites that mail goes to, or of which something is said.
    pub(in crate::queue) fn sites(&self, now: Timestamp, domains_max: usize) -> Vec<SiteView> {
        let mut views: HashMap<u32, SiteView> = HashMap::new();
        for (at, berth) in &self.berths {
            let suspended = bar(berth.suspended.as_ref(), now).and(berth.suspended.as_ref());
            let view = SiteView {
                site: berth.site.clone(),
                domains: Vec::new(),
                waiting: 0,
                active: berth.active,
                limits: berth.limits,
                stopped: suspended.map(|word| word.said()).or_else(|| outage(berth, now)),
            };
            views.insert(u32::try_from(at).unwrap_or(u32::MAX), view);
        }
        for (_, lane) in self.lanes.iter().filter(|(_, lane)| lane.items > 0) {
            if let Some(view) = views.get_mut(&lane.site) {
                view.waiting += lane.items;
                view.domains.push((lane.domain.clone(), lane.items));
            }
        }
        let mut views: Vec<_> = views.into_values().collect();
        for view in &mut views {
            view.domains.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.as_str().cmp(b.0.as_str())));
            view.domains.truncate(domains_max);
        }
        views.sort_by(|a, b| b.waiting.cmp(&a.waiting).then_with(|| a.site.cmp(&b.site)));
        views
    }
}

fn outage(berth: &Berth, now: Timestamp) -> Option<String> {
    let outage = berth.outage.as_ref().filter(|outage| outage.until > now)?;
    let (failures, until, text) = (outage.failures, outage.until, &outage.said.text);
    Some(format!("not reached {failures} times in a row, tried again at {until}: {text}"))
}
