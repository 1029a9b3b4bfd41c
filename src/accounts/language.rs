//! The languages in which senders are told what became of their mail.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A language of reports; its name in settings and listings is that of ISO 639-1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English, which stands in every report.
    #[default]
    En,
    /// Chinese in simplified characters.
    Zh,
    /// Japanese.
    Ja,
    /// Korean.
    Ko,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Portuguese.
    Pt,
    /// Italian.
    It,
    /// Dutch.
    Nl,
    /// Russian.
    Ru,
    /// Polish.
    Pl,
}

impl Language {
    /// All of them. Accounts lie in the store with the number of the variant.
    pub const ALL: [Self; 12] = [
        Self::En,
        Self::Zh,
        Self::Ja,
        Self::Ko,
        Self::De,
        Self::Fr,
        Self::Es,
        Self::Pt,
        Self::It,
        Self::Nl,
        Self::Ru,
        Self::Pl,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
            Self::Ja => "ja",
            Self::Ko => "ko",
            Self::De => "de",
            Self::Fr => "fr",
            Self::Es => "es",
            Self::Pt => "pt",
            Self::It => "it",
            Self::Nl => "nl",
            Self::Ru => "ru",
            Self::Pl => "pl",
        }
    }

    /// The language of this name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account keeps the number of its language, which no name changes.
    #[test]
    fn a_language_keeps_its_number_and_its_name() {
        for (number, language) in (0u8..).zip(Language::ALL) {
            assert_eq!(postcard::from_bytes::<Language>(&[number]), Ok(language));
            assert_eq!(serde_json::json!(language), serde_json::json!(language.name()));
            assert_eq!(Language::named(&language.name().to_uppercase()), Some(language));
        }
        assert_eq!(Language::named("tlh"), None);
    }
}
