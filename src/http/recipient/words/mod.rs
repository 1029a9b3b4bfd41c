//! What recipients' pages say, in every language: one file a language, one row a sentence. `{sender}`,
//! `{stream}`, `{to}`, `{date}`, `{note}`, `{hours}` and `{host}` stand for what is put in.

mod ar;
mod de;
mod en;
mod es;
mod fr;
mod he;
mod it;
mod ja;
mod ko;
mod nl;
mod pl;
mod pt;
mod ru;
mod zh_hans;
mod zh_hant;

use axum::http::{HeaderMap, header};

/// The sentences of one language.
pub(in crate::http) struct Words {
    /// The language, as BCP 47 has it.
    pub(super) tag: &'static str,
    /// Its name for itself.
    pub(super) name: &'static str,
    /// Whether it is written from right to left.
    pub(super) is_leftward: bool,
    /// The first page's heading.
    pub(super) unsubscribe: &'static str,
    /// Who sends what to whom.
    pub(super) sends: &'static str,
    /// The same where it is no stream that can be named.
    pub(super) sends_mail: &'static str,
    /// What stands for the address where it is not known.
    pub(super) your_address: &'static str,
    /// The heading above the buttons.
    pub(super) what: &'static str,
    /// The button that ends a stream.
    pub(super) stop_stream: &'static str,
    /// The button that ends all marketing of the sender.
    pub(super) stop_all: &'static str,
    /// What that button does not end.
    pub(super) goes_on: &'static str,
    /// The link to the page of choices.
    pub(super) each: &'static str,
    /// That a stream has been ended, and when.
    pub(super) stream_stopped: &'static str,
    /// That all marketing has been ended, and when.
    pub(super) all_stopped: &'static str,
    /// The heading above where the mail comes from.
    pub(super) why: &'static str,
    /// When the person agreed.
    pub(super) agreed: &'static str,
    /// What the sender has noted of it.
    pub(super) noted: &'static str,
    /// That nobody knows of an agreement.
    pub(super) unagreed: &'static str,
    /// That a stream needs none.
    pub(super) about_you: &'static str,
    /// When the last message was sent.
    pub(super) last: &'static str,
    /// The heading after a stop.
    pub(super) done: &'static str,
    /// That a stream ends.
    pub(super) stopped: &'static str,
    /// That all marketing ends.
    pub(super) stopped_all: &'static str,
    /// That a message may be on its way.
    pub(super) one_more: &'static str,
    /// How long a stop can be undone.
    pub(super) undo_for: &'static str,
    /// The button that undoes.
    pub(super) undo: &'static str,
    /// The heading of the page that a confirmation leads to.
    pub(super) undo_question: &'static str,
    /// What undoing does.
    pub(super) undo_line: &'static str,
    /// The heading after that.
    pub(super) undone: &'static str,
    /// What it did.
    pub(super) undone_line: &'static str,
    /// The heading where nothing can be undone.
    pub(super) gone: &'static str,
    /// Why.
    pub(super) gone_line: &'static str,
    /// The way back that remains.
    pub(super) again: &'static str,
    /// The button that asks for a stream again.
    pub(super) get_again: &'static str,
    /// That a message was sent which leads to the button that grants it.
    pub(super) asked: &'static str,
    /// That none was.
    pub(super) not_asked: &'static str,
    /// The heading of the page of choices.
    pub(super) choices: &'static str,
    /// What is chosen.
    pub(super) choices_line: &'static str,
    /// How.
    pub(super) choices_hint: &'static str,
    /// The button that saves.
    pub(super) save: &'static str,
    /// That choices were saved.
    pub(super) saved: &'static str,
    /// That nothing was changed.
    pub(super) unchanged: &'static str,
    /// State of a stream: it is sent.
    pub(super) comes: &'static str,
    /// State of a stream: the person ended it, and when.
    pub(super) stopped_on: &'static str,
    /// State of a stream: something else keeps it from being sent.
    pub(super) held: &'static str,
    /// State of a stream: the person's confirmation is missing.
    pub(super) waiting: &'static str,
    /// State of a stream: there is no agreement.
    pub(super) not_agreed: &'static str,
    /// State of a stream: nobody can end it.
    pub(super) always: &'static str,
    /// The link to the first page.
    pub(super) back: &'static str,
    /// The heading where a link is none of ours.
    pub(super) invalid: &'static str,
    /// What to do about it.
    pub(super) invalid_line: &'static str,
    /// What helps where that does not.
    pub(super) invalid_help: &'static str,
    /// The heading where a form cannot be meant.
    pub(super) misread: &'static str,
    /// What to do about it.
    pub(super) misread_line: &'static str,
    /// The heading where nothing can be recorded.
    pub(super) not_now: &'static str,
    /// What to do about it.
    pub(super) not_now_line: &'static str,
    /// The heading where somebody asks too often.
    pub(super) many: &'static str,
    /// What to do about it.
    pub(super) many_line: &'static str,
    /// The name of the choice of languages.
    pub(super) language: &'static str,
    /// Who delivers the mail.
    pub(super) delivered: &'static str,
}

/// Every language that is spoken; the first where no other is known.
const ALL: [Words; 15] = [
    en::EN,
    zh_hans::ZH_HANS,
    zh_hant::ZH_HANT,
    ja::JA,
    ko::KO,
    de::DE,
    fr::FR,
    es::ES,
    pt::PT,
    it::IT,
    nl::NL,
    ru::RU,
    pl::PL,
    ar::AR,
    he::HE,
];

static SPOKEN: [Words; ALL.len()] = ALL;

/// The sentences of a language, by its tag as people write it: whole, or by what it begins with. None
/// where it is not spoken.
pub(super) fn spoken(tag: &str) -> Option<&'static Words> {
    let tag = tag.trim().to_ascii_lowercase();
    // The script of Chinese is told by the place too; Hebrew has an older code.
    let tag = match tag.as_str() {
        "zh-tw" | "zh-hk" | "zh-mo" => "zh-hant",
        _ if tag.starts_with("zh-hant") => "zh-hant",
        _ if tag == "iw" || tag.starts_with("iw-") => "he",
        _ => tag.as_str(),
    };
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let whole = SPOKEN.iter().find(|words| words.tag.eq_ignore_ascii_case(tag));
    whole.or_else(|| SPOKEN.iter().find(|words| primary(words.tag) == primary(tag)))
}

/// The reader's first choice among the languages that are spoken (RFC 9110 §12.5.4); none where there is
/// none.
pub(super) fn preferred(headers: &HeaderMap) -> Option<&'static Words> {
    let text = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let mut best: Option<(f32, &Words)> = None;
    for choice in text.unwrap_or_default().split(',').take(CHOICES_MAX) {
        let (tag, weight) = choice.split_once(';').unwrap_or((choice, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse().ok());
        let weight: f32 = weight.filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0);
        let Some(words) = spoken(tag) else { continue };
        if weight > best.map_or(0.0, |(heaviest, _)| heaviest) {
            best = Some((weight, words));
        }
    }
    best.map(|(_, words)| words)
}

/// The words where nobody has chosen any.
pub(super) fn fallback() -> &'static Words {
    &SPOKEN[0]
}

/// All of them, in the order in which they are offered.
pub(super) fn all() -> impl Iterator<Item = &'static Words> {
    SPOKEN.iter()
}

/// Most languages of a request that are looked at.
const CHOICES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replies::languages;
    use axum::http::HeaderValue;

    #[test]
    fn the_pages_speak_every_language_of_the_answers_and_two_from_right_to_left() {
        for tag in languages() {
            assert_eq!(spoken(tag).map(|words| words.tag), Some(tag));
        }
        let leftward: Vec<_> = all().filter(|words| words.is_leftward).map(|w| w.tag).collect();
        assert_eq!(leftward, ["ar", "he"]);
    }

    #[test]
    fn every_language_names_who_what_and_when() {
        for words in all() {
            let tag = words.tag;
            for (text, names) in [
                (words.sends, &["{sender}", "{stream}", "{to}"][..]),
                (words.sends_mail, &["{sender}", "{to}"]),
                (words.stop_stream, &["{stream}"]),
                (words.stop_all, &["{sender}"]),
                (words.goes_on, &["{sender}"]),
                (words.stream_stopped, &["{stream}", "{date}"]),
                (words.all_stopped, &["{sender}", "{date}"]),
                (words.agreed, &["{date}"]),
                (words.noted, &["{sender}", "{note}"]),
                (words.unagreed, &["{sender}"]),
                (words.about_you, &["{stream}"]),
                (words.last, &["{date}"]),
                (words.stopped, &["{sender}", "{stream}"]),
                (words.stopped_all, &["{sender}"]),
                (words.undo_for, &["{date}"]),
                (words.gone_line, &["{hours}"]),
                (words.again, &["START"]),
                (words.get_again, &["{stream}"]),
                (words.asked, &["{stream}", "{to}"]),
                (words.choices_line, &["{sender}", "{to}"]),
                (words.stopped_on, &["{date}"]),
                (words.invalid_help, &["R"]),
                (words.delivered, &["{host}", "{sender}"]),
            ] {
                assert!(names.iter().all(|name| text.contains(name)), "{tag}: {text}");
            }
            // A heading is also the page's title, where no name could be set apart.
            for text in [words.unsubscribe, words.done, words.choices, words.invalid, words.gone] {
                assert!(!text.contains('{') && !text.is_empty(), "{tag}: {text}");
            }
        }
    }

    #[test]
    fn the_reader_chooses_the_language() {
        for (text, expected) in [
            ("", None),
            ("zh-CN,zh;q=0.9,en;q=0.8", Some("zh-Hans")),
            ("zh-TW, en;q=0.5", Some("zh-Hant")),
            ("en-GB,zh;q=0.9", Some("en")),
            ("xx, zh;q=0.5, en;q=0.4", Some("zh-Hans")),
            ("pt-BR", Some("pt")),
            ("iw-IL", Some("he")),
            ("AR-eg", Some("ar")),
            ("tlh", None),
            ("de;q=0", None),
            ("de;q=NaN, fr;q=inf, nl;q=-1, es;q=2", None),
            ("de;q=0.1, fr;q=0.9;x", Some("de")),
            (";;;,,,q=", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(text));
            assert_eq!(preferred(&headers).map(|words| words.tag), expected, "{text}");
        }
    }
}
