//! The settings as their sheet says them: every key with its section, its default and its sentence, for
//! those who print them.

const SHEET: &str = include_str!("../../config/relent.toml");

/// One key of the sheet, or the head of a section, which has no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The section, as in `queue` or `replies.words`; empty for the keys above all sections.
    pub section: &'static str,
    /// The key; empty where this is the section itself.
    pub name: &'static str,
    /// Its default, as TOML; where there is none, an example.
    pub value: &'static str,
    /// Whether there is no default, so that `value` is an example.
    pub is_optional: bool,
    /// What it means.
    pub sentence: String,
}

impl Setting {
    /// The key with its section, as in `queue.expiry`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}.{}", self.section, self.name).trim_start_matches('.').to_owned()
    }
}

/// What stands above all keys: how the file is written. Paragraphs, one line each.
#[must_use]
pub fn preface() -> Vec<String> {
    let lines = SHEET.lines().map_while(|line| line.strip_prefix("#:"));
    let text: Vec<&str> = lines.map(str::trim).collect();
    text.split(|line| line.is_empty()).map(|lines| lines.join(" ")).collect()
}

/// Every section and key, in the order of the sheet.
#[must_use]
pub fn settings() -> Vec<Setting> {
    let mut section = "";
    let (mut found, mut comment) = (Vec::new(), Vec::new());
    for line in SHEET.lines() {
        if let Some(words) = line.strip_prefix("# ") {
            comment.push(words);
            continue;
        }
        let sentence = std::mem::take(&mut comment).join(" ");
        let (name, value) = if let Some(head) = line.strip_prefix('[') {
            section = head.trim_end_matches(']');
            ("", "")
        } else if let Some(pair) = line.split_once(" = ") {
            pair
        } else {
            continue;
        };
        let (name, is_optional) = match name.strip_prefix('#') {
            Some(name) => (name, true),
            None => (name, false),
        };
        found.push(Setting { section, name, value, is_optional, sentence });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_with_its_section_default_and_sentence() {
        let settings = settings();
        let found = |section, name| {
            let it = settings.iter().find(|it| it.section == section && it.name == name);
            it.expect("a key of the sheet")
        };
        let expiry = found("queue", "expiry");
        assert_eq!((expiry.value, expiry.is_optional), ("\"4d\"", false));
        assert!(expiry.sentence.starts_with("Time after which mail"), "{}", expiry.sentence);
        let certificate = found("tls", "certificate");
        assert!(certificate.is_optional && certificate.value.ends_with(".pem\""));
        assert_eq!(found("queue", "").sentence, "Mail that waits.");
        assert_eq!(found("", "hostname").value, "\"localhost\"");
    }

    #[test]
    fn the_preface_says_how_the_file_is_written() {
        let preface = preface();
        assert!(preface.iter().all(|text| !text.is_empty() && !text.contains("#:")), "{preface:?}");
        assert!(preface.iter().any(|text| text.contains("Durations are written")), "{preface:?}");
    }
}
