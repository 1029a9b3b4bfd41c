//! Settings that may change while the daemon runs. Whoever is handed [`Live`] reads it as it would read
//! settings that never change, and finds those that hold now.
//!
//! Each set of settings that held is kept until the end, so that what was read of it stays readable without
//! a lock or a count; how many there may be is a setting too.

use super::Config;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use tokio::sync::watch;

/// The settings that hold now. Cheap to clone; every clone sees a change.
#[derive(Clone)]
pub struct Live(Arc<Kept>);

struct Kept {
    /// All that ever held, in their order.
    sets: Box<[OnceLock<Box<Config>>]>,
    newest: AtomicUsize,
    changed: watch::Sender<usize>,
    turn: Mutex<()>,
}

/// So many changes have been taken as `process.reloads_max` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "process.reloads_max: the settings were changed {0} times since the start, and each set is kept: \
     restart the daemon"
)]
pub struct TooManyReloads(pub u32);

impl Live {
    /// These settings, until others take their place.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let most = config.process.reloads_max as usize + 1;
        let sets: Box<[_]> = (0..most).map(|_| OnceLock::new()).collect();
        let _first = sets[0].set(Box::new(config));
        let (changed, _) = watch::channel(0);
        Self(Arc::new(Kept { sets, newest: AtomicUsize::new(0), changed, turn: Mutex::default() }))
    }

    /// How often the settings have changed.
    #[must_use]
    pub fn edition(&self) -> usize {
        self.0.newest.load(Ordering::Acquire)
    }

    /// Whether they can be changed once more.
    ///
    /// # Errors
    /// [`TooManyReloads`].
    pub fn has_room(&self) -> Result<(), TooManyReloads> {
        if self.edition() + 1 < self.0.sets.len() {
            return Ok(());
        }
        Err(TooManyReloads(self.process.reloads_max))
    }

    /// Lets other settings hold from now on.
    ///
    /// # Errors
    /// [`TooManyReloads`]: nothing has changed.
    pub fn replace(&self, config: Config) -> Result<(), TooManyReloads> {
        let _turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.has_room()?;
        let next = self.edition() + 1;
        let _set = self.0.sets[next].set(Box::new(config));
        self.0.newest.store(next, Ordering::Release);
        self.0.changed.send_replace(next);
        Ok(())
    }

    /// Hears of every change from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<usize> {
        self.0.changed.subscribe()
    }

    /// A section, as it stands whenever it is read.
    #[must_use]
    pub fn section<T>(&self, of: fn(&Config) -> &T) -> Section<T> {
        Section(Of::Live(self.clone(), of))
    }

    /// A value that the settings give, as they give it whenever it is asked for.
    #[must_use]
    pub fn now<T: 'static>(&self, of: fn(&Config) -> T) -> Now<T> {
        let live = self.clone();
        Now::of(move || of(&live))
    }
}

impl Deref for Live {
    type Target = Config;
    fn deref(&self) -> &Config {
        self.0.sets[self.edition()].get().expect("it is set before it is the newest")
    }
}

impl From<Config> for Live {
    fn from(config: Config) -> Self {
        Self::new(config)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Live({})", self.edition())
    }
}

/// A section of the settings, as it stands whenever it is read; or one that never changes.
pub struct Section<T: 'static>(Of<T>);

enum Of<T: 'static> {
    Live(Live, fn(&Config) -> &T),
    Still(Arc<T>),
}

impl<T> Clone for Section<T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Of::Live(live, of) => Of::Live(live.clone(), *of),
            Of::Still(section) => Of::Still(section.clone()),
        })
    }
}

impl<T> Deref for Section<T> {
    type Target = T;
    fn deref(&self) -> &T {
        match &self.0 {
            Of::Live(live, of) => of(live),
            Of::Still(section) => section,
        }
    }
}

impl<T: Send + Sync> Section<T> {
    /// A value that the section gives, as it gives it whenever it is asked for.
    #[must_use]
    pub fn now<V>(&self, of: fn(&T) -> V) -> Now<V>
    where
        V: 'static,
    {
        let section = self.clone();
        Now::of(move || of(&section))
    }
}

impl<T> From<T> for Section<T> {
    fn from(section: T) -> Self {
        Self(Of::Still(Arc::new(section)))
    }
}

impl<T: Clone> From<&T> for Section<T> {
    fn from(section: &T) -> Self {
        section.clone().into()
    }
}

impl<T: Default> Default for Section<T> {
    fn default() -> Self {
        T::default().into()
    }
}

/// A value of the settings, as they give it whenever it is asked for; or one that never changes.
pub struct Now<T>(Arc<dyn Fn() -> T + Send + Sync>);

impl<T> Now<T> {
    /// What this gives.
    #[must_use]
    pub fn of(give: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(give))
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> T {
        (self.0)()
    }
}

impl<T> Clone for Now<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Copy + Send + Sync + 'static> From<T> for Now<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(move || value))
    }
}

/// Something made of the settings, and made anew at the first look after they have changed.
pub struct Made<T> {
    live: Live,
    current: RwLock<(usize, Arc<T>)>,
    make: Box<dyn Fn(&Live) -> T + Send + Sync>,
}

impl<T> Made<T> {
    /// Made by this, now and after every change.
    #[must_use]
    pub fn new(live: &Live, make: impl Fn(&Live) -> T + Send + Sync + 'static) -> Self {
        // The number is read first: a change in between has it made once more, and never too rarely.
        let edition = live.edition();
        let current = RwLock::new((edition, Arc::new(make(live))));
        Self { live: live.clone(), current, make: Box::new(make) }
    }

    /// What it is now.
    #[must_use]
    pub fn now(&self) -> Arc<T> {
        let edition = self.live.edition();
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.0 >= edition {
                return current.1.clone();
            }
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.0 < edition {
            *current = (edition, Arc::new((self.make)(&self.live)));
        }
        current.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(hostname: &str) -> Config {
        let mut config = Config { hostname: hostname.into(), ..Config::default() };
        config.process.reloads_max = 2;
        config
    }

    #[test]
    fn who_reads_settings_finds_those_that_hold_now() {
        let live = Live::new(named("one.example"));
        let (queue, name) = (live.section(|c| &c.queue), live.now(|c| c.hostname.clone()));
        let made = Made::new(&live, |config| config.hostname.len());
        let (other, before) = (live.clone(), &live.hostname);
        let first = made.now();
        assert!(Arc::ptr_eq(&first, &made.now()), "nothing is made without need");
        let mut next = named("another.example");
        next.queue.items_max = 7;
        live.replace(next).expect("room");
        assert_eq!((other.hostname.as_str(), before.as_str()), ("another.example", "one.example"));
        assert_eq!((queue.items_max, name.get().as_str()), (7, "another.example"));
        assert_eq!((*first, *made.now()), (11, 15));
    }

    #[tokio::test]
    async fn a_change_is_heard_of_and_there_are_no_more_than_the_settings_say() {
        let live = Live::new(named("one.example"));
        let mut changes = live.changes();
        live.replace(named("two.example")).expect("room");
        changes.changed().await.expect("heard");
        live.replace(named("three.example")).expect("room");
        let said = live.replace(named("four.example")).expect_err("no room").to_string();
        assert!(said.starts_with("process.reloads_max: ") && said.contains("restart"), "{said}");
        assert_eq!(live.hostname, "three.example");
    }
}
