//! Which of our addresses a connection comes from: the sender's pool, the weights, and how much a new
//! address may send today.

use super::warm_up::Meter;
use crate::accounts::Accounts;
use crate::config::{self, Live, Made, day_of};
use crate::events::message::Origin;
use crate::mail::Timestamp;
use crate::queue::Lease;
use crate::store::Store;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A pool, by its place; the first is the one of all mail that no other is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PoolNumber(usize);

/// Where a connection comes from. It serves mail of its pool alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    pub(super) pool: PoolNumber,
    /// The address and what is set of it; none: the system chooses.
    chosen: Option<Arc<config::Source>>,
}

impl Source {
    /// The address, where the system does not choose.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.chosen.as_ref().map(|chosen| chosen.address)
    }

    /// The name that it gives itself, where it has its own.
    pub(super) fn hostname(&self) -> Option<&str> {
        self.chosen.as_ref()?.hostname.as_deref()
    }
}

/// Why a pool has no address now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoSource {
    /// None is of the family asked for.
    Family,
    /// Each has sent what its warm-up lets it send today.
    Spent,
}

struct Pool {
    name: String,
    sources: Vec<Arc<config::Source>>,
}

/// All pools, as the settings have them.
struct Pools {
    /// None where the settings have a pool no more.
    pools: Vec<Option<Pool>>,
    by_sender: HashMap<String, PoolNumber>,
}

/// All pools, as the settings have them now.
pub(super) struct Sources {
    pools: Made<Pools>,
    turn: AtomicUsize,
    meter: Meter,
}

impl Pools {
    /// Those of the settings. A name keeps its number, so that a connection of one pool never serves another.
    fn of(settings: &config::Delivery, names: &Mutex<Vec<String>>) -> Self {
        let short = settings.source_addresses.iter().map(|address| config::Source {
            address: *address,
            weight: 1,
            hostname: None,
            warm_up_from: None,
            warm_up: Vec::new(),
        });
        let name = config::DEFAULT_POOL.to_owned();
        let mut pools = vec![Some(Pool { name, sources: short.map(Arc::new).collect() })];
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_sender = HashMap::new();
        for (name, pool) in settings.pools.iter().flatten() {
            let sources = pool.sources.iter().cloned().map(Arc::new).collect();
            if name == config::DEFAULT_POOL {
                pools[0] = Some(Pool { name: name.clone(), sources });
                continue;
            }
            let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            });
            // The first place is that of the pool without senders.
            let number = PoolNumber(place + 1);
            by_sender.extend(pool.senders.iter().map(|sender| (sender.clone(), number)));
            pools.resize_with(pools.len().max(number.0 + 1), || None);
            pools[number.0] = Some(Pool { name: name.clone(), sources });
        }
        Self { pools, by_sender }
    }

    /// A pool; where the settings have it no more, that of all mail.
    fn pool(&self, number: PoolNumber) -> &Pool {
        let named = self.pools.get(number.0).and_then(Option::as_ref);
        named.or(self.pools[0].as_ref()).expect("the first pool is always there")
    }

    fn all(&self) -> impl Iterator<Item = &Arc<config::Source>> {
        self.pools.iter().flatten().flat_map(|pool| &pool.sources)
    }
}

impl Sources {
    /// Those of the settings.
    pub(super) fn new(live: &Live, store: Store) -> Self {
        let names = Mutex::default();
        let pools = Made::new(live, move |config| Pools::of(&config.delivery, &names));
        Self { pools, turn: AtomicUsize::new(0), meter: Meter::new(store) }
    }

    /// The pool of a leased item's mail. Our own mail has no sender's.
    pub(super) fn pool_of(&self, accounts: &Accounts, lease: &Lease) -> PoolNumber {
        let Origin::Submission { account, stream, .. } = &lease.message.origin else {
            return PoolNumber::default();
        };
        let pools = self.pools.now();
        if pools.by_sender.is_empty() {
            return PoolNumber::default();
        }
        let account = accounts.account_by_id(*account).ok().flatten();
        let Some(account) = account else { return PoolNumber::default() };
        let stream = accounts.stream_by_id(*stream).ok().flatten();
        let own = stream.map(|stream| format!("{}/{}", account.name, stream.name));
        let own = own.and_then(|own| pools.by_sender.get(&own));
        own.or_else(|| pools.by_sender.get(&account.name)).copied().unwrap_or_default()
    }

    /// Whether mail may be sent from this address of ours.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.pools.now().all().any(|source| source.address == address)
    }

    /// Whether the settings still have a source in its pool.
    pub(super) fn has(&self, source: &Source) -> bool {
        let pools = self.pools.now();
        let sources = &pools.pool(source.pool).sources;
        match &source.chosen {
            Some(chosen) => sources.contains(chosen),
            None => sources.is_empty(),
        }
    }

    /// The next source of a pool for an address of this family, by weight.
    pub(super) fn choose(
        &self,
        number: PoolNumber,
        is_ipv4: bool,
        now: Timestamp,
    ) -> Result<Source, NoSource> {
        let pools = self.pools.now();
        let pool = pools.pool(number);
        if pool.sources.is_empty() {
            return Ok(Source { pool: number, chosen: None });
        }
        let of_family = pool.sources.iter().filter(|one| one.address.is_ipv4() == is_ipv4);
        let of_family: Vec<_> = of_family.collect();
        if of_family.is_empty() {
            return Err(NoSource::Family);
        }
        let fit: Vec<_> =
            of_family.into_iter().filter(|one| self.meter.left(one, day_of(now)) > 0).collect();
        let all: usize = fit.iter().map(|one| one.weight as usize).sum();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let Some(mut place) = turn.checked_rem(all) else { return Err(NoSource::Spent) };
        let chosen = fit.into_iter().find(|one| {
            let weight = one.weight as usize;
            let is_its = place < weight;
            place = place.saturating_sub(weight);
            is_its
        });
        Ok(Source { pool: number, chosen: chosen.cloned() })
    }

    /// Whether no address of a pool may send more today.
    pub(super) fn is_spent(&self, number: PoolNumber, now: Timestamp) -> bool {
        let pools = self.pools.now();
        let sources = &pools.pool(number).sources;
        !sources.is_empty() && sources.iter().all(|one| self.meter.left(one, day_of(now)) == 0)
    }

    /// Why mail waits for a pool's next day, and when that begins.
    pub(super) fn wait(&self, number: PoolNumber, now: Timestamp) -> (String, Timestamp) {
        let tomorrow = Timestamp((day_of(now) + 1) * 86_400_000);
        let pools = self.pools.now();
        let name = &pools.pool(number).name;
        let why = format!(
            "waits until {tomorrow}: the addresses of the pool `{name}` have sent what their warm-up \
             lets them send today"
        );
        (why, tomorrow)
    }

    /// Counts as many of so many messages as a source may still send today; how many.
    pub(super) async fn take(&self, source: &Source, count: usize, now: Timestamp) -> usize {
        match &source.chosen {
            Some(chosen) => self.meter.take(chosen, count, day_of(now)).await,
            None => count,
        }
    }

    /// Writes down what was sent, exactly.
    pub(super) async fn save(&self) {
        self.meter.save().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    const NOON: Timestamp = Timestamp(1_793_534_400_000);

    fn sources(folder: &std::path::Path, text: &str) -> Sources {
        let config: config::Config = toml::from_str(text).expect("settings");
        let store = Store::open(folder, &config.store, &World::real());
        Sources::new(&Live::new(config), store)
    }

    fn chosen(sources: &Sources, is_ipv4: bool) -> Result<String, NoSource> {
        let source = sources.choose(PoolNumber::default(), is_ipv4, NOON)?;
        Ok(source.address().map_or_else(String::new, |address| address.to_string()))
    }

    #[tokio::test]
    async fn addresses_have_their_turns_by_weight_and_family() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[delivery.pools.default]\nsources = [{ address = \"192.0.2.1\", weight = 3 },\
                    { address = \"192.0.2.2\" }, { address = \"2001:db8::1\" }]\n";
        let sources = sources(folder.path(), text);
        let turns: Vec<_> = (0..8).map(|_| chosen(&sources, true).expect("one")).collect();
        assert_eq!(turns.iter().filter(|one| *one == "192.0.2.1").count(), 6);
        assert_eq!(turns.iter().filter(|one| *one == "192.0.2.2").count(), 2);
        assert_eq!(chosen(&sources, false).as_deref(), Ok("2001:db8::1"));
    }

    #[tokio::test]
    async fn a_pool_without_the_family_has_no_address_and_one_without_any_leaves_it_to_the_system()
    {
        let folder = tempfile::tempdir().expect("a folder");
        let four = sources(folder.path(), "[delivery]\nsource_addresses = [\"192.0.2.1\"]\n");
        assert_eq!(chosen(&four, false), Err(NoSource::Family));
        assert!(four.contains([192, 0, 2, 1].into()) && !four.contains([192, 0, 2, 2].into()));
        drop(four);
        let other = tempfile::tempdir().expect("a folder");
        assert_eq!(chosen(&sources(other.path(), ""), true).as_deref(), Ok(""));
    }

    #[tokio::test]
    async fn what_a_new_address_may_not_send_goes_by_the_others_and_then_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "[delivery.pools.default]\nsources = [\
                    { address = \"192.0.2.1\", warm_up_from = \"2026-11-01\", warm_up = [3, 9] },\
                    { address = \"192.0.2.2\", warm_up_from = \"2026-11-01\", warm_up = [2] }]\n";
        let sources = sources(folder.path(), text);
        let of = |address: &str| {
            let pools = sources.pools.now();
            let mut found = pools.all().filter(|one| one.address.to_string() == address);
            Source { pool: PoolNumber::default(), chosen: found.next().cloned() }
        };
        assert_eq!(sources.take(&of("192.0.2.1"), 2, NOON).await, 2);
        assert_eq!(sources.take(&of("192.0.2.1"), 5, NOON).await, 1, "no more than is left");
        for _ in 0..4 {
            assert_eq!(chosen(&sources, true).as_deref(), Ok("192.0.2.2"));
        }
        assert!(!sources.is_spent(PoolNumber::default(), NOON));
        assert_eq!(sources.take(&of("192.0.2.2"), 2, NOON).await, 2);
        assert_eq!(chosen(&sources, true), Err(NoSource::Spent));
        assert!(sources.is_spent(PoolNumber::default(), NOON));
        let (why, until) = sources.wait(PoolNumber::default(), NOON);
        assert!(why.contains("2026-11-02T00:00:00Z") && why.contains("`default`"), "{why}");
        assert!(!sources.is_spent(PoolNumber::default(), until));
        assert_eq!(sources.take(&of("192.0.2.1"), 99, until).await, 9);
        assert_eq!(sources.take(&of("192.0.2.2"), 99, until).await, 99, "its warm-up is over");
    }
}
