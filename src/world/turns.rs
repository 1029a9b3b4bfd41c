//! So many at a time, as the settings have it now: turns that are waited for.

use crate::config::Now;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Turns at something. Where the settings come to allow more, there are more at the next look; where they
/// come to allow fewer, those that are given back are not given out again.
pub struct Turns {
    most: Now<usize>,
    semaphore: Arc<Semaphore>,
    /// How many there are, those in use included.
    size: Mutex<usize>,
}

impl Turns {
    /// So many, at least one.
    #[must_use]
    pub fn new(most: impl Into<Now<usize>>) -> Self {
        let most = most.into();
        let size = fit(most.get());
        Self { most, semaphore: Arc::new(Semaphore::new(size)), size: Mutex::new(size) }
    }

    /// How many there are.
    #[must_use]
    pub fn most(&self) -> usize {
        fit(self.most.get())
    }

    /// The turns, as many as the settings allow now.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        let most = self.most();
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if most > *size {
            self.semaphore.add_permits(most - *size);
            *size = most;
        } else if most < *size {
            *size -= self.semaphore.forget_permits(*size - most);
        }
        &self.semaphore
    }
}

fn fit(most: usize) -> usize {
    most.clamp(1, Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Live};

    #[tokio::test]
    async fn there_are_as_many_turns_as_the_settings_have_now() {
        let with = |most: u32| {
            let mut config = Config::default();
            config.delivery.attempts_max = most;
            config
        };
        let live = Live::new(with(2));
        let turns = Turns::new(live.now(|c| c.delivery.attempts_max as usize));
        let take = || turns.semaphore().clone().try_acquire_owned();
        let (one, two) = (take().expect("a turn"), take().expect("a turn"));
        assert!(take().is_err(), "a third of two");
        live.replace(with(3)).expect("room");
        let three = take().expect("one more");
        live.replace(with(1)).expect("room");
        drop((one, two));
        assert!(take().is_err(), "the third is in use, and there is only one");
        drop(three);
        let _only = take().expect("a turn");
        assert!(take().is_err());
    }
}
