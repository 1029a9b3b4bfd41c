//! After a restore: mail is held until what was said after the backup is known here too, or somebody answers for
//! going on without. Stops of people who write meanwhile are taken as ever.

use super::desk::Policy;
use crate::events::Act;
use crate::mail::{AccountId, Timestamp};
use crate::store::{Record, Store, StoreFault, Table};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};

/// Where it is kept.
const PLACE: &[u8] = b"restored";
/// Most files whose replay is remembered one by one.
const FILES_MAX: usize = 1000;

/// What is known of a restore.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The moment whose records the backup held.
    pub backup: Timestamp,
    /// When it was put back.
    pub at: Timestamp,
    /// The host that the backup was of.
    pub hostname: String,
    /// The last entry of the audit chain that came with it.
    pub through: u64,
    /// The last event of records that came with it.
    pub events: u64,
    /// The end of the log of messages that came with it.
    pub spool_end: u64,
    /// What was replayed since.
    pub replayed: Vec<Replayed>,
    /// What was let go since.
    pub released: Vec<Release>,
    /// Restores before this one: when, and the last entry of the chain that each brought.
    pub earlier: Vec<(Timestamp, u64)>,
}

/// A file of what was said after the backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The file's name.
    pub name: String,
    /// SHA-256 of what was read, in hex.
    pub sha256: String,
    /// When.
    pub at: Timestamp,
    /// What it held.
    pub counts: Counts,
}

/// What a file held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Stops that were recorded.
    pub stops: u64,
    /// Consents that were withdrawn.
    pub withdrawals: u64,
    /// People who were forgotten again.
    pub erasures: u64,
    /// Recipients whose mail had ended, and waits no more.
    pub ended: u64,
    /// Rows that stood here already, or that nothing here is about.
    pub already: u64,
    /// Rows that are not replayed: they stop nobody.
    pub passed_over: u64,
    /// Rows that could not be meant.
    pub refused: u64,
}

/// Mail that was let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Whose; all where there is none.
    pub account: Option<AccountId>,
    /// When.
    pub at: Timestamp,
    /// Who answers for what was not replayed, and why.
    pub waived: Option<(String, String)>,
}

impl Record for Restored {
    const TABLE: Table = Table::Meta;
}

impl Restored {
    /// Whether all mail was let go.
    #[must_use]
    pub fn is_let_go(&self) -> bool {
        self.released.iter().any(|release| release.account.is_none())
    }

    /// Whether an account's mail is held.
    #[must_use]
    pub fn holds(&self, account: AccountId) -> bool {
        let is_theirs =
            |release: &Release| release.account.is_none_or(|released| released == account);
        !self.released.iter().any(is_theirs)
    }

    /// What it means for the audit chain, in words.
    #[must_use]
    pub fn of_the_chain(&self) -> String {
        let (at, backup, through) = (self.at, self.backup, self.through);
        format!(
            "restored on {at} from a backup of {backup}: what the lost host wrote after entry {through} is not here"
        )
    }

    /// Why mail is held, in words.
    #[must_use]
    pub fn why(&self) -> String {
        let (at, backup) = (self.at, self.backup);
        format!(
            "held since the restore of {at} from a backup of {backup}: stops and erasures after that are not known \
             here, and what was delivered after it would be sent twice; see `relent restore status`"
        )
    }
}

#[derive(Default)]
enum Known {
    /// Not read yet.
    #[default]
    Unread,
    /// These records were never put back.
    Nothing,
    /// They were.
    Restored(Arc<Restored>),
}

/// What is known of it, read once: only a daemon that is down is restored.
#[derive(Default)]
pub(super) struct Hold(RwLock<Known>);

impl Hold {
    fn read(&self, store: &Store) -> Result<Option<Arc<Restored>>, StoreFault> {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Known::Nothing => return Ok(None),
            Known::Restored(restored) => return Ok(Some(restored.clone())),
            Known::Unread => {}
        }
        let found = store.get::<Restored>(PLACE)?.map(Arc::new);
        self.know(found.clone());
        Ok(found)
    }

    fn know(&self, found: Option<Arc<Restored>>) {
        let known = found.map_or(Known::Nothing, Known::Restored);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// Why mail was not let go.
#[derive(Debug, thiserror::Error)]
pub enum Unreleased {
    /// In words.
    #[error("{0}")]
    Refused(String),
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Policy {
    /// What is known of the restore that these records come from; none where they come from none.
    ///
    /// # Errors
    /// The store.
    pub fn restored(&self) -> Result<Option<Arc<Restored>>, StoreFault> {
        self.hold.read(&self.store)
    }

    /// Why an account's mail is held since a restore, if it is.
    ///
    /// # Errors
    /// The store: then nobody knows.
    pub fn held_since_restore(&self, account: AccountId) -> Result<Option<String>, StoreFault> {
        let restored = self.restored()?.filter(|restored| restored.holds(account));
        Ok(restored.map(|restored| restored.why()))
    }

    /// What is known of the restore since which somebody's mail is held; none where nobody's is, or nobody knows.
    #[must_use]
    pub fn restore_held(&self) -> Option<Arc<Restored>> {
        self.restored().ok().flatten().filter(|restored| !restored.is_let_go())
    }

    /// Whether an account's mail is held since a restore. What cannot be read is for the permit to say.
    #[must_use]
    pub fn holds(&self, account: AccountId) -> bool {
        self.restored().is_ok_and(|found| found.is_some_and(|found| found.holds(account)))
    }

    /// Whether nobody's mail may go. What cannot be read is for the permit to say.
    #[must_use]
    pub fn holds_all(&self) -> bool {
        self.restored().is_ok_and(|found| found.is_some_and(|found| found.released.is_empty()))
    }

    async fn restored_anew(
        &self,
        act: Act,
        change: impl FnOnce(&mut Restored) -> Result<(), String> + Send + 'static,
    ) -> Result<Arc<Restored>, Unreleased> {
        let author = self.author.clone();
        let done = self.store.transact(move |t| {
            let Some(mut restored) = t.get::<Restored>(PLACE)? else {
                let text = "these records come from no backup: nothing is held for one";
                return Ok(Err(text.to_owned()));
            };
            if let Err(text) = change(&mut restored) {
                return Ok(Err(text));
            }
            t.put(PLACE, &restored);
            author.write(t, act)?;
            Ok(Ok(restored))
        });
        let restored = Arc::new(done.await?.map_err(Unreleased::Refused)?);
        self.hold.know(Some(restored.clone()));
        Ok(restored)
    }

    /// Notes that a file was replayed, with an entry in the audit chain.
    ///
    /// # Errors
    /// There was no restore; the store.
    pub async fn note_replayed(&self, file: Replayed) -> Result<(), Unreleased> {
        let counts = file.counts;
        let act = Act::new(AccountId::INSTALLATION, "installation.replayed")
            .about(file.name.clone())
            .with("sha256", file.sha256.as_str())
            .with("stops", counts.stops)
            .with("withdrawals", counts.withdrawals)
            .with("erasures", counts.erasures)
            .with("ended", counts.ended)
            .with("already", counts.already)
            .with("passed_over", counts.passed_over)
            .with("refused", counts.refused);
        let change = move |restored: &mut Restored| {
            if restored.replayed.len() >= FILES_MAX {
                return Err(format!("{FILES_MAX} files were replayed already: join some"));
            }
            restored.replayed.push(file);
            Ok(())
        };
        self.restored_anew(act, change).await.map(drop)
    }

    /// Lets an account's mail go, or everybody's. Something must have been replayed since the restore, or somebody
    /// answer for going on without, by name and reason.
    ///
    /// # Errors
    /// Neither is so; nothing is held; the store.
    pub async fn let_go(
        &self,
        account: Option<(AccountId, String)>,
        waived: Option<(String, String)>,
        dropped: u64,
    ) -> Result<Arc<Restored>, Unreleased> {
        let now = self.world.clock.now();
        let replayed = self.restored()?.map_or(0, |restored| restored.replayed.len());
        let act = Act::new(
            account.as_ref().map_or(AccountId::INSTALLATION, |(id, _)| *id),
            "installation.released",
        )
        .with("replayed", replayed as u64)
        .with("dropped", dropped)
        .with("waived_by", waived.as_ref().map(|(name, _)| name.clone()))
        .with("reason", waived.as_ref().map(|(_, reason)| reason.clone()));
        let change = move |restored: &mut Restored| {
            restored.may_let_go(account.as_ref(), waived.as_ref())?;
            let account = account.map(|(id, _)| id);
            restored.released.push(Release { account, at: now, waived });
            Ok(())
        };
        self.restored_anew(act, change).await
    }

    /// Holds mail as a restore does, though the records know of none.
    ///
    /// # Errors
    /// The store.
    pub async fn hold_again(&self, mut restored: Restored) -> Result<(), StoreFault> {
        restored.released.clear();
        restored.replayed.clear();
        let kept = restored.clone();
        let done = self.store.transact(move |t| {
            t.put(PLACE, &kept);
            Ok(Ok::<_, Infallible>(()))
        });
        let Ok(()) = done.await?;
        self.hold.know(Some(Arc::new(restored)));
        Ok(())
    }
}

impl Restored {
    /// Whether mail may be let go now.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn may_let_go(
        &self,
        account: Option<&(AccountId, String)>,
        waived: Option<&(String, String)>,
    ) -> Result<(), String> {
        let is_held = match account {
            Some((id, _)) => self.holds(*id),
            None => !self.is_let_go(),
        };
        if !is_held {
            return Err(match account {
                Some((_, name)) => {
                    format!("the mail of `{name}` is not held: it was let go already")
                }
                None => "nothing is held: all mail was let go already".into(),
            });
        }
        if self.replayed.is_empty() && waived.is_none() {
            return Err(
                "nothing was replayed since the restore: `relent restore replay FILE…` brings the stops and erasures \
                 that came after the backup; or answer for going on without: --waive NAME --reason TEXT"
                    .into(),
            );
        }
        Ok(())
    }

    /// Writes down, in records that were just put back, that they were, with its entry in the audit chain.
    ///
    /// # Errors
    /// The store.
    pub(crate) fn write(
        mut self,
        t: &mut crate::store::Transaction<'_>,
        author: &crate::events::Author,
    ) -> Result<Self, StoreFault> {
        if let Some(before) = t.get::<Self>(PLACE)? {
            self.earlier = before.earlier;
            self.earlier.push((before.at, before.through));
        }
        t.put(PLACE, &self);
        let act = Act::new(AccountId::INSTALLATION, "installation.restored")
            .about(self.hostname.clone())
            .with("backup", self.backup.to_string())
            .with("through", self.through);
        author.write(t, act)?;
        Ok(self)
    }
}
