//! Forgetting: records written anew without what they must no longer say, and the bodies of ended
//! messages dropped at once instead of when it is worth it.

use super::format;
use super::log::Spool;
use super::sweep::{self, Needed};
use super::walk::WHOLE;
use super::writer::Work;
use super::{Record, SpoolFault};
use std::collections::HashSet;
use std::io;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Stays,
    /// It is written anew with this content.
    Anew(Vec<u8>),
    /// Mail that waits needs what it says.
    Needed,
}

/// What a pass over the spool did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Segments that were written anew.
    pub segments: u64,
    /// Records among them that say less now.
    pub records: u64,
    /// Records that mail which waits still needs as they are.
    pub needed: u64,
    /// Segments that could not be dealt with yet: a body is being written there, or somebody has still to
    /// read it.
    pub pending: u64,
    /// Damaged segments, and damaged places kept aside, that are left as they are.
    pub damaged: u64,
}

impl Spool {
    /// Begins a new segment, so that all that was written before can be written anew.
    ///
    /// # Errors
    /// Any [`SpoolFault`].
    pub async fn seal(&self) -> Result<(), SpoolFault> {
        let (answer, wait) = oneshot::channel();
        self.send(Work::Seal(answer))?;
        wait.await.map_err(|_| self.gone())?
    }

    /// Writes every sealed segment anew that holds a record which is to say less, or bodies that nobody
    /// needs. `fate` is told whether the record's own message still waits. Blocks on disk: callers stand on a
    /// blocking thread. It may be done again at any time.
    ///
    /// # Errors
    /// What the disk said.
    pub fn forget(&self, fate: &dyn Fn(&Record, bool) -> Fate) -> io::Result<Forgotten> {
        let mut done = Forgotten::default();
        let shared = &self.shared;
        let aside = shared.directory.join("quarantine");
        let kept_aside = std::fs::read_dir(aside).map_or(0, Iterator::count);
        done.damaged += kept_aside as u64;
        let numbers = shared.numbers();
        let sealed = numbers.len().saturating_sub(1);
        for &number in &numbers[..sealed] {
            if shared.fault().is_some() || !shared.is_settled.load(Ordering::Acquire) {
                done.pending += 1;
                continue;
            }
            let alone = shared.sweeping.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if shared.is_held() {
                done.pending += 1;
                continue;
            }
            self.forget_in(number, fate, &mut done)?;
            drop(alone);
        }
        Ok(done)
    }

    fn forget_in(
        &self,
        number: u64,
        fate: &dyn Fn(&Record, bool) -> Fate,
        done: &mut Forgotten,
    ) -> io::Result<()> {
        let shared = &self.shared;
        let Some(segment) = shared.segment(number) else { return Ok(()) };
        let file = shared.world.disk.open(&format::path(&shared.directory, number))?;
        let live = shared.live_in(number);
        let (mut anew, mut needed) = (0, 0);
        shared.walk((number, &segment, file.as_ref()), WHOLE, |_, record| {
            match fate(&record, live.contains(&record.sequence.0)) {
                Fate::Stays => {}
                Fate::Anew(_) => anew += 1,
                Fate::Needed => needed += 1,
            }
            true
        });
        done.needed += needed;
        let is_clean =
            !segment.bodies || (segment.moved.is_some() && segment.taken == segment.live);
        if anew == 0 && is_clean {
            return Ok(());
        }
        if segment.whole {
            done.damaged += 1;
            return Ok(());
        }
        let is_busy = segment.pins > 0 || !shared.is_read(number);
        if is_busy || shared.room(usize::try_from(segment.length).unwrap_or(usize::MAX)).is_err() {
            done.pending += 1;
            return Ok(());
        }
        let pieces = match sweep::needed(shared, number)? {
            Needed::Pieces(pieces) => pieces,
            Needed::NotYet => {
                done.pending += 1;
                return Ok(());
            }
            Needed::Unknown => {
                done.damaged += 1;
                return Ok(());
            }
        };
        let pieces: HashSet<u64> = pieces;
        let change = |record: &Record| match fate(record, live.contains(&record.sequence.0)) {
            Fate::Anew(payload) => Some(payload),
            Fate::Stays | Fate::Needed => None,
        };
        sweep::rewrite(shared, number, &pieces, Some(&change))?;
        // A segment that cannot be read through is left, and said to be damaged.
        let after = shared.segment(number).map_or(segment.edition, |after| after.edition);
        if after == segment.edition {
            done.damaged += 1;
        } else {
            done.segments += 1;
            done.records += anew;
        }
        Ok(())
    }
}
