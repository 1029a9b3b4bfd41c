//! The engines of this build: what each calls its records in the data folder, and how they are opened.

use super::engine::{Engine, EngineFault};
use super::mend;
use super::redb::{Redb, Way};
#[cfg(feature = "sled")]
use super::sled::{self, Sled};
use crate::config::StoreEngine;
use std::path::{Path, PathBuf};

impl StoreEngine {
    /// Every engine of this build.
    pub(super) const ALL: &[Self] = &[
        Self::Redb,
        #[cfg(feature = "sled")]
        Self::Sled,
    ];

    /// Its name, as the settings have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            #[cfg(feature = "sled")]
            Self::Sled => "sled",
        }
    }

    /// The file or folder of its records in the data folder.
    #[must_use]
    pub const fn records(self) -> &'static str {
        match self {
            Self::Redb => "records.redb",
            #[cfg(feature = "sled")]
            Self::Sled => "records.sled",
        }
    }

    /// The file that holds its records, locked while they are open.
    pub(super) fn content(self, records: &Path) -> PathBuf {
        match self {
            Self::Redb => records.to_owned(),
            #[cfg(feature = "sled")]
            Self::Sled => records.join(sled::LOG),
        }
    }

    /// Opens records, which must exist unless they are to be made.
    pub(super) fn open(
        self,
        records: &Path,
        cache: usize,
        create: bool,
    ) -> Result<Box<dyn Engine>, EngineFault> {
        Ok(match self {
            Self::Redb => {
                Box::new(Redb::open(records, cache, if create { Way::Create } else { Way::Open })?)
            }
            #[cfg(feature = "sled")]
            Self::Sled => Box::new(Sled::open(records, cache, create)?),
        })
    }

    /// Opens a copy of damaged records, by whatever way is left; `sound` are new ones.
    pub(super) fn open_damaged(
        self,
        source: &Path,
        copy: &Path,
        sound: &Path,
        cache: usize,
    ) -> Result<Opened, EngineFault> {
        match self {
            Self::Redb => mend::open(source, copy, sound, cache),
            #[cfg(feature = "sled")]
            Self::Sled => sled::open_damaged(source, copy, cache),
        }
    }
}

/// Damaged records that were opened.
pub(super) struct Opened {
    pub(super) engine: Box<dyn Engine>,
    /// Whether they are as they were before the last change.
    pub(super) is_older: bool,
}
