//! Permits: the right to write one final dot, counted so that a stop can wait for those that are out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Keys under which a live permit is found: account and hash, as the records have them.
pub(super) type Key = [u8; 20];

/// All live permits, by number, and who waits for them.
#[derive(Default)]
pub(super) struct Gate {
    live: Mutex<(u64, HashMap<u64, Vec<Key>>)>,
    returned: Notify,
}

/// A sender's right to write one final dot now. Returned by dropping it.
pub struct Permit {
    gate: Option<(Arc<Gate>, u64)>,
}

impl Permit {
    /// For Relent's own mail, which no stop waits for.
    pub(super) fn free() -> Self {
        Self { gate: None }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((gate, number)) = self.gate.take() {
            gate.lock().1.remove(&number);
            gate.returned.notify_waiters();
        }
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, Vec<Key>>)> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a permit. Looking comes after, so that a stop either is seen or waits.
    pub(super) fn register(self: &Arc<Self>, keys: Vec<Key>) -> Permit {
        let mut live = self.lock();
        live.0 += 1;
        let number = live.0;
        live.1.insert(number, keys);
        Permit { gate: Some((Arc::clone(self), number)) }
    }

    fn is_out(&self, awaited: &[u64]) -> bool {
        let live = self.lock();
        awaited.iter().any(|number| live.1.contains_key(number))
    }

    /// Waits until the permits that are out now under a key that `is_awaited` are returned; false past
    /// `longest`.
    pub(super) async fn settled(
        &self,
        is_awaited: impl Fn(&Key) -> bool,
        longest: Duration,
    ) -> bool {
        let awaited: Vec<u64> = {
            let live = self.lock();
            let found = live.1.iter().filter(|(_, keys)| keys.iter().any(&is_awaited));
            found.map(|(number, _)| *number).collect()
        };
        let all_returned = async {
            loop {
                let returned = self.returned.notified();
                tokio::pin!(returned);
                returned.as_mut().enable();
                if !self.is_out(&awaited) {
                    return;
                }
                returned.await;
            }
        };
        tokio::time::timeout(longest, all_returned).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_waits_for_the_dot_that_is_being_written() {
        let gate = Arc::new(Gate::default());
        let permit = gate.register(vec![[1; 20]]);
        assert!(gate.settled(|key| *key == [2; 20], Duration::ZERO).await);
        assert!(!gate.settled(|key| *key == [1; 20], Duration::from_millis(1)).await);
        let theirs = Arc::clone(&gate);
        let waiting = tokio::spawn(async move {
            theirs.settled(|key| *key == [1; 20], Duration::from_secs(60)).await
        });
        tokio::task::yield_now().await;
        drop(permit);
        assert!(waiting.await.expect("the waiter"));
    }
}
