//! Whether the parts that everything waits for still answer: the spool's writer with a sync of its file,
//! the store with a read and its committer's word, the runtime with a turn in time. A fault that is known
//! (a full disk, a damaged store) is an answer: mail is held and the log says why, and a new start would
//! mend nothing. What answers nothing is what the watchdog is for.

use crate::config::{self, Section};
use crate::spool::{Spool, SpoolFault};
use crate::store::{Store, StoreFault};
use crate::world::World;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// The pause before a part is asked again whose line was full.
const PAUSE: Duration = Duration::from_millis(50);

/// What was found: fine, or what does not answer, in words.
pub type Found = Result<(), String>;

/// Looks after the parts. Cheap to clone; one look at a time.
#[derive(Clone)]
pub struct Vitals {
    spool: Spool,
    store: Store,
    world: World,
    settings: Section<config::Health>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The last look, and when it ended.
    last: Option<(Duration, Found)>,
    /// Questions that wait for their answer: none is put twice, however long it takes.
    spool: Option<JoinHandle<Found>>,
    store: Option<JoinHandle<Found>>,
}

impl Vitals {
    /// Looks after these parts under these limits.
    #[must_use]
    pub fn new(
        spool: Spool,
        store: Store,
        world: World,
        settings: impl Into<Section<config::Health>>,
    ) -> Self {
        Self { spool, store, world, settings: settings.into(), state: Arc::default() }
    }

    /// The longest time that a look takes.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let settings = &self.settings;
        settings.lag_max.0 + settings.spool_timeout.0.max(settings.store_timeout.0)
    }

    /// Looks now.
    ///
    /// # Errors
    /// What does not answer, and since when it was asked.
    pub async fn look(&self) -> Found {
        self.look_unless(Duration::ZERO).await
    }

    /// What the last look found, unless it is older than `health.age_max`.
    ///
    /// # Errors
    /// As [`Vitals::look`].
    pub async fn recent(&self) -> Found {
        self.look_unless(self.settings.age_max.0).await
    }

    /// Whether a task that waited so long for its turn waited no longer than it may.
    ///
    /// # Errors
    /// How long it waited, and the limit.
    pub fn in_time(&self, lag: Duration) -> Found {
        let most = self.settings.lag_max;
        if lag <= most.0 {
            return Ok(());
        }
        let lag = lag.as_millis();
        Err(format!("a task waited {lag} ms for its turn, and health.lag_max is {most}"))
    }

    async fn look_unless(&self, age_max: Duration) -> Found {
        let clock = &self.world.clock;
        let mut state = self.state.lock().await;
        if let Some((at, found)) = &state.last
            && clock.steady().saturating_sub(*at) < age_max
        {
            return found.clone();
        }
        let State { spool, store, .. } = &mut *state;
        let (of_spool, of_store) = (self.settings.spool_timeout.0, self.settings.store_timeout.0);
        let begun = clock.steady();
        let _turn = tokio::spawn(tokio::task::yield_now()).await;
        let lag = clock.steady().saturating_sub(begun);
        let (spool, store) = tokio::join!(
            answer("the spool's writer", spool, ask_spool(self.spool.clone()), of_spool),
            answer("the store", store, ask_store(self.store.clone()), of_store),
        );
        let found = spool.and(store).and(self.in_time(lag));
        state.last = Some((clock.steady(), found.clone()));
        found
    }
}

/// Waits for a part's answer, to a question put before where that is still open.
async fn answer(
    who: &str,
    open: &mut Option<JoinHandle<Found>>,
    question: impl Future<Output = Found> + Send + 'static,
    longest: Duration,
) -> Found {
    let asked = open.get_or_insert_with(|| tokio::spawn(question));
    match tokio::time::timeout(longest, asked).await {
        Err(_) => Err(format!("{who} has not answered within {} ms", longest.as_millis())),
        Ok(answered) => {
            *open = None;
            let broke = |fault| Err(format!("{who} could not be asked: {fault}"));
            answered.unwrap_or_else(broke)
        }
    }
}

async fn ask_spool(spool: Spool) -> Found {
    loop {
        match spool.probe().await {
            Err(SpoolFault::Busy) => tokio::time::sleep(PAUSE).await,
            Err(fault @ SpoolFault::Stopped(_)) => return Err(fault.to_string()),
            _ => return Ok(()),
        }
    }
}

async fn ask_store(store: Store) -> Found {
    loop {
        match store.probe().await {
            Err(StoreFault::Busy) => tokio::time::sleep(PAUSE).await,
            Err(fault @ StoreFault::Closed) => return Err(fault.to_string()),
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Span};
    use crate::events::message::owner;
    use crate::world::Turned;
    use std::sync::atomic::Ordering;

    fn vitals(home: &std::path::Path, lag_max: Duration) -> Vitals {
        let (mut config, world) = (Config::default(), World::real());
        config.health.lag_max = Span(lag_max);
        (config.health.spool_timeout, config.health.store_timeout) =
            (Span::seconds(60), Span::seconds(60));
        config.spool.free_space_min = config::Size(0);
        let store = Store::open(home, &config.store, &world);
        let spool = Spool::open(&home.join("spool"), &config.spool, owner(Duration::ZERO), &world);
        Vitals::new(spool.expect("a spool").0, store, world, &config.health)
    }

    #[tokio::test]
    async fn a_runtime_that_lets_its_tasks_wait_is_not_well() {
        let home = tempfile::tempdir().expect("a folder");
        // By a clock that a busy machine does not move.
        let clock = Arc::new(Turned::default());
        let mut vitals = vitals(home.path(), Duration::from_millis(50));
        vitals.world = World { clock: clock.clone(), ..World::real() };
        assert_eq!(vitals.look().await, Ok(()));
        // The next in turn, on the only thread, holds it for 200 ms.
        tokio::spawn(async move { clock.0.fetch_add(200, Ordering::SeqCst) });
        let said = vitals.look().await.expect_err("the thread was held");
        assert!(said.contains("health.lag_max is 50ms"), "{said}");
        assert_eq!(vitals.recent().await, Err(said), "what was found just now is believed");
        assert_eq!(vitals.look().await, Ok(()));
    }

    #[tokio::test]
    async fn a_question_is_put_once_however_often_it_is_asked() {
        let mut open = None;
        let (asker, asked) = tokio::sync::oneshot::channel::<()>();
        let waiting = async move { asked.await.map_err(|_| "gone".to_owned()) };
        let moment = Duration::from_millis(1);
        let said = answer("it", &mut open, waiting, moment).await;
        assert_eq!(said, Err("it has not answered within 1 ms".into()));
        let said = answer("it", &mut open, async { Err("put again".into()) }, moment).await;
        assert_eq!(said, Err("it has not answered within 1 ms".into()));
        asker.send(()).expect("it is still asked");
        let patience = Duration::from_secs(20);
        assert_eq!(answer("it", &mut open, async { Err("no".into()) }, patience).await, Ok(()));
        assert_eq!(answer("it", &mut open, async { Ok(()) }, patience).await, Ok(()));
    }

    #[tokio::test]
    async fn parts_that_are_closed_are_not_well_and_a_damaged_store_has_answered() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join("records.created"), []).expect("there were records");
        std::fs::write(home.path().join("records.redb"), [7; 9000]).expect("junk");
        let vitals = vitals(home.path(), Duration::from_secs(60));
        assert!(vitals.store.ready().is_err());
        assert_eq!(vitals.look().await, Ok(()));
        vitals.spool.close().await;
        assert!(vitals.look().await.is_err());
    }
}
