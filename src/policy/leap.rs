//! A site whose share of dead addresses leaps is at fault itself: it has lost a directory, not its people.
//! Its norm is a slow average, its present a fast one. While it is under alarm nothing that it calls dead becomes
//! a stop; what would have is held until the operator decides.

use super::death::{Buried, Death, bury};
use super::desk::Policy;
use super::permit::Key;
use super::record::Settled;
use crate::config;
use crate::events::record::Source;
use crate::events::{Act, Author};
use crate::mail::{AccountId, Address, RecipientHash, Timestamp};
use crate::store::{Record, Store, StoreFault, Table, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

/// How many times more answers the norm spans than the present.
const SLOWER: f64 = 50.0;
/// Sites whose shares are kept in memory at a time.
const SITES_MAX: usize = 20_000;
/// Held stops that are settled in one transaction.
const TOGETHER: usize = 500;
/// Most alarms that are looked at.
const ALARMS_MAX: usize = 10_000;
/// Under which keys alarms lie.
const PREFIX: &str = "alarm/";

/// A site's share of dead addresses among the recipients that it answered about. Kept since the first dead
/// one; written by the crossing alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Share {
    answered: u64,
    /// Among about as many answers as `queue.dead_share_answers` says.
    recent: f64,
    /// Among many times as many.
    norm: f64,
}

impl Record for Share {
    const TABLE: Table = Table::DeadShare;
}

#[allow(clippy::cast_precision_loss, reason = "counts of answers lie far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

fn norm_min(settings: &config::Queue) -> f64 {
    f64::from(settings.dead_share_norm_min_percent) / 100.0
}

impl Share {
    fn new(settings: &config::Queue) -> Self {
        Self { answered: 0, recent: 0.0, norm: norm_min(settings) }
    }

    /// Counts an answer. Under alarm what is dead does not raise the norm.
    fn count(&mut self, is_dead: bool, is_alarmed: bool, settings: &config::Queue) {
        let (dead, span) = (f64::from(u8::from(is_dead)), settings.dead_share_answers.max(1));
        self.answered = self.answered.saturating_add(1);
        self.recent += (dead - self.recent) / float(self.answered.min(span.into()));
        if !is_alarmed {
            self.norm += (dead - self.norm) / (f64::from(span) * SLOWER);
        }
    }

    fn leaps(&self, settings: &config::Queue) -> bool {
        let norm = self.norm.max(norm_min(settings));
        settings.dead_share_leap > 0
            && self.answered >= settings.dead_share_answers.into()
            && self.recent > norm * f64::from(settings.dead_share_leap)
    }
}

/// A site under alarm, or one whose alarm the operator has ended and the crossing has not yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Whose servers.
    pub site: String,
    /// Since when.
    pub since: Timestamp,
    /// The share of dead addresses that raised it.
    pub share: f64,
    /// The share that is usual.
    pub norm: f64,
    /// How many stops are held.
    pub held: u64,
    /// How it ended.
    end: Option<Verb>,
}

impl Record for Alarm {
    const TABLE: Table = Table::Meta;
}

/// What becomes of held stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    /// The addresses are dead: they are stopped, and the share is the site's norm from now on.
    Apply,
    /// The site was at fault: nothing is stopped.
    Drop,
}

/// A stop that is held, by site, account and recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeldStop(Death);

impl HeldStop {
    /// Whose stop is held.
    pub(super) fn whose(&self) -> (AccountId, RecipientHash) {
        (self.0.account, self.0.hash)
    }
}

impl Record for HeldStop {
    const TABLE: Table = Table::HeldStop;
}

fn alarm_key(site: &str) -> Vec<u8> {
    format!("{PREFIX}{site}").into_bytes()
}

fn site_key(site: &str) -> Vec<u8> {
    [site.as_bytes(), b"\0"].concat()
}

fn held_at(site: &str, (account, hash): (AccountId, RecipientHash)) -> Vec<u8> {
    [&site_key(site)[..], &super::desk::key(account, hash)].concat()
}

fn held_key(death: &Death) -> Vec<u8> {
    held_at(&death.site, (death.account, death.hash))
}

impl Alarm {
    /// The alarm that a site is under.
    pub(super) fn standing(t: &Transaction<'_>, site: &str) -> Result<Option<Self>, StoreFault> {
        let found = t.get::<Self>(&alarm_key(site))?;
        Ok(found.filter(|alarm| alarm.end.is_none()))
    }

    /// Keeps a stop for the operator, once; past `queue.suppressions_held_max` it is let go: a dead address
    /// will say so again.
    pub(super) fn hold(
        mut self,
        t: &mut Transaction<'_>,
        death: &Death,
        settings: &config::Queue,
    ) -> Result<Buried, StoreFault> {
        let place = held_key(death);
        let is_new = t.get::<HeldStop>(&place)?.is_none();
        if is_new && self.held < settings.suppressions_held_max {
            t.put(&place, &HeldStop(death.clone()));
            self.held += 1;
        }
        t.put(&alarm_key(&self.site), &self);
        Ok(Buried::Held)
    }
}

/// Shares as the crossing has counted them, and which of them are not on disk yet.
#[derive(Default)]
pub(super) struct Shares {
    /// None: nothing of the site was ever called dead.
    known: HashMap<String, Option<Share>>,
    changed: HashSet<String>,
}

impl Shares {
    /// Counts an answer of a site.
    pub(super) fn count(
        &mut self,
        store: &Store,
        settings: &config::Queue,
        (site, is_dead): (&str, bool),
    ) -> Result<(), StoreFault> {
        if !self.known.contains_key(site) {
            if self.known.len() >= SITES_MAX && self.changed.is_empty() {
                self.known.clear();
            }
            let kept = store.get::<Share>(site.as_bytes())?;
            self.known.insert(site.to_owned(), kept);
        }
        let Some(share) = self.known.get_mut(site) else { return Ok(()) };
        if share.is_none() && !is_dead {
            return Ok(());
        }
        let kept = if is_dead { store.get::<Alarm>(&alarm_key(site))? } else { None };
        let share = share.get_or_insert_with(|| Share::new(settings));
        // The operator may have decided about the last leap.
        let is_alarmed = match kept.map(|alarm| (alarm.share, alarm.end)) {
            Some((at, Some(Verb::Apply))) => {
                share.norm = share.norm.max(share.recent).max(at);
                false
            }
            Some((_, Some(Verb::Drop))) => {
                share.recent = share.norm.min(share.recent);
                false
            }
            Some((_, None)) => true,
            None => false,
        };
        share.count(is_dead, is_alarmed, settings);
        self.changed.insert(site.to_owned());
        Ok(())
    }

    /// What must be written: all that has changed.
    pub(super) fn changed(&self) -> Vec<(String, Share)> {
        let share = |site: &String| Some((site.clone(), (*self.known.get(site)?)?));
        self.changed.iter().filter_map(share).collect()
    }

    /// All of it was written.
    pub(super) fn saved(&mut self) {
        self.changed.clear();
        if self.known.len() >= SITES_MAX {
            self.known.clear();
        }
    }

    pub(super) fn of(&self, site: &str) -> Option<Share> {
        *self.known.get(site)?
    }
}

/// Writes shares down.
pub(super) fn put(t: &mut Transaction<'_>, changed: &[(String, Share)]) {
    changed.iter().for_each(|(site, share)| t.put(site.as_bytes(), share));
}

/// What a dead address comes to where its site has this share: an alarm that is raised, or stands, holds
/// it. True with it where the alarm is new.
pub(super) fn settle(
    (t, author): (&mut Transaction<'_>, &Author),
    (death, share): (&Death, Option<Share>),
    settings: &config::Queue,
) -> Result<(Buried, bool), StoreFault> {
    let place = alarm_key(&death.site);
    let found = t.get::<Alarm>(&place)?;
    if let Some(alarm) = found.as_ref().filter(|alarm| alarm.end.is_none()) {
        return Ok((alarm.clone().hold(t, death, settings)?, false));
    }
    if let Some(share) = share.filter(|share| share.leaps(settings)) {
        let alarm = Alarm {
            site: death.site.clone(),
            since: death.at,
            share: share.recent,
            norm: share.norm,
            held: 0,
            end: None,
        };
        return Ok((alarm.hold(t, death, settings)?, true));
    }
    if found.is_some() {
        t.remove::<Alarm>(&place);
    }
    Ok((bury((t, author), death, settings)?, false))
}

/// What a dead address comes to that was not counted: no share says anything of it, so that it neither
/// raises an alarm nor ends what the operator's decision about one has left for the next count.
pub(super) fn settle_uncounted(
    (t, author): (&mut Transaction<'_>, &Author),
    death: &Death,
    settings: &config::Queue,
) -> Result<Buried, StoreFault> {
    match Alarm::standing(t, &death.site)? {
        Some(alarm) => alarm.hold(t, death, settings),
        None => bury((t, author), death, settings),
    }
}

/// Whether a stop may be held for a recipient of a site, which a delivery lets go.
pub(super) fn may_be_held(
    store: &Store,
    site: &str,
    whose: (AccountId, RecipientHash),
) -> Result<bool, StoreFault> {
    let alarm = store.get::<Alarm>(&alarm_key(site))?;
    if alarm.is_none_or(|alarm| alarm.end.is_some()) {
        return Ok(false);
    }
    Ok(store.get::<HeldStop>(&held_at(site, whose))?.is_some())
}

/// Lets a held stop go, since the site has taken mail for its recipient meanwhile. What came as a bounce by
/// mail stays held: such servers take everything first.
pub(super) fn let_go(
    t: &mut Transaction<'_>,
    site: &str,
    whose: (AccountId, RecipientHash),
) -> Result<(), StoreFault> {
    let place = held_at(site, whose);
    let Some(mut alarm) = Alarm::standing(t, site)? else { return Ok(()) };
    let held = t.get::<HeldStop>(&place)?;
    if held.is_some_and(|HeldStop(death)| death.evidence.source != Source::Bounce) {
        t.remove::<HeldStop>(&place);
        alarm.held = alarm.held.saturating_sub(1);
        t.put(&alarm_key(site), &alarm);
    }
    Ok(())
}

/// What became of a page of held stops.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Released {
    /// How many were let go or dropped.
    pub count: u64,
    /// To whom mail is stopped now.
    pub stopped: Vec<(AccountId, RecipientHash, Address)>,
    /// Whether more of the site are held.
    pub more: bool,
    /// Whether a message to one of them may still arrive: its last bytes were being written.
    pub in_flight: bool,
}

impl Policy {
    /// The sites under alarm.
    ///
    /// # Errors
    /// The store.
    pub fn alarms(&self) -> Result<Vec<Alarm>, StoreFault> {
        let found = self.store.scan::<Alarm>(PREFIX.as_bytes(), None, ALARMS_MAX)?;
        Ok(found.into_iter().map(|(_, alarm)| alarm).filter(|a| a.end.is_none()).collect())
    }

    /// Says to those who watch how many sites are under alarm.
    pub(super) fn show_alarms(&self) {
        if let Ok(alarms) = self.alarms() {
            let count = u32::try_from(alarms.len()).unwrap_or(u32::MAX);
            metrics::gauge!("relent_dead_share_alarm").set(count);
        }
    }

    /// Stops that are held for a site, at most `limit`, after the one given.
    ///
    /// # Errors
    /// The store.
    pub fn held(
        &self,
        site: &str,
        after: Option<(AccountId, RecipientHash)>,
        limit: usize,
    ) -> Result<Vec<Death>, StoreFault> {
        let prefix = site_key(site);
        let after =
            after.map(|(account, hash)| [&prefix[..], &super::desk::key(account, hash)].concat());
        let found = self.store.scan::<HeldStop>(&prefix, after.as_deref(), limit)?;
        Ok(found.into_iter().map(|(_, HeldStop(death))| death).collect())
    }

    /// Makes stops of what is held for a site, or drops it: a page of it at a time. The last ends the alarm.
    ///
    /// # Errors
    /// The store.
    pub async fn decide_held(&self, site: &str, verb: Verb) -> Result<Released, StoreFault> {
        let (place, settings) = (alarm_key(site), self.settings.clone());
        let author = self.author.clone();
        let page = self.held(site, None, TOGETHER)?;
        let done = self.store.transact(move |t| {
            let mut released = Released::default();
            let Some(mut alarm) = t.get::<Alarm>(&place)?.filter(|alarm| alarm.end.is_none())
            else {
                return Ok(Ok::<_, Infallible>(released));
            };
            let was_empty = page.is_empty();
            for death in page {
                let key = held_key(&death);
                if t.get::<HeldStop>(&key)?.is_none() {
                    continue;
                }
                t.remove::<HeldStop>(&key);
                released.count += 1;
                if verb == Verb::Apply
                    && let Buried::Stopped(_) = bury((&mut *t, &author), &death, &settings)?
                {
                    released.stopped.push((death.account, death.hash, death.address));
                }
            }
            // It is looked once more than there is something to find: one may be held just now.
            released.more = !was_empty || alarm.held > 0;
            alarm.held = if was_empty { 0 } else { alarm.held.saturating_sub(released.count) };
            alarm.end = (!released.more).then_some(verb);
            t.put(&place, &alarm);
            let kind = match verb {
                Verb::Apply => "suppression.held_applied",
                Verb::Drop => "suppression.held_dropped",
            };
            let act = Act::new(AccountId::INSTALLATION, kind).about(&alarm.site);
            author.write(t, act.with("count", released.count))?;
            Ok(Ok(released))
        });
        let Ok(mut released) = done.await?;
        let place = |(account, hash, _): &(AccountId, RecipientHash, Address)| -> Key {
            super::desk::key(*account, *hash)
        };
        let keys = released.stopped.iter().map(place).collect();
        released.in_flight = self.settle_all(keys).await == Settled::WithDotInFlight;
        self.show_alarms();
        Ok(released)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(answers: &[(u32, u32)]) -> Share {
        let settings = config::Queue::default();
        let mut share = Share::new(&settings);
        for (count, dead_of_hundred) in answers {
            for number in 0..*count {
                // Spread evenly, as mail comes.
                let is_dead =
                    number * dead_of_hundred / 100 != (number + 1) * dead_of_hundred / 100;
                share.count(is_dead, false, &settings);
            }
        }
        share
    }

    #[test]
    fn a_share_leaps_at_five_times_its_norm_and_not_before_there_are_enough_answers() {
        let settings = config::Queue::default();
        for (answers, leaps) in [
            (&[(99, 100)][..], false),
            (&[(100, 100)], true),
            (&[(10_000, 3)], false),
            (&[(10_000, 3), (30, 100)], true),
            (&[(10_000, 3), (300, 10)], false),
            // A site with many dead addresses is known as one.
            (&[(20_000, 10)], false),
            (&[(20_000, 10), (300, 40)], false),
            (&[(20_000, 10), (300, 80)], true),
            (&[(20_000, 0), (9, 100)], false),
            (&[(20_000, 0), (15, 100)], true),
        ] {
            let share = after(answers);
            assert_eq!(share.leaps(&settings), leaps, "{answers:?}: {share:?}");
        }
        let never = config::Queue { dead_share_leap: 0, ..config::Queue::default() };
        assert!(!after(&[(1000, 100)]).leaps(&never));
    }
}
