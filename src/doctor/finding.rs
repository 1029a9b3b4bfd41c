//! One thing that was looked at: how it stands, and what to do.

use serde::Serialize;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Mail flows, but some of it may not arrive, or not for long.
    Warn,
    /// Mail is lost, refused or held until it is mended.
    Bad,
}

impl Level {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it concerns, in a word.
    pub area: &'static str,
    /// Which thing.
    pub subject: String,
    /// How it stands.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do, where there is something.
    pub advice: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn ok(area: &'static str, subject: impl Into<String>, found: impl Into<String>) -> Self {
        let (subject, found) = (subject.into(), found.into());
        Self { area, subject, level: Level::Ok, found, advice: None }
    }

    /// Worth a look.
    pub fn warn(
        area: &'static str,
        subject: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (subject, found) = (subject.into(), found.into());
        Self { area, subject, level: Level::Warn, found, advice: Some(advice.into()) }
    }

    /// To be mended.
    pub fn bad(
        area: &'static str,
        subject: impl Into<String>,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { level: Level::Bad, ..Self::warn(area, subject, found, advice) }
    }
}
