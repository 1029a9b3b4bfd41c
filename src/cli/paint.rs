//! Colours: on a terminal alone, so that what goes into a file or another program is plain text. `--color`
//! decides where it is given, else `NO_COLOR` (no-color.org) and a terminal that can do nothing.

use clap::ValueEnum;
use std::ffi::OsString;
use std::io::IsTerminal;

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Wherever it goes.
    Always,
    /// Nowhere.
    Never,
}

/// What a text is to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// A heading.
    Head,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong, or over.
    Bad,
}

impl Ink {
    /// What begins it (ECMA-48 §8.3.117).
    fn begins(self) -> &'static str {
        match self {
            Self::Head => "\x1b[1m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[31m",
        }
    }

    /// The colour of a state, a verdict or a severity; none for words that say nothing good or bad.
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "delivered" | "relayed" | "ok" | "served" | "granted" | "verified" => Self::Good,
            "deferred" | "held" | "warn" | "warning" | "suspended" | "failing" | "paused" => {
                Self::Warn
            }
            "failed" | "stopped" | "refused" | "bad" | "error" | "disabled" | "withdrawn" => {
                Self::Bad
            }
            _ => return None,
        })
    }
}

/// Whether what is written is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    /// The text in its colour, or as it is.
    pub(super) fn text(self, ink: Option<Ink>, text: &str) -> String {
        match ink.filter(|_| self.0 && !text.is_empty()) {
            Some(ink) => format!("{}{text}\x1b[0m", ink.begins()),
            None => text.to_owned(),
        }
    }
}

impl Color {
    /// For what is written to standard output.
    pub(super) fn out(self) -> Paint {
        self.on(std::io::stdout().is_terminal(), |name| std::env::var_os(name))
    }

    /// For what is written to standard error.
    pub(super) fn aside(self) -> Paint {
        self.on(std::io::stderr().is_terminal(), |name| std::env::var_os(name))
    }

    fn on(self, is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Paint {
        let forbidden = || variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let unable = || variable("TERM").is_some_and(|value| value == "dumb");
        Paint(match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => is_terminal && !forbidden() && !unable(),
        })
    }
}

/// What the line says of colours before it is understood: for help, and for what is said of a line that is not.
pub(super) fn wanted(mut line: impl Iterator<Item = OsString>) -> clap::ColorChoice {
    let mut found = None;
    while let Some(word) = line.next() {
        match word.to_str() {
            Some("--") => break,
            Some("--color") => found = line.next().and_then(|value| value.into_string().ok()),
            Some(word) => found = word.strip_prefix("--color=").map(str::to_owned).or(found),
            None => {}
        }
    }
    match found.as_deref() {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_and_for_whoever_asks() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| OsString::from(value))
        };
        let paints =
            |color: Color, is_terminal, name, value| color.on(is_terminal, with(name, value)).0;
        assert!(paints(Color::Auto, true, "TERM", "xterm"));
        assert!(!paints(Color::Auto, false, "TERM", "xterm"));
        assert!(!paints(Color::Auto, true, "TERM", "dumb"));
        assert!(!paints(Color::Auto, true, "NO_COLOR", "1"));
        assert!(paints(Color::Auto, true, "NO_COLOR", ""), "set and empty is not set");
        assert!(paints(Color::Always, false, "NO_COLOR", "1"));
        assert!(!paints(Color::Never, true, "TERM", "xterm"));
    }

    #[test]
    fn a_painted_text_ends_its_colour() {
        assert_eq!(Paint(true).text(Ink::of("failed"), "failed"), "\x1b[31mfailed\x1b[0m");
        assert_eq!(Paint(false).text(Ink::of("failed"), "failed"), "failed");
        assert_eq!(Paint(true).text(Ink::of("acme"), "acme"), "acme");
    }

    #[test]
    fn help_is_coloured_as_the_line_says() {
        let said = |line: &str| wanted(line.split(' ').map(OsString::from));
        assert_eq!(said("relent --color never queue --help"), clap::ColorChoice::Never);
        assert_eq!(said("relent queue --help --color=always"), clap::ColorChoice::Always);
        assert_eq!(said("relent queue"), clap::ColorChoice::Auto);
    }
}
