//! How often an address is answered: counted by the day, in memory within bounds. A restart forgets the
//! counts; it takes none of what keeps two machines from answering one another.

use crate::mail::{RecipientHash, StreamId, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a count runs.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Counted {
    /// Answers to an address, known by its hash under the installation's key.
    Answers(RecipientHash),
    /// Questions to an address.
    Questions(RecipientHash),
    /// Questions about a stream.
    QuestionsAbout(StreamId),
    /// Questions in all.
    AllQuestions,
}

/// The counts.
pub(super) struct Limits {
    counts: Mutex<HashMap<Counted, (Timestamp, u32)>>,
    entries_max: usize,
}

impl Limits {
    /// Counts that remember at most so many addresses.
    pub(super) fn new(entries_max: u32) -> Self {
        Self { counts: Mutex::default(), entries_max: entries_max as usize }
    }

    /// Counts one more of each, if none of them is past its limit with it; false, and nothing counted,
    /// where one is.
    pub(super) fn take(&self, wanted: &[(Counted, u32)], now: Timestamp) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock set back begins no day anew.
        let is_over = |begun: Timestamp| now.since(begun) >= DAY;
        if counts.len() + wanted.len() > self.entries_max {
            counts.retain(|_, (begun, _)| !is_over(*begun));
        }
        let added = wanted.iter().filter(|(counted, _)| !counts.contains_key(counted)).count();
        if counts.len() + added > self.entries_max {
            return false;
        }
        let past = |(counted, most): &(Counted, u32)| match counts.get(counted) {
            Some((begun, count)) if !is_over(*begun) => count >= most,
            _ => *most == 0,
        };
        if wanted.iter().any(past) {
            return false;
        }
        for (counted, _) in wanted {
            let count = counts.entry(*counted).or_insert((now, 0));
            if is_over(count.0) {
                *count = (now, 0);
            }
            count.1 += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(to: u8) -> Counted {
        Counted::Answers(RecipientHash([to; 16]))
    }

    #[test]
    fn an_address_is_answered_so_often_a_day() {
        let limits = Limits::new(100);
        let begun = Timestamp(1_000_000);
        let taken = |to, at| limits.take(&[(answers(to), 2)], at);
        assert!(taken(1, begun) && taken(1, begun) && !taken(1, begun));
        assert!(taken(2, begun), "another address has its own count");
        let next_day = begun.after(DAY);
        assert!(taken(1, next_day) && taken(1, next_day) && !taken(1, next_day));
    }

    #[test]
    fn what_is_past_one_limit_counts_for_no_other() {
        let limits = Limits::new(100);
        let at = Timestamp(5);
        let both = [(answers(1), 5), (Counted::AllQuestions, 1)];
        assert!(limits.take(&both, at) && !limits.take(&both, at));
        for _ in 0..4 {
            assert!(limits.take(&[(answers(1), 5)], at));
        }
        assert!(!limits.take(&[(answers(1), 5)], at));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let limits = Limits::new(3);
        let at = Timestamp(5);
        let taken = (0..10).filter(|to| limits.take(&[(answers(*to), 9)], at)).count();
        assert_eq!(taken, 3);
        assert!(limits.take(&[(answers(0), 9)], at), "who is remembered is answered still");
        assert!(limits.take(&[(answers(9), 9)], at.after(DAY)), "the next day has room again");
    }
}
